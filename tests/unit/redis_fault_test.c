#include "backend/redis_celery.h"
#include "backend/redis_fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char host[] = "10.0.0.1", path[] = "/run/redis.sock", user[] = "app";
static const struct redis_address network = {.host = host, .port = 6379};
static const struct redis_address socket_file = {.path = path};
static const struct redis_address login = {.host = host, .port = 6379, .user = user};
static const struct redis_address tls = {.host = host, .port = 6379, .tls = true};

static const struct {
    const char *reply, *command;
    const struct redis_address *address;
    bool fatal;
    const char *error, *hint;
} replies[] = {
    {"NOAUTH Authentication required.", "info", &network, true, "asks for a password", "env_file"},
    {"WRONGPASS invalid username-password pair or user is disabled.", "auth", &login, true,
     "refuses this user name or password", "check it"},
    {"ERR invalid password", "auth", &network, true, "refuses this password", "check it"},
    {"ERR wrong number of arguments for 'auth' command", "auth", &login, true, "older than 6.0",
     "leave the user name out"},
    {"ERR max number of clients reached", "client|setname", &network, true, "maxclients",
     "CONFIG SET maxclients"},
    {"DENIED Redis is running in protected mode because protected mode is enabled", "auth",
     &network, true, "protected mode", "requirepass"},
    {"LOADING Redis is loading the dataset in memory", "llen", &network, false, "loading its data",
     "when that is done"},
    {"MASTERDOWN Link with MASTER is down", "llen", &network, false, "lost its master",
     "replica-serve-stale-data"},
    {"BUSY Redis is busy running a script.", "info", &network, false, "busy with a script",
     "SCRIPT KILL"},
    {"NOPERM this user has no permissions to run the 'info' command", "info", &login, false,
     "user app may not run INFO", "ACL SETUSER app +info"},
    {"NOPERM this user has no permissions to run the 'info' command", "info", &network, false,
     "user default may not run INFO", "ACL SETUSER default +info"},
    {"NOPERM this user has no permissions to access one of the keys used as arguments", "llen",
     &login, false, "user app may not read these keys", "ACL SETUSER app ~*"},
    {"NOPERM User app has no permissions to access the 'celery' key", "llen", &login, false,
     "may not read these keys", "ACL SETUSER app ~*"},
    {"ERR unknown command `INFO`, with args beginning with: ", "info", &network, false,
     "does not know INFO", "rename-command"},
    {"ERR something\r\nelse", "info", &network, false, "ERR something  else", ""},
};

static void expect(const char *text, const char *word)
{
    if (!strstr(text, word) || strpbrk(text, "\r\n") || (!*word && *text))
        fail_msg("\"%s\" has no \"%s\"", text, word);
}

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
        struct redis_fault fault = {.error = ""};
        bool fatal = redis_fault_reply(replies[i].reply, strlen(replies[i].reply),
                                       replies[i].command, replies[i].address, &fault);

        assert_int_equal(fatal, replies[i].fatal);
        expect(fault.error, replies[i].error);
        expect(fault.hint, replies[i].hint);
    }
}

/* A server's words of any length and content become one line that fits. */
static void test_wild_reply(void **state)
{
    char text[1000];
    struct redis_fault fault = {.error = ""};

    (void)state;
    memset(text, '\n', sizeof(text));
    text[5] = '\0';
    text[7] = 'x';
    redis_fault_reply(text, sizeof(text), "info", &network, &fault);
    assert_int_equal(strlen(fault.error), sizeof(fault.error) - 1);
    assert_null(strpbrk(fault.error, "\r\n"));
    assert_int_equal(fault.error[7], 'x');
    redis_fault_reply("", 0, "info", &network, &fault);
    assert_string_equal(fault.error, "");
}

static const struct {
    int error;
    bool greeted;
    const struct redis_address *address;
    const char *text, *hint;
} systems[] = {
    {ECONNREFUSED, false, &network, "could not connect to 10.0.0.1:6379: nothing listens there",
     "published"},
    {ETIMEDOUT, false, &network, "timed out", "firewall"},
    {EHOSTUNREACH, false, &network, "No route", "route"},
    {ETIMEDOUT, true, &network, "lost the connection to 10.0.0.1:6379", "firewall"},
    {ENOENT, false, &socket_file, "/run/redis.sock: No such file", "unixsocket"},
    {EACCES, false, &socket_file, "Permission denied", "group"},
    {ECONNREFUSED, false, &socket_file, "Connection refused", "left-over"},
    {ENOMEM, false, &network, "Cannot allocate", ""},
};

static void test_system_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(systems) / sizeof(*systems); i++) {
        struct redis_fault fault = {.error = ""};

        redis_fault_system(systems[i].error, systems[i].greeted, systems[i].address, &fault);
        expect(fault.error, systems[i].text);
        expect(fault.hint, systems[i].hint);
    }
}

static void test_the_way_to_tls(void **state)
{
    struct redis_fault fault = {.error = ""};

    (void)state;
    redis_fault_closed(false, &network, &fault);
    expect(fault.hint, "rediss://");
    redis_fault_closed(false, &tls, &fault);
    expect(fault.hint, "redis:// instead");
    redis_fault_closed(true, &network, &fault);
    expect(fault.error, "has closed the connection");
    redis_fault_protocol(&network, &fault);
    expect(fault.hint, "rediss://");
}

/* ---- the names of Celery's queues ---- */

static void test_binding_keys(void **state)
{
    static const char *const good[] = {"_kombu.binding.celery", "_kombu.binding."};
    static const char *const bad[] = {"",
                                      "celery",
                                      "x_kombu.binding.celery",
                                      "_kombu.binding.celery.pidbox",
                                      "_kombu.binding.reply.celery.pidbox",
                                      "_kombu.binding.celeryev"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(celery_binding_key(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(celery_binding_key(bad[i], strlen(bad[i])));
}

static void test_binding_members(void **state)
{
#define SEP "\x06\x16"
    static const char *const bad[] = {"", "orders", "a" SEP "b", "a" SEP "b" SEP,
                                      "a" SEP "b" SEP "c" SEP "d"};
    const char *queue;
    size_t len;

    (void)state;
    assert_true(celery_binding_queue("rk" SEP "pat" SEP "orders", 15, &queue, &len));
    assert_int_equal(len, 6);
    assert_true(celery_binding_queue(SEP SEP "q q", 7, &queue, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(queue, "q q", 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(celery_binding_queue(bad[i], strlen(bad[i]), &queue, &len));
    assert_false(celery_binding_queue(SEP SEP "a\0b", 7, &queue, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),       cmocka_unit_test(test_wild_reply),
        cmocka_unit_test(test_system_errors), cmocka_unit_test(test_the_way_to_tls),
        cmocka_unit_test(test_binding_keys),  cmocka_unit_test(test_binding_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
