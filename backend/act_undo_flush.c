/* What a flush has moved to the spare database comes back. What was written in the meantime goes
 * there in turn, with the same time to live: nothing is lost by it. */
#include "backend/act_keys.h"
#include "backend/act_redis.h"
#include "backend/redis_spare.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum tag { TAG_LOOK, TAG_RUN, TAG_SELECT, TAG_SIZE, TAG_DONE };

struct undo {
    struct act_redis redis; /* first */
    struct redis_spare spare;
    int64_t spare_keys;
    char *no_spare;
    char token[40];
    /* ---- executing ---- */
    uint64_t sent_at; /* ns */
    double took;
    enum outcome_status status;
    char *why;
    int64_t back, left, size;
};

static struct undo *undo_of(struct act_redis *redis)
{
    return (struct undo *)redis;
}

static const struct redis_config *config_of(const struct undo *undo)
{
    return undo->redis.action->impl->pub.redis_config;
}

/* ---- looking ---- */

static void opened(struct act_redis *redis)
{
    act_redis_look(redis, TAG_LOOK, config_of(undo_of(redis))->trash_db);
}

static void take_look(struct undo *undo, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
        reply->element[1]->type == REDIS_REPLY_STRING) {
        undo->spare_keys = redis_reply_integer(reply, 0);
        spare_parse(reply->element[1]->str, reply->element[1]->len, &undo->spare);
        return;
    }
    redis_script_outcome(reply, redis_conn_address(redis_act_conn(undo->redis.act)),
                         &undo->no_spare);
}

static int64_t count_of(const struct undo *undo, int db)
{
    const struct redis_info *info = undo->redis.info;

    for (size_t i = 0; i < info->db_count; i++) {
        if (info->dbs[i].db == db)
            return info->dbs[i].keys;
    }
    return 0;
}

static void plan_undo(struct undo *undo)
{
    struct plan *plan = &undo->redis.action->plan;
    int db = undo->redis.db, spare = config_of(undo)->trash_db;
    double left = undo->spare.until - (double)undo->redis.clock;
    int64_t meanwhile = count_of(undo, db);
    char back[40], keys[40], time[32];

    if (meanwhile)
        plan_add(plan, PLAN_LOSS, "",
                 "%s in %d now: moved to the spare database for %s, then removed (another undo, "
                 "guarded like a flush, brings them back)",
                 count_keys(keys, meanwhile), db,
                 act_redis_duration(time, config_of(undo)->undo_seconds));
    plan_add(plan, PLAN_COMMAND, "", "SELECT %d", spare);
    plan_add(plan, PLAN_COMMAND, "", "DEL " SPARE_MARKER);
    plan_add(plan, PLAN_COMMAND, "", "SWAPDB %d %d", db, spare);
    if (meanwhile)
        plan_add(plan, PLAN_COMMAND, "",
                 "SET " SPARE_MARKER " {\"token\":\"%s\",\"db\":%d,\"keys\":…,\"since\":…,"
                 "\"until\":…,\"by\":…,\"undone\":true}",
                 undo->token, db);
    plan_add(plan, PLAN_EVIDENCE, "keys", "%s to come back; %s moved by the %s",
             count_keys(back, undo->spare_keys - 1), count_keys(keys, undo->spare.keys),
             undo->spare.undone ? "undo" : "flush");
    plan_add(plan, PLAN_EVIDENCE, undo->spare.undone ? "undone" : "flushed", "%s ago by %s",
             act_redis_duration(time, (double)undo->redis.clock - undo->spare.since),
             undo->spare.by);
    plan_add(plan, PLAN_EVIDENCE, "time left", "%s",
             left > 0 ? act_redis_duration(time, left) : "none: it may be removed at any moment");
    plan_add(plan, PLAN_EVIDENCE, "runs only if",
             "run_id is still %s, role %s, no SWAPDB has run since, and the spare database holds "
             "the same (one script, EVAL, checks and does it)",
             undo->redis.identity.run_id, undo->redis.identity.role);
}

/* The marker says which database it is. What an undo has put aside takes the place of data that
 * may be in use since: that is a flush of those, whatever it brings. */
static void take_database(struct undo *undo)
{
    struct action *action = undo->redis.action;
    struct plan *plan = &action->plan;

    free(plan->title);
    free(plan->target);
    free(plan->confirm);
    plan->title = plan->target = plan->confirm = NULL;
    plan->as_flush = undo->spare.undone;
    act_redis_begin(&undo->redis, action, undo->spare.db,
                    undo->spare.undone ? "Swap database %d with what an undo put aside"
                                       : "Undo the flush of database %d",
                    undo->redis.hooks);
}

