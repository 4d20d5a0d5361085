/* The door to the acts on a test's own Redis, as the dashboard opens it: config, backend and
 * actions on a loop, with a folder for the record that goes with it. */
#ifndef TESTS_REDIS_DOOR_H
#define TESTS_REDIS_DOOR_H

#include "backend/action.h"
#include "tests/integration/redis_lab.h"

#include <uv.h>

#define SPARE 15

struct door {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct config *config;
    struct redis_config *redis;
    struct backend *backend;
    struct actions *actions;
    struct action *action; /* the one on its way, or the last */
    bool prepared, done, late, closed;
    unsigned told; /* calls of progress */
    char state[64];
};

LAB_UNUSED void door_on_changed(void *context)
{
    (void)context;
}

LAB_UNUSED void door_on_deadline(uv_timer_t *timer)
{
    struct door *door = timer->data;

    door->late = true;
}

LAB_UNUSED void door_add_db(struct door *door, int db, enum environment environment,
                            const char *use)
{
    struct redis_config *redis = door->redis;

    redis->databases =
        mem_array(redis->databases, redis->database_count + 1, sizeof(*redis->databases));
    redis->databases[redis->database_count++] =
        (struct redis_db_config){.db = db, .environment = environment, .use = mem_strdup(use)};
}

/* Like the reference: 0 production, 5 dev. The config may be changed until door_open. */
LAB_UNUSED void door_init(struct door *door, const char *url)
{
    *door = (struct door){.config = config_new()};
    config_clear_redis(door->config);
    config_clear_postgres(door->config);
    door->redis = config_add_redis(door->config, "lab", url);
    door->redis->trash_db = SPARE;
    door->redis->undo_seconds = 600;
    door_add_db(door, 0, ENV_PRODUCTION, "Celery broker");
    door_add_db(door, 5, ENV_DEV, "Django sessions");
    door->config->interval = 0.2;
    snprintf(door->state, sizeof(door->state), "/tmp/sharedtop-door-XXXXXX");
    assert_non_null(mkdtemp(door->state));
    setenv("XDG_STATE_HOME", door->state, 1);
}

LAB_UNUSED void door_open(struct door *door)
{
    uv_loop_init(&door->loop);
    uv_timer_init(&door->loop, &door->deadline);
    door->deadline.data = door;
    door->backend = backend_new(&door->loop, door->config, door_on_changed, door);
    backend_start(door->backend);
    door->actions = actions_new(&door->loop, door->backend, door->config);
}

/* As user app, who has all rights but some ("-eval -flushdb"). */
LAB_UNUSED void door_open_without(struct lab *lab, struct door *door, const char *rights)
{
    char *command = mem_printf("ACL SETUSER app on >pw ~* +@all %s", rights), url[96];
    redisReply *reply;

    LAB_RUN(lab, "ACL DELUSER app");
    reply = redisCommand(lab->admin, command);
    assert_true(reply && reply->type == REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    free(command);
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab->port);
    door_init(door, url);
    door_open(door);
}

typedef bool door_condition(const struct door *door);

/* Turns the loop until the condition holds. */
LAB_UNUSED void door_until(struct door *door, door_condition *holds, const char *what)
{
    door->late = false;
    uv_update_time(&door->loop);
    uv_timer_start(&door->deadline, door_on_deadline, LAB_DEADLINE_MS, 0);
    while (!holds(door) && !door->late)
        uv_run(&door->loop, UV_RUN_ONCE);
    uv_timer_stop(&door->deadline);
    if (door->late)
        fail_msg("never came: %s", what);
}

#define DOOR_UNTIL(door, condition) door_until(door, condition, #condition)

/* ---- acts ---- */

LAB_UNUSED void door_on_prepared(void *context, struct action *action)
{
    struct door *door = context;

    (void)action;
    door->prepared = true;
}

LAB_UNUSED void door_on_done(void *context, struct action *action)
{
    struct door *door = context;

    (void)action;
    door->done = true;
}

LAB_UNUSED void door_on_progress(void *context, struct action *action, const char *text)
{
    struct door *door = context;

    (void)action;
    (void)text;
    door->told++;
}

LAB_UNUSED bool door_is_prepared(const struct door *door)
{
    return door->prepared || door->done;
}

LAB_UNUSED bool door_is_done(const struct door *door)
{
    return door->done;
}

/* The plan of an act, or its end. */
LAB_UNUSED const struct plan *door_prepare(struct door *door, const struct act_request *request)
{
    static const struct action_events events = {
        .prepared = door_on_prepared, .done = door_on_done, .progress = door_on_progress};

    action_free(door->action);
    door->prepared = door->done = false;
    door->action = action_prepare(door->actions, request, &events, door);
    DOOR_UNTIL(door, door_is_prepared);
    return action_plan(door->action);
}

