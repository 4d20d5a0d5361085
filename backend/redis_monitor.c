#include "backend/redis_monitor.h"

#include "backend/base/mem.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_queue.h"
#include "backend/redis_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
    CONNECT_MS = 3000,
    UNWATCHED_MS = 5000,
    TURN_MS = 40,           /* what comes slower than by WAKE_BYTES waits so long */
    WAKE_BYTES = 98304,     /* fewer do not wake the reader before */
    SOCKET_BYTES = 3 << 20, /* half of what the socket is asked to take when nobody reads */
    SUM_MS = 250,
    SECOND_MS = 1000,
    HEAVY_BYTES = 4 << 20, /* a second: less does the server no harm, whatever the lines' length */
    MASKED = 512,          /* kept of a line with a password */
    LINK_BYTES = 128 << 10 /* that a connection takes, with TLS */
};

struct monitor {
    struct redis_address address;
    bool has_address;
    struct monitor_setup setup;
    pthread_t thread;
    bool running; /* the thread is to be joined */
    int wake;     /* eventfd: a stop is asked for */
    struct monitor_queue *queue;
    atomic_bool stop;
    _Atomic(uint64_t) bytes, looked_at; /* looked_at: ms, when somebody last asked */
    _Atomic(long long) held, held_limit;
    _Atomic(uint32_t) token;
    _Atomic(struct monitor_summary *) fresh; /* the newest sum that nobody has taken */
    pthread_mutex_t lock;
    /* ---- under the lock, which its thread does not take while the stream runs ---- */
    struct monitor_status status;
    int fd; /* of the connection, to shut it down; -1: none */
    /* ---- the caller's ---- */
    struct monitor_summary *summary;
    struct monitor_block *block; /* that is being looked at */
    uint32_t at;
    uint64_t expected, lost, hidden; /* expected: number of the next line */
    char masked[MASKED];
};

/* What only the thread touches. */
struct reader {
    struct monitor *monitor;
    struct redis_link link;
    struct redis_fault fault;
    struct monitor_guard *guard;
    struct monitor_analysis *analysis;
    struct monitor_summary *sum; /* the next that is filled in */
    double timeout;              /* ms from now to what happens next by itself */
    double deadline;             /* ms */
    double second, summed;       /* when they began */
    uint64_t bytes, second_bytes, second_lines;
    uint64_t guarded; /* lines of the guard's */
    unsigned seconds;
    bool over; /* its time */
    char reason[520];
};

static double now_ms(void)
{
    return (double)uv_hrtime() / 1e6;
}

/* ---- the thread ---- */

/* The first reason stays. */
static void give_reason(struct reader *reader, const char *reason, const char *hint)
{
    if (!reader->reason[0])
        snprintf(reader->reason, sizeof(reader->reason), "%s%s%s", reason, *hint ? ": " : "", hint);
}

/* The server's words; or the guard's, who knows more when it has ended the stream. */
static void give_up(struct reader *reader)
{
    char reason[sizeof(reader->reason)] = "";

    if (reader->guard)
        monitor_guard_state(reader->guard, reason, sizeof(reason));
    if (reason[0])
        give_reason(reader, reason, "");
    else
        give_reason(reader, reader->fault.error, reader->fault.hint);
}

static bool past_deadline(struct reader *reader, bool starting)
{
    char text[64];

    if (!starting) {
        snprintf(text, sizeof(text), "its %g s are over", reader->monitor->setup.seconds);
        give_reason(reader, text, "");
        reader->over = true;
        return true;
    }
    if (reader->guard)
        snprintf(reader->fault.error, sizeof(reader->fault.error),
                 "its guard did not get ready in %d s", CONNECT_MS / 1000);
    else
        redis_link_silent(&reader->link, &reader->fault);
    give_up(reader);
    return true;
}

