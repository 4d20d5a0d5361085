/* What the table and the details of containers say, of rows made by hand. */
#include "panels/containers.h"
#include "tui/export.h"

#include "backend/base/mem.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1700000000.0

static struct container_port redis_ports[] = {{.port = 6379}};
static struct container_port postgres_ports[] = {
    {.port = 9187},
    {.port = 5432, .published = 5432, .address = (char[]){"0.0.0.0"}},
    {.port = 5432, .published = 5432, .address = (char[]){"::"}},
    {.port = 8008, .published = 18008, .address = (char[]){"::1"}, .udp = true},
};
static struct container_network networks[] = {
    {.name = (char[]){"backend"}, .address = (char[]){"172.18.0.2"}},
    {.name = (char[]){"other"}},
};
static struct container_mount mounts[] = {{.type = (char[]){"volume"},
                                           .source = (char[]){"postgres_data"},
                                           .destination = (char[]){"/var/lib/postgresql"}}};

/* Nothing is known but that it is there. */
static struct container unknown = {
    .id = (char[]){"aaaaaaaaaaaaaaaa"},
    .name = (char[]){"quiet"},
    .created = NAN,
    .started = NAN,
    .ended = NAN,
    .memory_limit = -1,
};

static struct container postgres = {
    .id = (char[]){"bbbbbbbbbbbbbbbb"},
    .name = (char[]){"shared_postgres"},
    .image = (char[]){"postgres:18-alpine"},
    .image_id = (char[]){"sha256:1111"},
    .tag_id = (char[]){"sha256:2222"},
    .service = SERVICE_POSTGRES,
    .state = CONTAINER_RUNNING,
    .health = HEALTH_HEALTHY,
    .created = NOW - 90000,
    .started = NOW - 7380,
    .ended = NAN,
    .restarts = 3,
    .restart_policy = (char[]){"unless-stopped"},
    .pid = 4711,
    .memory_limit = 0,
    .oom_score_adj = -800,
    .ports = postgres_ports,
    .port_count = 4,
    .networks = networks,
    .network_count = 2,
    .mounts = mounts,
    .mount_count = 1,
};

static struct container redis = {
    .id = (char[]){"cccccccccccccccc"},
    .name = (char[]){"shared_redis"},
    .image = (char[]){"redis:7-alpine"},
    .service = SERVICE_REDIS,
    .state = CONTAINER_EXITED,
    .oom_killed = true,
    .exit_code = 137,
    .created = NOW - 90000,
    .started = NOW - 7380,
    .ended = NOW - 60,
    .memory_limit = 200 << 20,
    .ports = redis_ports,
    .port_count = 1,
};

/* Names are anybody's. */
static struct container hostile = {
    .id = (char[]){"dddddddddddddddd"},
    .name = (char[]){"evil\x1b[31m\nname"},
    .image = (char[]){"\xff\xfe:\xe2\x80\xae"},
    .state = CONTAINER_RUNNING,
    .created = NAN,
    .started = NOW + 100,
    .ended = NAN,
};

#define NO_USAGE                                                                                   \
    {                                                                                              \
        .cpu = NAN, .cpu_seconds = NAN, .memory = -1, .memory_cache = -1, .memory_limit = -1,      \
        .oom_kills = -1, .psi_some = NAN, .psi_full = NAN, .psi_cpu = NAN, .psi_io = NAN,          \
        .oom_score_adj = INT_MIN, .oom_score = -1                                                  \
    }

static struct container_row rows[] = {
    {.facts = &postgres,
     .usage = {.cpu = 0.125,
               .cpu_seconds = 100,
               .memory = 900 << 20,
               .memory_cache = 5 << 20,
               .memory_limit = 1000 << 20,
               .oom_kills = 2,
               .psi_some = 12.5,
               .psi_full = 1,
               .psi_cpu = 0,
               .psi_io = NAN,
               .pid = 4712,
               .oom_score_adj = 0,
               .oom_score = 666},
     .watched = true,
     .recent_restarts = 2,
     .oom_at = NOW - 100,
     .oom_expected = -800,
     .flaws = 1U << FLAW_PUBLISHED | 1U << FLAW_OOM_SCORE | 1U << FLAW_IMAGE},
    {.facts = &redis, .usage = NO_USAGE, .oom_at = NAN, .oom_expected = INT_MIN},
    {.facts = &unknown, .usage = NO_USAGE, .oom_at = NAN, .oom_expected = INT_MIN},
    {.facts = &hostile, .usage = NO_USAGE, .oom_at = NAN, .oom_expected = INT_MIN},
};

