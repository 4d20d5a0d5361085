/* Words of the : line that take an argument; the names of all keys are words too. */
#include "panels/acts_words.h"
#include "panels/logs.h"
#include "panels/monitor.h"
#include "panels/sessions.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void run_view(struct app *app, const char *args)
{
    if (!app_view_named(app, args))
        app_message(app, ROLE_WARNING, "no view is called '%s'; Tab lists them", args);
}

static const char *choose_view(struct app *app, size_t index)
{
    return app_view_name(app, index);
}

static bool parse_number(const char *text, double *number)
{
    char *end;

    *number = strtod(text, &end);
    return *text && !*end && isfinite(*number);
}

static void run_interval(struct app *app, const char *args)
{
    double seconds;

    if (parse_number(args, &seconds) && seconds >= 0.2 && seconds <= 60)
        interval_set(app_data(app), seconds);
    else
        app_message(app, ROLE_WARNING, "interval: seconds from 0.2 to 60, not '%s'", args);
}

static void run_theme(struct app *app, const char *args)
{
    char *error = NULL;

    if (!app_set_theme(app, args, &error))
        app_message(app, ROLE_WARNING, "%s", error);
    free(error);
}

/* The list is made once a completion, for its index 0. */
static const char *choose_theme(struct app *app, size_t index)
{
    static char name[128];
    size_t count;
    char **names = theme_list(&count);
    const char *chosen = index < count ? names[index] : NULL;

    (void)app;
    if (chosen)
        strncpy(name, chosen, sizeof(name) - 1);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return index < count ? name : NULL;
}

static struct table *focus_table(struct app *app)
{
    struct panel *panel = app_focus(app);

    return panel && panel->class->table ? &panel->table : NULL;
}

static void run_filter(struct app *app, const char *args)
{
    struct table *table = focus_table(app);
    char *error = NULL;

    if (!table)
        return;
    if (!table_filter(table, args, &error))
        app_message(app, ROLE_WARNING, "%s", error);
    free(error);
    panel_update(app_focus(app));
}

static void run_sort(struct app *app, const char *args)
{
    struct table *table = focus_table(app);

    if (!table)
        return;
    if (!table_sort_by(table, args))
        app_message(app, ROLE_WARNING, "no column is called '%s'; Tab lists them", args);
    panel_update(app_focus(app));
}

static const char *choose_column(struct app *app, size_t index)
{
    const struct table *table = focus_table(app);

    return table && index < table->class->count ? table->class->columns[index].name : NULL;
}

static void run_instance(struct app *app, const char *args)
{
    struct view_data *data = app_data(app);

    if (!instance_choose(data, args))
        app_message(app, ROLE_WARNING, "no instance is called '%s'; Tab lists them", args);
}

static const char *choose_instance(struct app *app, size_t index)
{
    const struct backend *backend = ((struct view_data *)app_data(app))->backend;

    for (int kind = 0; kind < INSTANCE_KINDS; kind++) {
        size_t count = backend_count(backend, kind);

        if (index < count)
            return backend_instance(backend, kind, index)->name;
        index -= count;
    }
    return NULL;
}

static const char *choose_container(struct app *app, size_t index)
{
    const struct containers *containers = ((struct view_data *)app_data(app))->containers;

    return containers && index < containers->count ? containers->rows[index].facts->name : NULL;
}

static void run_group(struct app *app, const char *args)
{
    if (!app_view_named(app, "sessions"))
        return;
    if (!sessions_group_named(app_focus(app), args))
        app_message(app, ROLE_WARNING,
                    "group: database, user, state, application, client; not '%s'", args);
}

static const char *choose_group(struct app *app, size_t index)
{
    (void)app;
    return sessions_group_name(index);
}

static void run_monitor(struct app *app, const char *args)
{
    double seconds;

    if (!app_view_named(app, "monitor"))
        return;
    if (!*args)
        monitor_toggle(app, 0);
    else if (!parse_number(args, &seconds) || !monitor_start_for(app, seconds))
        app_message(app, ROLE_WARNING, "monitor: seconds from 1 to 600, not '%s'", args);
}

static void run_top(struct app *app, const char *args)
{
    if (app_view_named(app, "monitor") && !monitor_show_named(app_focus(app), args))
        app_message(app, ROLE_WARNING, "top: commands, keys, patterns, clients, …, not '%s'", args);
}

static const char *choose_top(struct app *app, size_t index)
{
    (void)app;
    return monitor_show_name(index);
}

const struct command_word command_words[] = {
    {"view", "NAME", "go to a view", run_view, choose_view},
    {"interval", "SECONDS", "0.2 to 60", run_interval, NULL},
    {"theme", "NAME", "change the theme", run_theme, choose_theme},
    {"filter", "[!][COLUMN:]REGEX…", "filter the table; empty clears", run_filter, choose_column},
    {"sort", "COLUMN", "sort the table", run_sort, choose_column},
    {"instance", "NAME", "show another instance", run_instance, choose_instance},
    {"logs", "[CONTAINER]", "follow the log of a container", logs_show, choose_container},
    {"group", "NAME[,NAME…]", "group the sessions; empty ends it", run_group, choose_group},
    {"monitor", "[SECONDS]", "start or stop; start for so many seconds", run_monitor, NULL},
    {"top", "NAME", "what Monitor shows: stream, commands, keys, …", run_top, choose_top},
    {"flush", "DB [now]", "empty a Redis database; can be undone unless now", act_word_flush,
     act_choice_db},
    {"undo-flush", "DB", "bring back what a flush took", act_word_undo_flush, act_choice_db},
    {"delete", "DB PATTERN", "delete the keys that match", act_word_delete, act_choice_db},
    {"cancel", "[PID…]", "cancel the queries of sessions", act_word_cancel, NULL},
    {"terminate", "[PID…]", "end sessions", act_word_terminate, NULL},
    {"kill", "[PID…]", "the same", act_word_terminate, NULL},
    {"backup", "[DATABASE|all]", "back up a database, or all of them", act_word_backup,
     act_choice_database},
    {"restore", "[FILE [as NAME|replace]]", "restore a dump", act_word_restore, NULL},
    {"replace", "DATABASE with NAME", "NAME, a restored database, takes its place",
     act_word_replace, act_choice_database},
    {"createdb", "[NAME]", "a new database and its user", act_word_createdb, NULL},
    {"restart", "[NAME]", "restart the shared services, or one container", act_word_restart,
     choose_container},
    {"kill-client", "[ID|ADDRESS]", "kill a client of a Redis", act_word_kill_client, NULL},
    {"cancel-job", "[ID]", "end a job", act_word_cancel_job, act_choice_job},
    {"jobs", "", "what runs by itself, and what has ended", act_word_jobs, NULL},
    {"audit", "", "the record of acts", act_word_audit, NULL},
};

const size_t command_word_count = sizeof(command_words) / sizeof(command_words[0]);
