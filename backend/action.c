#include "backend/action_impl.h"

#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/pg_instance.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RECORDED_MOST 200U  /* lines of each part of a plan */
#define READY_TRY_MS  50U   /* between looks whether the server can be asked */
#define READY_MS      4000U /* then it is given up */

struct actions {
    uv_loop_t *loop;
    struct backend *backend;
    const struct config *config;
    struct action *first;
    unsigned counter;
    unsigned holds; /* open handles, lines that are being written, and what acts hold */
    bool closing;
    void (*gone)(void *context);
    void *context;
};

static void on_timer(uv_timer_t *timer);

/* ---- the door ---- */

struct actions *actions_new(uv_loop_t *loop, struct backend *backend, const struct config *config)
{
    struct actions *actions = mem_zalloc(sizeof(*actions));

    actions->loop = loop;
    actions->backend = backend;
    actions->config = config;
    actions->holds = 1;
    return actions;
}

void actions_hold(struct actions *actions)
{
    actions->holds++;
}

void actions_release(struct actions *actions)
{
    void (*gone)(void *context) = actions->gone;
    void *context = actions->context;

    assert(actions->holds);
    if (--actions->holds)
        return;
    free(actions);
    if (gone)
        gone(context);
}

struct backend *actions_backend(const struct actions *actions)
{
    return actions->backend;
}

static bool is_running(const struct action *action)
{
    return action->stage == ACTION_RECORDING || action->stage == ACTION_EXECUTING ||
           action->stage == ACTION_CLOSING;
}

unsigned actions_running(const struct actions *actions)
{
    unsigned running = 0;

    for (const struct action *action = actions->first; action; action = action->next)
        running += is_running(action);
    return running;
}

/* ---- life of an action ---- */

static void release_act(struct action *action)
{
    if (action->released)
        return;
    action->released = true;
    if (action->ops->release && action->prepared_once)
        action->ops->release(action);
}

static void free_request(struct act_request *request)
{
    const char *const strings[] = {request->instance,  request->pattern,   request->database,
                                   request->directory, request->file,      request->as,
                                   request->owner,     request->env_file,  request->env_key,
                                   request->job,       request->container, request->client};

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        free((void *)(uintptr_t)strings[i]);
    free((void *)(uintptr_t)request->sessions);
}

static void on_closed(uv_handle_t *handle)
{
    struct action *action = handle->data;
    struct actions *door = action->door;

    if (action->impl)
        instance_release(action->impl);
    free_request(&action->request);
    plan_free(&action->plan);
    free(action->outcome.text);
    free(action->outcome.details);
    free(action->outcome.job);
    mem_free_secret(action->outcome.secret,
                    action->outcome.secret ? strlen(action->outcome.secret) : 0);
    free(action->refusal);
    free(action->state);
    free(action);
    actions_release(door);
}

static void destroy(struct action *action)
{
    struct action **at = &action->door->first;

    while (*at != action)
        at = &(*at)->next;
    *at = action->next;
    release_act(action);
    uv_close((uv_handle_t *)&action->timer, on_closed);
}

void action_free(struct action *action)
{
    if (!action)
        return;
    assert(!action->orphan);
    action->orphan = true;
    if (!is_running(action))
        destroy(action);
}

static void emit_done(struct action *action)
{
    action->stage = ACTION_DONE;
    if (action->orphan)
        destroy(action);
    else
        action->events->done(action->context, action);
}

static void fill_request(struct act_request *to, const struct act_request *from)
{
    struct act_session *sessions;

    *to = *from;
    to->instance = mem_strdup(from->instance);
    to->pattern = mem_strdup(from->pattern);
    to->database = mem_strdup(from->database);
    to->directory = mem_strdup(from->directory);
    to->file = mem_strdup(from->file);
    to->as = mem_strdup(from->as);
    to->owner = mem_strdup(from->owner);
    to->env_file = mem_strdup(from->env_file);
    to->env_key = mem_strdup(from->env_key);
    to->job = mem_strdup(from->job);
    to->container = mem_strdup(from->container);
    to->client = mem_strdup(from->client);
    sessions = mem_array(NULL, from->session_count, sizeof(*sessions));
    if (from->session_count)
        memcpy(sessions, from->sessions, from->session_count * sizeof(*sessions));
    to->sessions = sessions;
}

static void name_action(struct action *action)
{
    time_t now = time(NULL);
    struct tm parts;
    uint16_t salt; /* of two doors in one second, too, each has ids of its own */
    char day[20];

    gmtime_r(&now, &parts);
    strftime(day, sizeof(day), "%Y%m%dT%H%M%SZ", &parts);
    if (getrandom(&salt, sizeof(salt), GRND_NONBLOCK) != (ssize_t)sizeof(salt))
        salt = (uint16_t)uv_hrtime();
    snprintf(action->id, sizeof(action->id), "%s-%ld-%u%04x", day, (long)getpid(),
             ++action->door->counter, salt);
}

