#include "backend/backup_words.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    double value;
    const char *text;
} sizes[] =
    {
        {0, "0 bytes"},     {1023, "1023 bytes"},    {1023.6, "1.0k"},
        {1024, "1.0k"},     {1288490188.8, "1.2G"},  {104857600, "100M"},
        {1048063, "1023k"}, {1048575, "1.0M"},       {-1, "–"},
        {NAN, "–"},         {1e30, "867361737988E"},
},
  durations[] = {
      {0, "0.00s"},    {0.5, "0.50s"},    {1, "1s"}, {59.9, "59s"}, {192, "3m12s"},
      {3600, "1h00m"}, {90061, "25h01m"}, {-1, "–"}, {NAN, "–"},    {1e300, "–"},
};

static void writes_sizes_and_durations(void **state)
{
    char out[BACKUP_WORD];

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_string_equal(backup_bytes(out, sizes[i].value), sizes[i].text);
    for (size_t i = 0; i < COUNT(durations); i++)
        assert_string_equal(backup_duration(out, durations[i].value), durations[i].text);
}

static void reads_the_times_that_it_writes(void **state)
{
    static const char *const none[] = {"",
                                       "now",
                                       "2026-01-31",
                                       "2026-01-31T14:22:33",
                                       "2026-01-31T14:22:33+01:00",
                                       "2026-01-31T14:22:33.Z",
                                       "2026-01-31T14:22:33.5",
                                       "2026-01-31T14:22:33.1e3Z",
                                       "2026-01-31T14:22:33Zx"};
    char out[BACKUP_WORD];
    const double now = (double)time(NULL), read = backup_time(backup_now(out));

    (void)state;
    assert_true(read >= now && read < now + 2);
    assert_true(backup_time("1970-01-02T00:00:00Z") == 86400);
    assert_true(fabs(backup_time("2026-01-31T14:22:33.250Z") - 1769869353.25) < 1e-6);
    assert_true(isnan(backup_time(NULL)));
    for (size_t i = 0; i < COUNT(none); i++)
        assert_true(isnan(backup_time(none[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_sizes_and_durations),
        cmocka_unit_test(reads_the_times_that_it_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
