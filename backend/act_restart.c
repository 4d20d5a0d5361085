/* The restart of the shared services. Its plan counts what will be dropped: PostgreSQL's sessions as
 * they were polled last; Redis is asked for its clients and Celery's tasks in hand. */
#include "backend/act_restart.h"

#include "backend/action_impl.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/job.h"

#include <stdlib.h>
#include <string.h>

static const char *const mend =
    "set restart.command in the configuration; X in Containers, or restart NAME, restarts one";

static size_t instance_count(const struct action *action)
{
    return action->config->postgres_count + action->config->redis_count;
}

static const struct instance *instance_at(const struct action *action, size_t i)
{
    const struct backend *backend = actions_backend(action->door);
    size_t postgres = backend_count(backend, INSTANCE_POSTGRES);

    return i < postgres ? backend_instance(backend, INSTANCE_POSTGRES, i)
                        : backend_instance(backend, INSTANCE_REDIS, i - postgres);
}

/* ---- the plan ---- */

static void name_all(struct plan *plan, const struct action *action)
{
    struct strbuf names = {0}, addresses = {0};
    size_t count = instance_count(action);

    plan->environment = ENV_DEV;
    for (size_t i = 0; i < count; i++) {
        const struct instance *instance = instance_at(action, i);
        const char *comma = i ? ", " : "";

        strbuf_addf(&names, "%s%s", comma, instance->name);
        strbuf_addf(&addresses, "%s%s", comma, instance->address ? instance->address : "?");
        plan->environment = policy_stricter(plan->environment, restart_environment(instance));
    }
    plan->confirm = mem_strdup(count > 1 ? "all" : names.s);
    plan->instance = mem_strdup(plan->confirm);
    plan->target = strbuf_take(&names);
    plan->address = strbuf_take(&addresses);
}

/* Called when all has been asked. */
static void complete(struct action *action, const struct restart_facts *facts)
{
    const struct job_info *running = restart_running(facts->jobs);
    struct plan *plan = &action->plan;

    plan->title = mem_strdup("Restart the shared services");
    name_all(plan, action);
    plan_add(plan, PLAN_COMMAND, "", "%s", action->config->restart_command);
    for (size_t i = 0; i < action->config->postgres_count; i++)
        restart_plan_postgres(plan, instance_at(action, i));
    for (size_t i = 0; i < facts->count; i++)
        restart_plan_redis(plan, &facts->redis[i]);
    restart_plan_jobs(plan, facts->jobs);
    plan_add(plan, PLAN_WARNING, "",
             "every connection of every environment drops; applications reconnect by themselves, "
             "but what they are doing may fail");
    plan_add(plan, PLAN_EVIDENCE, "afterwards",
             "every server is looked at until it answers, for 120 s at most");
    if (running)
        action_refuse(action, "a restart is under way: job %s", running->id);
    else
        action_prepared(action);
}

static void prepare(struct action *action)
{
    if (action->request.container)
        restart_one_prepare(action);
    else if (!action->config->restart_command)
        action_end(action, OUTCOME_REFUSED, "there is no command for a restart: %s", mend);
    else if (action->request.instance)
        action_end(action, OUTCOME_REFUSED,
                   "the restart is of all shared services: leave the instance away");
    else
        restart_survey(action, true, NULL, complete);
}

static void execute(struct action *action)
{
    job_start(action, action->request.container ? restart_one_parameters(action) : json_object());
}

static void release(struct action *action)
{
    restart_survey_release(action);
    restart_one_release(action);
}

const struct act_ops act_restart = {
    .info = {.name = "restart",
             .kind = INSTANCE_KINDS,
             .job = true,
             .help = "restart the shared services by the configured command, or one of them"},
    .state_size = sizeof(struct restart_state),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