/* May it go on? Gives the reason if not, and the time until it must be asked again. */
static bool may_go_on(struct reader *reader, bool starting)
{
    const struct monitor *monitor = reader->monitor;
    double now = now_ms(), looked = (double)atomic_load(&monitor->looked_at);
    double unwatched = looked + UNWATCHED_MS;

    if (atomic_load(&monitor->stop))
        return false;
    reader->timeout = (reader->deadline < unwatched ? reader->deadline : unwatched) - now;
    if (reader->timeout > 0)
        return true;
    if (now < unwatched)
        return !past_deadline(reader, starting);
    give_reason(reader, "nobody has looked at it for 5 s", "");
    return false;
}

/* Waits for the connection, a stop, the guard's end, or the time. */
static void wait_for(const struct reader *reader, short events, double most)
{
    struct pollfd fds[] = {
        {.fd = redis_link_fd(&reader->link), .events = events},
        {.fd = reader->monitor->wake, .events = POLLIN},
        {.fd = reader->guard ? monitor_guard_fd(reader->guard) : -1},
    };
    double timeout = reader->timeout < most ? reader->timeout : most;

    poll(fds, 3, (int)timeout + 1);
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
        if (!may_go_on(reader, true))
            return false;
        wait_for(reader, redis_link_events(link), CONNECT_MS);
        if (!redis_link_step(link, &reader->fault)) {
            give_up(reader);
            return false;
        }
    }
    return true;
}

/* With its process goes what it has laid into the server: nothing would end the stream then. */
static bool check_guard(struct reader *reader)
{
    char reason[sizeof(reader->reason)];
    enum guard_state state = monitor_guard_state(reader->guard, reason, sizeof(reason));

    if (state == GUARD_ARMED && !monitor_guard_is_gone(reader->guard))
        return true;
    give_reason(reader, reason[0] ? reason : "its guard has gone: somebody has ended that process",
                "");
    return false;
}

/* Waits for the next answer; NULL: none came before the stop, or fault (given up then). */
static redisReply *await_reply(struct reader *reader)
{
    struct redis_link *link = &reader->link;
    redisReply *reply = NULL;

    while (redis_link_flush(link, &reader->fault)) {
        if (!may_go_on(reader, true))
            return NULL;
        if (reader->guard && !check_guard(reader))
            return NULL;
        wait_for(reader, redis_link_events(link), TURN_MS);
        if (reader->guard)
            monitor_guard_beat(reader->guard);
        if (!redis_link_fill(link, &reader->fault) ||
            !redis_link_reply(link, &reply, &reader->fault))
            break;
        if (reply)
            return reply;
    }
    give_up(reader);
    return NULL;
}

/* An answer must be of that type. NULL: given up. */
static redisReply *expect(struct reader *reader, redisReply *reply, const char *name, int type)
{
    if (!reply || reply->type == type)
        return reply;
    if (reply->type == REDIS_REPLY_ERROR)
        redis_fault_reply(reply->str, reply->len, name, &reader->monitor->address, &reader->fault);
    else
        redis_fault_protocol(&reader->monitor->address, &reader->fault);
    freeReplyObject(reply);
    give_up(reader);
    return NULL;
}

/* Sends one command. */
static redisReply *ask(struct reader *reader, int argc, const char **argv, const char *name,
                       int type)
{
    redis_link_append(&reader->link, argc, argv, NULL);
    return expect(reader, await_reply(reader), name, type);
}

static bool ask_id(struct reader *reader, long long *id)
{
    const char *argv[] = {"CLIENT", "ID"};
    redisReply *reply = ask(reader, 2, argv, "client|id", REDIS_REPLY_INTEGER);

    if (!reply)
        return false;
    *id = reply->integer;
    freeReplyObject(reply);
    pthread_mutex_lock(&reader->monitor->lock);
    reader->monitor->status.client = *id;
    pthread_mutex_unlock(&reader->monitor->lock);
    return true;
}

static bool ask_run(struct reader *reader, struct guard_stream *stream)
{
    const char *argv[] = {GUARD_INFO, GUARD_INFO_SERVER};
    redisReply *reply = ask(reader, 2, argv, "info", REDIS_REPLY_STRING);

    if (!reply)
        return false;
    monitor_info_run(reply->str, reply->len, stream->run, sizeof(stream->run));
    freeReplyObject(reply);
    return true;
}

