/* What container_parse*.c and container_watch_parse.c share: JSON without surprises, the words of shells' scripts,
 * and the arguments that hold secrets. */
#ifndef BACKEND_CONTAINER_PARSE_IMPL_H
#define BACKEND_CONTAINER_PARSE_IMPL_H

#include "backend/container_parse.h"

#include <jansson.h>

/* ---- JSON (container_parse_json.c) ---- */

/* The document, or NULL. Integers are read as reals: one that does not fit into 64 bits must not
 * hide a container. */
json_t *container_json_load(const char *text, size_t len);

/* Overwrites all its strings, then frees it. What the library's lexer has kept meanwhile is its
 * own. */
void container_json_wipe(json_t *root);

/* A member that is a string and not empty, or NULL; it lives as long as the document. */
const char *container_json_text(const json_t *object, const char *key);
char *container_json_copy(const json_t *object, const char *key);
int64_t container_json_number(const json_t *object, const char *key, int64_t otherwise);
bool container_json_true(const json_t *object, const char *key);

/* The strings of up to two arrays, the second's after the first's (each may be NULL or none), with
 * first before them if it is set; NULL at the end. The caller frees the array; the strings are the
 * document's. */
const char **container_json_words(const char *first, const json_t *array, const json_t *more);

/* RFC 3339 as seconds since 1970; NAN: never ("0001-01-01T00:00:00Z"), or no time. */
double container_json_time(const char *text);

/* Hexadecimal digits that fit into the id of an event. */
bool container_json_is_id(const char *text);

/* An image's id with its "sha256:", which Podman leaves out at places. NULL: it is none. */
char *container_json_image_id(const char *text);

/* ---- scripts (container_parse_script.c) ---- */

struct script_token {
    const char *s;
    size_t len;
    bool separator; /* it ends a command: a line's end, ; & | ( ) */
};

/* The next one of a POSIX shell's script, quotes and expansions left in it. False: there is none.
 * */
bool container_script_next(const char **at, struct script_token *token);

/* A word with its quotes removed, and $NAME put in from the environment (NULL: left as it is).
 * *sure is false if something is in it that only a shell knows. The caller frees it, with
 * mem_free_secret. */
char *container_script_unquote(const struct script_token *token, const char *const *environment,
                               bool *sure);

/* If words[0] is a shell that is told its script (sh -ec SCRIPT): the script, or NULL. */
const char *container_script_of(const char *const *words);

const char *container_base_name(const char *path);
bool container_is_shell(const char *name);

/* The value of NAME in a list of NAME=VALUE, or NULL: not there, or empty. */
const char *container_environment(const char *const *environment, const char *name);

/* ---- secrets (container_parse_blank.c, container_parse_login.c) ---- */

/* A copy of a command with "*" for what may be a secret. */
char **container_blank_command(const char *const *words, const char *const *environment);
char *container_blank_text(const char *text);

void container_parse_login(enum container_service service, const char *const *words,
                           const char *const *environment, struct container_login *login);

#endif
