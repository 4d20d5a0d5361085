#include "backend/base/mem.h"
#include "backend/redis_data.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum field_kind {
    FIELD_INT,
    FIELD_DOUBLE,
    FIELD_TEXT,      /* the first of several fields for one place wins … */
    FIELD_TEXT_OVER, /* … but for this one */
    FIELD_FLAG,      /* 1: true, else false */
    FIELD_OK,        /* ok: 1, else 0 */
    FIELD_UP         /* up: 1, else 0 */
};

struct field {
    const char *name;
    size_t len, offset, size;
    enum field_kind kind;
};

#define AT(kind, name, member)                                                                     \
    {                                                                                              \
        name, sizeof(name) - 1, offsetof(struct redis_info, member),                               \
            sizeof(((struct redis_info *)0)->member), kind                                         \
    }

/* Sorted by name; the unit test finds each of them. */
static const struct field fields[] = {
    AT(FIELD_INT, "active_defrag_running", active_defrag_running),
    AT(FIELD_INT, "allocator_active", allocator_active),
    AT(FIELD_INT, "allocator_allocated", allocator_allocated),
    AT(FIELD_INT, "allocator_resident", allocator_resident),
    AT(FIELD_INT, "aof_enabled", aof_enabled),
    AT(FIELD_OK, "aof_last_write_status", aof_last_write_ok),
    AT(FIELD_INT, "aof_rewrite_in_progress", aof_rewrite_in_progress),
    AT(FIELD_INT, "blocked_clients", blocked_clients),
    AT(FIELD_FLAG, "cluster_enabled", cluster),
    AT(FIELD_INT, "connected_clients", connected_clients),
    AT(FIELD_INT, "connected_slaves", connected_replicas),
    AT(FIELD_INT, "evicted_clients", evicted_clients),
    AT(FIELD_INT, "evicted_keys", evicted_keys),
    AT(FIELD_TEXT, "executable", executable),
    AT(FIELD_INT, "expired_keys", expired_keys),
    AT(FIELD_INT, "hz", hz),
    AT(FIELD_INT, "keyspace_hits", keyspace_hits),
    AT(FIELD_INT, "keyspace_misses", keyspace_misses),
    AT(FIELD_INT, "latest_fork_usec", latest_fork_usec),
    AT(FIELD_INT, "lazyfree_pending_objects", lazyfree_pending),
    AT(FIELD_INT, "loading", loading),
    AT(FIELD_INT, "loading_eta_seconds", loading_eta),
    AT(FIELD_DOUBLE, "loading_loaded_perc", loading_percent),
    AT(FIELD_UP, "master_link_status", master_link_up),
    AT(FIELD_INT, "maxclients", maxclients),
    AT(FIELD_INT, "maxmemory", maxmemory),
    AT(FIELD_TEXT, "maxmemory_policy", policy),
    AT(FIELD_TEXT, "mem_allocator", allocator),
    AT(FIELD_INT, "mem_aof_buffer", mem_aof_buffer),
    AT(FIELD_INT, "mem_clients_normal", mem_clients_normal),
    AT(FIELD_INT, "mem_clients_slaves", mem_clients_slaves),
    AT(FIELD_DOUBLE, "mem_fragmentation_ratio", fragmentation),
    AT(FIELD_INT, "mem_not_counted_for_evict", mem_not_counted_for_evict),
    AT(FIELD_INT, "mem_replication_backlog", mem_replication_backlog),
    AT(FIELD_TEXT, "os", os),
    AT(FIELD_INT, "process_id", process_id),
    AT(FIELD_INT, "rdb_bgsave_in_progress", rdb_bgsave_in_progress),
    AT(FIELD_INT, "rdb_changes_since_last_save", rdb_changes),
    AT(FIELD_OK, "rdb_last_bgsave_status", rdb_last_bgsave_ok),
    AT(FIELD_INT, "rdb_last_bgsave_time_sec", rdb_last_bgsave_seconds),
    AT(FIELD_INT, "rdb_last_save_time", rdb_last_save_time),
    AT(FIELD_TEXT, "redis_mode", mode),
    AT(FIELD_TEXT, "redis_version", version),
    AT(FIELD_INT, "rejected_connections", rejected_connections),
    AT(FIELD_TEXT, "role", role),
    AT(FIELD_TEXT, "run_id", run_id),
    AT(FIELD_TEXT_OVER, "server_name", server_name),
    AT(FIELD_INT, "tcp_port", tcp_port),
    AT(FIELD_INT, "total_commands_processed", total_commands),
    AT(FIELD_INT, "total_connections_received", total_connections),
    AT(FIELD_INT, "total_error_replies", unexpected_errors),
    AT(FIELD_INT, "total_net_input_bytes", net_input),
    AT(FIELD_INT, "total_net_output_bytes", net_output),
    AT(FIELD_INT, "total_system_memory", total_system_memory),
    AT(FIELD_INT, "tracking_clients", tracking_clients),
    AT(FIELD_INT, "uptime_in_seconds", uptime),
    AT(FIELD_INT, "used_memory", used_memory),
    AT(FIELD_INT, "used_memory_dataset", used_memory_dataset),
    AT(FIELD_INT, "used_memory_lua", used_memory_lua),
    AT(FIELD_INT, "used_memory_overhead", used_memory_overhead),
    AT(FIELD_INT, "used_memory_peak", used_memory_peak),
    AT(FIELD_INT, "used_memory_rss", used_memory_rss),
    AT(FIELD_INT, "used_memory_scripts", used_memory_scripts),
    AT(FIELD_TEXT_OVER, "valkey_version", version),
};

