/* Flush of a Redis database: into the spare one, from where it can come back, or for good. */
#include "backend/act_flush_impl.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCAN_COUNT = 100,   /* keys of a slice */
    SCAN_MOST = 1000,   /* keys that are looked at */
    SCAN_MS = 1000,     /* and the time for it */
    SEARCH_KEYS = 4000, /* that a round of celery_poll goes through */
    SEARCH_ROUNDS = 8,
};

enum tag {
    TAG_MULTI,
    TAG_PROBE,
    TAG_LOOK,
    TAG_CLIENTS,
    TAG_MARKS,
    TAG_SCAN,
    TAG_TYPE,
    TAG_RUN,
    TAG_STATS,
    TAG_INFO,
    TAG_FLUSHDB,
    TAG_SELECT,
    TAG_SIZE,
    TAG_SPARE_SIZE,
    TAG_DONE,
    TAG_VERIFY,
};

static struct flush *flush_of(struct act_redis *redis)
{
    return (struct flush *)redis;
}

static const struct redis_config *config_of(const struct flush *flush)
{
    return flush->redis.action->impl->pub.redis_config;
}

/* ---- looking: the pipeline with which it begins ---- */

/* A SWAPDB that is queued and never run is refused for the reason for which a real one would be, on
 * servers of all versions, needs no right to read rights, and is no call that others would take for
 * a swap. Where MULTI is not allowed it is run, and fails, since its arguments are no numbers. */
static void send_probe(struct flush *flush)
{
    const char *multi[] = {"MULTI"}, *swapdb[] = {"SWAPDB", "x", "x"}, *discard[] = {"DISCARD"};

    act_redis_send(&flush->redis, TAG_MULTI, 1, multi);
    act_redis_send(&flush->redis, TAG_PROBE, 3, swapdb);
    act_redis_send(&flush->redis, TAG_MULTI, 1, discard);
}

static void opened(struct act_redis *redis)
{
    struct flush *flush = flush_of(redis);
    const int spare = config_of(flush)->trash_db;

    if (redis->executing) {
        act_redis_look(redis, TAG_VERIFY, spare);
        return;
    }
    if (!flush->now && spare >= 0)
        send_probe(flush);
    act_redis_look(redis, TAG_LOOK, flush->now || spare < 0 ? redis->db : spare);
    act_redis_ask_users(redis, TAG_CLIENTS, TAG_MARKS);
}

static bool begins(const redisReply *reply, const char *with)
{
    return strncmp(reply->str, with, strlen(with)) == 0;
}

static void take_probe(struct flush *flush, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR || begins(reply, "ERR invalid"))
        return;
    flush->no_swap = act_redis_error(&flush->redis, reply, "swapdb");
    flush->no_swap_right = begins(reply, "NOPERM") || begins(reply, "ERR unknown");
}

static void take_look(struct flush *flush, const redisReply *reply)
{
    flush->scripts = reply->type != REDIS_REPLY_ERROR ||
                     !(begins(reply, "NOPERM") || begins(reply, "ERR unknown"));
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
        reply->element[1]->type == REDIS_REPLY_STRING) {
        flush->spare_keys = redis_reply_integer(reply, 0);
        spare_parse(reply->element[1]->str, reply->element[1]->len, &flush->spare);
    } else if (reply->type == REDIS_REPLY_ERROR && memmem(reply->str, reply->len, "DB index", 8)) {
        flush->no_spare = mem_printf("the server has no database %d: correct trash_db; only flush "
                                     "now is possible",
                                     config_of(flush)->trash_db);
    } else {
        char *why;

        redis_script_outcome(reply, redis_conn_address(redis_act_conn(flush->redis.act)), &why);
        flush->no_spare = mem_printf("the spare database cannot be looked at: %s; only flush now "
                                     "is possible",
                                     why ? why : "no answer");
        free(why);
    }
}

/* ---- looking: the keys ---- */

static void finish_plan(struct flush *flush)
{
    flush_plan(flush);
    act_redis_prepared(&flush->redis);
}

static void send_scan(struct flush *flush)
{
    char count[16];
    const char *argv[] = {"SCAN", flush->cursor, "COUNT", count};

    assert(flush->cursor[0]); /* an old server takes none for 0, a newer one does not */
    snprintf(count, sizeof(count), "%d", SCAN_COUNT);
    act_redis_send(&flush->redis, TAG_SCAN, 4, argv);
    act_redis_flush(&flush->redis);
}

