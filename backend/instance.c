#include "backend/base/mem.h"
#include "backend/instance_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The loop was this late for its own timer: it did not run (Ctrl-Z, a frozen host), so answers may
 * wait unread and the time does not count against the server. */
#define LATE_MS 500U

static const unsigned back_off_ms[] = {250, 500, 1000, 2000};

static void on_timer(uv_timer_t *timer);
static void on_timer_closed(uv_handle_t *handle);

/* ---- strings, stamps, signs of change ---- */

bool instance_set(char **slot, const char *text)
{
    if (text ? *slot && strcmp(*slot, text) == 0 : !*slot)
        return false;
    free(*slot);
    *slot = mem_strdup(text);
    return true;
}

void instance_changed(const struct instance_impl *impl)
{
    if (!impl->closing)
        impl->setup.changed(impl->setup.context);
}

static double wall_now(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
}

static void set_state(struct instance_impl *impl, enum instance_state state)
{
    if (impl->pub.state == state && impl->pub.state_since > 0.0)
        return;
    impl->pub.state = state;
    impl->pub.state_since = wall_now();
}

void instance_stamp(const struct instance_impl *impl, struct sample *sample)
{
    sample->at = uv_now(impl->loop);
    sample->wall = wall_now();
    sample->generation = impl->pub.generation;
}

void instance_push_history(struct instance_impl *impl, const float *values)
{
    history_push(impl->pub.history, values);
}

/* ---- life ---- */

static size_t history_capacity(double interval)
{
    double hour = 3600.0 / interval;

    return hour < 600.0 ? 600 : (size_t)hour;
}

void instance_init(struct instance_impl *impl, const struct instance_setup *setup,
                   enum instance_kind kind, const char *name, const struct instance_ops *ops,
                   size_t metrics)
{
    impl->pub.kind = kind;
    impl->pub.name = name;
    set_state(impl, INSTANCE_CONNECTING);
    impl->pub.history = history_new(metrics, history_capacity(setup->interval));
    impl->ops = ops;
    impl->loop = setup->loop;
    impl->interval = setup->interval;
    impl->setup = *setup;
    uv_timer_init(impl->loop, &impl->timer);
    impl->timer.data = impl;
    instance_hold(impl);
}

static void free_common(struct instance_impl *impl)
{
    struct instance *pub = &impl->pub;

    sample_unref(pub->pg.server);
    sample_unref(pub->pg.activity);
    sample_unref(pub->pg.databases);
    sample_unref(pub->pg.sizes);
    sample_unref(pub->redis.info);
    sample_unref(pub->redis.celery);
    for (size_t i = 0; i < INSTANCE_SOURCES; i++)
        free(pub->source_error[i]);
    free(pub->address);
    free(pub->error);
    free(pub->hint);
    free(pub->tls);
    history_free(pub->history);
}

void instance_hold(struct instance_impl *impl)
{
    impl->held++;
}

void instance_release(struct instance_impl *impl)
{
    void (*closed)(void *context) = impl->closed;
    void *context = impl->closed_context;

    assert(impl->held > 0);
    if (--impl->held)
        return;
    assert(impl->closing);
    free_common(impl);
    impl->ops->destroy(impl);
    closed(context);
}

void instance_close(struct instance_impl *impl, void (*closed)(void *context), void *context)
{
    assert(!impl->closing);
    impl->closing = true;
    impl->closed = closed;
    impl->closed_context = context;
    impl->connected = false;
    impl->outstanding = 0;
    impl->ops->disconnect(impl, false);
    impl->ops->close(impl);
    uv_close((uv_handle_t *)&impl->timer, on_timer_closed);
}

static void on_timer_closed(uv_handle_t *handle)
{
    instance_release(handle->data);
}

/* ---- deadlines ---- */

static uint64_t answer_ms(const struct instance_impl *impl)
{
    double two = 2000.0 * impl->interval;

    return two > 2000.0 ? (uint64_t)two : 2000;
}

static uint64_t oldest_request(const struct instance_impl *impl)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < INSTANCE_SOURCES; i++) {
        if (instance_is_outstanding(impl, i) && impl->asked_at[i] < oldest)
            oldest = impl->asked_at[i];
    }
    return oldest;
}

