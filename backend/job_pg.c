/* PostgreSQL from a job's process: it waits, but never longer than a cancel. */
#include "backend/base/mem.h"
#include "backend/container_place.h"
#include "backend/envfile.h"
#include "backend/job_internal.h"
#include "backend/pg_error.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TURN_MS = 100,
    CANCEL_MS = 3000, /* for the server to let go */
    END_MS = 4000,
};

static const char cancelled_text[] = "cancelled";

/* ---- waiting ---- */

struct patience {
    struct job *heed;
    int64_t until; /* 0: for ever */
};

static struct patience patience_of(struct job *heed, int ms)
{
    return (struct patience){heed, ms ? job_clock() + ms : 0};
}

/* Why one should wait no longer, or NULL. */
static const char *out_of_patience(const struct patience *patience)
{
    if (patience->heed && job_cancelled(patience->heed))
        return cancelled_text;
    if (patience->until && job_clock() >= patience->until)
        return "the server did not answer in time";
    return NULL;
}

/* Waits for the socket. NULL: it is ready; else why it is not waited for. */
static const char *wait_for(const PGconn *conn, short events, const struct patience *patience)
{
    struct pollfd socket = {.fd = PQsocket(conn), .events = events};
    const char *why = out_of_patience(patience);

    while (!why && poll(&socket, 1, TURN_MS) <= 0)
        why = out_of_patience(patience);
    return why;
}

/* ---- connecting ---- */

static PGconn *start_connect(const struct postgres_config *config, const char *database,
                             const char *password, const char *application)
{
    const char *keywords[8] = {"keepalives_idle", "dbname"}, *values[8] = {"15", config->conninfo};
    size_t count = 2;

    if (database) {
        keywords[count] = "dbname";
        values[count++] = database;
    }
    if (password) {
        keywords[count] = "password";
        values[count++] = password;
    }
    keywords[count] = "application_name";
    values[count] = application;
    return PQconnectStartParams(keywords, values, 1);
}

static const char *complete_connect(PGconn *conn, const struct patience *patience)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    const char *why = NULL;

    if (PQstatus(conn) == CONNECTION_BAD)
        return NULL;
    while (!why && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        why = wait_for(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, patience);
        if (!why)
            state = PQconnectPoll(conn);
    }
    return why;
}

/* "could not connect: why: mend" */
static char *connect_error(const PGconn *conn, const struct postgres_config *config,
                           const char *why)
{
    char *line = why ? mem_strdup(why) : pg_error_line(PQerrorMessage(conn));
    char *hint = pg_error_hint(line, config);
    char *text = mem_printf("%s: %s%s%s", config->name, line, hint ? ": " : "", hint ? hint : "");

    free(line);
    free(hint);
    return text;
}

PGconn *job_pg_connect(struct job *heed, const struct postgres_config *config, const char *database,
                       const char *application, int ms, char **error)
{
    const struct patience patience = patience_of(heed, ms);
    char *password = NULL, *unknown = NULL;
    const char *why;
    PGconn *conn;

    *error = NULL;
    if (!container_postgres_is_known(config, &unknown)) {
        *error = mem_printf("%s: %s", config->name, unknown);
        free(unknown);
        return NULL;
    }
    if (config->env_file && *config->env_file)
        password = envfile_read(config->env_file, config->password_key, error);
    if (*error)
        return NULL;
    conn = start_connect(config, database, password, application);
    if (password)
        mem_free_secret(password, strlen(password));
    why = complete_connect(conn, &patience);
    if (!why && PQstatus(conn) == CONNECTION_OK)
        return conn;
    *error = connect_error(conn, config, why);
    PQfinish(conn);
    return NULL;
}

/* ---- asking ---- */

/* PQcancel waits for the server, which may be the one that hangs: it gets a thread of its own. */
static void *send_cancel(void *context)
{
    char room[256];

    PQcancel(context, room, sizeof(room));
    PQfreeCancel(context);
    return NULL;
}

static void cancel_query(PGconn *conn)
{
    PGcancel *cancel = PQgetCancel(conn);
    pthread_t thread;

    if (!cancel)
        return;
    if (pthread_create(&thread, NULL, send_cancel, cancel) == 0)
        pthread_detach(thread);
    else
        PQfreeCancel(cancel);
}

/* Writes what is to be sent and reads until a result is there. */
static const char *wait_result(PGconn *conn, const struct patience *patience)
{
    int unsent = PQflush(conn);
    const char *why = NULL;

    while (!why && unsent >= 0 && (unsent || PQisBusy(conn))) {
        why = wait_for(conn, (short)(POLLIN | (unsent ? POLLOUT : 0)), patience);
        if (why || !PQconsumeInput(conn))
            break;
        unsent = PQflush(conn);
    }
    return why;
}

