/* What libpq and the server say when something fails, as one clear line and its mend. Pure. */
#ifndef BACKEND_PG_ERROR_H
#define BACKEND_PG_ERROR_H

#include "backend/config.h"

#include <libpq-fe.h>

/* The telling line of a message of libpq: of several attempts the one that reached a server, without
 * the severity and, if the server answered, without the address. Never empty. The caller frees it. */
char *pg_error_line(const char *message);

/* The primary message of a failed result; the caller frees it. */
char *pg_error_result(const PGresult *result);

/* How to mend what a line says, or NULL. The caller frees it. */
char *pg_error_hint(const char *line, const struct postgres_config *config);

#endif
