#include "backend/backup_survey.h"

#include "backend/backup_file.h"
#include "backend/base/mem.h"
#include "backend/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A dump grows with its database, and is compressed to a quarter or less most of the time. */
#define GROWTH 1.1
#define SHARE  0.25

double backup_need(const struct backup_wanted *wanted)
{
    if (wanted->last.file && wanted->last.bytes >= 0) {
        double grown = wanted->size > 0 && wanted->last.database_size > 0
                           ? wanted->size / (double)wanted->last.database_size
                           : 1;

        return GROWTH * (double)wanted->last.bytes * (grown > 1 ? grown : 1);
    }
    return wanted->size < 0 ? -1 : SHARE * wanted->size;
}

/* The path, or the nearest folder above it that exists; NULL: *error. */
static char *existing_part(const char *path, char **error)
{
    char *part = mem_strdup(path);
    struct stat found;

    *error = NULL;
    while (stat(part, &found) != 0) {
        char *slash = strrchr(part, '/');

        if (errno != ENOENT || !slash || strcmp(part, "/") == 0) {
            *error = mem_printf("cannot use the folder %s: %s: %s", path, part, strerror(errno));
            break;
        }
        slash[slash == part] = '\0'; /* the root keeps its slash */
    }
    if (!*error && !S_ISDIR(found.st_mode))
        *error = mem_printf("cannot use the folder %s: %s is no folder", path, part);
    if (!*error)
        return part;
    free(part);
    return NULL;
}

static void look_at_folder(struct backup_survey *survey)
{
    struct statvfs space;

    survey->free = -1;
    survey->measured = existing_part(survey->folder, &survey->error);
    if (!survey->measured)
        return;
    if (access(survey->measured, W_OK | X_OK) != 0)
        survey->error = mem_printf("cannot write in the folder %s: %s: choose another one (--to)",
                                   survey->measured, strerror(errno));
    else if (statvfs(survey->measured, &space) == 0)
        survey->free = (double)space.f_bavail * (double)space.f_frsize;
}

static void look_for_last(const struct backup_survey *survey, struct backup_wanted *wanted)
{
    char *stem = manifest_file_name(wanted->name);
    const struct backup_kind kind = {.stem = stem, .extension = ".dump"};

    backup_files_last(survey->folder, &kind, survey->config->name, wanted->name, &wanted->last);
    free(stem);
}

/* By its target, which is the database's name. */
static void look_for_jobs(struct backup_survey *survey)
{
    struct job_list jobs = {0};
    char *error = NULL;

    if (!job_list_read(&jobs, &error)) {
        free(error);
        return;
    }
    for (size_t i = 0; i < jobs.count; i++) {
        const struct job_info *job = &jobs.items[i];

        if (job->act != ACT_BACKUP || job_state_ended(job->state) || !job->instance ||
            !job->target || strcmp(job->instance, survey->config->name) != 0)
            continue;
        for (size_t k = 0; k < survey->count; k++) {
            if (strcmp(job->target, survey->wanted[k].name) == 0 && !survey->wanted[k].running)
                survey->wanted[k].running = mem_strdup(job->id);
        }
    }
    job_list_free(&jobs);
}

void backup_survey_run(struct backup_survey *survey)
{
    look_at_folder(survey);
    for (size_t i = 0; i < survey->count; i++)
        look_for_last(survey, &survey->wanted[i]);
    look_for_jobs(survey);
    backup_tool_find(survey->config, "pg_dump", survey->major, &survey->tool);
}

void backup_survey_free(struct backup_survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        manifest_free(&survey->wanted[i].last);
        free(survey->wanted[i].running);
        survey->wanted[i].running = NULL;
    }
    backup_tool_free(&survey->tool);
    free(survey->measured);
    free(survey->error);
    survey->measured = survey->error = NULL;
}
