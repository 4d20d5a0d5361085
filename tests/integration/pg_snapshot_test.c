/* What a live PostgreSQL answers, beside what it is known to do. */
#include "backend/base/mem.h"
#include "tests/integration/pg_watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A session of the test: what it did last decides its state. */
static PGconn *session(const struct lab *lab, const char *sql)
{
    PGconn *conn = lab_pg_connect(lab, "dbname=umami application_name=subject");

    if (sql)
        PQclear(PQexec(conn, sql));
    return conn;
}

static void send_query(PGconn *conn, const char *sql)
{
    assert_int_equal(PQsendQuery(conn, sql), 1);
}

struct subject {
    PGconn *conn;
    enum pg_state state;
};

static bool in_state(const struct pg_watch *watch)
{
    const struct subject *subject = watch->context;
    const struct pg_session *found = pg_watch_session(watch, PQbackendPID(subject->conn));

    return found && found->state == subject->state;
}

static const struct pg_session *await_state(struct pg_watch *watch, PGconn *conn,
                                            enum pg_state state)
{
    struct subject subject = {conn, state};

    watch->context = &subject; // cppcheck-suppress autoVariables
    PG_UNTIL(watch, in_state);
    watch->context = NULL;
    return pg_watch_session(watch, PQbackendPID(conn));
}

static void start(struct pg_watch *watch, void **state)
{
    pg_watch_start(watch, lab_get(*state, "LAB_PG"), 0.2);
    PG_UNTIL(watch, pg_is_filled);
}

/* ---- sessions ---- */

static void states_are_the_servers_own(void **state)
{
    struct pg_watch watch;
    PGconn *idle = session(*state, "SELECT 'last words'");
    PGconn *active = session(*state, NULL);
    PGconn *in_transaction = session(*state, "BEGIN; SELECT 1");
    PGconn *aborted = session(*state, "BEGIN");
    const struct pg_session *row;

    PQclear(PQexec(aborted, "SELECT 1/0"));
    send_query(active, "SELECT pg_sleep(60)");
    start(&watch, state);

    row = await_state(&watch, idle, PG_STATE_IDLE);
    assert_string_equal(row->state_text, "idle");
    assert_null(row->query);
    assert_string_equal(row->database, "umami");
    assert_string_equal(row->user, "admin");
    assert_string_equal(row->application, "subject");
    assert_string_equal(row->client, "local");
    assert_string_equal(row->backend_type, "client backend");
    assert_true(row->xact_start == PG_NO_TIME);
    assert_false(row->own);

    row = await_state(&watch, active, PG_STATE_ACTIVE);
    assert_string_equal(row->query, "SELECT pg_sleep(60)");
    assert_string_equal(row->wait_type, "Timeout");
    assert_string_equal(row->wait_event, "PgSleep");
    assert_false(row->query_cut);
    assert_true(pg_session_seconds(row, watch.instance->pg.activity->now) >= 0.0);
    assert_true(row->xmin_age >= 0);

    row = await_state(&watch, in_transaction, PG_STATE_IDLE_IN_TRANSACTION);
    assert_string_equal(row->state_text, "idle in transaction");
    assert_true(row->xact_start != PG_NO_TIME);
    row = await_state(&watch, aborted, PG_STATE_IDLE_IN_TRANSACTION_ABORTED);
    assert_string_equal(row->state_text, "idle in transaction (aborted)");
    assert_int_equal(watch.instance->pg.activity->counts.idle_in_transaction, 2);

    pg_watch_stop(&watch);
    PQfinish(idle);
    PQfinish(active);
    PQfinish(in_transaction);
    PQfinish(aborted);
}

static bool shows_idle_text(const struct pg_watch *watch)
{
    const struct pg_session *row = pg_watch_session(watch, PQbackendPID(watch->context));

    return row && row->query && strcmp(row->query, "SELECT 'last words'") == 0;
}

static void idle_texts_come_only_when_wanted(void **state)
{
    struct pg_watch watch;
    PGconn *idle = session(*state, "SELECT 'last words'");

    start(&watch, state);
    assert_null(await_state(&watch, idle, PG_STATE_IDLE)->query);
    pg_watch_want(&watch, PG_WANT_IDLE_QUERIES);
    watch.context = idle;
    PG_UNTIL(&watch, shows_idle_text);
    pg_watch_want(&watch, 0);
    pg_watch_next(&watch);
    pg_watch_next(&watch);
    assert_null(pg_watch_session(&watch, PQbackendPID(idle))->query);
    pg_watch_stop(&watch);
    PQfinish(idle);
}

