#include "backend/act_restore_file.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *identity_of(const struct stat *st)
{
    return mem_printf("%ju:%ju:%jd:%jd.%09ld", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
                      (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static char *what_folder(const char *path)
{
    char *contents = mem_printf("%s/toc.dat", path);
    bool dump = access(contents, F_OK) == 0;

    free(contents);
    return dump ? mem_printf("%s: it is a dump in directory format, not a custom one; make it with "
                             "pg_dump -Fc, or restore it with pg_restore -Fd",
                             path)
                : mem_printf("%s: it is a folder; name a file made by pg_dump -Fc", path);
}

/* A manifest that is not there is none; one that is bad does not forbid the restore. */
static void read_manifest(struct restore_file *file)
{
    char *path = mem_printf("%s.json", file->path), *error = NULL;

    if (access(path, F_OK) == 0) {
        file->has_manifest = manifest_read(path, &file->manifest, &error);
        if (!file->has_manifest)
            file->warning = mem_printf("its manifest cannot be read, so that the restore will not "
                                       "be compared with it: %s",
                                       error ? error : path);
    }
    free(error);
    free(path);
}

static char *read_dump(struct restore_file *file, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");
    char *error = NULL, *line = NULL;

    if (!stream) {
        if (copy >= 0)
            close(copy);
        return mem_printf("%s: %s", file->path, strerror(errno));
    }
    if (!dump_read(stream, &file->dump, &error))
        line = mem_printf("%s: %s", file->path, error);
    free(error);
    fclose(stream);
    if (!line && lseek(fd, 0, SEEK_SET) != 0)
        line = mem_printf("%s: %s", file->path, strerror(errno));
    return line;
}

static char *read_open(struct restore_file *file, int fd)
{
    struct stat st;
    char *error;

    if (fstat(fd, &st) != 0)
        return mem_printf("%s: %s", file->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return what_folder(file->path);
    if (!S_ISREG(st.st_mode))
        return mem_printf("%s: it is no regular file", file->path);
    file->bytes = st.st_size;
    file->identity = identity_of(&st);
    error = read_dump(file, fd);
    if (error)
        return error;
    read_manifest(file);
    if (file->manifest.bytes >= 0 && file->manifest.bytes != file->bytes)
        return mem_printf("%s: it has %" PRId64 " bytes, but its manifest says %" PRId64
                          ": it is cut or another file; copy it again, or take another backup",
                          file->path, file->bytes, file->manifest.bytes);
    return NULL;
}

char *restore_file_open(const char *path, struct restore_file *file, int *fd)
{
    char *error;

    *file = (struct restore_file){.path = realpath(path, NULL)};
    manifest_init(&file->manifest);
    *fd = -1;
    if (!file->path)
        return mem_printf("%s: %s", path, strerror(errno));
    /* Opening a pipe must not wait for who writes it. */
    *fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return mem_printf("%s: %s", path, strerror(errno));
    error = read_open(file, *fd);
    if (error) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

char *restore_file_read(const char *path, struct restore_file *file)
{
    int fd;
    char *error = restore_file_open(path, file, &fd);

    if (fd >= 0)
        close(fd);
    return error;
}

void restore_file_free(struct restore_file *file)
{
    free(file->path);
    free(file->identity);
    free(file->warning);
    dump_free(&file->dump);
    manifest_free(&file->manifest);
    *file = (struct restore_file){0};
}

const char *restore_file_database(const struct restore_file *file)
{
    return file->manifest.database ? file->manifest.database : file->dump.database;
}
