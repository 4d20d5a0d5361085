#include "panels/act_run_impl.h"

#include "backend/action.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/textfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A name lookup that hangs in its thread cannot be called off, and all is said. */
#define GRACE_MS 500

struct run {
    uv_loop_t *loop;
    const struct options *options;
    struct config config; /* only the instances that count; borrows all but what is discovered */
    const struct act_request *waiting; /* until it is known where the servers are; or NULL */
    struct backend *backend;
    struct actions *actions;
    struct jobs *jobs;
    struct action *action;
    char *job;   /* that is followed */
    char *phase; /* of it, as printed last */
    uv_poll_t input;
    uv_signal_t interrupt;
    uv_timer_t grace;
    bool asking, finished, terminal, follow_up;
    int input_flags; /* of the terminal, before it was read from a loop */
    FILE *out;
    enum act_run_status status;
};

static void prepare(struct run *run, const struct act_request *request);

/* ---- the end ---- */

static void closed(void *context)
{
    (void)context;
}

/* The terminal's other readers share its flags. */
static void give_input_back(const struct run *run)
{
    if (run->asking)
        fcntl(STDIN_FILENO, F_SETFL, run->input_flags);
}

static void leave(uv_timer_t *timer)
{
    const struct run *run = timer->data;

    give_input_back(run);
    _exit((int)run->status);
}

static void finish(struct run *run, enum act_run_status status)
{
    if (run->finished)
        return;
    run->finished = true;
    run->status = status;
    fflush(run->out);
    action_free(run->action);
    if (run->jobs)
        jobs_close(run->jobs);
    if (run->asking)
        uv_close((uv_handle_t *)&run->input, NULL);
    give_input_back(run);
    uv_close((uv_handle_t *)&run->interrupt, NULL);
    actions_close(run->actions, NULL, NULL);
    backend_close(run->backend, closed, NULL);
    uv_timer_start(&run->grace, leave, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&run->grace);
}

/* One line on stderr. */
static void say(const struct run *run, const char *text)
{
    if (run->terminal)
        fputs("\r\033[K", stderr);
    act_print_text(stderr, text);
    fputc('\n', stderr);
}

/* ---- the job ---- */

static const struct job_info *followed(const struct run *run)
{
    const struct job_list *list = jobs_list(run->jobs);

    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].id && strcmp(list->items[i].id, run->job) == 0)
            return &list->items[i];
    }
    return NULL;
}

static void offer_replace(struct run *run, const struct job_info *job)
{
    struct act_request request = {
        .act = ACT_REPLACE, .instance = job->instance, .database = job->offer, .as = job->made};

    run->follow_up = true;
    fprintf(stderr, "\n");
    prepare(run, &request);
}

static void print_outcome(const struct run *run, const struct outcome *outcome,
                          const struct job_info *job);

/* Without a terminal nobody is asked: the next step in words. */
static void say_offer(const struct run *run, const struct job_info *job)
{
    char *offer, *made, *text;

    if (job->state != JOB_DONE || !job->offer || !job->made || run->terminal)
        return;
    offer = textfile_shell_quoted(job->offer);
    made = textfile_shell_quoted(job->made);
    text = mem_printf("to let it take the place: sharedtop replace %s --with %s", offer, made);
    say(run, text);
    free(offer);
    free(made);
    free(text);
}

static void job_ended(struct run *run, const struct job_info *job)
{
    const bool done = job->state == JOB_DONE;

    if (run->options->json) {
        print_outcome(run, action_outcome(run->action), job);
    } else {
        const char *state = job_state_text(job->state);
        bool more = job->result && strcmp(job->result, state) != 0;
        char *text = mem_printf("%s%s%s", state, more ? ": " : "", more ? job->result : "");

        say(run, text);
        free(text);
        say_offer(run, job);
    }
    if (done && job->offer && job->made && run->terminal && !run->options->yes &&
        !run->options->confirm)
        offer_replace(run, job);
    else
        finish(run, done ? ACT_RUN_DONE : ACT_RUN_FAILED);
}

