#include "tests/bench/monitor.h"

#include "backend/base/mem.h"
#include "tests/bench/monitor_readers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    VALUE = 500,
    BATCH = 1000,
    BEFORE_MS = 2000,
    AFTER_MS = 2000,
    SHRINK_MS = 4000,
    STALL_MAX = 60,
    NOISE = 100
};

static const double patience = 30000;

/* On 128 MB: with the keys of the heavy load there is room for as much again; those of the light one
 * do not fit. */
static const struct keys_load {
    const char *name;
    const char *pipeline, *clients;
    long most_per_second, keys;
    bool full; /* it evicts by itself: what counts is what comes on top */
} loads[] = {
    {"heavy load", "8", "50", 1500000, 100000, false},
    {"light load, cache full", "1", "1", 100000, 250000, true},
};
enum harm { READS, STOPPED, STALLED };

struct keys_case {
    enum reader_kind kind;
    enum harm harm;
    const char *reader, *harmed;
};

struct loss {
    long long keys;    /* that were there */
    long long begin;   /* evicted before the harm: what connections and the load itself take */
    long long evicted; /* since then */
    long long errors;  /* -1: this server does not count them */
    long long rate;    /* commands a second before the harm */
    bool load_ended;   /* the clients gave up */
};

struct keys_bench {
    struct lab *lab;
    redisContext *admin; /* one for all: a new connection costs memory, and that keys */
    double stall;        /* ms */
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* ---- the server ---- */

static redisReply *ask(const struct keys_bench *bench, const char *command)
{
    redisReply *reply = redisCommand(bench->admin, command);

    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "bench: %s: %s\n", command, reply ? reply->str : bench->admin->errstr);
        exit(1);
    }
    return reply;
}

/* A number of INFO, or -1. */
static long long info_of(const struct keys_bench *bench, const char *section, const char *name)
{
    char *command = mem_printf("INFO %s", section);
    redisReply *reply = ask(bench, command);
    const char *at = strstr(reply->str, name);
    long long value = at ? strtoll(at + strlen(name), NULL, 10) : -1;

    if (!at && strstr(reply->str, "# Errorstats")) {
        value = 0;
    }
    freeReplyObject(reply);
    free(command);
    return value;
}

static long long evicted(const struct keys_bench *bench)
{
    return info_of(bench, "stats", "\nevicted_keys:");
}

static long long commands(const struct keys_bench *bench)
{
    return info_of(bench, "stats", "\ntotal_commands_processed:");
}

/* Nobody but the one that is measured, or the figures are not its own. */
static void expect_monitors(const struct keys_bench *bench, const struct reader *reader)
{
    const bool may = reader->kind == READER_TERMINAL || reader->kind == READER_DASHBOARD;
    redisReply *reply = ask(bench, "CLIENT LIST");
    const char *at = strstr(reply->str, "cmd=monitor");

    if (at && (!may || strstr(at + 1, "cmd=monitor"))) {
        fprintf(stderr, "bench: this row is void: somebody else runs MONITOR here too:\n%s",
                reply->str);
    }
    freeReplyObject(reply);
}

static long long count_keys(const struct keys_bench *bench)
{
    redisReply *reply = ask(bench, "DBSIZE");
    long long count = reply->integer;

    freeReplyObject(reply);
    return count;
}

static void do_all(const struct keys_bench *bench, const char *const *todo)
{
    for (; *todo; todo++) {
        freeReplyObject(ask(bench, *todo));
    }
}

static void preload(const struct keys_bench *bench, long count)
{
    char value[VALUE];
    void *reply;

    memset(value, 'x', sizeof(value));
    for (long done = 0; done < count; done += BATCH) {
        for (long i = done; i < done + BATCH; i++) {
            redisAppendCommand(bench->admin, "SET pre:%ld %b", i, value, sizeof(value));
        }
        for (long i = 0; i < BATCH; i++) {
            if (redisGetReply(bench->admin, &reply) != REDIS_OK) {
                give_up("the server has gone");
            }
            freeReplyObject(reply);
        }
    }
}

/* What did not fit has been evicted. */
static void await_evicted(const struct keys_bench *bench)
{
    const struct reader nobody = {.kind = READER_NONE};
    long long last = -1, now;

    for (double until = term_now() + patience; term_now() < until; last = now) {
        now = evicted(bench);
        if (now == last) {
            return;
        }
        reader_run(&nobody, 300);
    }
}

/* What the preload's own connection took has been given back, so that there is room again. */
static void fill_up(const struct keys_bench *bench)
{
    const struct reader nobody = {.kind = READER_NONE};
    const long long before = evicted(bench);

    reader_run(&nobody, SHRINK_MS);
    for (int i = 0; evicted(bench) == before; i++) {
        freeReplyObject(redisCommand(bench->admin, "SET top:%d %0500d", i, 0));
    }
}

static void fill(const struct keys_bench *bench, const struct keys_load *load)
{
    static const char *const empty[] = {"CONFIG SET maxmemory 0", "FLUSHALL", NULL};
    static const char *const limit[] = {"CONFIG SET maxmemory-policy allkeys-lru",
                                        "CONFIG SET maxmemory 128mb", NULL};
    static const char *const reset[] = {"CONFIG RESETSTAT", NULL};

    do_all(bench, empty);
    preload(bench, load->keys);
    do_all(bench, limit);
    await_evicted(bench);
    if (load->full) {
        fill_up(bench);
    }
    do_all(bench, reset);
}

/* ---- the load ---- */

