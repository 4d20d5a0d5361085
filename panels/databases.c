/* Databases: owner, size with its age, connections, rates. */
#include "panels/databases.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct databases {
    struct databases_context context;
    const void **rows;
};

static uint64_t identity(const void *row)
{
    return ((const struct pg_database *)row)->oid;
}

static const struct pg_size *find_size(const void *row, const void *context)
{
    const struct pg_sizes *sizes = ((const struct databases_context *)context)->sizes;

    for (size_t i = 0; sizes && i < sizes->count; i++) {
        if (sizes->rows[i].oid == ((const struct pg_database *)row)->oid)
            return &sizes->rows[i];
    }
    return NULL;
}

static void name(const void *row, const void *context, struct cell *cell)
{
    const struct pg_database *database = row;

    (void)context;
    cell_set_text(cell, database->name);
    cell->role = environment_name_role(database->environment);
}

static void owner(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct pg_database *)row)->owner);
}

static void environment(const void *row, const void *context, struct cell *cell)
{
    const struct pg_database *database = row;

    (void)context;
    cell_set_text(cell, environment_name(database->environment));
    cell->role = environment_name_role(database->environment);
}

static void size_bytes(const void *row, const void *context, struct cell *cell)
{
    const struct pg_size *size = find_size(row, context);

    cell_set_number(cell, CELL_BYTES, size && size->bytes >= 0 ? (double)size->bytes : NAN);
}

static void size_age(const void *row, const void *context, struct cell *cell)
{
    const struct databases_context *of = context;
    const struct pg_size *size = find_size(row, context);
    bool known = size && size->bytes >= 0 && of->now >= size->at;

    cell_set_number(cell, CELL_DURATION,
                    known ? floor((double)(of->now - size->at) / 1e4) * 10 : NAN);
    if (known && of->now - size->at < 10000)
        cell_set_label(cell, "<10s");
}

static void connections(const void *row, const void *context, struct cell *cell)
{
    int count = ((const struct pg_database *)row)->connections;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, count < 0 ? NAN : count);
}

static void active(const void *row, const void *context, struct cell *cell)
{
    int count = ((const struct pg_database *)row)->active;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, count < 0 ? NAN : count);
}

static void tps(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_RATE, ((const struct pg_database *)row)->tps);
}

static void rollbacks(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_RATE, ((const struct pg_database *)row)->rollbacks);
}

static void hit_rate(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_PERCENT, ((const struct pg_database *)row)->hit_rate);
}

static void temp_rate(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, ((const struct pg_database *)row)->temp_rate);
}

static void temp_bytes(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct pg_database *)row)->temp_bytes);
}

static void deadlocks(const void *row, const void *context, struct cell *cell)
{
    const struct pg_database *database = row;

    (void)context;
    cell_set_number(cell, CELL_COUNT, (double)database->deadlocks);
    if (database->deadlocks > 0)
        cell->role = ROLE_WARNING;
}

/* Autovacuum fights wraparound from 200 M on; the server stops at 2 G. */
static void xid_age(const void *row, const void *context, struct cell *cell)
{
    const struct pg_database *database = row;

    (void)context;
    cell_set_number(cell, CELL_COUNT, (double)database->xid_age);
    if (database->xid_age > 1000000000)
        cell->role = ROLE_CRITICAL;
    else if (database->xid_age > 400000000)
        cell->role = ROLE_WARNING;
}

