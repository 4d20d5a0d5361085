/* How psql or redis-cli is called for a person at a terminal, without a secret in its arguments. */
#ifndef BACKEND_SHELL_H
#define BACKEND_SHELL_H

#include "backend/config.h"

#include <stdbool.h>

struct shell_call {
    char **argv;        /* ends with NULL */
    char **environment; /* "NAME=value", ends with NULL */
    int inherited;      /* a descriptor that the program needs as its 3, or -1 */
};

/* psql as the configured user on database (NULL: the conninfo's own): by command_prefix if there is
 * one, else the host's, else that of the instance's container. banner: one line that is printed first. False: *error is one line (the caller frees it). */
bool shell_postgres(const struct postgres_config *config, const char *database, const char *banner,
                    struct shell_call *call, char **error);

/* redis-cli, the host's or that of the instance's container; db -1: the URL's own. */
bool shell_redis(const struct redis_config *config, int db, const char *banner,
                 struct shell_call *call, char **error);

/* Wipes and frees it, and closes the descriptor. */
void shell_call_free(struct shell_call *call);

#endif
