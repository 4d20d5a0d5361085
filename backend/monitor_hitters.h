/* Which texts come most often, in fixed memory: a table of counters that, when it is full, takes the
 * median off all of them and drops what is left with nothing. A count is too low by at most the sum
 * of what was taken off (error), never too high; whatever weighs more than that is there. */
#ifndef BACKEND_MONITOR_HITTERS_H
#define BACKEND_MONITOR_HITTERS_H

#include <stddef.h>
#include <stdint.h>

#define HITTER_TEXT 72U /* bytes of a text that are kept */

struct hitter {
    uint64_t hash;  /* of the whole text; 0: free */
    uint64_t count; /* or weight */
    uint64_t bytes; /* of what count has: what is taken off it takes its share of them */
    uint32_t text;  /* where it is kept */
    uint32_t note;  /* the caller's, set when it is added */
};

struct hitters {
    uint32_t slots, used, limit; /* slots: a power of two; limit: of used */
    uint64_t error, total;       /* total: of all weights */
    struct hitter *table, *spare;
    char (*texts)[HITTER_TEXT];
    uint8_t *lengths;
    uint32_t *free_texts; /* a stack of limit - used places */
    uint64_t *sights;     /* bits of the hashes that were turned away; NULL: it does not sift */
    uint32_t sighted;     /* how many of them since the bits were cleared */
};

#define HITTERS_SIFT_BITS (1U << 17)

/* slots: a power of two, at least 16; three quarters of them are used. */
void hitters_init(struct hitters *hitters, uint32_t slots);
void hitters_free(struct hitters *hitters);
size_t hitters_memory(uint32_t slots);

/* From the time that it has overflowed the table takes a new text at its second sight only: of a
 * stream in which most come once, they need not be thrown out again. All weights must be 1: error
 * grows by 1 for every HITTERS_SIFT_BITS / 4 that are turned away. Takes HITTERS_SIFT_BITS / 8
 * bytes. */
void hitters_sift(struct hitters *hitters);

/* Never 0. */
uint64_t hitters_hash(const char *text, size_t len);

/* Adds a text that is not there yet (hitters_add calls it); NULL: it was turned away. */
struct hitter *hitters_insert(struct hitters *hitters, uint64_t hash, const char *text, size_t len);

/* Counts the text of that hash with a weight. Valid until the next call; NULL only where it sifts. */
static inline struct hitter *hitters_add(struct hitters *hitters, uint64_t hash, const char *text,
                                         size_t len, uint64_t weight, uint64_t bytes)
{
    uint32_t mask = hitters->slots - 1, at = (uint32_t)hash & mask;
    struct hitter *hitter = &hitters->table[at];

    hitters->total += weight;
    while (hitter->hash != hash) {
        if (!hitter->hash) {
            hitter = hitters_insert(hitters, hash, text, len);
            if (!hitter)
                return NULL;
            break;
        }
        at = (at + 1) & mask;
        hitter = &hitters->table[at];
    }
    hitter->count += weight;
    hitter->bytes += bytes;
    return hitter;
}

const char *hitters_text(const struct hitters *hitters, const struct hitter *hitter, size_t *len);

/* The heaviest, in descending order, into top[0..most). Returns how many. */
size_t hitters_top(const struct hitters *hitters, const struct hitter **top, size_t most);

#endif
