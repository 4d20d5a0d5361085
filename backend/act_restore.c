/* Preparing looks at the file in a worker thread, then asks the server what is there; the work itself
 * is a job's (job_restore.c). */
#include "backend/act_restore.h"

#include "backend/act_restore_sql.h"
#include "backend/base/mem.h"
#include "backend/job.h"
#include "backend/pg_instance.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MS 3000 /* a size that takes longer is not worth the wait */

const char restore_databases_sql[] =
    "SELECT d.oid, d.datname, d.datistemplate,"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity s WHERE s.datid = d.oid),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts p"
    "  WHERE p.database = d.datname),"
    " d.datname = pg_catalog.current_database(),"
    " d.datallowconn AND pg_catalog.has_database_privilege(d.oid, 'CONNECT')"
    " FROM pg_catalog.pg_database d ORDER BY d.datname <> 'postgres', d.datistemplate, d.oid";

#define NO_ROLES(array)                                                                            \
    " (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(r), ', ')"                              \
    "  FROM pg_catalog.unnest(" array "::text[]) r"                                                \
    "  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r)),"

/* Columns of pg_database differ by version: they are looked for by name. */
const char restore_facts_sql[] =
    "SELECT pg_catalog.pg_is_in_recovery(), me.rolsuper OR me.rolcreatedb," NO_ROLES("$1") NO_ROLES(
        "$2") " (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(e), ', ')"
              "  FROM pg_catalog.unnest($3::text[]) e WHERE NOT EXISTS"
              "  (SELECT FROM pg_catalog.pg_available_extensions WHERE name = e)),"
              " (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(v.name), ', ')"
              "  FROM pg_catalog.pg_available_extensions x"
              "  JOIN pg_catalog.pg_available_extension_versions v"
              "  ON v.name = x.name AND v.version = x.default_version"
              "  WHERE v.name = ANY ($3::text[]) AND v.superuser AND NOT v.trusted),"
              " owner.rolname, owner.rolsuper, pg_catalog.pg_encoding_to_char(d.encoding),"
              " d.datcollate, d.datctype,"
              " CASE fields->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin'"
              "  WHEN 'c' THEN 'libc' END,"
              " coalesce(fields->>'datlocale', fields->>'daticulocale'),"
              " pg_catalog.pg_get_userbyid(d.datdba)"
              " FROM pg_catalog.pg_roles me"
              " LEFT JOIN pg_catalog.pg_database d ON d.oid = $5::text::oid"
              " CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(d)) j (fields)"
              " CROSS JOIN LATERAL (SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_roles r"
              "  LEFT JOIN pg_catalog.unnest($4::text[]) WITH ORDINALITY w (name, place)"
              "  ON w.name = r.rolname WHERE w.name IS NOT NULL"
              "  OR r.oid IN (d.datdba, me.oid)"
              "  ORDER BY w.place NULLS LAST, (r.oid = d.datdba) IS NOT TRUE LIMIT 1) owner"
              " WHERE me.rolname = current_user";

static void on_size(void *context, PGresult *rows, const char *error, const char *sqlstate);

static struct restore *of(const struct action *action)
{
    return action->state;
}

int restore_find(const PGresult *databases, const char *name)
{
    for (int row = 0; name && row < PQntuples(databases); row++) {
        if (strcmp(PQgetvalue(databases, row, BASE_NAME), name) == 0)
            return row;
    }
    return -1;
}

