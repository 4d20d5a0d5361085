/* Audit: the record of acts, newest first, read off the loop while it is looked at. */
#include "panels/data.h"

#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_EVERY_MS 2000U
#define ENTRIES_MOST  500U

/* What was read. Outlives the panel while a thread works on it. */
struct reading {
    uv_work_t work;      /* first */
    struct panel *panel; /* NULL: it has gone */
    char *path, *error;
    struct audit_entries entries;
};

struct audit_panel {
    struct reading *reading; /* under way, or NULL */
    struct audit_entries entries;
    const void **rows;
    char *error;
    uint64_t read_at; /* ms of uv_now; 0: never */
    bool known;       /* it was read once */
};

/* ---- cells ---- */

static uint64_t identity(const void *row)
{
    uint64_t hash = 14695981039346656037ULL;

    for (const char *c = ((const struct audit_entry *)row)->id; c && *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    return hash;
}

#define TEXT_CELL(function, field)                                                                 \
    static void function(const void *row, const void *context, struct cell *cell)                  \
    {                                                                                              \
        (void)context;                                                                             \
        cell_set_text(cell, ((const struct audit_entry *)row)->field);                             \
    }
TEXT_CELL(user, user)
TEXT_CELL(host, host)
TEXT_CELL(act, act)
TEXT_CELL(instance_name, instance)
TEXT_CELL(target, target)
TEXT_CELL(command, command)

/* "2026-01-31T14:22:33.123Z" without what a list has no room for. */
static void when(const void *row, const void *context, struct cell *cell)
{
    const char *text = ((const struct audit_entry *)row)->time;
    char label[24];

    (void)context;
    cell_set_text(cell, text);
    if (!text || strlen(text) < 19 || text[strspn(text, "0123456789-:.+TZ")])
        return;
    snprintf(label, sizeof(label), "%.10s %.8s", text, text + 11);
    cell_set_label(cell, label);
}

static void environment(const void *row, const void *context, struct cell *cell)
{
    const struct audit_entry *entry = row;
    enum environment of = ENV_UNKNOWN;

    (void)context;
    cell_set_text(cell, entry->environment);
    if (entry->environment && environment_parse(entry->environment, &of))
        cell->role = environment_name_role(of);
}

static const struct status {
    const char *word;
    enum symbol symbol;
    enum role role;
} statuses[] = {
    {"done", SYMBOL_DONE, ROLE_OK},
    {"started", SYMBOL_JOB, ROLE_ACTIVE},
    {"failed", SYMBOL_DOWN, ROLE_CRITICAL},
    {"refused", SYMBOL_WARNING, ROLE_WARNING},
    {"nothing", SYMBOL_WARNING, ROLE_DIM},
    {"unknown", SYMBOL_WARNING, ROLE_WARNING},
    {"cancelled", SYMBOL_WARNING, ROLE_WARNING},
};

static void status(const void *row, const void *context, struct cell *cell)
{
    const struct audit_entry *entry = row;
    char label[24];

    (void)context;
    cell_set_text(cell, entry->status ? entry->status : "no outcome");
    cell->role = ROLE_WARNING;
    for (size_t i = 0; entry->status && i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(entry->status, statuses[i].word) != 0)
            continue;
        snprintf(label, sizeof(label), "%s %s", text_symbol(statuses[i].symbol), entry->status);
        cell_set_label(cell, label);
        cell->role = statuses[i].role;
    }
}

static void outcome(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct audit_entry *)row)->outcome);
}

static const struct column columns[] = {
    {.name = "time", .title = "TIME (UTC)", .width = 19, .cell = when, .help = "of the intent"},
    {.name = "user",
     .title = "USER",
     .width = 8,
     .max = 14,
     .priority = 4,
     .cell = user,
     .help = "who ran it"},
    {.name = "host",
     .title = "HOST",
     .width = 12,
     .hidden = true,
     .cell = host,
     .help = "on which host"},
    {.name = "act", .title = "ACT", .width = 10, .cell = act, .help = "what"},
    {.name = "instance",
     .title = "INSTANCE",
     .width = 12,
     .max = 18,
     .priority = 3,
     .cell = instance_name,
     .help = "where"},
    {.name = "target",
     .title = "TARGET",
     .width = 14,
     .max = 28,
     .cell = target,
     .help = "on what"},
    {.name = "environment",
     .title = "ENVIRONMENT",
     .width = 11,
     .priority = 2,
     .cell = environment,
     .help = "of the target"},
    {.name = "status",
     .title = "STATUS",
     .width = 11,
     .cell = status,
     .help = "done, started (a job), failed, refused, nothing (there to act on), unknown"},
    {.name = "outcome",
     .title = "OUTCOME",
     .width = 14,
     .grow = 1,
     .cell = outcome,
     .help = "what happened; Enter shows all"},
    {.name = "command",
     .title = "COMMAND",
     .width = 20,
     .grow = 1,
     .hidden = true,
     .squeeze = true,
     .cell = command,
     .help = "what was to run"},
};

