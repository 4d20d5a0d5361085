#include "panels/snapshot.h"

#include "panels/alerts.h"
#include "panels/containers.h"
#include "panels/databases.h"
#include "panels/keyspace.h"
#include "panels/session_cells.h"
#include "panels/sessions.h"
#include "tui/export.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SNAPSHOT_SCHEMA 1
#define FIRST_MS        5000 /* the longest wait for the first answers */
#define BETWEEN_MS      500  /* between the two samples */
#define SECOND_MS       3000
#define GRACE_MS        500 /* what closing may take */

/* ---- rows of an instance ---- */

struct rows {
    const void **items;
    size_t count;
};

static struct rows session_rows(const struct pg_activity *activity)
{
    struct rows rows = {0};
    size_t total = activity ? activity->count : 0;

    rows.items = mem_array(NULL, total, sizeof(*rows.items));
    for (size_t i = 0; i < total; i++) {
        if (session_shown(&activity->rows[i], false))
            rows.items[rows.count++] = &activity->rows[i];
    }
    return rows;
}

static struct rows database_rows(const struct pg_databases *databases)
{
    struct rows rows = {0};
    size_t total = databases ? databases->count : 0;

    rows.items = mem_array(NULL, total, sizeof(*rows.items));
    for (size_t i = 0; i < total; i++) {
        if (databases->rows[i].listed)
            rows.items[rows.count++] = &databases->rows[i];
    }
    return rows;
}

static struct rows keyspace_pointers(const struct keyspace_row *all, size_t count)
{
    struct rows rows = {mem_array(NULL, count, sizeof(*rows.items)), count};

    for (size_t i = 0; i < count; i++)
        rows.items[i] = &all[i];
    return rows;
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *text)
{
    char *clean = text_clean(text && *text ? text : NULL, true);
    json_t *json = clean ? json_string(clean) : json_null();

    free(clean);
    return json;
}

static json_t *count_or_null(int64_t count)
{
    return count < 0 ? json_null() : json_integer(count);
}

static json_t *real_or_null(double number)
{
    return isfinite(number) ? json_real(round(number * 1e6) / 1e6) : json_null();
}

/* The figures of a server that is not there any more would read as if they were true. */
static bool is_live(const struct instance *instance)
{
    return instance->state == INSTANCE_UP || instance->state == INSTANCE_STALE;
}

/* One more try may be under way when the time is over: to a reader it is down, as it was. */
static enum instance_state final_state(const struct instance *instance)
{
    return instance->state == INSTANCE_CONNECTING ? INSTANCE_DOWN : instance->state;
}

static const char *final_error(const struct instance *instance)
{
    if (instance->state == INSTANCE_CONNECTING && !instance->error)
        return "no answer in time";
    return instance->error;
}

static json_t *instance_json(const struct instance *instance)
{
    json_t *json = json_object();

    json_object_set_new(json, "name", text_or_null(instance->name));
    json_object_set_new(json, "state", text_or_null(state_text(final_state(instance))));
    json_object_set_new(json, "version", text_or_null(instance->version));
    json_object_set_new(json, "address", text_or_null(instance->address));
    json_object_set_new(json, "error", text_or_null(final_error(instance)));
    return json;
}

static json_t *connections_json(const struct pg_snapshot *pg)
{
    json_t *json = json_object();
    const struct pg_counts *counts = pg->activity ? &pg->activity->counts : NULL;

    json_object_set_new(json, "used", count_or_null(counts ? counts->total : -1));
    json_object_set_new(json, "max", count_or_null(pg->server ? pg->server->max_connections : -1));
    json_object_set_new(json, "active", count_or_null(counts ? counts->active : -1));
    json_object_set_new(json, "idle_in_transaction",
                        count_or_null(counts ? counts->idle_in_transaction : -1));
    return json;
}

static json_t *postgres_json(const struct instance *instance, const struct config *config,
                             uint64_t now)
{
    static const struct pg_snapshot nothing;
    const struct pg_snapshot *pg = is_live(instance) ? &instance->pg : &nothing;
    struct session_context of_session = {pg->activity, config};
    struct databases_context of_database = {pg->sizes, now};
    struct rows sessions = session_rows(pg->activity), databases = database_rows(pg->databases);
    json_t *json = instance_json(instance);

    json_object_set_new(json, "connections", connections_json(pg));
    json_object_set_new(
        json, "databases",
        export_json(&databases_table, databases.items, databases.count, &of_database));
    json_object_set_new(json, "sessions",
                        export_json(&sessions_table, sessions.items, sessions.count, &of_session));
    free(sessions.items);
    free(databases.items);
    return json;
}

