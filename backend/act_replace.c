/* A restored database takes the place of another, which is kept. The server runs it as one script
 * (act_restore_sql.h), so that it ends well or not at all, whatever becomes of us. */
#include "backend/act_restore.h"
#include "backend/act_restore_sql.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/pg_instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIZE_MS = 3000,
    SETTLE_TURN_MS = 300,
    SETTLE_MS = 30000 /* a server that comes back within this is asked what became of it */
};

/* Outlives the action: a handle closes later. */
struct turn {
    uv_timer_t timer;
    struct action *action;
    struct actions *door;
};

struct replace {
    struct pg_control_request *request;
    char *old_name, *new_name, *kept;
    char old_oid[16], new_oid[16], old_sessions[16], new_sessions[16];
    char *old_size, *new_size, *error;
    int pid; /* of the session that ran the script */
    struct turn *turn;
    uint64_t until;
};

static void on_turn(uv_timer_t *timer);

static struct replace *of(const struct action *action)
{
    return action->state;
}

static void ask(struct action *action, const char *sql, int count, const char *const *values,
                int timeout, pg_control_answer *fn)
{
    of(action)->request = pg_control_ask(pg_instance_acts(action->impl), sql, count, values,
                                         timeout, false, fn, action);
}

/* ---- preparing ---- */

static char *quoted(const struct action *action, const char *name)
{
    const struct pg_conn *conn = pg_instance_control(action->impl);
    char *text = conn ? pg_conn_identifier(conn, name) : NULL;

    return text ? text : mem_printf("\"%s\"", name);
}

static void add_commands(struct action *action)
{
    const struct replace *replace = of(action);
    struct plan *plan = &action->plan;
    char *old = quoted(action, replace->old_name), *new = quoted(action, replace->new_name);
    char *kept = quoted(action, replace->kept);

    plan_add(plan, PLAN_COMMAND, "", "ALTER DATABASE %s WITH ALLOW_CONNECTIONS false", old);
    plan_add(plan, PLAN_COMMAND, "", "ALTER DATABASE %s WITH ALLOW_CONNECTIONS false", new);
    plan_add(plan, PLAN_COMMAND, "",
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid IN (%s, %s)",
             replace->old_oid, replace->new_oid);
    plan_add(plan, PLAN_COMMAND, "", "GRANT, SET, COMMENT … on %s as they are on %s", new, old);
    plan_add(plan, PLAN_COMMAND, "", "ALTER DATABASE %s RENAME TO %s", old, kept);
    plan_add(plan, PLAN_COMMAND, "", "ALTER DATABASE %s RENAME TO %s", new, old);
    plan_add(plan, PLAN_COMMAND, "",
             "ALTER DATABASE … WITH ALLOW_CONNECTIONS true, in one transaction with these three");
    free(old);
    free(new);
    free(kept);
}

static const char *size_text(char out[BACKUP_WORD], const char *bytes)
{
    return backup_bytes(out, bytes ? strtod(bytes, NULL) : -1.0);
}

static void fill_plan(struct action *action)
{
    const struct replace *replace = of(action);
    struct plan *plan = &action->plan;
    char size[BACKUP_WORD];

    add_commands(action);
    plan_add(plan, PLAN_LOSS, "",
             "what is in %s now is no longer used: it is kept as %s until it is dropped by hand",
             replace->old_name, replace->kept);
    plan_add(plan, PLAN_LOSS, "",
             "%s is no longer there under its own name: who connects to that finds no database",
             replace->new_name);
    plan_add(plan, PLAN_LOSS, "", "the sessions on both are ended: %s on %s, %s on %s",
             replace->old_sessions, replace->old_name, replace->new_sessions, replace->new_name);
    plan_add(plan, PLAN_EVIDENCE, "size", "%s, %s", replace->old_name,
             size_text(size, replace->old_size));
    plan_add(plan, PLAN_EVIDENCE, "its new size", "%s, %s", replace->new_name,
             size_text(size, replace->new_size));
}

static void on_sizes(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct replace *replace = of(action);

    (void)error;
    (void)sqlstate;
    replace->request = NULL;
    if (rows && PQntuples(rows) == 1) {
        replace->old_size = mem_strdup(restore_value(rows, 0, 0));
        replace->new_size = mem_strdup(restore_value(rows, 0, 1));
    }
    PQclear(rows);
    fill_plan(action);
    action_prepared(action);
}

static bool has_flag(const PGresult *rows, int row, int column)
{
    return *PQgetvalue(rows, row, column) == 't';
}

/* Why a database cannot be renamed (the caller frees it), or NULL. */
static char *why_not(const PGresult *rows, int row)
{
    const char *name = PQgetvalue(rows, row, BASE_NAME);
    const char *prepared = PQgetvalue(rows, row, BASE_PREPARED);

    if (has_flag(rows, row, BASE_TEMPLATE))
        return mem_printf("'%s' is a template of databases: it cannot be replaced or take a place",
                          name);
    if (has_flag(rows, row, BASE_CURRENT))
        return mem_printf("this program itself is connected to '%s': put another dbname into its "
                          "conninfo (dbname=postgres)",
                          name);
    if (strcmp(prepared, "0") != 0)
        return mem_printf("'%s' has %s prepared transactions, which keep it from being renamed; "
                          "commit or roll them back first (pg_prepared_xacts)",
                          name, prepared);
    return NULL;
}

