/* The terminal: given back however the program ends, of any size and kind, slow, or gone. */
#include "tests/screen/dashboard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lab *lab;

static struct term *start(int rows, int columns)
{
    struct term *term = dashboard_start(lab, rows, columns, NULL, NULL);

    expect_both_up(term);
    return term;
}

/* ---- ends ---- */

static void expect_end(struct term *term, int status)
{
    expect_exit(term, status);
    expect_terminal_restored(term);
    term_free(term);
}

static void test_signals_end_it_cleanly(void **state)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT};

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct term *term = start(24, 80);

        assert_true(emulator_alternate(term_emulator(term)));
        assert_false(term_modes_restored(term));
        term_signal(term, signals[i]);
        expect_end(term, W_EXITCODE(0, 0));
    }
}

/* From its first byte on, the terminal is taken, and a signal finds somebody to give it back. */
static void test_a_signal_at_the_start(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct term *term = dashboard_start(lab, 24, 80, NULL, NULL);

        assert_true(term_wait_output(term, 0, TERM_PATIENCE));
        term_signal(term, SIGTERM);
        expect_end(term, W_EXITCODE(0, 0));
    }
}

static void test_control_c(void **state)
{
    struct term *term = start(24, 80);

    (void)state;
    term_keys(term, "\x03");
    expect_end(term, W_EXITCODE(0, 0));
}

static void test_a_crash_restores_the_terminal(void **state)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT};

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct term *term = start(24, 80);

        term_signal(term, signals[i]);
        expect_end(term, W_EXITCODE(0, signals[i]));
    }
}

static void test_hang_up(void **state)
{
    struct term *term = start(24, 80);
    int status = -1;

    (void)state;
    term_hangup(term);
    assert_true(term_wait_exit(term, TERM_PATIENCE, &status));
    assert_int_equal(status, W_EXITCODE(0, 0));
    term_free(term);
}

