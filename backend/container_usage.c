#include "backend/container_usage.h"

#include "backend/base/mem.h"
#include "backend/container_usage_impl.h"

#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEPT_MAX = 64 }; /* containers whose files stay open */

struct usage_reader {
    uv_loop_t *loop;
    uv_work_t work;
    usage_done *done;
    void *context;
    bool busy, freed; /* freed: when the thread has ended */
    size_t kept;      /* containers whose files may stay open */
    int proc;
    /* The thread's while it is busy. */
    struct usage_target *targets;
    struct container_usage *usages;
    size_t count;
    struct usage_entry *entries; /* of the targets, in their order */
    size_t entry_count;
};

/* A quarter of the descriptors that this process may have. */
static size_t containers_to_keep(void)
{
    struct rlimit limit;
    const size_t most = KEPT_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 / USAGE_FILES > most)
        return most;
    return (size_t)limit.rlim_cur / 4 / USAGE_FILES;
}

struct usage_reader *usage_reader_new_at(uv_loop_t *loop, const char *proc, usage_done *done,
                                         void *context)
{
    struct usage_reader *reader = mem_zalloc(sizeof(*reader));

    reader->loop = loop;
    reader->done = done;
    reader->context = context;
    reader->kept = containers_to_keep();
    reader->proc = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return reader;
}

struct usage_reader *usage_reader_new(uv_loop_t *loop, usage_done *done, void *context)
{
    return usage_reader_new_at(loop, "/proc", done, context);
}

/* ---- the thread ---- */

static void new_entry(struct usage_entry *entry, const char *id)
{
    *entry = (struct usage_entry){.cpu_seconds = NAN, .at = NAN};
    memcpy(entry->id, id, strlen(id));
    for (unsigned i = 0; i < USAGE_FILES; i++)
        entry->files[i] = -1;
}

static bool in_order(const struct usage_reader *reader)
{
    if (reader->entry_count != reader->count)
        return false;
    for (size_t i = 0; i < reader->count; i++)
        if (strcmp(reader->entries[i].id, reader->targets[i].id) != 0)
            return false;
    return true;
}

/* Brings the entries into the order of the targets: makes new ones, closes those that no one asks
 * for. */
static void arrange(struct usage_reader *reader)
{
    struct usage_entry *old = reader->entries;
    const size_t old_count = reader->entry_count;

    if (in_order(reader))
        return;
    reader->entries = mem_array(NULL, reader->count ? reader->count : 1, sizeof(*old));
    reader->entry_count = reader->count;
    for (size_t i = 0; i < reader->count; i++) {
        size_t at = 0;

        while (at < old_count && strcmp(old[at].id, reader->targets[i].id) != 0)
            at++;
        if (at < old_count && *old[at].id) {
            reader->entries[i] = old[at];
            *old[at].id = 0;
        } else {
            new_entry(reader->entries + i, reader->targets[i].id);
        }
    }
    for (size_t i = 0; i < old_count; i++)
        if (*old[i].id)
            usage_entry_close(old + i);
    free(old);
}

static void read_target(struct usage_entry *entry, const struct usage_target *target,
                        struct container_usage *usage, struct usage_host *host)
{
    if (entry->pid != target->pid) {
        if (!usage_entry_open(entry, target, host))
            return;
    } else {
        usage_entry_find(entry, target->service, host);
    }
    if (usage_entry_read(entry, usage))
        return;
    *usage =
        container_usage_unknown; /* the server was started anew within the container, or that has ended */
    if (usage_entry_open(entry, target, host))
        usage_entry_read(entry, usage);
}

static void read_all(uv_work_t *work)
{
    struct usage_reader *reader = work->data;
    struct usage_host host = {.proc = reader->proc};

    arrange(reader);
    for (size_t i = 0; i < reader->count; i++) {
        reader->usages[i] = container_usage_unknown;
        if (reader->targets[i].pid > 0)
            read_target(reader->entries + i, reader->targets + i, reader->usages + i, &host);
        if (reader->targets[i].pid <= 0 || i >= reader->kept)
            usage_entry_close(reader->entries + i);
    }
    usage_host_free(&host);
}

/* ---- the loop ---- */

static void free_reader(struct usage_reader *reader)
{
    for (size_t i = 0; i < reader->entry_count; i++)
        usage_entry_close(reader->entries + i);
    if (reader->proc >= 0)
        close(reader->proc);
    free(reader->entries);
    free(reader->targets);
    free(reader->usages);
    free(reader);
}

static void after_read(uv_work_t *work, int status)
{
    struct usage_reader *reader = work->data;
    struct usage_target *targets = reader->targets;
    struct container_usage *usages = reader->usages;

    (void)status; /* called off only by free */
    if (reader->freed) {
        free_reader(reader);
        return;
    }
    reader->busy = false;
    reader->targets = NULL;
    reader->usages = NULL;
    reader->done(reader->context, targets, usages, reader->count); /* may start or free it */
    free(targets);
    free(usages);
}

bool usage_reader_start(struct usage_reader *reader, const struct usage_target *targets,
                        size_t count)
{
    int error;

    if (reader->busy)
        return false;
    reader->targets = mem_array(NULL, count ? count : 1, sizeof(*targets));
    reader->usages = mem_array(NULL, count ? count : 1, sizeof(*reader->usages));
    if (count)
        memcpy(reader->targets, targets, count * sizeof(*targets));
    reader->count = count;
    reader->busy = true;
    reader->work.data = reader;
    error = uv_queue_work(reader->loop, &reader->work, read_all, after_read);
    assert(error == 0);
    (void)error;
    return true;
}

void usage_reader_free(struct usage_reader *reader)
{
    if (!reader)
        return;
    reader->freed = true;
    if (!reader->busy)
        free_reader(reader);
    else
        uv_cancel((uv_req_t *)&reader->work);
}