static void looked(struct act_redis *redis)
{
    struct undo *undo = undo_of(redis);
    struct action *action = redis->action;
    int db = action->request.db, spare = config_of(undo)->trash_db;
    char keys[40];

    if (undo->no_spare) {
        action_end(action, OUTCOME_FAILED, "the spare database %d cannot be looked at: %s", spare,
                   undo->no_spare);
    } else if (!undo->spare.present && undo->spare_keys > 0) {
        action_end(action, OUTCOME_NOTHING,
                   "the spare database %d holds %s, but no flush has put them there", spare,
                   count_keys(keys, undo->spare_keys));
    } else if (!undo->spare.present) {
        action_end(action, OUTCOME_NOTHING,
                   "there is nothing to bring back: the spare database %d is empty", spare);
    } else if (db >= 0 && db != undo->spare.db) {
        action_end(action, OUTCOME_NOTHING,
                   "the spare database %d holds what was in %d, nothing of %d", spare,
                   undo->spare.db, db);
    } else if (undo->spare_keys <= 1) {
        action_end(action, OUTCOME_NOTHING,
                   "what was flushed has expired or was evicted meanwhile: the spare database %d "
                   "holds nothing but its marker",
                   spare);
    } else {
        take_database(undo);
        plan_undo(undo);
        act_redis_prepared(redis);
    }
}

/* ---- executing ---- */

static void send_undo(struct undo *undo)
{
    char db[16], spare[16], seconds[16], *by = act_redis_by();
    const char *args[] = {db, spare, undo->spare.marker, undo->token, seconds, by};

    snprintf(db, sizeof(db), "%d", undo->redis.db);
    snprintf(spare, sizeof(spare), "%d", config_of(undo)->trash_db);
    snprintf(seconds, sizeof(seconds), "%d", config_of(undo)->undo_seconds);
    redis_script_send(undo->redis.act, TAG_RUN, SCRIPT_UNDO, &undo->redis.identity,
                      act_redis_latest(&undo->redis), args, NULL, sizeof(args) / sizeof(args[0]));
    free(by);
}

static void execute_undo(struct action *action)
{
    struct undo *undo = action->state;
    char number[16];
    const char *select[] = {"SELECT", number}, *size[] = {"DBSIZE"}, *ping[] = {"PING"};

    if (!act_redis_execute(&undo->redis))
        return;
    snprintf(number, sizeof(number), "%d", undo->redis.db);
    undo->sent_at = uv_hrtime();
    send_undo(undo);
    act_redis_send(&undo->redis, TAG_SELECT, 2, select);
    act_redis_send(&undo->redis, TAG_SIZE, 1, size);
    act_redis_send(&undo->redis, TAG_DONE, 1, ping);
    act_redis_flush(&undo->redis);
}

static void take_run(struct undo *undo, const redisReply *reply)
{
    undo->took = (double)(uv_hrtime() - undo->sent_at) / 1e9;
    undo->status = redis_script_outcome(reply, redis_conn_address(redis_act_conn(undo->redis.act)),
                                        &undo->why);
    undo->back = redis_reply_integer(reply, 1);
    undo->left = redis_reply_integer(reply, 2);
}

static void finish(struct undo *undo)
{
    struct action *action = undo->redis.action;
    char back[40], now[40], time[32];

    if (undo->status != OUTCOME_DONE) {
        action_end(action, undo->status, "nothing was changed: %s",
                   undo->why ? undo->why : "the server's answer is not understood");
        return;
    }
    if (undo->left > 0)
        action->outcome.details =
            mem_printf("what was written meanwhile (%s) is in the spare database %d now, for %s",
                       count_keys(now, undo->left), config_of(undo)->trash_db,
                       act_redis_duration(time, config_of(undo)->undo_seconds));
    action_end(action, OUTCOME_DONE,
               "brought %s back to database %d in %.1f ms (round trip); it holds %s now",
               count_keys(back, undo->back), undo->redis.db, 1e3 * undo->took,
               count_keys(now, undo->size));
}

/* ---- the act ---- */

static void reply(struct act_redis *redis, const redisReply *answer, unsigned tag)
{
    struct undo *undo = undo_of(redis);

    switch ((enum tag)tag) {
    case TAG_LOOK: take_look(undo, answer); break;
    case TAG_RUN: take_run(undo, answer); break;
    case TAG_SELECT: break;
    case TAG_SIZE: undo->size = answer->type == REDIS_REPLY_INTEGER ? answer->integer : -1; break;
    case TAG_DONE: finish(undo); break;
    }
}

static const struct act_redis_hooks hooks = {.opened = opened, .looked = looked, .reply = reply};

static void prepare_undo(struct action *action)
{
    struct undo *undo = action->state;
    int db = action->request.db, spare = action->impl->pub.redis_config->trash_db;

    if (spare < 0) {
        action_end(action, OUTCOME_NOTHING,
                   "no spare database is configured (trash_db), so no flush can be undone");
        return;
    }
    act_redis_token(undo->token, sizeof(undo->token));
    act_redis_begin(&undo->redis, action, db >= 0 ? db : spare, "Undo the flush of database %d",
                    &hooks);
    act_redis_open(&undo->redis);
}

static void release_undo(struct action *action)
{
    struct undo *undo = action->state;

    act_redis_release(&undo->redis);
    spare_clear(&undo->spare);
    free(undo->no_spare);
    free(undo->why);
    undo->no_spare = undo->why = NULL;
}

const struct act_ops act_undo_flush = {
    .info = {.name = "undo-flush",
             .kind = INSTANCE_REDIS,
             .help = "bring back what a flush has moved to the spare database"},
    .state_size = sizeof(struct undo),
    .prepare = prepare_undo,
    .execute = execute_undo,
    .release = release_undo,
};
