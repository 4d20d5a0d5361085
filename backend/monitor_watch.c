#include "backend/monitor_watch.h"

#include "backend/monitor_room.h"
#include "backend/redis_link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TURN_MS = 50,
    TIGHT_MS = 1000,  /* MONITOR ends when there has been too little room for so long */
    ERRAND_MS = 2000, /* for one connection to do what it was opened for */
    RETRY_MS = 200,
    KILL_MS = 4000, /* longer than the switch: until then it has worked */
    LOOK_MS = 500,  /* from look to look at what the server keeps, when it has room */
    LOOK_SOON_MS = 150,
    LOOK_MIN_MS = 25,
    LOOK_MAX_MS = 1000,
    LIST_STEP = 64 << 10,  /* so many bytes more of CLIENT LIST make looks rarer */
    LIST_SHARE = 8,        /* of the room one list may take that part */
    UNSEEN_MS = ERRAND_MS, /* without a look the switch is not renewed */
    ASKED = 12
};

enum talk_kind { TALK_NONE, TALK_POST, TALK_ARM, TALK_KILL };

enum ask {
    ASK_RUN,
    ASK_SIZE, /* before all are listed for the first time */
    ASK_LIST,
    ASK_LIST_ALL,
    ASK_MAY_KILL,
    ASK_MAY_WAIT,
    ASK_MAY_STREAM,
    ASK_IGNORES,
    ASK_ROLE,
    ASK_MEMORY,
    ASK_INPUT,
    ASK_LAID,
    ASK_LATER, /* what is answered when it is too late */
    ASK_KILL
};

/* A connection and what it is for. */
struct talk {
    enum talk_kind kind;
    struct redis_link link;
    unsigned char asked[ASKED]; /* enum ask: from first on, count of them wait for their answers */
    unsigned first, count;
    bool same_run, ours; /* it leads to the stream's server; the stream was seen there */
    double since, sent;
};

struct watch {
    struct guard_shared *shared;
    const struct redis_address *address;
    int life;
    struct talk post, errand;
    struct redis_link armed; /* where the switch lies */
    double armed_at;         /* ms: it was sent then; 0: not yet */
    int armed_ms, errand_ms; /* after which it works; of the one that is being laid */
    struct monitor_room room;
    double retry_at, look_at, looked_at, tight_at; /* tight_at 0: there is room */
    size_t list_len;
    bool list_all;  /* CLIENT LIST ID is not to be had */
    bool by_stream; /* the switch's blocking command is XREAD: WAIT is refused here */
    bool probed, can_wait, can_stream;
    bool ignores, replica; /* as a replica it evicts nothing; it is one */
    unsigned over;         /* times in a row that the server kept too much */
    uint64_t beat;
    double beat_at, ending_since; /* ending_since 0: it guards */
};

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
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
    alarm(0);
}

static _Noreturn void refuse(struct watch *watch, const char *reason, const char *hint)
{
    say(watch, GUARD_REFUSED, reason, hint);
    _exit(1);
}

/* ---- what it asks ---- */

static void send_words(struct talk *talk, enum ask what, int argc, const char *const *words)
{
    assert(talk->count < ASKED);
    redis_link_append(&talk->link, argc, (const char **)(uintptr_t)words, NULL);
    talk->asked[(talk->first + talk->count++) % ASKED] = (unsigned char)what;
    talk->since = now_ms();
}

static void send_info(struct talk *talk, enum ask what, const char *section)
{
    const char *const words[] = {GUARD_INFO, section};

    send_words(talk, what, 2, words);
}

static void send_size(struct talk *talk)
{
    const char *const words[] = {GUARD_INFO};

    send_words(talk, ASK_SIZE, 1, words);
}

static void send_list(struct watch *watch, struct talk *talk)
{
    char id[24];
    const char *const words[] = {"CLIENT", "LIST", "ID", id};

    snprintf(id, sizeof(id), "%lld", watch->shared->stream.client);
    send_words(talk, watch->list_all ? ASK_LIST_ALL : ASK_LIST, watch->list_all ? 2 : 4, words);
}

