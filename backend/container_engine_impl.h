/* What the files of the engine share: transfers (a request or a stream each), and the way between
 * libcurl's multi handle and the loop. Nobody outside of container_engine*.c includes it.
 *
 * Callers' functions are never called from inside libcurl, which does not bear what they may do:
 * libcurl's own callbacks only take notes, and engine_deliver acts on them afterwards. */
#ifndef BACKEND_CONTAINER_ENGINE_IMPL_H
#define BACKEND_CONTAINER_ENGINE_IMPL_H

#include "backend/base/strbuf.h"
#include "backend/container_engine.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define ENGINE_NEVER  UINT64_MAX
#define ENGINE_SPARES 8U /* handles of libcurl that are kept for the next requests */

enum transfer_stage { TRANSFER_QUEUED, TRANSFER_RUNNING, TRANSFER_DONE };

struct transfer;

struct transfer_kind {
    /* Takes bytes of the body; false ends the transfer. Called from inside libcurl. */
    bool (*take)(struct transfer *transfer, const char *bytes, size_t len);
    void (*deliver)(struct transfer *transfer); /* it is due; may free it */
    void (*wake)(struct transfer *transfer);    /* its time has come; calls nobody's function */
    void (*lost)(struct transfer *transfer);    /* the engine is being closed: frees it */
};

struct transfer {
    const struct transfer_kind *kind;
    struct engine *engine;
    struct transfer *next; /* in engine->transfers, in the order in which they were asked for */
    CURL *easy;
    enum transfer_stage stage;
    bool due;      /* there is something to deliver */
    bool limited;  /* counts among those that are under way at once, and its handle is kept */
    uint64_t wake; /* of uv_now; ENGINE_NEVER */
    long status;   /* as soon as all headers have come, else 0 */
    CURLcode result;
    int connect_errno;
    char api[16];
    struct strbuf body;
};

/* A socket of libcurl's. It lives as long as its descriptor; the handle a little longer. */
struct engine_poll {
    uv_poll_t handle;
    struct engine *engine;
    struct engine_poll *next;
    int fd, events; /* events: of uv_poll that libcurl waits for */
};

struct engine {
    uv_loop_t *loop;
    char *socket, *prefix; /* prefix: "/v1.41", or "" */
    CURLM *multi;
    uv_timer_t timer;
    uint64_t armed;   /* when the timer fires; ENGINE_NEVER */
    uint64_t curl_at; /* when libcurl wants to be called; ENGINE_NEVER */
    struct engine_poll *polls;
    struct transfer *transfers;
    struct transfer *current; /* whose owner is being called; NULL again when he has closed it */
    unsigned running;         /* limited transfers that are under way */
    CURL *spares[ENGINE_SPARES];
    unsigned spare_count;
    unsigned handles; /* of the loop, that have not closed */
    bool in_timer, closing;
    void (*gone)(void *context);
    void *gone_context;
};

/* ---- container_engine_loop.c ---- */

bool engine_loop_open(struct engine *engine);
void engine_loop_close(struct engine *engine); /* frees the engine when the handles have closed */

/* Has the timer fire in time for all that waits. */
void engine_arm(struct engine *engine);

/* ---- container_engine_transfer.c ---- */

/* A handle for path with all that is the same for every transfer. */
void transfer_init(struct transfer *transfer, struct engine *engine,
                   const struct transfer_kind *kind, const char *path, bool limited);
void transfer_start(struct transfer *transfer);
void transfer_stop(struct transfer *transfer, CURLcode result); /* it is done, and due */
void transfer_unlink(struct transfer *transfer);
void transfer_release(struct transfer *transfer); /* what transfer_init made, not the memory */
char *transfer_error(const struct transfer *transfer);

/* Takes what libcurl has finished, starts what waits in line, and calls the owners. */
void engine_deliver(struct engine *engine);

/* Has a request start if it need not wait; else it is in line. */
void engine_admit(struct engine *engine);

/* Sockets for libcurl (container_engine_loop.c). */
curl_socket_t engine_open_socket(void *transfer, curlsocktype purpose,
                                 struct curl_sockaddr *address);
int engine_close_socket(void *engine, curl_socket_t fd);

#endif
