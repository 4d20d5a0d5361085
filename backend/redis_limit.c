#include "backend/redis_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WORDS = 4 }; /* of a class: its name, hard, soft, seconds */

struct word {
    const char *text;
    size_t len;
};

/* The next word of *text, which ends at end; moves on. False: there is none. */
static bool next_word(const char **text, const char *end, struct word *word)
{
    while (*text < end && **text == ' ')
        ++*text;
    word->text = *text;
    while (*text < end && **text != ' ')
        ++*text;
    word->len = (size_t)(*text - word->text);
    return word->len > 0;
}

static int64_t number(const struct word *word)
{
    int64_t value = 0;

    for (size_t i = 0; i < word->len; i++) {
        if (word->text[i] < '0' || word->text[i] > '9' || value > INT64_MAX / 10 - 1)
            return -1;
        value = 10 * value + (word->text[i] - '0');
    }
    return value;
}

static bool is_normal(const struct word *word)
{
    static const char name[] = "normal";

    return word->len == sizeof(name) - 1 && memcmp(word->text, name, word->len) == 0;
}

void redis_limit_parse(const char *text, size_t len, struct redis_limit *limit)
{
    const char *end = text + len;
    struct word words[WORDS];

    *limit = REDIS_LIMIT_UNKNOWN("its setting names no ordinary clients");
    for (;;) {
        for (int i = 0; i < WORDS; i++) {
            if (!next_word(&text, end, &words[i]))
                return;
        }
        if (!is_normal(&words[0]))
            continue;
        *limit = (struct redis_limit){number(&words[1]), number(&words[2]), number(&words[3]), ""};
        if (limit->hard < 0 || limit->soft < 0 || limit->soft_seconds < 0)
            snprintf(limit->why, sizeof(limit->why), "its setting is no number");
    }
}

void redis_limit_read(const redisReply *reply, struct redis_limit *limit)
{
    const redisReply *value = NULL;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        value = reply->element[1];
    if (value && value->type == REDIS_REPLY_STRING) {
        redis_limit_parse(value->str, value->len, limit);
        return;
    }
    *limit = REDIS_LIMIT_UNKNOWN("this server has no such setting");
    if (reply->type == REDIS_REPLY_ERROR)
        snprintf(limit->why, sizeof(limit->why), "CONFIG GET: %s", reply->str);
}
