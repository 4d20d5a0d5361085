#include "panels/session_cells.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t session_identity(const void *row)
{
    const struct pg_session *session = row;

    return (uint64_t)session->backend_start * 0x9E3779B97F4A7C15ULL ^ (uint64_t)session->pid;
}

double session_since(const struct session_context *context, int64_t time)
{
    double seconds;

    if (time == PG_NO_TIME)
        return NAN;
    seconds = (double)(context->activity->now - time) / 1e6;
    return seconds > 0 ? seconds : 0;
}

void session_pid(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_INTEGER, ((const struct pg_session *)row)->pid);
}

void session_database(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell_set_text(cell, session->database);
    if (session->database)
        cell->role = environment_name_role(session->environment);
}

void session_user(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct pg_session *)row)->user);
}

static void set_nonempty(struct cell *cell, const char *text)
{
    cell_set_text(cell, text && *text ? text : NULL);
}

void session_application(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    set_nonempty(cell, ((const struct pg_session *)row)->application);
}

void session_client(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct pg_session *)row)->client);
}

/* The screen has no room for the server's longest words. */
static const struct {
    const char *label;
    enum role role;
} states[] = {
    [PG_STATE_NONE] = {"", ROLE_DIM},
    [PG_STATE_ACTIVE] = {"", ROLE_ACTIVE},
    [PG_STATE_IDLE] = {"", ROLE_IDLE},
    [PG_STATE_IDLE_IN_TRANSACTION] = {"idle in tx", ROLE_IDLE_IN_TRANSACTION},
    [PG_STATE_IDLE_IN_TRANSACTION_ABORTED] = {"aborted tx", ROLE_IDLE_IN_TRANSACTION},
    [PG_STATE_FASTPATH] = {"fastpath", ROLE_ACTIVE},
    [PG_STATE_DISABLED] = {"", ROLE_DIM},
    [PG_STATE_STARTING] = {"", ROLE_DIM},
};

void session_state(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell_set_text(cell, session->state_text);
    cell_set_label(cell, states[session->state].label);
    cell->role = session->blocked_by_count ? ROLE_BLOCKED : states[session->state].role;
}

void session_duration(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;
    const struct session_context *of = context;
    double seconds = pg_session_seconds(session, of->activity->now);

    cell_set_number(cell, CELL_DURATION, seconds < 0 ? NAN : seconds);
    if (session->state == PG_STATE_ACTIVE || session->state == PG_STATE_FASTPATH)
        cell->role = threshold_role(of->config, ALERT_LONG_QUERY, seconds);
    else if (session->state != PG_STATE_IDLE)
        cell->role = threshold_role(of->config, ALERT_IDLE_IN_TRANSACTION, seconds);
}

void session_transaction(const void *row, const void *context, struct cell *cell)
{
    cell_set_number(cell, CELL_DURATION,
                    session_since(context, ((const struct pg_session *)row)->xact_start));
}

void session_connected(const void *row, const void *context, struct cell *cell)
{
    cell_set_number(cell, CELL_DURATION,
                    session_since(context, ((const struct pg_session *)row)->backend_start));
}

/* Waiting for its client is no wait of the server's: the state says it. */
void session_wait(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    if (!session->wait_type || !session->wait_event)
        return;
    cell_build_text(cell, "%s:%s", session->wait_type, session->wait_event);
    if (strcmp(session->wait_type, "Client") == 0)
        cell_set_label(cell, " ");
    if (strcmp(session->wait_type, "Lock") == 0)
        cell->role = ROLE_BLOCKED;
}

void session_blocked_by(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell->type = CELL_LIST;
    cell->list = session->blocked_by;
    cell->count = session->blocked_by_count;
    cell->role = ROLE_BLOCKED;
}

void session_xmin_age(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell_set_number(cell, CELL_COUNT, session->xmin_age < 0 ? NAN : (double)session->xmin_age);
}

void session_type(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct pg_session *)row)->backend_type);
}

void session_leader(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell_set_number(cell, CELL_INTEGER, session->leader_pid ? session->leader_pid : NAN);
}

void session_environment(const void *row, const void *context, struct cell *cell)
{
    const struct pg_session *session = row;

    (void)context;
    cell_set_text(cell, environment_name(session->environment));
    cell->role = environment_role(session->environment);
}

void session_query(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    set_nonempty(cell, ((const struct pg_session *)row)->query);
}

static void add_line(struct strbuf *text, const char *name,
                     void (*value)(const void *, const void *, struct cell *), const void *row,
                     const void *context)
{
    struct cell cell = {0};
    char shown[256];

    value(row, context, &cell);
    strbuf_addf(text, "%-14s %s\n", name, cell_text(&cell, shown, sizeof(shown)));
}

char *session_details(const struct panel *panel, const void *row)
{
    const struct pg_session *session = row;
    const void *context = panel->table.context;
    struct strbuf text = {0};
    char *query = text_clean(session->query ? session->query : "", true);

    add_line(&text, "pid", session_pid, row, context);
    add_line(&text, "type", session_type, row, context);
    add_line(&text, "database", session_database, row, context);
    add_line(&text, "environment", session_environment, row, context);
    add_line(&text, "user", session_user, row, context);
    add_line(&text, "application", session_application, row, context);
    add_line(&text, "client", session_client, row, context);
    add_line(&text, "connected for", session_connected, row, context);
    add_line(&text, "transaction", session_transaction, row, context);
    add_line(&text, "state", session_state, row, context);
    add_line(&text, "for", session_duration, row, context);
    add_line(&text, "waits for", session_wait, row, context);
    add_line(&text, "blocked by", session_blocked_by, row, context);
    add_line(&text, "holds xmin", session_xmin_age, row, context);
    strbuf_addf(&text, "\n%s\n", query);
    if (session->query_cut)
        strbuf_adds(&text, "\n(cut by the server at track_activity_query_size)\n");
    free(query);
    return strbuf_take(&text);
}

char *session_copy(const struct panel *panel, const void *row)
{
    const struct pg_session *session = row;

    (void)panel;
    return mem_strdup(session->query ? session->query : "");
}
