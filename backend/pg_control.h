/* The connection that is kept for acts, so that a kill works when the polling one is stuck or all
 * slots are taken. It asks nothing by itself and reconnects on its own while the server is up. */
#ifndef BACKEND_PG_CONTROL_H
#define BACKEND_PG_CONTROL_H

#include "backend/instance_impl.h"
#include "backend/pg_conn.h"

#include <stdbool.h>

struct pg_control;

#define PG_CONTROL_TIMEOUT 10000 /* ms: the session's own statement_timeout, which costs least */

/* changed: its state is another one. */
struct pg_control *pg_control_new(struct instance_impl *owner, const struct postgres_config *config,
                                  void (*changed)(void *context), void *context);

/* Opens it now unless it is open: the server is known to answer. */
void pg_control_wake(struct pg_control *control);

/* Closes all; frees it later (owner is held until then). Also from inside an answer. Requests are
 * dropped without a word. */
void pg_control_free(struct pg_control *control);

/* The connection when it can be used, else NULL. */
struct pg_conn *pg_control_conn(struct pg_control *control);

/* ---- one statement for an act ---- */

/* rows: of a query, text format, which belongs to the receiver; NULL: it failed. error is one line
 * (the server's message, or why the connection went), sqlstate its five characters, "" if there is
 * none; both live until the return. */
typedef void pg_control_answer(void *context, PGresult *rows, const char *error,
                               const char *sqlstate);

struct pg_control_request;

/* Queues sql with count text parameters (NULL: null); all is copied. It is a transaction of its own
 * (CREATE DATABASE may be one), and those of several requests run one after the other. timeout_ms:
 * its statement_timeout, 0: none (behind a pooler: the server's, since nothing can be set there for
 * longer than a transaction); past it and some seconds the connection is given up. fn is called
 * exactly once, later than this returns, unless the request is forgotten or the control is freed. If
 * the connection is not there, an attempt to open it is made at once: fn hears why it failed. Never
 * NULL. secret: parameters or sql hold one and are wiped after use. */
struct pg_control_request *pg_control_ask(struct pg_control *control, const char *sql, int count,
                                          const char *const *values, int timeout_ms, bool secret,
                                          pg_control_answer *fn, void *context);

/* The answer will not be told; what was sent goes on, what was not is never sent. To be called at
 * most once, and not after fn. */
void pg_control_forget(struct pg_control_request *request);

/* Why it is not there, or NULL. */
const char *pg_control_error(const struct pg_control *control);

#endif
