#include "backend/redis_celery.h"
#include "tests/integration/redis_watch.h"

#define SEP "\x06\x16"

static struct redis_db_config databases[] = {
    {.db = 0, .celery = true}, {.db = 1}, {.db = 2, .celery = true}, {.db = 4, .celery = true}};

static struct redis_config config_of(const char *url)
{
    return (struct redis_config){.url = (char *)(uintptr_t)url,
                                 .databases = databases,
                                 .database_count = sizeof(databases) / sizeof(*databases)};
}

static void push(struct lab *lab, const char *queue, int count)
{
    for (int i = 0; i < count; i++)
        LAB_RUN(lab, "LPUSH %s task", queue);
}

static void start(struct watch *watch, const char *url)
{
    watch_start(watch, config_of(url), 0.05);
    instance_want(watch->impl, SOURCE_BIT(REDIS_CELERY));
    WATCH_UNTIL(watch, has_celery);
}

static const struct celery_queue *queue_of(const struct watch *watch, int db, const char *name)
{
    const struct redis_celery *celery = watch->instance->redis.celery;

    for (size_t i = 0; i < celery->queue_count; i++) {
        if (celery->queues[i].db == db && strcmp(celery->queues[i].name, name) == 0)
            return &celery->queues[i];
    }
    return NULL;
}

/* Depths with priorities, what workers hold, the names of the queues, in the first sample. */
static void test_depths(void **state)
{
    const struct redis_celery *celery;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    push(&lab, "celery", 3);
    push(&lab, "celery" SEP "3", 2);
    push(&lab, "orders", 1);
    push(&lab, "orders" SEP "9", 4);
    push(&lab, "not-bound", 7);
    LAB_RUN(&lab, "SADD _kombu.binding.orders orders" SEP SEP "orders");
    LAB_RUN(&lab, "SADD _kombu.binding.topic #" SEP "p" SEP "celery a" SEP SEP "mail");
    LAB_RUN(&lab, "SADD _kombu.binding.celery.pidbox " SEP SEP "celery@w1.celery.pidbox");
    LAB_RUN(&lab, "SADD _kombu.binding.celeryev x" SEP SEP "celeryev.1");
    LAB_RUN(&lab, "HSET unacked a 1 b 2");
    LAB_RUN(&lab, "ZADD unacked_index %lld a %lld b", (long long)time(NULL) - 10,
            (long long)time(NULL) - 4000);
    start(&watch, lab.url);
    celery = watch.instance->redis.celery;
    assert_int_equal(celery->db_count, 3);
    assert_int_equal(celery->dbs[0].db, 0);
    assert_null(celery->dbs[0].error);
    assert_int_equal(celery->dbs[0].depth, 10);
    assert_int_equal(celery->dbs[0].in_flight, 2);
    assert_int_equal(celery->dbs[0].stuck, 1);
    assert_int_equal(celery->dbs[1].db, 2);
    assert_int_equal(celery->dbs[1].depth, 0);
    assert_int_equal(celery->dbs[1].in_flight, 0);
    assert_int_equal(celery->queue_count, 5);
    assert_string_equal(celery->queues[0].name, "celery");
    assert_int_equal(celery->queues[0].depth, 5);
    assert_string_equal(celery->queues[1].name, "mail");
    assert_int_equal(celery->queues[1].depth, 0);
    assert_string_equal(celery->queues[2].name, "orders");
    assert_int_equal(celery->queues[2].depth, 5);
    assert_int_equal(queue_of(&watch, 2, "celery")->depth, 0);
    assert_int_equal(celery->sample.generation, watch.instance->generation);
    watch_stop(&watch);
    lab_stop(&lab);
}

static bool is_drained(const struct watch *watch)
{
    return watch->instance->redis.celery->dbs[0].depth == 0;
}

static void test_depths_follow(void **state)
{
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    push(&lab, "celery", 2);
    start(&watch, lab.url);
    assert_int_equal(watch.instance->redis.celery->dbs[0].depth, 2);
    LAB_RUN(&lab, "DEL celery");
    WATCH_UNTIL(&watch, is_drained);
    watch_stop(&watch);
    lab_stop(&lab);
}

static bool has_far_queue(const struct watch *watch)
{
    const struct celery_queue *queue = queue_of(watch, 0, "far");

    return queue && queue->depth == 6;
}

