/* Delete by pattern: counted first, removed by a job. */
#include "backend/job.h"
#include "backend/job_delete.h"
#include "backend/redis_script.h"
#include "tests/integration/redis_door.h"

#include <math.h>

static void delete_keys(struct door *door, int db, const char *pattern)
{
    const struct act_request request = {.act = ACT_DELETE, .db = db, .pattern = pattern};

    door_prepare(door, &request);
}

static void fill(struct lab *lab, int db, const char *prefix, int count)
{
    LAB_RUN(lab, "SELECT %d", db);
    LAB_RUN(lab, "EVAL %s 0 %s %d",
            "for i = 1, ARGV[2] do redis.call('SET', ARGV[1] .. i, 'x') end", prefix, count);
}

/* Waits until the job of the last act has ended; the caller frees the list. Only reads files. */
static const struct job_info *wait_for_job(const struct door *door, struct job_list *jobs)
{
    char *error = NULL;
    bool ended = false;

    assert_int_equal(action_outcome(door->action)->status, OUTCOME_STARTED);
    *jobs = (struct job_list){0};
    for (double until = 0; lab_waiting(&until) && !ended;) {
        job_list_free(jobs);
        assert_true(job_list_read(jobs, &error));
        ended = jobs->count && job_state_ended(jobs->items[0].state);
    }
    if (!ended || !jobs->items)
        abort();
    assert_string_equal(jobs->items[0].id, action_outcome(door->action)->job);
    print_message("    %s: %s\n", job_state_text(jobs->items[0].state), jobs->items[0].result);
    return &jobs->items[0];
}

/* Waits until the job has removed some keys and is not done yet. */
static void wait_until_begun(void)
{
    struct job_list jobs = {0};
    char *error = NULL;
    bool begun = false;

    for (double until = 0; lab_waiting(&until) && !begun;) {
        assert_true(job_list_read(&jobs, &error));
        begun = jobs.items[0].items > 0;
        assert_false(job_state_ended(jobs.items[0].state));
        job_list_free(&jobs);
    }
}

static void test_deleted(void **state)
{
    const struct plan *plan;
    struct job_list jobs;
    struct lab lab;
    struct door door;
    double began;
    char *audit;

    (void)state;
    door_start(&lab, &door, NULL);
    fill(&lab, 5, "session:", 12000);
    fill(&lab, 5, "other:", 3000);
    fill(&lab, 0, "session:", 10);
    delete_keys(&door, 5, "session:*");
    plan = action_plan(door.action);
    assert_int_equal(plan->verdict.ask, POLICY_YES);
    assert_string_equal(plan->confirm, "lab/5");
    assert_string_equal(door_line(&door, PLAN_LOSS, "keys"),
                        "12,000, for good: this cannot be undone");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "keys"),
                        "12,000 of 15,000 match now; what comes to match goes too");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "types"),
                        "string 100 %, of 200 that were looked at");
    assert_string_equal(door_line(&door, PLAN_COMMAND, "SCAN"),
                        "SCAN ... MATCH session:* COUNT 1000");
    assert_int_equal(lab_size(&lab, 5), 15000);
    began = lab_now_ms();
    door_execute(&door);
    wait_for_job(&door, &jobs);
    print_message("    12,000 keys in %.1f s\n", (lab_now_ms() - began) / 1e3);
    assert_int_equal(jobs.items[0].state, JOB_DONE);
    assert_int_equal(jobs.items[0].act, ACT_DELETE);
    assert_true(jobs.items[0].items == 12000 && jobs.items[0].items_total == 12000);
    assert_non_null(strstr(jobs.items[0].result, "removed 12,000 keys that match session:*"));
    job_list_free(&jobs);
    /* 10,000 a second at most, and the last batch need not wait. */
    assert_true(lab_now_ms() - began > 1000);
    assert_int_equal(lab_size(&lab, 5), 3000);
    assert_int_equal(lab_size(&lab, 0), 10);
    audit = door_audit(&door);
    assert_non_null(strstr(audit, "\"status\":\"done\""));
    free(audit);
    door_stop(&lab, &door);
}

