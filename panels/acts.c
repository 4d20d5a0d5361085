#include "panels/acts.h"

#include "backend/base/mem.h"
#include "panels/jobs.h"
#include "panels/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One act from its key to its outcome. */
struct act_run {
    struct view_data *data;
    struct action *action;
    enum run_stage { RUN_PREPARING, RUN_READY, RUN_ASKING, RUN_EXECUTING } stage;
    char *note;
    struct act_run *next;
};

struct act_runs *acts_of(struct view_data *data)
{
    if (!data->acts)
        data->acts = mem_zalloc(sizeof(*data->acts));
    return data->acts;
}

static enum act run_act(const struct act_run *run)
{
    return action_request(run->action)->act;
}

static void run_free(struct act_run *run)
{
    action_free(run->action);
    free(run->note);
    free(run);
}

static void run_end(struct act_run *run)
{
    struct act_run **at = &run->data->acts->first;

    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    run_free(run);
}

void acts_close(struct view_data *data)
{
    struct act_runs *runs = data->acts;

    if (!runs)
        return;
    for (struct act_run *run = runs->first, *next; run; run = next) {
        next = run->next;
        run_free(run);
    }
    act_form_free(runs->form);
    free(runs);
    data->acts = NULL;
}

unsigned acts_under_way(const struct view_data *data)
{
    unsigned count = 0;

    for (const struct act_run *run = data->acts ? data->acts->first : NULL; run; run = run->next)
        count += run->stage == RUN_PREPARING || run->stage == RUN_EXECUTING;
    return count;
}

/* ---- the outcome ---- */

static enum role outcome_role(enum outcome_status status)
{
    static const enum role roles[] = {
        [OUTCOME_DONE] = ROLE_OK,         [OUTCOME_FAILED] = ROLE_CRITICAL,
        [OUTCOME_REFUSED] = ROLE_WARNING, [OUTCOME_NOTHING] = ROLE_WARNING,
        [OUTCOME_STARTED] = ROLE_OK,
    };

    return roles[status];
}

static enum symbol outcome_symbol(enum outcome_status status)
{
    static const enum symbol symbols[] = {
        [OUTCOME_DONE] = SYMBOL_DONE,       [OUTCOME_FAILED] = SYMBOL_DOWN,
        [OUTCOME_REFUSED] = SYMBOL_WARNING, [OUTCOME_NOTHING] = SYMBOL_WARNING,
        [OUTCOME_STARTED] = SYMBOL_JOB,
    };

    return symbols[status];
}

/* The word says it without colour; a thing done speaks for itself. */
static const char *outcome_word(enum outcome_status status)
{
    static const char *const words[] = {
        [OUTCOME_DONE] = "",
        [OUTCOME_FAILED] = "failed: ",
        [OUTCOME_REFUSED] = "refused: ",
        [OUTCOME_NOTHING] = "nothing done: ",
        [OUTCOME_STARTED] = "",
    };

    return words[status];
}

static void tell_outcome(struct view_data *data, const struct outcome *outcome)
{
    char *line = mem_printf("%s %s%s", text_symbol(outcome_symbol(outcome->status)),
                            outcome_word(outcome->status), outcome->text ? outcome->text : "");
    bool at_once =
        outcome->status == OUTCOME_FAILED && outcome->details && !app_has_overlay(data->app);

    app_notice(data->app, outcome_role(outcome->status), line, mem_strdup(outcome->details));
    if (at_once) {
        char *text = mem_printf("%s\n\n%s", outcome->text ? outcome->text : "", outcome->details);

        app_push(data->app, pager_new("It failed", text_clean(text, true)));
        free(text);
    }
    free(line);
}

static void copy_secret(void *context, const char *secret)
{
    struct app *app = context;

    app_copy_text(app, secret);
}

static void show_secret(struct view_data *data, const struct outcome *outcome)
{
    char *text = text_clean(outcome->text, true);

    app_push(data->app, secret_new("The new password", text ? text : mem_strdup(""),
                                   mem_strdup(outcome->secret), copy_secret, data->app));
}

/* A cancel in vain is followed by the question whether to terminate; its outcome is the reason. */
static void offer_next(struct view_data *data, const struct action *action)
{
    const struct outcome *outcome = action_outcome(action);
    struct act_request request = *action_request(action);

    if (outcome->next != ACT_TERMINATE)
        return;
    request.act = ACT_TERMINATE;
    acts_start(data, &request, outcome->text);
}

