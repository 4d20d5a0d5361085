/* Where an instance's container is now, asked of its engine: for a job, which may wait. */
#ifndef BACKEND_JOB_PLACE_H
#define BACKEND_JOB_PLACE_H

#include "backend/config.h"
#include "backend/container_data.h"
#include "backend/container_exec_call.h"

#include <stdbool.h>

/* A container as it is now, which the caller lets go of with container_unref; login (may be NULL) is
 * the caller's too. NULL: *error. */
struct container *job_place_inspect(const struct container_client *client, const char *name,
                                    struct container_login *login, char **error);

/* Brings conninfo, or url, of the only instance in own up to date with its container, if it is one.
 * attempt: which of its addresses is taken. False: *error, which is NULL when it is none. */
bool job_place_update(struct config *own, unsigned attempt, char **error);

#endif
