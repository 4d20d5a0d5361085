#include "backend/job.h"

#include "backend/base/mem.h"
#include "backend/job_internal.h"
#include "backend/statedir.h"
#include "backend/textfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { ID_MAX = 64 };

static const char *const state_names[] = {
    [JOB_STARTING] = "starting", [JOB_RUNNING] = "running",     [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",     [JOB_CANCELLED] = "cancelled", [JOB_DIED] = "died",
};

const char *job_state_text(enum job_state state)
{
    return state_names[state];
}

bool job_state_ended(enum job_state state)
{
    return state >= JOB_DONE;
}

int64_t job_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double job_wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double job_eta(const struct job_info *job, double now)
{
    bool bytes = job->bytes_total > 0;
    double share = bytes ? job->bytes / job->bytes_total : job->items / job->items_total;
    double elapsed = now - job->started;

    if (job->state != JOB_RUNNING || (!bytes && job->items_total <= 0))
        return NAN;
    if (!(share > 0 && share <= 1) || !(elapsed > 0))
        return NAN;
    return elapsed * (1 - share) / share;
}

/* ---- the folder ---- */

bool job_id_valid(const char *id)
{
    size_t len = strlen(id);

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)id[i]) && id[i] != '-')
            return false;
    }
    return len > 0 && len <= ID_MAX;
}

char *job_path(const char *id, const char *name, char **error)
{
    char *below, *path;

    *error = NULL;
    if (!job_id_valid(id)) {
        *error = mem_strdup("that is no job's id: 'sharedtop jobs' lists them");
        return NULL;
    }
    below = mem_printf("jobs/%s%s%s", id, name ? "/" : "", name ? name : "");
    path = statedir_path(below, error);
    free(below);
    return path;
}