/* The address too: between the look and the kill another server may have taken this one's place. */
static void send_kill(struct watch *watch, struct talk *talk, enum ask what)
{
    char id[24];
    const char *const words[] = {"CLIENT", "KILL", "ID", id, "ADDR", watch->shared->stream.address};

    snprintf(id, sizeof(id), "%lld",
             what == ASK_MAY_KILL || what == ASK_LAID ? (long long)INT64_MAX
                                                      : watch->shared->stream.client);
    send_words(talk, what, 6, words);
}

/* The blocking command, which ends after ms. */
static void send_block(struct watch *watch, struct talk *talk, enum ask what, bool by_stream,
                       int ms)
{
    char number[16], key[40], time[16];
    const char *const wait[] = {"WAIT", number, time};
    const char *const stream[] = {"XREAD", "BLOCK", time, "STREAMS", key, "$"};

    snprintf(time, sizeof(time), "%d", ms);
    snprintf(number, sizeof(number), "%u", watch->shared->stream.token);
    snprintf(key, sizeof(key), "sharedtop:guard:%u", watch->shared->stream.token);
    if (by_stream)
        send_words(talk, what, 6, stream);
    else
        send_words(talk, what, 3, wait);
}

/* A replica that leaves its memory to its master (the default) may become one. */
static void send_memory(struct watch *watch, struct talk *talk)
{
    if (watch->replica || !watch->probed)
        send_info(talk, ASK_ROLE, GUARD_INFO_REPLICATION);
    send_info(talk, ASK_MEMORY, GUARD_INFO_MEMORY);
}

/* May we kill, and how can a command be made to wait here? How much comes in, how near is the limit? */
static void send_probe(struct watch *watch, struct talk *talk)
{
    static const char *const ignores[] = {"CONFIG", "GET", "replica-ignore-maxmemory"};

    send_kill(watch, talk, ASK_MAY_KILL);
    send_block(watch, talk, ASK_MAY_WAIT, false, 1);
    send_block(watch, talk, ASK_MAY_STREAM, true, 1);
    send_info(talk, ASK_INPUT, "stats");
    send_words(talk, ASK_IGNORES, 3, ignores);
    send_memory(watch, talk);
    send_list(watch, talk);
}

static void send_look(struct watch *watch)
{
    send_memory(watch, &watch->post);
    send_list(watch, &watch->post);
}

/* With what the reader has told. */
static const struct monitor_room *room_of(struct watch *watch)
{
    watch->room.stream = (double)atomic_load(&watch->shared->rate);
    return &watch->room;
}

/* How long until the next look: an eighth of the room; rarer where all clients must be listed. */
static double look_ms(struct watch *watch)
{
    long long left = watch->room.left;
    double ms = left < 0 ? LOOK_MS : 1e3 * ((double)left / 8) / monitor_room_rate(room_of(watch));

    if (left < 0 && watch->over)
        ms = RETRY_MS;
    if (ms > LOOK_SOON_MS && left >= 0)
        ms = LOOK_SOON_MS;
    if (ms < LOOK_MIN_MS)
        ms = LOOK_MIN_MS;
    if (watch->list_all)
        ms *= 1 + (double)watch->list_len / LIST_STEP;
    return ms < LOOK_MAX_MS ? ms : LOOK_MAX_MS;
}

/* The answer to the first says that all three have come, and none is waited for after it. */
static void send_switch(struct watch *watch)
{
    struct talk *talk = &watch->errand;

    watch->errand_ms = monitor_room_switch_ms(room_of(watch));
    send_kill(watch, talk, ASK_LAID);
    send_block(watch, talk, ASK_LATER, watch->by_stream, watch->errand_ms);
    send_kill(watch, talk, ASK_LATER);
    talk->sent = now_ms();
}

/* ---- connections ---- */

static void drop(struct watch *watch, struct talk *talk)
{
    redis_link_close(&talk->link);
    *talk = (struct talk){.kind = TALK_NONE};
    watch->retry_at = now_ms() + RETRY_MS;
}

static void fail(struct watch *watch, struct talk *talk, const struct redis_fault *fault)
{
    if (!watch->armed_at && !watch->ending_since)
        refuse(watch, fault->error, fault->hint);
    drop(watch, talk);
}

static void begin_talk(struct watch *watch, struct talk *talk, enum talk_kind kind)
{
    struct redis_fault fault = {.error = ""};

    *talk = (struct talk){.kind = kind, .since = now_ms()};
    if (!redis_link_open(&talk->link, watch->address, &fault))
        fail(watch, talk, &fault);
}