struct action *action_prepare(struct actions *actions, const struct act_request *request,
                              const struct action_events *events, void *context)
{
    struct action *action = mem_zalloc(sizeof(*action));

    assert(!actions->closing);
    action->ops = act_ops_of(request->act);
    action->door = actions;
    fill_request(&action->request, request);
    action->config = actions->config;
    action->loop = actions->loop;
    action->plan.act = request->act;
    action->outcome.next = ACTS;
    action->events = events;
    action->context = context;
    action->stage = ACTION_PREPARING;
    action->state = mem_zalloc(action->ops->state_size ? action->ops->state_size : 1);
    action->next = actions->first;
    actions->first = action;
    actions_hold(actions);
    name_action(action);
    uv_timer_init(action->loop, &action->timer);
    action->timer.data = action;
    uv_update_time(action->loop);
    action->began = uv_now(action->loop);
    uv_timer_start(&action->timer, on_timer, 0, 0);
    return action;
}

const struct plan *action_plan(const struct action *action)
{
    return &action->plan;
}

const struct outcome *action_outcome(const struct action *action)
{
    return action->stage == ACTION_DONE ? &action->outcome : NULL;
}

const struct act_request *action_request(const struct action *action)
{
    return &action->request;
}

void action_progress(struct action *action, const char *format, ...)
{
    char text[256];
    va_list args;

    if (action->orphan || !action->events->progress)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    action->events->progress(action->context, action, text);
}

/* ---- the policy ---- */

static bool lists(const struct strings *strings, const char *word)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (strcmp(strings->items[i], word) == 0)
            return true;
    }
    return false;
}

/* Who allows flushes allows them by pattern too, and who allows restores their second half. */
static bool is_allowed(const struct action *action, enum act act)
{
    const char *word = act == ACT_DELETE    ? act_name(ACT_FLUSH)
                       : act == ACT_REPLACE ? act_name(ACT_RESTORE)
                                            : act_name(act);

    if (!action->impl)
        return false;
    if (action->impl->pub.kind == INSTANCE_POSTGRES)
        return lists(&action->impl->pub.postgres_config->allow_production, word);
    return lists(&action->impl->pub.redis_config->allow_production, word);
}

static struct policy_verdict decide(const struct action *action)
{
    const enum act act = action->plan.as_flush ? ACT_FLUSH : action->request.act;
    const struct policy_facts facts = {
        .act = act,
        .environment = action->plan.environment,
        .vetoes = action->plan.vetoes,
        .over_existing = action->plan.over_existing,
        .allowed = is_allowed(action, act),
        .read_only = action->config->read_only,
    };

    if (action->refusal && !facts.read_only)
        return (struct policy_verdict){.ask = POLICY_REFUSED, .reason = action->refusal};
    return policy_decide(&facts);
}

/* ---- preparing ---- */

static const char *kind_text(enum instance_kind kind)
{
    return kind == INSTANCE_POSTGRES ? "PostgreSQL" : "Redis";
}

/* The instance that is named, or the only one. NULL: the action has ended. */
static struct instance_impl *find_instance(struct action *action, enum instance_kind kind)
{
    struct backend *backend = action->door->backend;
    const char *name = action->request.instance;
    size_t count = backend_count(backend, kind);

    for (size_t i = 0; i < count; i++) {
        struct instance_impl *impl = backend_impl(backend, kind, i);

        if (name ? strcmp(impl->pub.name, name) == 0 : count == 1)
            return impl;
    }
    if (!count)
        action_end(action, OUTCOME_REFUSED, "no %s is configured", kind_text(kind));
    else if (name)
        action_end(action, OUTCOME_REFUSED, "no %s is called '%s'", kind_text(kind), name);
    else
        action_end(action, OUTCOME_REFUSED, "there are several %s instances: name one (--instance)",
                   kind_text(kind));
    return NULL;
}

/* Whether the server can be asked now; *why (may be NULL) is set when there is no hope. */
static bool is_ready(const struct action *action, const char **why)
{
    *why = NULL;
    if (action->ops->info.kind == INSTANCE_POSTGRES) {
        if (pg_instance_control(action->impl))
            return true;
        if (action->impl->pub.state == INSTANCE_DOWN)
            *why = action->impl->pub.error;
        return false;
    }
    if (action->ops->info.kind == INSTANCE_KINDS && action->request.act == ACT_RESTART)
        return backend_filled(action->door->backend);
    return true;
}

