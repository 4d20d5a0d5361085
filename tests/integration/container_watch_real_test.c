/* The engine itself comes and goes: what is known of its containers is kept, marked, and live again. */
#include "tests/integration/container_watch_run.h"

static struct docker_lab *lab;

static bool is_up(const struct watch_run *run)
{
    return container_watch_sample(run->watch)->state == CONTAINERS_UP;
}

static bool is_lost(const struct watch_run *run)
{
    return container_watch_sample(run->watch)->state != CONTAINERS_UP;
}

static bool kept_runs(const struct watch_run *run)
{
    const struct container_row *row = watch_row(run, "kept");

    return is_up(run) && row && row->facts->state == CONTAINER_RUNNING;
}

static bool passing_exited(const struct watch_run *run)
{
    const struct container_row *row = watch_row(run, "passing");

    return is_up(run) && row && row->facts->state == CONTAINER_EXITED;
}

/* As on a package's upgrade: its containers end with it, and those with a policy come back. */
static void test_engine_restarted(void **state)
{
    (void)state;
    struct watch_run run;
    pid_t before = docker_lab_pid(lab, "kept");
    double back;

    watch_run_start(&run);
    assert_true(watch_run_until(&run, kept_runs, 20000));
    docker_lab_engine_end(lab, false);
    assert_true(watch_run_until(&run, is_lost, 20000));
    assert_non_null(watch_row(&run, "kept"));
    assert_non_null(watch_row(&run, "passing"));
    printf("engine ended: %s\n", container_watch_sample(run.watch)->error);
    docker_lab_engine_begin(lab);
    back = docker_lab_now();
    assert_true(watch_run_until(&run, kept_runs, 30000));
    printf("engine restarted: live %.0f ms after its first answer\n", docker_lab_now() - back);
    assert_true(watch_run_until(&run, passing_exited, 20000));
    assert_int_not_equal(watch_row(&run, "kept")->facts->pid, before);
    assert_int_equal(watch_row(&run, "kept")->facts->pid, docker_lab_pid(lab, "kept"));
    watch_run_end(&run);
}

/* Killed: its containers go on without it. */
static void test_engine_killed(void **state)
{
    (void)state;
    struct watch_run run;

    watch_run_start(&run);
    assert_true(watch_run_until(&run, kept_runs, 20000));
    docker_lab_engine_end(lab, true);
    assert_true(watch_run_until(&run, is_lost, 20000));
    assert_non_null(watch_row(&run, "kept"));
    docker_lab_engine_begin(lab);
    assert_true(watch_run_until(&run, kept_runs, 30000));
    assert_int_equal(watch_row(&run, "kept")->facts->pid, docker_lab_pid(lab, "kept"));
    watch_run_end(&run);
}

static bool was_moved(const struct watch_run *run)
{
    return run->moves >= 2;
}

static bool was_stopped(const struct watch_run *run)
{
    return run->stops >= 1;
}

static void test_events(void **state)
{
    (void)state;
    struct watch_run run;

    docker_lab_do(lab, "rm -f passing");
    watch_run_start(&run);
    assert_int_equal(run.moves, 1);
    docker_lab_do(lab, "stop kept");
    assert_true(watch_run_until(&run, was_stopped, 20000));
    assert_int_equal(container_watch_find(run.watch, "kept")->state, CONTAINER_EXITED);
    docker_lab_do(lab, "start kept");
    assert_true(watch_run_until(&run, was_moved, 20000));
    docker_lab_do(lab, "rename kept renamed");
    while (!container_watch_find(run.watch, "renamed"))
        uv_run(&run.loop, UV_RUN_ONCE);
    docker_lab_do(lab, "rename renamed kept");
    watch_run_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_restarted),
        cmocka_unit_test(test_engine_killed),
        cmocka_unit_test(test_events),
    };

    lab = docker_lab_start();
    docker_lab_do(lab, "run -d --name kept --restart always tiny:1");
    docker_lab_do(lab, "run -d --name passing tiny:1");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_stop(lab);
    return failed;
}
