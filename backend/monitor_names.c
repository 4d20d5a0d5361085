#include "backend/monitor_names.h"

#include "backend/base/mem.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_hitters.h"
#include "backend/redis_conn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PAUSE_MS = 2000,
    PAUSE_FACTOR = 100,  /* of the time that an answer took */
    CLIENTS_MAX = 12288, /* a server has 10,000 at most unless it is told otherwise */
    ASK_NS_PER_MS = 1000000,
    ANSWER_COPIES = 3 /* of an answer: a buffer that has doubled, and the reply */
};

struct monitor_names {
    struct redis_conn *conn;
    uv_timer_t timer;
    struct redis_address address;
    struct monitor_client *clients; /* by hash */
    size_t count;
    uint32_t version;
    uint64_t asked;
    size_t line,
        answer; /* bytes: of a client's line on average, at least GUARD_LINE; the most read */
    char fault[300];
    int closing; /* what is still open */
};

/* ---- parsing ---- */

/* Where a field's value begins. A name that a client gave itself may hold what looks like another
 * field's. */
static const char *find_field(const char *line, size_t len, const char *name)
{
    const char *end = line + len, *at = line;

    while ((at = memmem(at, (size_t)(end - at), name, strlen(name)))) {
        if (at == line || at[-1] == ' ')
            return at + strlen(name);
        at++;
    }
    return NULL;
}

static void copy_field(const char *line, size_t len, const char *name, char *out, size_t size)
{
    const char *at = find_field(line, len, name), *end;
    size_t n;

    out[0] = '\0';
    if (!at)
        return;
    end = memchr(at, ' ', (size_t)(line + len - at));
    n = (size_t)((end ? end : line + len) - at);
    if (n >= size)
        n = size - 1;
    memcpy(out, at, n);
    out[n] = '\0';
}

void monitor_client_parse(const char *line, size_t len, struct monitor_client *client)
{
    char id[24], age[24], db[24], version[24];
    size_t used;

    client->connected = 0;
    client->shared = false;

    copy_field(line, len, "id=", id, sizeof(id));
    client->id = strtoll(id, NULL, 10);
    copy_field(line, len, "age=", age, sizeof(age));
    client->age = age[0] ? strtoll(age, NULL, 10) : -1;
    copy_field(line, len, "db=", db, sizeof(db));
    client->db = db[0] ? (int)strtol(db, NULL, 10) : -1;
    copy_field(line, len, "cmd=", client->command, sizeof(client->command));
    copy_field(line, len, "addr=", client->address, sizeof(client->address));
    copy_field(line, len, "name=", client->name, sizeof(client->name));
    copy_field(line, len, "user=", client->user, sizeof(client->user));
    copy_field(line, len, "lib-name=", client->lib, sizeof(client->lib));
    copy_field(line, len, "lib-ver=", version, sizeof(version));
    used = strlen(client->lib);
    if (used && version[0])
        snprintf(client->lib + used, sizeof(client->lib) - used, " %s", version);
    client->hash = hitters_hash(client->address, strlen(client->address));
}

void monitor_client_learn(struct monitor_client *client, const struct monitor_client *before,
                          double now)
{
    client->connected = client->age >= 0 ? now - (double)client->age : NAN;
    client->shared = before && (before->shared || before->id != client->id);
}

/* The server counts whole seconds, and clocks are compared by what arrives. */
#define UNSURE_S 1.5

bool monitor_client_sent(const struct monitor_client *client, double time)
{
    if (!client->id)
        return false;
    return isnan(time) ? !client->shared : time >= client->connected + UNSURE_S;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct monitor_client *)a)->hash;
    uint64_t y = ((const struct monitor_client *)b)->hash;

    return (x > y) - (x < y);
}

/* Those that have gone are forgotten only when there are too many: a short life has names too. */
static size_t keep_old(const struct monitor_names *names, struct monitor_client *clients,
                       size_t count)
{
    const size_t now = count;

    for (size_t i = 0; i < names->count && count < CLIENTS_MAX; i++) {
        if (!bsearch(&names->clients[i], clients, now, sizeof(*clients), by_hash))
            clients[count++] = names->clients[i];
    }
    return count;
}

static const struct monitor_client *find_hash(const struct monitor_names *names, uint64_t hash)
{
    const struct monitor_client key = {.hash = hash};

    if (!names->count)
        return NULL;
    return bsearch(&key, names->clients, names->count, sizeof(key), by_hash);
}

static double wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void monitor_names_take(struct monitor_names *names, const char *text, size_t len, double now)
{
    struct monitor_client *clients = mem_array(NULL, CLIENTS_MAX, sizeof(*clients));
    const char *end = text + len, *lf;
    size_t count = 0;

    for (; text < end && count < CLIENTS_MAX; text = lf + 1) {
        lf = memchr(text, '\n', (size_t)(end - text));
        if (!lf)
            lf = end;
        if (lf == text)
            continue;
        monitor_client_parse(text, (size_t)(lf - text), &clients[count]);
        monitor_client_learn(&clients[count], find_hash(names, clients[count].hash), now);
        count++;
    }
    qsort(clients, count, sizeof(*clients), by_hash);
    count = keep_old(names, clients, count);
    qsort(clients, count, sizeof(*clients), by_hash);
    free(names->clients);
    names->clients = mem_array(clients, count, sizeof(*clients));
    names->count = count;
    names->version++;
}

