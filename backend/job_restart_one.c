#include "backend/job_restart_one.h"

#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/job_place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RUN_MS = 10000,    /* from the engine's answer until it must run */
    BESIDE_MS = 60000, /* that the engine may need beside the grace */
    GRACE_MAX_S = 3600,
    TICK_MS = 50
};

struct restart_target {
    struct job *job;
    struct container_client client;
    const char *id, *name;
    double started; /* as in the plan; NAN: never */
    int grace;
};

static const char *text_of(const struct job *job, const char *name)
{
    return json_string_value(json_object_get(job->parameters, name));
}

bool job_restart_is_one(const struct job *job)
{
    return text_of(job, "container") != NULL;
}

/* ---- still the one? ---- */

static bool is_same_moment(double one, double other)
{
    return (isnan(one) && isnan(other)) || fabs(one - other) < 0.001;
}

/* NULL: it is as in the plan. */
static char *check(const struct restart_target *target)
{
    char *error = NULL, *why = NULL;
    struct container *container = job_place_inspect(&target->client, target->id, NULL, &error);

    if (!container)
        why = mem_printf("%s was not restarted: %s", target->name, error);
    else if (!is_same_moment(container->started, target->started))
        why = mem_printf("%s was not restarted: it was started anew since the plan was made; look "
                         "at it again",
                         target->name);
    container_unref(container);
    free(error);
    return why;
}

/* A stop timeout of its own, if that is longer: a database must not be killed sooner than its owner
 * has wished. */
static int grace_of(const struct restart_target *target)
{
    char *path = mem_printf("/containers/%s/json", target->id), *error = NULL;
    struct container_reply reply;
    int grace = target->grace;

    if (container_ask(&target->client, "GET", path, NULL, BESIDE_MS, &reply, &error)) {
        json_t *answer = json_loadb(reply.body, reply.len, 0, NULL);
        json_int_t own =
            json_integer_value(json_object_get(json_object_get(answer, "Config"), "StopTimeout"));

        if (own > grace)
            grace = own < GRACE_MAX_S ? (int)own : GRACE_MAX_S;
        json_decref(answer);
        explicit_bzero(reply.body, reply.len);
        container_reply_free(&reply);
    }
    free(error);
    free(path);
    return grace;
}

/* ---- doing it ---- */

static char *post(const struct restart_target *target)
{
    const int grace = grace_of(target);
    char *path = mem_printf("/containers/%s/restart?t=%d", target->id, grace), *error = NULL;
    struct container_reply reply;

    if (!container_ask(&target->client, "POST", path, NULL, 1000 * grace + BESIDE_MS, &reply,
                       &error)) {
        free(path);
        return error;
    }
    if (reply.status >= 300) {
        char *words = container_refusal(&reply);

        error = mem_printf("the engine could not restart %s: %s", target->name, words);
        free(words);
    }
    container_reply_free(&reply);
    free(path);
    return error;
}

static char *how_it_is(const struct restart_target *target, const struct container *container)
{
    return mem_printf("%s is %s after its restart (exit code %d)%s%s: 'docker logs %s' says why",
                      target->name, container_state_text(container->state), container->exit_code,
                      container->error && *container->error ? ": " : "",
                      container->error ? container->error : "", target->name);
}

/* NULL: it runs, by a start of its own, which is *started. */
static char *look(const struct restart_target *target, double *started)
{
    char *why = NULL;
    struct container *container = job_place_inspect(&target->client, target->id, NULL, &why);

    if (container && (container->state != CONTAINER_RUNNING ||
                      is_same_moment(container->started, target->started)))
        why = how_it_is(target, container);
    else if (container)
        *started = container->started;
    container_unref(container);
    return why;
}

static char *wait_until_it_runs(const struct restart_target *target, double *started)
{
    const struct timespec tick = {0, TICK_MS * 1000000L};
    const int64_t until = job_clock() + RUN_MS;
    char *why = look(target, started);

    while (why && job_clock() < until && nanosleep(&tick, NULL) == 0) {
        free(why);
        why = look(target, started);
    }
    return why;
}

/* What fails at its start has run for a moment, too. */
static char *see_that_it_stays(const struct restart_target *target, double started)
{
    const struct timespec moment = {1, 0};
    double again = started;
    char *why;

    nanosleep(&moment, NULL);
    why = look(target, &again);
    if (!why && !is_same_moment(started, again))
        why = mem_printf("%s ended at once after its restart, and was started again by its restart "
                         "policy: 'docker logs %s' says why",
                         target->name, target->name);
    return why;
}

static char *restart(const struct restart_target *target, char **done)
{
    char *why = check(target);
    const int64_t began = job_clock();
    double started = NAN, took;

    if (why || job_cancelled(target->job))
        return why ? why : mem_strdup("cancelled");
    job_report(target->job, "restarting the container");
    why = post(target);
    if (!why)
        why = wait_until_it_runs(target, &started);
    took = (double)(job_clock() - began) / 1e3;
    if (!why)
        why = see_that_it_stays(target, started);
    if (!why)
        *done = mem_printf("the container %s was restarted in %.1f s", target->name, took);
    return why;
}

char *job_restart_container(struct job *job, char **done)
{
    const json_t *started = json_object_get(job->parameters, "started");
    const json_t *grace = json_object_get(job->parameters, "grace");
    struct restart_target target = {
        .job = job,
        .id = text_of(job, "container"),
        .name = text_of(job, "name"),
        .started = json_is_number(started) ? json_number_value(started) : NAN,
        .grace = (int)json_integer_value(grace),
    };
    char *why = NULL;

    *done = NULL;
    if (!container_client_open(text_of(job, "socket"), &target.client, &why))
        return why;
    why = restart(&target, done);
    container_client_close(&target.client);
    return why;
}
