/* What the Monitor panel keeps: for its own files only. */
#ifndef PANELS_MONITOR_IMPL_H
#define PANELS_MONITOR_IMPL_H

#include "backend/monitor_names.h"
#include "backend/redis_monitor.h"
#include "panels/monitor.h"
#include "panels/monitor_clients.h"
#include "panels/monitor_stream.h"

struct stream {
    struct monitor *monitor;               /* NULL: never started */
    const struct instance *instance;       /* that it reads; only to be compared */
    char *name;                            /* of it */
    char *asked;                           /* name of the one that a start was asked about last */
    uint32_t generation, asked_generation; /* of them then */
    struct monitor_names *names;
    uv_timer_t *timer;
    unsigned turns;
    struct stream_window window; /* of the lines, which are all of that instance and generation */
    uint64_t begun;              /* lines that were in it before this burst */
    double ahead;                /* the server's clock before ours, s; NAN: not known */
    bool emptied;                /* the last turn took all that was there */
    uint64_t held_at;            /* lines that were read when it was not paused for the last time */
    uint64_t filtered;           /* lines that the filter has left out as they came */
    uint64_t odd;                /* what came and was no line of MONITOR */
    uint32_t names_version;      /* that the filter was asked with */
    struct monitor_choice *choice;
    double seconds;         /* of the next burst */
    double turned;          /* ms, of the last turn */
    double stood, stood_at; /* ms, of a long pause between two of them just before the end, or 0 */
    bool ended;             /* as the last turn saw it */
    double rate;            /* lines a second over the last turns */
    uint64_t rate_lines;
    double rate_at;
    enum monitor_view view;
    struct monitor_summary *summary; /* what is shown of the analysis; NULL: nothing */
    const void **rows;
    struct monitor_context context;
};

/* Is that the instance whose lines are here? */
bool monitor_is_read(const struct stream *stream, const struct instance *instance);

/* Is it, too, the server with whom the numbers of clients are? One that is not connected now may be
 * another one already. */
bool monitor_is_of_row(const struct stream *stream, const struct instance *instance);

/* Hooks of the panel. */
char *monitor_details(const struct panel *panel, const void *row);
char *monitor_copy(const struct panel *panel, const void *row);

#endif
