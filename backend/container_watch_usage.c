/* What containers use: of the kernel, each tick; of the engine only where the kernel is not ours. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- of the kernel ---- */

static void note_kills(struct watch_entry *entry, int64_t kills)
{
    if (kills < 0)
        return;
    if (entry->kills >= 0 && kills > entry->kills)
        watch_entry_oom(entry, watch_wall());
    entry->kills = kills;
}

static void on_usages(void *context, const struct usage_target *targets,
                      const struct container_usage *usages, size_t count)
{
    struct container_watch *watch = context;

    for (size_t i = 0; i < count; i++) {
        struct watch_entry *entry = watch_entry_find(watch, targets[i].id);

        if (!entry || !entry->facts || entry->facts->pid != targets[i].pid)
            continue;
        /* Its process has gone, and no event has told of it. */
        if (usages[i].memory < 0 && entry->usage.memory >= 0 && !entry->unseen)
            entry->wanted = true;
        entry->unseen = usages[i].memory < 0;
        if (!entry->unseen || !entry->stats_at)
            entry->usage = usages[i];
        note_kills(entry, usages[i].oom_kills);
    }
    watch_dirty(watch);
}

/* False: there is nothing to read. */
static bool read_kernel(struct container_watch *watch)
{
    struct usage_target *targets = NULL;
    size_t count = 0;

    if (watch->count)
        targets = mem_array(NULL, watch->count, sizeof(*targets));
    for (size_t i = 0; i < watch->count; i++) {
        const struct watch_entry *entry = watch->entries[i];

        if (!watch_entry_runs(entry) || entry->facts->pid <= 0)
            continue;
        memcpy(targets[count].id, entry->id, sizeof(entry->id));
        targets[count].pid = entry->facts->pid;
        targets[count++].service = entry->facts->service;
    }
    if (count && !watch->usage)
        watch->usage = usage_reader_new(watch->loop, on_usages, watch);
    if (count)
        usage_reader_start(watch->usage, targets, count);
    free(targets);
    return count > 0;
}

/* ---- of the engine ---- */

static void on_stats(void *context, const struct engine_reply *reply)
{
    struct watch_entry *entry = context;
    struct container_usage usage;
    const uint64_t now = uv_hrtime();

    entry->asked_stats = false;
    if (reply->status != 200 || !watch_parse_stats(reply->body, reply->len, &usage))
        return;
    if (entry->cpu_at && usage.cpu_seconds >= entry->cpu_seconds)
        usage.cpu =
            (usage.cpu_seconds - entry->cpu_seconds) / ((double)(now - entry->cpu_at) / 1e9);
    entry->cpu_at = isnan(usage.cpu_seconds) ? 0 : now;
    entry->cpu_seconds = usage.cpu_seconds;
    if (!entry->facts->memory_limit)
        usage.memory_limit = 0; /* the engine gives the host's memory then */
    usage.pid = entry->usage.pid;
    usage.oom_score_adj = entry->usage.oom_score_adj;
    usage.oom_score = entry->usage.oom_score;
    entry->usage = usage;
    watch_dirty(entry->watch);
}

static void ask_engine(struct watch_entry *entry)
{
    struct container_watch *watch = entry->watch;
    char *id = engine_escape(entry->id);
    char *path = mem_printf("/containers/%s/stats?stream=false&one-shot=true", id);

    entry->asked_stats = true;
    entry->stats_at = uv_now(watch->loop);
    engine_request(watch->engine, "GET", path, NULL, WATCH_DEADLINE, on_stats, entry);
    free(path);
    free(id);
}

static bool needs_engine(const struct watch_entry *entry)
{
    const struct container_watch *watch = entry->watch;

    return watch_entry_runs(entry) && entry->facts->service != SERVICE_OTHER &&
           (watch->info.elsewhere || entry->unseen) && !entry->asked_stats &&
           (!entry->stats_at || uv_now(watch->loop) - entry->stats_at >= WATCH_STATS_EVERY);
}

void watch_usage_tick(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (needs_engine(watch->entries[i]))
            ask_engine(watch->entries[i]);
    }
    /* Rows change by time alone, too: restarts that are long ago, what the owner says of them. */
    if (watch->info.elsewhere || !read_kernel(watch))
        watch_dirty(watch);
}
