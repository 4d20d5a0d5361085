/* The side of the dashboard: makes the folder off the loop's thread, starts the process, hands the
 * settings over and waits for its word. */
#include "backend/action_impl.h"
#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/statedir.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD_MS = 15000, WORD_MAX = 4096 };

struct start {
    struct action *action; /* NULL: it is gone, the job starts all the same */
    struct act_ops ops;    /* the act's, with a release that tells us */
    const struct act_ops *own_ops;
    struct actions *door;
    char *id, *folder, *audit, *settings, *error;
    json_t *spec;
    uv_work_t work;
    uv_process_t process;
    uv_pipe_t in, out;
    uv_timer_t timer;
    uv_write_t write;
    unsigned handles;
    bool child, told, removing;
    struct strbuf word;
};

/* ---- the action may go before the job has started ---- */

static void release(struct action *action)
{
    struct start *start = (struct start *)((uintptr_t)action->ops - offsetof(struct start, ops));

    action->ops = start->own_ops;
    start->action = NULL;
    if (action->ops->release)
        action->ops->release(action);
}

static void take_action(struct start *start, struct action *action)
{
    start->action = action;
    start->own_ops = action->ops;
    start->ops = *action->ops;
    start->ops.release = release;
    action->ops = &start->ops;
}

/* ---- the end ---- */

static void free_start(struct start *start)
{
    struct actions *door = start->door;

    assert(!start->action);
    free(start->id);
    free(start->folder);
    free(start->audit);
    free(start->error);
    mem_free_secret(start->settings, start->settings ? strlen(start->settings) : 0);
    json_decref(start->spec);
    strbuf_free(&start->word);
    free(start);
    actions_release(door);
}

static void remove_work(uv_work_t *work)
{
    struct start *start = work->data;

    job_remove(start->id);
}

static void removed(uv_work_t *work, int status)
{
    struct start *start = work->data;

    (void)status;
    free_start(start);
}

/* A job that never began leaves nothing behind. */
static void leave(struct start *start)
{
    if (!start->removing || uv_queue_work(start->timer.loop, &start->work, remove_work, removed))
        free_start(start);
}

static void on_closed(uv_handle_t *handle)
{
    struct start *start = handle->data;

    if (--start->handles == 0)
        leave(start);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->type != UV_UNKNOWN_HANDLE && !uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The child that was started ends as soon as it has left the job to a process of its own; it is
 * waited for, so that no zombie stays. */
static void close_all(struct start *start)
{
    if (!start->child)
        close_handle((uv_handle_t *)&start->process);
    close_handle((uv_handle_t *)&start->in);
    close_handle((uv_handle_t *)&start->out);
    close_handle((uv_handle_t *)&start->timer);
}

static void fail_start(struct start *start, const char *error, bool remove)
{
    struct action *action = start->action;

    if (start->told)
        return;
    start->told = true;
    start->removing = remove;
    if (action)
        action_end(action, OUTCOME_FAILED, "the job could not be started: %s", error);
    close_all(start);
}

static void succeed(struct start *start)
{
    struct action *action = start->action;

    if (start->told)
        return;
    start->told = true;
    if (action) {
        action->outcome.job = mem_strdup(start->id);
        action_end(action, OUTCOME_STARTED, "started as job %s: it goes on by itself", start->id);
    }
    close_all(start);
}

/* ---- its word ---- */

static void read_word(struct start *start)
{
    char *end = start->word.s ? strchr(start->word.s, '\n') : NULL;

    if (!end)
        return;
    *end = '\0';
    if (strcmp(start->word.s, "ok") == 0)
        succeed(start);
    else
        fail_start(start, start->word.s, true);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(mem_alloc(512), 512);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct start *start = stream->data;

    if (n > 0)
        strbuf_add(&start->word, buf->base, (size_t)n);
    free(buf->base);
    if (n > 0)
        read_word(start);
    if (n < 0 || start->word.len > WORD_MAX)
        fail_start(start, "its process died at once", true);
}

/* What did not begin in time must not begin later. */
static void on_silence(uv_timer_t *timer)
{
    struct start *start = timer->data;

    free(job_cancel(start->id));
    if (start->child)
        uv_process_kill(&start->process, SIGKILL);
    fail_start(start, "its process did not answer in time; it was asked to end", false);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal_number)
{
    struct start *start = process->data;

    (void)status;
    (void)signal_number;
    start->child = false;
    close_handle((uv_handle_t *)process);
}

static void on_written(uv_write_t *write, int status)
{
    struct start *start = write->data;

    (void)status; /* a process that died is seen by the end of its output */
    close_handle((uv_handle_t *)&start->in);
}

/* ---- starting ---- */

static void init_handles(struct start *start, uv_loop_t *loop)
{
    uv_pipe_init(loop, &start->in, 0);
    uv_pipe_init(loop, &start->out, 0);
    uv_timer_init(loop, &start->timer);
    start->in.data = start->out.data = start->timer.data = start;
    start->handles = 3;
}

static int spawn(struct start *start, uv_loop_t *loop)
{
    char name[] = "sharedtop", verb[] = "job-run", exe[] = "/proc/self/exe";
    char *argv[] = {name, verb, start->id, NULL}, **clean = job_clean_environ();
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&start->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&start->out},
        {.flags = UV_IGNORE},
    };
    const uv_process_options_t options = {.file = exe,
                                          .args = argv,
                                          .env = clean,
                                          .flags = UV_PROCESS_DETACHED,
                                          .stdio_count = 3,
                                          .stdio = stdio,
                                          .exit_cb = on_child_exit};
    int status;

    start->process.data = start;
    status = uv_spawn(loop, &start->process, &options);
    start->child = status == 0;
    start->handles++;
    free(clean);
    return status;
}

