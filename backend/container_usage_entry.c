/* One container's files: found and opened once, read again and again. */
#include "backend/base/strbuf.h"
#include "backend/container_usage_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 8192, CGROUP_MAX = 8192, SEARCHES = 32 };

/* The names of both versions; NULL: the version has none. Without a controller they are the
 * process's. */
static const struct {
    const char *controller, *names[2];
} files[USAGE_FILES] = {
    [USAGE_MEMORY] = {"memory", {"memory.usage_in_bytes", "memory.current"}},
    [USAGE_MEMORY_STAT] = {"memory", {"memory.stat", "memory.stat"}},
    [USAGE_MEMORY_LIMIT] = {"memory", {"memory.limit_in_bytes", "memory.max"}},
    [USAGE_OOM] = {"memory", {"memory.oom_control", "memory.events"}},
    [USAGE_CPU] = {"cpuacct", {"cpuacct.usage", "cpu.stat"}},
    [USAGE_PSI_MEMORY] = {"", {NULL, "memory.pressure"}},
    [USAGE_PSI_CPU] = {"", {NULL, "cpu.pressure"}},
    [USAGE_PSI_IO] = {"", {NULL, "io.pressure"}},
    [USAGE_OOM_SCORE_ADJ] = {NULL, {"oom_score_adj"}},
    [USAGE_OOM_SCORE] = {NULL, {"oom_score"}},
};

void usage_entry_close(struct usage_entry *entry)
{
    for (unsigned i = 0; i < USAGE_FILES; i++)
        if (entry->files[i] >= 0)
            close(entry->files[i]);
    for (unsigned i = 0; i < USAGE_FILES; i++)
        entry->files[i] = -1;
    entry->pid = entry->main = 0;
    entry->found = entry->lost = false;
    entry->turns = 0;
}

static int open_file(int folder, const char *name)
{
    return openat(folder, name, O_RDONLY | O_CLOEXEC);
}

