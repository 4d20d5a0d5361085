/* What a server tells of its memory, and what follows for a MONITOR there: what is not told is no room,
 * and no figure, however odd, makes a switch later than it may be. */
#include "backend/monitor_guard.h"
#include "backend/monitor_room.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEGA (1LL << 20)

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(monitor_info_number("\nx:12\r\n", "\nx:"), 12);
    assert_int_equal(monitor_info_number("\nredis_version:7.0.15\r\n", "\nredis_version:"), 7);
    assert_int_equal(monitor_info_number("\nx:99999999999999999999\r\n", "\nx:"), INT64_MAX);
    assert_int_equal(monitor_info_number("\nx:-12\r\n", "\nx:"), -1);
    assert_int_equal(monitor_info_number("\nx:unknown\r\n", "\nx:"), -1);
    assert_int_equal(monitor_info_number("\nx:", "\nx:"), -1);
    assert_int_equal(monitor_info_number("\ny:1\r\n", "\nx:"), -1);
}

/* Neither a server without such fields nor one with odd ones is one without a limit. */
static void test_room_that_is_not_told(void **state)
{
    static const char *const unknown[] = {
        "",
        "# Memory\r\nused_memory:1000\r\n",
        "# Memory\r\nmaxmemory:9000\r\n",
        "# Memory\r\nused_memory:1000\r\nmaxmemory:-1\r\n",
        "# Memory\r\nused_memory:-1000\r\nmaxmemory:9000\r\n",
        "# Memory\r\nused_memory:\r\nmaxmemory:9000\r\n",
        "# Memory\r\nused_memory:1000\r\nmaxmemory:none\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        if (monitor_info_room(unknown[i]) != 0 || monitor_info_tells(unknown[i]))
            fail_msg("%s", unknown[i]);
    }
    assert_int_equal(monitor_info_room("\nused_memory:1000\r\nmaxmemory:9000\r\n"), 8000);
    assert_true(monitor_info_tells("\nused_memory:1000\r\nmaxmemory:9000\r\n"));
    assert_int_equal(monitor_info_room("\nused_memory:1000\r\nmaxmemory:0\r\n"), -1);
    assert_true(monitor_info_tells("\nmaxmemory:0\r\n"));
    assert_int_equal(monitor_memory_limit(-1, 5), GUARD_MEMORY_MIN);
    assert_int_equal(monitor_memory_limit(5, -1), GUARD_MEMORY_MIN);
}

/* Since Redis 5 it leaves evicting to its master. */
static void test_room_of_a_replica(void **state)
{
    static const char memory[] = "used_memory:9000\r\nmaxmemory:1000\r\n";
    char info[160];

    (void)state;
    snprintf(info, sizeof(info), "\nredis_version:7.0.15\r\nrole:slave\r\n%s", memory);
    assert_true(monitor_info_is_replica(info));
    assert_int_equal(monitor_info_room(info), -1);
    snprintf(info, sizeof(info), "\nredis_version:7.0.15\r\nrole:master\r\n%s", memory);
    assert_false(monitor_info_is_replica(info));
    assert_int_equal(monitor_info_room(info), 0);
    snprintf(info, sizeof(info), "\nredis_version:4.0.14\r\nrole:slave\r\n%s", memory);
    assert_int_equal(monitor_info_room(info), 0);
    snprintf(info, sizeof(info), "\nrole:slave\r\n%s", memory);
    assert_int_equal(monitor_info_room(info), 0);
}

static double input_of(const char *value)
{
    char info[96];

    snprintf(info, sizeof(info), "# Stats\r\ninstantaneous_input_kbps:%s\r\n", value);
    return monitor_info_input(info);
}

static void test_input(void **state)
{
    static const char *const odd[] = {"nan", "-nan", "inf", "-inf", "1e300", "-1", "0x1p900"};

    (void)state;
    assert_true(input_of("2.50") == 2560);
    assert_true(input_of("0.00") == 0);
    assert_true(monitor_info_input("") < 0);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct monitor_room room = {.left = 4 * MEGA, .input = input_of(odd[i])};
        const struct monitor_room unknown = {.left = 4 * MEGA, .input = -1};

        if (room.input >= 0 || isnan(room.input))
            fail_msg("%s", odd[i]);
        assert_int_equal(monitor_room_switch_ms(&room), monitor_room_switch_ms(&unknown));
    }
}

