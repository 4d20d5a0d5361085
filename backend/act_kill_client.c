/* CLIENT KILL of one client of a Redis. Its id is the server's own counter, so that a client that has
 * gone is never mistaken for the next one with its address. */
#include "backend/act_redis.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/redis_link.h"

#include <stdlib.h>
#include <string.h>

enum tag { TAG_OWN_ID, TAG_LIST, TAG_KILL, TAG_AFTER };

enum { ADDRESS_SIZE = 160, IDS_NAMED = 10 };

struct wanted {
    char id[24];         /* "": any */
    const char *address; /* NULL: any */
};

struct client_kill {
    struct act_redis redis; /* first */
    char own_id[24];
    char *line; /* of CLIENT LIST */
    size_t matches;
    struct strbuf ids; /* of those that match */
    char id[24], address[ADDRESS_SIZE];
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

/* What was asked for: an id, an address, or "ID ADDRESS" of one client that must have both. */
static struct wanted wanted_of(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    struct wanted wanted = {.address = text};

    if (digits && digits < sizeof(wanted.id) && (text[digits] == ' ' || !text[digits])) {
        memcpy(wanted.id, text, digits);
        wanted.address = text[digits] ? text + digits + 1 : NULL;
    }
    return wanted;
}

static bool is_wanted(const char *line, size_t len, const struct wanted *wanted)
{
    char id[24], address[ADDRESS_SIZE];

    client_field(line, len, "id", id, sizeof(id));
    client_field(line, len, "addr", address, sizeof(address));
    return *id && (!*wanted->id || strcmp(id, wanted->id) == 0) &&
           (!wanted->address || strcmp(address, wanted->address) == 0);
}

/* The next line of the wanted client at or after *at, which is moved past it; NULL: there is none. */
static const char *next_line(const char **at, const char *end, const struct wanted *wanted,
                             size_t *len)
{
    while (*at < end) {
        const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));

        *len = (size_t)((stop ? stop : end) - line);
        *at = line + *len + (stop ? 1 : 0);
        if (is_wanted(line, *len, wanted))
            return line;
    }
    return NULL;
}

/* All local clients of a socket have one address, and nobody can tell which of them is meant. */
static void add_other(struct client_kill *kill, const char *line, size_t len)
{
    char id[24];

    client_field(line, len, "id", id, sizeof(id));
    if (kill->matches <= IDS_NAMED)
        strbuf_addf(&kill->ids, "%s%s", kill->ids.len ? ", " : "", id);
    else if (kill->matches == IDS_NAMED + 1)
        strbuf_adds(&kill->ids, ", ...");
}

/* Keeps the first that matches, and counts all. */
static void find_lines(struct client_kill *kill, const redisReply *reply)
{
    const struct wanted wanted = wanted_of(kill->redis.action->request.client);
    const char *at = reply->str, *end = at + reply->len, *line;
    size_t len;

    while ((line = next_line(&at, end, &wanted, &len))) {
        if (!kill->matches++)
            kill->line = mem_strndup(line, len);
        add_other(kill, line, len);
    }
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
    if (kill->matches > 1) {
        action_end(action, OUTCOME_REFUSED,
                   "%zu clients of %s have the address %s: name one by its id: %s", kill->matches,
                   action->impl->pub.name, action->request.client, kill->ids.s);
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

/* One that the server has marked to be closed is as good as gone. */
static bool lives_on(const struct client_kill *kill, const redisReply *list)
{
    const struct wanted wanted = wanted_of(kill->id);
    const char *at = list->str, *line;
    char flags[32];
    size_t len;

    if (list->type != REDIS_REPLY_STRING)
        return false;
    line = next_line(&at, list->str + list->len, &wanted, &len);
    if (!line)
        return false;
    client_field(line, len, "flags", flags, sizeof(flags));
    return !strpbrk(flags, "Ac");
}

static void finish(struct client_kill *kill, const redisReply *list)
{
    struct action *action = kill->redis.action;

    if (kill->why)
        action_end(action, OUTCOME_FAILED, "%s", kill->why);
    else if (!kill->killed)
        action_end(action, OUTCOME_NOTHING, "the client %s has gone already", kill->address);
    else if (lives_on(kill, list))
        action_end(action, OUTCOME_FAILED, "the client %s is still there", kill->address);
    else
        action_end(action, OUTCOME_DONE, "killed the client %s", kill->address);
}

/* ---- the act ---- */

static void take_list(struct client_kill *kill, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING)
        find_lines(kill, reply);
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
    strbuf_free(&kill->ids);
    kill->line = kill->why = NULL;
}

const struct act_ops act_kill_client = {
    .info = {.name = "kill-client", .kind = INSTANCE_REDIS, .help = "kill a client of a Redis"},
    .state_size = sizeof(struct client_kill),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
