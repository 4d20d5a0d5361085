#include "backend/container_init.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- containers ---- */

static struct container_network networks[] = {
    {.name = "frontend", .address = "172.19.0.2"},
    {.name = "backend", .address = "172.18.0.2"},
};

static struct container_mount mounts[] = {
    {.type = "bind", .source = "/srv", .destination = "/var"},
    {.type = "volume", .source = "postgres_data", .destination = "/var/lib/postgresql"},
    {.type = "volume", .source = "beside", .destination = "/var/lib/post"},
};

static const struct container shared_postgres = {
    .id = "1111111111111111",
    .name = "shared_postgres",
    .image = "postgres:18-alpine",
    .service = SERVICE_POSTGRES,
    .state = CONTAINER_RUNNING,
    .pgdata = "/var/lib/postgresql/18/docker",
    .memory_limit = 512LL << 20,
    .oom_score_adj = -800,
    .networks = networks,
    .network_count = 2,
    .mounts = mounts,
    .mount_count = COUNT(mounts),
};

static const struct container shared_redis = {
    .id = "2222222222222222",
    .name = "shared_redis",
    .image = "redis:7-alpine",
    .service = SERVICE_REDIS,
    .state = CONTAINER_RUNNING,
    .networks = &networks[1],
    .network_count = 1,
};

static const struct container old_postgres = {
    .id = "3333333333333333",
    .name = "old_postgres",
    .image = "postgres:9",
    .service = SERVICE_POSTGRES,
    .state = CONTAINER_EXITED,
};

static const struct container web = {
    .id = "4444444444444444",
    .name = "web",
    .image = "nginx",
    .state = CONTAINER_RUNNING,
};

/* Whatever a name may hold, it must come back as the same bytes, and stay a name. */
#define HOSTILE                                                                                    \
    "\"; }); theme = \"x\\\n@include \"/etc/passwd\"\r\t\x1b[31m\x7f\xff\xe2\x80\xae*/ # ' %s"
static struct container_network hostile_networks[] = {
    {.name = HOSTILE}, {.name = "zone"}, {.name = NULL}};
static const struct container hostile = {
    .id = "5555555555555555",
    .name = HOSTILE,
    .image = HOSTILE,
    .service = SERVICE_POSTGRES,
    .state = CONTAINER_RUNNING,
    .oom_score_adj = 70000,
    .pgdata = "/d",
    .networks = hostile_networks,
    .network_count = COUNT(hostile_networks),
    .mounts = (struct container_mount[]){{.type = HOSTILE, .source = HOSTILE, .destination = "/d"}},
    .mount_count = 1,
};

/* The text of these containers; it lasts until the test's end. */
struct made {
    struct container_row rows[4];
    struct containers containers;
    struct strbuf text;
};

static void make_text(struct made *made, const struct container *const *facts, size_t count)
{
    *made = (struct made){.containers = {.state = CONTAINERS_UP,
                                         .engine = {.name = "Docker", .version = "20.10.24"},
                                         .socket = "/run/docker.sock",
                                         .rows = made->rows,
                                         .count = count}};
    for (size_t i = 0; i < count; i++)
        made->rows[i].facts = facts[i];
    container_init_text(&made->containers, &made->text);
}

/* ---- loading ---- */

struct folder {
    char path[64];
};

