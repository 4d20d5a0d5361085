#include "tests/integration/redis_watch.h"

#include <math.h>

static struct redis_config config_of(const struct lab *lab)
{
    return (struct redis_config){.url = (char *)(uintptr_t)lab->url};
}

/* ---- what INFO says ---- */

static void test_live_info(void **state)
{
    static const char *const args[] = {"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru",
                                       NULL};
    const struct redis_info *info;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, args);
    LAB_RUN(&lab, "SET a 1");
    LAB_RUN(&lab, "SET b 1 EX 1000");
    LAB_RUN(&lab, "SELECT 3");
    LAB_RUN(&lab, "SET c 1");
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, is_up);
    info = watch.instance->redis.info;
    assert_true(watch.instance->answered);
    assert_string_equal(watch.instance->version, info->version);
    assert_string_equal(info->server_name, "redis");
    assert_int_equal(info->process_id, lab.pid);
    assert_int_equal(info->tcp_port, lab.port);
    assert_int_equal(info->maxmemory, 64 << 20);
    assert_string_equal(info->policy, "allkeys-lru");
    assert_int_equal(info->maxclients, lab_info(&lab, "maxclients"));
    assert_string_equal(info->role, "master");
    assert_int_equal(info->rdb_changes, 3);
    assert_true(info->used_memory > 0 && info->round_trip > 0);
    assert_int_equal(info->db_count, 2);
    assert_int_equal(info->dbs[0].keys, 2);
    assert_int_equal(info->dbs[0].expires, 1);
    assert_int_equal(info->dbs[1].db, 3);
    assert_int_equal(info->dbs[1].keys, 1);
    assert_true(isnan(info->rates.ops));
    assert_int_equal(info->sample.generation, watch.instance->generation);
    assert_true(history_count(watch.instance->history) >= 1);
    watch_stop(&watch);
    lab_stop(&lab);
}

/* One connection, with our name. */
static void test_one_named_connection(void **state)
{
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, has_rates);
    assert_int_equal(lab_clients(&lab, "name=sharedtop"), 1);
    assert_int_equal(lab_clients(&lab, " addr="), 2);
    watch_stop(&watch);
    for (double until = 0; lab_waiting(&until) && lab_clients(&lab, "name=sharedtop");)
        continue;
    assert_int_equal(lab_clients(&lab, "name=sharedtop"), 0);
    lab_stop(&lab);
}

/* ---- rates ---- */

static void send_lookups(struct lab *lab, int hits, int misses)
{
    void *reply;

    for (int i = 0; i < hits + misses; i++)
        assert_int_equal(redisAppendCommand(lab->admin, i < hits ? "GET there" : "GET missing"), 0);
    for (int i = 0; i < hits + misses; i++) {
        assert_int_equal(redisGetReply(lab->admin, &reply), 0);
        freeReplyObject(reply);
    }
}

static void test_rates(void **state)
{
    const struct redis_info *before, *now;
    double seconds;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "SET there 1");
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, has_rates);
    watch_next_info(&watch);
    before = sample_ref(watch.instance->redis.info);
    send_lookups(&lab, 300, 100);
    watch_next_info(&watch);
    now = watch.instance->redis.info;
    seconds = (double)(now->sample.at - before->sample.at) / 1000.0;
    /* The answer to a poll may have been on its way already when the lookups ran. */
    if (now->rates.hits == 0) {
        sample_unref(before);
        before = sample_ref(now);
        watch_next_info(&watch);
        now = watch.instance->redis.info;
        seconds = (double)(now->sample.at - before->sample.at) / 1000.0;
    }
    assert_float_equal(now->rates.ops * seconds, 400.0, 1e-6);
    assert_float_equal(now->rates.hits * seconds, 300.0, 1e-6);
    assert_float_equal(now->rates.hit_rate, 0.75, 1e-9);
    assert_true(now->rates.net_in * seconds > 400.0 * 20);
    sample_unref(before);
    watch_stop(&watch);
    lab_stop(&lab);
}

