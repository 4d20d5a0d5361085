/* Servers that hang, die, fill up and come back; and a backend that is closed in each state. */
#include "backend/base/mem.h"
#include "backend/pg_instance.h"
#include "tests/integration/pg_watch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_says(const char *text, const char *words)
{
    if (!text || !strstr(text, words))
        fail_msg("\"%s\" is not in: %s", words, text ? text : "(nothing)");
}

static void start(struct pg_watch *watch, void **state)
{
    pg_watch_start(watch, lab_get(*state, "LAB_PG"), 0.2);
    PG_UNTIL(watch, pg_has_both);
}

static int pid_of_row(const struct pg_watch *watch, bool asking)
{
    const struct pg_activity *activity = watch->instance->pg.activity;

    for (size_t i = 0; i < activity->count; i++) {
        bool asks = activity->rows[i].state == PG_STATE_ACTIVE;

        if (activity->rows[i].own && asks == asking)
            return activity->rows[i].pid;
    }
    fail_msg("no such connection of our own");
    return 0;
}

static struct pg_conn *control_of(const struct pg_watch *watch)
{
    return pg_instance_control((struct instance_impl *)(uintptr_t)watch->instance);
}

/* ---- hangs ---- */

static void a_stopped_server_is_stale_and_comes_back(void **state)
{
    struct pg_watch watch;
    const void *kept;
    uint32_t generation;

    start(&watch, state);
    generation = watch.instance->generation;
    lab_freeze(*state, LAB_POSTGRES);
    PG_UNTIL(&watch, pg_is_stale);
    kept = watch.instance->pg.activity;
    assert_non_null(kept);
    assert_int_equal(backend_pending(watch.backend), 0);
    lab_thaw(*state, LAB_POSTGRES);
    PG_UNTIL(&watch, pg_is_filled);
    assert_int_equal(watch.instance->generation, generation);
    assert_null(watch.instance->error);
    pg_watch_stop(&watch);
}

static bool is_up_again(const struct pg_watch *watch)
{
    const uint32_t *generation = watch->context;

    return watch->instance->generation > *generation && pg_is_filled(watch);
}

/* Only the polling connection's server process hangs: it is given up and a new one serves, while
 * acts can be done all the time. */
static void a_stuck_connection_is_given_up(void **state)
{
    struct pg_watch watch;
    const struct alerts *alerts;
    uint32_t generation;
    int stuck;

    start(&watch, state);
    alerts = backend_alerts(watch.backend);
    generation = watch.instance->generation;
    watch.context = &generation;
    stuck = pid_of_row(&watch, true);
    kill(stuck, SIGSTOP);
    PG_UNTIL(&watch, pg_is_stale);
    assert_non_null(control_of(&watch));
    PG_UNTIL(&watch, pg_is_down);
    assert_says(watch.instance->error, "has not answered for");
    assert_int_equal(alerts->items[0].name, ALERT_POSTGRES_DOWN);
    assert_int_equal(alerts->items[0].severity, SEVERITY_CRITICAL);
    PG_UNTIL(&watch, is_up_again);
    assert_non_null(control_of(&watch));
    assert_int_equal(alerts->count, 0);
    kill(stuck, SIGCONT);
    pg_watch_stop(&watch);
}

/* ---- ends ---- */

static void a_killed_server_is_down_and_comes_back(void **state)
{
    struct pg_watch watch;
    uint32_t generation;

    start(&watch, state);
    generation = watch.instance->generation;
    watch.context = &generation;
    lab_kill(*state, LAB_POSTGRES);
    PG_UNTIL(&watch, pg_is_down);
    /* The second is the last word of a process that outlived its postmaster for a moment. */
    if (!strstr(watch.instance->error, "server closed the connection unexpectedly"))
        assert_says(watch.instance->error, "due to unexpected postmaster exit");
    assert_true(watch.instance->pg.activity->count > 0);
    lab_restart(*state, LAB_POSTGRES);
    PG_UNTIL(&watch, is_up_again);
    PG_UNTIL(&watch, pg_has_both);
    pg_watch_stop(&watch);
}