static void take_row(const PGresult *rows, int row, char oid[16], char sessions[16])
{
    snprintf(oid, 16, "%s", PQgetvalue(rows, row, BASE_OID));
    snprintf(sessions, 16, "%s", PQgetvalue(rows, row, BASE_SESSIONS));
}

static void choose(struct action *action, const PGresult *rows)
{
    struct replace *replace = of(action);
    const int old = restore_find(rows, replace->old_name);
    const int new = restore_find(rows, replace->new_name);
    char *why = NULL;

    if (old < 0 || new < 0) {
        action_end(action, OUTCOME_NOTHING, "there is no database '%s' on %s",
                   old < 0 ? replace->old_name : replace->new_name, action->plan.instance);
        return;
    }
    why = old == new ? mem_strdup("a database cannot take its own place") : why_not(rows, old);
    if (!why)
        why = why_not(rows, new);
    take_row(rows, old, replace->old_oid, replace->old_sessions);
    take_row(rows, new, replace->new_oid, replace->new_sessions);
    if (why) {
        action_refuse(action, "%s", why);
    } else {
        const char *values[] = {replace->old_oid, replace->new_oid};

        ask(action,
            "SELECT pg_catalog.pg_database_size($1::text::oid),"
            " pg_catalog.pg_database_size($2::text::oid)",
            2, values, SIZE_MS, on_sizes);
    }
    free(why);
}

static void on_databases(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;

    (void)sqlstate;
    of(action)->request = NULL;
    if (rows)
        choose(action, rows);
    else
        action_end(action, OUTCOME_FAILED, "%s could not be asked for its databases: %s",
                   action->plan.instance, error);
    PQclear(rows);
}

/* Both lose something: one its data, the other its name. A copy's own name has seldom a label; it
 * belongs to what it is a copy of. */
static void judge(struct action *action)
{
    const struct postgres_config *config = action->impl->pub.postgres_config;
    const struct replace *replace = of(action);
    const enum environment old = postgres_environment(config, replace->old_name);
    enum environment new = postgres_environment(config, replace->new_name);

    if (new == ENV_UNKNOWN && restore_is_copy_name(replace->new_name, replace->old_name))
        new = old;
    action->plan.environment = policy_stricter(old, new);
    action->plan.confirm =
        mem_strdup(action->plan.environment == old ? replace->old_name : replace->new_name);
}

static void prepare(struct action *action)
{
    struct replace *replace = of(action);
    const struct act_request *request = &action->request;

    if (!request->database || !*request->database || !request->as || !*request->as) {
        action_end(action, OUTCOME_FAILED,
                   "name the database that is replaced, and the one that takes its place (--as)");
        return;
    }
    replace->old_name = mem_strdup(request->database);
    replace->new_name = mem_strdup(request->as);
    replace->kept = restore_kept_name(request->database, time(NULL));
    action->plan.title = mem_printf("Put %s in the place of %s", request->as, request->database);
    action->plan.target = mem_strdup(request->database);
    action->plan.over_existing = true;
    judge(action);
    ask(action, restore_databases_sql, 0, NULL, PG_CONTROL_TIMEOUT, on_databases);
}

/* ---- the end ---- */

static void end_done(struct action *action, const char *ended)
{
    const struct replace *replace = of(action);
    char *kept = quoted(action, replace->kept);

    action_end(action, OUTCOME_DONE,
               "%s is now what was %s%s%s%s; the old one is kept as %s: when nobody needs it, "
               "DROP DATABASE %s",
               replace->old_name, replace->new_name, ended ? " (" : "", ended ? ended : "",
               ended ? " sessions ended)" : "", replace->kept, kept);
    free(kept);
}

static void end_failed(struct action *action, const char *why)
{
    const struct replace *replace = of(action);

    action_end(action, OUTCOME_FAILED, "%s was not replaced, and both are as before: %s",
               replace->old_name, why);
}

static void end_unknown(struct action *action)
{
    const struct replace *replace = of(action);
    char *old = quoted(action, replace->old_name), *new = quoted(action, replace->new_name);

    action_end(
        action, OUTCOME_FAILED,
        "the connection was lost (%s) and it is not known what became of it: look at the "
        "databases; if they refuse connections: ALTER DATABASE … WITH ALLOW_CONNECTIONS true "
        "on %s and %s",
        replace->error, old, new);
    free(old);
    free(new);
}

/* ---- after a lost connection ---- */

