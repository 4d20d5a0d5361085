#include "backend/job_restore.h"

#include "backend/act_restore_sql.h"
#include "backend/base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What pg_dump calls a TABLE, outside of extensions. */
static const char tables_sql[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
    "  AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')";

/* Dumps before this format have an entry for each large object. */
enum { FORMAT_GROUPED_BLOBS = 16 };

static const char replacement[] = "\xef\xbf\xbd"; /* a byte that was no UTF-8 when it was written */

static bool count_of(struct restoring *restoring, PGconn *conn, const char *what, const char *sql,
                     int64_t *count)
{
    char *value = restoring_value(restoring, conn, what, sql, NULL, NULL);

    if (value)
        *count = strtoll(value, NULL, 10);
    free(value);
    return value != NULL;
}

static bool compare(struct restoring *restoring, const char *what, int64_t found, int64_t expected)
{
    return found == expected || job_fail(restoring->job,
                                         "%s: there are %" PRId64 " %s, but the dump holds %" PRId64
                                         "; nothing was kept",
                                         restoring->file.path, found, what, expected);
}

static bool check_tables(struct restoring *restoring, PGconn *conn)
{
    const struct dump *dump = &restoring->file.dump;

    if (!count_of(restoring, conn, "count the tables", tables_sql, &restoring->tables))
        return false;
    return !dump->listed || compare(restoring, "tables", restoring->tables, (int64_t)dump->tables);
}

static bool check_blobs(struct restoring *restoring, PGconn *conn)
{
    const struct dump *dump = &restoring->file.dump;
    int64_t expected = restoring->file.manifest.large_objects;

    if (!count_of(restoring, conn, "count the large objects",
                  "SELECT count(*) FROM pg_largeobject_metadata", &restoring->blobs))
        return false;
    if (expected < 0 && dump->listed && dump->minor < FORMAT_GROUPED_BLOBS)
        expected = (int64_t)dump->blobs;
    return expected < 0 || compare(restoring, "large objects", restoring->blobs, expected);
}

/* Its rows, as its manifest has counted them. */
static bool check_table(struct restoring *restoring, PGconn *conn,
                        const struct manifest_table *table)
{
    char *schema = PQescapeIdentifier(conn, table->schema, strlen(table->schema));
    char *name = PQescapeIdentifier(conn, table->name, strlen(table->name));
    char *sql = mem_printf("SELECT count(*) FROM ONLY %s.%s", schema ? schema : "\"\"",
                           name ? name : "\"\"");
    char *what = mem_printf("count the rows of %s.%s", table->schema, table->name);
    int64_t rows = 0;
    bool good = count_of(restoring, conn, what, sql, &rows);

    if (good && rows != table->rows)
        good = job_fail(restoring->job,
                        "%s: %s.%s has %" PRId64 " rows, but its manifest says %" PRId64
                        "; nothing was kept",
                        restoring->file.path, table->schema, table->name, rows, table->rows);
    restoring->rows += good ? rows : 0;
    PQfreemem(schema);
    PQfreemem(name);
    free(sql);
    free(what);
    return good;
}

static bool can_ask(const struct manifest_table *table)
{
    return table->rows >= 0 && table->schema && table->name &&
           !strstr(table->schema, replacement) && !strstr(table->name, replacement);
}

static bool check_rows(struct restoring *restoring, PGconn *conn)
{
    const struct manifest *manifest = &restoring->file.manifest;
    struct job_info *info = &restoring->job->info;

    if (!manifest->counted)
        return true;
    restoring->rows = 0;
    info->items_total = (double)manifest->count;
    for (size_t i = 0; i < manifest->count; i++) {
        info->items = (double)i;
        job_report(restoring->job, NULL);
        if (can_ask(&manifest->tables[i]) && !check_table(restoring, conn, &manifest->tables[i]))
            return false;
    }
    info->items = info->items_total;
    return true;
}

static bool analyze(struct restoring *restoring, PGconn *conn)
{
    PGresult *result;

    job_report(restoring->job, "analysing");
    result = job_pg_run(restoring->job, conn, "analyse the new database", "ANALYZE", 0, NULL);
    PQclear(result);
    return result != NULL;
}

/* A manifest is UTF-8, whatever the database is. */
bool restoring_check(struct restoring *restoring)
{
    PGconn *conn = job_pg_open(restoring->job, restoring->temporary);
    PGresult *result;
    bool good;

    if (!conn)
        return false;
    result = job_pg_run(restoring->job, conn, "set up the session",
                        "SELECT set_config('search_path', '', false),"
                        " set_config('client_encoding', 'UTF8', false)",
                        0, NULL);
    good = result && check_tables(restoring, conn) && check_blobs(restoring, conn) &&
           check_rows(restoring, conn) && analyze(restoring, conn);
    PQclear(result);
    job_pg_close(conn);
    return good;
}
