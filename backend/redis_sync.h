/* A connection to a Redis for a process that may wait: a job. */
#ifndef BACKEND_REDIS_SYNC_H
#define BACKEND_REDIS_SYNC_H

#include "backend/config.h"
#include "backend/redis_link.h"

#include <hiredis.h>
#include <stdbool.h>
#include <stddef.h>

/* Start from {0}. */
struct redis_sync {
    struct redis_link link;
    struct redis_address address;
    bool (*stop)(void *context); /* asked several times a second; true: give up */
    void *context;
};

/* Finds the address and the password, connects, greets. False: *error is one line with the mend
 * (the caller frees it), or NULL when stop said so. */
bool redis_sync_open(struct redis_sync *sync, const struct redis_config *config, char **error);

/* Sends one command (lengths NULL: strings) and waits for its answer, ms at most. The caller frees
 * it. NULL: *error as above; the connection is closed then. */
redisReply *redis_sync_ask(struct redis_sync *sync, int argc, const char **argv,
                           const size_t *lengths, int ms, char **error);

void redis_sync_close(struct redis_sync *sync);

#endif
