/* The memory of the MONITOR reader: blocks that the socket is read into, cut into lines where they
 * lie. Full ones, or those that are asked for, go to whoever looks; neither side ever waits for the
 * other, and when nobody takes the blocks, the oldest are used again. One thread reads in (monitor_room
 * to monitor_publish), one takes out (monitor_take, monitor_return). */
#ifndef BACKEND_MONITOR_QUEUE_H
#define BACKEND_MONITOR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a line of more bytes only so many are kept. */
#define MONITOR_LINE_CAP    65536U
#define MONITOR_BLOCK_BYTES 262144U
#define MONITOR_BLOCK_LINES 4096U
#define MONITOR_ROOM_MIN    65536U /* bytes of one read at least */

/* A line without '+' and CR LF. */
struct monitor_mark {
    uint32_t offset;
    uint32_t len; /* as it was sent, up to UINT32_MAX; at most MONITOR_LINE_CAP of them are there */
};

struct monitor_block {
    uint64_t serial; /* of the block */
    uint64_t first;  /* number of its first line; lines count from 0 */
    uint32_t count;
    struct monitor_mark marks[MONITOR_BLOCK_LINES];
    char bytes[MONITOR_BLOCK_BYTES];
};

static inline size_t monitor_kept(const struct monitor_mark *mark)
{
    return mark->len < MONITOR_LINE_CAP ? mark->len : MONITOR_LINE_CAP;
}

struct monitor_queue;

struct monitor_queue *monitor_queue_new(void);
void monitor_queue_free(struct monitor_queue *queue);

/* Most bytes that a queue ever takes. */
size_t monitor_queue_memory(void);

/* ---- the reader's side ---- */

/* Where the next bytes are to be read to: *room of them, at least MONITOR_ROOM_MIN. */
char *monitor_room(struct monitor_queue *queue, size_t *room);

void monitor_filled(struct monitor_queue *queue, size_t count);

/* The block that the next whole lines are in, which are new from *from on; NULL: none are left. Call
 * it until then, before the next monitor_room. */
const struct monitor_block *monitor_lines(struct monitor_queue *queue, uint32_t *from);

/* Hands the block on when it is asked for (force: in any case). */
void monitor_publish(struct monitor_queue *queue, bool force);

/* Lines so far; any thread. */
uint64_t monitor_queue_lines(const struct monitor_queue *queue);

/* ---- the other side ---- */

/* The next block, or NULL: there is none yet, and the next publish brings one. Blocks in between
 * may be lost: see first. */
struct monitor_block *monitor_take(struct monitor_queue *queue);
void monitor_return(struct monitor_queue *queue, struct monitor_block *block);

/* True when another block waits already. */
bool monitor_more(const struct monitor_queue *queue);

#endif