/* An idle server shows zeros and no hit rate, however much our own polling looks up. */
static void test_own_polling_is_not_counted(void **state)
{
    struct redis_db_config dbs[] = {{.db = 0, .celery = true}, {.db = 2, .celery = true}};
    struct redis_config config;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "LPUSH celery task");
    config = config_of(&lab);
    config.databases = dbs;
    config.database_count = 2;
    watch_start(&watch, config, 0.05);
    instance_want(watch.impl, SOURCE_BIT(REDIS_CELERY));
    WATCH_UNTIL(&watch, has_celery);
    watch_next_info(&watch);
    for (int i = 0; i < 5; i++) {
        const struct redis_info *info;

        watch_next_info(&watch);
        info = watch.instance->redis.info;
        assert_float_equal(info->rates.ops, 0.0, 1e-9);
        assert_float_equal(info->rates.hits, 0.0, 1e-9);
        assert_float_equal(info->rates.misses, 0.0, 1e-9);
        assert_true(isnan(info->rates.hit_rate));
        assert_true(info->own.commands > 20 && info->own.misses > 10);
    }
    watch_stop(&watch);
    lab_stop(&lab);
}

/* ---- bad days ---- */

static void test_stopped_and_continued(void **state)
{
    const struct redis_info *last;
    uint32_t generation;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, is_up);
    generation = watch.instance->generation;
    kill(lab.pid, SIGSTOP);
    WATCH_UNTIL(&watch, is_stale);
    last = watch.instance->redis.info;
    assert_non_null(last);
    assert_int_equal(last->process_id, lab.pid);
    kill(lab.pid, SIGCONT);
    WATCH_UNTIL(&watch, is_up);
    watch_next_info(&watch);
    assert_int_equal(watch.instance->generation, generation);
    watch_stop(&watch);
    lab_stop(&lab);
}

static void test_killed_and_restarted(void **state)
{
    char run_id[48];
    uint32_t generation;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, has_rates);
    generation = watch.instance->generation;
    memcpy(run_id, watch.instance->redis.info->run_id, sizeof(run_id));
    lab_kill(&lab);
    WATCH_UNTIL(&watch, is_down);
    assert_non_null(watch.instance->error);
    assert_true(watch.instance->retry_at > 0);
    assert_string_equal(watch.instance->redis.info->run_id, run_id);
    lab_spawn(&lab);
    lab_connect(&lab);
    WATCH_UNTIL(&watch, is_up);
    assert_null(watch.instance->error);
    watch_next_info(&watch);
    assert_true(watch.instance->generation > generation);
    assert_string_not_equal(watch.instance->redis.info->run_id, run_id);
    WATCH_UNTIL(&watch, has_rates);
    watch_stop(&watch);
    lab_stop(&lab);
}

static bool says_loading(const struct watch *watch)
{
    return watch->instance->error && strstr(watch->instance->error, "loading its data: ");
}

static bool says_nothing(const struct watch *watch)
{
    return is_up(watch) && !watch->instance->error && watch->instance->redis.info->loading == 0;
}

/* A server that takes minutes to load (2 ms a key, INFO served in between) is up and says so, on one
 * and the same connection, until the delay is taken away. */
static void test_loading(void **state)
{
    static const char *const slow[] = {"--key-load-delay", "2000",
                                       "--loading-process-events-interval-bytes", "1024", NULL};
    struct lab lab;
    struct watch watch;
    uint32_t generation;

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "EVAL %s 0",
            "for i = 1, 60000 do redis.call('SET', i, string.rep('x', 100)) end");
    LAB_RUN(&lab, "SAVE");
    lab_kill(&lab);
    lab.args = slow;
    lab_spawn(&lab);
    watch_start(&watch, config_of(&lab), 0.05);
    WATCH_UNTIL(&watch, says_loading);
    assert_int_equal(watch.instance->state, INSTANCE_UP);
    assert_non_null(watch.instance->hint);
    generation = watch.instance->generation;
    watch_next_info(&watch);
    lab_connect(&lab);
    LAB_RUN(&lab, "CONFIG SET key-load-delay 0");
    WATCH_UNTIL(&watch, says_nothing);
    assert_int_equal(watch.instance->generation, generation);
    assert_int_equal(watch.instance->redis.info->dbs[0].keys, 60000);
    watch_stop(&watch);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_info),
        cmocka_unit_test(test_one_named_connection),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_own_polling_is_not_counted),
        cmocka_unit_test(test_stopped_and_continued),
        cmocka_unit_test(test_killed_and_restarted),
        cmocka_unit_test(test_loading),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
