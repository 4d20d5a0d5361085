/* What a process tree costs, from /proc, and statistics over draws. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "tests/screen/term.h"

#include <stddef.h>
#include <sys/types.h>

/* Milliseconds that the tree of pid has run: the scheduler's figure (ns) for all threads of all
 * living processes, and utime + stime of children that were reaped. */
double measure_cpu(pid_t pid);

/* A child of this process, alive, by the first 15 bytes of its program's name; 0: there is none. */
pid_t measure_child(const char *name);

/* Proportional set size of the tree in MiB. */
double measure_pss(pid_t pid);

/* Refreshes between two moments: groups of output with at least gap ms of quiet before them. */
size_t measure_refreshes(const struct term *term, double from, double to, double gap);

/* Draws of one figure. Start from {0}; draws_free. p is 0 to 1; NAN when there is none. */
struct draws {
    double *values;
    size_t count, lost; /* lost: no answer before the deadline */
};

void draws_add(struct draws *draws, double value);
double draws_quantile(struct draws *draws, double p);
void draws_free(struct draws *draws);

#endif
