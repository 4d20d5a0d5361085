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

/* A row of pg_stat_get_activity(), the function under the view pg_stat_activity; the names that the
 * view joins come from struct pg_databases and struct pg_roles. */
struct pg_session {
    int pid, leader_pid;   /* leader_pid 0: not a parallel worker */
    uint32_t database_oid; /* 0: none */
    const char *database, *user, *application;
    const char *client; /* client_addr, or "local" for a unix socket; NULL: background */
    const char *backend_type;
    enum pg_state state;
    const char *state_text;             /* the server's own word */
    const char *wait_type, *wait_event; /* not asked for when idle: always Client/ClientRead */
    int64_t backend_start, xact_start, query_start, state_change;
    int64_t xmin_age;      /* age(backend_xmin) in transactions; -1: none held */
    const char *query;     /* NULL for idle sessions when only the busy ones were asked for */
    bool query_cut;        /* as long as track_activity_query_size allows: likely cut */
    bool own;              /* one of this program's own connections */
    const int *blocked_by; /* pg_blocking_pids(); 0 is a prepared transaction */
    size_t blocked_by_count;
    enum environment environment; /* of its database */
};

/* Counts over client backends (without pg_monitor: over all that have a database, since their kind is
 * hidden); own connections are counted too, they take slots as others do. waiting: active ones with
 * a wait event; blocked: those that pg_blocking_pids() finds somebody for. */
struct pg_counts {
    int total, active, idle, idle_in_transaction, blocked, waiting;
    double longest_query, longest_idle_in_transaction; /* seconds; -1: none */
};

struct pg_activity {
    struct sample sample;
    int64_t now; /* the server's clock at the answer */
    struct pg_counts counts;
    size_t unnamed; /* sessions whose user is not among the roles that were known */
    size_t count;
    struct pg_session *rows;
};

/* Names of the roles that have sessions (pg_roles), by oid. */
struct pg_role {
    uint32_t oid;
    const char *name;
};

struct pg_roles {
    struct sample sample;
    size_t count;
    struct pg_role *rows;
};

/* A row of pg_stat_database joined to pg_database. Rates are over the time between two samples of
 * the same server start and stats_reset; NAN: not known yet. */
struct pg_database {
    uint32_t oid;
    const char *name, *owner;
    bool listed; /* datallowconn and not datistemplate: what psql users call the databases */
    int connections, active; /* sessions and active client backends of the activity; -1 unknown */
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
    struct pg_database *rows; /* by oid */
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

/* True for a client backend, or for a session whose kind is hidden and that has a database. */
bool pg_session_is_client(const struct pg_session *session);

/* The pure parsers: binary results in, a sample with one reference out (never NULL). They take over
 * result. A result of another shape (columns, types, lengths) gives an empty sample, no crash. */

/* databases and roles (either may be NULL) name what the rows refer to; both are referenced by the
 * sample. query_size: track_activity_query_size, 0 unknown. */
struct pg_activity *pg_parse_activity(PGresult *result, int query_size,
                                      const struct pg_databases *databases,
                                      const struct pg_roles *roles);

/* config gives the environments; NULL: all unknown. */
struct pg_databases *pg_parse_databases(PGresult *result, const struct postgres_config *config);
struct pg_roles *pg_parse_roles(PGresult *result);
struct pg_server *pg_parse_server(PGresult *result);

/* -1 when the result is not a size. Does not take over result. */
int64_t pg_parse_size(const PGresult *result);

/* The answer of a set-up query: true if the server process is the one libpq was told of. Does not
 * take over result. */
bool pg_parse_direct(const PGresult *result);

/* The row of an oid, or NULL. */
const struct pg_database *pg_database_find(const struct pg_databases *databases, uint32_t oid);

/* Counts connections and active of each database; before databases is published. */
void pg_databases_count(struct pg_databases *databases, const struct pg_activity *activity);

/* Fills now's rates from before (NULL: none). Both belong to the caller until published. */
void pg_databases_rates(struct pg_databases *now, const struct pg_databases *before);

#endif
