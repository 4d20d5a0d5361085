/* Who is behind the addresses of MONITOR: CLIENT LIST on a connection of its own, again and again
 * while it is wanted, and more rarely the longer the server takes for it. Its answer is memory in the
 * server: where it could cost keys it is not asked for. */
#ifndef BACKEND_MONITOR_NAMES_H
#define BACKEND_MONITOR_NAMES_H

#include "backend/redis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct monitor_client {
    uint64_t hash; /* hitters_hash of address */
    long long id;
    long long age; /* s since it connected; -1 unknown */
    double
        connected; /* s since 1970 by our clock, to a second; NAN unknown. 0 of what was parsed */
    bool shared;   /* another had its address before, while it was asked */
    int db;        /* -1 unknown */
    char address[80], name[48], user[32], lib[48], command[24]; /* "" unknown; raw */
};

struct monitor_names;

/* Begins to ask; address is copied. */
struct monitor_names *monitor_names_new(uv_loop_t *loop, const struct redis_address *address);

/* Asks no more; what is known stays. */
void monitor_names_stop(struct monitor_names *names);

/* Closes and frees, in later turns of the loop. Takes NULL. */
void monitor_names_free(struct monitor_names *names);

/* Takes what CLIENT LIST answers at a time: what is asked for goes through here. Of more clients than
 * a server has by default, the newest may stay unknown. */
void monitor_names_take(struct monitor_names *names, const char *text, size_t len, double now);

/* One line: why nothing newer is known, raw; NULL: it was asked for. May change when the loop turns. */
const char *monitor_names_fault(const struct monitor_names *names);

/* Bytes that the largest answer so far took while it was read. */
size_t monitor_names_answer(const struct monitor_names *names);

/* Most bytes that they take, apart from the server's answer while it is read. */
size_t monitor_names_memory(void);

/* Who has that address now, or had it the last time; NULL: not known. Valid until the loop turns. */
const struct monitor_client *monitor_names_find(const struct monitor_names *names,
                                                const char *address, size_t len);

/* The client that sent something from address at a time (s since 1970 by our clock; NAN: at any time
 * since the first question). NULL: not known, or it may have been another one. */
const struct monitor_client *monitor_names_sender(const struct monitor_names *names,
                                                  const char *address, size_t len, double time);

/* All that are known, from 0; NULL past the last. Valid until the loop turns. */
const struct monitor_client *monitor_names_at(const struct monitor_names *names, size_t index);

/* Another one as soon as what is known may be something else. 0 for NULL. */
uint32_t monitor_names_version(const struct monitor_names *names);

/* Pure: was it this client that sent at that time? */
bool monitor_client_sent(const struct monitor_client *client, double time);

/* Pure: what is known now of a client, after what was known before of that address (NULL: nothing). */
void monitor_client_learn(struct monitor_client *client, const struct monitor_client *before,
                          double now);

/* Pure: reads a line of CLIENT LIST. */
void monitor_client_parse(const char *line, size_t len, struct monitor_client *client);

#endif
