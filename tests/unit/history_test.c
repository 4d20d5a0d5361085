#include "backend/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void the_last_values_come_oldest_first(void **state)
{
    struct history *history = history_new(2, 10);
    float values[10];

    (void)state;
    assert_int_equal(history_last(history, 0, values, 10), 0);
    for (int i = 1; i <= 4; i++)
        history_push(history, (float[]){(float)i, (float)(10 * i)});
    assert_int_equal(history_count(history), 4);
    assert_int_equal(history_last(history, 0, values, 10), 4);
    assert_true(values[0] == 1 && values[3] == 4);
    assert_int_equal(history_last(history, 1, values, 2), 2);
    assert_true(values[0] == 30 && values[1] == 40);
    history_free(history);
}

/* Around and around, past the places where it grows. */
static void the_oldest_make_room(void **state)
{
    enum { CAPACITY = 300 };
    struct history *history = history_new(1, CAPACITY);
    float values[CAPACITY + 1];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const size_t want = i + 1 < CAPACITY ? (size_t)i + 1 : CAPACITY;

        history_push(history, (float[]){(float)i});
        assert_int_equal(history_last(history, 0, values, CAPACITY + 1), want);
        for (size_t j = 0; j < want; j++)
            assert_true(values[j] == (float)(i + 1 - (int)want + (int)j));
    }
    assert_int_equal(history_count(history), CAPACITY);
    history_free(history);
}

static void a_gap_is_no_number(void **state)
{
    struct history *history = history_new(3, 5);
    float value;

    (void)state;
    history_push(history, (float[]){1, NAN, 3});
    history_push(history, NULL);
    for (size_t metric = 0; metric < 3; metric++) {
        assert_int_equal(history_last(history, metric, &value, 1), 1);
        assert_true(isnan(value));
    }
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_values_come_oldest_first),
        cmocka_unit_test(the_oldest_make_room),
        cmocka_unit_test(a_gap_is_no_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
