/* Acts of a test on a watched PostgreSQL: through the one door, as the keys and the commands do. The
 * audit goes to a folder of its own. */
#ifndef TESTS_PG_ACT_H
#define TESTS_PG_ACT_H

#include "backend/action.h"
#include "tests/integration/pg_watch.h"

struct pg_act {
    struct pg_watch watch; /* first */
    struct actions *actions;
    struct action *action; /* the last one that was prepared */
    bool prepared, done, gone;
    char home[64];
};

/* Watches conninfo (databases *_prod, *_staging and *_dev have their environments) until all that is
 * polled has come. */
void pg_act_start(struct pg_act *act, const char *conninfo);
void pg_act_stop(struct pg_act *act);

/* Turns the loop until the plan is there (true) or the action has ended (false). */
bool pg_act_prepare(struct pg_act *act, const struct act_request *request);

/* Answers (execute) and turns the loop until it has ended; returns the outcome. */
const struct outcome *pg_act_execute(struct pg_act *act, enum answer answer, const char *typed);
const struct outcome *pg_act_wait(struct pg_act *act);
const struct outcome *pg_act_outcome(const struct pg_act *act);
const struct plan *pg_act_plan(const struct pg_act *act);

/* Frees the action. */
void pg_act_end(struct pg_act *act);

/* prepare, execute with y, check the status, end; returns outcome.text, which the caller frees. */
char *pg_act_run(struct pg_act *act, const struct act_request *request, enum outcome_status status);

/* cancel or terminate of one session by pid. */
struct act_request pg_act_on(enum act what, const struct act_session *session);

/* The plan as text has words; the outcome's text or details have them. */
void pg_act_plan_says(const struct pg_act *act, const char *words);
void pg_act_outcome_says(const struct pg_act *act, enum outcome_status status, const char *words);

/* The identity of a connection's session. */
struct act_session pg_act_session(const struct lab *lab, int pid);

/* Sends sql, and returns when the server says that it runs (active). */
void pg_act_busy(const struct lab *lab, PGconn *conn, const char *sql);

/* Waits until sql gives "t". */
void pg_act_until(const struct lab *lab, const char *sql);

/* Runs sql, which must succeed; its first value, "" if none. The caller frees it. */
char *pg_act_sql(PGconn *conn, const char *sql);

#endif
