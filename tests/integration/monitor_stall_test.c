/* What the dashboard's Monitor costs a full server under a heavy load, whatever becomes of its terminal,
 * its process and its link: no key. The same is done to redis-cli, which loses them, so that the test
 * can fail. */
#include "tests/integration/monitor_load.h"
#include "tests/screen/expect.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

enum {
    LONG_MS = 30000,
    LONG_BYTES = 128 << 20, /* as much as the server may use at all */
    SHORT_MS = 4000,
    SHORT_BYTES = 64 << 20 /* more than kernels take up, and many times the room */
};

struct stage {
    struct lab lab;
    struct load load;
    struct term *term;
    char config[96];
};

static void start_dashboard(struct stage *stage)
{
    const char *argv[] = {getenv("SHAREDTOP"), "--config", stage->config, NULL};
    FILE *file;

    if (!argv[0])
        fail_msg("SHAREDTOP is not set: run the tests with make");
    snprintf(stage->config, sizeof(stage->config), "%s/config", stage->lab.dir);
    file = fopen(stage->config, "w");
    assert_non_null(file);
    fprintf(file, "redis = ( { name = \"lab\"; url = \"%s\"; } );\n", stage->lab.url);
    fclose(file);
    stage->term = term_start(36, 140, NULL, argv);
}

/* With its Monitor running, for longer than anything here takes. */
static void stage_start(struct stage *stage)
{
    load_start(&stage->load, &stage->lab);
    start_dashboard(stage);
    expect_screen(stage->term, "allkeys-lru");
    term_keys(stage->term, ":monitor 300\r");
    expect_screen(stage->term, "y: start");
    term_keys(stage->term, "y");
    expect_screen(stage->term, "running, m stops");
    load_await_monitors(&stage->lab, 1);
}

static void stage_stop(struct stage *stage)
{
    term_free(stage->term);
    unlink(stage->config);
    load_stop(&stage->load, &stage->lab);
}

static void expect_no_key_lost(struct stage *stage, const char *what, double ms, long long bytes)
{
    long long lost = load_outlast(&stage->lab, ms, bytes);

    print_message("%s: %lld keys\n", what, lost);
    assert_int_equal(lost, 0);
}

/* Usually it goes on. Where the processors are too busy for it, the guard has ended it. */
static void tell_end(const struct stage *stage)
{
    expect_screen(stage->term, "running, m stops|m starts again");
    if (!term_matches(stage->term, "running, m stops"))
        print_message("it was ended:\n%s\n", term_row(stage->term, 2));
}

/* ---- redis-cli ---- */

static void expect_keys_lost(struct lab *lab, const char *what)
{
    long long lost = load_outlast(lab, 0, SHORT_BYTES);

    print_message("redis-cli, %s: %lld keys\n", what, lost);
    assert_true(lost > 1000);
}

static void test_redis_cli_stopped(void **state)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct load load;
    struct lab lab;
    pid_t reader;

    (void)state;
    load_start(&load, &lab);
    reader = load_redis_cli(&lab, null);
    load_await_monitors(&lab, 1);
    kill(reader, SIGSTOP);
    expect_keys_lost(&lab, "stopped");
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    close(null);
    load_stop(&load, &lab);
}

static void test_redis_cli_not_read(void **state)
{
    struct load load;
    struct lab lab;
    int out[2];
    pid_t reader;

    (void)state;
    load_start(&load, &lab);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    reader = load_redis_cli(&lab, out[1]);
    load_await_monitors(&lab, 1);
    expect_keys_lost(&lab, "its output not read");
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    close(out[0]);
    close(out[1]);
    load_stop(&load, &lab);
}

/* ---- the terminal ---- */

/* The stream is closed before. */
static void test_ctrl_z(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage);
    term_keys(stage.term, "\x1a");
    expect_screen(stage.term, "the dashboard was suspended");
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "Ctrl-Z", SHORT_MS, SHORT_BYTES);
    stage_stop(&stage);
}

/* The reader goes on, and the screen shows what it has read when the terminal goes on. */
static void test_ctrl_s(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage);
    term_keys(stage.term, "\x13");
    expect_no_key_lost(&stage, "Ctrl-S", SHORT_MS, SHORT_BYTES);
    term_keys(stage.term, "\x11");
    tell_end(&stage);
    stage_stop(&stage);
}

static void test_terminal_not_read(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage);
    term_stall(stage.term);
    expect_no_key_lost(&stage, "a terminal that is not read for 30 s", LONG_MS, LONG_BYTES);
    term_resume(stage.term);
    tell_end(&stage);
    stage_stop(&stage);
}

/* ---- the process ---- */

static void test_stopped(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage);
    kill(-term_pid(stage.term), SIGSTOP);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "SIGSTOP for 30 s", LONG_MS, LONG_BYTES);
    kill(-term_pid(stage.term), SIGCONT);
    expect_screen(stage.term, "m starts again");
    stage_stop(&stage);
}

static void test_killed(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage);
    term_signal(stage.term, SIGKILL);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "kill -9", SHORT_MS, SHORT_BYTES);
    stage_stop(&stage);
}

/* ---- the link ---- */

static void set_link(bool up)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    request.ifr_flags = (short)(up ? IFF_UP | IFF_RUNNING : 0);
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail_msg("cannot switch the link: %s", strerror(errno));
    close(fd);
}

/* In a network of our own, whose only link is then switched off; the test and the load reach the
 * server by its unix socket. Nothing can reach it from the dashboard, the server alone ends it. */
static void test_link_down(void **state)
{
    struct stage stage;

    (void)state;
    if (unshare(getuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
        fail_msg("no network of our own: %s", strerror(errno));
    set_link(true);
    stage_start(&stage);
    set_link(false);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "link down", SHORT_MS, SHORT_BYTES);
    stage_stop(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis_cli_stopped),
        cmocka_unit_test(test_redis_cli_not_read),
        cmocka_unit_test(test_ctrl_z),
        cmocka_unit_test(test_ctrl_s),
        cmocka_unit_test(test_terminal_not_read),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_link_down), /* the last: it leaves this process in its own network */
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
