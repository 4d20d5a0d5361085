#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 50 };

/* ---- reading ---- */

static void add_job(struct job_list *list, const char *id)
{
    struct job_info info;
    char *error = NULL;

    if (!job_info_read(id, &info, &error)) {
        free(error); /* no job, or not yet: its folder is made before its spec */
        return;
    }
    list->items = mem_array(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = info;
}

static int newest_first(const void *one, const void *other)
{
    const struct job_info *a = one, *b = other;

    return strcmp(b->id, a->id);
}

bool job_list_read(struct job_list *list, char **error)
{
    char *path = statedir_path("jobs", error);
    const struct dirent *entry;
    DIR *folder;

    *list = (struct job_list){0};
    if (!path)
        return false;
    folder = opendir(path);
    if (!folder && errno != ENOENT)
        *error = mem_printf("cannot read %s: %s", path, strerror(errno));
    while (folder && (entry = readdir(folder))) {
        if (job_id_valid(entry->d_name))
            add_job(list, entry->d_name);
    }
    if (folder)
        closedir(folder);
    free(path);
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), newest_first);
    return *error == NULL;
}

void job_list_free(struct job_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        job_info_free(&list->items[i]);
    free(list->items);
    *list = (struct job_list){0};
}

void job_prune(void)
{
    struct job_list list;
    char *error = NULL;
    size_t ended = 0;

    if (job_list_read(&list, &error)) {
        for (size_t i = 0; i < list.count; i++) {
            if (job_state_ended(list.items[i].state) && ++ended > KEPT)
                job_remove(list.items[i].id);
        }
    }
    job_list_free(&list);
    free(error);
}

/* ---- watching ---- */

#define BUSY_MS 500
#define IDLE_MS 2000

struct jobs {
    uv_timer_t timer;
    uv_work_t work;
    void (*changed)(void *context);
    void *context;
    struct job_list list, fresh;
    bool working, again, closing, timer_closed;
};

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_number(double one, double other)
{
    return isnan(one) ? isnan(other) : one >= other && one <= other;
}

static bool same_job(const struct job_info *one, const struct job_info *other)
{
    return same_text(one->id, other->id) && one->state == other->state &&
           one->cancelling == other->cancelling && same_text(one->phase, other->phase) &&
           same_text(one->result, other->result) && same_text(one->file, other->file) &&
           same_text(one->offer, other->offer) && same_text(one->made, other->made) &&
           same_text(one->target, other->target) && one->pid == other->pid &&
           same_number(one->updated, other->updated) && same_number(one->ended, other->ended) &&
           same_number(one->bytes, other->bytes) && same_number(one->items, other->items) &&
           same_number(one->bytes_total, other->bytes_total) &&
           same_number(one->items_total, other->items_total);
}

static bool same_list(const struct job_list *one, const struct job_list *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++) {
        if (!same_job(&one->items[i], &other->items[i]))
            return false;
    }
    return true;
}

static void end_jobs(struct jobs *jobs)
{
    if (!jobs->closing || !jobs->timer_closed || jobs->working)
        return;
    job_list_free(&jobs->list);
    free(jobs);
}

static void read_jobs(uv_work_t *work)
{
    struct jobs *jobs = work->data;
    char *error = NULL;

    job_list_read(&jobs->fresh, &error);
    free(error);
}

static void look(struct jobs *jobs);

static void on_due(uv_timer_t *timer)
{
    look(timer->data);
}

static void wait_a_while(struct jobs *jobs)
{
    uv_timer_start(&jobs->timer, on_due, jobs_running(jobs) ? BUSY_MS : IDLE_MS, 0);
}

static void on_read(uv_work_t *work, int status)
{
    struct jobs *jobs = work->data;
    bool same;

    (void)status;
    jobs->working = false;
    if (jobs->closing) {
        job_list_free(&jobs->fresh);
        end_jobs(jobs);
        return;
    }
    same = same_list(&jobs->list, &jobs->fresh);
    job_list_free(&jobs->list);
    jobs->list = jobs->fresh;
    jobs->fresh = (struct job_list){0};
    if (jobs->again)
        look(jobs);
    else
        wait_a_while(jobs);
    if (!same)
        jobs->changed(jobs->context);
}

static void look(struct jobs *jobs)
{
    jobs->again = jobs->working;
    if (jobs->working)
        return;
    jobs->working = uv_queue_work(jobs->timer.loop, &jobs->work, read_jobs, on_read) == 0;
    if (!jobs->working)
        wait_a_while(jobs);
}

struct jobs *jobs_new(uv_loop_t *loop, void (*changed)(void *context), void *context)
{
    struct jobs *jobs = mem_zalloc(sizeof(*jobs));

    jobs->changed = changed;
    jobs->context = context;
    jobs->work.data = jobs;
    uv_timer_init(loop, &jobs->timer);
    jobs->timer.data = jobs;
    look(jobs);
    return jobs;
}

const struct job_list *jobs_list(const struct jobs *jobs)
{
    return &jobs->list;
}

unsigned jobs_running(const struct jobs *jobs)
{
    unsigned running = 0;

    for (size_t i = 0; i < jobs->list.count; i++)
        running += !job_state_ended(jobs->list.items[i].state);
    return running;
}

void jobs_refresh(struct jobs *jobs)
{
    look(jobs);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct jobs *jobs = handle->data;

    jobs->timer_closed = true;
    end_jobs(jobs);
}

void jobs_close(struct jobs *jobs)
{
    if (!jobs)
        return;
    jobs->closing = true;
    uv_close((uv_handle_t *)&jobs->timer, on_timer_closed);
}
