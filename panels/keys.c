/* The one table of keys. A new key is one row. */
#include "panels/acts.h"
#include "panels/containers.h"
#include "panels/jobs.h"
#include "panels/logs.h"
#include "panels/monitor.h"
#include "panels/sessions.h"
#include "panels/shell.h"

#define CONTROL(letter) ((letter)&0x1F)

static void refresh_now(struct app *app, int argument)
{
    struct view_data *data = app_data(app);

    (void)argument;
    backend_refresh(data->backend);
}

/* The steps that a person would choose. */
static void interval_step(struct app *app, int step)
{
    static const double steps[] = {0.2, 0.5, 1, 2, 5, 10, 30, 60};
    struct view_data *data = app_data(app);
    double now = backend_interval(data->backend);
    int count = (int)(sizeof(steps) / sizeof(steps[0])), at = 0;

    while (at < count - 1 && steps[at] < now - 0.001)
        at++;
    if (step > 0 && steps[at] > now + 0.001)
        step = 0;
    at += step;
    interval_set(data, steps[at < 0 ? 0 : at >= count ? count - 1 : at]);
}

static void show_own(struct app *app, int argument)
{
    struct view_data *data = app_data(app);

    (void)argument;
    data->show_own = !data->show_own;
    app_message(app, ROLE_OK,
                data->show_own ? "own sessions and background processes are shown"
                               : "own sessions and background processes are hidden");
    app_dirty_data(app);
}

static void show_audit(struct app *app, int argument)
{
    (void)argument;
    app_view_named(app, "audit");
}

