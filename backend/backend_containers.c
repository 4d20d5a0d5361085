/* Instances that are containers: where they are, when they move, and which are found when nobody has
 * named any. */
#include "backend/backend_impl.h"
#include "backend/base/mem.h"
#include "backend/container_check.h"
#include "backend/container_place.h"
#include "backend/setup.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which container an instance is ---- */

static const char *container_name(const struct instance *instance)
{
    return instance->kind == INSTANCE_POSTGRES ? instance->postgres_config->container
                                               : instance->redis_config->container;
}

/* By name, by id, or by the beginning of an id. */
static bool is_named(const struct container *container, const char *name)
{
    const size_t len = strlen(name);

    return (container->name && strcmp(container->name, name) == 0) ||
           (container->id && len >= 12 && strncmp(container->id, name, len) == 0);
}

static bool is_container(const struct instance *instance, const struct container *container)
{
    const char *name = container_name(instance);

    return name && is_named(container, name);
}

static struct slot *slot_of(const struct backend *backend, const struct container *container)
{
    struct slot *slot;

    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        if (is_container(&slot->impl->pub, container))
            return slot;
    }
    return NULL;
}

/* ---- for the panels ---- */

const struct containers *backend_containers(const struct backend *backend)
{
    return backend->watch ? container_watch_sample(backend->watch) : backend->none;
}

struct engine *backend_engine(const struct backend *backend)
{
    return backend->watch ? container_watch_engine(backend->watch) : NULL;
}

const struct container_row *backend_container(const struct backend *backend,
                                              const struct instance *instance)
{
    const struct containers *containers = backend_containers(backend);

    for (size_t i = 0; i < containers->count; i++) {
        if (is_container(instance, containers->rows[i].facts))
            return &containers->rows[i];
    }
    return NULL;
}

const struct instance *backend_container_instance(const struct backend *backend,
                                                  const struct container *container)
{
    const struct slot *slot = slot_of(backend, container);

    return slot ? &slot->impl->pub : NULL;
}

/* ---- where it is ---- */

/* What somebody has written into conninfo or url counts, whatever the container's address is. */
static bool has_own_host(const struct instance *instance)
{
    const struct postgres_config *postgres = instance->postgres_config;

    if (postgres)
        return container_conninfo_has_place(postgres->given ? postgres->given : postgres->conninfo);
    return container_url_has_place(instance->redis_config->given ? instance->redis_config->given
                                                                 : instance->redis_config->url);
}

static char *why_not_running(const struct container *container)
{
    if (container->error && *container->error)
        return mem_printf("the container %s is %s: %s", container->name,
                          container_state_text(container->state), container->error);
    if (container->oom_killed)
        return mem_printf("the container %s was killed: it had no memory left (exit code %d)",
                          container->name, container->exit_code);
    if (container->state == CONTAINER_EXITED)
        return mem_printf("the container %s has exited with code %d", container->name,
                          container->exit_code);
    return mem_printf("the container %s is %s", container->name,
                      container_state_text(container->state));
}

static bool runs(const struct container *container)
{
    return container->state == CONTAINER_RUNNING;
}

static bool locate(struct slot *slot, const struct container *container, unsigned attempt,
                   char **error)
{
    const struct containers *all = backend_containers(slot->backend);
    const struct container_login none = {0};
    const struct container_login *login =
        container_watch_login(slot->backend->watch, container->id);
    bool done;

    login = login ? login : &none;
    if (slot->postgres)
        done = container_locate_postgres(slot->postgres, container, login, &all->engine,
                                         all->socket, attempt, error);
    else
        done = container_locate_redis(slot->redis, container, login, &all->engine, all->socket,
                                      attempt, error);
    container_unref(slot->located);
    slot->located = container_ref(container);
    return done;
}

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

/* Another address of the same run: what connection there is to the old one may be silent for long. */
static bool same_place(const struct container *one, const struct container *other)
{
    bool same = one->network_count == other->network_count && one->port_count == other->port_count;

    for (size_t i = 0; same && i < one->network_count; i++)
        same = same_text(one->networks[i].name, other->networks[i].name) &&
               same_text(one->networks[i].address, other->networks[i].address) &&
               same_text(one->networks[i].address6, other->networks[i].address6);
    for (size_t i = 0; same && i < one->port_count; i++)
        same = one->ports[i].port == other->ports[i].port &&
               one->ports[i].published == other->ports[i].published &&
               same_text(one->ports[i].address, other->ports[i].address);
    return same;
}