static bool says_starting(const struct pg_watch *watch)
{
    return watch->instance->error && strstr(watch->instance->error, "starting up");
}

static void a_starting_server_says_so(void **state)
{
    struct pg_watch watch;
    uint32_t generation;

    start(&watch, state);
    generation = watch.instance->generation;
    watch.context = &generation;
    lab_kill(*state, LAB_POSTGRES);
    lab_restart_postgres_starting(*state);
    PG_UNTIL(&watch, says_starting);
    assert_string_equal(watch.instance->error, "the database system is starting up");
    lab_let_postgres_start(*state);
    PG_UNTIL(&watch, is_up_again);
    pg_watch_stop(&watch);
}

static void terminate(const struct lab *lab, int pid)
{
    char *sql = mem_printf("SELECT pg_terminate_backend(%d)", pid);

    free(lab_pg_value(lab, sql));
    free(sql);
}

static void a_terminated_connection_says_why(void **state)
{
    struct pg_watch watch;
    uint32_t generation;

    start(&watch, state);
    generation = watch.instance->generation;
    watch.context = &generation;
    terminate(*state, pid_of_row(&watch, true));
    PG_UNTIL(&watch, pg_is_down);
    assert_string_equal(watch.instance->error,
                        "terminating connection due to administrator command");
    PG_UNTIL(&watch, is_up_again);
    PG_UNTIL(&watch, pg_has_both);
    pg_watch_stop(&watch);
}

static bool has_no_control(const struct pg_watch *watch)
{
    return !control_of(watch);
}

static void the_control_connection_comes_back_alone(void **state)
{
    struct pg_watch watch;
    uint32_t generation;
    int before, after;

    start(&watch, state);
    generation = watch.instance->generation;
    before = pid_of_row(&watch, false);
    terminate(*state, before);
    PG_UNTIL(&watch, has_no_control);
    pg_watch_next(&watch);
    PG_UNTIL(&watch, pg_has_both);
    after = pid_of_row(&watch, false);
    assert_int_not_equal(before, after);
    assert_null(watch.instance->error);
    assert_int_equal(watch.instance->generation, generation);
    pg_watch_stop(&watch);
}

/* ---- a full server ---- */

/* The role may not use the reserved slots. */
static char *plain_role(const struct lab *lab)
{
    return mem_printf("%s user=monitoring dbname=monitoring", lab_get(lab, "LAB_PG"));
}

static size_t fill_slots(const char *conninfo, PGconn **conns, size_t max)
{
    size_t count = 0;

    for (; count < max; count++) {
        conns[count] = PQconnectdb(conninfo);
        if (PQstatus(conns[count]) != CONNECTION_OK) {
            PQfinish(conns[count]);
            break;
        }
    }
    return count;
}

static void too_many_clients(void **state)
{
    struct lab *lab = lab_start("-c max_connections=12 -c superuser_reserved_connections=3");
    struct pg_watch early, late;
    PGconn *conns[12] = {0};
    char *conninfo = plain_role(lab);
    size_t count;

    (void)state;
    pg_watch_start(&early, conninfo, 0.2);
    PG_UNTIL(&early, pg_has_both);
    count = fill_slots(conninfo, conns, 12);
    pg_watch_start(&late, conninfo, 0.2);
    PG_UNTIL(&late, pg_is_down);
    assert_says(late.instance->error, "connection slots are reserved");
    assert_says(late.instance->hint, "end a session");

    /* Whoever was there before can still look, and act. */
    pg_watch_next(&early);
    assert_true(pg_is_filled(&early));
    assert_non_null(control_of(&early));

    while (count)
        PQfinish(conns[--count]);
    PG_UNTIL(&late, pg_is_filled);
    assert_null(late.instance->error);
    pg_watch_stop(&early);
    pg_watch_stop(&late);
    free(conninfo);
    lab_stop(lab);
}

/* With one slot left the picture is there and says what is missing. */
static bool misses_control(const struct pg_watch *watch)
{
    return pg_is_filled(watch) && watch->instance->error &&
           strstr(watch->instance->error, "no connection for acts");
}

