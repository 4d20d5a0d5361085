/* The answers of a PostgreSQL that says anything: any shape, any bytes in any cell; and its
 * messages. */
#include "backend/base/mem.h"
#include "backend/pg_error.h"
#include "tests/unit/pg_result.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at;
    size_t left;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static unsigned take(struct bytes *bytes)
{
    if (!bytes->left)
        return 0;
    bytes->left--;
    return *bytes->at++;
}

/* Most cells have the length of their type, so that the parsers get further than its check. */
static int length_of(const PGresult *result, int column, struct bytes *bytes)
{
    unsigned choice = take(bytes);

    if (choice < 16)
        return -1;
    if (choice < 64)
        return (int)(choice - 16);
    switch (PQftype(result, column)) {
    case PG_BOOL: return 1;
    case PG_INT4:
    case PG_OID: return 4;
    case PG_INT8:
    case PG_TIMESTAMPTZ: return 8;
    case PG_INET: return choice & 1 ? 8 : 20;
    case PG_INT4_ARRAY: return (int)(20 + 8 * (choice & 7));
    default: return (int)(choice & 31);
    }
}

static PGresult *make_result(enum pg_query_id id, struct bytes *bytes)
{
    PGresult *result = result_of(id);
    const int rows = (int)(take(bytes) & 7), columns = PQnfields(result);
    char cell[128];

    for (int i = 0; i < rows * columns; i++) {
        int length = length_of(result, i % columns, bytes);

        for (int j = 0; j < length; j++)
            cell[j] = (char)take(bytes);
        put_bytes(result, i / columns, i % columns, cell, length);
    }
    return result;
}

static void check_activity(const struct pg_activity *activity)
{
    int sum = 0;

    check((size_t)activity->counts.total <= activity->count);
    for (size_t i = 0; i < activity->count; i++) {
        const struct pg_session *row = &activity->rows[i];

        for (size_t j = 0; j < row->blocked_by_count; j++)
            sum ^= row->blocked_by[j];
        sum ^= row->client ? (int)strlen(row->client) : 0;
        sum ^= row->query ? (int)strlen(row->query) : 0;
        check(pg_session_seconds(row, activity->now) >= -1.0);
    }
    check(sum != INT32_MIN + 1 || activity->count > 0);
}

static void check_rates(const struct pg_databases *now)
{
    check(isnan(now->hit_rate) || (now->hit_rate >= 0.0 && now->hit_rate <= 1.0));
    for (size_t i = 0; i < now->count; i++)
        check(isnan(now->rows[i].tps) || now->rows[i].tps >= 0.0);
}

static void check_line(const uint8_t *data, size_t size)
{
    struct postgres_config config = {0};
    char *text = mem_strndup(size ? (const char *)data : "", size);
    char *line = pg_error_line(text), *hint = pg_error_hint(line, &config);

    check(*line && !strpbrk(line, "\r\n"));
    free(hint);
    free(line);
    free(text);
}

/* The first byte picks the shape of what is passed off as an activity. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    const unsigned shape = take(&bytes);
    struct pg_databases *before = pg_parse_databases(make_result(PG_QUERY_DATABASES, &bytes), NULL);
    struct pg_databases *now = pg_parse_databases(make_result(PG_QUERY_DATABASES, &bytes), NULL);
    struct pg_roles *roles = pg_parse_roles(make_result(PG_QUERY_ROLES, &bytes));
    struct pg_server *server = pg_parse_server(make_result(PG_QUERY_SERVER, &bytes));
    struct pg_activity *activity =
        pg_parse_activity(make_result(shape < 240 ? PG_QUERY_ACTIVITY : PG_QUERY_ROLES, &bytes),
                          server->query_size, now, roles);

    check_activity(activity);
    pg_databases_rates(now, before);
    pg_databases_count(now, activity);
    check_rates(now);
    check_line(data, size);
    sample_unref(before);
    sample_unref(now);
    sample_unref(roles);
    sample_unref(server);
    sample_unref(activity);
    return 0;
}
