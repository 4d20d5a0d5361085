/* Monitor in the dashboard: what it shows, and that whatever becomes of the terminal costs the server
 * no key, where it costs keys when redis-cli is treated the same way. */
#include "tests/screen/dashboard.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct lab *lab;

enum { KEY = 1800, BATCH = 16 };

/* ---- a full server and a load that only reads ---- */

static long long info_number(const char *name)
{
    char *info = lab_redis_value(lab, "INFO");
    const char *at = strstr(info, name);
    long long value = at ? atoll(at + strlen(name)) : -1;

    free(info);
    assert_true(value >= 0);
    return value;
}

/* Full but for 3 MB: connections fit, a backlog does not. */
static void fill(void)
{
    free(lab_redis_value(lab, "FLUSHALL"));
    free(lab_redis_value(lab, "CONFIG SET maxmemory-policy allkeys-lru"));
    free(lab_redis_value(lab, "EVAL %s 0",
                         "for i = 1, 12000 do redis.call('SET', 'full:' .. i, "
                         "string.rep('v', 1000)) end"));
    free(lab_redis_value(lab, "CONFIG SET maxmemory %lld",
                         info_number("\r\nused_memory:") + (3 << 20)));
    free(lab_redis_value(lab, "CONFIG RESETSTAT"));
}

/* Long keys that do not exist, about 1 MB a second of stream. */
static _Noreturn void load(void)
{
    static const struct timespec rest = {.tv_nsec = 24000000};
    redisContext *redis = redisConnectUnix(lab_get(lab, "LAB_REDIS") + strlen("unix:"));
    char key[KEY + 1];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(key, 'k', KEY);
    key[KEY] = '\0';
    while (redis && !redis->err) {
        for (int i = 0; i < BATCH; i++)
            freeReplyObject(redisCommand(redis, "GET %s", key));
        nanosleep(&rest, NULL);
    }
    _exit(1);
}

static pid_t start_load(void)
{
    pid_t pid;

    fill();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        load();
    return pid;
}

static void stop_load(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool monitored(void)
{
    char *list = lab_redis_value(lab, "CLIENT LIST");
    bool open = strstr(list, "cmd=monitor") != NULL;

    free(list);
    return open;
}

/* ---- the dashboard ---- */

static struct term *start_monitor(void)
{
    struct term *term = dashboard_start(lab, 36, 140, NULL, NULL);

    expect_screen(term, "conns .*[0-9]+/[0-9]+");
    expect_screen(term, "memory .*M/");
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    term_keys(term, "m");
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
    return term;
}

static void let_pass(double ms)
{
    double until = term_now() + ms;
    static const struct timespec rest = {.tv_nsec = 20000000};

    while (term_now() < until)
        nanosleep(&rest, NULL);
}

static void await_no_stream(void)
{
    static const struct timespec rest = {.tv_nsec = 20000000};
    double until = term_now() + TERM_PATIENCE;

    while (monitored() && term_now() < until)
        nanosleep(&rest, NULL);
    assert_false(monitored());
}

static void expect_no_key_lost(const char *what)
{
    long long evicted = info_number("\r\nevicted_keys:");

    print_message("%s: %lld keys\n", what, evicted);
    assert_int_equal(evicted, 0);
}

/* Ctrl-Z: the stream is closed before. */
static void test_ctrl_z(void **state)
{
    pid_t pid = start_load();
    struct term *term = start_monitor();

    (void)state;
    term_keys(term, "\x1a");
    expect_screen(term, "the dashboard was suspended");
    await_no_stream();
    expect_no_key_lost("Ctrl-Z");
    expect_quit(term);
    stop_load(pid);
}

/* Ctrl-S, and a terminal that nobody reads: the loop goes on, so does the reader. */
static void test_terminal_stalls(void **state)
{
    pid_t pid = start_load();
    struct term *term = start_monitor();

    (void)state;
    term_keys(term, "\x13");
    let_pass(500);
    term_stall(term);
    let_pass(6000);
    assert_true(monitored());
    expect_no_key_lost("XOFF, and a terminal that is not read");
    term_resume(term);
    term_keys(term, "\x11");
    expect_screen(term, "running, m stops");
    expect_quit(term);
    stop_load(pid);
}

static void test_stopped(void **state)
{
    pid_t pid = start_load();
    struct term *term = start_monitor();

    (void)state;
    kill(-term_pid(term), SIGSTOP);
    await_no_stream();
    expect_no_key_lost("SIGSTOP");
    kill(-term_pid(term), SIGCONT);
    expect_screen(term, "(stood still for a second|the server kept).* m starts again");
    expect_quit(term);
    stop_load(pid);
}

static void expect_harmless_signal(int number, const char *name)
{
    pid_t pid = start_load();
    struct term *term = start_monitor();

    term_signal(term, number);
    await_no_stream();
    expect_no_key_lost(name);
    term_free(term);
    stop_load(pid);
}

static void test_hangup(void **state)
{
    (void)state;
    expect_harmless_signal(SIGHUP, "SIGHUP");
}

static void test_killed(void **state)
{
    (void)state;
    expect_harmless_signal(SIGKILL, "kill -9");
}

/* ---- what it shows ---- */

/* The filter works on what comes, not only on what is kept; what it leaves out is counted. */
static void test_filter(void **state)
{
    struct term *term = start_monitor();

    (void)state;
    term_keys(term, "/command:^incr$\r");
    free(lab_redis_value(lab, "SET seen:1 x"));
    free(lab_redis_value(lab, "INCR rare:1"));
    expect_screen(term, "INCR +[0-9]+ .*rare:1");
    expect_screen(term, "[0-9]+ filtered");
    expect_not_now(term, "seen:1");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "bytes +[0-9]+");
    term_keys(term, "q");
    expect_screen(term, "running, m stops");
    expect_quit(term);
}

static void test_flags_and_pause(void **state)
{
    struct term *term = start_monitor();

    (void)state;
    free(lab_redis_value(lab, "KEYS nothing:*"));
    expect_screen(term, "1 KEYS");
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    free(lab_redis_value(lab, "SET while:paused x"));
    assert_true(term_wait_quiet(term, 300, TERM_PATIENCE));
    expect_not_now(term, "while:paused");
    term_keys(term, "p");
    expect_screen(term, "while:paused");
    expect_quit(term);
}

static int set_up(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),  cmocka_unit_test(test_flags_and_pause),
        cmocka_unit_test(test_ctrl_z),  cmocka_unit_test(test_terminal_stalls),
        cmocka_unit_test(test_stopped), cmocka_unit_test(test_hangup),
        cmocka_unit_test(test_killed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
