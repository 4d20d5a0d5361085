/* Containers and their logs on the screen, of an engine that the test makes up; the servers in them are
 * the lab's, on published ports. */
#include "tests/screen/dashboard.h"
#include "tests/screen/engine_script.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct lab *lab;
    struct engine_script *engine;
    char folder[64], conf[96], socket[160], environment[512];
    struct script_container postgres, redis, worker;
} here;

/* ---- the stage ---- */

static void set_environment(void)
{
    const char *password = strstr(lab_get(here.lab, "LAB_PG_TCP"), "password=");
    int len;

    assert_non_null(password);
    password += strlen("password=");
    len = (int)strcspn(password, " ");
    snprintf(here.environment, sizeof(here.environment),
             "POSTGRES_USER=admin\",\"POSTGRES_DB=postgres\",\"POSTGRES_PASSWORD=%.*s", len,
             password);
}

static void make_containers(void)
{
    long long hour = (long long)time(NULL) - 7380;

    here.postgres = (struct script_container){
        .name = "shared_postgres",
        .image = "postgres:18-alpine",
        .state = "running",
        .health = "healthy",
        .command = "postgres",
        .environment = here.environment,
        .started = hour,
        .memory = 300 << 20,
        .limit = 1 << 30,
        .port = 5432,
        .published = atoi(lab_get(here.lab, "LAB_PG_PORT")),
        .bind = "127.0.0.1",
        .network = "backend",
        .address = "10.255.255.2",
        .volume = "postgres_data",
        .destination = "/var/lib/postgresql",
        .policy = "unless-stopped",
    };
    here.redis = (struct script_container){
        .name = "shared_redis",
        .image = "redis:7-alpine",
        .state = "running",
        .command = "redis-server",
        .started = hour,
        .memory = 190 << 20,
        .limit = 200 << 20,
        .port = 6379,
        .published = atoi(lab_get(here.lab, "LAB_REDIS_PORT")),
        .bind = "127.0.0.1",
        .network = "backend",
        .address = "10.255.255.3",
        .volume = "redis_data",
        .destination = "/data",
        .policy = "unless-stopped",
    };
    here.worker = (struct script_container){
        .name = "worker",
        .image = "example/worker:latest",
        .state = "exited",
        .exit_code = 3,
        .started = hour,
    };
}

static int start_stage(void **state)
{
    (void)state;
    here.lab = lab_shared();
    snprintf(here.folder, sizeof(here.folder), "/tmp/st-containers-XXXXXX");
    if (!mkdtemp(here.folder))
        return -1;
    set_environment();
    return 0;
}

static int stop_stage(void **state)
{
    (void)state;
    unlink(here.conf);
    lab_stop(here.lab);
    return rmdir(here.folder);
}

/* Each test has an engine of its own. */
static int start_engine(void **state)
{
    (void)state;
    here.engine = engine_script_start(true);
    snprintf(here.socket, sizeof(here.socket), "DOCKER_HOST=unix://%s",
             engine_script_socket(here.engine));
    make_containers();
    engine_script_put(here.engine, &here.postgres, NULL);
    engine_script_put(here.engine, &here.redis, NULL);
    engine_script_put(here.engine, &here.worker, NULL);
    return 0;
}

static int stop_engine(void **state)
{
    (void)state;
    engine_script_stop(here.engine);
    return 0;
}

static void write_conf(const char *docker_host)
{
    FILE *file;

    snprintf(here.conf, sizeof(here.conf), "%s/sharedtop.conf", here.folder);
    file = fopen(here.conf, "w");
    assert_non_null(file);
    fprintf(file,
            "interval = 0.5;\ndocker_host = \"%s\";\n"
            "postgres = ({ name = \"shared_postgres\"; container = \"shared_postgres\";\n"
            "  oom_score_adj = -800; });\n"
            "redis = ({ name = \"shared_redis\"; container = \"shared_redis\"; });\n",
            docker_host);
    fclose(file);
    chmod(here.conf, 0600);
}

/* With a configuration that names the containers. more (may be NULL): one further argument. */
static struct term *start(int rows, int columns, const char *more)
{
    const char *argv[] = {getenv("SHAREDTOP"), "--config", here.conf, more, NULL};