enum { FIELDS = sizeof(fields) / sizeof(*fields) };

struct span {
    const char *s;
    size_t len;
};

static void *member(struct redis_info *info, const struct field *field)
{
    return (char *)info + field->offset;
}

/* A whole number and nothing else, that fits. */
static bool parse_int(struct span text, int64_t *value)
{
    bool negative = text.len > 0 && text.s[0] == '-';
    uint64_t n = 0;

    if (text.len == (negative ? 1U : 0U) || text.len > 19U + negative)
        return false;
    for (size_t i = negative; i < text.len; i++) {
        unsigned digit = (unsigned char)text.s[i] - '0';

        if (digit > 9)
            return false;
        n = 10 * n + digit;
    }
    if (n > INT64_MAX)
        return false;
    *value = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static double parse_double(struct span text)
{
    char copy[40];
    char *end;
    double value;

    if (text.len == 0 || text.len >= sizeof(copy))
        return NAN;
    memcpy(copy, text.s, text.len);
    copy[text.len] = '\0';
    value = strtod(copy, &end);
    return *end || !isfinite(value) ? NAN : value;
}

static void set_text(char *to, size_t size, struct span text)
{
    size_t len = text.len < size ? text.len : size - 1;

    memcpy(to, text.s, len);
    to[len] = '\0';
}

static bool is(struct span text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.s, word, text.len) == 0;
}

static void set_field(struct redis_info *info, const struct field *field, struct span value)
{
    void *to = member(info, field);
    int64_t n;

    switch (field->kind) {
    case FIELD_INT:
        if (parse_int(value, &n))
            *(int64_t *)to = n;
        break;
    case FIELD_DOUBLE: *(double *)to = parse_double(value); break;
    case FIELD_TEXT:
        if (*(char *)to == '\0')
            set_text(to, field->size, value);
        break;
    case FIELD_TEXT_OVER: set_text(to, field->size, value); break;
    case FIELD_FLAG: *(bool *)to = is(value, "1"); break;
    case FIELD_OK: *(int64_t *)to = is(value, "ok"); break;
    case FIELD_UP: *(int64_t *)to = is(value, "up"); break;
    }
}

/* The name may hold any byte, NUL too. */
static int compare_name(struct span name, const struct field *field)
{
    size_t len = name.len < field->len ? name.len : field->len;
    int order = memcmp(name.s, field->name, len);

    return order ? order : (name.len > field->len) - (name.len < field->len);
}

