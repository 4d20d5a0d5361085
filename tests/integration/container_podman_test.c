/* Podman's service answers the same requests: the same is found, shown and followed. */
#include "tests/integration/container_run.h"

#include "backend/base/mem.h"

static struct docker_lab *lab;
static char *socket_path;

static void podman(const char *command)
{
    docker_lab_do(lab, "-H unix://%s %s", socket_path, command);
}

/* Its address is another one after each start. */
static double await_redis(void)
{
    char *address = docker_lab_docker(lab,
                                      "-H unix://%s inspect -f '{{(index .NetworkSettings.Networks"
                                      " \"backend\").IPAddress}}' shared_redis",
                                      socket_path);
    double answered = docker_lab_await_redis(address, 6379);

    free(address);
    return answered;
}

static void start_services(void)
{
    char *postgres = docker_lab_image(lab, "postgres", NULL);
    char *redis = docker_lab_image(lab, "redis", NULL), *command;

    docker_lab_do(lab, "save %s %s | docker -H unix://%s load", postgres, redis, socket_path);
    podman("network create --subnet " DOCKER_LAB_NET "0/24 backend");
    command = mem_printf("run -d --name shared_postgres --network backend -m 512m"
                         " -e POSTGRES_USER=" DOCKER_LAB_USER
                         " -e POSTGRES_PASSWORD=" DOCKER_LAB_PASSWORD " %s",
                         postgres);
    podman(command);
    free(command);
    command = mem_printf("run -d --name shared_redis --network backend -m 200m"
                         " %s redis-server --maxmemory 128mb",
                         redis);
    podman(command);
    free(command);
    await_redis();
    free(postgres);
    free(redis);
}

static void test_found(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct term *term = watch_start(none);
    json_t *json;

    expect_quit(term);
    json = snapshot_json(NULL);
    assert_string_equal(text_of(json_object_get(json, "containers"), "engine"), "Podman");
    assert_non_null(named(container_rows(json), "shared_redis"));
    assert_string_equal(
        text_of(named(json_object_get(json, "postgres"), "shared_postgres"), "state"), "up");
    json_decref(json);
}

static void restart(struct moments *moments, const void *context)
{
    (void)context;
    podman("restart shared_redis");
    moments->answered = await_redis();
}

static void test_restart(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct term *term = watch_start(none);
    struct moments *moments;
    pid_t pid = beside(restart, &moments, NULL);

    expect_screen(term, "down|stale|connecting|retry|exited");
    expect_gone(term, "down|stale|connecting|retry|exited");
    expect_both_up(term);
    beside_end(pid);
    printf("podman restart: up on the screen %.0f ms after the server's first answer\n",
           ms_of(moments->answered, term_matched(term)));
    expect_quit(term);
    munmap(moments, sizeof(*moments));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_found),
                                       cmocka_unit_test(test_restart)};

    lab = docker_lab_start();
    socket_path = docker_lab_podman(lab);
    start_services();
    char *host = mem_printf("unix://%s", socket_path);
    setenv("DOCKER_HOST", host, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_do(lab, "-H %s ps -aq | xargs docker -H %s rm -f -v", host, host);
    docker_lab_do(lab, "-H %s network rm backend", host);
    free(host);
    free(socket_path);
    docker_lab_stop(lab);
    return failed;
}
