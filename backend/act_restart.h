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
struct restart_one;

/* action->state. */
struct restart_state {
    struct restart_survey *survey;
    struct restart_one *one;
};

/* Asks every configured Redis (all), or only this instance if it is one, for some seconds at most,
 * and looks for jobs; then done is called, later than this returns, unless the action is
 * released. */
void restart_survey(struct action *action, bool all, const struct instance *only,
                    void (*done)(struct action *action, const struct restart_facts *facts));
void restart_survey_release(struct action *action);

/* ---- what a plan says (act_restart_plan.c) ---- */

/* What of a server is dropped. */
void restart_plan_postgres(struct plan *plan, const struct instance *instance);
void restart_plan_redis(struct plan *plan, const struct restart_redis *redis);

/* Jobs that would fail. */
void restart_plan_jobs(struct plan *plan, const struct job_list *jobs);

/* Another restart that is under way, or NULL. */
const struct job_info *restart_running(const struct job_list *jobs);

/* The strictest of its databases. */
enum environment restart_environment(const struct instance *instance);

/* ---- the restart of one container (act_restart_one.c) ---- */

void restart_one_prepare(struct action *action);
json_t *restart_one_parameters(const struct action *action);
void restart_one_release(struct action *action);

/* Pure: counts the clients of a CLIENT LIST by environment. */
void restart_count_clients(const char *text, size_t len, const struct redis_config *config,
                           long clients[RESTART_ENVIRONMENTS]);

#endif