    write_conf(engine_script_socket(here.engine));
    return term_start(rows, columns, NULL, argv);
}

static struct term *start_view(int rows, int columns, const char *more)
{
    struct term *term = start(rows, columns, more);

    expect_both_up(term);
    term_keys(term, "8");
    expect_screen(term, "Docker 20\\.10\\.24");
    return term;
}

/* ---- what is found ---- */

static void test_nothing_configured_finds_both(void **state)
{
    const char *const env[] = {here.socket, NULL};
    const char *argv[] = {getenv("SHAREDTOP"), NULL};
    struct term *term = term_start(36, 160, env, argv);

    (void)state;
    expect_screen(term, "found shared_postgres \\(postgres:18-alpine\\) and shared_redis "
                        "\\(redis:7-alpine\\) by Docker at /");
    expect_both_up(term);
    expect_now(term, "shared_postgres 1[3-9]");
    expect_screen(term, "Containers · Docker");
    term_keys(term, "8");
    expect_screen(term, "found +shared_postgres \\(PostgreSQL\\) +shared_redis \\(Redis\\)");
    expect_quit(term);
}

/* ---- the panel ---- */

static void test_the_tile_shows_what_matters(void **state)
{
    struct term *term = start(50, 120, NULL);

    (void)state;
    expect_both_up(term);
    expect_screen(term, "Containers · Docker .*2 of 3 running");
    expect_screen(term, "shared_postgres +● 2h0[34]m +300M/1\\.0G .*127\\.0\\.0\\.1:");
    expect_screen(term, "worker +✗ exi");
    expect_quit(term);
}

static void test_every_size_keeps_name_state_memory_and_warnings(void **state)
{
    static const int sizes[][2] = {{24, 80}, {16, 60}, {36, 120}, {60, 200}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct term *term = start_view(sizes[i][0], sizes[i][1], NULL);

        expect_screen(term, "NAME .*STATE .*MEM .*WARNINGS");
        expect_screen(term, "shared_postgres .*● running .*300M ");
        expect_screen(term, "worker .*✗ exited 3");
        expect_now(term, "watched +shared_postgres \\(PostgreSQL\\)");
        expect_quit(term);
    }
}

static void test_wide_shows_all_columns(void **state)
{
    struct term *term = start_view(60, 220, NULL);

    (void)state;
    expect_screen(term, "NAME +IMAGE +STATE +HEALTH +UPTIME +RESTARTS +CPU +MEM +LIMIT +OF LIMIT");
    expect_now(term, "OOM ADJ +SCORE +KILLS +PORTS +NETWORK +POLICY +WARNINGS");
    expect_screen(term, "postgres:18-alpine +● running +healthy +2h0[34]m");
    expect_screen(term, "190M +200M +▓+░+ +95%|190M +200M +▒+░* +95%");
    expect_now(term, "127\\.0\\.0\\.1:[0-9]+->5432");
    expect_now(term, "backend 10\\.255\\.255\\.2");
    expect_now(term, "unless-stopped");
    expect_quit(term);
}

static void expect_seven_bits(const struct term *term)
{
    size_t len;
    const char *raw = term_raw(term, &len);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)raw[i] >= 0x80)
            fail_msg("byte %02x after '%.*s'", (unsigned char)raw[i], i < 40 ? (int)i : 40,
                     raw + (i < 40 ? 0 : i - 40));
    }
}

static void test_ascii_sends_only_seven_bits(void **state)
{
    struct term *term = start_view(36, 160, "--ascii");

    (void)state;
    expect_screen(term, "shared_postgres .*\\* running");
    expect_screen(term, "worker .*x exited 3");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "restart policy");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "restart policy");
    term_keys(term, "L");
    expect_screen(term, "Logs: shared_postgres");
    expect_seven_bits(term);
    expect_quit(term);
}

