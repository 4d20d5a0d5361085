#include "panels/monitor_top.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_parse.h"
#include "panels/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t row_identity(const void *row)
{
    return ((const struct monitor_row *)row)->id;
}

/* ---- any dimension ---- */

static void text_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_row *top = row;
    size_t len;

    (void)context;
    cell->role = ROLE_NAME;
    if (!strchr(top->text, '\\')) {
        cell_set_text(cell, top->text);
        return;
    }
    cell_set_text(cell, cell->built);
    len = monitor_unescape(top->text, strlen(top->text), cell->built, sizeof(cell->built) - 1);
    cell->built[len] = '\0';
    cell->text = NULL;
}

static void count_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_COUNT, (double)((const struct monitor_row *)row)->count);
}

static void rate_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_context *top = context;

    if (top->seconds > 0)
        cell_set_number(cell, CELL_RATE,
                        (double)((const struct monitor_row *)row)->count / top->seconds);
}

static void share_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_context *top = context;

    if (top->total)
        cell_set_number(cell, CELL_PERCENT,
                        (double)((const struct monitor_row *)row)->count / (double)top->total);
}

static void bytes_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct monitor_row *)row)->bytes);
}

static void mean_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_row *top = row;

    (void)context;
    if (top->count)
        cell_set_number(cell, CELL_BYTES, (double)top->bytes / (double)top->count);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): initialisers of texts and arrays */
#define TEXT_COLUMN(column_name, column_title, column_help)                                        \
    {                                                                                              \
        .name = column_name, .title = column_title, .width = 24, .grow = 1, .cell = text_cell,     \
        .help = column_help                                                                        \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

#define FIGURE_COLUMNS                                                                             \
    {.name = "count",                                                                              \
     .title = "COMMANDS",                                                                          \
     .width = 8,                                                                                   \
     .right = true,                                                                                \
     .descending = true,                                                                           \
     .cell = count_cell,                                                                           \
     .help = "how often; at most the error bound above the table too low"},                        \
        {.name = "rate",                                                                           \
         .title = "A SECOND",                                                                      \
         .width = 8,                                                                               \
         .right = true,                                                                            \
         .descending = true,                                                                       \
         .priority = 2,                                                                            \
         .cell = rate_cell,                                                                        \
         .help = "over the time that was watched"},                                                \
        {.name = "share",                                                                          \
         .title = "SHARE",                                                                         \
         .width = 6,                                                                               \
         .right = true,                                                                            \
         .descending = true,                                                                       \
         .priority = 1,                                                                            \
         .cell = share_cell,                                                                       \
         .help = "of all that were counted"},                                                      \
        {.name = "bytes",                                                                          \
         .title = "BYTES",                                                                         \
         .width = 5,                                                                               \
         .right = true,                                                                            \
         .descending = true,                                                                       \
         .priority = 3,                                                                            \
         .cell = bytes_cell,                                                                       \
         .help = "length of its lines in the stream"},                                             \
    {                                                                                              \
        .name = "mean", .title = "EACH", .width = 5, .right = true, .descending = true,            \
        .priority = 4, .cell = mean_cell, .help = "bytes a command"                                \
    }

static const struct column command_columns[] = {
    TEXT_COLUMN("command", "COMMAND", "its name, in capitals"), FIGURE_COLUMNS};
static const struct column key_columns[] = {
    TEXT_COLUMN("key", "KEY", "decoded; the beginning of a long one"), FIGURE_COLUMNS};
static const struct column pattern_columns[] = {
    TEXT_COLUMN("pattern", "PATTERN", "keys with numbers, UUIDs and hashes as *"), FIGURE_COLUMNS};
static const struct column script_columns[] = {
    TEXT_COLUMN("script", "SCRIPT", "digest, function, or the beginning of the text"),
    FIGURE_COLUMNS};
static const struct column big_columns[] = {
    TEXT_COLUMN("key", "KEY", "in commands of 512 bytes or more"),
    {.name = "bytes",
     .title = "TRAFFIC",
     .width = 7,
     .right = true,
     .descending = true,
     .cell = bytes_cell,
     .help = "bytes of such commands so far, added up: not the size of the key"},
    {.name = "share",
     .title = "SHARE",
     .width = 6,
     .right = true,
     .descending = true,
     .cell = share_cell,
     .help = "of the bytes of such commands"},
};

/* ---- clients ---- */

static const struct monitor_client *client_of(const struct monitor_context *context,
                                              const char *address)
{
    return monitor_names_find(context->names, address, strlen(address));
}

bool monitor_may_be_named(const struct monitor_context *context, const char *address)
{
    return context->names && strcmp(address, "lua") != 0 && strncmp(address, "unix:", 5) != 0 &&
           !client_of(context, address);
}

void monitor_cell_name(const struct monitor_context *context, const char *address,
                       struct cell *cell)
{
    const struct monitor_client *client = client_of(context, address);

    if (client && client->name[0])
        cell_build_text(cell, "%s", client->name);
}

void monitor_cell_user(const struct monitor_context *context, const char *address,
                       struct cell *cell)
{
    const struct monitor_client *client = client_of(context, address);

    if (client && client->user[0])
        cell_build_text(cell, "%s", client->user);
}

static void name_cell(const void *row, const void *context, struct cell *cell)
{
    monitor_cell_name(context, ((const struct monitor_row *)row)->text, cell);
}

static void user_cell(const void *row, const void *context, struct cell *cell)
{
    monitor_cell_user(context, ((const struct monitor_row *)row)->text, cell);
}

static void lib_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_client *client =
        client_of(context, ((const struct monitor_row *)row)->text);

    if (client && client->lib[0])
        cell_build_text(cell, "%.47s", client->lib);
}

