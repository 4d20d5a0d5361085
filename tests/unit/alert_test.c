#include "backend/alert.h"
#include "panels/data.h"

#include <limits.h>
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

static void critical_comes_first_then_the_newest(void **state)
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
    assert_int_equal(s.alerts.items[1].name, ALERT_POSTGRES_CONNECTIONS_HIGH);
    assert_int_equal(s.alerts.items[2].name, ALERT_LONG_QUERY);
    assert_string_equal(s.alerts.items[2].runbook, "Ask the owner");
    assert_int_equal(s.alerts.raised, 3);
    s.activity.counts.total = 1;
    update(&s);
    assert_int_equal(s.alerts.count, 2);
    s.config->alerts[ALERT_LONG_QUERY].runbook = NULL;
    tear_down(&s);
}

/* ---- containers ---- */

/* A sample with one container in it. */
struct host {
    struct config *config;
    struct container facts;
    struct container_row row;
    struct containers containers;
    struct alerts alerts;
    double wall;
};

static char one[] = "shared_redis", always[] = "always", no[] = "no", reason[] = "no such file";

static void set_up_host(struct host *h)
{
    *h = (struct host){.config = config_new(), .wall = 5000.0};
    h->facts = (struct container){.name = one,
                                  .service = SERVICE_REDIS,
                                  .state = CONTAINER_RUNNING,
                                  .restart_policy = always,
                                  .memory_limit = 128 << 20};
    h->row = (struct container_row){
        .facts = &h->facts, .watched = true, .oom_at = NAN, .oom_expected = INT_MIN};
    h->row.usage.memory = h->row.usage.memory_limit = -1;
    h->row.usage.oom_score_adj = INT_MIN;
    h->containers = (struct containers){.state = CONTAINERS_UP, .rows = &h->row, .count = 1};
}

static void tear_down_host(struct host *h)
{
    alerts_free(&h->alerts);
    config_free(h->config);
}

static void look(struct host *h)
{
    alerts_update_containers(&h->alerts, &h->containers, h->config->alerts, h->wall);
}

/* The alert that there is alone after a look, NULL: none. */
static const struct alert *alone(struct host *h)
{
    look(h);
    assert_true(h->alerts.count <= 1);
    return h->alerts.count ? h->alerts.items : NULL;
}

static void a_container_of_ours_that_ended_is_critical(void **state)
{
    struct host h;
    const struct alert *alert;

    (void)state;
    set_up_host(&h);
    assert_null(alone(&h));
    h.facts.state = CONTAINER_EXITED;
    h.facts.exit_code = 137;
    h.facts.oom_killed = true;
    h.facts.error = reason;
    alert = alone(&h);
    assert_int_equal(alert->name, ALERT_CONTAINER_DOWN);
    assert_int_equal(alert->severity, SEVERITY_CRITICAL);
    assert_string_equal(alert->detail, "exit code 137, OOM killed, no such file");
    assert_string_equal(alert_subject(alert), "shared_redis");
    assert_null(alert->instance);
    h.facts.state = CONTAINER_PAUSED;
    assert_string_equal(alone(&h)->detail, "paused, OOM killed, no such file");
    h.facts.exit_code = 0;
    h.facts.state = CONTAINER_EXITED; /* a clean end is one, too */
    assert_int_equal(alone(&h)->severity, SEVERITY_CRITICAL);
    h.facts.state = CONTAINER_RUNNING;
    assert_null(alone(&h));
    tear_down_host(&h);
}

static void of_others_only_those_that_are_to_run_are_missed(void **state)
{
    struct host h;

    (void)state;
    set_up_host(&h);
    h.row.watched = false;
    h.facts.state = CONTAINER_EXITED;
    assert_null(alone(&h)); /* it ended well */
    h.facts.exit_code = 1;
    assert_int_equal(alone(&h)->severity, SEVERITY_WARNING);
    h.facts.restart_policy = no;
    assert_null(alone(&h));
    h.facts.restart_policy = NULL;
    assert_null(alone(&h));
    tear_down_host(&h);
}