/* The folder of a process, held so that its number cannot come to mean another one meanwhile. */
static int open_process(pid_t pid, const struct usage_host *host)
{
    char path[32];

    snprintf(path, sizeof(path), "%d", (int)pid);
    return openat(host->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void open_controller(struct usage_entry *entry, const char *controller, const char *cgroup,
                            const char *mountinfo)
{
    bool version_2;
    char *path = usage_container_folder(cgroup, mountinfo, controller, entry->id, &version_2);
    const int folder = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    for (unsigned i = 0; i < USAGE_FILES && folder >= 0; i++)
        if (files[i].controller && strcmp(files[i].controller, controller) == 0 &&
            files[i].names[version_2])
            entry->files[i] = open_file(folder, files[i].names[version_2]);
    if (strcmp(controller, "memory") == 0)
        entry->memory_2 = version_2;
    if (strcmp(controller, "cpuacct") == 0)
        entry->cpu_2 = version_2;
    if (folder >= 0)
        close(folder);
    free(path);
}

static void open_main(struct usage_entry *entry, int process)
{
    for (unsigned i = 0; i < USAGE_FILES; i++)
        if (!files[i].controller) {
            if (entry->files[i] >= 0)
                close(entry->files[i]);
            entry->files[i] = open_file(process, files[i].names[0]);
        }
}

/* Whether the process is in the container's cgroup; its cgroups' text. */
static bool read_cgroup(int process, const char *id, char *cgroup, size_t size)
{
    return process >= 0 && usage_slurp(process, "cgroup", cgroup, size) > 0 && *id &&
           strstr(cgroup, id);
}

void usage_entry_find(struct usage_entry *entry, enum container_service service,
                      struct usage_host *host)
{
    char cgroup[CGROUP_MAX];
    pid_t main, chosen;
    int process;

    if (entry->found || (entry->turns++ > SEARCHES && entry->turns % SEARCHES))
        return;
    main = service == SERVICE_OTHER ? entry->pid : usage_find_server(entry->pid, service, host);
    chosen = main ? main : entry->pid;
    if (chosen == entry->main && !main)
        return;
    process = open_process(chosen, host);
    if (read_cgroup(process, entry->id, cgroup, sizeof(cgroup))) {
        open_main(entry, process);
        entry->main = chosen;
        entry->found = main != 0;
    }
    if (process >= 0)
        close(process);
}

/* As long as it may be: each container has some mounts on the host. Never NULL. */
static char *read_mountinfo(int proc)
{
    const int fd = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
    struct strbuf text = {0};
    char part[TEXT_MAX];
    ssize_t got;

    while (fd >= 0 && (got = read(fd, part, sizeof(part))) > 0)
        strbuf_add(&text, part, (size_t)got);
    if (fd >= 0)
        close(fd);
    return strbuf_take(&text);
}

bool usage_entry_open(struct usage_entry *entry, const struct usage_target *target,
                      struct usage_host *host)
{
    const int process = open_process(target->pid, host);
    char cgroup[CGROUP_MAX];
    const bool own = read_cgroup(process, entry->id, cgroup, sizeof(cgroup));

    usage_entry_close(entry);
    if (process >= 0)
        close(process);
    if (!own)
        return false;
    entry->pid = target->pid;
    if (!host->mountinfo)
        host->mountinfo = read_mountinfo(host->proc);
    open_controller(entry, "memory", cgroup, host->mountinfo);
    open_controller(entry, "cpuacct", cgroup, host->mountinfo);
    open_controller(entry, "", cgroup, host->mountinfo);
    usage_entry_find(entry, target->service, host);
    return true;
}

/* ---- reading ---- */

/* False: it is not open, or what it tells of is gone; then it is closed. */
static bool read_file(struct usage_entry *entry, enum usage_file file, char *text)
{
    int *fd = entry->files + file;
    ssize_t len;

    if (*fd < 0)
        return false;
    len = pread(*fd, text, TEXT_MAX - 1, 0);
    if (len < 0) {
        entry->lost = entry->lost || errno == ESRCH || errno == ENODEV;
        close(*fd);
        *fd = -1;
        return false;
    }
    text[len] = 0;
    return true;
}

static int64_t number_of(const char *text)
{
    char *end;
    const long long number = strtoll(text, &end, 10);

    return end > text && number >= 0 ? number : -1;
}

/* "max", or near to the largest number: none. */
static int64_t limit_of(const char *text)
{
    return strncmp(text, "max", 3) == 0 || number_of(text) > INT64_MAX / 2 ? 0 : number_of(text);
}

static void read_memory(struct usage_entry *entry, struct container_usage *usage, char *text)
{
    if (read_file(entry, USAGE_MEMORY, text))
        usage->memory = number_of(text);
    if (read_file(entry, USAGE_MEMORY_STAT, text))
        usage->memory_cache =
            usage_stat_value(text, entry->memory_2 ? "inactive_file" : "total_inactive_file");
    if (usage->memory_cache >= 0 && usage->memory > usage->memory_cache)
        usage->memory -= usage->memory_cache;
    if (read_file(entry, USAGE_MEMORY_LIMIT, text))
        usage->memory_limit = limit_of(text);
    if (read_file(entry, USAGE_OOM, text))
        usage->oom_kills = usage_stat_value(text, "oom_kill");
}

static double cpu_of(const char *text, bool version_2)
{
    const int64_t used = version_2 ? usage_stat_value(text, "usage_usec") : number_of(text);

    return used < 0 ? NAN : (double)used / (version_2 ? 1e6 : 1e9);
}

static void read_cpu(struct usage_entry *entry, struct container_usage *usage, char *text)
{
    struct timespec now;
    double at;

    if (read_file(entry, USAGE_CPU, text))
        usage->cpu_seconds = cpu_of(text, entry->cpu_2);
    clock_gettime(CLOCK_MONOTONIC, &now);
    at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    if (entry->timed == entry->pid && at > entry->at && usage->cpu_seconds >= entry->cpu_seconds)
        usage->cpu = (usage->cpu_seconds - entry->cpu_seconds) / (at - entry->at);
    entry->cpu_seconds = usage->cpu_seconds;
    entry->at = at;
    entry->timed = entry->pid;
}

static void read_pressure(struct usage_entry *entry, struct container_usage *usage, char *text)
{
    if (read_file(entry, USAGE_PSI_MEMORY, text)) {
        usage->psi_some = usage_pressure(text, "some");
        usage->psi_full = usage_pressure(text, "full");
    }
    if (read_file(entry, USAGE_PSI_CPU, text))
        usage->psi_cpu = usage_pressure(text, "some");
    if (read_file(entry, USAGE_PSI_IO, text))
        usage->psi_io = usage_pressure(text, "some");
}

static void read_process(struct usage_entry *entry, struct container_usage *usage, char *text)
{
    if (read_file(entry, USAGE_OOM_SCORE_ADJ, text))
        usage->oom_score_adj = (int)strtol(text, NULL, 10);
    if (read_file(entry, USAGE_OOM_SCORE, text))
        usage->oom_score = (int)strtol(text, NULL, 10);
    usage->pid = entry->main;
}

bool usage_entry_read(struct usage_entry *entry, struct container_usage *usage)
{
    char text[TEXT_MAX];

    read_memory(entry, usage, text);
    read_cpu(entry, usage, text);
    read_pressure(entry, usage, text);
    read_process(entry, usage, text);
    return !entry->lost;
}
