/* What somebody should know before a MONITOR begins. */
#include "panels/monitor.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool may_evict(const struct redis_info *info)
{
    return info->maxmemory > 0 && strcmp(info->policy, "noeviction") != 0;
}

static bool is_nearly_full(const struct redis_info *info)
{
    return info->maxmemory > 0 && info->used_memory > info->maxmemory / 10 * 9;
}

bool monitor_could_hurt(const struct redis_info *info)
{
    return !info || may_evict(info) || is_nearly_full(info);
}

char *monitor_danger(const struct redis_info *info)
{
    char left[TEXT_UNIT_SIZE];
    int64_t room;

    if (!info)
        return mem_strdup("what this server does when its memory is full is not known");
    room = info->maxmemory - info->used_memory;
    text_bytes(left, room > 0 ? (double)room : 0);
    if (may_evict(info))
        return mem_printf("this server may evict keys (%s, %s room)", info->policy, left);
    if (info->maxmemory > 0)
        return mem_printf("this server may refuse writes (%s, %s room)", info->policy, left);
    return mem_strdup("this server has no memory limit of its own: it evicts nothing");
}

/* Measured: the server's main thread needs 0.8 us more for a command that it copies, and 45 ns for a
 * byte of its arguments. */
static double expected_share(const struct redis_info *info)
{
    double ops = info->rates.ops, bytes = info->rates.net_in;

    if (isnan(ops) && isnan(bytes))
        return NAN;
    return (ops > 0 ? ops * 0.8e-6 : 0) + (bytes > 0 ? bytes * 45e-9 : 0);
}

static void add_limit(struct strbuf *text, const struct redis_limit *limit)
{
    char size[TEXT_UNIT_SIZE];

    if (limit->why[0]) {
        char *why = text_clean(limit->why, false);

        strbuf_addf(text, "limit   not known (%s)\n", why);
        free(why);
        return;
    }
    if (limit->hard > 0)
        strbuf_addf(text, "limit   the server lets a reader leave %s unread\n",
                    text_bytes(size, (double)limit->hard));
    if (limit->soft > 0)
        strbuf_addf(text, "limit   the server lets a reader leave %s unread for %lld s\n",
                    text_bytes(size, (double)limit->soft), (long long)limit->soft_seconds);
    if (limit->hard == 0 && limit->soft == 0)
        strbuf_adds(text, "limit   none: the server keeps whatever a reader leaves unread\n");
}

static void add_memory(struct strbuf *text, const struct redis_info *info)
{
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE], left[TEXT_UNIT_SIZE];
    int64_t room = info->maxmemory - info->used_memory;

    strbuf_addf(text, "memory  %s of %s, policy %s\n", text_bytes(used, (double)info->used_memory),
                info->maxmemory > 0 ? text_bytes(max, (double)info->maxmemory) : "no limit",
                info->policy);
    add_limit(text, &info->client_limit);
    if (info->maxmemory <= 0)
        return;
    strbuf_addf(text, "room    %s until it %s; MONITOR is killed when the server keeps %s for it\n",
                text_bytes(left, room > 0 ? (double)room : 0),
                may_evict(info) ? "evicts keys" : "refuses writes",
                text_bytes(used, (double)monitor_memory_limit(info->used_memory, info->maxmemory)));
    if (is_nearly_full(info))
        strbuf_addf(text, "        more than 90 %% is in use: even a connection may %s\n",
                    may_evict(info) ? "cost keys" : "make it refuse writes");
}

char *monitor_preflight(const struct redis_info *info, const char *name, double seconds)
{
    struct strbuf text = {0};
    char ops[TEXT_UNIT_SIZE], in[TEXT_UNIT_SIZE], share[TEXT_UNIT_SIZE], *danger;

    strbuf_addf(&text, "MONITOR on %s for %.0f s.\n\n", name, seconds);
    if (info) {
        add_memory(&text, info);
        strbuf_addf(&text, "load    %s commands/s, %s/s in: about %s of the server's main thread\n",
                    text_rate(ops, info->rates.ops), text_bytes(in, info->rates.net_in),
                    text_percent(share, expected_share(info)));
    }
    danger = monitor_danger(info);
    strbuf_addf(&text,
                "\nThe server copies every command to us on its main thread: pipelined loads run "
                "at half their speed meanwhile, large values much slower. What a reader leaves "
                "unread is kept in its memory, and %s. Ours reads apart from the screen, stops by "
                "itself, and the server ends it when we cannot.",
                danger);
    free(danger);
    return strbuf_take(&text);
}
