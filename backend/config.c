#include "backend/config_internal.h"

#include "backend/base/mem.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char config_default_restart[] = "make -C /opt/docker/aether/repo restart-shared";

static const struct {
    double warning, critical;
} default_levels[ALERT_NAMES] = {
    [ALERT_POSTGRES_CONNECTIONS_HIGH] = {80, 95},
    [ALERT_REDIS_MEMORY_HIGH] = {90, 98},
    [ALERT_REDIS_EVICTING] = {1, 100},
    [ALERT_LONG_QUERY] = {60, 300},
    [ALERT_IDLE_IN_TRANSACTION] = {60, 600},
    [ALERT_BLOCKED_SESSIONS] = {1, 10},
    [ALERT_CONTAINER_RESTARTING] = {1, 3},
    [ALERT_CONTAINER_MEMORY_HIGH] = {90, 98},
};

struct config *config_new(void)
{
    struct config *config = mem_zalloc(sizeof(*config));
    enum alert_name name;

    config->interval = 1.0;
    config->theme = mem_strdup("default");
    config->bell = true;
    config->containers = true;
    config->backup.directory = mem_strdup("/var/backups/sharedtop");
    config->backup.keep = 7;
    config->restart_command = mem_strdup(config_default_restart);
    for (name = 0; name < ALERT_NAMES; name++) {
        config->alerts[name].warning = default_levels[name].warning;
        config->alerts[name].critical = default_levels[name].critical;
    }
    return config;
}

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

char *config_find(void)
{
    static const char system_path[] = "/etc/sharedtop.conf";
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;

    if (base && base[0] == '/')
        path = mem_printf("%s/sharedtop/sharedtop.conf", base);
    else if (home && home[0] == '/')
        path = mem_printf("%s/.config/sharedtop/sharedtop.conf", home);
    if (path && exists(path))
        return path;
    free(path);
    return exists(system_path) ? mem_strdup(system_path) : NULL;
}

struct postgres_config *config_append_postgres(struct config *config)
{
    struct postgres_config *postgres;

    config->postgres =
        mem_array(config->postgres, config->postgres_count + 1, sizeof(struct postgres_config *));
    postgres = mem_zalloc(sizeof(*postgres));
    config->postgres[config->postgres_count++] = postgres;
    *postgres = (struct postgres_config){.conninfo = mem_strdup(""),
                                         .password_key = mem_strdup("POSTGRES_PASSWORD")};
    return postgres;
}

struct redis_config *config_append_redis(struct config *config)
{
    struct redis_config *redis;

    config->redis =
        mem_array(config->redis, config->redis_count + 1, sizeof(struct redis_config *));
    redis = mem_zalloc(sizeof(*redis));
    config->redis[config->redis_count++] = redis;
    *redis = (struct redis_config){.url = mem_strdup(""),
                                   .password_key = mem_strdup("REDIS_PASSWORD"),
                                   .trash_db = -1,
                                   .undo_seconds = 600};
    return redis;
}

void config_name_instances(struct config *config)
{
    size_t i;

    for (i = 0; i < config->postgres_count; i++) {
        struct postgres_config *postgres = config->postgres[i];

        if (!postgres->name)
            postgres->name = config_free_name(
                config, postgres->container ? mem_strdup(postgres->container)
                                            : postgres_default_name(postgres->conninfo));
    }
    for (i = 0; i < config->redis_count; i++) {
        struct redis_config *redis = config->redis[i];

        if (!redis->name)
            redis->name =
                config_free_name(config, redis->container ? mem_strdup(redis->container)
                                                          : redis_default_name(redis->url));
    }
}

static void replace(char **field, const char *value)
{
    if (!value)
        return;
    free(*field);
    *field = mem_strdup(value);
}

struct postgres_config *config_add_postgres(struct config *config, const char *name,
                                            const char *conninfo)
{
    struct postgres_config *postgres = config_append_postgres(config);

    replace(&postgres->name, name);
    replace(&postgres->conninfo, conninfo);
    config_name_instances(config);
    return postgres;
}

struct redis_config *config_add_redis(struct config *config, const char *name, const char *url)
{
    struct redis_config *redis = config_append_redis(config);

    replace(&redis->name, name);
    replace(&redis->url, url);
    config_name_instances(config);
    return redis;
}

static void free_secret(char *s)
{
    mem_free_secret(s, s ? strlen(s) : 0);
}

static void free_strings(struct strings *strings)
{
    size_t i;

    for (i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
}

static void free_secrets(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free_secret(strings->items[i]);
    free(strings->items);
}

void config_clear_postgres(struct config *config)
{
    size_t i, k;

    for (i = 0; i < config->postgres_count; i++) {
        struct postgres_config *postgres = config->postgres[i];

        free(postgres->name);
        free_secret(postgres->conninfo);
        free(postgres->env_file);
        free(postgres->password_key);
        free(postgres->container);
        free(postgres->network);
        free_secret(postgres->given);
        free(postgres->exec_prefix);
        free_secrets(&postgres->retired);
        free(postgres->command_prefix);
        free_strings(&postgres->allow_production);
        for (k = 0; k < postgres->environment_count; k++)
            free(postgres->environments[k].pattern);
        free(postgres->environments);
        free(postgres);
    }
    free(config->postgres);
    config->postgres = NULL;
    config->postgres_count = 0;
}

void config_clear_redis(struct config *config)
{
    size_t i, k;

    for (i = 0; i < config->redis_count; i++) {
        struct redis_config *redis = config->redis[i];

        free(redis->name);
        free_secret(redis->url);
        free(redis->env_file);
        free(redis->password_key);
        free(redis->container);
        free(redis->network);
        free_secret(redis->given);
        free(redis->exec_prefix);
        free_secrets(&redis->retired);
        free_strings(&redis->allow_production);
        for (k = 0; k < redis->database_count; k++)
            free(redis->databases[k].use);
        free(redis->databases);
        free(redis);
    }
    free(config->redis);
    config->redis = NULL;
    config->redis_count = 0;
}

void config_free(struct config *config)
{
    size_t i;

    if (!config)
        return;
    config_clear_postgres(config);
    config_clear_redis(config);
    for (i = 0; i < ALERT_NAMES; i++)
        free(config->alerts[i].runbook);
    for (i = 0; i < config->key_count; i++) {
        free(config->keys[i].name);
        free(config->keys[i].key);
    }
    free(config->keys);
    free(config->path);
    free(config->theme);
    free(config->audit_file);
    free(config->backup.directory);
    free(config->restart_command);
    free(config->docker_host);
    free(config);
}

enum environment postgres_environment(const struct postgres_config *config, const char *database)
{
    size_t i;

    for (i = 0; database && i < config->environment_count; i++) {
        if (fnmatch(config->environments[i].pattern, database, 0) == 0)
            return config->environments[i].environment;
    }
    return ENV_UNKNOWN;
}

const struct redis_db_config *redis_database(const struct redis_config *config, int db)
{
    size_t i;

    for (i = 0; i < config->database_count; i++) {
        if (config->databases[i].db == db)
            return &config->databases[i];
    }
    return NULL;
}
