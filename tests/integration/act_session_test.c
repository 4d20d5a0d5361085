/* Cancel and terminate on a real server: whom they hit, whom they never hit, and what they say. */
#include "backend/act_session.h"
#include "backend/base/mem.h"
#include "tests/integration/pg_act.h"
#include "tests/integration/pg_pooler.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { VICTIMS = 40, ROUNDS = 25, CROWD = 60, REUSES = 20 };

static int start_lab(void **state)
{
    *state = lab_start("-c max_connections=150");
    return 0;
}

static int stop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

static void start(struct pg_act *act, void **state)
{
    pg_act_start(act, lab_get(*state, "LAB_PG"));
}

static PGconn *connect_to(void **state, const char *conninfo)
{
    return lab_pg_connect(*state, conninfo);
}

static bool is_alive(PGconn *conn)
{
    PGresult *rows = PQexec(conn, "SELECT 1");
    bool alive = PQresultStatus(rows) == PGRES_TUPLES_OK;

    PQclear(rows);
    return alive;
}

/* The SQLSTATE of what the connection ran, "" when it went well. */
static char *sqlstate_of(PGconn *conn)
{
    char *found = mem_strdup("");
    PGresult *rows;

    while ((rows = PQgetResult(conn))) {
        const char *state = PQresultErrorField(rows, PG_DIAG_SQLSTATE);

        if (state) {
            free(found);
            found = mem_strdup(state);
        }
        PQclear(rows);
    }
    return found;
}

static void assert_ended_with(PGconn *conn, const char *sqlstate)
{
    char *found = sqlstate_of(conn);

    assert_string_equal(found, sqlstate);
    free(found);
}

/* ---- whom they hit ---- */

static void one_session_is_terminated(void **state)
{
    struct pg_act act;
    PGconn *conn = connect_to(state, "dbname=aletheia_dev user=aletheia_dev application_name=app");
    const struct act_session session = pg_act_session(*state, PQbackendPID(conn));
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    char *words;

    start(&act, state);
    pg_act_busy(*state, conn, "BEGIN; SELECT pg_sleep(600), 'the whole text'");
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->environment, ENV_DEV);
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_YES);
    assert_string_equal(pg_act_plan(&act)->confirm, "aletheia_dev");
    words = mem_printf("SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(%d)"
                       " WHERE backend_start = '",
                       session.pid);
    pg_act_plan_says(&act, words);
    free(words);
    pg_act_plan_says(&act, "BEGIN; SELECT pg_sleep(600), 'the whole text'");
    pg_act_plan_says(&act,
                     "database aletheia_dev, user aletheia_dev, application app, client local");
    pg_act_plan_says(&act, "its open transaction");
    pg_act_plan_says(&act, "nobody");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "was terminated");
    assert_ended_with(conn, "57P01");
    pg_act_end(&act);
    words = pg_act_run(&act, &request, OUTCOME_NOTHING);
    assert_non_null(strstr(words, "it has already finished"));
    free(words);
    PQfinish(conn);
    pg_act_stop(&act);
}

static void one_query_is_cancelled_by_pid(void **state)
{
    struct pg_act act;
    PGconn *conn = connect_to(state, "dbname=aletheia_prod");
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_CANCEL, &session);
    char *text;

    start(&act, state);
    text = pg_act_run(&act, &request, OUTCOME_NOTHING);
    assert_non_null(strstr(text, "runs no query"));
    free(text);
    pg_act_busy(*state, conn, "SELECT pg_sleep(600)");
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->environment, ENV_PRODUCTION);
    assert_false(pg_act_plan(&act)->verdict.flag_enough);
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "was cancelled");
    pg_act_end(&act);
    assert_ended_with(conn, "57014");
    assert_true(is_alive(conn));
    PQfinish(conn);
    pg_act_stop(&act);
}

