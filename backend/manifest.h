/* What stands beside a dump: NAME.dump.json is its manifest. Written by a backup, read by a restore.
 * Row counts and the like are there only when they were asked for. */
#ifndef BACKEND_MANIFEST_H
#define BACKEND_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table whose data the dump holds: an ordinary one or a partition, none of an extension's. */
struct manifest_table {
    char *schema, *name;
    int64_t rows; /* -1: not counted */
};

/* Strings are owned, NULL absent; numbers -1 absent. Times are RFC 3339, UTC. */
struct manifest {
    char *server, *server_version,
        *system_identifier; /* instance's name; "15.18"; pg_control_system */
    char *database, *owner, *encoding, *collate, *ctype;
    char *locale_provider; /* "libc", "icu", "builtin": as CREATE DATABASE takes it */
    char *locale;          /* of ICU or builtin */
    char *tool_version;    /* "pg_dump (PostgreSQL) 15.18" */
    char *file;            /* name of the dump, without folder; one with a / is absent */
    char *sha256;          /* hex */
    char *started, *ended;
    int64_t bytes;         /* of the dump */
    int64_t database_size; /* pg_database_size() before it */
    int64_t table_count, large_objects;
    bool counted; /* tables have row counts, of the moment that the dump shows */
    struct manifest_table *tables;
    size_t count;
};

/* All absent. */
void manifest_init(struct manifest *manifest);

/* Writes it to path, which is the dump's with ".json" (0600, synced, atomically: under ".partial"
 * until it is whole; the folder is synced too). NULL: done; else why not (caller frees), and nothing
 * new is there. */
char *manifest_write(const struct manifest *manifest, const char *path);

/* Reads the file at path, of at most 64 MiB. False: *error, one line (caller frees). Members that
 * are missing or of another type are absent. */
bool manifest_read(const char *path, struct manifest *manifest, char **error);

/* Pure: the same of bytes. Both fill manifest, whatever it was before, and leave it empty (all
 * absent) when they fail. */
bool manifest_parse(const char *text, size_t len, struct manifest *manifest, char **error);
void manifest_free(struct manifest *manifest);

/* SHA-256 of an open file from its start, as 64 hex digits and NUL; stop (may be NULL) is asked now
 * and then. False: errno, or stopped (errno ECANCELED). The file's offset stays. */
bool sha256_file(int fd, char hex[65], bool (*stop)(void *context), void *context);

/* "aletheia_prod" → "aletheia_prod"; bytes that a file's name should not have become %XX; at most
 * 150 bytes, of which the last are a hash if it had to be cut. The caller frees it. */
char *manifest_file_name(const char *database);

#endif
