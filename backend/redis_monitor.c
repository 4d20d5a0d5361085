#include "backend/redis_monitor.h"

#include "backend/base/mem.h"
#include "backend/redis_link.h"
#include "backend/redis_monitor_ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { CONNECT_MS = 3000, UNWATCHED_MS = 5000 };

struct monitor {
    struct redis_address address;
    double seconds;
    pthread_t thread;
    bool running; /* the thread is to be joined */
    int wake;     /* eventfd: a stop is asked for */
    pthread_mutex_t lock;
    /* ---- under the lock ---- */
    struct monitor_status status;
    struct monitor_ring *ring;
    double looked_at; /* ms: when somebody last asked for status or lines */
    int fd;           /* of the connection, to shut it down; -1: none */
    bool stop;
};

/* What only the thread touches. */
struct reader {
    struct monitor *monitor;
    struct redis_link link;
    struct redis_fault fault;
    double timeout; /* ms from now to what happens next by itself */
    struct monitor_splitter splitter;
    struct monitor_batch batch;
};

static double now_ms(void)
{
    return (double)uv_hrtime() / 1e6;
}

/* ---- the thread ---- */

/* The first reason stays. Under the lock. */
static void set_reason(struct monitor *monitor, const char *reason, const char *hint)
{
    struct monitor_status *status = &monitor->status;

    if (!status->reason[0])
        snprintf(status->reason, sizeof(status->reason), "%s%s%s", reason, *hint ? ": " : "", hint);
}

static void give_up(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;

    pthread_mutex_lock(&monitor->lock);
    set_reason(monitor, reader->fault.error, reader->fault.hint);
    pthread_mutex_unlock(&monitor->lock);
}

/* The server has not answered in time. Under the lock. */
static void blame_silence(struct reader *reader)
{
    redis_link_silent(&reader->link, &reader->fault);
    set_reason(reader->monitor, reader->fault.error, reader->fault.hint);
}

/* May it go on? Sets the reason if not, and the time until it must be asked again. Under the lock. */
static bool check(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;
    const struct monitor_status *status = &monitor->status;
    bool starting = status->state == MONITOR_STARTING;
    double now = now_ms(), end = starting ? status->started + CONNECT_MS : status->stops_at;
    double unwatched = monitor->looked_at + UNWATCHED_MS;
    char text[64];

    reader->timeout = (end < unwatched ? end : unwatched) - now;
    if (!monitor->stop && reader->timeout > 0)
        return true;
    snprintf(text, sizeof(text), "its %g s are over", monitor->seconds);
    if (!monitor->stop && now >= unwatched)
        set_reason(monitor, "nobody has looked at it for 5 s", "");
    else if (!monitor->stop && starting)
        blame_silence(reader);
    else
        set_reason(monitor, text, "");
    return false;
}

static bool may_go_on(struct reader *reader)
{
    bool go;

    pthread_mutex_lock(&reader->monitor->lock);
    go = check(reader);
    pthread_mutex_unlock(&reader->monitor->lock);
    return go;
}

/* Waits for the connection, a stop, or the time. */
static void wait_for(const struct reader *reader, short events)
{
    struct pollfd fds[] = {
        {.fd = redis_link_fd(&reader->link), .events = events},
        {.fd = reader->monitor->wake, .events = POLLIN},
    };

    poll(fds, 2, (int)reader->timeout + 1);
}

static bool connect_link(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;
    struct redis_link *link = &reader->link;

    if (!redis_link_open(link, &monitor->address, &reader->fault)) {
        give_up(reader);
        return false;
    }
    pthread_mutex_lock(&monitor->lock);
    monitor->fd = redis_link_fd(link);
    pthread_mutex_unlock(&monitor->lock);
    while (link->stage != LINK_READY) {
        if (!may_go_on(reader))
            return false;
        wait_for(reader, redis_link_events(link));
        if (!redis_link_step(link, &reader->fault)) {
            give_up(reader);
            return false;
        }
    }
    return true;
}

/* The answer to MONITOR; false: fault. */
static bool accept_stream(struct reader *reader, redisReply *reply)
{
    bool good = reply->type == REDIS_REPLY_STATUS;

    if (!good && reply->type == REDIS_REPLY_ERROR)
        redis_fault_reply(reply->str, reply->len, "monitor", &reader->monitor->address,
                          &reader->fault);
    else if (!good)
        redis_fault_protocol(&reader->monitor->address, &reader->fault);
    freeReplyObject(reply);
    return good;
}

/* Waits for the next answer; NULL: none came before the stop, or fault (given up then). */
static redisReply *await_reply(struct reader *reader)
{
    struct redis_link *link = &reader->link;
    redisReply *reply = NULL;

    while (redis_link_flush(link, &reader->fault)) {
        if (!may_go_on(reader))
            return NULL;
        wait_for(reader, redis_link_events(link));
        if (!redis_link_fill(link, &reader->fault) ||
            !redis_link_reply(link, &reply, &reader->fault))
            break;
        if (reply)
            return reply;
    }
    give_up(reader);
    return NULL;
}

