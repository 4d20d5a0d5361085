/* What container_watch.c reads of the engine's answers beside container_parse.h. Pure; whatever bytes
 * come, nothing here crashes. */
#ifndef BACKEND_CONTAINER_WATCH_PARSE_H
#define BACKEND_CONTAINER_WATCH_PARSE_H

#include "backend/container_data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_API_SIZE 16

/* One container of GET /containers/json. */
struct watch_listed {
    char id[65];
    uint64_t signature; /* of all that the list tells but times: another one when it has changed */
    bool running;
};

/* The caller frees *items. False: it is no such list. */
bool watch_parse_list(const char *text, size_t len, struct watch_listed **items, size_t *count);

/* GET /containers/ID/stats: its cpu_seconds, memory, memory_cache and memory_limit, the rest unknown.
 * False: it tells none of them. */
bool watch_parse_stats(const char *text, size_t len, struct container_usage *usage);

/* The version to be spoken with an engine whose newest is theirs ("1.41", or NULL: it does not say):
 * not newer than what is known here. False: it is too old; out is theirs then. */
bool watch_choose_api(const char *theirs, char out[WATCH_API_SIZE]);

#endif
