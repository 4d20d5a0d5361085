/* `sharedtop monitor` when who reads what it prints is slow, or stops. */
#include "tests/integration/monitor_site.h"

#include <linux/capability.h>
#include <poll.h>
#include <sys/stat.h>

/* Until out is full, and so much more has come that it stays so. A terminal (-1) can keep a last
 * byte of room, too few for a line's end: there it is as much as none has room for. */
static void until_stalled(struct site *site, int out)
{
    enum { MORE = 4000 };
    struct pollfd room = {.fd = out, .events = POLLOUT};
    bool full = out < 0;
    long long done;

    for (double until = 0; !full && lab_waiting(&until);)
        full = poll(&room, 1, 0) == 0;
    assert_true(full);
    done = lab_info(&site->lab, "total_commands_processed");
    for (double until = 0; lab_waiting(&until);) {
        if (lab_info(&site->lab, "total_commands_processed") > done + MORE)
            return;
    }
    fail_msg("nothing more comes");
}

/* `| less`: it can be ended all the same. */
static void test_reader_stalls(void **state)
{
    int fds[2], err = memfd_create("err", MFD_CLOEXEC);
    char *text;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = start_into(*state, fds[1], err);
    until_stalled(*state, fds[1]);
    kill(pid, SIGTERM);
    assert_int_equal(await_exit(pid, "it waits for its reader for ever"), 1);
    text = take_file(err);
    expect_word(text, "nobody took it in time");
    expect_word(text, "ended by a signal");
    expect_all_counted(text);
    free(text);
    close(fds[0]);
    close(fds[1]);
}

/* One who takes some all the time is not waited for without an end either. */
static void test_slow_reader(void **state)
{
    int fds[2], status = -1;
    char bytes[1024];
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = start_into(*state, fds[1], -1);
    until_stalled(*state, fds[1]);
    kill(pid, SIGINT);
    for (double until = 0; lab_waiting(&until) && waitpid(pid, &status, WNOHANG) == 0;) {
        assert_true(read(fds[0], bytes, sizeof(bytes)) > 0);
        lab_pause_ms(250);
    }
    if (!WIFEXITED(status))
        await_exit(pid, "it waits for its reader as long as that reads");
    assert_int_equal(WEXITSTATUS(status), 1);
    close(fds[0]);
    close(fds[1]);
}

/* `| less` that is read page by page: after its own time it waits for the last line to be taken. */
static void test_reader_is_late(void **state)
{
    enum { ITS_PATIENCE = 2000 };
    int fds[2], err = memfd_create("err", MFD_CLOEXEC);
    unsigned long long lines = 0;
    char bytes[4096], *text;
    double since;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    pid = start_for(*state, "1s", fds[1], err);
    close(fds[1]);
    until_it_reads(*state, -1);
    for (double until = 0; lab_waiting(&until) && lab_clients(*state, " flags=O");)
        ;
    since = lab_now_ms();
    while (lab_now_ms() < since + 2 * ITS_PATIENCE)
        lab_pause_ms(50);
    while ((n = read(fds[0], bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    assert_int_equal(await_exit(pid, "it does not end"), 0);
    text = take_file(err);
    expect_all_counted(text);
    assert_int_equal(figure(text, "shown"), lines);
    free(text);
    close(fds[0]);
}

/* A second signal does not wait for the reader at all. */
static void test_second_signal(void **state)
{
    int fds[2], err = memfd_create("err", MFD_CLOEXEC);
    char *text;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = start_into(*state, fds[1], err);
    until_stalled(*state, fds[1]);
    kill(pid, SIGSTOP);
    kill(pid, SIGINT);
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
    assert_int_equal(await_exit(pid, "it waits for its reader for ever"), 1);
    text = take_file(err);
    expect_word(text, "a second signal left no time");
    expect_all_counted(text);
    free(text);
    close(fds[0]);
    close(fds[1]);
}

struct terminal {
    int keeper, fd; /* keeper: the end that shows what is written to fd */
};

static struct terminal open_terminal(void)
{
    struct terminal terminal = {.keeper = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};

    assert_int_equal(grantpt(terminal.keeper), 0);
    assert_int_equal(unlockpt(terminal.keeper), 0);
    terminal.fd = open(ptsname(terminal.keeper), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal.fd >= 0);
    return terminal;
}

/* Lines that have arrived there, when all have left it. */
static unsigned long long close_terminal(struct terminal *terminal)
{
    unsigned long long lines = 0;
    char bytes[4096];
    ssize_t n;

    close(terminal->fd);
    while ((n = read(terminal->keeper, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    close(terminal->keeper);
    return lines;
}

static double when_shown(const struct terminal *terminal)
{
    struct pollfd shown = {.fd = terminal->keeper, .events = POLLIN};

    assert_int_equal(poll(&shown, 1, LAB_DEADLINE_MS), 1);
    return lab_now_ms();
}

/* How often it is open in that process. */
static int opened(pid_t pid, const struct terminal *terminal)
{
    char path[64], name[64];
    int count = 0;

    for (int fd = 0; fd < 256; fd++) {
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
        n = readlink(path, name, sizeof(name) - 1);
        name[n > 0 ? n : 0] = '\0';
        count += strcmp(name, ptsname(terminal->keeper)) == 0;
    }
    return count;
}

/* A terminal that nobody reads has room for a byte and not for the next: the figures are true.
 * Opens: how often it is open, its own description being one of them. */
static void expect_end_on(struct site *site, struct terminal terminal, int opens)
{
    int err = memfd_create("err", MFD_CLOEXEC);
    double begun, seconds;
    char *text;
    pid_t pid;

    pid = start_into(site, terminal.fd, err);
    begun = when_shown(&terminal);
    assert_int_equal(opened(pid, &terminal), opens);
    until_stalled(site, -1);
    seconds = (lab_now_ms() - begun) / 1e3;
    kill(pid, SIGINT);
    assert_int_equal(await_exit(pid, "it waits for its terminal for ever"), 1);
    assert_int_equal(fcntl(terminal.fd, F_GETFL) & O_NONBLOCK, 0);
    text = take_file(err);
    expect_word(text, "nobody took it in time");
    expect_word(text, "ended by Ctrl-C");
    expect_all_counted(text);
    assert_int_equal(figure(text, "shown"), close_terminal(&terminal));
    if (measured(text) < seconds - 0.05)
        fail_msg("it ran for %g s at least: %s", seconds, text);
    free(text);
}

static void test_terminal_stalls(void **state)
{
    expect_end_on(*state, open_terminal(), 2);
}

/* One that must not be opened again, as after `sudo -u`; root may open all that is not forbidden to
 * its children. */
static void test_foreign_terminal_stalls(void **state)
{
    struct terminal terminal = open_terminal();

    assert_int_equal(fchmod(terminal.fd, 0), 0);
    if (geteuid() == 0)
        assert_int_equal(prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE), 0);
    expect_end_on(*state, terminal, 1);
}

/* Its own words are for the same terminal then. */
static void test_all_stalls(void **state)
{
    struct terminal terminal = open_terminal();
    pid_t pid = start_into(*state, terminal.fd, terminal.fd);

    when_shown(&terminal);
    until_stalled(*state, -1);
    kill(pid, SIGINT);
    assert_int_equal(await_exit(pid, "it waits for its terminal for ever"), 1);
    close_terminal(&terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_stalls),           cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_reader_is_late),          cmocka_unit_test(test_second_signal),
        cmocka_unit_test(test_terminal_stalls),         cmocka_unit_test(test_all_stalls),
        cmocka_unit_test(test_foreign_terminal_stalls),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
