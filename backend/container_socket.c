#include "backend/container_socket.h"

#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/textfile.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

/* ---- one address ---- */

/* The host itself is not shown: a user's name and password may be in it. */
static char *remote_error(const char *host, size_t scheme)
{
    if (scheme == 3 && strncasecmp(host, "ssh", 3) == 0)
        return mem_strdup("an engine over ssh:// is not served: run sharedtop on its host");
    return mem_printf(
        "an engine over %.*s:// is not served, only its unix socket: set docker_host = "
        "\"unix:///run/docker.sock\"",
        (int)(scheme < 16 ? scheme : 16), host);
}

char *engine_socket_path(const char *host, char **error)
{
    const char *path = strncasecmp(host, "unix://", 7) == 0 ? host + 7 : host;
    const char *scheme = strstr(host, "://");

    *error = NULL;
    if (path == host && scheme)
        *error = remote_error(host, (size_t)(scheme - host));
    else if ((*path != '/' && *path != '@') || !path[1])
        *error = mem_strdup("the address of an engine is a path that begins with /, or "
                            "\"unix://\" and such a path (unix:///run/docker.sock)");
    else if (strlen(path) > SOCKET_PATH_MAX)
        *error =
            mem_printf("the path of the engine's socket has more than %d bytes, which no socket "
                       "can have: use a shorter one (a symbolic link)",
                       SOCKET_PATH_MAX);
    return *error ? NULL : mem_strdup(path);
}

/* ---- the list ---- */

/* Takes over what it is given: a path, or why there is none. */
static void add_place(struct engine_places *places, char *path, const char *from,
                      char *error) // NOLINT(readability-non-const-parameter)
{
    for (size_t i = 0; path && i < places->count; i++) {
        if (strcmp(places->items[i].path, path) == 0) {
            free(path);
            return;
        }
    }
    places->items = mem_array(places->items, places->count + 1, sizeof(*places->items));
    places->items[places->count++] =
        (struct engine_place){.path = path, .from = from, .error = error};
}

static void add_host(struct engine_places *places, const char *host, const char *from)
{
    char *error, *path = engine_socket_path(host, &error);

    add_place(places, path, from, error);
}

static bool add_setting(struct engine_places *places, const char *name, const char *from)
{
    const char *host = environ_value(name);

    if (host)
        add_host(places, host, from);
    return host != NULL;
}

/* ---- the Docker context ---- */

/* ~/.docker or what takes its place; the caller frees it, or NULL. */
static char *docker_folder(void)
{
    const char *folder = environ_value("DOCKER_CONFIG"), *home = environ_value("HOME");

    if (folder)
        return mem_strdup(folder);
    return home ? mem_printf("%s/.docker", home) : NULL;
}

/* NULL: there is no such file, or it is none of JSON. The Docker client goes on without it, too. */
static json_t *read_json(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name), *error = NULL, *text;
    json_t *json = NULL;
    size_t len;

    text = textfile_read(path, TEXTFILE_REGULAR, &len, &error);
    if (text) {
        json = json_loadb(text, len, 0, NULL);
        mem_free_secret(text, len); /* registries' logins may be in it */
    }
    free(error);
    free(path);
    return json;
}

static char *context_name(const char *folder)
{
    const char *name = environ_value("DOCKER_CONTEXT");
    json_t *json = name ? NULL : read_json(folder, "config.json");
    char *copy;

    if (json)
        name = json_string_value(json_object_get(json, "currentContext"));
    copy = name && *name && strcmp(name, "default") != 0 ? mem_strdup(name) : NULL;
    json_decref(json);
    return copy;
}

