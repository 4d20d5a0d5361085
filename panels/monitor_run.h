/* `sharedtop monitor`: MONITOR without a screen, with the same safety. */
#ifndef PANELS_MONITOR_RUN_H
#define PANELS_MONITOR_RUN_H

#include "backend/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

struct monitor_options {
    double seconds;       /* --for; 0: 30 */
    const char *filter;   /* --filter: see tui/filter.h; or NULL */
    const char *instance; /* --instance, or NULL: the first Redis */
    bool top;             /* --top: who does what, in place of the lines */
    bool json;            /* --json: an object a line; with top one object */
    bool yes;             /* --yes: also where the server could suffer */
};

enum monitor_run_status {
    MONITOR_RUN_DONE = 0,
    MONITOR_RUN_FAILED = 1,  /* it could not be read, or was ended early by a fault */
    MONITOR_RUN_REFUSED = 2, /* wrong words, or --yes is missing */
};

/* Connects, shows what it costs (on stderr, not with json), reads, prints to out. SIGINT, SIGTERM and SIGHUP end it
 * early, and what was seen is printed. Runs the loop until all is closed. */
enum monitor_run_status monitor_run(uv_loop_t *loop, struct config *config,
                                    const struct monitor_options *options, FILE *out);

#endif
