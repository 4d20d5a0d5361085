/* Long work (backup, restore, restart, delete by pattern) runs as a detached process of this same
 * program, with its state on disk: $XDG_STATE_HOME/sharedtop/jobs/ID/. It survives the dashboard
 * and an SSH hang-up, and every later dashboard and `sharedtop jobs` sees it.
 *
 *   spec.json   what to do, without secrets       state.json  how far it is, replaced atomically
 *   lock        locked (flock) by the process while it lives: a free lock and an unfinished state
 *               mean that it died                 cancel      made by who wants it to end
 *   log         stderr of the tools that it ran */
#ifndef BACKEND_JOB_H
#define BACKEND_JOB_H

#include "backend/action.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum job_state {
    JOB_STARTING,
    JOB_RUNNING,
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_DIED /* its process has gone without a word */
};

/* One job, as it is shown. Strings are owned; absent ones NULL, absent numbers -1, times seconds
 * since 1970 (NAN absent). */
struct job_info {
    char *id;     /* "20260131T142233Z-4711-1": sorts by time */
    enum act act; /* what it does */
    enum job_state state;
    char *instance, *target; /* as in its plan */
    char *phase;             /* "dumping aletheia_prod", "verifying" */
    char *result;            /* one line, once it has ended: what came of it, or why not */
    char *file;              /* what it makes or reads: a path */
    char *offer;             /* restore: the database that its result may replace now, or NULL */
    char *made;              /* restore: the database that it has made, or NULL */
    long pid;
    double started, updated, ended;
    double bytes, bytes_total; /* total: an estimate; -1 unknown */
    double items, items_total; /* tables, or keys */
    bool cancelling;           /* a cancel was asked for */
};

struct job_list {
    struct job_info *items; /* newest first */
    size_t count;
};

/* Reads all jobs in the calling thread. No folder means no jobs. False: *error. */
bool job_list_read(struct job_list *list, char **error);
void job_list_free(struct job_list *list);

/* "running", "done", …; true when it goes on no longer. */
const char *job_state_text(enum job_state state);
bool job_state_ended(enum job_state state);

/* Seconds until its end by bytes (else items) and the time so far; NAN unknown. */
double job_eta(const struct job_info *job, double now);

/* Asks a job to end: its process stops its tools and the server's sessions. NULL: asked; else why
 * not, one line that the caller frees. */
char *job_cancel(const char *id);

/* ---- for a loop ---- */

/* Looks at the folder off the loop's thread, each half second while something runs, else each two
 * seconds; changed: the list is another one. */
struct jobs *jobs_new(uv_loop_t *loop, void (*changed)(void *context), void *context);
const struct job_list *jobs_list(const struct jobs *jobs); /* valid until the next changed */
unsigned jobs_running(const struct jobs *jobs);
void jobs_refresh(struct jobs *jobs);
void jobs_close(struct jobs *jobs); /* frees it when its handles have closed */

/* Starts the job of an action (which is being executed): writes its folder, starts the process and
 * waits, without blocking, until it has taken over (or said why not); then ends the action with
 * OUTCOME_STARTED, or OUTCOME_FAILED. The job itself records its outcome in the audit, under the
 * action's id. Takes the reference of parameters: what the job's work needs, without secrets; the
 * instances' settings are handed over by this function, through a pipe. */
void job_start(struct action *action, json_t *parameters);

/* The job's process: main calls it for `sharedtop job-run ID` (not in the help) and exits with what
 * it returns. */
int job_main(const char *id);

#endif
