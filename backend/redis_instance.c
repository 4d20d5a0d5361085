#include "backend/base/mem.h"
#include "backend/instance_impl.h"
#include "backend/redis_celery.h"
#include "backend/redis_conn.h"
#include "backend/redis_fault.h"
#include "backend/redis_monitor.h"
#include "backend/redis_spare.h"
#include "backend/redis_target.h"
#include "backend/redis_url.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct redis_instance {
    struct instance_impl impl;    /* first */
    struct redis_address address; /* as of the last attempt to connect */
    char *url_fault;              /* why there is none */
    struct redis_conn *conn;
    struct celery *celery;
    struct spare *spare;
    uint64_t asked_at; /* ns, of INFO */
    struct redis_limit limit;
};

static struct redis_instance *redis_of(struct instance_impl *impl)
{
    return (struct redis_instance *)impl;
}

/* ---- answers ---- */

/* An error of a server that is up: it stands in the panel, with its mend. */
static void show_fault(struct redis_instance *redis, const struct redis_fault *fault)
{
    bool any = fault && fault->error[0];

    instance_set(&redis->impl.pub.error, any ? fault->error : NULL);
    instance_set(&redis->impl.pub.hint, any && fault->hint[0] ? fault->hint : NULL);
}

static void lose(struct redis_instance *redis, const struct redis_fault *fault)
{
    instance_lost(&redis->impl, fault->error, fault->hint[0] ? fault->hint : NULL);
}

static void refuse_info(struct redis_instance *redis, const redisReply *reply)
{
    const struct redis_address *address = redis_conn_address(redis->conn);
    struct redis_fault fault = {.error = ""};
    bool fatal = true;
    char *text;

    if (reply->type == REDIS_REPLY_ERROR)
        fatal = redis_fault_reply(reply->str, reply->len, "info", address, &fault);
    else
        redis_fault_protocol(address, &fault);
    if (fatal) {
        lose(redis, &fault);
        return;
    }
    show_fault(redis, &fault);
    text = fault.hint[0] ? mem_printf("%s: %s", fault.error, fault.hint) : mem_strdup(fault.error);
    instance_answered(&redis->impl, REDIS_INFO, text);
    free(text);
}

static float metric(int64_t value)
{
    return value < 0 ? NAN : (float)value;
}

static void push_history(struct redis_instance *redis, const struct redis_info *info)
{
    const float values[REDIS_METRICS] = {
        [REDIS_METRIC_MEMORY] = metric(info->used_memory),
        [REDIS_METRIC_OPS] = (float)info->rates.ops,
        [REDIS_METRIC_HIT_RATE] = (float)info->rates.hit_rate,
        [REDIS_METRIC_EVICTED] = (float)info->rates.evicted,
        [REDIS_METRIC_CLIENTS] = metric(info->connected_clients),
        [REDIS_METRIC_NET_OUT] = (float)info->rates.net_out,
    };

    instance_push_history(&redis->impl, values);
}

/* A server in start-up answers INFO, but little else. */
static void show_loading(struct redis_instance *redis, const struct redis_info *info)
{
    struct redis_fault fault = {.error = ""};
    char progress[64] = "";

    if (info->loading == 1) {
        if (!isnan(info->loading_percent) && info->loading_eta >= 0)
            snprintf(progress, sizeof(progress), ": %.0f %%, about %lld s left",
                     info->loading_percent, (long long)info->loading_eta);
        snprintf(fault.error, sizeof(fault.error), "the server is loading its data%s", progress);
        snprintf(fault.hint, sizeof(fault.hint), "it answers when that is done");
    }
    show_fault(redis, &fault);
}

/* A proxy can pass us on to another server without closing the connection. */
static void check_run(struct redis_instance *redis, const struct redis_info *info)
{
    const struct redis_info *before = redis->impl.pub.redis.info;

    if (before && before->sample.generation == redis->impl.pub.generation &&
        strcmp(before->run_id, info->run_id) != 0)
        redis->impl.pub.generation++;
}

