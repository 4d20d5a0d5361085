/* The one door to everything that changes a server:
 *
 *   action_prepare → prepared(plan) → the operator answers → action_execute → done(outcome)
 *
 * Nothing blocks. The policy is asked when the plan is complete and again when it is executed; an
 * act whose intent could not be recorded does not run. */
#ifndef BACKEND_ACTION_H
#define BACKEND_ACTION_H

#include "backend/backend.h"
#include "backend/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* A session by identity, as in struct pg_session: backend_start and query_start in microseconds
 * since 2000 (PG_NO_TIME: not known; by pid alone, prepare finds out). */
struct act_session {
    int pid;
    int64_t backend_start, query_start;
};

/* What is wanted. Only the fields of its act count; all is copied. */
struct act_request {
    enum act act;
    const char *instance; /* name; NULL: the only one of its kind */
    int db;               /* flush, undo-flush, delete */
    bool now;             /* flush: for good, frees the memory at once */
    const char *pattern;  /* delete: as for SCAN MATCH */
    const struct act_session *sessions;
    size_t session_count;
    const char *database;  /* backup, createdb; replace: the one that is replaced */
    bool all;              /* backup: every database and the globals */
    bool count_rows;       /* backup: the manifest gets the row counts of all tables */
    const char *directory; /* backup: NULL: the config's */
    const char *file;      /* restore: the dump */
    const char *as;        /* restore: name of the new database; NULL: derived from the dump's.
                              replace: the restored database that takes the place */
    bool replace;          /* restore: afterwards take the place of the dump's own database */
    const char *owner;     /* createdb: the user; NULL: named as the database */
    const char *env_file;  /* createdb: where the password goes; NULL: the instance's env_file */
    const char *env_key;   /* createdb: its key there; NULL: NAME_PASSWORD */
    const char *job;       /* cancel-job: its id */
    const char *client;    /* kill-client: its id, or its address as CLIENT LIST has it */
    const char *container; /* restart: only this one, by its engine: an instance's name, or a
                              container's name or id; NULL: all, by the configured command */
};

enum outcome_status {
    OUTCOME_DONE,    /* checked on the server */
    OUTCOME_FAILED,  /* tried, or could not be tried */
    OUTCOME_REFUSED, /* policy, read-only, a changed target: nothing was touched */
    OUTCOME_NOTHING, /* nothing there to act on (already finished, no such session) */
    OUTCOME_STARTED  /* a job goes on: outcome.job */
};

/* Texts are raw; they live as long as the action. */
struct outcome {
    enum outcome_status status;
    char *text;    /* one line: what happened, and the mend if it did not */
    char *details; /* more lines, or NULL */
    char *job;     /* id of the job that was started, or NULL */
    char *secret;  /* createdb: the password, to be shown once; never recorded */
    enum act next; /* what is offered now (a terminate after a cancel in vain); ACTS: nothing */
};

/* "done", "failed", "refused", "nothing", "started". */
const char *outcome_status_text(enum outcome_status status);

struct action;
struct actions;

struct action_events {
    /* The plan is complete, or says why it is refused. */
    void (*prepared)(void *context, struct action *action);
    /* Nothing to prepare or execute: the end. Also when prepare finds nothing to act on. */
    void (*done)(void *context, struct action *action);
    /* A word on what goes on ("counting keys: 120,000"); may be NULL. */
    void (*progress)(void *context, struct action *action, const char *text);
};

/* How the operator answered. */
enum answer { ANSWER_YES, ANSWER_NAME, ANSWER_YES_FLAG };

/* The door; config, backend and loop must outlive it. read_only is the config's. */
struct actions *actions_new(uv_loop_t *loop, struct backend *backend, const struct config *config);

/* Lets go of every action and closes what is open; before backend_close. What runs on a server goes
 * on there and its outcome is recorded as unknown. gone may be NULL. */
void actions_close(struct actions *actions, void (*gone)(void *context), void *context);

/* Actions that are being executed: quitting should ask. */
unsigned actions_running(const struct actions *actions);

/* Begins to prepare; the events come later than this returns. The action belongs to the caller, who
 * frees it (in an event too). */
struct action *action_prepare(struct actions *actions, const struct act_request *request,
                              const struct action_events *events, void *context);

/* Valid from prepared on. */
const struct plan *action_plan(const struct action *action);

/* NULL before done. */
const struct outcome *action_outcome(const struct action *action);

const struct act_request *action_request(const struct action *action);

/* Checks the answer (typed: the name, for ANSWER_NAME) and the policy again, records the intent,
 * runs. Ends in done, not before this returns. Once an action. */
void action_execute(struct action *action, enum answer answer, const char *typed);

/* Frees it; what it waits for is dropped, and nothing is called any more. An act that is being
 * executed is not stopped by this: its outcome is still awaited and recorded. Takes NULL. */
void action_free(struct action *action);

/* The rows of the act table. */
struct act_info {
    const char *name;        /* act_name */
    enum instance_kind kind; /* of the server it changes; restart and cancel-job: INSTANCE_KINDS */
    bool job;                /* runs as a job */
    const char *help;        /* one line */
};
const struct act_info *act_info(enum act act);

#endif
