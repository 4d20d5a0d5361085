/* Where a PostgreSQL is and how to log in: the config, libpq's environment, service and passfile as
 * libpq itself merges them, with host names replaced by addresses, since libpq's own lookup would
 * block. Nothing here waits for the network. */
#ifndef BACKEND_PG_TARGET_H
#define BACKEND_PG_TARGET_H

#include "backend/config.h"

#include <libpq-fe.h>
#include <stddef.h>

struct pg_target;

/* Reads the password's env file and asks libpq for the effective host, hostaddr and port. NULL:
 * *error is one line that says why (the caller frees it). config must outlive the target. */
struct pg_target *pg_target_new(const struct postgres_config *config, char **error);
void pg_target_free(struct pg_target *target);

/* "host:port", "[v6]:port" or a socket's path, of the first server if there are several; may be
 * shown. The caller frees it. */
char *pg_target_address(const struct pg_target *target);

/* The next host name that has to be looked up, or NULL: then pg_target_connect may be called. */
const char *pg_target_unresolved(const struct pg_target *target);

/* The addresses of that name; count 0 leaves this server out. Returns the number of servers left. */
size_t pg_target_resolved(struct pg_target *target, const char *const *addresses, size_t count);

/* PQconnectStartParams with all of it; never NULL unless memory is out. */
PGconn *pg_target_connect(const struct pg_target *target);

#endif
