/* What runs in a container, and how one logs in to it: by image, command and environment. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_parse.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

#define ID     "7dca070107afc907adf2b06377b896b62408e85fba1954abbe5c6af2f2bbd881"
#define SECRET "s3cret"

static struct container *inspect(const char *text, struct container_login *login)
{
    return container_parse_inspect(text, strlen(text), login);
}

static void done(struct container *container, struct container_login *login)
{
    container_login_free(login);
    container_unref(container);
}

/* ---- service ---- */

enum { WORDS = 8 };

struct service_case {
    const char *image;
    enum container_service service;
    const char *words[WORDS], *environment[4];
};

static const struct service_case services[] = {
    {"postgres", SERVICE_POSTGRES, {0}, {0}},
    {"postgres:18-alpine", SERVICE_POSTGRES, {"docker-entrypoint.sh", "postgres"}, {0}},
    {"docker.io/library/postgres:16@sha256:" ID, SERVICE_POSTGRES, {0}, {0}},
    {"localhost:5000/db/postgres", SERVICE_POSTGRES, {0}, {0}},
    {"bitnami/postgresql:17", SERVICE_POSTGRES, {0}, {0}},
    {"registry/Postgres-16:x", SERVICE_POSTGRES, {0}, {0}},
    {"timescale/timescaledb:latest-pg16", SERVICE_POSTGRES, {0}, {0}},
    {"postgis/postgis:16-3.4", SERVICE_POSTGRES, {0}, {0}},
    {"pgvector/pgvector:pg17", SERVICE_POSTGRES, {0}, {0}},
    {"ghcr.io/zalando/spilo-15:3.0", SERVICE_POSTGRES, {"/bin/sh", "/launch.sh", "init"}, {0}},
    {"redis:7-alpine", SERVICE_REDIS, {"docker-entrypoint.sh", "redis-server", "--save", ""}, {0}},
    {"redis", SERVICE_REDIS, {"docker-entrypoint.sh", "--maxmemory", "128mb"}, {0}},
    {"valkey/valkey:8", SERVICE_REDIS, {0}, {0}},
    {"redis/redis-stack:latest", SERVICE_REDIS, {"/entrypoint.sh"}, {0}},
    {"eqalpha/keydb", SERVICE_REDIS, {0}, {0}},
    /* tools beside them */
    {"quay.io/prometheuscommunity/postgres-exporter", SERVICE_OTHER, {"postgres_exporter"}, {0}},
    {"oliver006/redis_exporter:v1", SERVICE_OTHER, {"/redis_exporter"}, {0}},
    {"dpage/pgadmin4", SERVICE_OTHER, {"/entrypoint.sh"}, {0}},
    {"edoburu/pgbouncer", SERVICE_OTHER, {"/entrypoint.sh", "pgbouncer", "x.ini"}, {0}},
    {"rediscommander/redis-commander", SERVICE_OTHER, {"/usr/bin/dumb-init", "--", "/x.sh"}, {0}},
    {"redis/redisinsight", SERVICE_OTHER, {"./docker-entry.sh", "node", "main"}, {0}},
    {"postgrest/postgrest", SERVICE_OTHER, {"postgrest"}, {0}},
    {"prodrigestivill/postgres-backup-local",
     SERVICE_OTHER,
     {"/entrypoint.sh"},
     {"PG_MAJOR=16", "PGDATA=/x"}},
    {"bitnami/redis-sentinel",
     SERVICE_OTHER,
     {"/opt/bitnami/scripts/redis-sentinel/entrypoint.sh",
      "/opt/bitnami/scripts/redis-sentinel/run.sh"},
     {0}},
    {"redis:7", SERVICE_OTHER, {"redis-sentinel", "/etc/sentinel.conf"}, {0}},
    {"redis:7", SERVICE_OTHER, {"redis-server", "/etc/s.conf", "--sentinel"}, {0}},
    {"redis:7", SERVICE_OTHER, {"sh", "-c", "sleep 1 && redis-server /s.conf --sentinel"}, {0}},
    /* their images, but no server */
    {"postgres:16", SERVICE_OTHER, {"docker-entrypoint.sh", "psql", "-h", "db"}, {0}},
    {"postgres:16", SERVICE_OTHER, {"sh", "-c", "while true; do pg_dump x; sleep 60; done"}, {0}},
    {"postgres:16", SERVICE_OTHER, {"bash"}, {0}},
    {"redis:7", SERVICE_OTHER, {"gosu", "redis", "redis-cli", "monitor"}, {0}},
    {"redis:7", SERVICE_OTHER, {"sleep", "infinity"}, {0}},
    /* servers in images of any name */
    {"own/db", SERVICE_POSTGRES, {"/usr/lib/postgresql/15/bin/postgres", "-D", "/d"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"tini", "-s", "--", "docker-entrypoint.sh", "postgres"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"gosu", "postgres", "postgres", "-D", "/d"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"setpriv", "--reuid", "70", "--init-groups", "postgres"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"su", "postgres", "-c", "exec postgres -D /d"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"python3", "/usr/bin/patroni", "/etc/p.yml"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"sh", "-ec", "initdb -D /d; exec gosu postgres postgres"}, {0}},
    {"own/db",
     SERVICE_POSTGRES,
     {"bash", "-euo", "pipefail", "-c", "if [ -e /x ]; then A=1 exec $B/postgres -D \"$D\"; fi"},
     {0}},
    {"own/db", SERVICE_POSTGRES, {"/opt/bitnami/scripts/postgresql/run.sh"}, {0}},
    {"own/db", SERVICE_POSTGRES, {"docker-entrypoint.sh"}, {"PG_MAJOR=16", "PGDATA=/d"}},
    {"own/kv", SERVICE_REDIS, {"sh", "-c", "redis-server --requirepass $$X"}, {0}},
    {"own/kv", SERVICE_REDIS, {"valkey-server", "/etc/valkey.conf"}, {0}},
    {"own/kv", SERVICE_REDIS, {"bash", "-c", "chown x /d && exec su-exec redis redis-server"}, {0}},
    {"own/kv", SERVICE_REDIS, {"docker-entrypoint.sh"}, {"REDIS_DOWNLOAD_URL=x"}},
    /* names in other places */
    {"own/app", SERVICE_OTHER, {"sh", "-c", "chown postgres /var/lib/postgres; ./app"}, {0}},
    {"own/app", SERVICE_OTHER, {"wait-for", "redis-server"}, {0}},
    {"own/app", SERVICE_OTHER, {"sh", "-c", "echo 'redis-server' # postgres\n./app"}, {0}},
    {"own/app", SERVICE_OTHER, {"docker-entrypoint.sh", "node"}, {"PG_MAJOR=16", "PGDATA=/d"}},
    {NULL, SERVICE_OTHER, {0}, {0}},
};

