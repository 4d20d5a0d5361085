/* One dump: made, checked, hashed, named. For job processes. */
#ifndef BACKEND_BACKUP_DUMP_H
#define BACKEND_BACKUP_DUMP_H

#include "backend/job_impl.h"

#include <stdbool.h>
#include <stddef.h>

/* Waits for other sessions' locks no longer than this: meanwhile its snapshot keeps vacuum off. */
#define BACKUP_LOCK_WAIT "--lock-wait-timeout=300000"

struct backup {
    struct job *job;
    const char *folder; /* exists */
    bool count_rows;
    size_t keep;   /* dumps of each database; 0: all */
    size_t at, of; /* of several databases, from 1; of 0: one alone */
};

struct backup_done {
    double bytes, seconds;
    size_t removed; /* older dumps */
};

/* A database, or the roles and tablespaces. job->info.file is its path. False after job_fail or a
 * cancel: nothing of it is left then, in the folder nor on the server. */
bool backup_dump(const struct backup *backup, const char *database, struct backup_done *done);
bool backup_globals(const struct backup *backup, struct backup_done *done);

/* Why the job has failed so far (the caller frees it), which then counts no longer: the rest of
 * several goes on. NULL: it has not. */
char *backup_take_failure(struct job *job);

/* Seconds, monotonic. */
double backup_clock(void);

#endif