static void on_info(void *context, const redisReply *reply, unsigned tag)
{
    struct redis_instance *redis = context;
    struct instance *pub = &redis->impl.pub;
    struct redis_info *info;

    (void)tag;
    if (reply->type != REDIS_REPLY_STRING) {
        refuse_info(redis, reply);
        return;
    }
    info = redis_parse_info(reply->str, reply->len);
    check_run(redis, info);
    instance_stamp(&redis->impl, &info->sample);
    info->own = *redis_conn_own(redis->conn);
    info->round_trip = (double)(uv_hrtime() - redis->asked_at) / 1e9;
    info->client_limit = redis->limit;
    redis_info_rates(info, pub->redis.info);
    sample_unref(pub->redis.info);
    pub->redis.info = info;
    memcpy(pub->version, info->version, sizeof(pub->version));
    push_history(redis, info);
    show_loading(redis, info);
    instance_answered(&redis->impl, REDIS_INFO, NULL);
}

static void on_celery(void *context, struct redis_celery *sample)
{
    struct redis_instance *redis = context;
    struct instance *pub = &redis->impl.pub;
    size_t refused = 0;

    for (size_t i = 0; i < sample->db_count; i++)
        refused += sample->dbs[i].error != NULL;
    instance_stamp(&redis->impl, &sample->sample);
    sample_unref(pub->redis.celery);
    pub->redis.celery = sample;
    instance_answered(&redis->impl, REDIS_CELERY,
                      refused && refused == sample->db_count ? sample->dbs[0].error : NULL);
}

static void on_spare(void *context, struct redis_spare *sample, const char *error)
{
    struct redis_instance *redis = context;
    struct instance *pub = &redis->impl.pub;

    if (sample) {
        instance_stamp(&redis->impl, &sample->sample);
        sample_unref(pub->redis.spare);
        pub->redis.spare = sample;
    }
    instance_answered(&redis->impl, REDIS_SPARE, error);
}

static void on_limit(void *context, const redisReply *reply, unsigned tag)
{
    struct redis_instance *redis = context;

    (void)tag;
    redis_limit_read(reply, &redis->limit);
}

/* ---- the connection ---- */

static void on_ready(void *context)
{
    struct redis_instance *redis = context;
    const char *limit[] = {"CONFIG", "GET", REDIS_LIMIT_SETTING};

    instance_set(&redis->impl.pub.tls, redis_conn_tls(redis->conn));
    redis->limit = REDIS_LIMIT_UNKNOWN("not asked yet");
    redis_conn_command(redis->conn, on_limit, redis, 0, 3, limit); /* once: a refusal is logged */
    instance_connected(&redis->impl);
}

static void on_failed(void *context, const struct redis_fault *fault)
{
    lose(context, fault);
}

static void on_gone(void *context)
{
    struct redis_instance *redis = context;

    instance_release(&redis->impl);
}

static const struct redis_conn_events conn_events = {
    .ready = on_ready, .failed = on_failed, .gone = on_gone};

static void read_address(struct redis_instance *redis)
{
    const struct redis_config *config = redis->impl.pub.redis_config;
    char *text = NULL;

    redis_address_free(&redis->address);
    free(redis->url_fault);
    redis->url_fault = NULL;
    if (redis_url_parse(config->url, &redis->address, &redis->url_fault))
        text = redis_address_text(&redis->address);
    instance_set(&redis->impl.pub.address, text);
    free(text);
}

static void redis_connect(struct instance_impl *impl)
{
    struct redis_instance *redis = redis_of(impl);
    struct redis_address address;
    char *error = NULL;

    read_address(redis); /* a container's changes */
    if (redis->url_fault) {
        instance_lost(impl, redis->url_fault, NULL);
        return;
    }
    redis_address_copy(&address, &redis->address);
    if (redis_target_password(impl->pub.redis_config, &address, &error))
        redis_conn_open(redis->conn, &address);
    else
        instance_lost(impl, error, "correct env_file or password_key");
    redis_address_free(&address);
    free(error);
}

