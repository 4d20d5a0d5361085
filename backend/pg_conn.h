/* One connection to a PostgreSQL on the loop: looks the name up, connects, sends queries of the
 * table in pipeline mode and hands out their answers. Nothing here waits. */
#ifndef BACKEND_PG_CONN_H
#define BACKEND_PG_CONN_H

#include "backend/instance_impl.h"
#include "backend/pg_query.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct pg_conn;

/* Any of these may call pg_conn_drop. */
struct pg_conn_events {
    /* Requests may be sent; the session's settings are on the way, ahead of them. */
    void (*ready)(void *context);

    /* The answer to a request, in the order of the requests. rows belongs to the receiver; NULL when
     * it failed: error (lives until the return) says why. */
    void (*answer)(void *context, enum pg_query_id query, PGresult *rows, const PGresult *error);

    /* All answers of what was sent are in; called after each burst of answers. */
    void (*drained)(void *context);

    /* It failed or ended and has been dropped. error is one line; both live until the return. */
    void (*lost)(void *context, const char *error, const char *hint);
};

/* owner is held while a handle of the connection is open. setup: the query that is sent first. */
struct pg_conn *pg_conn_new(struct instance_impl *owner, const struct postgres_config *config,
                            enum pg_query_id setup, const struct pg_conn_events *events,
                            void *context);

/* The connection must be closed. Ends in ready or lost, not before this returns unless the config
 * itself is at fault. */
void pg_conn_open(struct pg_conn *conn);

/* Closes at once and silently; what was sent is forgotten. May be opened again. */
void pg_conn_drop(struct pg_conn *conn);

/* Drops and frees it. Takes NULL. */
void pg_conn_free(struct pg_conn *conn);

/* Queues a query of the table; parameter: its $1 as text, or NULL. timeout_ms: a statement_timeout
 * for this one alone, 0: the session's. The answer's end is independent of other requests'. Only
 * after ready. */
void pg_conn_send(struct pg_conn *conn, enum pg_query_id query, const char *parameter,
                  int timeout_ms);

/* Queues sql that is not of the table, with count text parameters (NULL: null); it is copied. The
 * answer comes as that of PG_QUERIES: text format, also for statements without rows. It has a sync of
 * its own. timeout_ms: as above, in one transaction with it; 0: the session's, and it stands alone
 * (CREATE DATABASE). */
void pg_conn_ask(struct pg_conn *conn, const char *sql, int count, const char *const *values,
                 int timeout_ms);

/* Asks the server, from another thread, to stop what the connection is waiting for. Does nothing
 * while an earlier cancel is still on its way. To be called before pg_conn_drop. */
void pg_conn_cancel(struct pg_conn *conn);

bool pg_conn_is_ready(const struct pg_conn *conn);

/* True when a pooler was seen: nothing of a session may be relied on. */
bool pg_conn_pooled(const struct pg_conn *conn);

/* The set-up's answer has come, so it is known whether there is a pooler. */
bool pg_conn_settled(const struct pg_conn *conn);

/* The server process's pid (0 behind a pooler), what was reached, the TLS version ("TLSv1.3") or
 * NULL. Only after ready; address: the caller frees it, "" is never returned. */
int pg_conn_pid(const struct pg_conn *conn);
int pg_conn_server_version(const struct pg_conn *conn);
const char *pg_conn_tls(const struct pg_conn *conn);

/* "host:port" or the socket's path as far as it is known, or NULL. */
const char *pg_conn_address(const struct pg_conn *conn);

/* ---- libpq's help with a statement's text; only after ready. NULL: libpq refused it. ---- */

/* text as a quoted identifier or literal; the caller frees it. */
char *pg_conn_identifier(const struct pg_conn *conn, const char *text);
char *pg_conn_literal(const struct pg_conn *conn, const char *text);

/* What the server keeps of a user's password (SCRAM-SHA-256), computed here, so that the password
 * itself is never sent. Takes some milliseconds. The caller frees it. */
char *pg_conn_verifier(const struct pg_conn *conn, const char *user, const char *password);

#endif
