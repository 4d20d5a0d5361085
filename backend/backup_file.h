/* The files of backups in their folder:
 *
 *   STEM-YYYYMMDDTHHMMSSZ.dump.partial     while it is written, locked (flock) by who writes it
 *   STEM-YYYYMMDDTHHMMSSZ.dump             whole, and its manifest is there already
 *   STEM-YYYYMMDDTHHMMSSZ.dump.json        the manifest
 *
 * STEM is manifest_file_name(DATABASE); the roles and tablespaces of --all are globals-….sql. All
 * of it may wait for the disk: for job processes and worker threads. */
#ifndef BACKEND_BACKUP_FILE_H
#define BACKEND_BACKUP_FILE_H

#include "backend/manifest.h"

#include <stdbool.h>
#include <stddef.h>

/* What kind of files: the stem and what follows the time. */
struct backup_kind {
    const char *stem;
    const char *extension; /* ".dump" or ".sql" */
};

/* One that is being made. */
struct backup_file {
    char *folder, *name; /* its final name, which no file has yet */
    int folder_fd;
    int fd; /* of the partial file: to read and write, closed on exec */
};

/* Makes the partial file, 0600, named by the time; waits for the next second while that name is
 * taken. stop is asked meanwhile. NULL: it is there; else why not, one line (caller frees). */
char *backup_file_create(struct backup_file *file, const char *folder,
                         const struct backup_kind *kind, bool (*stop)(void *context),
                         void *context);

/* Its final path; the caller frees it. */
char *backup_file_path(const struct backup_file *file);

/* On the disk: the file's content. NULL, or why not (caller frees). */
char *backup_file_sync(const struct backup_file *file);

/* Writes the manifest, gives the dump its name, syncs the folder, and frees file. NULL: done; else
 * why not (caller frees): then nothing is left, as after a discard. */
char *backup_file_commit(struct backup_file *file, const struct manifest *manifest);

/* Removes what is there of it and frees file. */
void backup_file_discard(struct backup_file *file);

/* Removes partial files whose writer has died. How many. */
size_t backup_files_clean(const char *folder);

/* Keeps the newest `keep` dumps (0: all) of this kind that have a manifest of the same server and
 * database as made, whose file is among them in any case; removes the others, each with its
 * manifest. How many were removed. */
size_t backup_files_retain(const char *folder, const struct backup_kind *kind, size_t keep,
                           const struct manifest *made);

/* The manifest of the newest dump of this kind whose manifest names this server (the instance's
 * name) and database (NULL for globals). False: there is none. */
bool backup_files_last(const char *folder, const struct backup_kind *kind, const char *server,
                       const char *database, struct manifest *manifest);

#endif
