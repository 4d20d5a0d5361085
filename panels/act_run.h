/* The sub-commands that act: the same plan, policy and record as behind the keys, for a shell. On a
 * terminal they ask; without one they need --yes or --confirm. */
#ifndef PANELS_ACT_RUN_H
#define PANELS_ACT_RUN_H

#include "backend/config.h"
#include "backend/options.h"

#include <stdio.h>
#include <uv.h>

enum act_run_status {
    ACT_RUN_DONE = 0,
    ACT_RUN_FAILED = 1,
    ACT_RUN_REFUSED = 2,
    ACT_RUN_NOTHING = 3 /* nothing there to act on */
};

/* Runs options->command (COMMAND_ACT, COMMAND_JOBS) to its end, follows the job that it starts, and
 * runs the loop until all is closed. */
enum act_run_status act_run(uv_loop_t *loop, const struct config *config,
                            const struct options *options, FILE *out);

/* `sharedtop audit`. */
enum act_run_status act_run_audit(const struct config *config, bool json, FILE *out);

#endif
