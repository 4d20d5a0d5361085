#include "panels/data.h"

#include "panels/acts.h"
#include "panels/jobs.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void release_snapshots(struct view_data *data)
{
    sample_unref(data->containers);
    data->containers = NULL;
    sample_unref(data->pg.server);
    sample_unref(data->pg.activity);
    sample_unref(data->pg.databases);
    sample_unref(data->pg.sizes);
    sample_unref(data->redis.info);
    sample_unref(data->redis.celery);
    sample_unref(data->redis.spare);
    data->pg = (struct pg_snapshot){0};
    data->redis = (struct redis_snapshot){0};
    free(data->alerts);
    data->alerts = NULL;
    data->alert_count = 0;
}

void data_release(struct view_data *data)
{
    release_snapshots(data);
    acts_close(data);
    jobs_forget(data);
    free(data->log_container);
    data->log_container = NULL;
    data->closed = true;
}

static void adopt_pg(struct view_data *data, const struct pg_snapshot *pg)
{
    data->pg.server = sample_ref(pg->server);
    data->pg.activity = sample_ref(pg->activity);
    data->pg.databases = sample_ref(pg->databases);
    data->pg.sizes = sample_ref(pg->sizes);
}

static void adopt_redis(struct view_data *data, const struct redis_snapshot *redis)
{
    data->redis.info = sample_ref(redis->info);
    data->redis.celery = sample_ref(redis->celery);
    data->redis.spare = sample_ref(redis->spare);
}

static void adopt_alerts(struct view_data *data)
{
    const struct alerts *alerts = backend_alerts(data->backend);

    data->alert_count = alerts->count;
    data->alerts = mem_array(NULL, alerts->count, sizeof(*data->alerts));
    if (alerts->count)
        memcpy(data->alerts, alerts->items, alerts->count * sizeof(*data->alerts));
    if (alerts->raised != data->raised && data->config->bell && data->app)
        app_bell(data->app);
    data->raised = alerts->raised;
}

void data_adopt(struct view_data *data)
{
    const struct instance *pg = data_instance(data, INSTANCE_POSTGRES);
    const struct instance *redis = data_instance(data, INSTANCE_REDIS);

    release_snapshots(data);
    if (pg)
        adopt_pg(data, &pg->pg);
    if (redis)
        adopt_redis(data, &redis->redis);
    data->containers = sample_ref(backend_containers(data->backend));
    adopt_alerts(data);
}

const struct instance *data_instance(const struct view_data *data, enum instance_kind kind)
{
    return data->current[kind] < backend_count(data->backend, kind)
               ? backend_instance(data->backend, kind, data->current[kind])
               : NULL;
}

const char *data_missing(const struct view_data *data, enum instance_kind kind)
{
    bool redis = kind == INSTANCE_REDIS;

    if (!data->config->discover)
        return redis ? "no Redis is configured" : "no PostgreSQL is configured";
    if (backend_containers(data->backend)->state == CONTAINERS_SEARCHING ||
        !backend_filled(data->backend))
        return "looking for servers";
    return redis ? "no Redis was found" : "no PostgreSQL was found";
}

struct view_data *panel_data(const struct panel *panel)
{
    return panel->data;
}

const struct instance *panel_instance(const struct panel *panel)
{
    switch (panel->class->kind) {
    case PANEL_POSTGRES: return data_instance(panel->data, INSTANCE_POSTGRES);
    case PANEL_REDIS: return data_instance(panel->data, INSTANCE_REDIS);
    default: return NULL;
    }
}

double data_age(const struct view_data *data, const struct sample *sample)
{
    uint64_t now = uv_now(data->loop);

    if (!sample)
        return NAN;
    return now > sample->at ? (double)(now - sample->at) / 1000 : 0;
}

static void update_panel(struct panel *panel, void *context)
{
    (void)context;
    panel_update(panel);
}

/* Rows of the panels point into samples that were let go: they must be made anew at once. */
static void show_others(struct view_data *data)
{
    data_adopt(data);
    app_each_panel(data->app, update_panel, NULL);
    panel_hooks.shown(data);
    app_dirty_data(data->app);
}

bool instance_choose(struct view_data *data, const char *name)
{
    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(data->backend, kind); i++) {
            if (strcmp(backend_instance(data->backend, kind, i)->name, name) != 0)
                continue;
            data->current[kind] = i;
            show_others(data);
            return true;
        }
    }
    return false;
}

void instance_step(struct app *app, int step)
{
    struct view_data *data = app_data(app);
    const struct panel *panel = app_focus(app);
    enum instance_kind kind =
        panel && panel->class->kind == PANEL_REDIS ? INSTANCE_REDIS : INSTANCE_POSTGRES;
    size_t count = backend_count(data->backend, kind);

    if (count < 2) {
        app_message(app, ROLE_DIM, "%s %s is %s", count ? "only one" : "no",
                    kind == INSTANCE_REDIS ? "Redis" : "PostgreSQL",
                    data->config->discover ? "known" : "configured");
        return;
    }
    data->current[kind] = (data->current[kind] + count + (size_t)(step + (int)count)) % count;
    show_others(data);
}

void interval_set(struct view_data *data, double seconds)
{
    double wanted = seconds < 0.2 ? 0.2 : seconds > 60 ? 60 : seconds;

    backend_set_interval(data->backend, wanted);
    app_message(data->app, ROLE_OK, "refresh every %g s", backend_interval(data->backend));
}