static void on_jobs(void *context)
{
    struct run *run = context;
    const struct job_info *job = run->job && !run->finished ? followed(run) : NULL;
    char *text;

    if (!job || run->follow_up)
        return;
    if (job_state_ended(job->state)) {
        job_ended(run, job);
        return;
    }
    text = job_progress_text(job);
    if (run->terminal) {
        fputs("\r\033[K", stderr);
        act_print_text(stderr, text);
        fflush(stderr);
    } else if (!run->phase || strcmp(run->phase, job->phase ? job->phase : "") != 0) {
        say(run, text);
        free(run->phase);
        run->phase = mem_strdup(job->phase ? job->phase : "");
    }
    free(text);
}

static void follow(struct run *run, const char *id)
{
    run->job = mem_strdup(id);
    run->jobs = jobs_new(run->loop, on_jobs, run);
    jobs_refresh(run->jobs);
}

/* ---- answers ---- */

static const char *verb_of(const struct plan *plan)
{
    return plan->act == ACT_CANCEL_JOB ? "cancel the job" : act_name(plan->act);
}

static void answered(struct run *run, const char *line)
{
    const struct plan *plan = action_plan(run->action);

    if (plan->verdict.ask == POLICY_YES && strcmp(line, "y") == 0) {
        action_execute(run->action, ANSWER_YES, NULL);
    } else if (plan->verdict.ask == POLICY_NAME && strcmp(line, plan->confirm) == 0) {
        action_execute(run->action, ANSWER_NAME, line);
    } else {
        say(run, "not confirmed: nothing was done");
        finish(run, run->follow_up ? run->status : ACT_RUN_REFUSED);
    }
}

static void on_input(uv_poll_t *input, int status, int events)
{
    struct run *run = input->data;
    char line[4096];
    ssize_t got;

    (void)status;
    (void)events;
    got = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    uv_poll_stop(input);
    answered(run, line);
}

/* What was typed before the plan could be read does not count. */
static void ask(struct run *run)
{
    const struct plan *plan = action_plan(run->action);
    char *question;

    if (plan->verdict.ask == POLICY_NAME)
        question = mem_printf("Type %s to %s: ", plan->confirm, verb_of(plan));
    else
        question = mem_printf("Type y to %s: ", verb_of(plan));
    tcflush(STDIN_FILENO, TCIFLUSH);
    act_print_text(stderr, question);
    fflush(stderr);
    free(question);
    if (!run->asking) {
        run->input_flags = fcntl(STDIN_FILENO, F_GETFL);
        uv_poll_init(run->loop, &run->input, STDIN_FILENO);
    }
    run->input.data = run;
    run->asking = true;
    uv_poll_start(&run->input, UV_READABLE, on_input);
}

static void answer(struct run *run)
{
    const struct options *options = run->options;

    if (options->confirm)
        action_execute(run->action, ANSWER_NAME, options->confirm);
    else if (options->yes)
        action_execute(run->action, ANSWER_YES_FLAG, NULL);
    else if (run->terminal && !options->json)
        ask(run);
    else {
        const struct plan *plan = action_plan(run->action);
        char *text =
            plan->verdict.ask == POLICY_YES && plan->verdict.flag_enough
                ? mem_strdup("not a terminal: nothing was done; --yes confirms it")
                : mem_printf("not a terminal: nothing was done; --confirm '%s' confirms it",
                             plan->confirm ? plan->confirm : "");

        say(run, text);
        free(text);
        finish(run, ACT_RUN_REFUSED);
    }
}

/* ---- plan and outcome ---- */

static json_t *outcome_json(const struct outcome *outcome)
{
    json_t *object = json_object();

    json_object_set_new(object, "status", json_string(outcome_status_text(outcome->status)));
    json_object_set_new(object, "text", json_bytes(outcome->text));
    json_object_set_new(object, "details", json_bytes(outcome->details));
    if (outcome->secret)
        json_object_set_new(object, "password", json_bytes(outcome->secret));
    return object;
}

