/* Answers of real engines (tests/unit/data/container_*), and the many ways in which images take
 * their command and login. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_parse.h"
#include "backend/container_watch_parse.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

#define DATA "tests/unit/data/container_"
#define ID   "7dca070107afc907adf2b06377b896b62408e85fba1954abbe5c6af2f2bbd881"

static struct strbuf read_data(const char *name)
{
    struct strbuf text = {0};
    char path[256], part[4096];
    size_t got;
    FILE *file;

    snprintf(path, sizeof(path), DATA "%s", name);
    file = fopen(path, "r");
    assert_non_null(file);
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        strbuf_add(&text, part, got);
    fclose(file);
    return text;
}

static struct container *inspect_data(const char *name, struct container_login *login)
{
    struct strbuf text = read_data(name);
    struct container *container = container_parse_inspect(text.s, text.len, login);

    strbuf_free(&text);
    assert_non_null(container);
    return container;
}

static void done(struct container *container, struct container_login *login)
{
    container_login_free(login);
    container_unref(container);
}

static void assert_near(double value, double wanted)
{
    assert_true(fabs(value - wanted) < 0.001);
}

/* ---- inspect ---- */

static void test_docker_postgres(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("docker_postgres.json", &login);

    (void)state;
    assert_string_equal(c->id, ID);
    assert_string_equal(c->name, "parse_postgres");
    assert_string_equal(c->image, "sharedtop-lab:12");
    assert_string_equal(c->image_id,
                        "sha256:070842919537342f0261bde683fc973f9ea236a1abe2359afe367f3a47eb8ed0");
    assert_null(c->tag_id);
    assert_int_equal(c->service, SERVICE_POSTGRES);
    assert_int_equal(c->state, CONTAINER_RUNNING);
    assert_int_equal(c->health, HEALTH_NONE);
    assert_null(c->error);
    assert_near(c->created, 1795410434.681);
    assert_near(c->started, 1795410438.356);
    assert_true(isnan(c->ended));
    assert_string_equal(c->restart_policy, "no");
    assert_int_equal(c->pid, 5335);
    assert_int_equal(c->memory_limit, 536870912);
    assert_int_equal(c->oom_score_adj, 100);
    assert_string_equal(c->command[0], "sh");
    assert_string_equal(c->pgdata, "/var/lib/postgresql/15/docker");
    assert_null(c->database);
    assert_false(c->terminal);
    assert_int_equal(c->port_count, 1);
    assert_int_equal(c->ports[0].port, 5432);
    assert_int_equal(c->ports[0].published, 32769);
    assert_string_equal(c->ports[0].address, "127.0.0.1");
    assert_int_equal(c->network_count, 1);
    assert_string_equal(c->networks[0].name, "parse_backend");
    assert_string_equal(c->networks[0].address, "172.19.0.2");
    assert_null(c->networks[0].address6);
    assert_int_equal(c->mount_count, 1);
    assert_string_equal(c->mounts[0].type, "volume");
    assert_string_equal(c->mounts[0].source, "parse_postgres_data");
    assert_string_equal(c->mounts[0].destination, "/var/lib/postgresql");
    assert_string_equal(login.user, "admin");
    assert_string_equal(login.password, "s3cret-pg");
    assert_false(login.trust);
    done(c, &login);
}

static void test_podman_postgres(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("podman_postgres.json", &login);

    (void)state;
    assert_string_equal(c->name, "shared_postgres");
    assert_string_equal(c->image, "docker.io/library/postgres:18-alpine");
    assert_int_equal(strncmp(c->image_id, "sha256:6119aaa6", 15), 0);
    assert_int_equal(c->service, SERVICE_POSTGRES);
    assert_int_equal(c->state, CONTAINER_RUNNING);
    assert_int_equal(c->health, HEALTH_STARTING);
    assert_string_equal(c->restart_policy, "unless-stopped");
    assert_int_equal(c->pid, 29233);
    assert_int_equal(c->memory_limit, 67108864);
    assert_int_equal(c->port_count, 2);
    assert_string_equal(c->ports[0].address, "127.0.0.1");
    assert_int_equal(c->ports[1].published, 5434);
    assert_string_equal(c->ports[1].address, "0.0.0.0");
    assert_string_equal(c->networks[0].name, "podman");
    assert_string_equal(c->networks[0].address, "10.88.0.5");
    assert_string_equal(c->mounts[0].source, "pgd");
    assert_string_equal(login.user, "admin");
    assert_string_equal(login.password, "s3cret-pg");
    done(c, &login);
}