/* The cursor of a SCAN's answer; "0" for anything that is none. */
static void take_cursor(struct flush *flush, const redisReply *reply)
{
    const redisReply *cursor =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 ? reply->element[0] : NULL;
    bool good = cursor && cursor->type == REDIS_REPLY_STRING && cursor->len > 0 &&
                cursor->len < sizeof(flush->cursor) &&
                strspn(cursor->str, "0123456789") == cursor->len;

    snprintf(flush->cursor, sizeof(flush->cursor), "%s", good ? cursor->str : "0");
}

static void next_slice(struct flush *flush)
{
    if (strcmp(flush->cursor, "0") == 0 || flush->looked >= SCAN_MOST ||
        uv_now(flush->redis.action->loop) >= flush->scan_until)
        finish_plan(flush);
    else
        send_scan(flush);
}

static void take_scan(struct flush *flush, const redisReply *reply)
{
    const redisReply *keys = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                                     reply->element[1]->type == REDIS_REPLY_ARRAY
                                 ? reply->element[1]
                                 : NULL;

    take_cursor(flush, reply);
    for (size_t i = 0; keys && i < keys->elements && flush->looked < SCAN_MOST; i++) {
        const redisReply *key = keys->element[i];
        const char *argv[] = {"TYPE", key->str};
        const size_t lengths[] = {4, key->len};

        if (key->type != REDIS_REPLY_STRING)
            continue;
        flush->looked++;
        flush->types_due++;
        keys_add(&flush->keys, key->str, key->len);
        redis_act_send(flush->redis.act, TAG_TYPE, 2, argv, lengths);
    }
    if (flush->types_due)
        act_redis_flush(&flush->redis);
    else
        next_slice(flush);
}

static void take_type(struct flush *flush, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STATUS && !begins(reply, "none"))
        keys_add_type(&flush->keys, reply->str);
    if (--flush->types_due == 0)
        next_slice(flush);
}

/* ---- looking: Celery ---- */

static void poll_celery(struct flush *flush)
{
    struct act_redis *redis = &flush->redis;
    struct redis_conn *conn = redis_act_conn(redis->act);

    flush->rounds--;
    redis_act_expect(redis->act);
    celery_poll(flush->celery, conn, redis_conn_address(conn), (double)redis->clock,
                uv_now(redis->action->loop));
    act_redis_flush(redis);
}

static void on_celery(void *context, struct redis_celery *sample)
{
    struct flush *flush = context;

    redis_act_expected(flush->redis.act);
    sample_unref(flush->sample);
    flush->sample = sample;
    if (flush->rounds) {
        poll_celery(flush);
        return;
    }
    flush->scan_until = uv_now(flush->redis.action->loop) + SCAN_MS;
    snprintf(flush->cursor, sizeof(flush->cursor), "0");
    send_scan(flush);
}

static void look_for_celery(struct flush *flush)
{
    struct redis_db_config db = {.db = flush->redis.db, .celery = true};
    struct redis_config config = {.databases = &db, .database_count = 1};
    int64_t rounds = 1 + flush->count / SEARCH_KEYS;

    flush->celery = celery_new(&config, on_celery, flush);
    flush->rounds = rounds < SEARCH_ROUNDS ? (unsigned)rounds : SEARCH_ROUNDS;
    poll_celery(flush);
}

static void looked(struct act_redis *redis)
{
    struct flush *flush = flush_of(redis);
    bool offer;
    char *obstacle;

    if (redis->executing)
        return;
    flush->count = act_redis_keys(redis, &flush->expires);
    if (flush->count <= 0) {
        action_end(redis->action, OUTCOME_NOTHING, "database %d of %s is empty", redis->db,
                   redis->action->impl->pub.name);
        return;
    }
    obstacle = flush->now ? NULL : flush_obstacle(flush, &offer);
    if (obstacle) {
        redis->action->plan.offer_now = offer;
        flush_plan_refused(flush);
        redis->prepared = true;
        action_refuse(redis->action, "%s", obstacle);
        free(obstacle);
        return;
    }
    look_for_celery(flush);
}

/* ---- executing ---- */

