/* psql and redis-cli for a person: what they are called with, and where their password is not. */
#include "backend/shell.h"

#include "backend/base/mem.h"
#include "backend/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool holds(char *const *list, const char *part)
{
    for (; *list; list++) {
        if (strstr(*list, part))
            return true;
    }
    return false;
}

static bool holds_word(char *const *list, const char *word)
{
    for (; *list; list++) {
        if (strcmp(*list, word) == 0)
            return true;
    }
    return false;
}

/* prefix as configured, inner as the container gives it; each may be NULL. */
static struct shell_call psql_behind(const char *conninfo, const char *prefix, const char *inner,
                                     const char *database)
{
    struct config *config = config_new();
    struct postgres_config *postgres = config_add_postgres(config, "pg", conninfo);
    struct shell_call call;
    char *error = NULL;

    if (prefix) {
        free(postgres->command_prefix);
        postgres->command_prefix = mem_strdup(prefix);
    }
    postgres->exec_prefix = mem_strdup(inner);
    if (!shell_postgres(postgres, database, "the banner", &call, &error))
        fail_msg("refused: %s", error);
    config_free(config);
    return call;
}

static struct shell_call call_psql(const char *conninfo, const char *prefix, const char *database)
{
    return psql_behind(conninfo, prefix, NULL, database);
}

static struct shell_call redis_cli_behind(const char *url, const char *inner, int db)
{
    struct config *config = config_new();
    struct redis_config *redis = config_add_redis(config, "redis", url);
    struct shell_call call;
    char *error = NULL;

    redis->exec_prefix = mem_strdup(inner);
    if (!shell_redis(redis, db, "the banner", &call, &error))
        fail_msg("refused: %s", error);
    config_free(config);
    return call;
}

static struct shell_call call_redis(const char *url, int db)
{
    return redis_cli_behind(url, NULL, db);
}

static void test_the_hosts_psql(void **state)
{
    struct shell_call call =
        call_psql("host=db.example port=5433 user=admin password=hu:sh\\\\x dbname=postgres", NULL,
                  "it's \\ odd");
    char content[64] = "";

    (void)state;
    assert_true(holds_word(call.argv, "psql"));
    assert_true(holds(call.argv, "dbname='it\\'s \\\\ odd'"));
    assert_true(holds(call.argv, "host='db.example'"));
    assert_true(holds(call.argv, "user='admin'"));
    assert_false(holds(call.argv, "hu:sh"));
    assert_false(holds(call.environment, "hu:sh"));
    assert_true(holds_word(call.environment, "PGPASSFILE=/proc/self/fd/3"));
    assert_true(call.inherited >= 0);
    assert_true(pread(call.inherited, content, sizeof(content) - 1, 0) > 0);
    assert_string_equal(content, "*:*:*:*:hu\\:sh\\\\x\n");
    shell_call_free(&call);
}

static void test_without_a_password_psql_finds_its_own(void **state)
{
    struct shell_call call;

    (void)state;
    setenv("PGPASSFILE", "/home/op/.pgpass", 1);
    call = call_psql("host=/tmp", NULL, NULL);
    assert_int_equal(call.inherited, -1);
    assert_true(holds_word(call.environment, "PGPASSFILE=/home/op/.pgpass"));
    shell_call_free(&call);
    call = call_psql("host=/tmp password=x", NULL, NULL);
    assert_false(holds_word(call.environment, "PGPASSFILE=/home/op/.pgpass"));
    shell_call_free(&call);
    unsetenv("PGPASSFILE");
}

static void test_psql_in_a_container_gets_a_terminal_and_no_password(void **state)
{
    struct shell_call call = call_psql("host=127.0.0.1 user=admin password=hush",
                                       "docker exec -i shared_postgres", "aletheia_dev");

    (void)state;
    assert_true(holds(call.argv, "exec docker exec -it shared_postgres \"$@\""));
    assert_true(holds_word(call.argv, "admin"));
    assert_true(holds(call.argv, "dbname='aletheia_dev'"));
    assert_false(holds(call.argv, "127.0.0.1"));
    assert_false(holds(call.argv, "hush"));
    assert_false(holds(call.environment, "hush"));
    assert_int_equal(call.inherited, -1);
    shell_call_free(&call);
}

