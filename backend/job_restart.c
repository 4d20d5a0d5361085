/* The restart of the shared services: runs the configured command, or has the engine restart one
 * container, then looks whether every server has come up again, and for how long it was gone. */
#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/job_probe.h"
#include "backend/job_restart_one.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum {
    FIRST_MS = 5000,  /* for the first look at all of them */
    COME_MS = 120000, /* until they must be up */
    TICK_MS = 50
};

struct restart {
    struct probes *probes;
    char *line; /* the command's last, not yet told */
    char *done; /* what was done to one container, in words; or NULL */
};

static void nap(void)
{
    const struct timespec tick = {0, TICK_MS * 1000000L};

    nanosleep(&tick, NULL);
}

static void on_line(struct job *job, const char *line, void *context)
{
    struct restart *restart = context;

    (void)job;
    free(restart->line);
    restart->line = mem_strdup(line);
}

static void on_tick(struct job *job, void *context)
{
    struct restart *restart = context;

    job->info.items = (double)probes_up(restart->probes, 0);
    job_report(job, restart->line);
    free(restart->line);
    restart->line = NULL;
}

/* Which servers are up before it all begins. */
static void look_first(struct job *job, struct probes *probes)
{
    int64_t until = job_clock() + FIRST_MS;

    job->info.items_total = (double)probes_count(probes);
    job_report(job, "looking at the servers");
    while (!probes_looks(probes) && job_clock() < until && !job_cancelled(job))
        nap();
}

static bool fail_with_state(struct job *job, struct probes *probes, const char *why)
{
    struct strbuf state = {0};

    probes_tell_state(probes, &state);
    job_fail(job, "%s%s%s", why, state.s ? "; " : "", state.s ? state.s : "");
    strbuf_free(&state);
    return false;
}

/* Its verdict; the caller frees it. NULL: it ended well. */
static char *command_fault(const struct job_exit *result)
{
    const char *words = result->words ? result->words : "it says nothing";

    if (!result->started)
        return mem_printf("the shell cannot be run: %s", strerror(result->error));
    if (WIFSIGNALED(result->status))
        return mem_printf("the command was ended by signal %d", WTERMSIG(result->status));
    if (WEXITSTATUS(result->status) != 0)
        return mem_printf("the command ended with status %d: %s", WEXITSTATUS(result->status),
                          words);
    return NULL;
}

static bool run_command(struct job *job, struct restart *restart)
{
    char shell[] = "sh", option[] = "-c";
    char *script = mem_printf("exec >&2\n%s", job->config->restart_command), *fault;
    char *argv[] = {shell, option, script, NULL};
    const struct job_tool tool = {.argv = argv, .pass_fd = -1};
    const struct job_run run = {
        .in = -1, .out = -1, .line = on_line, .tick = on_tick, .context = restart};
    struct job_exit result;

    job_report(job, "running the command");
    job_child_run(job, &tool, &run, false, &result);
    on_tick(job, restart);
    fault = result.cancelled ? NULL : command_fault(&result);
    if (fault)
        fail_with_state(job, restart->probes, fault);
    free(result.words);
    free(script);
    free(fault);
    return !result.cancelled && !fault;
}

/* Each must answer what it is asked after the command's end. */
static bool wait_until_up(struct job *job, struct probes *probes)
{
    const int64_t since = job_clock(), until = since + COME_MS;
    size_t up;

    while ((up = probes_up(probes, since)) < probes_count(probes) && job_clock() < until &&
           !job_cancelled(job)) {
        struct strbuf phase = {0};

        strbuf_adds(&phase, "waiting for ");
        probes_missing(probes, since, &phase);
        job->info.items = (double)up;
        job_report(job, phase.s);
        strbuf_free(&phase);
        nap();
    }
    job->info.items = (double)up;
    if (up == probes_count(probes))
        return true;
    return job_cancelled(job) ? false
                              : fail_with_state(job, probes, "not all servers came up in 120 s");
}

static void tell_result(struct job *job, const struct restart *restart)
{
    struct probes *probes = restart->probes;
    struct strbuf text = {0};
    size_t count = probes_count(probes);

    if (restart->done)
        strbuf_addf(&text, "%s%s", restart->done, count ? "; " : "");
    if (count == 2)
        strbuf_adds(&text, "both up; ");
    else if (count == 1)
        strbuf_adds(&text, "up; ");
    else if (count)
        strbuf_addf(&text, "all %zu up; ", count);
    probes_tell(probes, &text);
    job->info.result = strbuf_take(&text);
}

/* A restart that was called off may have stopped something: say what. */
static void tell_cancelled(struct job *job, struct probes *probes)
{
    struct strbuf text = {0};

    strbuf_adds(&text, "cancelled; ");
    probes_tell_state(probes, &text);
    job->info.result = strbuf_take(&text);
}

/* The one server that is restarted, or all; the lists are the configuration's own. */
static struct config settings_of(const struct job *job, bool one)
{
    const char *postgres = json_string_value(json_object_get(job->parameters, "postgres"));
    const char *redis = json_string_value(json_object_get(job->parameters, "redis"));
    struct config settings = *job->config;

    if (!one)
        return settings;
    settings.postgres_count = settings.redis_count = 0;
    for (size_t i = 0; postgres && i < job->config->postgres_count; i++) {
        if (strcmp(job->config->postgres[i]->name, postgres) == 0) {
            settings.postgres = job->config->postgres + i;
            settings.postgres_count = 1;
        }
    }
    for (size_t i = 0; redis && i < job->config->redis_count; i++) {
        if (strcmp(job->config->redis[i]->name, redis) == 0) {
            settings.redis = job->config->redis + i;
            settings.redis_count = 1;
        }
    }
    return settings;
}

static bool run_container(struct job *job, struct restart *restart)
{
    char *error = job_restart_container(job, &restart->done);

    if (error && !job_cancelled(job))
        fail_with_state(job, restart->probes, error);
    free(error);
    return !error && !job_cancelled(job);
}

static bool run_restart(struct job *job)
{
    const bool one = job_restart_is_one(job);
    const struct config settings = settings_of(job, one);
    struct restart restart = {0};
    bool done = false;

    if (!one && !job->config->restart_command)
        return job_fail(job, "no command is configured: set restart.command");
    restart.probes = probes_start(&settings);
    look_first(job, restart.probes);
    if (!job_cancelled(job))
        done = one ? run_container(job, &restart) : run_command(job, &restart);
    done = done && wait_until_up(job, restart.probes);
    if (done)
        tell_result(job, &restart);
    else if (job_cancelled(job))
        tell_cancelled(job, restart.probes);
    probes_stop(restart.probes);
    free(restart.line);
    free(restart.done);
    return done;
}

const struct job_work job_restart = {.act = ACT_RESTART, .run = run_restart};
