/* What real servers say of the limit of ordinary clients, and that nobody who may not ask is told "no
 * limit". */
#include "backend/redis_limit.h"

#include "tests/integration/redis_lab.h"

static struct redis_limit ask(redisContext *context)
{
    redisReply *reply = redisCommand(context, "CONFIG GET " REDIS_LIMIT_SETTING);
    struct redis_limit limit;

    assert_non_null(reply);
    redis_limit_read(reply, &limit);
    freeReplyObject(reply);
    return limit;
}

/* Why it is not known is not always a right that is missing. */
static void test_no_such_command(void **state)
{
    static const char *const settings[] = {"--rename-command", "CONFIG", "", NULL};
    struct redis_limit limit;
    struct lab lab;

    (void)state;
    lab_start(&lab, settings);
    limit = ask(lab.admin);
    assert_int_equal(limit.hard, -1);
    assert_non_null(strstr(limit.why, "unknown command"));
    assert_null(strstr(limit.why, "NOPERM"));
    lab_stop(&lab);
}

static void test_limits(void **state)
{
    struct redis_limit limit;
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    limit = ask(lab.admin);
    assert_int_equal(limit.hard, 0);
    assert_int_equal(limit.soft, 0);
    assert_string_equal(limit.why, "");
    LAB_RUN(&lab, "CONFIG SET %s %s", REDIS_LIMIT_SETTING, "normal 64mb 32mb 10");
    limit = ask(lab.admin);
    assert_int_equal(limit.hard, 64 << 20);
    assert_int_equal(limit.soft, 32 << 20);
    assert_int_equal(limit.soft_seconds, 10);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all -config|get");
    LAB_RUN(&lab, "AUTH app pw");
    limit = ask(lab.admin);
    assert_int_equal(limit.hard, -1);
    assert_int_equal(limit.soft, -1);
    assert_non_null(strstr(limit.why, "NOPERM"));
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_no_such_command)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
