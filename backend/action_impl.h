/* What the acts (act_*.c) share with action.c, which owns states, policy, audit and time limits. An
 * act fills the plan, and later runs it. Inside the backend only. */
#ifndef BACKEND_ACTION_IMPL_H
#define BACKEND_ACTION_IMPL_H

#include "backend/action.h"
#include "backend/instance_impl.h"

/* All run on the loop; none blocks. */
struct act_ops {
    struct act_info info;
    size_t state_size; /* zeroed bytes in action->state */

    /* Looks at the server and fills action->plan (title, target, environment, confirm, commands,
     * evidence, …). Ends in one of action_prepared, action_refuse, action_end; at once or later. */
    void (*prepare)(struct action *action);

    /* Checks the identity of the target on the server in the same step that acts, runs, and looks
     * at the effect. Ends in action_end, at once or later. The intent is on disk already. */
    void (*execute)(struct action *action);

    /* Drops connections, timers and requests; after it no callback may touch the action. Must
     * tolerate any moment, once. NULL: nothing to drop. Handles that close later hold the
     * instance (instance_hold) or actions_hold, not the action. */
    void (*release)(struct action *action);
};

struct action {
    const struct act_ops *ops;
    struct actions *door;
    struct act_request request; /* strings and sessions are the action's own copies */
    struct instance_impl *impl; /* held; NULL for acts without an instance */
    const struct config *config;
    uv_loop_t *loop;
    struct plan plan;
    struct outcome outcome;
    char id[40]; /* of this act in the audit: time, pid, counter */
    void *state; /* of the act */
    /* ---- action.c's own ---- */
    const struct action_events *events;
    void *context;
    enum action_stage {
        ACTION_PREPARING,
        ACTION_PREPARED,
        ACTION_RECORDING, /* the intent */
        ACTION_EXECUTING,
        ACTION_CLOSING, /* recording the outcome */
        ACTION_DONE
    } stage;
    bool orphan; /* its owner has freed it: no more events */
    bool prepared_once, released;
    enum answer answer;
    char *refusal; /* of action_refuse */
    uv_timer_t timer;
    uint64_t began; /* ms of uv_now */
    char *record_error;
    void (*record_done)(void *context, const char *error);
    struct action *next;
};

/* The plan is complete: the policy's verdict is added, and the operator sees it. */
void action_prepared(struct action *action);

/* The plan cannot be run and says so: shown like a plan, with POLICY_REFUSED. reason is copied. */
void action_refuse(struct action *action, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The end of preparing or executing; text as printf goes to outcome.text. The other fields of
 * action->outcome may be set before. Releases the act (ops->release). */
void action_end(struct action *action, enum outcome_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void action_progress(struct action *action, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Handles that outlive an action keep the door's memory: each hold is released once. */
void actions_hold(struct actions *actions);
void actions_release(struct actions *actions);

/* The backend behind the door, for acts that look at several instances. */
struct backend *actions_backend(const struct actions *actions);

const struct act_ops *act_ops_of(enum act act);

/* The table's rows, one in each act_*.c. */
extern const struct act_ops act_flush, act_undo_flush, act_delete, act_cancel, act_terminate,
    act_backup, act_restore, act_replace, act_createdb, act_restart, act_kill_client,
    act_cancel_job;

#endif