static json_t *ended_json(const struct job_info *job)
{
    json_t *object = json_object();

    json_object_set_new(
        object, "status",
        json_string(outcome_status_text(job->state == JOB_DONE ? OUTCOME_DONE : OUTCOME_FAILED)));
    json_object_set_new(object, "text", json_bytes(job->result));
    json_object_set_new(object, "details", json_null());
    return object;
}

/* job: what it came to, or NULL. */
static void print_outcome(const struct run *run, const struct outcome *outcome,
                          const struct job_info *job)
{
    if (run->options->json) {
        const struct plan *plan = action_plan(run->action);
        json_t *object = json_object();

        json_object_set_new(object, "plan", plan->title ? plan_json(plan) : json_null());
        json_object_set_new(object, "outcome",
                            job       ? ended_json(job)
                            : outcome ? outcome_json(outcome)
                                      : json_null());
        json_object_set_new(object, "job",
                            job ? job_json(job)
                            : outcome && outcome->job
                                ? json_pack("{s:o}", "id", json_bytes(outcome->job))
                                : json_null());
        act_print_json(run->out, object);
        return;
    }
    if (outcome && outcome->text)
        say(run, outcome->text);
    if (outcome && outcome->details)
        say(run, outcome->details);
    if (outcome && outcome->secret)
        fprintf(run->out, "password: %s\n", outcome->secret);
}

static void show_plan(const struct run *run)
{
    const struct plan *plan = action_plan(run->action);
    FILE *out = run->options->dry_run ? run->out : stderr;
    char *text = plan_text(plan), *all;

    all = mem_printf("%s\n%s\n", plan->title ? plan->title : act_name(plan->act), text);
    if (run->terminal)
        fputs("\r\033[K", stderr); /* a line of progress may stand there */
    act_print_text(out, all);
    free(text);
    free(all);
}

static void show_dry_run(struct run *run)
{
    const struct plan *plan = action_plan(run->action);

    if (run->options->json)
        print_outcome(run, NULL, NULL);
    else if (plan->verdict.ask == POLICY_NAME)
        fprintf(run->out, "Asks for the name: --confirm '%s'\n", plan->confirm);
    else if (plan->verdict.ask == POLICY_YES)
        fprintf(run->out,
                plan->verdict.flag_enough ? "Asks for y: --yes\n"
                                          : "Asks for y; without a terminal for --confirm '%s'\n",
                plan->confirm);
    finish(run, plan->verdict.ask == POLICY_REFUSED ? ACT_RUN_REFUSED : ACT_RUN_DONE);
}

static void on_prepared(void *context, struct action *action)
{
    struct run *run = context;
    const struct plan *plan = action_plan(action);

    if (!run->options->json)
        show_plan(run);
    if (plan->verdict.ask == POLICY_REFUSED) {
        char *text = plan->offer_now
                         ? mem_printf("refused: %s (flush %d --now empties database %d for good)",
                                      plan->verdict.reason, action_request(action)->db,
                                      action_request(action)->db)
                         : mem_printf("refused: %s", plan->verdict.reason);

        say(run, text);
        free(text);
    } else if (plan->verdict.reason && !run->options->json) {
        say(run, plan->verdict.reason);
    }
    if (run->options->dry_run || plan->verdict.ask == POLICY_REFUSED)
        show_dry_run(run);
    else
        answer(run);
}

static enum act_run_status status_of(enum outcome_status status)
{
    switch (status) {
    case OUTCOME_DONE:
    case OUTCOME_STARTED: return ACT_RUN_DONE;
    case OUTCOME_REFUSED: return ACT_RUN_REFUSED;
    case OUTCOME_NOTHING: return ACT_RUN_NOTHING;
    case OUTCOME_FAILED: break;
    }
    return ACT_RUN_FAILED;
}

/* A cancel in vain: the same sessions, by the identity that the plan was for. */
static void offer_next(struct run *run, const struct outcome *outcome)
{
    struct act_request request = *action_request(run->action);

    request.act = outcome->next;
    run->follow_up = true;
    run->status = status_of(outcome->status);
    prepare(run, &request);
}