/* Its last known place may be somebody else's by now, who would get the password. */
static enum instance_reach without_engine(const struct slot *slot, char **error, char **hint)
{
    const struct containers *all = backend_containers(slot->backend);
    const char *name = container_name(&slot->impl->pub);

    if (all->state == CONTAINERS_SEARCHING)
        return REACH_WAIT;
    *hint = mem_strdup(all->hint ? all->hint : "or set the address: conninfo, or url for a Redis");
    if (slot->located) {
        *error = mem_printf("the container engine does not answer, so where %s is is not known%s%s",
                            name, all->error ? ": " : "", all->error ? all->error : "");
        return REACH_FAILED;
    }
    *error = mem_printf("where the container %s is cannot be found out: %s", name,
                        all->error ? all->error : "there is no container engine");
    return REACH_FAILED;
}

static enum instance_reach without_container(const struct instance *instance, char **error,
                                             char **hint)
{
    if (instance->removed) {
        *error = mem_strdup("its container was removed");
        return REACH_GONE;
    }
    *error = mem_printf("there is no container %s", container_name(instance));
    *hint = mem_strdup("'docker ps -a' lists those that there are; set container");
    return REACH_FAILED;
}

/* Of a place that is not known for sure. */
static enum instance_reach in_doubt(struct slot *slot, enum container_known known, char **error,
                                    char **hint)
{
    const struct backend *backend = slot->backend;

    slot->uncertain = true;
    if (known == KNOWN_SOON)
        return REACH_WAIT;
    if (backend_engine(backend) && backend_containers(backend)->state == CONTAINERS_UP) {
        *error = mem_printf("the container engine does not tell where %s is",
                            container_name(&slot->impl->pub));
        return REACH_FAILED;
    }
    return without_engine(slot, error, hint);
}

static enum instance_reach reach_container(struct slot *slot, const struct container *container,
                                           unsigned attempt, char **error, char **hint)
{
    const struct backend *backend = slot->backend;
    const enum container_known known =
        container ? container_watch_known(backend->watch, container->id) : KNOWN_OLD;

    if (!container && slot->impl->pub.removed)
        return without_container(&slot->impl->pub, error, hint);
    if (container && known != KNOWN_NOW)
        return in_doubt(slot, known, error, hint);
    if (!container && (!backend->listed || backend_containers(backend)->state != CONTAINERS_UP))
        return in_doubt(slot, KNOWN_OLD, error, hint);
    if (!container)
        return without_container(&slot->impl->pub, error, hint);
    if (runs(container) && locate(slot, container, attempt, error))
        return REACH_READY;
    if (!*error) {
        *error = why_not_running(container);
        *hint = mem_printf("docker start %s; its log (L in Containers) says why it ended",
                           container->name);
    }
    return REACH_FAILED;
}

enum instance_reach backend_reach(void *context, unsigned attempt, char **error, char **hint)
{
    struct slot *slot = context;
    struct backend *backend = slot->backend;
    const struct instance *instance = &slot->impl->pub;
    const struct container *container;
    enum instance_reach reach;

    slot->uncertain = false;
    if (!container_name(instance))
        return REACH_READY;
    container =
        backend->watch ? container_watch_find(backend->watch, container_name(instance)) : NULL;
    reach = reach_container(slot, container, attempt, error, hint);
    if (!has_own_host(instance))
        return reach;
    free(*error);
    free(*hint);
    *error = *hint = NULL;
    slot->uncertain = false;
    return REACH_READY;
}

