#include "backend/alert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000

enum { MAX_ROWS = 40, NOW = 1000 * SECOND };

/* A server as the rules see it. */
struct subject {
    struct config *config;
    struct instance instance;
    struct pg_server server;
    struct pg_activity activity;
    struct pg_session rows[MAX_ROWS];
    struct redis_info info;
    struct alerts alerts;
    double wall;
};

static void set_up(struct subject *s, enum instance_kind kind)
{
    *s = (struct subject){.config = config_new(), .wall = 1000.0};
    s->instance.kind = kind;
    s->instance.name = "one";
    s->instance.state = INSTANCE_UP;
    s->instance.state_since = 900.0;
    s->server.max_connections = 100;
    s->activity.now = NOW;
    s->activity.rows = s->rows;
    s->info.used_memory = 50;
    s->info.rdb_last_bgsave_ok = s->info.aof_last_write_ok = 1;
    s->info.rates.evicted = NAN;
    if (kind == INSTANCE_POSTGRES) {
        s->instance.pg.server = &s->server;
        s->instance.pg.activity = &s->activity;
    } else {
        s->instance.redis.info = &s->info;
    }
}

static void tear_down(struct subject *s)
{
    alerts_free(&s->alerts);
    config_free(s->config);
}

static void update(struct subject *s)
{
    alerts_update(&s->alerts, &s->instance, s->config->alerts, s->wall);
}

static struct pg_session *add(struct subject *s, enum pg_state state, int seconds)
{
    struct pg_session *row = &s->rows[s->activity.count++];

    *row = (struct pg_session){.pid = 100 + (int)s->activity.count,
                               .backend_type = "client backend",
                               .state = state,
                               .database = "shop",
                               .user = "joe",
                               .query_start = NOW - seconds * (int64_t)SECOND,
                               .state_change = NOW - seconds * (int64_t)SECOND};
    s->activity.counts.total++;
    return row;
}

static const struct alert *only(const struct subject *s, enum alert_name name)
{
    const struct alert *first = s->alerts.items;

    assert_int_equal(s->alerts.count, 1);
    assert_true(first && first->name == name);
    return first;
}

/* ---- down ---- */

static void down_is_critical_with_the_reason(void **state)
{
    static char reason[] = "connection refused";
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    s.instance.state = INSTANCE_CONNECTING;
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    assert_int_equal(alerts_worst(&s.alerts), SEVERITY_OK);
    s.instance.state = INSTANCE_DOWN;
    s.instance.error = reason;
    update(&s);
    assert_int_equal(only(&s, ALERT_POSTGRES_DOWN)->severity, SEVERITY_CRITICAL);
    assert_string_equal(s.alerts.items[0].detail, reason);
    assert_true(isnan(s.alerts.items[0].value));
    assert_true(s.alerts.items[0].since == 1000.0);
    s.wall = 1002.0;
    s.instance.state = INSTANCE_CONNECTING; /* the next try */
    update(&s);
    assert_true(only(&s, ALERT_POSTGRES_DOWN)->since == 1000.0);
    assert_int_equal(s.alerts.raised, 1);
    s.instance.state = INSTANCE_UP;
    s.instance.error = NULL;
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    tear_down(&s);
}

static void silence_is_down_after_five_seconds(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_REDIS);
    s.instance.state = INSTANCE_STALE;
    s.instance.state_since = 1000.0;
    s.wall = 1004.9;
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    s.wall = 1005.1;
    update(&s);
    only(&s, ALERT_REDIS_DOWN);
    tear_down(&s);
}

static void old_data_raises_nothing(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    add(&s, PG_STATE_ACTIVE, 1000);
    update(&s);
    only(&s, ALERT_LONG_QUERY);
    s.instance.state = INSTANCE_DOWN;
    update(&s);
    only(&s, ALERT_POSTGRES_DOWN);
    tear_down(&s);
}

/* ---- PostgreSQL ---- */