enum { POSTGRES, REDIS, UNKNOWN, HOSTILE, ROWS };

static const struct containers containers = {
    .sample = {.wall = NOW},
    .state = CONTAINERS_UP,
    .engine = {.name = "Docker", .version = "20.10.24", .api = "1.41"},
    .rows = rows,
    .count = ROWS,
};

static struct config config;
static struct containers_context context;

static int start(void **state)
{
    (void)state;
    config = (struct config){.containers = true};
    config.alerts[ALERT_CONTAINER_MEMORY_HIGH].warning = 80;
    config.alerts[ALERT_CONTAINER_MEMORY_HIGH].critical = 95;
    containers_context_fill(&context, &containers, &config, NOW);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    containers_context_free(&context);
    return 0;
}

static struct cell cell_in(const struct table_class *class, int row, const char *column)
{
    struct cell cell = {0};

    for (size_t i = 0; i < class->count; i++) {
        if (strcmp(class->columns[i].name, column) == 0) {
            class->columns[i].cell(&rows[row], &context, &cell);
            return cell;
        }
    }
    fail_msg("no column is called %s", column);
    return cell;
}

static struct cell cell_of(int row, const char *column)
{
    return cell_in(&containers_table, row, column);
}

static void assert_shown(const struct cell *cell, const char *expected)
{
    char text[512];

    assert_string_equal(cell_text(cell, text, sizeof(text)), expected);
}

static void shows(int row, const char *column, const char *expected, enum role role)
{
    struct cell cell = cell_of(row, column);

    assert_shown(&cell, expected);
    assert_int_equal(cell.role, role);
}

static void test_what_is_known_is_shown(void **state)
{
    (void)state;
    shows(POSTGRES, "name", "shared_postgres", ROLE_STRONG);
    shows(POSTGRES, "image", "postgres:18-alpine", ROLE_WARNING); /* another one runs */
    shows(POSTGRES, "state", "● running", ROLE_OK);
    shows(POSTGRES, "health", "healthy", ROLE_OK);
    shows(POSTGRES, "uptime_seconds", "2h03m", ROLE_TEXT);
    shows(POSTGRES, "restarts", "3", ROLE_WARNING); /* two of them of late */
    shows(POSTGRES, "cpu", "12.5%", ROLE_TEXT);
    shows(POSTGRES, "memory_bytes", "900M", ROLE_WARNING);
    shows(POSTGRES, "limit_bytes", "1000M", ROLE_TEXT);
    shows(POSTGRES, "memory_fraction", "90%", ROLE_WARNING);
    shows(POSTGRES, "psi_memory", "12.5%", ROLE_WARNING);
    shows(POSTGRES, "oom_score_adj", "0≠-800", ROLE_WARNING);
    shows(POSTGRES, "oom_score", "666", ROLE_TEXT);
    shows(POSTGRES, "oom_kills", "2", ROLE_CRITICAL);
    shows(POSTGRES, "pid", "4712", ROLE_TEXT);
    shows(POSTGRES, "restart_policy", "unless-stopped", ROLE_TEXT);
    shows(POSTGRES, "networks", "backend 172.18.0.2, other", ROLE_TEXT);
}

/* What is published comes first, and what an engine tells twice, for IPv6, once. */
static void test_ports_say_who_can_reach_them(void **state)
{
    (void)state;
    shows(POSTGRES, "ports", "0.0.0.0:5432, [::1]:18008->8008/udp, 9187/tcp", ROLE_WARNING);
    shows(REDIS, "ports", "6379/tcp", ROLE_TEXT);
}

static void test_warnings_are_named(void **state)
{
    struct cell cell = cell_of(POSTGRES, "warnings");
    char *few;

    (void)state;
    few = mem_strdup(cell_string(&cell));
    assert_non_null(strstr(few, ", "));
    free(few);
    assert_int_equal(cell.role, ROLE_CRITICAL);
    cell = cell_in(&containers_tile_table, POSTGRES, "warnings");
    assert_shown(&cell, "▲3");
    cell = cell_of(REDIS, "warnings");
    assert_int_equal(cell.type, CELL_NONE);
}