static void test_services(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
        const struct service_case *c = services + i;
        const char *words[WORDS + 1] = {0}, *environment[5] = {0};
        const enum container_service service =
            container_service_of(c->image, memcpy(words, c->words, sizeof(c->words)),
                                 memcpy(environment, c->environment, sizeof(c->environment)));

        if (service != c->service)
            fail_msg("%s %s %s: %d", c->image ? c->image : "(null)", words[0] ? words[0] : "",
                     words[1] ? words[1] : "", service);
    }
}

static void test_service_without_command(void **state)
{
    (void)state;
    assert_int_equal(container_service_of("redis", NULL, NULL), SERVICE_REDIS);
    assert_int_equal(container_service_of(NULL, NULL, NULL), SERVICE_OTHER);
}

/* ---- command and login ---- */

/* A container that is asked for by these words (JSON) and that environment. */
static struct container *inspect_words(const char *image, const char *words,
                                       const char *environment, struct container_login *login)
{
    char *text = mem_printf("{\"Id\":\"ab\",\"Path\":\"%s\",\"Args\":[%s],"
                            "\"Config\":{\"Image\":\"%s\",\"Env\":[%s]}}",
                            "x", words, image, environment);
    struct container *c = inspect(text, login);

    free(text);
    assert_non_null(c);
    return c;
}

