/* A program that gets the terminal until it ends: a process group of its own in the foreground, so
 * that the keys of the terminal reach it alone, while the loop goes on. */
#include "tui/app_impl.h"

#include "backend/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_TRIES = 75 }; /* of 2 ms each */

struct app_child {
    uv_signal_t ended_signal; /* first */
    struct app *app;
    pid_t pid;
    pid_t group; /* our own, which gets the terminal back; 0: it never was without it */
    struct termios modes;
    bool has_modes;
    void (*ended)(void *context, int status);
    void *context;
};

/* ---- starting ---- */

/* Only what is meant for it: an open connection to a server must not be inherited. */
static void close_on_exec(void)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) {
        int fd = atoi(entry->d_name);

        if (fd > STDERR_FILENO)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    if (folder)
        closedir(folder);
}

static void default_signals(posix_spawnattr_t *attributes, bool own_group)
{
    static const int defaults[] = {SIGINT,  SIGQUIT, SIGTSTP, SIGTTIN,  SIGTTOU, SIGPIPE,
                                   SIGCHLD, SIGHUP,  SIGTERM, SIGWINCH, SIGXFSZ};
    sigset_t set, none;

    sigemptyset(&none);
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        sigaddset(&set, defaults[i]);
    posix_spawnattr_setsigdefault(attributes, &set);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                 (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
}

/* Standard output is the terminal (the screen would not run else); the others may not be. */
static void give_terminal(posix_spawn_file_actions_t *actions, int inherited)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_adddup2(actions, isatty(fd) ? fd : STDOUT_FILENO, fd);
    if (inherited >= 0)
        posix_spawn_file_actions_adddup2(actions, inherited, 3);
}

/* 0, or why it cannot be started. */
static int spawn(const struct child_program *program, bool own_group, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    close_on_exec();
    give_terminal(&actions, program->inherited);
    default_signals(&attributes, own_group);
    status = posix_spawnp(pid, program->argv[0], &actions, &attributes, program->argv,
                          program->environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return status;
}

/* Who is not in the foreground would be stopped for setting it. */
static void set_foreground(pid_t group)
{
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    tcsetpgrp(STDOUT_FILENO, group);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the end ---- */

static void signal_closed(uv_handle_t *handle)
{
    struct app_child *child = (struct app_child *)handle;
    struct app *app = child->app;

    free(child);
    app_release(app);
}

static void take_back(struct app_child *child)
{
    struct app *app = child->app;

    if (child->group)
        set_foreground(child->group);
    if (child->has_modes) /* it may have died in other ones */
        tcsetattr(STDOUT_FILENO, TCSANOW, &child->modes);
    app->child = NULL;
    uv_close((uv_handle_t *)&child->ended_signal, signal_closed);
}

static void on_child(uv_signal_t *handle, int number)
{
    struct app_child *child = (struct app_child *)handle;
    struct app *app = child->app;
    int status = 0;

    (void)number;
    if (app->child != child || waitpid(child->pid, &status, WNOHANG | WUNTRACED) != child->pid)
        return;
    /* Nobody else could wake it up; or it asked for the terminal before it had it. */
    if (WIFSTOPPED(status)) {
        if (child->group)
            set_foreground(child->pid);
        kill(child->group ? -child->pid : child->pid, SIGCONT);
        return;
    }
    take_back(child);
    screen_resume(app->screen);
    app_dirty(app);
    child->ended(child->context, status);
}

/* True once nobody of it is left. */
static bool has_gone(pid_t pid, pid_t target)
{
    const struct timespec moment = {0, 2000000};

    for (int tries = 0; tries < CLOSE_TRIES; tries++) {
        waitpid(pid, NULL, WNOHANG);
        if (kill(target, 0) != 0)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

/* A line editor that is told to end sets the terminal's modes once more: the terminal is taken back
 * after it. At the end of this program nobody waits for anything else. */
void child_close(struct app *app)
{
    struct app_child *child = app->child;
    pid_t target;

    if (!child)
        return;
    target = child->group ? -child->pid : child->pid;
    kill(target, SIGHUP);
    kill(target, SIGCONT);
    if (!has_gone(child->pid, target)) {
        kill(target, SIGKILL);
        has_gone(child->pid, target);
    }
    take_back(child);
}

static void watch(struct app *app, struct app_child *child)
{
    app->child = child;
    app_hold(app);
    uv_signal_init(app->loop, &child->ended_signal);
    uv_signal_start(&child->ended_signal, on_child, SIGCHLD);
}

bool app_run_child(struct app *app, const struct child_program *program,
                   void (*ended)(void *context, int status), void *context, char **error)
{
    struct app_child *child;
    bool own_group = tcgetpgrp(STDOUT_FILENO) == getpgrp();
    int status;

    if (app->child) {
        *error = mem_strdup("a program has the terminal already");
        return false;
    }
    child = mem_zalloc(sizeof(*child));
    *child = (struct app_child){.app = app, .ended = ended, .context = context};
    screen_suspend(app->screen);
    child->has_modes = tcgetattr(STDOUT_FILENO, &child->modes) == 0;
    child->group = own_group ? getpgrp() : 0;
    watch(app, child);
    status = spawn(program, own_group, &child->pid);
    if (status) {
        *error = mem_printf("cannot run %s: %s", program->argv[0], strerror(status));
        take_back(child);
        screen_resume(app->screen);
        app_dirty(app);
        return false;
    }
    if (own_group)
        set_foreground(child->pid);
    return true;
}
