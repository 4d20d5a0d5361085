#include "backend/config_internal.h"

#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/conninfo.h"
#include "backend/redis_url.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static const char *const environment_names[] = {
    [ENV_UNKNOWN] = "unknown",
    [ENV_PRODUCTION] = "production",
    [ENV_STAGING] = "staging",
    [ENV_DEV] = "dev",
};

static const char *const alert_names[ALERT_NAMES] = {
    [ALERT_POSTGRES_DOWN] = "PostgresDown",
    [ALERT_POSTGRES_CONNECTIONS_HIGH] = "PostgresConnectionsHigh",
    [ALERT_REDIS_DOWN] = "RedisDown",
    [ALERT_REDIS_MEMORY_HIGH] = "RedisMemoryHigh",
    [ALERT_REDIS_EVICTING] = "RedisEvicting",
    [ALERT_REDIS_SAVE_FAILING] = "RedisSaveFailing",
    [ALERT_LONG_QUERY] = "LongQuery",
    [ALERT_IDLE_IN_TRANSACTION] = "IdleInTransaction",
    [ALERT_BLOCKED_SESSIONS] = "BlockedSessions",
    [ALERT_CONTAINER_DOWN] = "ContainerDown",
    [ALERT_CONTAINER_RESTARTING] = "ContainerRestarting",
    [ALERT_CONTAINER_MEMORY_HIGH] = "ContainerMemoryHigh",
    [ALERT_OOM_KILLED] = "OomKilled",
    [ALERT_OOM_SCORE_WRONG] = "OomScoreWrong",
};

const char *environment_name(enum environment environment)
{
    return environment_names[environment];
}

bool environment_parse(const char *text, enum environment *environment)
{
    enum environment e;

    for (e = ENV_PRODUCTION; e <= ENV_DEV; e++) {
        if (!strcmp(text, environment_names[e])) {
            *environment = e;
            return true;
        }
    }
    return false;
}

const char *alert_name_text(enum alert_name name)
{
    return alert_names[name];
}

/* The first of the places that names a server, in libpq's order. */
static const char *postgres_host(const PQconninfoOption *options)
{
    const char *host = conninfo_value(options, "host");

    if (!host)
        host = conninfo_value(options, "hostaddr");
    if (!host && !conninfo_value(options, "service") && !environ_value("PGSERVICE"))
        host = environ_value("PGHOST");
    return host;
}

char *postgres_default_name(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *host = postgres_host(options);
    const char *service = conninfo_value(options, "service");
    const char *port = conninfo_value(options, "port");
    char *name;

    if (!service)
        service = environ_value("PGSERVICE");
    if (!port)
        port = environ_value("PGPORT");
    if (!host && service)
        name = mem_strdup(service);
    else
        name = mem_printf(host && strchr(host, ':') ? "[%s]:%s" : "%s:%s", host ? host : "local",
                          port ? port : "5432");
    PQconninfoFree(options);
    return name;
}

const char *redis_effective_url(const char *url)
{
    const char *fallback = environ_value("REDIS_URL");

    return *url ? url : fallback ? fallback : "127.0.0.1:6379";
}

char *redis_default_name(const char *url)
{
    struct redis_address address;
    char *error = NULL, *name;

    url = redis_effective_url(url);
    if (!redis_url_parse(url, &address, &error)) {
        free(error);
        return mem_strdup("redis");
    }
    name = redis_address_text(&address);
    redis_address_free(&address);
    return name;
}

static bool is_taken(const struct config *config, const char *name)
{
    size_t i;

    for (i = 0; i < config->postgres_count; i++) {
        if (config->postgres[i]->name && !strcmp(config->postgres[i]->name, name))
            return true;
    }
    for (i = 0; i < config->redis_count; i++) {
        if (config->redis[i]->name && !strcmp(config->redis[i]->name, name))
            return true;
    }
    return false;
}

char *config_free_name(const struct config *config, char *name)
{
    char *numbered = mem_strdup(name);
    unsigned n;

    for (n = 2; is_taken(config, numbered); n++) {
        free(numbered);
        numbered = mem_printf("%s#%u", name, n);
    }
    free(name);
    return numbered;
}
