/* A plan as a dialog: in the order in which it must be read. */
#include "panels/acts.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct part {
    const char *heading; /* its label; NULL: the lines have their own */
    enum role label_role, role;
} parts[] = {
    [PLAN_COMMAND] = {"will run", ROLE_DIALOG_TITLE, ROLE_DIALOG},
    [PLAN_EVIDENCE] = {NULL, ROLE_DIM, ROLE_DIALOG},
    [PLAN_LOSS] = {"lost", ROLE_CRITICAL, ROLE_STRONG},
    [PLAN_WARNING] = {"warning", ROLE_WARNING, ROLE_WARNING},
};

static const char *verb_of(enum act act)
{
    static const char *const verbs[ACTS] = {
        [ACT_FLUSH] = "flush",
        [ACT_UNDO_FLUSH] = "bring it back",
        [ACT_DELETE] = "delete",
        [ACT_CANCEL] = "cancel the query",
        [ACT_TERMINATE] = "terminate",
        [ACT_BACKUP] = "back up",
        [ACT_RESTORE] = "restore",
        [ACT_REPLACE] = "replace",
        [ACT_CREATEDB] = "create",
        [ACT_RESTART] = "restart",
        [ACT_CANCEL_JOB] = "cancel the job",
        [ACT_KILL_CLIENT] = "kill the client",
    };

    return verbs[act];
}

static void add_line(struct ask *ask, const struct part *part, bool gap, const char *label,
                     const char *text)
{
    struct ask_line *line;

    ask->lines = mem_array(ask->lines, ask->count + 1, sizeof(*ask->lines));
    line = &ask->lines[ask->count++];
    *line = (struct ask_line){.label_role = part->label_role,
                              .role = part->role,
                              .label = text_clean(label, false),
                              .text = text_clean(text, true),
                              .gap = gap};
}

/* Lines under a heading carry their own label in the text. */
static void add_under_heading(struct ask *ask, const struct part *part, bool first,
                              const struct plan_line *line)
{
    char *text = line->label && *line->label ? mem_printf("%s: %s", line->label, line->text)
                                             : mem_strdup(line->text);

    add_line(ask, part, first && ask->count, first ? part->heading : "", text);
    free(text);
}

static void add_part(struct ask *ask, const struct plan *plan, enum plan_part which,
                     const char *note)
{
    const struct part *part = &parts[which];
    const char *begins = NULL; /* the label that begins each of several targets */
    bool first = !note;

    if (note)
        add_line(ask, part, ask->count > 0, part->heading, note);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_line *line = &plan->lines[i];

        if (line->part != which)
            continue;
        if (part->heading)
            add_under_heading(ask, part, first, line);
        else
            add_line(ask, part,
                     ask->count && (first || (begins && strcmp(line->label, begins) == 0)),
                     line->label, line->text);
        begins = begins ? begins : line->label;
        first = false;
    }
}

/* What counts as production looks like it. */
static enum role frame_role(enum environment environment)
{
    return environment_role(environment == ENV_UNKNOWN ? ENV_PRODUCTION : environment);
}

static char *band_text(enum environment environment)
{
    static const char *const texts[] = {
        [ENV_UNKNOWN] = "NO ENVIRONMENT NAMED: AS PRODUCTION",
        [ENV_PRODUCTION] = "PRODUCTION",
        [ENV_STAGING] = "STAGING",
        [ENV_DEV] = "DEV",
    };

    return mem_strdup(texts[environment]);
}

static char *where_text(const struct plan *plan)
{
    struct strbuf text = {0};
    char *clean;

    if (plan->target)
        strbuf_adds(&text, plan->target);
    if (plan->instance && plan->act != ACT_RESTART) /* whose target is the instances */
        strbuf_addf(&text, "%s%s", plan->target ? " on " : "", plan->instance);
    if (plan->address)
        strbuf_addf(&text, " (%s)", plan->address);
    clean = text_clean(text.s ? text.s : "", false);
    strbuf_free(&text);
    return clean;
}

/* What of the name can be typed; the door gets the name itself. */
static char *typed_name(const char *confirm)
{
    char *clean = text_clean(confirm, false);
    struct strbuf name = {0};

    for (const char *s = clean; s && *s;) {
        uint32_t character;
        size_t len = text_next(s, &character);

        if (character == 0xFFFD)
            strbuf_addc(&name, '?');
        else
            strbuf_add(&name, s, len);
        s += len;
    }
    free(clean);
    return strbuf_take(&name);
}

static char *reason_text(const struct policy_verdict *verdict)
{
    char *text, *clean;

    if (!verdict->reason && verdict->ask != POLICY_REFUSED)
        return NULL;
    text = mem_printf("%s%s", verdict->ask == POLICY_REFUSED ? "refused: " : "",
                      verdict->reason ? verdict->reason : "by the policy");
    clean = text_clean(text, false);
    free(text);
    return clean;
}

/* Never by the same keys as the one that can be undone. */
static bool has_other_way(const struct plan *plan, const struct act_request *request)
{
    return plan->act == ACT_FLUSH && !request->now &&
           (plan->verdict.ask != POLICY_REFUSED || plan->offer_now);
}

void acts_refused(struct view_data *data, enum act act, const char *instance, const char *why)
{
    const struct ask ask = {.kind = ASK_REFUSED,
                            .title = mem_strdup(act_name(act)),
                            .frame = ROLE_WARNING,
                            .band = mem_strdup("NOT DONE"),
                            .where = text_clean(instance ? instance : "", false),
                            .reason = text_clean(why, false)};

    app_push(data->app, ask_new(&ask));
}

struct overlay *acts_dialog(const struct plan *plan, const struct act_request *request,
                            const char *note)
{
    static const enum ask_kind kinds[] = {
        [POLICY_YES] = ASK_YES, [POLICY_NAME] = ASK_NAME, [POLICY_REFUSED] = ASK_REFUSED};
    struct ask ask = {.kind = kinds[plan->verdict.ask]};

    ask.title = text_clean(plan->title ? plan->title : act_name(plan->act), false);
    ask.frame = frame_role(plan->environment);
    ask.band = band_text(plan->environment);
    ask.where = where_text(plan);
    ask.verb =
        mem_strdup(plan->act == ACT_FLUSH && request->now ? "flush for good" : verb_of(plan->act));
    ask.reason = reason_text(&plan->verdict);
    if (ask.kind == ASK_NAME)
        ask.name = typed_name(plan->confirm);
    if (has_other_way(plan, request))
        ask.other = mem_strdup("flush now, for good");
    add_part(&ask, plan, PLAN_LOSS, NULL);
    add_part(&ask, plan, PLAN_WARNING, note);
    add_part(&ask, plan, PLAN_COMMAND, NULL);
    add_part(&ask, plan, PLAN_EVIDENCE, NULL);
    return ask_new(&ask);
}
