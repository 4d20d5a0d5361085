#include "backend/pg_instance.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/pg_conn.h"
#include "backend/pg_control.h"
#include "backend/pg_error.h"
#include "backend/pg_sweep.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SELDOM_MS 60000U /* between two looks at what seldom changes */

struct pg_instance {
    struct instance_impl impl; /* first */
    const struct postgres_config *config;
    struct pg_conn *conn;
    struct pg_control *control;
    struct pg_roles *roles;
    struct pg_databases *databases; /* waits for the activity of its turn, to be counted */
    uint64_t server_at, roles_at;   /* when they were last asked for; 0: not on this connection */
    bool roles_asked;
    size_t unnamed, unnamed_then; /* sessions without a user's name: now, when roles were asked */
    struct pg_sweep *sweep;
    uint64_t turn_at; /* when the last turn's answers were in */
    bool measuring;   /* a size has been asked for */
    uint32_t measured;
    uint64_t measure_from; /* ns */
};

static struct pg_instance *pg_of(struct instance_impl *impl)
{
    assert(impl->pub.kind == INSTANCE_POSTGRES);
    return (struct pg_instance *)impl;
}

struct pg_conn *pg_instance_control(struct instance_impl *impl)
{
    return pg_control_conn(pg_of(impl)->control);
}

struct pg_control *pg_instance_acts(struct instance_impl *impl)
{
    return pg_of(impl)->control;
}

/* ---- asking ---- */

static bool due(const struct pg_instance *pg, uint64_t last, bool all)
{
    return all || !last || uv_now(pg->impl.loop) - last >= SELDOM_MS;
}

static void measure_next(struct pg_instance *pg);

static void ask(struct pg_instance *pg, enum pg_source source, enum pg_query_id query,
                const char *parameter)
{
    instance_asked(&pg->impl, source);
    pg_conn_send(pg->conn, query, parameter, 0);
}

/* A role that has gone keeps its sessions without a name; that is no reason to ask each time. */
static void ask_roles(struct pg_instance *pg, bool all)
{
    if (pg->roles_asked || (!due(pg, pg->roles_at, all) && pg->unnamed == pg->unnamed_then))
        return;
    pg->roles_asked = true;
    pg->roles_at = uv_now(pg->impl.loop);
    pg->unnamed_then = pg->unnamed;
    pg_conn_send(pg->conn, PG_QUERY_ROLES, NULL, 0);
}

/* In the order in which the answers need each other: the activity's rows refer to roles and
 * databases by oid, and their texts are cut at the server's limit. */
static void poll(struct instance_impl *impl, unsigned sources, bool all)
{
    struct pg_instance *pg = pg_of(impl);

    if ((sources & SOURCE_BIT(PG_SERVER)) && due(pg, pg->server_at, all)) {
        pg->server_at = uv_now(impl->loop);
        ask(pg, PG_SERVER, PG_QUERY_SERVER, NULL);
    }
    if (sources & SOURCE_BIT(PG_ACTIVITY))
        ask_roles(pg, all);
    if (sources & SOURCE_BIT(PG_DATABASES))
        ask(pg, PG_DATABASES, PG_QUERY_DATABASES, NULL);
    if (sources & SOURCE_BIT(PG_ACTIVITY))
        ask(pg, PG_ACTIVITY, PG_QUERY_ACTIVITY, sources & PG_WANT_IDLE_QUERIES ? "t" : "f");
    if ((sources & SOURCE_BIT(PG_SIZES)) && all && !impl->outstanding) {
        pg->turn_at = uv_now(impl->loop);
        measure_next(pg);
    }
}

/* ---- sizes: alone, in the pause after a turn, so that they seldom delay the next one ---- */

/* Long enough for most, short enough for the next turn; a longer interval gives it longer. */
static int size_timeout_ms(const struct pg_instance *pg)
{
    double ms = 750.0 * pg->impl.interval;

    return ms < 500.0 ? 500 : ms > 5000.0 ? 5000 : (int)ms;
}

static void publish_sizes(struct pg_instance *pg)
{
    struct pg_sizes *sizes;

    if (!pg_sweep_changed(pg->sweep))
        return;
    sizes = pg_sweep_sample(pg->sweep);
    instance_stamp(&pg->impl, &sizes->sample);
    sample_unref(pg->impl.pub.pg.sizes);
    pg->impl.pub.pg.sizes = sizes;
    instance_answered(&pg->impl, PG_SIZES, NULL);
}

static void measure_next(struct pg_instance *pg)
{
    const double budget = 250.0 * pg->impl.interval;
    const uint64_t now = uv_now(pg->impl.loop);
    char oid[16];

    if (pg->measuring || pg->impl.outstanding || !pg->impl.pub.pg.databases ||
        !(pg->impl.wanted & SOURCE_BIT(PG_SIZES)))
        return;
    if ((double)(now - pg->turn_at) < budget && pg_sweep_next(pg->sweep, now, &pg->measured)) {
        pg->measuring = true;
        pg->measure_from = uv_hrtime();
        snprintf(oid, sizeof(oid), "%u", (unsigned)pg->measured);
        pg_conn_send(pg->conn, PG_QUERY_SIZE, oid, size_timeout_ms(pg));
    } else {
        publish_sizes(pg);
    }
}

