/* Who reads MONITOR in a measurement, each a process of its own: today's tools, the bare loop that
 * is the measure of them all, and ours. */
#ifndef BENCH_MONITOR_READERS_H
#define BENCH_MONITOR_READERS_H

#include "tests/lab/lab.h"
#include "tests/screen/term.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum reader_kind {
    READER_NONE,
    READER_BARE,     /* read and memchr */
    READER_HIREDIS,  /* redisGetReply */
    READER_NULL,     /* redis-cli monitor to /dev/null */
    READER_TERMINAL, /* the same in a terminal */
    READER_STREAM,   /* ours, without analysis */
    READER_ANALYSIS,
    READER_DASHBOARD, /* the whole program in a terminal, on its Monitor */
    READER_WATCHING   /* the same, but MONITOR is not started */
};

struct reader {
    enum reader_kind kind;
    pid_t pid;                /* 0: none */
    pid_t terminal;           /* who reads the terminal of READER_TERMINAL */
    pid_t guard;              /* of ours */
    struct term *term;        /* of the dashboard */
    _Atomic(uint64_t) *lines; /* that it has read, of those that count them */
};

/* MONITOR runs (but for READER_WATCHING) when it returns; what does not start ends the program. */
void reader_start(struct reader *reader, const struct lab *lab, enum reader_kind kind);
void reader_end(struct reader *reader);

/* Milliseconds of CPU so far; of ours with their guard, and the guard alone. */
double reader_cpu(const struct reader *reader);
double reader_guard_cpu(const struct reader *reader);

/* Lets time pass; a dashboard's terminal is read meanwhile. */
void reader_run(const struct reader *reader, double ms);

/* SIGSTOP of its process group, and SIGCONT. */
void reader_stop(const struct reader *reader);
void reader_go_on(const struct reader *reader);

/* Its terminal takes nothing any more, and goes on. */
void reader_stall(const struct reader *reader);
void reader_resume(const struct reader *reader);

#endif