/* While it answers, its address is its own. */
char *backend_place_doubt(const struct backend *backend, const struct instance *instance)
{
    const char *name = container_name(instance);
    const struct container *container;
    const struct slot *slot = NULL, *next;

    if (!name || instance->state == INSTANCE_UP || has_own_host(instance))
        return NULL;
    for (size_t i = 0; !slot && (next = backend_slot(backend, i)) != NULL; i++)
        slot = &next->impl->pub == instance ? next : NULL;
    container = backend->watch ? container_watch_find(backend->watch, name) : NULL;
    if (slot && slot->located && container && runs(container) &&
        container_watch_known(backend->watch, container->id) == KNOWN_NOW &&
        slot->located->started == container->started && same_place(slot->located, container))
        return NULL;
    return mem_printf("it is not sure where the container %s is: %s", name,
                      instance->error ? instance->error : "it does not answer");
}

/* ---- what the watch tells ---- */

/* A connection that is not there yet might be made to somebody else. */
static bool is_to_be_looked_for(const struct slot *slot)
{
    return slot->impl->waits || (slot->impl->pub.state == INSTANCE_CONNECTING && slot->located &&
                                 !has_own_host(&slot->impl->pub));
}

static void restart_lost(const struct backend *backend)
{
    struct slot *slot;

    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        if (is_to_be_looked_for(slot))
            instance_restart(slot->impl, "the container engine does not answer");
    }
}

static void on_changed(void *context)
{
    struct backend *backend = context;

    if (!backend->open && backend_containers(backend)->state == CONTAINERS_STALE &&
        !backend_engine(backend))
        restart_lost(backend);
    alerts_update_containers(&backend->alerts, backend_containers(backend), backend->config->alerts,
                             backend_wall());
    backend_tell(backend);
}

static bool is_wanted(const struct backend *backend, const struct container *container)
{
    switch (container->service) {
    case SERVICE_POSTGRES: return backend->discover[INSTANCE_POSTGRES];
    case SERVICE_REDIS: return backend->discover[INSTANCE_REDIS];
    default: return false;
    }
}

/* A connection to the host that somebody has named does not depend on what is known here. */
static void follow(struct slot *slot, const struct container *container)
{
    const bool own = has_own_host(&slot->impl->pub);
    char *error = NULL;

    slot->impl->pub.removed = false;
    if (!slot->located && own && slot->impl->pub.state != INSTANCE_DOWN) {
        locate(slot, container, 0, &error);
        free(error);
    } else if (!slot->located || slot->located->started != container->started) {
        instance_restart(slot->impl, "the container was started anew");
    } else if (!own && !same_place(slot->located, container)) {
        instance_restart(slot->impl, "the container has another address");
    }
}

static void on_moved(void *context, const struct container *container,
                     const struct container_login *login)
{
    struct backend *backend = context;
    const enum instance_kind kind =
        container->service == SERVICE_POSTGRES ? INSTANCE_POSTGRES : INSTANCE_REDIS;
    struct slot *slot;
    bool known = false;

    (void)login; /* the watch keeps it for the attempts to come */
    if (backend->open)
        return;
    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        if (!is_container(&slot->impl->pub, container))
            continue;
        known = true;
        follow(slot, container);
    }
    if (known || !is_wanted(backend, container))
        return;
    container_add_instance(backend->config, container);
    backend_add(backend, kind);
    backend->slots[kind][backend->counts[kind] - 1]->discovered = true;
}

/* Of the same name there may be another one by now. */
static bool is_in(const struct slot *slot, const struct container *container)
{
    return slot->located ? strcmp(slot->located->id, container->id) == 0
                         : is_container(&slot->impl->pub, container);
}

static void on_current(void *context, const struct container *container)
{
    const struct backend *backend = context;
    struct slot *slot;

    if (backend->open)
        return;
    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        if (slot->uncertain && !slot->impl->connected && is_container(&slot->impl->pub, container))
            instance_restart(slot->impl, NULL);
    }
}

/* What somebody has named is expected to be there. The slot stays: panels and acts know its number. */
static void on_removed(void *context, const struct container *container)
{
    const struct backend *backend = context;
    struct slot *slot;

    if (backend->open)
        return;
    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        struct instance *instance = &slot->impl->pub;

        if (!is_in(slot, container))
            continue;
        instance->removed =
            slot->discovered && !container_watch_find(backend->watch, container_name(instance));
        if (instance->removed || slot->impl->waits)
            instance_restart(slot->impl, "its container was removed");
    }
}