/* Arguments with secrets (each holds SECRET, and maybe more words), and what they become. */
static const struct {
    const char *words, *shown;
} commands[] = {
    {"\"--requirepass\",\"s3cret two\",\"--port\",\"1\"", "--requirepass|*|--port|1|"},
    {"\"--requirepass s3cret\"", "--requirepass *|"},
    {"\"--requirepass=s3cret two\"", "--requirepass=*|"},
    {"\"--masterauth\",\"s3cret\"", "--masterauth|*|"},
    {"\"--primaryauth\",\"s3cret\"", "--primaryauth|*|"},
    {"\"--tls-key-file-pass\",\"s3cret\"", "--tls-key-file-pass|*|"},
    {"\"--user\",\"app\",\"on\",\">s3cret\",\"~*\",\"--port\",\">1\"",
     "--user|app|on|>*|~*|--port|>1|"},
    {"\"-e\",\"PGPASSWORD=s3cret two\"", "-e|PGPASSWORD=*|"},
    {"\"-e\",\"DB_PW=s3cret\",\"-e\",\"A=b\"", "-e|DB_PW=*|-e|A=b|"},
    {"\"host=x password=s3cret dbname=y\"", "host=x password=* dbname=y|"},
    {"\"host=x password='s3cret two' dbname=y\"", "host=x password=* dbname=y|"},
    {"\"postgres://u:s3cret@h/db?x=1\"", "postgres://u:*@h/db?x=1|"},
    {"\"redis://:a:b@s3cret@h\"", "redis://:*@h|"},
    {"\"sh\",\"-c\",\"redis-server --requirepass 's3cret two' --port 1\"",
     "sh|-c|redis-server --requirepass * --port 1|"},
    {"\"sh\",\"-c\",\"su -c \\\"redis-server --requirepass s3cret\\\" x\"", NULL},
    {"\"sh\",\"-c\",\"PGPASSWORD=s3cret;psql -h x\"", "sh|-c|PGPASSWORD=* -h x|"},
    {"\"sh\",\"-c\",\"echo requirepass s3cret > /c; redis-server /c\"",
     "sh|-c|echo requirepass * > /c; redis-server /c|"},
    {"\"sh\",\"-c\",\"redis-cli -a s3cret ping\"", "sh|-c|redis-cli -a * ping|"},
    {"\"sh\",\"-c\",\"psql -c \\\"CREATE ROLE x PASSWORD 's3cret'\\\"\"", NULL},
    {"\"curl\",\"-u\",\"me:s3cret\"", "curl|-u|me:*|"},
    {"\"--api-token\",\"s3cret\"", "--api-token|*|"},
    {"\"start\",\"Env-s3cret-9\"", "start|*|"},
    /* no secrets: they stay */
    {"\"-D\",\"/d\",\"--auth-host=scram-sha-256\",\"--pwfile=/p\"",
     "-D|/d|--auth-host=scram-sha-256|--pwfile=/p|"},
    {"\"-e\",\"POSTGRES_PASSWORD_FILE=/run/secrets/p\"",
     "-e|POSTGRES_PASSWORD_FILE=/run/secrets/p|"},
    {"\"--no-password\",\"db\"", "--no-password|db|"},
    {"\"--maxmemory\",\"128mb\",\"\",\"--save\",\"\"", "--maxmemory|128mb||--save||"},
};

static void test_secrets_are_blanked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        struct container_login login;
        struct container *c =
            inspect_words("x", commands[i].words, "\"A_PASSWORD=Env-s3cret-9\"", &login);
        struct strbuf words = {0};
        char *shown;

        for (char **word = c->command + 1; *word; word++)
            strbuf_addf(&words, "%s|", *word);
        shown = strbuf_take(&words);
        if (strstr(shown, SECRET) || strstr(shown, "two"))
            fail_msg("%s is shown", shown);
        if (commands[i].shown)
            assert_string_equal(shown, commands[i].shown);
        free(shown);
        done(c, &login);
    }
}

struct login_case {
    const char *image, *words, *environment;
    const char *user, *password, *user_file, *password_file;
    bool trust;
};