static bool is_blocked(const struct pg_watch *watch)
{
    const struct pg_session *row = pg_watch_session(watch, PQbackendPID(watch->context));

    return row && row->blocked_by_count > 0;
}

static void a_waiting_session_names_its_blocker(void **state)
{
    struct pg_watch watch;
    PGconn *holder = session(*state, "BEGIN; LOCK TABLE website_event");
    PGconn *bystander = session(*state, "BEGIN; SELECT count(*) FROM pg_class");
    PGconn *waiter = session(*state, NULL);
    const struct pg_session *row;
    const struct alerts *alerts;

    start(&watch, state);
    assert_int_equal(watch.instance->pg.activity->counts.blocked, 0);
    send_query(waiter, "SELECT count(*) FROM website_event");
    watch.context = waiter;
    PG_UNTIL(&watch, is_blocked);
    row = pg_watch_session(&watch, PQbackendPID(waiter));
    assert_int_equal(row->blocked_by_count, 1);
    assert_int_equal(row->blocked_by[0], PQbackendPID(holder));
    assert_string_equal(row->wait_type, "Lock");
    assert_int_equal(watch.instance->pg.activity->counts.blocked, 1);
    alerts = backend_alerts(watch.backend);
    assert_int_equal(alerts->count, 1);
    assert_int_equal(alerts->items[0].name, ALERT_BLOCKED_SESSIONS);
    assert_int_equal(alerts->items[0].pid, PQbackendPID(holder));
    pg_watch_stop(&watch);
    PQfinish(holder);
    PQfinish(bystander);
    PQfinish(waiter);
}

static void a_tcp_client_has_its_address(void **state)
{
    struct pg_watch watch;
    PGconn *conn = PQconnectdb(lab_get(*state, "LAB_PG_TCP"));

    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    start(&watch, state);
    assert_string_equal(await_state(&watch, conn, PG_STATE_IDLE)->client, "127.0.0.1");
    pg_watch_stop(&watch);
    PQfinish(conn);
}

static void a_long_text_is_marked_as_cut(void **state)
{
    struct pg_watch watch;
    char *sql = mem_printf("SELECT pg_sleep(60) /*%02000d*/", 0);
    PGconn *conn = session(*state, NULL);
    const struct pg_session *row;

    send_query(conn, sql);
    start(&watch, state);
    row = await_state(&watch, conn, PG_STATE_ACTIVE);
    assert_true(row->query_cut);
    assert_int_equal(strlen(row->query), 1023);
    pg_watch_stop(&watch);
    PQfinish(conn);
    free(sql);
}

/* The activity names users by oid: one that came later is looked up. */
static bool is_named(const struct pg_watch *watch)
{
    const struct pg_session *row = pg_watch_session(watch, PQbackendPID(watch->context));

    return row && row->user && strcmp(row->user, "late \"comer\"") == 0;
}

static void a_new_role_gets_its_name(void **state)
{
    struct pg_watch watch;
    PGconn *conn;

    start(&watch, state);
    free(lab_pg_value(*state, "CREATE ROLE \"late \"\"comer\"\"\" LOGIN"));
    conn = lab_pg_connect(*state, "user='late \"comer\"' dbname=postgres");
    watch.context = conn;
    PG_UNTIL(&watch, is_named);
    pg_watch_stop(&watch);
    PQfinish(conn);
    free(lab_pg_value(*state, "DROP ROLE \"late \"\"comer\"\"\""));
}

/* ---- ourselves ---- */