/* The search among many keys is cut into small steps, and finds the queue in the end. */
static void test_search_among_many_keys(void **state)
{
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "EVAL %s 0", "for i = 1, 30000 do redis.call('SET', i, 'x') end");
    LAB_RUN(&lab, "SADD _kombu.binding.far far" SEP SEP "far");
    push(&lab, "far", 6);
    start(&watch, lab.url);
    WATCH_UNTIL(&watch, has_far_queue);
    watch_stop(&watch);
    lab_stop(&lab);
}

static void expect_error(const struct celery_db *db, const char *word)
{
    if (!db->error || !strstr(db->error, word))
        fail_msg("db %d: %s", db->db, db->error ? db->error : "(no error)");
    assert_int_equal(db->depth, -1);
    assert_int_equal(db->in_flight, -1);
    assert_int_equal(db->stuck, -1);
}

/* What cannot be known is unknown, not 0, and says why; the other databases are not touched. */
static void test_errors_by_database(void **state)
{
    static const char *const args[] = {"--databases", "4", NULL};
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, args);
    push(&lab, "celery", 2);
    LAB_RUN(&lab, "SELECT 2");
    LAB_RUN(&lab, "SET celery text");
    start(&watch, lab.url);
    assert_int_equal(watch.instance->redis.celery->dbs[0].depth, 2);
    assert_null(watch.instance->redis.celery->dbs[0].error);
    expect_error(&watch.instance->redis.celery->dbs[1], "another type");
    expect_error(&watch.instance->redis.celery->dbs[2], "no database 4");
    assert_null(watch.instance->source_error[REDIS_CELERY]);
    assert_null(queue_of(&watch, 4, "celery"));
    watch_stop(&watch);
    lab_stop(&lab);
}

static void expect_right(struct lab *lab, const char *rights, const char *word)
{
    struct watch watch;
    char url[96];

    LAB_RUN(lab, "ACL DELUSER app");
    freeReplyObject(redisCommand(lab->admin, rights));
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab->port);
    start(&watch, url);
    for (size_t i = 0; i < 3; i++)
        expect_error(&watch.instance->redis.celery->dbs[i], word);
    assert_non_null(watch.instance->source_error[REDIS_CELERY]);
    assert_int_equal(watch.instance->state, INSTANCE_UP);
    watch_stop(&watch);
}

static void test_missing_rights(void **state)
{
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    expect_right(&lab, "ACL SETUSER app on >pw ~* +@all -llen", "ACL SETUSER app +llen");
    expect_right(&lab, "ACL SETUSER app on >pw ~* +@all -scan", "ACL SETUSER app +scan");
    expect_right(&lab, "ACL SETUSER app on >pw ~* +@all -select", "ACL SETUSER app +select");
    expect_right(&lab, "ACL SETUSER app on >pw ~other +@all", "ACL SETUSER app ~*");
    lab_stop(&lab);
}

static void test_no_celery(void **state)
{
    struct redis_config config;
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    config = config_of(lab.url);
    config.database_count = 0;
    watch_start(&watch, config, 0.05);
    instance_want(watch.impl, SOURCE_BIT(REDIS_CELERY));
    WATCH_UNTIL(&watch, has_celery);
    assert_int_equal(watch.instance->redis.celery->db_count, 0);
    watch_stop(&watch);
    lab_stop(&lab);
}

/* The server goes in the middle of a poll, over and over: what was asked for is forgotten. */
static void test_lost_while_asking(void **state)
{
    struct lab lab;
    struct watch watch;

    (void)state;
    lab_start(&lab, NULL);
    push(&lab, "celery", 1);
    start(&watch, lab.url);
    for (int i = 0; i < 5; i++) {
        uint32_t generation = watch.instance->generation;

        kill(lab.pid, SIGSTOP);
        instance_refresh(watch.impl);
        kill(lab.pid, SIGCONT);
        LAB_RUN(&lab, "CLIENT KILL TYPE normal SKIPME yes");
        for (double until = 0; lab_waiting(&until) && watch.instance->generation == generation;)
            uv_run(&watch.loop, UV_RUN_NOWAIT);
        WATCH_UNTIL(&watch, is_up);
    }
    watch_stop(&watch);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_depths_follow),
        cmocka_unit_test(test_search_among_many_keys),
        cmocka_unit_test(test_errors_by_database),
        cmocka_unit_test(test_missing_rights),
        cmocka_unit_test(test_no_celery),
        cmocka_unit_test(test_lost_while_asking),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
