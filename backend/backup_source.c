#include "backend/backup_source.h"

#include "backend/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A row is one of a table that pg_dump dumps the data of; with its count's statement. */
static const char tables_sql[] =
    "SELECT n.nspname, c.relname,"
    " pg_catalog.format('SELECT pg_catalog.count(*) FROM ONLY %I.%I', n.nspname, c.relname)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
    " AND (c.relpersistence = 'p' OR NOT pg_catalog.pg_is_in_recovery())"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid"
    "  AND d.objsubid = 0 AND d.deptype = 'e')"
    " ORDER BY 1, 2";

/* Columns of pg_database differ by version: they are looked for by name. */
static const char database_sql[] =
    "SELECT pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding),"
    " d.datcollate, d.datctype,"
    " CASE fields->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin'"
    "  WHEN 'c' THEN 'libc' END,"
    " coalesce(fields->>'datlocale', fields->>'daticulocale'),"
    " pg_catalog.pg_database_size(d.oid),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata)"
    " FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d)) AS j (fields)"
    " WHERE d.datname = pg_catalog.current_database()";

/* What would end a transaction that waits for pg_dump. */
static const char limits_sql[] =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
    " WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    " 'transaction_timeout', 'idle_session_timeout')";

static bool run(struct job *job, PGconn *conn, const char *what, const char *sql)
{
    PGresult *result = job_pg_run(job, conn, what, sql, 0, NULL);

    PQclear(result);
    return result != NULL;
}

/* The value of a row's column; NULL for null. */
static char *value(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : mem_strdup(PQgetvalue(rows, row, column));
}

