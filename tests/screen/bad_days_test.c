/* Servers that do not answer, have gone, or refuse: the screen says why, and works on. */
#include "backend/base/mem.h"
#include "tests/screen/dashboard.h"

#include <stdio.h>
#include <sys/wait.h>

static struct lab *lab;

/* The lab's configuration; where an address is given, with that server in the place of its own. */
static struct term *start_on(const struct lab *on, const char *postgres, const char *redis)
{
    const char *more[8] = {"--interval", "0.5"};
    int count = 2;

    if (postgres) {
        more[count++] = "--postgres";
        more[count++] = postgres;
    }
    if (redis) {
        more[count++] = "--redis";
        more[count++] = redis;
    }
    return dashboard_start(on, 36, 200, NULL, more);
}

static struct term *start(void)
{
    struct term *term = start_on(lab, NULL, NULL);

    expect_both_up(term);
    expect_screen(term, "umami");
    return term;
}

/* Help opens and closes, views switch, a table is sorted: keys act whatever the servers do. */
static void expect_keys_act(struct term *term)
{
    term_keys(term, "?");
    expect_screen(term, "┌ Help");
    term_keys(term, "q");
    expect_gone(term, "┌ Help");
    term_keys(term, "4S");
    expect_screen(term, "DATABASE▾");
    expect_screen(term, "aletheia_dev");
    term_keys(term, "S");
    expect_screen(term, "DATABASE▴");
    term_keys(term, "9");
    expect_screen(term, "SEVERITY");
    term_keys(term, "1");
    expect_screen(term, "conns ");
}

/* ---- servers that stop, and servers that go ---- */

static void test_frozen_postgres(void **state)
{
    struct term *term = start();

    (void)state;
    lab_freeze(lab, LAB_POSTGRES);
    expect_screen(term, "shared_postgres [0-9.]+ stale");
    expect_screen(term, "the server does not answer; what is shown is its last word");
    expect_now(term, "conns .*[0-9]+/100");
    expect_screen(term, "PostgreSQL · .*stale [0-9]+s");
    expect_keys_act(term);
    expect_now(term, "memory .*/128M");
    expect_not_now(term, "shared_redis [0-9.]+ stale");
    lab_thaw(lab, LAB_POSTGRES);
    expect_gone(term, "stale|down|connecting|does not answer");
    expect_quit(term);
}

static void test_frozen_redis(void **state)
{
    struct term *term = start();

    (void)state;
    lab_freeze(lab, LAB_REDIS_SERVER);
    expect_screen(term, "shared_redis [0-9.]+ stale");
    expect_now(term, "memory .*/128M");
    expect_screen(term, "Redis · .*stale [0-9]+s");
    expect_keys_act(term);
    expect_not_now(term, "shared_postgres [0-9.]+ stale");
    lab_thaw(lab, LAB_REDIS_SERVER);
    expect_gone(term, "stale|down|connecting|does not answer");
    expect_quit(term);
}

static void test_both_frozen(void **state)
{
    struct term *term = start();

    (void)state;
    lab_freeze(lab, LAB_POSTGRES);
    lab_freeze(lab, LAB_REDIS_SERVER);
    expect_screen(term, "shared_postgres [0-9.]+ stale");
    expect_screen(term, "shared_redis [0-9.]+ (stale|down)");
    expect_keys_act(term);
    expect_now(term, "memory .*/128M");
    lab_thaw(lab, LAB_POSTGRES);
    lab_thaw(lab, LAB_REDIS_SERVER);
    expect_gone(term, "stale|down|connecting|does not answer");
    expect_quit(term);
}

/* Nobody has to wait for a server in order to leave. */
static void test_quit_while_both_are_frozen(void **state)
{
    struct term *term = start();

    (void)state;
    lab_freeze(lab, LAB_POSTGRES);
    lab_freeze(lab, LAB_REDIS_SERVER);
    expect_screen(term, "shared_postgres [0-9.]+ stale");
    expect_quit(term);
    lab_thaw(lab, LAB_POSTGRES);
    lab_thaw(lab, LAB_REDIS_SERVER);
}

static void test_killed_and_started_again(void **state)
{
    struct term *term = start();

    (void)state;
    lab_kill(lab, LAB_POSTGRES);
    lab_kill(lab, LAB_REDIS_SERVER);
    expect_screen(term, "shared_postgres [0-9.]+ down");
    expect_screen(term, "shared_redis [0-9.]+ down");
    expect_screen(term, "PostgreSQL · .*stale [0-9]+s.*Redis · .*stale [0-9]+s");
    expect_screen(term, "PostgresDown");
    expect_screen(term, "RedisDown");
    expect_now(term, "conns .*[0-9]+/100");
    expect_now(term, "memory .*/128M");
    expect_now(term, "Celery broker");
    term_keys(term, "4");
    expect_screen(term, "down: .*(No such file|refused|closed).*; next try in [0-9]+ s");
    expect_now(term, "umami");
    term_keys(term, "5");
    expect_screen(term, "down: .*(No such file|refused|closed).*; next try in [0-9]+ s");
    expect_now(term, "Celery broker");
    term_keys(term, "1");
    expect_keys_act(term);
    lab_restart(lab, LAB_POSTGRES);
    lab_restart(lab, LAB_REDIS_SERVER);
    expect_screen(term, "● shared_postgres 1");
    expect_screen(term, "● shared_redis [0-9]");
    expect_gone(term, "stale|down|next try|PostgresDown|RedisDown");
    lab_fill(lab);
    expect_quit(term);
}