static void wait_turn(struct action *action)
{
    struct replace *replace = of(action);

    if (uv_now(action->loop) >= replace->until) {
        end_unknown(action);
        return;
    }
    if (!replace->turn) {
        replace->turn = mem_zalloc(sizeof(*replace->turn));
        replace->turn->action = action;
        replace->turn->door = action->door;
        actions_hold(action->door);
        uv_timer_init(action->loop, &replace->turn->timer);
        replace->turn->timer.data = replace->turn;
    }
    uv_timer_start(&replace->turn->timer, on_turn, SETTLE_TURN_MS, 0);
}

/* The statements that let connections in again were answered. */
static void on_mended(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;

    (void)sqlstate;
    of(action)->request = NULL;
    if (!rows) {
        free(of(action)->error);
        of(action)->error = mem_strdup(error);
        wait_turn(action);
    } else {
        PQclear(rows);
        wait_turn(action); /* look again: there may be another one, or none left */
    }
}

static const char *first_mend(const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        if (*PQgetvalue(rows, row, 1))
            return PQgetvalue(rows, row, 1);
    }
    return NULL;
}

static void on_settled(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct replace *replace = of(action);
    const char *mend = rows ? first_mend(rows) : NULL;

    (void)error;
    (void)sqlstate;
    replace->request = NULL;
    if (!rows)
        wait_turn(action);
    else if (mend)
        ask(action, mend, 0, NULL, PG_CONTROL_TIMEOUT, on_mended);
    else if (PQntuples(rows) > 0 && has_flag(rows, 0, 0))
        end_done(action, NULL);
    else
        end_failed(action, replace->error);
    PQclear(rows);
}

/* Nothing is decided while the script may still be running. */
static void on_gone(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct replace *replace = of(action);
    const char *values[] = {replace->old_name, replace->new_oid, replace->old_oid};

    (void)error;
    (void)sqlstate;
    replace->request = NULL;
    if (rows && PQntuples(rows) == 0)
        ask(action, restore_settle_sql, 3, values, PG_CONTROL_TIMEOUT, on_settled);
    else
        wait_turn(action);
    PQclear(rows);
}

static void on_turn(uv_timer_t *timer)
{
    const struct turn *turn = timer->data;
    char pid[16];
    const char *values[] = {pid};

    snprintf(pid, sizeof(pid), "%d", of(turn->action)->pid);
    ask(turn->action,
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE pid = $1::text::int AND query LIKE 'DO LANGUAGE plpgsql%'",
        1, values, PG_CONTROL_TIMEOUT, on_gone);
}

/* ---- executing ---- */

static void on_ended(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    const char *ended = rows && PQntuples(rows) == 1 ? restore_value(rows, 0, 0) : NULL;

    (void)error;
    (void)sqlstate;
    of(action)->request = NULL;
    end_done(action, ended);
    PQclear(rows);
}

static void on_swapped(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct replace *replace = of(action);

    replace->request = NULL;
    if (rows) {
        ask(action, "SELECT pg_catalog.current_setting('" RESTORE_ENDED "', true)", 0, NULL,
            PG_CONTROL_TIMEOUT, on_ended);
    } else if (*sqlstate && strncmp(sqlstate, "57P", 3) != 0) {
        end_failed(action, error);
    } else {
        replace->error = mem_strdup(error);
        replace->until = uv_now(action->loop) + SETTLE_MS;
        action_progress(action, "the connection was lost: looking what became of it");
        wait_turn(action);
    }
    PQclear(rows);
}

static void on_script(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    const struct pg_conn *conn = pg_instance_control(action->impl);

    (void)sqlstate;
    of(action)->request = NULL;
    if (!rows || PQntuples(rows) != 1 || !conn) {
        end_failed(action, rows ? "the connection has gone" : error);
    } else {
        of(action)->pid = pg_conn_pid(conn);
        ask(action, PQgetvalue(rows, 0, 0), 0, NULL, PG_CONTROL_TIMEOUT, on_swapped);
    }
    PQclear(rows);
}

static void execute(struct action *action)
{
    const struct replace *replace = of(action);
    const char *values[] = {replace->old_name, replace->kept, replace->new_name, replace->old_oid,
                            replace->new_oid};

    action_progress(action, "ending sessions, renaming");
    ask(action, restore_swap_sql, 5, values, PG_CONTROL_TIMEOUT, on_script);
}

static void on_closed(uv_handle_t *handle)
{
    struct turn *turn = handle->data;
    struct actions *door = turn->door;

    free(turn);
    actions_release(door);
}

static void release(struct action *action)
{
    struct replace *replace = of(action);

    if (replace->request)
        pg_control_forget(replace->request);
    if (replace->turn)
        uv_close((uv_handle_t *)&replace->turn->timer, on_closed);
    free(replace->old_name);
    free(replace->new_name);
    free(replace->kept);
    free(replace->old_size);
    free(replace->new_size);
    free(replace->error);
    *replace = (struct replace){0};
}

const struct act_ops act_replace = {
    .info = {.name = "replace",
             .kind = INSTANCE_POSTGRES,
             .help = "put a restored database in the place of another one, which is kept"},
    .state_size = sizeof(struct replace),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