static void hand_over(struct start *start)
{
    uv_buf_t settings = uv_buf_init(start->settings, (unsigned)strlen(start->settings));

    start->write.data = start;
    uv_timer_start(&start->timer, on_silence, WORD_MS, 0);
    uv_read_start((uv_stream_t *)&start->out, give_room, on_output);
    if (uv_write(&start->write, (uv_stream_t *)&start->in, &settings, 1, on_written) != 0)
        fail_start(start, "its pipe is closed", true);
}

/* The folder of all jobs; NULL: it is there and ours. */
static char *make_root(const char *folder)
{
    char *root = mem_strndup(folder, (size_t)(strrchr(folder, '/') - folder));
    char *error = statedir_make(root);

    if (!error)
        error = statedir_check_owner(root);
    free(root);
    return error;
}

static void make_folder(uv_work_t *work)
{
    struct start *start = work->data;

    start->error = make_root(start->folder);
    if (start->error)
        return;
    job_prune();
    start->error = statedir_make(start->folder);
    if (!start->error)
        start->error = job_file_write(start->folder, "spec.json", start->spec, true);
}

static void folder_made(uv_work_t *work, int status)
{
    struct start *start = work->data;
    uv_loop_t *loop = work->loop;
    int result;

    init_handles(start, loop);
    if (status != 0 || start->error) {
        fail_start(start, start->error ? start->error : "it was called off", true);
        return;
    }
    result = spawn(start, loop);
    if (result != 0)
        fail_start(start, uv_strerror(result), true);
    else
        hand_over(start);
}

/* ---- what it is told ---- */

static json_t *make_spec(const struct action *action, json_t *parameters)
{
    const struct instance *instance = action->impl ? &action->impl->pub : NULL;
    json_t *spec = json_object();

    json_object_set_new(spec, "act", json_string(act_name(action->request.act)));
    json_object_set_new(spec, "action", json_string(action->id));
    json_object_set_new(spec, "created", json_real(job_wall()));
    json_object_set_new(spec, "instance", json_bytes(action->plan.instance));
    json_object_set_new(spec, "target", json_bytes(action->plan.target));
    if (instance) {
        json_object_set_new(spec, instance->kind == INSTANCE_POSTGRES ? "postgres" : "redis",
                            json_bytes(instance->name));
    }
    json_object_set_new(spec, "plan", plan_json(&action->plan));
    json_object_set_new(spec, "parameters", parameters ? parameters : json_object());
    return spec;
}

/* False: *error. */
static bool fill(struct start *start, const struct action *action)
{
    json_t *settings;

    start->folder = job_path(start->id, NULL, &start->error);
    if (start->folder)
        start->audit = audit_path(action->config, &start->error);
    if (!start->audit)
        return false;
    settings = job_settings_json(action->config, start->audit);
    start->settings = json_dumps(settings, JSON_COMPACT);
    json_decref(settings);
    return start->settings != NULL;
}

void job_start(struct action *action, json_t *parameters)
{
    struct start *start = mem_zalloc(sizeof(*start));

    start->id = mem_strdup(action->id);
    start->spec = make_spec(action, parameters);
    start->work.data = start;
    start->door = action->door;
    actions_hold(start->door);
    take_action(start, action);
    if (fill(start, action) &&
        uv_queue_work(action->loop, &start->work, make_folder, folder_made) == 0)
        return;
    action_end(action, OUTCOME_FAILED, "the job could not be started: %s",
               start->error ? start->error : "no memory");
    free_start(start);
}
