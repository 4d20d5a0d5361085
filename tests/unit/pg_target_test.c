#include "backend/pg_target.h"

#include "backend/base/mem.h"
#include "backend/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pg_target *target_of(struct postgres_config *config, const char *conninfo)
{
    char *error;
    struct pg_target *target;

    *config = (struct postgres_config){.conninfo = mem_strdup(conninfo)};
    target = pg_target_new(config, &error);
    if (!target)
        fail_msg("%s: %s", conninfo, error);
    return target;
}

static void drop(struct postgres_config *config, struct pg_target *target)
{
    pg_target_free(target);
    free(config->conninfo);
}

static void addresses_can_be_shown(void **state)
{
    static const struct {
        const char *conninfo, *address;
    } cases[] = {
        {"host=db.example.org port=6000", "db.example.org:6000"},
        {"host=10.1.2.3", "10.1.2.3:5432"},
        {"host=::1 port=7", "[::1]:7"},
        {"host=/tmp/pg port=7", "/tmp/pg/.s.PGSQL.7"},
        {"host=@abstract", "@abstract/.s.PGSQL.5432"},
        {"host=a,b port=1,2", "a:1"},
        {"hostaddr=10.0.0.9", "10.0.0.9:5432"},
        {"postgresql://user:secret@h1:1,h2:2/db", "h1:1"},
        {"host=named hostaddr=10.0.0.9", "named:5432"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct postgres_config config;
        struct pg_target *target = target_of(&config, cases[i].conninfo);
        char *address = pg_target_address(target);

        assert_string_equal(address, cases[i].address);
        free(address);
        drop(&config, target);
    }
}

static void only_names_are_looked_up(void **state)
{
    static const char *const none[] = {"host=10.1.2.3",
                                       "host=::1",
                                       "host=/tmp",
                                       "host=@abstract",
                                       "",
                                       "hostaddr=10.1.2.3",
                                       "host=name hostaddr=10.1.2.3",
                                       "host=/a,/b"};

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        struct postgres_config config;
        struct pg_target *target = target_of(&config, none[i]);

        assert_null(pg_target_unresolved(target));
        drop(&config, target);
    }
}

static void assert_option(PGconn *conn, const char *keyword, const char *value)
{
    PQconninfoOption *options = PQconninfo(conn);
    const PQconninfoOption *option = options;

    while (strcmp(option->keyword, keyword) != 0)
        option++;
    assert_non_null(option->val);
    assert_string_equal(option->val, value);
    PQconninfoFree(options);
}

static void names_become_their_addresses(void **state)
{
    static const char *const two[] = {"10.0.0.1", "10.0.0.2"};
    struct postgres_config config;
    struct pg_target *target = target_of(&config, "host=/run,first,10.9.9.9,second port=1,2,3,4 "
                                                  "sslmode=disable user=x dbname=y");
    PGconn *conn;

    (void)state;
    assert_string_equal(pg_target_unresolved(target), "first");
    assert_int_equal(pg_target_resolved(target, two, 2), 5);
    assert_string_equal(pg_target_unresolved(target), "second");
    assert_int_equal(pg_target_resolved(target, NULL, 0), 4);
    assert_null(pg_target_unresolved(target));
    conn = pg_target_connect(target);
    assert_option(conn, "host", "/run,first,first,10.9.9.9");
    assert_option(conn, "hostaddr", ",10.0.0.1,10.0.0.2,");
    assert_option(conn, "port", "1,2,2,3");
    assert_option(conn, "application_name", "sharedtop");
    assert_option(conn, "dbname", "y");
    PQfinish(conn);
    drop(&config, target);
}

static void the_last_name_without_address_leaves_nothing(void **state)
{
    struct postgres_config config;
    struct pg_target *target = target_of(&config, "host=nowhere");

    (void)state;
    assert_string_equal(pg_target_unresolved(target), "nowhere");
    assert_int_equal(pg_target_resolved(target, NULL, 0), 0);
    assert_null(pg_target_unresolved(target));
    drop(&config, target);
}

