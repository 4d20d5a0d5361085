#include "tests/unit/pg_result.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000000

/* ---- activity ---- */

enum { NOW = 1000 * SECOND };

/* A client backend that has been in its state for a while. */
static void put_session(PGresult *result, int row, int pid, const char *state, int seconds)
{
    put_int4(result, row, ACT_PID, pid);
    put_text(result, row, ACT_STATE, state);
    put_int8(result, row, ACT_BACKEND_START, NOW - 100 * (int64_t)SECOND);
    put_int8(result, row, ACT_QUERY_START, NOW - seconds * (int64_t)SECOND);
    put_int8(result, row, ACT_STATE_CHANGE, NOW - seconds * (int64_t)SECOND);
}

static struct pg_activity *parse(PGresult *result)
{
    return pg_parse_activity(result, 1024, NULL, NULL);
}

static void every_state_is_known(void **state)
{
    static const struct {
        const char *text;
        enum pg_state state;
    } states[] = {
        {"active", PG_STATE_ACTIVE},
        {"idle", PG_STATE_IDLE},
        {"idle in transaction", PG_STATE_IDLE_IN_TRANSACTION},
        {"idle in transaction (aborted)", PG_STATE_IDLE_IN_TRANSACTION_ABORTED},
        {"fastpath function call", PG_STATE_FASTPATH},
        {"disabled", PG_STATE_DISABLED},
        {"starting", PG_STATE_STARTING},
        {"idle in transaction aborted", PG_STATE_NONE},
        {NULL, PG_STATE_NONE},
    };
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    for (int i = 0; i < 9; i++)
        put_text(result, i, ACT_STATE, states[i].text);
    activity = parse(result);
    assert_int_equal(activity->count, 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(activity->rows[i].state, states[i].state);
    sample_unref(activity);
}

static void an_empty_row_is_all_absent(void **state)
{
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;
    const struct pg_session *row;

    (void)state;
    put_text(result, 0, ACT_STATE, NULL);
    activity = parse(result);
    row = &activity->rows[0];
    assert_int_equal(row->pid, 0);
    assert_null(row->database);
    assert_null(row->user);
    assert_null(row->client);
    assert_null(row->backend_type);
    assert_null(row->query);
    assert_null(row->wait_type);
    assert_true(row->backend_start == PG_NO_TIME);
    assert_true(row->xmin_age == -1);
    assert_true(pg_session_seconds(row, NOW) < 0.0);
    assert_true(activity->now == PG_NO_TIME);
    assert_false(row->own);
    assert_true(activity->counts.longest_query < 0.0);
    sample_unref(activity);
}

static void clients_have_addresses(void **state)
{
    static const unsigned char v4[] = {2, 32, 0, 4, 10, 0, 0, 7};
    static const unsigned char v6[] = {3, 128, 0, 16, 0xfe, 0x80, 0, 0, 0, 0,
                                       0, 0,   0, 0,  0,    0,    0, 0, 0, 1};
    static const unsigned char short_v4[] = {2, 32, 0, 4, 10};
    static const unsigned char odd[] = {9, 32, 0, 4, 10, 0, 0, 7};
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    for (int i = 0; i < 7; i++)
        put_session(result, i, i + 1, "idle", 1);
    put_bytes(result, 0, ACT_CLIENT, v4, sizeof(v4));
    put_bytes(result, 1, ACT_CLIENT, v4, sizeof(v4));
    put_bytes(result, 2, ACT_CLIENT, v6, sizeof(v6));
    put_bytes(result, 3, ACT_CLIENT, short_v4, sizeof(short_v4));
    put_bytes(result, 4, ACT_CLIENT, odd, sizeof(odd));
    put_text(result, 6, ACT_BACKEND_TYPE, "checkpointer");
    activity = parse(result);
    assert_string_equal(activity->rows[0].client, "10.0.0.7");
    assert_ptr_equal(activity->rows[0].client, activity->rows[1].client);
    assert_string_equal(activity->rows[2].client, "fe80::1");
    assert_null(activity->rows[3].client);
    assert_null(activity->rows[4].client);
    assert_string_equal(activity->rows[5].client, "local");
    assert_null(activity->rows[6].client);
    sample_unref(activity);
}

static void blockers_are_listed(void **state)
{
    static const int two[] = {4711, 0};
    static const uint32_t matrix[] = {0x02000000, 0, 0x17000000, 0, 0};
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    for (int i = 0; i < 5; i++)
        put_session(result, i, i + 1, "active", 1);
    put_pids(result, 0, ACT_BLOCKED_BY, two, 2);
    put_pids(result, 1, ACT_BLOCKED_BY, two, 0);
    put_bytes(result, 2, ACT_BLOCKED_BY, matrix, sizeof(matrix));
    put_bytes(result, 3, ACT_BLOCKED_BY, "\0\0\0\1", 4);
    activity = parse(result);
    assert_int_equal(activity->rows[0].blocked_by_count, 2);
    assert_int_equal(activity->rows[0].blocked_by[0], 4711);
    assert_int_equal(activity->rows[0].blocked_by[1], 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(activity->rows[i].blocked_by_count, 0);
    assert_int_equal(activity->counts.blocked, 1);
    sample_unref(activity);
}

/* The server sends a count that its bytes do not hold. */
static void a_lying_array_is_no_array(void **state)
{
    static const uint32_t big[] = {0x01000000, 0,          0x17000000, 0xffffff7f,
                                   0x01000000, 0x04000000, 0};
    static const uint32_t negative[] = {0x01000000, 0, 0x17000000, 0xffffffff, 0x01000000};
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    put_bytes(result, 0, ACT_BLOCKED_BY, big, sizeof(big));
    put_bytes(result, 1, ACT_BLOCKED_BY, negative, sizeof(negative));
    activity = parse(result);
    assert_int_equal(activity->rows[0].blocked_by_count, 0);
    assert_int_equal(activity->rows[1].blocked_by_count, 0);
    sample_unref(activity);
}

static void counts_are_of_clients(void **state)
{
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    put_session(result, 0, 1, "active", 30);
    put_text(result, 0, ACT_WAIT_TYPE, "IO");
    put_session(result, 1, 2, "active", 500); /* ourselves: no long query */
    put_int8(result, 1, ACT_NOW, NOW);
    put_session(result, 2, 3, "idle", 700);
    put_session(result, 3, 4, "idle in transaction", 40);
    put_session(result, 4, 5, "idle in transaction (aborted)", 50);
    put_session(result, 5, 6, "active", 900);
    put_text(result, 5, ACT_BACKEND_TYPE, "walsender");
    put_session(result, 6, 7, "active", 900);
    put_text(result, 6, ACT_BACKEND_TYPE, "parallel worker");
    activity = parse(result);
    assert_int_equal(activity->counts.total, 5);
    assert_int_equal(activity->counts.active, 2);
    assert_int_equal(activity->counts.waiting, 1);
    assert_int_equal(activity->counts.idle, 1);
    assert_int_equal(activity->counts.idle_in_transaction, 2);
    assert_true(activity->now == NOW);
    assert_true(activity->rows[1].own);
    assert_true(activity->counts.longest_query == 30.0);
    assert_true(activity->counts.longest_idle_in_transaction == 50.0);
    sample_unref(activity);
}

/* Without pg_monitor others' rows have a database, a user and this text. */
static void a_hidden_row_counts_as_a_client(void **state)
{
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    put_int4(result, 0, ACT_DATABASE, 5);
    put_text(result, 0, ACT_QUERY, "<insufficient privilege>");
    put_text(result, 1, ACT_QUERY, "<insufficient privilege>");
    activity = parse(result);
    assert_int_equal(activity->counts.total, 1);
    assert_null(activity->rows[0].backend_type);
    assert_string_equal(activity->rows[0].query, "<insufficient privilege>");
    sample_unref(activity);
}

static void long_texts_are_cut(void **state)
{
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;
    char text[1024];

    (void)state;
    memset(text, 'x', sizeof(text));
    put_bytes(result, 0, ACT_QUERY, text, 1023);
    put_bytes(result, 1, ACT_QUERY, text, 1019);
    put_text(result, 2, ACT_QUERY, "");
    activity = parse(result);
    assert_true(activity->rows[0].query_cut);
    assert_false(activity->rows[1].query_cut);
    assert_null(activity->rows[2].query);
    assert_false(activity->rows[2].query_cut);
    sample_unref(activity);
}

/* ---- names ---- */

static struct pg_databases *two_databases(const struct postgres_config *config)
{
    PGresult *result = result_of(PG_QUERY_DATABASES);

    put_int4(result, 0, DB_OID, 16390);
    put_text(result, 0, DB_NAME, "shop_prod");
    put_int4(result, 1, DB_OID, 5);
    put_text(result, 1, DB_NAME, "postgres");
    return pg_parse_databases(result, config);
}

static struct pg_roles *two_roles(void)
{
    PGresult *result = result_of(PG_QUERY_ROLES);

    put_int4(result, 0, ROLES_OID, 16400);
    put_text(result, 0, ROLES_NAME, "shop");
    put_int4(result, 1, ROLES_OID, 10);
    put_text(result, 1, ROLES_NAME, "postgres");
    return pg_parse_roles(result);
}

static void rows_take_names_and_keep_them(void **state)
{
    struct config *config = config_new();
    struct postgres_config *postgres = config_add_postgres(config, "x", "");
    struct config_pattern production = {"*_prod", ENV_PRODUCTION};
    struct pg_databases *databases;
    struct pg_roles *roles = two_roles();
    struct pg_activity *activity;
    PGresult *result = result_of(PG_QUERY_ACTIVITY);

    (void)state;
    postgres->environments = &production;
    postgres->environment_count = 1;
    databases = two_databases(postgres);
    put_int4(result, 0, ACT_DATABASE, 16390);
    put_int4(result, 0, ACT_USER, 16400);
    put_int4(result, 1, ACT_DATABASE, 99);
    put_int4(result, 1, ACT_USER, 99);
    put_int4(result, 2, ACT_DATABASE, 5);
    put_int4(result, 2, ACT_USER, 10);
    activity = pg_parse_activity(result, 0, databases, roles);
    sample_unref(databases);
    sample_unref(roles);
    assert_string_equal(activity->rows[0].database, "shop_prod");
    assert_string_equal(activity->rows[0].user, "shop");
    assert_int_equal(activity->rows[0].environment, ENV_PRODUCTION);
    assert_null(activity->rows[1].database);
    assert_null(activity->rows[1].user);
    assert_string_equal(activity->rows[2].database, "postgres");
    assert_string_equal(activity->rows[2].user, "postgres");
    assert_int_equal(activity->rows[2].environment, ENV_UNKNOWN);
    assert_int_equal(activity->unnamed, 1);
    sample_unref(activity);
    postgres->environments = NULL;
    postgres->environment_count = 0;
    config_free(config);
}

static void databases_count_their_sessions(void **state)
{
    struct pg_databases *databases = two_databases(NULL);
    PGresult *result = result_of(PG_QUERY_ACTIVITY);
    struct pg_activity *activity;

    (void)state;
    put_session(result, 0, 1, "active", 1);
    put_int4(result, 0, ACT_DATABASE, 16390);
    put_session(result, 1, 2, "idle", 1);
    put_int4(result, 1, ACT_DATABASE, 16390);
    put_session(result, 2, 3, "active", 1);
    put_int4(result, 2, ACT_DATABASE, 16390);
    put_text(result, 2, ACT_BACKEND_TYPE, "autovacuum worker");
    activity = parse(result);
    assert_int_equal(databases->rows[0].connections, -1);
    pg_databases_count(databases, activity);
    assert_string_equal(databases->rows[1].name, "shop_prod");
    assert_int_equal(databases->rows[1].connections, 3);
    assert_int_equal(databases->rows[1].active, 1);
    assert_int_equal(databases->rows[0].connections, 0);
    sample_unref(activity);
    sample_unref(databases);
}

/* ---- rates ---- */

struct figures {
    int64_t commits, rollbacks, hits, reads, temp, reset;
};

static void put_figures(PGresult *result, int row, uint32_t oid, struct figures figures)
{
    put_int4(result, row, DB_OID, (int32_t)oid);
    put_text(result, row, DB_NAME, "name");
    put_int8(result, row, DB_COMMIT, figures.commits);
    put_int8(result, row, DB_ROLLBACK, figures.rollbacks);
    put_int8(result, row, DB_HIT, figures.hits);
    put_int8(result, row, DB_READ, figures.reads);
    put_int8(result, row, DB_TEMP_BYTES, figures.temp);
    put_int8(result, row, DB_STATS_RESET, figures.reset);
}

static struct pg_databases *databases_at(int64_t now, struct figures first, struct figures second)
{
    PGresult *result = result_of(PG_QUERY_DATABASES);

    put_figures(result, 0, 2, second);
    put_figures(result, 1, 1, first);
    put_int8(result, 0, DB_NOW, now);
    return pg_parse_databases(result, NULL);
}

static void rates_are_over_the_time_between(void **state)
{
    struct pg_databases *before =
        databases_at(NOW, (struct figures){100, 10, 900, 100, 0, 7}, (struct figures){.reset = 7});
    struct pg_databases *now =
        databases_at(NOW + 2 * SECOND, (struct figures){300, 20, 990, 110, 4096, 7},
                     (struct figures){.reset = 7});

    (void)state;
    pg_databases_rates(now, before);
    assert_true(now->rows[0].tps == 105.0);
    assert_true(now->rows[0].rollbacks == 5.0);
    assert_true(now->rows[0].hit_rate == 0.9);
    assert_true(now->rows[0].temp_rate == 2048.0);
    assert_true(now->rows[1].tps == 0.0);
    assert_true(isnan(now->rows[1].hit_rate));
    assert_true(now->tps == 105.0);
    assert_true(now->hit_rate == 0.9);
    sample_unref(before);
    sample_unref(now);
}

static void no_rates_without_a_comparable_sample(void **state)
{
    const struct figures low = {100, 0, 0, 0, 0, 7}, high = {200, 0, 0, 0, 0, 7};
    const struct figures reset = {200, 0, 0, 0, 0, 8};
    struct pg_databases *first = databases_at(NOW, high, high);
    struct pg_databases *same_time = databases_at(NOW, high, high);
    struct pg_databases *one_reset = databases_at(NOW + SECOND, reset, high);
    struct pg_databases *backwards = databases_at(NOW + SECOND, low, low);
    struct pg_databases *restarted = databases_at(NOW + SECOND, high, high);

    (void)state;
    pg_databases_rates(first, NULL);
    assert_true(isnan(first->tps));
    pg_databases_rates(same_time, first);
    assert_true(isnan(same_time->tps));
    pg_databases_rates(one_reset, first);
    assert_true(isnan(one_reset->rows[0].tps));
    assert_true(one_reset->rows[1].tps == 0.0);
    assert_true(one_reset->tps == 0.0);
    pg_databases_rates(backwards, first);
    assert_true(isnan(backwards->rows[0].tps));
    assert_true(isnan(backwards->tps));
    restarted->sample.generation = 1;
    pg_databases_rates(restarted, first);
    assert_true(isnan(restarted->tps));
    sample_unref(first);
    sample_unref(same_time);
    sample_unref(one_reset);
    sample_unref(backwards);
    sample_unref(restarted);
}

/* ---- the rest ---- */

static void the_server_is_read(void **state)
{
    PGresult *result = result_of(PG_QUERY_SERVER);
    struct pg_server *server;

    (void)state;
    put_int4(result, 0, SERVER_VERSION, 150018);
    put_text(result, 0, SERVER_VERSION_TEXT, "15.18 (Debian 15.18-0+deb12u1)");
    put_int4(result, 0, SERVER_MAX_CONNECTIONS, 100);
    put_bool(result, 0, SERVER_MONITOR, true);
    server = pg_parse_server(result);
    assert_int_equal(server->version, 150018);
    assert_string_equal(server->version_text, "15.18");
    assert_int_equal(server->max_connections, 100);
    assert_true(server->monitor);
    assert_false(server->superuser);
    assert_null(server->data_directory);
    assert_true(server->start_time == PG_NO_TIME);
    sample_unref(server);
}

static void single_values(void **state)
{
    PGresult *size = result_of(PG_QUERY_SIZE), *setup = result_of(PG_QUERY_SETUP_POLL);

    (void)state;
    assert_true(pg_parse_size(size) == -1);
    assert_false(pg_parse_direct(setup));
    put_int8(size, 0, 0, 123456789012);
    put_bool(setup, 0, SETUP_DIRECT, true);
    assert_true(pg_parse_size(size) == 123456789012);
    assert_true(pg_parse_direct(setup));
    assert_true(pg_parse_size(setup) == -1);
    put_bytes(size, 0, 0, "1234", 4);
    assert_true(pg_parse_size(size) == -1);
    PQclear(size);
    PQclear(setup);
}

static void another_shape_gives_an_empty_sample(void **state)
{
    struct pg_activity *activity = parse(result_of(PG_QUERY_DATABASES));
    struct pg_databases *databases = pg_parse_databases(result_of(PG_QUERY_ACTIVITY), NULL);
    struct pg_roles *roles = pg_parse_roles(PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR));
    struct pg_server *server = pg_parse_server(result_of(PG_QUERY_SERVER));

    (void)state;
    assert_int_equal(activity->count, 0);
    assert_int_equal(databases->count, 0);
    assert_true(isnan(databases->tps));
    assert_int_equal(roles->count, 0);
    assert_int_equal(server->version, 0);
    assert_null(server->version_text);
    pg_databases_count(databases, activity);
    sample_unref(activity);
    sample_unref(databases);
    sample_unref(roles);
    sample_unref(server);
}

/* ---- the table ---- */

static void every_version_has_every_query(void **state)
{
    (void)state;
    for (int version = PG_MIN_VERSION; version <= 180000; version += 10000) {
        for (int id = 0; id < PG_QUERIES; id++) {
            const struct pg_query *query = pg_query_find((enum pg_query_id)id, version);

            assert_non_null(query);
            assert_int_equal(query->id, id);
            assert_true(query->columns > 0 && query->columns <= PG_MAX_COLUMNS);
            for (size_t i = 0; i < query->columns; i++)
                assert_true(query->types[i] != 0);
        }
    }
    assert_null(pg_query_find(PG_QUERY_ACTIVITY, 120000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_known),
        cmocka_unit_test(an_empty_row_is_all_absent),
        cmocka_unit_test(clients_have_addresses),
        cmocka_unit_test(blockers_are_listed),
        cmocka_unit_test(a_lying_array_is_no_array),
        cmocka_unit_test(counts_are_of_clients),
        cmocka_unit_test(a_hidden_row_counts_as_a_client),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(rows_take_names_and_keep_them),
        cmocka_unit_test(databases_count_their_sessions),
        cmocka_unit_test(rates_are_over_the_time_between),
        cmocka_unit_test(no_rates_without_a_comparable_sample),
        cmocka_unit_test(the_server_is_read),
        cmocka_unit_test(single_values),
        cmocka_unit_test(another_shape_gives_an_empty_sample),
        cmocka_unit_test(every_version_has_every_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
