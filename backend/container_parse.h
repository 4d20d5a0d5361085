/* The engine's answers (Docker Engine API 1.24 and later, Podman's compatible one) as structs.
 * Pure; whatever bytes come, nothing here crashes, and what is missing is absent. */
#ifndef BACKEND_CONTAINER_PARSE_H
#define BACKEND_CONTAINER_PARSE_H

#include "backend/container_data.h"

#include <stdbool.h>
#include <stddef.h>

/* GET /containers/ID/json: one reference for the caller, with refs 1; NULL: it is none. login is
 * filled too (free it with container_login_free). */
struct container *container_parse_inspect(const char *text, size_t len,
                                          struct container_login *login);

/* GET /images/NAME/json: its id, which the caller frees, or NULL. */
char *container_parse_image(const char *text, size_t len);

/* GET /version and GET /info: fills what they tell, but for api: the newest that the engine would speak
 * is not what is spoken. False: it is neither. */
bool container_parse_version(const char *text, size_t len, struct engine_info *info);
bool container_parse_info(const char *text, size_t len, struct engine_info *info);

/* The message of an error's answer ({"message": …}), raw, which the caller frees, or NULL. */
char *container_parse_error(const char *text, size_t len);

enum container_event_kind {
    EVENT_OTHER,
    EVENT_CHANGED, /* created, started, stopped, renamed, paused, health, network …: inspect it anew */
    EVENT_STARTED,
    EVENT_DIED, /* exit_code */
    EVENT_OOM,
    EVENT_REMOVED,
    EVENT_IMAGE /* a tag may stand for another image */
};

struct container_event {
    enum container_event_kind kind;
    char id[65]; /* of the container; "" for images */
    int exit_code;
    double time; /* seconds since 1970 */
};

/* One line of GET /events. False: it is none. */
bool container_parse_event(const char *text, size_t len, struct container_event *event);

/* The first regular file of a tar archive (GET /containers/ID/archive): *from and *size within
 * bytes. False: there is none, or it is cut. */
bool container_parse_archive(const char *bytes, size_t len, const char **from, size_t *size);

/* What runs in it: by the image's name, the command, and the environment that such images set. */
enum container_service container_service_of(const char *image, const char *const *command,
                                            const char *const *environment);

#endif
