/* The job that removes the keys of a pattern: SCAN, then UNLINK in batches, with pauses. */
#include "backend/job_delete.h"

#include "backend/act_keys.h"
#include "backend/base/mem.h"
#include "backend/job_impl.h"
#include "backend/redis_act.h"
#include "backend/redis_script.h"
#include "backend/redis_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SCAN_COUNT = 1000, ANSWER_MS = 60000, PAUSE_MOST_MS = 100 };

struct deleting {
    struct job *job;
    struct redis_sync sync;
    struct redis_identity prepared; /* what must still hold */
    bool no_script;                 /* EVAL may not be run */
    char *pattern;
    char cursor[24];
    double began; /* s, monotonic */
};

static double clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool should_stop(void *context)
{
    return job_cancelled(context);
}

/* ---- asking ---- */

/* The answer, which the caller frees; NULL after job_fail, or cancelled. */
static redisReply *ask_any(struct deleting *deleting, int argc, const char **argv,
                           const size_t *lengths)
{
    char *error;
    redisReply *reply = redis_sync_ask(&deleting->sync, argc, argv, lengths, ANSWER_MS, &error);

    if (!reply && error)
        job_fail(deleting->job, "%s", error);
    free(error);
    return reply;
}

/* The same; NULL also if it is not of this type. */
static redisReply *ask(struct deleting *deleting, int type, int argc, const char **argv,
                       const size_t *lengths)
{
    struct redis_fault fault = {.error = ""};
    char command[16];
    redisReply *reply = ask_any(deleting, argc, argv, lengths);

    if (!reply || reply->type == type)
        return reply;
    snprintf(command, sizeof(command), "%s", argv[0]);
    for (char *c = command; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (reply->type == REDIS_REPLY_ERROR)
        redis_fault_reply(reply->str, reply->len, command, &deleting->sync.address, &fault);
    else
        snprintf(fault.error, sizeof(fault.error), "the answer to %s is not understood", argv[0]);
    job_fail(deleting->job, "%s%s%s", fault.error, fault.hint[0] ? ": " : "", fault.hint);
    freeReplyObject(reply);
    return NULL;
}

static const char *text_of(const struct job *job, const char *name)
{
    const char *text = json_string_value(json_object_get(job->parameters, name));

    return text ? text : "";
}

/* ---- the server that was looked at ---- */

static void read_prepared(struct deleting *deleting)
{
    struct redis_identity *prepared = &deleting->prepared;
    const struct job *job = deleting->job;

    snprintf(prepared->run_id, sizeof(prepared->run_id), "%s", text_of(job, "run_id"));
    snprintf(prepared->role, sizeof(prepared->role), "master");
    snprintf(prepared->replid, sizeof(prepared->replid), "%s", text_of(job, "replid"));
    snprintf(prepared->swaps, sizeof(prepared->swaps), "%s", text_of(job, "swaps"));
}

static bool fail_changed(struct deleting *deleting, const char *why)
{
    char keys[40];

    if (deleting->began <= 0)
        return job_fail(deleting->job, "nothing was removed: %s", why);
    return job_fail(deleting->job, "stopped after %s: %s",
                    count_keys(keys, (long long)deleting->job->info.items), why);
}

static bool check_identity(struct deleting *deleting)
{
    const char *info[] = {"INFO"}, *stats[] = {"INFO", "commandstats"};
    struct redis_identity now = {.run_id = ""};
    redisReply *all = ask(deleting, REDIS_REPLY_STRING, 1, info, NULL);
    redisReply *calls = all ? ask(deleting, REDIS_REPLY_STRING, 2, stats, NULL) : NULL;
    const char *why = NULL;
    bool known = calls != NULL;

    if (calls) {
        redis_identity_parse(all->str, all->len, calls->str, calls->len, &now);
        why = redis_script_changed(&deleting->prepared, &now);
        freeReplyObject(calls);
    }
    if (all)
        freeReplyObject(all);
    return why ? fail_changed(deleting, why) : known;
}

static bool select_db(struct deleting *deleting)
{
    char number[16];
    const char *argv[] = {"SELECT", number};
    redisReply *reply;

    snprintf(number, sizeof(number), "%d",
             (int)json_integer_value(json_object_get(deleting->job->parameters, "db")));
    reply = ask(deleting, REDIS_REPLY_STATUS, 2, argv, NULL);
    if (reply)
        freeReplyObject(reply);
    return reply != NULL;
}

/* ---- removing ---- */

static void rest_until(struct deleting *deleting, double until)
{
    while (!job_cancelled(deleting->job)) {
        double left = until - clock_now();
        const double most = PAUSE_MOST_MS / 1e3;
        struct timespec pause = {0};

        if (left <= 0)
            return;
        pause.tv_nsec = (long)((left < most ? left : most) * 1e9);
        nanosleep(&pause, NULL);
        job_report(deleting->job, NULL);
    }
}

/* So slow that the keys removed so far are within the rate. */
static void rest(struct deleting *deleting)
{
    rest_until(deleting, deleting->began + deleting->job->info.items / JOB_DELETE_RATE);
}

/* EVAL script n key … argument …: the keys have a place before them for another command's name. */
enum { KEYS_AT = 3, ARGS = 4 };

struct batch {
    const char *argv[KEYS_AT + JOB_DELETE_BATCH + ARGS];
    size_t lengths[KEYS_AT + JOB_DELETE_BATCH + ARGS];
    int end;
};

static void batch_set(struct batch *batch, int at, const char *text, size_t len)
{
    batch->argv[at] = text;
    batch->lengths[at] = len;
}

static void batch_fill(struct batch *batch, redisReply *const *keys, size_t count)
{
    batch->end = KEYS_AT;
    for (size_t i = 0; i < count; i++) {
        if (keys[i]->type == REDIS_REPLY_STRING)
            batch_set(batch, batch->end++, keys[i]->str, keys[i]->len);
    }
}

/* Where no script may be run, what it would check is looked at just before. */
static bool unlink_plain(struct deleting *deleting, struct batch *batch)
{
    const int at = KEYS_AT - 1;
    redisReply *reply;

    if (!check_identity(deleting))
        return false;
    batch_set(batch, at, "UNLINK", strlen("UNLINK"));
    reply =
        ask(deleting, REDIS_REPLY_INTEGER, batch->end - at, batch->argv + at, batch->lengths + at);
    if (!reply)
        return false;
    deleting->job->info.items += (double)reply->integer;
    freeReplyObject(reply);
    return true;
}

static redisReply *send_script(struct deleting *deleting, struct batch *batch)
{
    const struct redis_identity *prepared = &deleting->prepared;
    const char *text = redis_script_text(SCRIPT_UNLINK);
    const char *const args[ARGS] = {prepared->run_id, prepared->role, prepared->replid,
                                    prepared->swaps};
    char count[16];
    int len = snprintf(count, sizeof(count), "%d", batch->end - KEYS_AT);

    batch_set(batch, 0, "EVAL", strlen("EVAL"));
    batch_set(batch, 1, text, strlen(text));
    batch_set(batch, 2, count, (size_t)len);
    for (int i = 0; i < ARGS; i++)
        batch_set(batch, batch->end + i, args[i], strlen(args[i]));
    return ask_any(deleting, batch->end + ARGS, batch->argv, batch->lengths);
}

/* Any error is one of EVAL or UNLINK, after which nothing has been done: tried without a script, it
 * either works or says what is wrong. */
static bool unlink_batch(struct deleting *deleting, struct batch *batch)
{
    redisReply *reply = deleting->no_script ? NULL : send_script(deleting, batch);
    bool done = false;
    char *why;

    if (!reply && !deleting->no_script)
        return false;
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        deleting->no_script = true;
        if (reply)
            freeReplyObject(reply);
        return unlink_plain(deleting, batch);
    }
    done = redis_script_outcome(reply, &deleting->sync.address, &why) == OUTCOME_DONE;
    if (done)
        deleting->job->info.items += (double)redis_reply_integer(reply, 1);
    else
        fail_changed(deleting, why);
    free(why);
    freeReplyObject(reply);
    return done;
}

