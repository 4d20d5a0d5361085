/* The start of a job through the door, as the dashboard does it: this program is the job's process
 * too. Whatever happens to either side meanwhile, the other one is told, and nothing is left. */
#include "backend/action_impl.h"
#include "backend/statedir.h"
#include "tests/integration/job_lab.h"
#include "tests/integration/pg_act.h"

static struct lab *lab;

static const struct act_request restart = {.act = ACT_RESTART};

static void begin(struct pg_act *act, const char *command)
{
    pg_act_start(act, lab_get(lab, "LAB_PG"));
    free(act->watch.config->restart_command);
    act->watch.config->restart_command = mem_strdup(command);
}

static void only_job(struct job_info *info)
{
    struct job_list list;
    char *error = NULL;

    assert_true(job_list_read(&list, &error));
    assert_int_equal(list.count, 1);
    *info = list.items[0];
    job_info_init(&list.items[0]);
    job_list_free(&list);
}

static bool only_job_has_ended(void)
{
    struct job_info info;
    bool ended;

    only_job(&info);
    ended = job_state_ended(info.state);
    job_info_free(&info);
    return ended;
}

static bool no_job_is_left(const struct pg_watch *watch)
{
    struct job_list list;
    char *error = NULL;
    size_t count;

    (void)watch;
    assert_true(job_list_read(&list, &error));
    count = list.count;
    job_list_free(&list);
    return count == 0;
}

static void test_plan(void **state)
{
    PGconn *one = lab_pg_connect(lab, "dbname=aletheia_prod"),
           *other = lab_pg_connect(lab, "dbname=aletheia_prod"),
           *third = lab_pg_connect(lab, "dbname=umami");
    struct pg_act act;
    const struct plan *plan;

    (void)state;
    PQclear(PQexec(one, "BEGIN"));
    begin(&act, "make 'the restart'");
    assert_true(pg_act_prepare(&act, &restart));
    plan = pg_act_plan(&act);
    pg_act_plan_says(&act, "production: 2 connections to ");
    pg_act_plan_says(&act, "1 of them in a query or a transaction: aletheia_prod 2");
    pg_act_plan_says(&act, "unknown: 1 connection to ");
    pg_act_plan_says(&act, "umami 1");
    pg_act_plan_says(&act, "make 'the restart'");
    assert_int_equal(plan->environment, ENV_PRODUCTION);
    assert_string_equal(plan->confirm, act.watch.instance->name);
    assert_int_equal(plan->verdict.ask, POLICY_NAME);
    pg_act_end(&act);
    pg_act_stop(&act);
    PQfinish(one);
    PQfinish(other);
    PQfinish(third);
}

static void test_no_command(void **state)
{
    struct pg_act act;

    (void)state;
    begin(&act, "");
    free(act.watch.config->restart_command);
    act.watch.config->restart_command = NULL;
    assert_false(pg_act_prepare(&act, &restart));
    pg_act_outcome_says(&act, OUTCOME_REFUSED, "set restart.command");
    pg_act_end(&act);
    pg_act_stop(&act);
}

static void test_starts(void **state)
{
    struct pg_act act;
    struct job_info info;
    const struct outcome *outcome;

    (void)state;
    begin(&act, "echo hello");
    assert_true(pg_act_prepare(&act, &restart));
    outcome = pg_act_execute(&act, ANSWER_NAME, act.watch.instance->name);
    assert_int_equal(outcome->status, OUTCOME_STARTED);
    only_job(&info);
    assert_string_equal(info.id, outcome->job);
    job_info_free(&info);
    pg_act_end(&act);
    JOB_UNTIL(only_job_has_ended());
    only_job(&info);
    assert_string_equal(info.result, "up; PostgreSQL was not restarted");
    job_info_free(&info);
    pg_act_stop(&act);
}

static bool is_executing(const struct pg_watch *watch)
{
    const struct pg_act *act = (const struct pg_act *)watch;

    return act->action->stage == ACTION_EXECUTING;
}

/* The dashboard ends while the job starts: the job goes on. */
static void test_door_closes(void **state)
{
    struct pg_act act;
    struct job_info info;
    char *home;

    (void)state;
    begin(&act, "echo hello");
    home = mem_strdup(act.home);
    assert_true(pg_act_prepare(&act, &restart));
    action_execute(act.action, ANSWER_NAME, act.watch.instance->name);
    PG_UNTIL(&act.watch, is_executing);
    act.action = NULL;
    snprintf(act.home, sizeof(act.home), "/tmp/none"); /* the folder is needed after its end */
    pg_act_stop(&act);
    JOB_UNTIL(only_job_has_ended());
    only_job(&info);
    assert_int_equal(info.state, JOB_DONE);
    job_info_free(&info);
    job_lab_remove(home);
}

static void test_dies_at_once(void **state)
{
    struct pg_act act;
    const struct outcome *outcome;

    (void)state;
    begin(&act, "echo hello");
    assert_true(pg_act_prepare(&act, &restart));
    setenv("JOB_TEST_DIES", "1", 1);
    outcome = pg_act_execute(&act, ANSWER_NAME, act.watch.instance->name);
    unsetenv("JOB_TEST_DIES");
    assert_int_equal(outcome->status, OUTCOME_FAILED);
    assert_string_equal(outcome->text, "the job could not be started: its process died at once");
    pg_act_end(&act);
    PG_UNTIL(&act.watch, no_job_is_left);
    pg_act_stop(&act);
}

/* ---- the watched list ---- */

static void on_jobs(void *context)
{
    unsigned *changes = context;

    (*changes)++;
}

static void test_watching(void **state)
{
    char *home = job_lab_home(), *error = NULL, *folder;
    unsigned changes = 0;
    struct jobs *jobs;
    json_t *spec;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    jobs = jobs_new(&loop, on_jobs, &changes);
    folder = job_path("20260101T000000Z-1-1", NULL, &error);
    assert_null(statedir_make(folder));
    spec = json_pack("{s:s, s:f}", "act", "backup", "created", job_wall());
    assert_null(job_file_write(folder, "spec.json", spec, false));
    jobs_refresh(jobs);
    while (!jobs_running(jobs))
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(changes, 1);
    assert_int_equal(jobs_list(jobs)->items[0].state, JOB_STARTING);
    json_object_set_new(spec, "state", json_string("done"));
    assert_null(job_file_write(folder, "state.json", spec, false));
    while (jobs_running(jobs))
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(changes, 2);
    jobs_refresh(jobs);
    jobs_close(jobs); /* while it reads */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    json_decref(spec);
    free(folder);
    job_lab_remove(home);
}

static int start_lab(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    return 0;
}

static int stop_lab(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),         cmocka_unit_test(test_no_command),
        cmocka_unit_test(test_starts),       cmocka_unit_test(test_door_closes),
        cmocka_unit_test(test_dies_at_once), cmocka_unit_test(test_watching),
    };

    if (argc == 3 && strcmp(argv[1], "job-run") == 0)
        return getenv("JOB_TEST_DIES") ? 1 : job_main(argv[2]);
    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