static void on_stopped(void *context, const struct container *container)
{
    struct backend *backend = context;
    struct slot *slot;

    if (backend->open)
        return;
    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        char *reason;

        if (!is_in(slot, container) || has_own_host(&slot->impl->pub))
            continue;
        reason = why_not_running(container);
        instance_lost(slot->impl, reason, NULL);
        free(reason);
    }
}

/* What was not found in a container may be on the host: always when no container was, else only what
 * seems to be there. */
static void add_defaults(struct backend *backend)
{
    const bool nothing = !backend->counts[INSTANCE_POSTGRES] && !backend->counts[INSTANCE_REDIS];

    for (enum instance_kind kind = INSTANCE_POSTGRES; kind < INSTANCE_KINDS; kind++) {
        if (!backend->discover[kind] || backend->counts[kind] ||
            (!nothing && !setup_seems_local(kind)))
            continue;
        if (kind == INSTANCE_POSTGRES)
            setup_default_postgres(backend->config);
        else
            setup_default_redis(backend->config);
        backend_add(backend, kind);
    }
}

static void on_listed(void *context)
{
    struct backend *backend = context;
    struct slot *slot;

    if (backend->open)
        return;
    backend->listed = true;
    add_defaults(backend);
    for (size_t i = 0; (slot = backend_slot(backend, i)) != NULL; i++) {
        if (slot->impl->waits)
            instance_restart(slot->impl, NULL);
    }
    backend_tell(backend);
}

static void on_complete(void *context, struct container_row *row)
{
    const struct backend *backend = context;
    const struct instance *instance = backend_container_instance(backend, row->facts);

    row->watched = instance != NULL;
    row->oom_expected = INT_MIN;
    if (instance && instance->postgres_config && instance->postgres_config->has_oom_score_adj)
        row->oom_expected = instance->postgres_config->oom_score_adj;
    if (instance && instance->redis_config && instance->redis_config->has_oom_score_adj)
        row->oom_expected = instance->redis_config->oom_score_adj;
    row->flaws = container_flaws(row, instance);
}

static const struct container_watch_events watch_events = {.changed = on_changed,
                                                           .listed = on_listed,
                                                           .moved = on_moved,
                                                           .stopped = on_stopped,
                                                           .current = on_current,
                                                           .removed = on_removed,
                                                           .complete = on_complete};

/* ---- life ---- */

static void free_sample(struct sample *sample)
{
    free(sample);
}

static struct containers *switched_off(void)
{
    struct containers *none = mem_zalloc(sizeof(*none));

    none->sample = (struct sample){.refs = 1, .destroy = free_sample};
    none->state = CONTAINERS_NONE;
    none->error = "containers = false in the configuration";
    return none;
}

void backend_containers_new(struct backend *backend)
{
    const struct config *config = backend->config;

    backend->discover[INSTANCE_POSTGRES] =
        config->discover && !config->lists_postgres && !config->postgres_count;
    backend->discover[INSTANCE_REDIS] =
        config->discover && !config->lists_redis && !config->redis_count;
    if (config->containers)
        backend->watch =
            container_watch_new(backend->loop, config->docker_host, &watch_events, backend);
    else
        backend->none = switched_off();
    backend->listed = !config->containers;
}

void backend_containers_start(struct backend *backend)
{
    if (backend->watch)
        container_watch_start(backend->watch);
}

void backend_containers_tick(struct backend *backend)
{
    if (backend->watch)
        container_watch_tick(backend->watch);
}

void backend_containers_refresh(struct backend *backend)
{
    if (backend->watch)
        container_watch_refresh(backend->watch);
}

void backend_containers_close(struct backend *backend)
{
    if (backend->watch)
        container_watch_close(backend->watch, backend_released, backend);
    else
        backend_released(backend);
}

/* What is to be discovered is a part of the first picture; the containers' own panel is not. */
bool backend_containers_filled(const struct backend *backend)
{
    return backend->listed ||
           !(backend->discover[INSTANCE_POSTGRES] || backend->discover[INSTANCE_REDIS]);
}
