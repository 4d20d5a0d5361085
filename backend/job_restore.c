/* A restore's own process. Nothing has the wanted name before all of it is there and compared; until
 * then it is in a database of this job's own name, which goes again if anything fails. */
#include "backend/job_restore.h"

#include "backend/act_restore_sql.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DROP_MS = 20000,      /* for a drop, which waits for the sessions that it ends */
    DROP_TRIES_MS = 30000 /* a server that comes back within this finds its clutter removed */
};

static const char *parameter(const struct job *job, const char *name)
{
    return json_string_value(json_object_get(job->parameters, name));
}

/* ---- statements ---- */

/* With the name of a database quoted in the place of the %s of format. */
static bool run_named(struct restoring *restoring, const char *what, const char *format,
                      const char *name)
{
    char *quoted = PQescapeIdentifier(restoring->conn, name, strlen(name));
    char *sql = mem_printf(format, quoted);
    PGresult *result = job_pg_run(restoring->job, restoring->conn, what, sql, 0, NULL);

    PQclear(result);
    PQfreemem(quoted);
    free(sql);
    return result != NULL;
}

char *restoring_value(struct restoring *restoring, PGconn *conn, const char *what, const char *sql,
                      const char *one, const char *two)
{
    const char *values[] = {one, two};
    PGresult *result = job_pg_run(restoring->job, conn, what, sql, two ? 2 : one ? 1 : 0, values);
    char *value = NULL;

    if (result && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        value = mem_strdup(PQgetvalue(result, 0, 0));
    else if (result)
        job_fail(restoring->job, "%s: it is not there", what);
    PQclear(result);
    return value;
}

/* ---- the file ---- */

static bool is_cancelled(void *context)
{
    return job_cancelled(context);
}

static bool open_file(struct restoring *restoring)
{
    struct job *job = restoring->job;
    const char *path = parameter(job, "file"), *identity = parameter(job, "identity");
    char *error = restore_file_open(path, &restoring->file, &restoring->fd);

    if (error) {
        job_fail(job, "%s", error);
        free(error);
        return false;
    }
    if (!identity || strcmp(identity, restoring->file.identity) != 0)
        return job_fail(job, "%s has changed since it was looked at: begin anew", path);
    job->info.bytes_total = (double)restoring->file.bytes;
    return true;
}

static bool compare_hash(struct restoring *restoring)
{
    const char *expected = restoring->file.manifest.sha256;
    char hex[65];

    if (!expected)
        return true;
    if (!sha256_file(restoring->fd, hex, is_cancelled, restoring->job))
        return job_fail(restoring->job, "%s: %s", restoring->file.path, strerror(errno));
    if (strcasecmp(hex, expected) != 0)
        return job_fail(restoring->job,
                        "%s is not what was written: its SHA-256 is %s, its manifest says %s; copy "
                        "it again, or take another backup",
                        restoring->file.path, hex, expected);
    return true;
}

/* ---- pg_restore ---- */

static void on_line(struct job *job, const char *line, void *context)
{
    struct restoring *restoring = context;

    if (strstr(line, "unsupported version"))
        restoring->unsupported = true;
    if (strstr(line, "processing data for table ") && job->info.items < job->info.items_total)
        job->info.items++;
}

/* The tool reads through our own description of the file: where it is, is ours to see. */
static void on_tick(struct job *job, void *context)
{
    const struct restoring *restoring = context;

    job->info.bytes = (double)lseek(restoring->fd, 0, SEEK_CUR);
    job_report(job, NULL);
}

static bool run_tool(struct restoring *restoring, const char *database, const char *const *words)
{
    struct job *job = restoring->job;
    const struct job_run run = {
        .in = restoring->fd, .out = -1, .line = on_line, .tick = on_tick, .context = restoring};
    struct job_tool tool;
    bool good;

    if (lseek(restoring->fd, 0, SEEK_SET) != 0)
        return job_fail(job, "%s: %s", restoring->file.path, strerror(errno));
    if (!job_tool_new(job, &tool, "pg_restore", database, words))
        return false;
    good = job_tool_run(job, &tool, &run);
    job_tool_free(&tool);
    return good;
}

/* Puts text before the reason that was noted. Always false. */
static bool fail_with(struct restoring *restoring, char *text)
{
    struct job_process *process = job_process_of(restoring->job);
    char *why = process->failure;

    process->failure = NULL;
    job_fail(restoring->job, "%s%s%s", text, why ? ": " : "", why ? why : "");
    free(why);
    free(text);
    return false;
}

static bool explain_version(struct restoring *restoring)
{
    const struct dump *dump = &restoring->file.dump;
    const int oldest = dump_oldest_tool(dump);
    char *path = restoring->file.path;

    if (oldest)
        return fail_with(restoring,
                         mem_printf("%s is of format %d.%d, which needs pg_restore %d or newer",
                                    path, dump->major, dump->minor, oldest));
    return fail_with(restoring, mem_printf("%s is of format %d.%d, which needs a newer pg_restore",
                                           path, dump->major, dump->minor));
}

/* All of it is read and decompressed, before anything is made on the server. */
static bool read_whole(struct restoring *restoring)
{
    static const char *const words[] = {"--file=/dev/null", NULL};

    if (run_tool(restoring, NULL, words))
        return true;
    if (job_cancelled(restoring->job))
        return false;
    if (restoring->unsupported)
        return explain_version(restoring);
    return fail_with(restoring, mem_printf("%s cannot be restored", restoring->file.path));
}

static bool restore_data(struct restoring *restoring)
{
    const char *words[6] = {"--exit-on-error", "--verbose"};
    struct job *job = restoring->job;
    char *role = restoring->role ? mem_printf("--role=%s", restoring->role) : NULL;
    size_t count = 2;
    bool good;

    if (role) {
        words[count++] = "--no-owner";
        words[count++] = role;
    }
    if (restoring->no_acl)
        words[count++] = "--no-acl";
    job->info.items = 0;
    job->info.items_total = restoring->file.dump.listed ? (double)restoring->file.dump.data : -1;
    good = run_tool(restoring, restoring->temporary, words);
    free(role);
    if (good && job->info.items_total >= 0)
        job->info.items = job->info.items_total;
    return good || job_cancelled(job) ||
           fail_with(restoring, mem_printf("%s could not be restored", restoring->file.path));
}

/* ---- the temporary database ---- */

static bool connect_server(struct restoring *restoring)
{
    PGresult *result;

    restoring->conn = job_pg_open(restoring->job, restoring->maintenance);
    if (!restoring->conn)
        return false;
    result = job_pg_run(restoring->job, restoring->conn, "set up the session",
                        "SET search_path TO ''", 0, NULL);
    PQclear(result);
    return result != NULL;
}

/* Between the plan and now the name may have got another meaning. */
static bool check_target(struct restoring *restoring)
{
    static const char sql[] =
        "SELECT coalesce((SELECT oid::text FROM pg_database WHERE datname = $1), '')";
    char *oid = restoring_value(restoring, restoring->conn, "look for the database", sql,
                                restoring->target, NULL);
    bool good = oid != NULL;

    if (oid && !restoring->kept && *oid)
        good = job_fail(restoring->job, "there is a database '%s' by now: begin anew",
                        restoring->target);
    if (oid && restoring->kept && (!restoring->like || strcmp(oid, restoring->like) != 0))
        good = job_fail(restoring->job, "database '%s' is another one by now: begin anew",
                        restoring->target);
    free(oid);
    return good;
}

/* What a restore has left whose process was killed, on a server that it could not reach. */
static bool is_clutter(const struct job_info *info, const struct job *job)
{
    return info->act == ACT_RESTORE && job_state_ended(info->state) && info->instance &&
           job->info.instance && strcmp(info->instance, job->info.instance) == 0;
}

static bool drop_clutter(struct restoring *restoring)
{
    struct job_list list = {0};
    char *error = NULL;
    bool good = true;

    if (!job_list_read(&list, &error)) {
        job_log(restoring->job, error, strlen(error));
        free(error);
        return true;
    }
    for (size_t i = 0; i < list.count && good; i++) {
        char *name;

        if (!is_clutter(&list.items[i], restoring->job))
            continue;
        name = mem_printf(RESTORE_PREFIX "%s", list.items[i].id);
        good = run_named(restoring, "drop what an earlier restore has left",
                         "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
        free(name);
    }
    job_list_free(&list);
    return good;
}

static bool create(struct restoring *restoring)
{
    const char *sql = parameter(restoring->job, "create");
    PGresult *result;
    char *oid;

    if (!sql || !drop_clutter(restoring))
        return false;
    restoring->created = true; /* even if it fails: a cancel may come too late for the server */
    result = job_pg_run(restoring->job, restoring->conn, "create the database", sql, 0, NULL);
    PQclear(result);
    if (!result || !run_named(restoring, "keep others out of the new database",
                              "REVOKE CONNECT ON DATABASE %s FROM PUBLIC", restoring->temporary))
        return false;
    oid = restoring_value(restoring, restoring->conn, "look for the new database",
                          "SELECT oid FROM pg_database WHERE datname = $1", restoring->temporary,
                          NULL);
    if (oid)
        snprintf(restoring->oid, sizeof(restoring->oid), "%s", oid);
    free(oid);
    return oid != NULL;
}

/* ---- if it fails ---- */

/* NULL: it is gone; else why not. */
static char *drop_once(struct restoring *restoring)
{
    char *error = NULL, *name, *sql;
    PGresult *result;

    if (PQstatus(restoring->conn) != CONNECTION_OK) {
        job_pg_close(restoring->conn);
        restoring->conn = job_pg_connect(NULL, restoring->job->postgres, restoring->maintenance,
                                         "sharedtop", DROP_MS, &error);
        if (!restoring->conn)
            return error;
    }
    name = PQescapeIdentifier(restoring->conn, restoring->temporary, strlen(restoring->temporary));
    sql = mem_printf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    result = job_pg_ask(NULL, restoring->conn, sql, 0, NULL, DROP_MS, &error);
    PQclear(result);
    PQfreemem(name);
    free(sql);
    return error;
}

/* Takes the temporary database away, whatever became of the cancel or the server. */
static void clean_up(struct restoring *restoring)
{
    const int64_t until = job_clock() + DROP_TRIES_MS;
    struct job *job = restoring->job;
    char *error;

    if (!restoring->created)
        return;
    job_report(job, "dropping the temporary database");
    while ((error = drop_once(restoring)) && job_clock() < until) {
        job_log(job, error, strlen(error));
        free(error);
        nanosleep(&(const struct timespec){0, 300000000}, NULL);
    }
    if (!error)
        return;
    job_log(job, error, strlen(error));
    free(job->info.result); /* of a cancel */
    job->info.result = mem_printf("cancelled; the temporary database is still there (%s): DROP "
                                  "DATABASE \"%s\"",
                                  error, restoring->temporary);
    if (!job_cancelled(job))
        fail_with(restoring, mem_printf("the temporary database is still there (%s; DROP DATABASE "
                                        "\"%s\")",
                                        error, restoring->temporary));
    free(error);
}

/* ---- the whole ---- */

struct step {
    const char *phase;
    bool (*run)(struct restoring *restoring);
};

static const struct step steps[] = {
    {"looking at the file", open_file},
    {"comparing its SHA-256", compare_hash},
    {"reading the whole file", read_whole},
    {"connecting", connect_server},
    {"looking for the database", check_target},
    {"creating the database", create},
    {"restoring", restore_data},
    {"comparing tables and rows", restoring_check},
    {"giving it its name", restoring_publish},
};

static void tell(struct restoring *restoring)
{
    struct job_info *info = &restoring->job->info;
    struct strbuf text = {0};

    strbuf_addf(&text, "restored %s: %" PRId64 " tables", restoring->target, restoring->tables);
    if (restoring->rows >= 0)
        strbuf_addf(&text, ", %" PRId64 " rows as in the manifest", restoring->rows);
    if (restoring->blobs > 0)
        strbuf_addf(&text, ", %" PRId64 " large objects", restoring->blobs);
    if (restoring->role)
        strbuf_addf(&text, "; all belongs to %s", restoring->role);
    if (restoring->no_acl)
        strbuf_adds(&text, "; without grants");
    if (restoring->kept)
        strbuf_addf(&text, "; what was there is %s (%s sessions were ended): drop it by hand",
                    restoring->kept, *restoring->ended ? restoring->ended : "its");
    free(info->result);
    info->result = strbuf_take(&text);
    info->made = mem_strdup(restoring->target);
    info->offer = mem_strdup(parameter(restoring->job, "offer"));
}

static bool run_steps(struct restoring *restoring)
{
    struct job *job = restoring->job;

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (job_cancelled(job))
            return false;
        job_report(job, steps[i].phase);
        if (!steps[i].run(restoring))
            return false;
    }
    return true;
}

static bool run(struct job *job)
{
    struct restoring restoring = {.job = job,
                                  .target = parameter(job, "target"),
                                  .maintenance = parameter(job, "maintenance"),
                                  .kept = parameter(job, "kept"),
                                  .like = parameter(job, "like"),
                                  .role = parameter(job, "role"),
                                  .no_acl =
                                      json_is_true(json_object_get(job->parameters, "no_acl")),
                                  .fd = -1,
                                  .rows = -1,
                                  .blobs = -1,
                                  .temporary = mem_printf(RESTORE_PREFIX "%s", job->id)};
    bool done;

    setenv("LC_ALL", "C", 1); /* the tools' words are looked at */
    manifest_init(&restoring.file.manifest);
    job->info.file = mem_strdup(parameter(job, "file"));
    if (!job->info.file || !restoring.target || !job->postgres) {
        free(restoring.temporary);
        return job_fail(job, "its spec.json names no file, target or server");
    }
    done = run_steps(&restoring);
    if (done) {
        tell(&restoring);
    } else {
        free(job->info.result);
        job->info.result = mem_strdup("cancelled; nothing was left on the server");
        clean_up(&restoring);
    }
    job_pg_close(restoring.conn);
    if (restoring.fd >= 0)
        close(restoring.fd);
    restore_file_free(&restoring.file);
    free(restoring.temporary);
    return done;
}

const struct job_work job_restore = {.act = ACT_RESTORE, .run = run};
