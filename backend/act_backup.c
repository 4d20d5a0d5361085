/* Backup: what it would load and where it would write, then a job (job_backup.c). */
#include "backend/action_impl.h"
#include "backend/backup_plan.h"
#include "backend/backup_survey.h"
#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/job.h"
#include "backend/pg_instance.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_MS = 15000 };

/* What the thread looks at and finds; it outlives an action that goes meanwhile. */
struct backup_work {
    struct action *action; /* NULL: it has gone */
    struct actions *door;
    char *folder;
    struct backup_survey survey;
    uv_work_t work;
    bool running;
};

/* $1: the database, null for all; $2: whether to measure, which may take long. A row is a database;
 * the wanted ones come first. */
static const char sql[] =
    "SELECT d.datname, coalesce(d.datname::pg_catalog.text = $1, d.datallowconn AND NOT "
    "d.datistemplate) AS wanted,"
    " d.datallowconn,"
    " pg_catalog.has_database_privilege(d.oid, 'CONNECT'),"
    " CASE WHEN $2::pg_catalog.bool"
    "  AND coalesce(d.datname::pg_catalog.text = $1, d.datallowconn AND NOT d.datistemplate)"
    "  AND (pg_catalog.has_database_privilege(d.oid, 'CONNECT')"
    "   OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))"
    "  THEN pg_catalog.pg_database_size(d.oid) END,"
    " CASE WHEN d.datname = pg_catalog.current_database() THEN ("
    "  SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
    "  AND n.nspname NOT IN ('pg_catalog', 'information_schema')) END,"
    " pg_catalog.current_setting('server_version_num'), pg_catalog.pg_is_in_recovery(),"
    " pg_catalog.current_setting('is_superuser'), session_user, pg_catalog.current_database(),"
    " pg_catalog.current_setting('server_version')"
    " FROM pg_catalog.pg_database d ORDER BY 2 DESC, 1";

enum {
    NAME,
    WANTED,
    ALLOWED,
    MAY_CONNECT,
    SIZE,
    TABLES,
    VERSION,
    REPLICA,
    SUPERUSER,
    USER,
    DATABASE,
    VERSION_TEXT,
    COLUMNS
};

static bool is_true(const PGresult *rows, int row, int column)
{
    return strcmp(PQgetvalue(rows, row, column), "t") == 0;
}

static double number(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? -1 : strtod(PQgetvalue(rows, row, column), NULL);
}

/* ---- the folder, on a thread ---- */

static void free_work(struct backup_work *work)
{
    struct actions *door = work->door;

    backup_survey_free(&work->survey);
    for (size_t i = 0; i < work->survey.count; i++)
        free(work->survey.wanted[i].name);
    free(work->survey.wanted);
    free(work->folder);
    free(work);
    actions_release(door);
}

static void run_survey(uv_work_t *request)
{
    struct backup_work *work = request->data;

    backup_survey_run(&work->survey);
}

static void on_surveyed(uv_work_t *request, int status)
{
    struct backup_work *work = request->data;

    work->running = false;
    if (!work->action)
        free_work(work);
    else if (status != 0)
        action_end(work->action, OUTCOME_FAILED, "the folder could not be looked at: %s",
                   uv_strerror(status));
    else
        backup_plan_complete(work->action);
}

/* An absolute path: the job runs elsewhere. NULL: there is no working directory. */
static char *folder_of(const struct action *action)
{
    const char *wanted = action->request.directory;
    char *here, *path;

    if (!wanted)
        wanted = action->config->backup.directory;
    if (wanted[0] == '/')
        return mem_strdup(wanted);
    here = getcwd(NULL, 0);
    path = here ? mem_printf("%s/%s", here, wanted) : NULL;
    free(here);
    return path;
}

static void start_survey(struct action *action)
{
    struct backup_act *act = action->state;
    struct backup_work *work = act->work;
    int status = uv_queue_work(action->loop, &work->work, run_survey, on_surveyed);

    if (status == 0)
        work->running = true;
    else
        action_end(action, OUTCOME_FAILED, "the folder cannot be looked at: %s",
                   uv_strerror(status));
}

/* ---- the server's answer ---- */

static void ask(struct action *action, bool sizes);