/* Ends by itself after so many commands, and with us. */
static pid_t start_load(const struct keys_bench *bench, const struct keys_load *load)
{
    double seconds = (bench->stall + BEFORE_MS + AFTER_MS) / 1e3 + 10;
    char *count = mem_printf("%.0f", seconds * (double)load->most_per_second);
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp("redis-benchmark", "redis-benchmark", "-p", lab_get(bench->lab, "LAB_REDIS_PORT"),
               "-t", "set", "-r", "1000", "-d", "100", "-P", load->pipeline, "-c", load->clients,
               "-n", count, "-q", (char *)NULL);
        _exit(127);
    }
    free(count);
    return pid;
}

/* True: it had ended before. */
static bool end_load(pid_t pid)
{
    bool ended = waitpid(pid, NULL, WNOHANG) == pid;

    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return ended;
}

/* ---- one case ---- */

static void do_harm(const struct keys_bench *bench, const struct reader *reader, enum harm harm)
{
    const struct reader nobody = {.kind = READER_NONE};

    if (harm == STOPPED) {
        reader_stop(reader);
    } else if (harm == STALLED) {
        reader_stall(reader);
    }
    reader_run(harm == READS ? reader : &nobody, bench->stall);
    if (harm == STOPPED) {
        reader_go_on(reader);
    } else if (harm == STALLED) {
        reader_resume(reader);
    }
}

static struct loss lose(const struct keys_bench *bench, const struct keys_load *load,
                        enum reader_kind kind, enum harm harm)
{
    struct reader reader;
    struct loss loss = {0};
    pid_t pid;

    fill(bench, load);
    loss.keys = count_keys(bench);
    reader_start(&reader, bench->lab, kind);
    pid = start_load(bench, load);
    loss.rate = -commands(bench);
    reader_run(&reader, BEFORE_MS);
    loss.rate = (loss.rate + commands(bench)) * 1000 / BEFORE_MS;
    loss.begin = evicted(bench);
    do_harm(bench, &reader, harm);
    reader_run(&reader, AFTER_MS);
    loss.evicted = evicted(bench) - loss.begin;
    loss.errors = info_of(bench, "errorstats", "errorstat_OOM:count=");
    loss.load_ended = end_load(pid);
    expect_monitors(bench, &reader);
    reader_end(&reader);
    return loss;
}

/* ---- the table ---- */

static void put_target(const struct loss *loss, const struct loss *control, bool ours)
{
    long long over = loss->evicted - (control ? control->evicted : 0);
    bool holds = over <= (control ? NOISE : 0) && loss->errors <= 0 && !loss->load_ended;

    if (!ours) {
        printf(" |\n");
    } else {
        printf(" 0%s: %s (%lld) |\n", control ? " over the control" : "",
               holds ? "holds" : "MISSED", over);
    }
}

/* control: NULL where the load alone evicts nothing. */
static struct loss put_row(const struct keys_bench *bench, const struct keys_load *load,
                           const struct keys_case *one, const struct loss *control)
{
    struct loss loss;

    fprintf(stderr, "bench: %s, %s, %s\n", load->name, one->reader, one->harmed);
    loss = lose(bench, load, one->kind, one->harm);
    printf("| %s | %s | %s | %lldk | %lld | %lld | %lld |", load->name, one->reader, one->harmed,
           loss.rate / 1000, loss.keys, loss.begin, loss.evicted);
    if (loss.errors < 0) {
        printf(" – |");
    } else {
        printf(" %lld%s |", loss.errors, loss.load_ended ? ", and gave up" : "");
    }
    put_target(&loss, control, one->kind == READER_DASHBOARD);
    fflush(stdout);
    return loss;
}

static void put_load(const struct keys_bench *bench, const struct keys_load *load)
{
    static const struct keys_case cases[] = {
        {READER_NONE, READS, "nobody", "–"},
        {READER_TERMINAL, STOPPED, "redis-cli monitor", "stopped (SIGSTOP)"},
        {READER_TERMINAL, STALLED, "redis-cli monitor", "its terminal takes nothing"},
        {READER_WATCHING, READS, "sharedtop, MONITOR not started (control)", "–"},
        {READER_DASHBOARD, STOPPED, "sharedtop", "stopped (SIGSTOP)"},
        {READER_DASHBOARD, STALLED, "sharedtop", "its terminal takes nothing"},
    };
    struct loss control = {0};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct loss loss = put_row(bench, load, &cases[i], load->full ? &control : NULL);

        if (cases[i].kind == READER_WATCHING) {
            control = loss;
        }
    }
}

int monitor_keys_bench(void)
{
    const char *text = getenv("BENCH_STALL");
    long seconds = text ? strtol(text, NULL, 10) : 10;
    struct keys_bench bench = {.lab = lab_start(NULL)};

    seconds = seconds < 1 ? 1 : seconds > STALL_MAX ? STALL_MAX : seconds;
    bench.stall = 1e3 * (double)seconds;
    bench.admin = redisConnectUnix(lab_get(bench.lab, "LAB_REDIS") + strlen("unix:"));
    if (!bench.admin || bench.admin->err) {
        give_up("no connection to the server");
    }
    printf(
        "| load | reader of MONITOR | for %ld s | commands a second before | keys | evicted before "
        "that | from then on | out-of-memory errors of the clients | target |\n"
        "|---|---|---|---|---|---|---|---|---|\n",
        seconds);
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        put_load(&bench, &loads[i]);
    }
    printf("\nCache full: evicted before that is what the new connections and the load's own keys "
           "take; %d keys more or fewer than the control are noise.\n",
           NOISE);
    redisFree(bench.admin);
    lab_stop(bench.lab);
    return 0;
}
