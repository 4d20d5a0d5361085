/* libcurl's multi handle on the loop: its sockets as uv_poll, its timeouts and ours as one timer. */
#include "backend/base/mem.h"
#include "backend/container_engine_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Idle connections that are kept: no more than are in use at once, and some streams. */
enum { CONNECTIONS_KEPT = 12 };

/* ---- sockets ---- */

static struct engine_poll **poll_link(struct engine *engine, curl_socket_t fd)
{
    struct engine_poll **link = &engine->polls;

    while (*link && (*link)->fd != fd)
        link = &(*link)->next;
    return link;
}

static void handle_closed(struct engine *engine)
{
    void (*gone)(void *context) = engine->gone;
    void *context = engine->gone_context;

    if (--engine->handles || !engine->closing)
        return;
    free(engine->socket);
    free(engine->prefix);
    free(engine);
    curl_global_cleanup();
    if (gone)
        gone(context);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct engine_poll *item = handle->data;
    struct engine *engine = item->engine;

    free(item);
    handle_closed(engine);
}

/* The descriptor may be closed, and its number used again, as soon as this returns. */
static void poll_close(struct engine_poll **link)
{
    struct engine_poll *item = *link;

    *link = item->next;
    uv_close((uv_handle_t *)&item->handle, on_poll_closed);
}

static void run(struct engine *engine, curl_socket_t fd, int flags)
{
    int running;

    curl_multi_socket_action(engine->multi, fd, flags, &running);
    engine_deliver(engine);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct engine_poll *item = handle->data;

    /* An error of the socket stops the handle. libcurl shall meet it by itself, after all that can
     * still be read: told of it, it would drop an answer that came before. */
    if (status < 0) {
        events = item->events;
        if (events)
            uv_poll_start(handle, events, on_poll);
    }
    run(item->engine, item->fd,
        (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
            (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static int poll_open(struct engine *engine, int fd)
{
    struct engine_poll *item, **stale = poll_link(engine, fd);
    int error;

    /* Some versions of libcurl (7.88 to 8.1) close a socket without a word in rare cases. */
    if (*stale)
        poll_close(stale);
    item = mem_zalloc(sizeof(*item));
    error = uv_poll_init_socket(engine->loop, &item->handle, fd);
    if (error) {
        free(item);
        return error;
    }
    item->handle.data = item;
    item->engine = engine;
    item->fd = fd;
    item->next = engine->polls;
    engine->polls = item;
    engine->handles++;
    return 0;
}

/* Without waiting from the start: to connect to a socket whose queue is full would block. */
static int open_socket(const struct curl_sockaddr *address)
{
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  address->protocol);
}

curl_socket_t engine_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    int fd = open_socket(address);
    int error = fd < 0 ? -errno : poll_open(transfer->engine, fd);

    (void)purpose;
    transfer->connect_errno = -error;
    if (!error)
        return fd;
    if (fd >= 0)
        close(fd);
    return CURL_SOCKET_BAD;
}

int engine_close_socket(void *context, curl_socket_t fd)
{
    struct engine_poll **link = poll_link(context, fd);

    if (*link)
        poll_close(link);
    return close(fd);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    struct engine_poll *item = *poll_link(context, fd);

    (void)easy;
    (void)unused;
    if (!item)
        return 0;
    item->events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        item->events |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        item->events |= UV_WRITABLE;
    if (item->events)
        uv_poll_start(&item->handle, item->events, on_poll);
    else
        uv_poll_stop(&item->handle);
    return 0;
}

/* ---- the timer ---- */

/* Wakes whose time has come, and finds out when the next one's comes. */
static void wake_transfers(struct engine *engine, uint64_t now)
{
    for (struct transfer *transfer = engine->transfers; transfer; transfer = transfer->next) {
        if (transfer->wake <= now) {
            transfer->wake = ENGINE_NEVER;
            transfer->kind->wake(transfer);
        }
    }
}

static void on_timer(uv_timer_t *handle);

/* A timer that is armed too early is left: it fires for nothing, which costs less than to set it anew
 * with each request. */
static void arm(struct engine *engine, uint64_t least)
{
    uint64_t at = engine->curl_at;

    for (const struct transfer *transfer = engine->transfers; transfer; transfer = transfer->next)
        at = transfer->wake < at ? transfer->wake : at;
    at = at > least ? at : least;
    if (at >= engine->armed)
        return;
    engine->armed = at;
    uv_timer_start(&engine->timer, on_timer, at - uv_now(engine->loop), 0);
}

void engine_arm(struct engine *engine)
{
    if (!engine->closing && !engine->in_timer)
        arm(engine, uv_now(engine->loop));
}

/* What is asked for from in here is never for at once: the loop would not turn while an owner asks
 * again and again for what fails at once. */
static void on_timer(uv_timer_t *handle)
{
    struct engine *engine = handle->data;
    uint64_t now = uv_now(engine->loop);
    int running;

    engine->armed = ENGINE_NEVER;
    engine->in_timer = true;
    if (engine->curl_at <= now) {
        engine->curl_at = ENGINE_NEVER;
        curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    wake_transfers(engine, now);
    engine_deliver(engine);
    engine->in_timer = false;
    if (!engine->closing)
        arm(engine, now + 1);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct engine *engine = context;

    (void)multi;
    engine->curl_at = timeout_ms < 0 ? ENGINE_NEVER : uv_now(engine->loop) + (uint64_t)timeout_ms;
    engine_arm(engine);
    return 0;
}

/* ---- opening, closing ---- */

/* libcurl 7.88's handle has a pair of sockets of its own that children of ours would inherit. They get
 * the two lowest numbers that are free. */
static CURLM *new_multi(uv_loop_t *loop)
{
    int pair[2];
    CURLM *multi;

    for (size_t i = 0; i < 2; i++)
        pair[i] = fcntl(uv_backend_fd(loop), F_DUPFD_CLOEXEC, 0);
    for (size_t i = 0; i < 2; i++)
        close(pair[i]);
    multi = curl_multi_init();
    for (size_t i = 0; i < 2; i++)
        fcntl(pair[i], F_SETFD, FD_CLOEXEC);
    return multi;
}

bool engine_loop_open(struct engine *engine)
{
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return false;
    engine->multi = new_multi(engine->loop);
    if (!engine->multi)
        return false;
    engine->armed = engine->curl_at = ENGINE_NEVER;
    uv_timer_init(engine->loop, &engine->timer);
    engine->timer.data = engine;
    engine->handles = 1;
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void engine_loop_close(struct engine *engine)
{
    curl_multi_cleanup(engine->multi); /* closes the connections that were kept */
    engine->multi = NULL;
    while (engine->polls)
        poll_close(&engine->polls);
    uv_close((uv_handle_t *)&engine->timer, on_timer_closed);
}