static const struct login_case logins[] = {
    {"postgres", "", "\"POSTGRES_PASSWORD=p\"", "postgres", "p", NULL, NULL, false},
    {"postgres", "", "\"POSTGRES_USER=\",\"POSTGRES_PASSWORD=\"", "postgres", NULL, NULL, NULL,
     false},
    {"postgres", "", "\"POSTGRES_USER=a\",\"POSTGRES_PASSWORD_FILE=/f\"", "a", NULL, NULL, "/f",
     false},
    {"postgres", "", "\"POSTGRES_USER_FILE=/u\",\"POSTGRES_PASSWORD=a=b c\"", NULL, "a=b c", "/u",
     NULL, false},
    {"postgres", "", "\"POSTGRES_HOST_AUTH_METHOD=trust\"", "postgres", NULL, NULL, NULL, true},
    {"bitnami/postgresql", "", "\"POSTGRESQL_USERNAME=b\",\"POSTGRESQL_PASSWORD=q\"", "b", "q",
     NULL, NULL, false},
    {"redis", "\"redis-server\",\"--requirepass\",\"r\"", "\"REDIS_PASSWORD=other\"", NULL, "r",
     NULL, NULL, false},
    {"redis", "\"redis-server\",\"--requirepass r\"", "", NULL, "r", NULL, NULL, false},
    {"redis", "\"redis-server\",\"--requirepass\",\"$P\"", "\"P=v\"", NULL, "$P", NULL, NULL,
     false},
    {"redis", "\"sh\",\"-c\",\"redis-server --requirepass \\\"$P\\\"\"", "\"P=v w\"", NULL, "v w",
     NULL, NULL, false},
    {"redis", "\"sh\",\"-c\",\"exec redis-server --requirepass ${P} --port 1\"", "\"P=v\"", NULL,
     "v", NULL, NULL, false},
    {"redis", "\"sh\",\"-c\",\"su x -c 'redis-server --requirepass q'\"", "", NULL, "q", NULL, NULL,
     false},
    {"redis", "\"sh\",\"-c\",\"redis-server --requirepass $(cat /run/secrets/r)\"",
     "\"REDIS_PASSWORD_FILE=/run/secrets/r\"", NULL, NULL, NULL, "/run/secrets/r", false},
    {"redis", "", "\"REDIS_PASSWORD=e\"", NULL, "e", NULL, NULL, false},
    {"redis/redis-stack", "", "\"REDIS_ARGS=--maxmemory 1 --requirepass 'a b'\"", NULL, "a b", NULL,
     NULL, false},
    {"valkey/valkey", "", "\"VALKEY_EXTRA_FLAGS=--requirepass f\"", NULL, "f", NULL, NULL, false},
    {"bitnami/valkey", "", "\"VALKEY_PASSWORD_FILE=/f\"", NULL, NULL, NULL, "/f", false},
    {"bitnami/redis", "", "\"ALLOW_EMPTY_PASSWORD=yes\"", NULL, NULL, NULL, NULL, true},
    /* that it is one was not seen, but an instance may name it */
    {"own/db", "\"start\"", "\"POSTGRES_USER=a\",\"POSTGRES_PASSWORD=p\"", "a", "p", NULL, NULL,
     false},
    {"own/kv", "\"start\"", "\"REDIS_PASSWORD=e\"", NULL, "e", NULL, NULL, false},
    {"own/app", "\"start\"", "\"X=1\"", NULL, NULL, NULL, NULL, false},
};

static void assert_text(const char *text, const char *wanted)
{
    if (wanted) {
        assert_non_null(text);
        assert_string_equal(text, wanted);
    } else {
        assert_null(text);
    }
}

static void test_logins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(logins) / sizeof(*logins); i++) {
        const struct login_case *wanted = logins + i;
        struct container_login login;
        char *text =
            mem_printf("{\"Id\":\"ab\",\"Config\":{\"Image\":\"%s\",\"Cmd\":[%s],\"Env\":[%s]}}",
                       wanted->image, wanted->words, wanted->environment);
        struct container *c = inspect(text, &login);

        assert_text(login.user, wanted->user);
        assert_text(login.password, wanted->password);
        assert_text(login.user_file, wanted->user_file);
        assert_text(login.password_file, wanted->password_file);
        assert_int_equal(login.trust, wanted->trust);
        free(text);
        done(c, &login);
    }
}

/* A variable that stands for itself, and one that would fill the memory. */
static void test_expansion_ends(void **state)
{
    struct container_login login;
    struct strbuf script = {0}, value = {0};
    char *words, *environment;
    struct container *c;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        strbuf_adds(&script, "$A");
        strbuf_adds(&value, "\\\"$A x\\\"");
    }
    words = mem_printf("\"sh\",\"-c\",\"redis-server --requirepass %s $A\"", script.s);
    environment = mem_printf("\"A=%s\"", value.s);
    c = inspect_words("redis", words, environment, &login);
    assert_null(login.password);
    done(c, &login);
    free(words);
    free(environment);
    strbuf_free(&script);
    strbuf_free(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_service_without_command),
        cmocka_unit_test(test_secrets_are_blanked),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_expansion_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