static const struct column columns[] = {
    {.name = "name",
     .title = "DATABASE",
     .width = 16,
     .max = 28,
     .cell = name,
     .help = "name, in its environment's colour (pg_database.datname)"},
    {.name = "owner",
     .title = "OWNER",
     .width = 12,
     .max = 18,
     .priority = 4,
     .cell = owner,
     .help = "role that owns it (pg_database.datdba)"},
    {.name = "environment",
     .title = "ENVIRONMENT",
     .width = 11,
     .priority = 9,
     .cell = environment,
     .help = "from the config; unknown counts as production"},
    {.name = "size_bytes",
     .title = "SIZE",
     .width = 6,
     .right = true,
     .descending = true,
     .cell = size_bytes,
     .help = "bytes on disk (pg_database_size), measured about once a minute"},
    {.name = "size_age_seconds",
     .title = "AGE",
     .width = 5,
     .right = true,
     .priority = 6,
     .cell = size_age,
     .help = "how old the size is"},
    {.name = "connections",
     .title = "CONN",
     .width = 5,
     .right = true,
     .descending = true,
     .cell = connections,
     .help = "connected backends (pg_stat_database.numbackends)"},
    {.name = "active",
     .title = "ACT",
     .width = 4,
     .right = true,
     .descending = true,
     .priority = 2,
     .cell = active,
     .help = "active sessions (counted from pg_stat_activity)"},
    {.name = "tps",
     .title = "TPS",
     .width = 5,
     .right = true,
     .descending = true,
     .cell = tps,
     .help = "transactions a second (pg_stat_database.xact_commit + xact_rollback)"},
    {.name = "rollbacks",
     .title = "RB/S",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 5,
     .cell = rollbacks,
     .help = "rollbacks a second (pg_stat_database.xact_rollback)"},
    {.name = "hit_rate",
     .title = "HIT",
     .width = 6,
     .right = true,
     .priority = 1,
     .cell = hit_rate,
     .help = "blocks found in shared buffers, of this interval (blks_hit / blks_hit + blks_read)"},
    {.name = "temp_rate",
     .title = "TEMP/S",
     .width = 6,
     .right = true,
     .descending = true,
     .priority = 7,
     .cell = temp_rate,
     .help = "bytes written to temporary files a second (pg_stat_database.temp_bytes)"},
    {.name = "temp_bytes",
     .title = "TEMP",
     .width = 6,
     .right = true,
     .descending = true,
     .hidden = true,
     .cell = temp_bytes,
     .help = "the same since stats_reset"},
    {.name = "deadlocks",
     .title = "DEADL",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 8,
     .cell = deadlocks,
     .help = "deadlocks since stats_reset (pg_stat_database.deadlocks)"},
    {.name = "xid_age",
     .title = "XID AGE",
     .width = 7,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = xid_age,
     .help = "transactions since the oldest unfrozen row (age(datfrozenxid)); vacuum lowers it"},
};

const struct table_class databases_table = {.columns = columns,
                                            .count = sizeof(columns) / sizeof(columns[0]),
                                            .identity = identity,
                                            .sort = "name"};

static void update(struct panel *panel)
{
    struct databases *databases = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct pg_databases *all = data->pg.databases;
    size_t count = 0, total = all ? all->count : 0;

    databases->context = (struct databases_context){data->pg.sizes, uv_now(data->loop)};
    databases->rows = mem_array(databases->rows, total, sizeof(*databases->rows));
    for (size_t i = 0; i < total; i++) {
        if (all->rows[i].listed || data->show_own)
            databases->rows[count++] = &all->rows[i];
    }
    table_rows(&panel->table, databases->rows, count, &databases->context);
}

static void close_panel(struct panel *panel)
{
    struct databases *databases = panel->state;

    free(databases->rows);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct pg_databases *databases = panel_data(panel)->pg.databases;

    stale_note(panel, databases ? &databases->sample : NULL, out, size);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    (void)panel;
    snprintf(out, size, "no data yet");
}

const struct panel_class databases_panel = {
    .name = "databases",
    .title = "Databases",
    .help = "the databases of the server, with rates over the last interval",
    .kind = PANEL_POSTGRES,
    .needs = SOURCE_BIT(PG_DATABASES) | SOURCE_BIT(PG_SIZES),
    .view = true,
    .tile = {.side = 1, .rank = 6, .min_rows = 4},
    .table = &databases_table,
    .state_size = sizeof(struct databases),
    .close = close_panel,
    .update = update,
    .head_rows = banner_rows_full,
    .head = banner_draw,
    .caption = instance_caption,
    .note = note,
    .empty = empty,
};