static void who_is_not_there_is_said(void **state)
{
    struct pg_act act;
    const struct act_session session = {999999999, PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    char *text;

    start(&act, state);
    text = pg_act_run(&act, &request, OUTCOME_NOTHING);
    assert_string_equal(text, "there is no session 999999999");
    free(text);
    pg_act_stop(&act);
}

static void many_in_one_act(void **state)
{
    struct pg_act act;
    PGconn *conns[CROWD];
    struct act_session sessions[CROWD];
    const struct act_request request = {
        .act = ACT_TERMINATE, .sessions = sessions, .session_count = CROWD};
    char *words;
    int gone = 0;

    start(&act, state);
    for (int i = 0; i < CROWD; i++) {
        conns[i] = connect_to(state, "dbname=aletheia_staging");
        sessions[i] = pg_act_session(*state, PQbackendPID(conns[i]));
    }
    assert_true(pg_act_prepare(&act, &request));
    PQfinish(conns[7]);
    conns[7] = NULL;
    words = mem_printf("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %d", sessions[7].pid);
    pg_act_until(*state, words);
    free(words);
    words = mem_printf("terminated %d of %d; 1 had already finished", CROWD - 1, CROWD);
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, words);
    free(words);
    for (int i = 0; i < CROWD; i++) {
        gone += conns[i] && !is_alive(conns[i]);
        PQfinish(conns[i]);
    }
    printf("many: %d sessions in one act, %d terminated, 1 had finished\n", CROWD, gone);
    assert_int_equal(gone, CROWD - 1);
    pg_act_end(&act);
    pg_act_stop(&act);
}

/* ---- whom they never hit ---- */

static void connect_victims(void **state, PGconn **conns)
{
    for (int i = 0; i < VICTIMS; i++)
        conns[i] = connect_to(state, "dbname=aletheia_dev");
}

static void run_everywhere(struct lab *lab, PGconn **conns, const char *sql)
{
    char *busy = mem_printf("SELECT count(*) = %d FROM pg_stat_activity"
                            " WHERE state = 'active' AND query = $$%s$$ AND wait_event_type IS NOT"
                            " NULL",
                            (int)VICTIMS, sql);

    for (int i = 0; i < VICTIMS; i++)
        assert_int_equal(PQsendQuery(conns[i], sql), 1);
    pg_act_until(lab, busy);
    free(busy);
}

static int count_errors(PGconn **conns)
{
    int errors = 0;

    for (int i = 0; i < VICTIMS; i++) {
        char *state = sqlstate_of(conns[i]);

        errors += *state != '\0';
        free(state);
    }
    return errors;
}

/* The query that the operator saw ends, and the session is in its next one when the act runs. */
static int cancel_too_late(struct pg_act *act, void **state, PGconn **conns, PGconn *gate)
{
    struct act_session sessions[VICTIMS];
    const struct act_request request = {
        .act = ACT_CANCEL, .sessions = sessions, .session_count = VICTIMS};
    int hit;

    free(pg_act_sql(gate, "SELECT pg_advisory_lock(1), pg_advisory_lock(2)"));
    run_everywhere(*state, conns, "SELECT pg_advisory_xact_lock_shared(1)");
    for (int i = 0; i < VICTIMS; i++)
        sessions[i] = (struct act_session){PQbackendPID(conns[i]), PG_NO_TIME, PG_NO_TIME};
    assert_true(pg_act_prepare(act, &request));
    free(pg_act_sql(gate, "SELECT pg_advisory_unlock(1)"));
    hit = count_errors(conns);
    run_everywhere(*state, conns, "SELECT pg_advisory_xact_lock_shared(2)");
    pg_act_execute(act, ANSWER_YES, NULL);
    pg_act_outcome_says(act, OUTCOME_NOTHING, "cancelled 0 of 40; 40 had already finished");
    pg_act_end(act);
    free(pg_act_sql(gate, "SELECT pg_advisory_unlock(2)"));
    return hit + count_errors(conns);
}

