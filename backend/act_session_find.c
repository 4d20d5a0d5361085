#include "backend/act_session.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/pg_instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIND_MS       2000 /* with whom they block, which takes the lock manager's locks */
#define FIND_BLIND_MS 5000
#define EPOCH_2000    946684800 /* seconds since 1970 */

#define STAMP(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
#define AGE(column)   "extract(epoch FROM clock_timestamp() - " column ")::float8"

/* Who may signal: what pg_signal_backend() in the server's signalfuncs.c checks, with the role that
 * would help. A worker without a user counts as a superuser's since the releases of November 2023. */
#define RIGHT                                                                                      \
    "CASE WHEN a.datid IS NULL AND a.backend_type NOT IN ('client backend', 'walsender')"          \
    " THEN 'process' WHEN me.rolsuper THEN NULL"                                                   \
    " WHEN r.oid IS NULL AND a.backend_type = 'autovacuum worker' THEN"                            \
    " CASE WHEN coalesce((SELECT pg_has_role(s.oid, 'USAGE') FROM pg_roles s"                      \
    " WHERE s.rolname = 'pg_signal_autovacuum_worker'), false) THEN NULL ELSE 'superuser' END"     \
    " WHEN r.oid IS NULL OR r.rolsuper THEN 'superuser'"                                           \
    " WHEN pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') THEN NULL"     \
    " ELSE 'pg_signal_backend' END"

static const char find_sql[] =
    "WITH RECURSIVE wanted AS (SELECT w.pid, w.backend_start, w.query_start, w.n"
    " FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])"
    " WITH ORDINALITY AS w(pid, backend_start, query_start, n)),"
    " act AS MATERIALIZED (SELECT * FROM pg_stat_get_activity(NULL)),"
    " waits AS MATERIALIZED (SELECT a.pid, pg_blocking_pids(a.pid) AS pids, a.datid, a.usesysid"
    " FROM act a WHERE $4::bool AND a.wait_event_type = 'Lock'),"
    " behind AS (SELECT w.pid AS root, x.pid FROM wanted w JOIN waits x ON w.pid = ANY (x.pids)"
    " UNION SELECT b.root, x.pid FROM behind b JOIN waits x ON b.pid = ANY (x.pids)),"
    " me AS (SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user),"
    " direct AS (SELECT w.pid, count(*) AS count, array_to_string((array_agg(format('%s (%s)', "
    "x.pid,"
    " concat_ws(', ', d.datname, r.rolname)) ORDER BY x.pid))[1:10], '; ') AS list"
    " FROM wanted w JOIN waits x ON w.pid = ANY (x.pids)"
    " LEFT JOIN pg_database d ON d.oid = x.datid LEFT JOIN pg_roles r ON r.oid = x.usesysid"
    " GROUP BY w.pid)"
    " SELECT w.n, a.pid IS NOT NULL,"
    " w.backend_start IS NULL OR a.backend_start = w.backend_start,"
    " w.query_start IS NULL OR a.query_start = w.query_start,"
    " a.state IN ('active', 'fastpath function call', 'disabled'),"
    " " STAMP("a.backend_start") ", " STAMP(
        "a.query_start") ","
                         " d.datname, r.rolname, nullif(a.application_name, ''),"
                         " CASE WHEN a.client_addr IS NOT NULL THEN host(a.client_addr) || ':' || "
                         "a.client_port"
                         " WHEN a.client_port = -1 THEN 'local' END,"
                         " a.backend_type, a.state, concat_ws(' ', a.wait_event_type, "
                         "a.wait_event),"
                         " " AGE("a.query_start") ", " AGE("a.xact_start") ", " AGE(
                             "a.state_change") ","
                                               " nullif(a.query, ''),"
                                               " octet_length(a.query) >= "
                                               "pg_size_bytes(current_setting('track_activity_"
                                               "query_size')) - 4,"
                                               " " RIGHT ","
                                               " a.pid = pg_backend_pid() OR a.application_name = "
                                               "'sharedtop'"
                                               " OR a.application_name LIKE 'sharedtop job %',"
                                               " a.backend_type = 'walsender',"
                                               " a.backend_type = 'autovacuum worker' AND a.query "
                                               "LIKE '%(to prevent wraparound)%',"
                                               " coalesce(direct.count, 0), direct.list,"
                                               " (SELECT count(DISTINCT b.pid) FROM behind b WHERE "
                                               "b.root = w.pid AND b.pid <> w.pid),"
                                               " (SELECT array_to_string(x.pids, ', ') FROM waits "
                                               "x WHERE x.pid = w.pid LIMIT 1),"
                                               " quote_ident(me.rolname)"
                                               " FROM wanted w CROSS JOIN me LEFT JOIN act a ON "
                                               "a.pid = w.pid"
                                               " LEFT JOIN pg_database d ON d.oid = a.datid LEFT "
                                               "JOIN pg_roles r ON r.oid = a.usesysid"
                                               " LEFT JOIN direct ON direct.pid = w.pid ORDER BY "
                                               "w.n";

