#include "backend/act_session.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/pg_instance.h"

#include <stdlib.h>
#include <string.h>

#define WAITERS_MS  1500  /* who waits is worth knowing, but not worth a delay */
#define LOOK_MS     100U  /* between two looks at the effect */
#define DEADLINE_MS 5000U /* then it had none */

/* The targets that are still what they were: for a cancel, still in the same query. */
static const char look_sql[] =
    "SELECT w.n FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])"
    " WITH ORDINALITY AS w(pid, backend_start, query_start, n)"
    " JOIN pg_stat_get_activity(NULL) a ON a.pid = w.pid AND a.backend_start = w.backend_start"
    " WHERE NOT $4::bool OR (a.query_start = w.query_start"
    " AND a.state IN ('active', 'fastpath function call'))";

/* A timer that outlives the action until libuv has closed it. */
struct tick {
    uv_timer_t timer;
    struct action *action;
    struct instance_impl *owner;
};

/* ---- preparing ---- */

static void end_without_targets(struct action *action)
{
    const struct session_act *act = session_act(action);
    const struct target *only = &act->targets[0];

    if (act->count > 1)
        action_end(action, OUTCOME_NOTHING,
                   act->cancel ? "none of the %zu sessions runs the query that was meant"
                               : "none of the %zu sessions is there any more",
                   act->count);
    else if (only->idle)
        action_end(action, OUTCOME_NOTHING, "session %d runs no query: there is nothing to cancel",
                   only->pid);
    else if (only->here)
        action_end(action, OUTCOME_NOTHING, "the query of session %d has already finished",
                   only->pid);
    else
        action_end(action, OUTCOME_NOTHING, "there is no session %d%s", only->pid,
                   *only->start ? " any more: it has already finished" : "");
}

static void refuse_all(struct action *action)
{
    const struct session_act *act = session_act(action);
    const struct target *kept = act->targets;

    while (kept->fate != TARGET_KEPT)
        kept++;
    session_plan(action);
    action_refuse(action, "session %d cannot be signalled: %s", kept->pid, kept->why);
}

static void on_found(struct action *action, const char *error)
{
    const struct session_act *act = session_act(action);
    size_t waits = 0, kept = 0;

    if (error) {
        action_end(action, OUTCOME_FAILED, "%s cannot tell about the session: %s",
                   action->impl->pub.name, error);
        return;
    }
    for (size_t i = 0; i < act->count; i++) {
        waits += act->targets[i].fate == TARGET_WAITS;
        kept += act->targets[i].fate == TARGET_KEPT;
    }
    if (waits) {
        session_plan(action);
        action_prepared(action);
    } else if (kept) {
        refuse_all(action);
    } else {
        end_without_targets(action);
    }
}

static void prepare(struct action *action)
{
    session_take(action);
    if (session_act(action)->count)
        session_find(action, on_found);
    else
        action_end(action, OUTCOME_NOTHING, "no session was named");
}

/* ---- watching the effect ---- */

static void on_tick_closed(uv_handle_t *handle)
{
    struct tick *tick = handle->data;
    struct instance_impl *owner = tick->owner;

    free(tick);
    instance_release(owner);
}

static void stop_tick(struct session_act *act)
{
    if (!act->tick)
        return;
    act->tick->action = NULL;
    uv_close((uv_handle_t *)&act->tick->timer, on_tick_closed);
    act->tick = NULL;
}

static void on_freed(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct session_act *act = session_act(action);

    (void)error;
    (void)sqlstate;
    act->request = NULL;
    if (rows)
        session_note_freed(act, rows);
    PQclear(rows);
    session_end(action);
}

static void ask_freed(struct action *action)
{
    struct session_act *act = session_act(action);
    struct strbuf pids = {0}, starts = {0};
    const char *values[2];

    for (size_t i = 0; i < act->waiter_count; i++) {
        strbuf_addf(&pids, "%s%d", i ? "," : "{", act->waiters[i].pid);
        strbuf_addf(&starts, "%s\"%s\"", i ? "," : "{", act->waiters[i].start);
    }
    strbuf_addc(&pids, '}');
    strbuf_addc(&starts, '}');
    values[0] = pids.s;
    values[1] = starts.s;
    act->request = pg_control_ask(pg_instance_acts(action->impl), session_freed_sql, 2, values,
                                  WAITERS_MS, false, on_freed, action);
    strbuf_free(&pids);
    strbuf_free(&starts);
}

static size_t count_fate(const struct session_act *act, enum target_fate fate)
{
    size_t count = 0;

    for (size_t i = 0; i < act->count; i++)
        count += act->targets[i].fate == fate;
    return count;
}

static void conclude(struct action *action)
{
    struct session_act *act = session_act(action);

    stop_tick(act);
    if (act->request)
        pg_control_forget(act->request);
    act->request = NULL;
    if (act->waiter_count && count_fate(act, TARGET_ENDED))
        ask_freed(action);
    else
        session_end(action);
}

/* rows: those that are still there. */
static void note_ended(struct session_act *act, const PGresult *rows)
{
    bool *there = mem_zalloc(act->count * sizeof(*there));

    for (int i = 0; i < PQntuples(rows); i++) {
        const unsigned long n = strtoul(PQgetvalue(rows, i, 0), NULL, 10);

        if (n >= 1 && n <= act->count)
            there[n - 1] = true;
    }
    for (size_t i = 0; i < act->count; i++) {
        if (act->targets[i].fate == TARGET_SIGNALLED && !there[i])
            act->targets[i].fate = TARGET_ENDED;
    }
    free(there);
}