static json_t *redis_json(const struct instance *instance)
{
    static const struct redis_snapshot nothing;
    const struct redis_snapshot *redis = is_live(instance) ? &instance->redis : &nothing;
    const struct redis_info *info = redis->info;
    json_t *json = instance_json(instance);
    size_t count;
    struct keyspace_row *all = keyspace_rows(redis, instance->redis_config, &count);
    struct rows rows = keyspace_pointers(all, count);

    json_object_set_new(json, "used_memory", count_or_null(info ? info->used_memory : -1));
    json_object_set_new(json, "maxmemory", count_or_null(info ? info->maxmemory : -1));
    json_object_set_new(json, "policy", text_or_null(info ? info->policy : NULL));
    json_object_set_new(json, "ops_per_second", real_or_null(info ? info->rates.ops : NAN));
    json_object_set_new(json, "hit_rate", real_or_null(info ? info->rates.hit_rate : NAN));
    json_object_set_new(json, "evicted_per_second", real_or_null(info ? info->rates.evicted : NAN));
    json_object_set_new(json, "connected_clients",
                        count_or_null(info ? info->connected_clients : -1));
    json_object_set_new(json, "keyspace",
                        export_json(&keyspace_table, rows.items, rows.count, NULL));
    free(rows.items);
    free(all);
    return json;
}

static json_t *alerts_json(const struct backend *backend)
{
    const struct alerts *alerts = backend_alerts(backend);
    struct alert_texts texts = {0};
    struct rows rows = {mem_array(NULL, alerts->count, sizeof(*rows.items)), alerts->count};
    json_t *json;

    alert_texts_fill(&texts, alerts->items, alerts->count);
    for (size_t i = 0; i < alerts->count; i++)
        rows.items[i] = &alerts->items[i];
    json = export_json(&alerts_table, rows.items, rows.count, &texts);
    free(rows.items);
    free(texts.text);
    return json;
}

static struct rows container_rows(const struct containers *containers)
{
    struct rows rows = {mem_array(NULL, containers->count, sizeof(*rows.items)), containers->count};

    for (size_t i = 0; i < containers->count; i++)
        rows.items[i] = &containers->rows[i];
    return rows;
}

static json_t *containers_json(const struct backend *backend, const struct config *config)
{
    const struct containers *containers = backend_containers(backend);
    struct containers_context context = {0};
    struct rows rows = container_rows(containers);
    json_t *json = json_object();

    containers_context_fill(&context, containers, config, containers->sample.wall);
    json_object_set_new(json, "engine", text_or_null(containers->engine.name));
    json_object_set_new(json, "version", text_or_null(containers->engine.version));
    json_object_set_new(json, "socket", text_or_null(containers->socket));
    json_object_set_new(json, "state", json_string(containers_state_text(containers->state)));
    json_object_set_new(json, "error", text_or_null(containers->error));
    json_object_set_new(json, "hint", text_or_null(containers->hint));
    json_object_set_new(json, "rows",
                        export_json(&containers_table, rows.items, rows.count, &context));
    containers_context_free(&context);
    free(rows.items);
    return json;
}

static json_t *time_json(void)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[32];

    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

