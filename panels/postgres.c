/* The overview's tile of a PostgreSQL: is it there, how full, what waits. */
#include "panels/figures.h"

#include <math.h>
#include <stdio.h>

static const struct pg_activity *activity_of(const struct panel *panel)
{
    return panel_data(panel)->pg.activity;
}

static double idle_role_value(double seconds)
{
    return seconds < 0 ? NAN : seconds;
}

static void connections_line(const struct panel *panel, struct rect area, int row)
{
    const struct pg_counts *counts = &activity_of(panel)->counts;
    const struct view_data *data = panel_data(panel);
    const struct alert_config *levels = &data->config->alerts[ALERT_POSTGRES_CONNECTIONS_HIGH];
    int max = data->pg.server ? data->pg.server->max_connections : 0;
    double fraction = max ? (double)counts->total / max : NAN;
    struct line line = line_at(area, row);

    line_label(&line, "conns");
    line_gauge(&line, line_graph_columns(area.w), fraction, levels->warning / 100,
               levels->critical / 100);
    if (max)
        line_words(&line,
                   threshold_role(data->config, ALERT_POSTGRES_CONNECTIONS_HIGH, 100 * fraction),
                   "%d/%d", counts->total, max);
    else
        line_words(&line, ROLE_TEXT, "%d", counts->total);
    line_words(&line, ROLE_ACTIVE, "%d active", counts->active);
    line_words(&line, ROLE_IDLE, "%d idle", counts->idle);
}

static void rate_line(const struct panel *panel, struct rect area, int row)
{
    const struct pg_databases *databases = panel_data(panel)->pg.databases;
    struct line line = line_at(area, row);
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "tps");
    line_graph(&line, line_graph_columns(area.w), panel_instance(panel)->history, PG_METRIC_TPS);
    if (!databases)
        return;
    line_words(&line, ROLE_NUMBER, "%s/s", text_rate(text, databases->tps));
    line_words(&line, ROLE_TEXT, "hit %s", text_percent(text, databases->hit_rate));
    line_words(&line, ROLE_TEXT, "rollback %s/s", text_rate(text, databases->rollbacks));
}

static void wait_line(const struct panel *panel, struct rect area, int row)
{
    const struct pg_counts *counts = &activity_of(panel)->counts;
    const struct config *config = panel_data(panel)->config;
    struct line line = line_at(area, row);
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "locks");
    line_words(&line, counts->blocked ? ROLE_BLOCKED : ROLE_TEXT, "%d blocked", counts->blocked);
    line_words(&line,
               threshold_role(config, ALERT_LONG_QUERY, idle_role_value(counts->longest_query)),
               "longest %s", text_duration(text, counts->longest_query));
}

static void transaction_line(const struct panel *panel, struct rect area, int row)
{
    const struct pg_counts *counts = &activity_of(panel)->counts;
    const struct config *config = panel_data(panel)->config;
    double longest = counts->longest_idle_in_transaction;
    struct line line = line_at(area, row);
    char text[TEXT_UNIT_SIZE];

    line_label(&line, "idle tx");
    line.x++;
    line_words(&line, counts->idle_in_transaction ? ROLE_IDLE_IN_TRANSACTION : ROLE_TEXT, "%d open",
               counts->idle_in_transaction);
    line_words(&line, threshold_role(config, ALERT_IDLE_IN_TRANSACTION, idle_role_value(longest)),
               "longest %s", text_duration(text, longest));
}

static int head_rows(const struct panel *panel, int columns)
{
    return banner_rows(panel, columns) + (activity_of(panel) ? 4 : 1);
}

static void head(const struct panel *panel, struct rect area)
{
    int banner = banner_rows(panel, area.w);
    struct rect rest = {area.y + banner, area.x, area.h - banner, area.w};

    if (banner)
        banner_draw(panel,
                    (struct rect){area.y, area.x, banner < area.h ? banner : area.h, area.w});
    if (!panel_instance(panel)) {
        draw_text(area.y, area.x + 1, area.w - 1, ROLE_DIM,
                  data_missing(panel_data(panel), INSTANCE_POSTGRES));
        return;
    }
    if (!activity_of(panel)) {
        if (!banner)
            draw_text(area.y, area.x + 1, area.w - 1, ROLE_DIM, "connecting");
        return;
    }
    if (rest.h > 0)
        connections_line(panel, rest, 0);
    if (rest.h > 1)
        rate_line(panel, rest, 1);
    if (rest.h > 2)
        wait_line(panel, rest, 2);
    if (rest.h > 3)
        transaction_line(panel, rest, 3);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct view_data *data = panel_data(panel);
    const struct pg_server *server = data->pg.server;
    const struct pg_activity *activity = activity_of(panel);
    char text[TEXT_UNIT_SIZE];

    stale_note(panel, activity ? &activity->sample : NULL, out, size);
    if (*out || !server || !activity || server->start_time == PG_NO_TIME ||
        panel_instance(panel)->state != INSTANCE_UP)
        return;
    snprintf(out, size, "%s%sup %s", server->pooler ? "through a pooler  " : "",
             server->in_recovery ? "standby  " : "",
             uptime_text((double)(activity->now - server->start_time) / 1e6, text));
}

const struct panel_class postgres_panel = {
    .name = "postgres",
    .title = "PostgreSQL",
    .help = "the state of the PostgreSQL at a glance",
    .kind = PANEL_POSTGRES,
    .needs = SOURCE_BIT(PG_SERVER) | SOURCE_BIT(PG_ACTIVITY) | SOURCE_BIT(PG_DATABASES),
    .tile = {.side = 1, .rank = 1, .min_rows = 4, .half = true},
    .head_rows = head_rows,
    .head = head,
    .caption = instance_caption,
    .note = note,
};
