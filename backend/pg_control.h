/* The connection that is kept for acts, so that a kill works when the polling one is stuck or all
 * slots are taken. It asks nothing by itself and reconnects on its own while the server is up. */
#ifndef BACKEND_PG_CONTROL_H
#define BACKEND_PG_CONTROL_H

#include "backend/instance_impl.h"
#include "backend/pg_conn.h"

struct pg_control;

/* changed: its state is another one. */
struct pg_control *pg_control_new(struct instance_impl *owner, const struct postgres_config *config,
                                  void (*changed)(void *context), void *context);

/* Opens it now unless it is open: the server is known to answer. */
void pg_control_wake(struct pg_control *control);

/* Closes all; frees it later (owner is held until then). */
void pg_control_free(struct pg_control *control);

/* The connection when it can be used, else NULL. */
struct pg_conn *pg_control_conn(struct pg_control *control);

/* Why it is not there, or NULL. */
const char *pg_control_error(const struct pg_control *control);

#endif
