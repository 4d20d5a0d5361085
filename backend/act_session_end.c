#include "backend/act_session.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char session_waiters_sql[] =
    "SELECT a.pid, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    " || '+00', format('%s (%s)', a.pid, concat_ws(', ', d.datname, r.rolname))"
    " FROM pg_stat_get_activity(NULL) a LEFT JOIN pg_database d ON d.oid = a.datid"
    " LEFT JOIN pg_roles r ON r.oid = a.usesysid WHERE a.pid <> ALL ($1::int4[])"
    " AND CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) && $1::int4[] END";

/* A session whose lock was granted may not have woken up yet: nobody blocks it any more. */
const char session_freed_sql[] =
    "SELECT w.n, a.pid IS NOT NULL, nullif(array_to_string(CASE WHEN a.wait_event_type = 'Lock'"
    " THEN pg_blocking_pids(a.pid) END, ', '), '')"
    " FROM unnest($1::int4[], $2::timestamptz[]) WITH ORDINALITY AS w(pid, backend_start, n)"
    " LEFT JOIN pg_stat_get_activity(NULL) a"
    " ON a.pid = w.pid AND a.backend_start = w.backend_start ORDER BY w.n";

struct tally {
    size_t ended, gone, kept, alive, unsure;
};

void session_note_waiters(struct session_act *act, const PGresult *rows)
{
    const int count = PQntuples(rows);

    act->waiters = mem_array(NULL, (size_t)count, sizeof(*act->waiters));
    for (int i = 0; i < count; i++) {
        struct waiter *waiter = &act->waiters[i];

        waiter->pid = (int)strtol(PQgetvalue(rows, i, 0), NULL, 10);
        snprintf(waiter->start, sizeof(waiter->start), "%s", PQgetvalue(rows, i, 1));
        waiter->name = mem_strdup(PQgetvalue(rows, i, 2));
    }
    act->waiter_count = (size_t)count;
}

void session_note_freed(struct session_act *act, const PGresult *rows)
{
    struct strbuf lines = {0};

    for (size_t i = 0; i < act->waiter_count && (int)i < PQntuples(rows); i++) {
        const char *by = session_field(rows, (int)i, 2), *name = act->waiters[i].name;

        act->freed += !by;
        if (by)
            strbuf_addf(&lines, "\n%s still waits, for %s", name, by);
        else if (*PQgetvalue(rows, (int)i, 1) == 't')
            strbuf_addf(&lines, "\n%s was freed and runs", name);
        else
            strbuf_addf(&lines, "\n%s was freed and has finished", name);
    }
    act->freed_known = true;
    act->freed_lines = strbuf_take(&lines);
}

static struct tally tally_of(const struct session_act *act)
{
    struct tally tally = {0};

    for (size_t i = 0; i < act->count; i++) {
        switch (act->targets[i].fate) {
        case TARGET_ENDED: tally.ended++; break;
        case TARGET_GONE: tally.gone++; break;
        case TARGET_SIGNALLED:
            tally.unsure += act->looked && act->targets[i].unsure;
            tally.alive += !act->looked || !act->targets[i].unsure;
            break;
        case TARGET_WAITS:
        case TARGET_KEPT: tally.kept++; break;
        }
    }
    return tally;
}

/* What became of one. */
static char *fate_of(const struct session_act *act, const struct target *target)
{
    const char *what = act->cancel ? "the query of session" : "session";
    const int pid = target->pid;

    switch (target->fate) {
    case TARGET_ENDED:
        return mem_printf(act->cancel ? "%s %d was cancelled" : "%s %d was terminated", what, pid);
    case TARGET_GONE:
        if (target->idle)
            return mem_printf("session %d runs no query: nothing was signalled", pid);
        return mem_printf("%s %d had already finished: nothing was signalled", what, pid);
    case TARGET_SIGNALLED:
        if (!act->looked)
            return mem_printf(
                "whether %s %d was signalled is not known: the server does not answer", what, pid);
        if (target->unsure)
            return mem_printf(
                "%s %d is still there, and whether it was signalled is not known, since "
                "the server did not answer: look again, then try again",
                what, pid);
        if (act->cancel)
            return mem_printf("%s %d still runs 5 s after the cancel: terminate the session", what,
                              pid);
        return mem_printf("%s %d is still there 5 s after the signal: its process does not react, "
                          "look at it on the host",
                          what, pid);
    case TARGET_WAITS:
    case TARGET_KEPT: break;
    }
    return mem_printf("session %d was not signalled: %s", pid,
                      target->why ? target->why : "the server did not answer");
}

static void add_count(struct strbuf *text, size_t count, const char *words)
{
    if (count)
        strbuf_addf(text, "; %zu %s", count, words);
}

static char *sum_up(const struct session_act *act, const struct tally *tally)
{
    struct strbuf text = {0};

    if (act->count == 1) {
        char *fate = fate_of(act, &act->targets[0]);

        strbuf_adds(&text, fate);
        free(fate);
    } else {
        strbuf_addf(&text, "%s %zu of %zu", act->cancel ? "cancelled" : "terminated", tally->ended,
                    act->count);
        add_count(&text, tally->gone, "had already finished");
        add_count(&text, tally->kept, "could not be signalled");
        add_count(&text, tally->unsure, "still there, perhaps not signalled: try again");
        add_count(&text, tally->alive,
                  !act->looked  ? "are not known: the server does not answer"
                  : act->cancel ? "still running after 5 s: terminate the session"
                                : "still there after 5 s");
    }
    if (act->freed_known && act->waiter_count)
        strbuf_addf(&text, "; freed %zu of %zu that waited", act->freed, act->waiter_count);
    return strbuf_take(&text);
}

static char *details(const struct session_act *act)
{
    struct strbuf text = {0};

    for (size_t i = 0; act->count > 1 && i < act->count; i++) {
        char *fate = fate_of(act, &act->targets[i]);

        strbuf_addf(&text, "%s%s", text.len ? "\n" : "", fate);
        free(fate);
    }
    if (act->freed_lines && *act->freed_lines)
        strbuf_adds(&text, act->freed_lines + (text.len ? 0 : 1));
    if (text.len)
        return strbuf_take(&text);
    strbuf_free(&text);
    return NULL;
}

void session_end(struct action *action)
{
    const struct session_act *act = session_act(action);
    const struct tally tally = tally_of(act);
    enum outcome_status status = OUTCOME_NOTHING;
    char *text = sum_up(act, &tally);

    if (tally.kept || tally.alive || tally.unsure)
        status = OUTCOME_FAILED;
    else if (tally.ended)
        status = OUTCOME_DONE;
    if (act->cancel && tally.alive && act->looked)
        action->outcome.next = ACT_TERMINATE;
    action->outcome.details = details(act);
    action_end(action, status, "%s", text);
    free(text);
}