static void test_secrets_of_the_environment_are_not_passed_on(void **state)
{
    struct shell_call call;

    (void)state;
    setenv("PGPASSWORD", "inherited-secret", 1);
    setenv("REDIS_URL", "redis://:other-secret@h", 1);
    call = call_psql("host=/tmp", NULL, NULL);
    assert_false(holds(call.environment, "inherited-secret"));
    assert_false(holds(call.environment, "other-secret"));
    assert_true(call.inherited >= 0); /* psql still gets it */
    shell_call_free(&call);
    unsetenv("PGPASSWORD");
    unsetenv("REDIS_URL");
}

static void test_redis_cli(void **state)
{
    struct shell_call call = call_redis("rediss://app:hush@cache.example:6380/2", 5);

    (void)state;
    assert_true(holds_word(call.argv, "redis-cli"));
    assert_true(holds_word(call.argv, "cache.example"));
    assert_true(holds_word(call.argv, "6380"));
    assert_true(holds_word(call.argv, "--tls"));
    assert_true(holds_word(call.argv, "app"));
    assert_true(holds_word(call.argv, "5"));
    assert_false(holds(call.argv, "hush"));
    assert_true(holds_word(call.environment, "REDISCLI_AUTH=hush"));
    shell_call_free(&call);
    call = call_redis("unix:/run/redis.sock", -1);
    assert_true(holds_word(call.argv, "/run/redis.sock"));
    assert_true(holds_word(call.argv, "0"));
    assert_false(holds(call.environment, "REDISCLI_AUTH"));
    shell_call_free(&call);
}

static void test_what_cannot_be_read_is_said(void **state)
{
    struct config *config = config_new();
    struct postgres_config *postgres = config_add_postgres(config, "pg", "host=/tmp");
    struct shell_call call;
    char *error = NULL;

    (void)state;
    free(postgres->env_file);
    postgres->env_file = mem_strdup("/nonexistent/.env");
    assert_false(shell_postgres(postgres, NULL, "banner", &call, &error));
    assert_non_null(strstr(error, "/nonexistent/.env"));
    assert_null(call.argv);
    free(error);
    config_free(config);
}

/* Its conninfo alone would lead to the host's own PostgreSQL, or Redis. */
static void test_a_container_not_found_is_refused(void **state)
{
    struct config *config = config_new();
    struct postgres_config *postgres = config_add_postgres(config, "pg", "user=admin");
    struct redis_config *redis = config_add_redis(config, "cache", "redis://:6379");
    struct shell_call call = {.inherited = -1};
    char *error = NULL;

    (void)state;
    postgres->container = mem_strdup("shared_pg");
    redis->container = mem_strdup("shared_cache");
    assert_false(shell_postgres(postgres, NULL, "banner", &call, &error));
    assert_string_equal(error, "where the container shared_pg is is not known (yet)");
    assert_null(call.argv);
    free(error);
    assert_false(shell_redis(redis, -1, "banner", &call, &error));
    assert_string_equal(error, "where the container shared_cache is is not known (yet)");
    assert_null(call.argv);
    free(error);
    config_free(config);
}

/* ---- in the container, when the host has no such program ---- */

static const char exec_prefix[] = "/usr/bin/sharedtop exec --socket '/run/a -i b' -i shared_x";

static void hide_host_programs(char **path)
{
    *path = mem_strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
}

static void show_host_programs(char *path)
{
    setenv("PATH", path, 1);
    free(path);
}

static struct shell_call call_container_psql(const char *conninfo)
{
    return psql_behind(conninfo, NULL, exec_prefix, "aletheia_dev");
}