json_t *job_file_read(const char *id, const char *name)
{
    size_t len = 0;
    char *error = NULL, *path = job_path(id, name, &error), *text = NULL;
    json_t *object = NULL;

    if (path)
        text = textfile_read(path, TEXTFILE_REGULAR, &len, &error);
    if (text) {
        object = json_loadb(text, len, 0, NULL);
        mem_free_secret(text, len);
    }
    if (object && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    free(path);
    free(error);
    return object;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return synced;
}

char *job_file_write(const char *folder, const char *name, const json_t *object, bool synced)
{
    char *path = mem_printf("%s/%s", folder, name), *fresh = mem_printf("%s.new", path);
    char *text = json_dumps(object, JSON_INDENT(1)), *error = NULL;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && text && textfile_write(fd, text, strlen(text)) &&
                   textfile_write(fd, "\n", 1) && (!synced || fsync(fd) == 0);

    if (!written || rename(fresh, path) != 0 || (synced && !sync_folder(folder))) {
        error = mem_printf("cannot write %s: %s", path, strerror(errno));
        unlink(fresh);
    }
    if (fd >= 0)
        close(fd);
    free(text);
    free(fresh);
    free(path);
    return error;
}

void job_remove(const char *id)
{
    char *error = NULL, *path = job_path(id, NULL, &error);
    DIR *folder = path ? opendir(path) : NULL;
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    if (path)
        rmdir(path);
    free(path);
    free(error);
}

/* ---- one job ---- */

void job_info_init(struct job_info *info)
{
    *info = (struct job_info){.act = ACTS,
                              .pid = -1,
                              .started = NAN,
                              .updated = NAN,
                              .ended = NAN,
                              .bytes = -1,
                              .bytes_total = -1,
                              .items = -1,
                              .items_total = -1};
}

void job_info_free(struct job_info *info)
{
    free(info->id);
    free(info->instance);
    free(info->target);
    free(info->phase);
    free(info->result);
    free(info->file);
    free(info->offer);
    free(info->made);
    job_info_init(info);
}

static const struct {
    const char *name;
    size_t offset;
} texts[] =
    {
        {"phase", offsetof(struct job_info, phase)}, {"result", offsetof(struct job_info, result)},
        {"file", offsetof(struct job_info, file)},   {"offer", offsetof(struct job_info, offer)},
        {"made", offsetof(struct job_info, made)},   {"target", offsetof(struct job_info, target)},
},
  numbers[] = {
      {"started", offsetof(struct job_info, started)},
      {"updated", offsetof(struct job_info, updated)},
      {"ended", offsetof(struct job_info, ended)},
      {"bytes", offsetof(struct job_info, bytes)},
      {"bytes_total", offsetof(struct job_info, bytes_total)},
      {"items", offsetof(struct job_info, items)},
      {"items_total", offsetof(struct job_info, items_total)},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_time(const char *name)
{
    return strcmp(name, "started") == 0 || strcmp(name, "updated") == 0 ||
           strcmp(name, "ended") == 0;
}

json_t *job_info_json(const struct job_info *info)
{
    json_t *object = json_object();

    json_object_set_new(object, "state", json_string(state_names[info->state]));
    json_object_set_new(object, "pid", json_integer(info->pid));
    for (size_t i = 0; i < COUNT(texts); i++) {
        const char *const *text = (const void *)((const char *)info + texts[i].offset);

        json_object_set_new(object, texts[i].name, json_bytes(*text));
    }
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const double *number = (const void *)((const char *)info + numbers[i].offset);
        bool absent = isnan(*number) || (*number < 0 && !is_time(numbers[i].name));

        json_object_set_new(object, numbers[i].name, absent ? json_null() : json_real(*number));
    }
    return object;
}

static void parse_state(struct job_info *info, const char *text)
{
    for (size_t i = 0; text && i < COUNT(state_names); i++) {
        if (strcmp(state_names[i], text) == 0)
            info->state = (enum job_state)i;
    }
}

void job_info_parse(struct job_info *info, const json_t *object)
{
    const json_t *pid = json_object_get(object, "pid");

    parse_state(info, json_string_value(json_object_get(object, "state")));
    if (json_is_integer(pid))
        info->pid = (long)json_integer_value(pid);
    for (size_t i = 0; i < COUNT(texts); i++) {
        char **text = (void *)((char *)info + texts[i].offset);
        const char *value = json_string_value(json_object_get(object, texts[i].name));

        if (value) {
            free(*text);
            *text = mem_strdup(value);
        }
    }
    for (size_t i = 0; i < COUNT(numbers); i++) {
        double *number = (void *)((char *)info + numbers[i].offset);
        const json_t *value = json_object_get(object, numbers[i].name);

        if (json_is_number(value) && json_number_value(value) >= 0)
            *number = json_number_value(value);
    }
}

static void parse_spec(struct job_info *info, const json_t *spec)
{
    const char *act = json_string_value(json_object_get(spec, "act"));
    const char *instance = json_string_value(json_object_get(spec, "instance"));
    const char *target = json_string_value(json_object_get(spec, "target"));
    const json_t *created = json_object_get(spec, "created");

    for (enum act i = 0; act && i < ACTS; i++) {
        if (strcmp(act_name(i), act) == 0)
            info->act = i;
    }
    info->instance = mem_strdup(instance);
    info->target = mem_strdup(target);
    if (json_is_number(created))
        info->started = json_number_value(created);
}

/* Whether somebody holds the lock. A reader's own try is shared, so that readers do not see each
 * other; the job's process tries again. */
static bool is_locked(const char *id)
{
    char *error = NULL, *path = job_path(id, "lock", &error);
    int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
    bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    free(path);
    free(error);
    return locked;
}

static bool has_file(const char *id, const char *name)
{
    char *error = NULL, *path = job_path(id, name, &error);
    bool there = path && access(path, F_OK) == 0;

    free(path);
    free(error);
    return there;
}

static bool read_state(const char *id, struct job_info *info)
{
    json_t *state = job_file_read(id, "state.json");

    if (state)
        job_info_parse(info, state);
    json_decref(state);
    return state != NULL;
}

/* A process that has not yet taken the lock may still be on its way. */
#define START_SECONDS 20

static void find_state(const char *id, struct job_info *info)
{
    bool known = read_state(id, info);

    if (job_state_ended(info->state) || is_locked(id))
        return;
    /* It may have ended since we looked. */
    known = read_state(id, info) || known;
    if (job_state_ended(info->state))
        return;
    if (!known && job_wall() - info->started < START_SECONDS)
        return;
    info->state = JOB_DIED;
    if (info->result)
        return;
    /* A backup's .partial file and a restore's own database are known by their names. */
    info->result = mem_strdup(info->act == ACT_BACKUP || info->act == ACT_RESTORE
                                  ? "its process has gone; what it left is removed by the next one"
                                  : "its process has gone without a word: look at its log");
}

bool job_info_read(const char *id, struct job_info *info, char **error)
{
    json_t *spec;

    *error = NULL;
    job_info_init(info);
    spec = job_id_valid(id) ? job_file_read(id, "spec.json") : NULL;
    if (!spec) {
        *error = mem_printf("there is no job %s: 'sharedtop jobs' lists them", id);
        return false;
    }
    info->id = mem_strdup(id);
    parse_spec(info, spec);
    json_decref(spec);
    find_state(id, info);
    info->cancelling = !job_state_ended(info->state) && has_file(id, "cancel");
    if (info->act < ACTS)
        return true;
    job_info_free(info);
    *error = mem_printf("the job %s is of a kind that this version does not know", id);
    return false;
}

char *job_cancel(const char *id)
{
    struct job_info info;
    char *error = NULL, *path;
    int fd = -1;

    if (!job_info_read(id, &info, &error))
        return error;
    if (job_state_ended(info.state))
        error = mem_printf("job %s has ended already: %s", id, job_state_text(info.state));
    job_info_free(&info);
    if (error)
        return error;
    path = job_path(id, "cancel", &error);
    if (path)
        fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (path && fd < 0)
        error = mem_printf("cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return error;
}
