#include "backend/pg_conn.h"

#include "backend/base/mem.h"
#include "backend/pg_data.h"
#include "backend/pg_error.h"
#include "backend/pg_target.h"
#include "backend/resolve.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REQUESTS 16 /* far above what one turn sends */

struct request {
    enum pg_query_id query;
    char parameter[16];
    bool has_parameter;
    int timeout_ms;
    bool named; /* sent as a prepared statement */
    PGresult *rows, *error;
};

/* A handle of its own for each socket: libpq changes its socket while it connects. */
struct watch {
    uv_poll_t poll;
    struct pg_conn *conn; /* NULL: closed, waits for libuv to let go */
    struct instance_impl *owner;
};

struct cancel {
    uv_work_t work;
    PGcancel *cancel;
    struct pg_conn *conn; /* NULL: it is gone */
};

struct pg_conn {
    struct instance_impl *owner;
    const struct postgres_config *config;
    enum pg_query_id setup;
    const struct pg_conn_events *events;
    void *context;
    struct resolver *resolver;
    struct pg_target *target; /* while it connects */
    PGconn *pg;
    struct watch *watch;
    int watched;       /* events that the watch polls for */
    unsigned epoch;    /* grows with every drop: a loop over answers stops then */
    bool ready;        /* connected, in pipeline mode */
    bool direct;       /* the setup's answer: no pooler in between, so statements may be named */
    bool pooled;       /* a pooler was seen */
    bool unnamed_only; /* prepared statements were refused */
    unsigned prepared; /* bits of enum pg_query_id */
    struct request requests[MAX_REQUESTS]; /* a ring */
    size_t first, count;
    char *farewell; /* what the server said on its way out */
    char *address;
    struct cancel *cancel;
};

static void on_connecting(uv_poll_t *poll, int status, int events);
static void on_socket(uv_poll_t *poll, int status, int events);
static void resolve_next(struct pg_conn *conn);

/* ---- the watch on the socket ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct instance_impl *owner = watch->owner;

    free(watch);
    instance_release(owner);
}

/* To be called before libpq closes the socket, lest libuv poll somebody else's descriptor. */
static void unwatch(struct pg_conn *conn)
{
    if (!conn->watch)
        return;
    conn->watch->conn = NULL;
    uv_close((uv_handle_t *)&conn->watch->poll, on_watch_closed);
    conn->watch = NULL;
    conn->watched = 0;
}

static bool watch_socket(struct pg_conn *conn)
{
    struct watch *watch = mem_zalloc(sizeof(*watch));

    if (uv_poll_init(conn->owner->loop, &watch->poll, PQsocket(conn->pg)) != 0) {
        free(watch);
        return false;
    }
    watch->poll.data = watch;
    watch->conn = conn;
    watch->owner = conn->owner;
    instance_hold(conn->owner);
    conn->watch = watch;
    return true;
}

static void poll_for(struct pg_conn *conn, int events, uv_poll_cb callback)
{
    if (conn->watched == events)
        return;
    conn->watched = events;
    uv_poll_start(&conn->watch->poll, events, callback);
}

/* ---- life ---- */

struct pg_conn *pg_conn_new(struct instance_impl *owner, const struct postgres_config *config,
                            enum pg_query_id setup, const struct pg_conn_events *events,
                            void *context)
{
    struct pg_conn *conn = mem_zalloc(sizeof(*conn));

    conn->owner = owner;
    conn->config = config;
    conn->setup = setup;
    conn->events = events;
    conn->context = context;
    conn->resolver = resolver_new(owner->loop);
    return conn;
}

static struct request *request_at(struct pg_conn *conn, size_t index)
{
    return &conn->requests[(conn->first + index) % MAX_REQUESTS];
}

static void forget_requests(struct pg_conn *conn)
{
    for (size_t i = 0; i < conn->count; i++) {
        PQclear(request_at(conn, i)->rows);
        PQclear(request_at(conn, i)->error);
    }
    conn->count = 0;
}

void pg_conn_drop(struct pg_conn *conn)
{
    conn->epoch++;
    conn->ready = conn->direct = conn->pooled = conn->unnamed_only = false;
    conn->prepared = 0;
    resolver_stop(conn->resolver);
    unwatch(conn);
    forget_requests(conn);
    pg_target_free(conn->target);
    conn->target = NULL;
    if (conn->pg)
        PQfinish(conn->pg);
    conn->pg = NULL;
    free(conn->farewell);
    conn->farewell = NULL;
}

