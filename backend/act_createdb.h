/* A new database and the user who owns it: what the files of this act share. */
#ifndef BACKEND_ACT_CREATEDB_H
#define BACKEND_ACT_CREATEDB_H

#include "backend/action_impl.h"
#include "backend/pg_control.h"

#include <libpq-fe.h>
#include <stdbool.h>

#define CREATEDB_PASSWORD_LEN 32

/* In the order in which they are done; what follows STEP_ENV cannot fail the act any more. */
enum createdb_step {
    STEP_ROLE,
    STEP_JOIN, /* who is no superuser may only give a database to a role that it belongs to */
    STEP_DATABASE,
    STEP_REVOKE,
    STEP_VERIFY,
    STEP_ENV,
    STEP_LEAVE,
    STEPS
};

enum made { MADE_NOT, MADE_PERHAPS, MADE };

struct file_work;

struct createdb {
    const char *database, *owner; /* names as they are */
    char *database_id, *owner_id; /* quoted */
    char *env_file, *env_key;     /* env_file NULL: the password is shown and not written */
    bool superuser, readable;     /* ourselves; the file, by others */
    bool opened;                  /* that connection was there */
    struct pg_control *control;   /* a connection of its own: CREATE DATABASE may take long */
    struct pg_control_request *request;
    struct file_work *work;
    enum createdb_step step;
    enum made role, is_database;
    char password[CREATEDB_PASSWORD_LEN + 1];
    char *verifier; /* what the server keeps of it */
    char *failure;  /* why it is being undone */
    char *left;     /* what could not be undone */
    char *leave_error;
};

static inline struct createdb *createdb(const struct action *action)
{
    return action->state;
}

/* Why name cannot be one, for what ("database name"), or NULL; the caller frees it. Pure. */
char *createdb_name_fault(const char *what, const char *name);

/* NAME_PASSWORD; the caller frees it. Pure. */
char *createdb_env_key(const char *name);

/* A step's statement with the password's verifier in it, already quoted; NULL: nothing to do. The
 * caller frees it. */
char *createdb_statement(const struct createdb *create, enum createdb_step step,
                         const char *verifier);

/* Looks at the env file (value NULL) or adds the line, off the loop's thread; then calls done unless
 * createdb_forget_file comes before. error: why not, or NULL. */
void createdb_file(struct action *action, const char *value,
                   void (*done)(struct action *action, const char *error, bool readable));
void createdb_forget_file(struct createdb *create);

void createdb_prepare(struct action *action);

/* Takes back what was made; ends the action with create->failure. */
void createdb_undo(struct action *action);

#endif
