/* A terminal of a test's own, with a program in it. */
#ifndef INTEGRATION_CONTAINER_TERMINAL_H
#define INTEGRATION_CONTAINER_TERMINAL_H

#include "tests/integration/container_tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
    pid_t pid;
    int fd;
    struct strbuf seen;
};

/* Runs argv[0] of PATH; environment NULL: ours. */
static struct terminal run_in_terminal(char *const *argv, char *const *environment)
{
    struct terminal terminal = {.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    const struct winsize size = {.ws_row = 31, .ws_col = 97};

    assert_true(terminal.fd >= 0 && grantpt(terminal.fd) == 0 && unlockpt(terminal.fd) == 0);
    assert_int_equal(ioctl(terminal.fd, TIOCSWINSZ, &size), 0);
    terminal.pid = fork();
    if (terminal.pid == 0) {
        int fd;

        setsid();
        fd = open(ptsname(terminal.fd), O_RDWR);
        for (int i = 0; i < 3; i++)
            dup2(fd, i);
        if (argv[0])
            execvpe(argv[0], argv, environment ? environment : environ);
        _exit(127);
    }
    return terminal;
}

static __attribute__((unused)) void await_text(struct terminal *terminal, const char *text)
{
    const double until = docker_lab_now() + TOOL_DEADLINE;

    while (!terminal->seen.s || !strstr(terminal->seen.s, text)) {
        struct pollfd in = {.fd = terminal->fd, .events = POLLIN};
        char block[512];
        ssize_t n = 0;

        if (docker_lab_now() > until)
            fail_msg("no '%s' in '%s'", text, terminal->seen.s ? terminal->seen.s : "");
        if (poll(&in, 1, 100) > 0)
            n = read(terminal->fd, block, sizeof(block));
        if (n > 0)
            strbuf_add(&terminal->seen, block, (size_t)n);
    }
}

static __attribute__((unused)) void type(struct terminal *terminal, const char *text)
{
    assert_int_equal(write(terminal->fd, text, strlen(text)), strlen(text));
}

static __attribute__((unused)) int close_terminal(struct terminal *terminal)
{
    int status;

    assert_int_equal(waitpid(terminal->pid, &status, 0), terminal->pid);
    close(terminal->fd);
    strbuf_free(&terminal->seen);
    return status;
}

/* It stays to be waited for. */
static __attribute__((unused)) void await_end(const struct terminal *terminal)
{
    siginfo_t info;

    assert_int_equal(waitid(P_PID, (id_t)terminal->pid, &info, WEXITED | WNOWAIT), 0);
}

static __attribute__((unused)) bool is_raw(const struct terminal *terminal)
{
    struct termios modes;

    assert_int_equal(tcgetattr(terminal->fd, &modes), 0);
    return !(modes.c_lflag & (ICANON | ECHO));
}

#endif
