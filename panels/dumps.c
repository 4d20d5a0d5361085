#include "panels/dumps.h"

#include "backend/base/mem.h"
#include "backend/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX    ".dump"
#define DUMPS_MAX 500 /* manifests that are read; a menu has no use for more */

struct reading {
    uv_work_t work; /* first */
    char *directory;
    struct dump_files files;
    void (*done)(void *context, struct dump_files *files);
    void *context;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name), tail = strlen(suffix);

    return len > tail && strcmp(name + len - tail, suffix) == 0;
}

static int by_time(const void *a, const void *b)
{
    const struct dump_file *x = a, *y = b;

    return (x->time < y->time) - (x->time > y->time);
}

static void add_file(struct dump_files *files, const char *directory, const char *name)
{
    char *path = mem_printf("%s/%s", directory, name);
    struct stat status;

    if (stat(path, &status) < 0 || !S_ISREG(status.st_mode)) {
        free(path);
        return;
    }
    files->items = mem_array(files->items, files->count + 1, sizeof(*files->items));
    files->items[files->count++] = (struct dump_file){
        .path = path,
        .name = mem_strdup(name),
        .bytes = status.st_size,
        .tables = -1,
        .time = (double)status.st_mtime,
    };
}

static void read_manifest(struct dump_file *file)
{
    char *path = mem_printf("%s.json", file->path), *error = NULL;
    struct manifest manifest = {0};

    if (manifest_read(path, &manifest, &error)) {
        file->database = mem_strdup(manifest.database);
        file->version = mem_strdup(manifest.server_version);
        file->tables = manifest.table_count;
        manifest_free(&manifest);
    }
    free(error);
    free(path);
}

static void read_directory(uv_work_t *work)
{
    struct reading *reading = (struct reading *)work;
    struct dump_files *files = &reading->files;
    DIR *folder = opendir(reading->directory);
    const struct dirent *entry;

    if (!folder) {
        files->error = mem_printf("%s: %s", reading->directory, strerror(errno));
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (has_suffix(entry->d_name, SUFFIX))
            add_file(files, reading->directory, entry->d_name);
    }
    closedir(folder);
    if (files->count)
        qsort(files->items, files->count, sizeof(*files->items), by_time);
    for (size_t i = 0; i < files->count && i < DUMPS_MAX; i++)
        read_manifest(&files->items[i]);
}

static void was_read(uv_work_t *work, int status)
{
    struct reading *reading = (struct reading *)work;

    (void)status;
    reading->done(reading->context, &reading->files);
    free(reading->directory);
    free(reading);
}

void dump_files_read(uv_loop_t *loop, const char *directory,
                     void (*done)(void *context, struct dump_files *files), void *context)
{
    struct reading *reading = mem_zalloc(sizeof(*reading));

    reading->directory = mem_strdup(directory);
    reading->done = done;
    reading->context = context;
    uv_queue_work(loop, &reading->work, read_directory, was_read);
}

void dump_files_free(struct dump_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].name);
        free(files->items[i].database);
        free(files->items[i].version);
    }
    free(files->items);
    free(files->error);
    *files = (struct dump_files){0};
}
