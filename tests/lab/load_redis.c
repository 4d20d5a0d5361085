#include "tests/lab/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP "\x06\x16" /* what kombu puts between the parts of a name */

redisContext *load_redis_open(const char *db, const char *name)
{
    const char *port = getenv("LAB_REDIS_PORT");
    redisContext *redis = port ? redisConnect("127.0.0.1", (int)strtol(port, NULL, 10)) : NULL;
    if (redis && !redis->err) {
        freeReplyObject(redisCommand(redis, "CLIENT SETNAME %s", name));
        freeReplyObject(redisCommand(redis, "SELECT %s", db));
    }
    if (!redis || redis->err) {
        fprintf(stderr, "load: Redis: %s\n", redis ? redis->errstr : "no port");
        redisFree(redis);
        return NULL;
    }
    return redis;
}

static void cache_key(char *key, size_t size, unsigned n)
{
    snprintf(key, size, ":1:views.decorators.cache.cache_page.site.GET.%08x%08x.%08x.en-us.UTC",
             n * 2654435761U, n ^ 0x9e3779b9U, n * 40503U);
}

/* A pickle as Django's cache keeps them: not text. */
static size_t cache_value(char *value, size_t size, unsigned *seed)
{
    size_t len = 1024 + (size_t)rand_r(seed) % (size - 1024);
    value[0] = '\x80';
    for (size_t i = 1; i < len; i++) {
        value[i] = (char)(i % 7 == 0 ? rand_r(seed) & 0xff : 'a' + (int)(i % 23));
    }
    return len;
}

static void task_message(char *out, size_t size, const char *task, unsigned tag)
{
    snprintf(out, size,
             "{\"body\": \"W1tdLCB7ImRvY3VtZW50X2lkIjogNDcxMX0sIHsiY2FsbGJhY2tzIjogbnVsbH1d\", "
             "\"content-encoding\": \"utf-8\", \"content-type\": \"application/json\", "
             "\"headers\": {\"lang\": \"py\", \"task\": \"%s\", \"id\": \"%08x-7d1e-4c0a\", "
             "\"retries\": 0, \"origin\": \"gen1@aletheia-web\"}, "
             "\"properties\": {\"delivery_mode\": 2, \"delivery_info\": {\"exchange\": \"\", "
             "\"routing_key\": \"celery\"}, \"priority\": 0, \"body_encoding\": \"base64\", "
             "\"delivery_tag\": \"%08x-1f2b-4d3c\"}}",
             task, tag, tag);
}

/* Reads off the replies to what was appended. */
static int drain(redisContext *redis, unsigned *waiting)
{
    for (; *waiting; (*waiting)--) {
        void *reply;
        if (redisGetReply(redis, &reply) != REDIS_OK) {
            return 0;
        }
        int failed = ((redisReply *)reply)->type == REDIS_REPLY_ERROR;
        if (failed) {
            fprintf(stderr, "load: %s\n", ((redisReply *)reply)->str);
        }
        freeReplyObject(reply);
        if (failed) {
            return 0;
        }
    }
    return 1;
}

static int fill_cache(redisContext *redis, unsigned keys, unsigned *seed)
{
    char key[160], value[9216];
    unsigned waiting = 0;
    for (unsigned n = 0; n < keys; n++) {
        cache_key(key, sizeof(key), n);
        size_t len = cache_value(value, sizeof(value), seed);
        if (n % 50 == 49) { /* a cache in which somebody forgot a time to live */
            redisAppendCommand(redis, "SET %s %b", key, value, len);
        } else {
            redisAppendCommand(redis, "SET %s %b EX %d", key, value, len,
                               3600 + rand_r(seed) % 82800);
        }
        waiting++;
        if (waiting == 200 && !drain(redis, &waiting)) {
            return 0;
        }
    }
    return drain(redis, &waiting);
}

