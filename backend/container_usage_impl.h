/* What the parts of container_usage*.c share. */
#ifndef BACKEND_CONTAINER_USAGE_IMPL_H
#define BACKEND_CONTAINER_USAGE_IMPL_H

#include "backend/container_usage.h"

#include <stdbool.h>

/* The files that are read each time. */
enum usage_file {
    USAGE_MEMORY,
    USAGE_MEMORY_STAT,
    USAGE_MEMORY_LIMIT,
    USAGE_OOM,
    USAGE_CPU,
    USAGE_PSI_MEMORY,
    USAGE_PSI_CPU,
    USAGE_PSI_IO,
    USAGE_OOM_SCORE_ADJ,
    USAGE_OOM_SCORE,
    USAGE_FILES
};

/* A container between two readings. Its files stay open: to find and open them anew costs five
 * times as much as to read them again, and an open one cannot come to mean another process or
 * cgroup with the same number or name. */
struct usage_entry {
    char id[65];
    pid_t pid;      /* as the target told it; 0: nothing is known yet */
    pid_t main;     /* the server's process, or pid */
    bool found;     /* main is the server's process */
    unsigned turns; /* without it */
    bool lost;      /* something that was open is gone */
    bool memory_2;  /* of cgroup version 2 */
    bool cpu_2;
    int files[USAGE_FILES]; /* descriptors; -1: there is none */
    pid_t timed;            /* the pid of the reading before */
    double cpu_seconds, at; /* of that reading; NAN */
};

/* What is read of the host once in a turn, when it is needed. */
struct usage_host {
    int proc;        /* the folder /proc: a descriptor, not its own */
    char *mountinfo; /* of this process; NULL: not read yet */
    bool read;       /* the parents (a kernel without /proc/PID/task/TID/children) */
    size_t count;
    struct usage_parent {
        pid_t pid, parent;
    } * parents; /* by parent */
};

void usage_host_free(struct usage_host *host);

/* As usage_reader_new, with another folder than /proc. */
struct usage_reader *usage_reader_new_at(uv_loop_t *loop, const char *proc, usage_done *done,
                                         void *context);

/* Reads a whole small file at path below folder (a descriptor) as a string. -1: it cannot be
 * read; else its length, at most size - 1. */
long usage_slurp(int folder, const char *path, char *text, size_t size);

/* The folder of a container's cgroup: usage_cgroup_folder, cut behind the part with its id. NULL:
 * the process is not in one of this container. version_2 may be NULL. */
char *usage_container_folder(const char *cgroup, const char *mountinfo, const char *controller,
                             const char *id, bool *version_2);

/* The process of the service among first and its descendants: the one nearest to first; 0: none. */
pid_t usage_find_server(pid_t first, enum container_service service, struct usage_host *host);

/* Opens what can be opened of a container; false: the process is not of it (any more). */
bool usage_entry_open(struct usage_entry *entry, const struct usage_target *target,
                      struct usage_host *host);
void usage_entry_close(struct usage_entry *entry);

/* Looks for the server again while it was not found: each turn, later now and then. */
void usage_entry_find(struct usage_entry *entry, enum container_service service,
                      struct usage_host *host);

/* Reads what is open; false: some of it is gone. */
bool usage_entry_read(struct usage_entry *entry, struct container_usage *usage);

#endif
