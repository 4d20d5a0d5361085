/* Sessions: every backend a row, or groups of them by any of database, user, state, application,
 * client. */
#include "panels/session_cells.h"

#include "panels/sessions.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_DATABASE, GROUP_USER, GROUP_STATE, GROUP_APPLICATION, GROUP_CLIENT, GROUPS };

static const char *const group_names[GROUPS] = {"database", "user", "state", "application",
                                                "client"};

struct group {
    const char *key[GROUPS]; /* NULL: not grouped by it, or absent */
    uint64_t identity;
    int total, active, idle, in_transaction, blocked;
    double longest;
    enum environment environment;
};

struct sessions {
    struct session_context context;
    const void **rows;
    struct group *groups;
    unsigned grouped; /* bits of GROUP_*; 0: rows */
};

static const struct column columns[] = {
    SESSION_COLUMN_PID,
    SESSION_COLUMN_DATABASE,
    SESSION_COLUMN_USER,
    {.name = "application",
     .title = "APPLICATION",
     .width = 12,
     .max = 18,
     .priority = 7,
     .cell = session_application,
     .help = "what the client calls itself (pg_stat_activity.application_name)"},
    {.name = "client",
     .title = "CLIENT",
     .width = 12,
     .max = 15,
     .priority = 8,
     .cell = session_client,
     .help = "its address, local for a socket (pg_stat_activity.client_addr)"},
    SESSION_COLUMN_STATE,
    SESSION_COLUMN_DURATION,
    SESSION_COLUMN_TRANSACTION,
    SESSION_COLUMN_WAIT,
    SESSION_COLUMN_BLOCKED_BY,
    {.name = "xmin_age",
     .title = "XMIN",
     .width = 6,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = session_xmin_age,
     .help = "transactions that its snapshot keeps from vacuum (age(backend_xmin))"},
    {.name = "type",
     .title = "TYPE",
     .width = 14,
     .hidden = true,
     .cell = session_type,
     .help = "kind of process (pg_stat_activity.backend_type)"},
    {.name = "leader_pid",
     .title = "LEADER",
     .width = 7,
     .right = true,
     .hidden = true,
     .cell = session_leader,
     .help = "leader of a parallel worker (pg_stat_activity.leader_pid)"},
    {.name = "connected_seconds",
     .title = "CONN",
     .width = 6,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = session_connected,
     .help = "age of the connection (pg_stat_activity.backend_start)"},
    {.name = "environment",
     .title = "ENVIRONMENT",
     .width = 11,
     .hidden = true,
     .cell = session_environment,
     .help = "of its database, from the config"},
    SESSION_COLUMN_QUERY,
};

const struct table_class sessions_table = {.columns = columns,
                                           .count = sizeof(columns) / sizeof(columns[0]),
                                           .identity = session_identity};

/* ---- groups ---- */

static uint64_t group_identity(const void *row)
{
    return ((const struct group *)row)->identity;
}

static void key_cell(const void *row, int by, struct cell *cell)
{
    const struct group *group = row;

    cell_set_text(cell, group->key[by]);
    if (by == GROUP_DATABASE && group->key[by])
        cell->role = environment_name_role(group->environment);
}

#define KEY_CELL(name, by)                                                                         \
    static void name(const void *row, const void *context, struct cell *cell)                      \
    {                                                                                              \
        (void)context;                                                                             \
        key_cell(row, by, cell);                                                                   \
    }
KEY_CELL(group_database, GROUP_DATABASE)
KEY_CELL(group_user, GROUP_USER)
KEY_CELL(group_state, GROUP_STATE)
KEY_CELL(group_application, GROUP_APPLICATION)
KEY_CELL(group_client, GROUP_CLIENT)

#define COUNT_CELL(name, field)                                                                    \
    static void name(const void *row, const void *context, struct cell *cell)                      \
    {                                                                                              \
        (void)context;                                                                             \
        cell_set_number(cell, CELL_INTEGER, ((const struct group *)row)->field);                   \
    }
