#include "backend/container_place.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/config_internal.h"
#include "backend/container_exec.h"
#include "backend/job_internal.h"
#include "backend/redis_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOCKET       "/run/docker.sock"

static const struct engine_info on_host = {.name = "Docker"};
static const struct container_login no_login = {.user = NULL};
static const struct container_login admin = {.user = "admin", .password = "s3cret"};

/* ---- addresses ---- */

/* "HOST:PORT WAY; HOST:PORT WAY", or the error. */
static void assert_addresses(const struct container *container, const struct engine_info *engine,
                             const char *network, const char *expected)
{
    struct container_address *addresses;
    struct strbuf text = {0};
    char *error = NULL;
    const size_t count = container_addresses(container, engine, network, &addresses, &error);

    strbuf_adds(&text, error ? error : "");
    assert_true((count == 0) == (error != NULL));
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&text, "%s%s:%d %s", i ? "; " : "", addresses[i].host, addresses[i].port,
                    addresses[i].way);
    assert_string_equal(text.s, expected);
    container_addresses_free(addresses, count);
    strbuf_free(&text);
    free(error);
}

static struct container postgres_on(struct container_network *networks, size_t count)
{
    return (struct container){.id = "0123456789abcdef",
                              .name = "shared_postgres",
                              .service = SERVICE_POSTGRES,
                              .state = CONTAINER_RUNNING,
                              .networks = networks,
                              .network_count = count};
}

static struct container_network backend_network = {.name = "backend", .address = "172.18.0.2"};

static void test_networks_in_order(void **state)
{
    struct container_network networks[] = {
        {.name = "monitoring", .address = "172.19.0.3", .address6 = "fd00:19::3"},
        {.name = "backend", .address = "172.18.0.2"},
        {.name = "away"},
    };
    struct container_port ports[] = {{.port = 5432, .published = 15432, .address = "127.0.0.1"}};
    struct container container = postgres_on(networks, COUNT(networks));

    (void)state;
    container.ports = ports;
    container.port_count = COUNT(ports);
    assert_addresses(&container, &on_host, NULL,
                     "172.18.0.2:5432 network backend; 172.19.0.3:5432 network monitoring; "
                     "fd00:19::3:5432 network monitoring; 127.0.0.1:15432 published port");
    assert_addresses(&container, &on_host, "monitoring",
                     "172.19.0.3:5432 network monitoring; fd00:19::3:5432 network monitoring; "
                     "127.0.0.1:15432 published port");
}

static void test_only_published_where_bridges_are_apart(void **state)
{
    static const struct engine_info apart[] = {{.rootless = true}, {.elsewhere = true}};
    struct container_port ports[] = {
        {.port = 5432, .published = 15432, .address = "0.0.0.0"},
        {.port = 5432, .published = 15432, .address = "::"},
        {.port = 5432, .published = 9, .udp = true, .address = "0.0.0.0"},
        {.port = 8080, .published = 18080, .address = "0.0.0.0"},
    };
    struct container container = postgres_on(&backend_network, 1);

    (void)state;
    container.ports = ports;
    container.port_count = COUNT(ports);
    for (size_t i = 0; i < COUNT(apart); i++)
        assert_addresses(&container, &apart[i], "backend",
                         "127.0.0.1:15432 published port; ::1:15432 published port");
}