static void save(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static char *load_text(const char *path)
{
    struct strbuf text = {0};
    FILE *file = fopen(path, "re");
    int c;

    assert_non_null(file);
    strbuf_adds(&text, "");
    while ((c = fgetc(file)) != EOF)
        strbuf_addc(&text, (char)c);
    fclose(file);
    return strbuf_take(&text);
}

/* Without a fault and without a warning. */
static struct config *load(const struct folder *folder, const char *text)
{
    char *path = mem_printf("%s/loaded.conf", folder->path);
    struct config_faults faults = {0};
    struct config *config;

    save(path, text);
    config = config_load(path, &faults);
    config_faults_print(stderr, &faults);
    assert_int_equal(faults.count, 0);
    assert_non_null(config);
    config_faults_free(&faults);
    unlink(path);
    free(path);
    return config;
}

/* A line that is a setting, or a part of one, behind its "# ". */
static bool is_example(const char *line)
{
    static const char *const starts[] = {"docker_host = ",
                                         "conninfo = ",
                                         "env_file = ",
                                         "password_key = ",
                                         "url = ",
                                         "network = ",
                                         "trash_db = ",
                                         "oom_score_adj = ",
                                         "environments = ",
                                         "databases = ",
                                         "postgres = ",
                                         "redis = ",
                                         "  { ",
                                         ");"};

    for (size_t i = 0; i < COUNT(starts); i++) {
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return true;
    }
    return false;
}

/* What somebody has who takes every example as it stands. */
static char *with_examples(const char *text)
{
    struct strbuf out = {0};

    while (*text) {
        const size_t blanks = strspn(text, " "), len = strcspn(text, "\n") + 1;
        const bool example = strncmp(text + blanks, "# ", 2) == 0 && is_example(text + blanks + 2);

        strbuf_add(&out, text, example ? blanks : len);
        if (example)
            strbuf_add(&out, text + blanks + 2, len - blanks - 2);
        text += len;
    }
    return strbuf_take(&out);
}

static int set_up(void **state)
{
    struct folder *folder = mem_zalloc(sizeof(*folder));

    strcpy(folder->path, "/tmp/container_init_XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    char *command = mem_printf("rm -rf '%s'", folder->path);
    const int status = system(command);

    free(command);
    free(folder);
    return status;
}

/* ---- the text ---- */

static void test_reference(void **state)
{
    const struct container *facts[] = {&shared_postgres, &old_postgres, &shared_redis, &web};
    struct made made;
    struct config *config;

    make_text(&made, facts, COUNT(facts));
    config = load(*state, made.text.s);
    assert_int_equal(config->postgres_count, 1);
    assert_string_equal(config->postgres[0]->name, "shared_postgres");
    assert_string_equal(config->postgres[0]->container, "shared_postgres");
    assert_string_equal(config->postgres[0]->network, "backend");
    assert_string_equal(config->postgres[0]->conninfo, "");
    assert_true(config->postgres[0]->has_oom_score_adj);
    assert_int_equal(config->postgres[0]->oom_score_adj, -800);
    assert_int_equal(config->postgres[0]->environment_count, 0);
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->name, "shared_redis");
    assert_string_equal(config->redis[0]->container, "shared_redis");
    assert_null(config->redis[0]->network);
    assert_string_equal(config->redis[0]->url, "");
    assert_false(config->redis[0]->has_oom_score_adj);
    assert_int_equal(config->redis[0]->database_count, 0);
    assert_int_equal(config->redis[0]->trash_db, -1);
    config_free(config);
    strbuf_free(&made.text);
}

static void test_comments(void **state)
{
    static const char *const lines[] = {
        "from the running containers of Docker 20.10.24 (/run/docker.sock).\n",
        "    # postgres:18-alpine, running, at most 512 MiB of memory\n",
        "    # Its data is on the volume postgres_data\n",
        "it is on backend, frontend.\n",
        "# Left out, since it does not run: old_postgres (exited)\n",
        "    # oom_score_adj = -500;\n",
        "# docker_host = \"unix:///run/docker.sock\";\n",
    };
    const struct container *facts[] = {&shared_postgres, &old_postgres, &shared_redis, &web};
    struct made made;

    (void)state;
    make_text(&made, facts, COUNT(facts));
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (!strstr(made.text.s, lines[i]))
            fail_msg("there is no line %s in %s", lines[i], made.text.s);
    }
    assert_null(strstr(made.text.s, "web"));
    strbuf_free(&made.text);
}

static void test_examples_are_right(void **state)
{
    const struct container *facts[] = {&shared_postgres, &shared_redis};
    struct made made;
    struct config *config;
    char *text;

    make_text(&made, facts, COUNT(facts));
    text = with_examples(made.text.s);
    config = load(*state, text);
    assert_string_equal(config->docker_host, "unix:///run/docker.sock");
    assert_string_equal(config->postgres[0]->env_file, "/opt/docker/shared/.env");
    assert_int_equal(config->postgres[0]->environment_count, 3);
    assert_int_equal(postgres_environment(config->postgres[0], "app_prod"), ENV_PRODUCTION);
    assert_string_equal(config->redis[0]->network, "backend");
    assert_int_equal(config->redis[0]->oom_score_adj, -500);
    assert_int_equal(config->redis[0]->database_count, 6);
    assert_int_equal(config->redis[0]->trash_db, 15);
    config_free(config);
    free(text);
    strbuf_free(&made.text);
}

