#include "panels/shell.h"

#include "backend/base/mem.h"
#include "backend/shell.h"
#include "panels/acts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void came_back(void *context, int status)
{
    struct view_data *data = context;

    if (WIFSIGNALED(status))
        app_message(data->app, ROLE_WARNING, "the program was ended by signal %d",
                    WTERMSIG(status));
    else if (WEXITSTATUS(status))
        app_message(data->app, ROLE_WARNING, "the program ended with status %d",
                    WEXITSTATUS(status));
    backend_refresh(data->backend);
    app_dirty_data(data->app);
}

static char *banner(const char *program, const char *target, const struct instance *instance,
                    enum environment environment, const char *leave)
{
    char *text = mem_printf("sharedtop: %s on %s%s%s; %s comes back", program, instance->name,
                            target ? ", database " : "", target ? target : "", leave);
    char *with = mem_printf("%s\n%s", text,
                            environment == ENV_DEV || environment == ENV_STAGING
                                ? ""
                                : "*** PRODUCTION *** what is typed here runs at once, and is not "
                                  "recorded");
    char *clean = text_clean(with, true);

    free(text);
    free(with);
    return clean;
}

static bool call_psql(const struct view_data *data, struct shell_call *call, char **error)
{
    const struct instance *instance = data_instance(data, INSTANCE_POSTGRES);
    const char *database = acts_selected_database(data);
    enum environment environment = ENV_UNKNOWN;
    char *words;
    bool good;

    if (!instance) {
        *error = mem_strdup("no PostgreSQL is configured");
        return false;
    }
    *error = backend_place_doubt(data->backend, instance);
    if (*error)
        return false;
    if (database)
        environment = postgres_environment(instance->postgres_config, database);
    words = banner("psql", database, instance, environment, "\\q");
    good = shell_postgres(instance->postgres_config, database, words, call, error);
    free(words);
    return good;
}

static bool call_redis(const struct view_data *data, struct shell_call *call, char **error)
{
    const struct instance *instance = data_instance(data, INSTANCE_REDIS);
    const struct redis_db_config *named;
    int db = acts_selected_db(data);
    char *words, *target;
    bool good;

    if (!instance) {
        *error = mem_strdup("no Redis is configured");
        return false;
    }
    *error = backend_place_doubt(data->backend, instance);
    if (*error)
        return false;
    named = db >= 0 ? redis_database(instance->redis_config, db) : NULL;
    target = db >= 0 ? mem_printf("%d", db) : NULL;
    words = banner("redis-cli", target, instance, named ? named->environment : ENV_UNKNOWN, "quit");
    good = shell_redis(instance->redis_config, db, words, call, error);
    free(words);
    free(target);
    return good;
}

void shell_run(struct app *app, enum instance_kind kind)
{
    struct view_data *data = app_data(app);
    struct shell_call call = {.inherited = -1};
    struct child_program program;
    char *error = NULL;
    bool good;

    if (data->read_only) {
        app_message(app, ROLE_WARNING, "read-only: no shell, since it could change the server");
        return;
    }
    good =
        kind == INSTANCE_REDIS ? call_redis(data, &call, &error) : call_psql(data, &call, &error);
    program = (struct child_program){call.argv, call.environment, call.inherited};
    if (!good || !app_run_child(app, &program, came_back, data, &error))
        app_message(app, ROLE_CRITICAL, "%s", error);
    free(error);
    shell_call_free(&call);
}

void shell_key(struct app *app, int argument)
{
    const struct panel *panel = app_focus(app);

    (void)argument;
    shell_run(app, panel && panel->class->kind == PANEL_REDIS ? INSTANCE_REDIS : INSTANCE_POSTGRES);
}
