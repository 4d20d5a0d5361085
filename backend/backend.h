/* All watched servers: opens, polls, reconnects and publishes. One thread, on the caller's loop;
 * nothing here blocks. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "backend/alert.h"
#include "backend/config.h"
#include "backend/container_data.h"
#include "backend/instance.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct backend;
struct engine;

/* Called whenever a snapshot, a state or an alert has changed. It only marks things dirty. */
typedef void backend_changed(void *context);

/* config must outlive the backend, which adds to it: instances that were discovered, and where
 * containers are. Nothing is opened before backend_start. */
struct backend *backend_new(uv_loop_t *loop, struct config *config, backend_changed *changed,
                            void *context);
void backend_start(struct backend *backend);

/* Closes every connection and handle; done is called when the last handle has closed and the
 * backend is freed. */
void backend_close(struct backend *backend, void (*done)(void *context), void *context);

size_t backend_count(const struct backend *backend, enum instance_kind kind);
const struct instance *backend_instance(const struct backend *backend, enum instance_kind kind,
                                        size_t index);
const struct alerts *backend_alerts(const struct backend *backend);

/* All containers of the host's engine; never NULL, see its state. The sample is another one when
 * something has changed. */
const struct containers *backend_containers(const struct backend *backend);

/* The engine, for what is asked of it beside (logs), or NULL while there is none: ask each time. */
struct engine *backend_engine(const struct backend *backend);

/* The container that an instance is, or NULL: it is none, or there is none of that name. */
const struct container_row *backend_container(const struct backend *backend,
                                              const struct instance *instance);

/* NULL: a new connection to the instance reaches it and nothing else. Else why that is not sure, one
 * line, which the caller frees: its container does not run, or may have moved. */
char *backend_place_doubt(const struct backend *backend, const struct instance *instance);

/* The instance that a container is, or NULL. */
const struct instance *backend_container_instance(const struct backend *backend,
                                                  const struct container *container);

/* What somebody looks at needs these sources of an instance (bits of SOURCE_BIT, PG_WANT_*) beyond
 * those always polled. A source that is newly wanted is polled at once. */
void backend_want(struct backend *backend, enum instance_kind kind, size_t index, unsigned sources);

/* Seconds between polls, 0.2 to 60. */
void backend_set_interval(struct backend *backend, double seconds);
double backend_interval(const struct backend *backend);

/* Polls all that is wanted now, whatever is due. */
void backend_refresh(struct backend *backend);

/* Answers that this turn's polls still wait for: 0 means that a frame drawn now is complete. */
unsigned backend_pending(const struct backend *backend);

/* True once every instance has answered all that is polled always, or is down. */
bool backend_filled(const struct backend *backend);

#endif
