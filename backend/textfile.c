#include "backend/textfile.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXTFILE_MAX = 1024 * 1024 };

/* Fills buffer, as far as the file goes. -1: errno says why not. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, buffer + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* The size to reserve, or 0 with *error. */
static size_t check_kind(int fd, enum textfile_kind kind, char **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        *error = mem_strdup(strerror(errno));
        return 0;
    }
    if (S_ISREG(st.st_mode) && st.st_size < TEXTFILE_MAX)
        return (size_t)st.st_size + 1;
    if (S_ISFIFO(st.st_mode) && kind == TEXTFILE_OR_PIPE)
        return TEXTFILE_MAX;
    *error = mem_strdup(S_ISREG(st.st_mode) ? "it is larger than 1 MiB" : "it is not a plain file");
    return 0;
}

static char *read_open(int fd, size_t size, size_t *len, char **error)
{
    char *text = mem_alloc(size + 1);
    ssize_t n = read_all(fd, text, size);

    if (n < 0 || n >= TEXTFILE_MAX) {
        *error = mem_strdup(n < 0 ? strerror(errno) : "it is larger than 1 MiB");
        mem_free_secret(text, size + 1);
        return NULL;
    }
    text[n] = '\0';
    *len = (size_t)n;
    return text;
}

char *textfile_read(const char *path, enum textfile_kind kind, size_t *len, char **error)
{
    int wait = kind == TEXTFILE_OR_PIPE ? 0 : O_NONBLOCK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | wait);
    char *text = NULL;
    size_t size;

    if (fd < 0) {
        *error = mem_strdup(strerror(errno));
        return NULL;
    }
    size = check_kind(fd, kind, error);
    if (size)
        text = read_open(fd, size, len, error);
    close(fd);
    return text;
}

bool textfile_write(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

bool textfile_readable_by_others(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH));
}

char *textfile_shell_quoted(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./,:@%+=";
    struct strbuf quoted = {0};

    if (*path && *path != '-' && path[strspn(path, plain)] == '\0')
        return mem_strdup(path);
    strbuf_addc(&quoted, '\'');
    for (; *path; path++) {
        if (*path == '\'')
            strbuf_adds(&quoted, "'\\'");
        strbuf_addc(&quoted, *path);
    }
    strbuf_addc(&quoted, '\'');
    return strbuf_take(&quoted);
}
