/* What somebody should know before a MONITOR begins. */
#include "panels/monitor.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What becomes of a server when its memory is full. */
enum fate { FATE_UNKNOWN, FATE_UNLIMITED, FATE_EVICTS, FATE_REFUSES, FATE_GROWS };

/* Redis 5 and its successors: unless replica-ignore-maxmemory is off, which INFO does not tell. */
static bool ignores_limit(const struct redis_info *info)
{
    return strcmp(info->role, "slave") == 0 && strtol(info->version, NULL, 10) >= 5;
}

static enum fate fate_of(const struct redis_info *info)
{
    if (!info || info->maxmemory < 0)
        return FATE_UNKNOWN;
    if (info->maxmemory == 0)
        return FATE_UNLIMITED;
    if (ignores_limit(info))
        return FATE_GROWS;
    return strcmp(info->policy, "noeviction") == 0 ? FATE_REFUSES : FATE_EVICTS;
}

static bool is_nearly_full(const struct redis_info *info)
{
    return info->maxmemory > 0 && info->used_memory > info->maxmemory / 10 * 9;
}

/* Whatever a server says of itself. */
static int64_t room_of(const struct redis_info *info)
{
    const int64_t used = info->used_memory, max = info->maxmemory;

    return used >= 0 && used < max ? max - used : 0;
}

static const char *used_text(char *out, const struct redis_info *info)
{
    return info->used_memory < 0 ? "unknown" : text_bytes(out, (double)info->used_memory);
}

static const char *room_text(char *out, const struct redis_info *info)
{
    return info->used_memory < 0 ? "unknown" : text_bytes(out, (double)room_of(info));
}

static const char *limit_text(char *out, const struct redis_info *info)
{
    if (info->maxmemory < 0)
        return "a limit that is not known";
    return info->maxmemory == 0 ? "no limit" : text_bytes(out, (double)info->maxmemory);
}

/* The caller frees it. */
static char *policy_text(const struct redis_info *info, const char *otherwise)
{
    return text_clean(info->policy[0] ? info->policy : otherwise, false);
}

bool monitor_could_hurt(const struct redis_info *info)
{
    const enum fate fate = fate_of(info);

    if (fate == FATE_UNKNOWN || fate == FATE_EVICTS)
        return true;
    return fate != FATE_UNLIMITED && (info->used_memory < 0 || is_nearly_full(info));
}

/* Of a server with a limit. */
static const char *fate_text(enum fate fate)
{
    if (fate == FATE_GROWS)
        return "is a replica, which evicts nothing and grows beyond its limit, unless "
               "replica-ignore-maxmemory is off";
    return fate == FATE_EVICTS ? "may evict keys" : "may refuse writes";
}

char *monitor_danger(const struct redis_info *info)
{
    const enum fate fate = fate_of(info);
    char left[TEXT_UNIT_SIZE], *policy, *text;

    if (fate == FATE_UNKNOWN)
        return mem_strdup("what this server does when its memory is full is not known");
    if (fate == FATE_UNLIMITED)
        return mem_strdup("this server has no memory limit of its own: it evicts nothing");
    policy = policy_text(info, "unknown policy");
    text =
        mem_printf("this server %s (%s, %s room)", fate_text(fate), policy, room_text(left, info));
    free(policy);
    return text;
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
    static const char *const at_limit[] = {[FATE_EVICTS] = "evicts keys",
                                           [FATE_REFUSES] = "refuses writes",
                                           [FATE_GROWS] = "is beyond its limit"};
    static const char *const by_connection[] = {[FATE_EVICTS] = "cost keys",
                                                [FATE_REFUSES] = "make it refuse writes",
                                                [FATE_GROWS] = "take it beyond"};
    char used[TEXT_UNIT_SIZE], max[TEXT_UNIT_SIZE], left[TEXT_UNIT_SIZE];
    char *policy = policy_text(info, "not known");
    const enum fate fate = fate_of(info);

    strbuf_addf(text, "memory  %s of %s, policy %s\n", used_text(used, info), limit_text(max, info),
                policy);
    free(policy);
    add_limit(text, &info->client_limit);
    if (info->maxmemory <= 0)
        return;
    strbuf_addf(text, "room    %s until it %s; MONITOR is killed when the server keeps %s for it\n",
                room_text(left, info), at_limit[fate],
                text_bytes(used, (double)monitor_memory_limit(info->used_memory, info->maxmemory)));
    if (is_nearly_full(info))
        strbuf_addf(text, "        more than 90 %% is in use: even a connection may %s\n",
                    by_connection[fate]);
}

char *monitor_preflight(const struct redis_info *info, const char *name, double seconds)
{
    struct strbuf text = {0};
    char ops[TEXT_UNIT_SIZE], in[TEXT_UNIT_SIZE], share[TEXT_UNIT_SIZE], *danger, *clean;

    clean = text_clean(name, false);
    strbuf_addf(&text, "MONITOR on %s for %.0f s.\n\n", clean, seconds);
    free(clean);
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
