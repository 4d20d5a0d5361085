#include "tests/integration/redis_watch.h"

/* ---- helpers ---- */

static struct redis_config config_of(const char *url)
{
    return (struct redis_config){.url = (char *)(uintptr_t)url};
}

static bool says_why(const struct watch *watch)
{
    return watch->instance->error != NULL;
}

static void expect_word(const char *text, const char *word)
{
    if (!text || !strstr(text, word) || strchr(text, '\n'))
        fail_msg("\"%s\" has no \"%s\"", text ? text : "(null)", word);
}

/* The url leads to an instance that is down, says why and how to mend it, and will try again. */
static void expect_down(const char *url, const char *error, const char *hint)
{
    struct watch watch;

    watch_start(&watch, config_of(url), 0.05);
    WATCH_UNTIL(&watch, says_why);
    assert_int_equal(watch.instance->state, INSTANCE_DOWN);
    assert_true(watch.instance->answered);
    assert_true(watch.instance->retry_at > 0);
    expect_word(watch.instance->error, error);
    if (hint)
        expect_word(watch.instance->hint, hint);
    else
        assert_null(watch.instance->hint);
    watch_stop(&watch);
}

/* ---- addresses ---- */

static void test_closed_port(void **state)
{
    char url[64];

    (void)state;
    snprintf(url, sizeof(url), "127.0.0.1:%d", lab_free_port());
    expect_down(url, "nothing listens there", "correct host and port");
}

static void test_every_address_of_a_name_is_tried(void **state)
{
    struct lab lab;
    struct watch watch;
    char url[64];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "redis://localhost:%d", lab.port);
    watch_start(&watch, config_of(url), 0.05);
    WATCH_UNTIL(&watch, is_up);
    assert_int_equal(watch.instance->redis.info->process_id, lab.pid);
    assert_string_equal(watch.instance->address, url + strlen("redis://"));
    watch_stop(&watch);
    lab_stop(&lab);
}

static void test_unknown_host(void **state)
{
    (void)state;
    expect_down("redis://no-such-host.invalid", "no-such-host.invalid", "check the host");
}

static void test_sockets(void **state)
{
    struct lab lab;
    struct watch watch;
    char path[128];

    (void)state;
    lab_start(&lab, NULL);
    watch_start(&watch, config_of(lab.sock), 0.05);
    WATCH_UNTIL(&watch, is_up);
    assert_string_equal(watch.instance->address, lab.sock);
    watch_stop(&watch);
    lab_kill(&lab);
    expect_down(lab.sock, "Connection refused", "left-over");
    snprintf(path, sizeof(path), "unix:%s/log", lab.dir);
    expect_down(path, "Connection refused", "left-over");
    snprintf(path, sizeof(path), "unix:%s/none", lab.dir);
    expect_down(path, "No such file", "correct the path");
    lab_stop(&lab);
}

static void test_bad_url(void **state)
{
    (void)state;
    expect_down("redis://h:0", "65535", NULL);
    expect_down("redis://me@127.0.0.1", "user without a password", "redis://user:password@host");
}

/* ---- passwords and rights ---- */

static void test_passwords(void **state)
{
    static const char *const args[] = {"--requirepass", "good", NULL};
    struct lab lab;
    char url[96];

    (void)state;
    lab_start(&lab, args);
    expect_down(lab.url, "asks for a password", "env_file");
    snprintf(url, sizeof(url), "redis://:bad@127.0.0.1:%d", lab.port);
    expect_down(url, "refuses this user name or password", "check it");
    snprintf(url, sizeof(url), "redis://me:good@127.0.0.1:%d", lab.port);
    expect_down(url, "refuses this user name or password", "check it");
    lab_stop(&lab);
}

static void write_env(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_password_of_env_file(void **state)
{
    static const char *const args[] = {"--requirepass", "s3cret word", NULL};
    static char key[] = "CACHE_PASSWORD";
    struct redis_config config;
    struct lab lab;
    struct watch watch;
    char path[128];

    (void)state;
    lab_start(&lab, args);
    snprintf(path, sizeof(path), "%s/env", lab.dir);
    config = config_of(lab.url);
    config.env_file = path;
    config.password_key = key;
    watch_start(&watch, config, 0.05);
    WATCH_UNTIL(&watch, is_down);
    expect_word(watch.instance->error, path);
    write_env(path, "OTHER=x\nCACHE_PASSWORD='s3cret word'\n");
    WATCH_UNTIL(&watch, is_up);
    assert_null(watch.instance->error);
    watch_stop(&watch);
    unlink(path);
    lab_stop(&lab);
}

/* A password that the server does not want is no reason to stay away. */
static void test_needless_password(void **state)
{
    struct lab lab;
    struct watch watch;
    char url[96];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "redis://:needless@127.0.0.1:%d", lab.port);
    watch_start(&watch, config_of(url), 0.05);
    WATCH_UNTIL(&watch, is_up);
    watch_stop(&watch);
    lab_stop(&lab);
}

