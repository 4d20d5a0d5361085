/* Cells of a PostgreSQL session, for the panels that list sessions. Their context is a
 * struct session_context. */
#ifndef PANELS_SESSION_CELLS_H
#define PANELS_SESSION_CELLS_H

#include "panels/data.h"

struct session_context {
    const struct pg_activity *activity;
    const struct config *config;
};

uint64_t session_identity(const void *row);

void session_pid(const void *row, const void *context, struct cell *cell);
void session_database(const void *row, const void *context, struct cell *cell);
void session_user(const void *row, const void *context, struct cell *cell);
void session_application(const void *row, const void *context, struct cell *cell);
void session_client(const void *row, const void *context, struct cell *cell);
void session_state(const void *row, const void *context, struct cell *cell);
void session_duration(const void *row, const void *context, struct cell *cell);
void session_transaction(const void *row, const void *context, struct cell *cell);
void session_connected(const void *row, const void *context, struct cell *cell);
void session_wait(const void *row, const void *context, struct cell *cell);
void session_blocked_by(const void *row, const void *context, struct cell *cell);
void session_xmin_age(const void *row, const void *context, struct cell *cell);
void session_type(const void *row, const void *context, struct cell *cell);
void session_leader(const void *row, const void *context, struct cell *cell);
void session_environment(const void *row, const void *context, struct cell *cell);
void session_query(const void *row, const void *context, struct cell *cell);

/* Seconds since a server time; NAN: absent. */
double session_since(const struct session_context *context, int64_t time);

/* Columns that both panels have with the same words. */
#define SESSION_COLUMN_PID                                                                         \
    {                                                                                              \
        .name = "pid", .title = "PID", .width = 7, .right = true, .cell = session_pid,             \
        .help = "process id of the backend (pg_stat_activity.pid)"                                 \
    }
#define SESSION_COLUMN_DATABASE                                                                    \
    {                                                                                              \
        .name = "database", .title = "DATABASE", .width = 13, .max = 16, .priority = 3,            \
        .cell = session_database,                                                                  \
        .help = "database it is connected to, in its environment's colour "                        \
                "(pg_stat_activity.datname)"                                                       \
    }
#define SESSION_COLUMN_USER                                                                        \
    {                                                                                              \
        .name = "user", .title = "USER", .width = 10, .max = 16, .priority = 4,                    \
        .cell = session_user, .help = "role it logged in as (pg_stat_activity.usename)"            \
    }
#define SESSION_COLUMN_STATE                                                                       \
    {                                                                                              \
        .name = "state", .title = "STATE", .width = 10, .priority = 2, .cell = session_state,      \
        .help = "active, idle, idle in tx (idle in transaction), aborted tx "                      \
                "(pg_stat_activity.state)"                                                         \
    }
#define SESSION_COLUMN_DURATION                                                                    \
    {                                                                                              \
        .name = "duration_seconds", .title = "TIME", .width = 6, .right = true,                    \
        .descending = true, .cell = session_duration,                                              \
        .help = "how long: the query of an active session (query_start), else the state "          \
                "(state_change)"                                                                   \
    }
#define SESSION_COLUMN_TRANSACTION                                                                 \
    {                                                                                              \
        .name = "transaction_seconds", .title = "XACT", .width = 6, .right = true,                 \
        .descending = true, .hidden = true, .cell = session_transaction,                           \
        .help = "age of its transaction (pg_stat_activity.xact_start)"                             \
    }
#define SESSION_COLUMN_WAIT                                                                        \
    {                                                                                              \
        .name = "wait", .title = "WAIT", .width = 14, .max = 20, .priority = 5,                    \
        .cell = session_wait,                                                                      \
        .help = "what it waits for (pg_stat_activity.wait_event_type:wait_event)"                  \
    }
#define SESSION_COLUMN_BLOCKED_BY                                                                  \
    {                                                                                              \
        .name = "blocked_by", .title = "BLOCKER", .width = 8, .priority = 1, .descending = true,   \
        .cell = session_blocked_by,                                                                \
        .help = "pids that hold what it waits for (pg_blocking_pids); 0: a prepared transaction"   \
    }
#define SESSION_COLUMN_QUERY                                                                       \
    {                                                                                              \
        .name = "query", .title = "QUERY", .width = 20, .grow = 1, .squeeze = true,                \
        .cell = session_query,                                                                     \
        .help = "text of the current or last query (pg_stat_activity.query); Enter shows it whole" \
    }

/* The whole of a session for the pager. */
char *session_details(const struct panel *panel, const void *row);
char *session_copy(const struct panel *panel, const void *row);

#endif
