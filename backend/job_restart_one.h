/* The restart of one container, by its engine. */
#ifndef BACKEND_JOB_RESTART_ONE_H
#define BACKEND_JOB_RESTART_ONE_H

#include "backend/job_impl.h"

#include <stdbool.h>

/* Whether this job's restart is of one container (act_restart_one.c has given the parameters). */
bool job_restart_is_one(const struct job *job);

/* Restarts it, if it is still the one, and the start of it, that the plan was for; looks whether it
 * runs afterwards. NULL: *done says so in words; else why not. Both are the caller's. */
char *job_restart_container(struct job *job, char **done);

#endif
