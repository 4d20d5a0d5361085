#include "backend/act_redis.h"

#include "backend/act_keys.h"
#include "backend/base/mem.h"
#include "backend/redis_spare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { TAG_INFO = ACT_TAG_OWN, TAG_STATS, TAG_TIME, TAG_HELD };

/* ---- the plan's head ---- */

static const struct redis_config *config_of(const struct act_redis *redis)
{
    return redis->action->impl->pub.redis_config;
}

enum environment act_redis_environment(const struct act_redis *redis, int db)
{
    const struct redis_db_config *named = redis_database(config_of(redis), db);

    return named ? named->environment : ENV_UNKNOWN;
}

const char *act_redis_use(const struct act_redis *redis, int db)
{
    const struct redis_db_config *named = redis_database(config_of(redis), db);

    return named && named->use ? named->use : "";
}

void act_redis_begin(struct act_redis *redis, struct action *action, int db, const char *title,
                     const struct act_redis_hooks *hooks)
{
    struct plan *plan = &action->plan;
    const char *use;

    redis->action = action;
    redis->hooks = hooks;
    redis->db = db;
    use = act_redis_use(redis, db);
    plan->title = mem_printf(title, db);
    plan->target = *use ? mem_printf("%d (%s)", db, use) : mem_printf("%d", db);
    plan->confirm = mem_printf("%s/%d", action->impl->pub.name, db);
    plan->environment = act_redis_environment(redis, db);
}

/* ---- the connection ---- */

static void on_act_gone(void *context)
{
    actions_release(context);
}

void act_redis_release(struct act_redis *redis)
{
    if (redis->act)
        redis_act_close(redis->act, on_act_gone, redis->action->door);
    redis->act = NULL;
    sample_unref(redis->info);
    redis->info = NULL;
    free(redis->lost);
    free(redis->stats);
    redis->lost = redis->stats = NULL;
}

void act_redis_send(struct act_redis *redis, unsigned tag, int argc, const char **argv)
{
    redis_act_send(redis->act, tag, argc, argv, NULL);
}

void act_redis_flush(struct act_redis *redis)
{
    redis_act_flush(redis->act, ACT_ANSWER_MS);
}

static void ask_held(struct act_redis *redis)
{
    char last[16];
    const char *get[] = {"GETRANGE", SPARE_MARKER, "0", last};

    snprintf(last, sizeof(last), "%d", SPARE_MARKER_SIZE - 1);
    act_redis_send(redis, TAG_HELD, 4, get);
}

/* The three that every act needs come last, so that the answers to all others are there. */
static void on_ready(void *context)
{
    struct act_redis *redis = context;
    const char *info[] = {"INFO"}, *stats[] = {"INFO", "commandstats"}, *time[] = {"TIME"};

    if (redis->hooks->removes && !redis->executing)
        ask_held(redis);
    if (redis->hooks->opened)
        redis->hooks->opened(redis);
    act_redis_send(redis, TAG_STATS, 2, stats);
    act_redis_send(redis, TAG_INFO, 1, info);
    act_redis_send(redis, TAG_TIME, 1, time);
    act_redis_flush(redis);
}

static void on_failed(void *context, const char *error)
{
    struct act_redis *redis = context;
    struct action *action = redis->action;

    if (redis->executing && redis->hooks->lost)
        redis->hooks->lost(redis, error);
    else if (redis->executing)
        action_end(action, OUTCOME_FAILED,
                   "%s; whether it was done is not known: look at Keyspace before you try again",
                   error);
    else if (redis->prepared)
        redis->lost = mem_strdup(error);
    else
        action_end(action, OUTCOME_FAILED, "%s: %s", action->impl->pub.name, error);
}

char *act_redis_error(const struct act_redis *redis, const redisReply *reply, const char *command)
{
    struct redis_fault fault = {.error = ""};

    redis_fault_reply(reply->str, reply->len, command,
                      redis_conn_address(redis_act_conn(redis->act)), &fault);
    return fault.hint[0] ? mem_printf("%s: %s", fault.error, fault.hint) : mem_strdup(fault.error);
}

