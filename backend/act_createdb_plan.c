#include "backend/act_createdb.h"
#include "backend/base/mem.h"
#include "backend/pg_instance.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 5000

enum look_column {
    LOOK_DATABASE,
    LOOK_ROLE,
    LOOK_SUPER,
    LOOK_MAY,
    LOOK_STANDBY,
    LOOK_ME,
    LOOK_TEMPLATE_SIZE,
    LOOK_TEMPLATE_SESSIONS,
    LOOK_ENCODING,
    LOOK_COLUMNS
};

static const char look_sql[] =
    "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1::text),"
    " EXISTS (SELECT FROM pg_roles WHERE rolname = $2::text),"
    " me.rolsuper, me.rolsuper OR (me.rolcreatedb AND me.rolcreaterole), pg_is_in_recovery(),"
    " quote_ident(me.rolname),"
    " CASE WHEN me.rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE')"
    " THEN pg_size_pretty(pg_database_size(t.oid)) END,"
    " (SELECT count(*) FROM pg_stat_get_activity(NULL) a WHERE a.datid = t.oid),"
    " pg_encoding_to_char(t.encoding) || ', ' || t.datcollate"
    " FROM pg_roles me, pg_database t WHERE me.rolname = current_user AND t.datname = 'template1'";

static bool is_true(const PGresult *rows, enum look_column column)
{
    return *PQgetvalue(rows, 0, column) == 't';
}

/* Why it cannot be done, or NULL; the caller frees it. */
static char *refusal(const struct createdb *create, const PGresult *rows)
{
    if (is_true(rows, LOOK_STANDBY))
        return mem_strdup("the server is a standby: create the database on its primary");
    if (is_true(rows, LOOK_DATABASE))
        return mem_printf("the database '%s' exists already: choose another name",
                          create->database);
    if (is_true(rows, LOOK_ROLE))
        return mem_printf("the role '%s' exists already: name another user (--owner)",
                          create->owner);
    if (!is_true(rows, LOOK_MAY))
        return mem_printf("we lack the right to create databases and roles: "
                          "ALTER ROLE %s CREATEDB CREATEROLE",
                          PQgetvalue(rows, 0, LOOK_ME));
    return NULL;
}

static void add_commands(struct plan *plan, const struct createdb *create)
{
    for (enum createdb_step step = 0; step < STEPS; step++) {
        char *statement = createdb_statement(create, step, "'<generated>'");

        if (statement)
            plan_add(plan, PLAN_COMMAND, "", "%s", statement);
        else if (step == STEP_ENV && create->env_file)
            plan_add(plan, PLAN_COMMAND, "env file", "append %s=<generated> to %s", create->env_key,
                     create->env_file);
        free(statement);
    }
}

static void add_evidence(struct plan *plan, const struct createdb *create, const PGresult *rows)
{
    const char *size = PQgetvalue(rows, 0, LOOK_TEMPLATE_SIZE);
    const long sessions = strtol(PQgetvalue(rows, 0, LOOK_TEMPLATE_SESSIONS), NULL, 10);

    plan_add(plan, PLAN_EVIDENCE, "user",
             "%s, new; owns the database; the password is generated here and sent as its hash only",
             create->owner);
    plan_add(plan, PLAN_EVIDENCE, "template", "template1, %s%s%s",
             PQgetvalue(rows, 0, LOOK_ENCODING), *size ? ", copies " : "", size);
    plan_add(plan, PLAN_EVIDENCE, "undone", "all of it, if any step fails");
    if (sessions)
        plan_add(plan, PLAN_WARNING, "",
                 "%ld sessions are in template1: PostgreSQL refuses to copy it while they are",
                 sessions);
    if (!create->env_file)
        plan_add(plan, PLAN_WARNING, "",
                 "no env file is named: the password is shown once and written nowhere");
    else if (create->readable)
        plan_add(plan, PLAN_WARNING, "", "others may read %s: chmod 600 it", create->env_file);
}

static void fill_plan(struct action *action, const PGresult *rows)
{
    const struct createdb *create = createdb(action);
    struct plan *plan = &action->plan;

    plan->title = mem_printf("Create the database %s", create->database);
    plan->target = mem_strdup(create->database);
    plan->confirm = mem_strdup(create->database);
    plan->environment = postgres_environment(action->impl->pub.postgres_config, create->database);
    add_commands(plan, create);
    add_evidence(plan, create, rows);
}

static bool quote_names(struct action *action)
{
    struct createdb *create = createdb(action);
    const struct pg_conn *conn = pg_instance_control(action->impl);

    if (!conn)
        return false;
    create->database_id = pg_conn_identifier(conn, create->database);
    create->owner_id = pg_conn_identifier(conn, create->owner);
    return create->database_id && create->owner_id;
}

static void judge(struct action *action, const PGresult *rows)
{
    struct createdb *create = createdb(action);
    char *why = refusal(create, rows);

    if (why) {
        action_end(action, OUTCOME_REFUSED, "%s", why);
        free(why);
    } else if (!quote_names(action)) {
        action_end(action, OUTCOME_REFUSED, "the names cannot be quoted: are they UTF-8?");
    } else {
        create->superuser = is_true(rows, LOOK_SUPER);
        fill_plan(action, rows);
        action_prepared(action);
    }
}

static void on_look(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;

    createdb(action)->request = NULL;
    if (rows && PQntuples(rows) == 1 && PQnfields(rows) == LOOK_COLUMNS)
        judge(action, rows);
    else if (strcmp(sqlstate, "22021") == 0)
        action_end(action, OUTCOME_REFUSED, "the names are no valid text for the server: %s",
                   error);
    else
        action_end(action, OUTCOME_FAILED, "%s cannot be asked: %s", action->impl->pub.name,
                   error ? error : "it has no template1");
    PQclear(rows);
}

static void look(struct action *action)
{
    struct createdb *create = createdb(action);
    const char *const values[] = {create->database, create->owner};

    create->request = pg_control_ask(pg_instance_acts(action->impl), look_sql, 2, values, LOOK_MS,
                                     false, on_look, action);
}

static void on_file(struct action *action, const char *error, bool readable)
{
    createdb(action)->readable = readable;
    if (error)
        action_end(action, OUTCOME_REFUSED, "%s", error);
    else
        look(action);
}

static void take_request(struct action *action)
{
    struct createdb *create = createdb(action);
    const struct act_request *request = &action->request;
    const char *file =
        request->env_file ? request->env_file : action->impl->pub.postgres_config->env_file;

    create->database = request->database;
    create->owner = request->owner && *request->owner ? request->owner : request->database;
    create->env_file = file && *file ? mem_strdup(file) : NULL;
}

void createdb_prepare(struct action *action)
{
    struct createdb *create = createdb(action);
    const char *key = action->request.env_key;
    char *fault;

    take_request(action);
    fault = createdb_name_fault("database name", create->database);
    if (!fault)
        fault = createdb_name_fault("user name", create->owner);
    if (fault) {
        action_end(action, OUTCOME_REFUSED, "%s", fault);
        free(fault);
        return;
    }
    create->env_key = key && *key ? mem_strdup(key) : createdb_env_key(create->database);
    if (create->env_file)
        createdb_file(action, NULL, on_file);
    else
        look(action);
}
