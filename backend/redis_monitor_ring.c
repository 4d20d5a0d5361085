#include "backend/redis_monitor_ring.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REDACTED "\"(redacted)\""

enum {
    RING_BYTES = 4 << 20,
    RING_LINES = 1 << 16,
    KEPT = MONITOR_LINE_CAP + 1 /* the '+' too */
};

/* ---- splitter ---- */

char *monitor_room(struct monitor_splitter *splitter, size_t *room)
{
    size_t begun = splitter->fill - splitter->line;

    if (begun > KEPT) {
        splitter->skipping = true;
        begun = KEPT;
    }
    memmove(splitter->buffer, splitter->buffer + splitter->line, begun);
    splitter->line = 0;
    splitter->fill = splitter->scanned = begun;
    *room = sizeof(splitter->buffer) - begun;
    return splitter->buffer + begun;
}

void monitor_filled(struct monitor_splitter *splitter, size_t count)
{
    assert(count <= sizeof(splitter->buffer) - splitter->fill);
    splitter->fill += count;
}

/* Adds the line buffer[line..end), where its LF stands or where it was cut. */
static void add_line(struct monitor_batch *batch, const struct monitor_splitter *splitter,
                     size_t end)
{
    const char *buffer = splitter->buffer;
    size_t begin = splitter->line, len;

    if (begin < end && buffer[end - 1] == '\r')
        end--;
    if (begin < end && buffer[begin] == '+')
        begin++;
    len = end - begin;
    batch->offset[batch->count] = (uint32_t)(buffer + begin - batch->bytes);
    batch->len[batch->count++] = (uint32_t)(len < MONITOR_LINE_CAP ? len : MONITOR_LINE_CAP);
}

static void next_line(struct monitor_splitter *splitter, size_t begin)
{
    splitter->line = splitter->scanned = begin;
}

/* The end of a line that is being skipped: what was kept of it makes a batch of its own. */
static void finish_skipped(struct monitor_splitter *splitter, struct monitor_batch *batch,
                           size_t end)
{
    batch->size = KEPT;
    add_line(batch, splitter, KEPT);
    splitter->skipping = false;
    next_line(splitter, end + 1);
}

bool monitor_split(struct monitor_splitter *splitter, struct monitor_batch *batch)
{
    const char *buffer = splitter->buffer;

    batch->bytes = buffer + splitter->line;
    batch->count = 0;
    while (batch->count < MONITOR_BATCH) {
        const char *lf =
            memchr(buffer + splitter->scanned, '\n', splitter->fill - splitter->scanned);
        size_t end;

        if (!lf) {
            splitter->scanned = splitter->fill;
            break;
        }
        end = (size_t)(lf - buffer);
        if (splitter->skipping) {
            finish_skipped(splitter, batch, end);
            return true;
        }
        add_line(batch, splitter, end);
        next_line(splitter, end + 1);
    }
    batch->size = (size_t)(buffer + splitter->line - batch->bytes);
    return batch->count > 0;
}

/* ---- ring ---- */

struct entry {
    uint32_t begin; /* of all bytes ever written, modulo 2^32: lines of the ring are nearer */
    uint32_t len;
};

struct monitor_ring {
    uint64_t head;        /* bytes ever written; skipped ones at the end of data count too */
    uint64_t first, next; /* line numbers: the oldest that is kept, the next that comes */
    uint64_t looked;      /* the first that nobody has copied or lost */
    uint64_t overwritten;
    struct entry entries[RING_LINES];
    char data[RING_BYTES];
};

struct monitor_ring *monitor_ring_new(void)
{
    return mem_zalloc(sizeof(struct monitor_ring));
}

void monitor_ring_free(struct monitor_ring *ring)
{
    free(ring);
}

static const struct entry *entry(const struct monitor_ring *ring, uint64_t line)
{
    return &ring->entries[line % RING_LINES];
}

/* Drops the oldest lines until size bytes and count lines fit. */
static void make_room(struct monitor_ring *ring, size_t size, size_t count)
{
    uint32_t end = (uint32_t)(ring->head + size);

    if (ring->next + count - ring->first > RING_LINES)
        ring->first = ring->next + count - RING_LINES;
    while (ring->first < ring->next && end - entry(ring, ring->first)->begin > RING_BYTES)
        ring->first++;
    if (ring->first > ring->looked) {
        ring->overwritten += ring->first - ring->looked;
        ring->looked = ring->first;
    }
}

void monitor_ring_add(struct monitor_ring *ring, const struct monitor_batch *batch)
{
    size_t at = ring->head % RING_BYTES;

    assert(batch->size <= RING_BYTES / 4 && batch->count <= MONITOR_BATCH);
    if (at + batch->size > RING_BYTES) {
        ring->head += RING_BYTES - at;
        at = 0;
    }
    make_room(ring, batch->size, batch->count);
    memcpy(ring->data + at, batch->bytes, batch->size);
    for (size_t i = 0; i < batch->count; i++)
        ring->entries[(ring->next + i) % RING_LINES] =
            (struct entry){(uint32_t)ring->head + batch->offset[i], batch->len[i]};
    ring->next += batch->count;
    ring->head += batch->size;
}

/* Copies one line and its NUL; returns the bytes used, 0 when it does not fit. */
static size_t copy_line(const struct monitor_ring *ring, uint64_t line, char *to, size_t size)
{
    const struct entry *from = entry(ring, line);
    const char *text = ring->data + from->begin % RING_BYTES;
    size_t shown = monitor_secret(text, from->len);
    size_t len = shown < from->len ? shown + sizeof(REDACTED) - 1 : shown;

    if (len + 1 > size)
        return 0;
    memcpy(to, text, shown);
    if (shown < from->len)
        memcpy(to + shown, REDACTED, sizeof(REDACTED) - 1);
    to[len] = '\0';
    return len + 1;
}

size_t monitor_ring_copy(struct monitor_ring *ring, uint64_t *next, char *buffer, size_t size,
                         size_t *offsets, size_t max_lines)
{
    size_t count = 0, used = 0, more;

    assert(size >= MONITOR_COPY_MIN);
    if (*next < ring->first)
        *next = ring->first;
    while (*next < ring->next && count < max_lines) {
        more = copy_line(ring, *next, buffer + used, size - used);
        if (!more)
            break;
        offsets[count++] = used;
        used += more;
        ++*next;
    }
    if (*next > ring->looked)
        ring->looked = *next < ring->next ? *next : ring->next;
    return count;
}

uint64_t monitor_ring_lines(const struct monitor_ring *ring)
{
    return ring->next;
}

uint64_t monitor_ring_overwritten(const struct monitor_ring *ring)
{
    return ring->overwritten;
}
