#include "backend/container_watch_parse.h"

#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The newest minor version of API 1 that was tried, and the oldest with all that is asked for. */
enum { API_NEWEST = 47, API_OLDEST = 24, API_UNSAID = API_OLDEST };

#define HASH_START UINT64_C(14695981039346656037)
#define HASH_PRIME UINT64_C(1099511628211)

/* ---- the list ---- */

static uint64_t hash_text(uint64_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * HASH_PRIME;
    return hash;
}

/* "Up 3 hours (healthy)", "Exited (137) 5 seconds ago": what is in brackets does not age. */
static uint64_t hash_status(const char *status)
{
    const char *open = strchr(status, '('), *close = open ? strchr(open, ')') : NULL;

    return hash_text(HASH_START, open, close ? (size_t)(close - open) : 0);
}

/* Engines give ports and mounts in any order: what is in a list or object is added up. */
static uint64_t hash_value(const json_t *value)
{
    uint64_t hash = HASH_START + (uint64_t)json_typeof(value);
    double number;

    switch (json_typeof(value)) {
    case JSON_STRING: return hash_text(hash, json_string_value(value), json_string_length(value));
    case JSON_REAL:
        number = json_real_value(value);
        return hash_text(hash, (const char *)&number, sizeof(number));
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++)
            hash += hash_value(json_array_get(value, i));
        return hash;
    case JSON_OBJECT:
        for (void *at = json_object_iter((json_t *)(uintptr_t)value); at;
             at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            const char *key = json_object_iter_key(at);
            const json_t *item = json_object_iter_value(at);

            hash += hash_text(strcmp(key, "Status") == 0 && json_is_string(item)
                                  ? hash_status(json_string_value(item))
                                  : hash_value(item),
                              key, strlen(key));
        }
        return hash;
    default: return hash;
    }
}

static bool read_listed(const json_t *item, struct watch_listed *listed)
{
    const char *id = container_json_text(item, "Id");
    const char *state = json_string_value(json_object_get(item, "State"));
    const char *status = json_string_value(json_object_get(item, "Status"));

    if (!container_json_is_id(id)) /* it is to be a part of a path */
        return false;
    memcpy(listed->id, id, strlen(id) + 1);
    listed->signature = hash_value(item);
    listed->running = state ? strcmp(state, "running") == 0 : status && !strncmp(status, "Up", 2);
    return true;
}

bool watch_parse_list(const char *text, size_t len, struct watch_listed **items, size_t *count)
{
    json_t *root = container_json_load(text, len);

    *items = NULL;
    *count = 0;
    if (!json_is_array(root)) {
        json_decref(root);
        return false;
    }
    *items = mem_array(NULL, json_array_size(root) + 1, sizeof(**items));
    for (size_t i = 0; i < json_array_size(root); i++)
        *count += read_listed(json_array_get(root, i), *items + *count);
    container_json_wipe(root); /* commands are in it */
    return true;
}

/* ---- figures that the engine gives ---- */

static int64_t bytes_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const double number = json_real_value(value);

    return json_is_real(value) && number >= 0.0 && number < 9e18 ? (int64_t)number : -1;
}

bool watch_parse_stats(const char *text, size_t len, struct container_usage *usage)
{
    json_t *root = container_json_load(text, len);
    const json_t *memory = json_object_get(root, "memory_stats");
    const json_t *parts = json_object_get(memory, "stats");
    const json_t *cpu = json_object_get(
        json_object_get(json_object_get(root, "cpu_stats"), "cpu_usage"), "total_usage");

    *usage = container_usage_unknown;
    usage->memory = bytes_of(memory, "usage");
    usage->memory_limit = bytes_of(memory, "limit");
    usage->memory_cache = bytes_of(parts, "total_inactive_file"); /* version 1 of cgroups */
    if (usage->memory_cache < 0)
        usage->memory_cache = bytes_of(parts, "inactive_file");
    if (usage->memory_cache > 0 && usage->memory >= usage->memory_cache)
        usage->memory -= usage->memory_cache;
    if (json_is_real(cpu) && json_real_value(cpu) >= 0.0)
        usage->cpu_seconds = json_real_value(cpu) / 1e9;
    json_decref(root);
    return usage->memory >= 0 || !isnan(usage->cpu_seconds);
}

/* ---- the version that is spoken ---- */

bool watch_choose_api(const char *theirs, char out[WATCH_API_SIZE])
{
    unsigned long major = 1, minor = API_UNSAID;
    char *end = NULL;

    if (theirs && isdigit((unsigned char)*theirs)) {
        major = strtoul(theirs, &end, 10);
        minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    }
    if (major < 1 || (major == 1 && minor < API_OLDEST)) {
        snprintf(out, WATCH_API_SIZE, "%s", theirs);
        return false;
    }
    snprintf(out, WATCH_API_SIZE, "1.%lu", major > 1 || minor > API_NEWEST ? API_NEWEST : minor);
    return true;
}