static void on_done(void *context, struct action *action)
{
    struct run *run = context;
    const struct outcome *outcome = action_outcome(action);

    if (outcome->status == OUTCOME_STARTED && outcome->job && !run->options->detach) {
        if (!run->options->json)
            say(run, outcome->text);
        follow(run, outcome->job);
        return;
    }
    print_outcome(run, outcome, NULL);
    if (outcome->next == ACT_TERMINATE && run->terminal && !run->options->json && !run->follow_up)
        offer_next(run, outcome);
    else
        finish(run, status_of(outcome->status));
}

static void on_progress(void *context, struct action *action, const char *text)
{
    const struct run *run = context;

    (void)action;
    if (!run->terminal || run->options->json)
        return;
    fputs("\r\033[K", stderr);
    act_print_text(stderr, text);
    fputs("\r", stderr);
    fflush(stderr);
}

static void prepare(struct run *run, const struct act_request *request)
{
    static const struct action_events events = {
        .prepared = on_prepared, .done = on_done, .progress = on_progress};
    struct action *before = run->action;

    run->action = action_prepare(run->actions, request, &events, run);
    action_free(before);
}

/* ---- the request ---- */

static bool number(const char *text, long most, int *value)
{
    char *end;
    long parsed;

    errno = 0;
    parsed = strtol(text, &end, 10);
    if (errno || *end || !*text || parsed < 0 || parsed > most)
        return false;
    *value = (int)parsed;
    return true;
}

/* NULL, or one line on what is wrong, which the caller frees. */
static char *fill_sessions(const struct options *options, struct act_request *request,
                           struct act_session *sessions)
{
    for (size_t i = 0; i < options->operands.count; i++) {
        sessions[i] = (struct act_session){.backend_start = PG_NO_TIME, .query_start = PG_NO_TIME};
        if (!number(options->operands.items[i], INT32_MAX, &sessions[i].pid))
            return mem_printf("%s: '%s' is no process id", act_name(options->act),
                              options->operands.items[i]);
    }
    request->sessions = sessions;
    request->session_count = options->operands.count;
    return NULL;
}

static char *fill_request(const struct options *options, struct act_request *request,
                          struct act_session *sessions)
{
    const char *first = options->operands.count ? options->operands.items[0] : NULL;

    *request = (struct act_request){
        .act = options->command == COMMAND_JOBS ? ACT_CANCEL_JOB : options->act,
        .instance = options->instance,
        .now = options->now,
        .all = options->all,
        .count_rows = options->count_rows,
        .directory = options->to,
        .replace = options->replace,
        .as = options->act == ACT_REPLACE ? options->with : options->as,
        .owner = options->owner,
        .env_file = options->env_file,
        .env_key = options->env_key,
    };
    switch (request->act) {
    case ACT_CANCEL:
    case ACT_TERMINATE: return fill_sessions(options, request, sessions);
    case ACT_FLUSH:
    case ACT_UNDO_FLUSH:
    case ACT_DELETE:
        assert(first); /* options_parse has counted the operands */
        if (!number(first, INT32_MAX, &request->db))
            return mem_printf("%s: '%s' is no database number", act_name(options->act), first);
        request->pattern = options->operands.count > 1 ? options->operands.items[1] : NULL;
        return NULL;
    case ACT_RESTART: request->container = first; return NULL;
    case ACT_KILL_CLIENT: request->client = first; return NULL;
    case ACT_RESTORE: request->file = first; return NULL;
    case ACT_CANCEL_JOB: request->job = options->operands.items[1]; return NULL;
    default: request->database = first; return NULL;
    }
}

/* No connection to servers that the act has nothing to do with. */
static void narrow(struct config *config, const struct act_request *request)
{
    const enum instance_kind kind = act_info(request->act)->kind;

    if (request->act == ACT_CANCEL_JOB || kind == INSTANCE_POSTGRES) {
        config->redis_count = 0;
        config->lists_redis = true; /* nor is one looked for */
    }
    if (request->act == ACT_CANCEL_JOB || kind == INSTANCE_REDIS) {
        config->postgres_count = 0;
        config->lists_postgres = true;
    }
    for (size_t i = 0; request->instance && i < config->postgres_count; i++) {
        if (strcmp(config->postgres[i]->name, request->instance) == 0) {
            config->postgres += i;
            config->postgres_count = 1;
        }
    }
    for (size_t i = 0; request->instance && i < config->redis_count; i++) {
        if (strcmp(config->redis[i]->name, request->instance) == 0) {
            config->redis += i;
            config->redis_count = 1;
        }
    }
}

