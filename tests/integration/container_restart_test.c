/* The restart of one container by its engine, with the real program: the plan, what is asked for, that
 * only this one is restarted and comes back, and what goes wrong. */
#include "backend/container_exec_call.h"
#include "backend/job_internal.h"
#include "backend/job_place.h"
#include "backend/job_restart_one.h"
#include "tests/integration/container_tool.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

static struct docker_lab *lab;
static char *dir;

#define RUN "\"$SHAREDTOP\" --config %s/conf "

static char *started(const char *container)
{
    return docker_lab_docker(lab, "inspect -f '{{.State.StartedAt}}' %s", container);
}

static void test_plan(void **state)
{
    char *before = started("shared_redis"), *plan, *after;

    (void)state;
    plan = told(RUN "restart shared_redis --dry-run", dir);
    print_message("%s\n", plan);
    assert_has(plan, "Restart shared_redis");
    assert_has(plan,
               "POST /containers/shared_redis/restart?t=30 (docker restart -t 30 shared_redis)");
    assert_has(plan, "redis:");
    assert_has(plan, "up since");
    assert_has(plan, "restart policy");
    assert_has(plan, "changes of the compose file or of the image are not applied");
    assert_has(plan, "every connection to shared_redis drops");
    assert_has(plan, "Asks for the name: --confirm 'shared_redis'");
    assert_has_not(plan, "shared_postgres: ");
    after = started("shared_redis");
    assert_string_equal(before, after);
    free(plan);
    free(before);
    free(after);
}

static void test_plan_counts_what_drops(void **state)
{
    char *plan;

    (void)state;
    docker_lab_do(lab,
                  "exec -d shared_postgres psql -XU admin -d postgres -c 'SELECT pg_sleep(20)'");
    await("docker exec shared_postgres psql -XAtU admin -d postgres -c \"SELECT query FROM "
          "pg_stat_activity WHERE pid <> pg_backend_pid()\" | grep -q pg_sleep");
    plan = told(RUN "restart shared_postgres --dry-run", dir);
    assert_has(
        plan, "1 connection to shared_postgres, 1 of them in a query or a transaction: postgres 1");
    free(plan);
}

