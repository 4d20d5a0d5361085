/* Memory of the Redis: used of allowed over time, and where it goes. */
#include "panels/figures.h"

#include "tui/graph.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A figure of the list: which field of struct redis_info, how it is shown and what it means. */
struct figure {
    const char *name, *meaning;
    size_t offset;
    enum cell_type type;
    enum { FIELD_INTEGER, FIELD_DOUBLE, FIELD_TEXT } field;
    bool part; /* of used_memory */
};

#define INTEGER(text, member, unit, words)                                                         \
    {                                                                                              \
        text, words, offsetof(struct redis_info, member), unit, FIELD_INTEGER, false               \
    }
#define PART(text, member, words)                                                                  \
    {                                                                                              \
        text, words, offsetof(struct redis_info, member), CELL_BYTES, FIELD_INTEGER, true          \
    }
#define DOUBLE(text, member, unit, words)                                                          \
    {                                                                                              \
        text, words, offsetof(struct redis_info, member), unit, FIELD_DOUBLE, false                \
    }
#define WORDS(text, member, words)                                                                 \
    {                                                                                              \
        text, words, offsetof(struct redis_info, member), CELL_TEXT, FIELD_TEXT, false             \
    }

static const struct figure figures[] = {
    PART("used_memory", used_memory, "all that the allocator gave out"),
    INTEGER("maxmemory", maxmemory, CELL_BYTES, "the limit; 0: none"),
    WORDS("maxmemory_policy", policy, "what happens at the limit"),
    DOUBLE("evicted_keys/s", rates.evicted, CELL_RATE, "keys thrown away for want of memory"),
    INTEGER("evicted_keys", evicted_keys, CELL_COUNT, "the same since the start"),
    DOUBLE("expired_keys/s", rates.expired, CELL_RATE, "keys whose time had come"),
    PART("used_memory_dataset", used_memory_dataset, "the data itself"),
    PART("used_memory_overhead", used_memory_overhead, "buffers, tables, clients"),
    PART("mem_clients_normal", mem_clients_normal,
         "clients' buffers: they count "
         "against maxmemory"),
    PART("mem_clients_slaves", mem_clients_slaves, "replicas' buffers"),
    PART("mem_replication_backlog", mem_replication_backlog, "replication backlog"),
    PART("mem_aof_buffer", mem_aof_buffer, "append-only file's buffer"),
    INTEGER("used_memory_lua", used_memory_lua, CELL_BYTES, "Lua's interpreter"),
    INTEGER("used_memory_peak", used_memory_peak, CELL_BYTES, "the most since the start"),
    INTEGER("used_memory_rss", used_memory_rss, CELL_BYTES, "what the system counts for it"),
    DOUBLE("mem_fragmentation_ratio", fragmentation, CELL_RATE,
           "rss / used; over 1.5 is waste, "
           "under 1 is swapped"),
    INTEGER("allocator_active", allocator_active, CELL_BYTES, "pages in use"),
    INTEGER("allocator_resident", allocator_resident, CELL_BYTES, "pages held"),
    INTEGER("lazyfree_pending", lazyfree_pending, CELL_COUNT, "objects being freed in background"),
    INTEGER("total_system_memory", total_system_memory, CELL_BYTES, "of the host"),
    WORDS("mem_allocator", allocator, "the allocator"),
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static uint64_t identity(const void *row)
{
    return (uint64_t)((const struct figure *)row - figures) + 1;
}

static void name(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct figure *)row)->name);
}

static void value(const void *row, const void *context, struct cell *cell)
{
    const struct figure *figure = row;
    const char *at = (const char *)context + figure->offset;
    int64_t integer;
    double real;

    switch (figure->field) {
    case FIELD_INTEGER:
        memcpy(&integer, at, sizeof(integer));
        cell_set_number(cell, figure->type, integer < 0 ? NAN : (double)integer);
        break;
    case FIELD_DOUBLE:
        memcpy(&real, at, sizeof(real));
        cell_set_number(cell, figure->type, real);
        break;
    default: cell_set_text(cell, *at ? at : NULL); break;
    }
}