static void id_cell(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_client *client =
        client_of(context, ((const struct monitor_row *)row)->text);

    if (client)
        cell_set_number(cell, CELL_INTEGER, (double)client->id);
}

static const struct column client_columns[] = {
    {.name = "client",
     .title = "CLIENT",
     .width = 16,
     .max = 54,
     .fit = true,
     .tail = true,
     .cell = text_cell,
     .help = "address; lua: scripts"},
    {.name = "name",
     .title = "NAME",
     .width = 18,
     .max = 24,
     .grow = 1,
     .cell = name_cell,
     .help = "CLIENT SETNAME"},
    {.name = "user",
     .title = "USER",
     .width = 8,
     .max = 16,
     .priority = 4,
     .cell = user_cell,
     .help = "ACL user"},
    {.name = "lib",
     .title = "LIBRARY",
     .width = 12,
     .max = 20,
     .priority = 5,
     .cell = lib_cell,
     .help = "lib-name and lib-ver, 7.2 and newer"},
    {.name = "id",
     .title = "ID",
     .width = 6,
     .right = true,
     .priority = 6,
     .cell = id_cell,
     .help = "CLIENT ID"},
    FIGURE_COLUMNS,
};

static void add_known(const struct monitor_client *client, struct strbuf *text)
{
    char *raw =
        mem_printf("id       %lld\nname     %s\nuser     %s\nlibrary  %s\n", client->id,
                   client->name[0] ? client->name : "-", client->user[0] ? client->user : "-",
                   client->lib[0] ? client->lib : "-");
    char *clean = text_clean(raw, true), age[TEXT_UNIT_SIZE], since[TEXT_UNIT_SIZE];

    strbuf_adds(text, clean);
    if (client->age >= 0)
        strbuf_addf(text, "age      %s, since %s\n", text_duration(age, (double)client->age),
                    text_clock(since, client->connected));
    free(raw);
    free(clean);
}

void monitor_add_client(const struct monitor_context *context, const char *address,
                        const char *kill, struct strbuf *text)
{
    const struct monitor_client *client = client_of(context, address);

    if (client)
        add_known(client, text);
    if (kill)
        strbuf_addf(text, "kill     %s\n", kill);
}

/* ---- databases ---- */

static const struct redis_db_config *database_of(const void *row, const void *context)
{
    const struct redis_config *config = ((const struct monitor_context *)context)->config;

    return config ? redis_database(config, atoi(((const struct monitor_row *)row)->text)) : NULL;
}

static void environment_cell(const void *row, const void *context, struct cell *cell)
{
    const struct redis_db_config *db = database_of(row, context);
    enum environment environment = db ? db->environment : ENV_UNKNOWN;

    cell_set_text(cell, environment_name(environment));
    cell->role = environment_name_role(environment);
}

static void use_cell(const void *row, const void *context, struct cell *cell)
{
    const struct redis_db_config *db = database_of(row, context);

    cell_set_text(cell, db ? db->use : NULL);
}

static const struct column database_columns[] = {
    {.name = "db", .title = "DB", .width = 4, .cell = text_cell, .help = "database"},
    {.name = "environment",
     .title = "ENVIRONMENT",
     .width = 11,
     .cell = environment_cell,
     .help = "from the configuration"},
    {.name = "use",
     .title = "USE",
     .width = 16,
     .grow = 1,
     .cell = use_cell,
     .help = "from the configuration"},
    FIGURE_COLUMNS};

/* ---- flags ---- */

static uint64_t event_identity(const void *row)
{
    const struct monitor_event *event = row;

    return (uint64_t)(event->time * 1e6) * 8 + event->kind;
}

static void event_time(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_event *event = row;
    char clock[TEXT_UNIT_SIZE];

    (void)context;
    cell_set_number(cell, CELL_RATE, event->time);
    cell_set_label(cell, text_clock(clock, event->time));
    cell->role = ROLE_DIM;
}

static void event_kind(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_event *event = row;

    (void)context;
    cell_set_text(cell, monitor_flag_name(event->kind));
    cell->role = event->kind == FLAG_SCAN || event->kind == FLAG_VALUE || event->kind == FLAG_WHOLE
                     ? ROLE_WARNING
                     : ROLE_CRITICAL;
}

