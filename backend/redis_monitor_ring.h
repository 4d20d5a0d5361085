/* The memory of the MONITOR reader: the splitter cuts the stream into lines in the buffer that it
 * was read to; the ring keeps the last of them. Both are pure and know no lock: of one splitter and
 * one ring a reader uses the first alone and shares the second under its own mutex. */
#ifndef BACKEND_REDIS_MONITOR_RING_H
#define BACKEND_REDIS_MONITOR_RING_H

#include "backend/redis_monitor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_READ_SIZE 262144U /* of one read */
#define MONITOR_BATCH     4096U   /* lines */

/* Whole lines that stand one after the other in bytes[0..size). A line is what stands between the
 * '+' and CR LF. Valid until the next call of the splitter. */
struct monitor_batch {
    const char *bytes;
    size_t size, count;
    uint32_t offset[MONITOR_BATCH], len[MONITOR_BATCH];
};

struct monitor_splitter {
    /* buffer[line..fill) is the line that has begun; up to scanned it holds no line end. */
    size_t line, scanned, fill;
    bool skipping; /* the line is longer than the cap: what comes is dropped up to its end */
    char buffer[MONITOR_READ_SIZE + MONITOR_LINE_CAP + 1];
};

/* Where the next bytes are to be read to: *room of them, at least MONITOR_READ_SIZE - 1. Call it
 * when monitor_split has said false. */
char *monitor_room(struct monitor_splitter *splitter, size_t *room);
void monitor_filled(struct monitor_splitter *splitter, size_t count);

/* The next whole lines that were read; false: none left. */
bool monitor_split(struct monitor_splitter *splitter, struct monitor_batch *batch);

struct monitor_ring;

struct monitor_ring *monitor_ring_new(void);
void monitor_ring_free(struct monitor_ring *ring);

/* Copies the lines in; the oldest make room. */
void monitor_ring_add(struct monitor_ring *ring, const struct monitor_batch *batch);

/* As monitor_copy. */
size_t monitor_ring_copy(struct monitor_ring *ring, uint64_t *next, char *buffer, size_t size,
                         size_t *offsets, size_t max_lines);
uint64_t monitor_ring_lines(const struct monitor_ring *ring);
uint64_t monitor_ring_overwritten(const struct monitor_ring *ring);

#endif