/* Before anything was asked: whoever waits for a question gets the reason in its place. */
static bool is_refusal(const struct act_run *run, const struct outcome *outcome)
{
    return run_act(run) == ACT_KILL_CLIENT && run->stage == RUN_PREPARING &&
           outcome->status != OUTCOME_DONE && !app_has_overlay(run->data->app);
}

static void on_done(void *context, struct action *action)
{
    struct act_run *run = context;
    struct view_data *data = run->data;
    const struct outcome *outcome = action_outcome(action);

    tell_outcome(data, outcome);
    if (is_refusal(run, outcome) && outcome->text)
        acts_refused(data, run_act(run), action_request(action)->instance, outcome->text);
    if (outcome->secret)
        show_secret(data, outcome);
    offer_next(data, action);
    if (outcome->job && data->jobs)
        jobs_expect(data, outcome->job);
    backend_refresh(data->backend);
    run_end(run);
    app_dirty(data->app);
}

/* ---- the question ---- */

static void execute(struct act_run *run)
{
    const struct plan *plan = action_plan(run->action);
    bool name = plan->verdict.ask == POLICY_NAME;
    struct panel *panel = app_focus(run->data->app);

    run->stage = RUN_EXECUTING;
    app_message(run->data->app, ROLE_ACTIVE, "%s: %s %s", act_name(plan->act),
                plan->target ? plan->target : "", text_symbol(SYMBOL_ELLIPSIS));
    if (panel && panel->class->table)
        table_untag(&panel->table);
    action_execute(run->action, name ? ANSWER_NAME : ANSWER_YES, name ? plan->confirm : NULL);
}

static void answered(void *context, struct overlay *overlay, bool accepted)
{
    struct act_run *run = context;
    struct view_data *data = run->data;

    if (accepted) {
        execute(run);
        return;
    }
    if (ask_answer(overlay) == ASK_OTHER) {
        const struct plan *plan = action_plan(run->action);
        struct act_request request = *action_request(run->action);

        request.now = true;
        acts_start(data, &request,
                   plan->verdict.ask == POLICY_REFUSED ? plan->verdict.reason : NULL);
    } else {
        app_message(data->app, ROLE_DIM, "%s: not done", act_name(run_act(run)));
    }
    run_end(run);
}

static void ask(struct act_run *run)
{
    struct overlay *overlay =
        acts_dialog(action_plan(run->action), action_request(run->action), run->note);

    run->stage = RUN_ASKING;
    overlay->done = answered;
    overlay->context = run;
    app_push(run->data->app, overlay);
}

/* The one that has waited longest, which is the last of the list. */
void acts_uncovered(struct view_data *data)
{
    struct act_run *ready = NULL;

    if (!data->acts || app_has_overlay(data->app))
        return;
    for (struct act_run *run = data->acts->first; run; run = run->next)
        ready = run->stage == RUN_READY ? run : ready;
    if (ready)
        ask(ready);
}

static void on_prepared(void *context, struct action *action)
{
    struct act_run *run = context;
    struct view_data *data = run->data;
    const struct plan *plan = action_plan(action);

    run->stage = RUN_READY;
    if (app_has_overlay(data->app))
        app_message(data->app, ROLE_ACTIVE, "%s is ready to be asked about", plan->title);
    acts_uncovered(data);
}

static void on_progress(void *context, struct action *action, const char *text)
{
    const struct act_run *run = context;

    (void)action;
    app_message(run->data->app, ROLE_ACTIVE, "%s: %s", act_name(run_act(run)), text);
}

static const struct action_events events = {
    .prepared = on_prepared, .done = on_done, .progress = on_progress};

/* ---- the start ---- */

/* NULL: acts may run. */
static const char *why_forbidden(const struct view_data *data)
{
    if (data->read_only)
        return "read-only: no act runs; start without --read-only and read_only to act";
    return data->actions ? NULL : "no act can run here";
}

const char *acts_instance(const struct view_data *data, enum act act)
{
    const enum instance_kind kind = act_info(act)->kind;
    const struct instance *instance = kind < INSTANCE_KINDS ? data_instance(data, kind) : NULL;

    return instance ? instance->name : NULL;
}

bool acts_forbidden(struct view_data *data)
{
    const char *why = why_forbidden(data);

    if (why)
        app_message(data->app, ROLE_WARNING, "%s", why);
    return why;
}

