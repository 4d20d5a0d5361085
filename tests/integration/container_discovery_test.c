/* Without a word of configuration the services of a real engine are found, and shown. */
#include "tests/integration/container_run.h"

#include "backend/base/mem.h"

#include <sys/stat.h>

static struct docker_lab *lab;

/* ---- no configuration ---- */

static void test_both_on_the_screen(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    double slowest = 0;

    for (int i = 0; i < 3; i++) {
        struct term *term;
        double begun = term_now(), took;

        term = watch_start(none);
        took = term_matched(term) - begun;
        slowest = took > slowest ? took : slowest;
        expect_now(term, "shared_postgres");
        expect_now(term, "shared_redis");
        expect_quit(term);
    }
    printf("no configuration: both instances up %.0f ms after the start (slowest of 3)\n", slowest);
}

static void test_what_was_found(void **state)
{
    (void)state;
    json_t *json = snapshot_json(NULL);
    const json_t *engine = json_object_get(json, "containers"), *row;

    assert_string_equal(text_of(engine, "engine"), "Docker");
    assert_string_equal(text_of(engine, "state"), "up");
    assert_string_equal(text_of(engine, "socket"), docker_lab_socket(lab));
    assert_string_equal(
        text_of(named(json_object_get(json, "postgres"), "shared_postgres"), "state"), "up");
    assert_string_equal(text_of(named(json_object_get(json, "redis"), "shared_redis"), "state"),
                        "up");
    assert_int_equal(json_array_size(container_rows(json)), 3);
    row = named(container_rows(json), "shared_redis");
    assert_non_null(row);
    assert_int_equal(json_integer_value(json_object_get(row, "limit_bytes")), 200 << 20);
    assert_int_equal(json_integer_value(json_object_get(row, "oom_score_adj")), 200);
    json_decref(json);
}

static char *take(const char *path)
{
    struct strbuf text = {0};
    char bytes[4096];
    size_t len;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
        strbuf_add(&text, bytes, len);
    fclose(file);
    strbuf_addc(&text, '\0');
    return strbuf_take(&text);
}

/* A file of what was found is taken as a configuration, finds the same, and holds no password. */
static void test_init(void **state)
{
    (void)state;
    char folder[] = "/tmp/st-init-XXXXXX";
    char *path, *text;
    json_t *json;

    assert_non_null(mkdtemp(folder));
    path = mem_printf("%s/sharedtop.conf", folder);
    {
        const char *const init[] = {"config", "init", path, NULL};
        struct run run = snapshot(init);

        assert_int_equal(run.status, 0);
        run_free(&run);
    }
    text = take(path);
    assert_non_null(strstr(text, "shared_postgres"));
    assert_non_null(strstr(text, "shared_redis"));
    assert_null(strstr(text, DOCKER_LAB_PASSWORD));
    json = snapshot_json((const char *const[]){"--config", path, NULL});
    assert_string_equal(
        text_of(named(json_object_get(json, "postgres"), "shared_postgres"), "state"), "up");
    assert_string_equal(text_of(named(json_object_get(json, "redis"), "shared_redis"), "state"),
                        "up");
    json_decref(json);
    unlink(path);
    rmdir(folder);
    free(path);
    free(text);
}

/* ---- no right to use the socket ---- */

/* Where the binary is, another user may not look. */
static char *copy_binary(void)
{
    char *path = mem_printf("/tmp/st-binary-%d", (int)getpid());
    char *command = mem_printf("cp '%s' '%s' && chmod 755 '%s'", getenv("SHAREDTOP"), path, path);

    assert_int_equal(system(command), 0);
    free(command);
    return path;
}

static char *run_as_nobody(const char *binary, const char *arguments)
{
    char *command = mem_printf("setpriv --reuid=65534 --regid=65534 --clear-groups -- env"
                               " HOME=/nonexistent '%s' %s 2>&1",
                               binary, arguments);
    FILE *pipe = popen(command, "re");
    struct strbuf text = {0};
    char bytes[4096];
    size_t len;

    assert_non_null(pipe);
    while ((len = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
        strbuf_add(&text, bytes, len);
    pclose(pipe);
    free(command);
    strbuf_addc(&text, '\0');
    return strbuf_take(&text);
}

static void test_no_permission(void **state)
{
    (void)state;
    char *binary = copy_binary(), *address = docker_lab_address(lab, "shared_redis", "backend");
    char *arguments = mem_printf("--redis redis://%s snapshot --json", address), *out;
    json_error_t error;
    json_t *json;

    out = run_as_nobody(binary, arguments);
    json = json_loads(out, 0, &error);
    if (!json)
        fail_msg("line %d: %s\n%s", error.line, error.text, out);
    assert_string_equal(text_of(json_object_get(json, "containers"), "state"), "none");
    assert_non_null(strstr(text_of(json_object_get(json, "containers"), "error"), "ermission"));
    assert_non_null(strstr(text_of(json_object_get(json, "containers"), "hint"), "group"));
    assert_string_equal(text_of(json_array_get(json_object_get(json, "redis"), 0), "state"), "up");
    printf("no permission: %s; %s\n", text_of(json_object_get(json, "containers"), "error"),
           text_of(json_object_get(json, "containers"), "hint"));
    json_decref(json);
    unlink(binary);
    free(binary);
    free(address);
    free(arguments);
    free(out);
}

/* Nothing listens: the same, and the local servers are what is looked for. */
static void test_no_engine(void **state)
{
    (void)state;
    char *address = docker_lab_address(lab, "shared_redis", "backend");
    char *url = mem_printf("redis://%s", address);
    json_t *json;

    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    json = snapshot_json((const char *const[]){"--redis", url, NULL});
    setenv("DOCKER_HOST", docker_lab_host(lab), 1);
    assert_string_equal(text_of(json_object_get(json, "containers"), "state"), "none");
    assert_int_not_equal(text_of(json_object_get(json, "containers"), "error")[0], '\0');
    assert_string_equal(text_of(json_array_get(json_object_get(json, "redis"), 0), "state"), "up");
    json_decref(json);
    free(url);
    free(address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_on_the_screen),
        cmocka_unit_test(test_what_was_found),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_no_permission),
        cmocka_unit_test(test_no_engine),
    };

    lab = docker_lab_start();
    docker_lab_reference(lab, NULL);
    docker_lab_do(lab, "run -d --name other --network backend tiny:1");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_stop(lab);
    return failed;
}
