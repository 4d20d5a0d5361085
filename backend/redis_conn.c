#include "backend/redis_conn.h"

#include "backend/base/mem.h"
#include "backend/monitor_parse.h"
#include "backend/redis_link.h"
#include "backend/resolve.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address that does not answer for so long makes way for the next one of its name. LAST_MS, for
 * the last one, is a little less than what the instance allows: we know better what to say. */
enum { PATIENCE_MS = 800, LAST_MS = 2500 };

struct request {
    redis_reply_fn *fn;
    void *context;
    unsigned tag;
};

/* Of its own, since it is closed later than the connection that it watches. */
struct watch {
    uv_poll_t poll;
    struct redis_conn *conn; /* NULL: closed */
};

struct redis_conn {
    uv_loop_t *loop;
    const struct redis_conn_events *events;
    void *context;
    struct redis_address target;       /* host as it was given */
    struct redis_address address;      /* host is numeric; what the link uses */
    char *candidates[RESOLVE_MAX];     /* addresses of the host */
    size_t candidate_count, candidate; /* candidate: the one in use */
    struct resolver *resolver;
    uv_timer_t patience;
    struct redis_link link;
    struct watch *watch;
    int watched;              /* events that the watch polls for */
    struct request *requests; /* a ring of capacity, a power of two */
    size_t capacity, first, count;
    struct redis_own own;
    bool polls;
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void try_candidate(struct redis_conn *conn);

struct redis_conn *redis_conn_new(uv_loop_t *loop, const struct redis_conn_events *events,
                                  void *context)
{
    struct redis_conn *conn = mem_zalloc(sizeof(*conn));

    conn->loop = loop;
    conn->events = events;
    conn->context = context;
    conn->resolver = resolver_new(loop);
    uv_timer_init(loop, &conn->patience);
    conn->patience.data = conn;
    return conn;
}

void redis_conn_polls(struct redis_conn *conn)
{
    conn->polls = true;
}

struct redis_own *redis_conn_own(struct redis_conn *conn)
{
    return &conn->own;
}

const struct redis_address *redis_conn_address(const struct redis_conn *conn)
{
    return conn->link.stage == LINK_READY ? &conn->address : NULL;
}

const char *redis_conn_tls(const struct redis_conn *conn)
{
    return redis_link_tls(&conn->link);
}

/* ---- closing ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Closes the link and its watch, keeps the other candidates. */
static void drop_link(struct redis_conn *conn)
{
    uv_timer_stop(&conn->patience);
    if (conn->watch) {
        conn->watch->conn = NULL;
        uv_close((uv_handle_t *)&conn->watch->poll, on_watch_closed);
        conn->watch = NULL;
    }
    redis_link_close(&conn->link);
    redis_address_free(&conn->address);
    conn->count = 0;
}

static void drop_candidates(struct redis_conn *conn)
{
    for (size_t i = 0; i < conn->candidate_count; i++)
        free(conn->candidates[i]);
    conn->candidate_count = conn->candidate = 0;
}

void redis_conn_close(struct redis_conn *conn)
{
    resolver_stop(conn->resolver);
    drop_link(conn);
    drop_candidates(conn);
    redis_address_free(&conn->target);
}

static void on_patience_closed(uv_handle_t *handle)
{
    struct redis_conn *conn = handle->data;
    void (*gone)(void *context) = conn->events->gone;
    void *context = conn->context;

    free(conn->requests);
    free(conn);
    gone(context);
}

void redis_conn_free(struct redis_conn *conn)
{
    redis_conn_close(conn);
    resolver_free(conn->resolver);
    uv_close((uv_handle_t *)&conn->patience, on_patience_closed);
}

static void fail(struct redis_conn *conn, const struct redis_fault *fault)
{
    redis_conn_close(conn);
    conn->events->failed(conn->context, fault);
}

/* The link failed: before it was ready, the next address of the name may do better. */
static void fail_link(struct redis_conn *conn, const struct redis_fault *fault)
{
    bool early = conn->link.stage == LINK_CLOSED || conn->link.stage == LINK_CONNECTING;

    if (!early || conn->candidate + 1 >= conn->candidate_count) {
        fail(conn, fault);
        return;
    }
    drop_link(conn);
    conn->candidate++;
    try_candidate(conn);
}

/* ---- opening ---- */

static void watch_events(struct redis_conn *conn)
{
    short wanted = redis_link_events(&conn->link);
    int events = (wanted & POLLIN ? UV_READABLE : 0) | (wanted & POLLOUT ? UV_WRITABLE : 0);

    if (events != conn->watched)
        uv_poll_start(&conn->watch->poll, events, on_poll);
    conn->watched = events;
}

static void on_patience(uv_timer_t *timer)
{
    struct redis_conn *conn = timer->data;
    struct redis_fault fault = {.error = ""};

    redis_link_silent(&conn->link, &fault);
    fail_link(conn, &fault);
}

static void use_candidate(struct redis_conn *conn)
{
    struct redis_address *address = &conn->address;

    redis_address_copy(address, &conn->target);
    if (address->path)
        return;
    if (!address->tls_name)
        address->tls_name = mem_strdup(conn->target.host);
    free(address->host);
    address->host = mem_strdup(conn->candidates[conn->candidate]);
}

/* False: the loop cannot poll the link. */
static bool watch_link(struct redis_conn *conn, struct redis_fault *fault)
{
    struct watch *watch = mem_zalloc(sizeof(*watch));
    int error = uv_poll_init(conn->loop, &watch->poll, redis_link_fd(&conn->link));

    if (error) {
        free(watch);
        redis_fault_set(fault, "could not watch the connection", uv_strerror(error));
        return false;
    }
    watch->conn = conn;
    watch->poll.data = watch;
    conn->watch = watch;
    conn->watched = 0;
    watch_events(conn);
    return true;
}

static void try_candidate(struct redis_conn *conn)
{
    struct redis_fault fault = {.error = ""};

    use_candidate(conn);
    if (!redis_link_open(&conn->link, &conn->address, &fault) || !watch_link(conn, &fault)) {
        fail_link(conn, &fault);
        return;
    }
    uv_timer_start(&conn->patience, on_patience,
                   conn->candidate + 1 < conn->candidate_count ? PATIENCE_MS : LAST_MS, 0);
}

static void on_resolved(void *context, const char *const *addresses, size_t count,
                        const char *error)
{
    struct redis_conn *conn = context;
    struct redis_fault fault = {.error = ""};

    if (count == 0) {
        redis_fault_set(&fault, error, "check the host in the url, or name its address");
        fail(conn, &fault);
        return;
    }
    for (size_t i = 0; i < count && i < RESOLVE_MAX; i++)
        conn->candidates[conn->candidate_count++] = mem_strdup(addresses[i]);
    try_candidate(conn);
}

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || strchr(host, ':') != NULL;
}

