#include "backend/job_probe.h"

#include "backend/base/mem.h"
#include "backend/container_place.h"
#include "backend/job_internal.h"
#include "backend/job_place.h"
#include "backend/redis_link.h"
#include "backend/redis_target.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 100, ANSWER_MS = 2000 };

/* What a thread shares is under lock; the rest is its own. */
struct probe {
    struct probes *all;
    const char *name;
    const struct postgres_config *postgres; /* or redis; of own */
    const struct redis_config *redis;
    pthread_t thread;
    /* ---- its own ---- */
    struct config *own; /* with this instance alone: its container may come up elsewhere */
    bool placed;        /* it is where its container is */
    unsigned astray;    /* addresses tried, since the last that answered */
    PGconn *conn;
    struct redis_link link;
    struct redis_address address;
    char *error; /* of the last look, or NULL */
    /* ---- shared ---- */
    bool up;
    unsigned looks;
    int64_t answered;   /* when the last look that was answered began */
    int64_t lost;       /* when the first that was not began */
    int64_t down;       /* ms in all, of what is over */
    bool restarted;     /* another run of the server */
    char identity[64];  /* of the run */
    char *shared_error; /* of the last look, or NULL */
};

struct probes {
    pthread_mutex_t lock;
    pthread_cond_t stopping;
    bool stop;
    bool single[2]; /* one PostgreSQL, one Redis: its kind is name enough */
    struct probe *items;
    size_t count;
};

/* ---- PostgreSQL ---- */

static bool look_at_postgres(struct probe *probe, char *identity, size_t size)
{
    PGresult *result = NULL;

    if (!probe->conn)
        probe->conn =
            job_pg_connect(NULL, probe->postgres, NULL, "sharedtop", ANSWER_MS, &probe->error);
    if (probe->conn)
        result = job_pg_ask(NULL, probe->conn, "SELECT pg_postmaster_start_time()", 0, NULL,
                            ANSWER_MS, &probe->error);
    if (result && PQntuples(result) == 1)
        snprintf(identity, size, "%s", PQgetvalue(result, 0, 0));
    if (!result) {
        PQfinish(probe->conn);
        probe->conn = NULL;
    }
    PQclear(result);
    return result != NULL;
}

/* ---- Redis ---- */

/* What may take its time: the name's address, the password. */
static bool find_address(struct probe *probe)
{
    const struct redis_config *config = probe->redis;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct redis_address *address = &probe->address;
    char host[NI_MAXHOST];

    if (!redis_target(config, address, &probe->error))
        return false;
    if (address->path)
        return true;
    if (getaddrinfo(address->host, NULL, &hints, &found) != 0 ||
        getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), NULL, 0,
                    NI_NUMERICHOST) != 0)
        probe->error = mem_printf("could not find host \"%s\"", address->host);
    if (found)
        freeaddrinfo(found);
    if (probe->error)
        return false;
    if (!address->tls_name)
        address->tls_name = mem_strdup(address->host);
    free(address->host);
    address->host = mem_strdup(host);
    return true;
}

static bool wait_for_link(const struct redis_link *link, int64_t until)
{
    struct pollfd socket = {.fd = redis_link_fd(link), .events = redis_link_events(link)};
    int64_t left = until - job_clock();

    return left > 0 && poll(&socket, 1, (int)left) > 0;
}

static bool open_link(struct probe *probe, struct redis_fault *fault, int64_t until)
{
    struct redis_link *link = &probe->link;

    if (!find_address(probe) || !redis_link_open(link, &probe->address, fault))
        return false;
    while (link->stage != LINK_READY) {
        if (!wait_for_link(link, until)) {
            redis_link_silent(link, fault);
            return false;
        }
        if (!redis_link_step(link, fault))
            return false;
    }
    return true;
}

static redisReply *next_reply(struct redis_link *link, struct redis_fault *fault, int64_t until)
{
    redisReply *reply = NULL;

    while (redis_link_reply(link, &reply, fault) && !reply) {
        if (!wait_for_link(link, until)) {
            redis_link_silent(link, fault);
            return NULL;
        }
        if (link->unsent ? !redis_link_flush(link, fault) : !redis_link_fill(link, fault))
            return NULL;
    }
    return reply;
}

static bool is_loading(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "LOADING", 7) == 0;
}