/* With each INFO, and cheap: what waits there must be seen when its time is over. */
static bool spare_is_due(const struct instance_impl *impl, unsigned sources)
{
    return (sources & (SOURCE_BIT(REDIS_INFO) | SOURCE_BIT(REDIS_SPARE))) &&
           impl->pub.redis_config->trash_db >= 0 && !instance_is_outstanding(impl, REDIS_SPARE);
}

static void redis_poll(struct instance_impl *impl, unsigned sources, bool all)
{
    struct redis_instance *redis = redis_of(impl);
    const char *info[] = {"INFO"};
    struct timespec now;

    (void)all;
    if (sources & SOURCE_BIT(REDIS_INFO)) {
        instance_asked(impl, REDIS_INFO);
        redis->asked_at = uv_hrtime();
        redis_conn_command(redis->conn, on_info, redis, 0, 1, info);
    }
    if (sources & SOURCE_BIT(REDIS_CELERY)) {
        instance_asked(impl, REDIS_CELERY);
        clock_gettime(CLOCK_REALTIME, &now);
        celery_poll(redis->celery, redis->conn, redis_conn_address(redis->conn), (double)now.tv_sec,
                    uv_now(impl->loop));
    }
    if (spare_is_due(impl, sources)) {
        instance_asked(impl, REDIS_SPARE);
        spare_poll(redis->spare, redis->conn, redis_conn_address(redis->conn));
    }
    redis_conn_flush(redis->conn);
}

static void redis_disconnect(struct instance_impl *impl, bool given_up)
{
    struct redis_instance *redis = redis_of(impl);

    (void)given_up;
    redis_conn_close(redis->conn);
    celery_reset(redis->celery);
    spare_reset(redis->spare);
}

static void redis_close(struct instance_impl *impl)
{
    redis_conn_free(redis_of(impl)->conn);
}

static void redis_destroy(struct instance_impl *impl)
{
    struct redis_instance *redis = redis_of(impl);

    celery_free(redis->celery);
    spare_free(redis->spare);
    sample_unref(impl->pub.redis.spare);
    redis_address_free(&redis->address);
    free(redis->url_fault);
    free(redis);
}

static const struct instance_ops redis_ops = {
    .always = SOURCE_BIT(REDIS_INFO),
    .sources = SOURCE_BIT(REDIS_INFO) | SOURCE_BIT(REDIS_CELERY) | SOURCE_BIT(REDIS_SPARE),
    .connect = redis_connect,
    .poll = redis_poll,
    .disconnect = redis_disconnect,
    .close = redis_close,
    .destroy = redis_destroy,
};

struct instance_impl *redis_instance_new(const struct instance_setup *setup,
                                         const struct redis_config *config)
{
    struct redis_instance *redis = mem_zalloc(sizeof(*redis));
    struct instance_impl *impl = &redis->impl;

    instance_init(impl, setup, INSTANCE_REDIS, config->name, &redis_ops, REDIS_METRICS);
    impl->pub.redis_config = config;
    read_address(redis);
    if (config->container)
        instance_set(&impl->pub.address, NULL); /* not known before it was located */
    redis->celery = celery_new(config, on_celery, redis);
    redis->spare = spare_new(config->trash_db, redis->address.db, on_spare, redis);
    redis->conn = redis_conn_new(setup->loop, &conn_events, redis);
    redis_conn_polls(redis->conn);
    instance_hold(impl);
    return impl;
}

/* Here, since only the instance knows the address that its connection has found, and the password. */
struct monitor *monitor_start_instance(const struct instance *instance, double seconds)
{
    const struct redis_instance *redis = (const struct redis_instance *)instance;

    return monitor_start(redis_conn_address(redis->conn), seconds);
}
