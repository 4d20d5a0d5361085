#include "backend/act_keys.h"
#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/plan.h"
#include "backend/redis_act.h"
#include "backend/redis_script.h"
#include "backend/redis_spare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 250, RETRY_MS = 30000, ANSWER_MS = 10000, REPORT_MOST = 4096 };

/* One Redis. What is being emptied is known by its marker. */
struct keeping {
    struct spare_keeper *keeper;
    const struct instance *instance;
    struct redis_act *act;
    bool busy;         /* from the intent until the outcome is recorded */
    char *marker;      /* the one that is dealt with, or was last */
    uint64_t again_at; /* ms: when a marker that could not be dealt with is tried again */
    int db;            /* where its content was */
    bool undone;       /* an undo has put it there, not a flush */
    double until;
    char id[48];
};

struct spare_keeper {
    uv_loop_t *loop;
    struct backend *backend;
    const struct config *config;
    uv_timer_t timer;
    struct keeping *keepings;
    size_t count;
    unsigned counter, open; /* open: the timer, connections, lines that are being written */
    bool closing;
    struct strbuf report;
    void (*gone)(void *context);
    void *context;
};

/* ---- life ---- */

static void release(struct spare_keeper *keeper)
{
    void (*gone)(void *context) = keeper->gone;
    void *context = keeper->context;

    if (--keeper->open)
        return;
    for (size_t i = 0; i < keeper->count; i++)
        free(keeper->keepings[i].marker);
    free(keeper->keepings);
    strbuf_free(&keeper->report);
    free(keeper);
    if (gone)
        gone(context);
}