static void test_docker_redis(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("docker_redis.json", &login);

    (void)state;
    assert_int_equal(c->service, SERVICE_REDIS);
    assert_int_equal(c->port_count, 0);
    assert_string_equal(c->command[0], "redis-server");
    assert_string_equal(c->command[2], "128mb");
    assert_string_equal(c->mounts[0].destination, "/data");
    assert_null(login.user);
    assert_null(login.password);
    done(c, &login);
}

static void test_ends(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("docker_oom.json", &login);

    (void)state;
    assert_int_equal(c->state, CONTAINER_EXITED);
    assert_true(c->oom_killed);
    assert_int_equal(c->exit_code, 137);
    assert_int_equal(c->pid, 0);
    assert_near(c->ended, 1795411826.104);
    assert_null(c->networks[0].address);
    done(c, &login);

    c = inspect_data("docker_new.json", &login);
    assert_int_equal(c->state, CONTAINER_CREATED);
    assert_int_equal(c->exit_code, 127);
    assert_non_null(strstr(c->error, "/usr/local/bin/nothing"));
    assert_true(isnan(c->started));
    done(c, &login);
}

static void test_restart_loop(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("docker_loop.json", &login);

    (void)state;
    assert_int_equal(c->state, CONTAINER_RESTARTING);
    assert_int_equal(c->restarts, 6);
    assert_string_equal(c->restart_policy, "always");
    assert_string_equal(c->project, "shared");
    assert_string_equal(c->compose_service, "web");
    assert_string_equal(c->mounts[0].type, "tmpfs");
    assert_string_equal(c->mounts[0].destination, "/scratch");
    assert_string_equal(c->command[3], "*");
    assert_null(c->command[4]);
    done(c, &login);
}

static void test_sick(void **state)
{
    struct container_login login;
    struct container *c = inspect_data("docker_sick.json", &login);

    (void)state;
    assert_int_equal(c->health, HEALTH_UNHEALTHY);
    assert_true(c->terminal);
    assert_int_equal(c->port_count, 2);
    assert_string_equal(c->ports[0].address, "0.0.0.0");
    assert_string_equal(c->ports[1].address, "::");
    assert_string_equal(c->mounts[1].type, "bind");
    assert_string_equal(c->mounts[1].source, "/tmp/parse/img");
    done(c, &login);
}

static struct container *inspect(const char *text, struct container_login *login)
{
    return container_parse_inspect(text, strlen(text), login);
}

static void test_what_is_missing_is_absent(void **state)
{
    struct container_login login;
    struct container *c = inspect("{\"Id\": \"" ID "\"}", &login);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->name, "7dca070107af");
    assert_null(c->image);
    assert_null(c->restart_policy);
    assert_int_equal(c->state, CONTAINER_UNKNOWN);
    assert_int_equal(c->service, SERVICE_OTHER);
    assert_true(isnan(c->created) && isnan(c->started) && isnan(c->ended));
    assert_non_null(c->command);
    assert_null(c->command[0]);
    done(c, &login);

    assert_null(inspect("", &login));
    assert_null(inspect("{}", &login));
    assert_null(inspect("[\"Id\"]", &login));
    assert_null(inspect("{\"Id\": \"../../x\"}", &login));
    assert_null(inspect("{\"Id\": \"" ID "0\"}", &login));
    assert_null(inspect("{\"Id\": \"" ID "\"", &login));
    assert_null(login.user);
}

