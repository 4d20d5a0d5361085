/* What the kernel tells of containers on this host: /proc and the cgroups (both versions), without
 * asking the engine. Files are read in a thread of libuv's pool: /proc may be slow. */
#ifndef BACKEND_CONTAINER_USAGE_H
#define BACKEND_CONTAINER_USAGE_H

#include "backend/container_data.h"

#include <stddef.h>
#include <uv.h>

struct usage_reader;

/* One container to be looked at. */
struct usage_target {
    char id[65];
    pid_t pid;                      /* of its first process; 0: it does not run */
    enum container_service service; /* whose process is the main one */
};

/* usages: one for each target, in their order; they live until the callback returns. */
typedef void usage_done(void *context, const struct usage_target *targets,
                        const struct container_usage *usages, size_t count);

struct usage_reader *usage_reader_new(uv_loop_t *loop, usage_done *done, void *context);

/* Begins to read; done is called later than this returns. While one goes on nothing is begun, and
 * false is returned. targets are copied. Rates are of the time between two readings. */
bool usage_reader_start(struct usage_reader *reader, const struct usage_target *targets,
                        size_t count);

/* done will not be called; frees it now or when the thread has ended (the loop may still turn). */
void usage_reader_free(struct usage_reader *reader);

/* ---- pure, for tests ---- */

/* Where the cgroup of /proc/PID/cgroup (its text) is, by the mounts of /proc/self/mountinfo: the
 * folder of a controller ("memory", "cpu", "cpuacct"; "" or a version 2 mount: the unified one).
 * NULL: none. The caller frees it. */
char *usage_cgroup_folder(const char *cgroup, const char *mountinfo, const char *controller);

/* The value of a key in "key value" lines; -1: it is not there. */
int64_t usage_stat_value(const char *text, const char *key);

/* "some avg10=1.23 …": the avg10 of "some" or "full"; NAN: not there. */
double usage_pressure(const char *text, const char *which);

#endif