static int64_t number(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? -1 : strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

/* ---- the server ---- */

/* "15.18", without the packager's words. */
static char *version_of(PGconn *conn)
{
    const char *text = PQparameterStatus(conn, "server_version");

    return text ? mem_strndup(text, strcspn(text, " ")) : NULL;
}

/* Not everybody may ask for the identifier. */
static bool describe_server(struct job *job, PGconn *conn, struct manifest *manifest)
{
    PGresult *rows = job_pg_run(job, conn, "looking at the server",
                                "SELECT pg_catalog.has_function_privilege("
                                "'pg_catalog.pg_control_system()', 'EXECUTE')",
                                0, NULL);
    bool may = rows && PQntuples(rows) == 1 && strcmp(PQgetvalue(rows, 0, 0), "t") == 0;

    PQclear(rows);
    if (!rows)
        return false;
    manifest->server = mem_strdup(job->postgres->name);
    manifest->server_version = version_of(conn);
    if (!may)
        return true;
    rows = job_pg_run(job, conn, "looking at the server",
                      "SELECT system_identifier FROM pg_catalog.pg_control_system()", 0, NULL);
    if (rows && PQntuples(rows) == 1)
        manifest->system_identifier = value(rows, 0, 0);
    PQclear(rows);
    return rows != NULL;
}

/* ---- the database ---- */

static bool describe_database(struct job *job, PGconn *conn, struct manifest *manifest)
{
    PGresult *rows = job_pg_run(job, conn, "looking at the database", database_sql, 0, NULL);

    if (!rows)
        return false;
    if (PQntuples(rows) != 1) {
        PQclear(rows);
        return job_fail(job, "the database %s has gone while it was looked at", manifest->database);
    }
    manifest->owner = value(rows, 0, 0);
    manifest->encoding = value(rows, 0, 1);
    manifest->collate = value(rows, 0, 2);
    manifest->ctype = value(rows, 0, 3);
    manifest->locale_provider = value(rows, 0, 4);
    manifest->locale = value(rows, 0, 5);
    manifest->database_size = number(rows, 0, 6);
    manifest->large_objects = number(rows, 0, 7);
    PQclear(rows);
    return true;
}

static bool count_rows(struct job *job, PGconn *conn, const PGresult *tables,
                       struct manifest *manifest)
{
    job->info.items_total = (double)manifest->count;
    for (size_t i = 0; i < manifest->count; i++) {
        PGresult *rows;

        job->info.items = (double)i;
        job_report(job, NULL);
        rows = job_pg_run(job, conn, "counting rows", PQgetvalue(tables, (int)i, 2), 0, NULL);
        if (!rows || PQntuples(rows) != 1) {
            PQclear(rows);
            return false;
        }
        manifest->tables[i].rows = number(rows, 0, 0);
        PQclear(rows);
    }
    manifest->counted = true;
    return true;
}

static bool describe_tables(struct job *job, PGconn *conn, bool count, struct manifest *manifest)
{
    PGresult *rows = job_pg_run(job, conn, "looking at the tables", tables_sql, 0, NULL);
    bool done = true;

    if (!rows)
        return false;
    manifest->count = (size_t)PQntuples(rows);
    manifest->tables = mem_array(NULL, manifest->count, sizeof(*manifest->tables));
    for (size_t i = 0; i < manifest->count; i++)
        manifest->tables[i] = (struct manifest_table){
            .schema = value(rows, (int)i, 0), .name = value(rows, (int)i, 1), .rows = -1};
    manifest->table_count = (int64_t)manifest->count;
    if (count) {
        char *phase = mem_printf("counting the rows of %s", manifest->database);

        job_report(job, phase);
        free(phase);
        done = count_rows(job, conn, rows, manifest);
    }
    PQclear(rows);
    return done;
}

/* pg_dump refuses to dump what row security would hide: the counts must not differ silently. */
static bool begin(struct job *job, struct backup_source *source)
{
    PGresult *rows;

    if (!run(job, source->conn, "preparing the snapshot", limits_sql) ||
        !run(job, source->conn, "preparing the snapshot", "SET row_security = off") ||
        !run(job, source->conn, "preparing the snapshot",
             "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        return false;
    rows = job_pg_run(job, source->conn, "exporting the snapshot",
                      "SELECT pg_catalog.pg_export_snapshot()", 0, NULL);
    if (rows && PQntuples(rows) == 1)
        source->snapshot = value(rows, 0, 0);
    PQclear(rows);
    return source->snapshot != NULL;
}

/* Names come as UTF-8, which the manifest is written in; a database without an encoding gives them
 * as they are. */
static bool set_encoding(struct job *job, PGconn *conn)
{
    const char *server = PQparameterStatus(conn, "server_encoding");
    const char *wanted = server && strcmp(server, "SQL_ASCII") == 0 ? "SQL_ASCII" : "UTF8";

    if (PQsetClientEncoding(conn, wanted) == 0)
        return true;
    return job_fail(job, "cannot set the encoding: %s", PQerrorMessage(conn));
}

bool backup_source_open(struct job *job, const char *database, bool count,
                        struct backup_source *source, struct manifest *manifest)
{
    *source = (struct backup_source){.conn = job_pg_open(job, database)};
    manifest->database = mem_strdup(database);
    return source->conn && set_encoding(job, source->conn) &&
           describe_server(job, source->conn, manifest) && begin(job, source) &&
           describe_database(job, source->conn, manifest) &&
           describe_tables(job, source->conn, count, manifest);
}

void backup_source_close(struct backup_source *source)
{
    if (source->conn)
        job_pg_close(source->conn);
    free(source->snapshot);
    *source = (struct backup_source){0};
}

bool backup_globals_describe(struct job *job, struct manifest *manifest, bool *passwords,
                             char **database)
{
    PGconn *conn = job_pg_open(job, NULL);
    PGresult *rows = NULL;

    *database = conn ? mem_strdup(PQdb(conn)) : NULL;
    if (conn && describe_server(job, conn, manifest))
        rows = job_pg_run(job, conn, "looking at the roles",
                          "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')",
                          0, NULL);
    *passwords = rows && PQntuples(rows) == 1 && strcmp(PQgetvalue(rows, 0, 0), "t") == 0;
    PQclear(rows);
    if (conn)
        job_pg_close(conn);
    return rows != NULL;
}