static char *size_error(const struct pg_instance *pg, const PGresult *error)
{
    const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);

    if (state && strcmp(state, "57014") == 0)
        return mem_printf("takes longer than %d ms", size_timeout_ms(pg));
    return pg_error_result(error);
}

static void on_size(struct pg_instance *pg, const PGresult *rows, const PGresult *error)
{
    uint64_t ms = (uv_hrtime() - pg->measure_from) / 1000000;
    char *text = error ? size_error(pg, error) : NULL;

    pg->measuring = false;
    pg_sweep_done(pg->sweep, pg->measured, uv_now(pg->impl.loop), ms,
                  rows ? pg_parse_size(rows) : -1, text);
    free(text);
    measure_next(pg);
}

/* ---- answers ---- */

static char *source_error(const PGresult *error)
{
    return error ? pg_error_result(error) : NULL;
}

static void answered(struct pg_instance *pg, enum pg_source source, const PGresult *error)
{
    char *text = source_error(error);

    instance_answered(&pg->impl, source, text);
    free(text);
}

static char *grant_hint(const char *user)
{
    struct strbuf hint = {0};

    strbuf_adds(&hint, "GRANT pg_monitor TO \"");
    for (; *user; user++) {
        if (*user == '"')
            strbuf_addc(&hint, '"');
        strbuf_addc(&hint, *user);
    }
    strbuf_addc(&hint, '"');
    return strbuf_take(&hint);
}

static void publish_server(struct pg_instance *pg, PGresult *rows)
{
    struct pg_server *server = pg_parse_server(rows);
    struct instance *pub = &pg->impl.pub;
    char *hint = server->monitor || !server->user ? NULL : grant_hint(server->user);

    server->pooler = pg_conn_pooled(pg->conn);
    instance_stamp(&pg->impl, &server->sample);
    instance_set(&pub->hint, hint);
    free(hint);
    sample_unref(pub->pg.server);
    pub->pg.server = server;
}

static void replace_roles(struct pg_instance *pg, PGresult *rows)
{
    sample_unref(pg->roles);
    pg->roles = pg_parse_roles(rows);
}

static void publish_databases(struct pg_instance *pg)
{
    struct instance *pub = &pg->impl.pub;

    if (!pg->databases)
        return;
    sample_unref(pub->pg.databases);
    pub->pg.databases = pg->databases;
    pg_sweep_update(pg->sweep, pg->databases);
    pg->databases = NULL;
    instance_answered(&pg->impl, PG_DATABASES, NULL);
}

static void take_databases(struct pg_instance *pg, PGresult *rows)
{
    sample_unref(pg->databases);
    pg->databases = pg_parse_databases(rows, pg->config);
    instance_stamp(&pg->impl, &pg->databases->sample);
    pg_databases_rates(pg->databases, pg->impl.pub.pg.databases);
    if (!instance_is_outstanding(&pg->impl, PG_ACTIVITY))
        publish_databases(pg);
}

static void mark_control(const struct pg_instance *pg, const struct pg_activity *activity)
{
    const struct pg_conn *conn = pg_control_conn(pg->control);
    const int pid = conn ? pg_conn_pid(conn) : 0;

    for (size_t i = 0; pid && i < activity->count; i++) {
        if (activity->rows[i].pid == pid)
            activity->rows[i].own = true;
    }
}

static void push_history(struct pg_instance *pg)
{
    const struct pg_activity *activity = pg->impl.pub.pg.activity;
    const struct pg_databases *databases = pg->impl.pub.pg.databases;
    const float values[PG_METRICS] = {
        [PG_METRIC_CONNECTIONS] = (float)activity->counts.total,
        [PG_METRIC_ACTIVE] = (float)activity->counts.active,
        [PG_METRIC_IDLE_IN_TRANSACTION] = (float)activity->counts.idle_in_transaction,
        [PG_METRIC_BLOCKED] = (float)activity->counts.blocked,
        [PG_METRIC_TPS] = (float)databases->tps,
        [PG_METRIC_HIT_RATE] = (float)databases->hit_rate,
    };

    instance_push_history(&pg->impl, values);
}

static void publish_activity(struct pg_instance *pg, PGresult *rows)
{
    struct instance *pub = &pg->impl.pub;
    const struct pg_databases *names = pg->databases ? pg->databases : pub->pg.databases;
    struct pg_activity *activity =
        pg_parse_activity(rows, pub->pg.server ? pub->pg.server->query_size : 0, names, pg->roles);
    instance_stamp(&pg->impl, &activity->sample);
    mark_control(pg, activity);
    pg->unnamed = activity->unnamed;
    if (pg->databases)
        pg_databases_count(pg->databases, activity);
    sample_unref(pub->pg.activity);
    pub->pg.activity = activity;
}