void pg_conn_free(struct pg_conn *conn)
{
    if (!conn)
        return;
    pg_conn_drop(conn);
    resolver_free(conn->resolver);
    if (conn->cancel)
        conn->cancel->conn = NULL;
    free(conn->address);
    free(conn);
}

/* Takes line over. */
static void lose(struct pg_conn *conn, char *line)
{
    char *hint = pg_error_hint(line, conn->config);

    pg_conn_drop(conn);
    conn->events->lost(conn->context, line, hint);
    free(hint);
    free(line);
}

/* The server's last words say more than the broken connection. */
static void lose_connection(struct pg_conn *conn)
{
    if (conn->farewell)
        lose(conn, mem_strdup(conn->farewell));
    else
        lose(conn, pg_error_line(PQerrorMessage(conn->pg)));
}

/* ---- connecting ---- */

/* Keeps libpq from writing to the terminal. A server that shuts down or ends the session says so in
 * a message of class 57P when nothing was asked. */
static void on_notice(void *context, const PGresult *notice)
{
    struct pg_conn *conn = context;
    const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);

    if (!state || strncmp(state, "57P", 3) != 0)
        return;
    free(conn->farewell);
    conn->farewell = pg_error_result(notice);
}

static void become_ready(struct pg_conn *conn)
{
    char pid[16];

    if (PQserverVersion(conn->pg) < PG_MIN_VERSION) {
        lose(conn, mem_printf("server version %s is too old: 13 is the first that is served",
                              PQparameterStatus(conn->pg, "server_version")));
        return;
    }
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg) ||
        !watch_socket(conn)) {
        lose_connection(conn);
        return;
    }
    pg_target_free(conn->target);
    conn->target = NULL;
    conn->ready = true;
    snprintf(pid, sizeof(pid), "%d", PQbackendPID(conn->pg));
    pg_conn_send(conn, conn->setup, pid, 0);
    conn->events->ready(conn->context);
}

static void step(struct pg_conn *conn)
{
    PostgresPollingStatusType next;

    unwatch(conn);
    next = PQconnectPoll(conn->pg);
    if (next == PGRES_POLLING_OK)
        become_ready(conn);
    else if (next == PGRES_POLLING_FAILED || !watch_socket(conn))
        lose_connection(conn);
    else
        poll_for(conn, next == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE, on_connecting);
}

static void on_connecting(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    (void)status;
    (void)events;
    step(watch->conn);
}

static void connect_target(struct pg_conn *conn)
{
    conn->pg = pg_target_connect(conn->target);
    PQsetNoticeReceiver(conn->pg, on_notice, conn);
    if (PQstatus(conn->pg) == CONNECTION_BAD || !watch_socket(conn))
        lose_connection(conn);
    else
        poll_for(conn, UV_WRITABLE, on_connecting);
}

static void on_resolved(void *context, const char *const *addresses, size_t count,
                        const char *error)
{
    struct pg_conn *conn = context;

    if (pg_target_resolved(conn->target, addresses, count) > 0)
        resolve_next(conn);
    else
        lose(conn, mem_strdup(error));
}

static void resolve_next(struct pg_conn *conn)
{
    const char *host = pg_target_unresolved(conn->target);

    if (host)
        resolver_lookup(conn->resolver, host, on_resolved, conn);
    else
        connect_target(conn);
}

void pg_conn_open(struct pg_conn *conn)
{
    char *error;

    assert(!conn->pg && !conn->target);
    conn->target = pg_target_new(conn->config, &error);
    if (!conn->target) {
        lose(conn, error);
        return;
    }
    free(conn->address);
    conn->address = pg_target_address(conn->target);
    resolve_next(conn);
}

/* ---- requests ---- */

static void flush(struct pg_conn *conn)
{
    int events = PQflush(conn->pg) == 1 ? UV_READABLE | UV_WRITABLE : UV_READABLE;

    poll_for(conn, events, on_socket);
}

static int sync_pipeline(PGconn *pg)
{
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(pg);
#else
    return PQpipelineSync(pg);
#endif
}

static const struct pg_query *query_of(const struct pg_conn *conn, enum pg_query_id id)
{
    return pg_query_find(id, PQserverVersion(conn->pg));
}

static struct request *add_request(struct pg_conn *conn, enum pg_query_id query)
{
    struct request *request = request_at(conn, conn->count);

    assert(conn->ready && conn->count < MAX_REQUESTS);
    *request = (struct request){.query = query};
    conn->count++;
    return request;
}

static bool send_unnamed(const struct pg_conn *conn, const struct pg_query *query,
                         const char *parameter)
{
    const int count = parameter ? 1 : 0;

    return PQsendQueryParams(conn->pg, query->sql, count, &query->parameter, &parameter, NULL, NULL,
                             1);
}