/* The last result, or that of the first error. A COPY is none of ours and ends the loop. */
static const char *collect(PGconn *conn, const struct patience *patience, PGresult **result)
{
    const char *why;
    PGresult *next;

    while (!(why = wait_result(conn, patience)) && (next = PQgetResult(conn))) {
        ExecStatusType status = PQresultStatus(next);
        bool first_error = *result && PQresultStatus(*result) == PGRES_FATAL_ERROR;

        PQclear(first_error ? next : *result);
        *result = first_error ? *result : next;
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            break;
    }
    return why;
}

static char *result_error(const PGconn *conn, const PGresult *result)
{
    if (result && PQresultStatus(result) == PGRES_FATAL_ERROR)
        return pg_error_result(result);
    if (result)
        return mem_strdup("the server's answer is of another kind");
    return pg_error_line(PQerrorMessage(conn));
}

PGresult *job_pg_ask(struct job *heed, PGconn *conn, const char *sql, int count,
                     const char *const *values, int ms, char **error)
{
    const struct patience patience = patience_of(heed, ms), rest = {0};
    PGresult *result = NULL;
    const char *why = NULL;
    int sent = count ? PQsendQueryParams(conn, sql, count, NULL, values, NULL, NULL, 0)
                     : PQsendQuery(conn, sql);

    *error = NULL;
    if (sent)
        why = collect(conn, &patience, &result);
    if (why) {
        struct patience end = rest;

        end.until = job_clock() + CANCEL_MS;
        cancel_query(conn);
        collect(conn, &end, &result);
    }
    if (sent && !why && result &&
        (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK))
        return result;
    *error = why ? mem_strdup(why) : result_error(conn, result);
    PQclear(result);
    return NULL;
}

/* ---- for the works ---- */

/* What a role or a database may have set must not end a job that takes long. */
static bool unlimit(struct job *job, PGconn *conn)
{
    static const char sql[] = "SET statement_timeout = 0; SET lock_timeout = 0; "
                              "SET idle_in_transaction_session_timeout = 0";
    PGresult *result = job_pg_run(job, conn, "set up the session", sql, 0, NULL);
    bool done = result != NULL;

    PQclear(result);
    if (done && PQserverVersion(conn) >= 140000)
        PQclear(PQexec(conn, "SET idle_session_timeout = 0"));
    return done;
}

PGconn *job_pg_open(struct job *job, const char *database)
{
    char *application = job_application(job), *error = NULL;
    PGconn *conn;

    job_process_of(job)->sessions = true;
    conn = job_pg_connect(job, job->postgres, database, application, 0, &error);
    free(application);
    if (!conn)
        job_fail(job, "%s", error);
    free(error);
    if (conn && unlimit(job, conn))
        return conn;
    PQfinish(conn);
    return NULL;
}

void job_pg_close(PGconn *conn)
{
    PQfinish(conn);
}

PGresult *job_pg_run(struct job *job, PGconn *conn, const char *what, const char *sql, int count,
                     const char *const *values)
{
    char *error = NULL;
    PGresult *result = job_pg_ask(job, conn, sql, count, values, 0, &error);

    if (!result)
        job_fail(job, "%s: %s", what, error);
    free(error);
    return result;
}

int job_pg_major(struct job *job)
{
    struct job_process *process = job_process_of(job);
    PGconn *conn;

    if (process->server_major)
        return process->server_major;
    conn = job_pg_open(job, NULL);
    if (conn)
        process->server_major = PQserverVersion(conn) / 10000;
    PQfinish(conn);
    return process->server_major;
}

/* How many of its sessions were there, and told to end; -1: not known. */
static int end_sessions_once(PGconn *conn, const char *application)
{
    static const char sql[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE application_name = $1 AND pid <> pg_backend_pid()";
    const char *values[] = {application};
    char *error = NULL;
    PGresult *result = job_pg_ask(NULL, conn, sql, 1, values, END_MS, &error);
    int count = result ? PQntuples(result) : -1;

    PQclear(result);
    free(error);
    return count;
}

void job_pg_end_sessions(struct job *job)
{
    const struct timespec tick = {0, 20000000};
    int64_t until = job_clock() + END_MS;
    char *application, *error = NULL;
    PGconn *conn;

    if (!job->postgres)
        return;
    conn = job_pg_connect(NULL, job->postgres, NULL, "sharedtop", END_MS, &error);
    application = job_application(job);
    if (error)
        job_log(job, error, strlen(error));
    while (conn && job_clock() < until && end_sessions_once(conn, application) > 0)
        nanosleep(&tick, NULL);
    free(application);
    free(error);
    PQfinish(conn);
}
