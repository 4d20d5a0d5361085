/* Queries: what is not idle, longest first. */
#include "panels/session_cells.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct queries {
    struct session_context context;
    const void **rows;
};

static const struct column columns[] = {
    SESSION_COLUMN_PID,  SESSION_COLUMN_DURATION,    SESSION_COLUMN_DATABASE,
    SESSION_COLUMN_USER, SESSION_COLUMN_STATE,       SESSION_COLUMN_BLOCKED_BY,
    SESSION_COLUMN_WAIT, SESSION_COLUMN_TRANSACTION, SESSION_COLUMN_QUERY,
};

static const struct table_class table = {.columns = columns,
                                         .count = sizeof(columns) / sizeof(columns[0]),
                                         .identity = session_identity,
                                         .sort = "duration_seconds"};

static bool is_busy(const struct pg_session *session)
{
    switch (session->state) {
    case PG_STATE_ACTIVE:
    case PG_STATE_FASTPATH:
    case PG_STATE_IDLE_IN_TRANSACTION:
    case PG_STATE_IDLE_IN_TRANSACTION_ABORTED: return true;
    default: return false;
    }
}

static void update(struct panel *panel)
{
    struct queries *queries = panel->state;
    const struct view_data *data = panel_data(panel);
    const struct pg_activity *activity = data->pg.activity;
    size_t count = 0, total = activity ? activity->count : 0;

    queries->context = (struct session_context){activity, data->config};
    queries->rows = mem_array(queries->rows, total, sizeof(*queries->rows));
    for (size_t i = 0; i < total; i++) {
        const struct pg_session *session = &activity->rows[i];

        if (is_busy(session) && (data->show_own || !session->own))
            queries->rows[count++] = session;
    }
    table_rows(&panel->table, queries->rows, count, &queries->context);
}

static void close_panel(struct panel *panel)
{
    struct queries *queries = panel->state;

    free(queries->rows);
}

static void note(const struct panel *panel, char *out, size_t size)
{
    const struct pg_activity *activity = panel_data(panel)->pg.activity;

    stale_note(panel, activity ? &activity->sample : NULL, out, size);
}

static void empty(const struct panel *panel, char *out, size_t size)
{
    snprintf(out, size, "%s",
             panel_data(panel)->pg.activity ? "nothing runs and no transaction is open"
                                            : "no data yet");
}

const struct panel_class queries_panel = {
    .name = "queries",
    .title = "Queries",
    .help = "sessions that run a query or hold a transaction open, longest first",
    .kind = PANEL_POSTGRES,
    .needs = SOURCE_BIT(PG_ACTIVITY),
    .view = true,
    .tile = {.side = 1, .rank = 4, .min_rows = 4},
    .table = &table,
    .state_size = sizeof(struct queries),
    .close = close_panel,
    .update = update,
    .head_rows = banner_rows_full,
    .head = banner_draw,
    .caption = instance_caption,
    .note = note,
    .empty = empty,
    .details = session_details,
    .copy = session_copy,
};
