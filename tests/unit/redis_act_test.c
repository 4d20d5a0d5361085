/* What the acts on a Redis make of its answers: clients, keys, identities, markers. */
#include "backend/act_clients.h"
#include "backend/act_keys.h"
#include "backend/base/mem.h"
#include "backend/redis_act.h"
#include "backend/redis_script.h"
#include "backend/redis_spare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- clients ---- */

static struct redis_db_config databases[] = {
    {.db = 0, .environment = ENV_PRODUCTION},
    {.db = 2, .environment = ENV_STAGING},
    {.db = 5, .environment = ENV_DEV},
};

static const struct redis_config config = {.databases = databases, .database_count = 3};

static struct clients read_clients(const char *text)
{
    struct clients clients;

    clients_read(text, strlen(text), 5, &config, &clients);
    return clients;
}

static void test_clients(void **state)
{
    struct clients clients =
        read_clients("id=3 addr=10.0.0.7:5000 laddr=10.0.0.1:6379 name= flags=N db=5 cmd=get\n"
                     "id=4 addr=10.0.0.7:5001 name=web flags=N db=5 cmd=get\n"
                     "id=5 addr=[fd00::9]:5002 name= flags=N db=5\n"
                     "id=6 addr=127.0.0.1:5003 name= flags=N db=5\n"
                     "id=7 addr=/run/redis.sock:0 name= flags=U db=5\n"
                     "id=8 addr=[::1]:5004 name= flags=N db=5\n"
                     "id=9 addr=10.0.0.7:5005 name=sharedtop flags=N db=5\n"
                     "id=10 addr=10.0.0.8:5006 name= flags=S db=0\n"
                     "id=11 addr=10.0.0.8:5007 name= flags=N db=2\n");

    (void)state;
    assert_int_equal(clients.count, 6);
    assert_int_equal(clients.local, 3);
    assert_int_equal(clients.host_count, 2);
    assert_string_equal(clients.hosts[0], "10.0.0.7");
    assert_string_equal(clients.hosts[1], "[fd00::9]");
    assert_string_equal(clients.shared, "");
}

/* A host that is connected to production too, wherever in the list; staging and the loopback do not
 * count, a database without an environment does. */
