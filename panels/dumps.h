/* The dumps in the backup directory with what their manifests say, read off the loop. */
#ifndef PANELS_DUMPS_H
#define PANELS_DUMPS_H

#include <stdint.h>
#include <uv.h>

struct dump_file {
    char *path, *name;     /* owned */
    char *database;        /* of the manifest; NULL: it has none that can be read */
    char *version;         /* of its server, or NULL */
    int64_t bytes, tables; /* tables -1: not known */
    double time;           /* of the file, seconds since 1970 */
};

struct dump_files {
    struct dump_file *items; /* newest first */
    size_t count;
    char *error; /* why the directory cannot be read, one line, or NULL */
};

/* done is called on the loop, later than this returns; files belong to it (dump_files_free). */
void dump_files_read(uv_loop_t *loop, const char *directory,
                     void (*done)(void *context, struct dump_files *files), void *context);
void dump_files_free(struct dump_files *files);

#endif