LAB_UNUSED const struct outcome *door_execute(struct door *door)
{
    const struct plan *plan = action_plan(door->action);

    assert_true(door->prepared);
    action_execute(door->action, plan->verdict.ask == POLICY_NAME ? ANSWER_NAME : ANSWER_YES,
                   plan->confirm);
    DOOR_UNTIL(door, door_is_done);
    return action_outcome(door->action);
}

LAB_UNUSED void door_expect(const struct door *door, enum outcome_status status, const char *word)
{
    const struct outcome *outcome = action_outcome(door->action);

    if (!outcome) {
        fail_msg("it has not ended: %s", action_plan(door->action)->verdict.reason);
        return;
    }
    print_message("    %s\n", outcome->text);
    if (outcome->status != status || !strstr(outcome->text, word))
        fail_msg("status %d, \"%s\": expected status %d, \"%s\"", (int)outcome->status,
                 outcome->text, (int)status, word);
}

LAB_UNUSED void door_flush(struct door *door, int db, bool now)
{
    const struct act_request request = {.act = ACT_FLUSH, .db = db, .now = now};

    door_prepare(door, &request);
}

LAB_UNUSED void door_undo(struct door *door, int db)
{
    const struct act_request request = {.act = ACT_UNDO_FLUSH, .db = db};

    door_prepare(door, &request);
}

/* The plan is refused with a word in the reason. */
LAB_UNUSED void door_expect_refused(const struct door *door, bool offer_now, const char *word)
{
    const struct plan *plan = action_plan(door->action);

    if (!door->prepared)
        fail_msg("no plan: %s", action_outcome(door->action)->text);
    print_message("    refused: %s%s\n", plan->verdict.reason,
                  plan->offer_now ? " [flush now is offered]" : "");
    assert_int_equal(plan->verdict.ask, POLICY_REFUSED);
    if (!strstr(plan->verdict.reason, word))
        fail_msg("\"%s\" is not in \"%s\"", word, plan->verdict.reason);
    assert_int_equal(plan->offer_now, offer_now);
}

/* The text of the first line of a part whose label or text holds word. */
LAB_UNUSED const char *door_line(const struct door *door, enum plan_part part, const char *word)
{
    const struct plan *plan = action_plan(door->action);

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_line *line = &plan->lines[i];

        if (line->part == part && (strstr(line->label, word) || strstr(line->text, word)))
            return line->text;
    }
    fail_msg("the plan has no line with \"%s\"", word);
    return NULL;
}

/* ---- the end ---- */

LAB_UNUSED void door_on_closed(void *context)
{
    struct door *door = context;

    door->closed = true;
}

LAB_UNUSED bool door_is_closed(const struct door *door)
{
    return door->closed;
}

LAB_UNUSED void door_remove_state(const struct door *door)
{
    char *command = mem_printf("rm -rf '%s'", door->state);

    assert_int_equal(system(command), 0); /* NOLINT: a name that mkdtemp made */
    free(command);
}

LAB_UNUSED void door_close(struct door *door)
{
    action_free(door->action);
    door->action = NULL;
    actions_close(door->actions, door_on_closed, door);
    DOOR_UNTIL(door, door_is_closed);
    door->closed = false;
    backend_close(door->backend, door_on_closed, door);
    DOOR_UNTIL(door, door_is_closed);
    uv_close((uv_handle_t *)&door->deadline, NULL);
    uv_run(&door->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&door->loop), 0);
    config_free(door->config);
    door_remove_state(door);
}

/* ---- with a server of its own ---- */

/* args: of redis-server, or NULL. */
LAB_UNUSED void door_start(struct lab *lab, struct door *door, const char *const *args)
{
    lab_start(lab, args);
    door_init(door, lab->url);
    door_open(door);
}

LAB_UNUSED void door_stop(struct lab *lab, struct door *door)
{
    door_close(door);
    lab_stop(lab);
}

/* ---- the server's side ---- */

#define lab_integer(...) lab_take_integer(lab_do(__VA_ARGS__))

LAB_UNUSED long long lab_take_integer(redisReply *reply)
{
    long long value = reply->integer;

    freeReplyObject(reply);
    return value;
}

/* DBSIZE of a database. */
LAB_UNUSED long long lab_size(struct lab *lab, int db)
{
    LAB_RUN(lab, "SELECT %d", db);
    return lab_integer(lab, "DBSIZE");
}

LAB_UNUSED void lab_set(struct lab *lab, int db, const char *key, const char *value)
{
    LAB_RUN(lab, "SELECT %d", db);
    LAB_RUN(lab, "SET %s %s", key, value);
}

/* The content of a file of the record; the caller frees it. */
LAB_UNUSED char *door_audit(const struct door *door)
{
    char *path = mem_printf("%s/sharedtop/audit.jsonl", door->state), *text = mem_zalloc(1 << 20);
    FILE *file = fopen(path, "r");

    if (file) {
        text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
        fclose(file);
    }
    free(path);
    return text;
}

#endif