const char *monitor_names_fault(const struct monitor_names *names)
{
    return names && names->fault[0] ? names->fault : NULL;
}

size_t monitor_names_answer(const struct monitor_names *names)
{
    return names ? names->answer : 0;
}

size_t monitor_names_memory(void)
{
    return sizeof(struct monitor_names) + (size_t)2 * CLIENTS_MAX * sizeof(struct monitor_client);
}

const struct monitor_client *monitor_names_find(const struct monitor_names *names,
                                                const char *address, size_t len)
{
    return names ? find_hash(names, hitters_hash(address, len)) : NULL;
}

const struct monitor_client *monitor_names_sender(const struct monitor_names *names,
                                                  const char *address, size_t len, double time)
{
    const struct monitor_client *client = monitor_names_find(names, address, len);

    return client && monitor_client_sent(client, time) ? client : NULL;
}

const struct monitor_client *monitor_names_at(const struct monitor_names *names, size_t index)
{
    return names && index < names->count ? &names->clients[index] : NULL;
}

uint32_t monitor_names_version(const struct monitor_names *names)
{
    return names ? names->version : 0;
}

/* ---- asking ---- */

static void ask(struct monitor_names *names);

static void due(uv_timer_t *timer)
{
    ask(timer->data);
}

static void ask_again(struct monitor_names *names, uint64_t pause)
{
    uv_timer_start(&names->timer, due, pause > PAUSE_MS ? pause : PAUSE_MS, 0);
}

static void set_fault(struct monitor_names *names, const char *fault, const redisReply *reply)
{
    snprintf(names->fault, sizeof(names->fault), "%s%s", fault,
             reply && reply->type == REDIS_REPLY_ERROR ? reply->str : "");
}

static void listed(void *context, const redisReply *reply, unsigned tag)
{
    struct monitor_names *names = context;
    uint64_t took = (uv_hrtime() - names->asked) / ASK_NS_PER_MS;
    size_t clients = 1;

    (void)tag;
    if (reply->type != REDIS_REPLY_STRING) { /* it may not: then there are only addresses */
        set_fault(names, "names not known: CLIENT LIST: ", reply);
        return;
    }
    names->fault[0] = '\0';
    for (size_t i = 0; i < reply->len; i++)
        clients += reply->str[i] == '\n';
    names->line = reply->len / clients > GUARD_LINE ? reply->len / clients : GUARD_LINE;
    if (ANSWER_COPIES * reply->len > names->answer)
        names->answer = ANSWER_COPIES * reply->len;
    monitor_names_take(names, reply->str, reply->len, wall_clock());
    ask_again(names, took * PAUSE_FACTOR);
}

/* The list only where there is room for it: it may come, and it may go. */
static void informed(void *context, const redisReply *reply, unsigned tag)
{
    struct monitor_names *names = context;
    const char *argv[] = {"CLIENT", "LIST"};

    (void)tag;
    if (reply->type != REDIS_REPLY_STRING) {
        set_fault(names, "names not asked: INFO, which tells the room for them: ", reply);
        return;
    }
    if (!monitor_info_lists(reply->str, names->line, 0)) {
        set_fault(names,
                  monitor_info_tells(reply->str)
                      ? "names not asked: too little room in the server for a list of its clients"
                      : "names not asked: the server does not tell its memory and its limit",
                  NULL);
        ask_again(names, PAUSE_MS);
        return;
    }
    names->asked = uv_hrtime();
    redis_conn_command(names->conn, listed, names, 0, 2, argv);
    redis_conn_flush(names->conn);
}

static void ask(struct monitor_names *names)
{
    const char *argv[] = {"INFO"};

    redis_conn_command(names->conn, informed, names, 0, 1, argv);
    redis_conn_flush(names->conn);
}

static void on_ready(void *context)
{
    ask(context);
}

static void on_failed(void *context, const struct redis_fault *fault)
{
    struct monitor_names *names = context;

    uv_timer_stop(&names->timer);
    snprintf(names->fault, sizeof(names->fault), "names not known: %s", fault->error);
}

static void part_closed(struct monitor_names *names)
{
    if (--names->closing)
        return;
    redis_address_free(&names->address);
    free(names->clients);
    free(names);
}

static void on_gone(void *context)
{
    part_closed(context);
}

static void timer_closed(uv_handle_t *timer)
{
    part_closed(timer->data);
}

static const struct redis_conn_events events = {
    .ready = on_ready, .failed = on_failed, .gone = on_gone};

struct monitor_names *monitor_names_new(uv_loop_t *loop, const struct redis_address *address)
{
    struct monitor_names *names = mem_zalloc(sizeof(*names));

    redis_address_copy(&names->address, address);
    uv_timer_init(loop, &names->timer);
    names->timer.data = names;
    names->line = GUARD_LINE;
    names->conn = redis_conn_new(loop, &events, names);
    redis_conn_polls(names->conn);
    redis_conn_open(names->conn, &names->address);
    return names;
}

void monitor_names_stop(struct monitor_names *names)
{
    if (!names || names->closing)
        return;
    uv_timer_stop(&names->timer);
    redis_conn_close(names->conn);
}

void monitor_names_free(struct monitor_names *names)
{
    if (!names || names->closing)
        return;
    names->closing = 2;
    uv_close((uv_handle_t *)&names->timer, timer_closed);
    redis_conn_free(names->conn);
}
