/* The lab itself: other tests stand on what it promises. */
#include "tests/lab/lab.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static void tick(void)
{
    const struct timespec t = {0, 5000000};
    nanosleep(&t, NULL);
}

/* Waits until the statement's value is the expected one. */
static void await_value(const struct lab *lab, const char *sql, const char *expected)
{
    for (int waited = 0;; waited += 5) {
        char *value = lab_pg_value(lab, sql);
        bool same = strcmp(value, expected) == 0;
        if (!same && waited > PATIENCE_MS) {
            print_error("%s gives %s\n", sql, value);
        }
        free(value);
        if (same) {
            return;
        }
        assert_true(waited <= PATIENCE_MS);
        tick();
    }
}

static void assert_redis(const struct lab *lab, const char *command, const char *expected)
{
    char *value = lab_redis_value(lab, command);
    assert_string_equal(value, expected);
    free(value);
}

static void is_filled_like_the_reference(void **state)
{
    (void)state;
    struct lab *lab = lab_shared();
    await_value(lab,
                "SELECT string_agg(datname || '=' || rolname, ' ' ORDER BY datname)"
                " FROM pg_database JOIN pg_roles r ON r.oid = datdba"
                " WHERE NOT datistemplate AND datname <> 'postgres'",
                "aletheia_dev=aletheia_dev aletheia_prod=aletheia_prod"
                " aletheia_staging=aletheia_staging monitoring=monitoring umami=umami");
    char *keyspace = lab_redis_value(lab, "INFO keyspace");
    for (int db = 0; db < 6; db++) {
        char line[32];
        snprintf(line, sizeof(line), "db%d:keys=", db);
        assert_non_null(strstr(keyspace, line));
    }
    free(keyspace);
    assert_redis(lab,
                 "TYPE celery\x06\x16"
                 "3",
                 "list");
    assert_redis(lab, "TYPE unacked_index", "zset");
    assert_redis(lab, "TYPE _kombu.binding.celery", "set");
    lab_stop(lab);
}

static void has_a_live_load(void **state)
{
    (void)state;
    struct lab *lab = lab_shared();
    await_value(lab,
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                " AND query LIKE '%pg_sleep(900)%' AND datname = 'umami'",
                "1");
    await_value(
        lab, "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0",
        "2");
    await_value(lab,
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = 'aletheia_staging'"
                " AND application_name = 'aletheia-shell'",
                "1");
    lab_stop(lab);
}

static bool answers(PGconn *conn, int patience_ms)
{
    struct pollfd fd = {PQsocket(conn), POLLIN, 0};
    return poll(&fd, 1, patience_ms) == 1;
}

static void freezes_and_thaws(void **state)
{
    struct lab *lab = *state;
    PGconn *conn = lab_pg_connect(lab, "dbname=umami");
    lab_freeze(lab, LAB_POSTGRES);
    lab_freeze(lab, LAB_REDIS_SERVER);
    assert_int_equal(PQsendQuery(conn, "SELECT 1"), 1);
    assert_false(answers(conn, 100));
    lab_thaw(lab, LAB_POSTGRES);
    lab_thaw(lab, LAB_REDIS_SERVER);
    assert_true(answers(conn, PATIENCE_MS));
    PQfinish(conn);
    assert_redis(lab, "PING", "PONG");
}

static void kills_and_restarts(void **state)
{
    struct lab *lab = *state;
    pid_t postgres = lab_pid(lab, LAB_POSTGRES), redis = lab_pid(lab, LAB_REDIS_SERVER);
    PGconn *conn = lab_pg_connect(lab, NULL);
    lab_kill(lab, LAB_POSTGRES);
    lab_kill(lab, LAB_REDIS_SERVER);
    PQclear(PQexec(conn, "SELECT 1"));
    assert_int_equal(PQstatus(conn), CONNECTION_BAD);
    PQfinish(conn);
    assert_int_equal(PQping(lab_get(lab, "LAB_PG")), PQPING_NO_RESPONSE);
    lab_restart(lab, LAB_POSTGRES);
    lab_restart(lab, LAB_REDIS_SERVER);
    assert_int_not_equal(lab_pid(lab, LAB_POSTGRES), postgres);
    assert_int_not_equal(lab_pid(lab, LAB_REDIS_SERVER), redis);
    assert_int_equal(PQping(lab_get(lab, "LAB_PG_TCP")), PQPING_OK);
    assert_redis(lab, "PING", "PONG");
}

static void options_survive_a_restart(void **state)
{
    struct lab *lab = *state;
    await_value(lab, "SHOW max_connections", "7");
    lab_kill(lab, LAB_POSTGRES);
    lab_restart(lab, LAB_POSTGRES);
    await_value(lab, "SHOW max_connections", "7");
}

static void holds_a_start_up(void **state)
{
    struct lab *lab = *state;
    lab_kill(lab, LAB_POSTGRES);
    lab_restart_postgres_starting(lab);
    PGconn *conn = PQconnectdb(lab_get(lab, "LAB_PG"));
    assert_int_equal(PQstatus(conn), CONNECTION_BAD);
    assert_non_null(strstr(PQerrorMessage(conn), "the database system is starting up"));
    PQfinish(conn);
    lab_let_postgres_start(lab);
    await_value(lab, "SELECT count(*) FROM pg_database WHERE datname = 'umami'", "1");
}

/* A zombie that nobody has reaped yet has no program any more. */
static bool ended(pid_t pid)
{
    char link[64], target[64];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    return readlink(link, target, sizeof(target)) < 0 && errno == ENOENT;
}

static bool vanished(const char *dir, pid_t postgres, pid_t redis)
{
    return access(dir, F_OK) < 0 && errno == ENOENT && ended(postgres) && ended(redis);
}

static void vanishes_with_its_owner(void **state)
{
    (void)state;
    struct {
        char dir[64];
        pid_t postgres, redis;
    } made = {"", 0, 0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t owner = fork();
    assert_true(owner >= 0);
    if (owner == 0) {
        struct lab *lab = lab_start(NULL);
        lab_load(lab);
        snprintf(made.dir, sizeof(made.dir), "%s", lab_get(lab, "LAB_DIR"));
        made.postgres = lab_pid(lab, LAB_POSTGRES);
        made.redis = lab_pid(lab, LAB_REDIS_SERVER);
        _exit(write(ends[1], &made, sizeof(made)) == sizeof(made) && pause() ? 1 : 0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &made, sizeof(made)), sizeof(made));
    close(ends[0]);
    assert_false(vanished(made.dir, made.postgres, made.redis));
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
    for (int waited = 0; !vanished(made.dir, made.postgres, made.redis); waited += 5) {
        assert_true(waited <= PATIENCE_MS);
        tick();
    }
}

static int start_small(void **state)
{
    *state = lab_start("-c max_connections=7 -c superuser_reserved_connections=2");
    return 0;
}

static int stop(void **state)
{
    lab_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest shared[] = {
        cmocka_unit_test(is_filled_like_the_reference),
        cmocka_unit_test(has_a_live_load),
        cmocka_unit_test(vanishes_with_its_owner),
    };
    const struct CMUnitTest own[] = {
        cmocka_unit_test(freezes_and_thaws),
        cmocka_unit_test(kills_and_restarts),
        cmocka_unit_test(options_survive_a_restart),
        cmocka_unit_test(holds_a_start_up),
    };
    int failed = cmocka_run_group_tests_name("lab, shared", shared, NULL, NULL);
    return failed + cmocka_run_group_tests_name("lab, own", own, start_small, stop);
}
