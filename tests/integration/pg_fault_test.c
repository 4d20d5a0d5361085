/* Bad days: each fault shows its own message and mend, and what works goes on working. */
#include "backend/base/mem.h"
#include "tests/integration/pg_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_says(const char *text, const char *words)
{
    if (!text || !strstr(text, words))
        fail_msg("\"%s\" is not in: %s", words, text ? text : "(nothing)");
}

/* Watches conninfo until it is down; takes conninfo over. */
static void start_faulty(struct pg_watch *watch, char *conninfo)
{
    pg_watch_start(watch, conninfo, 0.2);
    free(conninfo);
    PG_UNTIL(watch, pg_is_down);
    assert_non_null(watch->instance->error);
    assert_null(strchr(watch->instance->error, '\n'));
    assert_true(watch->instance->retry_at > 0);
    assert_true(backend_filled(watch->backend));
    assert_int_equal(backend_alerts(watch->backend)->count, 1);
    assert_int_equal(backend_alerts(watch->backend)->items[0].name, ALERT_POSTGRES_DOWN);
}

static bool has_been_down_twice(const struct pg_watch *watch)
{
    return watch->changes > 6 && pg_is_down(watch);
}

static void a_wrong_password(void **state)
{
    struct pg_watch watch;

    start_faulty(&watch,
                 mem_printf("%s user=watcher password=wrong", lab_get(*state, "LAB_PG_TCP")));
    assert_string_equal(watch.instance->error,
                        "password authentication failed for user \"watcher\"");
    assert_says(watch.instance->hint, "password_key");
    assert_int_equal(watch.instance->generation, 0);
    PG_UNTIL(&watch, has_been_down_twice);
    assert_int_equal(backend_alerts(watch.backend)->raised, 1);
    pg_watch_stop(&watch);
}

static void no_password(void **state)
{
    struct pg_watch watch;

    setenv("PGPASSFILE", "/nonexistent", 1);
    start_faulty(&watch, mem_printf("%s user=watcher", lab_get(*state, "LAB_PG")));
    assert_says(watch.instance->error, "no password supplied");
    pg_watch_stop(&watch);
    unsetenv("PGPASSFILE");
}

static void a_closed_port(void **state)
{
    struct pg_watch watch;

    (void)state;
    start_faulty(&watch, mem_strdup("host=127.0.0.1 port=1 user=admin"));
    assert_says(watch.instance->error, "Connection refused");
    assert_says(watch.instance->hint, "check host and port");
    assert_string_equal(watch.instance->address, "127.0.0.1:1");
    pg_watch_stop(&watch);
}

static void no_socket(void **state)
{
    struct pg_watch watch;

    (void)state;
    start_faulty(&watch, mem_strdup("host=/nonexistent user=admin"));
    assert_says(watch.instance->error, "No such file or directory");
    assert_says(watch.instance->hint, "socket");
    assert_string_equal(watch.instance->address, "/nonexistent/.s.PGSQL.5432");
    pg_watch_stop(&watch);
}

static void an_unknown_host(void **state)
{
    struct pg_watch watch;

    (void)state;
    start_faulty(&watch, mem_strdup("host=no-such-host.invalid user=admin"));
    assert_says(watch.instance->error, "could not find host \"no-such-host.invalid\"");
    assert_says(watch.instance->hint, "check host");
    pg_watch_stop(&watch);
}

static void an_unknown_database(void **state)
{
    struct pg_watch watch;

    start_faulty(&watch, mem_printf("%s dbname=nowhere", lab_get(*state, "LAB_PG")));
    assert_string_equal(watch.instance->error, "database \"nowhere\" does not exist");
    assert_says(watch.instance->hint, "dbname");
    pg_watch_stop(&watch);
}

static void tls_where_there_is_none(void **state)
{
    struct pg_watch watch;

    start_faulty(&watch, mem_printf("%s sslmode=require", lab_get(*state, "LAB_PG_TCP")));
    assert_says(watch.instance->error, "server does not support SSL");
    assert_says(watch.instance->hint, "sslmode=prefer");
    pg_watch_stop(&watch);
}