static void test_hostile_names(void **state)
{
    const struct container *facts[] = {&hostile};
    struct made made;
    struct config *config;

    make_text(&made, facts, COUNT(facts));
    for (const char *s = made.text.s; *s; s++)
        assert_true(*s == '\n' || (*s >= ' ' && *s <= '~'));
    config = load(*state, made.text.s);
    assert_int_equal(config->postgres_count, 1);
    assert_string_equal(config->postgres[0]->name, HOSTILE);
    assert_string_equal(config->postgres[0]->container, HOSTILE);
    assert_string_equal(config->postgres[0]->network, HOSTILE);
    assert_false(config->postgres[0]->has_oom_score_adj);
    assert_string_equal(config->theme, "default");
    config_free(config);
    strbuf_free(&made.text);
}

static void test_equal_and_missing_names(void **state)
{
    struct container other = shared_postgres, unnamed = shared_redis, same = shared_redis;
    const struct container *facts[] = {&shared_postgres, &other, &unnamed, &same};
    struct made made;
    struct config *config;

    other.id = "6666666666666666";
    unnamed.name = NULL;
    same.name = "shared_postgres";
    make_text(&made, facts, COUNT(facts));
    config = load(*state, made.text.s);
    assert_string_equal(config->postgres[1]->name, "shared_postgres#6666666666666666");
    assert_string_equal(config->postgres[1]->container, "shared_postgres");
    assert_string_equal(config->redis[0]->name, "2222222222222222");
    assert_string_equal(config->redis[0]->container, "2222222222222222");
    assert_string_equal(config->redis[1]->name, "shared_postgres#2222222222222222");
    config_free(config);
    strbuf_free(&made.text);
}

static void test_no_services(void **state)
{
    const struct container *facts[] = {&web};
    struct made made;
    struct config *config;
    char *text;

    make_text(&made, facts, COUNT(facts));
    config = load(*state, made.text.s);
    assert_false(config->lists_postgres);
    assert_false(config->lists_redis);
    config_free(config);
    text = with_examples(made.text.s);
    config = load(*state, text);
    assert_int_equal(config->postgres_count, 1);
    assert_int_equal(config->redis_count, 1);
    assert_string_equal(config->redis[0]->url, "redis://127.0.0.1:6379");
    config_free(config);
    free(text);
    strbuf_free(&made.text);
}

static void test_no_engine(void **state)
{
    static const struct containers none = {
        .state = CONTAINERS_NONE,
        .error = "/run/docker.sock: permission denied\npostgres = ();",
        .hint = "add yourself to the group docker"};
    struct strbuf text = {0}, summary = {0};
    struct config *config;

    container_init_text(&none, &text);
    container_init_summary(&none, &summary);
    config = load(*state, text.s);
    assert_false(config->lists_postgres);
    assert_non_null(strstr(text.s, "# No containers were found: /run/docker.sock: permission "
                                   "denied?postgres = ();\n# add yourself to the group docker\n"));
    assert_string_equal(summary.s,
                        "No containers were found: /run/docker.sock: permission denied?postgres = "
                        "();\nadd yourself to the group docker\nThe file has the servers of this "
                        "host as comments.\n");
    config_free(config);
    strbuf_free(&text);
    strbuf_free(&summary);
}

static void test_summary(void **state)
{
    const struct container *facts[] = {&shared_postgres, &old_postgres, &shared_redis, &web};
    struct strbuf summary = {0};
    struct made made;

    (void)state;
    make_text(&made, facts, COUNT(facts));
    container_init_summary(&made.containers, &summary);
    assert_string_equal(
        summary.s,
        "found 1 PostgreSQL and 1 Redis among 4 containers of Docker 20.10.24 "
        "(/run/docker.sock)\n"
        "  PostgreSQL shared_postgres, image postgres:18-alpine, on backend and frontend\n"
        "  Redis      shared_redis, image redis:7-alpine, on backend\n");
    strbuf_clear(&summary);
    strbuf_free(&made.text);
    make_text(&made, (const struct container *const[]){&hostile}, 1);
    container_init_summary(&made.containers, &summary);
    for (const char *s = summary.s; *s; s++)
        assert_true(*s == '\n' || (*s >= ' ' && *s <= '~'));
    strbuf_free(&summary);
    strbuf_free(&made.text);
}

/* ---- the file ---- */

