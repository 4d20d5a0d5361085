/* A container engine that is none: as much of the API as the watch asks for, on a unix socket, by the
 * caller's loop. Its containers are structs that a test changes. */
#ifndef TESTS_UNIT_WATCH_FAKE_H
#define TESTS_UNIT_WATCH_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { FAKE_MAX = 64 };

struct fake_container {
    char id[65];
    const char *name, *image, *image_id;
    const char *state;   /* "running", "exited", "restarting", … */
    const char *started; /* "2026-01-02T03:04:05Z" */
    const char *ended;
    const char *address;
    const char *environment; /* JSON strings, between brackets */
    int exit_code, restarts, pid;
    bool oom_killed;
};

struct fake_docker;

/* The texts of struct fake_container are the caller's; an id is made from the name. */
struct fake_docker *fake_new(uv_loop_t *loop, const char *path);
void fake_listen(struct fake_docker *fake);
void fake_die(struct fake_docker *fake);  /* nobody listens any more, all connections are cut */
void fake_free(struct fake_docker *fake); /* turns the loop until all is closed */

struct fake_container *fake_add(struct fake_docker *fake, const char *name, const char *image);
void fake_remove(struct fake_docker *fake, const char *name);
struct fake_container *fake_get(struct fake_docker *fake, const char *name);

void fake_set_api(struct fake_docker *fake, const char *api);   /* "1.41" at first */
void fake_set_info(struct fake_docker *fake, const char *json); /* of GET /info */
void fake_set_image(struct fake_docker *fake, const char *id);  /* all names stand for it */
void fake_set_file(struct fake_docker *fake, const char *path, const char *text);
void fake_set_stats(struct fake_docker *fake, const char *json);

/* Requests whose path has part in it: are answered with status (0: as always), or not until
 * fake_release. One part each at a time; NULL: none. */
void fake_refuse(struct fake_docker *fake, const char *part, int status);
void fake_hold(struct fake_docker *fake, const char *part);
void fake_release(struct fake_docker *fake);

/* To all that follow /events: an event of a container, or one given whole. */
void fake_event(struct fake_docker *fake, const char *action, const char *name, int exit_code);
void fake_event_text(struct fake_docker *fake, const char *json);
void fake_end_events(struct fake_docker *fake);
size_t fake_streams(const struct fake_docker *fake);

/* How many requests have had part in their path. */
size_t fake_asked(const struct fake_docker *fake, const char *part);
/* The path that came as number index, or NULL. */
const char *fake_request(const struct fake_docker *fake, size_t index);

#endif