static void on_look(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct session_act *act = session_act(action);

    (void)error;
    (void)sqlstate;
    act->request = NULL;
    act->looked |= rows != NULL;
    if (rows)
        note_ended(act, rows);
    PQclear(rows);
    if (!count_fate(act, TARGET_SIGNALLED))
        conclude(action);
}

static void look(struct action *action)
{
    struct session_act *act = session_act(action);
    char *pids = session_pids(act), *starts = session_starts(act);
    char *query_starts = session_query_starts(act);
    const char *const values[] = {pids, starts, query_starts, act->cancel ? "t" : "f"};

    act->request = pg_control_ask(pg_instance_acts(action->impl), look_sql, 4, values,
                                  PG_CONTROL_TIMEOUT, false, on_look, action);
    free(pids);
    free(starts);
    free(query_starts);
}

static void on_tick(uv_timer_t *timer)
{
    struct tick *tick = timer->data;
    struct action *action = tick->action;
    const struct session_act *act = session_act(action);

    if (uv_now(action->loop) - act->watch_from >= DEADLINE_MS)
        conclude(action);
    else if (!act->request)
        look(action);
}

static void watch(struct action *action)
{
    struct session_act *act = session_act(action);

    if (!count_fate(act, TARGET_SIGNALLED)) {
        conclude(action);
        return;
    }
    act->watch_from = uv_now(action->loop);
    act->tick = mem_zalloc(sizeof(*act->tick));
    act->tick->action = action;
    act->tick->owner = action->impl;
    instance_hold(action->impl);
    uv_timer_init(action->loop, &act->tick->timer);
    act->tick->timer.data = act->tick;
    uv_timer_start(&act->tick->timer, on_tick, LOOK_MS, LOOK_MS);
    look(action);
}

/* ---- signalling ---- */

/* A connection that broke has perhaps passed the signal on: the look at the effect will tell. */
static void note_failure(struct target *target, const char *error, const char *sqlstate)
{
    if (!*sqlstate) {
        target->fate = TARGET_SIGNALLED;
        target->unsure = true;
        return;
    }
    target->fate = TARGET_KEPT;
    target->why = mem_strdup(error);
}

static void on_signalled(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct shot *shot = context;
    struct session_act *act = session_act(shot->action);

    shot->request = NULL;
    if (!rows)
        note_failure(shot->target, error, sqlstate);
    else if (PQntuples(rows) && *PQgetvalue(rows, 0, 0) == 't')
        shot->target->fate = TARGET_SIGNALLED;
    else
        shot->target->fate = TARGET_GONE;
    PQclear(rows);
    if (--act->pending == 0)
        watch(shot->action);
}

static void fire(struct action *action, struct target *target)
{
    struct session_act *act = session_act(action);
    struct shot *shot = &act->shots[act->shot_count++];
    char *statement = session_statement(act, target);

    *shot = (struct shot){.action = action, .target = target};
    act->pending++;
    shot->request = pg_control_ask(pg_instance_acts(action->impl), statement, 0, NULL,
                                   PG_CONTROL_TIMEOUT, false, on_signalled, shot);
    free(statement);
}

/* Our own sessions come last: the one that asks may be among them. */
static void fire_all(struct action *action)
{
    struct session_act *act = session_act(action);

    act->shots = mem_array(NULL, act->count, sizeof(*act->shots));
    for (int own = 0; own <= 1; own++) {
        for (size_t i = 0; i < act->count; i++) {
            if (act->targets[i].fate == TARGET_WAITS && act->targets[i].own == own)
                fire(action, &act->targets[i]);
        }
    }
}

static void on_waiters(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct session_act *act = session_act(action);

    (void)error;
    (void)sqlstate;
    act->request = NULL;
    if (rows)
        session_note_waiters(act, rows);
    PQclear(rows);
}

static void ask_waiters(struct action *action)
{
    struct session_act *act = session_act(action);
    struct strbuf pids = {0};
    const char *value;

    for (size_t i = 0; i < act->count; i++) {
        if (act->targets[i].fate == TARGET_WAITS)
            strbuf_addf(&pids, "%s%d", pids.len ? "," : "{", act->targets[i].pid);
    }
    strbuf_addc(&pids, '}');
    value = pids.s;
    act->request = pg_control_ask(pg_instance_acts(action->impl), session_waiters_sql, 1, &value,
                                  WAITERS_MS, false, on_waiters, action);
    strbuf_free(&pids);
}

/* All goes to the server's queue at once; who waits now is asked first. */
static void execute(struct action *action)
{
    if (!session_act(action)->blind)
        ask_waiters(action);
    fire_all(action);
}

static void release(struct action *action)
{
    struct session_act *act = session_act(action);

    stop_tick(act);
    if (act->request)
        pg_control_forget(act->request);
    for (size_t i = 0; i < act->shot_count; i++) {
        if (act->shots[i].request)
            pg_control_forget(act->shots[i].request);
    }
    for (size_t i = 0; i < act->count; i++)
        free(act->targets[i].why);
    for (size_t i = 0; i < act->waiter_count; i++)
        free(act->waiters[i].name);
    free(act->targets);
    free(act->shots);
    free(act->waiters);
    free(act->freed_lines);
    PQclear(act->rows);
}

const struct act_ops act_cancel = {
    .info = {.name = "cancel",
             .kind = INSTANCE_POSTGRES,
             .help = "end the queries that sessions run"},
    .state_size = sizeof(struct session_act),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};

const struct act_ops act_terminate = {
    .info = {.name = "terminate", .kind = INSTANCE_POSTGRES, .help = "end sessions"},
    .state_size = sizeof(struct session_act),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
