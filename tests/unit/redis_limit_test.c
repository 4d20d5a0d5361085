#include "backend/redis_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, int64_t hard, int64_t soft, int64_t seconds)
{
    struct redis_limit limit;

    redis_limit_parse(text, strlen(text), &limit);
    assert_int_equal(limit.hard, hard);
    assert_int_equal(limit.soft, soft);
    assert_int_equal(limit.soft_seconds, seconds);
}

/* What is not there, or is no number, is not known, which is not the same as no limit. */
static void test_parse(void **state)
{
    (void)state;
    expect("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", 0, 0, 0);
    expect("slave 1 2 3 normal 67108864 33554432 10", 67108864, 33554432, 10);
    expect("pubsub 1 2 3 replica 4 5 6", -1, -1, -1);
    expect("", -1, -1, -1);
    expect("normal 5 6", -1, -1, -1);
    expect("normal 64mb 0 0", -1, 0, 0);
    expect("normal 99999999999999999999999 0 0", -1, 0, 0);
    expect("abnormal 5 6 7", -1, -1, -1);
}

static void test_read(void **state)
{
    redisReply name = {.type = REDIS_REPLY_STRING, .str = (char[]){REDIS_LIMIT_SETTING}};
    redisReply value = {.type = REDIS_REPLY_STRING, .str = (char[]){"normal 9 8 7"}, .len = 12};
    redisReply *both[] = {&name, &value};
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = both};
    const redisReply refused = {.type = REDIS_REPLY_ERROR, .str = (char[]){"NOPERM"}, .len = 6};
    struct redis_limit limit;

    (void)state;
    redis_limit_read(&reply, &limit);
    assert_int_equal(limit.hard, 9);
    assert_string_equal(limit.why, "");
    reply.elements = 0; /* a server without that setting */
    redis_limit_read(&reply, &limit);
    assert_int_equal(limit.hard, -1);
    assert_string_equal(limit.why, "this server has no such setting");
    redis_limit_read(&refused, &limit);
    assert_int_equal(limit.hard, -1);
    assert_string_equal(limit.why, "CONFIG GET: NOPERM");
    redis_limit_parse("normal 64mb 0 0", 15, &limit);
    assert_string_equal(limit.why, "its setting is no number");
    redis_limit_parse("slave 1 2 3", 11, &limit);
    assert_string_equal(limit.why, "its setting names no ordinary clients");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