/* container_init with what it prints in "out" and "err" of the folder; no engine is there. */
static int init(const struct folder *folder, const char *path)
{
    static const int fds[] = {STDOUT_FILENO, STDERR_FILENO};
    static const char *const names[] = {"out", "err"};
    char *socket = mem_printf("unix://%s/no.sock", folder->path);
    int saved[2], status;

    fflush(NULL);
    for (size_t i = 0; i < 2; i++) {
        char *file = mem_printf("%s/%s", folder->path, names[i]);
        const int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        saved[i] = dup(fds[i]);
        dup2(fd, fds[i]);
        close(fd);
        free(file);
    }
    status = container_init(socket, path);
    fflush(NULL);
    for (size_t i = 0; i < 2; i++) {
        dup2(saved[i], fds[i]);
        close(saved[i]);
    }
    free(socket);
    return status;
}

static char *printed(const struct folder *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder->path, name), *text = load_text(path);

    free(path);
    return text;
}

static void assert_printed(const struct folder *folder, const char *name, const char *part)
{
    char *text = printed(folder, name);

    if (!strstr(text, part))
        fail_msg("there is no \"%s\" in %s: \"%s\"", part, name, text);
    free(text);
}

static void test_writes_a_private_file_once(void **state)
{
    const struct folder *folder = *state;
    char *path = mem_printf("%s/new.conf", folder->path), *text;
    struct stat found;
    struct config *config;

    assert_int_equal(init(folder, path), 0);
    assert_printed(folder, "out", path);
    assert_printed(folder, "out", "No containers were found: ");
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    text = load_text(path);
    config = load(folder, text);
    config_free(config);
    free(text);

    save(path, "mine");
    assert_int_equal(init(folder, path), 1);
    assert_printed(folder, "err", "is there already: move it away, or name another file");
    text = load_text(path);
    assert_string_equal(text, "mine");
    free(text);
    free(path);
}

/* Not through a link either, even one that leads nowhere. */
static void test_follows_no_link(void **state)
{
    const struct folder *folder = *state;
    char *path = mem_printf("%s/link", folder->path);
    char *target = mem_printf("%s/target", folder->path);

    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(init(folder, path), 1);
    assert_int_equal(access(target, F_OK), -1);
    free(path);
    free(target);
}

static void test_usual_place(void **state)
{
    const struct folder *folder = *state;
    char *config_home = mem_printf("%s/a/b", folder->path), *found, *expected;

    setenv("XDG_CONFIG_HOME", config_home, 1);
    assert_int_equal(init(folder, NULL), 0);
    found = config_find();
    expected = mem_printf("%s/sharedtop/sharedtop.conf", config_home);
    assert_string_equal(found, expected);
    free(found);
    free(expected);

    unsetenv("XDG_CONFIG_HOME");
    setenv("HOME", folder->path, 1);
    assert_int_equal(init(folder, NULL), 0);
    found = config_find();
    expected = mem_printf("%s/.config/sharedtop/sharedtop.conf", folder->path);
    assert_string_equal(found, expected);
    free(found);
    free(expected);
    free(config_home);

    unsetenv("HOME");
    assert_int_equal(init(folder, NULL), 1);
    assert_printed(folder, "err", "no place for the file: name it");
}

static void test_standard_output(void **state)
{
    const struct folder *folder = *state;
    struct config *config;
    char *text;

    assert_int_equal(init(folder, "-"), 0);
    text = printed(folder, "out");
    assert_int_equal(strncmp(text, "# sharedtop.conf", 16), 0);
    config = load(folder, text);
    config_free(config);
    free(text);
    assert_printed(folder, "err", "No containers were found: ");
}

static void test_cannot_write(void **state)
{
    const struct folder *folder = *state;
    char *path = mem_printf("%s/none/x.conf", folder->path);

    assert_int_equal(init(folder, path), 1);
    assert_printed(folder, "err", "x.conf: No such file or directory\n");
    free(path);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_reference),
        cmocka_unit_test(test_comments),
        IN_FOLDER(test_examples_are_right),
        IN_FOLDER(test_hostile_names),
        IN_FOLDER(test_equal_and_missing_names),
        IN_FOLDER(test_no_services),
        IN_FOLDER(test_no_engine),
        cmocka_unit_test(test_summary),
        IN_FOLDER(test_writes_a_private_file_once),
        IN_FOLDER(test_follows_no_link),
        IN_FOLDER(test_usual_place),
        IN_FOLDER(test_standard_output),
        IN_FOLDER(test_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
