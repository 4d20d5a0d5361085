#include "backend/pg_query.h"

#include <stddef.h>

/* What a session of ours is set to, by SET after the connection: poolers refuse unknown start-up
 * options. Settings stick to a server process, so behind a pooler they would hit its other clients:
 * nothing is set unless the process is the one that libpq was told of ($1). SQL_ASCII turns
 * conversion off: one text in another encoding would otherwise lose the whole answer. */
#define SETUP(statement_ms, lock_ms, read_only)                                                    \
    "SELECT pg_catalog.pg_backend_pid() = $1,"                                                     \
    " CASE WHEN pg_catalog.pg_backend_pid() = $1 THEN"                                             \
    " pg_catalog.set_config('search_path', '', false)"                                             \
    " || pg_catalog.set_config('statement_timeout', '" statement_ms "', false)"                    \
    " || pg_catalog.set_config('lock_timeout', '" lock_ms "', false)"                              \
    " || pg_catalog.set_config('idle_in_transaction_session_timeout', '10000', false)"             \
    " || pg_catalog.set_config('default_transaction_read_only', '" read_only "', false)"           \
    " || pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)"                             \
    " || pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false)"                    \
    " || pg_catalog.set_config('jit', 'off', false) END"

#define TEXT(s)  #s
#define MS(n)    TEXT(n)
#define POLL_MS  MS(PG_STATEMENT_TIMEOUT)
#define POLL_SET SETUP(POLL_MS, "500", "on")

static const struct pg_query queries[] = {
    {.id = PG_QUERY_SETUP_POLL,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_setup",
     .parameter = PG_INT4,
     .sql = POLL_SET,
     .columns = 2,
     .types = {PG_BOOL, PG_TEXT}},

    {.id = PG_QUERY_SETUP_CONTROL,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_setup",
     .parameter = PG_INT4,
     .sql = SETUP("10000", "2000", "off"),
     .columns = 2,
     .types = {PG_BOOL, PG_TEXT}},

    {.id = PG_QUERY_LOCAL,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_local",
     .parameter = PG_TEXT,
     .sql = "SELECT pg_catalog.set_config('statement_timeout', $1, true)"
            " || pg_catalog.set_config('lock_timeout', '500', true)",
     .columns = 1,
     .types = {PG_TEXT}},

    {.id = PG_QUERY_SERVER,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_server",
     .sql = "SELECT current_setting('server_version_num')::int4, current_setting('server_version'),"
            " pg_postmaster_start_time(), statement_timestamp(),"
            " current_setting('max_connections')::int4,"
            " current_setting('superuser_reserved_connections')::int4,"
            " coalesce(current_setting('reserved_connections', true)::int4, 0),"
            " pg_size_bytes(current_setting('track_activity_query_size'))::int4,"
            " pg_is_in_recovery(),"
            " coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false),"
            " pg_has_role('pg_read_all_stats', 'USAGE'), current_user::text,"
            " CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')"
            " THEN current_setting('data_directory') END",
     .columns = SERVER_DATA_DIRECTORY + 1,
     .types = {PG_INT4, PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_INT4, PG_INT4, PG_INT4, PG_INT4,
               PG_BOOL, PG_BOOL, PG_BOOL, PG_TEXT, PG_TEXT}},

    {.id = PG_QUERY_ROLES,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_roles",
     .sql = "SELECT oid, rolname::text FROM pg_roles"
            " WHERE oid IN (SELECT usesysid FROM pg_stat_get_activity(NULL))",
     .columns = ROLES_NAME + 1,
     .types = {PG_OID, PG_TEXT}},

    /* What pg_stat_database shows, without its numbackends (which reads all sessions once more; they
     * are counted from the activity) and its join. */
    {.id = PG_QUERY_DATABASES,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_databases",
     .sql = "SELECT oid, datname::text, pg_get_userbyid(datdba)::text,"
            " datallowconn AND NOT datistemplate, datconnlimit,"
            " pg_stat_get_db_xact_commit(oid), pg_stat_get_db_xact_rollback(oid),"
            " pg_stat_get_db_blocks_fetched(oid) - pg_stat_get_db_blocks_hit(oid),"
            " pg_stat_get_db_blocks_hit(oid), pg_stat_get_db_temp_files(oid),"
            " pg_stat_get_db_temp_bytes(oid), pg_stat_get_db_deadlocks(oid),"
            " pg_stat_get_db_stat_reset_time(oid), age(datfrozenxid), statement_timestamp()"
            " FROM pg_database",
     .columns = DB_NOW + 1,
     .types = {PG_OID, PG_TEXT, PG_TEXT, PG_BOOL, PG_INT4, PG_INT8, PG_INT8, PG_INT8, PG_INT8,
               PG_INT8, PG_INT8, PG_INT8, PG_TIMESTAMPTZ, PG_INT4, PG_TIMESTAMPTZ}},

    /* What pg_stat_activity shows, without its joins for names: a quarter of its cost. What is the
     * same for nearly all rows is not sent: the kind of a client backend (whose backend_start is
     * there, unlike that of a row that is hidden from us), what an idle session waits for, its text
     * unless wanted ($1). The server's clock comes in the row of the asking session only. */
    {.id = PG_QUERY_ACTIVITY,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_activity",
     .parameter = PG_BOOL,
     .sql = "SELECT pid, leader_pid, datid, usesysid, application_name, client_addr,"
            " nullif(backend_type, 'client backend'), state,"
            " CASE WHEN state IS DISTINCT FROM 'idle' THEN wait_event_type END,"
            " CASE WHEN state IS DISTINCT FROM 'idle' THEN wait_event END,"
            " backend_start, xact_start, query_start, state_change, age(backend_xmin),"
            " CASE WHEN $1 OR state IS DISTINCT FROM 'idle' THEN query END,"
            " CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END,"
            " CASE WHEN pid = pg_backend_pid() THEN statement_timestamp() END"
            " FROM pg_stat_get_activity(NULL)",
     .columns = ACT_NOW + 1,
     .types = {PG_INT4, PG_INT4, PG_OID, PG_OID, PG_TEXT, PG_INET, PG_TEXT, PG_TEXT, PG_TEXT,
               PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_INT4,
               PG_TEXT, PG_INT4_ARRAY, PG_TIMESTAMPTZ}},

    {.id = PG_QUERY_SIZE,
     .min_version = PG_MIN_VERSION,
     .name = "sharedtop_size",
     .parameter = PG_OID,
     .sql = "SELECT pg_database_size($1)",
     .columns = 1,
     .types = {PG_INT8}},
};

const struct pg_query *pg_query_find(enum pg_query_id id, int server_version)
{
    const struct pg_query *found = NULL;

    for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
        const struct pg_query *query = &queries[i];

        if (query->id == id && query->min_version <= server_version &&
            (!found || query->min_version > found->min_version))
            found = query;
    }
    return found;
}

bool pg_query_fits(enum pg_query_id id, const PGresult *result)
{
    const struct pg_query *query = pg_query_find(id, PG_MIN_VERSION);

    if ((size_t)PQnfields(result) != query->columns)
        return false;
    for (int i = 0; i < (int)query->columns; i++) {
        if (PQftype(result, i) != query->types[i] || PQfformat(result, i) != 1)
            return false;
    }
    return true;
}
