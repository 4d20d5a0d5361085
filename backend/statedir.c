#include "backend/statedir.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *statedir_path(const char *name, char **error)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const char *below = name ? name : "", *slash = name ? "/" : "";

    *error = NULL;
    if (state && state[0] == '/')
        return mem_printf("%s/sharedtop%s%s", state, slash, below);
    if (home && home[0] == '/')
        return mem_printf("%s/.local/state/sharedtop%s%s", home, slash, below);
    *error = mem_strdup("no place for state: set XDG_STATE_HOME or HOME to a folder");
    return NULL;
}

static char *make_one(const char *path)
{
    struct stat found;

    if (mkdir(path, 0700) == 0 ||
        (errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode)))
        return NULL;
    return mem_printf("cannot make the folder %s: %s", path, strerror(errno));
}

char *statedir_make(const char *path)
{
    char *copy = mem_strdup(path), *error = NULL;

    for (char *at = strchr(copy + 1, '/'); at && !error; at = strchr(at + 1, '/')) {
        *at = '\0';
        error = make_one(copy);
        *at = '/';
    }
    if (!error)
        error = make_one(copy);
    free(copy);
    return error;
}

char *statedir_check_owner(const char *path)
{
    struct stat found;

    if (lstat(path, &found) != 0)
        return mem_printf("cannot look at the folder %s: %s", path, strerror(errno));
    if (S_ISDIR(found.st_mode) && found.st_uid == geteuid())
        return NULL;
    return mem_printf("the folder %s is not ours: set XDG_STATE_HOME to one of this user's, or use "
                      "sudo -H",
                      path);
}