/* A context is kept in a folder whose name is the sum of its own. */
static json_t *read_context(const char *folder, const char *name)
{
    char hex[2 * SHA256_DIGEST_SIZE + 1], file[sizeof("contexts/meta//meta.json") + sizeof(hex)];
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sum;

    sha256_init(&sum);
    sha256_update(&sum, strlen(name), (const uint8_t *)name);
    sha256_digest(&sum, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    snprintf(file, sizeof(file), "contexts/meta/%s/meta.json", hex);
    return read_json(folder, file);
}

static bool add_context(struct engine_places *places)
{
    static const char from[] = "the Docker context";
    char *folder = docker_folder(), *name = folder ? context_name(folder) : NULL;
    json_t *json = name ? read_context(folder, name) : NULL;
    const char *host = NULL;

    if (json)
        host = json_string_value(
            json_object_get(json_object_get(json_object_get(json, "Endpoints"), "docker"), "Host"));
    if (host && *host)
        add_host(places, host, from);
    else if (name)
        add_place(
            places, NULL, from,
            mem_printf("the Docker context \"%s\" cannot be read in %s: see docker context ls, "
                       "or set docker_host",
                       name, folder));
    json_decref(json);
    free(folder);
    free(name);
    return places->count > 0;
}

/* ---- the usual places ---- */

static void add_usual(struct engine_places *places)
{
    static const char from[] = "the usual place";
    const char *folder = environ_value("XDG_RUNTIME_DIR");
    char *own = folder ? mem_strdup(folder) : mem_printf("/run/user/%u", (unsigned)getuid());

    add_place(places, mem_strdup("/run/docker.sock"), from, NULL);
    if (access("/run/docker.sock", F_OK) != 0 && access("/var/run/docker.sock", F_OK) == 0)
        add_place(places, mem_strdup("/var/run/docker.sock"), from, NULL);
    add_place(places, mem_printf("%s/docker.sock", own), from, NULL);
    add_place(places, mem_printf("%s/podman/podman.sock", own), from, NULL);
    add_place(places, mem_strdup("/run/podman/podman.sock"), from, NULL);
    free(own);
}

void engine_places(const char *configured, struct engine_places *places)
{
    *places = (struct engine_places){0};
    if (configured)
        add_host(places, configured, "docker_host in the configuration");
    else if (!add_setting(places, "DOCKER_HOST", "$DOCKER_HOST") && !add_context(places) &&
             !add_setting(places, "CONTAINER_HOST", "$CONTAINER_HOST"))
        add_usual(places);
}

void engine_places_free(struct engine_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->items[i].path);
        free(places->items[i].error);
    }
    free(places->items);
    *places = (struct engine_places){0};
}

/* ---- what helps ---- */

/* The line of /etc/group for a group, with our user (whom $USER names) among its members or not. The
 * name service is not asked: it may be a server that does not answer. The caller frees it, or NULL. */
static char *group_name(gid_t gid, bool *listed)
{
    FILE *file = fopen("/etc/group", "re");
    const char *user = environ_value("USER");
    const struct group *group = NULL;
    char *name = NULL;

    *listed = false;
    if (!file)
        return NULL;
    while (!name && (group = fgetgrent(file))) {
        if (group->gr_gid == gid)
            name = mem_strdup(group->gr_name);
    }
    for (char **member = name ? group->gr_mem : NULL; user && member && *member; member++)
        *listed |= strcmp(*member, user) == 0;
    fclose(file);
    return name;
}

static char *group_hint(gid_t gid)
{
    bool listed;
    char *name = group_name(gid, &listed), *hint;

    if (!name)
        hint =
            mem_printf("it is for the group %u: become one of it (which has the rights of root), "
                       "then log in anew",
                       (unsigned)gid);
    else if (listed)
        hint =
            mem_printf("you are in the group %s, but were not yet when you logged in: log in anew, "
                       "or run newgrp %s",
                       name, name);
    else
        hint =
            mem_printf("add yourself to the group %s, which has the rights of root: sudo usermod "
                       "-aG %s $USER, then log in anew",
                       name, name);
    free(name);
    return hint;
}

static char *denied_hint(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return mem_strdup("its folder is another user's: run sharedtop as that user, or with sudo");
    if (access(path, R_OK | W_OK) == 0)
        return mem_strdup(
            "its file modes let us: ask SELinux or AppArmor (their log is the kernel's: "
            "journalctl -k)");
    if (st.st_gid != 0 && (st.st_mode & S_IWGRP))
        return group_hint(st.st_gid);
    if (st.st_uid == 0)
        return mem_strdup("it is root's alone: run sharedtop with sudo");
    return mem_strdup("it is another user's: run sharedtop as that user, or with sudo");
}

static char *start_hint(const char *path)
{
    struct stat st;
    bool own = strncmp(path, "/run/user/", 10) == 0;

    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return mem_strdup("it is no socket: set docker_host to the engine's");
    return mem_printf("start the engine: %s %s, or set docker_host if its socket is elsewhere",
                      own ? "systemctl --user start" : "sudo systemctl start",
                      strstr(path, "podman") ? "podman.socket" : "docker");
}

char *engine_refused_hint(const char *path, int error)
{
    switch (error) {
    case EACCES:
    case EPERM: return denied_hint(path);
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED: return start_hint(path);
    case EAGAIN:
        return mem_printf("see what it does: systemctl status %s",
                          strstr(path, "podman") ? "podman" : "docker");
    default: return NULL;
    }
}
