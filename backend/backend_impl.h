/* What backend.c and backend_containers.c share. */
#ifndef BACKEND_BACKEND_IMPL_H
#define BACKEND_BACKEND_IMPL_H

#include "backend/backend.h"
#include "backend/container_watch.h"
#include "backend/instance_impl.h"

/* What an instance calls back with. */
struct slot {
    struct backend *backend;
    struct instance_impl *impl;
    struct postgres_config *postgres; /* the instance's settings: one of the two, the other NULL */
    struct redis_config *redis;
    const struct container *located; /* as it was when its place was last taken over; NULL: never */
    bool discovered;                 /* nobody has named it: it goes with its container */
    bool uncertain;                  /* reach could not say where it is */
};

struct backend {
    uv_loop_t *loop;
    struct config *config;
    backend_changed *changed;
    void *context;
    struct slot **slots[INSTANCE_KINDS]; /* in the config's order */
    size_t counts[INSTANCE_KINDS];
    double interval;
    uv_timer_t timer;
    uint64_t origin; /* ms: ticks are at whole intervals from here, so they do not drift */
    bool started;
    struct alerts alerts;
    struct container_watch *watch; /* NULL: switched off */
    struct containers *none;       /* what is shown then */
    bool listed;                   /* the containers are known, or that there are none */
    bool discover[INSTANCE_KINDS]; /* nobody has named a server of this kind */
    size_t open;                   /* instances, the timer and the watch, while closing */
    void (*done)(void *context);
    void *done_context;
};

/* ---- backend.c ---- */

/* PostgreSQL first, then Redis; NULL past the last. */
struct slot *backend_slot(const struct backend *backend, size_t index);

/* Makes the slot of the configuration's next instance of a kind, and starts it if all are. */
void backend_add(struct backend *backend, enum instance_kind kind);

/* Something that can be seen has changed. */
void backend_tell(struct backend *backend);
double backend_wall(void); /* seconds since 1970 */
void backend_released(void *context);

/* ---- backend_containers.c ---- */

void backend_containers_new(struct backend *backend);
void backend_containers_start(struct backend *backend);
void backend_containers_tick(struct backend *backend);
void backend_containers_refresh(struct backend *backend);
void backend_containers_close(struct backend *backend);
bool backend_containers_filled(const struct backend *backend);

/* reach of struct instance_setup; context: the slot. */
enum instance_reach backend_reach(void *context, unsigned attempt, char **error, char **hint);

#endif