/* At once where it was seen; and by a connection of its own, should that one hang. */
static void begin_ending(struct watch *watch, const char *reason)
{
    struct redis_fault fault = {.error = ""};

    say(watch, GUARD_ENDED, reason, "");
    watch->ending_since = now_ms();
    if (watch->errand.kind != TALK_NONE)
        drop(watch, &watch->errand);
    watch->retry_at = 0;
    if (!watch->post.ours || watch->post.count == ASKED)
        return;
    send_kill(watch, &watch->post, ASK_KILL);
    redis_link_flush(&watch->post.link, &fault);
}

/* What cannot be watched without harm is not begun, or ends. */
static void give_up(struct watch *watch, const char *reason)
{
    if (!watch->armed_at && !watch->ending_since)
        refuse(watch, reason, "");
    if (!watch->ending_since)
        begin_ending(watch, reason);
}

/* ---- answers ---- */

static const char ended_there[] = "the server has ended it: somebody killed it, or a limit did";

static void refuse_reply(struct watch *watch, struct talk *talk, const redisReply *reply,
                         const char *command)
{
    struct redis_fault fault = {.error = ""};

    if (reply->type == REDIS_REPLY_ERROR)
        redis_fault_reply(reply->str, reply->len, command, watch->address, &fault);
    else
        redis_fault_protocol(watch->address, &fault);
    fail(watch, talk, &fault);
}

/* Only a yes counts: before Redis 5 there is no such setting, and a replica evicts. */
static void take_ignores(struct watch *watch, const redisReply *reply)
{
    watch->ignores = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                     reply->element[1]->type == REDIS_REPLY_STRING &&
                     strcmp(reply->element[1]->str, "yes") == 0;
}

static void take_role(struct watch *watch, const redisReply *reply)
{
    watch->replica =
        watch->ignores && reply->type == REDIS_REPLY_STRING && monitor_info_is_replica(reply->str);
}

static void take_memory(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    struct monitor_room *room = &watch->room;
    long long used, max;

    if (reply->type != REDIS_REPLY_STRING) {
        refuse_reply(watch, talk, reply, "info");
        return;
    }
    used = monitor_info_number(reply->str, "\nused_memory:");
    max = watch->replica ? 0 : monitor_info_number(reply->str, "\nmaxmemory:");
    room->left = watch->replica ? -1 : monitor_info_room(reply->str);
    room->over = max > 0 && used > max ? used - max : 0;
    room->refuses = strstr(reply->str, "\nmaxmemory_policy:noeviction") != NULL;
    atomic_store(&watch->shared->limit, monitor_memory_limit(used, max));
    if (!watch->replica && !monitor_info_tells(reply->str))
        give_up(watch, GUARD_NO_FIGURES);
}

static void take_input(struct watch *watch, const redisReply *reply)
{
    watch->room.input = monitor_info_input(reply->type == REDIS_REPLY_STRING ? reply->str : "");
}

static void take_may_kill(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STATUS)
        refuse(watch, "this server knows no CLIENT KILL ID", "");
    if (reply->type != REDIS_REPLY_INTEGER)
        refuse_reply(watch, talk, reply, "client|kill");
}

static void take_may_stream(struct watch *watch, const redisReply *reply)
{
    watch->can_stream = reply->type != REDIS_REPLY_ERROR;
    if (!watch->can_wait && !watch->can_stream)
        refuse(watch, "nothing could end MONITOR from inside the server, should the link fail",
               "allow WAIT (ACL SETUSER … +wait)");
    watch->by_stream = !watch->can_wait;
}

/* A large value on its way is seen once; but where the room is short, nobody waits for a second. */
static bool is_too_much(struct watch *watch, long long held)
{
    long long limit = atomic_load(&watch->shared->limit);

    watch->over = held > limit ? watch->over + 1 : 0;
    return watch->over > 1 || (watch->over && watch->room.left >= 0 && held > watch->room.left / 4);
}

/* For longer than a moment, or from the start. */
static void check_room(struct watch *watch, long long held, double now)
{
    char reason[320];

    if (!monitor_room_is_tight(room_of(watch), held)) {
        watch->tight_at = 0;
        return;
    }
    if (!watch->tight_at)
        watch->tight_at = now;
    if (watch->armed_at && now - watch->tight_at < TIGHT_MS)
        return;
    monitor_room_explain(&watch->room, held, reason, sizeof(reason));
    give_up(watch, reason);
}

