#include "backend/redis_act.h"

#include "backend/base/mem.h"
#include "backend/redis_target.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To connect and to get into the database. LATE_MS: the timer itself comes late, as after Ctrl-Z,
 * so answers may wait unread. */
enum { OPEN_MS = 6000, LATE_MS = 500 };

struct redis_act {
    const struct redis_config *config;
    const struct redis_act_events *events; /* NULL: closed */
    void *context;
    struct redis_conn *conn;
    uv_timer_t timer;
    char *fault; /* known before it could be opened */
    int db;
    unsigned waiting; /* answers that have not come */
    unsigned deadline_ms;
    uint64_t due; /* ms: what the timer is set to */
    bool ready;
    unsigned open; /* handles */
    void (*gone)(void *context);
    void *gone_context;
};

static void on_timer(uv_timer_t *timer);

/* ---- closing ---- */

static void release(struct redis_act *act)
{
    void (*gone)(void *context) = act->gone;
    void *context = act->gone_context;

    if (--act->open)
        return;
    free(act->fault);
    free(act);
    gone(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_conn_gone(void *context)
{
    release(context);
}

void redis_act_close(struct redis_act *act, void (*gone)(void *context), void *gone_context)
{
    act->events = NULL;
    act->gone = gone;
    act->gone_context = gone_context;
    uv_close((uv_handle_t *)&act->timer, on_timer_closed);
    redis_conn_free(act->conn);
}

static void fail(struct redis_act *act, const char *error)
{
    const struct redis_act_events *events = act->events;

    uv_timer_stop(&act->timer);
    redis_conn_close(act->conn);
    act->ready = false;
    if (events)
        events->failed(act->context, error);
}

static void fail_fault(struct redis_act *act, const struct redis_fault *fault)
{
    char *text =
        fault->hint[0] ? mem_printf("%s: %s", fault->error, fault->hint) : mem_strdup(fault->error);

    fail(act, text);
    free(text);
}

static void set_timer(struct redis_act *act, unsigned ms)
{
    act->due = uv_now(act->timer.loop) + ms;
    uv_timer_start(&act->timer, on_timer, ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct redis_act *act = timer->data;
    char *fault = act->fault;

    if (fault) {
        act->fault = NULL;
        fail(act, fault);
        free(fault);
        return;
    }
    if (uv_now(timer->loop) - act->due > LATE_MS) {
        set_timer(act, LATE_MS);
        return;
    }
    fail(act, act->ready ? "the server does not answer" : "no answer to the attempt to connect");
}

/* ---- opening ---- */

static void on_select(void *context, const redisReply *reply, unsigned tag)
{
    struct redis_act *act = context;
    struct redis_fault fault = {.error = ""};

    (void)tag;
    if (reply->type == REDIS_REPLY_ERROR && memmem(reply->str, reply->len, "DB index", 8)) {
        snprintf(fault.error, sizeof(fault.error), "the server has no database %d", act->db);
        snprintf(fault.hint, sizeof(fault.hint), "see databases in redis.conf");
        fail_fault(act, &fault);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_fault_reply(reply->str, reply->len, "select", redis_conn_address(act->conn), &fault);
        fail_fault(act, &fault);
        return;
    }
    uv_timer_stop(&act->timer);
    act->ready = true;
    act->events->ready(act->context);
}

static void on_ready(void *context)
{
    struct redis_act *act = context;
    char number[16];
    const char *argv[] = {"SELECT", number};

    snprintf(number, sizeof(number), "%d", act->db);
    redis_conn_command(act->conn, on_select, act, 0, 2, argv);
    redis_conn_flush(act->conn);
}

static void on_failed(void *context, const struct redis_fault *fault)
{
    fail_fault(context, fault);
}

static const struct redis_conn_events conn_events = {
    .ready = on_ready, .failed = on_failed, .gone = on_conn_gone};

/* From the timer, since opening may fail at once. */
static void on_open(uv_timer_t *timer)
{
    struct redis_act *act = timer->data;
    struct redis_address address;
    char *error = NULL;

    set_timer(act, OPEN_MS);
    if (!redis_target(act->config, &address, &error)) {
        act->fault = error;
        set_timer(act, 0);
        return;
    }
    redis_conn_open(act->conn, &address);
    redis_address_free(&address);
}

struct redis_act *redis_act_open(uv_loop_t *loop, const struct redis_config *config, int db,
                                 const struct redis_act_events *events, void *context)
{
    struct redis_act *act = mem_zalloc(sizeof(*act));

    act->config = config;
    act->db = db;
    act->events = events;
    act->context = context;
    act->open = 2;
    act->conn = redis_conn_new(loop, &conn_events, act);
    uv_timer_init(loop, &act->timer);
    act->timer.data = act;
    uv_timer_start(&act->timer, on_open, 0, 0);
    return act;
}

/* ---- commands ---- */

static void watch(struct redis_act *act)
{
    if (act->waiting)
        set_timer(act, act->deadline_ms);
    else
        uv_timer_stop(&act->timer);
}

static void on_reply(void *context, const redisReply *reply, unsigned tag)
{
    struct redis_act *act = context;

    act->waiting--;
    watch(act);
    act->events->reply(act->context, reply, tag);
}

void redis_act_send(struct redis_act *act, unsigned tag, int argc, const char **argv,
                    const size_t *lengths)
{
    assert(act->ready);
    act->waiting++;
    redis_conn_command_bytes(act->conn, on_reply, act, tag, argc, argv, lengths);
}

void redis_act_flush(struct redis_act *act, unsigned deadline_ms)
{
    act->deadline_ms = deadline_ms;
    redis_conn_flush(act->conn);
    watch(act);
}

static void on_later(uv_timer_t *timer)
{
    struct redis_act *act = timer->data;

    act->events->later(act->context);
}

void redis_act_later(struct redis_act *act, unsigned ms)
{
    assert(act->ready && !act->waiting);
    uv_timer_start(&act->timer, on_later, ms, 0);
}

struct redis_conn *redis_act_conn(struct redis_act *act)
{
    return act->conn;
}

void redis_act_expect(struct redis_act *act)
{
    act->waiting++;
}

void redis_act_expected(struct redis_act *act)
{
    act->waiting--;
    watch(act);
}

/* ---- who the server is ---- */

void redis_info_field(const char *text, size_t len, const char *name, char *out, size_t size)
{
    const char *end = text + len, *line = text;
    size_t name_len = strlen(name);

    out[0] = '\0';
    while (line && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t line_len = (size_t)((stop ? stop : end) - line);

        if (line_len > name_len && memcmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1;
            size_t value_len = line_len - name_len - 1;

            if (value_len && value[value_len - 1] == '\r')
                value_len--;
            if (value_len < size && !memchr(value, '\0', value_len))
                snprintf(out, size, "%.*s", (int)value_len, value);
            return;
        }
        line = stop ? stop + 1 : NULL;
    }
}

/* Calls that were rejected are in rejected_calls only; those that failed are in calls too. */
static void count_swaps(const char *stat, char *out, size_t size)
{
    const char *failed = strstr(stat, ",failed_calls=");
    unsigned long long calls;

    out[0] = '\0';
    if (strncmp(stat, "calls=", strlen("calls=")) != 0) {
        snprintf(out, size, "0");
        return;
    }
    stat += strlen("calls=");
    if (!isdigit((unsigned char)*stat))
        return;
    calls = strtoull(stat, NULL, 10);
    if (failed)
        calls -= strtoull(failed + strlen(",failed_calls="), NULL, 10);
    snprintf(out, size, "%llu", calls);
}

void redis_identity_parse(const char *info, size_t info_len, const char *stats, size_t stats_len,
                          struct redis_identity *identity)
{
    char stat[256] = "";

    redis_info_field(info, info_len, "run_id", identity->run_id, sizeof(identity->run_id));
    redis_info_field(info, info_len, "role", identity->role, sizeof(identity->role));
    redis_info_field(info, info_len, "master_replid", identity->replid, sizeof(identity->replid));
    redis_info_field(stats, stats_len, "cmdstat_swapdb", stat, sizeof(stat));
    count_swaps(stat, identity->swaps, sizeof(identity->swaps));
}

bool redis_identity_same(const struct redis_identity *one, const struct redis_identity *other)
{
    return strcmp(one->run_id, other->run_id) == 0 && strcmp(one->role, other->role) == 0 &&
           strcmp(one->replid, other->replid) == 0 && strcmp(one->swaps, other->swaps) == 0;
}

char *redis_act_who(void)
{
    static const char *const names[] = {"SUDO_USER", "LOGNAME", "USER"};
    const char *user = NULL;
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !user; i++) {
        user = getenv(names[i]);
        if (user && !*user)
            user = NULL;
    }
    if (user)
        return mem_printf("%s@%s", user, host);
    return mem_printf("uid %ld@%s", (long)geteuid(), host);
}
