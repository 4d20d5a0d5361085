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

/* NAN: not measured. INFINITY: no answer while the server was stopped. */
struct figures {
    double start, start_cpu;
    double clock_bytes;
    double overview_cpu, overview_bytes;
    double sessions_cpu, sessions_bytes, refreshes, pss;
    double statements, executing, planning, cluster_cpu;
    double sort_p50, sort_p99, key_p50, key_p99;
    double stopped_key_p99, stopped_quit, both_key_p99;
    double stall_bytes, stall_fresh, frame_bytes;
};

/* The table's rows, ended by a NULL label. */
struct figure {
    const char *label, *unit;
    size_t offset;
};
extern const struct figure figure_rows[];

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