static void take_held(struct watch *watch, const char *line, size_t len)
{
    long long held = monitor_client_memory(line, len), before = atomic_load(&watch->shared->memory);
    double now = now_ms(), past = (now - watch->looked_at) / 1e3;
    char reason[128];

    if (held < 0)
        refuse(watch, "this server does not tell what it keeps for a client", "");
    if (watch->looked_at && past > 0)
        watch->room.growth = held > before ? (double)(held - before) / past : 0;
    atomic_store(&watch->shared->memory, held);
    watch->looked_at = now;
    watch->probed = true;
    if (is_too_much(watch, held)) {
        snprintf(reason, sizeof(reason), "the server kept %lld kB for it: killed", held >> 10);
        begin_ending(watch, reason);
    } else {
        check_room(watch, held, now);
    }
    watch->look_at = now_ms() + look_ms(watch);
}

/* Is it the stream, and not who has its number on another server, or on this one after a restart? */
static bool is_stream(const struct watch *watch, const struct talk *talk, const char *line,
                      size_t len)
{
    const struct guard_stream *stream = &watch->shared->stream;
    char address[sizeof(stream->address)];

    return talk->same_run && monitor_client_address(line, len, address, sizeof(address)) &&
           strcmp(address, stream->address) == 0 &&
           monitor_client_is_ours(line, len) == stream->named;
}

/* Its own switch may have done it, where there is little room, and it cannot wait long. */
static const char *why_gone(const struct watch *watch)
{
    if (watch->armed_at && now_ms() - watch->armed_at > watch->armed_ms)
        return "the server has ended it: our switch there was not renewed in time";
    return ended_there;
}

static void take_stranger(struct watch *watch, struct talk *talk)
{
    if (watch->ending_since) {
        drop(watch, talk);
    } else if (talk->same_run) {
        begin_ending(watch, why_gone(watch));
    } else if (watch->armed_at) {
        drop(watch, talk);
        begin_ending(watch, "another server answers at its address: restarted, or one of several");
    } else {
        refuse(watch, "another server answered at this address the second time",
               "Monitor needs the address of one server, not of several that take turns");
    }
}

/* More have connected since, or keys have come. */
static void check_list(struct watch *watch)
{
    if (watch->list_all && watch->room.left >= 0 && watch->list_len > GUARD_LIST_FREE &&
        (double)watch->list_len > (double)watch->room.left / LIST_SHARE)
        give_up(watch, GUARD_NO_LIST);
}

/* What is done once it is known that the connection leads to the stream's server. */
static void take_line(struct watch *watch, struct talk *talk, const char *line, size_t len)
{
    bool known = talk->ours;

    talk->ours = len && is_stream(watch, talk, line, len);
    if (!talk->ours)
        take_stranger(watch, talk);
    else if (talk->kind == TALK_KILL)
        send_kill(watch, talk, ASK_KILL);
    else if (talk->kind == TALK_ARM)
        send_switch(watch);
    else if (!known && !watch->probed)
        send_probe(watch, talk);
    else if (!watch->ending_since)
        take_held(watch, line, len);
    if (!watch->ending_since)
        check_list(watch);
}

/* On the stream's server nobody else ever has its number: where all clients would have to be listed,
 * what ends the stream does without, many times a second. */
static void take_known(struct watch *watch, struct talk *talk)
{
    if (!talk->same_run) {
        take_line(watch, talk, "", 0);
        return;
    }
    talk->ours = true;
    if (talk->kind == TALK_KILL)
        send_kill(watch, talk, ASK_KILL);
    else
        send_switch(watch);
}

static void take_run(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    char run[sizeof(watch->shared->stream.run)];

    if (reply->type != REDIS_REPLY_STRING) {
        refuse_reply(watch, talk, reply, "info");
        return;
    }
    monitor_info_run(reply->str, reply->len, run, sizeof(run));
    talk->same_run = strcmp(run, watch->shared->stream.run) == 0;
    if (watch->list_all && talk->kind != TALK_POST && run[0])
        take_known(watch, talk);
    else if (watch->list_all)
        send_size(talk);
}