static const struct field *find_field(struct span name)
{
    size_t low = 0, high = FIELDS;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_name(name, &fields[middle]);

        if (order == 0)
            return &fields[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Splits off what stands before the first stop, which is dropped. */
static struct span take(struct span *rest, char stop)
{
    const char *at = memchr(rest->s, stop, rest->len);
    struct span head = {rest->s, at ? (size_t)(at - rest->s) : rest->len};
    size_t used = at ? head.len + 1 : head.len;

    *rest = (struct span){rest->s + used, rest->len - used};
    return head;
}

/* "db3" and "keys=1,expires=0,avg_ttl=0", more fields in newer versions. */
static bool parse_db(struct span name, struct span value, struct redis_db *db)
{
    struct span number = {name.s + 2, name.len - 2};
    int64_t n;

    if (name.len < 3 || memcmp(name.s, "db", 2) != 0 || !parse_int(number, &n) || n < 0 ||
        n > INT_MAX)
        return false;
    *db = (struct redis_db){.db = (int)n, .keys = -1, .expires = -1, .avg_ttl = -1};
    while (value.len) {
        struct span pair = take(&value, ','), key = take(&pair, '=');

        if (is(key, "keys"))
            parse_int(pair, &db->keys);
        else if (is(key, "expires"))
            parse_int(pair, &db->expires);
        else if (is(key, "avg_ttl"))
            parse_int(pair, &db->avg_ttl);
    }
    return db->keys >= 0;
}

static void add_db(struct redis_info *info, size_t *capacity, const struct redis_db *db)
{
    if (info->db_count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 16;
        info->dbs = mem_array(info->dbs, *capacity, sizeof(*info->dbs));
    }
    info->dbs[info->db_count++] = *db;
}

static int compare_dbs(const void *a, const void *b)
{
    const struct redis_db *left = a, *right = b;

    return (left->db > right->db) - (left->db < right->db);
}

static void destroy_info(struct sample *sample)
{
    struct redis_info *info = (struct redis_info *)sample;

    free(info->dbs);
    free(info);
}

static void clear_rates(struct redis_rates *rates)
{
    *rates = (struct redis_rates){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

static struct redis_info *new_info(void)
{
    struct redis_info *info = mem_zalloc(sizeof(*info));
    int64_t absent = -1;
    double unknown = NAN;

    info->sample = (struct sample){.refs = 1, .destroy = destroy_info};
    info->client_limit = REDIS_LIMIT_UNKNOWN("not asked yet");
    for (size_t i = 0; i < FIELDS; i++) {
        enum field_kind kind = fields[i].kind;

        if (kind == FIELD_DOUBLE)
            memcpy(member(info, &fields[i]), &unknown, sizeof(unknown));
        else if (kind == FIELD_INT || kind == FIELD_OK || kind == FIELD_UP)
            memcpy(member(info, &fields[i]), &absent, sizeof(absent));
    }
    info->round_trip = NAN;
    clear_rates(&info->rates);
    return info;
}

struct redis_info *redis_parse_info(const char *text, size_t len)
{
    struct redis_info *info = new_info();
    struct span rest = {text, len};
    size_t capacity = 0;

    while (rest.len) {
        struct span line = take(&rest, '\n'), name;
        const struct field *field;
        struct redis_db db;

        if (line.len && line.s[line.len - 1] == '\r')
            line.len--;
        if (!memchr(line.s, ':', line.len))
            continue;
        name = take(&line, ':');
        field = find_field(name);
        if (field)
            set_field(info, field, line);
        else if (parse_db(name, line, &db))
            add_db(info, &capacity, &db);
    }
    if (info->db_count)
        qsort(info->dbs, info->db_count, sizeof(*info->dbs), compare_dbs);
    if (!info->server_name[0])
        memcpy(info->server_name, "redis", sizeof("redis"));
    return info;
}

/* How far a counter has gone on, without our own part of it; NAN: one is absent, or it was reset
 * (CONFIG RESETSTAT). Our own part may be booked a moment earlier than the server's. */
static double advance(int64_t now, int64_t before, int64_t own)
{
    if (now < 0 || before < 0 || now < before)
        return NAN;
    return now - before > own ? (double)(now - before - own) : 0.0;
}

void redis_info_rates(struct redis_info *now, const struct redis_info *before)
{
    struct redis_rates *rates = &now->rates;
    const struct redis_own *own = &now->own, *then;
    double seconds;

    clear_rates(rates);
    if (!before || strcmp(now->run_id, before->run_id) != 0 || now->uptime < before->uptime ||
        now->sample.at <= before->sample.at)
        return;
    then = &before->own;
    seconds = (double)(now->sample.at - before->sample.at) / 1000.0;

#define RATE(counter, own_part) (advance(now->counter, before->counter, own_part) / seconds)
    rates->ops = RATE(total_commands, own->commands - then->commands);
    rates->hits = RATE(keyspace_hits, own->hits - then->hits);
    rates->misses = RATE(keyspace_misses, own->misses - then->misses);
    rates->evicted = RATE(evicted_keys, 0);
    rates->expired = RATE(expired_keys, 0);
    rates->net_in = RATE(net_input, own->net_in - then->net_in);
    rates->net_out = RATE(net_output, own->net_out - then->net_out);
    rates->connections = RATE(total_connections, 0);
    rates->rejected = RATE(rejected_connections, 0);
#undef RATE
    if (rates->hits + rates->misses > 0)
        rates->hit_rate = rates->hits / (rates->hits + rates->misses);
}
