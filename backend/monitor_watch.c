#include "backend/monitor_watch.h"

#include "backend/redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    TURN_MS = 50,
    SWITCH_MIN_MS = 800,
    UNKNOWN_RATE = 4 << 20,  /* bytes a second, as long as there is no figure */
    SPARE_BYTES = 256 << 10, /* that the kernel takes before the server has to keep them */
    ERRAND_MS = 2000,        /* for one connection to do what it was opened for */
    RETRY_MS = 200,
    KILL_MS = 4000 /* longer than the switch: until then it has worked */
};

enum errand_kind { ERRAND_NONE, ERRAND_PROBE, ERRAND_ARM, ERRAND_KILL };

/* A connection and what it is for. */
struct errand {
    enum errand_kind kind;
    struct redis_link link;
    unsigned answers; /* that have come */
    double since, sent;
};

struct watch {
    struct guard_shared *shared;
    const struct redis_address *address;
    int life;
    struct errand errand;
    struct redis_link armed; /* where the switch lies */
    double armed_at;         /* ms: it was sent then; 0: not yet */
    int armed_ms, errand_ms; /* after which it works; of the one that is being laid */
    long long room;          /* bytes that the server may still take up; -1: no limit */
    double retry_at;
    bool by_stream; /* the switch's blocking command is XREAD: WAIT is refused here */
    bool can_wait, can_stream;
    unsigned over; /* times in a row that the server kept too much */
    uint64_t beat;
    double beat_at, ending_since; /* ending_since 0: it guards */
};

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- the process ---- */

static void close_all_but(int kept)
{
    dup2(kept, STDERR_FILENO + 1);
    if (syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0) != 0) {
        for (int fd = STDERR_FILENO + 2, last = (int)sysconf(_SC_OPEN_MAX); fd < last; fd++)
            close(fd);
    }
}

/* What belongs to the dashboard is let go: its terminal, its signals, its connections, which would
 * stay open through us when it is gone. */
