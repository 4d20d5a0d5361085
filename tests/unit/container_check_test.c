#include "backend/container_check.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BIT(flaw) (1U << (flaw))
#define MIB       (INT64_C(1) << 20)

/* A container without a flaw, of which each test changes what it is about. */
struct subject {
    struct container facts;
    struct container_row row;
    struct instance instance;
    struct redis_info info;
    struct pg_server server;
    struct container_port ports[2];
    struct container_mount mounts[3];
    char *command[8];
};

static void set_command(struct subject *s, const char *const *words)
{
    size_t i = 0;

    for (; words[i]; i++)
        s->command[i] = (char *)(uintptr_t)words[i];
    s->command[i] = NULL;
    s->facts.command = s->command;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void begin(struct subject *s, enum container_service service)
{
    static const char *const words[] = {"server", NULL};

    *s = (struct subject){
        .facts = {.id = text("ab12"),
                  .name = text("shared"),
                  .service = service,
                  .state = CONTAINER_RUNNING,
                  .memory_limit = 200 * MIB},
        .row = {.oom_at = NAN,
                .oom_expected = INT_MIN,
                .usage = {.memory_limit = -1, .oom_score_adj = INT_MIN, .oom_score = -1}},
    };
    s->row.facts = &s->facts;
    s->facts.ports = s->ports;
    s->facts.mounts = s->mounts;
    set_command(s, words);
    if (service == SERVICE_POSTGRES) {
        s->facts.pgdata = text("/var/lib/postgresql/18/docker");
        s->facts.image = text("postgres:18-alpine");
        s->mounts[0] = (struct container_mount){text("volume"), text("postgres_data"),
                                                text("/var/lib/postgresql")};
        s->facts.mount_count = 1;
    }
}

static void watch_redis(struct subject *s, int64_t maxmemory)
{
    s->info.maxmemory = maxmemory;
    s->instance.kind = INSTANCE_REDIS;
    s->instance.redis.info = &s->info;
}

static void watch_postgres(struct subject *s, int version, const char *directory)
{
    s->server.version = version;
    s->server.data_directory = directory;
    s->instance.kind = INSTANCE_POSTGRES;
    s->instance.pg.server = &s->server;
}

static unsigned flaws(const struct subject *s)
{
    return container_flaws(&s->row,
                           s->instance.pg.server || s->instance.redis.info || *s->instance.version
                               ? &s->instance
                               : NULL);
}

/* The text of the only flaw that it has. */
static void assert_only(const struct subject *s, enum container_flaw flaw, const char *part)
{
    char out[512];
    const struct instance *instance =
        s->instance.pg.server || s->instance.redis.info ? &s->instance : NULL;

    assert_int_equal(flaws(s), BIT(flaw));
    container_flaw_text(&s->row, flaw, instance, out, sizeof(out));
    if (!strstr(out, part))
        fail_msg("%s", out);
    assert_null(strchr(out, '\n'));
    assert_true(*container_flaw_word(flaw) != 0);
}

static void test_no_flaws(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_POSTGRES);
    assert_int_equal(flaws(&s), 0);
    begin(&s, SERVICE_REDIS);
    assert_int_equal(flaws(&s), 0);
    begin(&s, SERVICE_OTHER);
    assert_int_equal(flaws(&s), 0);
}

static void test_published(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_POSTGRES);
    s.facts.port_count = 2;
    s.ports[0] = (struct container_port){.port = 5432};
    s.ports[1] = (struct container_port){5432, 5432, false, text("127.0.0.1")};
    assert_int_equal(flaws(&s), 0);
    s.ports[1].address = NULL;
    assert_int_equal(flaws(&s), 0);
    s.ports[1].address = text("192.168.1.7");
    assert_int_equal(flaws(&s), 0);
    s.ports[1].address = text("0.0.0.0");
    assert_only(&s, FLAW_PUBLISHED, "0.0.0.0:5432");
    s.ports[1].address = text("::");
    assert_only(&s, FLAW_PUBLISHED, "[::]:5432");
    s.facts.service = SERVICE_OTHER;
    assert_int_equal(flaws(&s), 0);
}

static void test_no_limit(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_REDIS);
    s.facts.memory_limit = 0;
    assert_only(&s, FLAW_NO_LIMIT, "mem_limit");
    s.row.usage.memory_limit = 0;
    assert_only(&s, FLAW_NO_LIMIT, "mem_limit");
    s.row.usage.memory_limit = 100 * MIB; /* set by something else than the engine */
    assert_int_equal(flaws(&s), 0);
    begin(&s, SERVICE_POSTGRES);
    s.facts.memory_limit = 0;
    assert_int_equal(flaws(&s), 0);
}

