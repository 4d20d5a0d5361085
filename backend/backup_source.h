/* The database that is dumped, as its manifest describes it: read in the snapshot that the dump
 * shows, so that tables and row counts are exactly those of the dump. For job processes. */
#ifndef BACKEND_BACKUP_SOURCE_H
#define BACKEND_BACKUP_SOURCE_H

#include "backend/job_impl.h"
#include "backend/manifest.h"

#include <stdbool.h>

struct backup_source {
    PGconn *conn;
    char *snapshot; /* for pg_dump --snapshot, good until the end of this */
};

/* Connects, fills the manifest (all but what is known of the file) and exports a snapshot. count:
 * the rows of each table too. False after job_fail or a cancel; close it in any case. */
bool backup_source_open(struct job *job, const char *database, bool count,
                        struct backup_source *source, struct manifest *manifest);
void backup_source_close(struct backup_source *source);

/* What the manifest of the globals says of their server, whether the passwords can be read, and the
 * database that the instance's conninfo leads to (the caller frees it). */
bool backup_globals_describe(struct job *job, struct manifest *manifest, bool *passwords,
                             char **database);

#endif