static bool may_list(struct reader *reader)
{
    const char *argv[] = {GUARD_INFO};
    redisReply *reply = ask(reader, 1, argv, "info", REDIS_REPLY_STRING);
    bool may = reply && monitor_info_lists(reply->str, GUARD_LINE, GUARD_LIST_FREE);

    if (reply && !may)
        give_reason(reader, monitor_info_tells(reply->str) ? GUARD_NO_LIST : GUARD_NO_FIGURES, "");
    if (reply)
        freeReplyObject(reply);
    return may;
}

/* Our own line of CLIENT LIST; that of one client is not to be had before 6.2. */
static redisReply *ask_line(struct reader *reader, long long id)
{
    char number[24];
    const char *argv[] = {"CLIENT", "LIST", "ID", number};
    redisReply *reply;

    snprintf(number, sizeof(number), "%lld", id);
    redis_link_append(&reader->link, 4, argv, NULL);
    reply = await_reply(reader);
    if (!reply || reply->type != REDIS_REPLY_ERROR || !monitor_error_is_syntax(reply->str))
        return expect(reader, reply, "client|list", REDIS_REPLY_STRING);
    freeReplyObject(reply);
    return may_list(reader) ? ask(reader, 2, argv, "client|list", REDIS_REPLY_STRING) : NULL;
}

/* What tells the stream from any other client, on this server and on any other. */
static bool ask_stream(struct reader *reader, struct guard_stream *stream)
{
    redisReply *reply;
    const char *line;
    size_t len;
    bool found;

    if (!ask_id(reader, &stream->client) || !ask_run(reader, stream))
        return false;
    reply = ask_line(reader, stream->client);
    if (!reply)
        return false;
    len = monitor_client_line(reply->str, reply->len, stream->client, &line);
    found = len && monitor_client_address(line, len, stream->address, sizeof(stream->address));
    stream->named = len && monitor_client_is_ours(line, len);
    stream->direct = len && !reader->link.ssl &&
                     monitor_guard_is_direct(redis_link_fd(&reader->link), line, len);
    freeReplyObject(reply);
    if (!found)
        give_reason(reader, "CLIENT LIST does not show this connection",
                    "what stands between here and the server must pass on all that it is sent");
    return found;
}

static bool await_guard(struct reader *reader)
{
    enum guard_state state = GUARD_STARTING;

    while (state == GUARD_STARTING) {
        char reason[sizeof(reader->reason)];
        bool gone;

        if (!may_go_on(reader, true))
            return false;
        wait_for(reader, 0, 2);
        monitor_guard_beat(reader->guard);
        gone = monitor_guard_is_gone(reader->guard);
        state = monitor_guard_state(reader->guard, reason, sizeof(reason));
        if (reason[0] || gone)
            return check_guard(reader);
    }
    return state == GUARD_ARMED;
}

/* MONITOR is not sent before somebody is there who can end it. */
static bool start_guard(struct reader *reader)
{
    struct guard_stream stream = {.token = monitor_guard_token()};

    if (!ask_stream(reader, &stream))
        return false;
    reader->guard = monitor_guard_start(&reader->monitor->address, &stream);
    if (!reader->guard) {
        give_reason(reader, "could not start its guard: the system has no process left", "");
        return false;
    }
    atomic_store(&reader->monitor->token, stream.token);
    return await_guard(reader);
}

/* Asked to wake us for that many bytes, the kernel gives the socket the room for twice as many,
 * without any right: what it takes while we stand still the server does not have to keep. */
static void tune_socket(const struct reader *reader)
{
    int fd = redis_link_fd(&reader->link), many = SOCKET_BYTES, wake = WAKE_BYTES;

    if (reader->link.ssl || reader->monitor->address.path)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &many, sizeof(many));
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wake, sizeof(wake));
}

static bool request_stream(struct reader *reader)
{
    const char *argv[] = {"MONITOR"};
    redisReply *reply = ask(reader, 1, argv, "monitor", REDIS_REPLY_STATUS);

    if (!reply)
        return false;
    freeReplyObject(reply);
    tune_socket(reader);
    return true;
}