static void event_db(const void *row, const void *context, struct cell *cell)
{
    const struct monitor_event *event = row;
    const struct monitor_context *top = context;
    const struct redis_db_config *db = top->config ? redis_database(top->config, event->db) : NULL;

    cell_set_number(cell, CELL_INTEGER, event->db);
    if (db)
        cell->role = environment_name_role(db->environment);
}

static void event_client(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct monitor_event *)row)->client);
}

static void event_name(const void *row, const void *context, struct cell *cell)
{
    monitor_cell_name(context, ((const struct monitor_event *)row)->client, cell);
}

static void event_bytes(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct monitor_event *)row)->bytes);
}

static void event_text(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct monitor_event *)row)->text);
}

static const struct column event_columns[] = {
    {.name = "time", .title = "TIME", .width = 8, .cell = event_time, .help = "server's clock"},
    {.name = "flag",
     .title = "FLAG",
     .width = 9,
     .cell = event_kind,
     .help = "walks or empties a database, or moves a big value"},
    {.name = "db", .title = "DB", .width = 3, .right = true, .cell = event_db, .help = "database"},
    {.name = "client",
     .title = "CLIENT",
     .width = 16,
     .max = 22,
     .tail = true,
     .cell = event_client,
     .help = "who sent it"},
    {.name = "name",
     .title = "NAME",
     .width = 10,
     .max = 20,
     .priority = 2,
     .cell = event_name,
     .help = "CLIENT SETNAME"},
    {.name = "bytes",
     .title = "BYTES",
     .width = 5,
     .right = true,
     .priority = 1,
     .cell = event_bytes,
     .help = "length of its line"},
    {.name = "args",
     .title = "COMMAND",
     .width = 20,
     .grow = 1,
     .cell = event_text,
     .help = "as the server shows it; cut"},
};

char *monitor_top_details(const struct monitor_context *context, const struct monitor_row *row,
                          const char *kill)
{
    struct strbuf text = {0};
    char raw[HITTER_TEXT + 1], share[TEXT_UNIT_SIZE], *clean;
    size_t len = monitor_unescape(row->text, strlen(row->text), raw, HITTER_TEXT);

    raw[len] = '\0';
    clean = text_clean(raw, false);
    strbuf_addf(&text, "%s\n\n", clean);
    if (context->dimension == MONITOR_CLIENTS)
        monitor_add_client(context, row->text, kill, &text);
    if (context->dimension != MONITOR_BIG_KEYS)
        strbuf_addf(&text, "commands %llu, at most %llu more\n", (unsigned long long)row->count,
                    (unsigned long long)context->error);
    strbuf_addf(&text, "bytes    %llu\n", (unsigned long long)row->bytes);
    if (context->total)
        strbuf_addf(&text, "share    %s\n",
                    text_percent(share, (double)row->count / (double)context->total));
    free(clean);
    return strbuf_take(&text);
}

char *monitor_event_details(const struct monitor_context *context,
                            const struct monitor_event *event, const char *kill)
{
    struct strbuf text = {0};
    char clock[TEXT_UNIT_SIZE], *args = text_clean(event->text, true);
    char *client = text_clean(event->client, false);

    strbuf_addf(&text, "%s\n\ntime     %s\ndb       %d\nclient   %s\n",
                monitor_flag_name(event->kind), text_clock(clock, event->time), event->db, client);
    monitor_add_client(context, event->client, kill, &text);
    strbuf_addf(&text, "\n%s\n", args);
    free(args);
    free(client);
    return strbuf_take(&text);
}

/* ---- all of them ---- */

#define CLASS(list)                                                                                \
    {                                                                                              \
        .columns = (list), .count = sizeof(list) / sizeof((list)[0]), .identity = row_identity     \
    }

static const struct table_class top_tables[MONITOR_DIMENSIONS] = {
    [MONITOR_COMMANDS] = CLASS(command_columns),   [MONITOR_KEYS] = CLASS(key_columns),
    [MONITOR_PATTERNS] = CLASS(pattern_columns),   [MONITOR_CLIENTS] = CLASS(client_columns),
    [MONITOR_DATABASES] = CLASS(database_columns), [MONITOR_SCRIPTS] = CLASS(script_columns),
    [MONITOR_BIG_KEYS] = CLASS(big_columns),
};

static const struct table_class event_table = {.columns = event_columns,
                                               .count =
                                                   sizeof(event_columns) / sizeof(event_columns[0]),
                                               .identity = event_identity};

enum monitor_dimension monitor_view_dimension(enum monitor_view view)
{
    return (enum monitor_dimension)(view - MONITOR_FIRST_TOP);
}

const struct table_class *monitor_view_table(enum monitor_view view)
{
    return view == MONITOR_FLAGS ? &event_table : &top_tables[monitor_view_dimension(view)];
}

const char *monitor_view_name(enum monitor_view view)
{
    if (view == MONITOR_STREAM)
        return "stream";
    return view == MONITOR_FLAGS ? "flags" : monitor_dimension_name(monitor_view_dimension(view));
}