static int fill_broker(redisContext *redis, unsigned tasks, unsigned in_flight)
{
    char message[1024], tag[32];
    unsigned waiting = 0;
    for (unsigned n = 0; n < tasks; n++) {
        task_message(message, sizeof(message), "documents.tasks.render", n);
        redisAppendCommand(redis, "LPUSH celery %s", message);
        waiting++;
    }
    for (unsigned n = 0; n < 2; n++) {
        task_message(message, sizeof(message), "mail.tasks.send", 0x100 + n);
        redisAppendCommand(redis, "LPUSH celery" STEP "%d %s", n ? 9 : 3, message);
        waiting++;
    }
    for (unsigned n = 0; n < in_flight; n++) {
        task_message(message, sizeof(message), "reports.tasks.monthly", 0x200 + n);
        snprintf(tag, sizeof(tag), "%08x-1f2b-4d3c", 0x200 + n);
        redisAppendCommand(redis, "HSET unacked %s [%s,\"\",\"celery\"]", tag, message);
        redisAppendCommand(redis, "ZADD unacked_index %d %s", (int)time(NULL) - 7200, tag);
        waiting += 2;
    }
    redisAppendCommand(redis, "SADD _kombu.binding.celery celery" STEP STEP "celery");
    redisAppendCommand(redis, "SADD _kombu.binding.celeryev worker.#" STEP STEP "celeryev.4f1c");
    redisAppendCommand(redis,
                       "SADD _kombu.binding.celery.pidbox " STEP STEP "celery@w1.celery.pidbox");
    redisAppendCommand(redis, "SET celery-task-meta-%08x {\"status\":\"SUCCESS\"} EX 86400", 1U);
    waiting += 4;
    return drain(redis, &waiting);
}

int load_redis_fill(void)
{
    static const struct {
        const char *db;
        unsigned cache_keys, tasks, in_flight;
    } databases[] = {{"0", 0, 7, 2},    {"1", 6000, 0, 0}, {"2", 0, 3, 1},
                     {"3", 1200, 0, 0}, {"4", 0, 1, 0},    {"5", 400, 0, 0}};
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
        redisContext *redis = load_redis_open(databases[i].db, "fill");
        if (!redis) {
            return 0;
        }
        int ok = databases[i].cache_keys
                     ? fill_cache(redis, databases[i].cache_keys, &seed)
                     : fill_broker(redis, databases[i].tasks, databases[i].in_flight);
        redisFree(redis);
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

/* A page from the cache; one in twelve is not there yet and is put in. */
static void run_cache(const struct load_actor *actor, unsigned *seed)
{
    redisContext *redis = load_redis_open(actor->target, actor->name);
    char key[160], value[4096];
    while (redis && !redis->err) {
        unsigned n = (unsigned)rand_r(seed);
        cache_key(key, sizeof(key), n % 12 ? n % 400 : 100000 + n % 5000);
        redisReply *reply = redisCommand(redis, "GET %s", key);
        if (reply && reply->type == REDIS_REPLY_NIL) {
            size_t len = cache_value(value, sizeof(value), seed);
            freeReplyObject(redisCommand(redis, "SET %s %b EX 60", key, value, len));
        }
        freeReplyObject(reply);
        load_nap(actor->period_ms, seed);
    }
    redisFree(redis);
}

/* Keeps a few tasks in the queue, whatever the worker's speed. */
static void run_producer(const struct load_actor *actor, unsigned *seed)
{
    redisContext *redis = load_redis_open(actor->target, actor->name);
    char message[1024];
    while (redis && !redis->err) {
        redisReply *length = redisCommand(redis, "LLEN celery");
        if (length && length->type == REDIS_REPLY_INTEGER && length->integer < 8) {
            task_message(message, sizeof(message), "documents.tasks.index", (unsigned)rand_r(seed));
            freeReplyObject(redisCommand(redis, "LPUSH celery %s", message));
        }
        freeReplyObject(length);
        load_nap(actor->period_ms, seed);
    }
    redisFree(redis);
}

static void run_worker(const struct load_actor *actor, unsigned *seed)
{
    redisContext *redis = load_redis_open(actor->target, actor->name);
    while (redis && !redis->err) {
        redisReply *task = redisCommand(redis, "BRPOP celery 5");
        if (task && task->type == REDIS_REPLY_ARRAY && task->elements == 2) {
            unsigned tag = (unsigned)rand_r(seed);
            freeReplyObject(
                redisCommand(redis, "HSET unacked %08x %s", tag, task->element[1]->str));
            freeReplyObject(
                redisCommand(redis, "ZADD unacked_index %d %08x", (int)time(NULL), tag));
            load_nap(actor->period_ms, seed);
            freeReplyObject(redisCommand(redis, "HDEL unacked %08x", tag));
            freeReplyObject(redisCommand(redis, "ZREM unacked_index %08x", tag));
        }
        freeReplyObject(task);
    }
    redisFree(redis);
}

const struct load_actor load_redis_actors[] = {
    {run_cache, "django-prod", "1", 40, 2},
    {run_cache, "django-staging", "3", 300, 1},
    {run_cache, "django-dev", "5", 1000, 1},
    {run_producer, "celery-prod-web", "0", 200, 1},
    {run_worker, "celery-prod-worker", "0", 180, 1},
    {run_producer, "celery-staging-web", "2", 900, 1},
    {run_worker, "celery-staging-worker", "2", 800, 1},
};
const unsigned load_redis_actor_count = sizeof(load_redis_actors) / sizeof(load_redis_actors[0]);