static void on_act_gone(void *context)
{
    release(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void drop_act(struct keeping *keeping)
{
    if (keeping->act)
        redis_act_close(keeping->act, on_act_gone, keeping->keeper);
    keeping->act = NULL;
}

/* ---- the record ---- */

static void record(struct keeping *keeping, json_t *line,
                   void (*done)(void *context, const char *error))
{
    struct spare_keeper *keeper = keeping->keeper;
    char *error = NULL, *path = audit_path(keeper->config, &error);

    keeper->open++;
    if (path) {
        audit_append_later(keeper->loop, path, line, done, keeping);
    } else {
        json_decref(line);
        done(keeping, error);
    }
    free(path);
    free(error);
}

static json_t *intent(const struct keeping *keeping)
{
    const struct redis_config *config = keeping->instance->redis_config;
    const struct redis_db_config *db = redis_database(config, keeping->db);
    json_t *line = audit_line(keeping->id, "intent"), *commands = json_array();
    char target[64];

    snprintf(target, sizeof(target), "%d (what was in %d)", config->trash_db, keeping->db);
    json_array_append_new(commands, json_string("FLUSHDB ASYNC"));
    json_object_set_new(line, "act", json_string("empty-spare"));
    json_object_set_new(line, "instance", json_bytes(keeping->instance->name));
    json_object_set_new(line, "address", json_bytes(keeping->instance->address));
    json_object_set_new(line, "environment",
                        json_string(environment_name(db ? db->environment : ENV_UNKNOWN)));
    json_object_set_new(line, "target", json_string(target));
    json_object_set_new(line, "commands", commands);
    json_object_set_new(line, "marker", json_bytes(keeping->marker));
    return line;
}

static void report(struct keeping *keeping, const char *text)
{
    struct strbuf *all = &keeping->keeper->report;

    if (all->len > REPORT_MOST)
        strbuf_clear(all);
    strbuf_addf(all, "%s: %s\n", keeping->instance->name, text);
}

static void on_outcome_recorded(void *context, const char *error)
{
    struct keeping *keeping = context;

    if (error && !keeping->keeper->closing)
        report(keeping, error);
    keeping->busy = false;
    release(keeping->keeper);
}

/* The end of one try. word: as for an act's outcome. */
static void finish(struct keeping *keeping, const char *word, const char *text)
{
    json_t *line = audit_line(keeping->id, "outcome");

    drop_act(keeping);
    json_object_set_new(line, "act", json_string("empty-spare"));
    json_object_set_new(line, "status", json_string(word));
    json_object_set_new(line, "outcome", json_bytes(text));
    record(keeping, line, on_outcome_recorded);
}

static void fail(struct keeping *keeping, const char *why)
{
    char *text = mem_printf("the spare database %d could not be emptied: %s",
                            keeping->instance->redis_config->trash_db, why);

    keeping->again_at = uv_now(keeping->keeper->loop) + RETRY_MS;
    report(keeping, text);
    finish(keeping, "failed", text);
    free(text);
}

/* ---- emptying ---- */

static void on_reply(void *context, const redisReply *reply, unsigned tag)
{
    struct keeping *keeping = context;
    char *why, *text, keys[40];
    enum outcome_status status =
        redis_script_outcome(reply, redis_conn_address(redis_act_conn(keeping->act)), &why);

    (void)tag;
    if (status == OUTCOME_FAILED) {
        fail(keeping, why);
    } else if (status != OUTCOME_DONE) {
        /* Another dashboard was quicker, or somebody has brought it back. */
        finish(keeping, "nothing", why);
    } else {
        text = mem_printf("emptied the spare database %d: %s that %s of %d had moved there",
                          keeping->instance->redis_config->trash_db,
                          count_keys(keys, redis_reply_integer(reply, 1)),
                          keeping->undone ? "an undo" : "a flush", keeping->db);
        report(keeping, text);
        finish(keeping, "done", text);
        free(text);
    }
    free(why);
}

static void on_ready(void *context)
{
    const struct keeping *keeping = context;
    char spare[16], until[24];
    const char *args[] = {spare, keeping->marker, until};

    snprintf(spare, sizeof(spare), "%d", keeping->instance->redis_config->trash_db);
    snprintf(until, sizeof(until), "%.0f", keeping->until);
    redis_script_send(keeping->act, 0, SCRIPT_EMPTY, NULL, 0, args, NULL, 3);
    redis_act_flush(keeping->act, ANSWER_MS);
}

static void on_failed(void *context, const char *error)
{
    fail(context, error);
}

static const struct redis_act_events act_events = {
    .ready = on_ready, .failed = on_failed, .reply = on_reply};

static void on_intent_recorded(void *context, const char *error)
{
    struct keeping *keeping = context;
    struct spare_keeper *keeper = keeping->keeper;

    if (error && !keeper->closing) {
        char *text = mem_printf("the spare database %d was not emptied, since that could not be "
                                "recorded: %s",
                                keeping->instance->redis_config->trash_db, error);

        report(keeping, text);
        free(text);
        keeping->again_at = uv_now(keeper->loop) + RETRY_MS;
        keeping->busy = false;
    } else if (keeper->closing) {
        keeping->busy = false;
    } else {
        keeper->open++;
        keeping->act =
            redis_act_open(keeper->loop, keeping->instance->redis_config,
                           keeping->instance->redis_config->trash_db, &act_events, keeping);
    }
    release(keeper);
}

static void name_try(struct keeping *keeping)
{
    time_t now = time(NULL);
    struct tm parts;
    char day[20];

    gmtime_r(&now, &parts);
    strftime(day, sizeof(day), "%Y%m%dT%H%M%SZ", &parts);
    snprintf(keeping->id, sizeof(keeping->id), "%s-%ld-s%u", day, (long)getpid(),
             ++keeping->keeper->counter);
}

static void begin(struct keeping *keeping)
{
    const struct redis_spare *spare = keeping->instance->redis.spare;

    free(keeping->marker);
    keeping->marker = mem_strdup(spare->marker);
    keeping->db = spare->db;
    keeping->undone = spare->undone;
    keeping->until = spare->until;
    keeping->again_at = UINT64_MAX;
    keeping->busy = true;
    name_try(keeping);
    record(keeping, intent(keeping), on_intent_recorded);
}

/* ---- looking ---- */

/* Past its time, on a server that takes writes. */
static bool is_over(const struct keeping *keeping)
{
    const struct redis_snapshot *redis = &keeping->instance->redis;

    return !keeping->keeper->config->read_only && redis->spare && redis->spare->present &&
           redis->spare->now >= redis->spare->until && redis->info &&
           strcmp(redis->info->role, "master") == 0 && keeping->instance->state == INSTANCE_UP;
}

static bool is_known(const struct keeping *keeping)
{
    const char *marker = keeping->instance->redis.spare->marker;

    return keeping->marker && strcmp(keeping->marker, marker) == 0;
}

static void on_look(uv_timer_t *timer)
{
    struct spare_keeper *keeper = timer->data;

    for (size_t i = 0; i < keeper->count; i++) {
        struct keeping *keeping = &keeper->keepings[i];

        if (!keeping->busy && is_over(keeping) &&
            (!is_known(keeping) || keeping->again_at <= uv_now(keeper->loop)))
            begin(keeping);
    }
}

struct spare_keeper *spare_keeper_new(uv_loop_t *loop, struct backend *backend,
                                      const struct config *config)
{
    struct spare_keeper *keeper = mem_zalloc(sizeof(*keeper));

    keeper->loop = loop;
    keeper->backend = backend;
    keeper->config = config;
    keeper->open = 1;
    keeper->keepings = mem_array(NULL, config->redis_count, sizeof(*keeper->keepings));
    for (size_t i = 0; i < config->redis_count; i++) {
        if (config->redis[i]->trash_db >= 0)
            keeper->keepings[keeper->count++] = (struct keeping){
                .keeper = keeper, .instance = backend_instance(backend, INSTANCE_REDIS, i)};
    }
    uv_timer_init(loop, &keeper->timer);
    keeper->timer.data = keeper;
    uv_timer_start(&keeper->timer, on_look, LOOK_MS, LOOK_MS);
    return keeper;
}

static bool is_idle(const struct keeping *keeping)
{
    const struct instance *instance = keeping->instance;

    if (keeping->busy)
        return false;
    if (instance->state == INSTANCE_DOWN || instance->source_error[REDIS_SPARE])
        return true;
    if (!instance->redis.spare)
        return false;
    return !is_over(keeping) || is_known(keeping);
}

bool spare_keeper_idle(const struct spare_keeper *keeper)
{
    for (size_t i = 0; i < keeper->count; i++) {
        if (!is_idle(&keeper->keepings[i]))
            return false;
    }
    return true;
}

const char *spare_keeper_report(const struct spare_keeper *keeper)
{
    return keeper->report.s ? keeper->report.s : "";
}

void spare_keeper_close(struct spare_keeper *keeper, void (*gone)(void *context), void *context)
{
    keeper->closing = true;
    keeper->gone = gone;
    keeper->context = context;
    for (size_t i = 0; i < keeper->count; i++) {
        if (keeper->keepings[i].act)
            finish(&keeper->keepings[i], "unknown",
                   "the program was ended before the outcome was known");
    }
    uv_close((uv_handle_t *)&keeper->timer, on_timer_closed);
}