static void test_published_addresses(void **state)
{
    static const struct {
        const char *address, *reached;
    } cases[] = {{"0.0.0.0", "127.0.0.1"},
                 {"", "127.0.0.1"},
                 {NULL, "127.0.0.1"},
                 {"::", "::1"},
                 {"192.168.1.5", "192.168.1.5"},
                 {"2001:db8::5", "2001:db8::5"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct container_port port = {
            .port = 5432, .published = 5433, .address = mem_strdup(cases[i].address)};
        struct container container = postgres_on(NULL, 0);
        char *expected = mem_printf("%s:5433 published port", cases[i].reached);

        container.ports = &port;
        container.port_count = 1;
        assert_addresses(&container, &on_host, NULL, expected);
        free(port.address);
        free(expected);
    }
}

static void test_host_network(void **state)
{
    struct container_network host = {.name = "host"};
    char *command[] = {"postgres", "-p", "5499", NULL};
    struct container container = postgres_on(&host, 1);

    (void)state;
    container.command = command;
    assert_addresses(&container, &on_host, NULL, "127.0.0.1:5499 the host's network");
    assert_addresses(&container, &on_host, "host", "127.0.0.1:5499 the host's network");
}

static void test_ipv6_only(void **state)
{
    struct container_network network = {.name = "six", .address6 = "fd00::2"};
    struct container container = postgres_on(&network, 1);

    (void)state;
    assert_addresses(&container, &on_host, NULL, "fd00::2:5432 network six");
}

static void test_compose_network(void **state)
{
    struct container_network networks[] = {
        {.name = "app_backend", .address = "172.20.0.2"},
        {.name = "other_backend", .address = "172.21.0.2"},
    };
    struct container container = postgres_on(networks, 2);

    (void)state;
    assert_addresses(&container, &on_host, "backend",
                     "the container shared_postgres is not on a network backend: set network to "
                     "app_backend or other_backend");
    container.project = "other";
    assert_addresses(&container, &on_host, "backend", "172.21.0.2:5432 network other_backend");
}

static void test_no_address(void **state)
{
    struct container_network none = {.name = "none"};
    struct container_network names[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    struct container_network empty = {.name = "a", .address = ""};
    struct container container = postgres_on(&none, 1);

    (void)state;
    assert_addresses(&container, &on_host, NULL,
                     "the container shared_postgres has no network of its own: connect it to one "
                     "(docker network connect), or set its address: host in conninfo, or url");
    container = postgres_on(&empty, 1);
    assert_addresses(&container, &on_host, NULL,
                     "the container shared_postgres has no address, and its port 5432 is not "
                     "published: publish it on 127.0.0.1, or set its address: host in conninfo, "
                     "or url");
    container = postgres_on(names, 3);
    assert_addresses(&container, &on_host, "backend",
                     "the container shared_postgres is not on a network backend: set network to "
                     "a, b or c");
    container.state = CONTAINER_EXITED;
    assert_addresses(&container, &on_host, "a",
                     "the container shared_postgres is not running (exited): start it");
    container = postgres_on(NULL, 0);
    assert_addresses(&container, &on_host, "backend",
                     "the container shared_postgres is not on a network backend: it is on none; "
                     "leave network out");
}

/* An engine's word goes into a conninfo and a URL. */
static void test_only_numbers_are_addresses(void **state)
{
    struct container_network networks[] = {
        {.name = "a", .address = "evil.example.org"},
        {.name = "b", .address = "172.18.0.2' user='x"},
    };
    struct container container = postgres_on(networks, 2);

    (void)state;
    assert_addresses(&container, &on_host, NULL,
                     "the container shared_postgres has no address, and its port 5432 is not "
                     "published: publish it on 127.0.0.1, or set its address: host in conninfo, "
                     "or url");
}

struct port_case {
    char *command[6];
    enum container_service service;
    int port;
};

static void test_port_of_the_command(void **state)
{
    static const struct port_case cases[] = {
        {{NULL}, SERVICE_POSTGRES, 5432},
        {{"postgres", "-p", "6000"}, SERVICE_POSTGRES, 6000},
        {{"postgres", "-p6001"}, SERVICE_POSTGRES, 6001},
        {{"postgres", "--port=6002"}, SERVICE_POSTGRES, 6002},
        {{"postgres", "-c", "port=6003"}, SERVICE_POSTGRES, 6003},
        {{"postgres", "-cport=6004"}, SERVICE_POSTGRES, 6004},
        {{"sh", "-c", "exec postgres -c 'port=6005' -D /d"}, SERVICE_POSTGRES, 6005},
        {{"postgres", "-p", "70000"}, SERVICE_POSTGRES, 5432},
        {{"postgres", "-p", "$PORT"}, SERVICE_POSTGRES, 5432},
        {{"postgres", "-p"}, SERVICE_POSTGRES, 5432},
        {{"redis-server"}, SERVICE_REDIS, 6379},
        {{"redis-server", "--port", "7000"}, SERVICE_REDIS, 7000},
        {{"redis-server", "--port 7001"}, SERVICE_REDIS, 7001},
        {{"sh", "-c", "redis-server --port 1 --port 7002"}, SERVICE_REDIS, 7002},
        {{"redis-server", "--tls-port", "7003"}, SERVICE_REDIS, 6379},
        {{"redis-server", "--port 0", "--tls-port 7003"}, SERVICE_REDIS, 7003},
        {{"redis-server", "-p", "7004"}, SERVICE_REDIS, 6379},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct container container = postgres_on(&backend_network, 1);
        char *expected = mem_printf("172.18.0.2:%d network backend", cases[i].port);

        container.service = cases[i].service;
        container.command = (char **)(uintptr_t)cases[i].command;
        assert_addresses(&container, &on_host, NULL, expected);
        free(expected);
    }
}

static void test_port_of_the_image(void **state)
{
    struct container_port ports[] = {{.port = 5433}, {.port = 9187}};
    struct container container = postgres_on(&backend_network, 1);

    (void)state;
    container.ports = ports;
    container.port_count = 1;
    assert_addresses(&container, &on_host, NULL, "172.18.0.2:5433 network backend");
    container.port_count = 2;
    assert_addresses(&container, &on_host, NULL, "172.18.0.2:5432 network backend");
}

static void test_no_port(void **state)
{
    char *command[] = {"redis-server", "--port", "0", NULL};
    struct container container = postgres_on(&backend_network, 1);

    (void)state;
    container.service = SERVICE_REDIS;
    container.command = command;
    assert_addresses(&container, &on_host, NULL,
                     "what runs in the container shared_postgres listens on no port (--port 0): "
                     "give it one");
}

/* ---- PostgreSQL ---- */

static struct postgres_config *with_conninfo(struct config *config, const char *conninfo)
{
    struct postgres_config *postgres = config_add_postgres(config, "pg", conninfo);

    postgres->container = mem_strdup("shared_postgres");
    return postgres;
}

static bool locate(struct postgres_config *postgres, const struct container *container,
                   const struct container_login *login, unsigned attempt)
{
    char *error = NULL;
    const bool done =
        container_locate_postgres(postgres, container, login, &on_host, SOCKET, attempt, &error);

    assert_null(error);
    return done;
}

static void assert_conninfo(const char *given, const struct container_login *login,
                            const char *expected)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, given);

    assert_true(locate(postgres, &container, login, 0));
    assert_string_equal(postgres->conninfo, expected);
    assert_string_equal(postgres->given, given);
    config_free(config);
}

