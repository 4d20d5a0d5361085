#include "backend/backup_file.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_TRIES = 60 }; /* seconds, when each one's name is taken */

static const char partial_end[] = ".partial", manifest_end[] = ".json";

/* ---- one that is made ---- */

static char *with(const char *name, const char *end)
{
    return mem_printf("%s%s", name, end);
}

static void forget(struct backup_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->folder_fd >= 0)
        close(file->folder_fd);
    free(file->name);
    free(file->folder);
    *file = (struct backup_file){.fd = -1, .folder_fd = -1};
}

static bool exists(int folder_fd, const char *name)
{
    struct stat found;

    return fstatat(folder_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether name still is the open file. */
static bool is_same(int folder_fd, const char *name, int fd)
{
    struct stat open_one, named;

    return fstat(fd, &open_one) == 0 &&
           fstatat(folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

/* Who cleans up may take the lock between our open and flock, and remove the file: then it is not
 * ours. A file system without locks has none that could be taken for dead either. */
static bool is_locked(int folder_fd, const char *partial, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return false;
    return is_same(folder_fd, partial, fd);
}

/* The partial file of name: its descriptor; -1: the name is taken, or errno says why not. A final
 * file of this name can only come from a partial one, so after the partial one is ours, one look
 * is enough. */
static int take_name(int folder_fd, const char *name, int *error)
{
    char *partial = with(name, partial_end), *manifest = with(name, manifest_end);
    int fd = openat(folder_fd, partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    *error = fd < 0 && errno != EEXIST ? errno : 0;
    if (fd >= 0 && !is_locked(folder_fd, partial, fd)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && (exists(folder_fd, name) || exists(folder_fd, manifest))) {
        unlinkat(folder_fd, partial, 0);
        close(fd);
        fd = -1;
    }
    free(partial);
    free(manifest);
    return fd;
}

static char *name_now(const struct backup_kind *kind, struct timespec *now)
{
    struct tm parts;
    char text[20];

    clock_gettime(CLOCK_REALTIME, now);
    gmtime_r(&now->tv_sec, &parts);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts);
    return mem_printf("%s-%s%s", kind->stem, text, kind->extension);
}

static void wait_for_next_second(const struct timespec *now)
{
    const struct timespec rest = {0, 1000000000L - now->tv_nsec - 1};

    nanosleep(&rest, NULL);
}

static char *create_in(struct backup_file *file, const struct backup_kind *kind,
                       bool (*stop)(void *context), void *context)
{
    struct timespec now;
    int error = 0;

    for (int i = 0; i < NAME_TRIES; i++) {
        if (stop(context))
            return mem_strdup("cancelled");
        file->name = name_now(kind, &now);
        file->fd = take_name(file->folder_fd, file->name, &error);
        if (file->fd >= 0)
            return fchmod(file->fd, 0600) < 0 ? mem_strdup(strerror(errno)) : NULL;
        free(file->name);
        file->name = NULL;
        if (error)
            return mem_printf("cannot write in the folder %s: %s", file->folder, strerror(error));
        wait_for_next_second(&now);
    }
    return mem_printf("no free name for the dump in the folder %s", file->folder);
}

char *backup_file_create(struct backup_file *file, const char *folder,
                         const struct backup_kind *kind, bool (*stop)(void *context), void *context)
{
    char *why;

    *file = (struct backup_file){.folder = mem_strdup(folder), .fd = -1};
    file->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    why = file->folder_fd < 0 ? mem_printf("cannot open the folder %s: %s", folder, strerror(errno))
                              : create_in(file, kind, stop, context);
    if (why && file->fd >= 0)
        backup_file_discard(file);
    else if (why)
        forget(file);
    return why;
}

char *backup_file_path(const struct backup_file *file)
{
    return mem_printf("%s/%s", file->folder, file->name);
}

char *backup_file_sync(const struct backup_file *file)
{
    if (fsync(file->fd) == 0)
        return NULL;
    return mem_printf("cannot write %s/%s%s: %s", file->folder, file->name, partial_end,
                      strerror(errno));
}

/* Some file systems cannot sync a folder, and say so: they need none. */
static int sync_folder(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

/* Gives the partial file its final name, never over another one. 0, or errno. */
static int give_name(const struct backup_file *file, const char *partial)
{
    if (!is_same(file->folder_fd, partial, file->fd))
        return ENOENT;
    if (renameat2(file->folder_fd, partial, file->folder_fd, file->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (exists(file->folder_fd, file->name))
        return EEXIST;
    return renameat(file->folder_fd, partial, file->folder_fd, file->name) < 0 ? errno : 0;
}

/* The manifest is on the disk before the dump has its name, so that none is without. */
char *backup_file_commit(struct backup_file *file, const struct manifest *manifest)
{
    char *path = backup_file_path(file), *beside = with(path, manifest_end);
    char *partial = with(file->name, partial_end);
    char *why = manifest_write(manifest, beside);
    int error = why ? 0 : give_name(file, partial);

    if (!why && !error) {
        error = sync_folder(file->folder_fd);
        if (error)
            unlinkat(file->folder_fd, file->name, 0);
    }
    if (error)
        why = mem_printf("cannot name the dump %s: %s", path, strerror(error));
    if (why)
        backup_file_discard(file);
    else
        forget(file);
    free(partial);
    free(beside);
    free(path);
    return why;
}

/* The manifest first: while its partial file is there, who comes later removes both. */
static void remove_partial(int folder_fd, const char *name)
{
    char *manifest = with(name, manifest_end), *half = with(manifest, partial_end);
    char *partial = with(name, partial_end);

    unlinkat(folder_fd, half, 0);
    if (!exists(folder_fd, name))
        unlinkat(folder_fd, manifest, 0);
    unlinkat(folder_fd, partial, 0);
    free(partial);
    free(half);
    free(manifest);
}

void backup_file_discard(struct backup_file *file)
{
    if (file->name)
        remove_partial(file->folder_fd, file->name);
    forget(file);
}
