/* Secrets from an env file: KEY=value lines as docker compose reads them (export prefix, comments,
 * single and double quotes over several lines, $NAME, ${NAME}, ${NAME-default}, ${NAME:-default} of
 * keys above, and $$). The environment does not count. */
#ifndef BACKEND_ENVFILE_H
#define BACKEND_ENVFILE_H

#include <stdbool.h>
#include <stddef.h>

/* Pure: the value of key in text[0..len), the last one if it is there more than once; NULL if it is
 * not. The caller frees it with mem_free_secret. */
char *envfile_find(const char *text, size_t len, const char *key);

/* Reads the file (at most 1 MiB) and finds key. On NULL *error is set to one line that says what
 * failed (the caller frees it). The file's content does not stay in memory. */
char *envfile_read(const char *path, const char *key, char **error);

/* A name that can stand left of the '=': letters, digits and _, no digit first. */
bool envfile_is_key(const char *key);

/* Whether envfile_append would do: the file (or its folder, if there is none yet) can be written and
 * has no such key. NULL: it would; else why not, one line, which the caller frees. Looks at the disk:
 * not for the loop's thread. */
char *envfile_check(const char *path, const char *key);

/* Adds KEY=value as the last line, so that a reader sees the old file or the new one, never a part:
 * written beside it, synced, renamed. Owner, group and mode stay; a new file gets 0600. A file that
 * has the key is left as it is. Of several programs that do this at once each adds its line. NULL:
 * it is on disk; else why not, as above. Not for the loop's thread. */
char *envfile_append(const char *path, const char *key, const char *value);

#endif