/* All clients may be listed, by what INFO says. */
static void take_size(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING) {
        refuse_reply(watch, talk, reply, "info");
        return;
    }
    watch->room.left = monitor_info_room(reply->str);
    if (!watch->room.late_ms) /* one that lies there was laid by it */
        watch->room.late_ms = monitor_info_late_ms(reply->str);
    if (!talk->same_run)
        take_line(watch, talk, "", 0);
    else if (!monitor_info_lists(reply->str, GUARD_LINE, GUARD_LIST_FREE))
        give_up(watch, monitor_info_tells(reply->str) ? GUARD_NO_LIST : GUARD_NO_FIGURES);
    else
        send_list(watch, talk);
}

static void take_list(struct watch *watch, struct talk *talk, const redisReply *reply,
                      enum ask asked)
{
    const char *line = "";
    size_t len = 0;

    if (reply->type == REDIS_REPLY_STRING) {
        if (asked == ASK_LIST_ALL)
            watch->list_len = reply->len;
        len = monitor_client_line(reply->str, reply->len, watch->shared->stream.client, &line);
        take_line(watch, talk, line, len);
    } else if (asked == ASK_LIST && reply->type == REDIS_REPLY_ERROR &&
               monitor_error_is_syntax(reply->str)) {
        watch->list_all = true; /* before 6.2 */
        send_size(talk);
    } else {
        refuse_reply(watch, talk, reply, "client|list");
    }
}

/* Whoever else has it open. */
static void take_away(struct watch *watch)
{
    if (watch->armed_at)
        shutdown(redis_link_fd(&watch->armed), SHUT_RDWR);
    redis_link_close(&watch->armed);
}

/* The new switch lies there: the old one is taken away, once the new one outlives us. */
static void take_armed(struct watch *watch)
{
    if (!monitor_hand_on(watch->life, redis_link_fd(&watch->errand.link))) {
        if (!watch->armed_at)
            refuse(watch, "its switch in the server could not be handed on", strerror(errno));
        drop(watch, &watch->errand);
        return;
    }
    take_away(watch);
    watch->armed = watch->errand.link;
    watch->armed_at = watch->errand.sent;
    watch->armed_ms = watch->errand_ms;
    watch->errand = (struct talk){.kind = TALK_NONE};
    say(watch, GUARD_ARMED, NULL, "");
}

static void take_kill(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        _exit(0);
    drop(watch, talk);
}

static void take_reply(struct watch *watch, struct talk *talk, const redisReply *reply)
{
    enum ask asked = (enum ask)talk->asked[talk->first];

    if (!talk->count) {
        drop(watch, talk); /* nobody has asked */
        return;
    }
    talk->since = now_ms(); /* each may take its time: see monitor_info_late_ms */
    talk->first = (talk->first + 1) % ASKED;
    talk->count--;
    switch (asked) {
    case ASK_RUN: take_run(watch, talk, reply); break;
    case ASK_SIZE: take_size(watch, talk, reply); break;
    case ASK_LIST:
    case ASK_LIST_ALL: take_list(watch, talk, reply, asked); break;
    case ASK_MAY_KILL: take_may_kill(watch, talk, reply); break;
    case ASK_MAY_WAIT: watch->can_wait = reply->type == REDIS_REPLY_INTEGER; break;
    case ASK_MAY_STREAM: take_may_stream(watch, reply); break;
    case ASK_IGNORES: take_ignores(watch, reply); break;
    case ASK_ROLE: take_role(watch, reply); break;
    case ASK_MEMORY: take_memory(watch, talk, reply); break;
    case ASK_INPUT: take_input(watch, reply); break;
    case ASK_LAID: take_armed(watch); break;
    case ASK_LATER: drop(watch, talk); break;
    case ASK_KILL: take_kill(watch, talk, reply); break;
    }
}

/* Reads what has come; the replies are taken one by one, and any may end the connection. */
static bool read_talk(struct watch *watch, struct talk *talk, struct redis_fault *fault)
{
    bool open = redis_link_fill(&talk->link, fault);

    while (talk->kind != TALK_NONE) {
        redisReply *reply = NULL;

        if (!redis_link_reply(&talk->link, &reply, fault))
            return false;
        if (!reply)
            return open && redis_link_flush(&talk->link, fault);
        take_reply(watch, talk, reply);
        freeReplyObject(reply);
    }
    return true;
}

