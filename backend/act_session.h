/* Cancel and terminate: what their files share. A session is a pid and the moment it began; a query
 * is a session and the moment it began. Both moments travel as the server's own text. */
#ifndef BACKEND_ACT_SESSION_H
#define BACKEND_ACT_SESSION_H

#include "backend/action_impl.h"
#include "backend/pg_control.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

enum target_fate {
    TARGET_WAITS,     /* to be signalled */
    TARGET_GONE,      /* had finished before: not signalled */
    TARGET_KEPT,      /* cannot be signalled: why */
    TARGET_SIGNALLED, /* and not seen to end yet */
    TARGET_ENDED
};

struct target {
    int pid;
    char start[40], query_start[40]; /* "" not known */
    enum target_fate fate;
    bool own;    /* one of this program's */
    bool here;   /* prepare has found it: row tells of it */
    bool idle;   /* a cancel that found no query running */
    int row;     /* in session_act.rows */
    bool unsure; /* of TARGET_SIGNALLED: the connection broke before it was answered */
    char *why;   /* of TARGET_KEPT */
};

/* A session that waited for a target when the act began. */
struct waiter {
    int pid;
    char start[40];
    char *name; /* "4712 (umami, app)" */
};

struct shot {
    struct action *action;
    struct target *target;
    struct pg_control_request *request; /* NULL: answered */
};

struct tick;

struct session_act {
    bool cancel;
    struct target *targets;
    size_t count;
    PGresult *rows; /* of session_find */
    bool blind;     /* whom they block could not be found out */
    struct pg_control_request *request;
    void (*found)(struct action *action, const char *error);
    struct shot *shots;
    size_t shot_count, pending; /* shots without an answer */
    struct waiter *waiters;
    size_t waiter_count;
    struct tick *tick; /* while the effect is watched */
    uint64_t watch_from;
    bool looked; /* the server has told of the effect at least once */
    bool freed_known;
    size_t freed;
    char *freed_lines;
};

enum find_column {
    FIND_N,
    FIND_FOUND,
    FIND_SAME,
    FIND_SAME_QUERY,
    FIND_RUNNING,
    FIND_START,
    FIND_QUERY_START,
    FIND_DATABASE,
    FIND_USER,
    FIND_APPLICATION,
    FIND_CLIENT,
    FIND_TYPE,
    FIND_STATE,
    FIND_WAIT,
    FIND_QUERY_AGE,
    FIND_XACT_AGE,
    FIND_STATE_AGE,
    FIND_QUERY,
    FIND_CUT,
    FIND_RIGHT, /* NULL: we may signal it; else the role that it takes, or "process" */
    FIND_OWN,
    FIND_WALSENDER,
    FIND_WRAPAROUND,
    FIND_DIRECT,
    FIND_DIRECT_LIST,
    FIND_BEHIND,
    FIND_WAITS_FOR,
    FIND_ME, /* our role, quoted */
    FIND_COLUMNS
};

static inline struct session_act *session_act(const struct action *action)
{
    return action->state;
}

/* NULL for a null. */
const char *session_field(const PGresult *rows, int row, int column);

/* The targets' values as the text of an array of SQL. The caller frees it. */
char *session_pids(const struct session_act *act);
char *session_starts(const struct session_act *act);
char *session_query_starts(const struct session_act *act);

/* Takes the sessions of the request, each once. */
void session_take(struct action *action);

/* Asks what the targets are and do, then calls found; error NULL: act->rows is there, and the fate
 * of each target that cannot be acted on is known. */
void session_find(struct action *action, void (*found)(struct action *action, const char *error));

/* The statement that signals a target, and nobody else. The caller frees it. */
char *session_statement(const struct session_act *act, const struct target *target);

/* Fills the plan from the rows. */
void session_plan(struct action *action);

/* What came of it, from the fates: ends the action. */
void session_end(struct action *action);

/* Notes who waits for the targets; its answer's receiver and the later look whether they run now. */
extern const char session_waiters_sql[], session_freed_sql[];
void session_note_waiters(struct session_act *act, const PGresult *rows);
void session_note_freed(struct session_act *act, const PGresult *rows);

#endif
