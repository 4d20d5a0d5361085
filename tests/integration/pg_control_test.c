/* The connection for acts: what it answers, what it survives, and what it leaves as it was. */
#include "backend/base/mem.h"
#include "backend/pg_instance.h"
#include "tests/integration/pg_act.h"
#include "tests/integration/pg_pooler.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What came of a request. */
struct heard {
    int count; /* of answers, over all */
    bool fine;
    char *value, *error, sqlstate[6];
    struct pg_control *free; /* is freed from inside the answer */
};

struct lone {
    struct pg_watch watch; /* first */
    struct pg_control *control;
    struct heard heard;
};

static void hear(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct heard *heard = context;

    heard->count++;
    heard->fine = rows != NULL;
    free(heard->value);
    free(heard->error);
    heard->value = mem_strdup(rows && PQntuples(rows) ? PQgetvalue(rows, 0, 0) : "");
    heard->error = mem_strdup(error);
    snprintf(heard->sqlstate, sizeof(heard->sqlstate), "%s", sqlstate ? sqlstate : "");
    PQclear(rows);
    if (heard->free)
        pg_control_free(heard->free);
    heard->free = NULL;
}

static bool is_answered(const struct pg_watch *watch)
{
    return ((const struct lone *)watch)->heard.count > 0;
}

static void await(struct lone *lone)
{
    PG_UNTIL(&lone->watch, is_answered);
    lone->heard.count = 0;
}

static void ask(struct lone *lone, const char *sql, int timeout_ms)
{
    lone->heard.count = 0;
    pg_control_ask(lone->control, sql, 0, NULL, timeout_ms, false, hear, &lone->heard);
    await(lone);
}

static void assert_value(struct lone *lone, const char *sql, int timeout_ms, const char *value)
{
    ask(lone, sql, timeout_ms);
    if (!lone->heard.fine)
        fail_msg("%s: %s", sql, lone->heard.error);
    assert_string_equal(lone->heard.value, value);
}

static void assert_error(struct lone *lone, const char *sql, int timeout_ms, const char *sqlstate)
{
    ask(lone, sql, timeout_ms);
    assert_false(lone->heard.fine);
    assert_string_equal(lone->heard.sqlstate, sqlstate);
}

static bool has_control(const struct pg_watch *watch)
{
    return pg_is_filled(watch) && pg_control_conn(((const struct lone *)watch)->control);
}

static void start(struct lone *lone, const char *conninfo)
{
    *lone = (struct lone){.control = NULL};
    pg_watch_start(&lone->watch, conninfo, 0.5);
    lone->control = pg_instance_acts((struct instance_impl *)(uintptr_t)lone->watch.instance);
    PG_UNTIL(&lone->watch, has_control);
}

static void stop(struct lone *lone)
{
    pg_watch_stop(&lone->watch);
    free(lone->heard.value);
    free(lone->heard.error);
}

static char *own_pid(struct lone *lone)
{
    ask(lone, "SELECT pg_backend_pid()", PG_CONTROL_TIMEOUT);
    return mem_strdup(lone->heard.value);
}

/* ---- what it leaves as it was ---- */

static void an_error_costs_only_itself(void **state)
{
    struct lone lone;
    char *pid;

    start(&lone, lab_get(*state, "LAB_PG"));
    pid = own_pid(&lone);
    assert_error(&lone, "SELECT 1 / 0", PG_CONTROL_TIMEOUT, "22012");
    assert_string_equal(lone.heard.error, "division by zero");
    assert_error(&lone, "SELEKT", 3000, "42601");
    assert_error(&lone, "SELECT pg_sleep(60)", 50, "57014");
    assert_value(&lone, "SELECT pg_backend_pid()", PG_CONTROL_TIMEOUT, pid);
    free(pid);
    stop(&lone);
}

static void a_timeout_is_put_back(void **state)
{
    struct lone lone;

    start(&lone, lab_get(*state, "LAB_PG"));
    assert_value(&lone, "SHOW statement_timeout", PG_CONTROL_TIMEOUT, "10s");
    assert_value(&lone, "SHOW statement_timeout", 1234, "1234ms");
    assert_value(&lone, "SHOW statement_timeout", 0, "0");
    assert_value(&lone, "SHOW statement_timeout", PG_CONTROL_TIMEOUT, "10s");
    assert_error(&lone, "SELECT 1 / 0", 0, "22012");
    assert_value(&lone, "SHOW statement_timeout", PG_CONTROL_TIMEOUT, "10s");
    stop(&lone);
}

