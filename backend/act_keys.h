/* What some keys of a Redis database look like, for the evidence of an act: their types, what they
 * begin with, a few of them as they are. */
#ifndef BACKEND_ACT_KEYS_H
#define BACKEND_ACT_KEYS_H

#include "backend/plan.h"

#include <stdbool.h>
#include <stddef.h>

enum { KEYS_TYPES = 12, KEYS_PREFIXES = 64, KEYS_SAMPLES = 5, KEYS_PREFIX_SIZE = 40 };

/* Start from {0}. */
struct keys {
    size_t count; /* keys that were added */
    size_t typed; /* of them with a type */
    struct {
        char name[24];
        size_t count;
    } types[KEYS_TYPES];
    struct {
        char text[KEYS_PREFIX_SIZE];
        size_t len, count;
    } prefixes[KEYS_PREFIXES];
    char *samples[KEYS_SAMPLES]; /* as key_text */
};

void keys_add(struct keys *keys, const char *key, size_t len);

/* One of them is of this type (as TYPE says it). */
void keys_add_type(struct keys *keys, const char *type);

/* Adds the lines "types", "prefixes" and "sample". */
void keys_plan(const struct keys *keys, struct plan *plan);
void keys_free(struct keys *keys);

/* A key in one line: as it is when it is printable text without spaces or quotes, else in double
 * quotes with \xHH for what is not; cut after most bytes. The caller frees it. */
char *key_text(const char *key, size_t len, size_t most);

/* How much of a key is what it has in common with others: "session:", ":1:", else 0. */
size_t key_prefix(const char *key, size_t len);

/* "1,234,567"; out: 32 bytes. */
const char *count_text(char *out, long long count);

/* "1 key", "1,234,567 keys"; out: 40 bytes. */
const char *count_keys(char *out, long long count);

#endif
