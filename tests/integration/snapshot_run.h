/* Runs the binary under test and keeps all that it says. */
#ifndef TESTS_SNAPSHOT_RUN_H
#define TESTS_SNAPSHOT_RUN_H

#include "backend/base/strbuf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct run {
    pid_t pid;
    int fds[2]; /* files in memory, so that nobody has to read while it writes */
    int status; /* the exit status */
    char *out, *err;
};

static inline char *take_file(int fd)
{
    struct strbuf text = {0};
    char bytes[4096];
    ssize_t n;

    for (off_t at = 0; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n)
        strbuf_add(&text, bytes, (size_t)n);
    close(fd);
    strbuf_addc(&text, '\0');
    return strbuf_take(&text);
}

static inline struct run run_start(const char *const *arguments)
{
    const char *argv[16] = {getenv("SHAREDTOP")};
    struct run run = {.fds = {memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC)}};

    if (!argv[0]) {
        fail_msg("SHAREDTOP is not set: run the tests with make");
        return run;
    }
    for (int i = 0; i < 14 && arguments[i]; i++)
        argv[i + 1] = arguments[i];
    run.pid = fork();
    assert_true(run.pid >= 0);
    if (run.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(run.fds[0], STDOUT_FILENO);
        dup2(run.fds[1], STDERR_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return run;
}

static inline void run_finish(struct run *run)
{
    int status = -1;

    assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
    run->out = take_file(run->fds[0]);
    run->err = take_file(run->fds[1]);
    if (!WIFEXITED(status))
        fail_msg("ended by signal %d: %s", WTERMSIG(status), run->err);
    run->status = WEXITSTATUS(status);
}

static inline void run_free(struct run *run)
{
    free(run->out);
    free(run->err);
}

static inline struct run snapshot(const char *const *arguments)
{
    struct run run = run_start(arguments);

    run_finish(&run);
    return run;
}

#endif
