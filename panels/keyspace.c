/* Keyspace: the numbered databases with their use, keys and Celery queues. */
#include "panels/keyspace.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct keyspace {
    struct keyspace_row *all;
    const void **rows;
};

static uint64_t identity(const void *row)
{
    return (uint64_t)((const struct keyspace_row *)row)->db + 1;
}

static void db(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_INTEGER, ((const struct keyspace_row *)row)->db);
}

static void environment(const void *row, const void *context, struct cell *cell)
{
    enum environment of = ((const struct keyspace_row *)row)->environment;

    (void)context;
    cell_set_text(cell, environment_name(of));
    cell->role = environment_name_role(of);
}

/* What a flush has moved here, and for how long it can come back. The time is the server's. */
static void waiting(const struct redis_spare *spare, struct cell *cell)
{
    const char *what = spare->undone ? "put aside by undo" : "trash";
    char left[TEXT_UNIT_SIZE];

    if (spare->now < spare->until)
        cell_build_text(cell, "%s of %d, %s left", what, spare->db,
                        text_duration(left, spare->until - spare->now));
    else
        cell_build_text(cell, "%s of %d, time over", what, spare->db);
    cell->role = ROLE_WARNING;
}

static void use(const void *row, const void *context, struct cell *cell)
{
    const struct keyspace_row *of = row;

    (void)context;
    if (of->spare)
        waiting(of->spare, cell);
    else if (of->is_spare)
        cell_set_text(cell, "spare");
    else
        cell_set_text(cell, of->config ? of->config->use : NULL);
}

static void keys(const void *row, const void *context, struct cell *cell)
{
    const struct keyspace_row *of = row;

    (void)context;
    cell_set_number(cell, CELL_COUNT, of->keys ? (double)of->keys->keys : 0);
}

static void expires(const void *row, const void *context, struct cell *cell)
{
    const struct keyspace_row *of = row;

    (void)context;
    cell_set_number(cell, CELL_COUNT, of->keys ? (double)of->keys->expires : 0);
}

static void avg_ttl(const void *row, const void *context, struct cell *cell)
{
    const struct keyspace_row *of = row;
    bool known = of->keys && of->keys->avg_ttl > 0;
    char text[TEXT_UNIT_SIZE];

    (void)context;
    cell_set_number(cell, CELL_INTEGER, known ? (double)of->keys->avg_ttl : NAN);
    if (known)
        cell_set_label(cell, text_duration(text, floor((double)of->keys->avg_ttl / 1000)));
}

static void trash_left(const void *row, const void *context, struct cell *cell)
{
    const struct redis_spare *spare = ((const struct keyspace_row *)row)->spare;

    (void)context;
    cell_set_number(cell, CELL_DURATION, spare ? fmax(spare->until - spare->now, 0) : NAN);
}

static void celery_number(const struct celery_db *celery, int64_t number, struct cell *cell)
{
    cell_set_number(cell, CELL_COUNT, celery && number >= 0 ? (double)number : NAN);
}

static void queue(const void *row, const void *context, struct cell *cell)
{
    const struct celery_db *celery = ((const struct keyspace_row *)row)->celery;

    (void)context;
    celery_number(celery, celery ? celery->depth : -1, cell);
}

static void in_flight(const void *row, const void *context, struct cell *cell)
{
    const struct celery_db *celery = ((const struct keyspace_row *)row)->celery;

    (void)context;
    celery_number(celery, celery ? celery->in_flight : -1, cell);
}

static void stuck(const void *row, const void *context, struct cell *cell)
{
    const struct celery_db *celery = ((const struct keyspace_row *)row)->celery;

    (void)context;
    celery_number(celery, celery ? celery->stuck : -1, cell);
    if (celery && celery->stuck > 0)
        cell->role = ROLE_WARNING;
}