static void databases_can_be_made(void **state)
{
    struct lone lone;

    start(&lone, lab_get(*state, "LAB_PG"));
    assert_value(&lone, "CREATE DATABASE made", 0, "");
    assert_value(&lone, "DROP DATABASE made", 5000, "");
    assert_value(&lone, "SELECT count(*) FROM pg_database WHERE datname = 'made'", 5000, "0");
    stop(&lone);
}

static void parameters_are_text(void **state)
{
    struct lone lone;
    const char *const values[] = {"it's \"so\"", NULL};

    start(&lone, lab_get(*state, "LAB_PG"));
    pg_control_ask(lone.control, "SELECT $1::text || coalesce($2::text, ' and null')", 2, values,
                   PG_CONTROL_TIMEOUT, true, hear, &lone.heard);
    await(&lone);
    assert_string_equal(lone.heard.value, "it's \"so\" and null");
    ask(&lone, "DO $$ BEGIN RAISE EXCEPTION 'what' USING DETAIL = E'one\\ntwo'; END $$", 3000);
    assert_string_equal(lone.heard.error, "what (one two)");
    stop(&lone);
}

/* ---- what it survives ---- */

static void the_forgotten_stay_silent(void **state)
{
    struct lone lone;
    struct heard forgotten = {.count = 0};
    struct pg_control_request *sent, *waiting;

    start(&lone, lab_get(*state, "LAB_PG"));
    sent = pg_control_ask(lone.control, "SELECT pg_sleep(0.1)", 0, NULL, 5000, false, hear,
                          &forgotten);
    waiting = pg_control_ask(lone.control, "CREATE ROLE never_made", 0, NULL, 5000, false, hear,
                             &forgotten);
    pg_control_forget(sent);
    pg_control_forget(waiting);
    assert_value(&lone, "SELECT count(*) FROM pg_roles WHERE rolname = 'never_made'", 5000, "0");
    assert_int_equal(forgotten.count, 0);
    stop(&lone);
}

static bool all_answered(const struct pg_watch *watch)
{
    return ((const struct lone *)watch)->heard.count == 40;
}

static void many_are_answered_in_order(void **state)
{
    struct lone lone;

    start(&lone, lab_get(*state, "LAB_PG"));
    for (int i = 0; i < 40; i++) {
        char *sql = mem_printf("SELECT %d", i);

        pg_control_ask(lone.control, sql, 0, NULL, i % 3 ? 5000 : 0, false, hear, &lone.heard);
        free(sql);
    }
    PG_UNTIL(&lone.watch, all_answered);
    assert_string_equal(lone.heard.value, "39");
    stop(&lone);
}

static void a_lost_connection_is_told_and_comes_back(void **state)
{
    struct lone lone;
    char *pid, *kill_it, *sleeps;

    start(&lone, lab_get(*state, "LAB_PG"));
    pid = own_pid(&lone);
    kill_it = mem_printf("SELECT pg_terminate_backend(%s)", pid);
    sleeps = mem_printf("SELECT pg_sleep(60), %s", pid);
    lone.heard.count = 0;
    pg_control_ask(lone.control, sleeps, 0, NULL, 0, false, hear, &lone.heard);
    free(lab_pg_value(*state, kill_it));
    await(&lone);
    assert_false(lone.heard.fine);
    assert_string_equal(lone.heard.error, "terminating connection due to administrator command");
    ask(&lone, "SELECT pg_backend_pid()", PG_CONTROL_TIMEOUT);
    assert_true(lone.heard.fine);
    assert_string_not_equal(lone.heard.value, pid);
    free(pid);
    free(kill_it);
    free(sleeps);
    stop(&lone);
}

static void who_does_not_answer_is_given_up(void **state)
{
    struct lone lone;
    char *pid;

    start(&lone, lab_get(*state, "LAB_PG"));
    pid = own_pid(&lone);
    kill((pid_t)strtol(pid, NULL, 10), SIGSTOP);
    ask(&lone, "SELECT 1", 100);
    assert_string_equal(lone.heard.error, "the server does not answer");
    assert_value(&lone, "SELECT 1", PG_CONTROL_TIMEOUT, "1");
    kill((pid_t)strtol(pid, NULL, 10), SIGCONT);
    free(pid);
    stop(&lone);
}

