#include "tests/integration/pg_act.h"

#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void on_prepared(void *context, struct action *action)
{
    struct pg_act *act = context;

    (void)action;
    act->prepared = true;
}

static void on_done(void *context, struct action *action)
{
    struct pg_act *act = context;

    (void)action;
    act->done = true;
}

static const struct action_events events = {.prepared = on_prepared, .done = on_done};

static void add_environments(struct postgres_config *config)
{
    static const struct {
        const char *pattern;
        enum environment environment;
    } rules[] = {{"*_prod", ENV_PRODUCTION}, {"*_staging", ENV_STAGING}, {"*_dev", ENV_DEV}};
    const size_t count = sizeof(rules) / sizeof(*rules);

    config->environments = mem_array(NULL, count, sizeof(*config->environments));
    config->environment_count = count;
    for (size_t i = 0; i < count; i++) {
        config->environments[i] = (struct config_pattern){.pattern = mem_strdup(rules[i].pattern),
                                                          .environment = rules[i].environment};
    }
}

void pg_act_start(struct pg_act *act, const char *conninfo)
{
    struct config *config = pg_watch_config(conninfo, 0.5);

    *act = (struct pg_act){.home = "/tmp/sharedtop-act-XXXXXX"};
    assert_non_null(mkdtemp(act->home));
    setenv("XDG_STATE_HOME", act->home, 1);
    add_environments(config->postgres[0]);
    pg_watch_start_config(&act->watch, config);
    act->actions = actions_new(&act->watch.loop, act->watch.backend, config);
    PG_UNTIL(&act->watch, pg_is_filled);
}

static void on_gone(void *context)
{
    struct pg_act *act = context;

    act->gone = true;
}

void pg_act_stop(struct pg_act *act)
{
    char *command = mem_printf("rm -rf '%s'", act->home);

    actions_close(act->actions, on_gone, act);
    pg_watch_stop(&act->watch);
    assert_true(act->gone);
    assert_int_equal(system(command), 0); /* NOLINT: a path of the test's own */
    free(command);
}

static bool has_plan(const struct pg_watch *watch)
{
    const struct pg_act *act = (const struct pg_act *)watch;

    return act->prepared || act->done;
}

static bool has_ended(const struct pg_watch *watch)
{
    return ((const struct pg_act *)watch)->done;
}

bool pg_act_prepare(struct pg_act *act, const struct act_request *request)
{
    act->prepared = act->done = false;
    act->action = action_prepare(act->actions, request, &events, act);
    PG_UNTIL(&act->watch, has_plan);
    return act->prepared;
}

const struct outcome *pg_act_execute(struct pg_act *act, enum answer answer, const char *typed)
{
    action_execute(act->action, answer, typed);
    return pg_act_wait(act);
}

const struct outcome *pg_act_wait(struct pg_act *act)
{
    PG_UNTIL(&act->watch, has_ended);
    return action_outcome(act->action);
}

const struct outcome *pg_act_outcome(const struct pg_act *act)
{
    return action_outcome(act->action);
}

const struct plan *pg_act_plan(const struct pg_act *act)
{
    return action_plan(act->action);
}

void pg_act_end(struct pg_act *act)
{
    action_free(act->action);
    act->action = NULL;
}

char *pg_act_run(struct pg_act *act, const struct act_request *request, enum outcome_status status)
{
    char *text;

    if (pg_act_prepare(act, request))
        pg_act_execute(act, ANSWER_YES, NULL);
    pg_act_outcome_says(act, status, "");
    text = mem_strdup(pg_act_outcome(act)->text);
    pg_act_end(act);
    return text;
}

struct act_request pg_act_on(enum act what, const struct act_session *session)
{
    return (struct act_request){.act = what, .sessions = session, .session_count = 1};
}

static void assert_has(const char *text, const char *words)
{
    if (!text || !strstr(text, words))
        fail_msg("\"%s\" is not in: %s", words, text ? text : "(nothing)");
}

void pg_act_plan_says(const struct pg_act *act, const char *words)
{
    const struct plan *plan = pg_act_plan(act);
    char *lines = plan_text(plan);
    char *text = mem_printf("%s\n%s\n%s", plan->title, lines,
                            plan->verdict.reason ? plan->verdict.reason : "");

    assert_has(text, words);
    free(text);
    free(lines);
}

void pg_act_outcome_says(const struct pg_act *act, enum outcome_status status, const char *words)
{
    const struct outcome *outcome = pg_act_outcome(act);
    char *text = mem_printf("%s\n%s", outcome->text, outcome->details ? outcome->details : "");

    if (outcome->status != status)
        fail_msg("status %d, not %d: %s", (int)outcome->status, (int)status, text);
    assert_has(text, words);
    free(text);
}

struct act_session pg_act_session(const struct lab *lab, int pid)
{
    struct act_session session = {pid, PG_NO_TIME, PG_NO_TIME};
    char *sql = mem_printf("SELECT (extract(epoch FROM backend_start) * 1000000)::int8 || ' ' ||"
                           " coalesce((extract(epoch FROM query_start) * 1000000)::int8, 0)"
                           " FROM pg_stat_activity WHERE pid = %d",
                           pid);
    char *text = lab_pg_value(lab, sql), *rest;

    session.backend_start = strtoll(text, &rest, 10) - INT64_C(946684800000000);
    session.query_start = strtoll(rest, NULL, 10) - INT64_C(946684800000000);
    free(text);
    free(sql);
    return session;
}

void pg_act_until(const struct lab *lab, const char *sql)
{
    PGconn *conn = lab_pg_connect(lab, NULL);
    const time_t deadline = time(NULL) + 20;
    bool holds = false;

    while (!holds && time(NULL) < deadline) {
        char *text = pg_act_sql(conn, sql);

        holds = strcmp(text, "t") == 0;
        free(text);
        if (!holds)
            usleep(5000);
    }
    PQfinish(conn);
    if (!holds)
        fail_msg("never came: %s", sql);
}

void pg_act_busy(const struct lab *lab, PGconn *conn, const char *sql)
{
    char *busy = mem_printf("SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = %d"
                            " AND state = 'active'",
                            PQbackendPID(conn));

    assert_int_equal(PQsendQuery(conn, sql), 1);
    pg_act_until(lab, busy);
    free(busy);
}

char *pg_act_sql(PGconn *conn, const char *sql)
{
    PGresult *rows = PQexec(conn, sql);
    char *text;

    if (PQresultStatus(rows) != PGRES_TUPLES_OK && PQresultStatus(rows) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    text = mem_strdup(PQntuples(rows) && PQnfields(rows) ? PQgetvalue(rows, 0, 0) : "");
    PQclear(rows);
    return text;
}