static void connections_are_a_share_of_all_slots(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    s.activity.counts.total = 79;
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    s.activity.counts.total = 80;
    update(&s);
    assert_int_equal(only(&s, ALERT_POSTGRES_CONNECTIONS_HIGH)->severity, SEVERITY_WARNING);
    assert_true(s.alerts.items[0].value == 80.0);
    assert_true(s.alerts.items[0].threshold == 80.0);
    s.activity.counts.total = 95;
    update(&s);
    assert_int_equal(only(&s, ALERT_POSTGRES_CONNECTIONS_HIGH)->severity, SEVERITY_CRITICAL);
    assert_int_equal(s.alerts.raised, 2);
    s.activity.counts.total = 80;
    update(&s);
    assert_int_equal(alerts_worst(&s.alerts), SEVERITY_WARNING);
    assert_int_equal(s.alerts.raised, 2);
    tear_down(&s);
}

static void the_longest_query_is_named(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    add(&s, PG_STATE_ACTIVE, 61);
    add(&s, PG_STATE_ACTIVE, 299);
    add(&s, PG_STATE_ACTIVE, 59);
    add(&s, PG_STATE_IDLE, 9999);
    add(&s, PG_STATE_ACTIVE, 9999)->own = true;
    add(&s, PG_STATE_ACTIVE, 9999)->backend_type = "walsender";
    update(&s);
    assert_int_equal(only(&s, ALERT_LONG_QUERY)->severity, SEVERITY_WARNING);
    assert_int_equal(s.alerts.items[0].pid, 102);
    assert_int_equal(s.alerts.items[0].count, 2);
    assert_true(s.alerts.items[0].value == 299.0);
    assert_string_equal(s.alerts.items[0].detail, "shop joe");
    tear_down(&s);
}

static void idle_in_transaction_counts_both_kinds(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    add(&s, PG_STATE_IDLE_IN_TRANSACTION, 70);
    add(&s, PG_STATE_IDLE_IN_TRANSACTION_ABORTED, 700)->user = NULL;
    update(&s);
    assert_int_equal(only(&s, ALERT_IDLE_IN_TRANSACTION)->severity, SEVERITY_CRITICAL);
    assert_int_equal(s.alerts.items[0].count, 2);
    assert_string_equal(s.alerts.items[0].detail, "shop ");
    tear_down(&s);
}

/* 103 waits for 102, which waits for 101, which also blocks 104; 105 blocks one more. */
static void the_root_of_most_is_named(void **state)
{
    static const int by_101[] = {101}, by_102[] = {102}, by_105_and_101[] = {105, 101};
    struct subject s;
    struct pg_session *row;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    add(&s, PG_STATE_IDLE_IN_TRANSACTION, 1);
    row = add(&s, PG_STATE_ACTIVE, 1);
    row->blocked_by = by_101;
    row->blocked_by_count = 1;
    row = add(&s, PG_STATE_ACTIVE, 1);
    row->blocked_by = by_102;
    row->blocked_by_count = 1;
    row = add(&s, PG_STATE_ACTIVE, 1);
    row->blocked_by = by_105_and_101;
    row->blocked_by_count = 2;
    add(&s, PG_STATE_ACTIVE, 1);
    s.activity.counts.blocked = 3;
    update(&s);
    assert_int_equal(only(&s, ALERT_BLOCKED_SESSIONS)->pid, 101);
    assert_true(s.alerts.items[0].value == 3.0);
    s.activity.counts.blocked = 10;
    update(&s);
    assert_int_equal(alerts_worst(&s.alerts), SEVERITY_CRITICAL);
    tear_down(&s);
}