/* Whether the engine has to say where a server is. */
static bool needs_engine(const struct config *config, const struct act_request *request)
{
    bool needs = request->container || (config->discover && request->act != ACT_CANCEL_JOB);

    for (size_t i = 0; i < config->postgres_count; i++)
        needs |= config->postgres[i]->container != NULL;
    for (size_t i = 0; i < config->redis_count; i++)
        needs |= config->redis[i]->container != NULL;
    return needs;
}

/* ---- running ---- */

/* An act has its own connection to the server, whose place must be known. */
static void on_changed(void *context)
{
    struct run *run = context;
    const struct act_request *request = run->waiting;

    if (!request || !backend_filled(run->backend) ||
        (request->container && backend_containers(run->backend)->state == CONTAINERS_SEARCHING))
        return;
    run->waiting = NULL;
    prepare(run, request);
}

/* What was discovered is the copy's own. */
static void drop_discovered(struct run *run, const struct config *config)
{
    if (run->config.discover && !config->postgres_count)
        config_clear_postgres(&run->config);
    if (run->config.discover && !config->redis_count)
        config_clear_redis(&run->config);
}

static void on_interrupt(uv_signal_t *handle, int number_of)
{
    struct run *run = handle->data;
    char *error;

    (void)number_of;
    if (run->job && !run->follow_up) {
        uv_signal_stop(handle); /* the next one ends this program, not the job */
        error = job_cancel(run->job);
        say(run, error ? error : "cancelling the job …");
        free(error);
    } else if (actions_running(run->actions)) {
        say(run, "interrupted: what was sent goes on, and is on record");
        finish(run, ACT_RUN_FAILED);
    } else {
        say(run, "interrupted: nothing was done");
        finish(run, ACT_RUN_FAILED);
    }
}

static void close_leftovers(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static enum act_run_status run_act(uv_loop_t *loop, const struct config *config,
                                   const struct options *options, const struct act_request *request,
                                   FILE *out)
{
    struct run run = {.loop = loop, .options = options, .config = *config, .out = out};

    run.terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    narrow(&run.config, request);
    run.config.containers &= needs_engine(&run.config, request);
    run.config.discover &= run.config.containers;
    run.waiting = run.config.containers ? request : NULL;
    run.backend = backend_new(loop, &run.config, on_changed, &run);
    run.actions = actions_new(loop, run.backend, &run.config);
    uv_timer_init(loop, &run.grace);
    run.grace.data = &run;
    uv_signal_init(loop, &run.interrupt);
    run.interrupt.data = &run;
    uv_signal_start(&run.interrupt, on_interrupt, SIGINT);
    uv_unref((uv_handle_t *)&run.interrupt);
    backend_start(run.backend);
    if (!run.waiting)
        prepare(&run, request);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_walk(loop, close_leftovers, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    free(run.job);
    free(run.phase);
    drop_discovered(&run, config);
    return run.status;
}

enum act_run_status act_run(uv_loop_t *loop, const struct config *config,
                            const struct options *options, FILE *out)
{
    struct act_session *sessions;
    struct act_request request;
    enum act_run_status status;
    char *error;

    if (options->command == COMMAND_JOBS && !options->operands.count)
        return act_run_jobs(loop, config, options->json, out);
    sessions = mem_array(NULL, options->operands.count + 1, sizeof(*sessions));
    error = fill_request(options, &request, sessions);
    if (error) {
        fprintf(stderr, "sharedtop: %s\n", error);
        status = ACT_RUN_REFUSED;
    } else {
        status = run_act(loop, config, options, &request, out);
    }
    free(error);
    free(sessions);
    return status;
}