static void faults_are_told(void **state)
{
    static const struct {
        const char *conninfo, *words;
    } cases[] = {
        {"host=a,b port=1,2,3", "could not match 3 port numbers to 2 hosts"},
        {"sslmode=odd", "invalid sslmode value"},
        {"service=not_there", "definition of service"},
        {"host='unterminated", "unterminated quoted string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct postgres_config config = {.conninfo = mem_strdup(cases[i].conninfo)};
        char *error;

        assert_null(pg_target_new(&config, &error));
        assert_non_null(strstr(error, cases[i].words));
        free(error);
        free(config.conninfo);
    }
}

static void faults_tell_no_secret(void **state)
{
    static const char *const conninfos[] = {
        "host=a password=my secret",
        "host=a password=x secret=y",
        "postgresql://u:p@h/db?secret=1",
        "postgresql://u:%00secret@h/db",
        "password='secret",
        "password=x host='secret",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(conninfos) / sizeof(*conninfos); i++) {
        struct postgres_config config = {.conninfo = mem_strdup(conninfos[i])};
        char *error;

        assert_null(pg_target_new(&config, &error));
        if (strstr(error, "secret") || !*error)
            fail_msg("%s: %s", conninfos[i], error);
        free(error);
        free(config.conninfo);
    }
}

/* ---- looking up ---- */

struct lookup {
    unsigned calls;
    size_t count;
    char first[64], error[128];
};

static void on_resolved(void *context, const char *const *addresses, size_t count,
                        const char *error)
{
    struct lookup *lookup = context;

    lookup->calls++;
    lookup->count = count;
    snprintf(lookup->first, sizeof(lookup->first), "%s", count ? addresses[0] : "");
    snprintf(lookup->error, sizeof(lookup->error), "%s", error ? error : "");
}

static void a_name_is_found_or_not(void **state)
{
    struct lookup good = {0}, bad = {0};
    uv_loop_t loop;
    struct resolver *resolver;

    (void)state;
    uv_loop_init(&loop);
    resolver = resolver_new(&loop);
    resolver_lookup(resolver, "127.0.0.1", on_resolved, &good);
    assert_int_equal(good.calls, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(good.calls, 1);
    assert_string_equal(good.first, "127.0.0.1");
    resolver_lookup(resolver, "no-such-host.invalid", on_resolved, &bad);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(bad.count, 0);
    assert_non_null(strstr(bad.error, "could not find host \"no-such-host.invalid\""));
    resolver_free(resolver);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_stopped_lookup_says_nothing(void **state)
{
    struct lookup lookup = {0}, next = {0};
    uv_loop_t loop;
    struct resolver *resolver;

    (void)state;
    uv_loop_init(&loop);
    resolver = resolver_new(&loop);
    resolver_lookup(resolver, "127.0.0.1", on_resolved, &lookup);
    resolver_stop(resolver);
    resolver_lookup(resolver, "127.0.0.2", on_resolved, &next); /* waits for the first */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(lookup.calls, 0);
    assert_string_equal(next.first, "127.0.0.2");
    resolver_lookup(resolver, "127.0.0.1", on_resolved, &lookup);
    resolver_free(resolver); /* while its thread is at it */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(lookup.calls, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static int clean_environment(void **state)
{
    static const char *const names[] = {"PGHOST",    "PGHOSTADDR",    "PGPORT",   "PGUSER",
                                        "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unsetenv(names[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_can_be_shown),
        cmocka_unit_test(only_names_are_looked_up),
        cmocka_unit_test(names_become_their_addresses),
        cmocka_unit_test(the_last_name_without_address_leaves_nothing),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(faults_tell_no_secret),
        cmocka_unit_test(a_name_is_found_or_not),
        cmocka_unit_test(a_stopped_lookup_says_nothing),
    };

    return cmocka_run_group_tests(tests, clean_environment, NULL);
}
