/* Depths of Celery's queues, as kombu keeps them in Redis: lists by priority step, `unacked` and
 * `unacked_index` for what workers hold, and `_kombu.binding.*` for the names of the queues. */
#ifndef BACKEND_REDIS_CELERY_H
#define BACKEND_REDIS_CELERY_H

#include "backend/config.h"
#include "backend/redis_conn.h"
#include "backend/redis_data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct celery;

/* One for each watched Redis; asks in the databases that the config says are Celery's. done gets
 * each new sample, with one reference, not stamped yet. */
struct celery *celery_new(const struct redis_config *config,
                          void (*done)(void *context, struct redis_celery *sample), void *context);
void celery_free(struct celery *celery);

/* Asks on conn, in one pipeline with what is there, which the caller flushes. Ends in done, perhaps
 * at once (no database), or in nothing when the connection is closed: call celery_reset then.
 * address is for the hints; now in seconds since 1970; ms of the loop's clock paces the search for
 * new queues. */
void celery_poll(struct celery *celery, struct redis_conn *conn,
                 const struct redis_address *address, double now, uint64_t ms);
void celery_reset(struct celery *celery);

/* Pure: the queue in a member of a binding set, routing_key\x06\x16pattern\x06\x16queue. False: not
 * one that holds tasks. */
bool celery_binding_queue(const char *member, size_t len, const char **queue, size_t *queue_len);

/* Pure: is this the key of a binding of task queues (not of workers' replies and events)? */
bool celery_binding_key(const char *key, size_t len);

#endif
