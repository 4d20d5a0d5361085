/* What it costs to watch 20 containers: our own processor time for each refresh, threads included. */
#include "tests/integration/container_watch_run.h"

#include <sys/resource.h>

enum { CONTAINERS = 20, REFRESHES = 200 };

static struct docker_lab *lab;
static unsigned awaited;

static double own_cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return 1e3 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static bool has_changed(const struct watch_run *run)
{
    return run->changes >= awaited;
}

static void test_cost(void **state)
{
    (void)state;
    struct watch_run run;
    const struct containers *sample;
    double begun;

    watch_run_start(&run);
    awaited = run.changes + 1;
    container_watch_tick(run.watch);
    assert_true(watch_run_until(&run, has_changed, 20000));
    begun = own_cpu();
    for (int i = 0; i < REFRESHES; i++) {
        awaited = run.changes + 1;
        container_watch_tick(run.watch);
        assert_true(watch_run_until(&run, has_changed, 20000));
    }
    printf("container polling: %.3f ms CPU a refresh, %d containers\n",
           (own_cpu() - begun) / REFRESHES, CONTAINERS);
    sample = container_watch_sample(run.watch);
    assert_int_equal(sample->state, CONTAINERS_UP);
    assert_int_equal(sample->count, CONTAINERS);
    for (size_t i = 0; i < sample->count; i++) {
        const struct container_row *row = &sample->rows[i];

        assert_int_equal(row->facts->state, CONTAINER_RUNNING);
        assert_true(row->usage.memory > 0);
        assert_int_equal(row->usage.memory_limit, 16 << 20);
        assert_int_equal(row->usage.oom_score_adj, 300);
        assert_true(row->usage.oom_score >= 0);
        assert_true(row->usage.pid > 0);
    }
    watch_run_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost)};

    lab = docker_lab_start();
    docker_lab_do(lab,
                  "network ls >/dev/null; for i in $(seq %d); do docker run -d --name c$i -m 16m"
                  " --oom-score-adj 300 --network none tiny:1 || exit; done",
                  CONTAINERS);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_stop(lab);
    return failed;
}