const struct binding key_bindings[] = {
    {"group",
     {'b'},
     "sessions",
     "group",
     "group by database, user, state, application, client",
     sessions_group,
     0},
    {"monitor-run", {'m'}, "monitor", "start/stop", "start or stop MONITOR", monitor_toggle, 0},
    {"monitor-show",
     {'v'},
     "monitor",
     "next view",
     "the stream, then top commands, keys, patterns, clients, databases, scripts, big keys, flags",
     monitor_show,
     1},
    {"monitor-show-back", {'V'}, "monitor", NULL, "the same, backwards", monitor_show, -1},

    {"help", {'?', 'h', KEYCODE_F1}, NULL, "help", "this help", app_help, 0},
    {"quit", {'q'}, NULL, "quit", "quit", acts_quit_key, 0},
    {"filter",
     {'/'},
     NULL,
     "filter",
     "filter the table: [!][column:]regular expression, ! inverts; of several, as in "
     "command:set !client:^10\\.0\\.0\\.5:, all must match",
     app_filter,
     0},
    {"details",
     {KEYCODE_ENTER},
     NULL,
     "details",
     "details of the row: whole query, all fields",
     app_details,
     0},
    {"sort", {'s', '>'}, NULL, "sort", "sort by the next column", app_sort_next, 1},
    {"sort-previous", {'<'}, NULL, NULL, "sort by the previous column", app_sort_next, -1},
    {"sort-reverse", {'S'}, NULL, NULL, "reverse the order", app_sort_reverse, 0},
    {"sort-choose", {'O'}, NULL, NULL, "choose the column to sort by", app_sort_choose, 0},
    {"pause", {'p'}, NULL, "pause", "pause: what you see stays; again goes on", app_pause, 0},
    {"command", {':'}, NULL, "command", "command line; Tab completes", app_command_line, 0},

    {"cancel",
     {'C'},
     "sessions queries",
     "cancel",
     "cancel the query (of the tagged sessions, else of the selected one)",
     acts_key,
     ACT_CANCEL},
    {"terminate",
     {'K'},
     "sessions queries",
     "terminate",
     "terminate the session (the tagged ones, else the selected one)",
     acts_key,
     ACT_TERMINATE},
    {"flush",
     {'F'},
     "keyspace",
     "flush",
     "flush the Redis database; u brings it back for a while",
     acts_key,
     ACT_FLUSH},
    {"undo-flush", {'u'}, "keyspace", "undo", "bring back what F took", acts_key, ACT_UNDO_FLUSH},
    {"delete", {'D'}, "keyspace", "delete", "delete keys by pattern", acts_key, ACT_DELETE},
    {"backup",
     {'B'},
     "databases jobs *",
     "backup",
     "back up the database (in Databases the tagged ones, else the selected one)",
     acts_key,
     ACT_BACKUP},
    {"replace",
     {'R'},
     "jobs",
     "replace/restore",
     "let a restored database take the old one's place; else as restore",
     acts_replace_key,
     ACT_REPLACE},
    {"restore", {'R'}, "databases *", "restore", "restore a dump", acts_key, ACT_RESTORE},
    {"createdb",
     {'N'},
     "databases",
     "new",
     "new database and the user who owns it",
     acts_key,
     ACT_CREATEDB},
    {"kill-client",
     {'K'},
     "monitor",
     "kill",
     "kill the client of the row",
     acts_key,
     ACT_KILL_CLIENT},
    {"cancel-job", {'C'}, "jobs", "cancel", "cancel the job", acts_key, ACT_CANCEL_JOB},
    {"job-details",
     {KEYCODE_ENTER},
     "jobs",
     "details",
     "the job with its log and manifest",
     jobs_details_key,
     0},
    {"container-shell",
     {'P'},
     "containers",
     "shell",
     "psql, or redis-cli, on the instance that the container is, and back",
     containers_shell_key,
     0},
    {"shell",
     {'P'},
     "databases keyspace sessions queries redis memory *",
     "shell",
     "psql, or redis-cli, on what is selected, and back",
     shell_key,
     0},
    {"restart-container",
     {'X'},
     "containers",
     "restart",
     "restart the container",
     containers_restart_key,
     ACT_RESTART},
    {"container-logs",
     {'L'},
     "containers postgres redis *",
     "logs",
     "log of the container (of the selected one; elsewhere of the panel's instance)",
     logs_key,
     0},
    {"restart",
     {'X'},
     "postgres redis *",
     "restart",
     "restart the shared services",
     acts_key,
     ACT_RESTART},

    {"back",
     {KEYCODE_ESC},
     NULL,
     NULL,
     "clear the filter, then the tags, then the overview",
     app_back,
     0},

    {"up", {KEYCODE_UP, 'k'}, NULL, NULL, "row up", app_move, TABLE_UP},
    {"down", {KEYCODE_DOWN, 'j'}, NULL, NULL, "row down", app_move, TABLE_DOWN},
    {"page-up", {KEYCODE_PGUP, CONTROL('b')}, NULL, NULL, "page up", app_move, TABLE_PAGE_UP},
    {"page-down", {KEYCODE_PGDN, CONTROL('f')}, NULL, NULL, "page down", app_move, TABLE_PAGE_DOWN},
    {"first", {KEYCODE_HOME, 'g'}, NULL, NULL, "first row", app_move, TABLE_HOME},
    {"last", {KEYCODE_END, 'G'}, NULL, NULL, "last row", app_move, TABLE_END},
    {"right", {KEYCODE_RIGHT}, NULL, NULL, "scroll long texts to the right", app_shift, 10},
    {"left", {KEYCODE_LEFT}, NULL, NULL, "scroll them back", app_shift, -10},
    {"next-panel", {KEYCODE_TAB}, NULL, NULL, "next panel of the overview", app_next_panel, 1},
    {"previous-panel", {KEYCODE_BACKTAB}, NULL, NULL, "previous panel", app_next_panel, -1},
    {"view-1", {'1'}, NULL, NULL, "the overview", app_view, 0},
    {"view-2", {'2'}, NULL, NULL, "second view (Sessions)", app_view, 1},
    {"view-3", {'3'}, NULL, NULL, "third view (Queries)", app_view, 2},
    {"view-4", {'4'}, NULL, NULL, "fourth view (Databases)", app_view, 3},
    {"view-5", {'5'}, NULL, NULL, "fifth view (Keyspace)", app_view, 4},
    {"view-6", {'6'}, NULL, NULL, "sixth view (Memory)", app_view, 5},
    {"view-7", {'7'}, NULL, NULL, "seventh view (Monitor)", app_view, 6},
    {"view-8", {'8'}, NULL, NULL, "eighth view (Containers)", app_view, 7},
    {"view-9", {'9'}, NULL, NULL, "ninth view (Alerts)", app_view, 8},
    {"view-10", {'0'}, NULL, NULL, "tenth view (Jobs)", app_view, 9},
    {"view-audit", {'A'}, NULL, NULL, "the record of acts (Audit)", show_audit, 0},
    {"previous-instance",
     {'['},
     NULL,
     NULL,
     "previous instance of the panel's kind",
     instance_step,
     -1},
    {"next-instance", {']'}, NULL, NULL, "next instance of the panel's kind", instance_step, 1},
    {"next-match", {'n'}, NULL, NULL, "next row that matches the last filter", app_search, 1},
    {"previous-match", {'N'}, NULL, NULL, "previous row that matches it", app_search, -1},
    {"tag", {' '}, NULL, NULL, "tag the row: acts go to the tagged rows", app_tag, 0},
    {"tag-all", {'T'}, NULL, NULL, "tag every row that the filter leaves", app_tag_all, 0},
    {"columns", {'c'}, NULL, NULL, "choose the columns", app_columns, 0},
    {"copy", {'y'}, NULL, NULL, "copy the query or cell (OSC 52: works over SSH)", app_copy, 0},
    {"write", {'w'}, NULL, NULL, "write the table to a file, as CSV, JSON or text", app_write, 0},
    {"own", {'o'}, NULL, NULL, "show own sessions and background processes too", show_own, 0},
    {"refresh", {'r'}, NULL, NULL, "refresh now", refresh_now, 0},
    {"slower", {'+'}, NULL, NULL, "longer interval", interval_step, 1},
    {"faster", {'-'}, NULL, NULL, "shorter interval", interval_step, -1},
    {"theme", {'t'}, NULL, NULL, "choose a theme, with live preview", app_themes, 0},
    {"redraw", {CONTROL('l')}, NULL, NULL, "draw everything anew", app_redraw, 0},
    {"suspend", {CONTROL('z')}, NULL, NULL, "suspend to the shell", app_suspend, 0},
    {"interrupt", {CONTROL('c')}, NULL, NULL, "quit", acts_quit_key, 0},
};

const size_t key_binding_count = sizeof(key_bindings) / sizeof(key_bindings[0]);
