#include "backend/monitor_queue.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16, SPARES = 3 };

struct monitor_queue {
    _Atomic(struct monitor_block *) slots[SLOTS];   /* block of serial n in slot n % SLOTS */
    _Atomic(struct monitor_block *) spares[SPARES]; /* given back */
    _Atomic(uint64_t) written;                      /* serial of the next block */
    _Atomic(uint64_t) lines;
    atomic_bool hungry; /* the other side has found nothing */
    /* ---- the reader's ---- */
    struct monitor_block *block;
    /* bytes[line..fill) is the line that has begun; up to scanned it holds no line end. */
    size_t line, scanned, fill;
    uint64_t skipped; /* bytes of that line that were dropped, being beyond the cap */
    char last;        /* of them */
    /* ---- the other side's ---- */
    uint64_t read; /* serial that it expects */
};

static struct monitor_block *new_block(void)
{
    struct monitor_block *block = mem_alloc(sizeof(*block));

    block->count = 0;
    block->first = block->serial = 0;
    return block;
}

struct monitor_queue *monitor_queue_new(void)
{
    struct monitor_queue *queue = mem_zalloc(sizeof(*queue));

    queue->block = new_block();
    return queue;
}

void monitor_queue_free(struct monitor_queue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free(atomic_load(&queue->slots[i]));
    for (size_t i = 0; i < SPARES; i++)
        free(atomic_load(&queue->spares[i]));
    free(queue->block);
    free(queue);
}

size_t monitor_queue_memory(void)
{
    return (SLOTS + SPARES + 2) * sizeof(struct monitor_block);
}

/* ---- the reader's side ---- */

static struct monitor_block *empty_block(struct monitor_queue *queue)
{
    for (size_t i = 0; i < SPARES; i++) {
        struct monitor_block *block = atomic_exchange(&queue->spares[i], NULL);

        if (block)
            return block;
    }
    return new_block();
}

/* Puts the block where the other side finds it; what it has never taken there is used again. */
static void hand_on(struct monitor_queue *queue)
{
    uint64_t serial = atomic_load_explicit(&queue->written, memory_order_relaxed);
    struct monitor_block *full = queue->block, *old;
    size_t begun = queue->fill - queue->line;
    uint64_t next = full->first + full->count;
    size_t scanned = queue->scanned - queue->line;

    old = atomic_exchange(&queue->slots[serial % SLOTS], NULL);
    queue->block = old ? old : empty_block(queue);
    memcpy(queue->block->bytes, full->bytes + queue->line, begun);
    queue->line = 0;
    queue->fill = begun;
    queue->scanned = scanned;
    queue->block->count = 0;
    queue->block->first = next;
    full->serial = serial;
    atomic_store_explicit(&queue->slots[serial % SLOTS], full, memory_order_release);
    atomic_store_explicit(&queue->written, serial + 1, memory_order_release);
}

/* Of a line that is longer than the cap the rest is dropped as it comes. */
static void cut(struct monitor_queue *queue)
{
    const size_t kept = MONITOR_LINE_CAP + 1; /* the '+' too */
    size_t begun = queue->fill - queue->line;

    if (begun <= kept)
        return;
    queue->skipped += begun - kept;
    queue->last = queue->block->bytes[queue->fill - 1];
    queue->fill = queue->scanned = queue->line + kept;
}

char *monitor_room(struct monitor_queue *queue, size_t *room)
{
    cut(queue);
    if (queue->fill + MONITOR_ROOM_MIN > MONITOR_BLOCK_BYTES ||
        queue->block->count == MONITOR_BLOCK_LINES)
        hand_on(queue);
    *room = MONITOR_BLOCK_BYTES - queue->fill;
    return queue->block->bytes + queue->fill;
}

/* The line bytes[line..end), where its LF stands. */
static void add_line(struct monitor_queue *queue, size_t end)
{
    struct monitor_block *block = queue->block;
    struct monitor_mark *mark = &block->marks[block->count++];
    size_t begin = queue->line;
    bool dropped = queue->skipped && end - begin == MONITOR_LINE_CAP + 1;
    char last = dropped ? queue->last : end > begin ? block->bytes[end - 1] : '\0';
    uint64_t len = end - begin + queue->skipped - (last == '\r');

    if (len && block->bytes[begin] == '+') {
        begin++;
        len--;
    }
    mark->offset = (uint32_t)begin;
    mark->len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
    queue->line = queue->scanned = end + 1;
    queue->skipped = 0;
}

void monitor_filled(struct monitor_queue *queue, size_t count)
{
    assert(count <= MONITOR_BLOCK_BYTES - queue->fill);
    queue->fill += count;
}

const struct monitor_block *monitor_lines(struct monitor_queue *queue, uint32_t *from)
{
    struct monitor_block *block;

    if (queue->block->count == MONITOR_BLOCK_LINES)
        hand_on(queue);
    block = queue->block;
    *from = block->count;
    while (block->count < MONITOR_BLOCK_LINES) {
        const char *lf = memchr(block->bytes + queue->scanned, '\n', queue->fill - queue->scanned);

        if (!lf) {
            queue->scanned = queue->fill;
            break;
        }
        add_line(queue, (size_t)(lf - block->bytes));
    }
    atomic_store_explicit(&queue->lines, block->first + block->count, memory_order_relaxed);
    return block->count > *from ? block : NULL;
}

void monitor_publish(struct monitor_queue *queue, bool force)
{
    if (!queue->block->count)
        return;
    if (force || (atomic_load_explicit(&queue->hungry, memory_order_relaxed) &&
                  atomic_exchange(&queue->hungry, false)))
        hand_on(queue);
}

uint64_t monitor_queue_lines(const struct monitor_queue *queue)
{
    return atomic_load_explicit(&queue->lines, memory_order_relaxed);
}

/* ---- the other side ---- */

bool monitor_more(const struct monitor_queue *queue)
{
    return atomic_load_explicit(&queue->written, memory_order_acquire) > queue->read;
}

struct monitor_block *monitor_take(struct monitor_queue *queue)
{
    uint64_t written = atomic_load_explicit(&queue->written, memory_order_acquire);

    if (written > queue->read + SLOTS)
        queue->read = written - SLOTS;
    while (queue->read < written) {
        struct monitor_block *block = atomic_exchange(&queue->slots[queue->read % SLOTS], NULL);

        /* The reader may have come round meanwhile: then it is a newer one. */
        if (block && block->serial >= queue->read) {
            queue->read = block->serial + 1;
            return block;
        }
        if (block)
            monitor_return(queue, block);
        queue->read++;
    }
    atomic_store(&queue->hungry, true);
    return NULL;
}

void monitor_return(struct monitor_queue *queue, struct monitor_block *block)
{
    for (size_t i = 0; i < SPARES && block; i++) {
        struct monitor_block *none = NULL;

        if (atomic_compare_exchange_strong(&queue->spares[i], &none, block))
            block = NULL;
    }
    free(block);
}
