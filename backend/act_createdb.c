#include "backend/act_createdb.h"

#include "backend/base/mem.h"
#include "backend/pg_instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STEP_MS 20000

static const char verify_sql[] =
    "SELECT d.datdba = r.oid AND r.rolcanlogin AND NOT has_database_privilege('public', d.oid,"
    " 'CONNECT') FROM pg_database d, pg_roles r"
    " WHERE d.datname = $1::text AND r.rolname = $2::text";

static void next_step(struct action *action);

/* ---- the password ---- */

/* Bytes beyond the last full round of the alphabet are thrown away: each character is as likely as
 * another. */
static bool generate(char *password, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned letters = sizeof(alphabet) - 1, limit = 256 - 256 % letters;
    unsigned char bytes[64];
    size_t done = 0;

    while (done < len) {
        ssize_t n = getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);

        if (n < 0 && errno != EINTR)
            return false;
        for (ssize_t i = 0; i < n && done < len; i++) {
            if (bytes[i] < limit)
                password[done++] = alphabet[bytes[i] % letters];
        }
    }
    password[len] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
    return true;
}

/* ---- the steps ---- */

static void fail(struct action *action, const char *what, const char *error)
{
    struct createdb *create = createdb(action);

    if (create->control)
        pg_control_free(create->control);
    create->control = NULL;
    create->failure = mem_printf("%s failed: %s", what, error);
    createdb_undo(action);
}

static const char *step_name(enum createdb_step step)
{
    static const char *const names[STEPS] = {
        [STEP_ROLE] = "CREATE ROLE",
        [STEP_JOIN] = "GRANT",
        [STEP_DATABASE] = "CREATE DATABASE",
        [STEP_REVOKE] = "REVOKE",
        [STEP_VERIFY] = "the look at what was made",
        [STEP_ENV] = "writing the password",
        [STEP_LEAVE] = "REVOKE",
    };

    return names[step];
}

/* Without the server's word (a broken connection) it may have been done. */
static void note_made(struct createdb *create, bool fine, const char *sqlstate)
{
    enum made made = fine ? MADE : *sqlstate || !create->opened ? MADE_NOT : MADE_PERHAPS;

    if (create->step == STEP_ROLE)
        create->role = made;
    else if (create->step == STEP_DATABASE)
        create->is_database = made;
}

static void on_step(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct createdb *create = createdb(action);

    create->request = NULL;
    note_made(create, rows != NULL, sqlstate);
    if (!rows && create->step == STEP_LEAVE) {
        create->leave_error = mem_strdup(error);
        rows = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
    }
    if (!rows) {
        fail(action, step_name(create->step), error);
    } else if (create->step == STEP_VERIFY &&
               (PQntuples(rows) != 1 || *PQgetvalue(rows, 0, 0) != 't')) {
        fail(action, step_name(create->step), "it is not as it should be");
    } else {
        create->step++;
        next_step(action);
    }
    PQclear(rows);
}

static void on_written(struct action *action, const char *error, bool readable)
{
    struct createdb *create = createdb(action);

    (void)readable;
    if (error) {
        fail(action, step_name(STEP_ENV), error);
        return;
    }
    create->step++;
    next_step(action);
}

static void finish(struct action *action)
{
    const struct createdb *create = createdb(action);
    char *where = create->env_file
                      ? mem_printf("the password is %s in %s", create->env_key, create->env_file)
                      : mem_strdup("the password is shown once");

    action->outcome.secret = mem_strdup(create->password);
    if (create->leave_error)
        action->outcome.details =
            mem_printf("we still belong to the role %s (REVOKE it by hand): %s", create->owner_id,
                       create->leave_error);
    action_end(action, OUTCOME_DONE, "database %s and its user %s are there; %s", create->database,
               create->owner, where);
    free(where);
}

/* CREATE DATABASE copies files for as long as it takes. */
static void run(struct action *action, const char *sql, int count, const char *const *values)
{
    struct createdb *create = createdb(action);

    action_progress(action, "%s", step_name(create->step));
    create->request =
        pg_control_ask(create->control, sql, count, values,
                       create->step == STEP_DATABASE ? 0 : STEP_MS, true, on_step, action);
}

static char *quoted_verifier(const struct action *action)
{
    const struct pg_conn *conn = pg_instance_control(action->impl);

    return conn ? pg_conn_literal(conn, createdb(action)->verifier) : NULL;
}

static void run_statement(struct action *action)
{
    struct createdb *create = createdb(action);
    char *literal = create->step == STEP_ROLE ? quoted_verifier(action) : mem_strdup("");
    char *sql = literal ? createdb_statement(create, create->step, literal) : NULL;

    if (!literal) {
        fail(action, step_name(create->step), "the connection for acts has gone");
    } else if (sql) {
        run(action, sql, 0, NULL);
    } else {
        create->step++;
        next_step(action);
    }
    mem_free_secret(sql, sql ? strlen(sql) : 0);
    mem_free_secret(literal, literal ? strlen(literal) : 0);
}

static void next_step(struct action *action)
{
    struct createdb *create = createdb(action);
    const char *const names[] = {create->database, create->owner};

    switch (create->step) {
    case STEP_VERIFY: run(action, verify_sql, 2, names); break;
    case STEP_ENV:
        if (create->env_file) {
            createdb_file(action, create->password, on_written);
            break;
        }
        create->step++;
        next_step(action);
        break;
    case STEPS: finish(action); break;
    case STEP_ROLE:
    case STEP_JOIN:
    case STEP_DATABASE:
    case STEP_REVOKE:
    case STEP_LEAVE: run_statement(action); break;
    }
}

static void on_changed(void *context)
{
    struct createdb *create = context;

    create->opened |= create->control && pg_control_conn(create->control);
}

static void begin(struct action *action)
{
    struct createdb *create = createdb(action);
    const struct pg_conn *conn = pg_instance_control(action->impl);

    if (!conn) {
        action_end(action, OUTCOME_FAILED, "the connection for acts has gone: nothing was done");
        return;
    }
    create->verifier = generate(create->password, CREATEDB_PASSWORD_LEN)
                           ? pg_conn_verifier(conn, create->owner, create->password)
                           : NULL;
    if (!create->verifier) {
        action_end(action, OUTCOME_FAILED, "no password could be made: nothing was done");
        return;
    }
    create->control =
        pg_control_new(action->impl, action->impl->pub.postgres_config, on_changed, create);
    next_step(action);
}

/* The file may have been changed while the operator read. */
static void on_checked(struct action *action, const char *error, bool readable)
{
    (void)readable;
    if (error)
        action_end(action, OUTCOME_REFUSED, "%s", error);
    else
        begin(action);
}

static void execute(struct action *action)
{
    if (createdb(action)->env_file)
        createdb_file(action, NULL, on_checked);
    else
        begin(action);
}

static void release(struct action *action)
{
    struct createdb *create = createdb(action);

    createdb_forget_file(create);
    if (create->request)
        pg_control_forget(create->request);
    if (create->control)
        pg_control_free(create->control);
    explicit_bzero(create->password, sizeof(create->password));
    mem_free_secret(create->verifier, create->verifier ? strlen(create->verifier) : 0);
    free(create->database_id);
    free(create->owner_id);
    free(create->env_file);
    free(create->env_key);
    free(create->failure);
    free(create->left);
    free(create->leave_error);
}

const struct act_ops act_createdb = {
    .info = {.name = "createdb",
             .kind = INSTANCE_POSTGRES,
             .help = "create a database and the user who owns it"},
    .state_size = sizeof(struct createdb),
    .prepare = createdb_prepare,
    .execute = execute,
    .release = release,
};