static bool send_named(const struct pg_conn *conn, const struct pg_query *query,
                       const char *parameter)
{
    const int count = parameter ? 1 : 0;

    if (!(conn->prepared & SOURCE_BIT(query->id)) &&
        !PQsendPrepare(conn->pg, query->name, query->sql, count, &query->parameter))
        return false;
    return PQsendQueryPrepared(conn->pg, query->name, count, &parameter, NULL, NULL, 1);
}

static bool send_local(const struct pg_conn *conn, int timeout_ms)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", timeout_ms);
    return send_unnamed(conn, query_of(conn, PG_QUERY_LOCAL), text);
}

/* Each request ends in its own sync: what fails loses only itself. Up to the sync it is one
 * transaction, so the local settings end with it, also behind a pooler. */
static bool transmit(struct pg_conn *conn, struct request *request)
{
    const struct pg_query *query = query_of(conn, request->query);
    const char *parameter = request->has_parameter ? request->parameter : NULL;
    int timeout_ms = request->timeout_ms;

    if (!timeout_ms && conn->pooled)
        timeout_ms = PG_STATEMENT_TIMEOUT;
    if (timeout_ms && !send_local(conn, timeout_ms))
        return false;
    request->named = conn->direct && !conn->unnamed_only;
    if (!(request->named ? send_named : send_unnamed)(conn, query, parameter))
        return false;
    return sync_pipeline(conn->pg);
}

void pg_conn_send(struct pg_conn *conn, enum pg_query_id query, const char *parameter,
                  int timeout_ms)
{
    struct request *request = add_request(conn, query);

    request->has_parameter = parameter != NULL;
    request->timeout_ms = timeout_ms;
    if (parameter)
        snprintf(request->parameter, sizeof(request->parameter), "%s", parameter);
    /* A failure leaves the connection bad: the watch sees that and reports it. */
    (void)transmit(conn, request);
    flush(conn);
}

void pg_conn_ask(struct pg_conn *conn, const char *sql, int count, const char *const *values,
                 int timeout_ms)
{
    (void)add_request(conn, PG_QUERIES);
    (void)((!timeout_ms || send_local(conn, timeout_ms)) &&
           PQsendQueryParams(conn->pg, sql, count, NULL, values, NULL, NULL, 0) &&
           sync_pipeline(conn->pg));
    flush(conn);
}

/* ---- answers ---- */

static bool state_is(const PGresult *error, const char *const *states)
{
    const char *state = error ? PQresultErrorField(error, PG_DIAG_SQLSTATE) : NULL;

    for (; state && *states; states++) {
        if (strcmp(state, *states) == 0)
            return true;
    }
    return false;
}

/* A pooler that gives every transaction another server process loses prepared statements. */
static bool statement_was_lost(const struct request *request)
{
    static const char *const states[] = {"26000", "42P05", "08P01", NULL};

    return request->named && state_is(request->error, states);
}

static void finish_setup(struct pg_conn *conn, PGresult *rows)
{
    conn->direct = rows && pg_parse_direct(rows);
    conn->pooled = !conn->direct;
    PQclear(rows);
}

static void send_again(struct pg_conn *conn, const struct request *request)
{
    conn->unnamed_only = conn->pooled = true;
    pg_conn_send(conn, request->query, request->has_parameter ? request->parameter : NULL,
                 request->timeout_ms);
}

/* The sync of the oldest request has come. */
static void finish_request(struct pg_conn *conn)
{
    struct request done = *request_at(conn, 0);

    conn->first = (conn->first + 1) % MAX_REQUESTS;
    conn->count--;
    if (done.error) {
        PQclear(done.rows);
        done.rows = NULL;
    } else if (done.named) {
        conn->prepared |= SOURCE_BIT(done.query);
    }
    if (done.query == conn->setup)
        finish_setup(conn, done.rows);
    else if (statement_was_lost(&done))
        send_again(conn, &done);
    else
        conn->events->answer(conn->context, done.query, done.rows, done.error);
    PQclear(done.error);
}

/* A request has up to three results before its sync: local settings, the preparation, the rows. */
static void take_result(struct pg_conn *conn, PGresult *result)
{
    struct request *request = request_at(conn, 0);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        finish_request(conn);
    } else if (status == PGRES_TUPLES_OK ||
               (status == PGRES_COMMAND_OK && request->query == PG_QUERIES)) {
        PQclear(request->rows);
        request->rows = result;
    } else if (status == PGRES_FATAL_ERROR && !request->error) {
        request->error = result;
    } else {
        PQclear(result);
    }
}