static void send_select(struct flush *flush, int db)
{
    char number[16];
    const char *argv[] = {"SELECT", number};

    snprintf(number, sizeof(number), "%d", db);
    act_redis_send(&flush->redis, TAG_SELECT, 2, argv);
}

/* What is there now, measured after it ran. */
static void send_measure(struct flush *flush)
{
    const char *size[] = {"DBSIZE"};
    const char *ping[] = {"PING"};

    act_redis_send(&flush->redis, TAG_SIZE, 1, size);
    if (!flush->now) {
        send_select(flush, config_of(flush)->trash_db);
        act_redis_send(&flush->redis, TAG_SPARE_SIZE, 1, size);
    }
    act_redis_send(&flush->redis, TAG_DONE, 1, ping);
}

static void send_flush(struct flush *flush)
{
    char db[16], spare[16], seconds[16], *by = act_redis_by();
    const char *args[] = {db, spare, flush->token, seconds, by};
    int count = flush->now ? 0 : (int)(sizeof(args) / sizeof(args[0]));

    snprintf(db, sizeof(db), "%d", flush->redis.db);
    snprintf(spare, sizeof(spare), "%d", config_of(flush)->trash_db);
    snprintf(seconds, sizeof(seconds), "%d", config_of(flush)->undo_seconds);
    redis_script_send(flush->redis.act, TAG_RUN, flush->now ? SCRIPT_FLUSH_NOW : SCRIPT_FLUSH,
                      &flush->redis.identity, act_redis_latest(&flush->redis), args, NULL, count);
    free(by);
}

static void execute_flush(struct action *action)
{
    struct flush *flush = action->state;
    const char *stats[] = {"INFO", "commandstats"}, *info[] = {"INFO"};

    if (!act_redis_execute(&flush->redis))
        return;
    flush->sent_at = uv_hrtime();
    if (flush->scripts) {
        send_flush(flush);
        send_measure(flush);
    } else {
        act_redis_send(&flush->redis, TAG_STATS, 2, stats);
        act_redis_send(&flush->redis, TAG_INFO, 1, info);
    }
    act_redis_flush(&flush->redis);
}

static void take_run(struct flush *flush, const redisReply *reply)
{
    flush->took = (double)(uv_hrtime() - flush->sent_at) / 1e9;
    flush->status = redis_script_outcome(
        reply, redis_conn_address(redis_act_conn(flush->redis.act)), &flush->why);
    flush->moved = redis_reply_integer(reply, 1);
}

/* Where no script may be run, what it would check is looked at just before. */
static void take_identity(struct flush *flush, const redisReply *reply)
{
    const char *stats = flush->redis.stats ? flush->redis.stats : "";
    const char *flushdb[] = {"FLUSHDB", "ASYNC"};
    struct redis_identity now = {.run_id = ""};

    if (reply->type == REDIS_REPLY_STRING)
        redis_identity_parse(reply->str, reply->len, stats, strlen(stats), &now);
    if (!redis_identity_same(&now, &flush->redis.identity)) {
        action_end(flush->redis.action, OUTCOME_REFUSED,
                   "the server, its role or its databases (SWAPDB) have changed since this was "
                   "prepared; it must be prepared again");
        return;
    }
    flush->sent_at = uv_hrtime();
    act_redis_send(&flush->redis, TAG_FLUSHDB, 2, flushdb);
    send_measure(flush);
    act_redis_flush(&flush->redis);
}

static void take_flushdb(struct flush *flush, const redisReply *reply)
{
    flush->took = (double)(uv_hrtime() - flush->sent_at) / 1e9;
    flush->moved = flush->count;
    flush->status = reply->type == REDIS_REPLY_STATUS ? OUTCOME_DONE : OUTCOME_FAILED;
    if (reply->type == REDIS_REPLY_ERROR)
        flush->why = act_redis_error(&flush->redis, reply, "flushdb");
}

static void finish(struct flush *flush)
{
    struct action *action = flush->redis.action;
    char *text = NULL;

    if (flush->status != OUTCOME_DONE) {
        action_end(action, flush->status, "nothing was flushed: %s",
                   flush->why ? flush->why : "the server's answer is not understood");
        return;
    }
    text = flush_result(flush);
    action->outcome.details = flush_details(flush);
    action->outcome.next = flush->now ? ACTS : ACT_UNDO_FLUSH;
    action_end(action, OUTCOME_DONE, "%s", text);
    free(text);
}