static void a_level_of_zero_is_off(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    s.config->alerts[ALERT_LONG_QUERY].warning = 0;
    s.config->alerts[ALERT_LONG_QUERY].critical = 0;
    s.config->alerts[ALERT_IDLE_IN_TRANSACTION].warning = 0;
    add(&s, PG_STATE_ACTIVE, 9999);
    add(&s, PG_STATE_IDLE_IN_TRANSACTION, 61);
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    add(&s, PG_STATE_IDLE_IN_TRANSACTION, 600);
    update(&s);
    assert_int_equal(only(&s, ALERT_IDLE_IN_TRANSACTION)->count, 1);
    tear_down(&s);
}

/* ---- Redis ---- */

static void memory_is_a_share_of_the_limit(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_REDIS);
    update(&s);
    assert_int_equal(s.alerts.count, 0); /* no limit */
    s.info.maxmemory = 55;
    update(&s);
    assert_int_equal(only(&s, ALERT_REDIS_MEMORY_HIGH)->severity, SEVERITY_WARNING);
    s.info.maxmemory = 51;
    update(&s);
    assert_int_equal(alerts_worst(&s.alerts), SEVERITY_CRITICAL);
    tear_down(&s);
}

static void evictions_and_failed_saves(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s, INSTANCE_REDIS);
    s.info.rates.evicted = 100.0;
    strcpy(s.info.policy, "allkeys-lru");
    update(&s);
    assert_int_equal(only(&s, ALERT_REDIS_EVICTING)->severity, SEVERITY_CRITICAL);
    assert_string_equal(s.alerts.items[0].detail, "allkeys-lru");
    s.info.rates.evicted = 0.0;
    s.info.rdb_last_bgsave_ok = 0;
    update(&s);
    assert_string_equal(only(&s, ALERT_REDIS_SAVE_FAILING)->detail, "RDB");
    s.info.rdb_last_bgsave_ok = -1;
    update(&s);
    assert_int_equal(s.alerts.count, 0);
    s.info.aof_last_write_ok = 0;
    update(&s);
    assert_string_equal(only(&s, ALERT_REDIS_SAVE_FAILING)->detail, "AOF");
    tear_down(&s);
}

/* ---- the list ---- */

static void critical_comes_first_then_the_oldest(void **state)
{
    static char runbook[] = "Ask the owner";
    struct subject s;
    struct instance other;

    (void)state;
    set_up(&s, INSTANCE_POSTGRES);
    s.config->alerts[ALERT_LONG_QUERY].runbook = runbook;
    add(&s, PG_STATE_ACTIVE, 100);
    update(&s);
    s.wall = 1001.0;
    s.activity.counts.total = 90;
    update(&s);
    s.wall = 1002.0;
    other = s.instance;
    other.name = "two";
    other.state = INSTANCE_DOWN;
    alerts_update(&s.alerts, &other, s.config->alerts, s.wall);
    assert_int_equal(s.alerts.count, 3);
    assert_ptr_equal(s.alerts.items[0].instance, &other);
    assert_int_equal(s.alerts.items[1].name, ALERT_LONG_QUERY);
    assert_string_equal(s.alerts.items[1].runbook, "Ask the owner");
    assert_int_equal(s.alerts.items[2].name, ALERT_POSTGRES_CONNECTIONS_HIGH);
    assert_int_equal(s.alerts.raised, 3);
    s.activity.counts.total = 1;
    update(&s);
    assert_int_equal(s.alerts.count, 2);
    s.config->alerts[ALERT_LONG_QUERY].runbook = NULL;
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(down_is_critical_with_the_reason),
        cmocka_unit_test(silence_is_down_after_five_seconds),
        cmocka_unit_test(old_data_raises_nothing),
        cmocka_unit_test(connections_are_a_share_of_all_slots),
        cmocka_unit_test(the_longest_query_is_named),
        cmocka_unit_test(idle_in_transaction_counts_both_kinds),
        cmocka_unit_test(the_root_of_most_is_named),
        cmocka_unit_test(a_level_of_zero_is_off),
        cmocka_unit_test(memory_is_a_share_of_the_limit),
        cmocka_unit_test(evictions_and_failed_saves),
        cmocka_unit_test(critical_comes_first_then_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
