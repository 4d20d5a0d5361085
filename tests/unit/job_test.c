/* Jobs without servers: what is on disk, whatever it is, and the words that tools are given. */
#include "backend/act_restart.h"
#include "backend/base/mem.h"
#include "backend/conninfo.h"
#include "backend/job_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a place for jobs ---- */

static char home[] = "/tmp/st-jobs-XXXXXX";

static void shell(const char *format, const char *word)
{
    char *command = mem_printf(format, word);

    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c,bugprone-command-processor)
    free(command);
}

static int make_home(void **state)
{
    (void)state;
    if (!mkdtemp(home))
        return 1;
    setenv("XDG_STATE_HOME", home, 1);
    return 0;
}

static int empty_home(void **state)
{
    (void)state;
    shell("rm -rf '%s'/sharedtop", home);
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    shell("rm -rf '%s'", home);
    return 0;
}

static char *folder_of(const char *id)
{
    char *error = NULL, *path = job_path(id, NULL, &error);

    assert_non_null(path);
    return path;
}

static void write_file(const char *id, const char *name, const char *text)
{
    char *folder = folder_of(id), *path = mem_printf("%s/%s", folder, name);
    FILE *file;

    shell("mkdir -p '%s'", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(folder);
    free(path);
}

/* A job that began so many seconds ago. */
static void write_job(const char *id, double age, const char *state)
{
    char *spec = mem_printf("{\"act\": \"backup\", \"action\": \"%s\", \"created\": %f, "
                            "\"instance\": \"pg\", \"target\": \"umami\", \"parameters\": {}}",
                            id, job_wall() - age);

    write_file(id, "spec.json", spec);
    if (state)
        write_file(id, "state.json", state);
    free(spec);
}

static struct job_info read_job(const char *id)
{
    struct job_info info;
    char *error = NULL;

    if (!job_info_read(id, &info, &error))
        fail_msg("%s", error);
    return info;
}

static void state_is(const char *id, enum job_state state)
{
    struct job_info info = read_job(id);

    assert_string_equal(job_state_text(info.state), job_state_text(state));
    job_info_free(&info);
}

/* ---- what is on disk ---- */

static void test_no_folder(void **state)
{
    struct job_list list;
    char *error = NULL;

    (void)state;
    assert_true(job_list_read(&list, &error));
    assert_int_equal(list.count, 0);
    job_list_free(&list);
}

static void test_states(void **state)
{
    char *folder, *path;
    int fd;

    (void)state;
    write_job("20260101T000000Z-1-1", 1, NULL);
    state_is("20260101T000000Z-1-1", JOB_STARTING);
    write_job("20260101T000000Z-1-2", 100, NULL);
    state_is("20260101T000000Z-1-2", JOB_DIED);
    write_job("20260101T000000Z-1-3", 100, "{\"state\": \"done\", \"result\": \"fine\"}");
    state_is("20260101T000000Z-1-3", JOB_DONE);
    write_job("20260101T000000Z-1-4", 100, "{\"state\": \"running\", \"pid\": 1}");
    write_file("20260101T000000Z-1-4", "lock", "");
    state_is("20260101T000000Z-1-4", JOB_DIED);
    folder = folder_of("20260101T000000Z-1-4");
    path = mem_printf("%s/lock", folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    state_is("20260101T000000Z-1-4", JOB_RUNNING);
    close(fd);
    free(folder);
    free(path);
}

static void test_round_trip(void **state)
{
    struct job_info info, back;
    char *folder = folder_of("20260101T000000Z-1-1"), *error;
    json_t *object;

    (void)state;
    write_job("20260101T000000Z-1-1", 60, NULL);
    job_info_init(&info);
    info.state = JOB_FAILED;
    info.pid = 4711;
    info.started = 1000;
    info.bytes = 12;
    info.bytes_total = 24;
    info.phase = mem_strdup("dumping \"\xC3\xA4\n\xFF\"");
    info.result = mem_strdup("no space");
    info.offer = mem_strdup("umami");
    object = job_info_json(&info);
    error = job_file_write(folder, "state.json", object, true);
    assert_null(error);
    json_decref(object);
    back = read_job("20260101T000000Z-1-1");
    assert_int_equal(back.state, JOB_FAILED);
    assert_int_equal(back.act, ACT_BACKUP);
    assert_int_equal(back.pid, 4711);
    assert_string_equal(back.instance, "pg");
    assert_string_equal(back.target, "umami");
    assert_string_equal(back.phase, "dumping \"\xC3\xA4\n\xEF\xBF\xBD\"");
    assert_string_equal(back.result, "no space");
    assert_string_equal(back.offer, "umami");
    assert_null(back.made);
    assert_true(back.bytes == 12 && back.bytes_total == 24 && back.items == -1);
    assert_true(isnan(back.ended) && back.started == 1000);
    job_info_free(&info);
    job_info_free(&back);
    free(folder);
}

/* Whatever lies in the folder: the good jobs are shown, and nothing crashes or hangs. */
static void test_hostile_folders(void **state)
{
    char deep[4000], *path;
    struct job_list list;
    char *error = NULL;

    (void)state;
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    write_job("20260101T000000Z-1-1", 100, "{\"state\": \"done\"}");
    write_job("20260101T000000Z-1-2", 100, "{\"state\": \"run");
    write_job("20260101T000000Z-1-3", 100, "[1, 2]");
    write_job("20260101T000000Z-1-4", 100,
              "{\"state\": 7, \"pid\": \"x\", \"phase\": [], \"bytes\": \"12\", \"ended\": {}, "
              "\"items\": -5, \"items_total\": 1e308}");
    write_job("20260101T000000Z-1-5", 100, deep);
    write_file("20260101T000000Z-1-6", "spec.json", "");
    write_file("20260101T000000Z-1-7", "spec.json", "{\"act\": \"dance\"}");
    write_file("20260101T000000Z-1-8", "spec.json", deep);
    write_file("20260101T000000Z-1-9", "nothing", "");
    write_file("20260101T000000Z-2-1", "spec.json", "{\"act\": \"backup\", \"created\": \"now\"}");
    path = folder_of("20260101T000000Z-2-2");
    shell("mkdir -p '%s'", path);
    shell("mkfifo '%s'/spec.json", path);
    shell("mkdir '%s/../strange name'", path);
    shell("mkdir '%s'/../..hidden", path);
    free(path);
    assert_true(job_list_read(&list, &error));
    assert_int_equal(list.count, 6);
    assert_string_equal(list.items[0].id, "20260101T000000Z-2-1");
    assert_string_equal(list.items[5].id, "20260101T000000Z-1-1");
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.items[i].state, i == 5 ? JOB_DONE : JOB_DIED);
    assert_true(list.items[1].items == -1);
    job_list_free(&list);
}

static void test_ids(void **state)
{
    char longest[100];
    const char *const bad[] = {"", ".", "..", "a/b", "a b", "../..", "a\nb", longest};
    struct job_info info;

    (void)state;
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *error = NULL;

        assert_false(job_info_read(bad[i], &info, &error));
        assert_non_null(error);
        free(error);
        error = job_cancel(bad[i]);
        assert_non_null(error);
        free(error);
    }
}

