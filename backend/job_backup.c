#include "backend/backup_dump.h"
#include "backend/backup_file.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/job_impl.h"
#include "backend/statedir.h"

#include <stdlib.h>
#include <string.h>

/* Several databases: what came of them. */
struct tally {
    size_t done, removed;
    double bytes;
    struct strbuf failures; /* "umami: why; monitoring: why" */
    size_t failed;
};

static const char *parameter(const struct job *job, const char *name)
{
    const char *text = json_string_value(json_object_get(job->parameters, name));

    return text ? text : "";
}

static char *removed_words(size_t removed)
{
    return removed ? mem_printf(" (%zu older %s removed)", removed, removed == 1 ? "one" : "ones")
                   : mem_strdup("");
}

/* ---- one database ---- */

static bool run_one(struct job *job, struct backup *backup, const char *database)
{
    char size[BACKUP_WORD], time[BACKUP_WORD], *removed;
    struct backup_done done;

    if (!backup_dump(backup, database, &done))
        return false;
    removed = removed_words(done.removed);
    free(job->info.result);
    job->info.result = mem_printf("%s in %s: %s%s", backup_bytes(size, done.bytes),
                                  backup_duration(time, done.seconds), job->info.file, removed);
    free(removed);
    return true;
}

/* ---- all of them ---- */

static void add(struct job *job, struct tally *tally, const char *what, bool good,
                const struct backup_done *done)
{
    char *why;

    if (good) {
        tally->done++;
        tally->bytes += done->bytes;
        tally->removed += done->removed;
        return;
    }
    why = backup_take_failure(job);
    strbuf_addf(&tally->failures, "%s%s: %s", tally->failed ? "; " : "", what,
                why ? why : "it failed");
    tally->failed++;
    free(why);
}

static bool sum_up(struct job *job, const struct tally *tally, const char *folder, double seconds)
{
    char size[BACKUP_WORD], time[BACKUP_WORD], *removed;

    if (tally->failed)
        return job_fail(job, "%zu of %zu failed, the others are in %s: %s", tally->failed,
                        tally->failed + tally->done, folder, tally->failures.s);
    removed = removed_words(tally->removed);
    free(job->info.file);
    job->info.file = mem_strdup(folder);
    free(job->info.result);
    job->info.result = mem_printf("%zu databases and the globals, %s in %s: %s%s", tally->done - 1,
                                  backup_bytes(size, tally->bytes), backup_duration(time, seconds),
                                  folder, removed);
    free(removed);
    return true;
}

static void say_cancelled(struct job *job, const struct tally *tally, const struct backup *backup)
{
    free(job->info.result);
    job->info.result = mem_printf("cancelled; %zu of %zu were done and stay in %s", tally->done,
                                  backup->of + 1, backup->folder);
}

/* One after the other: side by side they would only slow the server and each other. What fails is
 * told at the end; a cancel ends all. */
static bool run_all(struct job *job, struct backup *backup, const json_t *databases)
{
    const double began = backup_clock();
    struct backup_done done = {0};
    struct tally tally = {0};
    bool good = backup_globals(backup, &done);

    add(job, &tally, "the globals", good, &done);
    backup->of = json_array_size(databases);
    for (size_t i = 0; i < backup->of && !job_cancelled(job); i++) {
        const char *name = json_string_value(json_array_get(databases, i));

        backup->at = i + 1;
        good = backup_dump(backup, name, &done);
        add(job, &tally, name, good, &done);
    }
    good = !job_cancelled(job) && sum_up(job, &tally, backup->folder, backup_clock() - began);
    if (job_cancelled(job))
        say_cancelled(job, &tally, backup);
    strbuf_free(&tally.failures);
    return good;
}

static bool run(struct job *job)
{
    const json_t *databases = json_object_get(job->parameters, "databases");
    const char *first = json_string_value(json_array_get(databases, 0));
    struct backup backup = {
        .job = job,
        .folder = parameter(job, "directory"),
        .count_rows = json_is_true(json_object_get(job->parameters, "count_rows")),
        .keep = (size_t)job->config->backup.keep,
    };
    char *why;

    setenv("LC_ALL", "C", 1); /* the tools' words are looked at */
    if (!first || !*backup.folder)
        return job_fail(job, "its spec.json names no database and folder");
    job_report(job, "looking at the folder");
    why = statedir_make(backup.folder);
    if (why) {
        job_fail(job, "%s", why);
        free(why);
        return false;
    }
    backup_files_clean(backup.folder);
    if (json_is_true(json_object_get(job->parameters, "all")))
        return run_all(job, &backup, databases);
    return run_one(job, &backup, first);
}

const struct job_work job_backup = {.act = ACT_BACKUP, .run = run};