static void ignore(void *context)
{
    (void)context;
}

/* One of its own, that is gone when its answer's receiver returns; and one in the midst of opening. */
static void it_can_be_freed_at_any_moment(void **state)
{
    struct lone lone;
    struct instance_impl *impl;
    struct pg_control *own;

    start(&lone, lab_get(*state, "LAB_PG"));
    impl = (struct instance_impl *)(uintptr_t)lone.watch.instance;
    own = pg_control_new(impl, lone.watch.instance->postgres_config, ignore, NULL);
    lone.heard.free = own;
    pg_control_ask(own, "SELECT 'last'", 0, NULL, 5000, false, hear, &lone.heard);
    pg_control_ask(own, "SELECT 'never'", 0, NULL, 5000, true, hear, &lone.heard);
    await(&lone);
    assert_string_equal(lone.heard.value, "last");
    own = pg_control_new(impl, lone.watch.instance->postgres_config, ignore, NULL);
    pg_control_ask(own, "SELECT 1", 0, NULL, 5000, false, hear, &lone.heard);
    pg_control_free(own);
    own = pg_control_new(impl, lone.watch.instance->postgres_config, ignore, NULL);
    pg_control_ask(own, "SELECT pg_sleep(60)", 0, NULL, 5000, false, hear, &lone.heard);
    pg_act_until(*state, "SELECT true");
    pg_watch_next(&lone.watch);
    pg_control_free(own);
    assert_value(&lone, "SELECT 'well'", PG_CONTROL_TIMEOUT, "well");
    stop(&lone);
}

static void nobody_listens_is_told(void **state)
{
    struct lone lone;

    start(&lone, lab_get(*state, "LAB_PG"));
    lab_kill(*state, LAB_POSTGRES);
    ask(&lone, "SELECT 1", PG_CONTROL_TIMEOUT);
    assert_false(lone.heard.fine);
    assert_string_equal(lone.heard.sqlstate, "");
    lab_restart(*state, LAB_POSTGRES);
    PG_UNTIL(&lone.watch, has_control);
    assert_value(&lone, "SELECT 1", PG_CONTROL_TIMEOUT, "1");
    stop(&lone);
}

/* ---- behind a pooler ---- */

static void a_pooler_s_session_is_left_as_it_was(void **state)
{
    struct pg_pooler *pooler = *state;
    struct lone lone;
    char *conninfo = pg_pooler_conninfo(pooler);

    start(&lone, conninfo);
    assert_value(&lone, "SHOW statement_timeout", 1234, "1234ms");
    assert_value(&lone, "SHOW statement_timeout", 0, "0");
    assert_value(&lone, "CREATE DATABASE made", 0, "");
    assert_value(&lone, "DROP DATABASE made", 5000, "");
    assert_error(&lone, "SELECT pg_sleep(60)", 50, "57014");
    assert_value(&lone, "SHOW statement_timeout", 0, "0");
    assert_int_equal(atomic_load(&pooler->seen->prepared), 0);
    stop(&lone);
    free(conninfo);
}

static int start_lab(void **state)
{
    *state = lab_start(NULL);
    return 0;
}

static int stop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_costs_only_itself),
        cmocka_unit_test(a_timeout_is_put_back),
        cmocka_unit_test(databases_can_be_made),
        cmocka_unit_test(parameters_are_text),
        cmocka_unit_test(the_forgotten_stay_silent),
        cmocka_unit_test(many_are_answered_in_order),
        cmocka_unit_test(a_lost_connection_is_told_and_comes_back),
        cmocka_unit_test(who_does_not_answer_is_given_up),
        cmocka_unit_test(it_can_be_freed_at_any_moment),
        cmocka_unit_test(nobody_listens_is_told),
    };
    const struct CMUnitTest pooled[] = {cmocka_unit_test(a_pooler_s_session_is_left_as_it_was)};
    int failed = cmocka_run_group_tests_name("pg_control", tests, start_lab, stop_lab);

    return failed + cmocka_run_group_tests_name("pg_control, pooled", pooled, pg_pooler_start,
                                                pg_pooler_stop);
}