static void begin_stream(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;

    reader->second = reader->summed = now_ms();
    reader->deadline = reader->second + 1000.0 * monitor->setup.seconds;
    pthread_mutex_lock(&monitor->lock);
    monitor->status.state = MONITOR_RUNNING;
    monitor->status.stops_at = reader->deadline;
    pthread_mutex_unlock(&monitor->lock);
}

/* ---- the stream ---- */

static void take_lines(struct reader *reader, size_t bytes)
{
    struct monitor *monitor = reader->monitor;
    const struct monitor_block *block;
    uint32_t from;

    reader->bytes += bytes;
    atomic_store_explicit(&monitor->bytes, reader->bytes, memory_order_relaxed);
    monitor_filled(monitor->queue, bytes);
    while ((block = monitor_lines(monitor->queue, &from))) {
        for (uint32_t i = from; reader->analysis && i < block->count; i++) {
            const char *line = block->bytes + block->marks[i].offset;
            size_t len = monitor_kept(&block->marks[i]);

            if (monitor_is_guard_line(line, len))
                reader->guarded++;
            else
                monitor_analysis_line(reader->analysis, line, len, block->marks[i].len);
        }
    }
}

/* Three of them go round: one here, one at who looks, one on its way. */
static void publish_sum(struct reader *reader, double now)
{
    if (!reader->analysis || now - reader->summed < SUM_MS)
        return;
    reader->summed = now;
    monitor_analysis_sum(reader->analysis, reader->sum);
    reader->sum->own += reader->guarded;
    reader->sum = atomic_exchange(&reader->monitor->fresh, reader->sum);
    if (!reader->sum)
        reader->sum = mem_alloc(sizeof(*reader->sum));
}

/* A stream of large values costs the server more than the commands themselves do. */
static bool too_heavy(struct reader *reader, double seconds)
{
    uint64_t limit = reader->monitor->setup.line_limit;
    uint64_t lines = monitor_queue_lines(reader->monitor->queue) - reader->second_lines;
    uint64_t bytes = reader->bytes - reader->second_bytes;
    char text[160];

    if (!limit || (double)bytes < HEAVY_BYTES * seconds || bytes / (lines ? lines : 1) < limit)
        return false;
    snprintf(text, sizeof(text),
             "commands have %llu kB on average: copying them slows the server down too much",
             (unsigned long long)(bytes / (lines ? lines : 1) >> 10));
    give_reason(reader, text, "");
    return true;
}

/* Once a second: what the guard says, and whether it lives. */
static bool check_second(struct reader *reader, double now)
{
    double seconds = (now - reader->second) / 1e3;

    if (now - reader->second < SECOND_MS)
        return true;
    if (too_heavy(reader, seconds))
        return false;
    monitor_guard_rate(reader->guard,
                       (uint64_t)((double)(reader->bytes - reader->second_bytes) / seconds));
    if (++reader->seconds % 3 == 0 && !monitor_guard_moves(reader->guard)) {
        give_reason(reader, "its guard stands still", "");
        return false;
    }
    reader->second = now;
    reader->second_bytes = reader->bytes;
    reader->second_lines = monitor_queue_lines(reader->monitor->queue);
    atomic_store(&reader->monitor->held, monitor_guard_memory(reader->guard));
    atomic_store(&reader->monitor->held_limit, monitor_guard_limit(reader->guard));
    return true;
}

static bool end_turn(struct reader *reader)
{
    double now = now_ms();

    monitor_guard_beat(reader->guard);
    monitor_publish(reader->monitor->queue, false);
    publish_sum(reader, now);
    return check_guard(reader) && check_second(reader, now) && may_go_on(reader, false);
}

static void read_stream(struct reader *reader)
{
    struct monitor_queue *queue = reader->monitor->queue;
    bool tls = reader->link.ssl != NULL;
    size_t room;
    ssize_t n;

    do {
        char *to = monitor_room(queue, &room);

        n = redis_link_read(&reader->link, to, room, &reader->fault);
        if (n < 0) {
            give_up(reader);
            return;
        }
        take_lines(reader, (size_t)n);
        if (!end_turn(reader))
            return;
        /* A socket that gave less than it could has no more; TLS may have some of its own. */
        if (tls ? n == 0 : (size_t)n < room)
            wait_for(reader, POLLIN, TURN_MS);
    } while (true);
}

