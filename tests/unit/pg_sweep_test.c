#include "backend/pg_sweep.h"
#include "tests/unit/pg_result.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MINUTE = 60000 };

static void follow(struct pg_sweep *sweep, const int *oids, int count)
{
    PGresult *result = result_of(PG_QUERY_DATABASES);
    struct pg_databases *databases;

    for (int i = 0; i < count; i++)
        put_int4(result, i, DB_OID, oids[i]);
    databases = pg_parse_databases(result, NULL);
    pg_sweep_update(sweep, databases);
    sample_unref(databases);
}

static const int three[] = {1, 2, 3};

static uint32_t next(struct pg_sweep *sweep, uint64_t now)
{
    uint32_t oid;

    return pg_sweep_next(sweep, now, &oid) ? oid : 0;
}

/* Measures all that is due, each in ms. */
static int measure_all(struct pg_sweep *sweep, uint64_t now, uint64_t ms)
{
    uint32_t oid;
    int count = 0;

    while ((oid = next(sweep, now)) != 0) {
        pg_sweep_done(sweep, oid, now, ms, 1000 * (int64_t)oid, NULL);
        count++;
    }
    return count;
}

static void each_is_measured_once_a_minute(void **state)
{
    struct pg_sweep *sweep = pg_sweep_new();
    struct pg_sizes *sizes;

    (void)state;
    assert_int_equal(next(sweep, 5), 0);
    follow(sweep, three, 3);
    assert_int_equal(next(sweep, 10), 1);
    pg_sweep_done(sweep, 1, 12, 2, 4096, NULL);
    assert_true(pg_sweep_changed(sweep));
    sizes = pg_sweep_sample(sweep);
    assert_false(pg_sweep_changed(sweep));
    assert_int_equal(sizes->count, 3);
    assert_true(sizes->rows[0].bytes == 4096 && sizes->rows[0].at == 12);
    assert_true(sizes->rows[1].bytes == -1);
    sample_unref(sizes);
    assert_int_equal(measure_all(sweep, 20, 1), 2);
    assert_int_equal(next(sweep, 9 + MINUTE), 0);
    assert_int_equal(measure_all(sweep, 10 + MINUTE, 1), 3);
    pg_sweep_free(sweep);
}

static void a_slow_sweep_pauses_four_times_as_long(void **state)
{
    struct pg_sweep *sweep = pg_sweep_new();

    (void)state;
    follow(sweep, three, 3);
    assert_int_equal(measure_all(sweep, 1, 10000), 3);
    assert_int_equal(next(sweep, 1 + 2 * MINUTE - 1), 0);
    assert_int_equal(next(sweep, 1 + 2 * MINUTE), 1);
    pg_sweep_free(sweep);
}

static void a_failure_keeps_the_size_and_waits_longer(void **state)
{
    struct pg_sweep *sweep = pg_sweep_new();
    struct pg_sizes *sizes;
    uint64_t now = 1 + MINUTE;

    (void)state;
    follow(sweep, three, 1);
    measure_all(sweep, 1, 1);
    for (uint64_t minutes = 2; minutes < 60; minutes *= 2) {
        assert_int_equal(next(sweep, now), 1);
        pg_sweep_done(sweep, 1, now, 1, -1, "permission denied");
        assert_int_equal(next(sweep, now + minutes * MINUTE - 1), 0);
        now += (minutes + 1) * MINUTE; /* a sweep that finds nothing due counts as one */
    }
    sizes = pg_sweep_sample(sweep);
    assert_true(sizes->rows[0].bytes == 1000);
    assert_true(sizes->rows[0].at == 1);
    assert_string_equal(sizes->rows[0].error, "permission denied");
    sample_unref(sizes);
    pg_sweep_free(sweep);
}

static void databases_come_and_go(void **state)
{
    static const int others[] = {2, 4};
    struct pg_sweep *sweep = pg_sweep_new();
    struct pg_sizes *sizes;

    (void)state;
    follow(sweep, three, 3);
    assert_int_equal(next(sweep, 1), 1);
    pg_sweep_done(sweep, 1, 1, 1, -1, "failed");
    measure_all(sweep, 1, 1);
    follow(sweep, others, 2);
    sizes = pg_sweep_sample(sweep);
    assert_int_equal(sizes->count, 2);
    assert_true(sizes->rows[0].oid == 2 && sizes->rows[0].bytes == 2000);
    assert_true(sizes->rows[1].oid == 4 && sizes->rows[1].bytes == -1);
    sample_unref(sizes);
    assert_int_equal(next(sweep, 3), 4); /* at once, and alone */
    pg_sweep_done(sweep, 4, 3, 1, 4000, NULL);
    assert_int_equal(next(sweep, 4), 0);
    assert_int_equal(next(sweep, MINUTE), 0);
    sample_unref(pg_sweep_sample(sweep));
    pg_sweep_done(sweep, 1, 2, 1, 5, NULL); /* its answer came after it had gone */
    assert_false(pg_sweep_changed(sweep));
    follow(sweep, NULL, 0);
    assert_int_equal(next(sweep, 10 * (uint64_t)MINUTE), 0);
    pg_sweep_free(sweep);
    pg_sweep_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_measured_once_a_minute),
        cmocka_unit_test(a_slow_sweep_pauses_four_times_as_long),
        cmocka_unit_test(a_failure_keeps_the_size_and_waits_longer),
        cmocka_unit_test(databases_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
