/* The files of earlier backups: those of dead writers, those to keep, the last one. */
#include "backend/backup_file.h"
#include "backend/base/mem.h"
#include "backend/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
    char **items;
    size_t count;
};

/* ---- names ---- */

/* The length of "-YYYYMMDDTHHMMSSZ" at text, or 0. */
static size_t time_length(const char *text)
{
    static const char shape[] = "-00000000T000000Z";
    size_t i;

    for (i = 0; shape[i]; i++) {
        const bool digit = text[i] >= '0' && text[i] <= '9';

        if (shape[i] == '0' ? !digit : text[i] != shape[i])
            return 0;
    }
    return i;
}

static bool is_of_kind(const char *name, const struct backup_kind *kind)
{
    const size_t stem = strlen(kind->stem);
    size_t length;

    if (strncmp(name, kind->stem, stem) != 0)
        return false;
    length = time_length(name + stem);
    return length && strcmp(name + stem + length, kind->extension) == 0;
}

/* Whether name is a partial file's of any backup: the length of its final name, or 0. */
static size_t partial_length(const char *name)
{
    static const char *const ends[] = {".dump.partial", ".sql.partial"};
    const size_t time = strlen("-00000000T000000Z"), length = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const size_t end = strlen(ends[i]);

        if (length > time + end && strcmp(name + length - end, ends[i]) == 0 &&
            time_length(name + length - end - time))
            return length - strlen(".partial");
    }
    return 0;
}

static void add_name(struct names *names, const char *name)
{
    names->items = mem_array(names->items, names->count + 1, sizeof(*names->items));
    names->items[names->count++] = mem_strdup(name);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static int newest_first(const void *a, const void *b)
{
    return -strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in the folder that are of this kind (NULL: partial ones of any), newest first. */
static struct names list(const char *folder, const struct backup_kind *kind)
{
    struct names names = {0};
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (!dir)
        return names;
    while ((entry = readdir(dir))) {
        if (kind ? is_of_kind(entry->d_name, kind) : partial_length(entry->d_name) > 0)
            add_name(&names, entry->d_name);
    }
    closedir(dir);
    if (names.count)
        qsort(names.items, names.count, sizeof(*names.items), newest_first);
    return names;
}

/* ---- of dead writers ---- */

/* Removes it if nobody holds its lock. */
static bool clean_one(int folder_fd, const char *partial)
{
    int fd = openat(folder_fd, partial, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat open_one, named;
    bool dead;

    if (fd < 0)
        return false;
    dead = fstat(fd, &open_one) == 0 && S_ISREG(open_one.st_mode) &&
           flock(fd, LOCK_EX | LOCK_NB) == 0 &&
           fstatat(folder_fd, partial, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
    if (dead) {
        char *name = mem_strndup(partial, partial_length(partial));
        struct backup_file file = {.name = name, .folder_fd = dup(folder_fd), .fd = fd};

        backup_file_discard(&file);
        return true;
    }
    close(fd);
    return false;
}

size_t backup_files_clean(const char *folder)
{
    struct names names = list(folder, NULL);
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t removed = 0;

    for (size_t i = 0; folder_fd >= 0 && i < names.count; i++)
        removed += clean_one(folder_fd, names.items[i]);
    if (folder_fd >= 0)
        close(folder_fd);
    free_names(&names);
    return removed;
}

/* ---- whole ones ---- */

/* The manifest of a dump that is a plain file and the one its manifest speaks of. */
static bool read_beside(const char *folder, const char *name, struct manifest *manifest)
{
    char *dump = mem_printf("%s/%s", folder, name), *path = mem_printf("%s.json", dump);
    char *error = NULL;
    struct stat found;
    bool good =
        lstat(dump, &found) == 0 && S_ISREG(found.st_mode) && manifest_read(path, manifest, &error);

    if (good && (!manifest->file || strcmp(manifest->file, name) != 0)) {
        manifest_free(manifest);
        good = false;
    }
    free(error);
    free(path);
    free(dump);
    return good;
}

static bool equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether stored is what a manifest makes of the text. */
static bool is_stored(const char *stored, const char *text)
{
    json_t *bytes = json_bytes(text);
    bool same = equal(stored, json_string_value(bytes));

    json_decref(bytes);
    return same;
}

/* A server that was made anew has the old one's name, but not its dumps. */
static bool is_same_source(const struct manifest *manifest, const struct manifest *made)
{
    return is_stored(manifest->server, made->server) &&
           is_stored(manifest->database, made->database) &&
           equal(manifest->system_identifier, made->system_identifier);
}

/* The dump first, since one without manifest would be taken for broken, and the other way round
 * only takes up little space. */
static bool remove_dump(const char *folder, const char *name)
{
    char *dump = mem_printf("%s/%s", folder, name), *path = mem_printf("%s.json", dump);
    bool removed = unlink(dump) == 0;

    if (removed)
        unlink(path);
    free(path);
    free(dump);
    return removed;
}

size_t backup_files_retain(const char *folder, const struct backup_kind *kind, size_t keep,
                           const struct manifest *made)
{
    struct names names = {0};
    size_t kept = 1, removed = 0; /* the new one, whatever the clock said */

    if (keep)
        names = list(folder, kind);
    for (size_t i = 0; i < names.count; i++) {
        struct manifest manifest;

        if (equal(names.items[i], made->file) || !read_beside(folder, names.items[i], &manifest))
            continue;
        if (is_same_source(&manifest, made) && kept++ >= keep)
            removed += remove_dump(folder, names.items[i]);
        manifest_free(&manifest);
    }
    free_names(&names);
    return removed;
}

bool backup_files_last(const char *folder, const struct backup_kind *kind, const char *server,
                       const char *database, struct manifest *manifest)
{
    struct names names = list(folder, kind);
    bool found = false;

    manifest_init(manifest);
    for (size_t i = 0; i < names.count && !found; i++) {
        if (!read_beside(folder, names.items[i], manifest))
            continue;
        found = is_stored(manifest->server, server) && is_stored(manifest->database, database);
        if (!found)
            manifest_free(manifest);
    }
    free_names(&names);
    return found;
}
