/* Who is behind the addresses of MONITOR, by what CLIENT LIST says: here the lists are made up. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_names.h"
#include "panels/monitor_top.h"
#include "tui/cell.h"
#include "tui/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct known {
    uv_loop_t loop;
    struct monitor_names *names;
};

/* Nothing listens there: what is taken is all that it learns. */
static void known_start(struct known *known)
{
    static char nowhere[] = "/nonexistent/sharedtop.sock";
    const struct redis_address address = {.path = nowhere};

    uv_loop_init(&known->loop);
    known->names = monitor_names_new(&known->loop, &address);
}

static void known_stop(struct known *known)
{
    monitor_names_free(known->names);
    uv_run(&known->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&known->loop), 0);
}

static void take(struct known *known, const char *list, double now)
{
    monitor_names_take(known->names, list, strlen(list), now);
}

static const struct monitor_client *find(const struct known *known, const char *address)
{
    return monitor_names_find(known->names, address, strlen(address));
}

static void test_joined_to_addresses(void **state)
{
    static const char list[] =
        "id=3 addr=127.0.0.1:50001 laddr=127.0.0.1:6379 fd=8 name=web age=9 idle=0 flags=N "
        "user=app lib-name=redis-py lib-ver=5.0.1\n"
        "id=4 addr=[::1]:50002 laddr=[::1]:6379 fd=9 name= age=1 idle=0 user=default lib-name= "
        "lib-ver=\n"
        "\n"
        "id=5 addr=10.0.0.7:50001 fd=10 name=cron age=70"; /* 5.0; cut off */
    struct known known;

    (void)state;
    known_start(&known);
    assert_null(find(&known, "127.0.0.1:50001"));
    take(&known, list, 1000);
    assert_int_equal(find(&known, "127.0.0.1:50001")->id, 3);
    assert_string_equal(find(&known, "127.0.0.1:50001")->name, "web");
    assert_string_equal(find(&known, "127.0.0.1:50001")->user, "app");
    assert_string_equal(find(&known, "127.0.0.1:50001")->lib, "redis-py 5.0.1");
    assert_string_equal(find(&known, "[::1]:50002")->name, "");
    assert_string_equal(find(&known, "[::1]:50002")->user, "default");
    assert_string_equal(find(&known, "[::1]:50002")->lib, "");
    assert_string_equal(find(&known, "10.0.0.7:50001")->name, "cron");
    assert_string_equal(find(&known, "10.0.0.7:50001")->user, "");
    assert_float_equal(find(&known, "10.0.0.7:50001")->connected, 930, 0);
    assert_null(find(&known, "127.0.0.1:6379")); /* the server's own end */
    assert_null(find(&known, "127.0.0.1:5000"));
    known_stop(&known);
}

/* A client may call itself what looks like a field: it stays a name, and hides nothing. */
static void test_names_like_fields(void **state)
{
    static const char list[] =
        "id=6 addr=1.1.1.1:1 laddr=2.2.2.2:6379 fd=8 name=user=root,age=9,addr=9.9.9.9:9 age=5 "
        "user=app lib-name=lib-ver=7 lib-ver=1\n";
    const struct monitor_client *client;
    struct known known;

    (void)state;
    known_start(&known);
    take(&known, list, 1000);
    client = find(&known, "1.1.1.1:1");
    assert_non_null(client);
    assert_string_equal(client->name, "user=root,age=9,addr=9.9.9.9:9");
    assert_string_equal(client->user, "app");
    assert_string_equal(client->lib, "lib-ver=7 1");
    assert_int_equal(client->age, 5);
    assert_null(find(&known, "9.9.9.9:9"));
    known_stop(&known);
}

/* A new name is followed; who has gone is remembered; an address that changed hands is nobody's for
 * sure without a time. */
static void test_changes_are_followed(void **state)
{
    static const char first[] = "id=1 addr=a:1 name=one age=10\nid=2 addr=a:2 name=two age=10\n",
                      renamed[] = "id=1 addr=a:1 name=uno age=12\n",
                      taken[] = "id=1 addr=a:1 name=uno age=14\nid=9 addr=a:2 name=new age=1\n";
    struct known known;

    (void)state;
    known_start(&known);
    take(&known, first, 1000);
    take(&known, renamed, 1002);
    assert_string_equal(find(&known, "a:1")->name, "uno");
    assert_string_equal(find(&known, "a:2")->name, "two");
    assert_int_equal(monitor_names_sender(known.names, "a:2", 3, NAN)->id, 2);
    take(&known, taken, 1004);
    assert_string_equal(find(&known, "a:2")->name, "new");
    assert_null(monitor_names_sender(known.names, "a:2", 3, NAN));
    assert_null(monitor_names_sender(known.names, "a:2", 3, 1000));
    assert_int_equal(monitor_names_sender(known.names, "a:2", 3, 1005)->id, 9);
    assert_int_equal(monitor_names_sender(known.names, "a:1", 3, NAN)->id, 1);
    known_stop(&known);
}