#define PLACE  "host='172.18.0.2' hostaddr='172.18.0.2' port='5432'"
#define BARRED " password='' passfile='/dev/null/none'"

static void test_conninfo(void **state)
{
    static const struct container_login trusting = {.trust = true};
    static const struct container_login password = {.password = "p"};
    static const struct container_login hard = {.user = "o'brien", .password = "a b\\'="};

    (void)state;
    assert_conninfo("", &admin, PLACE " user='admin' password='s3cret' dbname='postgres'");
    assert_conninfo("", &no_login, PLACE BARRED " dbname='postgres'");
    assert_conninfo("", &trusting, PLACE " user='postgres'" BARRED " dbname='postgres'");
    assert_conninfo("", &password, PLACE " user='postgres' password='p' dbname='postgres'");
    assert_conninfo("", &hard, PLACE " user='o\\'brien' password='a b\\\\\\'=' dbname='postgres'");
    assert_conninfo("user=admin dbname=app sslmode=require", &admin,
                    PLACE " user='admin' dbname='app' sslmode='require' password='s3cret'");
    assert_conninfo("postgresql://admin@/my%20db?connect_timeout=3", &admin,
                    PLACE " user='admin' connect_timeout='3' dbname='my db' password='s3cret'");
    assert_conninfo("password=mine", &admin,
                    PLACE " password='mine' user='admin' dbname='postgres'");
    assert_conninfo("passfile=/p", &admin,
                    PLACE " passfile='/p' user='admin' password='' dbname='postgres'");
}