/* Numbers without an end, text in place of numbers, addresses that are names. */
static void test_hostile_values(void **state)
{
    struct container_login login;
    struct container *c = inspect(
        "{\"Id\":\"" ID "\",\"Name\":\"/a\\u0000b\",\"RestartCount\":99999999999999999999999,"
        "\"State\":{\"Pid\":-7,\"ExitCode\":\"x\",\"StartedAt\":\"yesterday\"},"
        "\"HostConfig\":{\"Memory\":18446744073709551615,\"Tmpfs\":[1]},"
        "\"Mounts\":[{\"Type\":1},5],"
        "\"NetworkSettings\":{\"Ports\":{\"x/tcp\":null,\"99999/tcp\":null,\"53/udp\":null,"
        "\"80/tcp\":[{\"HostIp\":\"evil.example\",\"HostPort\":\"80\"}]},"
        "\"Networks\":{\"n\":{\"IPAddress\":\"evil.example\",\"GlobalIPv6Address\":\"fd00::2\"},"
        "\"m\":5}}}",
        &login);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->name, "a");
    assert_int_equal(c->restarts, 0);
    assert_int_equal(c->pid, 0);
    assert_int_equal(c->memory_limit, INT64_MAX);
    assert_int_equal(c->port_count, 2);
    assert_true(c->ports[0].udp);
    assert_int_equal(c->ports[0].published, 0);
    assert_null(c->ports[1].address);
    assert_int_equal(c->network_count, 2);
    assert_string_equal(c->networks[0].name, "m");
    assert_null(c->networks[1].address);
    assert_string_equal(c->networks[1].address6, "fd00::2");
    assert_int_equal(c->mount_count, 0);
    done(c, &login);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        double time;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T05:07:14.5Z", 1795410434.5},
        {"2026-11-23T07:07:14.5+02:00", 1795410434.5},
        {"2026-11-23T00:07:14-05:00", 1795410434},
        {"0001-01-01T00:00:00Z", NAN},
        {"2026-11-23T05:07:14", NAN},
        {"2026-11-23T05:07:14*01:00", NAN},
        {"2026-11-23", NAN},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        struct container_login login;
        struct container *c;

        snprintf(text, sizeof(text), "{\"Id\":\"ab\",\"Created\":\"%s\"}", times[i].text);
        c = inspect(text, &login);
        if (isnan(times[i].time))
            assert_true(isnan(c->created));
        else
            assert_near(c->created, times[i].time);
        done(c, &login);
    }
}

static void test_podman_words(void **state)
{
    struct container_login login;
    struct container *c = inspect(
        "{\"Id\":\"ab\",\"Image\":\"" ID "\",\"State\":{\"Status\":\"configured\","
        "\"Healthcheck\":{\"Status\":\"healthy\"}},\"HostConfig\":{\"RestartPolicy\":{\"Name\":"
        "\"\"},\"NetworkMode\":\"slirp4netns\"},\"NetworkSettings\":{\"IPAddress\":\"10.0.2.100\"},"
        "\"Config\":{\"Labels\":{\"io.podman.compose.project\":\"p\"},\"Entrypoint\":[\"tini\"],"
        "\"Cmd\":[\"redis-server\"]}}",
        &login);

    (void)state;
    assert_int_equal(c->state, CONTAINER_CREATED);
    assert_int_equal(c->health, HEALTH_HEALTHY);
    assert_string_equal(c->image_id, "sha256:" ID);
    assert_string_equal(c->restart_policy, "no");
    assert_string_equal(c->networks[0].name, "slirp4netns");
    assert_string_equal(c->networks[0].address, "10.0.2.100");
    assert_string_equal(c->project, "p");
    assert_string_equal(c->command[1], "redis-server");
    assert_int_equal(c->service, SERVICE_REDIS);
    done(c, &login);
}

/* ---- lists, versions, errors ---- */

static void test_lists(void **state)
{
    static const char odd[] = "[{\"Id\":\"ab\"},{\"Id\":\"../x\"},{},5,{\"Id\":\"cd\"}]";
    struct strbuf text = read_data("docker_list.json");
    struct watch_listed *items;
    size_t count;

    (void)state;
    assert_true(watch_parse_list(text.s, text.len, &items, &count));
    assert_int_equal(count, 2);
    assert_int_equal(strlen(items[1].id), 64);
    free(items);
    strbuf_free(&text);

    text = read_data("podman_list.json");
    assert_true(watch_parse_list(text.s, text.len, &items, &count));
    assert_int_equal(count, 2);
    free(items);
    strbuf_free(&text);

    assert_true(watch_parse_list(odd, strlen(odd), &items, &count));
    assert_int_equal(count, 2);
    assert_string_equal(items[1].id, "cd");
    free(items);

    assert_true(watch_parse_list("[]", 2, &items, &count));
    assert_int_equal(count, 0);
    free(items);
    assert_false(watch_parse_list("{}", 2, &items, &count));
    assert_false(watch_parse_list("[", 1, &items, &count));
}