/* Keys and patterns are bytes. */
static void test_binary(void **state)
{
    static const struct {
        const char *key;
        size_t len;
    } keys[] = {{"bin:\0\xff", 6}, {"bin:\n\r\x01", 7}, {"bin:", 4}, {"\xff\xfe", 2}, {"bix:", 4}};
    struct job_list jobs;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    LAB_RUN(&lab, "SELECT 5");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        freeReplyObject(redisCommand(lab.admin, "SET %b 1", keys[i].key, keys[i].len));
    assert_int_equal(lab_size(&lab, 5), sizeof(keys) / sizeof(keys[0]));
    delete_keys(&door, 5, "bin:*");
    assert_string_equal(door_line(&door, PLAN_LOSS, "keys"), "3, for good: this cannot be undone");
    door_execute(&door);
    wait_for_job(&door, &jobs);
    job_list_free(&jobs);
    assert_int_equal(lab_size(&lab, 5), 2);
    delete_keys(&door, 5, "\xff*");
    assert_string_equal(door_line(&door, PLAN_LOSS, "keys"), "1, for good: this cannot be undone");
    door_execute(&door);
    wait_for_job(&door, &jobs);
    assert_int_equal(jobs.items[0].state, JOB_DONE);
    job_list_free(&jobs);
    assert_int_equal(lab_size(&lab, 5), 1);
    door_stop(&lab, &door);
}

static void test_cancelled(void **state)
{
    const struct job_info *job;
    struct job_list jobs;
    struct lab lab;
    struct door door;
    long long left;

    (void)state;
    door_start(&lab, &door, NULL);
    fill(&lab, 5, "a:", 100000);
    delete_keys(&door, 5, "a:*");
    door_execute(&door);
    wait_until_begun();
    assert_null(job_cancel(action_outcome(door.action)->job));
    job = wait_for_job(&door, &jobs);
    assert_int_equal(job->state, JOB_CANCELLED);
    assert_non_null(strstr(job->result, "cancelled after it had removed "));
    left = lab_size(&lab, 5);
    print_message("    %.0f of 100,000 removed, %lld left\n", job->items, left);
    assert_int_equal(left, 100000 - (long long)job->items);
    assert_true(left > 0 && left < 100000);
    job_list_free(&jobs);
    door_stop(&lab, &door);
}

/* Swaps the database with 6 while a job removes its keys. */
static const struct job_info *swap_meanwhile(struct lab *lab, struct door *door, int count,
                                             struct job_list *jobs)
{
    const struct job_info *job;

    fill(lab, 5, "a:", count);
    delete_keys(door, 5, "a:*");
    freeReplyObject(redisCommand(lab->admin, "SWAPDB x x"));
    door_execute(door);
    wait_until_begun();
    LAB_RUN(lab, "SWAPDB 5 6");
    job = wait_for_job(door, jobs);
    assert_int_equal(job->state, JOB_FAILED);
    assert_non_null(strstr(job->result, "stopped after "));
    assert_non_null(strstr(job->result, " keys: databases were swapped (SWAPDB)"));
    return job;
}

static void expect_left(struct lab *lab, const struct job_info *job)
{
    long long left = lab_size(lab, 6);

    assert_int_equal(left, 100000 - (long long)job->items);
    assert_true(left > 0 && left < 100000);
}

/* The number means another database in the middle of it, whose keys have the same names. */
static void test_swapped(void **state)
{
    const struct job_info *job;
    struct job_list jobs;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    fill(&lab, 6, "a:", 100000);
    job = swap_meanwhile(&lab, &door, 100000, &jobs);
    assert_int_equal(lab_size(&lab, 5), 100000);
    expect_left(&lab, job);
    job_list_free(&jobs);
    door_stop(&lab, &door);
}

/* No UNLINK finds it out: the other database has no key that matches. Few match at a time, so that
 * the job rests between an UNLINK and a SCAN. */
static void test_swapped_with_nothing(void **state)
{
    const struct job_info *job;
    struct job_list jobs;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    fill(&lab, 5, "b:", 80000);
    job = swap_meanwhile(&lab, &door, 20000, &jobs);
    assert_int_equal(lab_size(&lab, 5), 0);
    expect_left(&lab, job);
    job_list_free(&jobs);
    door_stop(&lab, &door);
}

/* Without the right to run scripts it is looked at before each UNLINK: one may come too late. */
static void test_swapped_without_scripts(void **state)
{
    struct job_list jobs;
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_open_without(&lab, &door, "-eval");
    fill(&lab, 6, "a:", 100000);
    swap_meanwhile(&lab, &door, 100000, &jobs);
    job_list_free(&jobs);
    assert_true(lab_size(&lab, 5) >= 100000 - JOB_DELETE_BATCH);
    door_stop(&lab, &door);
}

