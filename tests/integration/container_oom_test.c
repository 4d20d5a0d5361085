/* A container that the kernel kills for its memory is told, with the reason. */
#include "tests/integration/container_run.h"

#include <hiredis/hiredis.h>

static struct docker_lab *lab;
static const char *const none[] = {NULL};
static const char *const killed_hungry = "hungry +. OOM";
static bool flagged;

/* Takes more than the container may have, in one command; the kill is the end of the connection. */
static void fill(struct moments *moments, const void *context)
{
    redisContext *redis = redisConnect(context, 6379);

    moments->begun = docker_lab_now();
    redisReply *reply = redis ? redisCommand(redis, "SETRANGE full 400000000 x") : NULL;
    moments->ended = reply ? 0 : docker_lab_now();
}

static void test_watched(void **state)
{
    (void)state;
    char *host = docker_lab_address(lab, "shared_redis", "backend");
    struct term *term = watch_start(none);
    struct moments *moments;
    pid_t pid = beside(fill, &moments, host);

    expect_screen(term, "OomKilled");
    double told = term_matched(term);
    beside_end(pid);
    assert_true(moments->ended > 0);
    expect_now(term, "OomKilled .*memory limit");
    printf("OOM kill of a watched container: told after %.0f ms\n", ms_of(moments->ended, told));
    /* Its restart policy brings it back, and what has happened stays told. */
    expect_both_up(term);
    expect_screen(term, "OomKilled");
    expect_quit(term);
    munmap(moments, sizeof(*moments));
    free(host);
}

/* Until the container has said so. */
static void await_log(const char *words)
{
    const double until = docker_lab_now() + 20000;
    bool said = false;

    while (!said && docker_lab_now() < until) {
        char *log = docker_lab_docker(lab, "logs hungry");

        said = strstr(log, words) != NULL;
        free(log);
    }
    assert_true(said);
}

static void eat(struct moments *moments, const void *context)
{
    (void)context;
    moments->begun = docker_lab_now();
    docker_lab_do(lab, "run -d --name hungry -m 16m tiny:1 eat");
    await_log("hungry");
    docker_lab_do(lab, "kill -s USR1 hungry");
    docker_lab_do(lab, "wait hungry");
    moments->ended = docker_lab_now();
}

/* Nobody's service: it stays dead. */
static void test_other(void **state)
{
    (void)state;
    struct term *term = watch_start(none);
    struct moments *moments;
    pid_t pid = beside(eat, &moments, NULL);

    expect_screen(term, killed_hungry);
    double told = term_matched(term);
    expect_screen(term, "OomKilled .*memory limit");
    beside_end(pid);
    char *killed = docker_lab_docker(lab, "inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}'"
                                          " hungry");
    assert_non_null(strstr(killed, " 137"));
    /* The engine's own flag comes too late at times; what it has is told to the next test, too. */
    flagged = strncmp(killed, "true", 4) == 0;
    printf("OOM kill of another container: told %.0f ms after `docker run` had ended\n",
           ms_of(moments->ended, told));
    free(killed);
    expect_quit(term);
    munmap(moments, sizeof(*moments));
}

/* It was killed before anybody looked. */
static void test_before(void **state)
{
    (void)state;
    struct term *term = watch_start(none);

    expect_screen(term, flagged ? killed_hungry : "hungry +. exited 137");
    expect_quit(term);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watched),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_before),
    };

    lab = docker_lab_start();
    docker_lab_reference(lab, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_stop(lab);
    return failed;
}
