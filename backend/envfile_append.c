#include "backend/envfile.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/textfile.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100 /* of 20 ms */

/* The file that is changed, locked against others that do the same. */
struct target {
    char *path, *folder; /* of the file itself, links followed */
    int fd;              /* -1: there is no such file yet */
    struct stat st;
    char *text; /* its content */
    size_t len;
};

bool envfile_is_key(const char *key)
{
    if (!*key || isdigit((unsigned char)*key))
        return false;
    for (; *key; key++) {
        if (!isalnum((unsigned char)*key) && *key != '_')
            return false;
    }
    return true;
}

static char *fault(const char *path, const char *what)
{
    return mem_printf("cannot add to env_file %s: %s", path, what);
}

/* ---- finding and locking ---- */

/* The folder's own path, then the name: for a file that is not there yet. */
static char *find_new(const char *path)
{
    char *copy = mem_strdup(path), *folder = realpath(dirname(copy), NULL), *found = NULL;

    free(copy);
    copy = mem_strdup(path);
    if (folder)
        found = mem_printf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, basename(copy));
    free(copy);
    free(folder);
    return found;
}

/* A link is followed, so that the rename does not put a file in its place. */
static char *find(struct target *target, const char *path)
{
    char *real = realpath(path, NULL), *copy;

    target->path = real ? mem_strdup(real) : errno == ENOENT ? find_new(path) : NULL;
    free(real);
    if (!target->path)
        return fault(path, strerror(errno));
    copy = mem_strdup(target->path);
    target->folder = mem_strdup(dirname(copy));
    free(copy);
    return NULL;
}

static void pause_a_bit(void)
{
    const struct timespec pause = {.tv_nsec = 20000000};

    nanosleep(&pause, NULL);
}

/* True when the file that was locked is still the one of that name. */
static bool lock(struct target *target)
{
    struct stat now;

    return flock(target->fd, LOCK_EX | LOCK_NB) == 0 && fstat(target->fd, &target->st) == 0 &&
           stat(target->path, &now) == 0 && now.st_ino == target->st.st_ino &&
           now.st_dev == target->st.st_dev;
}

