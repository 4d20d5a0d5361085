/* Keys that match a pattern: counted first, then removed by a job, slowly. */
#include "backend/act_keys.h"
#include "backend/act_redis.h"
#include "backend/redis_celery.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/job.h"
#include "backend/job_delete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCAN_COUNT = 1000,
    TYPES_MOST = 200, /* matching keys whose type is asked */
    REST_FACTOR = 2,  /* a slice is followed by a rest of so many times its own time */
    REST_LEAST_MS = 1,
    REST_MOST_MS = 50,
    PROGRESS_MS = 250,
};

enum tag { TAG_SCAN, TAG_TYPE, TAG_CLIENTS, TAG_MARKS };

struct delete
{
    struct act_redis redis; /* first */
    struct keys keys;
    char cursor[24];
    size_t types_due, typed;
    int64_t total, seen;
    bool celery;   /* a key that is Celery's matches */
    int64_t marks; /* keys that Celery always has, whether they match or not */
    struct clients clients;
    uint64_t asked_at; /* ns: of the slice */
    uint64_t told_at;  /* ms */
};

static struct delete *delete_of(struct act_redis *redis)
{
    return (struct delete *)redis;
}

static const char *pattern_of(const struct delete *act)
{
    return act->redis.action->request.pattern;
}

/* ---- the plan ---- */

static void plan_delete(struct delete *act)
{
    struct plan *plan = &act->redis.action->plan;
    char *pattern = key_text(pattern_of(act), strlen(pattern_of(act)), 200);
    char count[32], total[32], time[32];

    count_text(count, (long long)act->keys.count);
    plan_add(plan, PLAN_LOSS, "keys", "%s, for good: this cannot be undone", count);
    act_redis_vetoes(&act->redis, &act->clients);
    if (act->celery)
        plan_veto(plan, VETO_CELERY, "keys of it match");
    else if (act->marks > 0)
        plan_veto(plan, VETO_CELERY, "its queues can have any name, so they may match");
    if (strcmp(pattern_of(act), "*") == 0)
        plan_add(plan, PLAN_WARNING, "",
                 "the pattern matches every key; a flush does the same, and can be undone");
    plan_add(plan, PLAN_COMMAND, "", "SELECT %d", act->redis.db);
    plan_add(plan, PLAN_COMMAND, "", "SCAN ... MATCH %s COUNT %d", pattern, SCAN_COUNT);
    plan_add(plan, PLAN_COMMAND, "", "UNLINK key ... (%d at a time, %s keys a second at most)",
             JOB_DELETE_BATCH, count_text(total, JOB_DELETE_RATE));
    plan_add(plan, PLAN_EVIDENCE, "keys", "%s of %s match now; what comes to match goes too", count,
             count_text(total, act->total));
    keys_plan(&act->keys, plan);
    plan_add(plan, PLAN_EVIDENCE, "takes", "about %s, as a job that can be cancelled",
             act_redis_duration(time, 1 + (double)act->keys.count / JOB_DELETE_RATE));
    plan_add(plan, PLAN_EVIDENCE, "runs only if",
             "run_id is still %s, and no SWAPDB has run since (looked at again with every UNLINK)",
             act->redis.identity.run_id);
    free(pattern);
}

static void finish_count(struct delete *act)
{
    struct action *action = act->redis.action;

    if (!act->keys.count) {
        char *pattern = key_text(pattern_of(act), strlen(pattern_of(act)), 200);

        action_end(action, OUTCOME_NOTHING, "no key of database %d matches %s", act->redis.db,
                   pattern);
        free(pattern);
        return;
    }
    plan_delete(act);
    act_redis_prepared(&act->redis);
}

/* ---- counting ---- */

static void send_scan(struct delete *act)
{
    char count[16];
    const char *argv[] = {"SCAN", act->cursor, "MATCH", pattern_of(act), "COUNT", count};

    snprintf(count, sizeof(count), "%d", SCAN_COUNT);
    act->asked_at = uv_hrtime();
    act_redis_send(&act->redis, TAG_SCAN, 6, argv);
    act_redis_flush(&act->redis);
}

/* False: the act has gone in the meantime. */
static bool tell(struct delete *act)
{
    uint64_t now = uv_now(act->redis.action->loop);
    int64_t seen = act->seen < act->total ? act->seen : act->total;
    char text[32];

    if (now - act->told_at < PROGRESS_MS)
        return true;
    act->told_at = now;
    action_progress(act->redis.action, "counting: %s keys match so far (%.0f %% looked at)",
                    count_text(text, (long long)act->keys.count),
                    act->total ? 100.0 * (double)seen / (double)act->total : 100.0);
    return act->redis.act != NULL;
}

/* The server's other clients come first: after each slice a rest. */
static void next_slice(struct delete *act)
{
    uint64_t rest = REST_FACTOR * (uv_hrtime() - act->asked_at) / 1000000;

    if (strcmp(act->cursor, "0") == 0) {
        finish_count(act);
        return;
    }
    if (!tell(act))
        return;
    if (rest < REST_LEAST_MS)
        rest = REST_LEAST_MS;
    redis_act_later(act->redis.act, rest < REST_MOST_MS ? (unsigned)rest : REST_MOST_MS);
}