static void test_asks_for_the_name(void **state)
{
    char *before = started("shared_redis"), *output, *after;

    (void)state;
    assert_int_equal(tool(&output, RUN "restart shared_redis --yes", dir), 2);
    assert_has(output, "--confirm");
    free(output);
    assert_int_equal(tool(NULL, RUN "restart shared_redis --confirm all", dir), 2);
    assert_int_equal(
        tool(&output, RUN "--read-only restart shared_redis --confirm shared_redis", dir), 2);
    assert_has(output, "read-only");
    free(output);
    assert_int_equal(tool(&output, RUN "restart nosuch --confirm nosuch", dir), 2);
    print_message("%s\n", output);
    assert_has(output, "no instance and no container is called 'nosuch'");
    free(output);
    after = started("shared_redis");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_restarts_this_one(void **state)
{
    char *redis = started("shared_redis"), *postgres = started("shared_postgres"), *output, *after;

    (void)state;
    output = told(RUN "restart shared_redis --confirm shared_redis", dir);
    print_message("%s\n", strrchr(output, '\n') + 1);
    assert_has(output, "done: the container shared_redis was restarted in ");
    assert_has(output, "up; Redis down ");
    after = started("shared_redis");
    assert_true(strcmp(after, redis) > 0);
    free(after);
    after = started("shared_postgres");
    assert_string_equal(after, postgres);
    free(after);
    free(output);
    output = told(RUN "audit", dir);
    assert_has(output, "restart");
    assert_has(output, "shared_redis was restarted in");
    assert_has_not(output, DOCKER_LAB_PASSWORD);
    free(output);
    output = told(RUN "restart shared_postgres --confirm shared_postgres", dir);
    print_message("%s\n", strrchr(output, '\n') + 1);
    assert_has(output, "up; PostgreSQL down ");
    free(output);
    free(redis);
    free(postgres);
}

static void test_a_container_that_is_no_instance(void **state)
{
    char *before = started("box"), *output, *after;

    (void)state;
    output = told(RUN "restart box --confirm box", dir);
    assert_has(output, "it is no instance of ours");
    assert_has(output, "done: the container box was restarted in ");
    after = started("box");
    assert_true(strcmp(after, before) > 0);
    free(output);
    free(before);
    free(after);
}

static void test_one_that_does_not_come_back(void **state)
{
    char *output;

    (void)state;
    docker_lab_do(lab,
                  "run -d --name once %s sh -c 'test ! -e /tmp/x || exit 3; >/tmp/x; exec sleep "
                  "1000'",
                  getenv("TEST_IMAGE"));
    await("docker exec once test -e /tmp/x");
    assert_int_equal(tool(&output, RUN "restart once --confirm once", dir), 1);
    print_message("%s\n", strrchr(output, '\n') + 1);
    assert_has(output, "once is exited after its restart (exit code 3)");
    assert_has(output, "docker logs once");
    free(output);
    docker_lab_do(lab, "rm -f once");
}

/* Between the plan and the act it was started anew: the job looks, and leaves it alone. */
static void test_another_start_is_refused(void **state)
{
    char *id = docker_lab_docker(lab, "inspect -f '{{.Id}}' box"), *before = started("box"), *after;
    struct job_process process = {.lock = -1, .log = -1, .folder = dir};
    struct container_client client;
    struct container *container;
    char *error = NULL, *done;
    json_t *parameters;

    (void)state;
    assert_true(container_client_open(docker_lab_socket(lab), &client, &error));
    container = job_place_inspect(&client, "box", NULL, &error);
    assert_non_null(container);
    parameters = json_pack("{s:s, s:s, s:s, s:f, s:i}", "container", id, "name", "box", "socket",
                           docker_lab_socket(lab), "started", container->started - 1, "grace", 1);
    container_unref(container);
    container_client_close(&client);
    process.job.parameters = parameters;
    process.job.folder = dir;
    job_info_init(&process.job.info);
    error = job_restart_container(&process.job, &done);
    assert_non_null(error);
    assert_null(done);
    assert_has(error, "box was not restarted: it was started anew since the plan was made");
    after = started("box");
    assert_string_equal(before, after);
    free(error);
    json_object_set_new(parameters, "container", json_string("nosuch"));
    error = job_restart_container(&process.job, &done);
    assert_non_null(error);
    assert_has(error, "No such container");
    free(error);
    job_info_free(&process.job.info);
    json_decref(parameters);
    free(before);
    free(after);
    free(id);
}

/* All of them by a command, after which one has another address: it is found there. */
static void test_follows_to_a_new_address(void **state)
{
    char *old = docker_lab_address(lab, "shared_redis", "backend"), *output, *now;
    char *script = mem_printf("%s/move", dir);
    FILE *file = fopen(script, "we");

    (void)state;
    assert_non_null(file);
    fprintf(
        file,
        "#!/bin/sh\nset -e\ndocker stop -t 2 shared_redis\ndocker run -d --name thief --network "
        "backend --ip %s %s sleep 1000 ||\n"
        "docker run -d --name thief --network backend %s sleep 1000\ndocker start shared_redis\n",
        old, getenv("TEST_IMAGE"), getenv("TEST_IMAGE"));
    assert_int_equal(fclose(file), 0);
    free(script);
    output = told(RUN "restart --confirm all", dir);
    print_message("%s\n", strrchr(output, '\n') + 1);
    now = docker_lab_address(lab, "shared_redis", "backend");
    print_message("%s, then %s\n", old, now);
    assert_string_not_equal(old, now);
    assert_has(output, "both up; PostgreSQL was not restarted, Redis down ");
    docker_lab_do(lab, "rm -f thief");
    free(output);
    free(old);
    free(now);
}

/* A listener of this host, where url leads to without its container. */
static int listen_on(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const void *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (void *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* What is on this host gets no question, and no password, in the place of a stopped container. */
static void test_a_stopped_one_is_looked_for_nowhere_else(void **state)
{
    char *output;
    int port, fd = listen_on(&port);

    (void)state;
    docker_lab_do(lab, "stop -t 2 shared_redis");
    free(told("echo REDIS_PASSWORD=hush >%s/env; chmod 600 %s/env; sed 's|container = "
              "\"shared_redis\"|&; url = \"redis://:%d\"; env_file = \"%s/env\"; password_key = "
              "\"REDIS_PASSWORD\"|' %s/conf >%s/stopped",
              dir, dir, port, dir, dir, dir));
    output =
        told("timeout 20 \"$SHAREDTOP\" --config %s/stopped restart shared_redis --dry-run", dir);
    print_message("%s\n", output);
    assert_has(output, "shared_redis");
    assert_int_equal(accept(fd, NULL, NULL), -1);
    close(fd);
    free(output);
    docker_lab_do(lab, "start shared_redis");
}

static void test_without_an_engine(void **state)
{
    char *output;

    (void)state;
    free(
        told("sed 's|^docker_host.*|docker_host = \"/nonexistent/docker.sock\";|' %s/conf >%s/none",
             dir, dir));
    assert_int_equal(tool(&output,
                          "\"$SHAREDTOP\" --config %s/none restart shared_redis --confirm "
                          "shared_redis",
                          dir),
                     2);
    print_message("%s\n", output);
    assert_has(output, "cannot be restarted by its engine: ");
    free(output);
}

static void write_config(void)
{
    char *path = mem_printf("%s/conf", dir);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file,
            "docker_host = \"%s\";\nrestart = { command = \"sh %s/move\"; };\n"
            "postgres = ( { name = \"shared_postgres\"; container = \"shared_postgres\"; } );\n"
            "redis = ( { name = \"shared_redis\"; container = \"shared_redis\"; } );\n",
            docker_lab_host(lab), dir);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static int begin(void **state)
{
    char template[] = "/tmp/st-crestart-XXXXXX", *image, *home;

    (void)state;
    dir = mem_strdup(mkdtemp(template));
    home = mem_printf("%s/state", dir);
    setenv("XDG_STATE_HOME", home, 1);
    free(home);
    docker_lab_reference(lab, NULL);
    image = docker_lab_image(lab, "redis", NULL);
    setenv("TEST_IMAGE", image, 1);
    docker_lab_do(lab, "run -d --name box --init %s sleep 100000", image);
    free(image);
    write_config();
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(told("rm -rf %s", dir));
    free(dir);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_counts_what_drops),
        cmocka_unit_test(test_asks_for_the_name),
        cmocka_unit_test(test_restarts_this_one),
        cmocka_unit_test(test_a_container_that_is_no_instance),
        cmocka_unit_test(test_one_that_does_not_come_back),
        cmocka_unit_test(test_another_start_is_refused),
        cmocka_unit_test(test_follows_to_a_new_address),
        cmocka_unit_test(test_a_stopped_one_is_looked_for_nowhere_else),
        cmocka_unit_test(test_without_an_engine),
    };
    int status;

    lab = docker_lab_start();
    status = cmocka_run_group_tests(tests, begin, end);
    docker_lab_stop(lab);
    return status;
}