static void the_next_query_is_never_cancelled(void **state)
{
    struct pg_act act;
    PGconn *conns[VICTIMS], *gate = connect_to(state, "dbname=aletheia_dev");
    int hit = 0;

    start(&act, state);
    connect_victims(state, conns);
    for (int i = 0; i < ROUNDS; i++)
        hit += cancel_too_late(&act, state, conns, gate);
    printf("cancel: %d tries after the query had finished, %d wrong queries hit\n",
           VICTIMS * ROUNDS, hit);
    assert_int_equal(hit, 0);
    for (int i = 0; i < VICTIMS; i++)
        PQfinish(conns[i]);
    PQfinish(gate);
    pg_act_stop(&act);
}

/* The plan was made for sessions that had these pids before: each began earlier than the one that has
 * the pid now, half of them by a single microsecond. */
static void make_older(struct action *action)
{
    struct session_act *act = session_act(action);

    for (size_t i = 0; i < act->count; i++) {
        char *start = act->targets[i].start;
        char *digit = i % 2 ? strchr(start, '.') + 6 : start + 3;

        *digit = *digit == '0' ? '9' : (char)(*digit - 1);
    }
}

static void a_reused_pid_is_never_terminated(void **state)
{
    struct pg_act act;
    PGconn *conns[VICTIMS];
    struct act_session sessions[VICTIMS];
    const struct act_request request = {
        .act = ACT_TERMINATE, .sessions = sessions, .session_count = VICTIMS};
    int hit = 0;

    start(&act, state);
    connect_victims(state, conns);
    for (int i = 0; i < VICTIMS; i++)
        sessions[i] = pg_act_session(*state, PQbackendPID(conns[i]));
    for (int round = 0; round < ROUNDS; round++) {
        assert_true(pg_act_prepare(&act, &request));
        make_older(act.action);
        pg_act_execute(&act, ANSWER_YES, NULL);
        pg_act_outcome_says(&act, OUTCOME_NOTHING, "terminated 0 of 40; 40 had already finished");
        pg_act_end(&act);
        for (int i = 0; i < VICTIMS; i++)
            hit += !is_alive(conns[i]);
    }
    printf("terminate: %d tries with a reused pid, %d wrong sessions hit\n", VICTIMS * ROUNDS, hit);
    assert_int_equal(hit, 0);
    for (int i = 0; i < VICTIMS; i++)
        PQfinish(conns[i]);
    pg_act_stop(&act);
}

/* The kernel takes the pid after this one for its next process, if this user may say so. */
static bool set_last_pid(int pid)
{
    FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "we");
    bool fine = file && fprintf(file, "%d", pid - 1) > 0;

    if (file)
        fine = fclose(file) == 0 && fine;
    return fine;
}

/* A new session with exactly that pid; NULL: another process got it, or it may not be asked for. */
static PGconn *connect_with_pid(void **state, int pid)
{
    for (int tries = 0; tries < 20 && set_last_pid(pid); tries++) {
        PGconn *conn = connect_to(state, "dbname=aletheia_dev");

        if (PQbackendPID(conn) == pid)
            return conn;
        PQfinish(conn);
    }
    return NULL;
}

/* Not a likeness: a session ends between the dialog and the act, and another one gets its pid. */
static int reuse_a_pid(struct pg_act *act, void **state, int *hit)
{
    PGconn *conn = connect_to(state, "dbname=aletheia_dev");
    const struct act_session session = pg_act_session(*state, PQbackendPID(conn));
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    char *gone =
        mem_printf("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %d", session.pid);

    assert_true(pg_act_prepare(act, &request));
    PQfinish(conn);
    pg_act_until(*state, gone);
    conn = connect_with_pid(state, session.pid);
    if (conn) {
        pg_act_execute(act, ANSWER_YES, NULL);
        pg_act_outcome_says(act, OUTCOME_NOTHING, "had already finished: nothing was signalled");
        *hit += !is_alive(conn);
    }
    pg_act_end(act);
    PQfinish(conn);
    free(gone);
    return conn != NULL;
}