static void later(struct act_redis *redis)
{
    send_scan(delete_of(redis));
}

static bool is_celery(const char *key, size_t len)
{
    static const char *const begins[] = {"_kombu.binding.", "unacked", "celery\x06\x16"};

    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        size_t n = strlen(begins[i]);

        if (len >= n && memcmp(key, begins[i], n) == 0)
            return true;
    }
    return len == strlen("celery") && memcmp(key, "celery", len) == 0;
}

static void take_key(struct delete *act, const redisReply *key)
{
    const char *argv[] = {"TYPE", key->str};
    const size_t lengths[] = {4, key->len};

    keys_add(&act->keys, key->str, key->len);
    act->celery = act->celery || is_celery(key->str, key->len);
    if (act->typed >= TYPES_MOST)
        return;
    act->typed++;
    act->types_due++;
    redis_act_send(act->redis.act, TAG_TYPE, 2, argv, lengths);
}

static bool is_scan(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

static void take_scan(struct delete *act, const redisReply *reply)
{
    if (!is_scan(reply)) {
        char *why = reply->type == REDIS_REPLY_ERROR
                        ? act_redis_error(&act->redis, reply, "scan")
                        : mem_strdup("the answer to SCAN is not understood");

        action_end(act->redis.action, OUTCOME_FAILED, "the keys cannot be counted: %s", why);
        free(why);
        return;
    }
    snprintf(act->cursor, sizeof(act->cursor), "%s", reply->element[0]->str);
    act->seen += SCAN_COUNT;
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (reply->element[1]->element[i]->type == REDIS_REPLY_STRING)
            take_key(act, reply->element[1]->element[i]);
    }
    if (act->types_due)
        act_redis_flush(&act->redis);
    else
        next_slice(act);
}

static void take_type(struct delete *act, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "none") != 0)
        keys_add_type(&act->keys, reply->str);
    if (--act->types_due == 0)
        next_slice(act);
}

static void opened(struct act_redis *redis)
{
    act_redis_ask_users(redis, TAG_CLIENTS, TAG_MARKS);
}

static void looked(struct act_redis *redis)
{
    struct delete *act = delete_of(redis);
    int64_t expires;

    act->total = act_redis_keys(redis, &expires);
    if (strcmp(redis->info->role, "master") != 0) {
        redis->prepared = true;
        action_refuse(redis->action, "the server is a replica: delete on its master");
        return;
    }
    memcpy(act->cursor, "0", 2);
    send_scan(act);
}

static void reply(struct act_redis *redis, const redisReply *answer, unsigned tag)
{
    struct delete *act = delete_of(redis);

    switch ((enum tag)tag) {
    case TAG_SCAN: take_scan(act, answer); break;
    case TAG_TYPE: take_type(act, answer); break;
    case TAG_CLIENTS: act_redis_take_clients(redis, answer, &act->clients); break;
    case TAG_MARKS: act->marks = answer->type == REDIS_REPLY_INTEGER ? answer->integer : 0; break;
    }
}

/* ---- the act ---- */

static const struct act_redis_hooks hooks = {
    .opened = opened, .looked = looked, .reply = reply, .later = later, .removes = true};

static void prepare_delete(struct action *action)
{
    struct delete *act = action->state;

    if (!action->request.pattern || !action->request.pattern[0]) {
        action_end(action, OUTCOME_REFUSED,
                   "the pattern is empty: name one as for SCAN MATCH, such as 'session:*'");
        return;
    }
    act_redis_begin(&act->redis, action, action->request.db, "Delete keys of database %d", &hooks);
    act_redis_open(&act->redis);
}

/* The pattern may be any bytes, which JSON cannot hold. */
static json_t *hex(const char *bytes)
{
    struct strbuf text = {0};
    json_t *string;

    for (; *bytes; bytes++)
        strbuf_addf(&text, "%02x", (unsigned)(unsigned char)*bytes);
    string = json_string(text.s);
    strbuf_free(&text);
    return string;
}

static void execute_delete(struct action *action)
{
    struct delete *act = action->state;
    const struct redis_identity *identity = &act->redis.identity;
    json_t *parameters;

    if (!act_redis_execute(&act->redis))
        return;
    parameters = json_object();
    json_object_set_new(parameters, "db", json_integer(act->redis.db));
    json_object_set_new(parameters, "pattern", hex(action->request.pattern));
    json_object_set_new(parameters, "run_id", json_string(identity->run_id));
    json_object_set_new(parameters, "replid", json_string(identity->replid));
    json_object_set_new(parameters, "swaps", json_string(identity->swaps));
    json_object_set_new(parameters, "count", json_integer((json_int_t)act->keys.count));
    act_redis_release(&act->redis);
    job_start(action, parameters);
}

static void release_delete(struct action *action)
{
    struct delete *act = action->state;

    act_redis_release(&act->redis);
    keys_free(&act->keys);
}

const struct act_ops act_delete = {
    .info = {.name = "delete",
             .kind = INSTANCE_REDIS,
             .job = true,
             .help = "delete the keys of a Redis database that match a pattern"},
    .state_size = sizeof(struct delete),
    .prepare = prepare_delete,
    .execute = execute_delete,
    .release = release_delete,
};
