#include "tests/bench/monitor.h"

#include "backend/base/mem.h"
#include "tests/bench/monitor_readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

enum { READERS = READER_DASHBOARD + 1, ROUNDS = 3, MOST_ROUNDS = 9 };

static const char *const names[READERS] = {
    [READER_NONE] = "none",
    [READER_BARE] = "bare read loop",
    [READER_HIREDIS] = "hiredis, redisGetReply in a loop",
    [READER_NULL] = "redis-cli monitor to /dev/null",
    [READER_TERMINAL] = "redis-cli monitor in a terminal that only reads",
    [READER_STREAM] = "sharedtop, the stream alone",
    [READER_ANALYSIS] = "sharedtop, all analysis",
    [READER_DASHBOARD] = "sharedtop, all analysis and the screen",
};

enum figure { CPU, GUARD, SETS, FIGURES };

/* CPU: s of the reader for a million lines; GUARD: its guard's share; SETS: a second, meanwhile. */
struct result {
    double value[FIGURES];
};

static const struct target {
    const char *text;
    double limit;
    enum reader_kind reader, against;
    enum figure figure;
    bool at_least;
} targets[] = {
    {"CPU ≤ 1.6 of the bare loop's", 1.6, READER_STREAM, READER_BARE, CPU, false},
    {"CPU ≤ 3.3 of the bare loop's", 3.3, READER_DASHBOARD, READER_BARE, CPU, false},
    {"CPU ≤ 0.5 of redis-cli's to /dev/null", 0.5, READER_DASHBOARD, READER_NULL, CPU, false},
    {"SETs ≥ 0.95 of the bare loop's", 0.95, READER_DASHBOARD, READER_BARE, SETS, true},
};

static int rounds = ROUNDS; /* BENCH_ROUNDS */

/* ---- the load ---- */

static bool has_output(FILE *pipe)
{
    fd_set ready;
    struct timeval now = {0, 0};

    FD_ZERO(&ready);
    FD_SET(fileno(pipe), &ready);
    return select(fileno(pipe) + 1, &ready, NULL, NULL, &now) > 0;
}

/* Runs it beside the reader; returns the SETs a second. */
static double run_load(const struct lab *lab, const struct reader *reader, long commands)
{
    char *command =
        mem_printf("redis-benchmark -p %s -t set,get -n %ld -r 100000 -P 16 -c 50 --csv",
                   lab_get(lab, "LAB_REDIS_PORT"), commands);
    FILE *pipe = popen(command, "re"); // NOLINT(cert-env33-c): a fixed program
    char line[256];
    double set = 0;
    bool more = true;

    free(command);
    if (!pipe) {
        return 0;
    }
    setvbuf(pipe, NULL, _IONBF, 0);
    while (more) {
        while (reader->term && !has_output(pipe)) {
            reader_run(reader, 20);
        }
        more = fgets(line, sizeof(line), pipe) != NULL;
        if (more && strncmp(line, "\"SET\"", 5) == 0) {
            set = strtod(strchr(line, ',') + 2, NULL);
        }
    }
    pclose(pipe);
    return set;
}

/* A figure of a reader that has not read it all is none. */
static void check_read(const struct reader *reader, uint64_t before, long commands)
{
    uint64_t read = reader->lines ? atomic_load(reader->lines) - before : 0;
    bool counts = reader->kind != READER_NONE && reader->kind != READER_NULL &&
                  reader->kind != READER_TERMINAL && reader->kind != READER_DASHBOARD;

    if (counts && read < 2 * (uint64_t)commands) {
        fprintf(stderr, "bench: %s: %llu lines read of %ld\n", names[reader->kind],
                (unsigned long long)read, 2 * commands);
    }
    if (reader->term && !term_matches(reader->term, "running, m stops")) {
        fprintf(stderr, "bench: the dashboard's Monitor has stopped meanwhile:\n%s\n",
                term_text(reader->term));
    }
}

static struct result measure(const struct lab *lab, enum reader_kind kind, long commands)
{
    const double per = 1e3 / (2 * (double)commands);
    struct result result = {{0}};
    struct reader reader;
    double cpu, guard;
    uint64_t lines;

    reader_start(&reader, lab, kind);
    reader_run(&reader, 300);
    lines = reader.lines ? atomic_load(reader.lines) : 0;
    cpu = reader_cpu(&reader);
    guard = reader_guard_cpu(&reader);
    result.value[SETS] = run_load(lab, &reader, commands);
    reader_run(&reader, 300);
    result.value[CPU] = (reader_cpu(&reader) - cpu) * per;
    result.value[GUARD] = (reader_guard_cpu(&reader) - guard) * per;
    check_read(&reader, lines, commands);
    reader_end(&reader);
    return result;
}