static void test_details_sort_and_filter(void **state)
{
    struct term *term = start_view(70, 160, NULL);

    (void)state;
    term_keys(term, "/name:postgres\r");
    expect_gone(term, "worker ");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "/var/lib/postgresql is the volume postgres_data");
    expect_now(term, "PostgreSQL, watched as shared_postgres");
    expect_now(term, "5432/tcp published on 127\\.0\\.0\\.1 port");
    expect_now(term, "backend +10\\.255\\.255\\.2");
    expect_not_now(term, "POSTGRES_PASSWORD");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "watched as");
    term_special(term, EMULATOR_ESCAPE);
    expect_screen(term, "worker ");
    term_keys(term, ":sort memory_bytes\r");
    expect_screen(term, "MEM▾");
    expect_quit(term);
}

static void test_an_event_is_seen(void **state)
{
    struct term *term = start_view(36, 160, NULL);
    struct script_container ended = here.worker;

    (void)state;
    ended.state = "running";
    ended.started = (long long)time(NULL);
    engine_script_put(here.engine, &ended, "start");
    expect_screen(term, "worker .*● running");
    ended.state = "exited";
    ended.exit_code = 137;
    ended.oom_killed = true;
    engine_script_put(here.engine, &ended, "die");
    expect_screen(term, "worker .*✗ OOM-killed");
    expect_quit(term);
}

/* What is shown is its last word. */
static void test_an_engine_that_goes_is_stale(void **state)
{
    struct term *term = start_view(36, 160, NULL);

    (void)state;
    engine_script_mute(here.engine, true);
    expect_screen(term, "stale [0-9]+s");
    expect_now(term, "shared_postgres .*● running");
    expect_screen(term, "◌ .*the container engine at");
    engine_script_mute(here.engine, false);
    expect_gone(term, "stale [0-9]+s");
    term_keys(term, "1");
    expect_both_up(term);
    expect_quit(term);
}

static void test_without_an_engine_all_else_works(void **state)
{
    const char *argv[] = {getenv("SHAREDTOP"),
                          "--config",
                          here.conf,
                          "--postgres",
                          lab_get(here.lab, "LAB_PG"),
                          "--redis",
                          lab_get(here.lab, "LAB_REDIS"),
                          NULL};
    struct term *term;

    (void)state;
    write_conf("/tmp/st-nothing-is-here.sock");
    term = term_start(36, 160, NULL, argv);
    expect_screen(term,
                  "Containers: no container engine: /tmp/st-nothing-is-here\\.sock is not there");
    expect_both_up(term);
    term_keys(term, "8");
    expect_screen(term, "▲ .*st-nothing-is-here\\.sock.*Everything else works");
    term_keys(term, ":view logs\r");
    expect_screen(term, "no container: L on a row");
    expect_quit(term);
}

/* One line on top of all that is healthy. */
static void test_the_snapshot_says_that_it_sees_no_engine(void **state)
{
    char *command = mem_printf("DOCKER_HOST=unix:///tmp/st-nothing-is-here.sock %s snapshot "
                               "--postgres '%s' --redis '%s'",
                               getenv("SHAREDTOP"), lab_get(here.lab, "LAB_PG"),
                               lab_get(here.lab, "LAB_REDIS"));
    FILE *pipe = popen(command, "r");
    char line[512] = "";

    (void)state;
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    assert_string_equal(line, "Containers: no container engine: /tmp/st-nothing-is-here.sock is "
                              "not there ($DOCKER_HOST)\n");
    while (fgets(line, sizeof(line), pipe))
        ;
    pclose(pipe);
    free(command);
}

/* ---- logs ---- */

static struct term *start_logs(int rows, int columns)
{
    struct term *term;

    engine_script_log(here.engine, "shared_redis", false, "1:M 01 Jan * Ready to accept");
    engine_script_log(here.engine, "shared_redis", true, "a word on \x1b[31mstderr\x1b[0m");
    term = start_view(rows, columns, NULL);
    term_keys(term, "/name:redis\r");
    expect_gone(term, "worker ");
    term_keys(term, "L");
    expect_screen(term, "Logs · shared_redis");
    expect_screen(term, "out 1:M 01 Jan \\* Ready to accept");
    return term;
}

