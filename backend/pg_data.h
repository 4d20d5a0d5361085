/* What PostgreSQL answered, as rows. Strings point into the sample, are bytes as the server sent
 * them (not sanitised), and live as long as it does. Absent strings are NULL. */
#ifndef BACKEND_PG_DATA_H
#define BACKEND_PG_DATA_H

#include "backend/config.h"
#include "backend/sample.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Times are microseconds since 2000-01-01 UTC by the server's clock. */
#define PG_NO_TIME INT64_MIN

enum pg_state {
    PG_STATE_NONE, /* background processes have none */
    PG_STATE_ACTIVE,
    PG_STATE_IDLE,
    PG_STATE_IDLE_IN_TRANSACTION,
    PG_STATE_IDLE_IN_TRANSACTION_ABORTED,
    PG_STATE_FASTPATH,
    PG_STATE_DISABLED,
    PG_STATE_STARTING /* 18+ */
};

/* A row of pg_stat_activity. */
struct pg_session {
    int pid, leader_pid; /* leader_pid 0: not a parallel worker */
    const char *database, *user, *application;
    const char *client; /* client_addr, or "local" for a unix socket; NULL: background */
    const char *backend_type;
    enum pg_state state;
    const char *state_text; /* the server's own word */
    const char *wait_type, *wait_event;
    int64_t backend_start, xact_start, query_start, state_change;
    int64_t xmin_age;      /* age(backend_xmin) in transactions; -1: none held */
    const char *query;     /* NULL for idle sessions when only the busy ones were asked for */
    bool query_cut;        /* as long as track_activity_query_size allows: likely cut */
    bool own;              /* one of this program's own connections */
    const int *blocked_by; /* pg_blocking_pids(); 0 is a prepared transaction */
    size_t blocked_by_count;
    enum environment environment; /* of its database */
};

/* Counts over client backends; own connections are counted too, they take slots as others do. */
struct pg_counts {
    int total, active, idle, idle_in_transaction, blocked, waiting;
    double longest_query, longest_idle_in_transaction; /* seconds; -1: none */
};

struct pg_activity {
    struct sample sample;
    int64_t now; /* the server's clock at the answer */
    struct pg_counts counts;
    size_t count;
    struct pg_session *rows;
};

/* A row of pg_stat_database joined to pg_database. Rates are over the time between two samples of
 * the same server start and stats_reset; NAN: not known yet. */
struct pg_database {
    uint32_t oid;
    const char *name, *owner;
    bool allows_connections;
    int connections, active; /* numbackends; active counted from pg_stat_activity, -1 unknown */
    int connection_limit;    /* datconnlimit, -1: none */
    int64_t xact_commit, xact_rollback, blks_read, blks_hit, temp_files, temp_bytes, deadlocks;
    int64_t stats_reset;
    int64_t xid_age;                            /* age(datfrozenxid) */
    double tps, rollbacks, hit_rate, temp_rate; /* per second; hit_rate 0..1; bytes a second */
    enum environment environment;
};

struct pg_databases {
    struct sample sample;
    int64_t now;
    double tps, rollbacks, hit_rate; /* of all databases; NAN unknown */
    size_t count;
    struct pg_database *rows;
};

/* pg_database_size() of one database, with when it was measured. */
struct pg_size {
    uint32_t oid;
    int64_t bytes;     /* -1: never measured */
    uint64_t at;       /* ms of the loop's clock */
    const char *error; /* why not, e.g. permission denied; NULL: fine */
};

struct pg_sizes {
    struct sample sample;
    size_t count;
    struct pg_size *rows;
};

/* What seldom changes. */
struct pg_server {
    struct sample sample;
    int version;              /* 150018 */
    const char *version_text; /* "15.18" */
    int64_t start_time;       /* pg_postmaster_start_time() */
    int64_t now;
    int max_connections, superuser_reserved, reserved; /* reserved_connections, 16+, else 0 */
    int query_size;                                    /* track_activity_query_size */
    bool in_recovery, superuser, monitor; /* monitor: member of pg_monitor or superuser */
    bool pooler;                          /* PgBouncer or alike is in between */
    const char *user;                     /* current_user */
    const char *data_directory;           /* NULL without the right to see it */
};

/* Seconds that a session has been in what it does: an active one since query_start, another one
 * since state_change; -1 when not known. */
double pg_session_seconds(const struct pg_session *session, int64_t now);

/* The pure parsers: binary results in, a sample with one reference out (never NULL). They take over
 * result. A result of another shape (columns, types, lengths) gives an empty sample, no crash. */
struct pg_activity *pg_parse_activity(PGresult *result, int query_size);
struct pg_databases *pg_parse_databases(PGresult *result);
struct pg_server *pg_parse_server(PGresult *result);

/* Fills now's rates from before (NULL: none). Both belong to the caller until published. */
void pg_databases_rates(struct pg_databases *now, const struct pg_databases *before);

#endif
