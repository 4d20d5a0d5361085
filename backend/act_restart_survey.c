#include "backend/act_restart.h"

#include "backend/base/mem.h"
#include "backend/redis_conn.h"
#include "backend/redis_link.h"
#include "backend/redis_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 3000 };

struct asked {
    struct restart_survey *survey;
    struct restart_redis result; /* the survey's answer */
    struct redis_conn *conn;
    size_t waiting; /* answers that have not come */
    bool done;
};

struct restart_survey {
    struct action *action; /* NULL: it has gone */
    struct actions *door;
    void (*then)(struct action *action, const struct restart_facts *facts);
    uv_timer_t timer;
    uv_work_t work;
    struct job_list jobs;
    bool looking; /* for jobs */
    struct asked *items;
    size_t count, handles;
    bool told;
};

/* ---- counting ---- */

static enum environment environment_of(const struct redis_config *config, int db)
{
    const struct redis_db_config *database = redis_database(config, db);

    return database ? database->environment : ENV_UNKNOWN;
}

/* The number after " db=", or -1. */
static int database_of(const char *line, size_t len)
{
    static const char name[] = " db=";
    const char *end = line + len, *at = memmem(line, len, name, sizeof(name) - 1);
    int db = -1;

    if (!at)
        return -1;
    for (at += sizeof(name) - 1; at < end && *at >= '0' && *at <= '9' && db < 100000; at++)
        db = (db < 0 ? 0 : 10 * db) + (*at - '0');
    return db;
}

static bool is_own(const char *line, size_t len)
{
    static const char own[] = " name=" REDIS_CLIENT_NAME;

    return memmem(line, len, own, sizeof(own) - 1) != NULL;
}

void restart_count_clients(const char *text, size_t len, const struct redis_config *config,
                           long clients[RESTART_ENVIRONMENTS])
{
    const char *end = text + len;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((newline ? newline : end) - text);
        int db = database_of(text, line);

        if (db >= 0 && !is_own(text, line))
            clients[environment_of(config, db)]++;
        text += line + (newline != NULL);
    }
}

/* ---- life ---- */

static void free_survey(struct restart_survey *survey)
{
    struct actions *door = survey->door;

    if (--survey->handles)
        return;
    for (size_t i = 0; i < survey->count; i++)
        free(survey->items[i].result.error);
    job_list_free(&survey->jobs);
    free(survey->items);
    free(survey);
    actions_release(door);
}

static void on_gone(void *context)
{
    const struct asked *asked = context;

    free_survey(asked->survey);
}

static void on_closed(uv_handle_t *handle)
{
    free_survey(handle->data);
}

void restart_survey_release(struct action *action)
{
    struct restart_state *state = action->state;
    struct restart_survey *survey = state->survey;

    if (!survey)
        return;
    state->survey = NULL;
    survey->action = NULL;
    for (size_t i = 0; i < survey->count; i++)
        redis_conn_free(survey->items[i].conn);
    uv_close((uv_handle_t *)&survey->timer, on_closed);
}

/* ---- asking ---- */

static void tell(struct restart_survey *survey)
{
    struct restart_redis *results = mem_array(NULL, survey->count, sizeof(*results));
    const struct restart_facts facts = {results, survey->count, &survey->jobs};

    survey->told = true;
    uv_timer_stop(&survey->timer);
    for (size_t i = 0; i < survey->count; i++)
        results[i] = survey->items[i].result;
    survey->then(survey->action, &facts);
    free(results);
}

/* Later, since this may run inside of a connection's callback. */
static void on_all_done(uv_timer_t *timer)
{
    struct restart_survey *survey = timer->data;

    if (!survey->told)
        tell(survey);
}

static void tell_when_all_done(struct restart_survey *survey)
{
    if (survey->looking || !survey->action)
        return;
    for (size_t i = 0; i < survey->count; i++) {
        if (!survey->items[i].done)
            return;
    }
    uv_timer_start(&survey->timer, on_all_done, 0, 0);
}

static void end_asked(struct asked *asked, const char *error)
{
    if (error && !asked->result.error)
        asked->result.error = mem_strdup(error);
    if (asked->done)
        return;
    asked->done = true;
    tell_when_all_done(asked->survey);
}

static void on_silence(uv_timer_t *timer)
{
    struct restart_survey *survey = timer->data;

    for (size_t i = 0; i < survey->count; i++) {
        if (!survey->items[i].done)
            end_asked(&survey->items[i], "it does not answer");
    }
}

static void answered(struct asked *asked, const char *error)
{
    if (--asked->waiting == 0 || error)
        end_asked(asked, error);
}

