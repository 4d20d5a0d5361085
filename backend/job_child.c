/* Runs a tool as a child of the job's process: it dies with it, and a cancel ends its whole group. */
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TURN_MS = 100,
    KILL_MS = 5000, /* from the request to end to the order */
    LINE_MAX_LEN = 8192,
    BLOCK = 1 << 16
};

struct child {
    struct job *job;
    const struct job_run *run;
    const char *name; /* of the tool: its own lines begin with it */
    bool quiet;
    bool midway; /* what comes next is the rest of a long line */
    bool hiding; /* within a statement that is left out */
    pid_t pid;
    int pidfd;   /* readable when it has ended; -1: not to be had */
    int feed;    /* its stdin, or -1 */
    int words;   /* its stderr, or -1 */
    int source;  /* what is fed after the input, or -1 */
    bool hold;   /* feed stays open while it runs */
    char *block; /* bytes on their way from source to feed, or the input */
    size_t at, len;
    struct strbuf line;
    char *first_error, *last;
    int64_t asked_to_end; /* ms; 0: not */
    struct job_exit *result;
};

/* ---- starting ---- */

/* What the child is made with; filled before the fork, since only calls that are safe between fork
 * and exec may follow it. */
struct plan_of_child {
    const struct job_tool *tool;
    char **environment;
    int in, out, err, told;
    mode_t mask;
    pid_t parent;
};

