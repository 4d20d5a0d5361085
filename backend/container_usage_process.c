/* Which process of a container is the server: an init, a shell or a supervisor may be the first. */
#include "backend/base/mem.h"
#include "backend/container_usage_impl.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 512, COMM_MAX = 32, CHILDREN_MAX = 8192 };

long usage_slurp(int folder, const char *path, char *text, size_t size)
{
    const int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got;

    if (fd < 0)
        return -1;
    while ((got = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    text[len] = 0;
    return got < 0 ? -1 : (long)len;
}

void usage_host_free(struct usage_host *host)
{
    free(host->mountinfo);
    free(host->parents);
    *host = (struct usage_host){.proc = -1};
}

static DIR *open_folder(int at, const char *path)
{
    const int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !folder)
        close(fd);
    return folder;
}

/* ---- children ---- */

/* Processes that are still to be looked at, the nearest to the first one first. */
struct queue {
    pid_t pids[PROCESSES_MAX];
    size_t count;
};

static void push(struct queue *queue, long pid)
{
    if (pid > 0 && queue->count < PROCESSES_MAX)
        queue->pids[queue->count++] = (pid_t)pid;
}

/* /proc/PID/task/TID/children of one thread. False: there is no such file. */
static bool push_children_of(struct queue *queue, int tasks, const char *tid)
{
    char path[64], text[CHILDREN_MAX], *at = text;

    snprintf(path, sizeof(path), "%.32s/children", tid);
    if (usage_slurp(tasks, path, text, sizeof(text)) < 0)
        return false;
    for (char *end = at; *at; at = end) {
        const long pid = strtol(at, &end, 10);

        if (end == at)
            break;
        if (*end == ' ') /* else the number may be cut */
            push(queue, pid);
    }
    return true;
}

/* False: this kernel does not tell the children of a process. */
static bool push_children(struct queue *queue, pid_t pid, int proc)
{
    char path[32];
    const struct dirent *task;
    bool told = false;
    DIR *tasks;

    snprintf(path, sizeof(path), "%d/task", (int)pid);
    tasks = open_folder(proc, path);
    if (!tasks)
        return true;
    while ((task = readdir(tasks)))
        if (isdigit((unsigned char)*task->d_name))
            told |= push_children_of(queue, dirfd(tasks), task->d_name);
    closedir(tasks);
    return told;
}

/* ---- the same by the parents of all processes ---- */

static int compare_parents(const void *a, const void *b)
{
    const struct usage_parent *left = a, *right = b;

    if (left->parent != right->parent)
        return left->parent < right->parent ? -1 : 1;
    return left->pid < right->pid ? -1 : left->pid > right->pid;
}

/* The parent of a line of /proc/PID/stat, whose name in brackets may hold anything; 0: none. */
static pid_t parent_of(const char *stat)
{
    const char *close = strrchr(stat, ')');
    int parent;

    return close && sscanf(close + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static void read_parents(struct usage_host *host)
{
    char path[64], text[512];
    const struct dirent *process;
    DIR *proc = open_folder(host->proc, ".");

    host->read = true;
    while (proc && (process = readdir(proc))) {
        if (!isdigit((unsigned char)*process->d_name))
            continue;
        snprintf(path, sizeof(path), "%.32s/stat", process->d_name);
        if (usage_slurp(dirfd(proc), path, text, sizeof(text)) < 0)
            continue;
        host->parents = mem_array(host->parents, host->count + 1, sizeof(*host->parents));
        host->parents[host->count++] =
            (struct usage_parent){(pid_t)strtol(process->d_name, NULL, 10), parent_of(text)};
    }
    if (proc)
        closedir(proc);
    if (host->count)
        qsort(host->parents, host->count, sizeof(*host->parents), compare_parents);
}

static void push_by_parents(struct queue *queue, pid_t pid, struct usage_host *host)
{
    if (!host->read)
        read_parents(host);
    for (size_t i = 0; i < host->count && host->parents[i].parent <= pid; i++)
        if (host->parents[i].parent == pid)
            push(queue, host->parents[i].pid);
}

/* ---- the server ---- */

static bool is_server(pid_t pid, enum container_service service, int proc)
{
    static const struct {
        const char *comm;
        enum container_service service;
    } servers[] = {
        {"postgres", SERVICE_POSTGRES},  {"postmaster", SERVICE_POSTGRES},
        {"redis-server", SERVICE_REDIS}, {"valkey-server", SERVICE_REDIS},
        {"keydb-server", SERVICE_REDIS}, {"redict-server", SERVICE_REDIS},
    };
    char path[32], comm[COMM_MAX];

    snprintf(path, sizeof(path), "%d/comm", (int)pid);
    if (usage_slurp(proc, path, comm, sizeof(comm)) < 0)
        return false;
    comm[strcspn(comm, "\n")] = 0;
    for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
        if (servers[i].service == service && strcmp(comm, servers[i].comm) == 0)
            return true;
    return false;
}

pid_t usage_find_server(pid_t first, enum container_service service, struct usage_host *host)
{
    struct queue queue = {.count = 0};

    push(&queue, first);
    for (size_t i = 0; i < queue.count; i++) {
        if (is_server(queue.pids[i], service, host->proc))
            return queue.pids[i];
        if (!push_children(&queue, queue.pids[i], host->proc))
            push_by_parents(&queue, queue.pids[i], host);
    }
    return 0;
}
