#include "backend/act_createdb.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/pg_instance.h"

#include <stdlib.h>
#include <string.h>

/* What was perhaps made before the connection broke is ours if the role has our salted hash, which
 * nobody else can have, and the database belongs to that role. */
static const char role_sql[] =
    "SELECT FROM pg_authid WHERE rolname = $1::text AND rolpassword = $2::text";
static const char database_sql[] = "SELECT FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
                                   " WHERE d.datname = $1::text AND r.rolname = $2::text";

/* Dropping waits for what still uses it. */
#define UNDO_MS 20000

static void next(struct action *action);

static void ask(struct action *action, const char *sql, int count, const char *const *values,
                pg_control_answer *fn)
{
    struct createdb *create = createdb(action);

    create->request = pg_control_ask(pg_instance_acts(action->impl), sql, count, values, UNDO_MS,
                                     count > 1, fn, action);
}

static void note_left(struct createdb *create, const char *kind, const char *name, const char *why)
{
    char *before = create->left;

    create->left =
        mem_printf("%s%s%s %s (%s)", before ? before : "", before ? ", " : "", kind, name, why);
    free(before);
}

/* ---- what is not known ---- */

static void settle(struct createdb *create, enum made *made, const char *kind, const char *name,
                   const PGresult *rows, const char *error)
{
    *made = rows && PQntuples(rows) ? MADE : MADE_NOT;
    if (!rows)
        note_left(create, kind, name, error);
}

static void on_role_known(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct createdb *create = createdb(action);

    (void)sqlstate;
    create->request = NULL;
    settle(create, &create->role, "perhaps the role", create->owner_id, rows, error);
    PQclear(rows);
    next(action);
}

static void on_database_known(void *context, PGresult *rows, const char *error,
                              const char *sqlstate)
{
    struct action *action = context;
    struct createdb *create = createdb(action);

    (void)sqlstate;
    create->request = NULL;
    settle(create, &create->is_database, "perhaps the database", create->database_id, rows, error);
    PQclear(rows);
    next(action);
}

/* ---- taking back ---- */

static void on_database_dropped(void *context, PGresult *rows, const char *error,
                                const char *sqlstate)
{
    struct action *action = context;
    struct createdb *create = createdb(action);

    (void)sqlstate;
    create->request = NULL;
    create->is_database = MADE_NOT;
    if (!rows)
        note_left(create, "the database", create->database_id, error);
    PQclear(rows);
    next(action);
}

static void on_role_dropped(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct createdb *create = createdb(action);

    (void)sqlstate;
    create->request = NULL;
    create->role = MADE_NOT;
    if (!rows)
        note_left(create, "the role", create->owner_id, error);
    PQclear(rows);
    next(action);
}

static void drop(struct action *action, const char *format, const char *name, pg_control_answer *fn)
{
    char *sql = mem_printf(format, name);

    ask(action, sql, 0, NULL, fn);
    free(sql);
}

static void end(struct action *action)
{
    const struct createdb *create = createdb(action);

    if (create->left)
        action_end(action, OUTCOME_FAILED, "%s; left behind, drop it by hand: %s", create->failure,
                   create->left);
    else
        action_end(action, OUTCOME_FAILED, "%s; nothing of it is left on the server",
                   create->failure);
}

static void next(struct action *action)
{
    const struct createdb *create = createdb(action);
    const char *const role[] = {create->owner, create->verifier};
    const char *const database[] = {create->database, create->owner};

    if (create->role == MADE_PERHAPS)
        ask(action, role_sql, 2, role, on_role_known);
    else if (create->is_database == MADE_PERHAPS)
        ask(action, database_sql, 2, database, on_database_known);
    else if (create->is_database == MADE)
        drop(action, "DROP DATABASE %s", create->database_id, on_database_dropped);
    else if (create->role == MADE)
        drop(action, "DROP ROLE %s", create->owner_id, on_role_dropped);
    else
        end(action);
}

void createdb_undo(struct action *action)
{
    next(action);
}
