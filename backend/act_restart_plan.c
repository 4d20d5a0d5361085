/* What a restart's plan says of each server, and of jobs. */
#include "backend/act_restart.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

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

void restart_plan_postgres(struct plan *plan, const struct instance *instance)
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

void restart_plan_redis(struct plan *plan, const struct restart_redis *redis)
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

/* ---- environment ---- */

enum environment restart_environment(const struct instance *instance)
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

/* ---- other jobs ---- */

const struct job_info *restart_running(const struct job_list *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].act == ACT_RESTART && !job_state_ended(jobs->items[i].state))
            return &jobs->items[i];
    }
    return NULL;
}

void restart_plan_jobs(struct plan *plan, const struct job_list *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job_info *job = &jobs->items[i];

        if (!job_state_ended(job->state))
            plan_add(plan, PLAN_LOSS, "", "job %s: the %s of %s is under way and would fail",
                     job->id, act_name(job->act), job->target ? job->target : "something");
    }
}