COUNT_CELL(group_total, total)
COUNT_CELL(group_active, active)
COUNT_CELL(group_idle, idle)
COUNT_CELL(group_in_transaction, in_transaction)
COUNT_CELL(group_blocked, blocked)

static void group_longest(const void *row, const void *context, struct cell *cell)
{
    const struct group *group = row;
    const struct session_context *of = context;

    cell_set_number(cell, CELL_DURATION, group->longest);
    cell->role = threshold_role(of->config, ALERT_LONG_QUERY, group->longest);
    if (group->longest < 0)
        cell->type = CELL_NONE;
}

static const struct column group_columns[] = {
    {.name = "database",
     .title = "DATABASE",
     .width = 16,
     .max = 24,
     .cell = group_database,
     .help = "grouped by database"},
    {.name = "user",
     .title = "USER",
     .width = 12,
     .max = 20,
     .cell = group_user,
     .help = "grouped by role"},
    {.name = "state",
     .title = "STATE",
     .width = 19,
     .cell = group_state,
     .help = "grouped by state"},
    {.name = "application",
     .title = "APPLICATION",
     .width = 16,
     .max = 24,
     .cell = group_application,
     .help = "grouped by application_name"},
    {.name = "client",
     .title = "CLIENT",
     .width = 15,
     .max = 24,
     .cell = group_client,
     .help = "grouped by client address"},
    {.name = "sessions",
     .title = "SESSIONS",
     .width = 9,
     .right = true,
     .descending = true,
     .cell = group_total,
     .help = "sessions in the group"},
    {.name = "active",
     .title = "ACTIVE",
     .width = 9,
     .right = true,
     .descending = true,
     .cell = group_active,
     .help = "of them active"},
    {.name = "idle",
     .title = "IDLE",
     .width = 9,
     .right = true,
     .descending = true,
     .cell = group_idle,
     .help = "of them idle"},
    {.name = "in_transaction",
     .title = "IDLE TX",
     .width = 9,
     .right = true,
     .descending = true,
     .cell = group_in_transaction,
     .help = "of them idle in transaction"},
    {.name = "blocked",
     .title = "BLOCKED",
     .width = 9,
     .right = true,
     .descending = true,
     .cell = group_blocked,
     .help = "of them waiting for another's lock"},
    {.name = "longest_seconds",
     .title = "LONGEST",
     .width = 8,
     .right = true,
     .descending = true,
     .cell = group_longest,
     .help = "the longest running query in the group"},
};

static const struct table_class groups_table = {.columns = group_columns,
                                                .count = sizeof(group_columns) /
                                                         sizeof(group_columns[0]),
                                                .identity = group_identity,
                                                .sort = "sessions"};

static void session_keys(const struct pg_session *session, unsigned grouped, const char **keys)
{
    const char *const all[GROUPS] = {session->database, session->user, session->state_text,
                                     session->application, session->client};

    for (int i = 0; i < GROUPS; i++)
        keys[i] = grouped & 1U << i ? all[i] : NULL;
}