static void test_why_it_ended(void **state)
{
    struct cell cell;

    (void)state;
    shows(REDIS, "state", "✗ OOM-killed", ROLE_CRITICAL);
    cell = cell_of(REDIS, "state");
    assert_string_equal(cell_string(&cell), "exited");
    shows(REDIS, "exit_code", "137", ROLE_TEXT);
    redis.oom_killed = false;
    shows(REDIS, "state", "✗ exited 137", ROLE_CRITICAL);
    shows(REDIS, "uptime_seconds", "1m ago", ROLE_DIM);
    assert_int_equal(cell_of(REDIS, "uptime_seconds").type, CELL_NONE);
    redis.exit_code = 0;
    shows(REDIS, "state", "○ exited 0", ROLE_DIM); /* nobody's trouble */
    rows[REDIS].watched = true;
    shows(REDIS, "state", "✗ exited 0", ROLE_CRITICAL); /* ours */
    rows[REDIS].watched = false;
    redis.oom_killed = true;
    redis.exit_code = 137;
}

static void test_the_tile_is_short(void **state)
{
    struct cell cell = cell_in(&containers_tile_table, POSTGRES, "state");

    (void)state;
    assert_shown(&cell, "● 2h03m");
    cell = cell_in(&containers_tile_table, POSTGRES, "memory_bytes");
    assert_shown(&cell, "900M/1000M");
    cell = cell_in(&containers_tile_table, POSTGRES, "oom_score_adj");
    assert_shown(&cell, "≠0");
    cell = cell_in(&containers_tile_table, UNKNOWN, "oom_score_adj");
    assert_shown(&cell, "–");
    postgres.health = HEALTH_UNHEALTHY;
    cell = cell_in(&containers_tile_table, POSTGRES, "state");
    assert_shown(&cell, "‼ unhealthy");
    assert_int_equal(cell.role, ROLE_CRITICAL);
    postgres.health = HEALTH_HEALTHY;
}

/* Unknown is no number, least of all 0. */
static void test_absent_is_not_zero(void **state)
{
    static const char *const absent[] = {
        "image",
        "state",
        "health",
        "uptime_seconds",
        "cpu",
        "memory_bytes",
        "limit_bytes",
        "memory_fraction",
        "psi_memory",
        "oom_score_adj",
        "oom_score",
        "oom_kills",
        "ports",
        "networks",
        "restart_policy",
        "warnings",
        "exit_code",
        "pid",
        "image_id",
        "oom_score_adj_expected",
        "memory_cache_bytes",
        "service",
        "project",
    };
    const void *row = &rows[UNKNOWN];
    json_t *json = export_json(&containers_table, &row, 1, &context);

    (void)state;
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        struct cell cell = cell_of(UNKNOWN, absent[i]);

        if (cell.type != CELL_NONE)
            fail_msg("%s of an unknown container is not absent", absent[i]);
        assert_shown(&cell, "–");
        if (!json_is_null(json_object_get(json_array_get(json, 0), absent[i])))
            fail_msg("%s is not null in JSON", absent[i]);
    }
    json_decref(json);
}

static void test_no_limit_is_not_an_unknown_one(void **state)
{
    int64_t limit = rows[POSTGRES].usage.memory_limit;
    struct cell cell;

    (void)state;
    rows[POSTGRES].usage.memory_limit = 0;
    shows(POSTGRES, "limit_bytes", "none", ROLE_TEXT);
    cell = cell_of(POSTGRES, "memory_fraction");
    assert_int_equal(cell.type, CELL_NONE);
    assert_false(cell.gauge);
    cell = cell_in(&containers_tile_table, POSTGRES, "memory_bytes");
    assert_shown(&cell, "900M/–");
    rows[POSTGRES].usage.memory_limit = limit;
    shows(REDIS, "limit_bytes", "200M", ROLE_TEXT); /* the engine's word */
}

static void test_hostile_texts_are_tamed(void **state)
{
    char text[256], *details;
    struct cell cell = cell_of(HOSTILE, "name");

    (void)state;
    cell_text(&cell, text, sizeof(text));
    assert_null(strchr(text, '\x1b'));
    assert_null(strchr(text, '\n'));
    cell = cell_of(HOSTILE, "image");
    cell_text(&cell, text, sizeof(text));
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_true((size_t)mbstowcs(NULL, text, 0) != (size_t)-1);
    cell = cell_of(HOSTILE, "uptime_seconds"); /* a clock that goes wrong */
    assert_shown(&cell, "<1m");
    details = container_details(&rows[HOSTILE], &containers, NULL, NOW);
    assert_null(strchr(details, '\x1b'));
    assert_null(strstr(details, "\xe2\x80\xae"));
    free(details);
}

static void test_ascii_has_no_other_signs(void **state)
{
    (void)state;
    text_set_ascii(true);
    shows(POSTGRES, "oom_score_adj", "0!=-800", ROLE_WARNING);
    shows(POSTGRES, "state", "* running", ROLE_OK);
    shows(UNKNOWN, "ports", "-", ROLE_TEXT);
    text_set_ascii(false);
}