static void restarts_have_levels(void **state)
{
    struct host h;

    (void)state;
    set_up_host(&h);
    h.config->alerts[ALERT_CONTAINER_RESTARTING].warning = 2;
    h.config->alerts[ALERT_CONTAINER_RESTARTING].critical = 4;
    h.row.recent_restarts = 1;
    assert_null(alone(&h));
    h.row.recent_restarts = 2;
    assert_int_equal(alone(&h)->name, ALERT_CONTAINER_RESTARTING);
    assert_int_equal(h.alerts.items[0].severity, SEVERITY_WARNING);
    assert_true(h.alerts.items[0].value == 2.0);
    h.row.recent_restarts = 4;
    assert_int_equal(alone(&h)->severity, SEVERITY_CRITICAL);
    h.row.recent_restarts = 0;
    h.facts.state = CONTAINER_RESTARTING; /* between two tries: no ContainerDown as well */
    h.facts.exit_code = 2;
    assert_int_equal(alone(&h)->name, ALERT_CONTAINER_RESTARTING);
    assert_int_equal(h.alerts.items[0].severity, SEVERITY_WARNING);
    assert_string_equal(h.alerts.items[0].detail, "exit code 2");
    h.config->alerts[ALERT_CONTAINER_RESTARTING].warning = 0;
    h.config->alerts[ALERT_CONTAINER_RESTARTING].critical = 0;
    assert_null(alone(&h));
    tear_down_host(&h);
}

static void container_memory_is_a_share_of_its_limit(void **state)
{
    struct host h;
    const struct alert *alert;

    (void)state;
    set_up_host(&h);
    h.config->alerts[ALERT_CONTAINER_MEMORY_HIGH].warning = 90;
    h.config->alerts[ALERT_CONTAINER_MEMORY_HIGH].critical = 98;
    h.row.usage.memory = 120 << 20; /* 93.75 % of what the engine was asked for */
    alert = alone(&h);
    assert_int_equal(alert->name, ALERT_CONTAINER_MEMORY_HIGH);
    assert_int_equal(alert->severity, SEVERITY_WARNING);
    assert_true(alert->value == 93.75 && alert->threshold == 90.0);
    h.row.usage.memory_limit = 121 << 20; /* the kernel knows better */
    assert_int_equal(alone(&h)->severity, SEVERITY_CRITICAL);
    h.row.usage.memory_limit = 256 << 20;
    assert_null(alone(&h));
    h.row.usage.memory_limit = 0;
    h.facts.memory_limit = 0; /* no limit */
    assert_null(alone(&h));
    tear_down_host(&h);
}

static void a_kill_is_told_for_ten_minutes(void **state)
{
    struct host h;
    const struct alert *alert;

    (void)state;
    set_up_host(&h);
    h.row.watched = false;
    h.facts.service = SERVICE_OTHER;
    h.row.oom_at = 5000.0;
    alert = alone(&h);
    assert_int_equal(alert->name, ALERT_OOM_KILLED);
    assert_int_equal(alert->severity, SEVERITY_CRITICAL);
    assert_true(alert->value == 134217728.0); /* the limit that was reached */
    h.wall = 5599.0;
    assert_non_null(alone(&h));
    h.wall = 5600.0;
    assert_null(alone(&h));
    h.row.oom_at = 5600.0;
    h.facts.memory_limit = 0;
    assert_true(alone(&h)->value == 0.0); /* the host ran out */
    tear_down_host(&h);
}

static void the_oom_score_is_what_was_expected(void **state)
{
    struct host h;
    const struct alert *alert;

    (void)state;
    set_up_host(&h);
    h.facts.oom_score_adj = -500;
    assert_null(alone(&h)); /* the real one is not known */
    h.row.usage.oom_score_adj = -500;
    assert_null(alone(&h));
    h.row.oom_expected = -800;
    alert = alone(&h);
    assert_int_equal(alert->name, ALERT_OOM_SCORE_WRONG);
    assert_int_equal(alert->severity, SEVERITY_WARNING);
    assert_true(alert->value == -500.0 && alert->threshold == -800.0);
    h.row.oom_expected = INT_MIN;
    h.row.usage.oom_score_adj = 0; /* not what the engine was asked for */
    assert_true(alone(&h)->threshold == -500.0);
    h.row.watched = false;
    h.facts.service = SERVICE_OTHER; /* programs may set it themselves */
    assert_null(alone(&h));
    tear_down_host(&h);
}