static void test_maxmemory_of_the_command(void **state)
{
    static const struct {
        const char *words[6];
        bool flaw;
    } commands[] = {
        {{"redis-server", "--maxmemory", "150mb"}, false},
        {{"redis-server", "--maxmemory", "151mb"}, true},
        {{"redis-server", "--maxmemory", "157286400"}, false},
        {{"redis-server", "--maxmemory", "1GB"}, true},
        {{"redis-server", "--maxmemory", "157m"}, false},
        {{"redis-server", "--maxmemory", "158m"}, true},
        {{"redis-server", "--maxmemory", "0"}, true},
        {{"redis-server", "--maxmemory", "lots"}, false},
        {{"redis-server", "--maxmemory-policy", "1gb"}, false},
        {{"redis-server", "--maxmemory", "1gb", "--maxmemory", "1mb"}, false},
        {{"redis-server", "--maxmemory"}, false},
        {{"sh", "-c", "redis-server --maxmemory 1gb --port 1"}, true},
        {{"sh", "-c", "redis-server --maxmemory '1mb'"}, false},
        {{"redis-server", "--maxmemory 1gb"}, true},
        {{"redis-server"}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        struct subject s;

        begin(&s, SERVICE_REDIS);
        set_command(&s, commands[i].words);
        if (flaws(&s) != (commands[i].flaw ? BIT(FLAW_MAXMEMORY) : 0))
            fail_msg("%zu: %s %s", i, commands[i].words[1], commands[i].words[2]);
    }
}

static void test_maxmemory_of_the_server(void **state)
{
    static const char *const words[] = {"redis-server", "--maxmemory", "1gb", NULL};
    struct subject s;

    (void)state;
    begin(&s, SERVICE_REDIS);
    set_command(&s, words);
    watch_redis(&s, 128 * MIB);
    assert_int_equal(flaws(&s), 0);
    watch_redis(&s, 160 * MIB);
    assert_only(&s, FLAW_MAXMEMORY, "160 MiB");
    assert_only(&s, FLAW_MAXMEMORY, "150mb");
    watch_redis(&s, 0);
    assert_only(&s, FLAW_MAXMEMORY, "no maxmemory");
    watch_redis(&s, -1); /* not told: the command's */
    assert_only(&s, FLAW_MAXMEMORY, "1024 MiB");
    s.facts.memory_limit = 0;
    assert_int_equal(flaws(&s), BIT(FLAW_NO_LIMIT));
}

static void test_oom_score(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_OTHER);
    s.row.usage.oom_score_adj = 200; /* inherited: nobody has asked for any */
    assert_int_equal(flaws(&s), 0);
    s.facts.oom_score_adj = 200;
    assert_int_equal(flaws(&s), 0);
    s.facts.oom_score_adj = -500;
    assert_only(&s, FLAW_OOM_SCORE, "is 200, expected -500");
    s.row.oom_expected = 200;
    assert_int_equal(flaws(&s), 0);
    s.row.oom_expected = 0;
    assert_only(&s, FLAW_OOM_SCORE, "expected 0");
    s.row.usage.oom_score_adj = INT_MIN; /* unknown */
    assert_int_equal(flaws(&s), 0);
    s.row.usage.oom_score_adj = 200;
    s.facts.state = CONTAINER_EXITED;
    assert_int_equal(flaws(&s), 0);
}

static void test_restart_loop(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_OTHER);
    s.row.recent_restarts = 2;
    assert_int_equal(flaws(&s), 0);
    s.row.recent_restarts = 3;
    assert_only(&s, FLAW_RESTART_LOOP, "3 times");
    s.row.recent_restarts = 0;
    s.facts.state = CONTAINER_RESTARTING;
    s.facts.exit_code = 7;
    assert_only(&s, FLAW_RESTART_LOOP, "status 7");
}

static void test_data_version(void **state)
{
    static const struct {
        const char *image, *pgdata;
        bool flaw;
    } cases[] = {
        {"postgres:18-alpine", "/var/lib/postgresql/18/docker", false},
        {"postgres:18-alpine", "/var/lib/postgresql/data", true},
        {"postgres:18-alpine", "/var/lib/postgresql/17/docker", true},
        {"postgres:18-alpine", "/var/lib/postgresql/pg18", false},
        {"postgres:18-alpine", "/var/lib/postgresql/180", true},
        {"host:5000/postgres:17.2", "/var/lib/postgresql/data", true},
        {"timescale/timescaledb:2.17.2-pg16", "/var/lib/postgresql/16", false},
        {"timescale/timescaledb:2.17.2-pg16", "/var/lib/postgresql/data", true},
        {"postgis/postgis:16-3.4", "/var/lib/postgresql/3", true},
        /* unknown */
        {"postgres:latest", "/var/lib/postgresql/data", false},
        {"postgres", "/var/lib/postgresql/data", false},
        {"host:5000/postgres", "/var/lib/postgresql/data", false},
        {"postgres@sha256:18", "/var/lib/postgresql/data", false},
        {"sharedtop-lab:12", "/var/lib/postgresql/15/docker", false},
        {NULL, "/var/lib/postgresql/data", false},
        {"postgres:18", NULL, false},
    };
    struct subject s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(&s, SERVICE_POSTGRES);
        s.facts.image = text(cases[i].image);
        s.facts.pgdata = text(cases[i].pgdata);
        if (flaws(&s) != (cases[i].flaw ? BIT(FLAW_DATA_VERSION) : 0))
            fail_msg("%zu: %s", i, cases[i].pgdata ? cases[i].pgdata : "");
    }
}