static void begin_prepare(struct action *action)
{
    const enum instance_kind kind = action->ops->info.kind;
    const char *why, *control;
    char *doubt;

    if (action->config->read_only) { /* the servers are not even asked */
        action_end(action, OUTCOME_REFUSED, "%s", decide(action).reason);
        return;
    }
    if (kind < INSTANCE_KINDS && !action->impl) {
        action->impl = find_instance(action, kind);
        if (!action->impl)
            return;
        instance_hold(action->impl);
    }
    if (!is_ready(action, &why) && !why && uv_now(action->loop) - action->began < READY_MS) {
        uv_timer_start(&action->timer, on_timer, READY_TRY_MS, 0);
        return;
    }
    if (kind == INSTANCE_POSTGRES && !pg_instance_control(action->impl)) {
        control = pg_control_error(pg_instance_acts(action->impl));
        action_end(action, OUTCOME_FAILED, "%s cannot be asked: %s", action->impl->pub.name,
                   why       ? why
                   : control ? control
                             : "it does not answer");
        return;
    }
    doubt = kind == INSTANCE_REDIS ? backend_place_doubt(action->door->backend, &action->impl->pub)
                                   : NULL;
    if (doubt) {
        action_end(action, OUTCOME_FAILED, "%s", doubt);
        free(doubt);
        return;
    }
    if (action->impl) {
        action->plan.instance = mem_strdup(action->impl->pub.name);
        action->plan.address = mem_strdup(action->impl->pub.address);
    }
    action->prepared_once = true;
    action->ops->prepare(action);
}

static void show_plan(struct action *action)
{
    assert(action->stage == ACTION_PREPARING);
    action->plan.verdict = decide(action);
    assert(action->plan.verdict.ask != POLICY_NAME || action->plan.confirm);
    action->stage = ACTION_PREPARED;
    action->events->prepared(action->context, action);
}

void action_prepared(struct action *action)
{
    show_plan(action);
}

void action_refuse(struct action *action, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    action->refusal = mem_vprintf(format, args);
    va_end(args);
    show_plan(action);
}

/* ---- recording ---- */

/* Of an act on very many targets: enough to see what it was, in a line that readers can hold. */
static void cut_list(json_t *list)
{
    size_t count = json_array_size(list);

    if (count <= RECORDED_MOST)
        return;
    while (json_array_size(list) > RECORDED_MOST)
        json_array_remove(list, json_array_size(list) - 1);
    json_array_append_new(list, json_sprintf("… and %zu more", count - RECORDED_MOST));
}

/* What may be kept: evidence that quotes queries or keys may hold secrets. */
static void drop_private(json_t *evidence)
{
    for (size_t i = json_array_size(evidence); i-- > 0;) {
        const json_t *line = json_array_get(evidence, i);
        const char *label = json_string_value(json_object_get(line, "label"));

        if (label && (strncmp(label, "query", 5) == 0 || strncmp(label, "sample", 6) == 0))
            json_array_remove(evidence, i);
    }
}

static json_t *intent_line(const struct action *action)
{
    static const char *const answers[] = {
        [ANSWER_YES] = "y", [ANSWER_NAME] = "name", [ANSWER_YES_FLAG] = "--yes"};
    json_t *line = audit_line(action->id, "intent"), *plan = plan_json(&action->plan);

    drop_private(json_object_get(plan, "evidence"));
    cut_list(json_object_get(plan, "commands"));
    cut_list(json_object_get(plan, "losses"));
    cut_list(json_object_get(plan, "warnings"));
    cut_list(json_object_get(plan, "evidence"));
    json_object_update(line, plan);
    json_object_set_new(line, "answer", json_string(answers[action->answer]));
    json_decref(plan);
    return line;
}

const char *outcome_status_text(enum outcome_status status)
{
    static const char *const texts[] = {
        [OUTCOME_DONE] = "done",       [OUTCOME_FAILED] = "failed",   [OUTCOME_REFUSED] = "refused",
        [OUTCOME_NOTHING] = "nothing", [OUTCOME_STARTED] = "started",
    };

    return texts[status];
}

static json_t *outcome_line(const struct action *action, const char *status, const char *text)
{
    json_t *line = audit_line(action->id, "outcome");

    json_object_set_new(line, "act", json_string(act_name(action->request.act)));
    json_object_set_new(line, "status", json_string(status));
    json_object_set_new(line, "outcome", json_bytes(text));
    if (action->outcome.details)
        json_object_set_new(line, "details", json_bytes(action->outcome.details));
    return line;
}

/* Appends a line; done is called later, with why it could not be written or NULL. */
static void record(struct action *action, json_t *line,
                   void (*done)(void *context, const char *error))
{
    char *error = NULL, *path = audit_path(action->config, &error);

    if (path) {
        audit_append_later(action->loop, path, line, done, action);
    } else {
        action->record_error = error;
        action->record_done = done;
        json_decref(line);
        uv_timer_start(&action->timer, on_timer, 0, 0);
    }
    free(path);
}