/* Stops at a drop by one of the receivers. libpq gives a NULL after the results of each statement. */
static bool take_results(struct pg_conn *conn)
{
    const unsigned epoch = conn->epoch;
    unsigned nulls = 0;

    while (conn->epoch == epoch && !PQisBusy(conn->pg) && conn->count && nulls < 3) {
        PGresult *result = PQgetResult(conn->pg);

        nulls = result ? 0 : nulls + 1;
        if (result)
            take_result(conn, result);
    }
    return conn->epoch == epoch;
}

/* An error that ended the session came as the answer to a request. */
static void keep_fatal_error(struct pg_conn *conn)
{
    for (size_t i = 0; i < conn->count && !conn->farewell; i++) {
        if (request_at(conn, i)->error)
            conn->farewell = pg_error_result(request_at(conn, i)->error);
    }
}

static void on_readable(struct pg_conn *conn)
{
    const size_t waiting = conn->count;
    const unsigned epoch = conn->epoch;
    bool fine = PQconsumeInput(conn->pg);

    /* A TLS record may hold more than libpq's buffer took; the socket would not tell. */
    if (fine && PQsslInUse(conn->pg))
        fine = PQconsumeInput(conn->pg);
    if (!take_results(conn))
        return;
    if (!fine || PQstatus(conn->pg) == CONNECTION_BAD) {
        keep_fatal_error(conn);
        lose_connection(conn);
        return;
    }
    flush(conn);
    if (waiting && !conn->count && conn->epoch == epoch)
        conn->events->drained(conn->context);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    if (status < 0)
        watch->conn->watched = 0; /* libuv has stopped it */
    if (status < 0 || (events & UV_READABLE))
        on_readable(watch->conn);
    else
        flush(watch->conn);
}

/* ---- cancel: libpq's blocks, so it runs on libuv's threads ---- */

static void run_cancel(uv_work_t *work)
{
    struct cancel *cancel = work->data;
    char ignored[256];

    PQcancel(cancel->cancel, ignored, sizeof(ignored));
}

static void on_cancelled(uv_work_t *work, int status)
{
    struct cancel *cancel = work->data;

    (void)status;
    if (cancel->conn)
        cancel->conn->cancel = NULL;
    PQfreeCancel(cancel->cancel);
    free(cancel);
}

void pg_conn_cancel(struct pg_conn *conn)
{
    PGcancel *request = conn->ready && !conn->cancel ? PQgetCancel(conn->pg) : NULL;

    if (!request)
        return;
    conn->cancel = mem_zalloc(sizeof(*conn->cancel));
    conn->cancel->cancel = request;
    conn->cancel->conn = conn;
    conn->cancel->work.data = conn->cancel;
    uv_queue_work(conn->owner->loop, &conn->cancel->work, run_cancel, on_cancelled);
}

/* ---- what is known ---- */

bool pg_conn_is_ready(const struct pg_conn *conn)
{
    return conn->ready;
}

bool pg_conn_pooled(const struct pg_conn *conn)
{
    return conn->pooled;
}

bool pg_conn_settled(const struct pg_conn *conn)
{
    return conn->direct || conn->pooled;
}

int pg_conn_pid(const struct pg_conn *conn)
{
    return conn->direct ? PQbackendPID(conn->pg) : 0;
}

int pg_conn_server_version(const struct pg_conn *conn)
{
    return PQserverVersion(conn->pg);
}

const char *pg_conn_tls(const struct pg_conn *conn)
{
    return PQsslInUse(conn->pg) ? PQsslAttribute(conn->pg, "protocol") : NULL;
}

const char *pg_conn_address(const struct pg_conn *conn)
{
    return conn->address;
}

/* ---- texts of statements ---- */

static char *take_text(char *text)
{
    char *copy = mem_strdup(text);

    PQfreemem(text);
    return copy;
}

char *pg_conn_identifier(const struct pg_conn *conn, const char *text)
{
    return take_text(PQescapeIdentifier(conn->pg, text, strlen(text)));
}

char *pg_conn_literal(const struct pg_conn *conn, const char *text)
{
    return take_text(PQescapeLiteral(conn->pg, text, strlen(text)));
}

/* Without the algorithm's name libpq would ask the server, and wait. */
char *pg_conn_verifier(const struct pg_conn *conn, const char *user, const char *password)
{
    return take_text(PQencryptPasswordConn(conn->pg, password, user, "scram-sha-256"));
}