static void on_activity(struct pg_instance *pg, PGresult *rows, const PGresult *error)
{
    bool whole_turn = rows && pg->databases;

    if (rows)
        publish_activity(pg, rows);
    publish_databases(pg);
    if (whole_turn)
        push_history(pg);
    else
        instance_push_history(&pg->impl, NULL);
    answered(pg, PG_ACTIVITY, error);
}

static void on_answer(void *context, enum pg_query_id query, PGresult *rows, const PGresult *error)
{
    struct pg_instance *pg = context;

    switch (query) {
    case PG_QUERY_SERVER:
        if (rows)
            publish_server(pg, rows);
        answered(pg, PG_SERVER, error);
        break;
    case PG_QUERY_ROLES:
        pg->roles_asked = false;
        if (rows)
            replace_roles(pg, rows);
        break;
    case PG_QUERY_DATABASES:
        if (rows)
            take_databases(pg, rows);
        else
            answered(pg, PG_DATABASES, error);
        break;
    case PG_QUERY_ACTIVITY: on_activity(pg, rows, error); break;
    case PG_QUERY_SIZE:
        on_size(pg, rows, error);
        PQclear(rows);
        break;
    default: PQclear(rows); break;
    }
}

/* A turn's answers are in: time for what must not delay them. */
static void on_drained(void *context)
{
    struct pg_instance *pg = context;

    if (pg->impl.outstanding)
        return;
    pg->turn_at = uv_now(pg->impl.loop);
    pg_control_wake(pg->control);
    measure_next(pg);
}

/* ---- the connection ---- */

static void on_ready(void *context)
{
    struct pg_instance *pg = context;
    struct instance *pub = &pg->impl.pub;
    int version = pg_conn_server_version(pg->conn);

    snprintf(pub->version, sizeof(pub->version), "%d.%d", version / 10000, version % 10000);
    instance_set(&pub->tls, pg_conn_tls(pg->conn));
    pg->server_at = pg->roles_at = 0;
    instance_connected(&pg->impl);
}

static void on_lost(void *context, const char *error, const char *hint)
{
    struct pg_instance *pg = context;

    instance_set(&pg->impl.pub.address, pg_conn_address(pg->conn));
    instance_lost(&pg->impl, error, hint);
}

static const struct pg_conn_events events = {
    .ready = on_ready, .answer = on_answer, .drained = on_drained, .lost = on_lost};

static void on_control_changed(void *context)
{
    struct pg_instance *pg = context;
    const char *error = pg_control_error(pg->control);
    char *text = error ? mem_printf("no connection for acts: %s", error) : NULL;

    if (pg->impl.connected && instance_set(&pg->impl.pub.error, text))
        instance_changed(&pg->impl);
    free(text);
}

static void connect_conn(struct instance_impl *impl)
{
    struct pg_instance *pg = pg_of(impl);

    pg_conn_open(pg->conn);
    instance_set(&impl->pub.address, pg_conn_address(pg->conn));
}

static void disconnect(struct instance_impl *impl, bool given_up)
{
    struct pg_instance *pg = pg_of(impl);

    if (given_up)
        pg_conn_cancel(pg->conn);
    pg_conn_drop(pg->conn);
    sample_unref(pg->databases);
    pg->databases = NULL;
    pg->roles_asked = pg->measuring = false;
}

/* ---- life ---- */

static void close_all(struct instance_impl *impl)
{
    struct pg_instance *pg = pg_of(impl);

    pg_conn_free(pg->conn);
    pg_control_free(pg->control);
    pg->conn = NULL;
    pg->control = NULL;
}

static void destroy(struct instance_impl *impl)
{
    struct pg_instance *pg = pg_of(impl);

    sample_unref(pg->roles);
    pg_sweep_free(pg->sweep);
    free(pg);
}

static const struct instance_ops ops = {
    .always = SOURCE_BIT(PG_SERVER) | SOURCE_BIT(PG_ACTIVITY) | SOURCE_BIT(PG_DATABASES),
    .sources = (1U << PG_SOURCES) - 1,
    .connect = connect_conn,
    .poll = poll,
    .disconnect = disconnect,
    .close = close_all,
    .destroy = destroy,
};

struct instance_impl *pg_instance_new(const struct instance_setup *setup,
                                      const struct postgres_config *config)
{
    struct pg_instance *pg = mem_zalloc(sizeof(*pg));

    instance_init(&pg->impl, setup, INSTANCE_POSTGRES, config->name, &ops, PG_METRICS);
    pg->impl.pub.postgres_config = config;
    pg->config = config;
    pg->sweep = pg_sweep_new();
    pg->conn = pg_conn_new(&pg->impl, config, PG_QUERY_SETUP_POLL, &events, pg);
    pg->control = pg_control_new(&pg->impl, config, on_control_changed, pg);
    return &pg->impl;
}
