/* What the snapshot prints of a backend that has not been started. */
#include "panels/snapshot.h"

#include "backend/base/mem.h"
#include "backend/setup.h"

#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct {
    uv_loop_t loop;
    struct config *config;
    struct backend *backend;
} here;

static void ignore(void *context)
{
    (void)context;
}

static void start(bool containers, const char *docker_host)
{
    const struct options options = {0};
    struct config_faults faults = {0};

    unsetenv("PGHOST");
    unsetenv("REDIS_URL");
    uv_loop_init(&here.loop);
    here.config = setup_config(&options, &faults);
    assert_non_null(here.config);
    config_faults_free(&faults);
    here.config->containers = containers;
    here.config->docker_host = mem_strdup(docker_host);
    here.backend = backend_new(&here.loop, here.config, ignore, NULL);
}

static void stop(void)
{
    backend_close(here.backend, ignore, NULL);
    uv_run(&here.loop, UV_RUN_DEFAULT);
    uv_loop_close(&here.loop);
    config_free(here.config);
}

static char *printed(bool json)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    if (json)
        snapshot_print_json(here.backend, here.config, 0, out);
    else
        snapshot_print_text(here.backend, here.config, 0, out);
    fclose(out);
    return text;
}

static json_t *printed_json(void)
{
    char *text = printed(true);
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    free(text);
    return json;
}

static void test_containers_that_are_switched_off(void **state)
{
    json_t *json, *containers;
    char *text;

    (void)state;
    start(false, NULL);
    json = printed_json();
    containers = json_object_get(json, "containers");
    assert_int_equal(json_integer_value(json_object_get(json, "schema")), 1);
    assert_string_equal(json_string_value(json_object_get(containers, "state")), "none");
    assert_true(json_is_null(json_object_get(containers, "engine")));
    assert_true(json_is_null(json_object_get(containers, "version")));
    assert_true(json_is_null(json_object_get(containers, "socket")));
    assert_true(json_is_string(json_object_get(containers, "error")));
    assert_int_equal(json_array_size(json_object_get(containers, "rows")), 0);
    json_decref(json);
    text = printed(false);
    assert_null(strstr(text, "ontainer"));
    free(text);
    stop();
}

/* Somebody has named a socket, so it is worth a word. */
static void test_an_engine_that_is_not_known_yet(void **state)
{
    json_t *json, *containers;
    char *text;

    (void)state;
    start(true, "/tmp/st-nothing-is-here.sock");
    json = printed_json();
    containers = json_object_get(json, "containers");
    assert_string_equal(json_string_value(json_object_get(containers, "state")), "searching");
    assert_true(json_is_null(json_object_get(containers, "error")));
    json_decref(json);
    text = printed(false);
    assert_non_null(strstr(text, "Container engine"));
    free(text);
    stop();
}

/* Nobody answered: a script must not take it for health. */
static void test_nobody_is_blind(void **state)
{
    (void)state;
    start(true, NULL);
    assert_int_equal(snapshot_status(here.backend), SNAPSHOT_BLIND);
    stop();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containers_that_are_switched_off),
        cmocka_unit_test(test_an_engine_that_is_not_known_yet),
        cmocka_unit_test(test_nobody_is_blind),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