static void test_cancel(void **state)
{
    struct job_info info;
    char *error;

    (void)state;
    write_job("20260101T000000Z-1-1", 1, NULL);
    assert_null(job_cancel("20260101T000000Z-1-1"));
    info = read_job("20260101T000000Z-1-1");
    assert_true(info.cancelling);
    job_info_free(&info);
    write_job("20260101T000000Z-1-2", 1, "{\"state\": \"done\"}");
    error = job_cancel("20260101T000000Z-1-2");
    assert_non_null(strstr(error, "ended already: done"));
    free(error);
}

static void test_pruning(void **state)
{
    struct job_list list;
    char *error = NULL, id[40];

    (void)state;
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof(id), "20260101T0000%02dZ-1-1", i);
        write_job(id, 100, "{\"state\": \"done\"}");
        write_file(id, "log", "words");
    }
    write_job("20250101T000000Z-1-1", 1, NULL); /* still starting: not to be touched */
    job_prune();
    assert_true(job_list_read(&list, &error));
    assert_int_equal(list.count, 51);
    assert_string_equal(list.items[0].id, "20260101T000059Z-1-1");
    assert_string_equal(list.items[49].id, "20260101T000010Z-1-1");
    assert_string_equal(list.items[50].id, "20250101T000000Z-1-1");
    job_list_free(&list);
}

