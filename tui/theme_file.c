#include "tui/theme_file.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/base/strbuf.h"
#include "tui/text.h"
#include "tui/theme.h"
#include "tui/theme_data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_FILE ((off_t)256 * 1024)
#define SUFFIX        ".theme"

const char *theme_nearest(const char *name, const char *(*at)(size_t index), size_t count)
{
    const char **names = mem_array(NULL, count, sizeof(*names)), *near;

    for (size_t i = 0; i < count; i++)
        names[i] = at(i);
    near = nearest_name(name, names, count);
    free(names);
    return near;
}

/* ---- files ---- */

/* Owned; NULL when there is no home. */
static char *user_directory(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (config && config[0] == '/')
        return mem_printf("%s/sharedtop/themes", config);
    return home && home[0] == '/' ? mem_printf("%s/.config/sharedtop/themes", home) : NULL;
}

static bool read_all(int fd, struct strbuf *text)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0 && text->len <= (size_t)SIZE_MAX_FILE)
        strbuf_add(text, chunk, (size_t)n);
    return n == 0;
}

/* The content, owned; NULL and errno when it cannot be read. */
static char *read_file(const char *path)
{
    struct strbuf text = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved = EINVAL;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0)
        saved = errno;
    else if (S_ISDIR(st.st_mode))
        saved = EISDIR;
    else if (st.st_size > SIZE_MAX_FILE)
        saved = EFBIG;
    else if (S_ISREG(st.st_mode))
        saved = read_all(fd, &text) ? 0 : errno;
    close(fd);
    if (!saved)
        return strbuf_take(&text);
    strbuf_free(&text);
    errno = saved;
    return NULL;
}

/* ---- names ---- */

static const char *shipped_name(size_t index)
{
    return theme_data[index].name;
}

static size_t shipped_count(void)
{
    size_t n = 0;

    while (theme_data[n].name)
        n++;
    return n;
}

static bool known(char *const *names, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], name, len))
            return true;
    return false;
}

static void add_name(char ***names, size_t *count, const char *name, size_t len)
{
    if (known(*names, *count, name, len))
        return;
    *names = mem_array(*names, *count + 1, sizeof **names);
    (*names)[(*count)++] = mem_strndup(name, len);
}

static void add_users(char ***names, size_t *count)
{
    char *path = user_directory();
    DIR *dir = path ? opendir(path) : NULL;
    const struct dirent *entry;

    free(path);
    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

        if (len > suffix && entry->d_name[0] != '.' &&
            !strcmp(entry->d_name + len - suffix, SUFFIX))
            add_name(names, count, entry->d_name, len - suffix);
    }
    if (dir)
        closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **theme_list(size_t *count)
{
    char **names = NULL;

    *count = 0;
    for (size_t i = 0; i < shipped_count(); i++)
        add_name(&names, count, theme_data[i].name, strlen(theme_data[i].name));
    add_users(&names, count);
    if (*count)
        qsort(names, *count, sizeof *names, by_name);
    return names;
}

/* ---- finding ---- */

static bool find_path(const char *path, struct theme_file *file, char **error)
{
    file->text = read_file(path);
    file->where = mem_strdup(path);
    if (file->text)
        return true;
    *error = mem_printf("%s: cannot read the theme: %s", path, strerror(errno));
    return false;
}

/* True when the user has a file of this name, read or not. */
static bool find_own(const char *name, struct theme_file *file, char **error)
{
    char *directory = user_directory();
    char *path = directory ? mem_printf("%s/%s" SUFFIX, directory, name) : NULL;
    bool exists = path && access(path, F_OK) == 0;

    file->own = exists && find_path(path, file, error);
    free(path);
    free(directory);
    return exists;
}

static bool find_shipped(const char *name, struct theme_file *file)
{
    for (size_t i = 0; i < shipped_count(); i++)
        if (!strcmp(theme_data[i].name, name)) {
            file->text = mem_strdup(theme_data[i].text);
            file->where = mem_printf("theme %s", name);
            return true;
        }
    return false;
}

bool theme_file_read(const char *name, bool shipped, struct theme_file *file, char **error)
{
    const char *nearest;
    char *shown;

    *file = (struct theme_file){0};
    if (strchr(name, '/')) {
        file->own = true;
        return find_path(name, file, error);
    }
    if (!shipped && find_own(name, file, error))
        return file->own;
    if (find_shipped(name, file))
        return true;
    nearest = theme_nearest(name, shipped_name, shipped_count());
    shown = text_clean(name, false);
    *error =
        mem_printf("there is no theme '%s'; %s%s%s'sharedtop themes' lists them", shown,
                   nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "");
    free(shown);
    return false;
}

void theme_file_free(struct theme_file *file)
{
    free(file->text);
    free(file->where);
}
