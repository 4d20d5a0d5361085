/* Who does what: the stream of MONITOR counted by command, key, key pattern, client, database and
 * script, in fixed memory, a line in some tens of nanoseconds. */
#ifndef BACKEND_MONITOR_ANALYSIS_H
#define BACKEND_MONITOR_ANALYSIS_H

#include "backend/monitor_hitters.h"
#include "backend/monitor_keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum monitor_dimension {
    MONITOR_COMMANDS,
    MONITOR_KEYS,
    MONITOR_PATTERNS,
    MONITOR_CLIENTS, /* "lua": commands of scripts */
    MONITOR_DATABASES,
    MONITOR_SCRIPTS,  /* EVAL, EVALSHA and FCALL by script, digest or function */
    MONITOR_BIG_KEYS, /* keys by bytes: commands of MONITOR_BIG_LINE bytes or more */
    MONITOR_DIMENSIONS
};

enum { MONITOR_ROWS = 64, MONITOR_EVENTS = 16, MONITOR_BIG_LINE = 512, MONITOR_BIG_VALUE = 65536 };

struct monitor_row {
    uint64_t id; /* of the text */
    uint64_t count;
    uint64_t bytes;             /* of the lines; of MONITOR_BIG_KEYS the same as count */
    char text[HITTER_TEXT + 1]; /* as the server escapes it; beginning .. end of a long one */
};

/* The heaviest, in descending order. A count is at most error too low. Of MONITOR_BIG_KEYS counts,
 * total and error are bytes. */
struct monitor_top {
    uint64_t total, error;
    uint32_t known; /* texts that have a count now: more than rows */
    uint32_t count; /* of rows */
    struct monitor_row rows[MONITOR_ROWS];
};

/* The last time that something passed which is to be seen. */
struct monitor_event {
    enum monitor_flag_kind kind;
    double time; /* the server's, seconds since 1970 */
    int db;
    uint64_t bytes;
    char client[64], text[160]; /* escaped; no password is in them */
};

struct monitor_summary {
    uint64_t lines, bytes;  /* without our own */
    uint64_t own, lua, odd; /* odd: no line of MONITOR */
    uint64_t flags[FLAG_KINDS];
    uint32_t event_count;
    struct monitor_event events[MONITOR_EVENTS]; /* the last ones, the newest first */
    struct monitor_top top[MONITOR_DIMENSIONS];
};

struct monitor_analysis;

struct monitor_analysis *monitor_analysis_new(void);
void monitor_analysis_free(struct monitor_analysis *analysis);
size_t monitor_analysis_memory(void);

/* The number in the guard's commands, which are ours; 0, as at first: there is none. */
void monitor_analysis_guard(struct monitor_analysis *analysis, uint32_t token);

/* Counts a line text[0..len) without '+' and CR LF, of which bytes were sent. */
void monitor_analysis_line(struct monitor_analysis *analysis, const char *text, size_t len,
                           uint64_t bytes);

void monitor_analysis_sum(struct monitor_analysis *analysis, struct monitor_summary *summary);

/* Whether the arguments (as monitor_line.args) are those of our guard with that token, or of our
 * greeting. */
bool monitor_is_own_command(const char *args, size_t len, uint32_t token);

const char *monitor_dimension_name(enum monitor_dimension dimension); /* "commands", … */
const char *monitor_flag_name(enum monitor_flag_kind kind);           /* "KEYS", "scan", … */

#endif
