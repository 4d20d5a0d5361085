/* No slot is free and the polling connection is stuck: a session can be terminated all the same, since
 * the connection for acts has been there from the start. */
#include "backend/base/mem.h"
#include "backend/pg_instance.h"
#include "tests/integration/pg_act.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 32 };

struct crowd {
    PGconn *conns[MOST];
    size_t count;
};

static int start_lab(void **state)
{
    *state = lab_start("-c max_connections=12");
    return 0;
}

static int stop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

/* Takes every slot, those for superusers too, until the server refuses. */
static void take_all_slots(const struct lab *lab, struct crowd *crowd)
{
    char *conninfo = mem_printf("%s dbname=aletheia_dev", lab_get(lab, "LAB_PG"));

    for (crowd->count = 0; crowd->count < MOST; crowd->count++) {
        PGconn *conn = PQconnectdb(conninfo);

        if (PQstatus(conn) != CONNECTION_OK) {
            assert_non_null(strstr(PQerrorMessage(conn), "too many clients"));
            PQfinish(conn);
            break;
        }
        crowd->conns[crowd->count] = conn;
    }
    assert_in_range(crowd->count, 3, MOST - 1);
    free(conninfo);
}

static int polling_pid(const struct pg_watch *watch)
{
    const struct pg_activity *activity = watch->instance->pg.activity;

    for (size_t i = 0; i < activity->count; i++) {
        if (activity->rows[i].own && activity->rows[i].state == PG_STATE_ACTIVE)
            return activity->rows[i].pid;
    }
    fail_msg("no polling connection");
    return 0;
}

static void terminate(struct pg_act *act, PGconn *conn)
{
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    char *text = pg_act_run(act, &request, OUTCOME_DONE);
    PGresult *rows;

    printf("%s: %s\n", act->watch.instance->state == INSTANCE_DOWN ? "down" : "stale", text);
    assert_non_null(strstr(text, "was terminated"));
    free(text);
    rows = PQexec(conn, "SELECT 1");
    assert_int_not_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    PQclear(rows);
}

static void the_control_connection_still_works(void **state)
{
    struct pg_act act;
    struct crowd crowd = {.count = 0};
    int stuck;

    pg_act_start(&act, lab_get(*state, "LAB_PG"));
    PG_UNTIL(&act.watch, pg_has_both);
    take_all_slots(*state, &crowd);
    stuck = polling_pid(&act.watch);
    kill(stuck, SIGSTOP);
    PG_UNTIL(&act.watch, pg_is_stale);
    terminate(&act, crowd.conns[0]);
    PG_UNTIL(&act.watch, pg_is_down);
    terminate(&act, crowd.conns[1]);
    kill(stuck, SIGCONT);
    PG_UNTIL(&act.watch, pg_is_filled);
    for (size_t i = 0; i < crowd.count; i++)
        PQfinish(crowd.conns[i]);
    pg_act_stop(&act);
}

/* The whole server stops between the plan and the act: nothing is claimed. */
static void a_server_that_stops_leaves_it_open(void **state)
{
    struct pg_act act;
    PGconn *conn = lab_pg_connect(*state, "dbname=aletheia_dev");
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);

    pg_act_start(&act, lab_get(*state, "LAB_PG"));
    assert_true(pg_act_prepare(&act, &request));
    lab_freeze(*state, LAB_POSTGRES);
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_FAILED, "is not known: the server does not answer");
    pg_act_end(&act);
    lab_thaw(*state, LAB_POSTGRES);
    pg_act_stop(&act);
    PQfinish(conn);
}

/* It goes on before the effect is looked at, and perhaps without the signal: neither is claimed. */
static void a_server_that_goes_on_is_no_proof(void **state)
{
    struct pg_act act;
    PGconn *conn = lab_pg_connect(*state, "dbname=aletheia_dev");
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    const struct outcome *outcome;

    pg_act_start(&act, lab_get(*state, "LAB_PG"));
    assert_true(pg_act_prepare(&act, &request));
    lab_freeze(*state, LAB_POSTGRES);
    action_execute(act.action, ANSWER_YES, NULL);
    PG_UNTIL(&act.watch, pg_is_down);
    lab_thaw(*state, LAB_POSTGRES);
    outcome = pg_act_wait(&act);
    printf("went on: %s\n", outcome->text);
    assert_null(strstr(outcome->text, "does not react"));
    pg_act_end(&act);
    pg_act_stop(&act);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_control_connection_still_works),
                                       cmocka_unit_test(a_server_that_stops_leaves_it_open),
                                       cmocka_unit_test(a_server_that_goes_on_is_no_proof)};

    return cmocka_run_group_tests_name("act, stuck", tests, start_lab, stop_lab);
}
