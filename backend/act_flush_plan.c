#include "backend/act_flush_impl.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct redis_config *config_of(const struct flush *flush)
{
    return flush->redis.action->impl->pub.redis_config;
}

/* ---- obstacles ---- */

static char *spare_in_use(const struct flush *flush, int spare)
{
    const struct redis_spare *there = &flush->spare;
    double left = there->until - (double)flush->redis.clock;
    char time[32], keys[40];

    count_keys(keys, there->present ? there->keys : flush->spare_keys);
    if (!there->present)
        return mem_printf("the spare database %d is not empty: %s that no flush has put there; "
                          "name another trash_db",
                          spare, keys);
    if (left <= 0)
        return mem_printf("the spare database %d still holds what was in %d (%s); its time is "
                          "over, a dashboard or `sharedtop jobs` empties it",
                          spare, there->db, keys);
    return mem_printf("the spare database %d holds what was in %d (%s, %s by %s), for %s more: "
                      "undo that, wait, or flush now",
                      spare, there->db, keys, there->undone ? "put aside by an undo" : "flushed",
                      there->by, act_redis_duration(time, left));
}

char *flush_obstacle(const struct flush *flush, bool *offer)
{
    int spare = config_of(flush)->trash_db;

    *offer = true;
    if (spare < 0)
        return mem_strdup("no spare database is configured (trash_db): only flush now is possible");
    if (spare == flush->redis.db)
        return mem_printf("%d is the spare database itself: only flush now is possible", spare);
    if (flush->redis.info->cluster)
        return mem_strdup("the server is part of a cluster, which has no SWAPDB: only flush now is "
                          "possible");
    if (strcmp(flush->redis.info->role, "master") != 0)
        return mem_strdup("the server is a replica: flush its master");
    if (flush->no_swap) {
        *offer = flush->no_swap_right;
        return mem_printf("%s%s", flush->no_swap,
                          *offer ? "; without it only flush now is possible" : "");
    }
    if (flush->no_spare)
        return mem_strdup(flush->no_spare);
    return flush->spare_keys ? spare_in_use(flush, spare) : NULL;
}

/* ---- what is lost ---- */

static int64_t depth_of(const struct flush *flush)
{
    return flush->sample && flush->sample->dbs[0].depth > 0 ? flush->sample->dbs[0].depth : 0;
}

static int64_t in_flight_of(const struct flush *flush)
{
    return flush->sample && flush->sample->dbs[0].in_flight > 0 ? flush->sample->dbs[0].in_flight
                                                                : 0;
}

static void plan_celery(const struct flush *flush, struct plan *plan)
{
    int64_t depth = depth_of(flush), in_flight = in_flight_of(flush);
    struct strbuf queues = {0};
    char waiting[32], held[32];

    for (size_t i = 0; depth && i < flush->sample->queue_count; i++) {
        const struct celery_queue *queue = &flush->sample->queues[i];
        char *name = queue->depth ? key_text(queue->name, strlen(queue->name), 60) : NULL;

        if (name)
            strbuf_addf(&queues, "%s%s %s", queues.len ? ", " : "", name,
                        count_text(held, queue->depth));
        free(name);
    }
    if (depth)
        plan_add(plan, PLAN_LOSS, "Celery tasks", "%s wait in queues: %s",
                 count_text(waiting, depth), queues.s);
    if (in_flight)
        plan_add(plan, PLAN_LOSS, "Celery tasks",
                 "%s in workers' hands (unacked): lost if their worker ends",
                 count_text(held, in_flight));
    strbuf_free(&queues);
    if (depth || in_flight)
        plan_veto(plan, VETO_CELERY, NULL);
    else if (flush->marks > 0 || (flush->sample && flush->sample->queue_count > 1))
        plan_veto(plan, VETO_CELERY, "its queues and bindings; no task waits now");
}

static void plan_count(const struct flush *flush, struct plan *plan)
{
    char count[32], lasting[32];

    plan_add(plan, PLAN_EVIDENCE, "keys", "%s; %s of them (%.0f %%) without a TTL",
             count_text(count, flush->count), count_text(lasting, flush->count - flush->expires),
             100.0 * (double)(flush->count - flush->expires) / (double)flush->count);
}

static void plan_keys(const struct flush *flush, struct plan *plan)
{
    char count[32], grace[32];

    count_text(count, flush->count);
    if (flush->now)
        plan_add(plan, PLAN_LOSS, "keys", "%s, for good", count);
    else
        plan_add(plan, PLAN_LOSS, "keys",
                 "%s, gone for its clients at once; undo-flush (u) brings them back for %s, then "
                 "they are removed",
                 count, act_redis_duration(grace, config_of(flush)->undo_seconds));
    plan_count(flush, plan);
}

/* ---- commands ---- */

