/* All panels' tables without a screen: text or JSON, and an exit status for scripts. */
#ifndef PANELS_SNAPSHOT_H
#define PANELS_SNAPSHOT_H

#include "backend/backend.h"

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

enum snapshot_status {
    SNAPSHOT_HEALTHY = 0,
    SNAPSHOT_WARNING = 1,
    SNAPSHOT_CRITICAL = 2,
    SNAPSHOT_BLIND = 3 /* no instance answered */
};

/* Writes what the backend knows now (ms of the loop's clock, for the ages). */
void snapshot_print_json(const struct backend *backend, const struct config *config, uint64_t now,
                         FILE *out);
void snapshot_print_text(const struct backend *backend, const struct config *config, uint64_t now,
                         FILE *out);

enum snapshot_status snapshot_status(const struct backend *backend);

/* Connects, samples twice so that there are rates, prints. Runs the loop until all is closed. */
enum snapshot_status snapshot_run(uv_loop_t *loop, struct config *config, bool json, FILE *out);

#endif