static void a_pid_reused_by_the_kernel_is_not_hit(void **state)
{
    struct pg_act act;
    int reused = 0, hit = 0;

    start(&act, state);
    for (int i = 0; i < REUSES; i++)
        reused += reuse_a_pid(&act, state, &hit);
    printf("terminate: %d of %d pids reused by the kernel itself%s, %d wrong sessions hit\n",
           reused, REUSES, reused ? "" : " (this user may not set ns_last_pid)", hit);
    assert_int_equal(hit, 0);
    pg_act_stop(&act);
}

/* ---- when it has no effect ---- */

static void a_cancel_in_vain_offers_terminate(void **state)
{
    struct pg_act act;
    PGconn *conn = connect_to(state, "dbname=aletheia_dev");
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    struct act_request request = pg_act_on(ACT_CANCEL, &session);
    char *text;

    start(&act, state);
    pg_act_busy(*state, conn,
                "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN"
                " NULL; END; END LOOP; END $$");
    assert_true(pg_act_prepare(&act, &request));
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_FAILED, "still runs 5 s after the cancel");
    assert_int_equal(pg_act_outcome(&act)->next, ACT_TERMINATE);
    request.act = pg_act_outcome(&act)->next;
    pg_act_end(&act);
    text = pg_act_run(&act, &request, OUTCOME_DONE);
    assert_non_null(strstr(text, "was terminated"));
    free(text);
    PQfinish(conn);
    pg_act_stop(&act);
}

/* ---- whom it frees ---- */

static void the_freed_are_named(void **state)
{
    struct pg_act act;
    PGconn *holder = connect_to(state, "dbname=aletheia_dev"), *waiters[3];
    const struct act_session session = pg_act_session(*state, PQbackendPID(holder));
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);
    static const char *const locks[] = {"SHARE", "SHARE", "ACCESS EXCLUSIVE"};

    start(&act, state);
    free(pg_act_sql(holder, "BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE"));
    for (size_t i = 0; i < 3; i++) {
        char *sql = mem_printf("BEGIN; LOCK TABLE account IN %s MODE", locks[i]);
        char *waits = mem_printf("SELECT count(*) = %zu FROM pg_stat_activity"
                                 " WHERE wait_event_type = 'Lock'",
                                 i + 1);

        waiters[i] = connect_to(state, "dbname=aletheia_dev");
        assert_int_equal(PQsendQuery(waiters[i], sql), 1);
        pg_act_until(*state, waits);
        free(sql);
        free(waits);
    }
    assert_true(pg_act_prepare(&act, &request));
    pg_act_plan_says(&act, "3 directly: ");
    pg_act_plan_says(&act, "3 in all");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "freed 2 of 3 that waited");
    pg_act_outcome_says(&act, OUTCOME_DONE, "was freed and runs");
    pg_act_outcome_says(&act, OUTCOME_DONE, "still waits, for ");
    printf("%s\n%s\n", pg_act_outcome(&act)->text, pg_act_outcome(&act)->details);
    pg_act_end(&act);
    for (size_t i = 0; i < 3; i++)
        PQfinish(waiters[i]);
    PQfinish(holder);
    pg_act_stop(&act);
}

/* ---- who needs the typed name, and what takes more rights ---- */

static void a_walsender_asks_for_the_name(void **state)
{
    struct pg_act act;
    PGconn *conn = connect_to(state, "dbname=aletheia_dev replication=database");
    const struct act_session session = pg_act_session(*state, PQbackendPID(conn));
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->vetoes, VETO_WALSENDER);
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_NAME);
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_REFUSED, "asks for the name 'aletheia_dev'");
    pg_act_end(&act);
    assert_true(pg_act_prepare(&act, &request));
    pg_act_execute(&act, ANSWER_NAME, "aletheia_dev");
    pg_act_outcome_says(&act, OUTCOME_DONE, "was terminated");
    pg_act_end(&act);
    PQfinish(conn);
    pg_act_stop(&act);
}

