#include "backend/backend.h"

#include "backend/backend_impl.h"
#include "backend/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#define MIN_INTERVAL 0.2
#define MAX_INTERVAL 60.0

/* ---- the instances ---- */

static size_t slot_count(const struct backend *backend)
{
    return backend->counts[INSTANCE_POSTGRES] + backend->counts[INSTANCE_REDIS];
}

struct slot *backend_slot(const struct backend *backend, size_t index)
{
    const size_t postgres = backend->counts[INSTANCE_POSTGRES];

    if (index >= slot_count(backend))
        return NULL;
    return index < postgres ? backend->slots[INSTANCE_POSTGRES][index]
                            : backend->slots[INSTANCE_REDIS][index - postgres];
}

/* ---- changes ---- */

double backend_wall(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
}

static void update_alerts(struct backend *backend, const struct instance_impl *impl)
{
    alerts_update(&backend->alerts, &impl->pub, backend->config->alerts, backend_wall());
}

void backend_tell(struct backend *backend)
{
    if (!backend->open)
        backend->changed(backend->context);
}

static void on_instance_changed(void *context)
{
    struct slot *slot = context;

    update_alerts(slot->backend, slot->impl);
    backend_tell(slot->backend);
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
        instance_tick(backend_slot(backend, i)->impl);
        update_alerts(backend, backend_slot(backend, i)->impl);
    }
    backend_containers_tick(backend);
    if (backend->alerts.raised != raised)
        backend->changed(backend->context);
}

/* ---- life ---- */

void backend_add(struct backend *backend, enum instance_kind kind)
{
    const struct config *config = backend->config;
    struct slot *slot = mem_zalloc(sizeof(*slot));
    const struct instance_setup setup = {.loop = backend->loop,
                                         .interval = backend->interval,
                                         .changed = on_instance_changed,
                                         .reach = backend_reach,
                                         .context = slot};
    const size_t index = backend->counts[kind];

    slot->backend = backend;
    if (kind == INSTANCE_POSTGRES) {
        slot->postgres = config->postgres[index];
        slot->impl = pg_instance_new(&setup, slot->postgres);
    } else {
        slot->redis = config->redis[index];
        slot->impl = redis_instance_new(&setup, slot->redis);
    }
    backend->slots[kind] = mem_array(backend->slots[kind], index + 1, sizeof(struct slot *));
    backend->slots[kind][index] = slot;
    backend->counts[kind]++;
    if (backend->started)
        instance_start(slot->impl);
}

struct backend *backend_new(uv_loop_t *loop, struct config *config, backend_changed *changed,
                            void *context)
{
    struct backend *backend = mem_zalloc(sizeof(*backend));

    backend->loop = loop;
    backend->config = config;
    backend->changed = changed;
    backend->context = context;
    backend->interval = config->interval;
    for (size_t i = 0; i < config->postgres_count; i++)
        backend_add(backend, INSTANCE_POSTGRES);
    for (size_t i = 0; i < config->redis_count; i++)
        backend_add(backend, INSTANCE_REDIS);
    uv_timer_init(loop, &backend->timer);
    backend->timer.data = backend;
    backend_containers_new(backend);
    return backend;
}

void backend_start(struct backend *backend)
{
    uv_update_time(backend->loop);
    backend->origin = uv_now(backend->loop);
    backend->started = true;
    schedule(backend);
    for (size_t i = 0; i < slot_count(backend); i++)
        instance_start(backend_slot(backend, i)->impl);
    backend_containers_start(backend);
}

static void release(struct backend *backend)
{
    void (*done)(void *context) = backend->done;
    void *context = backend->done_context;

    if (--backend->open)
        return;
    for (size_t i = 0; i < slot_count(backend); i++) {
        container_unref(backend_slot(backend, i)->located);
        free(backend_slot(backend, i));
    }
    alerts_free(&backend->alerts);
    sample_unref(backend->none);
    free(backend->slots[INSTANCE_POSTGRES]);
    free(backend->slots[INSTANCE_REDIS]);
    free(backend);
    done(context);
}

void backend_released(void *context)
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
    backend->open = slot_count(backend) + 2;
    backend->done = done;
    backend->done_context = context;
    for (size_t i = 0; i < slot_count(backend); i++)
        instance_close(backend_slot(backend, i)->impl, backend_released, backend);
    uv_close((uv_handle_t *)&backend->timer, on_timer_closed);
    backend_containers_close(backend);
}

/* ---- what is asked for ---- */

static struct instance_impl *impl_at(const struct backend *backend, enum instance_kind kind,
                                     size_t index)
{
    assert(index < backend->counts[kind]);
    return backend->slots[kind][index]->impl;
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
        backend_slot(backend, i)->impl->interval = backend->interval;
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
        instance_refresh(backend_slot(backend, i)->impl);
    backend_containers_refresh(backend);
}

unsigned backend_pending(const struct backend *backend)
{
    unsigned pending = 0;

    for (size_t i = 0; i < slot_count(backend); i++)
        pending += instance_pending(backend_slot(backend, i)->impl);
    return pending;
}

bool backend_filled(const struct backend *backend)
{
    if (!backend_containers_filled(backend))
        return false;
    for (size_t i = 0; i < slot_count(backend); i++) {
        if (!backend_slot(backend, i)->impl->pub.answered)
            return false;
    }
    return true;
}
