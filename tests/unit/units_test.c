#include "tui/text.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void unit(char *(*format)(char *, double), double value, const char *want)
{
    char out[TEXT_UNIT_SIZE];

    assert_ptr_equal(format(out, value), out);
    assert_string_equal(out, want);
}

static void bytes(void **state)
{
    (void)state;
    unit(text_bytes, 0, "0");
    unit(text_bytes, -0.0, "0");
    unit(text_bytes, 512, "512");
    unit(text_bytes, 1023, "1023");
    unit(text_bytes, 1023.7, "1.0k");
    unit(text_bytes, 1024, "1.0k");
    unit(text_bytes, 1024 * 99.97, "100k");
    unit(text_bytes, 1023.4 * 1024, "1023k");
    unit(text_bytes, 1023.9 * 1024, "1.0M");
    unit(text_bytes, 108 * 1048576.0, "108M");
    unit(text_bytes, 4.2 * 1073741824, "4.2G");
    unit(text_bytes, -1, "–");
    unit(text_bytes, NAN, "–");
    unit(text_bytes, INFINITY, ">999Y");
}

static void counts(void **state)
{
    (void)state;
    unit(text_count, 999, "999");
    unit(text_count, 999.6, "1.0k");
    unit(text_count, 10200, "10.2k");
    unit(text_count, 99950, "100k");
    unit(text_count, 999499, "999k");
    unit(text_count, 999500, "1.0M");
    unit(text_count, 1.3e6, "1.3M");
    unit(text_count, NAN, "–");
}

static void integers(void **state)
{
    char out[TEXT_UNIT_SIZE];

    (void)state;
    assert_string_equal(text_integer(out, INT64_MIN), "-9223372036854775808");
    assert_string_equal(text_integer(out, 4711), "4711");
}

static void rates(void **state)
{
    (void)state;
    unit(text_rate, 0, "0");
    unit(text_rate, 0.04, "0.0"); /* some, not none */
    unit(text_rate, 0.2, "0.2");
    unit(text_rate, 9.94, "9.9");
    unit(text_rate, 9.96, "10");
    unit(text_rate, 12, "12");
    unit(text_rate, 5100, "5.1k");
    unit(text_rate, -1, "–");
}

static void percents(void **state)
{
    (void)state;
    unit(text_percent, 0, "0%");
    unit(text_percent, 0.994, "99.4%");
    unit(text_percent, 0.99999, "99.9%"); /* only a whole is 100 % */
    unit(text_percent, 1, "100%");
    unit(text_percent, 1.25, "125%");
    unit(text_percent, 1e300, ">999k%");
    unit(text_percent, NAN, "–");
    unit(text_percent, -0.1, "–");
}

static void durations(void **state)
{
    (void)state;
    unit(text_duration, 0, "0s");
    unit(text_duration, 0.0002, "<1ms");
    unit(text_duration, 0.0045, "4ms");
    unit(text_duration, 0.25, "0.25s");
    unit(text_duration, 0.999, "0.99s");
    unit(text_duration, 3.9, "3s");
    unit(text_duration, 59.99, "59s");
    unit(text_duration, 252, "4m12s");
    unit(text_duration, 7380, "2h03m");
    unit(text_duration, 12 * 86400 + 4 * 3600, "12d4h");
    unit(text_duration, 99 * 86400 + 23 * 3600, "99d23h");
    unit(text_duration, 100 * 86400, "100d");
    unit(text_duration, 1e300, ">273y");
    unit(text_duration, -1, "–");
}

static void fits_its_columns(void **state)
{
    double value = 1e-6;

    (void)state;
    for (int i = 0; i < 5000; i++, value *= 1.0137) { /* to 1e23 */
        char out[TEXT_UNIT_SIZE];

        assert_in_range(text_width(text_bytes(out, value)), 1, 5);
        assert_in_range(text_width(text_count(out, value)), 1, 5);
        assert_in_range(text_width(text_duration(out, value)), 1, 6);
    }
}

static void clock_is_local(void **state)
{
    (void)state;
    setenv("TZ", "UTC-2", 1);
    tzset();
    unit(text_clock, 0.5, "02:00:00");
    unit(text_clock, 45296, "14:34:56");
    unit(text_clock, NAN, "–");
    unit(text_clock, 1e300, "–");
}

static void absent_in_ascii(void **state)
{
    (void)state;
    text_set_ascii(true);
    unit(text_bytes, NAN, "-");
    text_set_ascii(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(counts),
        cmocka_unit_test(integers),
        cmocka_unit_test(rates),
        cmocka_unit_test(percents),
        cmocka_unit_test(durations),
        cmocka_unit_test(fits_its_columns),
        cmocka_unit_test(clock_is_local),
        cmocka_unit_test(absent_in_ascii),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