/* ---- the switch ---- */

/* Half the room, at three times the rate, with what the kernel takes. */
static void test_switch(void **state)
{
    struct monitor_room room = {.left = 5632 << 10, .stream = MEGA, .input = 0};

    (void)state;
    assert_int_equal(monitor_room_switch_ms(&room), 1000);
    room.growth = MEGA;
    assert_int_equal(monitor_room_switch_ms(&room), 500);
    room.growth = 0;
    room.input = 4 * MEGA;
    assert_int_equal(monitor_room_switch_ms(&room), 200);
    room.left = -1;
    assert_int_equal(monitor_room_switch_ms(&room), GUARD_SWITCH_MS);
    room.left = 1LL << 40;
    assert_int_equal(monitor_room_switch_ms(&room), GUARD_SWITCH_MS);
}

static int late_of(const char *version, int clients)
{
    char info[128];

    snprintf(info, sizeof(info), "# Server\r\n%s# Clients\r\nconnected_clients:%d\r\n", version,
             clients);
    return monitor_info_late_ms(info);
}

/* Redis 5 looks at its blocked clients one by one, a part of them at a time. */
static void test_late_switch(void **state)
{
    struct monitor_room room = {.left = 11264 << 10, .stream = MEGA};

    (void)state;
    assert_int_equal(late_of("redis_version:5.0.14\r\n", 50), 1000);
    assert_int_equal(late_of("redis_version:5.0.14\r\n", 49), 0);
    assert_int_equal(late_of("redis_version:6.0.16\r\n", 5000), 0);
    assert_int_equal(late_of("redis_version:7.0.15\r\n", 5000), 0);
    assert_int_equal(late_of("", 5000), 1000);
    assert_int_equal(monitor_room_switch_ms(&room), 1916);
    room.late_ms = 1000;
    assert_int_equal(monitor_room_switch_ms(&room), 916);
    room.left = 5632 << 10; /* all of the second that is left for it goes there */
    assert_int_equal(monitor_room_switch_ms(&room), 200);
}

/* ---- too tight ---- */

static void test_tight(void **state)
{
    struct monitor_room room = {.stream = 10 * MEGA, .input = 0}; /* 2 MB until any switch works */

    (void)state;
    assert_true(monitor_room_is_tight(&room, 0));
    assert_false(monitor_room_is_tight(&room, 2 * MEGA)); /* which it has taken up already */
    room.direct = true;
    assert_false(monitor_room_is_tight(&room, 0));
    room.late_ms = 1000;
    assert_true(monitor_room_is_tight(&room, 0));
    room.left = 9 * MEGA;
    assert_false(monitor_room_is_tight(&room, 0));
    room = (struct monitor_room){.left = -1, .stream = 1e12};
    assert_false(monitor_room_is_tight(&room, 0));
}

/* Before MONITOR begins; nobody is said to be idle of whom nothing is known. */
static void test_tight_without_a_figure(void **state)
{
    struct monitor_room room = {.input = 0};

    (void)state;
    assert_false(monitor_room_is_tight(&room, 0));
    room.input = 10 * MEGA;
    assert_true(monitor_room_is_tight(&room, 0));
    room.input = -1;
    assert_true(monitor_room_is_tight(&room, 0));
}

static void test_advice(void **state)
{
    struct monitor_room room = {.left = 512 << 10, .stream = 10 * MEGA, .over = 0};
    char text[320];

    (void)state;
    monitor_room_explain(&room, 0, text, sizeof(text));
    assert_string_equal(text, "too little room in the server: 512 kB until it evicts keys, and "
                              "MONITOR brings 10.0 MB/s; raise its maxmemory by 3 MB meanwhile, "
                              "or watch a replica, which evicts nothing");
    room = (struct monitor_room){.stream = 10 * MEGA, .over = 5 * MEGA, .refuses = true};
    monitor_room_explain(&room, 0, text, sizeof(text));
    assert_non_null(strstr(text, ": 0 kB until it refuses writes,"));
    assert_non_null(strstr(text, " by 9 MB "));
    room.left = 9 * MEGA - room.over; /* which does */
    assert_false(monitor_room_is_tight(&room, 0));
}

