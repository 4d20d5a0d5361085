#include "backend/setup.h"

#include "backend/base/mem.h"
#include "backend/config_internal.h"

#include <stdlib.h>

char *setup_path(const struct options *options)
{
    if (options->file)
        return mem_strdup(options->file);
    if (options->config)
        return mem_strdup(options->config);
    return config_find();
}

static struct config *load_file(const struct options *options, struct config_faults *faults)
{
    char *path = setup_path(options);
    struct config *config = path ? config_load(path, faults) : config_new();

    free(path);
    return config;
}

static void fault_of(struct config_faults *faults, const char *source, char *error)
{
    if (error)
        config_fault_add(faults, source, 0, false, "%s", error);
    free(error);
}

static void use_postgres(struct config *config, const struct strings *given,
                         struct config_faults *faults)
{
    size_t i;

    if (given->count)
        config_clear_postgres(config);
    for (i = 0; i < given->count; i++) {
        fault_of(faults, "--postgres", conninfo_error(given->items[i]));
        config_add_postgres(config, NULL, given->items[i]);
    }
}

static void use_redis(struct config *config, const struct strings *given,
                      struct config_faults *faults)
{
    size_t i;

    if (given->count)
        config_clear_redis(config);
    for (i = 0; i < given->count; i++) {
        fault_of(faults, "--redis", redis_url_error(given->items[i]));
        config_add_redis(config, NULL, given->items[i]);
    }
}

static void use_options(struct config *config, const struct options *options)
{
    if (options->interval > 0)
        config->interval = options->interval;
    if (options->theme) {
        free(config->theme);
        config->theme = mem_strdup(options->theme);
        config->theme_line = 0;
    }
    config->read_only |= options->read_only;
    config->ascii |= options->ascii;
}

static void use_defaults(struct config *config, struct config_faults *faults)
{
    if (config->postgres_count || config->redis_count)
        return;
    if (!config->lists_postgres)
        config_add_postgres(config, NULL, "");
    if (!config->lists_redis)
        config_add_redis(config, NULL, "");
    if (config->lists_postgres && config->lists_redis)
        config_fault_add(faults, config->path, 0, false,
                         "nothing to watch: put an instance into postgres or redis, or leave the "
                         "empty lists out");
}

/* Gives each Redis without an address the environment's or the usual one. */
static void resolve_redis(struct config *config, struct config_faults *faults)
{
    char *error = NULL;
    size_t i;

    for (i = 0; i < config->redis_count; i++) {
        struct redis_config *redis = config->redis[i];

        if (*redis->url)
            continue;
        free(redis->url);
        redis->url = mem_strdup(redis_effective_url(""));
        free(error);
        error = redis_url_error(redis->url);
    }
    fault_of(faults, "$REDIS_URL", error);
}

struct config *setup_config(const struct options *options, struct config_faults *faults)
{
    struct config *config = load_file(options, faults);

    if (!config)
        return NULL;
    use_postgres(config, &options->postgres, faults);
    use_redis(config, &options->redis, faults);
    use_options(config, options);
    use_defaults(config, faults);
    resolve_redis(config, faults);
    if (!config_faults_fatal(faults))
        return config;
    config_free(config);
    return NULL;
}