static char *many(long long first, long long count)
{
    struct strbuf list = {0};

    for (long long i = first; i < first + count; i++)
        strbuf_addf(&list, "id=%lld addr=10.0.%lld.%lld:7 name=n%lld age=5 user=app\n", i,
                    i >> 8 & 255, i & 255, i);
    return strbuf_take(&list);
}

/* As many clients as a server has are all known; memory has an end whatever comes and goes. */
static void test_ten_thousand_clients(void **state)
{
    char address[32], name[16];
    struct known known;
    size_t found = 0;

    (void)state;
    known_start(&known);
    for (int round = 0; round < 3; round++) {
        char *list = many(10000LL * round, 10000);

        take(&known, list, 1000 + round);
        free(list);
        for (int i = 10000 * round; i < 10000 * (round + 1); i++) {
            snprintf(address, sizeof(address), "10.0.%d.%d:7", i >> 8 & 255, i & 255);
            snprintf(name, sizeof(name), "n%d", i);
            assert_non_null(find(&known, address));
            assert_string_equal(find(&known, address)->name, name);
        }
    }
    for (int i = 0; i < 30000; i++) {
        snprintf(address, sizeof(address), "10.0.%d.%d:7", i >> 8 & 255, i & 255);
        found += find(&known, address) != NULL;
    }
    assert_true(found >= 10000);
    assert_true(found * sizeof(struct monitor_client) <= monitor_names_memory());
    assert_true(monitor_names_memory() < 8 << 20);
    known_stop(&known);
}

/* Where there is no limit there is room; where none is told there is none, and an unknown number of
 * clients is none that fits. */
static void test_room_for_a_list(void **state)
{
    static const char clients[] = "# Clients\r\nconnected_clients:100\r\nused_memory:900000\r\n";
    char info[160];

    (void)state;
    assert_false(monitor_info_lists(clients, GUARD_LINE, 0));
    assert_true(monitor_info_lists(clients, GUARD_LINE, 40000));
    snprintf(info, sizeof(info), "%smaxmemory:0\r\n", clients);
    assert_int_equal(monitor_info_room(info), -1);
    assert_true(monitor_info_lists(info, GUARD_LINE, 0));
    snprintf(info, sizeof(info), "%smaxmemory:%d\r\n", clients, 900000 + 160000);
    assert_int_equal(monitor_info_room(info), 160000);
    assert_true(monitor_info_lists(info, 400, 0));
    assert_false(monitor_info_lists(info, 401, 0));
    assert_true(monitor_info_lists(info, 401, 40100));
    snprintf(info, sizeof(info), "%smaxmemory:800000\r\n", clients);
    assert_int_equal(monitor_info_room(info), 0);
    assert_false(monitor_info_lists(info, 1, 0));
    assert_false(monitor_info_lists("# Memory\nused_memory:1\nmaxmemory:9000000\n", 1, 1000));
    assert_false(monitor_info_lists("", 1, 0));
}

/* An ACL user may be called anything but a space: it never reaches a terminal as it is. */
static void test_hostile_names_are_shown_clean(void **state)
{
    static const char list[] = "id=7 addr=1.1.1.1:1 name=\xff\xfe"
                               "b age=5 "
                               "user=\x1b]0;owned\x07\x1b[2J\xc2\x9b"
                               "2Jroot\n";
    struct monitor_context context = {.seconds = 1};
    struct strbuf text = {0};
    struct known known;
    struct cell cell = {0};

    (void)state;
    known_start(&known);
    take(&known, list, 1000);
    context.names = known.names;
    monitor_add_client(&context, "1.1.1.1:1", NULL, &text);
    assert_non_null(strstr(text.s, "root"));
    for (const char *at = text.s; *at; at++)
        assert_true((unsigned char)*at >= ' ' || *at == '\n');
    assert_null(strstr(text.s, "\xc2\x9b"));
    assert_null(strstr(text.s, "\xff"));
    monitor_cell_user(&context, "1.1.1.1:1", &cell);
    assert_non_null(strstr(cell_string(&cell), "root"));
    monitor_cell_user(&context, "1.1.1.2:1", &cell);
    strbuf_free(&text);
    known_stop(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joined_to_addresses),
        cmocka_unit_test(test_names_like_fields),
        cmocka_unit_test(test_changes_are_followed),
        cmocka_unit_test(test_ten_thousand_clients),
        cmocka_unit_test(test_room_for_a_list),
        cmocka_unit_test(test_hostile_names_are_shown_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