static void end_thread(struct reader *reader)
{
    struct monitor *monitor = reader->monitor;

    pthread_mutex_lock(&monitor->lock);
    monitor->fd = -1;
    pthread_mutex_unlock(&monitor->lock);
    redis_link_close(&reader->link);
    monitor_guard_free(reader->guard);
    monitor_publish(monitor->queue, true);
    reader->summed = 0;
    if (reader->bytes)
        publish_sum(reader, now_ms());
    pthread_mutex_lock(&monitor->lock);
    if (!monitor->status.reason[0])
        memcpy(monitor->status.reason, reader->reason, sizeof(monitor->status.reason));
    monitor->status.fault = !reader->over && !atomic_load(&monitor->stop);
    monitor->status.state = MONITOR_STOPPED;
    pthread_mutex_unlock(&monitor->lock);
    monitor_analysis_free(reader->analysis);
    free(reader->sum);
    free(reader);
}

static void *run(void *argument)
{
    struct reader *reader = mem_zalloc(sizeof(*reader));

    reader->monitor = argument;
    reader->deadline = now_ms() + CONNECT_MS;
    if (reader->monitor->setup.analysis) {
        reader->analysis = monitor_analysis_new();
        reader->sum = mem_alloc(sizeof(*reader->sum));
    }
    if (connect_link(reader) && start_guard(reader) && request_stream(reader)) {
        if (reader->analysis)
            monitor_analysis_guard(reader->analysis, atomic_load(&reader->monitor->token));
        begin_stream(reader);
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
    monitor->status.fault = true;
    snprintf(monitor->status.reason, sizeof(monitor->status.reason), "%s", reason);
}

static void looked(struct monitor *monitor)
{
    atomic_store_explicit(&monitor->looked_at, (uint64_t)now_ms(), memory_order_relaxed);
}

struct monitor *monitor_start_with(const struct redis_address *address,
                                   const struct monitor_setup *setup)
{
    struct monitor *monitor = mem_zalloc(sizeof(*monitor));

    pthread_mutex_init(&monitor->lock, NULL);
    monitor->setup = *setup;
    monitor->fd = -1;
    monitor->status.started = now_ms();
    atomic_store(&monitor->held, -1);
    looked(monitor);
    monitor->queue = monitor_queue_new();
    monitor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!address) {
        fail(monitor, "this Redis is not connected");
        return monitor;
    }
    redis_address_copy(&monitor->address, address);
    monitor->has_address = true;
    monitor->status.state = MONITOR_STARTING;
    monitor->running = monitor->wake >= 0 && start_thread(monitor);
    if (!monitor->running)
        fail(monitor, "could not start its thread: the system has none left");
    return monitor;
}

struct monitor *monitor_start(const struct redis_address *address, double seconds)
{
    const struct monitor_setup setup = {
        .seconds = seconds, .line_limit = MONITOR_LINE_LIMIT, .analysis = true};

    return monitor_start_with(address, &setup);
}