/* ---- whose line ---- */

static bool is_direct(const char *line, const char *own, const char *peer)
{
    return monitor_client_is_direct(line, strlen(line), own, peer);
}

/* A port that is forwarded leads to another address, or comes from one. */
static void test_direct(void **state)
{
    static const char own[] = "127.0.0.1:50001", peer[] = "127.0.0.1:6379";

    (void)state;
    assert_true(is_direct("id=7 addr=127.0.0.1:50001 laddr=127.0.0.1:6379 fd=8 name=", own, peer));
    assert_true(is_direct("id=7 addr=127.0.0.1:50001 fd=8 name=", own, peer));
    assert_true(is_direct("id=7 addr=[::1]:5 laddr=[::1]:6379 fd=8", "[::1]:5", "[::1]:6379"));
    assert_false(is_direct("id=7 addr=127.0.0.1:50002 laddr=127.0.0.1:6379 fd=8", own, peer));
    assert_false(is_direct("id=7 addr=127.0.0.1:500011 laddr=127.0.0.1:6379 fd=8", own, peer));
    assert_false(is_direct("id=7 addr=127.0.0.1:50001 laddr=172.17.0.2:6379 fd=8", own, peer));
    assert_false(is_direct("id=7 addr=127.0.0.1:50001 laddr=127.0.0.1:63790 fd=8", own, peer));
    assert_false(is_direct("id=7 laddr=127.0.0.1:6379 fd=8", own, peer));
    assert_false(
        is_direct("id=7 addr=10.0.0.5:5 laddr=10.0.0.9:6379 fd=8", "10.0.0.5:5", "10.0.0.9:6379"));
    assert_false(is_direct("id=7 addr= laddr= fd=8", "", ""));
}

/* Only what does not know the question is asked in another way for good. */
static void test_errors(void **state)
{
    static const char *const syntax[] = {
        "ERR syntax error",
        "ERR Syntax error, try CLIENT (LIST | KILL | GETNAME | SETNAME | PAUSE | REPLY)",
        "ERR Unknown subcommand or wrong number of arguments for 'LIST'. Try CLIENT HELP.",
        "ERR wrong number of arguments for 'client|list' command",
    };
    static const char *const others[] = {
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOPERM User app has no permissions to run the 'client|list' command",
        "ERR max number of clients reached",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
        assert_true(monitor_error_is_syntax(syntax[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(monitor_error_is_syntax(others[i]));
}

static bool is_guards(const char *line)
{
    return monitor_is_guard_line(line, strlen(line));
}

static void test_lines_of_the_guard(void **state)
{
    (void)state;
    assert_true(is_guards("1.0 [0 1.1.1.1:1] \"iNfO\" \"sERvEr\""));
    assert_true(is_guards("1.0 [0 1.1.1.1:1] \"iNfO\" \"mEMoRy\""));
    assert_true(is_guards("1.0 [0 1.1.1.1:1] \"iNfO\" \"rEPlIcAtIoN\""));
    assert_false(is_guards("1.0 [0 1.1.1.1:1] \"iNfO\" \"replication\""));
    assert_false(is_guards("1.0 [0 1.1.1.1:1] \"INFO\" \"REPLICATION\""));
    assert_false(is_guards("1.0 [0 1.1.1.1:1] \"SET\" \"k\" \"] \\\"iNfO\\\" \\\"sERvEr\\\"\""));
    assert_false(is_guards("N\""));
    assert_false(is_guards("\""));
    assert_false(is_guards(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_room_that_is_not_told),
        cmocka_unit_test(test_room_of_a_replica),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_late_switch),
        cmocka_unit_test(test_tight),
        cmocka_unit_test(test_tight_without_a_figure),
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_lines_of_the_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
