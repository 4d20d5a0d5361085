#include "backend/redis_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *url, *path, *host;
    int port, db;
    bool tls;
    const char *user, *password, *shown;
} good[] = {
    {"", NULL, "127.0.0.1", 6379, 0, false, NULL, NULL, "127.0.0.1:6379"},
    {"redis://", NULL, "127.0.0.1", 6379, 0, false, NULL, NULL, "127.0.0.1:6379"},
    {"redis://cache", NULL, "cache", 6379, 0, false, NULL, NULL, "cache:6379"},
    {"REDIS://Cache:7000/3", NULL, "Cache", 7000, 3, false, NULL, NULL, "Cache:7000"},
    {"rediss://cache/", NULL, "cache", 6379, 0, true, NULL, NULL, "cache:6379"},
    {"redis://:pa%2Fss@h:1/15", NULL, "h", 1, 15, false, NULL, "pa/ss", "h:1"},
    {"redis://u:p:w@h", NULL, "h", 6379, 0, false, "u", "p:w", "h:6379"},
    {"redis://u:p@w@h", NULL, "h", 6379, 0, false, "u", "p@w", "h:6379"},
    {"redis://u@h", NULL, "h", 6379, 0, false, "u", NULL, "h:6379"},
    {"redis://u:@h", NULL, "h", 6379, 0, false, "u", "", "h:6379"},
    {"redis://:@h", NULL, "h", 6379, 0, false, NULL, NULL, "h:6379"},
    {"redis://h?db=4", NULL, "h", 6379, 4, false, NULL, NULL, "h:6379"},
    {"redis://[::1]:7000/2", NULL, "::1", 7000, 2, false, NULL, NULL, "[::1]:7000"},
    {"redis://[fe80::1%eth0]", NULL, "fe80::1%eth0", 6379, 0, false, NULL, NULL,
     "[fe80::1%eth0]:6379"},
    {"::1", NULL, "::1", 6379, 0, false, NULL, NULL, "[::1]:6379"},
    {"localhost", NULL, "localhost", 6379, 0, false, NULL, NULL, "localhost:6379"},
    {"10.0.0.1:65535", NULL, "10.0.0.1", 65535, 0, false, NULL, NULL, "10.0.0.1:65535"},
    {":7000", NULL, "127.0.0.1", 7000, 0, false, NULL, NULL, "127.0.0.1:7000"},
    {"unix:/run/redis.sock", "/run/redis.sock", NULL, 6379, 0, false, NULL, NULL,
     "/run/redis.sock"},
    {"unix:run/a%20b", "run/a%20b", NULL, 6379, 0, false, NULL, NULL, "run/a%20b"},
    {"unix:/run/r?db=2", "/run/r", NULL, 6379, 2, false, NULL, NULL, "/run/r"},
    {"unix:/run/r?x", "/run/r?x", NULL, 6379, 0, false, NULL, NULL, "/run/r?x"},
    {"unix:///run/a%20b?db=7", "/run/a b", NULL, 6379, 7, false, NULL, NULL, "/run/a b"},
    {"unix://u:p%40@/run/@r", "/run/@r", NULL, 6379, 0, false, "u", "p@", "/run/@r"},
    {"/run/redis.sock", "/run/redis.sock", NULL, 6379, 0, false, NULL, NULL, "/run/redis.sock"},
    {"//run/r", "//run/r", NULL, 6379, 0, false, NULL, NULL, "//run/r"},
};

static void same(const char *is, const char *should)
{
    if (!is || !should)
        assert_ptr_equal(is, should);
    else
        assert_string_equal(is, should);
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct redis_address address;
        char *error, *shown;

        if (!redis_url_parse(good[i].url, &address, &error))
            fail_msg("%s: %s", good[i].url, error);
        assert_null(error);
        same(address.path, good[i].path);
        same(address.host, good[i].host);
        same(address.user, good[i].user);
        same(address.password, good[i].password);
        assert_int_equal(address.port, good[i].port);
        assert_int_equal(address.db, good[i].db);
        assert_int_equal(address.tls, good[i].tls);
        shown = redis_address_text(&address);
        assert_string_equal(shown, good[i].shown);
        free(shown);
        redis_address_free(&address);
    }
}

/* What a fault says, by a word of it. Each URL holds SECRET where a password may be. */
static const struct {
    const char *url, *word;
} bad[] = {
    {"redis://h:0", "65535"},
    {"redis://h:65536", "65535"},
    {"redis://h:", "65535"},
    {"redis://h:6379x", "65535"},
    {"redis://h:99999999999999999999", "65535"},
    {"redis://h/x", "database"},
    {"redis://h/1/2", "database"},
    {"redis://h/-1", "database"},
    {"redis://h/4294967296", "database"},
    {"redis://h?db=", "db=N"},
    {"redis://h?timeout=3", "db=N"},
    {"redis://[::1", "IPv6"},
    {"redis://[cache]", "IPv6"},
    {"redis://[fe80::1%a-name-longer-than-any-interface]", "IPv6"},
    {"::%a-name-longer-than-any-interface", "host"},
    {"redis://[::1]6379", "65535"},
    {"redis://a b", "host"},
    {"redis://a\x1b[2J", "host"},
    {"a:b:c", "65535"},
    {"http://h", "://"},
    {"u:SECRET@h", "redis://"},
    {"redis://:SEC/SECRET@h", "%2F"},
    {"redis://:SEC?SECRET@h", "%3F"},
    {"redis://:SECRET%@h", "%25"},
    {"redis://:SECRET%0@h", "%25"},
    {"redis://:SECRET%zz@h", "%25"},
    {"redis://:SECRET%00@h", "%25"},
    {"redis://%:SECRET@h", "%25"},
    {"redis://:SECRET@h:SECRET", "65535"},
    {"redis://:SECRET@h/SECRET", "database"},
    {"unix:", "missing"},
    {"unix://", "missing"},
    {"unix://u:SECRET@h/run/r", "begin with /"},
    {"unix:///a%2", "%25"},
    {"unix:///a?x=SECRET", "db=N"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct redis_address address;
        char *error;

        if (redis_url_parse(bad[i].url, &address, &error))
            fail_msg("%s was taken", bad[i].url);
        if (!strstr(error, bad[i].word) || strstr(error, "SECRET") || strpbrk(error, "\n\r\x1b"))
            fail_msg("%s: %s", bad[i].url, error);
        assert_null(address.host);
        free(error);
    }
}

static void test_path_length(void **state)
{
    char url[128] = "unix:/";
    struct redis_address address;
    char *error;

    (void)state;
    memset(url + 6, 'x', 106);
    assert_true(redis_url_parse(url, &address, &error));
    assert_int_equal(strlen(address.path), 107);
    redis_address_free(&address);
    url[112] = 'x';
    assert_false(redis_url_parse(url, &address, &error));
    assert_non_null(strstr(error, "108"));
    free(error);
}

static void test_copy(void **state)
{
    struct redis_address address, copy;
    char *error;

    (void)state;
    assert_true(redis_url_parse("rediss://u:p@h:1/2", &address, &error));
    redis_address_copy(&copy, &address);
    redis_address_free(&address);
    assert_string_equal(copy.host, "h");
    assert_string_equal(copy.user, "u");
    assert_string_equal(copy.password, "p");
    assert_true(copy.tls);
    assert_int_equal(copy.db, 2);
    redis_address_free(&copy);
    assert_null(copy.password);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_path_length),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
