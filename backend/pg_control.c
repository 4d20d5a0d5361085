#include "backend/pg_control.h"

#include "backend/base/mem.h"

#include <stdlib.h>

#define RETRY_FIRST_MS 250U
#define RETRY_MOST_MS  5000U

struct pg_control {
    struct instance_impl *owner;
    struct pg_conn *conn;
    void (*changed)(void *context);
    void *context;
    uv_timer_t timer; /* the deadline of an attempt, or the next one */
    uint64_t pause;   /* ms before the next try */
    bool opening;
    char *error;
};

static void on_timer(uv_timer_t *timer);

static void fail(struct pg_control *control, const char *error)
{
    control->opening = false;
    instance_set(&control->error, error);
    uv_timer_start(&control->timer, on_timer, control->pause, 0);
    control->pause = control->pause < RETRY_MOST_MS / 2 ? 2 * control->pause : RETRY_MOST_MS;
    control->changed(control->context);
}

static void on_ready(void *context)
{
    struct pg_control *control = context;

    control->opening = false;
    control->pause = RETRY_FIRST_MS;
    uv_timer_stop(&control->timer);
    instance_set(&control->error, NULL);
    control->changed(control->context);
}

static void on_answer(void *context, enum pg_query_id query, PGresult *rows, const PGresult *error)
{
    (void)context;
    (void)query;
    (void)error;
    PQclear(rows);
}

static void on_drained(void *context)
{
    (void)context;
}

static void on_lost(void *context, const char *error, const char *hint)
{
    (void)hint;
    fail(context, error);
}

static const struct pg_conn_events events = {
    .ready = on_ready, .answer = on_answer, .drained = on_drained, .lost = on_lost};

struct pg_control *pg_control_new(struct instance_impl *owner, const struct postgres_config *config,
                                  void (*changed)(void *context), void *context)
{
    struct pg_control *control = mem_zalloc(sizeof(*control));

    control->owner = owner;
    control->changed = changed;
    control->context = context;
    control->pause = RETRY_FIRST_MS;
    control->conn = pg_conn_new(owner, config, PG_QUERY_SETUP_CONTROL, &events, control);
    uv_timer_init(owner->loop, &control->timer);
    control->timer.data = control;
    instance_hold(owner);
    return control;
}

static void open_now(struct pg_control *control)
{
    control->opening = true;
    uv_timer_start(&control->timer, on_timer, INSTANCE_CONNECT_MS, 0);
    pg_conn_open(control->conn);
}

static void on_timer(uv_timer_t *timer)
{
    struct pg_control *control = timer->data;

    if (control->opening) {
        pg_conn_drop(control->conn);
        fail(control, "no answer to the attempt to connect");
    } else if (control->owner->connected) {
        open_now(control);
    }
}

void pg_control_wake(struct pg_control *control)
{
    if (control->opening || pg_conn_is_ready(control->conn) ||
        uv_is_active((const uv_handle_t *)&control->timer))
        return;
    open_now(control);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pg_control *control = handle->data;
    struct instance_impl *owner = control->owner;

    free(control->error);
    free(control);
    instance_release(owner);
}

void pg_control_free(struct pg_control *control)
{
    pg_conn_free(control->conn);
    uv_close((uv_handle_t *)&control->timer, on_timer_closed);
}

struct pg_conn *pg_control_conn(struct pg_control *control)
{
    return pg_conn_is_ready(control->conn) ? control->conn : NULL;
}

const char *pg_control_error(const struct pg_control *control)
{
    return control->error;
}
