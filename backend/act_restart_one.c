/* The restart of one container by its engine: the image that runs, with the settings that it has. */
#include "backend/act_restart.h"
#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIND_MS = 4000, TRY_MS = 50, GRACE_S = 30, ID_LEAST = 12 };

struct restart_one {
    struct action *action; /* NULL: it has gone */
    struct actions *door;
    uv_timer_t timer;
    uint64_t until;
    const struct container *facts; /* as in the plan; held */
    const struct instance *instance;
    char *socket, *engine;
};

static struct restart_one *of(const struct action *action)
{
    return ((const struct restart_state *)action->state)->one;
}

/* ---- finding it ---- */

static const struct instance *instance_named(const struct backend *backend, const char *name)
{
    for (enum instance_kind kind = INSTANCE_POSTGRES; kind < INSTANCE_KINDS; kind++) {
        for (size_t i = 0; i < backend_count(backend, kind); i++) {
            const struct instance *instance = backend_instance(backend, kind, i);

            if (strcmp(instance->name, name) == 0)
                return instance;
        }
    }
    return NULL;
}

static bool is_named(const struct container *container, const char *name)
{
    const size_t len = strlen(name);

    return (container->name && strcmp(container->name, name) == 0) ||
           (container->id && len >= ID_LEAST && strncmp(container->id, name, len) == 0);
}

/* An instance's name counts before a container's. */
static const struct container *find(const struct backend *backend, const char *name)
{
    const struct containers *all = backend_containers(backend);
    const struct instance *instance = instance_named(backend, name);
    const struct container_row *row = instance ? backend_container(backend, instance) : NULL;

    if (row)
        return row->facts;
    for (size_t i = 0; i < all->count; i++) {
        if (is_named(all->rows[i].facts, name))
            return all->rows[i].facts;
    }
    return NULL;
}

static void refuse_unknown(struct action *action, const struct backend *backend)
{
    const struct containers *all = backend_containers(backend);
    const char *name = action->request.container;

    if (all->state == CONTAINERS_SEARCHING)
        action_end(action, OUTCOME_FAILED, "%s: the container engine did not answer in time", name);
    else if (all->state == CONTAINERS_NONE)
        action_end(action, OUTCOME_REFUSED, "%s cannot be restarted by its engine: %s%s%s", name,
                   all->error ? all->error : "there is none", all->hint ? ": " : "",
                   all->hint ? all->hint : "");
    else if (instance_named(backend, name))
        action_end(action, OUTCOME_REFUSED,
                   "%s is in no container that is known: set container in its configuration, or "
                   "restart all by restart.command",
                   name);
    else
        action_end(action, OUTCOME_REFUSED,
                   "no instance and no container is called '%s': Containers lists them", name);
}

/* ---- the plan ---- */

static bool is_podman(const struct restart_one *one)
{
    return strcasecmp(one->engine, "Podman") == 0;
}

static void add_command(struct plan *plan, const struct restart_one *one)
{
    const char *name = one->facts->name;

    plan_add(plan, PLAN_COMMAND, "", "POST /containers/%s/restart?t=%d (%s restart -t %d %s)", name,
             GRACE_S, is_podman(one) ? "podman" : "docker", GRACE_S, name);
}

static void add_moment(struct plan *plan, const char *label, double when)
{
    const time_t seconds = (time_t)when;
    struct tm parts;
    char text[40];

    if (isnan(when) || when <= 0)
        return;
    localtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &parts);
    plan_add(plan, PLAN_EVIDENCE, label, "%s", text);
}

static void add_container(struct plan *plan, const struct restart_one *one)
{
    const struct container *facts = one->facts;
    const bool runs = facts->state == CONTAINER_RUNNING;

    plan_add(plan, PLAN_EVIDENCE, "container", "%s (%.12s), %s", facts->name, facts->id,
             container_state_text(facts->state));
    plan_add(plan, PLAN_EVIDENCE, "image", "%s", facts->image ? facts->image : "?");
    add_moment(plan, runs ? "up since" : "ended", runs ? facts->started : facts->ended);
    plan_add(plan, PLAN_EVIDENCE, "restart policy", "%s",
             facts->restart_policy && *facts->restart_policy ? facts->restart_policy : "no");
    plan_add(plan, PLAN_EVIDENCE, "engine", "%s, %s", one->engine, one->socket);
}

static void add_doubts(struct plan *plan, const struct container *facts)
{
    if (facts->state != CONTAINER_RUNNING)
        plan_add(plan, PLAN_WARNING, "", "it is %s (exit code %d): this starts it",
                 container_state_text(facts->state), facts->exit_code);
    if (facts->tag_id && facts->image_id && strcmp(facts->tag_id, facts->image_id) != 0)
        plan_add(plan, PLAN_WARNING, "",
                 "%s stands for another image by now: the restart keeps the one that runs",
                 facts->image ? facts->image : "its tag");
    plan_add(plan, PLAN_WARNING, "",
             "changes of the compose file or of the image are not applied by this: only a new "
             "container has them (docker compose up -d)");
    plan_add(plan, PLAN_WARNING, "",
             "what has not ended after %d s, or its own stop timeout if that is longer, is killed",
             GRACE_S);
}

