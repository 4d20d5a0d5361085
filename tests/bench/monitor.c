#include "tests/bench/monitor.h"

#include "backend/base/mem.h"
#include "backend/redis_monitor.h"
#include "tests/bench/measure.h"
#include "tests/lab/lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BARE_BYTES = 1 << 20, ROUNDS = 2 };

static const double patience = 30000;

struct result {
    double cpu; /* s of the reader for a million lines */
    double set; /* SETs a second meanwhile */
};

static void rest(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- readers, each a process ---- */

static _Noreturn void read_bare(const struct lab *lab)
{
    static char buffer[BARE_BYTES];
    redisContext *c = redisConnect("127.0.0.1", atoi(lab_get(lab, "LAB_REDIS_PORT")));
    volatile size_t lines = 0;
    ssize_t n;

    if (!c || c->err || write(c->fd, "MONITOR\r\n", 9) != 9) {
        _exit(1);
    }
    while ((n = read(c->fd, buffer, sizeof(buffer))) > 0) {
        for (char *p = buffer, *end = buffer + n; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
            lines++;
        }
    }
    _exit(0);
}

/* As the panel looks at it: 20 times a second. */
static _Noreturn void read_ours(const struct lab *lab, bool analysis)
{
    const struct monitor_setup setup = {.seconds = 600, .analysis = analysis};
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
        while (analysis && monitor_next_of(monitor, &line, 192)) {
            continue;
        }
        monitor_summary(monitor);
        rest(50);
    } while (status.state != MONITOR_STOPPED);
    _exit(0);
}

static _Noreturn void read_redis_cli(const struct lab *lab)
{
    if (freopen("/dev/null", "w", stdout)) {
        execlp("redis-cli", "redis-cli", "-p", lab_get(lab, "LAB_REDIS_PORT"), "monitor",
               (char *)NULL);
    }
    _exit(127);
}

enum reader { NONE, BARE, REDIS_CLI, OURS, OURS_ANALYSIS, DASHBOARD, READERS };

static const char *const names[READERS] = {"none",
                                           "bare read loop",
                                           "redis-cli monitor to /dev/null",
                                           "sharedtop, the stream alone",
                                           "sharedtop, all analysis",
                                           "sharedtop, all analysis and the screen"};

static pid_t start_reader(const struct lab *lab, enum reader reader)
{
    pid_t pid = fork();

    if (pid != 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    switch (reader) {
    case BARE: read_bare(lab);
    case REDIS_CLI: read_redis_cli(lab);
    default: read_ours(lab, reader == OURS_ANALYSIS);
    }
}

/* ---- the load ---- */

static void await_monitors(const struct lab *lab)
{
    for (double until = term_now() + patience; term_now() < until; rest(10)) {
        char *list = lab_redis_value(lab, "CLIENT LIST");
        const bool there = strstr(list, "cmd=monitor") != NULL;

        free(list);
        if (there) {
            return;
        }
    }
    fputs("bench: no MONITOR came\n", stderr);
    exit(1);
}

/* Runs it while term (may be NULL) is read; returns the SETs a second. */
static double run_load(const struct lab *lab, struct term *term, long commands)
{
    char *command =
        mem_printf("redis-benchmark -p %s -t set,get -n %ld -r 100000 -P 16 -c 50 --csv",
                   lab_get(lab, "LAB_REDIS_PORT"), commands);
    FILE *pipe = popen(command, "re"); // NOLINT(cert-env33-c): a fixed program
    char line[256];
    double set = 0;

    free(command);
    if (!pipe) {
        return 0;
    }
    setvbuf(pipe, NULL, _IONBF, 0);
    while (term) {
        fd_set ready;
        struct timeval now = {0, 0};

        FD_ZERO(&ready);
        FD_SET(fileno(pipe), &ready);
        if (select(fileno(pipe) + 1, &ready, NULL, NULL, &now) > 0) {
            break;
        }
        term_run(term, 20);
    }
    while (fgets(line, sizeof(line), pipe)) {
        if (strncmp(line, "\"SET\"", 5) == 0) {
            set = strtod(strchr(line, ',') + 2, NULL);
        }
        if (term) {
            term_run(term, 20);
        }
    }
    pclose(pipe);
    return set;
}

static struct result measure_process(const struct lab *lab, enum reader reader, long commands)
{
    struct result result = {0};
    double before;
    pid_t pid;

    if (reader == NONE) {
        result.set = run_load(lab, NULL, commands);
        return result;
    }
    pid = start_reader(lab, reader);
    await_monitors(lab);
    rest(300);
    before = measure_cpu(pid);
    result.set = run_load(lab, NULL, commands);
    rest(300);
    result.cpu = (measure_cpu(pid) - before) * 1e3 / (2 * (double)commands);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return result;
}

static struct result measure_dashboard(const struct lab *lab, long commands)
{
    char *url = mem_printf("--redis=%s", lab_get(lab, "LAB_REDIS_TCP"));
    const char *const argv[] = {getenv("SHAREDTOP"), url, NULL};
    struct term *term = term_start(45, 160, NULL, argv);
    struct result result = {0};
    double before;

    if (!term_wait(term, "help", patience)) {
        fputs("bench: the dashboard did not start\n", stderr);
        exit(1);
    }
    term_keys(term, "7");
    term_wait(term, "not running: m starts", patience);
    term_keys(term, ":monitor 600\r:monitor\r");
    if (term_wait(term, "y: start|running, m stops", patience)) {
        term_keys(term, "y");
    }
    term_wait(term, "running, m stops", patience);
    before = measure_cpu(term_pid(term));
    result.set = run_load(lab, term, commands);
    term_run(term, 300);
    result.cpu = (measure_cpu(term_pid(term)) - before) * 1e3 / (2 * (double)commands);
    term_free(term);
    free(url);
    return result;
}

/* ---- the table ---- */

static void keep_best(struct result *best, struct result next)
{
    if (best->cpu == 0 || next.cpu < best->cpu) {
        best->cpu = next.cpu;
    }
    if (next.set > best->set) {
        best->set = next.set;
    }
}

static void print_results(const struct result *results)
{
    printf(
        "| reader of MONITOR | its CPU for 1 M lines | of the bare loop's | SETs a second | of the "
        "bare loop's |\n|---|---|---|---|---|\n");
    for (int i = 0; i < READERS; i++) {
        printf("| %s | %.3f s | %.2f | %.0fk | %.2f |\n", names[i], results[i].cpu,
               results[i].cpu / results[BARE].cpu, results[i].set / 1e3,
               results[i].set / results[BARE].set);
    }
}

int monitor_bench(void)
{
    const char *text = getenv("BENCH_COMMANDS");
    long commands = text ? strtol(text, NULL, 10) : 2000000;
    struct result results[READERS] = {{0}};
    struct lab *lab = lab_start(NULL);

    if (commands < 1000) {
        commands = 1000;
    }
    free(lab_redis_value(lab, "CONFIG SET maxmemory 0"));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < READERS; i++) {
            keep_best(&results[i], i == DASHBOARD ? measure_dashboard(lab, commands)
                                                  : measure_process(lab, i, commands));
        }
    }
    print_results(results);
    lab_stop(lab);
    return 0;
}