const char *session_field(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static bool is_true(const PGresult *rows, int row, enum find_column column)
{
    const char *text = session_field(rows, row, column);

    return text && *text == 't';
}

/* ---- identities as text ---- */

static void print_stamp(char *text, size_t size, int64_t micros)
{
    int64_t seconds = micros / 1000000, rest = micros % 1000000;
    struct tm parts;
    char day[24];
    time_t at;

    *text = '\0';
    if (micros == PG_NO_TIME)
        return;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    at = (time_t)(seconds + EPOCH_2000);
    gmtime_r(&at, &parts);
    strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(text, size, "%s.%06d+00", day, (int)rest);
}

/* Only what a time is made of: the text becomes a part of a statement. */
static void keep_stamp(char *text, size_t size, const char *value)
{
    if (value && strlen(value) < size && !value[strspn(value, "0123456789-: .+")])
        snprintf(text, size, "%s", value);
    else
        *text = '\0';
}

char *session_pids(const struct session_act *act)
{
    struct strbuf text = {0};

    strbuf_addc(&text, '{');
    for (size_t i = 0; i < act->count; i++)
        strbuf_addf(&text, "%s%d", i ? "," : "", act->targets[i].pid);
    strbuf_addc(&text, '}');
    return strbuf_take(&text);
}

static void add_stamp(struct strbuf *text, const char *stamp)
{
    strbuf_adds(text, text->len > 1 ? "," : "");
    if (*stamp)
        strbuf_addf(text, "\"%s\"", stamp);
    else
        strbuf_adds(text, "NULL");
}

char *session_starts(const struct session_act *act)
{
    struct strbuf text = {0};

    strbuf_addc(&text, '{');
    for (size_t i = 0; i < act->count; i++)
        add_stamp(&text, act->targets[i].start);
    strbuf_addc(&text, '}');
    return strbuf_take(&text);
}

char *session_query_starts(const struct session_act *act)
{
    struct strbuf text = {0};

    strbuf_addc(&text, '{');
    for (size_t i = 0; i < act->count; i++)
        add_stamp(&text, act->targets[i].query_start);
    strbuf_addc(&text, '}');
    return strbuf_take(&text);
}

static bool is_known(const struct session_act *act, int pid)
{
    for (size_t i = 0; i < act->count; i++) {
        if (act->targets[i].pid == pid)
            return true;
    }
    return false;
}

void session_take(struct action *action)
{
    struct session_act *act = session_act(action);
    const struct act_request *request = &action->request;

    act->cancel = request->act == ACT_CANCEL;
    act->targets = mem_array(NULL, request->session_count, sizeof(*act->targets));
    for (size_t i = 0; i < request->session_count; i++) {
        const struct act_session *session = &request->sessions[i];
        struct target *target = &act->targets[act->count];

        if (is_known(act, session->pid))
            continue;
        *target = (struct target){.pid = session->pid};
        print_stamp(target->start, sizeof(target->start), session->backend_start);
        if (act->cancel)
            print_stamp(target->query_start, sizeof(target->query_start), session->query_start);
        act->count++;
    }
}

/* ---- what they are ---- */

static bool is_other_query(const PGresult *rows, int row)
{
    return session_field(rows, row, FIND_QUERY_START) && !is_true(rows, row, FIND_SAME_QUERY);
}

/* Without track_activities neither what it runs nor since when is known. */
static bool is_disabled(const PGresult *rows, int row)
{
    const char *state = session_field(rows, row, FIND_STATE);

    return (state && strcmp(state, "disabled") == 0) || !session_field(rows, row, FIND_QUERY_START);
}

static char *why_kept(const struct session_act *act, const struct target *target)
{
    const char *right = session_field(act->rows, target->row, FIND_RIGHT);
    const char *me = session_field(act->rows, target->row, FIND_ME);
    const char *type = session_field(act->rows, target->row, FIND_TYPE);

    if (!session_field(act->rows, target->row, FIND_START))
        return mem_printf("what it does is hidden from us: GRANT pg_monitor, pg_signal_backend "
                          "TO %s",
                          me);
    if (right && strcmp(right, "process") == 0)
        return mem_printf("it is the server's own %s, no session", type ? type : "process");
    if (right && strcmp(right, "superuser") == 0)
        return mem_printf("only a superuser may signal it: connect as one instead of %s", me);
    if (right)
        return mem_printf("we lack the right to signal it: GRANT %s TO %s", right, me);
    if (act->cancel && is_disabled(act->rows, target->row))
        return mem_strdup("when its query began is not known (track_activities is off): "
                          "terminate the session instead");
    return NULL;
}

static void judge(const struct session_act *act, struct target *target)
{
    const PGresult *rows = act->rows;
    const int row = target->row;
    const bool hidden = !session_field(rows, row, FIND_START);

    target->here = is_true(rows, row, FIND_FOUND) && (hidden || is_true(rows, row, FIND_SAME));
    if (!target->here) {
        target->fate = TARGET_GONE;
        return;
    }
    if (act->cancel && !hidden &&
        (!is_true(rows, row, FIND_RUNNING) || is_other_query(rows, row))) {
        target->fate = TARGET_GONE;
        target->idle = !is_true(rows, row, FIND_RUNNING);
        return;
    }
    target->own = is_true(rows, row, FIND_OWN);
    keep_stamp(target->start, sizeof(target->start), session_field(rows, row, FIND_START));
    if (act->cancel)
        keep_stamp(target->query_start, sizeof(target->query_start),
                   session_field(rows, row, FIND_QUERY_START));
    target->why = why_kept(act, target);
    if (target->why)
        target->fate = TARGET_KEPT;
}

static void ask(struct action *action);

static void on_found(void *context, PGresult *rows, const char *error, const char *sqlstate)
{
    struct action *action = context;
    struct session_act *act = session_act(action);

    act->request = NULL;
    if (rows && PQntuples(rows) == (int)act->count && PQnfields(rows) == FIND_COLUMNS) {
        act->rows = rows;
        for (size_t i = 0; i < act->count; i++) {
            act->targets[i].row = (int)i;
            judge(act, &act->targets[i]);
        }
        act->found(action, NULL);
        return;
    }
    PQclear(rows);
    if (!act->blind && strcmp(sqlstate, "57014") == 0) {
        act->blind = true;
        ask(action);
        return;
    }
    act->found(action, error ? error : "the server's answer has another shape");
}

static void ask(struct action *action)
{
    struct session_act *act = session_act(action);
    char *pids = session_pids(act), *starts = session_starts(act);
    char *query_starts = session_query_starts(act);
    const char *const values[] = {pids, starts, query_starts, act->blind ? "f" : "t"};

    act->request = pg_control_ask(pg_instance_acts(action->impl), find_sql, 4, values,
                                  act->blind ? FIND_BLIND_MS : FIND_MS, false, on_found, action);
    free(pids);
    free(starts);
    free(query_starts);
}

void session_find(struct action *action, void (*found)(struct action *action, const char *error))
{
    session_act(action)->found = found;
    ask(action);
}

/* The rows that pass WHERE are the only ones that the signal's function is called for, and the
 * activity is read anew, since each is a statement and a transaction of its own. */
char *session_statement(const struct session_act *act, const struct target *target)
{
    if (act->cancel)
        return mem_printf("SELECT pg_cancel_backend(pid) FROM pg_stat_get_activity(%d)"
                          " WHERE backend_start = '%s' AND query_start = '%s'"
                          " AND state IN ('active', 'fastpath function call')",
                          target->pid, target->start, target->query_start);
    return mem_printf("SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(%d)"
                      " WHERE backend_start = '%s'",
                      target->pid, target->start);
}