static const struct column columns[] = {
    {.name = "db",
     .title = "DB",
     .width = 3,
     .right = true,
     .cell = db,
     .help = "number (INFO keyspace)"},
    {.name = "environment",
     .title = "ENVIRONMENT",
     .width = 11,
     .priority = 1,
     .cell = environment,
     .help = "from the config; not named counts as production"},
    {.name = "use",
     .title = "USE",
     .width = 13,
     .max = 36,
     .priority = 2,
     .cell = use,
     .help = "from the config; in the spare database: what a flush has moved there"},
    {.name = "keys",
     .title = "KEYS",
     .width = 6,
     .right = true,
     .descending = true,
     .cell = keys,
     .help = "keys (INFO keyspace keys)"},
    {.name = "expires",
     .title = "EXPIRES",
     .width = 7,
     .right = true,
     .descending = true,
     .priority = 4,
     .cell = expires,
     .help = "keys with a time to live (INFO keyspace expires)"},
    {.name = "avg_ttl_ms",
     .title = "AVG TTL",
     .width = 7,
     .right = true,
     .descending = true,
     .priority = 5,
     .cell = avg_ttl,
     .help = "their average time to live (INFO keyspace avg_ttl)"},
    {.name = "queue",
     .title = "QUEUE",
     .width = 6,
     .right = true,
     .descending = true,
     .cell = queue,
     .help = "Celery tasks that wait (LLEN of the queues, all priorities)"},
    {.name = "in_flight",
     .title = "FLIGHT",
     .width = 6,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = in_flight,
     .help = "Celery tasks in workers' hands (HLEN unacked)"},
    {.name = "stuck",
     .title = "STUCK",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 6,
     .cell = stuck,
     .help = "of them for over an hour (ZCOUNT unacked_index)"},
    {.name = "trash_left_seconds",
     .title = "TRASH",
     .width = 6,
     .right = true,
     .hidden = true,
     .cell = trash_left,
     .help = "time until what a flush has moved here is removed (sharedtop:trash)"},
};

const struct table_class keyspace_table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

static struct keyspace_row *find_row(struct keyspace_row *rows, size_t *count, int number)
{
    for (size_t i = 0; i < *count; i++) {
        if (rows[i].db == number)
            return &rows[i];
    }
    rows[*count] = (struct keyspace_row){.db = number};
    return &rows[(*count)++];
}

static int by_number(const void *a, const void *b)
{
    return ((const struct keyspace_row *)a)->db - ((const struct keyspace_row *)b)->db;
}

static void set_spare(struct keyspace_row *row, const struct redis_spare *spare)
{
    row->is_spare = true;
    row->spare = spare && spare->present ? spare : NULL;
}

static enum environment environment_of(const struct keyspace_row *row,
                                       const struct redis_config *config)
{
    const struct redis_db_config *origin =
        row->spare ? redis_database(config, row->spare->db) : row->config;

    return origin ? origin->environment : ENV_UNKNOWN;
}

struct keyspace_row *keyspace_rows(const struct redis_snapshot *redis,
                                   const struct redis_config *config, size_t *count)
{
    const struct redis_info *info = redis->info;
    const struct redis_celery *celery = redis->celery;
    size_t room = config->database_count + (info ? info->db_count : 0) + 1;
    struct keyspace_row *rows = mem_array(NULL, room, sizeof(*rows));

    *count = 0;
    for (size_t i = 0; info && i < config->database_count; i++)
        find_row(rows, count, config->databases[i].db)->config = &config->databases[i];
    for (size_t i = 0; info && i < info->db_count; i++)
        find_row(rows, count, info->dbs[i].db)->keys = &info->dbs[i];
    for (size_t i = 0; celery && i < celery->db_count; i++) {
        for (size_t k = 0; k < *count; k++) {
            if (rows[k].db == celery->dbs[i].db)
                rows[k].celery = &celery->dbs[i];
        }
    }
    if (info && config->trash_db >= 0)
        set_spare(find_row(rows, count, config->trash_db), redis->spare);
    for (size_t i = 0; i < *count; i++)
        rows[i].environment = environment_of(&rows[i], config);
    qsort(rows, *count, sizeof(*rows), by_number);
    return rows;
}

