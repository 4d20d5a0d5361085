#include "backend/monitor_hitters.h"

#include "backend/base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HITTER_HEAD 40U /* of a text that is too long: its beginning, then "..", then its end */

enum { SAMPLE = 255, SMALL = 16 }; /* counters that the median is taken of */

static uint32_t limit_of(uint32_t slots)
{
    return slots / 4 * 3;
}

void hitters_init(struct hitters *hitters, uint32_t slots)
{
    uint32_t limit = limit_of(slots);

    *hitters = (struct hitters){.slots = slots, .limit = limit};
    hitters->table = mem_array(NULL, slots, sizeof(*hitters->table));
    memset(hitters->table, 0, slots * sizeof(*hitters->table));
    hitters->spare = mem_array(NULL, slots, sizeof(*hitters->spare));
    hitters->texts = mem_array(NULL, limit, sizeof(*hitters->texts));
    hitters->lengths = mem_array(NULL, limit, sizeof(*hitters->lengths));
    hitters->free_texts = mem_array(NULL, limit, sizeof(*hitters->free_texts));
    for (uint32_t i = 0; i < limit; i++)
        hitters->free_texts[i] = limit - 1 - i;
}

void hitters_sift(struct hitters *hitters)
{
    hitters->sights = mem_zalloc(HITTERS_SIFT_BITS / 8);
}

void hitters_free(struct hitters *hitters)
{
    free(hitters->sights);
    free(hitters->table);
    free(hitters->spare);
    free(hitters->texts);
    free(hitters->lengths);
    free(hitters->free_texts);
    *hitters = (struct hitters){0};
}

