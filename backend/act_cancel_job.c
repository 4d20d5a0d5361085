#include "backend/action_impl.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 150, END_MS = 20000 };

/* Looks at the job off the loop; may outlive the action. */
struct look {
    struct action *action; /* NULL: it has gone */
    struct actions *door;
    uv_work_t work;
    uv_timer_t timer;
    char *id, *error;
    struct job_info job;
    char *environment; /* of the job's plan, or NULL */
    bool cancel, working, closed;
    uint64_t until; /* ms of the loop: then it is waited no longer */
    void (*then)(struct look *look);
};

struct state {
    struct look *look;
};

static void free_look(struct look *look)
{
    struct actions *door = look->door;

    if (look->working || !look->closed)
        return;
    job_info_free(&look->job);
    free(look->environment);
    free(look->error);
    free(look->id);
    free(look);
    actions_release(door);
}

static void on_closed(uv_handle_t *handle)
{
    struct look *look = handle->data;

    look->closed = true;
    free_look(look);
}

static void release(struct action *action)
{
    const struct state *state = action->state;
    struct look *look = state->look;

    if (!look)
        return;
    look->action = NULL;
    uv_close((uv_handle_t *)&look->timer, on_closed);
}

static struct look *new_look(struct action *action)
{
    struct look *look = mem_zalloc(sizeof(*look));
    struct state *state = action->state;

    look->action = action;
    look->door = action->door;
    look->id = mem_strdup(action->request.job);
    job_info_init(&look->job);
    uv_timer_init(action->loop, &look->timer);
    look->timer.data = look->work.data = look;
    actions_hold(look->door);
    state->look = look;
    return look;
}

/* ---- the job, as it is on disk ---- */

static void read_environment(struct look *look)
{
    json_t *spec = job_file_read(look->id, "spec.json");
    const json_t *plan = json_object_get(spec, "plan");

    free(look->environment);
    look->environment = mem_strdup(json_string_value(json_object_get(plan, "environment")));
    json_decref(spec);
}

static void look_work(uv_work_t *work)
{
    struct look *look = work->data;

    free(look->error);
    look->error = NULL;
    if (look->cancel)
        look->error = job_cancel(look->id);
    look->cancel = false;
    if (look->error)
        return;
    job_info_free(&look->job);
    if (job_info_read(look->id, &look->job, &look->error))
        read_environment(look);
}

static void looked(uv_work_t *work, int status)
{
    struct look *look = work->data;

    (void)status;
    look->working = false;
    if (look->action)
        look->then(look);
    else
        free_look(look);
}

static void look_now(struct look *look)
{
    look->working = uv_queue_work(look->timer.loop, &look->work, look_work, looked) == 0;
    if (!look->working)
        action_end(look->action, OUTCOME_FAILED, "no memory to look at the job");
}

/* ---- preparing ---- */

static void add_progress(struct plan *plan, const struct job_info *job)
{
    if (job->bytes >= 0)
        plan_add(plan, PLAN_EVIDENCE, "bytes", "%.0f", job->bytes);
    if (job->items >= 0 && job->items_total >= 0)
        plan_add(plan, PLAN_EVIDENCE, "done", "%.0f of %.0f", job->items, job->items_total);
    if (job->file)
        plan_add(plan, PLAN_EVIDENCE, "file", "%s", job->file);
}

static void fill_plan(struct plan *plan, const struct look *look)
{
    const struct job_info *job = &look->job;

    plan->title = mem_printf("Cancel the job %s", job->id);
    plan->instance = mem_strdup(job->instance);
    plan->target = mem_printf("%s %s", act_name(job->act), job->target ? job->target : "");
    if (!look->environment || !environment_parse(look->environment, &plan->environment))
        plan->environment = ENV_UNKNOWN;
    plan->confirm = mem_strdup(job->id);
    plan_add(plan, PLAN_COMMAND, "",
             "end the job's process, its tools and its sessions on the server");
    plan_add(plan, PLAN_EVIDENCE, "state", "%s", job_state_text(job->state));
    if (job->phase)
        plan_add(plan, PLAN_EVIDENCE, "phase", "%s", job->phase);
    if (!isnan(job->started))
        plan_add(plan, PLAN_EVIDENCE, "age", "%.0f s", fmax(0, job_wall() - job->started));
    add_progress(plan, job);
    plan_add(plan, PLAN_LOSS, "", "what the %s has done so far", act_name(job->act));
    if (job->act == ACT_RESTART)
        plan_add(plan, PLAN_WARNING, "", "a restart that is cut off may leave servers stopped");
    if (job->cancelling)
        plan_add(plan, PLAN_WARNING, "", "it was asked to end already");
}

static void prepared(struct look *look)
{
    struct action *action = look->action;

    if (look->error) {
        action_end(action, OUTCOME_NOTHING, "%s", look->error);
    } else if (job_state_ended(look->job.state)) {
        action_end(action, OUTCOME_NOTHING, "job %s has ended already: %s", look->id,
                   job_state_text(look->job.state));
    } else {
        fill_plan(&action->plan, look);
        action_prepared(action);
    }
}

static void prepare(struct action *action)
{
    struct look *look;

    if (!action->request.job) {
        action_end(action, OUTCOME_REFUSED, "no job is named: 'sharedtop jobs' lists them");
        return;
    }
    look = new_look(action);
    look->then = prepared;
    look_now(look);
}

/* ---- executing ---- */

static void on_due(uv_timer_t *timer)
{
    look_now(timer->data);
}

static void tell_end(struct look *look)
{
    const struct job_info *job = &look->job;
    bool cancelled = job->state == JOB_CANCELLED || job->state == JOB_DIED;

    action_end(look->action, cancelled ? OUTCOME_DONE : OUTCOME_NOTHING, "job %s %s%s%s", look->id,
               cancelled ? "has ended: " : "had ended before: ", job_state_text(job->state),
               !cancelled && job->state == JOB_FAILED ? ", as it says itself" : "");
}

static void watched(struct look *look)
{
    if (look->error)
        action_end(look->action, OUTCOME_NOTHING, "%s", look->error);
    else if (job_state_ended(look->job.state))
        tell_end(look);
    else if (uv_now(look->timer.loop) < look->until)
        uv_timer_start(&look->timer, on_due, LOOK_MS, 0);
    else
        action_end(look->action, OUTCOME_FAILED,
                   "job %s was asked to end and has not yet: its process is %ld", look->id,
                   look->job.pid);
}

static void execute(struct action *action)
{
    const struct state *state = action->state;
    struct look *look = state->look;

    look->cancel = true;
    look->then = watched;
    look->until = uv_now(action->loop) + END_MS;
    look_now(look);
}

const struct act_ops act_cancel_job = {
    .info = {.name = "cancel-job",
             .kind = INSTANCE_KINDS,
             .help = "end a job: its process, its tools and its sessions on the server"},
    .state_size = sizeof(struct state),
    .prepare = prepare,
    .execute = execute,
    .release = release,
};
