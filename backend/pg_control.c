#include "backend/pg_control.h"

#include "backend/base/mem.h"
#include "backend/pg_error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST_MS 250U
#define RETRY_MOST_MS  5000U
#define GRACE_MS       5000U /* beyond a statement's timeout: then nobody answers any more */

struct pg_control_request {
    struct pg_control_request *next;
    char *sql, **values;
    int count, timeout_ms;
    bool secret;
    bool alone;            /* behind a pooler: it is refused in a transaction with its settings */
    pg_control_answer *fn; /* NULL: forgotten */
    void *context;
};

/* What the server said to the statement of the first request. */
struct answer {
    bool here;
    PGresult *rows;
    char *error;
    char sqlstate[6];
};

struct pg_control {
    struct instance_impl *owner;
    struct pg_conn *conn;
    void (*changed)(void *context);
    void *context;
    uv_timer_t timer; /* the deadline of an attempt or an answer, or the next attempt */
    uint64_t pause;   /* ms before the next try */
    bool opening, closing;
    char *error;
    struct pg_control_request *first, **last;
    bool sent;             /* the first one */
    unsigned ahead, after; /* answers that come before and after that of its statement */
    struct answer answer;
};

static void on_timer(uv_timer_t *timer);
static void send_next(struct pg_control *control);

/* ---- requests ---- */

static void free_text(char *text, bool secret)
{
    if (secret && text)
        mem_free_secret(text, strlen(text));
    else
        free(text);
}

static void free_request(struct pg_control_request *request)
{
    for (int i = 0; i < request->count; i++)
        free_text(request->values[i], request->secret);
    free(request->values);
    free_text(request->sql, request->secret);
    free(request);
}

static void clear_answer(struct answer *answer)
{
    PQclear(answer->rows);
    free(answer->error);
    *answer = (struct answer){.here = false};
}

static struct pg_control_request *pop(struct pg_control *control)
{
    struct pg_control_request *request = control->first;

    assert(request);
    control->first = request->next;
    if (!control->first)
        control->last = &control->first;
    control->sent = false;
    control->ahead = control->after = 0;
    return request;
}

/* Takes over rows. */
static void tell(struct pg_control_request *request, PGresult *rows, const char *error,
                 const char *sqlstate)
{
    pg_control_answer *fn = request->fn;
    void *context = request->context;

    free_request(request);
    if (fn)
        fn(context, rows, error, sqlstate);
    else
        PQclear(rows);
}

static void finish_first(struct pg_control *control)
{
    struct answer answer = control->answer;

    control->answer = (struct answer){.here = false};
    if (pg_conn_is_ready(control->conn))
        uv_timer_stop(&control->timer);
    tell(pop(control), answer.rows, answer.error, answer.sqlstate);
    answer.rows = NULL;
    clear_answer(&answer);
    if (!control->closing)
        send_next(control);
}

/* Those that are asked meanwhile wait for the next attempt. */
static void fail_requests(struct pg_control *control, const char *error)
{
    char *line = mem_strdup(error);
    size_t count = 0;

    for (const struct pg_control_request *r = control->first; r; r = r->next)
        count++;
    if (control->answer.here) {
        finish_first(control);
        count--;
    }
    for (; count && !control->closing; count--)
        tell(pop(control), NULL, line, "");
    free(line);
}

static void fail(struct pg_control *control, const char *error)
{
    control->opening = false;
    instance_set(&control->error, error);
    uv_timer_start(&control->timer, on_timer, control->pause, 0);
    control->pause = control->pause < RETRY_MOST_MS / 2 ? 2 * control->pause : RETRY_MOST_MS;
    control->changed(control->context);
    fail_requests(control, error);
}

/* ---- sending: one request at a time, with what belongs to it in one go ---- */

static void set_timeout(struct pg_control *control, int timeout_ms)
{
    static const char sql[] = "SELECT pg_catalog.set_config('statement_timeout', $1, false)";
    char text[16];
    const char *value = text;

    snprintf(text, sizeof(text), "%d", timeout_ms);
    pg_conn_ask(control->conn, sql, 1, &value, 0);
}

/* A session of ours is given another timeout before and its own after, each a transaction of its
 * own, since some statements must be alone in theirs. Behind a pooler only the transaction is ours. */
static void send_request(struct pg_control *control, const struct pg_control_request *request)
{
    const bool pooled = pg_conn_pooled(control->conn);
    const bool set = !pooled && request->timeout_ms != PG_CONTROL_TIMEOUT;

    control->sent = true;
    control->ahead = control->after = set;
    if (request->timeout_ms)
        uv_timer_start(&control->timer, on_timer, (uint64_t)request->timeout_ms + GRACE_MS, 0);
    if (set)
        set_timeout(control, request->timeout_ms);
    pg_conn_ask(control->conn, request->sql, request->count, (const char *const *)request->values,
                pooled && !request->alone ? request->timeout_ms : 0);
    if (set)
        set_timeout(control, PG_CONTROL_TIMEOUT);
}

static void send_next(struct pg_control *control)
{
    if (control->sent || !pg_conn_is_ready(control->conn) || !pg_conn_settled(control->conn))
        return;
    while (control->first && !control->first->fn)
        free_request(pop(control));
    if (control->first)
        send_request(control, control->first);
}

