/* What is said before a MONITOR begins must be true of that server. */
#include "panels/monitor.h"

#include "backend/redis_data.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct redis_info server(int64_t used, int64_t max, const char *policy)
{
    struct redis_info info = {.used_memory = used, .maxmemory = max};

    snprintf(info.policy, sizeof(info.policy), "%s", policy);
    info.rates.ops = info.rates.net_in = NAN;
    return info;
}

static void expect_danger(const struct redis_info *info, const char *expected)
{
    char *text = monitor_danger(info), *whole = monitor_preflight(info, "cache", 30);

    assert_string_equal(text, expected);
    assert_non_null(strstr(whole, expected));
    free(text);
    free(whole);
}

static void test_danger(void **state)
{
    const struct redis_info evicting = server(125 << 20, 128 << 20, "allkeys-lru");
    const struct redis_info roomy = server(1 << 20, 1 << 30, "volatile-ttl");
    const struct redis_info refusing = server(125 << 20, 128 << 20, "noeviction");
    const struct redis_info unlimited = server(125 << 20, 0, "allkeys-lru");

    (void)state;
    expect_danger(&evicting, "this server may evict keys (allkeys-lru, 3.0M room)");
    expect_danger(&roomy, "this server may evict keys (volatile-ttl, 1023M room)");
    expect_danger(&refusing, "this server may refuse writes (noeviction, 3.0M room)");
    expect_danger(&unlimited, "this server has no memory limit of its own: it evicts nothing");
    expect_danger(NULL, "what this server does when its memory is full is not known");
}

static void test_who_is_asked(void **state)
{
    const struct redis_info evicting = server(125 << 20, 128 << 20, "allkeys-lru");
    const struct redis_info refusing = server(64 << 20, 128 << 20, "noeviction");
    const struct redis_info full = server(127 << 20, 128 << 20, "noeviction");
    const struct redis_info unlimited = server(125 << 20, 0, "allkeys-lru");

    (void)state;
    assert_true(monitor_could_hurt(NULL));
    assert_true(monitor_could_hurt(&evicting));
    assert_false(monitor_could_hurt(&refusing));
    assert_true(monitor_could_hurt(&full));
    assert_false(monitor_could_hurt(&unlimited));
}

static void expect_limit(const struct redis_limit *limit, const char *expected)
{
    struct redis_info info = server(1 << 20, 0, "noeviction");
    char *text;

    info.client_limit = *limit;
    text = monitor_preflight(&info, "cache", 30);
    assert_non_null(strstr(text, expected));
    free(text);
}

/* A soft limit ends a slow reader too; what is not known is told with its true reason. */
static void test_limit(void **state)
{
    const struct redis_limit none = {.hard = 0}, hard = {.hard = 64 << 20},
                             soft = {.soft = 32 << 20, .soft_seconds = 10},
                             unknown = REDIS_LIMIT_UNKNOWN("CONFIG GET: ERR unknown\x1b command");

    (void)state;
    expect_limit(&none, "none: the server keeps whatever");
    expect_limit(&hard, "a reader leave 64.0M unread\n");
    expect_limit(&soft, "a reader leave 32.0M unread for 10 s\n");
    expect_limit(&unknown, "not known (CONFIG GET: ERR unknown");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_danger),
        cmocka_unit_test(test_who_is_asked),
        cmocka_unit_test(test_limit),
    };

    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
