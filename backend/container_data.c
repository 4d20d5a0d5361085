#include "backend/container_data.h"

#include "backend/base/mem.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct container_usage container_usage_unknown = {
    .cpu = NAN,
    .cpu_seconds = NAN,
    .memory = -1,
    .memory_cache = -1,
    .memory_limit = -1,
    .oom_kills = -1,
    .psi_some = NAN,
    .psi_full = NAN,
    .psi_cpu = NAN,
    .psi_io = NAN,
    .oom_score_adj = INT_MIN,
    .oom_score = -1,
};

const struct container *container_ref(const struct container *container)
{
    struct container *own = (struct container *)(uintptr_t)container;

    if (own)
        own->refs++;
    return container;
}

static void free_parts(struct container *container)
{
    for (size_t i = 0; i < container->port_count; i++)
        free(container->ports[i].address);
    for (size_t i = 0; i < container->network_count; i++) {
        free(container->networks[i].name);
        free(container->networks[i].address);
        free(container->networks[i].address6);
    }
    for (size_t i = 0; i < container->mount_count; i++) {
        free(container->mounts[i].type);
        free(container->mounts[i].source);
        free(container->mounts[i].destination);
    }
    for (char **word = container->command; word && *word; word++)
        free(*word);
    free(container->ports);
    free(container->networks);
    free(container->mounts);
    free(container->command);
}

void container_unref(const struct container *container)
{
    struct container *own = (struct container *)(uintptr_t)container;

    if (!own || --own->refs)
        return;
    free_parts(own);
    free(own->id);
    free(own->name);
    free(own->image);
    free(own->image_id);
    free(own->tag_id);
    free(own->error);
    free(own->restart_policy);
    free(own->pgdata);
    free(own->database);
    free(own->project);
    free(own->compose_service);
    free(own);
}

static void free_secret(char *text)
{
    if (text)
        mem_free_secret(text, strlen(text));
}

void container_login_free(struct container_login *login)
{
    free(login->user);
    free_secret(login->password);
    free(login->user_file);
    free(login->password_file);
    *login = (struct container_login){0};
}

const char *container_state_text(enum container_state state)
{
    static const char *const texts[] = {
        [CONTAINER_UNKNOWN] = "unknown",       [CONTAINER_CREATED] = "created",
        [CONTAINER_RUNNING] = "running",       [CONTAINER_PAUSED] = "paused",
        [CONTAINER_RESTARTING] = "restarting", [CONTAINER_REMOVING] = "removing",
        [CONTAINER_EXITED] = "exited",         [CONTAINER_DEAD] = "dead",
    };

    return texts[state];
}

const char *container_health_text(enum container_health health)
{
    static const char *const texts[] = {
        [HEALTH_NONE] = "",
        [HEALTH_STARTING] = "starting",
        [HEALTH_HEALTHY] = "healthy",
        [HEALTH_UNHEALTHY] = "unhealthy",
    };

    return texts[health];
}
