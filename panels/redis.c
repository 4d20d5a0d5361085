/* The overview's tile of a Redis: memory, traffic, what is lost, when it was saved. */
#include "panels/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct redis_info *info_of(const struct panel *panel)
{
    return panel_data(panel)->redis.info;
}

static void memory_line(const struct panel *panel, struct rect area, int row)
{
    const struct redis_info *info = info_of(panel);
    const struct config *config = panel_data(panel)->config;
    const struct alert_config *levels = &config->alerts[ALERT_REDIS_MEMORY_HIGH];
    double fraction =
        info->maxmemory > 0 ? (double)info->used_memory / (double)info->maxmemory : NAN;
    struct line line = line_at(area, row);
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE];

    line_label(&line, "memory");
    line_gauge(&line, line_graph_columns(area.w), fraction, levels->warning / 100,
               levels->critical / 100);
    line_words(&line, threshold_role(config, ALERT_REDIS_MEMORY_HIGH, 100 * fraction), "%s/%s",
               text_bytes(used, (double)info->used_memory),
               info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit");
    line_words(&line, ROLE_TEXT, "%s", info->policy);
}

static void traffic_line(const struct panel *panel, struct rect area, int row)
{
    const struct redis_info *info = info_of(panel);
    struct line line = line_at(area, row);
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "ops");
    line_graph(&line, line_graph_columns(area.w), panel_instance(panel)->history, REDIS_METRIC_OPS);
    line_words(&line, ROLE_NUMBER, "%s/s", text_rate(text, info->rates.ops));
    line_words(&line, ROLE_TEXT, "hit %s", text_percent(text, info->rates.hit_rate));
}

static void loss_line(const struct panel *panel, struct rect area, int row)
{
    const struct redis_info *info = info_of(panel);
    struct line line = line_at(area, row);
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "clients");
    line.x++;
    line_words(&line, ROLE_TEXT, "%lld", (long long)info->connected_clients);
    line_words(&line, ROLE_TEXT, "%lld blocked", (long long)info->blocked_clients);
    line_words(&line,
               threshold_role(panel_data(panel)->config, ALERT_REDIS_EVICTING, info->rates.evicted),
               "evicted %s/s", text_rate(text, info->rates.evicted));
}

/* The time of the last save begins as that of the server's start; the clocks may differ by a little. */
static bool is_unsaved(const struct redis_info *info)
{
    double start = info->sample.wall - (double)info->uptime;

    return info->rdb_last_bgsave_seconds < 0 && info->uptime >= 0 &&
           fabs(start - (double)info->rdb_last_save_time) <= 2;
}

static void save_line(const struct panel *panel, struct rect area, int row)
{
    const struct redis_info *info = info_of(panel);
    struct line line = line_at(area, row);
    bool bad = info->rdb_last_bgsave_ok == 0 || info->aof_last_write_ok == 0;
    double age = info->sample.wall - (double)info->rdb_last_save_time;
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "saved");
    if (info->rdb_bgsave_in_progress > 0)
        line_words(&line, ROLE_TEXT, "saving now");
    else if (!bad && info->rdb_last_save_time >= 0 && is_unsaved(info))
        line_words(&line, ROLE_TEXT, "not since start");
    else if (info->rdb_last_save_time >= 0)
        line_words(&line, bad ? ROLE_CRITICAL : ROLE_TEXT, "%s ago %s",
                   uptime_text(age > 0 ? age : 0, text), bad ? "FAILED" : "ok");
    line_words(&line, ROLE_TEXT, "%s changes",
               text_count(text, info->rdb_changes >= 0 ? floor((double)info->rdb_changes) : NAN));
    if (!isnan(info->fragmentation))
        line_words(&line, ROLE_TEXT, "frag %.1f", info->fragmentation);
}

static int head_rows(const struct panel *panel, int columns)
{
    return banner_rows(panel, columns) + (info_of(panel) ? 4 : 1);
}

static void head(const struct panel *panel, struct rect area)
{
    static void (*const lines[])(const struct panel *, struct rect,
                                 int) = {memory_line, traffic_line, loss_line, save_line};
    int banner = banner_rows(panel, area.w);
    struct rect rest = {area.y + banner, area.x, area.h - banner, area.w};

    if (banner)
        banner_draw(panel,
                    (struct rect){area.y, area.x, banner < area.h ? banner : area.h, area.w});
    if (!panel_instance(panel))
        draw_text(area.y, area.x + 1, area.w - 1, ROLE_DIM,
                  data_missing(panel_data(panel), INSTANCE_REDIS));
    else if (!info_of(panel) && !banner)
        draw_text(area.y, area.x + 1, area.w - 1, ROLE_DIM, "connecting");
    for (int i = 0; info_of(panel) && i < 4 && i < rest.h; i++)
        lines[i](panel, rest, i);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct redis_info *info = info_of(panel);
    char text[TEXT_UNIT_SIZE];

    stale_note(panel, info ? &info->sample : NULL, out, size);
    if (*out || !info || panel_instance(panel)->state != INSTANCE_UP)
        return;
    snprintf(out, size, "%s%sup %s", strcmp(info->role, "master") == 0 ? "" : info->role,
             strcmp(info->role, "master") == 0 ? "" : "  ",
             uptime_text((double)info->uptime, text));
}

const struct panel_class redis_panel = {
    .name = "redis",
    .title = "Redis",
    .help = "the state of the Redis at a glance",
    .kind = PANEL_REDIS,
    .needs = SOURCE_BIT(REDIS_INFO),
    .tile = {.side = 2, .rank = 2, .min_rows = 4, .half = true},
    .head_rows = head_rows,
    .head = head,
    .caption = instance_caption,
    .note = note,
};
