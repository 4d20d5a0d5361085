#include "backend/setup.h"

#include "backend/base/mem.h"

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

static const char both_kinds[] = "interval = 2.0;\n"
                                 "theme = \"light\";\n"
                                 "postgres = ( { name = \"pa\"; }, { name = \"pb\"; } );\n"
                                 "redis = ( { name = \"ra\"; url = \"cache\"; } );\n";

struct places {
    char folder[64], path[96];
};

/* No file but the one given is found. */
static int start(void **state)
{
    static const char *const variables[] = {"PGHOST", "PGPORT", "PGSERVICE", "REDIS_URL"};
    struct places *places = mem_zalloc(sizeof(*places));
    size_t i;

    for (i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    strcpy(places->folder, "/tmp/sharedtop-setup-XXXXXX");
    assert_non_null(mkdtemp(places->folder));
    snprintf(places->path, sizeof(places->path), "%s/c.conf", places->folder);
    setenv("XDG_CONFIG_HOME", places->folder, 1);
    *state = places;
    return 0;
}

static int stop(void **state)
{
    struct places *places = *state;

    unsetenv("REDIS_URL");
    unlink(places->path);
    rmdir(places->folder);
    free(places);
    return 0;
}

static void write_config(const struct places *places, const char *text)
{
    FILE *out = fopen(places->path, "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static struct options parse(const char *const *words)
{
    char *argv[12] = {mem_strdup("sharedtop")};
    struct options options;
    char *error = NULL;
    int argc = 1;

    for (; *words; words++)
        argv[argc++] = mem_strdup(*words);
    assert_true(options_parse(argc, argv, &options, &error));
    while (argc)
        free(argv[--argc]);
    return options;
}

static struct config *configure(const char *const *words, struct config_faults *faults)
{
    struct options options = parse(words);
    struct config *config = setup_config(&options, faults);

    options_free(&options);
    return config;
}

/* With a file, and without one that the machine happens to have. */
#define CONFIGURE(places, faults, ...)                                                             \
    configure((const char *const[]){"--config", (places)->path, ##__VA_ARGS__, NULL}, faults)

static struct config *good(struct config *config, struct config_faults *faults)
{
    config_faults_print(stderr, faults);
    assert_non_null(config);
    assert_int_equal(faults->count, 0);
    return config;
}

static void test_file(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, both_kinds);
    config = good(CONFIGURE(places, &faults), &faults);
    assert_string_equal(config->path, places->path);
    assert_float_equal(config->interval, 2, 0);
    assert_string_equal(config->theme, "light");
    assert_int_equal(config->theme_line, 2);
    assert_int_equal(config->postgres_count, 2);
    assert_int_equal(config->redis_count, 1);
    assert_false(config->read_only || config->ascii);
    config_free(config);
}

static void test_options_before_file(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, both_kinds);
    config =
        good(CONFIGURE(places, &faults, "--interval=5", "--theme=mono", "--read-only", "--ascii"),
             &faults);
    assert_float_equal(config->interval, 5, 0);
    assert_string_equal(config->theme, "mono");
    assert_int_equal(config->theme_line, 0);
    assert_true(config->read_only && config->ascii);
    config_free(config);
}

/* A flag that the file sets stays without its option. */
static void test_flags_of_file(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, "read_only = true; ascii = true;\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_true(config->read_only && config->ascii);
    config_free(config);
}

static void test_own_kind_is_replaced(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, both_kinds);
    config = good(CONFIGURE(places, &faults, "--postgres=host=x", "--postgres=host=x"), &faults);
    assert_int_equal(config->postgres_count, 2);
    assert_string_equal(config->postgres[0]->name, "x:5432");
    assert_string_equal(config->postgres[1]->name, "x:5432#2");
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->name, "ra");
    config_free(config);
    config = good(CONFIGURE(places, &faults, "--redis=redis://y:1/2"), &faults);
    assert_int_equal(config->postgres_count, 2);
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->name, "y:1");
    assert_string_equal(config->redis[0]->url, "redis://y:1/2");
    config_free(config);
}

static void test_nothing_named(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, "interval = 3;\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_true(config->discover);
    assert_int_equal(config->postgres_count + config->redis_count, 0);
    setup_default_postgres(config);
    setup_default_redis(config);
    assert_string_equal(config->postgres[0]->name, "local:5432");
    assert_string_equal(config->redis[0]->url, "127.0.0.1:6379");
    config_free(config);
    write_config(places, "containers = false;\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_false(config->discover);
    assert_int_equal(config->postgres_count, 1);
    assert_string_equal(config->postgres[0]->conninfo, "");
    assert_string_equal(config->postgres[0]->name, "local:5432");
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->url, "127.0.0.1:6379");
    assert_string_equal(config->redis[0]->name, "127.0.0.1:6379");
    config_free(config);
}