void redis_conn_open(struct redis_conn *conn, const struct redis_address *address)
{
    assert(!conn->target.host && !conn->target.path);
    redis_address_copy(&conn->target, address);
    if (address->path) {
        try_candidate(conn);
    } else if (is_numeric(address->host)) {
        conn->candidates[conn->candidate_count++] = mem_strdup(address->host);
        try_candidate(conn);
    } else {
        resolver_lookup(conn->resolver, address->host, on_resolved, conn);
    }
}

/* ---- commands ---- */

static void grow(struct redis_conn *conn)
{
    size_t capacity = conn->capacity ? 2 * conn->capacity : 32;
    struct request *requests = mem_array(NULL, capacity, sizeof(*requests));

    for (size_t i = 0; i < conn->count; i++)
        requests[i] = conn->requests[(conn->first + i) & (conn->capacity - 1)];
    free(conn->requests);
    conn->requests = requests;
    conn->capacity = capacity;
    conn->first = 0;
}

void redis_conn_command_bytes(struct redis_conn *conn, redis_reply_fn *fn, void *context,
                              unsigned tag, int argc, const char **argv, const size_t *lengths)
{
    const char *given = argv[0];
    char spelt[MONITOR_SPELT];

    assert(conn->link.stage == LINK_READY);
    if (conn->count == conn->capacity)
        grow(conn);
    if (conn->polls)
        argv[0] = monitor_spell(given, spelt);
    conn->requests[(conn->first + conn->count++) & (conn->capacity - 1)] =
        (struct request){fn, context, tag};
    conn->own.net_in += (int64_t)redis_link_append(&conn->link, argc, argv, lengths);
    argv[0] = given;
}