static void add_instance(struct plan *plan, const struct restart_one *one,
                         const struct restart_facts *facts)
{
    if (!one->instance) {
        plan_add(plan, PLAN_LOSS, "",
                 "every connection to %s: nothing is known of them, it is no instance of ours",
                 one->facts->name);
        return;
    }
    if (one->instance->kind == INSTANCE_POSTGRES)
        restart_plan_postgres(plan, one->instance);
    for (size_t i = 0; i < facts->count; i++)
        restart_plan_redis(plan, &facts->redis[i]);
    plan_add(plan, PLAN_WARNING, "",
             "every connection to %s drops; applications reconnect by themselves, but what they "
             "are doing may fail",
             one->instance->name);
}

static void name_it(struct plan *plan, const struct restart_one *one)
{
    const char *name = one->instance ? one->instance->name : one->facts->name;

    plan->title = mem_printf("Restart %s", name);
    plan->confirm = mem_strdup(name);
    plan->instance = mem_strdup(name);
    plan->target = mem_strdup(one->facts->name);
    plan->address = mem_strdup(one->instance ? one->instance->address : NULL);
    plan->environment = one->instance ? restart_environment(one->instance) : ENV_UNKNOWN;
}

/* Jobs on other servers go on. */
static struct job_list jobs_of(const struct job_list *jobs, const char *instance)
{
    struct job_list own = {.items = mem_array(NULL, jobs->count, sizeof(*own.items))};

    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].instance && strcmp(jobs->items[i].instance, instance) == 0)
            own.items[own.count++] = jobs->items[i];
    }
    return own;
}

static void complete(struct action *action, const struct restart_facts *facts)
{
    const struct restart_one *one = of(action);
    const struct job_info *running = restart_running(facts->jobs);
    struct plan *plan = &action->plan;
    struct job_list own;

    name_it(plan, one);
    add_command(plan, one);
    add_instance(plan, one, facts);
    own = jobs_of(facts->jobs, plan->instance);
    restart_plan_jobs(plan, &own);
    free(own.items);
    add_doubts(plan, one->facts);
    add_container(plan, one);
    plan_add(plan, PLAN_EVIDENCE, "afterwards", "%s is looked at until it %s, for 120 s at most",
             one->instance ? one->instance->name : one->facts->name,
             one->instance ? "answers" : "runs");
    if (running)
        action_refuse(action, "a restart is under way: job %s", running->id);
    else
        action_prepared(action);
}

/* ---- preparing ---- */

static void take(struct restart_one *one, const struct container *container)
{
    struct action *action = one->action;
    const struct backend *backend = actions_backend(action->door);
    const struct containers *all = backend_containers(backend);

    one->facts = container_ref(container);
    one->instance = backend_container_instance(backend, container);
    one->socket = mem_strdup(all->socket);
    one->engine = mem_strdup(*all->engine.name ? all->engine.name : "the engine");
    restart_survey(action, false, one->instance, complete);
}

static bool may_come(const struct restart_one *one, const struct backend *backend)
{
    const enum containers_state state = backend_containers(backend)->state;

    return state == CONTAINERS_SEARCHING && uv_now(one->timer.loop) < one->until;
}

static void on_try(uv_timer_t *timer)
{
    struct restart_one *one = timer->data;
    const struct backend *backend = actions_backend(one->door);
    const struct container *container = find(backend, one->action->request.container);
    const struct instance *instance =
        container ? backend_container_instance(backend, container) : NULL;
    const bool early = instance && !instance->answered && uv_now(timer->loop) < one->until;

    if (early || (!container && may_come(one, backend))) {
        uv_timer_start(timer, on_try, TRY_MS, 0);
        return;
    }
    if (container)
        take(one, container);
    else
        refuse_unknown(one->action, backend);
}

void restart_one_prepare(struct action *action)
{
    struct restart_one *one = mem_zalloc(sizeof(*one));

    ((struct restart_state *)action->state)->one = one;
    one->action = action;
    one->door = action->door;
    actions_hold(one->door);
    uv_timer_init(action->loop, &one->timer);
    one->timer.data = one;
    one->until = uv_now(action->loop) + FIND_MS;
    uv_timer_start(&one->timer, on_try, 0, 0);
}

json_t *restart_one_parameters(const struct action *action)
{
    const struct restart_one *one = of(action);
    json_t *parameters = json_object();

    json_object_set_new(parameters, "container", json_bytes(one->facts->id));
    json_object_set_new(parameters, "name", json_bytes(one->facts->name));
    json_object_set_new(parameters, "socket", json_bytes(one->socket));
    json_object_set_new(parameters, "grace", json_integer(GRACE_S));
    if (!isnan(one->facts->started))
        json_object_set_new(parameters, "started", json_real(one->facts->started));
    if (one->instance)
        json_object_set_new(parameters,
                            one->instance->kind == INSTANCE_POSTGRES ? "postgres" : "redis",
                            json_bytes(one->instance->name));
    return parameters;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct restart_one *one = handle->data;
    struct actions *door = one->door;

    container_unref(one->facts);
    free(one->socket);
    free(one->engine);
    free(one);
    actions_release(door);
}

void restart_one_release(struct action *action)
{
    struct restart_state *state = action->state;
    struct restart_one *one = state->one;

    if (!one)
        return;
    state->one = NULL;
    one->action = NULL;
    uv_close((uv_handle_t *)&one->timer, on_closed);
}