static void test_eta(void **state)
{
    struct job_info info;

    (void)state;
    job_info_init(&info);
    info.state = JOB_RUNNING;
    info.started = 100;
    assert_true(isnan(job_eta(&info, 110)));
    info.items = 5;
    info.items_total = 20;
    assert_true(fabs(job_eta(&info, 110) - 30) < 1e-6);
    info.bytes = 50;
    info.bytes_total = 100;
    assert_true(fabs(job_eta(&info, 110) - 10) < 1e-6);
    info.bytes = 120; /* the estimate was too small: nobody knows */
    assert_true(isnan(job_eta(&info, 110)));
    info.bytes = 50;
    info.state = JOB_DONE;
    assert_true(isnan(job_eta(&info, 110)));
}

/* ---- conninfo and passfile ---- */

static char *value_of(const char *conninfo, const char *keyword)
{
    char *error = NULL, *value = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &error);

    if (!options)
        fail_msg("%s: %s", conninfo, error);
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0)
            value = mem_strdup(option->val);
    }
    PQconninfoFree(options);
    return value;
}

static void expect_option(const char *conninfo, const char *keyword, const char *wanted)
{
    char *value = value_of(conninfo, keyword);

    if (wanted) {
        assert_non_null(value);
        assert_string_equal(value, wanted);
    } else {
        assert_null(value);
    }
    free(value);
}

/* libpq itself must read back what was meant. */
static void test_quoting(void **state)
{
    static const char *const names[] = {"plain",
                                        "a=b",
                                        "",
                                        " ",
                                        "it's",
                                        "back\\",
                                        "\\'",
                                        "a b=c'",
                                        "\n\t",
                                        "\"quoted\"",
                                        "\xC3\xA4 \xC3\xB6",
                                        "host=evil password=x",
                                        "postgresql://u:p@h/d"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct strbuf text = {0};

        conninfo_add(&text, "dbname", names[i]);
        conninfo_add(&text, "user", names[i]);
        expect_option(text.s, "dbname", names[i]);
        expect_option(text.s, "user", names[i]);
        expect_option(text.s, "host", NULL);
        strbuf_free(&text);
    }
}

static void test_conninfo_for_tool(void **state)
{
    char *error = NULL, *text;

    (void)state;
    text = conninfo_for_tool("postgresql://us%20er:se%20cret@db.example:5433/first?sslmode=require",
                             "a=b", "sharedtop job 1", true, &error);
    assert_null(error);
    assert_null(strstr(text, "cret"));
    expect_option(text, "dbname", "a=b");
    expect_option(text, "user", "us er");
    expect_option(text, "host", "db.example");
    expect_option(text, "port", "5433");
    expect_option(text, "sslmode", "require");
    expect_option(text, "application_name", "sharedtop job 1");
    expect_option(text, "password", NULL);
    free(text);
    text = conninfo_for_tool("service=shared passfile=/x password=secret application_name=mine",
                             NULL, "sharedtop job 1", false, &error);
    expect_option(text, "service", "shared");
    expect_option(text, "passfile", "/x");
    expect_option(text, "application_name", "sharedtop job 1");
    assert_null(strstr(text, "secret"));
    free(text);
    text = conninfo_for_tool("passfile=/x", "d", "a", true, &error);
    expect_option(text, "passfile", NULL);
    free(text);
    text = conninfo_for_tool("", "d", "a", true, &error);
    expect_option(text, "dbname", "d");
    free(text);
    assert_null(conninfo_for_tool("sslpassword=secret", "d", "a", true, &error));
    assert_non_null(strstr(error, "sslpassword"));
    free(error);
    assert_null(conninfo_for_tool("password=secret=x nonsense", "d", "a", true, &error));
    assert_null(strstr(error, "secret"));
    free(error);
}

static const char *secret_among(const char *keyword, const char *value, const char *dispchar)
{
    char name[] = "host", host[] = "localhost", password[] = "password", hidden[] = "secret";
    char star[] = "*", none[] = "", *word = mem_strdup(keyword), *copy = mem_strdup(value),
         *mark = mem_strdup(dispchar);
    const PQconninfoOption options[] = {{.keyword = name, .val = host, .dispchar = none},
                                        {.keyword = password, .val = hidden, .dispchar = star},
                                        {.keyword = word, .val = copy, .dispchar = mark},
                                        {.keyword = NULL}};
    const char *secret = conninfo_secret(options);

    secret = secret && strcmp(secret, keyword) == 0 ? keyword : secret;
    free(word);
    free(copy);
    free(mark);
    return secret;
}

