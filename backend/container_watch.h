/* Watches all containers of one engine: finds it, lists and inspects once, follows /events, and reads
 * the kernel's figures each interval. The engine itself is not polled but for a list now and then. */
#ifndef BACKEND_CONTAINER_WATCH_H
#define BACKEND_CONTAINER_WATCH_H

#include "backend/container_data.h"
#include "backend/container_engine.h"

#include <stdbool.h>
#include <uv.h>

struct container_watch;

/* Whether what is said of a container's place is so at this moment: an address that is old may be
 * somebody else's by now. */
enum container_known {
    KNOWN_NOW,
    KNOWN_SOON, /* the engine is being asked: current is called then, or removed */
    KNOWN_OLD   /* the engine does not answer */
};

struct container_watch_events {
    /* The published sample is another one. */
    void (*changed)(void *context);

    /* The first list has come with all that was inspected, or it is known that there will be none for
     * now. Called once, after the moved of all that run. */
    void (*listed)(void *context);

    /* A container runs whose address or login may be new: at the first list, and after each start.
     * login lives until this returns. */
    void (*moved)(void *context, const struct container *container,
                  const struct container_login *login);

    /* A container that was running is not any more (or is gone). */
    void (*stopped)(void *context, const struct container *container);

    /* What is known of it has become KNOWN_NOW, whether it has changed or not. After stopped and
     * moved. May be NULL, as removed. */
    void (*current)(void *context, const struct container *container);

    /* It is there no more, whether it ran or not. */
    void (*removed)(void *context, const struct container *container);

    /* What the rows' watched, oom_expected and flaws are made of: before each publication. */
    void (*complete)(void *context, struct container_row *row);
};

/* docker_host: of the configuration, or NULL. Nothing is opened before container_watch_start. */
struct container_watch *container_watch_new(uv_loop_t *loop, const char *docker_host,
                                            const struct container_watch_events *events,
                                            void *context);
void container_watch_start(struct container_watch *watch);

/* A turn: reads the kernel's figures if somebody looks at them or an alert needs them. */
void container_watch_tick(struct container_watch *watch);

/* Lists and inspects all anew, and looks for an engine again at once when there is none. */
void container_watch_refresh(struct container_watch *watch);

/* The newest sample; never NULL after container_watch_new. */
const struct containers *container_watch_sample(const struct container_watch *watch);

/* The one with this name, id or beginning of an id (12 digits at least), or NULL. */
const struct container *container_watch_find(const struct container_watch *watch, const char *name);

enum container_known container_watch_known(const struct container_watch *watch, const char *id);

/* The last login of a container, by its id; NULL: none is known. Valid until the loop turns. */
const struct container_login *container_watch_login(const struct container_watch *watch,
                                                    const char *id);

/* The engine for requests of others (logs), or NULL while there is none. It may change: ask each
 * time; requests are called off when the watch is closed. */
struct engine *container_watch_engine(const struct container_watch *watch);

/* gone is called later than this returns; the watch is freed then. */
void container_watch_close(struct container_watch *watch, void (*gone)(void *context),
                           void *context);

#endif
