/* HTTP to a container engine over its unix socket: libcurl's multi interface on the caller's loop.
 * Nothing blocks; every request has a deadline. */
#ifndef BACKEND_CONTAINER_ENGINE_H
#define BACKEND_CONTAINER_ENGINE_H

#include "backend/base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define ENGINE_BODY_MAX (8U << 20) /* bytes of one answer */

struct engine;
struct engine_stream;

/* api NULL: paths are asked without a version until engine_set_api. */
struct engine *engine_new(uv_loop_t *loop, const char *socket);
void engine_set_api(struct engine *engine, const char *api); /* "1.41": paths begin with /v1.41 */
const char *engine_socket(const struct engine *engine);

struct engine_reply {
    long status;      /* of HTTP; 0: there was none, error says why */
    const char *body; /* ends with a 0 byte that len does not count; valid in the callback */
    size_t len;
    const char *api; /* the header Api-Version, or NULL */
    /* One line that names the socket: "/run/docker.sock is not for us: permission denied", "no answer
     * from /run/docker.sock in 5 s: …"; NULL: status counts. For the first: engine_refused_hint. */
    const char *error;
    int saved_errno; /* of the connect (EACCES, ENOENT, ECONNREFUSED), or 0 */
};

typedef void engine_answer(void *context, const struct engine_reply *reply);

/* method "GET", "POST", …; path without version ("/containers/json?all=1"), its parts escaped by
 * engine_escape; body: JSON, or NULL. answer is called once, later than this returns, unless the engine
 * is closed or engine_forget was called. Of GET some are under way at once and the rest wait in
 * line, which counts towards their timeout; what changes something goes at once, and never twice. */
void engine_request(struct engine *engine, const char *method, const char *path, const char *body,
                    unsigned timeout_ms, engine_answer *answer, void *context);

/* Requests with this context will not be answered (they are called off). */
void engine_forget(struct engine *engine, const void *context);

/* A path's part (a name of a user's) percent-encoded; the caller frees it. */
char *engine_escape(const char *part);

/* ---- answers without an end: /events, /containers/ID/logs?follow=1 ---- */

struct engine_stream_events {
    /* Bytes as they come. False: stop reading until engine_stream_resume (they are given again). */
    bool (*data)(void *context, const char *bytes, size_t len);

    /* A status of 2xx has come; may be NULL. Podman may send it with the first bytes only. */
    void (*begun)(void *context);

    /* It has ended: error one line, or NULL when the engine ended it. The stream is gone. */
    void (*ended)(void *context, const char *error);

    /* The engine is being closed by its owner (in engine_close), and the stream is gone without
     * ended. May be NULL. */
    void (*lost)(void *context);
};

struct engine_stream *engine_stream_open(struct engine *engine, const char *path,
                                         const struct engine_stream_events *events, void *context);
void engine_stream_resume(struct engine_stream *stream, unsigned after_ms);
void engine_stream_close(struct engine_stream *stream); /* without ended */

/* Calls everything off; gone (may be NULL) is called when the last handle has closed and it is
 * freed. */
void engine_close(struct engine *engine, void (*gone)(void *context), void *context);

#endif
