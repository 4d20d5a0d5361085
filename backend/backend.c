#include "backend/backend.h"

#include "backend/base/mem.h"
#include "backend/instance_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#define MIN_INTERVAL 0.2
#define MAX_INTERVAL 60.0

/* What an instance calls back with. */
struct slot {
    struct backend *backend;
    struct instance_impl *impl;
};

struct backend {
    uv_loop_t *loop;
    const struct config *config;
    backend_changed *changed;
    void *context;
    struct slot *slots; /* PostgreSQL first, then Redis, in the config's order */
    size_t counts[INSTANCE_KINDS];
    double interval;
    uv_timer_t timer;
    uint64_t origin; /* ms: ticks are at whole intervals from here, so they do not drift */
    struct alerts alerts;
    size_t open; /* instances and the timer, while closing */
    void (*done)(void *context);
    void *done_context;
};

static size_t slot_count(const struct backend *backend)
{
    return backend->counts[INSTANCE_POSTGRES] + backend->counts[INSTANCE_REDIS];
}

/* ---- changes ---- */

static double wall_now(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
}

static void update_alerts(struct backend *backend, const struct instance_impl *impl)
{
    alerts_update(&backend->alerts, &impl->pub, backend->config->alerts, wall_now());
}

static void on_instance_changed(void *context)
{
    struct slot *slot = context;

    update_alerts(slot->backend, slot->impl);
    slot->backend->changed(slot->backend->context);
}

/* ---- ticks ---- */

static void on_tick(uv_timer_t *timer);

static void schedule(struct backend *backend)
{
    const double now = (double)(uv_now(backend->loop) - backend->origin);
    const double step = 1000.0 * backend->interval;
    const double next = step * ((double)(uint64_t)(now / step) + 1.0);

    uv_timer_start(&backend->timer, on_tick, (uint64_t)(next - now + 0.5), 0);
}

/* Some alerts begin because nothing happens. */
static void on_tick(uv_timer_t *timer)
{
    struct backend *backend = timer->data;
    const unsigned raised = backend->alerts.raised;

    schedule(backend);
    for (size_t i = 0; i < slot_count(backend); i++) {
        instance_tick(backend->slots[i].impl);
        update_alerts(backend, backend->slots[i].impl);
    }
    if (backend->alerts.raised != raised)
        backend->changed(backend->context);
}

/* ---- life ---- */

static struct slot *add_slot(struct backend *backend, size_t index, struct instance_setup *setup)
{
    struct slot *slot = &backend->slots[index];

    slot->backend = backend;
    setup->context = slot;
    return slot;
}

struct backend *backend_new(uv_loop_t *loop, const struct config *config, backend_changed *changed,
                            void *context)
{
    struct backend *backend = mem_zalloc(sizeof(*backend));
    struct instance_setup setup = {
        .loop = loop, .interval = config->interval, .changed = on_instance_changed};

    backend->loop = loop;
    backend->config = config;
    backend->changed = changed;
    backend->context = context;
    backend->interval = config->interval;
    backend->counts[INSTANCE_POSTGRES] = config->postgres_count;
    backend->counts[INSTANCE_REDIS] = config->redis_count;
    backend->slots = mem_array(NULL, slot_count(backend), sizeof(*backend->slots));
    for (size_t i = 0; i < config->postgres_count; i++)
        add_slot(backend, i, &setup)->impl = pg_instance_new(&setup, config->postgres[i]);
    for (size_t i = 0; i < config->redis_count; i++)
        add_slot(backend, config->postgres_count + i, &setup)->impl =
            redis_instance_new(&setup, config->redis[i]);
    uv_timer_init(loop, &backend->timer);
    backend->timer.data = backend;
    return backend;
}

void backend_start(struct backend *backend)
{
    uv_update_time(backend->loop);
    backend->origin = uv_now(backend->loop);
    schedule(backend);
    for (size_t i = 0; i < slot_count(backend); i++)
        instance_start(backend->slots[i].impl);
}

static void release(struct backend *backend)
{
    void (*done)(void *context) = backend->done;
    void *context = backend->done_context;

    if (--backend->open)
        return;
    alerts_free(&backend->alerts);
    free(backend->slots);
    free(backend);
    done(context);
}

static void on_instance_closed(void *context)
{
    release(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void backend_close(struct backend *backend, void (*done)(void *context), void *context)
{
    assert(!backend->open);
    backend->open = slot_count(backend) + 1;
    backend->done = done;
    backend->done_context = context;
    for (size_t i = 0; i < slot_count(backend); i++)
        instance_close(backend->slots[i].impl, on_instance_closed, backend);
    uv_close((uv_handle_t *)&backend->timer, on_timer_closed);
}

/* ---- what is asked for ---- */

static struct instance_impl *impl_at(const struct backend *backend, enum instance_kind kind,
                                     size_t index)
{
    assert(index < backend->counts[kind]);
    if (kind == INSTANCE_REDIS)
        index += backend->counts[INSTANCE_POSTGRES];
    return backend->slots[index].impl;
}

struct instance_impl *backend_impl(struct backend *backend, enum instance_kind kind, size_t index)
{
    return impl_at(backend, kind, index);
}

size_t backend_count(const struct backend *backend, enum instance_kind kind)
{
    return backend->counts[kind];
}

const struct instance *backend_instance(const struct backend *backend, enum instance_kind kind,
                                        size_t index)
{
    return &impl_at(backend, kind, index)->pub;
}

const struct alerts *backend_alerts(const struct backend *backend)
{
    return &backend->alerts;
}

void backend_want(struct backend *backend, enum instance_kind kind, size_t index, unsigned sources)
{
    instance_want(impl_at(backend, kind, index), sources);
}

void backend_set_interval(struct backend *backend, double seconds)
{
    double least = seconds > MIN_INTERVAL ? seconds : MIN_INTERVAL;

    backend->interval = least < MAX_INTERVAL ? least : MAX_INTERVAL;
    for (size_t i = 0; i < slot_count(backend); i++)
        backend->slots[i].impl->interval = backend->interval;
    backend->origin = uv_now(backend->loop);
    if (uv_is_active((uv_handle_t *)&backend->timer))
        schedule(backend);
}

double backend_interval(const struct backend *backend)
{
    return backend->interval;
}

void backend_refresh(struct backend *backend)
{
    for (size_t i = 0; i < slot_count(backend); i++)
        instance_refresh(backend->slots[i].impl);
}

unsigned backend_pending(const struct backend *backend)
{
    unsigned pending = 0;

    for (size_t i = 0; i < slot_count(backend); i++)
        pending += instance_pending(backend->slots[i].impl);
    return pending;
}

bool backend_filled(const struct backend *backend)
{
    for (size_t i = 0; i < slot_count(backend); i++) {
        if (!backend->slots[i].impl->pub.answered)
            return false;
    }
    return true;
}
