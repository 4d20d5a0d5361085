#include "backend/act_keys.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_PREFIXES = 5, SAMPLE_BYTES = 60 };

size_t key_prefix(const char *key, size_t len)
{
    static const char separators[] = ":-_./|";

    for (const char *separator = separators; *separator; separator++) {
        /* One at the very start does not tell keys apart. */
        const char *at = len > 1 ? memchr(key + 1, *separator, len - 1) : NULL;

        if (at && (size_t)(at - key) + 1 <= KEYS_PREFIX_SIZE)
            return (size_t)(at - key) + 1;
    }
    return 0;
}

static void add_prefix(struct keys *keys, const char *key, size_t len)
{
    for (size_t i = 0; i < KEYS_PREFIXES; i++) {
        if (keys->prefixes[i].count == 0) {
            memcpy(keys->prefixes[i].text, key, len);
            keys->prefixes[i].len = len;
        }
        if (keys->prefixes[i].len == len && memcmp(keys->prefixes[i].text, key, len) == 0) {
            keys->prefixes[i].count++;
            return;
        }
    }
}

void keys_add(struct keys *keys, const char *key, size_t len)
{
    size_t prefix = key_prefix(key, len);

    if (keys->count < KEYS_SAMPLES)
        keys->samples[keys->count] = key_text(key, len, SAMPLE_BYTES);
    keys->count++;
    if (prefix)
        add_prefix(keys, key, prefix);
}

void keys_add_type(struct keys *keys, const char *type)
{
    keys->typed++;
    for (size_t i = 0; i < KEYS_TYPES; i++) {
        if (keys->types[i].count == 0)
            snprintf(keys->types[i].name, sizeof(keys->types[i].name), "%s", type);
        if (strcmp(keys->types[i].name, type) == 0) {
            keys->types[i].count++;
            return;
        }
    }
}

/* ---- as text ---- */

static bool is_plain(unsigned char c)
{
    return c > ' ' && c != '"' && c != '\\' && c != 0x7f;
}

char *key_text(const char *key, size_t len, size_t most)
{
    struct strbuf text = {0};
    size_t shown = len < most ? len : most;
    bool plain = len > 0;

    for (size_t i = 0; i < shown; i++)
        plain = plain && is_plain((unsigned char)key[i]);
    if (!plain)
        strbuf_addc(&text, '"');
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)key[i];

        if (is_plain(c) || c == ' ')
            strbuf_addc(&text, (char)c);
        else if (c == '"' || c == '\\')
            strbuf_addf(&text, "\\%c", c);
        else
            strbuf_addf(&text, "\\x%02x", c);
    }
    if (shown < len)
        strbuf_adds(&text, "...");
    if (!plain)
        strbuf_addc(&text, '"');
    return strbuf_take(&text);
}

const char *count_text(char *out, long long count)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", count);
    char *to = out;

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0 && isdigit((unsigned char)digits[i - 1]))
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *count_keys(char *out, long long count)
{
    char digits[32];

    snprintf(out, 40, "%s %s", count_text(digits, count), count == 1 ? "key" : "keys");
    return out;
}

/* The most frequent one that is not taken yet; none: KEYS_TYPES. */
static size_t next_type(const struct keys *keys, const bool *taken)
{
    size_t best = KEYS_TYPES;

    for (size_t i = 0; i < KEYS_TYPES && keys->types[i].count; i++) {
        if (!taken[i] && (best == KEYS_TYPES || keys->types[i].count > keys->types[best].count))
            best = i;
    }
    return best;
}

static void plan_types(const struct keys *keys, struct plan *plan)
{
    bool taken[KEYS_TYPES] = {false};
    struct strbuf text = {0};

    for (size_t at = next_type(keys, taken); at < KEYS_TYPES; at = next_type(keys, taken)) {
        taken[at] = true;
        strbuf_addf(&text, "%s%s %.0f %%", text.len ? ", " : "", keys->types[at].name,
                    100.0 * (double)keys->types[at].count / (double)keys->typed);
    }
    if (text.len)
        plan_add(plan, PLAN_EVIDENCE, "types", "%s, of %zu that were looked at", text.s,
                 keys->typed);
    strbuf_free(&text);
}

/* The most frequent one that is below the last; none: KEYS_PREFIXES. */
static size_t next_prefix(const struct keys *keys, const bool *taken)
{
    size_t best = KEYS_PREFIXES;

    for (size_t i = 0; i < KEYS_PREFIXES && keys->prefixes[i].count; i++) {
        if (!taken[i] &&
            (best == KEYS_PREFIXES || keys->prefixes[i].count > keys->prefixes[best].count))
            best = i;
    }
    return best;
}

static void plan_prefixes(const struct keys *keys, struct plan *plan)
{
    bool taken[KEYS_PREFIXES] = {false};
    struct strbuf text = {0};

    for (int i = 0; i < SHOWN_PREFIXES; i++) {
        size_t at = next_prefix(keys, taken);
        char *prefix;

        if (at == KEYS_PREFIXES)
            break;
        taken[at] = true;
        prefix = key_text(keys->prefixes[at].text, keys->prefixes[at].len, KEYS_PREFIX_SIZE);
        strbuf_addf(&text, "%s%s* %.0f %%", i ? ", " : "", prefix,
                    100.0 * (double)keys->prefixes[at].count / (double)keys->count);
        free(prefix);
    }
    if (text.len)
        plan_add(plan, PLAN_EVIDENCE, "prefixes", "%s", text.s);
    strbuf_free(&text);
}

void keys_plan(const struct keys *keys, struct plan *plan)
{
    plan_types(keys, plan);
    plan_prefixes(keys, plan);
    for (size_t i = 0; i < KEYS_SAMPLES && i < keys->count; i++)
        plan_add(plan, PLAN_EVIDENCE, "sample", "%s", keys->samples[i]);
}

void keys_free(struct keys *keys)
{
    for (size_t i = 0; i < KEYS_SAMPLES; i++)
        free(keys->samples[i]);
    *keys = (struct keys){0};
}
