/* What it costs to read MONITOR. Both print a table in Markdown, on a server of their own.
 * Environment: SHAREDTOP. */
#ifndef BENCH_MONITOR_H
#define BENCH_MONITOR_H

/* The readers' CPU, and what is left of the server's speed: today's tools, a bare loop of read and
 * memchr, and ours, under the same load. BENCH_COMMANDS (of each of SET and GET; default 2000000,
 * which makes 4 M). */
int monitor_bench(void);

/* The keys that the server evicts when the reader is stopped, or its terminal. BENCH_STALL (seconds;
 * default 10). */
int monitor_keys_bench(void);

#endif