static void on_outcome_recorded(void *context, const char *error)
{
    struct action *action = context;

    if (error) {
        char *text = mem_printf("%s (not recorded: %s)", action->outcome.text, error);

        free(action->outcome.text);
        action->outcome.text = text;
    }
    emit_done(action);
}

/* ---- executing ---- */

static void on_intent_recorded(void *context, const char *error)
{
    struct action *action = context;

    if (error) {
        action_end(action, OUTCOME_FAILED, "not run, since it could not be recorded: %s", error);
        return;
    }
    action->stage = ACTION_EXECUTING;
    if (action->door->closing) {
        action_end(action, OUTCOME_FAILED, "not run: the program was ended");
        return;
    }
    action->ops->execute(action);
}

static bool is_name(const struct action *action, const char *typed)
{
    return action->plan.confirm && typed && strcmp(typed, action->plan.confirm) == 0;
}

/* Why the answer does not do (the caller frees it), or NULL. */
static char *check_answer(const struct action *action, enum answer answer, const char *typed)
{
    const struct policy_verdict verdict = decide(action);
    const char *confirm = action->plan.confirm;

    if (verdict.ask == POLICY_REFUSED)
        return mem_strdup(verdict.reason);
    if (answer == ANSWER_NAME && !is_name(action, typed))
        return mem_printf("the name to confirm with is '%s', not '%s'", confirm ? confirm : "",
                          typed ? typed : "");
    if (answer == ANSWER_NAME)
        return NULL;
    if (verdict.ask == POLICY_NAME)
        return mem_printf("this asks for the name '%s' (--confirm)", confirm);
    if (answer == ANSWER_YES_FLAG && !verdict.flag_enough)
        return mem_printf("--yes is not enough for production: --confirm '%s'", confirm);
    return NULL;
}

void action_execute(struct action *action, enum answer answer, const char *typed)
{
    char *why = check_answer(action, answer, typed);

    assert(action->stage == ACTION_PREPARED);
    action->answer = answer;
    if (why) {
        release_act(action);
        action->outcome.status = OUTCOME_REFUSED;
        action->outcome.text = why;
        action->stage = ACTION_CLOSING;
        uv_timer_start(&action->timer, on_timer, 0, 0);
        return;
    }
    action->stage = ACTION_RECORDING;
    record(action, intent_line(action), on_intent_recorded);
}

void action_end(struct action *action, enum outcome_status status, const char *format, ...)
{
    const bool executed = action->stage == ACTION_EXECUTING;
    va_list args;

    assert(action->stage == ACTION_PREPARING || action->stage == ACTION_RECORDING || executed);
    va_start(args, format);
    free(action->outcome.text);
    action->outcome.text = mem_vprintf(format, args);
    va_end(args);
    action->outcome.status = status;
    release_act(action);
    action->stage = ACTION_CLOSING;
    if (executed && status != OUTCOME_STARTED)
        record(action, outcome_line(action, outcome_status_text(status), action->outcome.text),
               on_outcome_recorded);
    else
        emit_done(action);
}

static void on_timer(uv_timer_t *timer)
{
    struct action *action = timer->data;

    if (action->record_error) {
        char *error = action->record_error;

        action->record_error = NULL;
        action->record_done(action, error);
        free(error);
    } else if (action->stage == ACTION_PREPARING) {
        begin_prepare(action);
    } else {
        emit_done(action);
    }
}

/* ---- the end ---- */

static void on_unknown_recorded(void *context, const char *error)
{
    (void)error;
    actions_release(context);
}

/* Nobody will see how it ends: the record says so. */
static void abandon(struct action *action)
{
    char *error = NULL, *path = NULL;

    if (action->stage == ACTION_EXECUTING)
        path = audit_path(action->config, &error);
    if (path) {
        actions_hold(action->door);
        audit_append_later(
            action->loop, path,
            outcome_line(action, "unknown", "the program was ended before the outcome was known"),
            on_unknown_recorded, action->door);
    }
    free(path);
    free(error);
    destroy(action);
}

void actions_close(struct actions *actions, void (*gone)(void *context), void *context)
{
    struct action *next;

    assert(!actions->closing);
    actions->closing = true;
    actions->gone = gone;
    actions->context = context;
    for (struct action *action = actions->first; action; action = next) {
        next = action->next;
        if (action->stage == ACTION_RECORDING || action->stage == ACTION_CLOSING) {
            action->orphan = true; /* its line is on the way: it ends by itself */
            continue;
        }
        abandon(action);
    }
    actions_release(actions);
}
