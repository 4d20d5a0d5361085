/* An autovacuum that prevents wraparound is marked, and asks for the typed name. */
#include "backend/base/mem.h"
#include "tests/integration/pg_act.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int start_lab(void **state)
{
    *state = lab_start("-c autovacuum_freeze_max_age=100000 -c autovacuum_naptime=1s"
                       " -c autovacuum_max_workers=10");
    return 0;
}

static int stop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

/* Transactions are used up until the table is old enough; a lock on it keeps the worker at it. */
static int provoke(const struct lab *lab, PGconn *holder)
{
    static const char worker[] = " FROM pg_stat_activity WHERE datname = 'aletheia_dev' AND query"
                                 " LIKE 'autovacuum: VACUUM public.old (to prevent wraparound)'";
    PGconn *burner = lab_pg_connect(lab, "dbname=aletheia_dev");
    char *there = mem_printf("SELECT count(*) = 1%s", worker);
    char *pid_sql = mem_printf("SELECT pid%s", worker), *pid;
    int number;

    free(pg_act_sql(burner, "CREATE TABLE old AS SELECT 1 AS a"));
    free(pg_act_sql(holder, "BEGIN; LOCK TABLE old"));
    free(pg_act_sql(burner, "DO $$ BEGIN FOR i IN 1..101000 LOOP PERFORM txid_current(); COMMIT;"
                            " END LOOP; END $$"));
    pg_act_until(lab, there);
    pid = lab_pg_value(lab, pid_sql);
    number = (int)strtol(pid, NULL, 10);
    PQfinish(burner);
    free(there);
    free(pid_sql);
    free(pid);
    return number;
}

static void it_asks_for_the_name(void **state)
{
    struct pg_act act;
    PGconn *holder = lab_pg_connect(*state, "dbname=aletheia_dev");
    const struct act_session session = {provoke(*state, holder), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_CANCEL, &session);

    pg_act_start(&act, lab_get(*state, "LAB_PG"));
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->vetoes, VETO_WRAPAROUND);
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_NAME);
    assert_string_equal(pg_act_plan(&act)->confirm, "aletheia_dev");
    pg_act_plan_says(&act, "prevents transaction ID wraparound");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_REFUSED, "asks for the name 'aletheia_dev'");
    pg_act_end(&act);
    pg_act_stop(&act);
    PQfinish(holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_asks_for_the_name)};

    return cmocka_run_group_tests_name("act, wraparound", tests, start_lab, stop_lab);
}