bool acts_start(struct view_data *data, const struct act_request *request, const char *note)
{
    struct act_runs *runs = acts_of(data);
    struct act_run *run;

    if (acts_forbidden(data))
        return false;
    run = mem_zalloc(sizeof(*run));
    run->data = data;
    run->note = mem_strdup(note);
    run->action = action_prepare(data->actions, request, &events, run);
    run->next = runs->first;
    runs->first = run;
    app_message(data->app, ROLE_ACTIVE, "%s: preparing%s", act_name(request->act),
                text_symbol(SYMBOL_ELLIPSIS));
    return true;
}

/* ---- keys ---- */

static bool is_preparing(const struct view_data *data, enum act act)
{
    for (const struct act_run *run = data->acts ? data->acts->first : NULL; run; run = run->next) {
        if (run_act(run) == act && run->stage == RUN_PREPARING)
            return true;
    }
    return false;
}

static char *ended_note(const struct selection *selection)
{
    if (!selection->ended)
        return NULL;
    return mem_printf("%zu tagged row%s ended since and %s left out", selection->ended,
                      selection->ended == 1 ? "" : "s", selection->ended == 1 ? "is" : "are");
}

static void start_selected(struct view_data *data, const struct selection *selection)
{
    struct act_request request = selection->request;
    char *note = ended_note(selection);

    if (!selection->name_count)
        acts_start(data, &request, note);
    for (size_t i = 0; i < selection->name_count; i++) {
        request.database = selection->names[i];
        acts_start(data, &request, note);
    }
    free(note);
}

static bool in_panel(const struct view_data *data, const char *name)
{
    const struct panel *panel = app_focus(data->app);

    return panel && strcmp(panel->class->name, name) == 0;
}

static void act_on_selection(struct view_data *data, enum act act)
{
    struct selection selection = {.request = {.act = act}};

    if (act == ACT_KILL_CLIENT && in_panel(data, "monitor") &&
        monitor_choose_client(app_focus(data->app)))
        return;
    if (acts_select(data, act, &selection)) {
        if (act == ACT_DELETE)
            acts_ask_pattern(data, selection.request.instance, selection.request.db);
        else
            start_selected(data, &selection);
    }
    selection_free(&selection);
}

void acts_key(struct app *app, int which)
{
    struct view_data *data = app_data(app);
    enum act act = (enum act)which;

    if (act == ACT_KILL_CLIENT && why_forbidden(data)) {
        acts_refused(data, act, acts_instance(data, act), why_forbidden(data));
        return;
    }
    if (acts_forbidden(data))
        return;
    if (is_preparing(data, act))
        app_message(app, ROLE_WARNING, "%s is being prepared already", act_name(act));
    else if (act == ACT_RESTORE)
        acts_ask_restore(data);
    else if (act == ACT_CREATEDB)
        acts_ask_createdb(data, "");
    else if (act == ACT_BACKUP && !in_panel(data, "databases"))
        acts_ask_backup(data);
    else
        act_on_selection(data, act);
}

void acts_restart_container(struct app *app, const char *container)
{
    struct view_data *data = app_data(app);
    const struct act_request request = {.act = ACT_RESTART, .container = container};

    if (acts_forbidden(data))
        return;
    if (is_preparing(data, ACT_RESTART))
        app_message(app, ROLE_WARNING, "a restart is being prepared already");
    else
        acts_start(data, &request, NULL);
}

void acts_replace_key(struct app *app, int argument)
{
    struct view_data *data = app_data(app);
    struct selection selection = {.request = {.act = ACT_REPLACE}};

    (void)argument;
    if (acts_forbidden(data))
        return;
    if (acts_select(data, ACT_REPLACE, &selection))
        start_selected(data, &selection);
    else
        acts_ask_restore(data);
    selection_free(&selection);
}

/* ---- leaving ---- */

static void quit_answered(void *context, struct overlay *overlay, bool accepted)
{
    (void)overlay;
    if (accepted)
        app_quit(context, 0);
}

void acts_quit_key(struct app *app, int argument)
{
    const struct view_data *data = app_data(app);
    unsigned running = data->actions ? actions_running(data->actions) : 0;
    struct overlay *dialog;

    if (!running) {
        app_quit(app, argument);
        return;
    }
    dialog = dialog_new("Quit",
                        mem_printf("%s still running; what it does on the server goes on, but its "
                                   "outcome will be recorded as unknown. Quit anyway?",
                                   running == 1 ? "An act is" : "Several acts are"),
                        "quit", NULL);
    dialog->done = quit_answered;
    dialog->context = app;
    app_push(app, dialog);
}
