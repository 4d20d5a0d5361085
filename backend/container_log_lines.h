/* The bytes of a log as lines, in a bounded ring. Pure: no engine, no loop. */
#ifndef BACKEND_CONTAINER_LOG_LINES_H
#define BACKEND_CONTAINER_LOG_LINES_H

#include "backend/container_logs.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_LOG_BYTES (4U << 20) /* of all lines that are kept */

struct log_lines;

/* split: the bytes are frames of two streams (8 bytes of header each), and not those of a terminal. */
struct log_lines *log_lines_new(bool split);
void log_lines_free(struct log_lines *lines);

/* The next bytes, cut anywhere. False: they are no such frames, and nothing more will be taken. If the
 * very first ones are none, they are taken as a terminal's. */
bool log_lines_feed(struct log_lines *lines, const char *bytes, size_t len);

/* Nothing more will come: what was begun counts as a line. */
void log_lines_end(struct log_lines *lines);

size_t log_lines_count(const struct log_lines *lines);
struct container_log_line log_lines_get(const struct log_lines *lines, size_t index);
uint64_t log_lines_dropped(const struct log_lines *lines);

/* "2024-05-01T12:34:56.123456789Z", or with "+02:00", as seconds since 1970; NAN: it is none. */
double log_stamp(const char *text, size_t len);

#endif
