/* A watched Redis of a test: the instance as the backend makes it, on a loop that ticks fast. */
#ifndef TESTS_REDIS_WATCH_H
#define TESTS_REDIS_WATCH_H

#include "backend/instance_impl.h"
#include "tests/integration/redis_lab.h"

#include <uv.h>

struct watch {
    uv_loop_t loop;
    uv_timer_t ticker, deadline;
    struct redis_config config;
    struct instance_impl *impl;
    const struct instance *instance;
    unsigned changes;
    bool late, closed;
};

LAB_UNUSED void watch_on_change(void *context)
{
    struct watch *watch = context;

    watch->changes++;
}

LAB_UNUSED void watch_on_tick(uv_timer_t *timer)
{
    struct watch *watch = timer->data;

    instance_tick(watch->impl);
}

LAB_UNUSED void watch_on_deadline(uv_timer_t *timer)
{
    struct watch *watch = timer->data;

    watch->late = true;
}

/* Starts to watch config's url; it ticks every interval seconds. */
LAB_UNUSED void watch_start(struct watch *watch, struct redis_config config, double interval)
{
    static char name[] = "lab";
    struct instance_setup setup = {
        .loop = &watch->loop, .interval = interval, .changed = watch_on_change, .context = watch};

    *watch = (struct watch){.config = config};
    if (!watch->config.name)
        watch->config.name = name;
    uv_loop_init(&watch->loop);
    uv_timer_init(&watch->loop, &watch->ticker);
    uv_timer_init(&watch->loop, &watch->deadline);
    watch->ticker.data = watch->deadline.data = watch;
    watch->impl = redis_instance_new(&setup, &watch->config);
    watch->instance = &watch->impl->pub;
    instance_start(watch->impl);
    uv_timer_start(&watch->ticker, watch_on_tick, (uint64_t)(1000 * interval),
                   (uint64_t)(1000 * interval));
}

typedef bool watch_condition(const struct watch *watch);

/* Turns the loop until the condition holds. */
LAB_UNUSED void watch_until(struct watch *watch, watch_condition *holds, const char *what)
{
    watch->late = false;
    uv_timer_start(&watch->deadline, watch_on_deadline, LAB_DEADLINE_MS, 0);
    while (!holds(watch) && !watch->late)
        uv_run(&watch->loop, UV_RUN_ONCE);
    uv_timer_stop(&watch->deadline);
    if (watch->late)
        fail_msg("never came: %s (state %d, error %s, hint %s)", what, (int)watch->instance->state,
                 watch->instance->error ? watch->instance->error : "-",
                 watch->instance->hint ? watch->instance->hint : "-");
}

#define WATCH_UNTIL(watch, condition) watch_until(watch, condition, #condition)

LAB_UNUSED void watch_on_closed(void *context)
{
    struct watch *watch = context;

    watch->closed = true;
}

LAB_UNUSED void watch_stop(struct watch *watch)
{
    uv_close((uv_handle_t *)&watch->ticker, NULL);
    uv_close((uv_handle_t *)&watch->deadline, NULL);
    instance_close(watch->impl, watch_on_closed, watch);
    uv_run(&watch->loop, UV_RUN_DEFAULT);
    assert_true(watch->closed);
    assert_int_equal(uv_loop_close(&watch->loop), 0);
}

/* ---- conditions ---- */

LAB_UNUSED bool is_up(const struct watch *watch)
{
    return watch->instance->state == INSTANCE_UP && watch->instance->redis.info;
}

LAB_UNUSED bool is_stale(const struct watch *watch)
{
    return watch->instance->state == INSTANCE_STALE;
}

LAB_UNUSED bool is_down(const struct watch *watch)
{
    return watch->instance->state == INSTANCE_DOWN;
}

LAB_UNUSED bool has_rates(const struct watch *watch)
{
    return is_up(watch) && watch->instance->redis.info->rates.ops >= 0;
}

LAB_UNUSED bool has_celery(const struct watch *watch)
{
    return watch->instance->redis.celery != NULL;
}

/* Waits for one more sample of INFO. */
LAB_UNUSED void watch_next_info(struct watch *watch)
{
    const struct redis_info *before = sample_ref(watch->instance->redis.info);

    watch->late = false;
    uv_timer_start(&watch->deadline, watch_on_deadline, LAB_DEADLINE_MS, 0);
    while (watch->instance->redis.info == before && !watch->late)
        uv_run(&watch->loop, UV_RUN_ONCE);
    uv_timer_stop(&watch->deadline);
    sample_unref(before);
    assert_false(watch->late);
}

#endif