static void test_versions(void **state)
{
    struct engine_info info = {.api = "1.24"}; /* what is spoken: not the newest that they would */
    struct strbuf text = read_data("docker_version.json");

    (void)state;
    assert_true(container_parse_version(text.s, text.len, &info));
    assert_string_equal(info.name, "Docker");
    assert_string_equal(info.version, "20.10.24+dfsg1");
    assert_string_equal(info.api, "1.24");
    strbuf_free(&text);

    text = read_data("podman_version.json");
    assert_true(container_parse_version(text.s, text.len, &info));
    assert_string_equal(info.name, "Podman");
    assert_string_equal(info.version, "4.3.1");
    assert_string_equal(info.api, "1.24");
    strbuf_free(&text);

    assert_false(container_parse_version("{\"Version\":\"1\"}", 15, &info));
    assert_false(container_parse_version("OK", 2, &info));
}

static bool parse_info(struct engine_info *info, const char *text)
{
    *info = (struct engine_info){0};
    return container_parse_info(text, strlen(text), info);
}

static void test_infos(void **state)
{
    static const char *const names[] = {"docker_info.json", "podman_info.json"};
    struct engine_info info;
    struct utsname own;
    char *text;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct strbuf data = read_data(names[i]);

        info = (struct engine_info){.rootless = true};
        assert_true(container_parse_info(data.s, data.len, &info));
        assert_false(info.rootless);
        strbuf_free(&data);
    }
    assert_true(parse_info(&info, "{\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"]}"));
    assert_true(info.rootless);
    assert_false(info.elsewhere);
    assert_true(parse_info(&info, "{\"ServerVersion\":\"5\",\"Rootless\":true}"));
    assert_true(info.rootless);
    assert_true(
        parse_info(&info, "{\"ServerVersion\":\"5\",\"OperatingSystem\":\"Docker Desktop\"}"));
    assert_true(info.elsewhere);
    assert_true(parse_info(&info, "{\"ServerVersion\":\"5\",\"KernelVersion\":\"1.0-other\"}"));
    assert_true(info.elsewhere);
    assert_int_equal(uname(&own), 0);
    text = mem_printf("{\"ServerVersion\":\"5\",\"KernelVersion\":\"%s\"}", own.release);
    assert_true(parse_info(&info, text));
    assert_false(info.elsewhere);
    free(text);
    assert_false(parse_info(&info, "{}"));
}

static void test_images_and_errors(void **state)
{
    struct strbuf text = read_data("docker_image.json");
    char *found = container_parse_image(text.s, text.len);

    (void)state;
    assert_string_equal(found,
                        "sha256:070842919537342f0261bde683fc973f9ea236a1abe2359afe367f3a47eb8ed0");
    free(found);
    strbuf_free(&text);
    found = container_parse_image("{\"Id\":\"" ID "\"}", strlen("{\"Id\":\"" ID "\"}"));
    assert_string_equal(found, "sha256:" ID);
    free(found);
    assert_null(container_parse_image("{}", 2));

    text = read_data("podman_error.json");
    found = container_parse_error(text.s, text.len);
    assert_string_equal(found, "no container with name or ID \"none\" found: no such container");
    free(found);
    strbuf_free(&text);
    assert_null(container_parse_error("404 page not found", 18));
}

/* ---- events ---- */

static struct container_event parse_event(const char *line)
{
    struct container_event event;

    assert_true(container_parse_event(line, strlen(line), &event));
    return event;
}

/* The kinds of all lines of a file, a letter each. */
static char *event_kinds(const char *name)
{
    static const char letters[] = "-csdori";
    struct strbuf text = read_data(name), kinds = {0};
    char *rest = text.s, *line;

    while ((line = strsep(&rest, "\n")) && *line) {
        const struct container_event event = parse_event(line);

        strbuf_addc(&kinds, letters[event.kind]);
        assert_true(event.time > 1795409000 && event.time < 1795500000);
        if (event.kind != EVENT_OTHER && event.kind != EVENT_IMAGE)
            assert_int_equal(strlen(event.id), 64);
        if (event.kind == EVENT_IMAGE)
            assert_string_equal(event.id, "");
    }
    strbuf_free(&text);
    return strbuf_take(&kinds);
}