static void test_data_version_of_the_server(void **state)
{
    static const char *const words[] = {"postgres", "-D", "/var/lib/postgresql/data", NULL};
    struct subject s;

    (void)state;
    begin(&s, SERVICE_POSTGRES);
    s.facts.image = text("sharedtop-lab:12");
    watch_postgres(&s, 180001, NULL);
    assert_int_equal(flaws(&s), 0);
    watch_postgres(&s, 150018, NULL);
    assert_only(&s, FLAW_DATA_VERSION, "version 15");
    watch_postgres(&s, 180001, "/var/lib/postgresql/data");
    assert_only(&s, FLAW_DATA_VERSION, "/var/lib/postgresql/data");
    watch_postgres(&s, 180001, NULL);
    set_command(&s, words);
    assert_only(&s, FLAW_DATA_VERSION, "/var/lib/postgresql/data");
}

static void test_data_volume_of_postgres(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_POSTGRES);
    s.facts.mount_count = 0;
    assert_only(&s, FLAW_DATA_VOLUME, "/var/lib/postgresql/18/docker");
    s.mounts[0] = (struct container_mount){text("bind"), text("/srv"), s.facts.pgdata};
    s.facts.mount_count = 1;
    assert_int_equal(flaws(&s), 0);
    s.mounts[0].destination = text("/var/lib/postgres");
    assert_only(&s, FLAW_DATA_VOLUME, "volume");
    s.mounts[0].destination = text("/var/lib/postgresql/18/docker/base");
    assert_only(&s, FLAW_DATA_VOLUME, "volume");
    s.mounts[0].destination = text("/");
    assert_int_equal(flaws(&s), 0);
    /* a file system in memory within the volume */
    s.mounts[1] = (struct container_mount){text("tmpfs"), NULL, text("/var/lib/postgresql/18")};
    s.facts.mount_count = 2;
    assert_only(&s, FLAW_DATA_VOLUME, "volume");
    s.facts.pgdata = NULL;
    assert_int_equal(flaws(&s), 0);
}

static void test_data_volume_of_redis(void **state)
{
    static const char *const append[] = {"redis-server", "--appendonly", "yes", NULL};
    static const char *const save[] = {"redis-server", "--save", "60 1000", "--dir", "/x", NULL};
    static const char *const none[] = {"redis-server", "--save", "", "--appendonly", "no", NULL};
    struct subject s;

    (void)state;
    begin(&s, SERVICE_REDIS);
    set_command(&s, none);
    assert_int_equal(flaws(&s), 0);
    set_command(&s, append);
    assert_only(&s, FLAW_DATA_VOLUME, "/data");
    s.mounts[0] = (struct container_mount){text("volume"), text("redis_data"), text("/data/")};
    s.facts.mount_count = 1;
    assert_int_equal(flaws(&s), 0);
    set_command(&s, save);
    assert_only(&s, FLAW_DATA_VOLUME, "/x");
}

static void test_image_and_health(void **state)
{
    struct subject s;

    (void)state;
    begin(&s, SERVICE_OTHER);
    s.facts.image = text("web:1");
    s.facts.image_id = text("sha256:a");
    assert_int_equal(flaws(&s), 0);
    s.facts.tag_id = text("sha256:a");
    assert_int_equal(flaws(&s), 0);
    s.facts.tag_id = text("sha256:b");
    assert_only(&s, FLAW_IMAGE, "web:1");
    s.facts.image_id = NULL;
    s.facts.health = HEALTH_STARTING;
    assert_int_equal(flaws(&s), 0);
    s.facts.health = HEALTH_UNHEALTHY;
    assert_only(&s, FLAW_UNHEALTHY, "shared");
    s.facts.state = CONTAINER_EXITED;
    assert_int_equal(flaws(&s), 0);
}

/* A text may be asked for after what it was about has gone, and into little room. */
static void test_texts_of_absent_flaws(void **state)
{
    struct subject s;
    char out[512], tiny[4];

    (void)state;
    begin(&s, SERVICE_REDIS);
    s.facts.name = NULL;
    s.facts.memory_limit = 0;
    for (unsigned i = 0; i < CONTAINER_FLAWS; i++) {
        assert_ptr_equal(
            container_flaw_text(&s.row, (enum container_flaw)i, NULL, out, sizeof(out)), out);
        assert_true(*out != 0);
        container_flaw_text(&s.row, (enum container_flaw)i, NULL, tiny, sizeof(tiny));
        assert_memory_equal(tiny, out, sizeof(tiny) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_flaws),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_maxmemory_of_the_command),
        cmocka_unit_test(test_maxmemory_of_the_server),
        cmocka_unit_test(test_oom_score),
        cmocka_unit_test(test_restart_loop),
        cmocka_unit_test(test_data_version),
        cmocka_unit_test(test_data_version_of_the_server),
        cmocka_unit_test(test_data_volume_of_postgres),
        cmocka_unit_test(test_data_volume_of_redis),
        cmocka_unit_test(test_image_and_health),
        cmocka_unit_test(test_texts_of_absent_flaws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
