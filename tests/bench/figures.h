/* What is measured of a tool, and how. Times are milliseconds. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include "tests/bench/measure.h"
#include "tests/lab/lab.h"

#include <stdbool.h>
#include <stddef.h>

struct bench_tool {
    const char *name;
    const char *program;  /* what must be in PATH; NULL for sharedtop */
    const char *command;  /* for sh -c, with LAB_* in the environment */
    const char *ready[6]; /* all of these are on the screen once it has started */
    const char *sessions_key;
    const char *sort_keys;   /* each changes the order of the rows, in turn */
    const char *screen_keys; /* each changes what the screen shows, whatever the server does */
    bool redis_only;
};

enum figure {
    START,
    START_CPU,
    OVERVIEW_CPU,
    SESSIONS_CPU,
    REFRESHES,
    SESSIONS_BYTES,
    OVERVIEW_BYTES,
    CLOCK_BYTES,
    PSS,
    STATEMENTS,
    EXECUTING,
    PLANNING,
    CLUSTER_CPU,
    SORT_P50,
    SORT_P99,
    KEY_P50,
    KEY_P99,
    STOPPED_KEY_P99,
    STOPPED_QUIT,
    BOTH_KEY_P99,
    STALL_BYTES,
    FRAME_BYTES,
    STALL_FRESH,
    FIGURES
};

/* NAN: not measured. INFINITY: no answer while the server was stopped. */
struct figures {
    double value[FIGURES];
};

struct figure_row {
    const char *label, *unit;
};
extern const struct figure_row figure_rows[FIGURES];

/* Sessions that are held open: idle ones (a fifth of them in a transaction) and active ones. */
struct level {
    size_t idle, active;
};

struct bench {
    double window;
    size_t draws;
    struct lab *lab;
    struct level level;
    PGconn **sessions;
    size_t session_count;
    PGconn *stats;
    double control; /* the cluster's ms/s of CPU at this level without any tool */
};

void figures_clear(struct figures *figures);

/* Starts the servers; ends them. */
void bench_open(struct bench *bench);
void bench_close(struct bench *bench);

/* Opens the sessions of a level in place of the last one's, and measures the control. */
void bench_level(struct bench *bench, const struct level *level);

/* Measures what belongs to the level that is held. */
void bench_measure(struct bench *bench, const struct bench_tool *tool, struct figures *figures);

#endif