/* ---- the connection's events ---- */

static void on_ready(void *context)
{
    struct pg_control *control = context;

    control->opening = false;
    control->pause = RETRY_FIRST_MS;
    uv_timer_stop(&control->timer);
    instance_set(&control->error, NULL);
    control->changed(control->context);
}

/* The server's words in one line, with its detail: who still uses a database, say. */
static char *error_text(const PGresult *error)
{
    const char *detail = PQresultErrorField(error, PG_DIAG_MESSAGE_DETAIL);
    char *line = pg_error_result(error), *text;

    if (!detail || !*detail)
        return line;
    text = mem_printf("%s (%s)", line, detail);
    for (char *c = strpbrk(text, "\r\n"); c; c = strpbrk(c, "\r\n"))
        *c = ' ';
    free(line);
    return text;
}

static void keep_answer(struct pg_control *control, PGresult *rows, const PGresult *error)
{
    const char *state = error ? PQresultErrorField(error, PG_DIAG_SQLSTATE) : NULL;

    control->answer = (struct answer){.here = true, .rows = rows};
    if (!rows)
        control->answer.error = error ? error_text(error) : mem_strdup("there was no answer");
    snprintf(control->answer.sqlstate, sizeof(control->answer.sqlstate), "%s", state ? state : "");
}

/* "… cannot run inside a transaction block". */
static bool must_be_alone(const struct pg_control *control)
{
    return pg_conn_pooled(control->conn) && !control->first->alone && control->first->timeout_ms &&
           strcmp(control->answer.sqlstate, "25001") == 0;
}

static void on_answer(void *context, enum pg_query_id query, PGresult *rows, const PGresult *error)
{
    struct pg_control *control = context;

    if (query != PG_QUERIES || !control->sent || control->ahead || control->answer.here) {
        PQclear(rows);
        if (control->ahead)
            control->ahead--;
        else if (control->answer.here && --control->after == 0)
            finish_first(control);
        return;
    }
    keep_answer(control, rows, error);
    if (must_be_alone(control)) {
        clear_answer(&control->answer);
        control->first->alone = true;
        send_request(control, control->first);
    } else if (!control->after) {
        finish_first(control);
    }
}

static void on_drained(void *context)
{
    send_next(context);
}

static void on_lost(void *context, const char *error, const char *hint)
{
    (void)hint;
    fail(context, error);
}

static const struct pg_conn_events events = {
    .ready = on_ready, .answer = on_answer, .drained = on_drained, .lost = on_lost};

/* ---- life ---- */

struct pg_control *pg_control_new(struct instance_impl *owner, const struct postgres_config *config,
                                  void (*changed)(void *context), void *context)
{
    struct pg_control *control = mem_zalloc(sizeof(*control));

    control->owner = owner;
    control->changed = changed;
    control->context = context;
    control->pause = RETRY_FIRST_MS;
    control->last = &control->first;
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

/* The server process may still be at it. */
static void give_up(struct pg_control *control, const char *error)
{
    pg_conn_cancel(control->conn);
    pg_conn_drop(control->conn);
    fail(control, error);
}

static void on_timer(uv_timer_t *timer)
{
    struct pg_control *control = timer->data;

    if (control->opening)
        give_up(control, "no answer to the attempt to connect");
    else if (control->sent)
        give_up(control, "the server does not answer");
    else if (!pg_conn_is_ready(control->conn) && (control->owner->connected || control->first))
        open_now(control);
}

void pg_control_wake(struct pg_control *control)
{
    if (control->opening || pg_conn_is_ready(control->conn) ||
        uv_is_active((const uv_handle_t *)&control->timer))
        return;
    open_now(control);
}

/* The connection may be in the midst of an event, so it goes now, not earlier. */
static void on_timer_closed(uv_handle_t *handle)
{
    struct pg_control *control = handle->data;
    struct instance_impl *owner = control->owner;

    pg_conn_free(control->conn);
    free(control->error);
    free(control);
    instance_release(owner);
}

void pg_control_free(struct pg_control *control)
{
    control->closing = true;
    pg_conn_drop(control->conn);
    while (control->first)
        free_request(pop(control));
    clear_answer(&control->answer);
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

/* ---- asking ---- */

static void copy_values(struct pg_control_request *request, int count, const char *const *values)
{
    request->count = count;
    request->values = mem_array(NULL, (size_t)count, sizeof(*request->values));
    for (int i = 0; i < count; i++)
        request->values[i] = mem_strdup(values[i]);
}

struct pg_control_request *pg_control_ask(struct pg_control *control, const char *sql, int count,
                                          const char *const *values, int timeout_ms, bool secret,
                                          pg_control_answer *fn, void *context)
{
    struct pg_control_request *request = mem_zalloc(sizeof(*request));

    request->sql = mem_strdup(sql);
    copy_values(request, count, values);
    request->timeout_ms = timeout_ms;
    request->secret = secret;
    request->fn = fn;
    request->context = context;
    *control->last = request;
    control->last = &request->next;
    if (pg_conn_is_ready(control->conn))
        send_next(control);
    else if (!control->opening)
        uv_timer_start(&control->timer, on_timer, 0, 0);
    return request;
}

void pg_control_forget(struct pg_control_request *request)
{
    request->fn = NULL;
}
