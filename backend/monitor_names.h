/* Who is behind the addresses of MONITOR: CLIENT LIST on a connection of its own, again and again
 * while it is wanted, and more rarely the longer the server takes for it. */
#ifndef BACKEND_MONITOR_NAMES_H
#define BACKEND_MONITOR_NAMES_H

#include "backend/redis_url.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct monitor_client {
    uint64_t hash; /* hitters_hash of address */
    long long id;
    char address[80], name[48], user[32], lib[48]; /* "" unknown; raw */
};

struct monitor_names;

/* Begins to ask; address is copied. */
struct monitor_names *monitor_names_new(uv_loop_t *loop, const struct redis_address *address);

/* Asks no more; what is known stays. */
void monitor_names_stop(struct monitor_names *names);

/* Closes and frees, in later turns of the loop. Takes NULL. */
void monitor_names_free(struct monitor_names *names);

/* Who has that address now, or had it the last time; NULL: not known. Valid until the loop turns. */
const struct monitor_client *monitor_names_find(const struct monitor_names *names,
                                                const char *address, size_t len);

/* Pure: reads a line of CLIENT LIST. */
void monitor_client_parse(const char *line, size_t len, struct monitor_client *client);

#endif
