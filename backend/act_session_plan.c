#include "backend/act_session.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "4m 12s", "3d 2h"; "" when it is not known. */
static void print_age(char *text, size_t size, const char *seconds)
{
    const double age = seconds ? strtod(seconds, NULL) : -1;
    const long s = (long)age;

    if (age < 0)
        snprintf(text, size, "%s", seconds ? "0s" : "");
    else if (s >= 86400)
        snprintf(text, size, "%ldd %ldh", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(text, size, "%ldh %ldm", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(text, size, "%ldm %lds", s / 60, s % 60);
    else
        snprintf(text, size, "%.*fs", age < 10, age);
}

static const char *of(const struct session_act *act, const struct target *target,
                      enum find_column column)
{
    const char *text = session_field(act->rows, target->row, column);

    return text && *text ? text : NULL;
}

/* "4711 (aletheia_prod, app)". The caller frees it. */
static char *name_of(const struct session_act *act, const struct target *target)
{
    const char *database = of(act, target, FIND_DATABASE), *user = of(act, target, FIND_USER);
    const char *type = of(act, target, FIND_TYPE);

    if (database || user)
        return mem_printf("%d (%s%s%s)", target->pid, database ? database : "",
                          database && user ? ", " : "", user ? user : "");
    return mem_printf("%d (%s)", target->pid, type ? type : "unknown");
}

static void add_item(struct strbuf *line, const char *label, const char *text)
{
    if (text)
        strbuf_addf(line, "%s%s%s", line->len ? ", " : "", label, text);
}

static void add_who(struct plan *plan, const struct session_act *act, const struct target *target)
{
    struct strbuf line = {0};
    const char *type = of(act, target, FIND_TYPE);

    strbuf_addf(&line, "%d", target->pid);
    add_item(&line, "database ", of(act, target, FIND_DATABASE));
    add_item(&line, "user ", of(act, target, FIND_USER));
    add_item(&line, "application ", of(act, target, FIND_APPLICATION));
    add_item(&line, "client ", of(act, target, FIND_CLIENT));
    add_item(&line, "", type && strcmp(type, "client backend") != 0 ? type : NULL);
    plan_add(plan, PLAN_EVIDENCE, "session", "%s", line.s);
    strbuf_free(&line);
}

static void add_state(struct plan *plan, const struct session_act *act, const struct target *target)
{
    const char *state = of(act, target, FIND_STATE), *wait = of(act, target, FIND_WAIT);
    const bool runs = state && strcmp(state, "active") == 0;
    struct strbuf line = {0};
    char age[32];

    if (!state)
        return;
    print_age(age, sizeof(age), of(act, target, runs ? FIND_QUERY_AGE : FIND_STATE_AGE));
    strbuf_addf(&line, "%s%s%s", state, *age ? " for " : "", age);
    print_age(age, sizeof(age), of(act, target, FIND_XACT_AGE));
    add_item(&line, "transaction open for ", *age ? age : NULL);
    add_item(&line, runs ? "waits: " : "", runs ? wait : NULL);
    plan_add(plan, PLAN_EVIDENCE, "state", "%s", line.s);
    strbuf_free(&line);
}

static void add_query(struct plan *plan, const struct session_act *act, const struct target *target)
{
    const char *query = of(act, target, FIND_QUERY), *cut = of(act, target, FIND_CUT);

    if (!query)
        return;
    plan_add(plan, PLAN_EVIDENCE, "query", "%s", query);
    if (cut && *cut == 't')
        plan_add(plan, PLAN_EVIDENCE, "query cut",
                 "the server keeps no more of it (track_activity_query_size)");
}

static void add_waits(struct plan *plan, const struct session_act *act, const struct target *target)
{
    const char *direct = of(act, target, FIND_DIRECT), *list = of(act, target, FIND_DIRECT_LIST);
    const char *behind = of(act, target, FIND_BEHIND), *waits = of(act, target, FIND_WAITS_FOR);
    const long all = behind ? strtol(behind, NULL, 10) : 0;

    if (list)
        plan_add(plan, PLAN_EVIDENCE, "waiting for it", "%s directly: %s%s; %ld in all", direct,
                 list, strtol(direct, NULL, 10) > 10 ? "; …" : "", all);
    else if (!act->blind)
        plan_add(plan, PLAN_EVIDENCE, "waiting for it", "nobody");
    if (waits)
        plan_add(plan, PLAN_EVIDENCE, "it waits for", "%s", waits);
}

static void add_loss(struct plan *plan, const struct session_act *act, const struct target *target)
{
    char age[32];

    print_age(age, sizeof(age), of(act, target, FIND_XACT_AGE));
    if (*age)
        plan_add(plan, PLAN_LOSS, "",
                 act->cancel ? "%d: the statement's work; an open transaction (%s) is aborted"
                             : "%d: its open transaction (%s) is rolled back",
                 target->pid, age);
}

static void add_vetoes(struct plan *plan, const struct session_act *act,
                       const struct target *target)
{
    static const struct {
        enum find_column column;
        enum veto veto;
    } facts[] = {{FIND_OWN, VETO_OWN_SESSION},
                 {FIND_WALSENDER, VETO_WALSENDER},
                 {FIND_WRAPAROUND, VETO_WRAPAROUND}};
    char *name = name_of(act, target);

    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        const char *text = of(act, target, facts[i].column);

        if (text && *text == 't')
            plan_veto(plan, facts[i].veto, name);
    }
    free(name);
}

static void add_left_out(struct plan *plan, const struct session_act *act,
                         const struct target *target)
{
    if (target->fate == TARGET_KEPT)
        plan_add(plan, PLAN_WARNING, "", "%d is left out: %s", target->pid, target->why);
    else if (target->idle)
        plan_add(plan, PLAN_WARNING, "", "%d is left out: it runs no query (%s)", target->pid,
                 of(act, target, FIND_STATE) ? of(act, target, FIND_STATE) : "no state");
    else
        plan_add(plan, PLAN_WARNING, "", "%d is left out: it has already finished", target->pid);
}

static void add_target(struct plan *plan, const struct session_act *act,
                       const struct target *target)
{
    char *statement;

    if (target->fate == TARGET_WAITS) {
        statement = session_statement(act, target);
        plan_add(plan, PLAN_COMMAND, "", "%s", statement);
        free(statement);
        add_loss(plan, act, target);
        add_vetoes(plan, act, target);
    } else {
        add_left_out(plan, act, target);
    }
    if (!target->here)
        return;
    add_who(plan, act, target);
    add_state(plan, act, target);
    add_query(plan, act, target);
    add_waits(plan, act, target);
}

/* The database that all are in, or NULL; and the strictest environment. Those that are left out
 * count only if all are. */
static const char *look_at_databases(struct action *action, bool all)
{
    const struct session_act *act = session_act(action);
    const char *common = NULL;
    bool first = true, mixed = false;

    for (size_t i = 0; i < act->count; i++) {
        const struct target *target = &act->targets[i];
        const char *database = of(act, target, FIND_DATABASE);
        enum environment environment = ENV_UNKNOWN;

        if (!all && target->fate != TARGET_WAITS)
            continue;
        if (database)
            environment = postgres_environment(action->impl->pub.postgres_config, database);
        action->plan.environment =
            first ? environment : policy_stricter(action->plan.environment, environment);
        mixed |= !database || (!first && common && strcmp(common, database) != 0);
        common = database;
        first = false;
    }
    return mixed ? NULL : common;
}

static void name_plan(struct action *action, size_t acted)
{
    const struct session_act *act = session_act(action);
    struct plan *plan = &action->plan;
    const char *database = look_at_databases(action, acted == 0);
    const size_t count = acted ? acted : act->count;
    int pid = act->targets[0].pid;

    for (size_t i = act->count; acted && i-- > 0;)
        pid = act->targets[i].fate == TARGET_WAITS ? act->targets[i].pid : pid;
    plan->confirm = mem_strdup(database ? database : action->impl->pub.name);
    if (count == 1) {
        plan->title = mem_printf(
            act->cancel ? "Cancel the query of session %d" : "Terminate session %d", pid);
        plan->target =
            mem_printf("pid %d%s%s", pid, database ? ", " : "", database ? database : "");
        return;
    }
    plan->title = mem_printf(
        act->cancel ? "Cancel the queries of %zu sessions" : "Terminate %zu sessions", count);
    plan->target =
        mem_printf("%zu sessions%s%s", count, database ? ", " : "", database ? database : "");
}

void session_plan(struct action *action)
{
    const struct session_act *act = session_act(action);
    size_t acted = 0;

    for (size_t i = 0; i < act->count; i++)
        acted += act->targets[i].fate == TARGET_WAITS;
    name_plan(action, acted);
    for (size_t i = 0; i < act->count; i++)
        add_target(&action->plan, act, &act->targets[i]);
    if (act->blind)
        plan_add(&action->plan, PLAN_WARNING, "",
                 "who waits for whom is not known: pg_blocking_pids() took too long");
}