static const struct table_class table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

/* ---- reading ---- */

static void read_file(uv_work_t *work)
{
    struct reading *reading = (struct reading *)work;

    audit_read(reading->path, ENTRIES_MOST, &reading->entries, &reading->error);
}

static void take_over(struct panel *panel, struct reading *reading)
{
    struct audit_panel *audit = panel->state;

    audit->reading = NULL;
    audit->known = true;
    free(audit->error);
    audit->error = reading->error;
    reading->error = NULL;
    if (!audit->error) {
        const struct audit_entries before = audit->entries;

        audit->entries = reading->entries;
        reading->entries = before;
    }
    panel_update(panel);
    app_dirty_data(panel->app);
}

static void file_read(uv_work_t *work, int result)
{
    struct reading *reading = (struct reading *)work;

    (void)result;
    if (reading->panel)
        take_over(reading->panel, reading);
    audit_entries_free(&reading->entries);
    free(reading->error);
    free(reading->path);
    free(reading);
}

static void start_reading(struct panel *panel)
{
    struct audit_panel *audit = panel->state;
    const struct view_data *data = panel_data(panel);
    struct reading *reading;
    char *error = NULL, *path = audit_path(data->config, &error);

    audit->read_at = uv_now(data->loop);
    if (!path) {
        free(audit->error);
        audit->error = error;
        return;
    }
    reading = mem_zalloc(sizeof(*reading));
    reading->panel = panel;
    reading->path = path;
    audit->reading = reading;
    uv_queue_work(data->loop, &reading->work, read_file, file_read);
}

static void update(struct panel *panel)
{
    struct audit_panel *audit = panel->state;
    size_t count = audit->entries.count;
    uint64_t now = uv_now(panel_data(panel)->loop);

    if (!audit->reading && (!audit->read_at || now - audit->read_at >= READ_EVERY_MS))
        start_reading(panel);
    audit->rows = mem_array(audit->rows, count, sizeof(*audit->rows));
    for (size_t i = 0; i < count; i++)
        audit->rows[i] = &audit->entries.items[count - 1 - i];
    table_rows(&panel->table, audit->rows, count, NULL);
}

static void close_panel(struct panel *panel)
{
    struct audit_panel *audit = panel->state;

    if (audit->reading)
        audit->reading->panel = NULL;
    audit_entries_free(&audit->entries);
    free(audit->rows);
    free(audit->error);
}

/* ---- the panel ---- */

static void caption(const struct panel *panel, char *out, size_t size)
{
    char *error = NULL, *path = audit_path(panel_data(panel)->config, &error);

    if (path)
        text_sanitise(out, size, path, strlen(path), false, NULL);
    free(path);
    free(error);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct audit_panel *audit = panel->state;

    if (audit->error)
        snprintf(out, size, "cannot be read");
    else if (audit->entries.unreadable)
        snprintf(out, size, "%zu lines cannot be read", audit->entries.unreadable);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    const struct audit_panel *audit = panel->state;

    if (audit->error)
        text_sanitise(out, size, audit->error, strlen(audit->error), false, NULL);
    else
        snprintf(out, size, audit->known ? "no act has been recorded yet" : "reading");
}

static char *details(const struct panel *panel, const void *row)
{
    const struct audit_entry *entry = row;
    const struct {
        const char *name, *value;
    } fields[] = {
        {"time", entry->time},
        {"act", entry->act},
        {"status", entry->status ? entry->status : "no outcome: it runs, or was cut off"},
        {"outcome", entry->outcome},
        {"instance", entry->instance},
        {"target", entry->target},
        {"environment", entry->environment},
        {"user", entry->user},
        {"host", entry->host},
        {"id", entry->id},
    };
    struct strbuf text = {0};
    char *all, *clean;

    (void)panel;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].value)
            strbuf_addf(&text, "%-12s %s\n", fields[i].name, fields[i].value);
    }
    if (entry->command)
        strbuf_addf(&text, "\n%s\n", entry->command);
    all = strbuf_take(&text);
    clean = text_clean(all, true);
    free(all);
    return clean;
}

extern const struct panel_class audit_panel;

const struct panel_class audit_panel = {
    .name = "audit",
    .title = "Audit",
    .help = "every act: who, when, on what, and what came of it; newest first",
    .kind = PANEL_ANY,
    .view = true,
    .table = &table,
    .state_size = sizeof(struct audit_panel),
    .close = close_panel,
    .update = update,
    .caption = caption,
    .note = note,
    .empty = empty,
    .details = details,
};
