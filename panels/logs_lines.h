/* The lines of a container's log that the panel shows: a bounded ring of its own, so that what is on
 * the screen stays while it is paused, and goes on over restarts. */
#ifndef PANELS_LOGS_LINES_H
#define PANELS_LOGS_LINES_H

#include "backend/container_logs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logs_line {
    uint64_t number; /* from 1 */
    double time;     /* seconds since 1970; NAN */
    bool error;      /* from stderr */
    bool mark;       /* ours: the container was started again */
    size_t whole;    /* bytes that the container wrote */
    bool cut;        /* text is only its beginning */
    char *text;      /* raw, without the terminal's colours */
};

struct logs_lines {
    struct logs_line *ring; /* NULL until the first */
    uint64_t count;         /* that were put in, ever */
    uint64_t cut;           /* of them, those that are not whole */
    uint64_t lost;          /* that came and went while the view was paused */
    double last;            /* time of the last that was taken; 0 */
};

/* The number of lines that are kept, and each: 0 is the oldest. */
size_t logs_lines_kept(const struct logs_lines *lines);
const struct logs_line *logs_lines_at(const struct logs_lines *lines, size_t index);

/* Takes the lines of log after the number *taken, which moves on. known: those up to this time were
 * taken when the log was read before; 0: none were. */
void logs_lines_take(struct logs_lines *lines, const struct container_logs *log, uint64_t *taken,
                     double known);

/* A line of ours, of that moment. */
void logs_lines_mark(struct logs_lines *lines, double when, const char *text);
void logs_lines_free(struct logs_lines *lines);

/* Copies at most size - 1 bytes of in without control sequences (ESC [ … letter). Pure. */
size_t logs_strip(char *out, size_t size, const char *in, size_t len);

#endif