static void test_events(void **state)
{
    char *docker = event_kinds("docker_events.json"), *podman = event_kinds("podman_events.json");

    (void)state;
    /* tag import create connect start oom die disconnect volume-create mount exec_create exec_start
     * health_status rename destroy exec_create exec_start exec_die pause unpause untag */
    assert_string_equal(docker, "iiccsodc"
                                "----"
                                "ccr"
                                "---"
                                "cci");
    /* die cleanup init start remove */
    assert_string_equal(podman, "d--sr");
    free(docker);
    free(podman);
}

static void test_event_details(void **state)
{
    struct container_event event =
        parse_event("{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"ab12\","
                    "\"Attributes\":{\"exitCode\":\"137\"}},\"time\":17,\"timeNano\":17500000000}");

    (void)state;
    assert_int_equal(event.kind, EVENT_DIED);
    assert_int_equal(event.exit_code, 137);
    assert_string_equal(event.id, "ab12");
    assert_near(event.time, 17.5);

    event = parse_event("{\"Type\":\"container\",\"Action\":\"died\",\"Actor\":{\"ID\":\"ab12\","
                        "\"Attributes\":{\"containerExitCode\":\"3\"}},\"time\":17}");
    assert_int_equal(event.kind, EVENT_DIED);
    assert_int_equal(event.exit_code, 3);
    assert_near(event.time, 17);

    event = parse_event("{\"status\":\"start\",\"id\":\"ab12\"}");
    assert_int_equal(event.kind, EVENT_STARTED);
    assert_true(isnan(event.time));

    event =
        parse_event("{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"../x\"}}");
    assert_int_equal(event.kind, EVENT_OTHER);
    event = parse_event("{\"Type\":\"volume\",\"Action\":\"create\",\"Actor\":{\"ID\":\"ab\"}}");
    assert_int_equal(event.kind, EVENT_OTHER);
    event = parse_event("{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"ff\","
                        "\"Attributes\":{\"container\":\"ab12\"}}}");
    assert_int_equal(event.kind, EVENT_CHANGED);
    assert_string_equal(event.id, "ab12");

    assert_false(container_parse_event("", 0, &event));
    assert_false(container_parse_event("{}", 2, &event));
    assert_false(container_parse_event("{\"message\":\"x\"}", 15, &event));
}

/* ---- archives ---- */

enum { BLOCK = 512 };

static void set_sum(char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

static void test_archives(void **state)
{
    struct strbuf data = read_data("file.tar"), two = {0};
    const size_t len = data.len;
    char *tar = strbuf_take(&data);
    const char *from;
    char folder[BLOCK] = {0};
    size_t size;

    (void)state;
    assert_true(container_parse_archive(tar, len, &from, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(from, "15\n", 3);
    assert_false(container_parse_archive(tar, BLOCK + 2, &from, &size));
    assert_false(container_parse_archive(tar, BLOCK - 1, &from, &size));
    assert_false(container_parse_archive(tar, 0, &from, &size));

    /* behind a long name (its block is passed over) and a folder */
    memcpy(folder, tar, BLOCK);
    folder[156] = 'L';
    set_sum(folder);
    strbuf_add(&two, folder, BLOCK);
    strbuf_add(&two, tar + BLOCK, BLOCK);
    folder[156] = '5';
    memset(folder + 124, '0', 11);
    set_sum(folder);
    strbuf_add(&two, folder, BLOCK);
    assert_false(container_parse_archive(two.s, two.len, &from, &size));
    strbuf_add(&two, tar, len);
    assert_true(container_parse_archive(two.s, two.len, &from, &size));
    assert_memory_equal(from, "15\n", 3);

    tar[0] = 'Q'; /* the sum is wrong now */
    assert_false(container_parse_archive(tar, len, &from, &size));
    strbuf_free(&two);
    free(tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docker_postgres),
        cmocka_unit_test(test_podman_postgres),
        cmocka_unit_test(test_docker_redis),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_restart_loop),
        cmocka_unit_test(test_sick),
        cmocka_unit_test(test_what_is_missing_is_absent),
        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_podman_words),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_infos),
        cmocka_unit_test(test_images_and_errors),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_event_details),
        cmocka_unit_test(test_archives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