static bool unlink_some(struct deleting *deleting, redisReply *const *keys, size_t count)
{
    struct batch batch;

    batch_fill(&batch, keys, count);
    if (batch.end == KEYS_AT)
        return true;
    if (!unlink_batch(deleting, &batch))
        return false;
    job_report(deleting->job, NULL);
    rest(deleting);
    return !job_cancelled(deleting->job);
}

static bool unlink_all(struct deleting *deleting, const redisReply *keys)
{
    for (size_t i = 0; i < keys->elements; i += JOB_DELETE_BATCH) {
        size_t left = keys->elements - i;

        if (!unlink_some(deleting, keys->element + i,
                         left < JOB_DELETE_BATCH ? left : JOB_DELETE_BATCH))
            return false;
    }
    return true;
}

/* False: it failed or was cancelled. */
static bool remove_slice(struct deleting *deleting)
{
    char count[16];
    const char *argv[] = {"SCAN", deleting->cursor, "MATCH", deleting->pattern, "COUNT", count};
    double began = clock_now();
    redisReply *reply;
    bool good;

    snprintf(count, sizeof(count), "%d", SCAN_COUNT);
    reply = ask(deleting, REDIS_REPLY_ARRAY, 6, argv, NULL);
    if (!reply)
        return false;
    /* The server's other clients come first, where there is nothing to remove too. */
    rest_until(deleting, 2 * clock_now() - began);
    good = reply->elements == 2 && reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
    if (good)
        snprintf(deleting->cursor, sizeof(deleting->cursor), "%s", reply->element[0]->str);
    else
        job_fail(deleting->job, "the answer to SCAN is not understood");
    good = good && unlink_all(deleting, reply->element[1]);
    freeReplyObject(reply);
    return good && !job_cancelled(deleting->job);
}