static bool connect_talk(struct watch *watch, struct talk *talk, struct redis_fault *fault)
{
    if (!redis_link_step(&talk->link, fault))
        return false;
    if (talk->link.stage != LINK_READY)
        return true;
    send_info(talk, ASK_RUN, GUARD_INFO_SERVER);
    if (!watch->list_all)
        send_list(watch, talk);
    return redis_link_flush(&talk->link, fault);
}

static bool is_waiting(const struct talk *talk)
{
    return talk->kind != TALK_NONE && (talk->count || talk->link.stage != LINK_READY);
}

static void step_talk(struct watch *watch, struct talk *talk, short ready)
{
    struct redis_fault fault = {.error = ""};
    bool good = true;

    if (ready && talk->link.stage != LINK_READY)
        good = connect_talk(watch, talk, &fault);
    else if (ready & POLLOUT)
        good = redis_link_flush(&talk->link, &fault);
    else if (ready)
        good = read_talk(watch, talk, &fault);
    if (good && is_waiting(talk) && now_ms() - talk->since > ERRAND_MS) {
        redis_link_silent(&talk->link, &fault);
        good = false;
    }
    if (!good && talk->kind != TALK_NONE)
        fail(watch, talk, &fault);
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
    if (watch->armed_at && now - watch->armed_at > watch->armed_ms + watch->room.late_ms + 500)
        begin_ending(watch, "the server could not be reached: the link is down, or it hangs");
}

/* Without a post there is nothing to renew the switch for: what is kept is not seen. */
static bool switch_is_due(const struct watch *watch, double now)
{
    if (!watch->looked_at || now - watch->looked_at > UNSEEN_MS)
        return false;
    return !watch->armed_at || now - watch->armed_at > watch->armed_ms / 4.0;
}

static void choose(struct watch *watch, double now)
{
    struct redis_fault fault = {.error = ""};

    if (watch->post.ours && !watch->post.count && !watch->ending_since && now >= watch->look_at) {
        send_look(watch);
        if (!redis_link_flush(&watch->post.link, &fault))
            fail(watch, &watch->post, &fault);
    }
    if (now < watch->retry_at)
        return;
    if (watch->post.kind == TALK_NONE && !watch->ending_since)
        begin_talk(watch, &watch->post, TALK_POST);
    if (watch->errand.kind != TALK_NONE)
        return;
    if (watch->ending_since)
        begin_talk(watch, &watch->errand, TALK_KILL);
    else if (switch_is_due(watch, now))
        begin_talk(watch, &watch->errand, TALK_ARM);
}

static struct pollfd fd_of(const struct talk *talk)
{
    if (talk->kind == TALK_NONE)
        return (struct pollfd){.fd = -1};
    return (struct pollfd){.fd = redis_link_fd(&talk->link),
                           .events = redis_link_events(&talk->link)};
}

static int turn_ms(const struct watch *watch)
{
    double rest = watch->look_at - now_ms();

    if (!watch->post.ours || watch->post.count || watch->ending_since || rest > TURN_MS)
        return TURN_MS;
    return rest > 1 ? (int)rest : 1;
}

static void turn(struct watch *watch)
{
    struct pollfd fds[] = {
        {.fd = watch->life, .events = POLLIN}, fd_of(&watch->post), fd_of(&watch->errand)};
    bool errand = watch->errand.kind != TALK_NONE;
    double now;

    poll(fds, 3, turn_ms(watch));
    now = now_ms();
    atomic_fetch_add_explicit(&watch->shared->pulse, 1, memory_order_relaxed);
    if (watch->post.kind != TALK_NONE)
        step_talk(watch, &watch->post, fds[1].revents);
    if (errand && watch->errand.kind != TALK_NONE)
        step_talk(watch, &watch->errand, fds[2].revents);
    check_life(watch, fds[0].revents);
    if (!watch->ending_since)
        check_reader(watch, now);
    if (!watch->ending_since)
        check_switch(watch, now);
    if (watch->ending_since && now - watch->ending_since > KILL_MS)
        _exit(0);
    choose(watch, now);
}

_Noreturn void monitor_watch(struct guard_shared *shared, const struct redis_address *address,
                             int life)
{
    struct watch watch = {.shared = shared,
                          .address = address,
                          .life = life,
                          .room.input = -1,
                          .room.direct = shared->stream.direct};

    for (;;)
        turn(&watch);
}
