/* Where a restart's looks go: never to what answers where a container is not. */
#include "backend/job_probe.h"

#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/job_place.h"
#include "tests/unit/fake_engine.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30000, LOOKS = 5 };

/* ---- a Redis that is on this host, and knows no password ---- */

struct server {
    int fd, port;
    pthread_t thread;
    atomic_uint connections;
};

/* Each line that names a command is answered; the arguments' lines are not. */
static void serve_client(int fd)
{
    static const char info[] = "$12\r\nrun_id:abc\r\n\r\n";
    char text[4096];
    ssize_t n;

    while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
        text[n] = '\0';
        for (char *at = text; (at = strchr(at, '*')) != NULL; at++) {
            if (strncmp(at, "*2\r\n$4\r\nINFO", 12) == 0)
                fake_engine_sends(fd, info);
            else if (at[1] >= '1' && at[1] <= '9')
                fake_engine_sends(fd, "+OK\r\n");
        }
    }
    close(fd);
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd;

    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        server->connections++;
        serve_client(fd);
    }
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    *server = (struct server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (const void *)&address, len), 0);
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (void *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* ---- its engine ---- */

struct world {
    struct server server;
    struct fake_engine *engine;
    struct config *config;
    atomic_bool running; /* the container: at the server's address then */
    bool no_info;
    const char *image;
};

static bool answer_inspect(const struct world *world, int fd)
{
    char *body = mem_printf(
        "{\"Id\":\"c1\",\"Name\":\"/shared\",\"Config\":{\"Image\":\"%s\"},"
        "\"State\":{\"Status\":\"%s\",\"Running\":%s},"
        "\"NetworkSettings\":{\"Networks\":{\"backend\":{\"IPAddress\":\"%s\"}},\"Ports\":{}}}",
        world->image, world->running ? "running" : "exited", world->running ? "true" : "false",
        world->running ? "127.0.0.1" : "");
    const bool good = fake_engine_answer(fd, 200, body);

    free(body);
    return good;
}

static bool answer(struct fake_engine *fake, int fd, const char *request, void *context)
{
    const struct world *world = context;

    (void)fake;
    if (strstr(request, "/containers/shared/json"))
        return answer_inspect(world, fd);
    if (strstr(request, "/version"))
        return fake_engine_answer(fd, 200, "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\"}");
    if (world->no_info && strstr(request, "/info"))
        return fake_engine_answer(fd, 500, "{\"message\":\"later\"}");
    return fake_engine_answer(fd, 200, "{\"ServerVersion\":\"20.10.24\",\"SecurityOptions\":[]}");
}

static void world_begin(struct world *world, const char *image)
{
    *world = (struct world){.image = image};
    server_start(&world->server);
    world->engine = fake_engine_start(answer, world);
    world->config = config_new();
    free(world->config->docker_host);
    world->config->docker_host = mem_printf("unix://%s", fake_engine_socket(world->engine));
}

static struct redis_config *with_redis(struct world *world)
{
    char *url = mem_printf("redis://:%d", world->server.port);
    struct redis_config *redis = config_add_redis(world->config, "cache", url);

    redis->container = mem_strdup("shared");
    free(url);
    return redis;
}

static void world_end(struct world *world)
{
    config_free(world->config);
    fake_engine_stop(world->engine);
    server_stop(&world->server);
}

static void nap(void)
{
    const struct timespec tick = {0, 10000000};

    nanosleep(&tick, NULL);
}

static void wait_for_looks(struct probes *probes, unsigned looks)
{
    const int64_t until = job_clock() + DEADLINE_MS;

    while (probes_looks(probes) < looks && job_clock() < until)
        nap();
    assert_true(probes_looks(probes) >= looks);
}

static void wait_until_up(struct probes *probes, size_t up)
{
    const int64_t until = job_clock() + DEADLINE_MS;

    while (probes_up(probes, 0) != up && job_clock() < until)
        nap();
    assert_int_equal(probes_up(probes, 0), up);
}

static void assert_state(struct probes *probes, const char *part)
{
    struct strbuf text = {0};

    probes_tell_state(probes, &text);
    if (!strstr(text.s, part))
        fail_msg("'%s' is not in '%s'", part, text.s);
    strbuf_free(&text);
}

/* ---- Redis ---- */

static void test_a_container_that_was_never_found(void **state)
{
    struct world world;
    struct probes *probes;

    (void)state;
    world_begin(&world, "redis:7");
    with_redis(&world);
    probes = probes_start(world.config);
    wait_for_looks(probes, LOOKS);
    assert_int_equal(probes_up(probes, 0), 0);
    assert_state(probes, "cache is not up (the container shared is exited)");
    assert_int_equal(world.server.connections, 0);
    world.running = true;
    wait_until_up(probes, 1);
    probes_stop(probes);
    assert_true(world.server.connections > 0);
    world_end(&world);
}

/* Where it was is somebody else now. */
static void test_an_old_address_is_not_looked_at(void **state)
{
    struct world world;
    struct redis_config *redis;
    struct probes *probes;

    (void)state;
    world_begin(&world, "redis:7");
    redis = with_redis(&world);
    redis->given = mem_strdup(redis->url);
    free(redis->url);
    redis->url = mem_printf("redis://127.0.0.1:%d", world.server.port);
    probes = probes_start(world.config);
    wait_for_looks(probes, LOOKS);
    assert_int_equal(probes_up(probes, 0), 0);
    probes_stop(probes);
    assert_int_equal(world.server.connections, 0);
    world_end(&world);
}

static void test_without_an_engine_it_stays_unknown(void **state)
{
    struct world world;
    struct probes *probes;

    (void)state;
    world_begin(&world, "redis:7");
    with_redis(&world);
    world.config->containers = false;
    probes = probes_start(world.config);
    wait_for_looks(probes, LOOKS);
    assert_state(probes, "cache is not up (where the container shared is is not known (yet))");
    probes_stop(probes);
    assert_int_equal(world.server.connections, 0);
    world_end(&world);
}

/* Somebody has said where it is: that holds, whatever its container does. */
static void test_an_address_of_ones_own(void **state)
{
    struct world world;
    struct redis_config *redis;
    struct probes *probes;

    (void)state;
    world_begin(&world, "redis:7");
    redis = with_redis(&world);
    free(redis->url);
    redis->url = mem_printf("redis://127.0.0.1:%d", world.server.port);
    probes = probes_start(world.config);
    wait_until_up(probes, 1);
    probes_stop(probes);
    world_end(&world);
}

/* ---- PostgreSQL ---- */

static void test_a_postgres_that_was_never_found(void **state)
{
    struct world world;
    struct postgres_config *postgres;
    struct probes *probes;
    char *conninfo, *error = NULL;

    (void)state;
    world_begin(&world, "postgres:16");
    conninfo = mem_printf("port=%d sslmode=disable", world.server.port);
    setenv("PGHOST", "127.0.0.1", 1);
    postgres = config_add_postgres(world.config, "pg", conninfo);
    postgres->container = mem_strdup("shared");
    assert_null(job_pg_connect(NULL, postgres, NULL, "test", 1000, &error));
    assert_string_equal(error, "pg: where the container shared is is not known (yet)");
    free(error);
    probes = probes_start(world.config);
    wait_for_looks(probes, LOOKS);
    assert_state(probes, "pg is not up (the container shared is exited)");
    probes_stop(probes);
    assert_int_equal(world.server.connections, 0);
    unsetenv("PGHOST");
    free(conninfo);
    world_end(&world);
}

/* ---- the engine's host ---- */

/* Then its bridges may be apart, and the address here another server's. */
static void test_an_engine_that_does_not_tell(void **state)
{
    struct world world;
    struct redis_config *redis;
    char *error, *url;

    (void)state;
    world_begin(&world, "redis:7");
    redis = with_redis(&world);
    url = mem_printf("redis://127.0.0.1:%d", world.server.port);
    world.running = true;
    world.no_info = true;
    assert_false(job_place_update(world.config, 0, &error));
    assert_non_null(strstr(error, "is not published"));
    assert_null(redis->given);
    free(error);
    world.no_info = false;
    assert_true(job_place_update(world.config, 0, &error));
    assert_string_equal(redis->url, url);
    free(url);
    world_end(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container_that_was_never_found),
        cmocka_unit_test(test_an_old_address_is_not_looked_at),
        cmocka_unit_test(test_without_an_engine_it_stays_unknown),
        cmocka_unit_test(test_an_address_of_ones_own),
        cmocka_unit_test(test_a_postgres_that_was_never_found),
        cmocka_unit_test(test_an_engine_that_does_not_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