/* Nothing there: the name that may have been meant. */
static void end_unknown(struct action *action, const PGresult *rows)
{
    const size_t count = (size_t)PQntuples(rows);
    const char **names = mem_array(NULL, count, sizeof(*names)), *nearest;

    for (size_t i = 0; i < count; i++)
        names[i] = PQgetvalue(rows, (int)i, NAME);
    nearest = nearest_name(action->request.database, names, count);
    action_end(action, OUTCOME_NOTHING, "there is no database %s%s%s%s", action->request.database,
               nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    free(names);
}

static struct backup_wanted wanted_of(const PGresult *rows, int row)
{
    struct backup_wanted wanted = {.name = mem_strdup(PQgetvalue(rows, row, NAME)),
                                   .size = number(rows, row, SIZE),
                                   .tables = number(rows, row, TABLES),
                                   .may_connect = is_true(rows, row, MAY_CONNECT)};

    manifest_init(&wanted.last);
    return wanted;
}

/* The wanted ones are the first rows. False: the action has ended. */
static bool take_rows(struct action *action, const PGresult *rows)
{
    struct backup_act *act = action->state;
    struct backup_work *work = mem_zalloc(sizeof(*work));
    struct backup_survey *survey = &work->survey;
    const size_t count = (size_t)PQntuples(rows);

    actions_hold(action->door);
    *work = (struct backup_work){.action = action, .door = action->door, .work.data = work};
    act->work = work;
    act->survey = survey;
    work->folder = folder_of(action);
    survey->wanted = mem_array(NULL, count, sizeof(*survey->wanted));
    while (survey->count < count && is_true(rows, (int)survey->count, WANTED)) {
        survey->wanted[survey->count] = wanted_of(rows, (int)survey->count);
        survey->count++;
    }
    survey->folder = work->folder;
    survey->config = action->impl->pub.postgres_config;
    survey->major = atoi(PQgetvalue(rows, 0, VERSION)) / 10000; // NOLINT(cert-err34-c)
    if (work->folder && survey->count)
        return true;
    if (!work->folder)
        action_end(action, OUTCOME_FAILED, "there is no working directory: name a whole path");
    else if (action->request.database)
        end_unknown(action, rows);
    else
        action_end(action, OUTCOME_NOTHING, "there is no database to back up");
    return false;
}

/* json_string gives NULL for a name that is no UTF-8. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    const bool good = string != NULL;

    json_decref(string);
    return good;
}

static void judge_rows(struct action *action, const PGresult *rows)
{
    struct backup_act *act = action->state;

    if (PQntuples(rows) < 1 || PQnfields(rows) != COLUMNS) {
        action_end(action, OUTCOME_FAILED, "the server's answer is of another kind");
        return;
    }
    act->replica = is_true(rows, 0, REPLICA);
    act->superuser = strcmp(PQgetvalue(rows, 0, SUPERUSER), "on") == 0;
    act->user = mem_strdup(PQgetvalue(rows, 0, USER));
    act->database = mem_strdup(PQgetvalue(rows, 0, DATABASE));
    act->version = mem_strndup(PQgetvalue(rows, 0, VERSION_TEXT),
                               strcspn(PQgetvalue(rows, 0, VERSION_TEXT), " "));
    if (!take_rows(action, rows))
        return;
    backup_plan_name(action);
    if (!is_true(rows, 0, ALLOWED))
        action_refuse(action,
                      "%s allows no connections: ALTER DATABASE … ALLOW_CONNECTIONS true first",
                      act->survey->wanted[0].name);
    else if (!is_utf8(act->survey->wanted[0].name))
        action_refuse(action, "the name of this database is not UTF-8: rename it first");
    else if (!is_utf8(act->survey->folder))
        action_refuse(action, "the folder's name is not UTF-8: choose another one (--to)");
    else
        start_survey(action);
}

static void on_answer(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct backup_act *act = action->state;

    act->request = NULL;
    if (rows) {
        judge_rows(action, rows);
        PQclear(rows);
    } else if (act->sized && strcmp(sqlstate, "57014") == 0) {
        ask(action, false);
    } else {
        action_end(action, OUTCOME_FAILED, "%s: %s", action->impl->pub.name, error);
    }
}

static void ask(struct action *action, bool sizes)
{
    const char *const values[] = {action->request.all ? NULL : action->request.database,
                                  sizes ? "t" : "f"};
    struct backup_act *act = action->state;

    act->sized = sizes;
    act->request = pg_control_ask(pg_instance_acts(action->impl), sql, 2, values, ASK_MS, false,
                                  on_answer, action);
}

/* ---- the act ---- */

static void prepare(struct action *action)
{
    const char *database = action->request.database;

    if (!action->request.all && (!database || !*database))
        action_end(action, OUTCOME_REFUSED, "name a database, or all of them with --all");
    else if (action->request.all && database)
        action_end(action, OUTCOME_REFUSED, "either a database or --all, not both");
    else
        ask(action, true);
}

static void execute(struct action *action)
{
    const struct backup_act *act = action->state;
    json_t *parameters = json_object(), *databases = json_array();

    for (size_t i = 0; i < act->survey->count; i++)
        json_array_append_new(databases, json_bytes(act->survey->wanted[i].name));
    json_object_set_new(parameters, "databases", databases);
    json_object_set_new(parameters, "all", json_boolean(action->request.all));
    json_object_set_new(parameters, "count_rows", json_boolean(action->request.count_rows));
    json_object_set_new(parameters, "directory", json_bytes(act->survey->folder));
    job_start(action, parameters);
}

static void release(struct action *action)
{
    struct backup_act *act = action->state;

    if (act->request)
        pg_control_forget(act->request);
    act->request = NULL;
    if (act->work && act->work->running)
        act->work->action = NULL;
    else if (act->work)
        free_work(act->work);
    act->work = NULL;
    act->survey = NULL;
    free(act->user);
    free(act->database);
    free(act->version);
}

const struct act_ops act_backup = {
    .info = {.name = "backup",
             .kind = INSTANCE_POSTGRES,
             .job = true,
             .help = "dump a database, or all of them, into a file with its manifest"},
    .state_size = sizeof(struct backup_act),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
