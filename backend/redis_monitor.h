/* A reader of MONITOR that the screen cannot slow down: a thread of its own with a connection of
 * its own and fixed memory. Overload drops what is shown, never what is read; a guard ends the
 * stream when the reader cannot. */
#ifndef BACKEND_REDIS_MONITOR_H
#define BACKEND_REDIS_MONITOR_H

#include "backend/monitor_analysis.h"
#include "backend/monitor_parse.h"
#include "backend/redis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct instance;

enum monitor_state { MONITOR_OFF, MONITOR_STARTING, MONITOR_RUNNING, MONITOR_STOPPED };

struct monitor_status {
    enum monitor_state state;
    uint64_t lines, bytes; /* read since the start */
    uint64_t overwritten;  /* lines that were lost to monitor_next before it took them */
    double started;        /* ms of uv_hrtime()/1e6 */
    double stops_at;       /* of the automatic stop; 0: it does not run yet */
    long long client;      /* CLIENT ID of the stream; 0: not known yet */
    long long held;        /* bytes that the server keeps for it; -1: not known */
    long long held_limit;  /* at which it is killed */
    bool fault;            /* neither its time nor monitor_stop has ended it */
    char reason[520];      /* why it stopped or failed; "" while it runs */
};

struct monitor_setup {
    double seconds;
    uint64_t
        line_limit; /* it stops when commands have so many bytes on average, and weigh; 0: never */
    bool analysis;  /* monitor_summary is wanted */
};

/* Beyond that the server copies more than it works. */
#define MONITOR_LINE_LIMIT 8192U

struct monitor;

/* Starts reading address (copied; host must be an IP address or a path: nothing is looked up here)
 * for at most seconds. It also stops when nobody has asked for status or lines for 5 s. Never NULL:
 * failures show up in the status. */
struct monitor *monitor_start_with(const struct redis_address *address,
                                   const struct monitor_setup *setup);

/* With analysis and the usual limit. */
struct monitor *monitor_start(const struct redis_address *address, double seconds);

/* The same for a watched Redis: at the address that its connection has found, with its password.
 * Stopped from the start, with the reason, while that instance is not connected. */
struct monitor *monitor_start_instance(const struct instance *instance, double seconds);

/* Closes the connection at once (the server frees its buffer) and joins the thread, which takes no
 * longer than one turn of its poll. What was read stays readable until monitor_free. */
void monitor_stop(struct monitor *monitor, const char *reason);

/* Stops if need be. Takes NULL. */
void monitor_free(struct monitor *monitor);

void monitor_status(struct monitor *monitor, struct monitor_status *status);

/* Where it reads; NULL: nowhere. Lives as long as the monitor. */
const struct redis_address *monitor_address(const struct monitor *monitor);

/* Bytes of this process that it takes at most, whatever comes. */
size_t monitor_memory(const struct monitor *monitor);

/* The next line, valid until the next call; false: there is none now. Lines are numbered from 0 in
 * the order they were read; some numbers may be missing (see overwritten; own commands). What is no
 * line of MONITOR has an empty command. In place of a password stands "(redacted)". */
bool monitor_next(struct monitor *monitor, struct monitor_line *line);

/* The same, but of each block that was read only the last lines: for who shows but a part. */
bool monitor_next_of(struct monitor *monitor, struct monitor_line *line, uint32_t last);

/* Own commands that monitor_next has left out. */
uint64_t monitor_hidden(const struct monitor *monitor);

/* The newest analysis, or NULL: there is none yet. Valid until the next call. */
const struct monitor_summary *monitor_summary(struct monitor *monitor);

#endif
