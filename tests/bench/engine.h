/* What it costs the dashboard to watch a container engine. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include "tests/bench/figures.h"

/* Our milliseconds of CPU a refresh with 20 containers, against the same without an engine. A line of
 * text for the caller to free; where no engine can run it says why. */
char *bench_engine(const struct bench *bench);

#endif