static bool is_mended(const struct watch *watch)
{
    return is_up(watch) && !watch->instance->error && !watch->instance->source_error[REDIS_INFO];
}

/* Without the right to INFO the connection is up, says which right to grant, and sees the grant. */
static void test_info_forbidden(void **state)
{
    struct lab lab;
    struct watch watch;
    char url[96];

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all -info");
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab.port);
    watch_start(&watch, config_of(url), 0.05);
    WATCH_UNTIL(&watch, says_why);
    assert_int_equal(watch.instance->state, INSTANCE_UP);
    assert_true(watch.instance->answered);
    assert_null(watch.instance->redis.info);
    expect_word(watch.instance->error, "user app may not run INFO");
    expect_word(watch.instance->hint, "ACL SETUSER app +info");
    expect_word(watch.instance->source_error[REDIS_INFO], "ACL SETUSER app +info");
    LAB_RUN(&lab, "ACL SETUSER app +info");
    WATCH_UNTIL(&watch, is_mended);
    watch_stop(&watch);
    lab_stop(&lab);
}

static void test_too_many_clients(void **state)
{
    static const char *const args[] = {"--maxclients", "2", NULL};
    struct lab lab;
    redisContext *other;

    (void)state;
    lab_start(&lab, args);
    other = redisConnectUnix(lab.sock);
    assert_non_null(other);
    freeReplyObject(redisCommand(other, "PING"));
    expect_down(lab.url, "maxclients is reached", "CONFIG SET maxclients");
    redisFree(other);
    lab_stop(&lab);
}

/* ---- what is no Redis ---- */

struct impostor {
    pid_t pid;
    char url[64];
};

static _Noreturn void serve_impostor(int listener, const char *text, bool stay)
{
    char bytes[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int client = accept(listener, NULL, NULL);

        if (write(client, text, strlen(text)) < 0)
            _exit(1);
        while (stay && read(client, bytes, sizeof(bytes)) > 0) {
            if (write(client, text, strlen(text)) < 0)
                break;
        }
        close(client);
    }
}

/* Says text to whoever connects and after each thing it reads, or once and hangs up. */
static void impostor_start(struct impostor *impostor, const char *text, bool stay)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(impostor->url, sizeof(impostor->url), "127.0.0.1:%d", ntohs(address.sin_port));
    impostor->pid = fork();
    assert_true(impostor->pid >= 0);
    if (impostor->pid == 0)
        serve_impostor(listener, text, stay);
    close(listener);
}

static void impostor_stop(const struct impostor *impostor)
{
    kill(impostor->pid, SIGKILL);
    waitpid(impostor->pid, NULL, 0);
}

static void expect_impostor(const char *text, bool stay, const char *error)
{
    struct impostor impostor = {.pid = 0};

    impostor_start(&impostor, text, stay);
    expect_down(impostor.url, error, "is it a Redis?");
    impostor_stop(&impostor);
}

static void expect_no_redis(const char *text)
{
    struct impostor impostor = {.pid = 0};

    impostor_start(&impostor, text, true);
    expect_down(impostor.url, "is not a Redis", "check host and port");
    impostor_stop(&impostor);
}

static void test_no_redis(void **state)
{
    (void)state;
    expect_no_redis("HTTP/1.1 400 Bad Request\r\n\r\n");
    expect_no_redis("SSH-2.0-OpenSSH_9.2\r\n");
    expect_impostor("", false, "without an answer");
}

/* Answers that nobody asked for, of the right form: they must not bring us down. */
static void test_chatterbox(void **state)
{
    (void)state;
    expect_no_redis("+OK POP3 ready\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    expect_no_redis("$2\r\nhi\r\n*1\r\n:1\r\n:2\r\n:3\r\n");
}

static bool is_connecting(const struct watch *watch)
{
    return watch->instance->state == INSTANCE_CONNECTING && watch->changes > 0;
}

/* A server that accepts and says nothing is given up in time; closing in between is clean. */
static void test_silent_server(void **state)
{
    struct impostor impostor = {.pid = 0};
    struct watch watch;

    (void)state;
    impostor_start(&impostor, "", true);
    watch_start(&watch, config_of(impostor.url), 0.05);
    WATCH_UNTIL(&watch, is_connecting);
    WATCH_UNTIL(&watch, is_down);
    expect_word(watch.instance->error, "takes the connection, but does not answer");
    expect_word(watch.instance->hint, "may be stopped");
    watch_stop(&watch);
    watch_start(&watch, config_of(impostor.url), 0.05);
    WATCH_UNTIL(&watch, is_connecting);
    watch_stop(&watch);
    impostor_stop(&impostor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_port),
        cmocka_unit_test(test_every_address_of_a_name_is_tried),
        cmocka_unit_test(test_unknown_host),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_bad_url),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_password_of_env_file),
        cmocka_unit_test(test_needless_password),
        cmocka_unit_test(test_info_forbidden),
        cmocka_unit_test(test_too_many_clients),
        cmocka_unit_test(test_no_redis),
        cmocka_unit_test(test_chatterbox),
        cmocka_unit_test(test_silent_server),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
