/* Jobs under test: a folder of their own, a look at all processes below one, waiting for conditions. */
#ifndef TESTS_JOB_LAB_H
#define TESTS_JOB_LAB_H

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/job_internal.h"
#include "tests/lab/lab.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOB_UNUSED static inline

/* A folder in /tmp that XDG_STATE_HOME names. */
JOB_UNUSED char *job_lab_home(void)
{
    char *home = mem_strdup("/tmp/st-jobs-XXXXXX");

    assert_non_null(mkdtemp(home));
    setenv("XDG_STATE_HOME", home, 1);
    return home;
}

JOB_UNUSED void job_lab_remove(char *home)
{
    char *command = mem_printf("rm -rf '%s'", home);

    if (system(command) != 0) // NOLINT(cert-env33-c,bugprone-command-processor)
        print_error("%s failed\n", command);
    free(command);
    free(home);
}

/* ---- waiting ---- */

#define JOB_LAB_MS 20000

/* Fails the test when the condition does not hold in time. */
#define JOB_UNTIL(condition)                                                                       \
    do {                                                                                           \
        int64_t job_until = job_clock() + JOB_LAB_MS;                                              \
        while (!(condition)) {                                                                     \
            if (job_clock() > job_until)                                                           \
                fail_msg("never true: %s", #condition);                                            \
            nanosleep(&(const struct timespec){0, 5000000}, NULL);                                 \
        }                                                                                          \
    } while (0)

/* ---- files ---- */

/* All of a file, also of /proc; NUL-terminated. NULL: it cannot be read. */
JOB_UNUSED char *job_lab_read(const char *path, size_t *len)
{
    struct strbuf text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char room[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    while ((n = read(fd, room, sizeof(room))) > 0)
        strbuf_add(&text, room, (size_t)n);
    close(fd);
    *len = text.len;
    return strbuf_take(&text);
}

JOB_UNUSED bool job_lab_file_has(const char *path, const char *words)
{
    size_t len = 0;
    char *text = job_lab_read(path, &len);
    bool has = text && memmem(text, len, words, strlen(words));

    free(text);
    return has;
}

/* Fails the test when a file below folder holds the secret; returns how many were read. */
JOB_UNUSED size_t job_lab_search_files(const char *folder, const char *secret)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t files = 0;

    while (dir && (entry = readdir(dir))) {
        char *path = mem_printf("%s/%s", folder, entry->d_name);
        struct stat st;

        if (entry->d_name[0] != '.' && lstat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                files += job_lab_search_files(path, secret);
            else if (job_lab_file_has(path, secret))
                fail_msg("%s holds the secret", path);
            else
                files++;
        }
        free(path);
    }
    if (dir)
        closedir(dir);
    return files;
}

/* ---- processes ---- */

/* False when it has gone, or is a zombie. */
JOB_UNUSED bool job_lab_lives(pid_t pid, pid_t *parent)
{
    char *path = mem_printf("/proc/%d/stat", (int)pid);
    size_t len = 0;
    char *text = job_lab_read(path, &len);
    const char *after = text ? strrchr(text, ')') : NULL;
    int ppid = 0;
    char state = 'X';

    if (after && sscanf(after, ") %c %d", &state, &ppid) != 2) // NOLINT(cert-err34-c)
        state = 'X';
    if (parent)
        *parent = ppid;
    free(text);
    free(path);
    return state != 'X' && state != 'Z';
}

JOB_UNUSED bool job_lab_descends(pid_t pid, pid_t ancestor)
{
    for (int depth = 0; pid > 1 && depth < 50; depth++) {
        if (pid == ancestor)
            return true;
        if (!job_lab_lives(pid, &pid))
            return false;
    }
    return false;
}

/* The processes below top, without it; returns how many. */
JOB_UNUSED size_t job_lab_below(pid_t top, pid_t *pids, size_t most)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(proc);
    while ((entry = readdir(proc)) && count < most) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && pid != top && job_lab_descends(pid, top))
            pids[count++] = pid;
    }
    closedir(proc);
    return count;
}

JOB_UNUSED void job_lab_search_process(pid_t pid, const char *secret)
{
    static const char *const files[] = {"cmdline", "environ"};

    for (size_t i = 0; i < 2; i++) {
        char *path = mem_printf("/proc/%d/%s", (int)pid, files[i]);

        if (job_lab_file_has(path, secret))
            fail_msg("%s holds the secret", path);
        free(path);
    }
}

/* Fails the test when the command line or the environment of a process below top (and of top) holds
 * the secret; returns how many were looked at. */
JOB_UNUSED size_t job_lab_search_below(pid_t top, const char *secret)
{
    pid_t pids[64];
    size_t count = job_lab_below(top, pids, 64);

    job_lab_search_process(top, secret);
    for (size_t i = 0; i < count; i++)
        job_lab_search_process(pids[i], secret);
    return count + 1;
}

/* ---- sessions ---- */

/* How many sessions with an application_name of jobs there are. */
JOB_UNUSED int job_lab_sessions(const struct lab *lab, const char *state)
{
    char *sql = mem_printf("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                           "'sharedtop job %%' AND state LIKE '%s'",
                           state);
    char *text = lab_pg_value(lab, sql);
    int count = (int)strtol(text, NULL, 10);

    free(text);
    free(sql);
    return count;
}

#endif
