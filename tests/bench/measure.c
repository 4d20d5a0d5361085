#include "tests/bench/measure.h"

#include "backend/base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
    double reaped; /* ms of its reaped children */
    bool member;
};

/* The content of a small file of /proc, "" when it is gone. */
static void __attribute__((format(printf, 3, 4)))
slurp(char *out, size_t size, const char *format, ...)
{
    char path[128];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(out, 1, size - 1, file) : 0;
    if (file) {
        fclose(file);
    }
    out[len] = '\0';
}

static bool read_process(pid_t pid, struct process *process)
{
    char text[1024];
    slurp(text, sizeof(text), "/proc/%d/stat", (int)pid);
    const char *field = strrchr(text, ')');
    if (!field) {
        return false;
    }
    process->pid = pid;
    process->member = false;
    for (int i = 3; i <= 17; i++) { /* 4 is the parent, 16 and 17 the reaped children's times */
        field = strchr(field + 1, ' ');
        if (!field) {
            return false;
        }
        long value = strtol(field + 1, NULL, 10);
        if (i == 4) {
            process->parent = (pid_t)value;
        } else if (i == 16) {
            process->reaped = (double)value * 1e3 / (double)sysconf(_SC_CLK_TCK);
        } else if (i == 17) {
            process->reaped += (double)value * 1e3 / (double)sysconf(_SC_CLK_TCK);
        }
    }
    return true;
}

static struct process *read_all(size_t *count)
{
    struct process *all = NULL;
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    *count = 0;
    while (proc && (entry = readdir(proc))) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            all = mem_array(all, *count + 1, sizeof(*all));
            *count += read_process((pid_t)strtol(entry->d_name, NULL, 10), &all[*count]);
        }
    }
    if (proc) {
        closedir(proc);
    }
    return all;
}

/* Marks head and its descendants, in passes: a child may come before its parent. */
static void mark_tree(struct process *all, size_t count, pid_t head)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            bool member = all[i].pid == head;
            for (size_t j = 0; j < count && !member && !all[i].member; j++) {
                member = all[j].member && all[j].pid == all[i].parent;
            }
            more |= member && !all[i].member;
            all[i].member |= member;
        }
    }
}

pid_t measure_child(const char *name)
{
    const pid_t parent = getpid();
    size_t count;
    struct process *all = read_all(&count);
    pid_t found = 0;
    for (size_t i = 0; i < count && !found; i++) {
        char text[64];
        slurp(text, sizeof(text), "/proc/%d/comm", (int)all[i].pid);
        text[strcspn(text, "\n")] = '\0';
        found = all[i].parent == parent && strcmp(text, name) == 0 ? all[i].pid : 0;
    }
    free(all);
    return found;
}

static double run_time(pid_t pid)
{
    char path[64], text[128];
    double total = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    const struct dirent *entry;
    while (tasks && (entry = readdir(tasks))) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            slurp(text, sizeof(text), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
            total += strtod(text, NULL) / 1e6;
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    return total;
}

static double pss_of(pid_t pid)
{
    char text[4096];
    slurp(text, sizeof(text), "/proc/%d/smaps_rollup", (int)pid);
    const char *line = strstr(text, "\nPss:");
    return line ? strtod(line + 5, NULL) / 1024 : 0;
}

static double cpu_of(const struct process *process)
{
    return run_time(process->pid) + process->reaped;
}

static double pss_of_process(const struct process *process)
{
    return pss_of(process->pid);
}

static double sum_over_tree(pid_t pid, double (*figure)(const struct process *process))
{
    size_t count;
    double sum = 0;
    struct process *all = read_all(&count);
    mark_tree(all, count, pid);
    for (size_t i = 0; i < count; i++) {
        sum += all[i].member ? figure(&all[i]) : 0;
    }
    free(all);
    return sum;
}

double measure_cpu(pid_t pid)
{
    return sum_over_tree(pid, cpu_of);
}

double measure_pss(pid_t pid)
{
    return sum_over_tree(pid, pss_of_process);
}

size_t measure_refreshes(const struct term *term, double from, double to, double gap)
{
    double last = from - gap;
    size_t count = 0;
    for (size_t i = 0; i < term_chunks(term); i++) {
        double at = term_chunk(term, i, NULL);
        if (at >= from && at < to) {
            count += at - last >= gap;
            last = at;
        }
    }
    return count;
}

void draws_add(struct draws *draws, double value)
{
    draws->values = mem_array(draws->values, draws->count + 1, sizeof(double));
    draws->values[draws->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double draws_quantile(struct draws *draws, double p)
{
    if (draws->count == 0) {
        return NAN;
    }
    qsort(draws->values, draws->count, sizeof(double), by_value);
    size_t index = (size_t)(p * (double)draws->count);
    return draws->values[index < draws->count ? index : draws->count - 1];
}

void draws_free(struct draws *draws)
{
    free(draws->values);
    *draws = (struct draws){0};
}
