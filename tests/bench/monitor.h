/* What it costs to read MONITOR: our reader beside redis-cli and a bare loop of read and memchr, on
 * one server under the same load. Prints a table in Markdown. Environment: SHAREDTOP, BENCH_COMMANDS
 * (of each kind; default 2000000). */
#ifndef BENCH_MONITOR_H
#define BENCH_MONITOR_H

int monitor_bench(void);

#endif