/* When the timer has something to do in this state; 0: nothing. */
static uint64_t next_due(const struct instance_impl *impl)
{
    switch (impl->pub.state) {
    case INSTANCE_CONNECTING: return impl->waits ? 0 : impl->connect_at + INSTANCE_CONNECT_MS;
    case INSTANCE_DOWN: return impl->pub.retry_at;
    case INSTANCE_UP: return impl->outstanding ? oldest_request(impl) + answer_ms(impl) : 0;
    case INSTANCE_STALE: return oldest_request(impl) + answer_ms(impl) + INSTANCE_GIVE_UP_MS;
    }
    return 0;
}

static void set_timer(struct instance_impl *impl)
{
    uint64_t now = uv_now(impl->loop);

    if (impl->closing)
        return;
    impl->due = next_due(impl);
    if (!impl->due)
        uv_timer_stop(&impl->timer);
    else
        uv_timer_start(&impl->timer, on_timer, impl->due > now ? impl->due - now : 0, 0);
}

static void forgive(struct instance_impl *impl, uint64_t late)
{
    impl->connect_at += late;
    for (unsigned i = 0; i < INSTANCE_SOURCES; i++)
        impl->asked_at[i] += late;
    set_timer(impl);
}

static void give_up(struct instance_impl *impl)
{
    char text[96];
    uint64_t silent = (uv_now(impl->loop) - oldest_request(impl)) / 1000;

    snprintf(text, sizeof(text), "the server has not answered for %u s", (unsigned)silent);
    instance_lost(impl, text, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct instance_impl *impl = timer->data;
    uint64_t late = uv_now(impl->loop) - impl->due;

    if (impl->pub.state != INSTANCE_DOWN && late > LATE_MS) {
        forgive(impl, late);
        return;
    }
    switch (impl->pub.state) {
    case INSTANCE_CONNECTING:
        instance_lost(impl, "no answer to the attempt to connect",
                      "check host and port; a firewall and a stopped server keep silent");
        break;
    case INSTANCE_DOWN: instance_start(impl); break;
    case INSTANCE_STALE: give_up(impl); break;
    case INSTANCE_UP:
        set_state(impl, INSTANCE_STALE);
        set_timer(impl);
        instance_changed(impl);
        break;
    }
}

/* ---- what the kinds report ---- */

bool instance_is_outstanding(const struct instance_impl *impl, unsigned source)
{
    return impl->outstanding & SOURCE_BIT(source);
}

void instance_asked(struct instance_impl *impl, unsigned source)
{
    assert(source < INSTANCE_SOURCES && !instance_is_outstanding(impl, source));
    impl->outstanding |= SOURCE_BIT(source);
    impl->asked_at[source] = uv_now(impl->loop);
    set_timer(impl);
}

static bool overdue(const struct instance_impl *impl)
{
    return impl->outstanding && oldest_request(impl) + answer_ms(impl) <= uv_now(impl->loop);
}

void instance_answered(struct instance_impl *impl, unsigned source, const char *error)
{
    assert(source < INSTANCE_SOURCES);
    impl->outstanding &= ~SOURCE_BIT(source);
    impl->ever_answered |= SOURCE_BIT(source);
    impl->attempts = 0;
    impl->pub.answered_at = uv_now(impl->loop);
    instance_set(&impl->pub.source_error[source], error);
    if ((impl->ever_answered & impl->ops->always) == impl->ops->always)
        impl->pub.answered = true;
    if (impl->pub.state == INSTANCE_STALE && !overdue(impl))
        set_state(impl, INSTANCE_UP);
    set_timer(impl);
    instance_changed(impl);
}

static void poll(struct instance_impl *impl, unsigned sources, bool all)
{
    unsigned modifiers = impl->wanted & ~impl->ops->sources;

    sources &= impl->ops->sources & ~impl->outstanding;
    if (sources && impl->connected && impl->pub.state == INSTANCE_UP)
        impl->ops->poll(impl, sources | modifiers, all);
}

void instance_connected(struct instance_impl *impl)
{
    assert(!impl->closing && impl->pub.state == INSTANCE_CONNECTING);
    impl->connected = true;
    set_state(impl, INSTANCE_UP);
    impl->pub.generation++;
    instance_set(&impl->pub.error, NULL);
    instance_set(&impl->pub.hint, NULL);
    for (size_t i = 0; i < INSTANCE_SOURCES; i++)
        instance_set(&impl->pub.source_error[i], NULL);
    set_timer(impl);
    instance_changed(impl);
    poll(impl, impl->ops->always | impl->wanted, true);
}

static uint64_t back_off(unsigned attempts)
{
    const unsigned steps = sizeof(back_off_ms) / sizeof(*back_off_ms);
    unsigned ms = back_off_ms[attempts < steps ? attempts : steps - 1];

    /* Up to a quarter less, so that many dashboards do not knock in step. */
    return ms - (uint64_t)ms * (uv_hrtime() / 1000 % 256) / 1024;
}

void instance_lost(struct instance_impl *impl, const char *error, const char *hint)
{
    bool given_up = impl->pub.state == INSTANCE_STALE;

    if (impl->closing || impl->pub.state == INSTANCE_DOWN)
        return;
    impl->connected = false;
    impl->outstanding = 0;
    set_state(impl, INSTANCE_DOWN);
    impl->pub.answered = true;
    impl->pub.retry_at = uv_now(impl->loop) + back_off(impl->attempts++);
    instance_set(&impl->pub.error, error);
    instance_set(&impl->pub.hint, hint);
    impl->waits = false;
    impl->ops->disconnect(impl, given_up);
    set_timer(impl);
    instance_changed(impl);
}

/* ---- what backend.c asks for ---- */

/* False: not now, and what there is to be said has been said. */
static bool can_be_reached(struct instance_impl *impl)
{
    char *error = NULL, *hint = NULL;
    enum instance_reach reach = REACH_READY;

    if (impl->setup.reach)
        reach = impl->setup.reach(impl->setup.context, impl->attempts, &error, &hint);
    impl->waits = reach == REACH_WAIT;
    if (reach == REACH_FAILED || reach == REACH_GONE)
        instance_lost(impl, error, hint);
    if (reach == REACH_GONE) {
        impl->pub.retry_at = 0;
        set_timer(impl);
    }
    free(error);
    free(hint);
    return reach == REACH_READY;
}

void instance_start(struct instance_impl *impl)
{
    assert(!impl->connected && !impl->closing);
    set_state(impl, INSTANCE_CONNECTING);
    impl->pub.retry_at = 0;
    impl->connect_at = uv_now(impl->loop);
    if (can_be_reached(impl)) {
        set_timer(impl);
        instance_changed(impl);
        impl->ops->connect(impl);
    } else if (impl->waits) {
        set_timer(impl);
        instance_changed(impl);
    }
}

void instance_restart(struct instance_impl *impl, const char *reason)
{
    if (impl->closing)
        return;
    if (!impl->waits)
        instance_lost(impl, reason, NULL);
    impl->attempts = 0;
    instance_start(impl);
}

void instance_tick(struct instance_impl *impl)
{
    const bool late = impl->pub.state != INSTANCE_UP || (impl->outstanding & impl->ops->always);

    if (late && history_count(impl->pub.history))
        history_push(impl->pub.history, NULL);
    poll(impl, impl->ops->always | impl->wanted, false);
}

void instance_refresh(struct instance_impl *impl)
{
    if (impl->pub.state == INSTANCE_DOWN)
        instance_start(impl);
    else
        poll(impl, impl->ops->always | impl->wanted, true);
}

void instance_want(struct instance_impl *impl, unsigned sources)
{
    /* What is always polled is fresh, and belongs to what is polled with it. */
    unsigned newly = sources & ~(impl->wanted | impl->ops->always);

    impl->wanted = sources;
    if (newly & ~impl->ops->sources)
        newly |= impl->ops->always;
    poll(impl, newly, true);
}

unsigned instance_pending(const struct instance_impl *impl)
{
    if (impl->pub.state != INSTANCE_UP)
        return 0;
    return (unsigned)__builtin_popcount(impl->outstanding);
}