/* Of newer libpqs too, which this one could not parse. */
static void test_secrets_of_conninfo(void **state)
{
    static const char *const secrets[] = {"sslpassword", "oauth_client_secret", "scram_client_key",
                                          "scram_server_key"};

    (void)state;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        assert_ptr_equal(secret_among(secrets[i], "x", "D"), secrets[i]);
        assert_null(secret_among(secrets[i], "", "D"));
        assert_null(secret_among(secrets[i], NULL, "D"));
    }
    assert_string_equal(secret_among("of_tomorrow", "x", "*"), "of_tomorrow");
    assert_null(secret_among("oauth_client_id", "x", ""));
    assert_null(secret_among("passfile", "/x", NULL));
}

static void test_passfile_line(void **state)
{
    char *line = passfile_line("a:b\\c d'\"$`");

    (void)state;
    assert_string_equal(line, "*:*:*:*:a\\:b\\\\c d'\"$`");
    free(line);
    assert_null(passfile_line("two\nlines"));
}

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(
        job_tool_parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), 15);
    assert_int_equal(job_tool_parse_version("pg_dump (PostgreSQL) 19devel\n"), 19);
    assert_int_equal(job_tool_parse_version("psql (PostgreSQL) 9.6.24\n"), 9);
    assert_int_equal(job_tool_parse_version("pg_dump: command not found"), -1);
    assert_int_equal(job_tool_parse_version("pg_dump (PostgreSQL) many"), -1);
    assert_int_equal(job_tool_parse_version(""), -1);
}

/* ---- settings ---- */

static void fill_config(struct config *config)
{
    struct postgres_config *postgres =
        config_add_postgres(config, "pg \xFF", "password='\xE4\x80:\\'");
    struct redis_config *redis = config_add_redis(config, "redis", "redis://:p%40@h:1");

    postgres->env_file = mem_strdup("/tmp/.env");
    postgres->command_prefix = mem_strdup("docker exec -i x");
    postgres->container = mem_strdup("shared_postgres");
    postgres->network = mem_strdup("backend");
    postgres->given = mem_strdup("user=app");
    postgres->exec_prefix = mem_strdup("sharedtop exec -i shared_postgres");
    redis->container = mem_strdup("shared_redis");
    redis->given = mem_strdup("redis://");
    redis->exec_prefix = mem_strdup("sharedtop exec -i shared_redis");
    config->docker_host = mem_strdup("unix:///run/docker.sock");
    config->containers = false;
    postgres->environments = mem_array(NULL, 1, sizeof(*postgres->environments));
    postgres->environments[postgres->environment_count++] =
        (struct config_pattern){mem_strdup("*_dev"), ENV_DEV};
    redis->trash_db = 15;
    redis->databases = mem_array(NULL, 1, sizeof(*redis->databases));
    redis->databases[redis->database_count++] =
        (struct redis_db_config){2, ENV_STAGING, mem_strdup("Celery"), true};
    config->backup.keep = 3;
}

static void assert_container_settings(const struct config *config)
{
    assert_string_equal(config->docker_host, "unix:///run/docker.sock");
    assert_false(config->containers);
    if (config->postgres_count) {
        assert_string_equal(config->postgres[0]->container, "shared_postgres");
        assert_string_equal(config->postgres[0]->network, "backend");
        assert_string_equal(config->postgres[0]->given, "user=app");
        assert_string_equal(config->postgres[0]->exec_prefix, "sharedtop exec -i shared_postgres");
    }
    if (config->redis_count) {
        assert_string_equal(config->redis[0]->container, "shared_redis");
        assert_string_equal(config->redis[0]->given, "redis://");
        assert_string_equal(config->redis[0]->exec_prefix, "sharedtop exec -i shared_redis");
    }
}

/* What a probe changes for itself. */
static void test_settings_of_one(void **state)
{
    struct config *config = config_new(), *own;

    (void)state;
    fill_config(config);
    own = job_settings_of(config, config->postgres[0], NULL);
    assert_int_equal(own->postgres_count, 1);
    assert_int_equal(own->redis_count, 0);
    assert_string_equal(own->postgres[0]->conninfo, config->postgres[0]->conninfo);
    assert_ptr_not_equal(own->postgres[0]->conninfo, config->postgres[0]->conninfo);
    assert_container_settings(own);
    config_free(own);
    own = job_settings_of(config, NULL, config->redis[0]);
    assert_int_equal(own->postgres_count, 0);
    assert_int_equal(own->redis_count, 1);
    assert_container_settings(own);
    config_free(own);
    config_free(config);
}

