/* What the panels look at: the backend, the current instance of each kind and the snapshots that are
 * shown now (while paused they are older than the backend's). */
#ifndef PANELS_DATA_H
#define PANELS_DATA_H

#include "backend/action.h"
#include "backend/backend.h"
#include "backend/job.h"
#include "tui/app.h"
#include "tui/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Kinds of panels: what panel_class.kind holds. */
enum panel_kind { PANEL_ANY, PANEL_POSTGRES, PANEL_REDIS };

struct view_data {
    struct backend *backend;
    const struct config *config;
    struct app *app;
    uv_loop_t *loop;
    size_t current[INSTANCE_KINDS];
    struct pg_snapshot pg;               /* of the current PostgreSQL; one reference each */
    struct redis_snapshot redis;         /* of the current Redis */
    const struct containers *containers; /* one reference; NULL before the first data_adopt */
    struct alert *alerts;                /* a copy of what holds now */
    size_t alert_count;
    unsigned raised;       /* alerts_raised at the last bell */
    size_t instance_count; /* at the last adoption: discovered ones come later */
    bool found_told;       /* which servers were discovered has been said */
    bool engine_told;      /* why there is no container engine has been said, or there is one */
    char *log_container;   /* whose log is shown: its name or id; NULL: none was chosen yet */
    bool show_own;         /* own sessions and background processes too */
    bool read_only;
    char host[64];
    char *monitor_note;      /* for the header while a MONITOR runs, or NULL */
    struct actions *actions; /* the door to acts and the jobs that go on; NULL: there are none */
    struct jobs *jobs;
    struct act_runs *acts;         /* acts on their way (acts.c), or NULL */
    bool closed;                   /* data_release was called: what comes late has nobody to tell */
    struct job_watch *job_watches; /* whose end is to be told, or was (jobs.c) */
    size_t job_watch_count;
    void (*quit)(void *context);
    void *quit_context;
};

/* Takes over the newest snapshots of the current instances. */
void data_adopt(struct view_data *data);

/* The end: lets go of the snapshots and of all acts on their way; before actions_close. */
void data_release(struct view_data *data);

/* For jobs_new: the list of jobs is another one. context: the struct view_data. */
void jobs_changed(void *context);

/* The current instance of a kind, or NULL when none is configured. */
const struct instance *data_instance(const struct view_data *data, enum instance_kind kind);

/* Why there is none: they are still looked for, none was found, or none is configured. */
const char *data_missing(const struct view_data *data, enum instance_kind kind);

/* The instance that a panel shows (NULL for PANEL_ANY). */
const struct instance *panel_instance(const struct panel *panel);

struct view_data *panel_data(const struct panel *panel);

/* Ages are measured against the moment of the newest data while it is fresh, so that nothing moves
 * between two samples. Seconds since a sample came; NAN: it never came. */
double data_age(const struct view_data *data, const struct sample *sample);

/* ---- hooks that panels share ---- */

/* One or two lines when the instance is not up, or a source was refused: why, the mend, the next
 * try. No line when all is well. */
int banner_rows(const struct panel *panel, int columns);

/* The same for tables, which as tiles leave the server's state to its own tile. */
int banner_rows_full(const struct panel *panel, int columns);
void banner_draw(const struct panel *panel, struct rect area);

/* "shared_postgres" (with [1/2] when there are several) for the title. */
void instance_caption(const struct panel *panel, char *out, size_t size);

/* "stale 4s" when the panel's data is older than two intervals. */
void stale_note(const struct panel *panel, const struct sample *sample, char *out, size_t size);

/* A time that changes once a minute at most: <1m, 5m, 2h03m, 12d4h. out: TEXT_UNIT_SIZE bytes. */
const char *uptime_text(double seconds, char *out);

/* "up", "down", …; its symbol and role. */
const char *state_text(enum instance_state state);
enum symbol state_symbol(enum instance_state state);
enum role state_role(enum instance_state state);

enum role environment_role(enum environment environment);

/* For a name that stands in its environment's colour, many of them below each other. */
enum role environment_name_role(enum environment environment);
enum role severity_role(enum severity severity);
const char *severity_text(enum severity severity);

/* The level that a value reaches against an alert's thresholds, as a role (ROLE_TEXT below). */
enum role threshold_role(const struct config *config, enum alert_name alert, double value);

/* One line that says what an alert is about. */
const char *alert_message(const struct alert *alert, char *out, size_t size);

/* All bindings and words of the : line (keys.c, commands.c), all panels (list.c), the app's hooks
 * (hooks.c). */
extern const struct binding key_bindings[];
extern const size_t key_binding_count;
extern const struct command_word command_words[];
extern const size_t command_word_count;
extern const struct panel_class *const panel_list[];
extern const size_t panel_list_count;
extern const struct app_hooks panel_hooks;

/* Switches the current instance of the focused panel's kind. */
void instance_step(struct app *app, int step);
bool instance_choose(struct view_data *data, const char *name);

/* Changes the interval; tells what it is now. */
void interval_set(struct view_data *data, double seconds);

#endif
