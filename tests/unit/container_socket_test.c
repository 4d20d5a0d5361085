/* Where an engine is looked for, and what is said when its socket refuses us. */
#include "backend/base/mem.h"
#include "backend/container_socket.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* sha256sum of "lab" and "over ssh" */
#define LAB_SUM "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7"
#define SSH_SUM "fabbb7a4156b54b1657600d4c0d631ecd04b0034d2547603cca597b4262299d7"

struct home {
    char path[64];
};

static const char *const variables[] = {"DOCKER_HOST",    "DOCKER_CONTEXT",  "DOCKER_CONFIG",
                                        "CONTAINER_HOST", "XDG_RUNTIME_DIR", "HOME"};

static int setup(void **state)
{
    struct home *home = mem_zalloc(sizeof(*home));

    strcpy(home->path, "/tmp/container_socket.XXXXXX");
    if (!mkdtemp(home->path))
        return -1;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
    setenv("HOME", home->path, 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/77", 1);
    *state = home;
    return 0;
}

static int teardown(void **state)
{
    struct home *home = *state;
    char *command = mem_printf("rm -r '%s'", home->path);
    int status = system(command);

    free(command);
    free(home);
    return status;
}

static void write_file(const struct home *home, const char *folder, const char *name,
                       const char *text)
{
    char *command = mem_printf("mkdir -p '%s/%s'", home->path, folder);
    char *path = mem_printf("%s/%s/%s", home->path, folder, name);
    FILE *file;

    assert_int_equal(system(command), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
    free(command);
}

static void write_context(const struct home *home, const char *folder, const char *sum,
                          const char *host)
{
    char *meta = mem_printf("%s/contexts/meta/%s", folder, sum);
    char *text = mem_printf("{\"Name\":\"x\",\"Metadata\":{},\"Endpoints\":{\"docker\":"
                            "{\"Host\":\"%s\",\"SkipTLSVerify\":false}}}",
                            host);

    write_file(home, meta, "meta.json", text);
    free(text);
    free(meta);
}

/* The only place, and where it is from. */
static void expect_only(const char *configured, const char *path, const char *from)
{
    struct engine_places places;

    engine_places(configured, &places);
    assert_int_equal(places.count, 1);
    assert_string_equal(places.items[0].path, path);
    assert_string_equal(places.items[0].from, from);
    assert_null(places.items[0].error);
    engine_places_free(&places);
}

static void expect_unusable(const char *configured, const char *from, const char *words)
{
    struct engine_places places;

    engine_places(configured, &places);
    assert_int_equal(places.count, 1);
    assert_null(places.items[0].path);
    assert_string_equal(places.items[0].from, from);
    if (!strstr(places.items[0].error, words))
        fail_msg("%s", places.items[0].error);
    engine_places_free(&places);
}

static void test_order(void **state)
{
    const struct home *home = *state;

    setenv("CONTAINER_HOST", "unix:///run/podman.sock", 1);
    expect_only(NULL, "/run/podman.sock", "$CONTAINER_HOST");
    write_file(home, ".docker", "config.json", "{\"currentContext\":\"lab\"}");
    write_context(home, ".docker", LAB_SUM, "unix:///run/lab.sock");
    expect_only(NULL, "/run/lab.sock", "the Docker context");
    setenv("DOCKER_HOST", "unix:///run/env.sock", 1);
    expect_only(NULL, "/run/env.sock", "$DOCKER_HOST");
    expect_only("/run/own.sock", "/run/own.sock", "docker_host in the configuration");
    setenv("DOCKER_HOST", "", 1);
    expect_only(NULL, "/run/lab.sock", "the Docker context");
}

static void test_context(void **state)
{
    const struct home *home = *state;
    char *config = mem_printf("%s/elsewhere", home->path);

    write_file(home, ".docker", "config.json", "{\"currentContext\":\"lab\"}");
    expect_unusable(NULL, "the Docker context", "context \"lab\" cannot be read");
    write_context(home, ".docker", SSH_SUM, "ssh://me:secret@host");
    setenv("DOCKER_CONTEXT", "over ssh", 1);
    expect_unusable(NULL, "the Docker context", "over ssh:// is not served");
    setenv("DOCKER_CONFIG", config, 1);
    expect_unusable(NULL, "the Docker context", "context \"over ssh\" cannot be read");
    write_context(home, "elsewhere", LAB_SUM, "unix:///run/other.sock");
    setenv("DOCKER_CONTEXT", "lab", 1);
    expect_only(NULL, "/run/other.sock", "the Docker context");
    free(config);
}

/* The default context is none, and a file that is damaged counts as none. */
static void test_no_context(void **state)
{
    const struct home *home = *state;
    struct engine_places places;
    static const char *const texts[] = {"{\"currentContext\":\"default\"}",
                                        "{\"auths\":{}}",
                                        "{",
                                        "[]",
                                        "{\"currentContext\":7}",
                                        ""};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        write_file(home, ".docker", "config.json", texts[i]);
        engine_places(NULL, &places);
        assert_true(places.count >= 4);
        assert_string_equal(places.items[0].from, "the usual place");
        engine_places_free(&places);
    }
    unsetenv("HOME");
    engine_places(NULL, &places);
    assert_true(places.count >= 4);
    engine_places_free(&places);
}

static bool has(const struct engine_places *places, const char *path)
{
    unsigned found = 0;

    for (size_t i = 0; i < places->count; i++)
        found += strcmp(places->items[i].path, path) == 0;
    assert_in_range(found, 0, 1);
    return found;
}

static void test_usual_places(void **state)
{
    struct engine_places places;
    char own[64];

    (void)state;
    engine_places(NULL, &places);
    assert_string_equal(places.items[0].path, "/run/docker.sock");
    assert_true(has(&places, "/run/user/77/docker.sock"));
    assert_true(has(&places, "/run/user/77/podman/podman.sock"));
    assert_true(has(&places, "/run/podman/podman.sock"));
    engine_places_free(&places);
    setenv("XDG_RUNTIME_DIR", "/run", 1);
    engine_places(NULL, &places);
    assert_true(has(&places, "/run/docker.sock") && has(&places, "/run/podman/podman.sock"));
    engine_places_free(&places);
    unsetenv("XDG_RUNTIME_DIR");
    engine_places(NULL, &places);
    snprintf(own, sizeof(own), "/run/user/%u/docker.sock", (unsigned)getuid());
    assert_true(has(&places, own));
    engine_places_free(&places);
}

static void expect_path(const char *host, const char *path)
{
    char *error, *got = engine_socket_path(host, &error);

    assert_null(error);
    assert_string_equal(got, path);
    free(got);
}

static void expect_error(const char *host, const char *words, const char *hidden)
{
    char *error, *got = engine_socket_path(host, &error);

    assert_null(got);
    if (!strstr(error, words))
        fail_msg("%s", error);
    assert_null(strchr(error, '\n'));
    assert_true(!hidden || !strstr(error, hidden));
    free(error);
}

static void test_addresses(void **state)
{
    char text[160] = "unix:///";

    (void)state;
    expect_path("unix:///run/docker.sock", "/run/docker.sock");
    expect_path("/run/docker.sock", "/run/docker.sock");
    expect_path("UNIX:///x", "/x");
    expect_path("unix://@engine", "@engine");
    expect_error("ssh://me:secret@host", "run sharedtop on its host", "secret");
    expect_error("tcp://me:secret@10.0.0.1:2375", "over tcp:// is not served", "secret");
    expect_error("npipe:////./pipe/docker_engine", "over npipe://", NULL);
    expect_error("docker.sock", "a path that begins with /", NULL);
    expect_error("unix://", "a path that begins with /", NULL);
    expect_error("", "a path that begins with /", NULL);
    memset(text + 8, 'x', 106);
    expect_path(text, text + 7);
    text[114] = 'x';
    expect_error(text, "more than 107 bytes", NULL);
}

/* ---- hints ---- */

static void expect_hint(const char *path, int error, const char *words)
{
    char *hint = engine_refused_hint(path, error);

    assert_non_null(hint);
    if (!strstr(hint, words))
        fail_msg("%s", hint);
    assert_null(strchr(hint, '\n'));
    free(hint);
}

static void test_start_hints(void **state)
{
    const struct home *home = *state;
    char *plain = mem_printf("%s/plain", home->path);

    expect_hint("/run/none/docker.sock", ENOENT, "sudo systemctl start docker,");
    expect_hint("/run/user/7/docker.sock", ECONNREFUSED, "systemctl --user start docker,");
    expect_hint("/run/user/7/podman/podman.sock", ENOENT, "systemctl --user start podman.socket");
    expect_hint("/run/docker.sock", EAGAIN, "systemctl status docker");
    write_file(home, ".", "plain", "");
    expect_hint(plain, ECONNREFUSED, "it is no socket");
    assert_null(engine_refused_hint("/run/docker.sock", EMFILE));
    free(plain);
}

/* A socket of a group's, that we may not write to: as nobody if we are root. */
static char *make_socket(const struct home *home, unsigned mode, gid_t gid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = mem_printf("%s/engine.sock", home->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    if (gid)
        assert_int_equal(chown(path, (uid_t)-1, gid), 0);
    chmod(path, mode);
    return path;
}

static void expect_denied(const struct home *home, unsigned mode, gid_t gid, const char *words)
{
    char *path = make_socket(home, mode, gid);

    expect_hint(path, EACCES, words);
    free(path);
}

/* access(2) asks for the real user: it is never denied to root. */
static void as_nobody(void)
{
    if (getuid() == 0) {
        assert_int_equal(setresgid(65534, 65534, 0), 0);
        assert_int_equal(setresuid(65534, 65534, 0), 0);
    }
}

static void as_root(void)
{
    if (setresuid(0, 0, 0) == 0)
        assert_int_equal(setresgid(0, 0, 0), 0);
}

static void test_denied(void **state)
{
    const struct home *home = *state;
    const struct group *group = getgrgid(getgid() ? getgid() : 1);
    gid_t gid = group ? group->gr_gid : 65000;
    char *words = group ? mem_printf("add yourself to the group %s,", group->gr_name)
                        : mem_strdup("it is for the group 65000");
    char *path = make_socket(home, 0020, gid);

    setenv("USER", "nobody-we-know", 1);
    chmod(home->path, 0755);
    as_nobody();
    expect_hint(path, EACCES, words);
    as_root();
    free(path);
    free(words);
    expect_denied(home, 0666, 0, "SELinux or AppArmor");
    path = make_socket(home, 0, 0);
    as_nobody();
    expect_hint(path, EACCES, getuid() == 65534 ? "it is root's alone" : "it is another user's");
    as_root();
    chmod(home->path, 0700);
    as_nobody();
    if (getuid() == 65534)
        expect_hint(path, EACCES, "its folder is another user's");
    as_root();
    free(path);
}

#define with_home(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_home(test_order),        with_home(test_context),   with_home(test_no_context),
        with_home(test_usual_places), with_home(test_addresses), with_home(test_start_hints),
        with_home(test_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