/* ---- the connection was lost while it ran ---- */

static void take_verify(struct flush *flush, const redisReply *reply)
{
    struct action *action = flush->redis.action;
    char time[16];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        action_end(action, OUTCOME_FAILED,
                   "the connection was lost while it ran, and the spare database cannot be looked "
                   "at: look at Keyspace before you try again");
    else if (memmem(reply->element[1]->str, reply->element[1]->len, flush->token,
                    strlen(flush->token)))
        action_end(action, OUTCOME_DONE,
                   "moved database %d to the spare %d (the connection was lost in between; the "
                   "marker is there); undo-flush (u) brings it back until %s",
                   flush->redis.db, config_of(flush)->trash_db,
                   act_redis_time(time, (double)config_of(flush)->undo_seconds));
    else
        action_end(action, OUTCOME_FAILED,
                   "the connection was lost before it ran: nothing was flushed");
}

/* What is sent is late soon and then does nothing, so the marker tells what came of it. */
static void lost(struct act_redis *redis, const char *error)
{
    struct flush *flush = flush_of(redis);

    if (flush->verified || flush->now) {
        action_end(redis->action, OUTCOME_FAILED,
                   "%s; whether it was done is not known: look at Keyspace before you try again",
                   error);
        return;
    }
    flush->verified = true;
    act_redis_reopen(redis);
}

/* ---- the act ---- */

static void reply(struct act_redis *redis, const redisReply *answer, unsigned tag)
{
    struct flush *flush = flush_of(redis);

    switch ((enum tag)tag) {
    case TAG_MULTI: break;
    case TAG_PROBE: take_probe(flush, answer); break;
    case TAG_LOOK: take_look(flush, answer); break;
    case TAG_CLIENTS:
        flush->clients_known = act_redis_take_clients(redis, answer, &flush->clients);
        break;
    case TAG_MARKS: flush->marks = answer->type == REDIS_REPLY_INTEGER ? answer->integer : 0; break;
    case TAG_SCAN: take_scan(flush, answer); break;
    case TAG_TYPE: take_type(flush, answer); break;
    case TAG_RUN: take_run(flush, answer); break;
    case TAG_STATS:
        free(redis->stats);
        redis->stats =
            answer->type == REDIS_REPLY_STRING ? mem_strndup(answer->str, answer->len) : NULL;
        break;
    case TAG_INFO: take_identity(flush, answer); break;
    case TAG_FLUSHDB: take_flushdb(flush, answer); break;
    case TAG_SELECT: break;
    case TAG_SIZE: flush->size = answer->type == REDIS_REPLY_INTEGER ? answer->integer : -1; break;
    case TAG_SPARE_SIZE:
        flush->spare_size = answer->type == REDIS_REPLY_INTEGER ? answer->integer : -1;
        break;
    case TAG_DONE: finish(flush); break;
    case TAG_VERIFY: take_verify(flush, answer); break;
    }
}

static const struct act_redis_hooks hooks = {
    .opened = opened, .looked = looked, .reply = reply, .lost = lost, .removes = true};

static void prepare_flush(struct action *action)
{
    struct flush *flush = action->state;

    flush->now = action->request.now;
    flush->spare_keys = -1;
    act_redis_token(flush->token, sizeof(flush->token));
    act_redis_begin(&flush->redis, action, action->request.db,
                    flush->now ? "Flush database %d now, for good" : "Flush database %d", &hooks);
    act_redis_open(&flush->redis);
}

static void release_flush(struct action *action)
{
    struct flush *flush = action->state;

    act_redis_release(&flush->redis);
    if (flush->celery)
        celery_free(flush->celery);
    flush->celery = NULL;
    sample_unref(flush->sample);
    flush->sample = NULL;
    spare_clear(&flush->spare);
    keys_free(&flush->keys);
    free(flush->no_swap);
    free(flush->no_spare);
    free(flush->why);
    flush->no_swap = flush->no_spare = flush->why = NULL;
}

const struct act_ops act_flush = {
    .info = {.name = "flush",
             .kind = INSTANCE_REDIS,
             .help = "empty a Redis database: it can be brought back for a while, unless now"},
    .state_size = sizeof(struct flush),
    .prepare = prepare_flush,
    .execute = execute_flush,
    .release = release_flush,
};
