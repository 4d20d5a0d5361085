/* What a restore is found to be while it is prepared: shared by act_restore.c, which asks, and
 * act_restore_plan.c, which decides and tells. */
#ifndef BACKEND_ACT_RESTORE_H
#define BACKEND_ACT_RESTORE_H

#include "backend/act_restore_file.h"
#include "backend/action_impl.h"
#include "backend/pg_control.h"

#include <jansson.h>
#include <libpq-fe.h>

/* Columns of restore_databases_sql: every database, the best to connect to first. */
enum { BASE_OID, BASE_NAME, BASE_TEMPLATE, BASE_SESSIONS, BASE_PREPARED, BASE_CURRENT, BASE_OPEN };
extern const char restore_databases_sql[];

/* Columns of restore_facts_sql: one row. Parameters: owners, grantees, extensions and databases'
 * owners (arrays), the oid of the existing database or null. Lists are NULL when empty. */
enum {
    FACT_STANDBY,
    FACT_CREATEDB,
    FACT_OWNERS,     /* of objects, that are no roles here */
    FACT_GRANTEES,   /* likewise */
    FACT_EXTENSIONS, /* that cannot be installed here */
    FACT_UNTRUSTED,  /* that only superusers may install */
    FACT_OWNER,      /* the first of the wanted owners that is a role, or the current user */
    FACT_OWNER_SUPER,
    FACT_ENCODING, /* of the existing database, as CREATE DATABASE takes them */
    FACT_COLLATE,
    FACT_CTYPE,
    FACT_PROVIDER,
    FACT_LOCALE,
    FACT_EXISTING_OWNER
};
extern const char restore_facts_sql[];

struct restore_look;

struct restore {
    struct restore_look *look; /* at the file, in a worker thread */
    struct pg_control_request *request;
    struct restore_file file;
    PGresult *databases, *facts;
    char *target;                    /* the name that it gets */
    int existing;                    /* row of the database that has that name, or -1 */
    int source;                      /* row of the database of the dump's name, or -1 */
    char *size;                      /* bytes of the existing one, or NULL */
    char *temporary, *kept, *create; /* names, and the statement that makes the first */
    bool no_owner, no_acl;
};

/* The row of a database in databases, or -1. */
int restore_find(const PGresult *databases, const char *name);

/* A value, or NULL when it is null. */
const char *restore_value(const PGresult *rows, int row, int column);

/* Decides names. False: refused. */
bool restore_choose(struct action *action);

/* Decides the rest, when all is known, and fills the plan. False: refused. */
bool restore_plan(struct action *action);

/* What the job is told; NULL: a name or path is no UTF-8. */
json_t *restore_parameters(const struct action *action);

#endif
