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
    struct redis_info info = {
        .used_memory = used, .maxmemory = max, .role = "master", .version = "7.0.15"};

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
    const struct redis_info odd = server(125 << 20, 128 << 20, "");

    (void)state;
    expect_danger(&odd, "this server may evict keys (unknown policy, 3.0M room)");
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

static void expect_said(const struct redis_info *info, const char *expected)
{
    char *text = monitor_preflight(info, "cache", 30);

    if (!strstr(text, expected))
        fail_msg("no '%s' in: %s", expected, text);
    free(text);
}

static void expect_never_said(const struct redis_info *info, const char *text)
{
    char *whole = monitor_preflight(info, "cache", 30);

    if (strstr(whole, text))
        fail_msg("'%s' in: %s", text, whole);
    free(whole);
}

static struct redis_info replica(int64_t used, int64_t max, const char *version)
{
    struct redis_info info = server(used, max, "allkeys-lru");

    snprintf(info.role, sizeof(info.role), "slave");
    snprintf(info.version, sizeof(info.version), "%s", version);
    return info;
}

/* It evicts nothing of its own since Redis 5: its master does. */
static void test_replica(void **state)
{
    static const char said[] =
        "this server is a replica, which evicts nothing and grows beyond its "
        "limit, unless replica-ignore-maxmemory is off (allkeys-lru, ";
    const struct redis_info roomy = replica(64 << 20, 128 << 20, "7.0.15");
    const struct redis_info full = replica(125 << 20, 128 << 20, "10.0.1");
    const struct redis_info beyond = replica(200 << 20, 128 << 20, "5.0.0");
    const struct redis_info unlimited = replica(64 << 20, 0, "7.0.15");
    const struct redis_info old = replica(64 << 20, 128 << 20, "4.0.14");

    (void)state;
    expect_said(&roomy, said);
    expect_said(&roomy, "room    64.0M until it is beyond its limit;");
    expect_never_said(&roomy, "may evict");
    expect_never_said(&roomy, "refuse");
    expect_said(&full, "3.0M room)");
    expect_said(&full, "even a connection may take it beyond\n");
    expect_said(&beyond, "0 room)");
    expect_danger(&unlimited, "this server has no memory limit of its own: it evicts nothing");
    expect_danger(&old, "this server may evict keys (allkeys-lru, 64.0M room)");
    assert_false(monitor_could_hurt(&roomy));
    assert_true(monitor_could_hurt(&full));
    assert_true(monitor_could_hurt(&beyond));
    assert_false(monitor_could_hurt(&unlimited));
    assert_true(monitor_could_hurt(&old));
}

/* Where INFO says nothing of the memory, that is said: nothing is taken for none. */
static void test_unknown(void **state)
{
    const struct redis_info limit = server(64 << 20, -1, "");
    const struct redis_info used = server(-1, 128 << 20, "noeviction");
    const struct redis_info unlimited = server(-1, 0, "noeviction");

    (void)state;
    expect_danger(&limit, "what this server does when its memory is full is not known");
    expect_said(&limit, "memory  64.0M of a limit that is not known, policy not known\n");
    expect_never_said(&limit, "no limit");
    expect_danger(&used, "this server may refuse writes (noeviction, unknown room)");
    expect_said(&used, "memory  unknown of 128M, policy noeviction\n");
    assert_true(monitor_could_hurt(&limit));
    assert_true(monitor_could_hurt(&used));
    assert_false(monitor_could_hurt(&unlimited));
}

/* Nothing that a server says overflows, or becomes more room than there is. */
static void test_hostile_numbers(void **state)
{
    static const int64_t numbers[] = {INT64_MIN, -INT64_MAX, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
    const struct redis_info below = server(-INT64_MAX, INT64_MAX, "allkeys-lru");
    const struct redis_info beyond = server(INT64_MAX, 1, "allkeys-lru");

    (void)state;
    expect_danger(&below, "this server may evict keys (allkeys-lru, unknown room)");
    expect_danger(&beyond, "this server may evict keys (allkeys-lru, 0 room)");
    for (int i = 0; i < COUNT * COUNT; i++) {
        const struct redis_info info =
            server(numbers[i / COUNT], numbers[i % COUNT], "allkeys-lru");

        expect_said(&info, info.maxmemory < 0    ? "is full is not known"
                           : info.maxmemory == 0 ? "no memory limit of its own"
                                                 : "may evict keys");
        assert_int_equal(monitor_could_hurt(&info), info.maxmemory != 0);
    }
}

/* Both texts are drawn as they are. */
static void test_hostile_text(void **state)
{
    const struct redis_info info = server(1 << 20, 1 << 30, "all\x1b[31mkeys\xff");
    char *danger = monitor_danger(&info), *whole = monitor_preflight(&info, "ca\x1b]0;che", 30);

    (void)state;
    assert_non_null(strstr(danger, "[31mkeys"));
    assert_non_null(strstr(whole, "]0;che"));
    assert_null(strpbrk(danger, "\x1b\xff"));
    assert_null(strpbrk(whole, "\x1b\xff"));
    free(danger);
    free(whole);
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
        cmocka_unit_test(test_danger),       cmocka_unit_test(test_who_is_asked),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_replica),
        cmocka_unit_test(test_unknown),      cmocka_unit_test(test_hostile_numbers),
        cmocka_unit_test(test_hostile_text),
    };

    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
