/* bench: sharedtop beside the tools of today, on the same servers, in one run; prints a table in
 * Markdown. Environment: SHAREDTOP, BENCH_SECONDS (a window), BENCH_DRAWS (key presses),
 * BENCH_ONLY (a comma list of tools). With the argument monitor-speed or monitor-keys: what is in
 * monitor.h instead. */
#include "tests/bench/engine.h"
#include "tests/bench/monitor.h"

#include "backend/base/mem.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct bench_tool tools[] = {
    {.name = "pg_activity",
     .program = "pg_activity",
     .command = "exec pg_activity -h $LAB_DIR -p $LAB_PG_PORT -U admin -d postgres --refresh 1",
     .ready = {"active +SEL|idle in trans"},
     .sort_keys = "mt",
     .screen_keys = "h "},
    {.name = "pg_top",
     .program = "pg_top",
     .command = "exec pg_top -h $LAB_DIR -p $LAB_PG_PORT -U admin -d postgres -s 1",
     .ready = {"PID +USERNAME", "admin"},
     .sort_keys = "MN",
     .screen_keys = "h "},
    {.name = "redis-cli --stat",
     .program = "redis-cli",
     .command = "exec redis-cli -s $LAB_DIR/redis.sock --stat",
     .ready = {"[0-9]+ +[0-9.]+M"},
     .redis_only = true},
    {.name = "sharedtop",
     .program = NULL,
     .command = "exec $SHAREDTOP --config $LAB_CONF",
     .ready = {"conns .*[0-9]+/[0-9]+", "memory .*/128M", "SELECT pg_sleep|idle in tx.*BEGIN",
               "monitoring +[0-9.]+[kMG]", "Django cache +[0-9.]+"},
     .sessions_key = "2",
     .sort_keys = "s",
     .screen_keys = "4512"},
};
enum { TOOLS = sizeof(tools) / sizeof(tools[0]) };

static bool in_path(const char *program)
{
    char *command = mem_printf("command -v %s >/dev/null 2>&1", program);
    bool found = system(command) == 0; // NOLINT(cert-env33-c): a fixed word
    free(command);
    return found;
}

static bool chosen(const struct bench_tool *tool)
{
    const char *only = getenv("BENCH_ONLY");
    if (only && *only && !strstr(only, tool->name)) {
        return false;
    }
    if (tool->program && !in_path(tool->program)) {
        fprintf(stderr, "bench: %s is not installed: left out\n", tool->name);
        return false;
    }
    return true;
}

static double setting(const char *name, double fallback)
{
    const char *text = getenv(name);
    double value = text ? strtod(text, NULL) : 0;
    return value > 0 ? value : fallback;
}

/* How a figure is written: with one digit after the point when it is small. */
static void put(double value, const char *unit)
{
    if (isnan(value)) {
        printf(" – |");
    } else if (isinf(value)) {
        printf(" frozen until it goes on |");
    } else {
        printf(value < 20 ? " %.1f%s |" : " %.0f%s |", value, unit);
    }
}

/* The reference is the best of the tools that are not ours. */
static void put_ratio(const struct figures *figures, enum figure figure)
{
    double best = NAN, own = NAN;
    for (size_t i = 0; i < TOOLS; i++) {
        double value = figures[i].value[figure];
        if (!tools[i].program) {
            own = value;
        } else if (!tools[i].redis_only && !isnan(value) && (isnan(best) || value < best)) {
            best = value;
        }
    }
    if (isnan(best) || isnan(own) || isinf(best) || best <= 0 || own < 0) {
        printf(" – |\n");
    } else {
        printf(" %.2f |\n", own / best);
    }
}

static void print_table(const struct figures *figures, const bool *used)
{
    printf("| figure |");
    for (size_t i = 0; i < TOOLS; i++) {
        if (used[i]) {
            printf(" %s |", tools[i].name);
        }
    }
    printf(" of the best |\n|---|");
    for (size_t i = 0; i < TOOLS; i++) {
        printf("%s", used[i] ? "---|" : "");
    }
    printf("---|\n");
    for (int figure = 0; figure < FIGURES; figure++) {
        printf("| %s |", figure_rows[figure].label);
        for (size_t i = 0; i < TOOLS; i++) {
            if (used[i]) {
                put(figures[i].value[figure], figure_rows[figure].unit);
            }
        }
        put_ratio(figures, (enum figure)figure);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {
        .window = 1e3 * setting("BENCH_SECONDS", 10),
        .draws = (size_t)setting("BENCH_DRAWS", 100),
    };
    struct figures figures[TOOLS];
    bool used[TOOLS];
    if (!getenv("SHAREDTOP")) {
        fputs("bench: SHAREDTOP is not set; run it by `make bench`\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "monitor-speed") == 0) {
        return monitor_bench();
    }
    if (argc > 1 && strcmp(argv[1], "monitor-keys") == 0) {
        return monitor_keys_bench();
    }
    bench_open(&bench);
    char *engine = bench_engine(&bench);
    for (size_t i = 0; i < TOOLS; i++) {
        figures_clear(&figures[i]);
        used[i] = chosen(&tools[i]);
    }
    static const struct level levels[] = {{0, 0}, {0, 8}, {500, 8}};
    for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
        bench_level(&bench, &levels[l]);
        for (size_t i = 0; i < TOOLS; i++) {
            if (used[i]) {
                bench_measure(&bench, &tools[i], &figures[i]);
            }
        }
    }
    bench_close(&bench);
    print_table(figures, used);
    printf("\n%s", engine);
    free(engine);
    return 0;
}
