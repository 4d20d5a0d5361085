#include "backend/base/strbuf.h"
#include "backend/redis_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define INT(name, member)                                                                          \
    {                                                                                              \
        name, offsetof(struct redis_info, member)                                                  \
    }

static const struct {
    const char *name;
    size_t offset;
} ints[] = {
    INT("active_defrag_running", active_defrag_running),
    INT("allocator_active", allocator_active),
    INT("allocator_allocated", allocator_allocated),
    INT("allocator_resident", allocator_resident),
    INT("aof_enabled", aof_enabled),
    INT("aof_rewrite_in_progress", aof_rewrite_in_progress),
    INT("blocked_clients", blocked_clients),
    INT("connected_clients", connected_clients),
    INT("connected_slaves", connected_replicas),
    INT("evicted_clients", evicted_clients),
    INT("evicted_keys", evicted_keys),
    INT("expired_keys", expired_keys),
    INT("hz", hz),
    INT("keyspace_hits", keyspace_hits),
    INT("keyspace_misses", keyspace_misses),
    INT("latest_fork_usec", latest_fork_usec),
    INT("lazyfree_pending_objects", lazyfree_pending),
    INT("loading", loading),
    INT("loading_eta_seconds", loading_eta),
    INT("maxclients", maxclients),
    INT("maxmemory", maxmemory),
    INT("mem_aof_buffer", mem_aof_buffer),
    INT("mem_clients_normal", mem_clients_normal),
    INT("mem_clients_slaves", mem_clients_slaves),
    INT("mem_not_counted_for_evict", mem_not_counted_for_evict),
    INT("mem_replication_backlog", mem_replication_backlog),
    INT("process_id", process_id),
    INT("rdb_bgsave_in_progress", rdb_bgsave_in_progress),
    INT("rdb_changes_since_last_save", rdb_changes),
    INT("rdb_last_bgsave_time_sec", rdb_last_bgsave_seconds),
    INT("rdb_last_save_time", rdb_last_save_time),
    INT("rejected_connections", rejected_connections),
    INT("tcp_port", tcp_port),
    INT("total_commands_processed", total_commands),
    INT("total_connections_received", total_connections),
    INT("total_error_replies", unexpected_errors),
    INT("total_net_input_bytes", net_input),
    INT("total_net_output_bytes", net_output),
    INT("total_system_memory", total_system_memory),
    INT("tracking_clients", tracking_clients),
    INT("uptime_in_seconds", uptime),
    INT("used_memory", used_memory),
    INT("used_memory_dataset", used_memory_dataset),
    INT("used_memory_lua", used_memory_lua),
    INT("used_memory_overhead", used_memory_overhead),
    INT("used_memory_peak", used_memory_peak),
    INT("used_memory_rss", used_memory_rss),
    INT("used_memory_scripts", used_memory_scripts),
};

enum { INTS = sizeof(ints) / sizeof(*ints) };

static int64_t get(const struct redis_info *info, size_t i)
{
    int64_t value;

    memcpy(&value, (const char *)info + ints[i].offset, sizeof(value));
    return value;
}

static struct redis_info *parse(const char *text)
{
    return redis_parse_info(text, strlen(text));
}

static void test_every_number(void **state)
{
    struct strbuf text = {0};
    struct redis_info *info;

    (void)state;
    for (size_t i = 0; i < INTS; i++)
        strbuf_addf(&text, "%s:%zu\r\n", ints[i].name, 1000 + i);
    info = redis_parse_info(text.s, text.len);
    for (size_t i = 0; i < INTS; i++) {
        if (get(info, i) != (int64_t)(1000 + i))
            fail_msg("%s", ints[i].name);
    }
    sample_unref(info);
    strbuf_free(&text);
}

static void test_texts(void **state)
{
    struct redis_info *info = parse(
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nos:Linux 6.1 x86_64\r\n"
        "run_id:0123456789abcdef0123456789abcdef01234567\r\nexecutable:/usr/bin/redis-server\r\n"
        "\r\n# Memory\r\nmaxmemory_policy:allkeys-lru\r\nmem_allocator:jemalloc-5.3.0\r\n"
        "mem_fragmentation_ratio:1.12\r\n# Persistence\r\nrdb_last_bgsave_status:err\r\n"
        "aof_last_write_status:ok\r\nloading_loaded_perc:42.50\r\n"
        "# Replication\r\nrole:slave\r\nmaster_link_status:down\r\ncluster_enabled:1\r\n");

    (void)state;
    assert_string_equal(info->version, "7.0.15");
    assert_string_equal(info->server_name, "redis");
    assert_string_equal(info->mode, "standalone");
    assert_string_equal(info->os, "Linux 6.1 x86_64");
    assert_string_equal(info->run_id, "0123456789abcdef0123456789abcdef01234567");
    assert_string_equal(info->executable, "/usr/bin/redis-server");
    assert_string_equal(info->policy, "allkeys-lru");
    assert_string_equal(info->allocator, "jemalloc-5.3.0");
    assert_float_equal(info->fragmentation, 1.12, 1e-9);
    assert_float_equal(info->loading_percent, 42.5, 1e-9);
    assert_int_equal(info->rdb_last_bgsave_ok, 0);
    assert_int_equal(info->aof_last_write_ok, 1);
    assert_string_equal(info->role, "slave");
    assert_int_equal(info->master_link_up, 0);
    assert_true(info->cluster);
    sample_unref(info);
}