/* Another user's password is no good, and no business of the server's. */
static void test_password_of_its_user(void **state)
{
    (void)state;
    assert_conninfo("user=reader", &admin, PLACE " user='reader'" BARRED " dbname='postgres'");
}

static void test_host_of_somebodys_own(void **state)
{
    (void)state;
    assert_conninfo("host=db.example.org port=1234 user=admin dbname=x", &admin,
                    "user='admin' dbname='x' host='db.example.org' port='1234' "
                    "password='s3cret'");
    assert_conninfo("hostaddr=10.1.1.1", &no_login, "hostaddr='10.1.1.1' dbname='postgres'");
    assert_conninfo("service=prod", &admin, "service=prod");
}

/* With a host of one's own, libpq's environment counts; with the container's, the container does. */
static void test_environment(void **state)
{
    (void)state;
    setenv("PGUSER", "me", 1);
    setenv("PGPASSWORD", "mine", 1);
    setenv("PGDATABASE", "db", 1);
    assert_conninfo("", &admin, PLACE " user='admin' password='s3cret' dbname='postgres'");
    assert_conninfo("host=h", &admin, "host='h'");
    unsetenv("PGUSER");
    assert_conninfo("host=h", &admin, "host='h' user='admin'");
    unsetenv("PGPASSWORD");
    unsetenv("PGDATABASE");
    assert_conninfo("host=h", &admin, "host='h' user='admin' password='s3cret' dbname='postgres'");
    setenv("PGPASSFILE", "/p", 1);
    assert_conninfo("host=h", &admin, "host='h' user='admin' dbname='postgres'");
    unsetenv("PGPASSFILE");
}

/* A PostgreSQL that has no address is as if it were given conninfo alone, which is another one. */
static void test_known_or_not(void **state)
{
    static const struct {
        const char *conninfo, *url;
        bool known;
    } cases[] = {
        {"", "", false},
        {"port=5433 user=x", "redis://:6380/2", false},
        {"host=h", "redis://h", true},
        {"service=s", "unix:///run/redis.sock", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config *config = config_new();
        struct postgres_config *postgres = config_add_postgres(config, "pg", cases[i].conninfo);
        struct redis_config *redis = config_add_redis(config, "cache", cases[i].url);
        char *error = NULL;

        assert_true(container_postgres_is_known(postgres, &error));
        assert_true(container_redis_is_known(redis, &error));
        postgres->container = mem_strdup("pg");
        redis->container = mem_strdup("cache");
        assert_int_equal(container_places_postgres(postgres), !cases[i].known);
        assert_int_equal(container_places_redis(redis), !cases[i].known);
        assert_int_equal(container_postgres_is_known(postgres, &error), cases[i].known);
        free(error);
        error = NULL;
        assert_int_equal(container_redis_is_known(redis, &error), cases[i].known);
        if (!cases[i].known)
            assert_string_equal(error, "where the container cache is is not known (yet)");
        free(error);
        config_free(config);
    }
}

static void test_known_once_it_was_found(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "");
    char *error = NULL;

    (void)state;
    free(postgres->container);
    postgres->container = mem_strdup("pg");
    assert_false(container_postgres_is_known(postgres, &error));
    free(error);
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_true(container_postgres_is_known(postgres, &error));
    assert_true(container_places_postgres(postgres));
    config_free(config);
}

/* What libpq makes of it: no password of the environment, of the passfile that it names or of the one
 * that a service names. */