/* As a replica connects, which the lab's server must be told to allow first. */
static PGconn *connect_replica(void **state)
{
    char *path = mem_printf("%s/pg_hba.conf", lab_get(*state, "LAB_PG_DATA"));
    char *conninfo = mem_printf("%s replication=true", lab_get(*state, "LAB_PG"));
    FILE *file = fopen(path, "ae");
    PGconn *conn;

    assert_non_null(file);
    fputs("local replication all trust\n", file);
    fclose(file);
    free(lab_pg_value(*state, "SELECT pg_reload_conf()"));
    pg_act_until(*state, "SELECT count(*) > 0 FROM pg_hba_file_rules"
                         " WHERE database = '{replication}'");
    conn = PQconnectdb(conninfo);
    for (int tries = 200; PQstatus(conn) != CONNECTION_OK && tries; tries--) {
        usleep(10000);
        PQreset(conn);
    }
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    free(path);
    free(conninfo);
    return conn;
}

/* A replica's walsender has no database: nobody named what it is for. */
static void without_a_database_it_is_the_instance_s_name(void **state)
{
    struct pg_act act;
    PGconn *conn = connect_replica(state);
    const struct act_session session = {PQbackendPID(conn), PG_NO_TIME, PG_NO_TIME};
    const struct act_request request = pg_act_on(ACT_TERMINATE, &session);

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->vetoes, VETO_WALSENDER);
    assert_int_equal(pg_act_plan(&act)->environment, ENV_UNKNOWN);
    assert_string_equal(pg_act_plan(&act)->confirm, "lab");
    pg_act_end(&act);
    PQfinish(conn);
    pg_act_stop(&act);
}

static void the_strictest_environment_counts(void **state)
{
    struct pg_act act;
    PGconn *conns[] = {connect_to(state, "dbname=aletheia_dev"),
                       connect_to(state, "dbname=aletheia_prod")};
    const struct act_session sessions[] = {pg_act_session(*state, PQbackendPID(conns[0])),
                                           pg_act_session(*state, PQbackendPID(conns[1]))};
    const struct act_request request = {
        .act = ACT_TERMINATE, .sessions = sessions, .session_count = 2};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->environment, ENV_PRODUCTION);
    assert_string_equal(pg_act_plan(&act)->confirm, "lab");
    pg_act_execute(&act, ANSWER_YES_FLAG, NULL);
    pg_act_outcome_says(&act, OUTCOME_REFUSED, "--yes is not enough for production");
    assert_true(is_alive(conns[0]) && is_alive(conns[1]));
    pg_act_end(&act);
    PQfinish(conns[0]);
    PQfinish(conns[1]);
    pg_act_stop(&act);
}

static void our_own_sessions_ask_for_the_name(void **state)
{
    struct pg_act act;
    struct act_session sessions[2];
    const struct act_request request = {
        .act = ACT_TERMINATE, .sessions = sessions, .session_count = 2};
    const struct pg_activity *activity;
    size_t count = 0;

    start(&act, state);
    PG_UNTIL(&act.watch, pg_has_both);
    activity = act.watch.instance->pg.activity;
    for (size_t i = 0; i < activity->count && count < 2; i++) {
        if (activity->rows[i].own)
            sessions[count++] = (struct act_session){activity->rows[i].pid, PG_NO_TIME, PG_NO_TIME};
    }
    assert_int_equal(count, 2);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->vetoes, VETO_OWN_SESSION);
    assert_string_equal(pg_act_plan(&act)->confirm, "postgres");
    pg_act_execute(&act, ANSWER_NAME, "postgres");
    pg_act_outcome_says(&act, OUTCOME_DONE, "terminated 2 of 2");
    pg_act_end(&act);
    pg_act_stop(&act);
}