/* Who names one kind watches that kind. */
static void test_one_kind_named(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, "");
    config = good(CONFIGURE(places, &faults, "--redis=cache"), &faults);
    assert_int_equal(config->postgres_count, 0);
    assert_int_equal(config->redis_count, 1);
    config_free(config);
    write_config(places, "redis = ();\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_true(config->discover);
    assert_int_equal(config->redis_count, 0);
    config_free(config);
    write_config(places, "redis = ();\ncontainers = false;\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_int_equal(config->postgres_count, 1);
    assert_int_equal(config->redis_count, 0);
    config_free(config);
}

/* What the environment names is not looked for. */
static void test_environment_names(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, "");
    setenv("REDIS_URL", "redis://envhost", 1);
    config = good(CONFIGURE(places, &faults), &faults);
    assert_true(config->discover);
    assert_int_equal(config->postgres_count, 0);
    assert_string_equal(config->redis[0]->url, "redis://envhost");
    config_free(config);
    setenv("PGHOST", "elsewhere", 1);
    config = good(CONFIGURE(places, &faults), &faults);
    assert_false(config->discover);
    assert_int_equal(config->postgres_count, 1);
    config_free(config);
    unsetenv("PGHOST");
    unsetenv("REDIS_URL");
}

/* An instance that is a container keeps its url empty: the address comes with the container. */
static void test_container(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_config(places, "redis = ( { container = \"shared_redis\"; } );\n"
                         "docker_host = \"unix:///x/docker.sock\";\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_false(config->discover);
    assert_string_equal(config->redis[0]->url, "");
    assert_string_equal(config->redis[0]->name, "shared_redis");
    assert_string_equal(config->docker_host, "unix:///x/docker.sock");
    config_free(config);
    write_config(places, "docker_host = \"ssh://x\";\n");
    assert_null(CONFIGURE(places, &faults));
    assert_non_null(strstr(faults.items[0].message, "docker_host"));
    config_faults_free(&faults);
}

static void test_redis_url(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    setenv("REDIS_URL", "redis://:hush@envhost/3", 1);
    write_config(places, "redis = ( { url = \"\"; }, { url = \"cache\"; } );\n");
    config = good(CONFIGURE(places, &faults), &faults);
    assert_string_equal(config->redis[0]->url, "redis://:hush@envhost/3");
    assert_string_equal(config->redis[0]->name, "envhost:6379");
    assert_string_equal(config->redis[1]->url, "cache");
    config_free(config);
    setenv("REDIS_URL", "ftp://:hush@envhost", 1);
    assert_null(CONFIGURE(places, &faults));
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.items[0].file, "$REDIS_URL");
    assert_null(strstr(faults.items[0].message, "hush"));
    config_faults_free(&faults);
    unsetenv("REDIS_URL");
}

static const struct {
    const char *text, *option, *lines;
} fault_cases[] = {
    {"", "--postgres=hsot=a",
     "--postgres: invalid connection option \"hsot\": did you mean \"host\"?\n"},
    {"", "--postgres=password=a hush",
     "--postgres: libpq cannot read it (not shown, it may hold a password): quote values with "
     "spaces as 'a b'; in a URI write special characters as %XX\n"},
    {"", "--redis=redis://:hush@h:0",
     "--redis: the port must be a number from 1 to 65535; write redis://[[user]:password@]host"
     "[:port][/db], rediss://… (TLS) or unix:PATH\n"},
    {"postgres = ();\nredis = ();\n", "--ascii",
     "FILE: nothing to watch: put an instance into postgres or redis, or leave the empty lists "
     "out\n"},
    {"bel = 1;\n", "--redis=x", "FILE:1: unknown setting \"bel\": did you mean \"bell\"?\n"},
};

static void test_faults(void **state)
{
    const struct places *places = *state;
    size_t i, k;

    for (i = 0; i < COUNT(fault_cases); i++) {
        struct config_faults faults = {0};
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);

        write_config(places, fault_cases[i].text);
        assert_null(CONFIGURE(places, &faults, fault_cases[i].option));
        for (k = 0; k < faults.count; k++) {
            if (!strcmp(faults.items[k].file, places->path))
                memcpy(faults.items[k].file, "FILE", sizeof("FILE"));
        }
        config_faults_print(out, &faults);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, fault_cases[i].lines);
        free(text);
        config_faults_free(&faults);
    }
}

static void test_missing_file(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};

    unlink(places->path);
    assert_null(CONFIGURE(places, &faults));
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.items[0].message,
                        "cannot read it: No such file or directory: check the path and its mode");
    config_faults_free(&faults);
}

static void test_path(void **state)
{
    const struct {
        const char *words[6], *path;
    } cases[] = {
        {{"config", "check", "a.conf"}, "a.conf"},
        {{"config", "check", "--config=b.conf"}, "b.conf"},
        {{"--config=b.conf", "config", "check", "a.conf"}, "a.conf"},
        {{"--config=b.conf"}, "b.conf"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct options options = parse(cases[i].words);
        char *path = setup_path(&options);

        assert_string_equal(path, cases[i].path);
        free(path);
        options_free(&options);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),          cmocka_unit_test(test_options_before_file),
        cmocka_unit_test(test_flags_of_file), cmocka_unit_test(test_own_kind_is_replaced),
        cmocka_unit_test(test_nothing_named), cmocka_unit_test(test_one_kind_named),
        cmocka_unit_test(test_redis_url),     cmocka_unit_test(test_environment_names),
        cmocka_unit_test(test_container),     cmocka_unit_test(test_faults),
        cmocka_unit_test(test_missing_file),  cmocka_unit_test(test_path),
    };

    return cmocka_run_group_tests_name("setup", tests, start, stop);
}