const char *restore_value(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static void ask(struct action *action, const char *sql, int count, const char *const *values,
                int timeout, pg_control_answer *fn)
{
    of(action)->request = pg_control_ask(pg_instance_acts(action->impl), sql, count, values,
                                         timeout, false, fn, action);
}

/* ---- what is on the server ---- */

static void finish(struct action *action)
{
    if (restore_plan(action))
        action_prepared(action);
}

static void on_facts(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct restore *restore = of(action);
    const char *oid;

    (void)sqlstate;
    restore->request = NULL;
    restore->facts = rows;
    if (!rows || PQntuples(rows) != 1) {
        action_end(action, OUTCOME_FAILED, "%s could not be asked what it has: %s",
                   action->plan.instance, rows ? "its own role is not there" : error);
        return;
    }
    if (restore->existing < 0) {
        finish(action);
        return;
    }
    oid = PQgetvalue(restore->databases, restore->existing, BASE_OID);
    ask(action, "SELECT pg_catalog.pg_database_size($1::text::oid)", 1, &oid, SIZE_MS, on_size);
}

static void on_size(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct restore *restore = of(action);

    (void)error;
    (void)sqlstate;
    restore->request = NULL;
    if (rows && PQntuples(rows) == 1)
        restore->size = mem_strdup(restore_value(rows, 0, 0));
    PQclear(rows);
    finish(action);
}

/* The owner that the database is to have: as it was, else that of the one which it replaces. */
static char *wanted_owners(const struct restore *restore)
{
    char *names[2];
    size_t count = 0;

    if (restore->file.manifest.owner)
        names[count++] = restore->file.manifest.owner;
    if (restore->file.dump.owner)
        names[count++] = restore->file.dump.owner;
    return restore_array(names, count);
}

static void ask_facts(struct action *action)
{
    struct restore *restore = of(action);
    const struct dump *dump = &restore->file.dump;
    char *owners = restore_array(dump->roles.items, dump->roles.count);
    char *grantees = restore_array(dump->grantees.items, dump->grantees.count);
    char *extensions = restore_array(dump->extensions.items, dump->extensions.count);
    char *wanted = wanted_owners(restore);
    const char *values[] = {owners, grantees, extensions, wanted, NULL};

    if (restore->existing >= 0)
        values[4] = PQgetvalue(restore->databases, restore->existing, BASE_OID);
    ask(action, restore_facts_sql, 5, values, PG_CONTROL_TIMEOUT, on_facts);
    free(owners);
    free(grantees);
    free(extensions);
    free(wanted);
}

static void on_databases(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct restore *restore = of(action);

    (void)sqlstate;
    restore->request = NULL;
    restore->databases = rows;
    if (!rows)
        action_end(action, OUTCOME_FAILED, "%s could not be asked for its databases: %s",
                   action->plan.instance, error);
    else if (restore_choose(action))
        ask_facts(action);
}

/* ---- the file, off the loop's thread ---- */

struct restore_look {
    uv_work_t work;
    struct action *action; /* NULL: nobody waits for it any more */
    struct actions *door;
    char *path, *error;
    struct restore_file file;
};

static void look(uv_work_t *work)
{
    struct restore_look *look = work->data;

    look->error = restore_file_read(look->path, &look->file);
}

static void free_look(struct restore_look *look)
{
    struct actions *door = look->door;

    restore_file_free(&look->file);
    free(look->path);
    free(look->error);
    free(look);
    actions_release(door);
}

static void on_looked(uv_work_t *work, int status)
{
    struct restore_look *look = work->data;
    struct action *action = look->action;
    struct restore *restore;

    if (!action) {
        free_look(look);
        return;
    }
    restore = of(action);
    restore->look = NULL;
    if (status != 0 || look->error) {
        action_end(action, OUTCOME_FAILED, "%s",
                   look->error ? look->error : "the file could not be looked at");
    } else {
        restore->file = look->file;
        look->file = (struct restore_file){0};
        ask(action, restore_databases_sql, 0, NULL, PG_CONTROL_TIMEOUT, on_databases);
    }
    free_look(look);
}

static void prepare(struct action *action)
{
    struct restore *restore = of(action);
    struct restore_look *ahead;

    if (!action->request.file || !*action->request.file) {
        action_end(action, OUTCOME_FAILED, "name the dump that is to be restored");
        return;
    }
    ahead = mem_zalloc(sizeof(*ahead));
    ahead->path = mem_strdup(action->request.file);
    ahead->action = action;
    ahead->door = action->door;
    ahead->work.data = ahead;
    manifest_init(&ahead->file.manifest);
    actions_hold(ahead->door);
    if (uv_queue_work(action->loop, &ahead->work, look, on_looked) != 0) {
        action_end(action, OUTCOME_FAILED, "the file could not be looked at: no worker thread");
        free_look(ahead);
        return;
    }
    restore->look = ahead;
}

static void execute(struct action *action)
{
    job_start(action, restore_parameters(action));
}

static void release(struct action *action)
{
    struct restore *restore = of(action);

    if (restore->look)
        restore->look->action = NULL;
    if (restore->request)
        pg_control_forget(restore->request);
    PQclear(restore->databases);
    PQclear(restore->facts);
    restore_file_free(&restore->file);
    free(restore->target);
    free(restore->size);
    free(restore->temporary);
    free(restore->kept);
    free(restore->create);
    *restore = (struct restore){0};
}

const struct act_ops act_restore = {
    .info = {.name = "restore",
             .kind = INSTANCE_POSTGRES,
             .job = true,
             .help = "restore a dump into a new database, or in the place of an existing one"},
    .state_size = sizeof(struct restore),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