static _Noreturn void become(const struct plan_of_child *plan, bool streams)
{
    static char stream[] = "stream";
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    char **argv = plan->tool->argv;
    int error;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, NULL);
    setpgid(0, 0);
    umask(plan->mask);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != plan->parent)
        _exit(127);
    dup2(plan->in, STDIN_FILENO);
    dup2(plan->out, STDOUT_FILENO);
    dup2(plan->err, STDERR_FILENO);
    if (plan->tool->pass_fd >= 0)
        fcntl(plan->tool->pass_fd, F_SETFD, 0);
    if (plan->tool->mode_at && streams)
        argv[plan->tool->mode_at] = stream; /* in the child's own memory */
    execvpe(argv[0], argv, plan->environment);
    error = errno;
    if (write(plan->told, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

/* The environment of a tool: no secrets, and where its password file is. */
static char **make_environment(const struct job_tool *tool, char **passfile)
{
    char **clean = job_clean_environ(), **environment;
    size_t count = 0, kept = 0;

    *passfile = NULL;
    if (tool->pass_fd < 0)
        return clean;
    while (clean[count])
        count++;
    *passfile = mem_printf("PGPASSFILE=/proc/self/fd/%d", tool->pass_fd);
    environment = mem_array(NULL, count + 2, sizeof(*environment));
    for (size_t i = 0; i < count; i++) {
        if (strncmp(clean[i], "PGPASSFILE=", 11) != 0)
            environment[kept++] = clean[i];
    }
    environment[kept++] = *passfile;
    environment[kept] = NULL;
    free(clean);
    return environment;
}

/* errno of the exec, or 0. */
static int exec_error(int fd)
{
    int error = 0;
    ssize_t n;

    do {
        n = read(fd, &error, sizeof(error));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(error) ? error : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

struct ends {
    int null, in[2], err[2], told[2];
};

static bool open_ends(struct ends *ends, bool feed)
{
    *ends = (struct ends){-1, {-1, -1}, {-1, -1}, {-1, -1}};
    ends->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return ends->null >= 0 && (!feed || pipe2(ends->in, O_CLOEXEC) == 0) &&
           pipe2(ends->err, O_CLOEXEC) == 0 && pipe2(ends->told, O_CLOEXEC) == 0;
}

static void close_ends(struct ends *ends)
{
    close_fd(&ends->null);
    for (int i = 0; i < 2; i++) {
        close_fd(&ends->in[i]);
        close_fd(&ends->err[i]);
        close_fd(&ends->told[i]);
    }
}

static int take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static bool start(struct child *child, const struct job_tool *tool, bool feed)
{
    struct ends ends;
    char *passfile;
    struct plan_of_child plan = {
        .tool = tool, .parent = getpid(), .mask = job_process_of(child->job)->mask};

    if (!open_ends(&ends, feed)) {
        child->result->error = errno;
        close_ends(&ends);
        return false;
    }
    plan.environment = make_environment(tool, &passfile);
    plan.in = feed ? ends.in[0] : child->run->in >= 0 ? child->run->in : ends.null;
    plan.out = child->run->out >= 0 ? child->run->out : ends.null;
    plan.err = ends.err[1];
    plan.told = ends.told[1];
    child->pid = fork();
    if (child->pid == 0)
        become(&plan, child->run->in >= 0);
    child->result->error = child->pid < 0 ? errno : 0;
    close_fd(&ends.told[1]);
    if (child->pid > 0)
        child->result->error = exec_error(ends.told[0]);
    child->feed = take(&ends.in[1]);
    child->words = take(&ends.err[0]);
    close_ends(&ends);
    free(plan.environment);
    free(passfile);
    return child->result->error == 0;
}

/* ---- its words ---- */

static void keep_line(char **slot, const char *line)
{
    free(*slot);
    *slot = mem_strdup(line);
}

static bool is_own_line(const struct child *child, const char *line)
{
    const size_t len = strlen(child->name);

    return !child->midway && strncmp(line, child->name, len) == 0 && line[len] == ':';
}

/* Where a statement begins in what is said of an error, or NULL; *goes_on: it may have more lines. */
static char *find_statement(char *line, bool *goes_on)
{
    char *at = strstr(line, "Command was:");

    if (!at && strncmp(line, "QUERY:", 6) == 0)
        at = line;
    *goes_on = at != NULL;
    if (!at && strncmp(line, "LINE ", 5) == 0 && line[5] >= '0' && line[5] <= '9')
        at = line;
    return at;
}

static void take_line(struct child *child, char *line, size_t len)
{
    if (!child->quiet)
        job_log(child->job, line, len);
    if (!child->first_error && (strstr(line, "error: ") || strstr(line, "FATAL: ")))
        keep_line(&child->first_error, line);
    if (strspn(line, " \t") < len)
        keep_line(&child->last, line);
    if (child->run->line)
        child->run->line(child->job, line, child->run->context);
}

/* The statements of a dump may hold passwords (of user mappings, subscriptions). One ends where the
 * tool's next own line begins; nobody gets to see it. */
static void take_shown(struct child *child, char *line, size_t len)
{
    static const char note[] = "(the statement is left out: it may hold a secret)";
    char *statement;

    if (child->hiding && !is_own_line(child, line))
        return;
    statement = find_statement(line, &child->hiding);
    if (statement) {
        *statement = '\0';
        len = (size_t)(statement - line);
    }
    if (!statement || len)
        take_line(child, line, len);
    if (statement && !child->quiet)
        job_log(child->job, note, sizeof(note) - 1);
}

/* A line, or a piece of one that is too long. */
static void take_piece(struct child *child, char *line, size_t len, bool ends)
{
    line[len] = '\0';
    if (len && line[len - 1] == '\r')
        line[--len] = '\0';
    take_shown(child, line, len);
    child->midway = !ends;
}

static void take_lines(struct child *child, bool all)
{
    struct strbuf *text = &child->line;
    char *end;

    while (text->len && (end = memchr(text->s, '\n', text->len))) {
        size_t len = (size_t)(end - text->s);

        take_piece(child, text->s, len, true);
        strbuf_drop(text, len + 1);
    }
    if (text->len > LINE_MAX_LEN || (all && text->len)) {
        strbuf_addc(text, '\n'); /* room for the end of the string */
        take_piece(child, text->s, text->len - 1, all);
        strbuf_clear(text);
    }
}

static void read_words(struct child *child)
{
    char room[4096];
    ssize_t n = read(child->words, room, sizeof(room));

    if (n > 0) {
        strbuf_add(&child->line, room, (size_t)n);
        take_lines(child, false);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_fd(&child->words);
    }
}

/* ---- feeding ---- */

/* Fetches the next bytes. False: there are no more. */
static bool refill(struct child *child)
{
    ssize_t n;

    if (child->source < 0)
        return false;
    do {
        n = read(child->source, child->block, BLOCK);
    } while (n < 0 && errno == EINTR);
    child->at = 0;
    child->len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void feed(struct child *child)
{
    ssize_t n;

    if (child->at == child->len && !refill(child)) {
        if (!child->hold)
            close_fd(&child->feed);
        child->source = -1;
        return;
    }
    n = write(child->feed, child->block + child->at, child->len - child->at);
    if (n > 0)
        child->at += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        close_fd(&child->feed); /* it wants no more */
}

static bool wants_feed(const struct child *child)
{
    return child->feed >= 0 && (child->at < child->len || child->source >= 0 || !child->hold);
}

static void begin_feed(struct child *child, const char *input)
{
    size_t len = input ? strlen(input) : 0;

    child->block = mem_alloc(len > BLOCK ? len : BLOCK);
    if (len)
        memcpy(child->block, input, len);
    child->len = len;
    fcntl(child->feed, F_SETFL, O_NONBLOCK);
}

/* ---- running ---- */

static const char *name_of(const struct job_tool *tool)
{
    const char *slash = strrchr(tool->argv[0], '/');

    return tool->name ? tool->name : slash ? slash + 1 : tool->argv[0];
}

static bool reap(struct child *child, bool wait)
{
    pid_t pid;

    do {
        pid = waitpid(child->pid, &child->result->status, wait ? 0 : WNOHANG);
    } while (pid < 0 && errno == EINTR);
    return pid != 0;
}

static void heed_cancel(struct child *child)
{
    int64_t now = job_clock();

    if (!job_cancelled(child->job))
        return;
    child->result->cancelled = true;
    if (!child->asked_to_end) {
        child->asked_to_end = now;
        kill(-child->pid, SIGTERM);
        kill(child->pid, SIGCONT);
    } else if (now - child->asked_to_end > KILL_MS) {
        kill(-child->pid, SIGKILL);
    }
}

static void turn(struct child *child)
{
    struct pollfd fds[3] = {
        {.fd = child->words, .events = POLLIN},
        {.fd = wants_feed(child) ? child->feed : -1, .events = POLLOUT},
        {.fd = child->pidfd, .events = POLLIN},
    };

    if (poll(fds, 3, child->pidfd >= 0 ? TURN_MS : TURN_MS / 5) <= 0)
        return;
    if (fds[0].revents)
        read_words(child);
    if (fds[1].revents)
        feed(child);
}

/* What it has said before its end may still be in the pipe; somebody else may hold that open. */
static void drain(struct child *child)
{
    struct pollfd words = {.fd = child->words, .events = POLLIN};

    while (child->words >= 0 && poll(&words, 1, 0) > 0)
        read_words(child);
    take_lines(child, true);
}

static void watch(struct child *child)
{
    int64_t ticked = job_clock();

    while (!reap(child, false)) {
        turn(child);
        heed_cancel(child);
        if (child->run->tick && job_clock() - ticked >= TURN_MS) {
            ticked = job_clock();
            child->run->tick(child->job, child->run->context);
        }
    }
    /* A cancel ends what the tool has left behind in its group too. */
    if (child->result->cancelled)
        kill(-child->pid, SIGKILL);
    drain(child);
}

static void free_child(struct child *child)
{
    char *words = child->first_error ? child->first_error : child->last;

    child->result->words = mem_strdup(words);
    close_fd(&child->feed);
    close_fd(&child->words);
    close_fd(&child->pidfd);
    mem_free_secret(child->block, child->block ? BLOCK : 0);
    strbuf_free(&child->line);
    free(child->first_error);
    free(child->last);
}

void job_child_run(struct job *job, const struct job_tool *tool, const struct job_run *run,
                   bool quiet, struct job_exit *result)
{
    struct child child = {.job = job,
                          .run = run,
                          .name = name_of(tool),
                          .quiet = quiet,
                          .pidfd = -1,
                          .feed = -1,
                          .words = -1,
                          .source = run->in,
                          .hold = run->in < 0,
                          .result = result};
    bool feeds = tool->input || tool->prefixed;

    *result = (struct job_exit){0};
    result->started = start(&child, tool, feeds);
    if (result->started) {
        child.pidfd = pidfd_open(child.pid, 0);
        if (feeds)
            begin_feed(&child, tool->input);
        watch(&child);
    } else if (child.pid > 0) {
        reap(&child, true);
    }
    free_child(&child);
}

/* ---- with a verdict ---- */

static bool judge(struct job *job, const struct job_tool *tool, const char *name,
                  const struct job_exit *result)
{
    const char *words = result->words ? result->words : "it says nothing", *mend = "";

    if (!result->started)
        return job_fail(job, "cannot run %s: %s", name, strerror(result->error));
    if (result->cancelled)
        return false;
    if (WIFSIGNALED(result->status))
        return job_fail(job, "%s was ended by signal %d (%s)", name, WTERMSIG(result->status),
                        strsignal(WTERMSIG(result->status)));
    if (WEXITSTATUS(result->status) == 0)
        return true;
    if (tool->prefixed && strstr(words, "no password supplied"))
        mend = ": command_prefix must pass input on (\"docker exec -i CONTAINER\")";
    if (strncmp(words, name, strlen(name)) == 0 && words[strlen(name)] == ':')
        return job_fail(job, "%s%s", words, mend);
    return job_fail(job, "%s ended with status %d: %s%s", name, WEXITSTATUS(result->status), words,
                    mend);
}

bool job_tool_run(struct job *job, const struct job_tool *tool, const struct job_run *run)
{
    struct job_exit result;
    bool done;

    job_child_run(job, tool, run, false, &result);
    done = judge(job, tool, name_of(tool), &result);
    free(result.words);
    return done;
}