static void test_settings(void **state)
{
    struct config *config = config_new(), *back;
    json_t *settings, *read;
    char *audit = NULL, *text;

    (void)state;
    setenv("PGPASSWORD", "from \xFF the environment", 1);
    fill_config(config);
    settings = job_settings_json(config, "/var/log/a.jsonl");
    text = json_dumps(settings, JSON_COMPACT);
    unsetenv("PGPASSWORD");
    read = json_loads(text, 0, NULL);
    back = job_settings_parse(read, &audit);
    assert_non_null(back);
    assert_string_equal(audit, "/var/log/a.jsonl");
    assert_string_equal(back->postgres[0]->name, "pg \xFF");
    assert_string_equal(back->postgres[0]->conninfo, "password='\xE4\x80:\\'");
    assert_string_equal(back->postgres[0]->env_file, "/tmp/.env");
    assert_string_equal(back->postgres[0]->command_prefix, "docker exec -i x");
    assert_int_equal(postgres_environment(back->postgres[0], "x_dev"), ENV_DEV);
    assert_container_settings(back);
    assert_string_equal(back->redis[0]->url, "redis://:p%40@h:1");
    assert_int_equal(back->redis[0]->trash_db, 15);
    assert_true(back->redis[0]->databases[0].celery);
    assert_string_equal(back->redis[0]->databases[0].use, "Celery");
    assert_int_equal(back->redis[0]->databases[0].environment, ENV_STAGING);
    assert_int_equal(back->backup.keep, 3);
    assert_string_equal(back->restart_command, config->restart_command);
    assert_string_equal(getenv("PGPASSWORD"), "from \xFF the environment");
    unsetenv("PGPASSWORD");
    json_decref(settings);
    json_decref(read);
    free(text);
    free(audit);
    config_free(config);
    config_free(back);
}

static void test_clean_environ(void **state)
{
    char **clean;
    int kept = 0;

    (void)state;
    setenv("PGPASSWORD", "secret", 1);
    setenv("REDISCLI_AUTH", "secret", 1);
    setenv("PGPASSWORDS", "kept", 1);
    clean = job_clean_environ();
    unsetenv("PGPASSWORD");
    unsetenv("REDISCLI_AUTH");
    for (size_t i = 0; clean[i]; i++) {
        assert_null(strstr(clean[i], "secret"));
        kept += strcmp(clean[i], "PGPASSWORDS=kept") == 0;
    }
    assert_int_equal(kept, 1);
    free(clean);
    unsetenv("PGPASSWORDS");
}

/* ---- the restart's plan ---- */

static void test_clients(void **state)
{
    static const char text[] = "id=3 addr=10.0.0.2:1 name=web db=2 sub=0\n"
                               "id=4 addr=10.0.0.2:2 name= db=2 sub=0\n"
                               "id=5 addr=10.0.0.2:3 name=sharedtop db=2 sub=0\n"
                               "id=6 addr=10.0.0.3:1 name=x db=0\n"
                               "broken\n\n"
                               "id=7 db=9";
    struct redis_db_config databases[] = {{.db = 0, .environment = ENV_PRODUCTION},
                                          {.db = 2, .environment = ENV_STAGING}};
    const struct redis_config config = {.databases = databases, .database_count = 2};
    long clients[RESTART_ENVIRONMENTS] = {0};

    (void)state;
    restart_count_clients(text, strlen(text), &config, clients);
    assert_int_equal(clients[ENV_STAGING], 2);
    assert_int_equal(clients[ENV_PRODUCTION], 1);
    assert_int_equal(clients[ENV_UNKNOWN], 1);
    assert_int_equal(clients[ENV_DEV], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_folder, empty_home),
        cmocka_unit_test_setup(test_states, empty_home),
        cmocka_unit_test_setup(test_round_trip, empty_home),
        cmocka_unit_test_setup(test_hostile_folders, empty_home),
        cmocka_unit_test_setup(test_ids, empty_home),
        cmocka_unit_test_setup(test_cancel, empty_home),
        cmocka_unit_test_setup(test_pruning, empty_home),
        cmocka_unit_test(test_eta),
        cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_conninfo_for_tool),
        cmocka_unit_test(test_secrets_of_conninfo),
        cmocka_unit_test(test_passfile_line),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_settings_of_one),
        cmocka_unit_test(test_clean_environ),
        cmocka_unit_test(test_clients),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
