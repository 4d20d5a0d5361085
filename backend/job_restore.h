/* The parts of a restore's work: job_restore.c goes through the steps, job_restore_check.c compares
 * what has come, job_restore_last.c gives it its name. */
#ifndef BACKEND_JOB_RESTORE_H
#define BACKEND_JOB_RESTORE_H

#include "backend/act_restore_file.h"
#include "backend/job_impl.h"

#include <stdbool.h>
#include <stdint.h>

struct restoring {
    struct job *job;
    const char *target, *maintenance; /* its name at last; where we connect to meanwhile */
    const char *kept;                 /* the name that the replaced database gets, or NULL */
    const char *like;                 /* oid of the database that it becomes like, or NULL */
    const char *role;                 /* to whom all belongs, or NULL: the dump's owners */
    bool no_acl;
    struct restore_file file;
    int fd;
    char *temporary; /* its name meanwhile */
    PGconn *conn;    /* to maintenance */
    bool created;    /* or may be */
    bool unsupported;
    char oid[16];
    int64_t tables, rows, blobs; /* that were found; rows -1: not counted */
    char ended[16];              /* sessions */
};

/* Compares tables, rows and large objects with the dump and its manifest; then ANALYZE. */
bool restoring_check(struct restoring *restoring);

/* Gives it rights, settings and its name, in the place of another database if that is wanted. */
bool restoring_publish(struct restoring *restoring);

/* A row's first value of a query with up to two parameters; the caller frees it. NULL after
 * job_fail, also when there is no row. */
char *restoring_value(struct restoring *restoring, PGconn *conn, const char *what, const char *sql,
                      const char *one, const char *two);

#endif
