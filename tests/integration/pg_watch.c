#include "tests/integration/pg_watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 20000

static void on_change(void *context)
{
    struct pg_watch *watch = context;

    watch->changes++;
}

static void on_deadline(uv_timer_t *timer)
{
    struct pg_watch *watch = timer->data;

    watch->late = true;
}

struct config *pg_watch_config(const char *conninfo, double interval)
{
    struct config *config = config_new();

    config->interval = interval;
    config_add_postgres(config, "lab", conninfo);
    return config;
}

void pg_watch_start_config(struct pg_watch *watch, struct config *config)
{
    *watch = (struct pg_watch){.config = config};
    uv_loop_init(&watch->loop);
    uv_timer_init(&watch->loop, &watch->deadline);
    watch->deadline.data = watch;
    watch->backend = backend_new(&watch->loop, config, on_change, watch);
    watch->instance = backend_instance(watch->backend, INSTANCE_POSTGRES, 0);
    backend_start(watch->backend);
}

void pg_watch_start(struct pg_watch *watch, const char *conninfo, double interval)
{
    pg_watch_start_config(watch, pg_watch_config(conninfo, interval));
}

void pg_watch_want(struct pg_watch *watch, unsigned sources)
{
    backend_want(watch->backend, INSTANCE_POSTGRES, 0, sources);
}

static void start_deadline(struct pg_watch *watch)
{
    watch->late = false;
    uv_update_time(&watch->loop);
    uv_timer_start(&watch->deadline, on_deadline, DEADLINE_MS, 0);
}

void pg_watch_until(struct pg_watch *watch, pg_watch_condition *holds, const char *what)
{
    start_deadline(watch);
    while (!holds(watch) && !watch->late)
        uv_run(&watch->loop, UV_RUN_ONCE);
    uv_timer_stop(&watch->deadline);
    if (watch->late)
        fail_msg("never came: %s (state %d, error %s, hint %s)", what, (int)watch->instance->state,
                 watch->instance->error ? watch->instance->error : "-",
                 watch->instance->hint ? watch->instance->hint : "-");
}

static void on_closed(void *context)
{
    struct pg_watch *watch = context;

    watch->closed = true;
}

void pg_watch_stop(struct pg_watch *watch)
{
    uv_close((uv_handle_t *)&watch->deadline, NULL);
    backend_close(watch->backend, on_closed, watch);
    uv_run(&watch->loop, UV_RUN_DEFAULT);
    assert_true(watch->closed);
    assert_int_equal(uv_loop_close(&watch->loop), 0);
    config_free(watch->config);
}

/* ---- conditions ---- */

bool pg_is_filled(const struct pg_watch *watch)
{
    const struct pg_snapshot *pg = &watch->instance->pg;

    return watch->instance->state == INSTANCE_UP && backend_filled(watch->backend) && pg->server &&
           pg->activity && pg->databases;
}

bool pg_is_stale(const struct pg_watch *watch)
{
    return watch->instance->state == INSTANCE_STALE;
}

bool pg_is_down(const struct pg_watch *watch)
{
    return watch->instance->state == INSTANCE_DOWN;
}

bool pg_is_connecting(const struct pg_watch *watch)
{
    return watch->instance->state == INSTANCE_CONNECTING;
}

bool pg_has_rates(const struct pg_watch *watch)
{
    return pg_is_filled(watch) && !isnan(watch->instance->pg.databases->tps);
}

bool pg_has_sizes(const struct pg_watch *watch)
{
    const struct pg_sizes *sizes = watch->instance->pg.sizes;
    const struct pg_databases *databases = watch->instance->pg.databases;

    if (!sizes || !databases || sizes->count != databases->count)
        return false;
    for (size_t i = 0; i < sizes->count; i++) {
        if (sizes->rows[i].bytes < 0)
            return false;
    }
    return true;
}

bool pg_has_both(const struct pg_watch *watch)
{
    const struct pg_activity *activity = watch->instance->pg.activity;
    size_t own = 0;

    for (size_t i = 0; activity && i < activity->count; i++)
        own += activity->rows[i].own;
    return own == 2;
}

static bool has_newer(const struct pg_watch *watch)
{
    return watch->instance->pg.activity != watch->context;
}

void pg_watch_next(struct pg_watch *watch)
{
    const void *before = sample_ref(watch->instance->pg.activity);
    void *kept = watch->context;

    watch->context = (void *)(uintptr_t)before;
    PG_UNTIL(watch, has_newer);
    watch->context = kept;
    sample_unref(before);
}

const struct pg_session *pg_watch_session(const struct pg_watch *watch, int pid)
{
    const struct pg_activity *activity = watch->instance->pg.activity;

    for (size_t i = 0; activity && i < activity->count; i++) {
        if (activity->rows[i].pid == pid)
            return &activity->rows[i];
    }
    return NULL;
}

const struct pg_database *pg_watch_database(const struct pg_watch *watch, const char *name)
{
    const struct pg_databases *databases = watch->instance->pg.databases;

    for (size_t i = 0; databases && i < databases->count; i++) {
        if (strcmp(databases->rows[i].name, name) == 0)
            return &databases->rows[i];
    }
    return NULL;
}

const struct pg_size *pg_watch_size(const struct pg_watch *watch, const char *name)
{
    const struct pg_sizes *sizes = watch->instance->pg.sizes;
    const struct pg_database *database = pg_watch_database(watch, name);

    for (size_t i = 0; sizes && database && i < sizes->count; i++) {
        if (sizes->rows[i].oid == database->oid)
            return &sizes->rows[i];
    }
    return NULL;
}