void snapshot_print_json(const struct backend *backend, const struct config *config, uint64_t now,
                         FILE *out)
{
    json_t *json = json_object(), *postgres = json_array(), *redis = json_array();

    json_object_set_new(json, "schema", json_integer(SNAPSHOT_SCHEMA));
    json_object_set_new(json, "time", time_json());
    for (size_t i = 0; i < backend_count(backend, INSTANCE_POSTGRES); i++)
        json_array_append_new(
            postgres, postgres_json(backend_instance(backend, INSTANCE_POSTGRES, i), config, now));
    for (size_t i = 0; i < backend_count(backend, INSTANCE_REDIS); i++)
        json_array_append_new(redis, redis_json(backend_instance(backend, INSTANCE_REDIS, i)));
    json_object_set_new(json, "postgres", postgres);
    json_object_set_new(json, "redis", redis);
    json_object_set_new(json, "containers", containers_json(backend, config));
    json_object_set_new(json, "alerts", alerts_json(backend));
    json_dumpf(json, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(json);
}

/* ---- text ---- */

struct page {
    FILE *out;
    int width;
};

static void print_table(const struct page *page, const char *title, const struct table_class *class,
                        const struct rows *rows, const void *context)
{
    struct strbuf text = {0};

    if (!rows->count)
        return;
    export_text(class, rows->items, rows->count, context, page->width, &text);
    fprintf(page->out, "\n%s\n%s", title, text.s);
    strbuf_free(&text);
}

static void print_heading(const struct page *page, const struct instance *instance)
{
    char *error = text_clean(final_error(instance), false),
         *hint = text_clean(instance->hint, false);
    char version[sizeof(instance->version)];

    text_sanitise(version, sizeof(version), instance->version, strlen(instance->version), false,
                  NULL);
    fprintf(page->out, "%s %s %s%s%s\n",
            instance->kind == INSTANCE_POSTGRES ? "PostgreSQL" : "Redis", instance->name,
            state_text(final_state(instance)), version[0] ? " " : "", version);
    if (error)
        fprintf(page->out, "  %s\n", error);
    if (hint)
        fprintf(page->out, "  %s\n", hint);
    free(error);
    free(hint);
}

static void print_postgres(const struct page *page, const struct instance *instance,
                           const struct config *config, uint64_t now)
{
    const struct pg_snapshot *pg = &instance->pg;
    struct session_context of_session = {pg->activity, config};
    struct databases_context of_database = {pg->sizes, now};
    struct rows sessions, databases;

    print_heading(page, instance);
    if (!is_live(instance) || !pg->activity)
        return;
    fprintf(page->out, "  connections %d of %d, %d active, %d idle in transaction, %d blocked\n",
            pg->activity->counts.total, pg->server ? pg->server->max_connections : 0,
            pg->activity->counts.active, pg->activity->counts.idle_in_transaction,
            pg->activity->counts.blocked);
    sessions = session_rows(pg->activity);
    databases = database_rows(pg->databases);
    print_table(page, "Databases", &databases_table, &databases, &of_database);
    print_table(page, "Sessions", &sessions_table, &sessions, &of_session);
    free(sessions.items);
    free(databases.items);
}

static void print_redis(const struct page *page, const struct instance *instance)
{
    const struct redis_info *info = instance->redis.info;
    char policy[64], used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE], ops[TEXT_UNIT_SIZE],
        hit[TEXT_UNIT_SIZE];
    struct keyspace_row *all;
    struct rows rows;
    size_t count;

    print_heading(page, instance);
    if (!is_live(instance) || !info)
        return;
    text_sanitise(policy, sizeof(policy), info->policy, strlen(info->policy), false, NULL);
    fprintf(page->out, "  memory %s of %s, %s, %s commands/s, hit rate %s\n",
            text_bytes(used, (double)info->used_memory),
            info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit", policy,
            text_rate(ops, info->rates.ops), text_percent(hit, info->rates.hit_rate));
    all = keyspace_rows(&instance->redis, instance->redis_config, &count);
    rows = keyspace_pointers(all, count);
    print_table(page, "Keyspace", &keyspace_table, &rows, NULL);
    free(rows.items);
    free(all);
}

static void print_alerts(const struct page *page, const struct backend *backend)
{
    const struct alerts *alerts = backend_alerts(backend);
    char text[512];

    fprintf(page->out, alerts->count ? "Alerts\n" : "No alerts\n");
    for (size_t i = 0; i < alerts->count; i++) {
        const struct alert *alert = &alerts->items[i];

        fprintf(page->out, "  %-8s %s on %s: %s\n", severity_text(alert->severity),
                alert_name_text(alert->name), alert_subject(alert),
                alert_message(alert, text, sizeof(text)));
    }
}

static void print_line(const struct page *page, const char *raw)
{
    char *clean = text_clean(raw, false);

    if (clean)
        fprintf(page->out, "  %s\n", clean);
    free(clean);
}

/* What is not seen cannot raise an alert: it is said before "No alerts". */
static void print_problem(const struct page *page, const struct backend *backend,
                          const struct config *config)
{
    char *problem = containers_problem(backend_containers(backend), config);

    if (problem)
        fprintf(page->out, "%s\n\n", problem);
    free(problem);
}

/* Nothing is said of a host that has no engine. */
static void print_containers(const struct page *page, const struct backend *backend,
                             const struct config *config)
{
    const struct containers *containers = backend_containers(backend);
    struct containers_context context = {0};
    struct rows rows;
    char *raw, *clean;

    if (!containers_told(containers, config))
        return;
    raw = mem_printf("Container engine%s%s %s %s", containers->engine.name[0] ? " " : "",
                     containers->engine.name, containers->engine.version,
                     containers_state_text(containers->state));
    clean = text_clean(raw, false);
    fprintf(page->out, "\n%s\n", clean);
    free(clean);
    free(raw);
    if (containers->state == CONTAINERS_UP) {
        print_line(page, containers->error);
        print_line(page, containers->hint);
    }
    rows = container_rows(containers);
    containers_context_fill(&context, containers, config, containers->sample.wall);
    print_table(page, "Containers", &containers_table, &rows, &context);
    containers_context_free(&context);
    free(rows.items);
}

/* A pipe gets whole lines, a terminal what fits. */
static int page_width(FILE *out)
{
    struct winsize size;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 2000;
}