static void an_unknown_service(void **state)
{
    struct pg_watch watch;

    (void)state;
    start_faulty(&watch, mem_strdup("service=no_such_service"));
    assert_string_equal(watch.instance->error,
                        "definition of service \"no_such_service\" not found");
    assert_says(watch.instance->hint, "service");
    pg_watch_stop(&watch);
}

static void a_bad_option(void **state)
{
    struct pg_watch watch;

    (void)state;
    start_faulty(&watch, mem_strdup("hosst=localhost"));
    assert_string_equal(watch.instance->error, "invalid connection option \"hosst\"");
    pg_watch_stop(&watch);
}

/* ---- ways in ---- */

static char *write_file(const struct lab *lab, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", lab_get(lab, "LAB_DIR"), name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
    return path;
}

static void the_password_comes_from_the_env_file(void **state)
{
    struct pg_watch watch;
    char *conninfo = mem_printf("host=127.0.0.1 port=%s user=watcher dbname=postgres",
                                lab_get(*state, "LAB_PG_PORT"));
    struct config *config = pg_watch_config(conninfo, 0.2);

    config->postgres[0]->env_file =
        write_file(*state, "test.env", "OTHER=x\nexport POSTGRES_PASSWORD=\"watcher\"\n");
    pg_watch_start_config(&watch, config);
    PG_UNTIL(&watch, pg_has_both);
    assert_string_equal(watch.instance->pg.server->user, "watcher");
    pg_watch_stop(&watch);
    free(conninfo);
}

static void a_missing_env_file_is_named(void **state)
{
    struct pg_watch watch;
    struct config *config = pg_watch_config(lab_get(*state, "LAB_PG_TCP"), 0.2);

    config->postgres[0]->env_file = mem_strdup("/nonexistent/.env");
    pg_watch_start_config(&watch, config);
    PG_UNTIL(&watch, pg_is_down);
    assert_says(watch.instance->error, "/nonexistent/.env");
    pg_watch_stop(&watch);
}

/* The host comes from the service alone, and is a name; the password too. */
static void a_service_in_the_conninfo(void **state)
{
    struct pg_watch watch;
    const char *tcp = lab_get(*state, "LAB_PG_TCP");
    const char *password = strstr(tcp, "password=") + strlen("password=");
    char *text = mem_printf("[lab]\nhost=localhost\nport=%s\nuser=admin\ndbname=postgres\n"
                            "password=%.*s\n",
                            lab_get(*state, "LAB_PG_PORT"), (int)strcspn(password, " "), password);
    char *path = write_file(*state, "service.conf", text);

    setenv("PGSERVICEFILE", path, 1);
    pg_watch_start(&watch, "service=lab", 0.2);
    PG_UNTIL(&watch, pg_has_both);
    assert_says(watch.instance->address, "localhost:");
    pg_watch_stop(&watch);
    unsetenv("PGSERVICEFILE");
    free(path);
    free(text);
}

/* The first has nobody, the second does not exist, the third is it. */
static void one_of_several_hosts(void **state)
{
    struct pg_watch watch;
    char *conninfo = mem_printf("%s host=localhost,no-such-host.invalid,127.0.0.1 port=1,1,%s",
                                lab_get(*state, "LAB_PG_TCP"), lab_get(*state, "LAB_PG_PORT"));

    pg_watch_start(&watch, conninfo, 0.2);
    PG_UNTIL(&watch, pg_has_both);
    pg_watch_stop(&watch);
    free(conninfo);
}

static void the_environment_alone(void **state)
{
    struct pg_watch watch;

    setenv("PGHOST", lab_get(*state, "LAB_DIR"), 1);
    setenv("PGPORT", lab_get(*state, "LAB_PG_PORT"), 1);
    setenv("PGUSER", "admin", 1);
    setenv("PGDATABASE", "umami", 1);
    setenv("PGAPPNAME", "somebody", 1);
    pg_watch_start(&watch, "", 0.2);
    PG_UNTIL(&watch, pg_has_both);
    pg_watch_stop(&watch);
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGUSER");
    unsetenv("PGDATABASE");
    unsetenv("PGAPPNAME");
}