static uint64_t hash_keys(const char *const *keys)
{
    uint64_t hash = 14695981039346656037ULL;

    for (int i = 0; i < GROUPS; i++) {
        for (const char *c = keys[i] ? keys[i] : "\1"; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
        hash = (hash ^ 0xFF) * 1099511628211ULL;
    }
    return hash;
}

static struct group *find_group(struct sessions *sessions, size_t *count,
                                const struct pg_session *session)
{
    const char *keys[GROUPS];
    struct group *group;
    uint64_t hash;

    session_keys(session, sessions->grouped, keys);
    hash = hash_keys(keys);
    for (size_t i = 0; i < *count; i++) {
        if (sessions->groups[i].identity == hash)
            return &sessions->groups[i];
    }
    group = &sessions->groups[(*count)++];
    *group = (struct group){.identity = hash, .longest = -1, .environment = session->environment};
    memcpy(group->key, keys, sizeof(keys));
    return group;
}

static void add_to_group(struct group *group, const struct pg_session *session, int64_t now)
{
    double seconds = pg_session_seconds(session, now);

    group->total++;
    group->blocked += session->blocked_by_count > 0;
    switch (session->state) {
    case PG_STATE_ACTIVE:
    case PG_STATE_FASTPATH:
        group->active++;
        if (seconds > group->longest)
            group->longest = seconds;
        break;
    case PG_STATE_IDLE: group->idle++; break;
    case PG_STATE_IDLE_IN_TRANSACTION:
    case PG_STATE_IDLE_IN_TRANSACTION_ABORTED: group->in_transaction++; break;
    default: break;
    }
}

static size_t make_groups(struct sessions *sessions, size_t rows)
{
    size_t count = 0;

    sessions->groups = mem_array(sessions->groups, rows, sizeof(*sessions->groups));
    for (size_t i = 0; i < rows; i++) {
        const struct pg_session *session = sessions->rows[i];

        add_to_group(find_group(sessions, &count, session), session,
                     sessions->context.activity->now);
    }
    for (size_t i = 0; i < count; i++)
        sessions->rows[i] = &sessions->groups[i];
    return count;
}

/* ---- rows ---- */

bool session_shown(const struct pg_session *session, bool all)
{
    return all || (!session->own && session->state != PG_STATE_NONE);
}

/* What hurts comes first: blocked, then active by age, idle in transaction by age, the rest. */
static int urgency(const struct pg_session *session)
{
    static const int ranks[] = {
        [PG_STATE_NONE] = 5,
        [PG_STATE_ACTIVE] = 1,
        [PG_STATE_IDLE] = 3,
        [PG_STATE_IDLE_IN_TRANSACTION] = 2,
        [PG_STATE_IDLE_IN_TRANSACTION_ABORTED] = 2,
        [PG_STATE_FASTPATH] = 1,
        [PG_STATE_DISABLED] = 4,
        [PG_STATE_STARTING] = 4,
    };

    return session->blocked_by_count ? 0 : ranks[session->state];
}

static int by_urgency(const void *a, const void *b)
{
    const struct pg_session *x = *(const struct pg_session *const *)a;
    const struct pg_session *y = *(const struct pg_session *const *)b;
    int order = urgency(x) - urgency(y);
    bool active = x->state == PG_STATE_ACTIVE;
    int64_t since_x = active ? x->query_start : x->state_change;
    int64_t since_y = active ? y->query_start : y->state_change;

    if (!order)
        order = (since_x > since_y) - (since_x < since_y);
    return order ? order : x->pid - y->pid;
}

static void update(struct panel *panel)
{
    struct sessions *sessions = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct pg_activity *activity = data->pg.activity;
    size_t count = 0, total = activity ? activity->count : 0;

    sessions->context = (struct session_context){activity, data->config};
    sessions->rows = mem_array(sessions->rows, total, sizeof(*sessions->rows));
    for (size_t i = 0; i < total; i++) {
        if (session_shown(&activity->rows[i], data->show_own))
            sessions->rows[count++] = &activity->rows[i];
    }
    if (sessions->grouped)
        count = make_groups(sessions, count);
    else if (panel->table.sort < 0)
        qsort(sessions->rows, count, sizeof(*sessions->rows), by_urgency);
    table_rows(&panel->table, sessions->rows, count, &sessions->context);
}

static void close_panel(struct panel *panel)
{
    struct sessions *sessions = panel->state;

    free(sessions->rows);
    free(sessions->groups);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct pg_activity *activity = panel_data(panel)->pg.activity;

    stale_note(panel, activity ? &activity->sample : NULL, out, size);
    if (*out || !activity)
        return;
    snprintf(out, size, "%zu of %zu  %d active  %d idle in tx  %d blocked", panel->table.count,
             panel->table.total, activity->counts.active, activity->counts.idle_in_transaction,
             activity->counts.blocked);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    snprintf(out, size, "%s",
             panel_data(panel)->pg.activity ? "no session but our own (o shows all)"
                                            : "no data yet");
}

/* Details of a group are its columns; session_details would read a row of another type. */
static char *details(const struct panel *panel, const void *row)
{
    const struct sessions *sessions = panel->state;
    const struct group *group = row;
    struct strbuf text = {0};

    if (!sessions->grouped)
        return session_details(panel, row);
    for (int i = 0; i < GROUPS; i++) {
        char *clean = text_clean(group->key[i], false);

        if (clean)
            strbuf_addf(&text, "%-14s %s\n", group_names[i], clean);
        free(clean);
    }
    strbuf_addf(&text, "%-14s %d\n", "sessions", group->total);
    return strbuf_take(&text);
}

static char *copy(const struct panel *panel, const void *row)
{
    const struct sessions *sessions = panel->state;

    return sessions->grouped ? details(panel, row) : session_copy(panel, row);
}

/* ---- what its keys do ---- */

void sessions_group_by(struct panel *panel, unsigned grouped)
{
    struct sessions *sessions = panel->state;

    if (!sessions->grouped != !grouped)
        table_switch(&panel->table, grouped ? &groups_table : &sessions_table);
    sessions->grouped = grouped;
    for (int i = 0; grouped && i < GROUPS; i++)
        panel->table.shown[i] = grouped & 1U << i;
    panel_update(panel);
    app_dirty(panel->app);
}

static void toggled(void *context, size_t index, bool checked)
{
    struct panel *panel = context;
    const struct sessions *sessions = panel->state;
    unsigned bit = 1U << index;

    sessions_group_by(panel, checked ? sessions->grouped | bit : sessions->grouped & ~bit);
}

void sessions_group(struct app *app, int argument)
{
    struct panel *panel = app_focus(app);
    const struct sessions *sessions = panel->state;
    struct menu_item *items = mem_array(NULL, GROUPS, sizeof(*items));
    struct overlay *menu;

    (void)argument;
    for (int i = 0; i < GROUPS; i++)
        items[i] = (struct menu_item){.label = mem_strdup(group_names[i]),
                                      .checkable = true,
                                      .checked = sessions->grouped & 1U << i};
    menu = menu_new("Group by", items, GROUPS, 0, NULL, toggled);
    menu->context = panel;
    app_push(app, menu);
}

bool sessions_group_named(struct panel *panel, const char *names)
{
    unsigned grouped = 0;

    for (const char *at = names; *at;) {
        size_t len = strcspn(at, ", ");
        bool known = len == 0;

        for (int i = 0; i < GROUPS; i++) {
            if (strlen(group_names[i]) == len && strncmp(at, group_names[i], len) == 0) {
                grouped |= 1U << i;
                known = true;
            }
        }
        if (!known)
            return false;
        at += len + (at[len] != '\0');
    }
    sessions_group_by(panel, grouped);
    return true;
}

const char *sessions_group_name(size_t index)
{
    return index < GROUPS ? group_names[index] : NULL;
}

const struct panel_class sessions_panel = {
    .name = "sessions",
    .title = "Sessions",
    .help = "every session of the server, or groups of them; b groups",
    .kind = PANEL_POSTGRES,
    .needs = SOURCE_BIT(PG_ACTIVITY) | PG_WANT_IDLE_QUERIES,
    .view = true,
    .table = &sessions_table,
    .state_size = sizeof(struct sessions),
    .close = close_panel,
    .update = update,
    .head_rows = banner_rows_full,
    .head = banner_draw,
    .caption = instance_caption,
    .note = note,
    .empty = empty,
    .details = details,
    .copy = copy,
};
