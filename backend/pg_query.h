/* The one table of what PostgreSQL is asked: SQL by query and server version, with the types of its
 * parameter and columns. All results are binary; the casts in the SQL fix the types. */
#ifndef BACKEND_PG_QUERY_H
#define BACKEND_PG_QUERY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

enum pg_query_id {
    PG_QUERY_SETUP_POLL,    /* session settings of the polling connection */
    PG_QUERY_SETUP_CONTROL, /* of the connection that is kept for acts */
    PG_QUERY_LOCAL,         /* settings for the rest of one request */
    PG_QUERY_SERVER,
    PG_QUERY_ROLES, /* names for pg_stat_get_activity's usesysid */
    PG_QUERY_DATABASES,
    PG_QUERY_ACTIVITY,
    PG_QUERY_SIZE,
    PG_QUERIES
};

#define PG_MIN_VERSION 130000
#define PG_STATEMENT_TIMEOUT                                                                       \
    1500 /* ms of a polling statement; below every deadline for an answer */

/* pg_type.oid of what the queries use; these never change. */
enum pg_type {
    PG_BOOL = 16,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_OID = 26,
    PG_INET = 869,
    PG_INT4_ARRAY = 1007,
    PG_TIMESTAMPTZ = 1184
};

enum pg_setup_column { SETUP_DIRECT, SETUP_APPLIED };

enum pg_server_column {
    SERVER_VERSION,
    SERVER_VERSION_TEXT,
    SERVER_START,
    SERVER_NOW,
    SERVER_MAX_CONNECTIONS,
    SERVER_SUPERUSER_RESERVED,
    SERVER_RESERVED,
    SERVER_QUERY_SIZE,
    SERVER_IN_RECOVERY,
    SERVER_SUPERUSER,
    SERVER_MONITOR,
    SERVER_USER,
    SERVER_DATA_DIRECTORY
};

enum pg_roles_column { ROLES_OID, ROLES_NAME };

enum pg_databases_column {
    DB_OID,
    DB_NAME,
    DB_OWNER,
    DB_LISTED,
    DB_CONNECTION_LIMIT,
    DB_COMMIT,
    DB_ROLLBACK,
    DB_READ,
    DB_HIT,
    DB_TEMP_FILES,
    DB_TEMP_BYTES,
    DB_DEADLOCKS,
    DB_STATS_RESET,
    DB_XID_AGE,
    DB_NOW
};

enum pg_activity_column {
    ACT_PID,
    ACT_LEADER,
    ACT_DATABASE,
    ACT_USER,
    ACT_APPLICATION,
    ACT_CLIENT,
    ACT_BACKEND_TYPE,
    ACT_STATE,
    ACT_WAIT_TYPE,
    ACT_WAIT_EVENT,
    ACT_BACKEND_START,
    ACT_XACT_START,
    ACT_QUERY_START,
    ACT_STATE_CHANGE,
    ACT_XMIN_AGE,
    ACT_QUERY,
    ACT_BLOCKED_BY,
    ACT_NOW
};

#define PG_MAX_COLUMNS 18

struct pg_query {
    enum pg_query_id id;
    int min_version; /* of the server */
    const char *name;
    Oid parameter; /* type of $1, 0: no parameter */
    const char *sql;
    size_t columns;
    Oid types[PG_MAX_COLUMNS];
};

/* The newest form of a query that a server of this version knows; NULL below PG_MIN_VERSION. */
const struct pg_query *pg_query_find(enum pg_query_id id, int server_version);

/* True if the result has the columns and types of the query, all binary. */
bool pg_query_fits(enum pg_query_id id, const PGresult *result);

#endif