/* "run_id:…\r\n" of INFO; a role without the right to ask is up all the same. */
static void read_run_id(const redisReply *reply, char *identity, size_t size)
{
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "run_id:") : NULL;

    if (at)
        snprintf(identity, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static bool ask_redis(struct redis_link *link, struct redis_fault *fault, int64_t until,
                      char *identity, size_t size)
{
    const char *ping[] = {"PING"}, *info[] = {"INFO", "server"};
    redisReply *pong, *answer = NULL;
    bool up;

    redis_link_append(link, 1, ping, NULL);
    redis_link_append(link, 2, info, NULL);
    if (!redis_link_flush(link, fault))
        return false;
    pong = next_reply(link, fault, until);
    if (pong)
        answer = next_reply(link, fault, until);
    up = pong && answer && !is_loading(pong);
    if (up)
        read_run_id(answer, identity, size);
    else if (pong && answer)
        redis_fault_set(fault, "the server is loading its data", NULL);
    if (pong)
        freeReplyObject(pong);
    if (answer)
        freeReplyObject(answer);
    return up;
}

static void close_link(struct probe *probe)
{
    redis_link_close(&probe->link);
    redis_address_free(&probe->address);
    probe->address = (struct redis_address){0};
}

static bool look_at_redis(struct probe *probe, char *identity, size_t size)
{
    struct redis_fault fault = {.error = ""};
    int64_t until = job_clock() + ANSWER_MS;
    bool up = probe->link.stage == LINK_READY || open_link(probe, &fault, until);

    up = up && ask_redis(&probe->link, &fault, until, identity, size);
    if (!up) {
        if (!probe->error)
            probe->error = mem_strdup(fault.error);
        close_link(probe);
    }
    return up;
}

/* ---- the threads ---- */

static void note(struct probe *probe, int64_t began, bool up, const char *identity)
{
    bool other = up && probe->identity[0] && strcmp(identity, probe->identity) != 0;

    if (up && !probe->up && probe->lost)
        probe->down += began - probe->lost;
    if (up && probe->up && other)
        probe->down += began - probe->answered; /* it was too quick to be seen down */
    if (!up && (probe->up || !probe->looks))
        probe->lost = began;
    if (up) {
        probe->answered = began;
        snprintf(probe->identity, sizeof(probe->identity), "%s", identity);
    }
    probe->restarted |= other;
    probe->up = up;
    probe->looks++;
    free(probe->shared_error);
    probe->shared_error = probe->error;
    probe->error = NULL;
}

/* True when it is time to stop. */
static bool pause_look(struct probes *all)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!all->stop && pthread_cond_timedwait(&all->stopping, &all->lock, &until) != ETIMEDOUT) {
    }
    return all->stop;
}

/* Its container may have another address now, or not run. False: why is the look's error. */
static bool look_for_place(struct probe *probe)
{
    char *error = NULL;
    const bool found = job_place_update(probe->own, probe->astray, &error);

    probe->astray += found;
    if (found || !error)
        return true;
    free(probe->error);
    probe->error = error;
    return false;
}

/* An address that only the container has told is its own for as long as a connection to it holds: a
 * new one goes where the container is then, since another server may have the old address. */
static bool knows_where(struct probe *probe)
{
    const bool connected = probe->conn || probe->link.stage == LINK_READY;

    return !probe->placed || connected || look_for_place(probe);
}

/* began: when the server itself was asked, since the engine may take its time before. */
static bool look_once(struct probe *probe, int64_t *began, char *identity, size_t size)
{
    bool up = false;

    *began = job_clock();
    if (knows_where(probe)) {
        *began = job_clock();
        up = probe->postgres ? look_at_postgres(probe, identity, size)
                             : look_at_redis(probe, identity, size);
    }
    if (up)
        probe->astray = 0;
    else if (!probe->placed)
        look_for_place(probe);
    return up;
}

static void *look(void *context)
{
    struct probe *probe = context;
    bool stop = false;

    while (!stop) {
        char identity[sizeof(probe->identity)] = "";
        int64_t began;
        bool up = look_once(probe, &began, identity, sizeof(identity));

        pthread_mutex_lock(&probe->all->lock);
        note(probe, began, up, identity);
        stop = pause_look(probe->all);
        pthread_mutex_unlock(&probe->all->lock);
    }
    PQfinish(probe->conn);
    close_link(probe);
    return NULL;
}

