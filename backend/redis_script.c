#include "backend/redis_script.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMON = 5, ARGS_MAX = 16 };

/* Before 5.0 a script must ask for replication by effects to write after it has read
 * the clock or INFO. */
#define EFFECTS "if redis.replicate_commands then redis.replicate_commands() end\n"

#define CLOCK                                                                                      \
    EFFECTS                                                                                        \
    "local now = tonumber(redis.call('TIME')[1])\n"

/* swaps: as redis_identity_parse counts them. */
#define IDENTITY                                                                                   \
    "local function info(section, name)\n"                                                         \
    "  local text = redis.pcall('INFO', section)\n"                                                \
    "  if type(text) ~= 'string' then return '' end\n"                                             \
    "  return text:match('\\n' .. name .. ':([^\\r\\n]*)') or ''\n"                                \
    "end\n"                                                                                        \
    "if info('server', 'run_id') ~= ARGV[1] then return {'server'} end\n"                          \
    "if info('replication', 'role') ~= ARGV[2] then return {'role'} end\n"                         \
    "if info('replication', 'master_replid') ~= ARGV[3] then return {'role'} end\n"                \
    "local stat = info('commandstats', 'cmdstat_swapdb')\n"                                        \
    "local calls, failed = stat:match('^calls=(%d+)'), stat:match(',failed_calls=(%d+)')\n"        \
    "local swaps = string.format('%.0f', (calls or 0) - (failed or 0))\n"                          \
    "if swaps ~= ARGV[4] then return {'swapped'} end\n"

#define SAME CLOCK IDENTITY "if now > tonumber(ARGV[5]) then return {'late'} end\n"

#define MARK                                                                                       \
    "local function mark(token, db, keys, seconds, by, undone)\n"                                  \
    "  return redis.pcall('SET', '" SPARE_MARKER "', string.format(\n"                             \
    "    '{\"token\":\"%s\",\"db\":%d,\"keys\":%d,\"since\":%d,\"until\":%d,\"by\":%s%s}',\n"      \
    "    token, db, keys, now, now + seconds, by, undone and ',\"undone\":true' or ''))\n"         \
    "end\n"

/* The marker is written after the swap: a first write of a script needs memory, a later one may
 * take it. */
static const char flush[] =
    SAME MARK "redis.call('SELECT', ARGV[7])\n"
              "local waiting = redis.call('DBSIZE')\n"
              "if waiting > 0 then return {'spare', waiting} end\n"
              "redis.call('SELECT', ARGV[6])\n"
              "local keys = redis.call('DBSIZE')\n"
              "if keys == 0 then return {'empty'} end\n"
              "redis.call('SWAPDB', ARGV[6], ARGV[7])\n"
              "redis.call('SELECT', ARGV[7])\n"
              "local set = mark(ARGV[8], ARGV[6], keys, ARGV[9], ARGV[10])\n"
              "if set.err then\n"
              "  redis.call('SWAPDB', ARGV[6], ARGV[7])\n"
              "  return {'marker', set.err}\n"
              "end\n"
              "return {'done', keys, now + tonumber(ARGV[9])}\n";

static const char flush_now[] = SAME "local keys = redis.call('DBSIZE')\n"
                                     "if keys == 0 then return {'empty'} end\n"
                                     "redis.call('FLUSHDB', 'ASYNC')\n"
                                     "return {'done', keys}\n";

static const char undo[] =
    SAME MARK "redis.call('SELECT', ARGV[7])\n"
              "if redis.call('GET', '" SPARE_MARKER "') ~= ARGV[8] then return {'other'} end\n"
              "if redis.call('DBSIZE') <= 1 then return {'expired'} end\n"
              "redis.call('DEL', '" SPARE_MARKER "')\n"
              "local keys = redis.call('DBSIZE')\n"
              "redis.call('SWAPDB', ARGV[6], ARGV[7])\n"
              "redis.call('SELECT', ARGV[7])\n"
              "local left = redis.call('DBSIZE')\n"
              "if left == 0 then return {'done', keys, 0} end\n"
              "local set = mark(ARGV[9], ARGV[6], left, ARGV[10], ARGV[11], true)\n"
              "if set.err then\n"
              "  redis.call('SWAPDB', ARGV[6], ARGV[7])\n"
              "  redis.pcall('SET', '" SPARE_MARKER "', ARGV[8])\n"
              "  return {'marker', set.err}\n"
              "end\n"
              "return {'done', keys, left}\n";

static const char empty[] =
    CLOCK "redis.call('SELECT', ARGV[1])\n"
          "if redis.call('GET', '" SPARE_MARKER "') ~= ARGV[2] then return {'other'} end\n"
          "if now < tonumber(ARGV[3]) then return {'early'} end\n"
          "local keys = redis.call('DBSIZE') - 1\n"
          "redis.call('FLUSHDB', 'ASYNC')\n"
          "return {'done', keys}\n";

static const char look[] =
    "local now = tonumber(redis.call('TIME')[1])\n"
    "redis.call('SELECT', ARGV[1])\n"
    "local marker = redis.pcall('GETRANGE', '" SPARE_MARKER "', 0, ARGV[2] - 1)\n"
    "if type(marker) ~= 'string' then marker = '' end\n"
    "return {redis.call('DBSIZE'), marker, now}\n";