/* Its connections are gone with it: nobody is left that a lost terminal has forgotten. */
static void test_nothing_stays_behind(void **state)
{
    struct term *term = start(24, 80);
    pid_t pid = term_pid(term);
    char *count;

    (void)state;
    term_hangup(term);
    assert_true(term_wait_exit(term, TERM_PATIENCE, NULL));
    assert_int_equal(kill(-pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    do {
        count = lab_pg_value(
            lab, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sharedtop'");
        if (strcmp(count, "0") == 0)
            break;
        free(count);
    } while (true);
    free(count);
    term_free(term);
}

/* ---- kinds of terminals ---- */

static void expect_no_screen(const char *const *env, const char *line)
{
    struct term *term = dashboard_start(lab, 24, 80, env, NULL);

    expect_exit(term, W_EXITCODE(2, 0));
    expect_now(term, line);
    assert_false(expect_raw_has(term, "\x1b"));
    assert_true(term_modes_restored(term));
    term_free(term);
}

static void test_terminals_that_cannot(void **state)
{
    static const char *const dumb[] = {"TERM=dumb", NULL};
    static const char *const none[] = {"TERM", NULL};
    static const char *const empty[] = {"TERM=", NULL};
    static const char *const unknown[] = {"TERM=no-such-terminal", NULL};

    (void)state;
    expect_no_screen(dumb, "^sharedtop: TERM=dumb cannot show a screen; ");
    expect_no_screen(none, "^sharedtop: TERM is not set; ");
    expect_no_screen(empty, "^sharedtop: TERM is not set; ");
    expect_no_screen(unknown, "^sharedtop: TERM=no-such-terminal is not known here; ");
}

/* Runs the dashboard with pipes for all three; returns its status, its output in text. */
static int run_piped(char *text, size_t size)
{
    const char *program = getenv("SHAREDTOP");
    int ends[2], status = -1;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setsid();
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        if (program)
            execl(program, "sharedtop", "--config", lab_get(lab, "LAB_CONF"), (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while (len + 1 < size && (n = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_no_terminal(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(run_piped(text, sizeof(text)), W_EXITCODE(2, 0));
    assert_string_equal(text, "sharedtop: standard output is not a terminal; for scripts use "
                              "'sharedtop snapshot'\n");
}

static void test_a_terminal_of_one_cell(void **state)
{
    struct term *term = dashboard_start(lab, 1, 1, NULL, NULL);

    (void)state;
    assert_true(term_wait_output(term, 0, TERM_PATIENCE));
    term_keys(term, "?q2/x\r:v\t\rjksS<><Gg 345678");
    term_resize(term, 36, 120);
    expect_screen(term, "1 Overview|views");
    term_keys(term, ":view databases\r");
    expect_screen(term, "umami");
    expect_quit(term);
}

static void test_a_terminal_that_is_too_small(void **state)
{
    struct term *term = dashboard_start(lab, 10, 40, NULL, NULL);

    (void)state;
    expect_screen(term, "The terminal is 40 x 10; sharedtop needs");
    expect_quit(term);
    term = dashboard_start(lab, 1, 1, NULL, NULL);
    assert_true(term_wait_output(term, 0, TERM_PATIENCE));
    expect_quit(term);
}

static void test_a_stop_from_outside(void **state)
{
    struct term *term = start(24, 80);
    size_t before = term_bytes(term);

    (void)state;
    term_signal(term, SIGSTOP);
    term_resize(term, 36, 120);
    term_signal(term, SIGCONT);
    assert_true(term_wait_output(term, before, TERM_PATIENCE));
    expect_screen(term, "1 Overview|views");
    term_keys(term, "4");
    expect_screen(term, "umami");
    expect_quit(term);
}

/* ---- terminals that do not read ---- */

/* The dashboard has asked the server once more since *last. */
static void await_refresh(char **last)
{
    char *now;

    for (;;) {
        now = lab_pg_value(lab, "SELECT max(query_start) FROM pg_stat_activity "
                                "WHERE application_name = 'sharedtop'");
        if (!*last || strcmp(now, *last) != 0)
            break;
        free(now);
    }
    free(*last);
    *last = now;
}

/* Each of these refreshes would be a whole new picture of 60 x 200 cells: what comes when the
 * terminal reads again is what the kernel had taken, and the newest one. */
static void test_a_stalled_terminal_gets_no_replay(void **state)
{
    static const char *const more[] = {"--interval", "0.2", NULL};
    static const char *const views[] = {"2", "4", "9", "5"};
    struct term *term = dashboard_start(lab, 60, 200, NULL, more);
    char *last = NULL;
    size_t before;

    (void)state;
    expect_both_up(term);
    term_stall(term);
    before = term_bytes(term);
    for (size_t i = 0; i < 24; i++) {
        term_keys(term, views[i % 4]);
        await_refresh(&last);
    }
    term_keys(term, "4/name:^umami\r");
    await_refresh(&last);
    await_refresh(&last);
    term_resume(term);
    expect_screen(term, "Databases");
    expect_screen(term, "umami");
    expect_gone(term, "aletheia");
    assert_in_range(term_bytes(term) - before, 1, 64 * 1024);
    free(last);
    expect_quit(term);
}

/* Fills all that lies between the dashboard and a terminal that does not read. */
static struct term *start_stalled(void)
{
    static const char *const more[] = {"--interval", "0.2", NULL};
    struct term *term = dashboard_start(lab, 60, 200, NULL, more);
    char *last = NULL;

    expect_both_up(term);
    term_stall(term);
    for (int i = 0; i < 8; i++) {
        term_keys(term, i % 2 ? "1" : "2");
        await_refresh(&last);
    }
    free(last);
    return term;
}

static void test_quit_in_a_stall(void **state)
{
    struct term *term = start_stalled();
    int status = -1;

    (void)state;
    term_keys(term, "q");
    assert_true(term_wait_exit(term, TERM_PATIENCE, &status));
    assert_int_equal(status, W_EXITCODE(0, 0));
    assert_true(term_modes_restored(term));
    term_free(term);
}

static void test_signals_in_a_stall(void **state)
{
    static const int signals[] = {SIGTERM, SIGSEGV};

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct term *term = start_stalled();
        int status = -1;

        term_signal(term, signals[i]);
        assert_true(term_wait_exit(term, TERM_PATIENCE, &status));
        assert_int_equal(status, W_EXITCODE(0, signals[i] == SIGSEGV ? SIGSEGV : 0));
        assert_true(term_modes_restored(term));
        term_free(term);
    }
}

static void test_hang_up_in_a_stall(void **state)
{
    struct term *term = start_stalled();
    int status = -1;

    (void)state;
    term_hangup(term);
    assert_true(term_wait_exit(term, TERM_PATIENCE, &status));
    assert_int_equal(status, W_EXITCODE(0, 0));
    term_free(term);
}

static int set_up(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    lab_fill(lab);
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
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_end_it_cleanly),
        cmocka_unit_test(test_a_signal_at_the_start),
        cmocka_unit_test(test_control_c),
        cmocka_unit_test(test_a_crash_restores_the_terminal),
        cmocka_unit_test(test_hang_up),
        cmocka_unit_test(test_nothing_stays_behind),
        cmocka_unit_test(test_terminals_that_cannot),
        cmocka_unit_test(test_no_terminal),
        cmocka_unit_test(test_a_terminal_of_one_cell),
        cmocka_unit_test(test_a_terminal_that_is_too_small),
        cmocka_unit_test(test_a_stop_from_outside),
        cmocka_unit_test(test_a_stalled_terminal_gets_no_replay),
        cmocka_unit_test(test_quit_in_a_stall),
        cmocka_unit_test(test_signals_in_a_stall),
        cmocka_unit_test(test_hang_up_in_a_stall),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