static void test_server_in_start_up(void **state)
{
    struct term *term = start();

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "Databases · shared_postgres");
    lab_kill(lab, LAB_POSTGRES);
    lab_restart_postgres_starting(lab);
    expect_screen(term, "down: the database system is (starting up|not yet accepting connections);"
                        " next try in [0-9]+ s");
    expect_now(term, "umami");
    term_keys(term, "1");
    expect_screen(term, "memory .*/128M");
    expect_not_now(term, "shared_redis [0-9.]+ (stale|down)");
    lab_let_postgres_start(lab);
    expect_screen(term, "● shared_postgres 1");
    expect_gone(term, "stale|down|next try");
    expect_quit(term);
}

/* ---- servers that refuse ---- */

/* The overview says that one server is down and shows the other one; the view of the former gives
 * reason and next try on one line, and the mend. */
static void expect_refusal(struct term *term, const char *other, const char *view,
                           const char *reason, const char *mend)
{
    char *line = mem_printf("✗ down: .*%s.*; next try in [0-9]+ s", reason);

    expect_screen(term, other);
    expect_screen(term, "✗ down: ");
    expect_now(term, other);
    term_keys(term, view);
    expect_screen(term, line);
    expect_now(term, mend);
    free(line);
    expect_quit(term);
}

static void expect_postgres_refuses(char *conninfo, const char *reason, const char *mend)
{
    struct term *term = start_on(lab, conninfo, NULL);

    free(conninfo);
    expect_refusal(term, "memory .*/128M", "2", reason, mend);
}

static void expect_redis_refuses(char *url, const char *reason, const char *mend)
{
    struct term *term = start_on(lab, NULL, url);

    free(url);
    expect_refusal(term, "conns .*[0-9]+/100", "6", reason, mend);
}

static void test_postgres_refuses(void **state)
{
    const char *tcp = lab_get(lab, "LAB_PG_TCP");

    (void)state;
    expect_postgres_refuses(mem_printf("%s user=watcher password=wrong-one", tcp),
                            "password authentication failed for user \"watcher\"",
                            "password_key in the config");
    expect_postgres_refuses(mem_printf("%s sslmode=require", tcp),
                            "server does not support SSL, but SSL was required",
                            "set sslmode=prefer in conninfo");
    expect_postgres_refuses(mem_strdup("host=name.invalid user=admin"),
                            "could not find host \"name\\.invalid\"", "check host in conninfo");
    expect_postgres_refuses(mem_strdup("host=127.0.0.1 port=1 user=admin"), "Connection refused",
                            "check host and port; is the server running");
    expect_postgres_refuses(mem_printf("%s dbname=nowhere", lab_get(lab, "LAB_PG")),
                            "database \"nowhere\" does not exist", "check dbname in conninfo");
}

static void test_redis_refuses(void **state)
{
    const char *port = lab_get(lab, "LAB_REDIS_PORT");

    (void)state;
    expect_redis_refuses(mem_printf("redis://noinfo:wrong-one@127.0.0.1:%s", port),
                         "the server refuses this user name or password",
                         "check it in the url .*password_key");
    expect_redis_refuses(mem_strdup("redis://name.invalid"),
                         "could not find host \"name\\.invalid\"", "check the host in the url");
    expect_redis_refuses(mem_strdup("redis://127.0.0.1:1"), "127.0.0.1:1: nothing listens there",
                         "start it, or correct host and port");
    expect_redis_refuses(mem_strdup("unix:/nonexistent/redis.sock"), "No such file or directory",
                         "correct the path");
}

/* Where there is no room for all, the header keeps what is not up; and the alerts say whose they are. */
static void test_what_is_down_is_seen_first(void **state)
{
    const char *more[] = {
        "--redis", lab_get(lab, "LAB_REDIS"), "--redis",    "redis://127.0.0.1:1",
        "--redis", "redis://127.0.0.1:2",     "--postgres", lab_get(lab, "LAB_PG"),
        NULL};
    struct term *term = dashboard_bare(24, 80, more);

    (void)state;
    expect_screen(term, "✗ 127\\.0\\.0\\.1:1 down .*\\+[0-9]");
    expect_not_now(term, "● local");
    expect_screen(term, "‼ +RedisDown +127\\.0\\.0\\.1:[12] .*could not connect");
    term_keys(term, "9");
    expect_screen(term, "critical RedisDown +127\\.0\\.0\\.1:1 .*could not connect");
    expect_now(term, "critical RedisDown +127\\.0\\.0\\.1:2 .*could not connect");
    expect_quit(term);
}