static int leave_home(int life)
{
    static const int handled[] = {SIGINT,  SIGQUIT, SIGHUP,  SIGTERM, SIGTSTP, SIGTTIN,
                                  SIGTTOU, SIGPIPE, SIGCHLD, SIGCONT, SIGWINCH};
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    setsid();
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        signal(handled[i], SIG_IGN);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        signal(crashes[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    close_all_but(life);
    if (chdir("/") < 0)
        errno = 0;
    prctl(PR_SET_NAME, "sharedtop-guard");
    setpriority(PRIO_PROCESS, 0, -5); /* if it may */
    return STDERR_FILENO + 1;
}

/* ---- what it says ---- */

static void say(struct watch *watch, enum guard_state state, const char *reason, const char *hint)
{
    struct guard_shared *shared = watch->shared;
    int now = atomic_load(&shared->state);

    if (now == GUARD_REFUSED || now == GUARD_ENDED)
        return;
    if (reason)
        snprintf(shared->reason, sizeof(shared->reason), "%s%s%s", reason, *hint ? ": " : "", hint);
    atomic_store_explicit(&shared->state, (int)state, memory_order_release);
}

static _Noreturn void refuse(struct watch *watch, const char *reason, const char *hint)
{
    say(watch, GUARD_REFUSED, reason, hint);
    _exit(1);
}

/* ---- errands ---- */

static void send_words(struct redis_link *link, int argc, const char *const *words)
{
    redis_link_append(link, argc, (const char **)(uintptr_t)words, NULL);
}

static void send_kill(struct redis_link *link, long long client)
{
    char id[24];
    const char *const words[] = {"CLIENT", "KILL", "ID", id};

    snprintf(id, sizeof(id), "%lld", client);
    send_words(link, 4, words);
}

/* The blocking command, which ends after ms. */
static void send_block(struct redis_link *link, uint32_t token, bool by_stream, int ms)
{
    char number[16], key[40], time[16];
    const char *const wait[] = {"WAIT", number, time};
    const char *const stream[] = {"XREAD", "BLOCK", time, "STREAMS", key, "$"};

    snprintf(time, sizeof(time), "%d", ms);
    snprintf(number, sizeof(number), "%u", token);
    snprintf(key, sizeof(key), "sharedtop:guard:%u", token);
    if (by_stream)
        send_words(link, 6, stream);
    else
        send_words(link, 3, wait);
}

/* May we kill, and how can a command be made to wait here? Then: how near is the limit? */
static void send_probe(struct watch *watch)
{
    static const char *const info[] = {"INFO", "memory"};
    struct redis_link *link = &watch->errand.link;

    send_kill(link, INT64_MAX);
    send_block(link, watch->shared->token, false, 1);
    send_block(link, watch->shared->token, true, 1);
    send_words(link, 2, info);
}

/* The server must not lose a key before: half the room that it has, at the rate of the stream. */
static int switch_ms(const struct watch *watch)
{
    double rate = (double)atomic_load(&watch->shared->rate), ms;

    if (watch->room < 0)
        return GUARD_SWITCH_MS;
    ms = 1e3 * ((double)watch->room / 2 + SPARE_BYTES) / (rate > 0 ? rate : UNKNOWN_RATE);
    if (ms > GUARD_SWITCH_MS)
        return GUARD_SWITCH_MS;
    return ms < SWITCH_MIN_MS ? SWITCH_MIN_MS : (int)ms;
}

/* The answer to the first says that all three have come, and none is waited for after it. */
static void send_switch(struct watch *watch)
{
    struct redis_link *link = &watch->errand.link;
    char id[24];
    const char *const list[] = {"CLIENT", "LIST", "ID", id};

    snprintf(id, sizeof(id), "%lld", watch->shared->client);
    watch->errand_ms = switch_ms(watch);
    send_words(link, 4, list);
    send_block(link, watch->shared->token, watch->by_stream, watch->errand_ms);
    send_kill(link, watch->shared->client);
    watch->errand.sent = now_ms();
    watch->errand.answers = 0;
    watch->errand.kind = ERRAND_ARM;
}

static void drop_errand(struct watch *watch)
{
    redis_link_close(&watch->errand.link);
    watch->errand.kind = ERRAND_NONE;
    watch->retry_at = now_ms() + RETRY_MS;
}

static void fail_errand(struct watch *watch, const struct redis_fault *fault)
{
    if (!watch->armed_at && !watch->ending_since)
        refuse(watch, fault->error, fault->hint);
    drop_errand(watch);
}

static void begin_errand(struct watch *watch, enum errand_kind kind)
{
    struct redis_fault fault = {.error = ""};

    watch->errand = (struct errand){.kind = kind, .since = now_ms()};
    if (!redis_link_open(&watch->errand.link, watch->address, &fault))
        fail_errand(watch, &fault);
}

static void begin_ending(struct watch *watch, const char *reason)
{
    say(watch, GUARD_ENDED, reason, "");
    watch->ending_since = now_ms();
    drop_errand(watch);
    watch->retry_at = 0;
}

/* ---- answers ---- */

static long long info_number(const redisReply *reply, const char *name)
{
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, name) : NULL;

    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void take_memory(struct watch *watch, const redisReply *reply)
{
    long long used = info_number(reply, "used_memory:"), max = info_number(reply, "maxmemory:");

    watch->room = max > 0 && used >= 0 ? (max > used ? max - used : 0) : -1;
    atomic_store(&watch->shared->limit, monitor_memory_limit(used, max));
}

static void take_probe(struct watch *watch, const redisReply *reply)
{
    struct redis_fault fault = {.error = ""};

    switch (watch->errand.answers) {
    case 1:
        if (reply->type == REDIS_REPLY_INTEGER)
            return;
        if (reply->type == REDIS_REPLY_ERROR)
            redis_fault_reply(reply->str, reply->len, "client|kill", watch->address, &fault);
        refuse(watch, fault.error[0] ? fault.error : "this server knows no CLIENT KILL ID",
               fault.hint);
    case 2: watch->can_wait = reply->type == REDIS_REPLY_INTEGER; return;
    case 3: watch->can_stream = reply->type != REDIS_REPLY_ERROR; return;
    default: break;
    }
    if (!watch->can_wait && !watch->can_stream)
        refuse(watch, "nothing could end MONITOR from inside the server, should the link fail",
               "allow WAIT (ACL SETUSER … +wait)");
    watch->by_stream = !watch->can_wait;
    take_memory(watch, reply);
    send_switch(watch);
}

static void take_client(struct watch *watch, const redisReply *reply)
{
    long long memory = -1, limit = atomic_load(&watch->shared->limit);
    char reason[128];

    if (reply->type == REDIS_REPLY_STRING) {
        if (!reply->len)
            begin_ending(watch, "the server has ended it: somebody killed it, or a limit did");
        memory = monitor_client_memory(reply->str, reply->len);
    }
    atomic_store(&watch->shared->memory, memory);
    /* Once is no more than a large value on its way. */
    watch->over = memory > limit ? watch->over + 1 : 0;
    if (watch->over > 1 && !watch->ending_since) {
        snprintf(reason, sizeof(reason), "the server kept %lld kB for it: killed", memory >> 10);
        begin_ending(watch, reason);
    }
}

/* The new switch lies there: the old one is taken away. */
static void take_armed(struct watch *watch)
{
    redis_link_close(&watch->armed);
    watch->armed = watch->errand.link;
    watch->armed_at = watch->errand.sent;
    watch->armed_ms = watch->errand_ms;
    watch->errand = (struct errand){.kind = ERRAND_NONE};
    say(watch, GUARD_ARMED, NULL, "");
}

static void take_reply(struct watch *watch, const redisReply *reply)
{
    watch->errand.answers++;
    switch (watch->errand.kind) {
    case ERRAND_PROBE: take_probe(watch, reply); break;
    case ERRAND_ARM:
        take_client(watch, reply);
        if (!watch->ending_since)
            take_armed(watch);
        break;
    case ERRAND_KILL: _exit(0);
    case ERRAND_NONE: break;
    }
}

static void send_errand(struct watch *watch)
{
    if (watch->errand.kind == ERRAND_PROBE)
        send_probe(watch);
    else if (watch->errand.kind == ERRAND_ARM)
        send_switch(watch);
    else
        send_kill(&watch->errand.link, watch->shared->client);
}

/* Reads what has come; the replies are taken one by one, and any may end the errand. */
static bool read_errand(struct watch *watch, struct redis_fault *fault)
{
    struct redis_link *link = &watch->errand.link;
    bool open = redis_link_fill(link, fault);

    while (watch->errand.kind != ERRAND_NONE) {
        redisReply *reply = NULL;

        if (!redis_link_reply(link, &reply, fault))
            return false;
        if (!reply)
            return open && redis_link_flush(link, fault);
        take_reply(watch, reply);
        freeReplyObject(reply);
    }
    return true;
}

static void step_errand(struct watch *watch, short ready)
{
    struct redis_link *link = &watch->errand.link;
    struct redis_fault fault = {.error = ""};
    bool good = true;

    if (link->stage != LINK_READY) {
        good = !ready || redis_link_step(link, &fault);
        if (good && link->stage == LINK_READY) {
            send_errand(watch);
            good = redis_link_flush(link, &fault);
        }
    } else if (ready & POLLOUT) {
        good = redis_link_flush(link, &fault);
    } else if (ready) {
        good = read_errand(watch, &fault);
    }
    if (good && watch->errand.kind != ERRAND_NONE && now_ms() - watch->errand.since > ERRAND_MS) {
        redis_link_silent(link, &fault);
        good = false;
    }
    if (!good)
        fail_errand(watch, &fault);
}

/* ---- the turns ---- */

static void check_reader(struct watch *watch, double now)
{
    uint64_t beat = atomic_load_explicit(&watch->shared->beat, memory_order_relaxed);

    if (beat != watch->beat || !watch->beat_at) {
        watch->beat = beat;
        watch->beat_at = now;
    } else if (now - watch->beat_at > GUARD_STALL_MS) {
        begin_ending(watch, "its reader stood still for a second: stopped, or frozen");
    }
}

static void check_life(struct watch *watch, short ready)
{
    char byte;

    if (!ready)
        return;
    if (read(watch->life, &byte, 1) == 1)
        _exit(0);
    begin_ending(watch, "the dashboard has gone");
    watch->life = -1;
}

/* Beyond that the server has ended it itself, or is about to. */
static void check_switch(struct watch *watch, double now)
{
    if (watch->armed_at && now - watch->armed_at > watch->armed_ms + 500)
        begin_ending(watch, "the server could not be reached: the link is down, or it hangs");
}

static void choose_errand(struct watch *watch, double now)
{
    if (watch->errand.kind != ERRAND_NONE || now < watch->retry_at)
        return;
    if (watch->ending_since)
        begin_errand(watch, ERRAND_KILL);
    else if (!watch->armed_at)
        begin_errand(watch, ERRAND_PROBE);
    else if (now - watch->armed_at > (watch->over ? RETRY_MS : watch->armed_ms / 3))
        begin_errand(watch, ERRAND_ARM);
}

static void turn(struct watch *watch)
{
    bool busy = watch->errand.kind != ERRAND_NONE;
    struct pollfd fds[2] = {{.fd = watch->life, .events = POLLIN}, {.fd = -1}};
    double now;

    if (busy)
        fds[1] = (struct pollfd){.fd = redis_link_fd(&watch->errand.link),
                                 .events = redis_link_events(&watch->errand.link)};
    poll(fds, 2, TURN_MS);
    now = now_ms();
    atomic_fetch_add_explicit(&watch->shared->pulse, 1, memory_order_relaxed);
    if (busy)
        step_errand(watch, fds[1].revents);
    check_life(watch, fds[0].revents);
    if (!watch->ending_since)
        check_reader(watch, now);
    if (!watch->ending_since)
        check_switch(watch, now);
    if (watch->ending_since && now - watch->ending_since > KILL_MS)
        _exit(0);
    choose_errand(watch, now);
}

_Noreturn void monitor_watch(struct guard_shared *shared, const struct redis_address *address,
                             int life)
{
    struct watch watch = {.shared = shared, .address = address, .life = leave_home(life)};

    for (;;)
        turn(&watch);
}
