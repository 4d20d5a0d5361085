/* CLIENT KILL of one client of a Redis. Its id is the server's own counter, so that a client that has
 * gone is never mistaken for the next one with its address. */
#include "backend/act_redis.h"

#include "backend/base/mem.h"
#include "backend/redis_link.h"

#include <stdlib.h>
#include <string.h>

enum tag { TAG_OWN_ID, TAG_LIST, TAG_KILL, TAG_AFTER };

struct client_kill {
    struct act_redis redis; /* first */
    char own_id[24];
    char *line; /* of CLIENT LIST */
    char id[24], address[80];
    int64_t killed;
    char *why;
};

static struct client_kill *kill_of(struct act_redis *redis)
{
    return (struct client_kill *)redis;
}

/* ---- looking ---- */

static void opened(struct act_redis *redis)
{
    const char *id[] = {"CLIENT", "ID"}, *list[] = {"CLIENT", "LIST"};

    act_redis_send(redis, TAG_OWN_ID, 2, id);
    act_redis_send(redis, TAG_LIST, 2, list);
}

static bool is_wanted(const char *line, size_t len, const char *wanted)
{
    char field[80];

    client_field(line, len, strchr(wanted, ':') || *wanted == '/' ? "addr" : "id", field,
                 sizeof(field));
    return strcmp(field, wanted) == 0;
}

/* The line of the wanted client, which the caller frees; NULL: it is not connected. */
static char *find_line(const redisReply *reply, const char *wanted)
{
    const char *at = reply->str, *end = reply->str + reply->len;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t len = (size_t)((stop ? stop : end) - at);

        if (is_wanted(at, len, wanted))
            return mem_strndup(at, len);
        at += len + 1;
    }
    return NULL;
}

static void field_of(const struct client_kill *kill, const char *name, char *out, size_t size)
{
    client_field(kill->line, strlen(kill->line), name, out, size);
}

static void add_evidence(struct client_kill *kill)
{
    static const char *const fields[][2] = {{"name", "name"},         {"user", "user"},
                                            {"library", "lib-name"},  {"last command", "cmd"},
                                            {"connected s", "age"},   {"idle s", "idle"},
                                            {"output bytes", "omem"}, {"flags", "flags"}};
    struct plan *plan = &kill->redis.action->plan;

    plan_add(plan, PLAN_EVIDENCE, "address", "%s", kill->address);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char value[128];

        field_of(kill, fields[i][1], value, sizeof(value));
        if (*value)
            plan_add(plan, PLAN_EVIDENCE, fields[i][0], "%s", value);
    }
}

static void add_vetoes(struct client_kill *kill)
{
    struct plan *plan = &kill->redis.action->plan;
    char flags[32], name[64];

    field_of(kill, "flags", flags, sizeof(flags));
    field_of(kill, "name", name, sizeof(name));
    if (strpbrk(flags, "SM"))
        plan_veto(plan, VETO_REPLICAS, "this client is a replica's or a master's link");
    if (strcmp(kill->id, kill->own_id) == 0 || strcmp(name, REDIS_CLIENT_NAME) == 0)
        plan_veto(plan, VETO_OWN_SESSION, NULL);
}

static void looked(struct act_redis *redis)
{
    struct client_kill *kill = kill_of(redis);
    struct action *action = redis->action;
    struct plan *plan = &action->plan;
    char db[16];

    if (kill->why) {
        action_end(action, OUTCOME_FAILED, "%s: %s", action->impl->pub.name, kill->why);
        return;
    }
    if (!kill->line) {
        action_end(action, OUTCOME_NOTHING, "no client %s is connected to %s",
                   action->request.client, action->impl->pub.name);
        return;
    }
    field_of(kill, "id", kill->id, sizeof(kill->id));
    field_of(kill, "addr", kill->address, sizeof(kill->address));
    field_of(kill, "db", db, sizeof(db));
    plan->environment = act_redis_environment(redis, (int)strtol(db, NULL, 10));
    plan->title = mem_printf("Kill the client %s", kill->address);
    plan->target = mem_printf("client %s, in database %s", kill->id, db);
    plan->confirm = mem_strdup(action->impl->pub.name);
    plan_add(plan, PLAN_COMMAND, "", "CLIENT KILL ID %s", kill->id);
    plan_add(
        plan, PLAN_LOSS, "",
        "the connection: what it waits for, its transaction and its subscriptions; most clients "
        "connect again at once");
    add_evidence(kill);
    add_vetoes(kill);
    act_redis_prepared(redis);
}

/* ---- executing ---- */

static void execute(struct action *action)
{
    struct client_kill *kill = action->state;
    const char *end[] = {"CLIENT", "KILL", "ID", kill->id}, *list[] = {"CLIENT", "LIST"};

    if (!act_redis_execute(&kill->redis))
        return;
    act_redis_send(&kill->redis, TAG_KILL, 4, end);
    act_redis_send(&kill->redis, TAG_AFTER, 2, list);
    act_redis_flush(&kill->redis);
}

static void finish(struct client_kill *kill, const redisReply *list)
{
    struct action *action = kill->redis.action;
    char *still = list->type == REDIS_REPLY_STRING ? find_line(list, kill->id) : NULL;

    if (kill->why)
        action_end(action, OUTCOME_FAILED, "%s", kill->why);
    else if (!kill->killed)
        action_end(action, OUTCOME_NOTHING, "the client %s has gone already", kill->address);
    else if (still && !strstr(still, "flags=A") && !strstr(still, "flags=c"))
        action_end(action, OUTCOME_FAILED, "the client %s is still there", kill->address);
    else
        action_end(action, OUTCOME_DONE, "killed the client %s", kill->address);
    free(still);
}

/* ---- the act ---- */

static void take_list(struct client_kill *kill, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING)
        kill->line = find_line(reply, kill->redis.action->request.client);
    else
        kill->why = act_redis_error(&kill->redis, reply, "client");
}

static void reply(struct act_redis *redis, const redisReply *answer, unsigned tag)
{
    struct client_kill *kill = kill_of(redis);

    switch ((enum tag)tag) {
    case TAG_OWN_ID:
        if (answer->type == REDIS_REPLY_INTEGER)
            snprintf(kill->own_id, sizeof(kill->own_id), "%lld", answer->integer);
        break;
    case TAG_LIST: take_list(kill, answer); break;
    case TAG_KILL:
        kill->killed = answer->type == REDIS_REPLY_INTEGER ? answer->integer : 0;
        if (answer->type == REDIS_REPLY_ERROR)
            kill->why = act_redis_error(redis, answer, "client");
        break;
    case TAG_AFTER: finish(kill, answer); break;
    }
}

static const struct act_redis_hooks hooks = {.opened = opened, .looked = looked, .reply = reply};

static void prepare(struct action *action)
{
    struct client_kill *kill = action->state;

    kill->redis.action = action;
    kill->redis.hooks = &hooks;
    act_redis_open(&kill->redis);
}

static void release(struct action *action)
{
    struct client_kill *kill = action->state;

    act_redis_release(&kill->redis);
    free(kill->line);
    free(kill->why);
    kill->line = kill->why = NULL;
}

const struct act_ops act_kill_client = {
    .info = {.name = "kill-client", .kind = INSTANCE_REDIS, .help = "kill a client of a Redis"},
    .state_size = sizeof(struct client_kill),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