static void plan_commands(const struct flush *flush, struct plan *plan)
{
    int db = flush->redis.db, spare = config_of(flush)->trash_db;
    const struct redis_identity *identity = &flush->redis.identity;

    if (flush->now) {
        plan_add(plan, PLAN_COMMAND, "", "SELECT %d", db);
        plan_add(plan, PLAN_COMMAND, "", "FLUSHDB ASYNC");
    } else {
        plan_add(plan, PLAN_COMMAND, "", "SWAPDB %d %d", db, spare);
        plan_add(plan, PLAN_COMMAND, "", "SELECT %d", spare);
        plan_add(plan, PLAN_COMMAND, "",
                 "SET " SPARE_MARKER " {\"token\":\"%s\",\"db\":%d,\"keys\":…,\"since\":…,"
                 "\"until\":…,\"by\":…}",
                 flush->token, db);
    }
    plan_add(plan, PLAN_EVIDENCE, "runs only if",
             "run_id is still %s, role %s, no SWAPDB has run since%s%s", identity->run_id,
             identity->role, flush->now ? "" : ", and the spare database is empty",
             flush->scripts ? " (one script, EVAL, checks and does it)"
                            : " (looked at just before, since EVAL is not allowed)");
}

/* ---- the rest of the evidence ---- */

static void plan_clients(const struct flush *flush, struct plan *plan)
{
    const struct clients *clients = &flush->clients;
    struct strbuf hosts = {0};

    if (!flush->clients_known) {
        plan_add(plan, PLAN_EVIDENCE, "clients", "not known (CLIENT LIST is not allowed)");
        return;
    }
    for (size_t i = 0; i < clients->host_count && i < 4; i++)
        strbuf_addf(&hosts, "%s%s", i ? ", " : "", clients->hosts[i]);
    if (clients->host_count > 4)
        strbuf_addf(&hosts, " and %zu more hosts", clients->host_count - 4);
    if (clients->local)
        strbuf_addf(&hosts, "%s%zu of them local", hosts.len ? "; " : "", clients->local);
    plan_add(plan, PLAN_EVIDENCE, "clients", "%zu connected to this database%s%s", clients->count,
             hosts.len ? ": " : "", hosts.len ? hosts.s : "");
    strbuf_free(&hosts);
}

static void plan_last_save(const struct flush *flush, struct plan *plan)
{
    const struct redis_info *info = flush->redis.info;
    double age = (double)(flush->redis.clock - info->rdb_last_save_time);
    char time[32];

    if (info->rdb_last_save_time < 0)
        return;
    plan_add(plan, PLAN_EVIDENCE, "last good save", "%s ago (RDB)%s%s",
             act_redis_duration(time, age),
             info->rdb_last_bgsave_ok == 0 ? "; the last try FAILED" : "",
             info->aof_enabled == 1 ? "; AOF is on" : "");
}

static void plan_memory(const struct flush *flush, struct plan *plan)
{
    const struct redis_info *info = flush->redis.info;
    bool evicts = info->maxmemory > 0 && info->policy[0] && strcmp(info->policy, "noeviction") != 0;
    char limit[48] = "no limit";

    if (info->maxmemory > 0)
        snprintf(limit, sizeof(limit), "of %.1f MiB", (double)info->maxmemory / 1048576);
    plan_add(plan, PLAN_EVIDENCE, "memory", "%.1f MiB used, %s%s",
             (double)info->used_memory / 1048576, limit,
             flush->now ? "" : "; frees none until the spare is emptied (flush now does)");
    if (!flush->now && evicts)
        plan_add(plan, PLAN_WARNING, "",
                 "what waits in the spare database still expires, and can be evicted (%s)",
                 info->policy);
}

void flush_plan_refused(struct flush *flush)
{
    struct plan *plan = &flush->redis.action->plan;
    char count[32];

    if (plan->offer_now)
        plan_add(plan, PLAN_LOSS, "keys", "%s, for good with flush now",
                 count_text(count, flush->count));
    act_redis_vetoes(&flush->redis, &flush->clients);
    plan_count(flush, plan);
    plan_clients(flush, plan);
    plan_last_save(flush, plan);
}

void flush_plan(struct flush *flush)
{
    struct plan *plan = &flush->redis.action->plan;

    plan_celery(flush, plan);
    plan_keys(flush, plan);
    act_redis_vetoes(&flush->redis, &flush->clients);
    plan_commands(flush, plan);
    keys_plan(&flush->keys, plan);
    plan_clients(flush, plan);
    plan_last_save(flush, plan);
    plan_memory(flush, plan);
}

char *flush_result(const struct flush *flush)
{
    char moved[40], now[40], time[16];

    count_keys(moved, flush->moved);
    count_keys(now, flush->size);
    if (flush->now)
        return mem_printf("removed %s of database %d in %.1f ms (round trip); it holds %s now",
                          moved, flush->redis.db, 1e3 * flush->took, now);
    return mem_printf("moved %s of database %d to the spare %d in %.1f ms (round trip); it holds "
                      "%s now; undo-flush (u) brings them back until %s",
                      moved, flush->redis.db, config_of(flush)->trash_db, 1e3 * flush->took, now,
                      act_redis_time(time, (double)config_of(flush)->undo_seconds));
}

char *flush_details(const struct flush *flush)
{
    char shown[40], there[40];

    if (!flush->now && flush->spare_size != flush->moved + 1)
        return mem_printf("the spare database holds %s and the marker now: the others have expired",
                          count_keys(there, flush->spare_size - 1));
    if (flush->moved != flush->count)
        return mem_printf("it held %s when this was prepared", count_keys(shown, flush->count));
    return NULL;
}
