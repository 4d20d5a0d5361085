/* Questions to a container engine that wait for the answer: for processes of their own (a job, a
 * program inside a container), never for the dashboard. */
#ifndef BACKEND_CONTAINER_EXEC_CALL_H
#define BACKEND_CONTAINER_EXEC_CALL_H

#include "backend/base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

struct container_client {
    char *socket;
    char api[16]; /* "1.41"; "": the engine does not say, paths go without a version */
};

struct container_reply {
    long status; /* of HTTP */
    char *body;  /* never NULL, ends with a 0 byte that len does not count */
    size_t len;
};

/* Once, before several threads call any of these. */
void container_calls_prepare(void);

/* By a socket, or by docker_host of a configuration (NULL: found as the dashboard finds it). False:
 * *error is one line with the mend, which the caller frees. */
bool container_client_open(const char *socket, struct container_client *client, char **error);
bool container_client_find(const char *docker_host, struct container_client *client, char **error);
void container_client_close(struct container_client *client);

/* path without its version; body JSON, or NULL. False: there was no answer, *error. */
bool container_ask(const struct container_client *client, const char *method, const char *path,
                   const char *body, int timeout_ms, struct container_reply *reply, char **error);
void container_reply_free(struct container_reply *reply);

/* A POST whose connection becomes a stream of its own: returns the socket; *more are bytes of the
 * stream that came with the answer. -1: *error. */
int container_hijack(const struct container_client *client, const char *path, const char *body,
                     struct strbuf *more, char **error);

/* What the engine says in an answer that refuses, in one line of printable text; the caller frees
 * it. */
char *container_refusal(const struct container_reply *reply);

/* text without control characters and line breaks; the caller frees it. */
char *container_clean(const char *text);

/* A part of a path, percent-encoded; the caller frees it. */
char *container_path_part(const char *name);

#endif