static void test_shared_clients(void **state)
{
    static const struct {
        const char *text, *host;
        int db;
    } cases[] = {
        {"addr=10.0.0.7:1 flags=N db=5\naddr=10.0.0.7:2 flags=N db=0\n", "10.0.0.7", 0},
        {"addr=10.0.0.7:2 flags=N db=0\naddr=10.0.0.7:1 flags=N db=5\n", "10.0.0.7", 0},
        {"addr=10.0.0.7:1 flags=N db=5\naddr=10.0.0.7:2 flags=N db=9", "10.0.0.7", 9},
        {"addr=10.0.0.7:1 flags=N db=5\naddr=10.0.0.7:2 flags=N db=2\n", "", -1},
        {"addr=10.0.0.7:1 flags=N db=5\naddr=10.0.0.8:2 flags=N db=0\n", "", -1},
        {"addr=127.0.0.1:1 flags=N db=5\naddr=127.0.0.1:2 flags=N db=0\n", "", -1},
        {"addr=[::1]:1 flags=N db=5\naddr=[::1]:2 flags=N db=0\n", "", -1},
        {"addr=/s:0 flags=N db=5\naddr=/s:0 flags=N db=0\n", "", -1},
        {"addr=10.0.0.7:1 flags=N db=5\naddr=10.0.0.7:2 name=sharedtop flags=N db=0\n", "", -1},
        {"", "", -1},
        {"\n\n \n", "", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct clients clients = read_clients(cases[i].text);

        assert_string_equal(clients.shared, cases[i].host);
        assert_int_equal(clients.shared_db, cases[i].db);
    }
}

/* ---- keys ---- */

static void test_key_text(void **state)
{
    static const struct {
        const char *key;
        size_t len, most;
        const char *text;
    } cases[] = {
        {"session:1", 9, 60, "session:1"},
        {"a b", 3, 60, "\"a b\""},
        {"a\0\xff\n\"\\", 6, 60, "\"a\\x00\xff\\x0a\\\"\\\\\""},
        {"", 0, 60, "\"\""},
        {"abcdef", 6, 3, "abc..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = key_text(cases[i].key, cases[i].len, cases[i].most);

        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

static void test_key_prefix(void **state)
{
    (void)state;
    assert_int_equal(key_prefix("session:1:2", 11), 8);
    assert_int_equal(key_prefix(":1:page", 7), 3);
    assert_int_equal(key_prefix("celery-task-meta-1", 18), 7);
    assert_int_equal(key_prefix("plain", 5), 0);
    assert_int_equal(key_prefix(":", 1), 0);
    assert_int_equal(key_prefix("", 0), 0);
}

static void test_counts(void **state)
{
    char out[40];

    (void)state;
    assert_string_equal(count_text(out, 0), "0");
    assert_string_equal(count_text(out, 999), "999");
    assert_string_equal(count_text(out, 1000), "1,000");
    assert_string_equal(count_text(out, 1234567), "1,234,567");
    assert_string_equal(count_text(out, -1000), "-1,000");
    assert_string_equal(count_keys(out, 1), "1 key");
    assert_string_equal(count_keys(out, 2000), "2,000 keys");
}

/* More prefixes and types than there is room for are left out; the shares are of all. */
static void test_keys(void **state)
{
    struct keys keys = {0};
    struct plan plan = {0};
    char name[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "p%d:x", i % 100 < 50 ? 1 : i);
        keys_add(&keys, name, strlen(name));
        snprintf(name, sizeof(name), "type%d", i % 20);
        keys_add_type(&keys, name);
    }
    keys_plan(&keys, &plan);
    assert_int_equal(keys.count, 1000);
    assert_string_equal(plan.lines[0].label, "types");
    assert_string_equal(plan.lines[1].label, "prefixes");
    assert_int_equal(strncmp(plan.lines[1].text, "p1:* 50 %, ", 11), 0);
    assert_string_equal(plan.lines[2].label, "sample");
    assert_string_equal(plan.lines[2].text, "p1:x");
    assert_int_equal(plan.count, 2 + KEYS_SAMPLES);
    keys_free(&keys);
    plan_free(&plan);
}

/* ---- who the server is ---- */

static void test_identity(void **state)
{
    static const char info[] = "# Server\r\nrun_id:abc\r\n\r\n# Replication\r\nrole:master\r\n"
                               "xrole:slave\r\nmaster_replid:def\r\n";
    static const char stats[] = "# Commandstats\r\ncmdstat_get:calls=9,usec=1\r\n"
                                "cmdstat_swapdb:calls=12,usec=3,usec_per_call=3.00\r\n";
    struct redis_identity one = {.run_id = ""}, other;

    (void)state;
    redis_identity_parse(info, sizeof(info) - 1, stats, sizeof(stats) - 1, &one);
    assert_string_equal(one.run_id, "abc");
    assert_string_equal(one.role, "master");
    assert_string_equal(one.replid, "def");
    assert_string_equal(one.swaps, "12");
    redis_identity_parse(info, sizeof(info) - 1, "", 0, &other);
    assert_string_equal(other.swaps, "0");
    assert_false(redis_identity_same(&one, &other));
    other = one;
    assert_true(redis_identity_same(&one, &other));
    redis_identity_parse("", 0, "cmdstat_swapdb:calls=", 21, &other);
    assert_string_equal(other.run_id, "");
    assert_string_equal(other.swaps, "");
}

/* ---- the marker ---- */

static void test_marker(void **state)
{
    static const char good[] = "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":100,\"until\":700,"
                               "\"by\":\"me@here\"}";
    struct redis_spare spare = {.now = 3};

    (void)state;
    assert_true(spare_parse(good, strlen(good), &spare));
    assert_true(spare.present && spare.db == 5 && spare.keys == 7);
    assert_true(spare.since == 100 && spare.until == 700 && spare.now == 3);
    assert_string_equal(spare.by, "me@here");
    assert_string_equal(spare.marker, good);
    assert_false(spare.undone);
    spare_clear(&spare);
    assert_false(spare.present);
}

static void test_undone_marker(void **state)
{
    static const char undone[] = "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":1,\"until\":7,"
                                 "\"by\":\"me\",\"undone\":true}";
    static const char nonsense[] = "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":1,\"until\":7,"
                                   "\"by\":\"me\",\"undone\":\"no\"}";
    struct redis_spare spare = {0};

    (void)state;
    assert_true(spare_parse(undone, strlen(undone), &spare));
    assert_true(spare.undone);
    spare_clear(&spare);
    assert_true(spare_parse(nonsense, strlen(nonsense), &spare));
    assert_false(spare.undone);
    spare_clear(&spare);
}

static void test_bad_markers(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "1",
        "{}",
        "{\"token\":\"t\",\"db\":-1,\"keys\":7,\"since\":1,\"until\":7,\"by\":\"me\"}",
        "{\"token\":\"t\",\"db\":99999999,\"keys\":7,\"since\":1,\"until\":7,\"by\":\"me\"}",
        "{\"token\":\"t\",\"db\":\"5\",\"keys\":7,\"since\":1,\"until\":7,\"by\":\"me\"}",
        "{\"token\":1,\"db\":5,\"keys\":7,\"since\":1,\"until\":7,\"by\":\"me\"}",
        "{\"token\":\"t\",\"db\":5,\"keys\":-7,\"since\":1,\"until\":7,\"by\":\"me\"}",
        "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":1,\"by\":\"me\"}",
        "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":1,\"until\":7}",
    };
    static const char good[] =
        "{\"token\":\"t\",\"db\":5,\"keys\":7,\"since\":1,\"until\":7,\"by\":\"me\"}";
    char *large = mem_zalloc(SPARE_MARKER_SIZE + 1);
    struct redis_spare spare = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (spare_parse(bad[i], strlen(bad[i]), &spare))
            fail_msg("it is none: %s", bad[i]);
        assert_null(spare.marker);
        assert_null(spare.by);
    }
    /* One that may have been cut could not be compared. */
    snprintf(large, SPARE_MARKER_SIZE + 1, "%-*s", SPARE_MARKER_SIZE, good);
    assert_false(spare_parse(large, SPARE_MARKER_SIZE, &spare));
    free(large);
}

/* ---- what scripts answer ---- */

static void expect_outcome(const char *word, enum outcome_status status, const char *why)
{
    redisReply text = {.type = REDIS_REPLY_STRING, .str = mem_strdup(word), .len = strlen(word)};
    redisReply *elements[] = {&text};
    const redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = 1, .element = elements};
    const struct redis_address address = {.port = 6379};
    char *got;

    assert_int_equal(redis_script_outcome(&reply, &address, &got), status);
    if (why)
        assert_non_null(strstr(got, why));
    else
        assert_null(got);
    free(got);
    free(text.str);
}

static void test_outcomes(void **state)
{
    (void)state;
    expect_outcome("done", OUTCOME_DONE, NULL);
    expect_outcome("server", OUTCOME_REFUSED, "prepared again");
    expect_outcome("swapped", OUTCOME_REFUSED, "SWAPDB");
    expect_outcome("empty", OUTCOME_NOTHING, "empty already");
    expect_outcome("what?", OUTCOME_FAILED, "not understood");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),       cmocka_unit_test(test_shared_clients),
        cmocka_unit_test(test_key_text),      cmocka_unit_test(test_key_prefix),
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_identity),      cmocka_unit_test(test_marker),
        cmocka_unit_test(test_undone_marker), cmocka_unit_test(test_bad_markers),
        cmocka_unit_test(test_outcomes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