void snapshot_print_text(const struct backend *backend, const struct config *config, uint64_t now,
                         FILE *out)
{
    struct page page = {out, page_width(out)};

    print_problem(&page, backend, config);
    print_alerts(&page, backend);
    for (size_t i = 0; i < backend_count(backend, INSTANCE_POSTGRES); i++) {
        fputc('\n', out);
        print_postgres(&page, backend_instance(backend, INSTANCE_POSTGRES, i), config, now);
    }
    for (size_t i = 0; i < backend_count(backend, INSTANCE_REDIS); i++) {
        fputc('\n', out);
        print_redis(&page, backend_instance(backend, INSTANCE_REDIS, i));
    }
    print_containers(&page, backend, config);
}

/* ---- the run ---- */

/* It has told what there is to tell, once at least: a connection without rights has not. */
static bool has_figures(const struct instance *instance)
{
    return instance->kind == INSTANCE_POSTGRES ? instance->pg.activity != NULL
                                               : instance->redis.info != NULL;
}

enum snapshot_status snapshot_status(const struct backend *backend)
{
    bool any = false, all = true;

    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(backend, (enum instance_kind)kind); i++) {
            bool one = has_figures(backend_instance(backend, (enum instance_kind)kind, i));

            any |= one;
            all &= one;
        }
    }
    if (!any)
        return SNAPSHOT_BLIND;
    if (!all)
        return SNAPSHOT_CRITICAL;
    switch (alerts_worst(backend_alerts(backend))) {
    case SEVERITY_CRITICAL: return SNAPSHOT_CRITICAL;
    case SEVERITY_WARNING: return SNAPSHOT_WARNING;
    default: return SNAPSHOT_HEALTHY;
    }
}

struct run {
    struct backend *backend;
    size_t wanted[INSTANCE_KINDS]; /* instances whose dearer sources were asked for */
    const struct config *config;
    uv_timer_t timer;
    bool json, first_done, asked, finished;
    FILE *out;
    enum snapshot_status status;
};

static void closed(void *context)
{
    (void)context;
}

/* A name lookup that hangs in its thread cannot be called off, and all is said. */
static void leave(uv_timer_t *timer)
{
    const struct run *run = timer->data;

    _exit((int)run->status);
}

static void finish(struct run *run)
{
    if (run->finished)
        return;
    run->finished = true;
    if (run->json)
        snapshot_print_json(run->backend, run->config, uv_now(run->timer.loop), run->out);
    else
        snapshot_print_text(run->backend, run->config, uv_now(run->timer.loop), run->out);
    run->status = snapshot_status(run->backend);
    fflush(run->out);
    uv_timer_start(&run->timer, leave, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&run->timer);
    backend_close(run->backend, closed, NULL);
}

static void second_due(uv_timer_t *timer)
{
    finish(timer->data);
}

static void ask_again(uv_timer_t *timer)
{
    struct run *run = timer->data;

    run->asked = true;
    backend_refresh(run->backend);
    uv_timer_start(timer, second_due, SECOND_MS, 0);
}

static void first_done(struct run *run)
{
    run->first_done = true;
    uv_timer_start(&run->timer, ask_again, BETWEEN_MS, 0);
}

static void first_due(uv_timer_t *timer)
{
    finish(timer->data);
}

/* Those that are discovered come one after the other. */
static void want_all(struct run *run)
{
    static const unsigned sources[] = {[INSTANCE_POSTGRES] =
                                           SOURCE_BIT(PG_SIZES) | PG_WANT_IDLE_QUERIES,
                                       [INSTANCE_REDIS] = SOURCE_BIT(REDIS_CELERY)};

    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        for (; run->wanted[kind] < backend_count(run->backend, kind); run->wanted[kind]++)
            backend_want(run->backend, kind, run->wanted[kind], sources[kind]);
    }
}

static void changed(void *context)
{
    struct run *run = context;

    if (run->finished)
        return;
    want_all(run);
    if (!run->first_done && backend_filled(run->backend) && !backend_pending(run->backend))
        first_done(run);
    else if (run->asked && !backend_pending(run->backend))
        uv_timer_start(&run->timer, second_due, 0, 0);
}

enum snapshot_status snapshot_run(uv_loop_t *loop, struct config *config, bool json, FILE *out)
{
    struct run run = {.json = json, .out = out, .config = config};

    run.backend = backend_new(loop, config, changed, &run);
    uv_timer_init(loop, &run.timer);
    run.timer.data = &run;
    want_all(&run);
    uv_timer_start(&run.timer, first_due, FIRST_MS, 0);
    backend_start(run.backend);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&run.timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    return run.status;
}
