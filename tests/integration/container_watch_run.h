/* container_watch on a loop, for tests on a real engine. */
#ifndef TESTS_CONTAINER_WATCH_RUN_H
#define TESTS_CONTAINER_WATCH_RUN_H

#include "backend/container_watch.h"

#include "tests/lab/docker_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct watch_run {
    uv_loop_t loop;
    uv_timer_t clock;
    struct container_watch *watch;
    unsigned changes, moves, stops;
    bool listed, gone;
};

static inline void watch_changed(void *context)
{
    ((struct watch_run *)context)->changes++;
}

static inline void watch_listed(void *context)
{
    ((struct watch_run *)context)->listed = true;
}

static inline void watch_moved(void *context, const struct container *container,
                               const struct container_login *login)
{
    (void)container;
    (void)login;
    ((struct watch_run *)context)->moves++;
}

static inline void watch_stopped(void *context, const struct container *container)
{
    (void)container;
    ((struct watch_run *)context)->stops++;
}

static inline void watch_on_clock(uv_timer_t *timer)
{
    (void)timer;
}

static const struct container_watch_events watch_run_events = {
    .changed = watch_changed,
    .listed = watch_listed,
    .moved = watch_moved,
    .stopped = watch_stopped,
};

/* The loop turns until the condition holds; a timer wakes it, so that the deadline is seen. */
static inline bool watch_run_until(struct watch_run *run,
                                   bool (*holds)(const struct watch_run *run), double deadline)
{
    double end = docker_lab_now() + deadline;

    while (!holds(run)) {
        if (docker_lab_now() > end)
            return false;
        uv_run(&run->loop, UV_RUN_ONCE);
    }
    return true;
}

static inline bool watch_is_listed(const struct watch_run *run)
{
    return run->listed;
}

static inline void watch_run_start(struct watch_run *run)
{
    memset(run, 0, sizeof(*run));
    assert_int_equal(uv_loop_init(&run->loop), 0);
    uv_timer_init(&run->loop, &run->clock);
    uv_timer_start(&run->clock, watch_on_clock, 50, 50);
    run->watch = container_watch_new(&run->loop, NULL, &watch_run_events, run);
    container_watch_start(run->watch);
    assert_true(watch_run_until(run, watch_is_listed, 20000));
}

static inline void watch_on_gone(void *context)
{
    ((struct watch_run *)context)->gone = true;
}

static inline bool watch_is_gone(const struct watch_run *run)
{
    return run->gone;
}

static inline void watch_run_end(struct watch_run *run)
{
    container_watch_close(run->watch, watch_on_gone, run);
    assert_true(watch_run_until(run, watch_is_gone, 20000));
    uv_close((uv_handle_t *)&run->clock, NULL);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&run->loop), 0);
}

static inline const struct container_row *watch_row(const struct watch_run *run, const char *name)
{
    const struct containers *sample = container_watch_sample(run->watch);

    for (size_t i = 0; i < sample->count; i++) {
        if (strcmp(sample->rows[i].facts->name, name) == 0)
            return &sample->rows[i];
    }
    return NULL;
}

#endif