void redis_conn_command(struct redis_conn *conn, redis_reply_fn *fn, void *context, unsigned tag,
                        int argc, const char **argv)
{
    redis_conn_command_bytes(conn, fn, context, tag, argc, argv, NULL);
}

void redis_conn_flush(struct redis_conn *conn)
{
    struct redis_fault fault = {.error = ""};

    /* A fault shows up in the next turn of the loop, where an answer that explains it may be. */
    redis_link_flush(&conn->link, &fault);
    watch_events(conn);
}

/* The length of a number and its CR LF. */
static int64_t wire_number(long long n)
{
    char text[24];

    return snprintf(text, sizeof(text), "%lld\r\n", n);
}

/* What the server counted when it wrote this answer. */
static int64_t wire_size(const redisReply *reply)
{
    int64_t size = 1;

    switch (reply->type) {
    case REDIS_REPLY_STRING:
        return size + wire_number((long long)reply->len) + (int64_t)reply->len + 2;
    case REDIS_REPLY_INTEGER: return size + wire_number(reply->integer);
    case REDIS_REPLY_ARRAY:
        size += wire_number((long long)reply->elements);
        for (size_t i = 0; i < reply->elements; i++)
            size += wire_size(reply->element[i]);
        return size;
    case REDIS_REPLY_NIL: return size + 4;
    default: return size + (int64_t)reply->len + 2;
    }
}

/* A command that was refused before it ran is not on the server's counter. */
static bool has_run(const redisReply *reply)
{
    static const char *const refused[] = {"NOPERM", "NOAUTH",     "LOADING",
                                          "BUSY",   "MASTERDOWN", "ERR unknown"};

    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        if (reply->type == REDIS_REPLY_ERROR &&
            strncmp(reply->str, refused[i], strlen(refused[i])) == 0)
            return false;
    }
    return true;
}

static void hand_on(struct redis_conn *conn, const redisReply *reply)
{
    struct request request = conn->requests[conn->first];

    conn->first = (conn->first + 1) & (conn->capacity - 1);
    conn->count--;
    conn->own.net_out += wire_size(reply);
    conn->own.commands += has_run(reply);
    request.fn(request.context, reply, request.tag);
}

/* Hands on all answers that were read. False: the connection was closed or has failed. */
static bool hand_on_all(struct redis_conn *conn, const struct watch *watch)
{
    struct redis_fault fault = {.error = ""};

    for (;;) {
        redisReply *reply = NULL;

        if (!redis_link_reply(&conn->link, &reply, &fault))
            break;
        if (!reply)
            return true;
        if (!conn->count) {
            freeReplyObject(reply);
            redis_fault_protocol(&conn->address, &fault);
            break;
        }
        hand_on(conn, reply);
        freeReplyObject(reply);
        if (watch->conn != conn)
            return false;
    }
    fail(conn, &fault);
    return false;
}

static void serve(struct redis_conn *conn, int events)
{
    const struct watch *watch = conn->watch;
    struct redis_fault fault = {.error = ""};
    bool open = true;

    if (events & UV_WRITABLE)
        open = redis_link_flush(&conn->link, &fault);
    if (events & UV_READABLE || !open)
        open = redis_link_fill(&conn->link, &fault) && open;
    if (!hand_on_all(conn, watch))
        return;
    if (open)
        watch_events(conn);
    else
        fail(conn, &fault);
}

static void step(struct redis_conn *conn)
{
    enum redis_stage before = conn->link.stage;
    struct redis_fault fault = {.error = ""};

    if (!redis_link_step(&conn->link, &fault)) {
        fail_link(conn, &fault);
        return;
    }
    if (before == LINK_CONNECTING)
        uv_timer_start(&conn->patience, on_patience, LAST_MS, 0);
    if (conn->link.stage == LINK_READY) {
        const struct watch *watch = conn->watch;

        uv_timer_stop(&conn->patience);
        conn->events->ready(conn->context);
        if (watch->conn != conn)
            return;
    }
    watch_events(conn);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    struct redis_conn *conn = watch->conn;

    /* libuv has stopped the watch then; the reason shows up in the read. */
    if (status < 0) {
        events = UV_READABLE | UV_WRITABLE;
        conn->watched = 0;
    }
    if (conn->link.stage == LINK_READY)
        serve(conn, events);
    else
        step(conn);
}