static void init_probes(struct probes *probes)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&probes->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&probes->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* A copy of what it is given, for itself to change. */
static void own_settings(struct probe *probe, const struct config *config, size_t i)
{
    const bool postgres = i < config->postgres_count;

    probe->own = job_settings_of(config, postgres ? config->postgres[i] : NULL,
                                 postgres ? NULL : config->redis[i - config->postgres_count]);
    if (postgres)
        probe->postgres = probe->own->postgres[0];
    else
        probe->redis = probe->own->redis[0];
    probe->placed = postgres ? container_places_postgres(probe->postgres)
                             : container_places_redis(probe->redis);
    probe->name = postgres ? probe->own->postgres[0]->name : probe->own->redis[0]->name;
}

struct probes *probes_start(const struct config *config)
{
    struct probes *probes = mem_zalloc(sizeof(*probes));
    size_t total = config->postgres_count + config->redis_count;

    init_probes(probes);
    container_calls_prepare();
    probes->single[0] = config->postgres_count == 1;
    probes->single[1] = config->redis_count == 1;
    probes->items = mem_array(NULL, total, sizeof(*probes->items));
    for (size_t i = 0; i < total; i++) {
        struct probe *probe = &probes->items[i];

        *probe = (struct probe){.all = probes};
        own_settings(probe, config, i);
        if (pthread_create(&probe->thread, NULL, look, probe) != 0) {
            config_free(probe->own);
            break;
        }
        probes->count++;
    }
    return probes;
}

void probes_stop(struct probes *probes)
{
    pthread_mutex_lock(&probes->lock);
    probes->stop = true;
    pthread_cond_broadcast(&probes->stopping);
    pthread_mutex_unlock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++) {
        pthread_join(probes->items[i].thread, NULL);
        free(probes->items[i].shared_error);
        config_free(probes->items[i].own);
    }
    pthread_cond_destroy(&probes->stopping);
    pthread_mutex_destroy(&probes->lock);
    free(probes->items);
    free(probes);
}

/* ---- what they have seen ---- */

size_t probes_count(const struct probes *probes)
{
    return probes->count;
}

static bool is_up(const struct probe *probe, int64_t since)
{
    return probe->up && probe->answered >= since;
}

size_t probes_up(struct probes *probes, int64_t since)
{
    size_t up = 0;

    pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++)
        up += is_up(&probes->items[i], since);
    pthread_mutex_unlock(&probes->lock);
    return up;
}

unsigned probes_looks(struct probes *probes)
{
    unsigned least = ~0U;

    pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++) {
        if (probes->items[i].looks < least)
            least = probes->items[i].looks;
    }
    pthread_mutex_unlock(&probes->lock);
    return least;
}

void probes_missing(struct probes *probes, int64_t since, struct strbuf *text)
{
    const char *comma = "";

    pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++) {
        if (!is_up(&probes->items[i], since)) {
            strbuf_addf(text, "%s%s", comma, probes->items[i].name);
            comma = ", ";
        }
    }
    pthread_mutex_unlock(&probes->lock);
}

static void tell(const struct probe *probe, struct strbuf *text)
{
    bool single = probe->all->single[probe->redis != NULL];
    const char *kind = probe->postgres ? "PostgreSQL" : "Redis";
    int64_t down = probe->down + (probe->up ? 0 : job_clock() - probe->lost);

    strbuf_adds(text, single ? kind : probe->name);
    if (!probe->restarted && down == 0)
        strbuf_adds(text, " was not restarted");
    else
        strbuf_addf(text, " down %.1f s", (double)(down < 100 ? 100 : down) / 1e3);
}

void probes_tell(struct probes *probes, struct strbuf *text)
{
    pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++) {
        strbuf_adds(text, i ? ", " : "");
        tell(&probes->items[i], text);
    }
    pthread_mutex_unlock(&probes->lock);
}

void probes_tell_state(struct probes *probes, struct strbuf *text)
{
    pthread_mutex_lock(&probes->lock);
    for (size_t i = 0; i < probes->count; i++) {
        const struct probe *probe = &probes->items[i];

        strbuf_addf(text, "%s%s is %s", i ? ", " : "", probe->name, probe->up ? "up" : "not up");
        if (!probe->up && probe->shared_error)
            strbuf_addf(text, " (%s)", probe->shared_error);
    }
    pthread_mutex_unlock(&probes->lock);
}
