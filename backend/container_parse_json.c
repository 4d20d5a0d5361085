#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 4096 }; /* of a command, of an environment: the rest is not looked at */

json_t *container_json_load(const char *text, size_t len)
{
    return json_loadb(text, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
}

static void wipe_strings(json_t *value)
{
    if (json_is_string(value)) {
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            wipe_strings(json_array_get(value, i));
    } else if (json_is_object(value)) {
        for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
            wipe_strings(json_object_iter_value(at));
    }
}

void container_json_wipe(json_t *root)
{
    wipe_strings(root);
    json_decref(root);
}

const char *container_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && *text ? text : NULL;
}

char *container_json_copy(const json_t *object, const char *key)
{
    return mem_strdup(container_json_text(object, key));
}

int64_t container_json_number(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    const double number = json_number_value(value);

    if (!json_is_number(value) || isnan(number))
        return otherwise;
    if (number >= 9.2e18)
        return INT64_MAX;
    return number <= -9.2e18 ? INT64_MIN : (int64_t)number;
}

bool container_json_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static size_t add_words(const char **words, size_t count, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array) && count < WORDS_MAX; i++) {
        const char *word = json_string_value(json_array_get(array, i));

        if (word)
            words[count++] = word;
    }
    return count;
}

const char **container_json_words(const char *first, const json_t *array, const json_t *more)
{
    const char **words =
        mem_array(NULL, json_array_size(array) + json_array_size(more) + 2, sizeof(*words));
    size_t count = 0;

    if (first)
        words[count++] = first;
    count = add_words(words, count, array);
    count = add_words(words, count, more);
    words[count] = NULL;
    return words;
}

/* "Z", "+02:00": seconds before UTC; false: something else. */
static bool read_zone(const char *text, int *seconds)
{
    int hours, minutes, end = 0;

    *seconds = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || text[1 + end])
        return false;
    *seconds = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    return *text == '+' || *text == '-';
}

double container_json_time(const char *text)
{
    struct tm tm = {0};
    int end = 0, zone;
    double fraction = 0, unit = 0.1;

    if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                        &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6)
        return NAN;
    text += end;
    if (*text == '.')
        for (text++; isdigit((unsigned char)*text); text++, unit /= 10)
            fraction += unit * (*text - '0');
    if (tm.tm_year <= 1 || !*text || !read_zone(text, &zone))
        return NAN;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (double)timegm(&tm) - zone + fraction;
}

bool container_json_is_id(const char *text)
{
    const size_t len = text ? strspn(text, "0123456789abcdefABCDEF") : 0;

    return len && len <= 64 && !text[len];
}

char *container_json_image_id(const char *text)
{
    static const char prefix[] = "sha256:";

    if (!text)
        return NULL;
    return container_json_is_id(text) ? mem_printf("%s%s", prefix, text) : mem_strdup(text);
}
