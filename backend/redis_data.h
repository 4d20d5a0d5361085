/* What Redis answered, as structs. Names in comments are INFO fields. Absent numbers are -1 and
 * absent rates NAN; strings are bytes as the server sent them. */
#ifndef BACKEND_REDIS_DATA_H
#define BACKEND_REDIS_DATA_H

#include "backend/redis_limit.h"
#include "backend/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of the keyspace section. */
struct redis_db {
    int db;
    int64_t keys, expires, avg_ttl; /* avg_ttl in ms; 0 from the server means none and is kept */
};

/* Over the time between two samples of one server run, without what this program's own polling
 * added (own). NAN: not known. */
struct redis_rates {
    double ops;              /* total_commands_processed a second */
    double hit_rate;         /* keyspace_hits / (hits + misses) over the interval, 0..1 */
    double hits, misses;     /* a second */
    double evicted, expired; /* evicted_keys, expired_keys a second */
    double net_in, net_out;  /* total_net_*_bytes a second */
    double connections;      /* total_connections_received a second */
    double rejected;         /* rejected_connections a second */
};

/* What this program's polling has put on the server's counters so far. */
struct redis_own {
    int64_t commands, hits, misses, net_in, net_out;
};

struct redis_info {
    struct sample sample;
    /* server */
    char version[32];     /* redis_version, or valkey_version for a Valkey */
    char server_name[16]; /* "redis", "valkey" (server_name), "redis" when absent */
    char run_id[48], mode[16], role[16], os[64], executable[256];
    int64_t uptime, process_id, tcp_port, hz;
    /* clients */
    int64_t connected_clients, blocked_clients, maxclients, tracking_clients;
    /* memory */
    int64_t used_memory, used_memory_rss, used_memory_peak, used_memory_dataset,
        used_memory_overhead, used_memory_lua, used_memory_scripts, maxmemory, total_system_memory,
        mem_clients_normal, mem_clients_slaves, mem_replication_backlog, mem_aof_buffer,
        mem_not_counted_for_evict, allocator_allocated, allocator_active, allocator_resident,
        lazyfree_pending, active_defrag_running;
    double fragmentation; /* mem_fragmentation_ratio, NAN absent */
    char policy[24];      /* maxmemory_policy */
    char allocator[32];   /* mem_allocator */
    /* persistence */
    int64_t loading, rdb_changes, rdb_bgsave_in_progress, rdb_last_save_time,
        rdb_last_bgsave_seconds, aof_enabled, aof_rewrite_in_progress, aof_last_write_ok,
        rdb_last_bgsave_ok; /* ok: 1, 0 */
    int64_t loading_eta;    /* loading_eta_seconds, while it loads */
    double loading_percent; /* loading_loaded_perc, 0..100, while it loads; else NAN */
    /* stats */
    int64_t total_commands, total_connections, keyspace_hits, keyspace_misses, evicted_keys,
        expired_keys, evicted_clients, rejected_connections, net_input, net_output,
        latest_fork_usec, unexpected_errors; /* unexpected_errors: total_error_replies */
    /* replication */
    int64_t connected_replicas, master_link_up; /* 1, 0, -1 not a replica */
    bool cluster;
    /* from the difference to the sample before */
    struct redis_rates rates;
    struct redis_own own;
    struct redis_limit client_limit; /* of ordinary clients, as of the connection's begin */
    double round_trip;               /* seconds from the request to its answer, NAN unknown */
    size_t db_count;
    struct redis_db *dbs; /* ascending */
};

/* A Celery queue in one database: LLEN over its priority steps. */
struct celery_queue {
    int db;
    char *name;
    int64_t depth;
};

struct celery_db {
    int db;
    int64_t depth;     /* of all its queues; -1 unknown, as all that follows */
    int64_t in_flight; /* HLEN unacked */
    int64_t stuck;     /* ZCOUNT unacked_index 0 now-3600 */
    char *error;       /* e.g. a missing ACL right; NULL: fine */
};

struct redis_celery {
    struct sample sample;
    size_t db_count, queue_count;
    struct celery_db *dbs;
    struct celery_queue *queues;
};

/* What a flush has moved into the spare database, by the marker that lies there. Times are the
 * server's clock, seconds since 1970. */
struct redis_spare {
    struct sample sample;
    int spare;    /* the number of the spare database */
    bool present; /* something waits there; else what follows is unset, but now */
    int db;       /* where it was */
    int64_t keys; /* when it was moved */
    double since, until;
    double now;   /* when this was asked */
    char *by;     /* user@host */
    bool undone;  /* an undo has put it aside: bringing it back takes live data away */
    char *marker; /* as it is in the server: what an act compares with */
};

/* Pure: parses an INFO reply. Unknown fields are skipped, missing ones stay absent. Never NULL; one
 * reference. */
struct redis_info *redis_parse_info(const char *text, size_t len);

/* Fills now->rates from before (NULL, another run_id, a smaller uptime or counter: NAN) and both's
 * own. */
void redis_info_rates(struct redis_info *now, const struct redis_info *before);

#endif