static char *open_locked(struct target *target)
{
    assert(target->path && target->folder);
    for (int tries = LOCK_TRIES; tries; tries--) {
        target->fd = open(target->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (target->fd < 0)
            return errno == ENOENT ? NULL : fault(target->path, strerror(errno));
        if (lock(target))
            return NULL;
        close(target->fd);
        target->fd = -1;
        pause_a_bit();
    }
    return fault(target->path, "another program keeps it locked");
}

static char *read_text(struct target *target)
{
    char *reason = NULL, *error;

    if (target->fd < 0) {
        target->text = mem_strdup("");
        return NULL;
    }
    target->text = textfile_read(target->path, TEXTFILE_REGULAR, &target->len, &reason);
    if (target->text)
        return NULL;
    error = fault(target->path, reason);
    free(reason);
    return error;
}

static char *check_key(const struct target *target, const char *key)
{
    char *value = envfile_find(target->text, target->len, key);

    if (!value)
        return NULL;
    mem_free_secret(value, strlen(value));
    return mem_printf("env_file %s has a key %s already: remove that line or name another key",
                      target->path, key);
}

static char *open_target(struct target *target, const char *path, const char *key)
{
    char *error;

    assert(path && key);
    *target = (struct target){.fd = -1};
    if (!envfile_is_key(key))
        return mem_printf("'%s' cannot be a key of an env file: use letters, digits and _", key);
    error = find(target, path);
    if (!error)
        error = open_locked(target);
    if (!error && access(target->folder, W_OK | X_OK) != 0)
        error = mem_printf("cannot write in the folder %s: %s", target->folder, strerror(errno));
    if (!error)
        error = read_text(target);
    if (!error)
        error = check_key(target, key);
    return error;
}

static void close_target(struct target *target)
{
    if (target->fd >= 0)
        close(target->fd);
    mem_free_secret(target->text, target->len);
    free(target->path);
    free(target->folder);
}

char *envfile_check(const char *path, const char *key)
{
    struct target target;
    char *error = open_target(&target, path, key);

    close_target(&target);
    return error;
}

/* ---- the new content ---- */

static bool is_plain(const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:@%+,=";

    return *value && !value[strspn(value, plain)];
}

/* In single quotes nothing but the quote itself means anything else. */
static void add_value(struct strbuf *text, const char *value)
{
    if (is_plain(value)) {
        strbuf_adds(text, value);
        return;
    }
    strbuf_addc(text, '\'');
    for (; *value; value++) {
        if (*value == '\'')
            strbuf_addc(text, '\\');
        strbuf_addc(text, *value);
    }
    strbuf_addc(text, '\'');
}

/* The content with the line added, or NULL: read again it would not give the value, since the file
 * ends inside a quote. Reserved at once, so that no copy of the secrets is left behind. */
static char *compose(const struct target *target, const char *key, const char *value, size_t *len)
{
    const size_t room = target->len + strlen(key) + 2 * strlen(value) + 8;
    struct strbuf text = {.s = mem_alloc(room), .cap = room};
    char *found;
    bool right;

    strbuf_add(&text, target->text, target->len);
    if (target->len && target->text[target->len - 1] != '\n')
        strbuf_addc(&text, '\n');
    strbuf_addf(&text, "%s=", key);
    add_value(&text, value);
    strbuf_addc(&text, '\n');
    found = envfile_find(text.s, text.len, key);
    right = found && strcmp(found, value) == 0;
    mem_free_secret(found, found ? strlen(found) : 0);
    *len = text.len;
    if (right)
        return text.s;
    mem_free_secret(text.s, text.len);
    return NULL;
}

/* ---- putting it in place ---- */

static bool keep_owner(const struct target *target, int fd)
{
    struct stat st;

    if (target->fd < 0)
        return true;
    if (fstat(fd, &st) != 0)
        return false;
    if ((st.st_uid != target->st.st_uid || st.st_gid != target->st.st_gid) &&
        fchown(fd, target->st.st_uid, target->st.st_gid) != 0)
        return false;
    return fchmod(fd, target->st.st_mode & 07777) == 0;
}

/* A file that has come up meanwhile is not overwritten: link refuses. */
static bool put_in_place(const struct target *target, const char *temporary)
{
    if (target->fd >= 0)
        return rename(temporary, target->path) == 0;
    if (link(temporary, target->path) != 0)
        return false;
    unlink(temporary);
    return true;
}

/* The file is in its place: a folder that cannot be synced (some network disks) changes nothing. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* *again: a file has come up where there was none. */
static char *replace(const struct target *target, const char *text, size_t len, bool *again)
{
    char *temporary = mem_printf("%s/.sharedtop-env-XXXXXX", target->folder), *error = NULL;
    int fd = mkostemp(temporary, O_CLOEXEC);

    assert(target->path);
    if (fd < 0 || !textfile_write(fd, text, len) || !keep_owner(target, fd) || fsync(fd) != 0 ||
        !put_in_place(target, temporary)) {
        *again = target->fd < 0 && errno == EEXIST;
        error = fault(target->path, strerror(errno));
        if (fd >= 0)
            unlink(temporary);
    } else {
        sync_folder(target->folder);
    }
    if (fd >= 0)
        close(fd);
    free(temporary);
    return error;
}

static char *append_once(const char *path, const char *key, const char *value, bool *again)
{
    struct target target;
    char *error = open_target(&target, path, key), *text;
    size_t len;

    if (!error) {
        text = compose(&target, key, value, &len);
        if (text)
            error = replace(&target, text, len, again);
        else
            error = fault(target.path, "a quote in it is never closed");
        mem_free_secret(text, text ? len : 0);
    }
    close_target(&target);
    return error;
}

char *envfile_append(const char *path, const char *key, const char *value)
{
    bool again = false;
    char *error = append_once(path, key, value, &again);

    if (again) {
        free(error);
        error = append_once(path, key, value, &again);
    }
    return error;
}
