/* What the files of the watch share. Nobody outside of container_watch*.c includes it.
 *
 * Answers and events only take notes and call watch_touch; the turn that follows acts on them: it asks
 * for more, publishes, and calls the owner. So the owner's functions are called from one place only,
 * and may call anything of container_watch.h. */
#ifndef BACKEND_CONTAINER_WATCH_IMPL_H
#define BACKEND_CONTAINER_WATCH_IMPL_H

#include "backend/base/strbuf.h"
#include "backend/container_engine.h"
#include "backend/container_parse.h"
#include "backend/container_socket.h"
#include "backend/container_usage.h"
#include "backend/container_watch.h"
#include "backend/container_watch_parse.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    WATCH_DEADLINE = 5000, /* ms */
    WATCH_DEADLINE_FIRST = 15000,
    WATCH_PARALLEL = 6,        /* containers that are inspected at once */
    WATCH_RESTARTS_KEPT = 32,  /* the latest of a container */
    WATCH_RESTART_SPAN = 600,  /* seconds in which they count */
    WATCH_PUBLISH_EVERY = 50,  /* ms, for what is not urgent */
    WATCH_STATS_EVERY = 5000,  /* ms, for figures that only the engine has */
    WATCH_LIST_EVERY = 30000,  /* ms, while events come */
    WATCH_LIST_ALONE = 5000,   /* ms, while there are none */
    WATCH_SEARCH_EVERY = 10000 /* ms */
};

/* search → pinging → greeted → open; whatever fails is broken, and then waiting. */
enum watch_link {
    LINK_IDLE, /* not started */
    LINK_SEARCH,
    LINK_PINGING,
    LINK_GREETED,
    LINK_OPEN,
    LINK_BROKEN,
    LINK_WAITING
};

/* The moments of the last restarts. */
struct watch_times {
    double at[WATCH_RESTARTS_KEPT];
    unsigned next;
};

enum { FETCH_USER = 1U, FETCH_PASSWORD = 2U };

/* One container. It is the context of all its requests. */
struct watch_entry {
    struct container_watch *watch;
    char id[65];
    uint64_t signature;            /* of the last list; 0: none */
    const struct container *facts; /* NULL: not inspected yet */
    struct container_login login;
    struct container_usage usage;
    char *place;        /* start and addresses of the last moved; NULL: it does not run */
    bool wanted, asked; /* an inspection: to be sent, under way */
    bool failed;        /* the last one did */
    bool fresh;         /* the last one was of this connection and did not */
    bool current;       /* KNOWN_NOW, and the owner knows */
    bool initial;       /* the first picture waits for it */
    bool ended;         /* the next start is a restart */
    int exit_code;      /* of that end */
    bool gone;
    bool tell_stopped, tell_moved, tell_removed;
    unsigned fetch, fetching; /* FETCH_…: files of the login, to be asked for; requests */
    struct watch_times starts, counts; /* restarts by events; by the engine's count */
    double oom_at;
    int64_t kills;     /* usage.oom_kills of the last reading; -1: none */
    bool unseen;       /* the kernel tells nothing of it */
    bool asked_stats;  /* under way */
    uint64_t stats_at; /* uv_now of the last asking; 0: never */
    uint64_t cpu_at;   /* uv_hrtime of the last cpu_seconds of the engine's; 0: none */
    double cpu_seconds;
};

/* What the name of an image stands for. It is the context of its request. */
struct watch_image {
    struct container_watch *watch;
    char *name;
    char *id; /* NULL: unknown */
    bool wanted, asked;
};

/* The most telling reason why no place had an engine. */
struct watch_problem {
    int rank;
    char *error, *hint;
};

struct container_watch {
    uv_loop_t *loop;
    const struct container_watch_events *events;
    void *context;
    char *docker_host;
    uv_timer_t turn, clock;
    void (*gone)(void *context);
    void *gone_context;
    unsigned open; /* handles and engines that have not closed */
    bool closing;
    bool dirty, urgent;    /* to be published; at once */
    uint64_t published_at; /* uv_now */
    bool listed;           /* has been told */

