/* Names of databases and users: which are refused, and what key the password gets. */
#include "backend/act_createdb.h"
#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_fault(const char *what, const char *name, const char *words)
{
    char *fault = createdb_name_fault(what, name);

    if (!words)
        assert_null(fault);
    else if (!fault || !strstr(fault, words))
        fail_msg("\"%s\" is not in: %s", words, fault ? fault : "(nothing)");
    free(fault);
}

static void test_names(void **state)
{
    static const char long_name[] =
        "123456789012345678901234567890123456789012345678901234567890123";

    (void)state;
    assert_fault("database name", "shop", NULL);
    assert_fault("database name", long_name, NULL);
    assert_fault("database name",
                 "123456789012345678901234567890123456789012345678901234567890123x",
                 "is 64 bytes long: PostgreSQL takes at most 63");
    assert_fault("database name", "Größe \"x\" 'y' ; --", NULL);
    assert_fault("database name", NULL, "is missing");
    assert_fault("database name", "", "is missing");
    assert_fault("database name", "   ", "nothing but spaces");
    assert_fault("database name", "a\tb", "control");
    assert_fault("database name", "a\x7f", "control");
    assert_fault("database name", "a\xc2\x9b", "control");
    assert_fault("database name",
                 "a\xe2\x80\xae"
                 "b",
                 "invisible");
    assert_fault("database name", "pg_thing", NULL);
    assert_fault("user name", "pg_thing", "is reserved by PostgreSQL");
    assert_fault("user name", "public", "is reserved");
}

static void assert_key(const char *name, const char *expected)
{
    char *key = createdb_env_key(name);

    assert_string_equal(key, expected);
    free(key);
}

static void test_keys(void **state)
{
    (void)state;
    assert_key("shop_dev", "SHOP_DEV_PASSWORD");
    assert_key("a b-c", "A_B_C_PASSWORD");
    assert_key("1st", "_1ST_PASSWORD");
    assert_key("ä", "___PASSWORD");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests_name("act_createdb", tests, NULL, NULL);
}