static void test_logs_follow_and_hold(void **state)
{
    struct term *term = start_logs(24, 100);

    (void)state;
    expect_screen(term, "err a word on stderr");
    expect_now(term, "● following +2 lines");
    for (int i = 0; i < 30; i++)
        engine_script_log(here.engine, "shared_redis", false, "more");
    engine_script_log(here.engine, "shared_redis", false, "the last of many");
    expect_screen(term, "the last of many");
    expect_gone(term, "Ready to accept"); /* scrolled out */
    term_keys(term, "g");
    expect_screen(term, "Ready to accept");
    expect_now(term, "held: G follows again");
    engine_script_log(here.engine, "shared_redis", false, "while it is held");
    expect_screen(term, "34 lines");
    expect_not_now(term, "while it is held");
    term_keys(term, "G");
    expect_screen(term, "while it is held");
    expect_now(term, "● following");
    expect_quit(term);
}

static void test_logs_pause_while_reading_goes_on(void **state)
{
    struct term *term = start_logs(24, 100);

    (void)state;
    term_keys(term, "p");
    expect_screen(term, "paused: reading goes on");
    engine_script_log(here.engine, "shared_redis", false, "unseen for now");
    engine_script_log(here.engine, "shared_redis", false, "this neither");
    term_keys(term, "?");
    expect_screen(term, "┌ Help");
    term_keys(term, "q");
    expect_gone(term, "┌ Help");
    expect_not_now(term, "unseen for now");
    term_keys(term, "p");
    expect_screen(term, "unseen for now");
    expect_screen(term, "this neither");
    expect_quit(term);
}

static void test_logs_filter_and_whole_lines(void **state)
{
    struct term *term = start_logs(24, 80);
    char text[400];

    (void)state;
    snprintf(text, sizeof(text), "ERROR: long%0380d the end", 0);
    engine_script_log(here.engine, "shared_redis", true, text);
    term_keys(term, "/text:^ERROR\r");
    expect_gone(term, "Ready to accept");
    expect_screen(term, "1 match the filter");
    expect_screen(term, "err ERROR: long0");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "stderr +399 bytes");
    expect_screen(term, "0 the end");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "0 the end");
    expect_quit(term);
}

static void test_logs_follow_over_a_restart(void **state)
{
    struct term *term = start_logs(24, 100);
    struct script_container next = here.redis;

    (void)state;
    next.state = "exited";
    next.exit_code = 137;
    engine_script_put(here.engine, &next, "die");
    engine_script_end_logs(here.engine, "shared_redis");
    expect_screen(term, "✗ the container does not run");
    expect_screen(term, "exited with code 137");
    next.state = "running";
    next.exit_code = 0;
    next.started = (long long)time(NULL);
    engine_script_log(here.engine, "shared_redis", false, "hello from the next run");
    engine_script_put(here.engine, &next, "start");
    expect_screen(term, "hello from the next run");
    expect_now(term, "── the container was started again ──");
    expect_now(term, "● following");
    expect_now(term, "4 lines"); /* what is known is not told twice */
    expect_quit(term);
}

/* What a container writes is anybody's. */
static void test_logs_are_tamed(void **state)
{
    struct term *term = start_logs(24, 100);

    (void)state;
    engine_script_log(here.engine, "shared_redis", false,
                      "before \x1b]0;evil\a\x1b[2J\xe2\x80\xae\xff after");
    expect_screen(term, "before .*after");
    expect_now(term, "Ready to accept");
    assert_false(expect_raw_has(term, "\x1b]0;evil"));
    assert_false(expect_raw_has(term, "\xe2\x80\xae"));
    expect_quit(term);
}

static void await_followers(struct term *term, unsigned count)
{
    while (engine_script_followers(here.engine) != count) {
        if (!term_wait_output(term, term_bytes(term), TERM_PATIENCE))
            expect_fail(term, "followers of logs stay", "", __FILE__, __LINE__);
    }
}

static void test_leaving_closes_the_stream(void **state)
{
    struct term *term = start_logs(24, 100);

    (void)state;
    await_followers(term, 1);
    term_keys(term, "1");
    expect_both_up(term);
    await_followers(term, 0);
    term_keys(term, ":logs shared_postgres\r");
    expect_screen(term, "Logs · shared_postgres");
    expect_screen(term, "no line yet");
    await_followers(term, 1);
    expect_quit(term);
}