static void test_no_password_of_the_environment(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "");
    char passfile[] = "/tmp/st-place-XXXXXX";
    const int fd = mkstemp(passfile);
    char *error;
    PGconn *conn;

    (void)state;
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "*:*:*:*:wildcard\n") > 0);
    close(fd);
    setenv("PGPASSFILE", passfile, 1);
    setenv("PGPASSWORD", "mine", 1);
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_true(container_bars_password(postgres));
    assert_null(job_password(postgres, &error)); /* nor does a program that we start get one */
    assert_null(error);
    conn = PQconnectStart(postgres->conninfo);
    assert_string_equal(PQpass(conn), "");
    PQfinish(conn);
    unsetenv("PGPASSWORD");
    conn = PQconnectStart(postgres->conninfo);
    assert_string_equal(PQpass(conn), "");
    PQfinish(conn);
    unsetenv("PGPASSFILE");
    unlink(passfile);
    postgres->env_file = mem_strdup("/opt/docker/shared/.env");
    assert_false(container_bars_password(postgres));
    config_free(config);
}

static void test_env_file_is_the_password(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "");

    (void)state;
    postgres->env_file = mem_strdup("/opt/docker/shared/.env");
    assert_true(locate(postgres, &container, &admin, 0));
    assert_string_equal(postgres->conninfo, PLACE " user='admin' dbname='postgres'");
    config_free(config);
}

static void test_database_of_the_container(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "");

    (void)state;
    container.database = "app";
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_string_equal(postgres->conninfo, PLACE BARRED " dbname='app'");
    config_free(config);
}

static void test_port_inside(void **state)
{
    struct container_port port = {.port = 6000, .published = 16000};
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "port=6000 dbname=x");

    (void)state;
    container.ports = &port;
    container.port_count = 1;
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_string_equal(postgres->conninfo,
                        "host='172.18.0.2' hostaddr='172.18.0.2' port='6000' dbname='x'" BARRED);
    assert_true(locate(postgres, &container, &no_login, 1));
    assert_string_equal(postgres->conninfo,
                        "host='127.0.0.1' hostaddr='127.0.0.1' port='16000' dbname='x'" BARRED);
    config_free(config);
}

/* A thread may be reading what is replaced: it stays, and does not grow with each attempt. */
static void test_attempts_and_texts(void **state)
{
    struct container_network networks[] = {
        {.name = "a", .address = "172.18.0.2"},
        {.name = "b", .address = "172.19.0.2"},
    };
    struct container container = postgres_on(networks, 2);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "dbname=x");
    const char *given = postgres->conninfo, *first, *second;

    (void)state;
    assert_true(locate(postgres, &container, &no_login, 0));
    first = postgres->conninfo;
    assert_int_equal(postgres->retired.count, 1);
    assert_ptr_equal(postgres->retired.items[0], given);
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_ptr_equal(postgres->conninfo, first);
    assert_true(locate(postgres, &container, &no_login, 1));
    second = postgres->conninfo;
    assert_non_null(strstr(second, "172.19.0.2"));
    for (unsigned attempt = 2; attempt < 50; attempt++)
        assert_true(locate(postgres, &container, &no_login, attempt));
    assert_ptr_equal(postgres->conninfo, second);
    assert_true(locate(postgres, &container, &no_login, 50));
    assert_ptr_equal(postgres->conninfo, first);
    assert_int_equal(postgres->retired.count, 2);
    assert_string_equal(given, "dbname=x");
    config_free(config);
}

static void test_exec_prefix(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "");
    char *expected = container_exec_prefix(SOCKET, "shared_postgres", false);

    (void)state;
    assert_true(locate(postgres, &container, &no_login, 0));
    assert_string_equal(postgres->exec_prefix, expected);
    free(expected);
    config_free(config);
}