/* What may not be run is said by its own name. */
static void test_no_right_to_unlink(void **state)
{
    struct job_list jobs;
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_open_without(&lab, &door, "-unlink");
    fill(&lab, 5, "a:", 10);
    delete_keys(&door, 5, "a:*");
    door_execute(&door);
    assert_int_equal(wait_for_job(&door, &jobs)->state, JOB_FAILED);
    assert_non_null(strstr(jobs.items[0].result, "user app may not run UNLINK"));
    job_list_free(&jobs);
    assert_int_equal(lab_size(&lab, 5), 10);
    door_stop(&lab, &door);
}

static void test_nothing(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    delete_keys(&door, 5, "b*");
    door_expect(&door, OUTCOME_NOTHING, "no key of database 5 matches b*");
    delete_keys(&door, 5, "");
    door_expect(&door, OUTCOME_REFUSED, "the pattern is empty");
    delete_keys(&door, 99, "a");
    door_expect(&door, OUTCOME_FAILED, "no database 99");
    delete_keys(&door, 0, "a");
    door_expect(&door, OUTCOME_NOTHING, "no key");
    lab_set(&lab, 0, "a", "1");
    delete_keys(&door, 0, "a");
    door_expect_refused(&door, false, "production");
    door_stop(&lab, &door);
}

/* A big database is counted in slices, and tells how far it is. */
static void test_counted_in_slices(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    fill(&lab, 5, "a:", 300000);
    delete_keys(&door, 5, "a:29999?");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "keys"),
                        "10 of 300,000 match now; what comes to match goes too");
    print_message("    counted 300,000 keys, told %u times\n", door.told);
    assert_true(door.told > 0);
    door_stop(&lab, &door);
}

static void test_vetoes(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    LAB_RUN(&lab, "SELECT 5");
    LAB_RUN(&lab, "LPUSH celery task");
    delete_keys(&door, 5, "*");
    assert_int_equal(action_plan(door.action)->vetoes, VETO_CELERY);
    assert_int_equal(action_plan(door.action)->verdict.ask, POLICY_NAME);
    door_line(&door, PLAN_WARNING, "matches every key");
    LAB_RUN(&lab, "CLIENT KILL TYPE normal SKIPME yes");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "must be prepared again");
    LAB_RUN(&lab, "REPLICAOF 127.0.0.1 1");
    delete_keys(&door, 5, "*");
    door_expect_refused(&door, false, "is a replica");
    door_stop(&lab, &door);
}

static void expect_vetoes(struct door *door, unsigned vetoes)
{
    assert_int_equal(action_plan(door->action)->vetoes, vetoes);
    assert_int_equal(action_plan(door->action)->verdict.ask, POLICY_NAME);
}

/* The facts that turn a flush's y into the name do so here. */
static void test_vetoes_of_a_flush(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_init(&door, lab.url);
    door_add_db(&door, 6, ENV_DEV, "Django Cache");
    door_open(&door);
    LAB_RUN(&lab, "SELECT 6");
    LAB_RUN(&lab, "SET a 1 EX 1000");
    delete_keys(&door, 6, "a*");
    assert_int_equal(action_plan(door.action)->vetoes, 0);
    LAB_RUN(&lab, "SET b 1");
    delete_keys(&door, 6, "a*");
    expect_vetoes(&door, VETO_LASTING_KEYS);
    LAB_RUN(&lab, "SELECT 5");
    LAB_RUN(&lab, "LPUSH mail task");
    LAB_RUN(&lab, "SADD _kombu.binding.celery x");
    delete_keys(&door, 5, "mail");
    expect_vetoes(&door, VETO_CELERY);
    door_stop(&lab, &door);
}

static void test_spare_of_production(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 5, SPARE_MARKER,
            "{\"token\":\"1\",\"db\":0,\"keys\":1,\"since\":100,\"until\":200,\"by\":\"me\"}");
    delete_keys(&door, 5, "a");
    assert_int_equal(action_plan(door.action)->environment, ENV_PRODUCTION);
    door_line(&door, PLAN_WARNING, "holds what a flush took from database 0 (1 key, until ");
    door_expect_refused(&door, false, "production");
    door_stop(&lab, &door);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_swapped_with_nothing),
        cmocka_unit_test(test_swapped_without_scripts),
        cmocka_unit_test(test_no_right_to_unlink),
        cmocka_unit_test(test_vetoes),
        cmocka_unit_test(test_vetoes_of_a_flush),
        cmocka_unit_test(test_spare_of_production),
        cmocka_unit_test(test_counted_in_slices),
    };

    signal(SIGPIPE, SIG_IGN);
    /* The job's process is this program again. */
    if (argc == 3 && strcmp(argv[1], "job-run") == 0)
        return job_main(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