/* L and X mean the container that the row, or the panel's instance, is. */
static void test_keys_of_a_row(void **state)
{
    struct term *term = start_view(36, 120, NULL);

    (void)state;
    term_keys(term, "/name:worker\r");
    expect_gone(term, "shared_redis  ");
    term_keys(term, "P");
    expect_screen(term, "no instance that is watched is worker");
    term_keys(term, "X");
    expect_screen(term, "Restart worker");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Restart worker");
    term_keys(term, "6");
    expect_screen(term, "used_memory_dataset");
    term_keys(term, "L");
    expect_screen(term, "Logs · shared_redis");
    term_keys(term, "8");
    expect_screen(term, "OOM ADJ");
    term_keys(term, "A");
    expect_screen(term, "Audit");
    expect_quit(term);
}

/* ---- the snapshot ---- */

static char *output_of(const char *command)
{
    struct strbuf text = {0};
    char part[4096];
    size_t n;
    FILE *pipe = popen(command, "r");

    assert_non_null(pipe);
    while ((n = fread(part, 1, sizeof(part), pipe)) > 0)
        strbuf_add(&text, part, n);
    pclose(pipe);
    return strbuf_take(&text);
}

static const json_t *row_called(const json_t *rows, const char *name)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            return row;
    }
    fail_msg("no row is called %s", name);
    return NULL;
}

static void test_the_snapshot_has_them(void **state)
{
    char *command, *text;
    json_t *json;
    const json_t *containers, *rows, *row;

    (void)state;
    write_conf(engine_script_socket(here.engine));
    command =
        mem_printf("LC_ALL=C.UTF-8 %s --config %s snapshot --json", getenv("SHAREDTOP"), here.conf);
    text = output_of(command);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    containers = json_object_get(json, "containers");
    assert_string_equal(json_string_value(json_object_get(containers, "engine")), "Docker");
    assert_string_equal(json_string_value(json_object_get(containers, "version")), "20.10.24");
    assert_string_equal(json_string_value(json_object_get(containers, "state")), "up");
    rows = json_object_get(containers, "rows");
    assert_int_equal(json_array_size(rows), 3);
    row = row_called(rows, "worker");
    assert_string_equal(json_string_value(json_object_get(row, "state")), "exited");
    assert_int_equal(json_integer_value(json_object_get(row, "exit_code")), 3);
    assert_true(json_is_null(json_object_get(row, "uptime_seconds")));
    row = row_called(rows, "shared_redis");
    assert_int_equal(json_integer_value(json_object_get(row, "limit_bytes")), 200 << 20);
    assert_true(json_is_null(json_object_get(row, "health")));
    assert_true(json_is_true(json_object_get(row, "watched")));
    assert_null(strstr(text, strstr(here.environment, "POSTGRES_PASSWORD=") + 18));
    json_decref(json);
    free(text);
    free(command);
    command = mem_printf("LC_ALL=C.UTF-8 %s --config %s snapshot", getenv("SHAREDTOP"), here.conf);
    text = output_of(command);
    assert_non_null(strstr(text, "Container engine Docker 20.10.24 up"));
    assert_non_null(strstr(text, "✗ exited 3"));
    free(text);
    free(command);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, start_engine, stop_engine)
    static const struct CMUnitTest tests[] = {
        TEST(test_nothing_configured_finds_both),
        TEST(test_the_tile_shows_what_matters),
        TEST(test_every_size_keeps_name_state_memory_and_warnings),
        TEST(test_wide_shows_all_columns),
        TEST(test_ascii_sends_only_seven_bits),
        TEST(test_details_sort_and_filter),
        TEST(test_an_event_is_seen),
        TEST(test_an_engine_that_goes_is_stale),
        TEST(test_without_an_engine_all_else_works),
        TEST(test_the_snapshot_says_that_it_sees_no_engine),
        TEST(test_logs_follow_and_hold),
        TEST(test_logs_pause_while_reading_goes_on),
        TEST(test_logs_filter_and_whole_lines),
        TEST(test_logs_follow_over_a_restart),
        TEST(test_logs_are_tamed),
        TEST(test_leaving_closes_the_stream),
        TEST(test_keys_of_a_row),
        TEST(test_the_snapshot_has_them),
    };

    return cmocka_run_group_tests(tests, start_stage, stop_stage);
}
