#include "tests/bench/monitor_readers.h"

#include "backend/base/mem.h"
#include "backend/redis_monitor.h"
#include "tests/bench/measure.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

enum { BARE_BYTES = 1 << 20, TERMINAL_BYTES = 1 << 16, ROWS = 45, COLUMNS = 160, LONGEST = 600 };

static const double patience = 30000;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void rest(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- what the processes do ---- */

static redisContext *connect_to(const struct lab *lab)
{
    redisContext *c = redisConnect("127.0.0.1", atoi(lab_get(lab, "LAB_REDIS_PORT")));

    if (!c || c->err) {
        _exit(1);
    }
    return c;
}

static _Noreturn void read_bare(const struct lab *lab, _Atomic(uint64_t) *lines)
{
    static char buffer[BARE_BYTES];
    const redisContext *c = connect_to(lab);
    uint64_t count = 0;
    ssize_t n;

    if (write(c->fd, "MONITOR\r\n", 9) != 9) {
        _exit(1);
    }
    while ((n = read(c->fd, buffer, sizeof(buffer))) > 0) {
        for (char *p = buffer, *end = buffer + n; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
            count++;
        }
        atomic_store_explicit(lines, count, memory_order_relaxed);
    }
    _exit(0);
}

static _Noreturn void read_hiredis(const struct lab *lab, _Atomic(uint64_t) *lines)
{
    redisContext *c = connect_to(lab);
    uint64_t count = 0;
    void *reply;

    redisAppendCommand(c, "MONITOR");
    while (redisGetReply(c, &reply) == REDIS_OK) {
        freeReplyObject(reply);
        atomic_store_explicit(lines, ++count, memory_order_relaxed);
    }
    _exit(0);
}

/* As the panel looks at it: 20 times a second. */
static _Noreturn void read_ours(const struct lab *lab, bool analysis, _Atomic(uint64_t) *lines)
{
    const struct monitor_setup setup = {.seconds = LONGEST, .analysis = analysis};
    struct monitor_status status;
    struct redis_address address;
    struct monitor *monitor;
    char *error;

    if (!redis_url_parse(lab_get(lab, "LAB_REDIS_TCP"), &address, &error)) {
        _exit(1);
    }
    monitor = monitor_start_with(&address, &setup);
    do {
        struct monitor_line line;

        monitor_status(monitor, &status);
        atomic_store_explicit(lines, status.lines, memory_order_relaxed);
        while (analysis && monitor_next_of(monitor, &line, 192)) {
            continue;
        }
        monitor_summary(monitor);
        rest(50);
    } while (status.state != MONITOR_STOPPED);
    fprintf(stderr, "bench: our reader has stopped: %s\n", status.reason);
    _exit(0);
}

static _Noreturn void become_redis_cli(const struct lab *lab)
{
    execlp("redis-cli", "redis-cli", "-p", lab_get(lab, "LAB_REDIS_PORT"), "monitor", (char *)NULL);
    _exit(127);
}

static _Noreturn void do_reader(const struct reader *reader, const struct lab *lab)
{
    switch (reader->kind) {
    case READER_BARE: read_bare(lab, reader->lines);
    case READER_HIREDIS: read_hiredis(lab, reader->lines);
    case READER_NULL:
        if (!freopen("/dev/null", "w", stdout)) {
            _exit(1);
        }
        become_redis_cli(lab);
    default: read_ours(lab, reader->kind == READER_ANALYSIS, reader->lines);
    }
}

/* ---- terminals ---- */

static pid_t fork_child(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        give_up("no process left");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

/* One that does nothing but take what comes: less than a real one does. */
static _Noreturn void be_terminal(int master)
{
    static char buffer[TERMINAL_BYTES];

    while (read(master, buffer, sizeof(buffer)) > 0) {
        continue;
    }
    _exit(0);
}

static void start_in_terminal(struct reader *reader, const struct lab *lab)
{
    const struct winsize size = {ROWS, COLUMNS, 0, 0};
    int master, slave;

    if (openpty(&master, &slave, NULL, NULL, &size) < 0) {
        give_up("no terminal left");
    }
    reader->pid = fork_child();
    if (reader->pid == 0) {
        close(master);
        login_tty(slave);
        become_redis_cli(lab);
    }
    close(slave);
    reader->terminal = fork_child();
    if (reader->terminal == 0) {
        be_terminal(master);
    }
    close(master);
}

static void start_dashboard(struct reader *reader, const struct lab *lab)
{
    char *url = mem_printf("--redis=%s", lab_get(lab, "LAB_REDIS_TCP"));
    const char *const argv[] = {getenv("SHAREDTOP"), url, NULL};

    reader->term = term_start(ROWS, COLUMNS, NULL, argv);
    reader->pid = term_pid(reader->term);
    free(url);
    if (!term_wait(reader->term, "help", patience)) {
        give_up("the dashboard did not start");
    }
    term_keys(reader->term, "7");
    if (!term_wait(reader->term, "not running: m starts", patience)) {
        give_up("the dashboard does not show its Monitor");
    }
}

static void start_monitor(struct term *term)
{
    term_keys(term, ":monitor 600\r");
    if (term_wait(term, "y: start|running, m stops", patience)) {
        term_keys(term, "y");
    }
    if (!term_wait(term, "running, m stops", patience)) {
        give_up("the dashboard's Monitor did not start");
    }
}

/* ---- all of them ---- */

static bool is_ours(const struct reader *reader)
{
    return reader->kind >= READER_STREAM && reader->kind != READER_WATCHING;
}

static void await_monitor(const struct lab *lab)
{
    for (double until = term_now() + patience; term_now() < until; rest(10)) {
        char *list = lab_redis_value(lab, "CLIENT LIST");
        const bool there = strstr(list, "cmd=monitor") != NULL;

        free(list);
        if (there) {
            return;
        }
    }
    give_up("no MONITOR came");
}

void reader_start(struct reader *reader, const struct lab *lab, enum reader_kind kind)
{
    *reader = (struct reader){.kind = kind};
    if (kind == READER_NONE) {
        return;
    }
    reader->lines = mmap(NULL, sizeof(*reader->lines), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reader->lines == MAP_FAILED) {
        give_up("no memory");
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* guards leave their parents: they become our children */
    if (kind == READER_DASHBOARD || kind == READER_WATCHING) {
        start_dashboard(reader, lab);
        if (kind == READER_WATCHING) {
            return;
        }
        start_monitor(reader->term);
    } else if (kind == READER_TERMINAL) {
        start_in_terminal(reader, lab);
    } else if ((reader->pid = fork_child()) == 0) {
        do_reader(reader, lab);
    }
    await_monitor(lab);
    if (is_ours(reader) && !(reader->guard = measure_child("sharedtop-guard"))) {
        give_up("our reader has no guard");
    }
}

static void end_process(pid_t pid)
{
    if (pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

void reader_end(struct reader *reader)
{
    if (reader->term) {
        term_free(reader->term);
    } else {
        end_process(reader->pid);
    }
    end_process(reader->terminal);
    end_process(reader->guard);
    if (reader->lines) {
        munmap(reader->lines, sizeof(*reader->lines));
    }
    *reader = (struct reader){0};
}

double reader_guard_cpu(const struct reader *reader)
{
    return reader->guard ? measure_cpu(reader->guard) : 0;
}

double reader_cpu(const struct reader *reader)
{
    return reader->pid ? measure_cpu(reader->pid) + reader_guard_cpu(reader) : 0;
}

void reader_run(const struct reader *reader, double ms)
{
    if (reader->term) {
        term_run(reader->term, ms);
    } else {
        rest((long)ms);
    }
}

/* A dashboard and what runs in a terminal lead a group of their own. */
static void signal_group(const struct reader *reader, int number)
{
    if (reader->pid) {
        kill(reader->term || reader->terminal ? -reader->pid : reader->pid, number);
    }
}

void reader_stop(const struct reader *reader)
{
    signal_group(reader, SIGSTOP);
}

void reader_go_on(const struct reader *reader)
{
    signal_group(reader, SIGCONT);
}

void reader_stall(const struct reader *reader)
{
    if (reader->term) {
        term_stall(reader->term);
    } else if (reader->terminal) {
        kill(reader->terminal, SIGSTOP);
    }
}

void reader_resume(const struct reader *reader)
{
    if (reader->term) {
        term_resume(reader->term);
    } else if (reader->terminal) {
        kill(reader->terminal, SIGCONT);
    }
}
