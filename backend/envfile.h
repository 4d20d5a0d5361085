/* Secrets from an env file: KEY=value lines as docker compose reads them (export prefix, comments,
 * single and double quotes over several lines, $NAME, ${NAME}, ${NAME-default}, ${NAME:-default} of
 * keys above, and $$). The environment does not count. */
#ifndef BACKEND_ENVFILE_H
#define BACKEND_ENVFILE_H

#include <stddef.h>

/* Pure: the value of key in text[0..len), the last one if it is there more than once; NULL if it is
 * not. The caller frees it with mem_free_secret. */
char *envfile_find(const char *text, size_t len, const char *key);

/* Reads the file (at most 1 MiB) and finds key. On NULL *error is set to one line that says what
 * failed (the caller frees it). The file's content does not stay in memory. */
char *envfile_read(const char *path, const char *key, char **error);

#endif
