/* labrun [--fill] [--load] COMMAND [ARG...]: runs a command with LAB_* in its environment, in the
 * foreground, and removes the lab when it ends, whatever ends it. */
#include "tests/lab/lab.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the command is given to end by itself after a signal. */
enum { GRACE_SECONDS = 5 };

static pid_t start(char **argv)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        return pid;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    if (getppid() == parent) {
        execvp(argv[0], argv);
        fprintf(stderr, "labrun: %s: %s\n", argv[0], strerror(errno));
    }
    _exit(127);
}

/* True when the command has ended. One that stops itself (Ctrl-Z) stops the whole job, so that the
 * shell gets its terminal back. */
static bool ended(pid_t pid, int *status)
{
    pid_t got = waitpid(pid, status, WNOHANG | WUNTRACED);
    if (got == pid && WIFSTOPPED(*status)) {
        kill(0, SIGTSTP);
        return false;
    }
    return got == pid;
}

static int wait_for(pid_t pid, const sigset_t *signals)
{
    int status = 0, signal_number;
    const struct timespec grace = {GRACE_SECONDS, 0};
    bool asked = false;
    while (!ended(pid, &status)) {
        if (asked) {
            signal_number = sigtimedwait(signals, NULL, &grace);
            if (signal_number < 0 && errno == EAGAIN) {
                kill(pid, SIGKILL);
            }
        } else {
            signal_number = sigwaitinfo(signals, NULL);
        }
        if (signal_number == SIGTERM || signal_number == SIGHUP) {
            kill(pid, signal_number); /* a Ctrl-C reaches it by the terminal */
            asked = true;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    bool fill = false, load = false;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        fill |= strcmp(argv[i], "--fill") == 0;
        load |= strcmp(argv[i], "--load") == 0;
    }
    if (i == argc) {
        fputs("usage: labrun [--fill] [--load] COMMAND [ARG...]\n", stderr);
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    prctl(PR_SET_PDEATHSIG, SIGHUP); /* nobody is left to quit for when make was killed */
    struct lab *lab = lab_start(NULL);
    lab_export(lab);
    if (fill) {
        lab_fill(lab);
    }
    if (load) {
        lab_load(lab);
    }
    pid_t pid = start(argv + i);
    int status = pid < 0 ? 126 : wait_for(pid, &signals);
    lab_stop(lab);
    return status;
}
