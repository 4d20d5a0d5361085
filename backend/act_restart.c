/* The restart of the shared services. Its plan counts what will be dropped: PostgreSQL's sessions as
 * they were polled last; Redis is asked for its clients and Celery's tasks in hand. */
#include "backend/act_restart.h"

#include "backend/action_impl.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/job.h"

#include <stdlib.h>
#include <string.h>

static const char *const mend = "set restart.command in the configuration";

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

/* ---- PostgreSQL ---- */

struct tally {
    int total, busy; /* sessions; in a query or a transaction */
    struct strbuf databases;
};

static bool counts(const struct pg_session *session)
{
    return pg_session_is_client(session) && !session->own;
}

static bool is_busy(const struct pg_session *session)
{
    return session->state == PG_STATE_ACTIVE || session->state == PG_STATE_FASTPATH ||
           session->state == PG_STATE_IDLE_IN_TRANSACTION ||
           session->state == PG_STATE_IDLE_IN_TRANSACTION_ABORTED;
}

static int database_sessions(const struct pg_activity *activity, uint32_t oid)
{
    int count = 0;

    for (size_t i = 0; i < activity->count; i++)
        count += counts(&activity->rows[i]) && activity->rows[i].database_oid == oid;
    return count;
}

static bool is_first_of_database(const struct pg_activity *activity, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (counts(&activity->rows[i]) &&
            activity->rows[i].database_oid == activity->rows[at].database_oid)
            return false;
    }
    return true;
}

static void count_session(struct tally *tally, const struct pg_activity *activity, size_t at)
{
    const struct pg_session *session = &activity->rows[at];

    tally->total++;
    tally->busy += is_busy(session);
    if (is_first_of_database(activity, at))
        strbuf_addf(&tally->databases, "%s%s %d", tally->databases.len ? ", " : "",
                    session->database ? session->database : "no database",
                    database_sessions(activity, session->database_oid));
}

static void add_sessions(struct plan *plan, const struct instance *instance,
                         enum environment environment)
{
    const struct pg_activity *activity = instance->pg.activity;
    struct tally tally = {0};

    for (size_t i = 0; i < activity->count; i++) {
        if (counts(&activity->rows[i]) && activity->rows[i].environment == environment)
            count_session(&tally, activity, i);
    }
    if (tally.total)
        plan_add(plan, PLAN_LOSS, "",
                 "%s: %d connection%s to %s, %d of them in a query or a transaction: %s",
                 environment_name(environment), tally.total, tally.total == 1 ? "" : "s",
                 instance->name, tally.busy, tally.databases.s);
    strbuf_free(&tally.databases);
}

static void add_postgres(struct plan *plan, const struct instance *instance)
{
    const struct pg_activity *activity = instance->pg.activity;

    if (!activity) {
        plan_add(plan, PLAN_WARNING, "", "the connections of %s cannot be counted: %s",
                 instance->name, instance->error ? instance->error : "it has not answered");
        return;
    }
    for (enum environment environment = ENV_UNKNOWN; environment <= ENV_DEV; environment++)
        add_sessions(plan, instance, environment);
    if (instance->state != INSTANCE_UP)
        plan_add(plan, PLAN_WARNING, "", "%s is not up: its connections are those last seen",
                 instance->name);
    plan_add(plan, PLAN_EVIDENCE, "connections", "%s: %d in all, %d active", instance->name,
             activity->counts.total, activity->counts.active);
}

/* ---- Redis ---- */

static void add_clients(struct plan *plan, const struct restart_redis *redis,
                        enum environment environment)
{
    const char *name = redis->instance->name;
    const long clients = redis->clients[environment], tasks = redis->tasks[environment];

    if (clients)
        plan_add(plan, PLAN_LOSS, "", "%s: %ld connection%s to %s", environment_name(environment),
                 clients, clients == 1 ? "" : "s", name);
    if (tasks)
        plan_add(plan, PLAN_LOSS, "",
                 "%s: %ld Celery task%s in workers' hands in %s: they may fail, or run again",
                 environment_name(environment), tasks, tasks == 1 ? "" : "s", name);
}