static void take_held(struct act_redis *redis, const redisReply *reply)
{
    struct plan *plan = &redis->action->plan;
    struct redis_spare held = {.present = false};
    char keys[40], until[24] = "?";
    struct tm parts;
    time_t at;

    if (reply->type != REDIS_REPLY_STRING || !spare_parse(reply->str, reply->len, &held))
        return;
    at = held.until < 1e11 ? (time_t)held.until : 0;
    if (at && localtime_r(&at, &parts))
        strftime(until, sizeof(until), "%H:%M", &parts);
    plan->environment = policy_stricter(plan->environment, act_redis_environment(redis, held.db));
    plan_add(plan, PLAN_WARNING, "",
             "holds what %s took from database %d (%s, until %s): its undo is lost",
             held.undone ? "an undo" : "a flush", held.db, count_keys(keys, held.keys), until);
    spare_clear(&held);
}

static void take_info(struct act_redis *redis, const redisReply *reply)
{
    char *why;

    if (reply->type == REDIS_REPLY_STRING) {
        const char *stats = redis->stats ? redis->stats : "";

        sample_unref(redis->info);
        redis->info = redis_parse_info(reply->str, reply->len);
        redis_identity_parse(reply->str, reply->len, stats, strlen(stats), &redis->identity);
        return;
    }
    why = reply->type == REDIS_REPLY_ERROR ? act_redis_error(redis, reply, "info")
                                           : mem_strdup("its answer to INFO is not understood");
    action_end(redis->action, OUTCOME_FAILED, "%s: %s", redis->action->impl->pub.name, why);
    free(why);
}

static void take_time(struct act_redis *redis, const redisReply *reply)
{
    redis->clock = time(NULL);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING)
        redis->clock = strtoll(reply->element[0]->str, NULL, 10);
    redis->clock_at = uv_now(redis->action->loop);
    redis->hooks->looked(redis);
}

static void on_reply(void *context, const redisReply *reply, unsigned tag)
{
    struct act_redis *redis = context;

    switch (tag) {
    case TAG_STATS:
        free(redis->stats);
        redis->stats =
            reply->type == REDIS_REPLY_STRING ? mem_strndup(reply->str, reply->len) : NULL;
        break;
    case TAG_HELD: take_held(redis, reply); break;
    case TAG_INFO: take_info(redis, reply); break;
    case TAG_TIME: take_time(redis, reply); break;
    default: redis->hooks->reply(redis, reply, tag); break;
    }
}

static void on_later(void *context)
{
    struct act_redis *redis = context;

    redis->hooks->later(redis);
}

static const struct redis_act_events act_events = {
    .ready = on_ready, .failed = on_failed, .reply = on_reply, .later = on_later};

void act_redis_open(struct act_redis *redis)
{
    actions_hold(redis->action->door);
    redis->act =
        redis_act_open(redis->action->loop, config_of(redis), redis->db, &act_events, redis);
}

void act_redis_reopen(struct act_redis *redis)
{
    redis_act_close(redis->act, on_act_gone, redis->action->door);
    act_redis_open(redis);
}

/* ---- between prepare and execute ---- */

void act_redis_prepared(struct act_redis *redis)
{
    redis->prepared = true;
    action_prepared(redis->action);
}

bool act_redis_execute(struct act_redis *redis)
{
    if (redis->lost) {
        action_end(
            redis->action, OUTCOME_REFUSED,
            "the connection was lost since this was prepared (%s); it must be prepared again",
            redis->lost);
        return false;
    }
    redis->executing = true;
    return true;
}

int64_t act_redis_latest(const struct act_redis *redis)
{
    uint64_t since = uv_now(redis->action->loop) - redis->clock_at;

    return redis->clock + (int64_t)(since / 1000) + 1 + ACT_LATEST_S;
}

/* ---- facts ---- */

int64_t act_redis_keys(const struct act_redis *redis, int64_t *expires)
{
    *expires = 0;
    for (size_t i = 0; i < redis->info->db_count; i++) {
        if (redis->info->dbs[i].db == redis->db) {
            *expires = redis->info->dbs[i].expires;
            return redis->info->dbs[i].keys;
        }
    }
    return 0;
}

