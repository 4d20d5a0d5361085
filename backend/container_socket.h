/* Which sockets may be a container engine's, in the order in which they are tried. Reads the
 * environment and the Docker client's configuration (small local files); connects nothing. */
#ifndef BACKEND_CONTAINER_SOCKET_H
#define BACKEND_CONTAINER_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

struct engine_place {
    char *path;       /* of a unix socket; NULL: something else was set, see error */
    const char *from; /* "docker_host in the configuration", "$DOCKER_HOST", "the Docker context",
                          "$CONTAINER_HOST", "the usual place" */
    char *error; /* path NULL: why it cannot be used, one line ("ssh://… is not served: …") */
};

struct engine_places {
    struct engine_place *items;
    size_t count;
};

/* configured: docker_host of the configuration, or NULL. What was set by somebody is the only one; the
 * usual places (/run/docker.sock, the user's own Docker and Podman sockets in $XDG_RUNTIME_DIR,
 * /run/podman/podman.sock) are tried one after the other. */
void engine_places(const char *configured, struct engine_places *places);
void engine_places_free(struct engine_places *places);

/* "unix:///run/docker.sock" or a path → path; NULL: *error (the caller frees both). */
char *engine_socket_path(const char *host, char **error);

/* One line for a socket that refused us with this errno: which group to join ("add yourself to the
 * group docker, …: sudo usermod -aG docker $USER, then log in anew"), what to start. The caller frees
 * it; NULL: nothing is known that helps. */
char *engine_refused_hint(const char *path, int error);

#endif
