/* What stands above the tables of the Monitor panel: its state, its figures, what was flagged. */
#ifndef PANELS_MONITOR_HEAD_H
#define PANELS_MONITOR_HEAD_H

#include "backend/redis_monitor.h"
#include "panels/monitor_top.h"
#include "tui/screen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monitor_head {
    struct monitor_status status;
    const struct monitor_summary *summary; /* or NULL */
    enum monitor_view view;
    const char *filter; /* or NULL */
    double seconds;     /* of the next burst */
    double left;        /* s until it stops by itself */
    double rate;        /* lines a second */
    double stood;       /* s that this process stood still just before the end, or 0 */

    /* Lines of this burst: those that were read, and where they are. The others are lost to the
     * screen (status.overwritten), or none of MONITOR's. */
    uint64_t read, kept, older, filtered, own, waiting, odd;
    uint64_t held; /* lines since a pause */
    bool paused;
    size_t memory;           /* that all of it takes at most */
    const char *names_fault; /* why clients have no names, raw; or NULL */
};

int monitor_head_rows(const struct monitor_head *head, int columns);
void monitor_head_draw(const struct monitor_head *head, struct rect area);

#endif