static void without_the_engine_no_container_has_alerts(void **state)
{
    struct subject s;
    struct host h;
    double since;

    (void)state;
    set_up(&s, INSTANCE_REDIS);
    set_up_host(&h);
    h.facts.state = CONTAINER_EXITED;
    look(&h);
    s.instance.state = INSTANCE_DOWN;
    alerts_update(&h.alerts, &s.instance, s.config->alerts, h.wall);
    assert_int_equal(h.alerts.count, 2);
    look(&h);
    assert_int_equal(h.alerts.count, 2); /* neither ends the other's */
    assert_int_equal(h.alerts.raised, 2);
    since = h.alerts.items[0].since;
    h.containers.state = CONTAINERS_STALE; /* what was so may still be */
    h.wall += 60.0;
    look(&h);
    assert_int_equal(h.alerts.count, 2);
    h.containers.state = CONTAINERS_UP;
    look(&h);
    assert_int_equal(h.alerts.count, 2);
    assert_int_equal(h.alerts.raised, 2); /* none is new */
    assert_true(h.alerts.items[0].since == since);
    h.containers.state = CONTAINERS_NONE;
    assert_int_equal(alone(&h)->name, ALERT_REDIS_DOWN);
    h.containers.state = CONTAINERS_UP;
    look(&h);
    h.containers.count = 0; /* it was removed */
    assert_ptr_equal(alone(&h)->instance, &s.instance);
    assert_string_equal(alert_subject(h.alerts.items), "one");
    s.instance.removed = true; /* and so was what this one was found in */
    alerts_update(&h.alerts, &s.instance, s.config->alerts, h.wall);
    assert_int_equal(h.alerts.count, 0);
    tear_down_host(&h);
    tear_down(&s);
}

static void a_long_name_is_cut_and_still_one(void **state)
{
    static char name[101];
    struct host h;

    (void)state;
    set_up_host(&h);
    memset(name, 'x', sizeof(name) - 1);
    h.facts.name = name;
    h.facts.state = CONTAINER_EXITED;
    assert_int_equal(strlen(alert_subject(alone(&h))), 63);
    assert_non_null(alone(&h));
    assert_int_equal(h.alerts.raised, 1);
    tear_down_host(&h);
}

static void containers_are_worded(void **state)
{
    static const struct {
        struct alert alert;
        const char *words;
    } cases[] = {
        {{.name = ALERT_CONTAINER_DOWN, .detail = "exit code 1"}, "exit code 1"},
        {{.name = ALERT_CONTAINER_DOWN}, "the container does not run"},
        {{.name = ALERT_POSTGRES_DOWN}, "the server is not there"},
        {{.name = ALERT_REDIS_DOWN, .detail = "could not connect"}, "could not connect"},
        {{.name = ALERT_CONTAINER_RESTARTING, .value = 1}, "restarted 1 time in 10 minutes"},
        {{.name = ALERT_CONTAINER_RESTARTING, .value = 3, .detail = "exit code \x1b[2J1"},
         "restarted 3 times in 10 minutes: exit code "},
        {{.name = ALERT_CONTAINER_RESTARTING, .value = 0, .detail = "exit code 2"},
         "it ends and is started again: exit code 2"},
        {{.name = ALERT_CONTAINER_MEMORY_HIGH, .value = 93.7},
         "94 % of the container's memory limit are used"},
        {{.name = ALERT_OOM_KILLED, .value = 134217728},
         "memory limit of 128M reached: killed by the kernel"},
        {{.name = ALERT_OOM_KILLED, .value = 0},
         "the host ran out of memory: killed by the kernel"},
        {{.name = ALERT_OOM_SCORE_WRONG, .value = 0, .threshold = -800},
         "oom_score_adj is 0 in place of -800: the kernel kills it too early"},
    };
    char out[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        alert_message(&cases[i].alert, out, sizeof(out));
        if (strncmp(out, cases[i].words, strlen(cases[i].words)) != 0)
            assert_string_equal(out, cases[i].words);
        assert_null(strchr(out, '\x1b'));
    }
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
        cmocka_unit_test(critical_comes_first_then_the_newest),
        cmocka_unit_test(a_container_of_ours_that_ended_is_critical),
        cmocka_unit_test(of_others_only_those_that_are_to_run_are_missed),
        cmocka_unit_test(restarts_have_levels),
        cmocka_unit_test(container_memory_is_a_share_of_its_limit),
        cmocka_unit_test(a_kill_is_told_for_ten_minutes),
        cmocka_unit_test(the_oom_score_is_what_was_expected),
        cmocka_unit_test(without_the_engine_no_container_has_alerts),
        cmocka_unit_test(a_long_name_is_cut_and_still_one),
        cmocka_unit_test(containers_are_worded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