void act_redis_ask_users(struct act_redis *redis, unsigned clients_tag, unsigned marks_tag)
{
    const char *clients[] = {"CLIENT", "LIST"};
    const char *marks[] = {"EXISTS",
                           "unacked",
                           "unacked_index",
                           "unacked_mutex",
                           "_kombu.binding.celery",
                           "_kombu.binding.celeryev",
                           "_kombu.binding.celery.pidbox"};

    act_redis_send(redis, clients_tag, 2, clients);
    act_redis_send(redis, marks_tag, sizeof(marks) / sizeof(marks[0]), marks);
}

bool act_redis_take_clients(const struct act_redis *redis, const redisReply *reply,
                            struct clients *clients)
{
    if (reply->type != REDIS_REPLY_STRING)
        return false;
    clients_read(reply->str, reply->len, redis->db, config_of(redis), clients);
    return true;
}

static void veto_shared_client(struct act_redis *redis, const struct clients *clients)
{
    struct plan *plan = &redis->action->plan;
    const char *use;
    char *detail;

    if (!clients->shared[0] || plan->environment == ENV_PRODUCTION ||
        plan->environment == ENV_UNKNOWN)
        return;
    use = act_redis_use(redis, clients->shared_db);
    detail = mem_printf("%s is connected to %d%s%s%s", clients->shared, clients->shared_db,
                        *use ? " (" : "", use, *use ? ")" : "");
    plan_veto(plan, VETO_SHARED_CLIENT, detail);
    free(detail);
}

static void veto_lasting_keys(struct act_redis *redis)
{
    int64_t expires, lasting = act_redis_keys(redis, &expires) - expires;
    char text[32];

    if (lasting > 0 && strcasestr(act_redis_use(redis, redis->db), "cache"))
        plan_veto(&redis->action->plan, VETO_LASTING_KEYS, count_text(text, lasting));
}

void act_redis_vetoes(struct act_redis *redis, const struct clients *clients)
{
    struct plan *plan = &redis->action->plan;
    char detail[64];

    if (redis->info->connected_replicas > 0) {
        snprintf(detail, sizeof(detail), "%lld connected",
                 (long long)redis->info->connected_replicas);
        plan_veto(plan, VETO_REPLICAS, detail);
    }
    if (strcmp(redis->info->role, "slave") == 0)
        plan_veto(plan, VETO_IS_REPLICA, NULL);
    if (redis->info->cluster)
        plan_veto(plan, VETO_CLUSTER, "only what this node holds is removed");
    veto_lasting_keys(redis);
    veto_shared_client(redis, clients);
}

const char *act_redis_duration(char *out, double seconds)
{
    long s = (long)ceil(seconds > 0 ? seconds : 0);

    if (s >= 3600)
        snprintf(out, 32, "%ldh%02ldm", s / 3600, s % 3600 / 60);
    else if (s >= 60 && s % 60)
        snprintf(out, 32, "%ldm%02lds", s / 60, s % 60);
    else if (s >= 60)
        snprintf(out, 32, "%ld min", s / 60);
    else
        snprintf(out, 32, "%ld s", s);
    return out;
}

const char *act_redis_time(char *out, double seconds_from_now)
{
    time_t at = time(NULL) + (time_t)seconds_from_now;
    struct tm parts;

    localtime_r(&at, &parts);
    strftime(out, 16, "%H:%M:%S", &parts);
    return out;
}

/* ---- the marker ---- */

void act_redis_look(struct act_redis *redis, unsigned tag, int db)
{
    char number[16], size[16];
    const char *args[] = {number, size};

    snprintf(number, sizeof(number), "%d", db);
    snprintf(size, sizeof(size), "%d", SPARE_MARKER_SIZE);
    redis_script_send(redis->act, tag, SCRIPT_LOOK, NULL, 0, args, NULL, 2);
}

void act_redis_token(char *out, size_t size)
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = uv_hrtime();
    snprintf(out, size, "%016llx", (unsigned long long)random);
}

char *act_redis_by(void)
{
    char *who = redis_act_who();
    json_t *string = json_bytes(who);
    char *text = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

    json_decref(string);
    free(who);
    return text;
}