static void share(const void *row, const void *context, struct cell *cell)
{
    const struct redis_info *info = context;
    struct cell bytes = {0};

    value(row, context, &bytes);
    cell_set_number(cell, CELL_PERCENT,
                    ((const struct figure *)row)->part && info->used_memory > 0
                        ? bytes.number / (double)info->used_memory
                        : NAN);
}

static void meaning(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct figure *)row)->meaning);
    cell->role = ROLE_DIM;
}

static const struct column columns[] = {
    {.name = "name",
     .title = "FIGURE",
     .width = 24,
     .cell = name,
     .help = "its name in INFO memory and INFO stats"},
    {.name = "value",
     .title = "VALUE",
     .width = 12,
     .right = true,
     .descending = true,
     .cell = value,
     .help = "now; rates are over the last interval"},
    {.name = "share",
     .title = "OF USED",
     .width = 7,
     .right = true,
     .descending = true,
     .priority = 2,
     .cell = share,
     .help = "its share of used_memory, where it is a part of that"},
    {.name = "meaning",
     .title = "MEANING",
     .width = 16,
     .grow = 1,
     .priority = 1,
     .cell = meaning,
     .help = "what it counts"},
};

static const struct table_class table = {
    .columns = columns, .count = sizeof(columns) / sizeof(columns[0]), .identity = identity};

static void update(struct panel *panel)
{
    const struct redis_info *info = panel_data(panel)->redis.info;
    const void *rows[FIGURES];

    for (size_t i = 0; i < FIGURES; i++)
        rows[i] = &figures[i];
    table_rows(&panel->table, rows, info ? FIGURES : 0, info);
}

#define GRAPH_ROWS 5

static int head_rows(const struct panel *panel, int width)
{
    return banner_rows(panel, width) + (panel_data(panel)->redis.info ? GRAPH_ROWS + 1 : 0);
}

static void head(const struct panel *panel, struct rect area)
{
    const struct view_data *data = panel_data(panel);
    const struct redis_info *info = data->redis.info;
    const struct alert_config *levels = &data->config->alerts[ALERT_REDIS_MEMORY_HIGH];
    int banner = banner_rows(panel, area.w), width = area.w - 2;
    float values[1024];
    double max = info ? (double)info->maxmemory : 0;
    size_t count;

    if (banner)
        banner_draw(panel, (struct rect){area.y, area.x, banner, area.w});
    if (!info || area.h < banner + GRAPH_ROWS + 1)
        return;
    width = width > 1024 ? 1024 : width;
    graph_gauge(area.y + banner, area.x + 1, width, max > 0 ? (double)info->used_memory / max : NAN,
                levels->warning / 100, levels->critical / 100);
    count =
        history_last(panel_instance(panel)->history, REDIS_METRIC_MEMORY, values, (size_t)width);
    graph_area(area.y + banner + 1, area.x + 1, GRAPH_ROWS, width, values, count, (float)max);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct redis_info *info = panel_data(panel)->redis.info;
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE];

    stale_note(panel, info ? &info->sample : NULL, out, size);
    if (*out || !info)
        return;
    snprintf(out, size, "%s of %s  %s", text_bytes(used, (double)info->used_memory),
             info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit",
             info->policy);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    (void)panel;
    snprintf(out, size, "no data yet");
}

const struct panel_class memory_panel = {
    .name = "memory",
    .title = "Memory",
    .help = "the memory of the Redis against its limit, and where it goes",
    .kind = PANEL_REDIS,
    .needs = SOURCE_BIT(REDIS_INFO),
    .view = true,
    .tile = {.side = 2, .rank = 7, .min_rows = 9},
    .table = &table,
    .update = update,
    .head_rows = head_rows,
    .head = head,
    .caption = instance_caption,
    .note = note,
    .empty = empty,
};