static void test_absent(void **state)
{
    struct redis_info *info = parse("");

    (void)state;
    for (size_t i = 0; i < INTS; i++)
        assert_int_equal(get(info, i), -1);
    assert_int_equal(info->rdb_last_bgsave_ok, -1);
    assert_int_equal(info->aof_last_write_ok, -1);
    assert_int_equal(info->master_link_up, -1);
    assert_true(isnan(info->fragmentation));
    assert_true(isnan(info->loading_percent));
    assert_true(isnan(info->round_trip));
    assert_true(isnan(info->rates.ops));
    assert_true(isnan(info->rates.rejected));
    assert_string_equal(info->version, "");
    assert_string_equal(info->server_name, "redis");
    assert_false(info->cluster);
    assert_int_equal(info->db_count, 0);
    sample_unref(info);
}

/* A name is compared as a whole: no NUL in it ends it, and no beginning of one is one. */
static void test_names_like_ours(void **state)
{
    static const char text[] =
        "hz\0:1\r\nhz\0\0\0\0\0\0\0\0:2\r\nh:3\r\nhzz:4\r\n:5\r\nHZ:6\r\n hz:7\r\n";
    struct redis_info *info = redis_parse_info(text, sizeof(text) - 1);

    (void)state;
    assert_int_equal(info->hz, -1);
    sample_unref(info);
}

static void test_valkey(void **state)
{
    static const char *const texts[] = {
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n",
        "valkey_version:8.0.1\r\nserver_name:valkey\r\nredis_version:7.2.4\r\n",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct redis_info *info = parse(texts[i]);

        assert_string_equal(info->version, "8.0.1");
        assert_string_equal(info->server_name, "valkey");
        sample_unref(info);
    }
}

/* What is no whole number, or does not fit, is absent: never a wrong figure. */
static void test_bad_numbers(void **state)
{
    static const char *const values[] = {"",   "-",    "12x",
                                         " 1", "1.5",  "9223372036854775808",
                                         "+1", "0x10", "99999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        struct strbuf text = {0};
        struct redis_info *info;

        strbuf_addf(&text, "used_memory:%s\nmem_fragmentation_ratio:%sx\n", values[i], values[i]);
        info = redis_parse_info(text.s, text.len);
        assert_int_equal(info->used_memory, -1);
        assert_true(isnan(info->fragmentation));
        sample_unref(info);
        strbuf_free(&text);
    }
}

static void test_edges_of_numbers(void **state)
{
    struct redis_info *info = parse("used_memory:9223372036854775807\nmaxmemory:0\n"
                                    "rdb_last_bgsave_time_sec:-1\nmem_not_counted_for_evict:-5\n"
                                    "mem_fragmentation_ratio:inf\nhz:10");

    (void)state;
    assert_true(info->used_memory == INT64_MAX);
    assert_int_equal(info->maxmemory, 0);
    assert_int_equal(info->rdb_last_bgsave_seconds, -1);
    assert_int_equal(info->mem_not_counted_for_evict, -5);
    assert_true(isnan(info->fragmentation));
    assert_int_equal(info->hz, 10);
    sample_unref(info);
}

static void test_long_text_is_cut(void **state)
{
    struct strbuf text = {0};
    struct redis_info *info;

    (void)state;
    strbuf_adds(&text, "redis_version:");
    for (int i = 0; i < 100; i++)
        strbuf_addc(&text, 'v');
    strbuf_adds(&text, "\r\nhz:1\r\n");
    info = redis_parse_info(text.s, text.len);
    assert_int_equal(strlen(info->version), sizeof(info->version) - 1);
    assert_int_equal(info->hz, 1);
    sample_unref(info);
    strbuf_free(&text);
}

static void test_keyspace(void **state)
{
    struct redis_info *info =
        parse("# Keyspace\r\ndb11:keys=3,expires=1,avg_ttl=0\r\n"
              "db2:keys=10250,expires=10100,avg_ttl=240123,subexpiry=0\r\ndb0:keys=12\r\n"
              "dbx:keys=1\r\ndb:keys=1\r\ndb-1:keys=1\r\ndb99999999999:keys=1\r\n"
              "db5:expires=1\r\n");

    (void)state;
    assert_int_equal(info->db_count, 3);
    assert_int_equal(info->dbs[0].db, 0);
    assert_int_equal(info->dbs[0].keys, 12);
    assert_int_equal(info->dbs[0].expires, -1);
    assert_int_equal(info->dbs[0].avg_ttl, -1);
    assert_int_equal(info->dbs[1].db, 2);
    assert_int_equal(info->dbs[1].keys, 10250);
    assert_int_equal(info->dbs[1].expires, 10100);
    assert_int_equal(info->dbs[1].avg_ttl, 240123);
    assert_int_equal(info->dbs[2].db, 11);
    assert_int_equal(info->dbs[2].avg_ttl, 0);
    sample_unref(info);
}