static void two_connections_are_ours(void **state)
{
    struct pg_watch watch;
    char *count;

    start(&watch, state);
    PG_UNTIL(&watch, pg_has_both);
    count = lab_pg_value(
        *state, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sharedtop'");
    assert_string_equal(count, "2");
    free(count);
    pg_watch_stop(&watch);
}

/* ---- server, databases, sizes ---- */

static void the_server_says_what_it_is(void **state)
{
    struct pg_watch watch;
    const struct pg_server *server;
    char *version, *number;

    start(&watch, state);
    server = watch.instance->pg.server;
    version = lab_pg_value(*state, "SHOW server_version");
    assert_int_equal(strncmp(version, server->version_text, strlen(server->version_text)), 0);
    assert_string_equal(watch.instance->version, server->version_text);
    number = lab_pg_value(*state, "SHOW server_version_num");
    assert_int_equal(server->version, strtol(number, NULL, 10));
    free(number);
    assert_int_equal(server->max_connections, 100);
    assert_int_equal(server->superuser_reserved, 3);
    assert_int_equal(server->query_size, 1024);
    assert_true(server->superuser);
    assert_true(server->monitor);
    assert_false(server->pooler);
    assert_false(server->in_recovery);
    assert_string_equal(server->user, "admin");
    assert_string_equal(server->data_directory, lab_get(*state, "LAB_PG_DATA"));
    assert_true(server->now > server->start_time);
    assert_null(watch.instance->hint);
    assert_null(watch.instance->error);
    assert_null(watch.instance->tls);
    free(version);
    pg_watch_stop(&watch);
}

static bool umami_works(const struct pg_watch *watch)
{
    const struct pg_database *database = pg_watch_database(watch, "umami");

    PQclear(PQexec(watch->context, "SELECT count(*) FROM website_event"));
    return database->tps > 0.0;
}

static void rates_follow_the_work(void **state)
{
    struct pg_watch watch;
    PGconn *worker = session(*state, NULL);
    const struct pg_database *database;

    start(&watch, state);
    assert_true(isnan(pg_watch_database(&watch, "umami")->tps));
    watch.context = worker;
    PG_UNTIL(&watch, umami_works);
    database = pg_watch_database(&watch, "umami");
    assert_true(database->hit_rate > 0.0 && database->hit_rate <= 1.0);
    assert_true(watch.instance->pg.databases->tps >= database->tps);
    assert_int_equal(database->connections, 1);
    assert_string_equal(database->owner, "umami");
    assert_int_equal(database->environment, ENV_UNKNOWN);
    assert_true(history_count(watch.instance->history) > 0);
    pg_watch_stop(&watch);
    PQfinish(worker);
}

static void sizes_are_the_servers(void **state)
{
    struct pg_watch watch;
    char *bytes;

    start(&watch, state);
    pg_watch_next(&watch);
    assert_null(watch.instance->pg.sizes);
    pg_watch_want(&watch, SOURCE_BIT(PG_SIZES));
    PG_UNTIL(&watch, pg_has_sizes);
    bytes = lab_pg_value(*state, "SELECT pg_database_size('aletheia_prod')");
    assert_true(strtoll(bytes, NULL, 10) == pg_watch_size(&watch, "aletheia_prod")->bytes);
    assert_true(pg_watch_size(&watch, "template0")->bytes > 0);
    assert_null(watch.instance->source_error[PG_SIZES]);
    free(bytes);
    pg_watch_stop(&watch);
}

static bool has_answered_twice(const struct pg_watch *watch)
{
    const float *before = watch->context;
    float last;

    return history_last(watch->instance->history, PG_METRIC_CONNECTIONS, &last, 1) == 1 &&
           history_count(watch->instance->history) >= (size_t)*before + 2;
}

static void refresh_does_not_wait_for_the_tick(void **state)
{
    struct pg_watch watch;
    float before;

    pg_watch_start(&watch, lab_get(*state, "LAB_PG"), 60.0);
    PG_UNTIL(&watch, pg_is_filled);
    before = (float)history_count(watch.instance->history);
    watch.context = &before;
    backend_refresh(watch.backend);
    assert_true(backend_pending(watch.backend) > 0);
    pg_watch_next(&watch);
    backend_refresh(watch.backend);
    PG_UNTIL(&watch, has_answered_twice);
    assert_int_equal(backend_pending(watch.backend), 0);
    pg_watch_stop(&watch);
}

static int make_lab(void **state)
{
    *state = lab_start(NULL);
    return 0;
}

static int drop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_the_servers_own),
        cmocka_unit_test(idle_texts_come_only_when_wanted),
        cmocka_unit_test(a_waiting_session_names_its_blocker),
        cmocka_unit_test(a_tcp_client_has_its_address),
        cmocka_unit_test(a_long_text_is_marked_as_cut),
        cmocka_unit_test(a_new_role_gets_its_name),
        cmocka_unit_test(two_connections_are_ours),
        cmocka_unit_test(the_server_says_what_it_is),
        cmocka_unit_test(rates_follow_the_work),
        cmocka_unit_test(sizes_are_the_servers),
        cmocka_unit_test(refresh_does_not_wait_for_the_tick),
    };

    return cmocka_run_group_tests(tests, make_lab, drop_lab);
}