/* ---- the table ---- */

static double best(const struct result *results, enum figure figure)
{
    double value = results[0].value[figure];

    for (int i = 1; i < rounds; i++) {
        double other = results[i].value[figure];

        value = figure == SETS ? (other > value ? other : value) : (other < value ? other : value);
    }
    return value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The machine is not the same from one minute to the next: the median of the rounds' ratios. */
static double ratio(const struct result (*results)[MOST_ROUNDS], enum reader_kind reader,
                    enum reader_kind against, enum figure figure)
{
    double ratios[MOST_ROUNDS] = {0};

    for (int i = 0; i < rounds; i++) {
        ratios[i] = results[reader][i].value[figure] / results[against][i].value[figure];
    }
    qsort(ratios, (size_t)rounds, sizeof(ratios[0]), by_value);
    return (ratios[(rounds - 1) / 2] + ratios[rounds / 2]) / 2;
}

/* The best of the rounds, and in brackets each. */
static void put(const struct result *results, enum figure figure)
{
    const double scale = figure == SETS ? 1e-3 : 1;
    const char *one = figure == SETS ? "%.0fk" : "%.3f s", *next = figure == SETS ? "%.0f" : "%.3f";

    printf(" ");
    printf(one, best(results, figure) * scale);
    for (int i = 0; i < rounds; i++) {
        printf(i ? ", " : " (");
        printf(next, results[i].value[figure] * scale);
    }
    printf(") |");
}

static void put_ratio(const struct result (*results)[MOST_ROUNDS], enum reader_kind reader,
                      enum figure figure)
{
    printf(" %.2f", ratio(results, reader, READER_BARE, figure));
    for (int i = 0; i < rounds; i++) {
        printf(i ? ", %.2f" : " (%.2f",
               results[reader][i].value[figure] / results[READER_BARE][i].value[figure]);
    }
    printf(") |");
}

static void put_targets(const struct result (*results)[MOST_ROUNDS], enum reader_kind reader)
{
    const char *between = " ";

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const struct target *target = &targets[i];
        double value;
        bool holds;

        if (target->reader != reader) {
            continue;
        }
        value = ratio(results, reader, target->against, target->figure);
        holds = target->at_least ? value >= target->limit : value <= target->limit;
        printf("%s%s: %s (%.2f)", between, target->text, holds ? "holds" : "MISSED", value);
        between = "; ";
    }
    printf(" |\n");
}

static void print_results(const struct result (*results)[MOST_ROUNDS])
{
    printf("| reader of MONITOR | its CPU for 1 M lines, the best (each round) | of it its guard's "
           "| of the bare loop's | SETs a second | of the bare loop's | target |\n"
           "|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < READERS; i++) {
        printf("| %s |", names[i]);
        if (i == READER_NONE) {
            printf(" – | – | – |");
        } else {
            put(results[i], CPU);
            printf(i < READER_STREAM ? " – |" : " %.4f s |", best(results[i], GUARD));
            put_ratio(results, (enum reader_kind)i, CPU);
        }
        put(results[i], SETS);
        put_ratio(results, (enum reader_kind)i, SETS);
        put_targets(results, (enum reader_kind)i);
    }
}

int monitor_bench(void)
{
    const char *text = getenv("BENCH_COMMANDS"), *times = getenv("BENCH_ROUNDS");
    long commands = text ? strtol(text, NULL, 10) : 2000000;
    long asked = times ? strtol(times, NULL, 10) : ROUNDS;
    struct result results[READERS][MOST_ROUNDS] = {0};
    struct lab *lab = lab_start(NULL);

    if (commands < 1000) {
        commands = 1000;
    }
    rounds = asked < 1 ? 1 : asked < MOST_ROUNDS ? (int)asked : MOST_ROUNDS;
    free(lab_redis_value(lab, "CONFIG SET maxmemory 0"));
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < READERS; i++) {
            fprintf(stderr, "bench: round %d: %s\n", round + 1, names[i]);
            results[i][round] = measure(lab, (enum reader_kind)i, commands);
        }
    }
    print_results((const struct result(*)[MOST_ROUNDS])results);
    lab_stop(lab);
    return 0;
}