static void on_clients(void *context, const redisReply *reply, unsigned tag)
{
    struct asked *asked = context;
    bool good = reply->type == REDIS_REPLY_STRING;

    (void)tag;
    if (good)
        restart_count_clients(reply->str, reply->len, asked->result.instance->redis_config,
                              asked->result.clients);
    answered(asked, good ? NULL : reply->str);
}

static void on_select(void *context, const redisReply *reply, unsigned tag)
{
    struct asked *asked = context;

    (void)tag;
    if (reply->type == REDIS_REPLY_ERROR && !asked->result.error)
        asked->result.error = mem_strdup(reply->str);
}

static void on_tasks(void *context, const redisReply *reply, unsigned tag)
{
    struct asked *asked = context;
    bool good = reply->type == REDIS_REPLY_INTEGER;

    if (good && !asked->result.error)
        asked->result.tasks[environment_of(asked->result.instance->redis_config, (int)tag)] +=
            (long)reply->integer;
    answered(asked, good ? NULL : reply->str);
}

static void ask_tasks(struct asked *asked, int db)
{
    char number[16];
    const char *select[] = {"SELECT", number}, *count[] = {"HLEN", "unacked"};

    snprintf(number, sizeof(number), "%d", db);
    redis_conn_command(asked->conn, on_select, asked, (unsigned)db, 2, select);
    redis_conn_command(asked->conn, on_tasks, asked, (unsigned)db, 2, count);
    asked->waiting++;
}

static void on_ready(void *context)
{
    struct asked *asked = context;
    const struct redis_config *config = asked->result.instance->redis_config;
    const char *list[] = {"CLIENT", "LIST"};

    redis_conn_command(asked->conn, on_clients, asked, 0, 2, list);
    asked->waiting = 1;
    for (size_t i = 0; i < config->database_count; i++) {
        if (config->databases[i].celery)
            ask_tasks(asked, config->databases[i].db);
    }
    redis_conn_flush(asked->conn);
}

static void on_failed(void *context, const struct redis_fault *fault)
{
    end_asked(context, fault->error);
}

static const struct redis_conn_events events = {
    .ready = on_ready, .failed = on_failed, .gone = on_gone};

static void ask(struct asked *asked)
{
    struct redis_address address;
    char *error = NULL;

    if (!redis_target(asked->result.instance->redis_config, &address, &error)) {
        end_asked(asked, error);
        free(error);
        return;
    }
    redis_conn_open(asked->conn, &address);
    redis_address_free(&address);
}

/* ---- jobs ---- */

static void read_jobs(uv_work_t *work)
{
    struct restart_survey *survey = work->data;
    char *error = NULL;

    job_list_read(&survey->jobs, &error);
    free(error);
}

static void jobs_read(uv_work_t *work, int status)
{
    struct restart_survey *survey = work->data;

    (void)status;
    survey->looking = false;
    tell_when_all_done(survey);
    free_survey(survey);
}

static void look_for_jobs(struct restart_survey *survey)
{
    survey->work.data = survey;
    survey->looking = uv_queue_work(survey->timer.loop, &survey->work, read_jobs, jobs_read) == 0;
    survey->handles += survey->looking;
}

static void add_asked(struct restart_survey *survey, const struct instance *instance)
{
    struct asked *asked = &survey->items[survey->count++];

    *asked = (struct asked){.survey = survey, .result.instance = instance};
    asked->conn = redis_conn_new(survey->timer.loop, &events, asked);
}

void restart_survey(struct action *action, bool all, const struct instance *only,
                    void (*done)(struct action *action, const struct restart_facts *facts))
{
    struct restart_survey *survey = mem_zalloc(sizeof(*survey));
    const struct backend *backend = actions_backend(action->door);
    const size_t most = backend_count(backend, INSTANCE_REDIS);

    ((struct restart_state *)action->state)->survey = survey;
    survey->action = action;
    survey->door = action->door;
    survey->then = done;
    survey->items = mem_array(NULL, most, sizeof(*survey->items));
    actions_hold(survey->door);
    uv_timer_init(action->loop, &survey->timer);
    survey->timer.data = survey;
    for (size_t i = 0; i < most; i++) {
        const struct instance *instance = backend_instance(backend, INSTANCE_REDIS, i);

        if (all || instance == only)
            add_asked(survey, instance);
    }
    survey->handles = survey->count + 1;
    uv_timer_start(&survey->timer, on_silence, ANSWER_MS, 0);
    look_for_jobs(survey);
    for (size_t i = 0; i < survey->count; i++)
        ask(&survey->items[i]);
    tell_when_all_done(survey);
}