/* ---- rates ---- */

static struct redis_info *at(uint64_t ms, const char *text)
{
    struct redis_info *info = parse(text);

    info->sample.at = ms;
    return info;
}

static void test_rates(void **state)
{
    struct redis_info *a = at(1000, "run_id:x\nuptime_in_seconds:5\ntotal_commands_processed:100\n"
                                    "keyspace_hits:10\nkeyspace_misses:10\nevicted_keys:0\n"
                                    "total_net_input_bytes:0\ntotal_net_output_bytes:1000\n");
    struct redis_info *b = at(3000, "run_id:x\nuptime_in_seconds:7\ntotal_commands_processed:300\n"
                                    "keyspace_hits:40\nkeyspace_misses:20\nevicted_keys:4\n"
                                    "total_net_input_bytes:50\ntotal_net_output_bytes:3000\n");

    (void)state;
    redis_info_rates(b, a);
    assert_float_equal(b->rates.ops, 100.0, 1e-9);
    assert_float_equal(b->rates.hit_rate, 0.75, 1e-9);
    assert_float_equal(b->rates.hits, 15.0, 1e-9);
    assert_float_equal(b->rates.misses, 5.0, 1e-9);
    assert_float_equal(b->rates.evicted, 2.0, 1e-9);
    assert_float_equal(b->rates.net_in, 25.0, 1e-9);
    assert_float_equal(b->rates.net_out, 1000.0, 1e-9);
    assert_true(isnan(b->rates.expired));
    assert_true(isnan(b->rates.rejected));
    sample_unref(a);
    sample_unref(b);
}

static void test_rates_without_our_own(void **state)
{
    struct redis_info *a = at(1000, "total_commands_processed:100\nkeyspace_hits:1\n"
                                    "keyspace_misses:1\ntotal_net_output_bytes:0\n");
    struct redis_info *b = at(2000, "total_commands_processed:109\nkeyspace_hits:3\n"
                                    "keyspace_misses:8\ntotal_net_output_bytes:5000\n");

    (void)state;
    a->own = (struct redis_own){.commands = 7, .hits = 1, .misses = 1, .net_out = 100};
    b->own = (struct redis_own){.commands = 15, .hits = 2, .misses = 8, .net_out = 6100};
    redis_info_rates(b, a);
    assert_float_equal(b->rates.ops, 1.0, 1e-9);
    assert_float_equal(b->rates.hits, 1.0, 1e-9);
    assert_float_equal(b->rates.misses, 0.0, 1e-9);
    assert_float_equal(b->rates.hit_rate, 1.0, 1e-9);
    assert_float_equal(b->rates.net_out, 0.0, 1e-9);
    sample_unref(a);
    sample_unref(b);
}

static void check_no_rates(const char *before, uint64_t before_at, const char *now)
{
    struct redis_info *a = before ? at(before_at, before) : NULL, *b = at(2000, now);

    b->rates.ops = 1;
    redis_info_rates(b, a);
    assert_true(isnan(b->rates.ops));
    assert_true(isnan(b->rates.hit_rate));
    sample_unref(a);
    sample_unref(b);
}

static void test_no_rates(void **state)
{
    const char *now = "run_id:x\nuptime_in_seconds:5\ntotal_commands_processed:100\n";

    (void)state;
    check_no_rates(NULL, 0, now);
    check_no_rates("run_id:y\nuptime_in_seconds:4\ntotal_commands_processed:50\n", 1000, now);
    check_no_rates("run_id:x\nuptime_in_seconds:6\ntotal_commands_processed:50\n", 1000, now);
    check_no_rates("run_id:x\nuptime_in_seconds:5\ntotal_commands_processed:50\n", 2000, now);
    check_no_rates("run_id:x\nuptime_in_seconds:5\ntotal_commands_processed:101\n", 1000, now);
    check_no_rates("run_id:x\nuptime_in_seconds:5\n", 1000, now);
}

static void test_no_lookups_no_hit_rate(void **state)
{
    const char *same = "total_commands_processed:5\nkeyspace_hits:10\nkeyspace_misses:10\n";
    struct redis_info *a = at(1000, same), *b = at(2000, same);

    (void)state;
    redis_info_rates(b, a);
    assert_float_equal(b->rates.ops, 0.0, 1e-9);
    assert_float_equal(b->rates.hits, 0.0, 1e-9);
    assert_true(isnan(b->rates.hit_rate));
    sample_unref(a);
    sample_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_names_like_ours),
        cmocka_unit_test(test_valkey),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_edges_of_numbers),
        cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_keyspace),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_rates_without_our_own),
        cmocka_unit_test(test_no_rates),
        cmocka_unit_test(test_no_lookups_no_hit_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