static const char unlink_keys[] =
    EFFECTS IDENTITY "return {'done', redis.call('UNLINK', unpack(KEYS))}\n";

static const char *const scripts[] = {
    [SCRIPT_FLUSH] = flush, [SCRIPT_FLUSH_NOW] = flush_now, [SCRIPT_UNDO] = undo,
    [SCRIPT_EMPTY] = empty, [SCRIPT_LOOK] = look,           [SCRIPT_UNLINK] = unlink_keys,
};

const char *redis_script_text(enum redis_script script)
{
    return scripts[script];
}

void redis_script_send(struct redis_act *act, unsigned tag, enum redis_script script,
                       const struct redis_identity *identity, int64_t latest,
                       const char *const *args, const size_t *lengths, int count)
{
    const char *argv[3 + COMMON + ARGS_MAX] = {"EVAL", scripts[script], "0"};
    size_t sizes[3 + COMMON + ARGS_MAX];
    char time[24];
    int argc = 3;

    assert(count <= ARGS_MAX);
    snprintf(time, sizeof(time), "%lld", (long long)latest);
    if (identity) {
        argv[argc++] = identity->run_id;
        argv[argc++] = identity->role;
        argv[argc++] = identity->replid;
        argv[argc++] = identity->swaps;
        argv[argc++] = time;
    }
    for (int i = 0; i < argc; i++)
        sizes[i] = strlen(argv[i]);
    for (int i = 0; i < count; i++) {
        argv[argc] = args[i];
        sizes[argc++] = lengths ? lengths[i] : strlen(args[i]);
    }
    redis_act_send(act, tag, argc, argv, sizes);
}

/* ---- answers ---- */

#define AGAIN "; it must be prepared again"

static const struct {
    const char *word;
    enum outcome_status status;
    const char *why;
} refusals[] = {
    {"server", OUTCOME_REFUSED,
     "the server is another one than it was when this was prepared" AGAIN},
    {"role", OUTCOME_REFUSED, "there was a fail-over since this was prepared" AGAIN},
    {"swapped", OUTCOME_REFUSED,
     "databases were swapped (SWAPDB) since this was prepared, so its number may mean another "
     "one" AGAIN},
    {"late", OUTCOME_REFUSED, "the server took so long to answer that nothing was done" AGAIN},
    {"spare", OUTCOME_REFUSED, "the spare database is not empty any more" AGAIN},
    {"other", OUTCOME_REFUSED, "what waits in the spare database is not what it was" AGAIN},
    {"early", OUTCOME_REFUSED, "its time has not come"},
    {"empty", OUTCOME_NOTHING, "the database is empty already"},
    {"expired", OUTCOME_NOTHING, "what was flushed has expired or was evicted meanwhile"},
};

static const char *why_of(const char *word)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(word, refusals[i].word) == 0)
            return refusals[i].why;
    }
    return NULL;
}

const char *redis_script_changed(const struct redis_identity *was, const struct redis_identity *now)
{
    if (strcmp(was->run_id, now->run_id) != 0)
        return why_of("server");
    if (strcmp(was->role, now->role) != 0 || strcmp(was->replid, now->replid) != 0)
        return why_of("role");
    return strcmp(was->swaps, now->swaps) != 0 ? why_of("swapped") : NULL;
}

int64_t redis_reply_integer(const redisReply *reply, size_t index)
{
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements ||
        reply->element[index]->type != REDIS_REPLY_INTEGER)
        return -1;
    return reply->element[index]->integer;
}

static const char *word_of(const redisReply *reply, size_t index)
{
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements ||
        reply->element[index]->type != REDIS_REPLY_STRING)
        return "";
    return reply->element[index]->str;
}

/* The server's words without the numbers of the script that it adds. */
static char *explain_error(const redisReply *reply, const struct redis_address *address)
{
    struct redis_fault fault = {.error = ""};
    const char *tail;

    if (memmem(reply->str, reply->len, "executing the script can't run", 30) ||
        memmem(reply->str, reply->len, "ACL failure", 11))
        return mem_printf("user %s may not run one of SWAPDB, FLUSHDB, SELECT, DBSIZE, GET, SET, "
                          "DEL and INFO (ACL)",
                          address->user ? address->user : "default");
    tail = strstr(reply->str, " script: ");
    redis_fault_reply(reply->str, tail ? (size_t)(tail - reply->str) : reply->len, "eval", address,
                      &fault);
    return fault.hint[0] ? mem_printf("%s: %s", fault.error, fault.hint) : mem_strdup(fault.error);
}

enum outcome_status redis_script_outcome(const redisReply *reply,
                                         const struct redis_address *address, char **why)
{
    const char *word = word_of(reply, 0);

    *why = NULL;
    if (strcmp(word, "done") == 0)
        return OUTCOME_DONE;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(word, refusals[i].word) == 0) {
            *why = mem_strdup(refusals[i].why);
            return refusals[i].status;
        }
    }
    if (reply->type == REDIS_REPLY_ERROR)
        *why = explain_error(reply, address);
    else if (strcmp(word, "marker") == 0)
        *why = mem_printf("the marker %s cannot be written: %s", SPARE_MARKER, word_of(reply, 1));
    else
        *why = mem_strdup("the server's answer is not understood");
    return OUTCOME_FAILED;
}
