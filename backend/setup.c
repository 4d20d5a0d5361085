#include "backend/setup.h"

#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- what nobody has named ---- */

static bool in_environment(const char *const *names)
{
    for (; *names; names++) {
        if (environ_value(*names))
            return true;
    }
    return false;
}

static bool environment_names(enum instance_kind kind)
{
    static const char *const postgres[] = {"PGHOST", "PGHOSTADDR", "PGSERVICE", "PGPORT", NULL};
    static const char *const redis[] = {"REDIS_URL", NULL};

    return in_environment(kind == INSTANCE_POSTGRES ? postgres : redis);
}

enum { LISTENING = 0x0A };

/* Whether /proc/net/tcp (tcp6) has a socket that listens on the port. */
static bool listens(const char *table, unsigned port)
{
    FILE *file = fopen(table, "re");
    char line[256];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned local, state;

        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%X %*[0-9A-Fa-f]:%*X %X", &local, &state) != 2)
            continue;
        if (state != LISTENING) /* those come first, and there may be very many others */
            break;
        found = local == port;
    }
    if (file)
        fclose(file);
    return found;
}

bool setup_seems_local(enum instance_kind kind)
{
    const unsigned port = kind == INSTANCE_POSTGRES ? 5432 : 6379;

    if (environment_names(kind))
        return true;
    if (kind == INSTANCE_POSTGRES && (access("/var/run/postgresql/.s.PGSQL.5432", F_OK) == 0 ||
                                      access("/tmp/.s.PGSQL.5432", F_OK) == 0))
        return true;
    return listens("/proc/net/tcp", port) || listens("/proc/net/tcp6", port);
}

void setup_default_postgres(struct config *config)
{
    config_add_postgres(config, NULL, "");
}

/* An address of the environment that cannot be read is told by the instance. */
void setup_default_redis(struct config *config)
{
    config_add_redis(config, NULL, redis_effective_url(""));
}

static void use_defaults(struct config *config, struct config_faults *faults)
{
    if (config->postgres_count || config->redis_count)
        return;
    if (!config->lists_postgres && (!config->containers || environment_names(INSTANCE_POSTGRES)))
        config_add_postgres(config, NULL, "");
    if (!config->lists_redis && (!config->containers || environment_names(INSTANCE_REDIS)))
        config_add_redis(config, NULL, "");
    config->discover =
        config->containers && ((!config->lists_postgres && !config->postgres_count) ||
                               (!config->lists_redis && !config->redis_count));
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

        if (*redis->url || redis->container)
            continue;
        free(redis->url);
        redis->url = mem_strdup(redis_effective_url(""));
        free(error);
        error = redis_url_error(redis->url);
    }
    fault_of(faults, "$REDIS_URL", error);
}

/* The reference's command is no default where its folder is not. */
static void check_restart(struct config *config)
{
    if (!config->restart_command || strcmp(config->restart_command, config_default_restart) != 0 ||
        access("/opt/docker/aether/repo", F_OK) == 0)
        return;
    free(config->restart_command);
    config->restart_command = NULL;
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
    check_restart(config);
    if (!config_faults_fatal(faults))
        return config;
    config_free(config);
    return NULL;
}
