/* What went wrong with a Redis, in one line each: what and where, and the mend. */
#ifndef BACKEND_REDIS_FAULT_H
#define BACKEND_REDIS_FAULT_H

#include "backend/redis_url.h"

#include <stdbool.h>
#include <stddef.h>

struct redis_fault {
    char error[256]; /* may hold a server's words: raw */
    char hint[256];  /* "" when there is none */
};

/* Pure: explains the error reply text[0..len) to command (lower case, "info"). True: the connection
 * is of no use (wrong password, too many clients, …). */
bool redis_fault_reply(const char *text, size_t len, const char *command,
                       const struct redis_address *address, struct redis_fault *fault);

/* A connect, read or write that failed with this errno; greeted: the server had answered before. */
void redis_fault_system(int error, bool greeted, const struct redis_address *address,
                        struct redis_fault *fault);

/* The server has closed the connection. */
void redis_fault_closed(bool greeted, const struct redis_address *address,
                        struct redis_fault *fault);

/* What came is no answer of a Redis. */
void redis_fault_protocol(const struct redis_address *address, struct redis_fault *fault);

void redis_fault_set(struct redis_fault *fault, const char *error, const char *hint);

#endif
