/* What the plan of a restart asks of Redis: clients and Celery's tasks in hand, by environment. */
#ifndef BACKEND_ACT_RESTART_H
#define BACKEND_ACT_RESTART_H

#include "backend/action_impl.h"
#include "backend/job.h"

#include <stddef.h>

enum { RESTART_ENVIRONMENTS = ENV_DEV + 1 };

struct restart_redis {
    const struct instance *instance;
    long clients[RESTART_ENVIRONMENTS]; /* by the database that they have selected; not our own */
    long tasks[RESTART_ENVIRONMENTS];   /* HLEN unacked of its Celery databases */
    char *error;                        /* why something could not be counted, or NULL */
};

struct restart_facts {
    const struct restart_redis *redis;
    size_t count;
    const struct job_list *jobs;
};

struct restart_survey;

/* Asks every configured Redis, for some seconds at most, and looks for jobs; then done is called,
 * later than this returns, unless the action is released. action->state holds the pointer to the
 * survey. */
void restart_survey(struct action *action,
                    void (*done)(struct action *action, const struct restart_facts *facts));

/* ops->release of the restart. */
void restart_survey_release(struct action *action);

/* Pure: counts the clients of a CLIENT LIST by environment. */
void restart_count_clients(const char *text, size_t len, const struct redis_config *config,
                           long clients[RESTART_ENVIRONMENTS]);

#endif
