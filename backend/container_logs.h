/* The log of one container, followed: a bounded ring of its last lines. */
#ifndef BACKEND_CONTAINER_LOGS_H
#define BACKEND_CONTAINER_LOGS_H

#include "backend/container_engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_LOG_LINES    5000U /* that are kept */
#define CONTAINER_LOG_LINE_MAX 4096U /* bytes of a line; the rest is cut, and its length kept */

struct container_log_line {
    uint64_t number;   /* from 1, of all that came */
    double time;       /* seconds since 1970, as the engine stamped it; NAN */
    bool error;        /* from stderr */
    const char *text;  /* raw, not ended by a 0 byte */
    size_t len, whole; /* kept; before it was cut */
};

struct container_logs;

/* Asks for the last 1000 lines and all that follow. terminal: the container has one, so that its log is
 * not split into two streams. changed is called when lines have come or it has ended. */
struct container_logs *container_logs_open(struct engine *engine, const char *id, bool terminal,
                                           void (*changed)(void *context), void *context);

/* The lines that are kept, the oldest first: index 0 … count - 1. Valid until the loop turns. */
size_t container_logs_count(const struct container_logs *logs);
struct container_log_line container_logs_line(const struct container_logs *logs, size_t index);
uint64_t
container_logs_dropped(const struct container_logs *logs); /* older ones, not kept any more */

/* NULL while it is followed; else why it ended, one line. */
const char *container_logs_ended(const struct container_logs *logs);

void container_logs_close(struct container_logs *logs);

#endif