    bool served;   /* the engine has listed its containers once */
    bool settling; /* the first picture of this connection is not complete */
    bool want_list, want_full, asked_list, asked_full;
    bool skip_line; /* the stream's is too long */
    enum watch_link link;
    uint32_t generation; /* connections that came about */
    struct engine_places places;
    size_t place;
    struct watch_problem problem;
    struct engine *engine;
    char *broken; /* why, while LINK_BROKEN */
    int broken_errno;
    unsigned failures; /* in a row, since it has served */
    uint64_t wait_until, list_at;
    struct engine_info info, next_info; /* next_info: until all that is asked for has come */
    unsigned info_left;                 /* answers that it waits for */
    enum containers_state state;
    char *error, *hint;

    struct engine_stream *stream;
    struct strbuf line; /* of the stream, incomplete */
    double since;       /* events from here on are asked for */
    double event_time;  /* of the latest; NAN */
    uint64_t stream_at; /* when it was opened, or is to be again */
    unsigned stream_failures;

    unsigned asked; /* inspections under way */
    struct watch_entry **entries;
    size_t count;
    struct watch_image **images;
    size_t image_count;
    struct usage_reader *usage;
    struct containers *sample;
};

/* ---- container_watch.c ---- */

/* Has the turn run as soon as the loop is back. */
void watch_touch(struct container_watch *watch);
void watch_dirty(struct container_watch *watch);  /* and have it publish, soon */
void watch_urgent(struct container_watch *watch); /* and at once */
double watch_wall(void);                          /* seconds since 1970 */
void watch_engine_gone(void *watch);

/* ---- container_watch_link.c ---- */

void watch_link_step(struct container_watch *watch);
void watch_broken(struct container_watch *watch, const char *why, int saved_errno);
void watch_ping(struct container_watch *watch);
void watch_set_error(struct container_watch *watch, char *error, char *hint); /* takes both */

/* What is wrong with an answer, one line for the caller to free; NULL: nothing. what: "the list". */
char *watch_reply_error(const struct engine_reply *reply, const char *what);

/* ---- container_watch_list.c ---- */

void watch_list_step(struct container_watch *watch);
bool watch_is_settled(const struct container_watch *watch);

/* ---- container_watch_entry.c ---- */

struct watch_entry *watch_entry_find(const struct container_watch *watch, const char *id);
struct watch_entry *watch_entry_add(struct container_watch *watch, const char *id);
void watch_entries_step(struct container_watch *watch); /* asks for what is wanted */
bool watch_entries_tell(struct container_watch *watch); /* true: the owner was called */
bool watch_entries_have_news(const struct container_watch *watch);
void watch_entries_reap(struct container_watch *watch);
void watch_entries_forget(struct container_watch *watch); /* none is being asked for any more */
void watch_entries_free(struct container_watch *watch);
bool watch_entry_runs(const struct watch_entry *entry);
void watch_entry_gone(struct watch_entry *entry);
void watch_entry_oom(struct watch_entry *entry, double when);

/* ---- container_watch_facts.c ---- */

/* The facts of an inspection, in place of those that were there; both are taken. */
void watch_entry_install(struct watch_entry *entry, struct container *facts,
                         struct container_login *login);
void watch_times_add(struct watch_times *times, double when);
int watch_entry_restarts(const struct watch_entry *entry, double now);

/* ---- container_watch_copy.c ---- */

struct container *watch_facts_copy(const struct container *from);

/* ---- container_watch_image.c ---- */

/* The id of an image's name as far as it is known, and asks for it if it is not. */
const char *watch_image_id(struct container_watch *watch, const char *name);
void watch_images_stale(struct container_watch *watch); /* asks for all anew */
void watch_images_step(struct container_watch *watch);
void watch_images_forget(struct container_watch *watch);
void watch_images_free(struct container_watch *watch);

/* ---- container_watch_events.c ---- */

void watch_stream_step(struct container_watch *watch);
void watch_stream_close(struct container_watch *watch);

/* ---- container_watch_usage.c ---- */

void watch_usage_tick(struct container_watch *watch);

/* ---- container_watch_sample.c ---- */

struct containers *watch_sample_make(struct container_watch *watch);

#endif