static bool remove_all(struct deleting *deleting)
{
    job_report(deleting->job, "removing keys");
    deleting->began = clock_now();
    memcpy(deleting->cursor, "0", 2);
    do {
        if (!remove_slice(deleting))
            return false;
    } while (strcmp(deleting->cursor, "0") != 0);
    /* A database that came in between may have had no key that matches. */
    return check_identity(deleting);
}

/* ---- the work ---- */

/* NULL: the parameter is no pattern. */
static char *unhex(const char *text)
{
    size_t len = strlen(text) / 2;
    char *bytes = mem_zalloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;

        if (sscanf(text + 2 * i, "%2x", &value) != 1 || value == 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (char)value;
    }
    if (!len) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* Also after a cancel: what is gone is gone. */
static void conclude(struct deleting *deleting, bool done)
{
    struct job *job = deleting->job;
    char *pattern = key_text(deleting->pattern, strlen(deleting->pattern), 100);
    char removed[40], counted[32];

    job->info.result = mem_printf("%s%s that match %s in %.1f s (%s counted before)",
                                  done ? "removed " : "cancelled after it had removed ",
                                  count_keys(removed, (long long)job->info.items), pattern,
                                  clock_now() - deleting->began,
                                  count_text(counted, (long long)job->info.items_total));
    free(pattern);
}

static bool run(struct job *job)
{
    struct deleting deleting = {.job = job, .sync = {.stop = should_stop, .context = job}};
    char *error = NULL;
    bool done;

    job->info.items = 0;
    job->info.items_total = (double)json_integer_value(json_object_get(job->parameters, "count"));
    deleting.pattern = unhex(text_of(job, "pattern"));
    if (!deleting.pattern || !job->redis) {
        free(deleting.pattern);
        return job_fail(job, "the job's parameters are damaged");
    }
    read_prepared(&deleting);
    job_report(job, "connecting");
    done = redis_sync_open(&deleting.sync, job->redis, &error);
    if (error)
        job_fail(job, "%s", error);
    free(error);
    done = done && check_identity(&deleting) && select_db(&deleting) && remove_all(&deleting);
    if (deleting.began > 0)
        conclude(&deleting, done);
    redis_sync_close(&deleting.sync);
    free(deleting.pattern);
    return done;
}

const struct job_work job_delete = {.act = ACT_DELETE, .run = run};
