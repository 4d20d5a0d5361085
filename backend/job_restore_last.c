/* The last step is short and must not be left half told: no cancel interrupts it, and what the server
 * has counts, not what was heard of it. */
#include "backend/act_restore_sql.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/job_restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 20000, CONNECT_MS = 20000 };

static PGresult *ask(const struct restoring *restoring, const char *sql, int count,
                     const char *const *values, char **error)
{
    return job_pg_ask(NULL, restoring->conn, sql, count, values, STEP_MS, error);
}

/* A script of act_restore_sql.h: made by the server, then run. NULL, or why not. */
static char *run_script(const struct restoring *restoring, const char *sql, int count,
                        const char *const *values)
{
    char *error = NULL;
    PGresult *made = ask(restoring, sql, count, values, &error);

    if (made)
        PQclear(ask(restoring, PQgetvalue(made, 0, 0), 0, NULL, &error));
    PQclear(made);
    return error;
}

/* ---- a name of its own ---- */

static char *run_with_names(const struct restoring *restoring, const char *format)
{
    PGconn *conn = restoring->conn;
    char *temporary = PQescapeIdentifier(conn, restoring->temporary, strlen(restoring->temporary));
    char *target = PQescapeIdentifier(conn, restoring->target, strlen(restoring->target));
    char *sql = mem_printf(format, temporary, target), *error = NULL;

    PQclear(ask(restoring, sql, 0, NULL, &error));
    PQfreemem(temporary);
    PQfreemem(target);
    free(sql);
    return error;
}

static char *rename_new(const struct restoring *restoring)
{
    const char *values[] = {restoring->like, restoring->temporary};
    char *error = restoring->like
                      ? run_script(restoring, restore_like_sql, 2, values)
                      : run_with_names(restoring, "GRANT CONNECT ON DATABASE %s TO PUBLIC");

    return error ? error : run_with_names(restoring, "ALTER DATABASE %s RENAME TO %s");
}

/* ---- the place of another ---- */

static void read_ended(struct restoring *restoring)
{
    char *error = NULL;
    PGresult *result =
        ask(restoring, "SELECT current_setting('" RESTORE_ENDED "', true)", 0, NULL, &error);

    if (result && PQntuples(result) == 1)
        snprintf(restoring->ended, sizeof(restoring->ended), "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    free(error);
}

static char *swap(struct restoring *restoring)
{
    const char *values[] = {restoring->target, restoring->kept, restoring->temporary,
                            restoring->like, restoring->oid};
    char *error = run_script(restoring, restore_swap_sql, 5, values);

    if (!error)
        read_ended(restoring);
    return error;
}

/* ---- the truth ---- */

/* Lets connections in again where the script could not do so itself. */
static void mend(const struct restoring *restoring, const PGresult *rows)
{
    char *error = NULL;

    for (int row = 0; row < PQntuples(rows); row++) {
        if (*PQgetvalue(rows, row, 1))
            PQclear(ask(restoring, PQgetvalue(rows, row, 1), 0, NULL, &error));
        free(error);
        error = NULL;
    }
}

/* Whether it has its name after all: no session of ours goes on by now. */
static bool has_happened(struct restoring *restoring)
{
    struct job *job = restoring->job;
    const char *values[] = {restoring->target, restoring->oid,
                            restoring->kept ? restoring->like : NULL};
    char *error = NULL;
    PGresult *rows = NULL;
    bool happened;

    job_pg_close(restoring->conn);
    job_pg_end_sessions(job);
    restoring->conn = job_pg_connect(NULL, job->postgres, restoring->maintenance, "sharedtop",
                                     CONNECT_MS, &error);
    if (restoring->conn)
        rows = ask(restoring, restore_settle_sql, 3, values, &error);
    happened = rows && PQntuples(rows) > 0 && *PQgetvalue(rows, 0, 0) == 't';
    mend(restoring, rows);
    PQclear(rows);
    free(error);
    return happened;
}

bool restoring_publish(struct restoring *restoring)
{
    char *error = restoring->kept ? swap(restoring) : rename_new(restoring);
    bool good = !error || has_happened(restoring);

    if (!good)
        job_fail(restoring->job, "%s could not be given its name: %s", restoring->target, error);
    free(error);
    return good;
}
