/* The file that is to be restored, and the manifest beside it. Reading waits for the disk: for a
 * worker thread or a job's process. */
#ifndef BACKEND_ACT_RESTORE_FILE_H
#define BACKEND_ACT_RESTORE_FILE_H

#include "backend/act_restore_dump.h"
#include "backend/manifest.h"

#include <stdbool.h>
#include <stdint.h>

struct restore_file {
    char *path;     /* absolute */
    char *identity; /* device, inode, size and time of change */
    int64_t bytes;
    struct dump dump;
    struct manifest manifest; /* all absent when there is none */
    bool has_manifest;
    char *warning; /* a manifest that cannot be read; one line, or NULL */
};

/* Opens, looks and closes. NULL: it can be restored as far as its head tells; else why not, one line
 * with its path (caller frees). Free file in both cases. */
char *restore_file_read(const char *path, struct restore_file *file);

/* The same; *fd (closed on exec, at the start) is the file that was read, -1 after an error. */
char *restore_file_open(const char *path, struct restore_file *file, int *fd);

void restore_file_free(struct restore_file *file);

/* The name of the database that it holds, or NULL. */
const char *restore_file_database(const struct restore_file *file);

#endif
