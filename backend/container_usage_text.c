/* The texts of /proc and of cgroups: pure. */
#include "backend/base/mem.h"
#include "backend/container_usage_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- key value ---- */

/* What follows "key " at the beginning of a line, or NULL. */
static const char *after_key(const char *text, const char *key)
{
    const size_t len = strlen(key);

    while (text && *text) {
        if (strncmp(text, key, len) == 0 && text[len] == ' ')
            return text + len + 1;
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return NULL;
}

int64_t usage_stat_value(const char *text, const char *key)
{
    const char *value = after_key(text, key);
    char *end;
    long long number;

    if (!value)
        return -1;
    number = strtoll(value, &end, 10);
    return end > value && number >= 0 ? number : -1;
}

double usage_pressure(const char *text, const char *which)
{
    static const char avg10[] = "avg10=";
    const char *value = after_key(text, which);
    char *end;
    double number;

    if (!value || strncmp(value, avg10, strlen(avg10)) != 0)
        return NAN;
    value += strlen(avg10);
    number = strtod(value, &end);
    return end > value && number >= 0 && number <= 100 ? number : NAN;
}

/* ---- cgroups ---- */

struct piece {
    const char *s;
    size_t len;
};

static bool is_piece(struct piece piece, const char *text)
{
    return piece.len == strlen(text) && memcmp(piece.s, text, piece.len) == 0;
}

/* Takes what is before the separator (or all) off *rest. */
static struct piece take(struct piece *rest, char separator)
{
    const char *end = memchr(rest->s, separator, rest->len);
    struct piece piece = {rest->s, end ? (size_t)(end - rest->s) : rest->len};

    rest->s += piece.len + (end ? 1 : 0);
    rest->len -= piece.len + (end ? 1 : 0);
    return piece;
}

static bool in_list(struct piece list, const char *word)
{
    while (list.len)
        if (is_piece(take(&list, ','), word))
            return true;
    return false;
}

/* "4:memory:/docker/…" of /proc/PID/cgroup: the path of a controller; "" is that of version 2. */
static bool find_path(const char *cgroup, const char *controller, struct piece *path)
{
    struct piece rest = {cgroup, strlen(cgroup)};

    while (rest.len) {
        struct piece line = take(&rest, '\n');
        struct piece number = take(&line, ':'), list = take(&line, ':');

        if (*controller ? in_list(list, controller) : is_piece(number, "0") && !list.len) {
            *path = line;
            return line.len && *line.s == '/';
        }
    }
    return false;
}

/* The fields of a line of mountinfo that count. */
struct mount {
    struct piece root, point, type, options;
};

static struct mount read_mount(struct piece line)
{
    struct mount mount;

    for (unsigned i = 0; i < 3; i++)
        take(&line, ' ');
    mount.root = take(&line, ' ');
    mount.point = take(&line, ' ');
    while (line.len && !is_piece(take(&line, ' '), "-"))
        ;
    mount.type = take(&line, ' ');
    take(&line, ' ');
    mount.options = line;
    return mount;
}

static bool is_octal(const char *s, size_t len)
{
    return len >= 3 && s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
           s[2] <= '7';
}

/* The kernel writes blanks and the like as \040. */
static char *unescape(struct piece piece)
{
    char *text = mem_alloc(piece.len + 1), *out = text;

    for (size_t i = 0; i < piece.len; i++) {
        const char *s = piece.s + i;

        if (*s == '\\' && is_octal(s + 1, piece.len - i - 1)) {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            i += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = 0;
    return text;
}

/* Whether a path leaves the part of the tree that is mounted (another namespace's root shows so).
 * */
static bool climbs(const char *path)
{
    for (const char *s = strstr(path, "/.."); s; s = strstr(s + 1, "/.."))
        if (s[3] == '/' || s[3] == 0)
            return true;
    return false;
}

/* Where a path of the hierarchy is below a mount of root at point, or NULL: it is not. */
static char *join(const char *point, const char *root, const char *path)
{
    size_t len = strlen(root);

    while (len && root[len - 1] == '/')
        len--;
    if (climbs(path) || strncmp(path, root, len) != 0 || (path[len] != '/' && path[len]))
        return NULL;
    path += len;
    return mem_printf("%s%s", point, strcmp(path, "/") == 0 ? "" : path);
}

static char *mounted(const struct mount *mount, struct piece cgroup)
{
    char *point = unescape(mount->point), *root = unescape(mount->root);
    char *path = mem_strndup(cgroup.s, cgroup.len);
    char *folder = join(point, root, path);

    free(point);
    free(root);
    free(path);
    return folder;
}

static char *find_folder(const char *cgroup, const char *mountinfo, const char *controller)
{
    struct piece rest = {mountinfo, strlen(mountinfo)}, path;
    char *folder = NULL;

    if (!find_path(cgroup, controller, &path))
        return NULL;
    while (rest.len && !folder) {
        const struct mount mount = read_mount(take(&rest, '\n'));

        if (*controller ? is_piece(mount.type, "cgroup") && in_list(mount.options, controller)
                        : is_piece(mount.type, "cgroup2"))
            folder = mounted(&mount, path);
    }
    return folder;
}

char *usage_cgroup_folder(const char *cgroup, const char *mountinfo, const char *controller)
{
    char *folder = find_folder(cgroup, mountinfo, controller);

    return folder || !*controller ? folder : find_folder(cgroup, mountinfo, "");
}

char *usage_container_folder(const char *cgroup, const char *mountinfo, const char *controller,
                             const char *id, bool *version_2)
{
    char *folder = find_folder(cgroup, mountinfo, controller), *own;

    if (version_2)
        *version_2 = !*controller || !folder;
    if (!folder)
        folder = find_folder(cgroup, mountinfo, "");
    own = folder && *id ? strstr(folder, id) : NULL;
    if (!own) {
        free(folder);
        return NULL;
    }
    own[strcspn(own, "/")] = 0; /* an init in it may have made cgroups of its own */
    return folder;
}