static void test_failure_changes_nothing(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct postgres_config *postgres = with_conninfo(config, "dbname=x");
    const char *conninfo = postgres->conninfo;
    char *error = NULL;

    (void)state;
    postgres->network = mem_strdup("frontend");
    assert_false(
        container_locate_postgres(postgres, &container, &admin, &on_host, SOCKET, 0, &error));
    assert_string_equal(error, "the container shared_postgres is not on a network frontend: set "
                               "network to backend");
    assert_ptr_equal(postgres->conninfo, conninfo);
    assert_null(postgres->given);
    assert_null(postgres->exec_prefix);
    assert_int_equal(postgres->retired.count, 0);
    free(error);
    config_free(config);
}

/* ---- Redis ---- */

static void assert_url(const char *given, const struct container_login *login, const char *expected)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct redis_config *redis = config_add_redis(config, "redis", given);
    struct redis_address address;
    char *error = NULL;

    container.service = SERVICE_REDIS;
    assert_true(container_locate_redis(redis, &container, login, &on_host, SOCKET, 0, &error));
    assert_null(error);
    assert_string_equal(redis->url, expected);
    assert_string_equal(redis->given, given);
    assert_true(redis_url_parse(redis->url, &address, &error));
    redis_address_free(&address);
    config_free(config);
}

static void test_url(void **state)
{
    static const struct container_login password = {.password = "p@:/?#%é"};

    (void)state;
    assert_url("", &no_login, "redis://172.18.0.2:6379");
    assert_url("", &admin, "redis://admin:s3cret@172.18.0.2:6379");
    assert_url("", &password, "redis://:p%40%3A%2F%3F%23%25%C3%A9@172.18.0.2:6379");
    assert_url("redis:///3", &no_login, "redis://172.18.0.2:6379/3");
    assert_url("redis://:mine@/3", &admin, "redis://:mine@172.18.0.2:6379/3");
    assert_url("redis://:7000", &no_login, "redis://172.18.0.2:7000");
    assert_url("redis://me@", &admin, "redis://me@172.18.0.2:6379");
    assert_url("redis://default@", &password,
               "redis://default:p%40%3A%2F%3F%23%25%C3%A9@172.18.0.2:6379");
    assert_url("rediss://", &no_login, "rediss://172.18.0.2:6379");
}

static void test_url_with_a_host(void **state)
{
    (void)state;
    assert_url("10.1.1.1:7000", &no_login, "10.1.1.1:7000");
    assert_url("redis://[::1]:7000/2", &admin, "redis://admin:s3cret@[::1]:7000/2");
    assert_url("::1", &no_login, "::1");
    assert_url("unix:/run/redis.sock", &admin, "unix:/run/redis.sock");
    assert_url("unix:///run/redis.sock?db=2", &admin, "unix:///run/redis.sock?db=2");
}