/* What was typed on the command line does not come back on the screen. */
static void test_passwords_are_not_shown(void **state)
{
    char *postgres = mem_printf("%s user=watcher password=hush-hush", lab_get(lab, "LAB_PG_TCP"));
    char *redis =
        mem_printf("redis://noinfo:hush-hush@127.0.0.1:%s", lab_get(lab, "LAB_REDIS_PORT"));
    struct term *term = start_on(lab, postgres, redis);

    (void)state;
    expect_screen(term, "✗ down: password authentication failed");
    expect_screen(term, "✗ down: the server refuses");
    for (const char *view = "123456789"; *view; view++) {
        const char key[] = {*view, '\0'};
        size_t before = term_bytes(term);

        term_keys(term, key);
        assert_true(term_wait_output(term, before, TERM_PATIENCE));
    }
    expect_screen(term, "SEVERITY");
    assert_false(expect_raw_has(term, "hush-hush"));
    expect_quit(term);
    free(postgres);
    free(redis);
}

/* ---- rights ---- */

static void test_role_without_pg_monitor(void **state)
{
    char *conninfo = mem_printf("%s user=umami dbname=umami", lab_get(lab, "LAB_PG"));
    struct term *term = start_on(lab, conninfo, NULL);

    (void)state;
    expect_both_up(term);
    expect_screen(term, "GRANT pg_monitor TO \"umami\"");
    term_keys(term, "2");
    expect_screen(term, "Sessions");
    expect_screen(term, "GRANT pg_monitor TO \"umami\"");
    expect_not_now(term, "down|next try");
    expect_quit(term);
    free(conninfo);
}

/* The connection is up, so the grant is seen by the next poll. */
static void test_redis_user_without_info(void **state)
{
    char *url = mem_printf("redis://noinfo:noinfo@127.0.0.1:%s", lab_get(lab, "LAB_REDIS_PORT"));
    struct term *term = start_on(lab, NULL, url);

    (void)state;
    expect_screen(term, "conns .*[0-9]+/100");
    expect_screen(term, "user noinfo may not run INFO \\(ACL\\): ACL SETUSER noinfo \\+info");
    free(lab_redis_value(lab, "ACL SETUSER noinfo +info"));
    expect_screen(term, "memory .*/128M");
    expect_gone(term, "may not run INFO|ACL SETUSER");
    free(lab_redis_value(lab, "ACL SETUSER noinfo -info"));
    expect_screen(term, "user noinfo may not run INFO");
    expect_now(term, "memory .*/128M");
    expect_quit(term);
    free(url);
}

/* ---- no room ---- */

enum { SLOTS = 5 };

static void test_too_many_clients(void **state)
{
    struct lab *small = lab_start("-c max_connections=5");
    PGconn *taken[SLOTS];
    struct term *term;

    (void)state;
    for (int i = 0; i < SLOTS; i++)
        taken[i] = lab_pg_connect(small, NULL);
    term = start_on(small, NULL, NULL);
    expect_screen(term, "memory .*/128M");
    expect_screen(term, "✗ down: ");
    term_keys(term, "2");
    expect_screen(term, "✗ down: sorry, too many clients already; next try in [0-9]+ s");
    expect_now(term, "end a session");
    for (int i = 0; i < SLOTS; i++)
        PQfinish(taken[i]);
    expect_gone(term, "down|too many clients");
    term_keys(term, "1");
    expect_both_up(term);
    expect_quit(term);
    lab_stop(small);
}

/* ---- the lab ---- */

static int set_up(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    lab_fill(lab);
    return 0;
}

/* A test that failed leaves no server stopped for those after it. */
static int thaw(void **state)
{
    (void)state;
    lab_thaw(lab, LAB_POSTGRES);
    lab_thaw(lab, LAB_REDIS_SERVER);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_frozen_postgres, thaw),
        cmocka_unit_test_teardown(test_frozen_redis, thaw),
        cmocka_unit_test_teardown(test_both_frozen, thaw),
        cmocka_unit_test_teardown(test_quit_while_both_are_frozen, thaw),
        cmocka_unit_test(test_killed_and_started_again),
        cmocka_unit_test(test_server_in_start_up),
        cmocka_unit_test(test_postgres_refuses),
        cmocka_unit_test(test_redis_refuses),
        cmocka_unit_test(test_what_is_down_is_seen_first),
        cmocka_unit_test(test_passwords_are_not_shown),
        cmocka_unit_test(test_role_without_pg_monitor),
        cmocka_unit_test(test_redis_user_without_info),
        cmocka_unit_test(test_too_many_clients),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