static void add_persistence(struct plan *plan, const struct instance *instance)
{
    const struct redis_info *info = instance->redis.info;

    if (!info || info->rdb_changes <= 0 || info->aof_enabled == 1)
        return;
    plan_add(plan, PLAN_WARNING, "",
             "%s has %lld changes since its last save: they stay only if it is shut down cleanly "
             "and is set to save then",
             instance->name, (long long)info->rdb_changes);
}

static void add_redis(struct plan *plan, const struct restart_redis *redis)
{
    const struct instance *instance = redis->instance;

    if (redis->error)
        plan_add(plan, PLAN_WARNING, "", "the clients of %s cannot be counted: %s", instance->name,
                 redis->error);
    for (enum environment environment = ENV_UNKNOWN; environment <= ENV_DEV; environment++)
        add_clients(plan, redis, environment);
    if (instance->redis.info && instance->redis.info->connected_clients >= 0)
        plan_add(plan, PLAN_EVIDENCE, "connections", "%s: %lld in all", instance->name,
                 (long long)instance->redis.info->connected_clients);
    add_persistence(plan, instance);
}

/* ---- the plan ---- */

static enum environment strictest_of(const struct instance *instance)
{
    const struct redis_config *redis = instance->redis_config;
    const struct pg_databases *databases = instance->pg.databases;
    enum environment strictest = ENV_DEV;
    bool any = false;

    for (size_t i = 0; redis && i < redis->database_count; i++) {
        strictest = policy_stricter(strictest, redis->databases[i].environment);
        any = true;
    }
    for (size_t i = 0; databases && i < databases->count; i++) {
        if (databases->rows[i].listed) {
            strictest = policy_stricter(strictest, databases->rows[i].environment);
            any = true;
        }
    }
    return any ? strictest : ENV_UNKNOWN;
}

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
        plan->environment = policy_stricter(plan->environment, strictest_of(instance));
    }
    plan->confirm = mem_strdup(count > 1 ? "all" : names.s);
    plan->instance = mem_strdup(plan->confirm);
    plan->target = strbuf_take(&names);
    plan->address = strbuf_take(&addresses);
}

/* ---- other jobs ---- */

static const struct job_info *running_restart(const struct job_list *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].act == ACT_RESTART && !job_state_ended(jobs->items[i].state))
            return &jobs->items[i];
    }
    return NULL;
}

static void add_jobs(struct plan *plan, const struct job_list *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job_info *job = &jobs->items[i];

        if (!job_state_ended(job->state))
            plan_add(plan, PLAN_LOSS, "", "job %s: the %s of %s is under way and would fail",
                     job->id, act_name(job->act), job->target ? job->target : "something");
    }
}

/* Called when all has been asked. */
static void complete(struct action *action, const struct restart_facts *facts)
{
    const struct job_info *running = running_restart(facts->jobs);
    struct plan *plan = &action->plan;

    plan->title = mem_strdup("Restart the shared services");
    name_all(plan, action);
    plan_add(plan, PLAN_COMMAND, "", "%s", action->config->restart_command);
    for (size_t i = 0; i < action->config->postgres_count; i++)
        add_postgres(plan, instance_at(action, i));
    for (size_t i = 0; i < facts->count; i++)
        add_redis(plan, &facts->redis[i]);
    add_jobs(plan, facts->jobs);
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
    if (!action->config->restart_command)
        action_end(action, OUTCOME_REFUSED, "there is no command for a restart: %s", mend);
    else if (action->request.instance)
        action_end(action, OUTCOME_REFUSED,
                   "the restart is of all shared services: leave the instance away");
    else
        restart_survey(action, complete);
}

static void execute(struct action *action)
{
    job_start(action, json_object());
}

const struct act_ops act_restart = {
    .info = {.name = "restart",
             .kind = INSTANCE_KINDS,
             .job = true,
             .help = "restart the shared services by the configured command"},
    .state_size = sizeof(struct restart_survey *),
    .prepare = prepare,
    .execute = execute,
    .release = restart_survey_release,
};