static void rights_that_lack_are_named(void **state)
{
    struct pg_act act;
    PGconn *admin = connect_to(state, NULL), *app = connect_to(state, "dbname=umami user=umami");
    const struct act_session sessions[] = {pg_act_session(*state, PQbackendPID(app)),
                                           pg_act_session(*state, PQbackendPID(admin))};
    struct act_request request = {.act = ACT_TERMINATE, .sessions = sessions, .session_count = 2};
    struct act_session hidden;
    char *conninfo = mem_printf("%s user=watcher password=watcher", lab_get(*state, "LAB_PG"));

    pg_act_start(&act, conninfo);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_REFUSED);
    pg_act_plan_says(&act, "GRANT pg_signal_backend TO watcher");
    pg_act_plan_says(&act, "only a superuser may signal it");
    pg_act_end(&act);
    free(pg_act_sql(admin, "GRANT pg_signal_backend TO watcher"));
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_YES);
    pg_act_plan_says(&act, "is left out: only a superuser may signal it: connect as one instead of"
                           " watcher");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_FAILED, "terminated 1 of 2; 1 could not be signalled");
    assert_true(is_alive(admin));
    assert_false(is_alive(app));
    pg_act_end(&act);
    free(pg_act_sql(admin, "REVOKE pg_signal_backend, pg_monitor FROM watcher"));
    PQreset(app);
    hidden = (struct act_session){PQbackendPID(app), PG_NO_TIME, PG_NO_TIME};
    request = pg_act_on(ACT_TERMINATE, &hidden);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_REFUSED);
    pg_act_plan_says(&act, "is hidden from us: GRANT pg_monitor");
    pg_act_end(&act);
    free(pg_act_sql(admin, "GRANT pg_monitor TO watcher"));
    pg_act_stop(&act);
    PQfinish(app);
    PQfinish(admin);
    free(conninfo);
}

/* ---- behind a pooler ---- */

static void it_works_through_a_pooler(void **state)
{
    struct pg_pooler *pooler = *state;
    struct pg_act act;
    char *conninfo = pg_pooler_conninfo(pooler);
    PGconn *conn = lab_pg_connect(pooler->lab, "dbname=aletheia_dev");
    const struct act_session session = pg_act_session(pooler->lab, PQbackendPID(conn));
    const struct act_request cancel = pg_act_on(ACT_CANCEL, &session);
    const struct act_request terminate = pg_act_on(ACT_TERMINATE, &session);

    pg_act_start(&act, conninfo);
    free(pg_act_run(&act, &cancel, OUTCOME_NOTHING));
    free(pg_act_run(&act, &terminate, OUTCOME_DONE));
    assert_false(is_alive(conn));
    PQfinish(conn);
    pg_act_stop(&act);
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_is_terminated),
        cmocka_unit_test(one_query_is_cancelled_by_pid),
        cmocka_unit_test(who_is_not_there_is_said),
        cmocka_unit_test(many_in_one_act),
        cmocka_unit_test(the_next_query_is_never_cancelled),
        cmocka_unit_test(a_reused_pid_is_never_terminated),
        cmocka_unit_test(a_pid_reused_by_the_kernel_is_not_hit),
        cmocka_unit_test(a_cancel_in_vain_offers_terminate),
        cmocka_unit_test(the_freed_are_named),
        cmocka_unit_test(a_walsender_asks_for_the_name),
        cmocka_unit_test(without_a_database_it_is_the_instance_s_name),
        cmocka_unit_test(the_strictest_environment_counts),
        cmocka_unit_test(our_own_sessions_ask_for_the_name),
        cmocka_unit_test(rights_that_lack_are_named),
    };

    const struct CMUnitTest pooled[] = {cmocka_unit_test(it_works_through_a_pooler)};
    int failed = cmocka_run_group_tests_name("act_session", tests, start_lab, stop_lab);

    return failed + cmocka_run_group_tests_name("act_session, pooled", pooled, pg_pooler_start,
                                                pg_pooler_stop);
}