static bool request_stream(struct reader *reader)
{
    const char *argv[] = {"MONITOR"};
    redisReply *reply;

    redis_link_append(&reader->link, 1, argv, NULL);
    reply = await_reply(reader);
    if (!reply)
        return false;
    if (accept_stream(reader, reply))
        return true;
    give_up(reader);
    return false;
}

static void begin_stream(struct monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
    monitor->status.state = MONITOR_RUNNING;
    monitor->status.stops_at = now_ms() + 1000.0 * monitor->seconds;
    pthread_mutex_unlock(&monitor->lock);
}

/* Puts what was read into the ring. False: it is time to stop. */
static bool publish(struct reader *reader, size_t bytes)
{
    struct monitor *monitor = reader->monitor;
    bool go, more;

    monitor_filled(&reader->splitter, bytes);
    do {
        more = monitor_split(&reader->splitter, &reader->batch);
        pthread_mutex_lock(&monitor->lock);
        if (more)
            monitor_ring_add(monitor->ring, &reader->batch);
        monitor->status.bytes += bytes;
        bytes = 0;
        go = check(reader);
        pthread_mutex_unlock(&monitor->lock);
    } while (more && go);
    return go;
}

static void read_stream(struct reader *reader)
{
    bool tls = reader->link.ssl != NULL;
    size_t room;
    ssize_t n;

    do {
        char *to = monitor_room(&reader->splitter, &room);

        n = redis_link_read(&reader->link, to, room, &reader->fault);
        if (n < 0) {
            give_up(reader);
            return;
        }
        if (!publish(reader, (size_t)n))
            return;
        /* A socket that gave less than it could has no more; TLS may have some of its own. */
        if (tls ? n == 0 : (size_t)n < room)
            wait_for(reader, POLLIN);
    } while (true);
}

static void end_thread(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;

    pthread_mutex_lock(&monitor->lock);
    monitor->fd = -1;
    monitor->status.state = MONITOR_STOPPED;
    pthread_mutex_unlock(&monitor->lock);
    redis_link_close(&reader->link);
    free(reader);
}

static void *run(void *argument)
{
    struct reader *reader = mem_zalloc(sizeof(*reader));

    reader->monitor = argument;
    if (connect_link(reader) && request_stream(reader)) {
        begin_stream(reader->monitor);
        read_stream(reader);
    }
    end_thread(reader);
    return NULL;
}

/* ---- the caller's side ---- */

/* Signals belong to the loop: none is delivered to this thread. */
static bool start_thread(struct monitor *monitor)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&monitor->thread, NULL, run, monitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static void fail(struct monitor *monitor, const char *reason)
{
    monitor->status.state = MONITOR_STOPPED;
    set_reason(monitor, reason, "");
}

struct monitor *monitor_start(const struct redis_address *address, double seconds)
{
    struct monitor *monitor = mem_zalloc(sizeof(*monitor));

    pthread_mutex_init(&monitor->lock, NULL);
    monitor->seconds = seconds;
    monitor->fd = -1;
    monitor->looked_at = monitor->status.started = now_ms();
    monitor->ring = monitor_ring_new();
    monitor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!address) {
        fail(monitor, "this Redis is not connected");
        return monitor;
    }
    redis_address_copy(&monitor->address, address);
    monitor->status.state = MONITOR_STARTING;
    monitor->running = monitor->wake >= 0 && start_thread(monitor);
    if (!monitor->running)
        fail(monitor, "could not start its thread: the system has none left");
    return monitor;
}

void monitor_stop(struct monitor *monitor, const char *reason)
{
    if (!monitor->running)
        return;
    pthread_mutex_lock(&monitor->lock);
    monitor->stop = true;
    set_reason(monitor, reason ? reason : "stopped", "");
    if (monitor->fd >= 0)
        shutdown(monitor->fd, SHUT_RDWR);
    pthread_mutex_unlock(&monitor->lock);
    eventfd_write(monitor->wake, 1);
    pthread_join(monitor->thread, NULL);
    monitor->running = false;
}

void monitor_free(struct monitor *monitor)
{
    if (!monitor)
        return;
    monitor_stop(monitor, NULL);
    monitor_ring_free(monitor->ring);
    redis_address_free(&monitor->address);
    if (monitor->wake >= 0)
        close(monitor->wake);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

void monitor_status(struct monitor *monitor, struct monitor_status *status)
{
    pthread_mutex_lock(&monitor->lock);
    monitor->looked_at = now_ms();
    monitor->status.lines = monitor_ring_lines(monitor->ring);
    monitor->status.overwritten = monitor_ring_overwritten(monitor->ring);
    *status = monitor->status;
    pthread_mutex_unlock(&monitor->lock);
}

size_t monitor_copy(struct monitor *monitor, uint64_t *next, char *buffer, size_t size,
                    size_t *offsets, size_t max_lines)
{
    size_t count;

    pthread_mutex_lock(&monitor->lock);
    monitor->looked_at = now_ms();
    count = monitor_ring_copy(monitor->ring, next, buffer, size, offsets, max_lines);
    pthread_mutex_unlock(&monitor->lock);
    return count;
}