void monitor_stop(struct monitor *monitor, const char *reason)
{
    if (!monitor->running)
        return;
    atomic_store(&monitor->stop, true);
    pthread_mutex_lock(&monitor->lock);
    if (!monitor->status.reason[0] && monitor->status.state != MONITOR_STOPPED)
        snprintf(monitor->status.reason, sizeof(monitor->status.reason), "%s",
                 reason ? reason : "stopped");
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
    free(monitor->block);
    free(monitor->summary);
    free(atomic_load(&monitor->fresh));
    monitor_queue_free(monitor->queue);
    redis_address_free(&monitor->address);
    if (monitor->wake >= 0)
        close(monitor->wake);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

void monitor_status(struct monitor *monitor, struct monitor_status *status)
{
    looked(monitor);
    pthread_mutex_lock(&monitor->lock);
    *status = monitor->status;
    pthread_mutex_unlock(&monitor->lock);
    status->lines = monitor_queue_lines(monitor->queue);
    status->bytes = atomic_load_explicit(&monitor->bytes, memory_order_relaxed);
    status->overwritten = monitor->lost;
    status->held = atomic_load(&monitor->held);
    status->held_limit = atomic_load(&monitor->held_limit);
}

const struct redis_address *monitor_address(const struct monitor *monitor)
{
    return monitor->has_address ? &monitor->address : NULL;
}

size_t monitor_memory(const struct monitor *monitor)
{
    size_t size = sizeof(*monitor) + sizeof(struct reader) + LINK_BYTES + monitor_queue_memory();

    if (monitor->setup.analysis)
        size += monitor_analysis_memory() + 3 * sizeof(struct monitor_summary);
    return size;
}

uint64_t monitor_hidden(const struct monitor *monitor)
{
    return monitor->hidden;
}

const struct monitor_summary *monitor_summary(struct monitor *monitor)
{
    looked(monitor);
    if (atomic_load(&monitor->fresh)) { /* nobody else takes it: there are never more than three */
        free(monitor->summary);
        monitor->summary = atomic_exchange(&monitor->fresh, NULL);
    }
    return monitor->summary;
}

/* ---- lines ---- */

/* Puts "(redacted)" in the place of a password and all after it. */
static void mask(struct monitor *monitor, struct monitor_line *line)
{
    static const char word[] = "\"(redacted)\"";
    size_t shown = monitor_secret(line->text, line->len);
    struct monitor_line masked;

    if (shown == line->len)
        return;
    if (shown > MASKED - sizeof(word))
        shown = MASKED - sizeof(word);
    memcpy(monitor->masked, line->text, shown);
    memcpy(monitor->masked + shown, word, sizeof(word));
    if (!monitor_parse(monitor->masked, shown + sizeof(word) - 1, &masked))
        masked = (struct monitor_line){0};
    masked.number = line->number;
    masked.bytes = line->bytes;
    masked.text = monitor->masked;
    masked.len = shown + sizeof(word) - 1;
    *line = masked;
}

/* Only these commands can hold one. */
static bool may_hold_secret(const struct monitor_line *line)
{
    return line->command_len && strchr("aAhHmM", line->command[0]);
}

static bool is_own(struct monitor *monitor, const struct monitor_line *line)
{
    if (monitor_is_guard_line(line->text, line->len) ||
        monitor_is_polling(line->args, line->args_len))
        return true;
    return line->command_len && strchr("wWxXcC", line->command[0]) &&
           monitor_is_own_command(line->args, line->args_len, atomic_load(&monitor->token));
}

static void read_line(struct monitor *monitor, uint32_t at, struct monitor_line *line)
{
    const struct monitor_mark *mark = &monitor->block->marks[at];
    const char *text = monitor->block->bytes + mark->offset;
    size_t len = monitor_kept(mark);

    if (!monitor_parse(text, len, line))
        *line = (struct monitor_line){0};
    line->number = monitor->block->first + at;
    line->text = text;
    line->len = len;
    line->bytes = mark->len;
    if (may_hold_secret(line))
        mask(monitor, line);
}

/* Moves on to the next block. */
static bool next_block(struct monitor *monitor, uint32_t last)
{
    if (monitor->block)
        monitor_return(monitor->queue, monitor->block);
    monitor->block = monitor_take(monitor->queue);
    if (!monitor->block)
        return false;
    monitor->at = monitor->block->count > last ? monitor->block->count - last : 0;
    monitor->lost += monitor->block->first + monitor->at - monitor->expected;
    monitor->expected = monitor->block->first + monitor->block->count;
    return true;
}

bool monitor_next_of(struct monitor *monitor, struct monitor_line *line, uint32_t last)
{
    looked(monitor);
    do {
        while (!monitor->block || monitor->at == monitor->block->count) {
            if (!next_block(monitor, last))
                return false;
        }
        read_line(monitor, monitor->at++, line);
        if (!line->command_len || !is_own(monitor, line))
            return true;
        monitor->hidden++;
    } while (true);
}

bool monitor_next(struct monitor *monitor, struct monitor_line *line)
{
    return monitor_next_of(monitor, line, UINT32_MAX);
}