/* ---- rights ---- */

static void without_pg_monitor(void **state)
{
    struct pg_watch watch;
    PGconn *other = lab_pg_connect(*state, "dbname=umami");
    char *conninfo =
        mem_printf("%s user=aletheia_dev dbname=aletheia_dev", lab_get(*state, "LAB_PG"));
    const struct pg_session *row;

    pg_watch_start(&watch, conninfo, 0.2);
    pg_watch_want(&watch, SOURCE_BIT(PG_SIZES));
    PG_UNTIL(&watch, pg_has_both);
    assert_string_equal(watch.instance->hint, "GRANT pg_monitor TO \"aletheia_dev\"");
    assert_false(watch.instance->pg.server->monitor);
    assert_null(watch.instance->pg.server->data_directory);
    row = pg_watch_session(&watch, PQbackendPID(other));
    assert_string_equal(row->query, "<insufficient privilege>");
    assert_int_equal(row->state, PG_STATE_NONE);
    assert_string_equal(row->database, "umami");
    assert_string_equal(row->user, "admin");
    assert_true(pg_session_is_client(row));
    assert_true(watch.instance->pg.activity->counts.total >= 3);
    while (!pg_watch_size(&watch, "umami") || !pg_watch_size(&watch, "umami")->error)
        pg_watch_next(&watch);
    assert_says(pg_watch_size(&watch, "umami")->error, "permission denied");
    assert_true(pg_watch_size(&watch, "aletheia_dev")->bytes > 0);
    pg_watch_stop(&watch);
    free(conninfo);
    PQfinish(other);
}

/* A source that is refused loses only itself. */
static void a_refused_source(void **state)
{
    struct pg_watch watch;
    char *conninfo = mem_printf("%s user=umami dbname=umami", lab_get(*state, "LAB_PG"));
    PGconn *admin = lab_pg_connect(*state, "dbname=umami");

    PQclear(PQexec(admin, "REVOKE EXECUTE ON FUNCTION pg_stat_get_db_deadlocks(oid) FROM PUBLIC"));
    pg_watch_start(&watch, conninfo, 0.2);
    PG_UNTIL(&watch, pg_has_both);
    assert_says(watch.instance->source_error[PG_DATABASES], "permission denied");
    assert_null(watch.instance->source_error[PG_ACTIVITY]);
    assert_null(watch.instance->pg.databases);
    assert_non_null(watch.instance->pg.server);
    assert_true(backend_filled(watch.backend));
    PQclear(PQexec(admin, "GRANT EXECUTE ON FUNCTION pg_stat_get_db_deadlocks(oid) TO PUBLIC"));
    PG_UNTIL(&watch, pg_is_filled);
    assert_null(watch.instance->source_error[PG_DATABASES]);
    pg_watch_stop(&watch);
    PQfinish(admin);
    free(conninfo);
}

static int make_lab(void **state)
{
    *state = lab_start(NULL);
    return 0;
}

static int drop_lab(void **state)
{
    lab_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_password),
        cmocka_unit_test(no_password),
        cmocka_unit_test(a_closed_port),
        cmocka_unit_test(no_socket),
        cmocka_unit_test(an_unknown_host),
        cmocka_unit_test(an_unknown_database),
        cmocka_unit_test(tls_where_there_is_none),
        cmocka_unit_test(an_unknown_service),
        cmocka_unit_test(a_bad_option),
        cmocka_unit_test(the_password_comes_from_the_env_file),
        cmocka_unit_test(a_missing_env_file_is_named),
        cmocka_unit_test(a_service_in_the_conninfo),
        cmocka_unit_test(one_of_several_hosts),
        cmocka_unit_test(the_environment_alone),
        cmocka_unit_test(without_pg_monitor),
        cmocka_unit_test(a_refused_source),
    };

    return cmocka_run_group_tests(tests, make_lab, drop_lab);
}
