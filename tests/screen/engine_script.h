/* A container engine whose containers, events and logs a test makes up: Docker's API on a unix socket. */
#ifndef SCREEN_ENGINE_SCRIPT_H
#define SCREEN_ENGINE_SCRIPT_H

#include <stdbool.h>

struct engine_script;

/* What the engine says of one. Texts are JSON's insides as they are; NULL and 0: left out. */
struct script_container {
    const char *name, *image;
    const char *image_id; /* that runs; NULL: the one that the tag stands for */
    const char *state;    /* "running", "exited", … */
    const char *health;
    const char *command;     /* one word */
    const char *environment; /* "POSTGRES_USER=admin" */
    int exit_code, restarts, oom_score_adj;
    bool oom_killed;
    long long started;       /* seconds since 1970 */
    long long memory, limit; /* bytes */
    int port, published;
    const char *bind; /* address of the published port */
    const char *network, *address;
    const char *volume, *destination;
    const char *policy;
};

/* rootless: its networks cannot be reached. */
struct engine_script *engine_script_start(bool rootless);
void engine_script_stop(struct engine_script *script);
const char *engine_script_socket(const struct engine_script *script);

/* Adds it, or replaces the one of its name; an event ("start", "die", …; NULL: none) is sent. */
void engine_script_put(struct engine_script *script, const struct script_container *container,
                       const char *event);

/* A line of its log, now; those who follow it get it at once. */
void engine_script_log(struct engine_script *script, const char *name, bool error,
                       const char *text);

/* The log's followers come to its end, as when the container ends. */
void engine_script_end_logs(struct engine_script *script, const char *name);

/* Followers of any log, now. */
unsigned engine_script_followers(struct engine_script *script);

/* Answers nothing from now on (or does again). */
void engine_script_mute(struct engine_script *script, bool mute);

#endif