static void update(struct panel *panel)
{
    struct keyspace *keyspace = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct instance *instance = panel_instance(panel);
    size_t count = 0;

    free(keyspace->all);
    keyspace->all = instance ? keyspace_rows(&data->redis, instance->redis_config, &count) : NULL;
    keyspace->rows = mem_array(keyspace->rows, count, sizeof(*keyspace->rows));
    for (size_t i = 0; i < count; i++)
        keyspace->rows[i] = &keyspace->all[i];
    table_rows(&panel->table, keyspace->rows, count, NULL);
}

static void close_panel(struct panel *panel)
{
    struct keyspace *keyspace = panel->state;

    free(keyspace->all);
    free(keyspace->rows);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct redis_info *info = panel_data(panel)->redis.info;

    stale_note(panel, info ? &info->sample : NULL, out, size);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    snprintf(out, size, "%s",
             panel_data(panel)->redis.info ? "no database holds a key" : "no data yet");
}

static void add_celery(struct strbuf *text, const struct redis_celery *celery,
                       const struct celery_db *of)
{
    if (of->error) {
        char *clean = text_clean(of->error, false);

        strbuf_addf(text, "\nCelery: %s\n", clean);
        free(clean);
        return;
    }
    strbuf_adds(text, "\nCelery queues\n");
    for (size_t i = 0; i < celery->queue_count; i++) {
        const struct celery_queue *one = &celery->queues[i];
        char *clean = one->db == of->db ? text_clean(one->name, false) : NULL;

        if (clean)
            strbuf_addf(text, "  %-24s %lld\n", clean, (long long)one->depth);
        free(clean);
    }
}

static void add_spare(struct strbuf *text, const struct redis_spare *spare)
{
    char left[TEXT_UNIT_SIZE], keys[TEXT_UNIT_SIZE], *by = text_clean(spare->by, false);

    strbuf_addf(text, "\nSpare database\n  what was in    %d\n  keys then      %s\n", spare->db,
                text_integer(keys, spare->keys));
    strbuf_addf(text, "  flushed by     %s\n", by);
    strbuf_addf(text, "  flushed        %s ago\n", text_duration(left, spare->now - spare->since));
    strbuf_addf(text, "  time left      %s\n",
                spare->now < spare->until ? text_duration(left, spare->until - spare->now)
                                          : "over: the next dashboard empties it");
    free(by);
}

static char *details(const struct panel *panel, const void *row)
{
    const struct keyspace_row *of = row;
    struct strbuf text = {0};

    for (size_t i = 0; i < keyspace_table.count; i++) {
        struct cell cell = {0};
        char value[256];

        columns[i].cell(row, NULL, &cell);
        strbuf_addf(&text, "%-14s %s\n", columns[i].title, cell_text(&cell, value, sizeof(value)));
    }
    if (of->celery)
        add_celery(&text, panel_data(panel)->redis.celery, of->celery);
    if (of->spare)
        add_spare(&text, of->spare);
    return strbuf_take(&text);
}

const struct panel_class keyspace_panel = {
    .name = "keyspace",
    .title = "Keyspace",
    .help = "the numbered databases of the Redis, what they are for, and Celery's queues in them",
    .kind = PANEL_REDIS,
    .needs = SOURCE_BIT(REDIS_INFO) | SOURCE_BIT(REDIS_CELERY) | SOURCE_BIT(REDIS_SPARE),
    .view = true,
    .tile = {.side = 2, .rank = 5, .min_rows = 4},
    .table = &keyspace_table,
    .state_size = sizeof(struct keyspace),
    .close = close_panel,
    .update = update,
    .head_rows = banner_rows_full,
    .head = banner_draw,
    .caption = instance_caption,
    .note = note,
    .empty = empty,
    .details = details,
};