static void test_url_has_place(void **state)
{
    static const struct {
        const char *url;
        bool has;
    } cases[] = {
        {"", false},
        {"redis://", false},
        {"redis:///3", false},
        {"redis://:p@/3", false},
        {"redis://u:p@:7000/3", false},
        {"rediss://?db=2", false},
        {":7000", false},
        {"127.0.0.1", true},
        {"::1", true},
        {"redis://u:p@h/3", true},
        {"redis://::1", true},
        {"unix:/run/redis.sock", true},
        {"unix:///run/redis.sock", true},
        {"/run/redis.sock", true},
        {"http://x", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (container_url_has_place(cases[i].url) != cases[i].has)
            fail_msg("%s", cases[i].url);
    }
}

static void test_url_of_tls_only(void **state)
{
    char *command[] = {"redis-server", "--port", "0", "--tls-port", "6390", NULL};
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct redis_config *redis = config_add_redis(config, "redis", "");
    char *error = NULL;

    (void)state;
    container.service = SERVICE_REDIS;
    container.command = command;
    assert_true(container_locate_redis(redis, &container, &no_login, &on_host, SOCKET, 0, &error));
    assert_string_equal(redis->url, "rediss://172.18.0.2:6390");
    config_free(config);
}

static void test_url_with_env_file(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    struct redis_config *redis = config_add_redis(config, "redis", "");
    char *error = NULL;

    (void)state;
    container.service = SERVICE_REDIS;
    redis->env_file = mem_strdup("/e");
    assert_true(container_locate_redis(redis, &container, &admin, &on_host, SOCKET, 0, &error));
    assert_string_equal(redis->url, "redis://admin@172.18.0.2:6379");
    config_free(config);
}

static void test_redis_moves(void **state)
{
    struct container_network network = {.name = "backend", .address = "172.18.0.2"};
    struct container container = postgres_on(&network, 1);
    struct config *config = config_new();
    struct redis_config *redis = config_add_redis(config, "redis", "redis:///1");
    char *error = NULL;

    (void)state;
    container.service = SERVICE_REDIS;
    assert_true(container_locate_redis(redis, &container, &no_login, &on_host, SOCKET, 0, &error));
    network.address = "172.18.0.9";
    assert_true(container_locate_redis(redis, &container, &no_login, &on_host, SOCKET, 0, &error));
    assert_string_equal(redis->url, "redis://172.18.0.9:6379/1");
    assert_string_equal(redis->given, "redis:///1");
    network.address = NULL;
    assert_false(container_locate_redis(redis, &container, &no_login, &on_host, SOCKET, 0, &error));
    assert_non_null(error);
    assert_string_equal(redis->url, "redis://172.18.0.9:6379/1");
    free(error);
    config_free(config);
}

/* ---- discovery ---- */

static void test_add_instance(void **state)
{
    struct container container = postgres_on(&backend_network, 1);
    struct config *config = config_new();
    char *error = NULL;

    (void)state;
    config_add_postgres(config, "shared_postgres", "");
    assert_string_equal(container_add_instance(config, &container), "shared_postgres#2");
    assert_int_equal(config->postgres_count, 2);
    assert_string_equal(config->postgres[1]->container, "shared_postgres");
    assert_true(container_locate_postgres(config->postgres[1], &container, &admin, &on_host, SOCKET,
                                          0, &error));
    container.service = SERVICE_REDIS;
    container.name = NULL;
    assert_string_equal(container_add_instance(config, &container), "0123456789abcdef");
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->container, "0123456789abcdef");
    assert_int_equal(config->redis[0]->trash_db, -1);
    assert_string_equal(config->redis[0]->url, "");
    config_free(config);
}

int main(void)
{
    static const char *const cleared[] = {"PGUSER",     "PGPASSWORD", "PGDATABASE",
                                          "PGPASSFILE", "PGHOST",     "PGSERVICE"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_in_order),
        cmocka_unit_test(test_only_published_where_bridges_are_apart),
        cmocka_unit_test(test_published_addresses),
        cmocka_unit_test(test_host_network),
        cmocka_unit_test(test_ipv6_only),
        cmocka_unit_test(test_compose_network),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_only_numbers_are_addresses),
        cmocka_unit_test(test_port_of_the_command),
        cmocka_unit_test(test_port_of_the_image),
        cmocka_unit_test(test_no_port),
        cmocka_unit_test(test_conninfo),
        cmocka_unit_test(test_password_of_its_user),
        cmocka_unit_test(test_host_of_somebodys_own),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_known_or_not),
        cmocka_unit_test(test_known_once_it_was_found),
        cmocka_unit_test(test_no_password_of_the_environment),
        cmocka_unit_test(test_env_file_is_the_password),
        cmocka_unit_test(test_database_of_the_container),
        cmocka_unit_test(test_port_inside),
        cmocka_unit_test(test_attempts_and_texts),
        cmocka_unit_test(test_exec_prefix),
        cmocka_unit_test(test_failure_changes_nothing),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_url_with_a_host),
        cmocka_unit_test(test_url_has_place),
        cmocka_unit_test(test_url_of_tls_only),
        cmocka_unit_test(test_url_with_env_file),
        cmocka_unit_test(test_redis_moves),
        cmocka_unit_test(test_add_instance),
    };

    for (size_t i = 0; i < COUNT(cleared); i++)
        unsetenv(cleared[i]);
    setenv("HOME", "/nonexistent", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