static void holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in\n%s", part, text);
}

static void test_details_say_all(void **state)
{
    char *text = container_details(&rows[POSTGRES], &containers, NULL, NOW);

    (void)state;
    holds(text, "shared_postgres (postgres:18-alpine)");
    holds(text, "running, healthy");
    holds(text, "PostgreSQL, not watched");
    holds(text, "2h03m ago");
    holds(text, "3 by the engine since it was created, 2 in the last 10 minutes");
    holds(text, "unless-stopped");
    holds(text, "0, asked for -800, the configuration expects -800");
    holds(text, "5432/tcp published on 0.0.0.0 port 5432");
    holds(text, "9187/tcp only on its networks");
    holds(text, "/var/lib/postgresql is the volume postgres_data");
    holds(text, "172.18.0.2");
    holds(text, "sha256:1111");
    holds(text, "sha256:2222");
    holds(text, "Warnings");
    holds(text, "Docker 20.10.24");
    free(text);
    text = container_details(&rows[REDIS], &containers, NULL, NOW);
    holds(text, "exited with code 137 (SIGKILL) 1m ago: the kernel killed it for want of memory");
    holds(text, "none: what it writes goes with the container");
    free(text);
}

static void test_identity_is_the_id(void **state)
{
    struct container other = postgres;
    struct container_row row = {.facts = &other};

    (void)state;
    other.name = unknown.name;
    assert_true(containers_table.identity(&row) == containers_table.identity(&rows[POSTGRES]));
    other.id = redis.id;
    assert_false(containers_table.identity(&row) == containers_table.identity(&rows[POSTGRES]));
}

/* The tag of an image is what counts; the table says so. */
static void test_columns_fit_what_is_in_them(void **state)
{
    const void *all[] = {&rows[POSTGRES], &rows[REDIS]};

    (void)state;
    for (size_t i = 0; i < containers_table.count; i++) {
        const struct column *column = &containers_table.columns[i];
        int wish = column_wish(column, all, 2, &context);

        if (strcmp(column->name, "image") == 0) {
            assert_true(column->tail);
            assert_int_equal(wish, strlen("postgres:18-alpine"));
        } else if (strcmp(column->name, "health") == 0)
            assert_int_equal(wish, strlen("healthy"));
        else if (strcmp(column->name, "cpu") == 0)
            assert_int_equal(wish, column->width);
    }
}

static void test_a_host_without_an_engine_is_not_bothered(void **state)
{
    struct containers none = {.state = CONTAINERS_NONE, .error = "no container engine"};
    struct config other = config;
    char *problem;

    (void)state;
    unsetenv("DOCKER_HOST");
    unsetenv("CONTAINER_HOST");
    unsetenv("DOCKER_CONTEXT");
    setenv("DOCKER_CONFIG", "/nonexistent", 1);
    assert_true(containers_told(&containers, &config));
    assert_false(containers_told(&none, &config));
    assert_null(containers_problem(&none, &config));
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    problem = containers_problem(&none, &config);
    assert_string_equal(problem, "Containers: no container engine");
    free(problem);
    assert_null(containers_problem(&containers, &config));
    unsetenv("DOCKER_HOST");
    none.hint = "add yourself to the group docker";
    assert_true(containers_told(&none, &config));
    problem = containers_problem(&none, &config);
    assert_string_equal(problem,
                        "Containers: no container engine; add yourself to the group docker");
    free(problem);
    other.containers = false;
    assert_null(containers_problem(&none, &other));
    assert_false(containers_told(&none, &other));
    none.hint = NULL;
    other = config;
    other.docker_host = (char[]){"/run/docker.sock"};
    assert_true(containers_told(&none, &other));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known_is_shown),
        cmocka_unit_test(test_ports_say_who_can_reach_them),
        cmocka_unit_test(test_warnings_are_named),
        cmocka_unit_test(test_why_it_ended),
        cmocka_unit_test(test_the_tile_is_short),
        cmocka_unit_test(test_absent_is_not_zero),
        cmocka_unit_test(test_no_limit_is_not_an_unknown_one),
        cmocka_unit_test(test_hostile_texts_are_tamed),
        cmocka_unit_test(test_ascii_has_no_other_signs),
        cmocka_unit_test(test_details_say_all),
        cmocka_unit_test(test_identity_is_the_id),
        cmocka_unit_test(test_columns_fit_what_is_in_them),
        cmocka_unit_test(test_a_host_without_an_engine_is_not_bothered),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, start, stop);
}