size_t hitters_memory(uint32_t slots)
{
    return 2 * sizeof(struct hitter) * slots +
           (size_t)limit_of(slots) * (HITTER_TEXT + sizeof(uint8_t) + sizeof(uint32_t));
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load8(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return word;
}

/* Less than eight bytes. */
static uint64_t load_short(const char *text, size_t len)
{
    uint32_t first, last;

    if (len >= 4) {
        memcpy(&first, text, 4);
        memcpy(&last, text + len - 4, 4);
        return (uint64_t)first << 32 | last;
    }
    if (!len)
        return 0;
    return (uint64_t)(unsigned char)text[0] << 16 | (uint64_t)(unsigned char)text[len / 2] << 8 |
           (unsigned char)text[len - 1];
}

uint64_t hitters_hash(const char *text, size_t len)
{
    const uint64_t odd = 0x9e3779b97f4a7c15U, other = 0xd6e8feb86659fd93U;
    uint64_t hash = len * odd + other;

    if (len < 8) {
        hash = mix(hash ^ load_short(text, len), other);
    } else {
        const char *last = text + len - 8;

        for (; text < last; text += 8)
            hash = mix(hash ^ load8(text), odd);
        hash = mix(hash ^ load8(last), other);
    }
    return hash ? hash : 1;
}

static struct hitter *free_slot(struct hitter *table, uint32_t slots, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (slots - 1);

    while (table[at].hash)
        at = (at + 1) & (slots - 1);
    return &table[at];
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The middle one, if it is small: nearly all are, where most keys come once. */
static bool small_median(const uint64_t *counts, size_t count, uint64_t *middle)
{
    size_t of[SMALL] = {0}, below = 0;

    for (size_t i = 0; i < count; i++) {
        if (counts[i] < SMALL)
            of[counts[i]]++;
    }
    for (*middle = 0; *middle < SMALL; ++*middle) {
        below += of[*middle];
        if (below > count / 2)
            return true;
    }
    return false;
}

/* Of the first counters that it meets: hashes put them in random order. */
static uint64_t median(const struct hitters *hitters)
{
    uint64_t counts[SAMPLE] = {0}, middle;
    size_t count = 0;

    for (uint32_t i = 0; i < hitters->slots && count < SAMPLE; i++) {
        if (hitters->table[i].hash)
            counts[count++] = hitters->table[i].count;
    }
    if (!count)
        return 0;
    if (small_median(counts, count, &middle))
        return middle;
    qsort(counts, count, sizeof(counts[0]), by_count);
    return counts[count / 2];
}

static void purge(struct hitters *hitters)
{
    struct hitter *old = hitters->table;
    uint64_t off = median(hitters);

    hitters->table = hitters->spare;
    hitters->spare = old;
    memset(hitters->table, 0, hitters->slots * sizeof(*hitters->table));
    hitters->error += off;
    for (uint32_t i = 0; i < hitters->slots; i++) {
        struct hitter hitter = old[i];

        if (!hitter.hash)
            continue;
        if (hitter.count <= off) {
            hitters->used--;
            hitters->free_texts[hitters->limit - hitters->used - 1] = hitter.text;
            continue;
        }
        hitter.bytes =
            (uint64_t)((double)hitter.bytes * (double)(hitter.count - off) / (double)hitter.count);
        hitter.count -= off;
        *free_slot(hitters->table, hitters->slots, hitter.hash) = hitter;
    }
}

/* Each text is turned away once at most until the bits are cleared, so that its count loses 1; two
 * that share a bit lose less. */
static bool turns_away(struct hitters *hitters, uint64_t hash)
{
    uint64_t bit = hash >> 40 & (HITTERS_SIFT_BITS - 1); /* the lowest bits choose the slot */
    uint64_t *word = &hitters->sights[bit / 64], mask = UINT64_C(1) << bit % 64;

    if (*word & mask)
        return false;
    if (hitters->sighted == HITTERS_SIFT_BITS / 4) {
        memset(hitters->sights, 0, HITTERS_SIFT_BITS / 8);
        hitters->sighted = 0;
    }
    if (hitters->sighted++ == 0)
        hitters->error++;
    *word |= mask;
    return true;
}

struct hitter *hitters_insert(struct hitters *hitters, uint64_t hash, const char *text, size_t len)
{
    struct hitter *hitter;
    size_t kept = len < HITTER_TEXT ? len : HITTER_TEXT;

    if (hitters->sights && hitters->error && turns_away(hitters, hash))
        return NULL;
    if (hitters->used == hitters->limit)
        purge(hitters);
    hitter = free_slot(hitters->table, hitters->slots, hash);
    *hitter = (struct hitter){.hash = hash,
                              .text = hitters->free_texts[hitters->limit - hitters->used - 1]};
    hitters->used++;
    memcpy(hitters->texts[hitter->text], text, kept);
    if (len > HITTER_TEXT) { /* the end tells long keys apart */
        memcpy(hitters->texts[hitter->text] + HITTER_HEAD, "..", 2);
        memcpy(hitters->texts[hitter->text] + HITTER_HEAD + 2,
               text + len - (HITTER_TEXT - HITTER_HEAD - 2), HITTER_TEXT - HITTER_HEAD - 2);
    }
    hitters->lengths[hitter->text] = (uint8_t)kept;
    return hitter;
}

const char *hitters_text(const struct hitters *hitters, const struct hitter *hitter, size_t *len)
{
    *len = hitters->lengths[hitter->text];
    return hitters->texts[hitter->text];
}

static void put_in_order(const struct hitter **top, size_t count, const struct hitter *hitter)
{
    size_t at = count;

    for (; at > 0 && top[at - 1]->count < hitter->count; at--)
        top[at] = top[at - 1];
    top[at] = hitter;
}

size_t hitters_top(const struct hitters *hitters, const struct hitter **top, size_t most)
{
    size_t count = 0;

    for (uint32_t i = 0; i < hitters->slots; i++) {
        const struct hitter *hitter = &hitters->table[i];

        if (!hitter->hash || (count == most && hitter->count <= top[most - 1]->count))
            continue;
        if (count == most)
            count--;
        put_in_order(top, count++, hitter);
    }
    return count;
}