static void one_slot_left(void **state)
{
    struct lab *lab = lab_start("-c max_connections=12 -c superuser_reserved_connections=3");
    struct pg_watch watch;
    PGconn *conns[12] = {0};
    char *conninfo = plain_role(lab);
    size_t count = fill_slots(conninfo, conns, 12);

    (void)state;
    PQfinish(conns[--count]);
    pg_watch_start(&watch, conninfo, 0.2);
    PG_UNTIL(&watch, misses_control);
    PQfinish(conns[--count]);
    PG_UNTIL(&watch, pg_has_both);
    assert_null(watch.instance->error);
    while (count)
        PQfinish(conns[--count]);
    pg_watch_stop(&watch);
    free(conninfo);
    lab_stop(lab);
}

/* ---- the end, in each state ---- */

static void closing_at_once(void **state)
{
    struct pg_watch watch;

    pg_watch_start(&watch, lab_get(*state, "LAB_PG"), 0.2);
    pg_watch_stop(&watch);
    pg_watch_start(&watch, "host=localhost port=1", 0.2);
    pg_watch_stop(&watch);
}

static bool is_first_turn(const struct pg_watch *watch)
{
    return watch->instance->state == INSTANCE_UP;
}

static void closing_while_answers_are_on_their_way(void **state)
{
    struct pg_watch watch;

    pg_watch_start(&watch, lab_get(*state, "LAB_PG"), 0.2);
    PG_UNTIL(&watch, is_first_turn);
    assert_true(backend_pending(watch.backend) > 0);
    pg_watch_stop(&watch);

    start(&watch, state);
    pg_watch_want(&watch, SOURCE_BIT(PG_SIZES));
    backend_refresh(watch.backend);
    pg_watch_stop(&watch);
}

static void closing_after_each_turn_of_the_loop(void **state)
{
    for (int turns = 1; turns < 24; turns++) {
        struct pg_watch watch;

        pg_watch_start(&watch, lab_get(*state, "LAB_PG_TCP"), 0.2);
        pg_watch_want(&watch, SOURCE_BIT(PG_SIZES));
        for (int i = 0; i < turns; i++)
            uv_run(&watch.loop, UV_RUN_ONCE);
        pg_watch_stop(&watch);
    }
}

static void closing_while_it_hangs(void **state)
{
    struct pg_watch watch, connecting;

    start(&watch, state);
    lab_freeze(*state, LAB_POSTGRES);
    pg_watch_start(&connecting, lab_get(*state, "LAB_PG"), 0.2);
    PG_UNTIL(&watch, pg_is_stale);
    assert_true(pg_is_connecting(&connecting));
    pg_watch_stop(&watch);
    pg_watch_stop(&connecting);
    lab_thaw(*state, LAB_POSTGRES);
}

static void closing_while_it_is_down(void **state)
{
    struct pg_watch watch;

    (void)state;
    pg_watch_start(&watch, "host=127.0.0.1 port=1", 0.2);
    PG_UNTIL(&watch, pg_is_down);
    pg_watch_stop(&watch);
}

static int make_lab(void **state)
{
    *state = lab_start(NULL);
    return 0;
}

static int drop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_server_is_stale_and_comes_back),
        cmocka_unit_test(a_stuck_connection_is_given_up),
        cmocka_unit_test(a_killed_server_is_down_and_comes_back),
        cmocka_unit_test(a_starting_server_says_so),
        cmocka_unit_test(a_terminated_connection_says_why),
        cmocka_unit_test(the_control_connection_comes_back_alone),
        cmocka_unit_test(too_many_clients),
        cmocka_unit_test(one_slot_left),
        cmocka_unit_test(closing_at_once),
        cmocka_unit_test(closing_while_answers_are_on_their_way),
        cmocka_unit_test(closing_after_each_turn_of_the_loop),
        cmocka_unit_test(closing_while_it_hangs),
        cmocka_unit_test(closing_while_it_is_down),
    };

    return cmocka_run_group_tests(tests, make_lab, drop_lab);
}