static void test_psql_of_the_container(void **state)
{
    struct shell_call call;
    char *path;

    (void)state;
    hide_host_programs(&path);
    call = call_container_psql("host=172.18.0.2 hostaddr=172.18.0.2 user=admin password=hush");
    assert_true(holds(call.argv, "exec /usr/bin/sharedtop exec --socket '/run/a -i b' -it "
                                 "-e PGPASSWORD shared_x \"$@\""));
    assert_true(holds_word(call.argv, "admin"));
    assert_true(holds(call.argv, "dbname='aletheia_dev'"));
    assert_false(holds(call.argv, "172.18"));
    assert_false(holds(call.argv, "hush"));
    assert_true(holds_word(call.environment, "PGPASSWORD=hush"));
    shell_call_free(&call);
    call = call_container_psql("user=admin");
    assert_true(holds(call.argv, "-it shared_x"));
    assert_false(holds(call.environment, "PGPASSWORD"));
    shell_call_free(&call);
    show_host_programs(path);
    call = call_container_psql("host=172.18.0.2 user=admin password=hush");
    assert_true(holds(call.argv, "172.18.0.2")); /* the host's own, which is here */
    assert_false(holds(call.argv, "sharedtop exec"));
    shell_call_free(&call);
}

/* PGPASSWORD is for somebody else's server, where the container has no password. */
static void test_no_password_of_the_environment_for_a_container(void **state)
{
    static const char conninfo[] =
        "host=172.18.0.2 user=admin password='' passfile='/dev/null/none'";
    struct shell_call call;
    char *path;

    (void)state;
    setenv("PGPASSWORD", "mine", 1);
    call = call_psql(conninfo, NULL, NULL);
    assert_int_equal(call.inherited, -1);
    assert_false(holds(call.environment, "mine"));
    assert_true(holds(call.argv, "passfile='/dev/null/none'"));
    shell_call_free(&call);
    hide_host_programs(&path);
    call = call_container_psql(conninfo);
    assert_false(holds(call.argv, "PGPASSWORD"));
    assert_false(holds(call.environment, "mine"));
    shell_call_free(&call);
    show_host_programs(path);
    unsetenv("PGPASSWORD");
}

static struct shell_call call_container_redis(const char *url, int db)
{
    return redis_cli_behind(url, exec_prefix, db);
}

static void test_redis_cli_of_the_container(void **state)
{
    struct shell_call call;
    char *path;

    (void)state;
    hide_host_programs(&path);
    call = call_container_redis("redis://app:hush@172.18.0.3:6400/2", 5);
    assert_true(holds(call.argv, "-it -e REDISCLI_AUTH shared_x"));
    assert_false(holds(call.argv, "172.18"));
    assert_true(holds_word(call.argv, "6400"));
    assert_true(holds_word(call.argv, "app"));
    assert_true(holds_word(call.argv, "5"));
    assert_false(holds(call.argv, "hush"));
    assert_true(holds_word(call.environment, "REDISCLI_AUTH=hush"));
    shell_call_free(&call);
    call = call_container_redis("redis://127.0.0.1:49153", -1); /* a published port */
    assert_false(holds_word(call.argv, "49153"));
    assert_false(holds(call.environment, "REDISCLI_AUTH"));
    shell_call_free(&call);
    show_host_programs(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hosts_psql),
        cmocka_unit_test(test_without_a_password_psql_finds_its_own),
        cmocka_unit_test(test_psql_in_a_container_gets_a_terminal_and_no_password),
        cmocka_unit_test(test_secrets_of_the_environment_are_not_passed_on),
        cmocka_unit_test(test_redis_cli),
        cmocka_unit_test(test_psql_of_the_container),
        cmocka_unit_test(test_redis_cli_of_the_container),
        cmocka_unit_test(test_a_container_not_found_is_refused),
        cmocka_unit_test(test_no_password_of_the_environment_for_a_container),
        cmocka_unit_test(test_what_cannot_be_read_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
