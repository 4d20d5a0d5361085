#include "backend/backup_dump.h"

#include "backend/backup_file.h"
#include "backend/backup_source.h"
#include "backend/backup_words.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FULL = 64 * 1024 }; /* bytes: a file system with less left is what made a write fail */

/* One that is being made. */
struct making {
    const struct backup *backup;
    struct job *job;
    struct backup_kind kind;
    struct backup_file file;
    struct manifest manifest;
    const char *what; /* "aletheia_prod", "the globals" */
    bool full;        /* a tool has said so */
};

double backup_clock(void)
{
    return (double)job_clock() / 1000;
}

char *backup_take_failure(struct job *job)
{
    struct job_process *process = job_process_of(job);
    char *why = process->failure;

    process->failure = NULL;
    return why;
}

static bool is_cancelled(void *context)
{
    return job_cancelled(context);
}

/* Takes over why. */
static bool fail_with(struct job *job, char *why)
{
    job_fail(job, "%s", why);
    free(why);
    return false;
}

static void report(const struct making *making, const char *doing)
{
    const struct backup *backup = making->backup;
    char *phase = backup->of
                      ? mem_printf("%s %s, %zu of %zu", doing, making->what, backup->at, backup->of)
                      : mem_printf("%s %s", doing, making->what);

    job_report(making->job, phase);
    free(phase);
}

/* ---- running the tools ---- */

static void on_line(struct job *job, const char *line, void *context)
{
    static const char table[] = "pg_dump: dumping contents of table ";
    struct making *making = context;

    if (strstr(line, "No space left on device"))
        making->full = true;
    if (strncmp(line, table, strlen(table)) == 0 && job->info.items < job->info.items_total - 1)
        job->info.items++;
}

static void on_tick(struct job *job, void *context)
{
    const struct making *making = context;
    struct stat found;

    if (fstat(making->file.fd, &found) == 0)
        job->info.bytes = (double)found.st_size;
    job_report(job, NULL);
}

static bool is_full(const struct making *making)
{
    struct statvfs space;

    return making->full || (fstatvfs(making->file.fd, &space) == 0 &&
                            (double)space.f_bavail * (double)space.f_frsize < FULL);
}

/* What a tool says of a full disk names no place and no mend. */
static bool explain(struct making *making)
{
    char size[BACKUP_WORD];

    if (job_cancelled(making->job) || !is_full(making))
        return false;
    free(backup_take_failure(making->job));
    return job_fail(making->job,
                    "no space left in %s after %s of %s: free some, or choose another "
                    "folder",
                    making->backup->folder, backup_bytes(size, making->job->info.bytes),
                    making->what);
}

/* Runs a tool of this server, its stdin or stdout a descriptor (-1: nothing). */
static bool run_tool(struct making *making, const char *name, const char *database,
                     const char *const *words, int in, int out)
{
    const struct job_run run = {
        .in = in, .out = out, .line = on_line, .tick = on_tick, .context = making};
    struct job_tool tool;
    bool good;

    if (!job_tool_new(making->job, &tool, name, database, words))
        return false;
    good = job_tool_run(making->job, &tool, &run);
    job_tool_free(&tool);
    return good;
}

/* ---- the file ---- */

static void begin(struct making *making, const struct backup *backup, const char *database)
{
    struct job_info *info = &backup->job->info;
    char now[BACKUP_WORD];

    *making = (struct making){.backup = backup,
                              .job = backup->job,
                              .what = database ? database : "the globals",
                              .file = {.fd = -1, .folder_fd = -1}};
    making->kind.stem = database ? manifest_file_name(database) : mem_strdup("globals");
    making->kind.extension = database ? ".dump" : ".sql";
    manifest_init(&making->manifest);
    making->manifest.started = mem_strdup(backup_now(now));
    info->bytes = info->bytes_total = info->items = info->items_total = -1;
    report(making, "looking at");
}

/* What the last one of this database took is the best guess for this one. */
static void estimate(struct making *making)
{
    struct job_info *info = &making->job->info;
    struct manifest last;

    info->bytes = 0;
    info->items = 0;
    info->items_total = (double)making->manifest.table_count;
    if (backup_files_last(making->backup->folder, &making->kind, making->manifest.server,
                          making->manifest.database, &last)) {
        info->bytes_total = (double)last.bytes;
        manifest_free(&last);
    }
}

static bool create(struct making *making)
{
    char *why = backup_file_create(&making->file, making->backup->folder, &making->kind,
                                   is_cancelled, making->job);

    if (why)
        return fail_with(making->job, why);
    free(making->job->info.file);
    making->job->info.file = backup_file_path(&making->file);
    making->manifest.file = mem_strdup(making->file.name);
    return true;
}

/* Its size and hash, when it is on the disk. */
static bool measure(struct making *making)
{
    struct stat found;
    char *why = backup_file_sync(&making->file), hex[65], now[BACKUP_WORD];

    if (why)
        return fail_with(making->job, why) || explain(making);
    report(making, "hashing");
    if (fstat(making->file.fd, &found) < 0 ||
        !sha256_file(making->file.fd, hex, is_cancelled, making->job))
        return job_fail(making->job, "cannot read %s: %s", making->job->info.file, strerror(errno));
    making->manifest.bytes = found.st_size;
    making->manifest.sha256 = mem_strdup(hex);
    making->manifest.ended = mem_strdup(backup_now(now));
    return true;
}

static bool commit(struct making *making, struct backup_done *done)
{
    const struct manifest *manifest = &making->manifest;
    char *why = backup_file_commit(&making->file, manifest);

    if (why)
        return fail_with(making->job, why);
    done->bytes = (double)manifest->bytes;
    done->seconds = backup_time(manifest->ended) - backup_time(manifest->started);
    done->removed =
        backup_files_retain(making->backup->folder, &making->kind, making->backup->keep, manifest);
    making->job->info.bytes = done->bytes;
    making->job->info.items = making->job->info.items_total;
    job_report(making->job, NULL);
    return true;
}

/* Returns good. */
static bool end(struct making *making, bool good)
{
    if (!good) {
        backup_file_discard(&making->file);
        job_pg_end_sessions(making->job);
    }
    free((void *)(uintptr_t)making->kind.stem);
    manifest_free(&making->manifest);
    return good;
}

/* ---- a database ---- */

/* What pg_restore --list says of who made it: "; Dumped by pg_dump version: 15.18 (Debian …)". */
static void read_version(struct making *making, int list)
{
    static const char before[] = "Dumped by pg_dump version: ";
    FILE *lines = fdopen(dup(list), "r");
    char *line = NULL;
    size_t size = 0;

    if (!lines)
        return;
    rewind(lines);
    while (!making->manifest.tool_version && getline(&line, &size, lines) > 0) {
        const char *found = line[0] == ';' ? strstr(line, before) : NULL;

        if (found)
            making->manifest.tool_version =
                mem_printf("pg_dump (PostgreSQL) %.*s", (int)strcspn(found + strlen(before), " \n"),
                           found + strlen(before));
    }
    free(line);
    fclose(lines);
}

static bool rewind_file(struct making *making)
{
    return lseek(making->file.fd, 0, SEEK_SET) == 0 ||
           job_fail(making->job, "cannot read %s: %s", making->job->info.file, strerror(errno));
}

/* What pg_restore says is not about the dump by itself. */
static bool distrust(struct making *making)
{
    char *why = backup_take_failure(making->job);

    if (why)
        job_fail(making->job, "the dump of %s was removed, since it cannot be read whole: %s",
                 making->what, why);
    free(why);
    return false;
}

/* The list only reads the contents at its start: the second run reads all its data, so that one
 * which was cut on its way is found. */
static bool check(struct making *making)
{
    static const char *const list_words[] = {"--list", NULL};
    static const char *const read_words[] = {"--file=/dev/null", NULL};
    int list = memfd_create("list", MFD_CLOEXEC);
    bool good;

    report(making, "checking");
    good = (list >= 0 || job_fail(making->job, "no memory for the list of the dump's contents")) &&
           rewind_file(making) &&
           run_tool(making, "pg_restore", NULL, list_words, making->file.fd, list) &&
           rewind_file(making) &&
           run_tool(making, "pg_restore", NULL, read_words, making->file.fd, -1);
    if (good)
        read_version(making, list);
    if (list >= 0)
        close(list);
    return good || distrust(making);
}

static bool write_dump(struct making *making, const char *database, const char *snapshot)
{
    char *at = mem_printf("--snapshot=%s", snapshot);
    const char *const words[] = {"--format=custom", "--verbose", BACKUP_LOCK_WAIT, at, NULL};
    bool good;

    report(making, "dumping");
    good = run_tool(making, "pg_dump", database, words, -1, making->file.fd);
    free(at);
    if (!good)
        return explain(making);
    making->job->info.items = making->job->info.items_total;
    on_tick(making->job, making);
    return true;
}

bool backup_dump(const struct backup *backup, const char *database, struct backup_done *done)
{
    struct backup_source source;
    struct making making;
    bool good;

    begin(&making, backup, database);
    good = backup_source_open(backup->job, database, backup->count_rows, &source, &making.manifest);
    if (good) {
        estimate(&making);
        good = create(&making) && write_dump(&making, database, source.snapshot);
    }
    backup_source_close(&source);
    good = good && check(&making) && measure(&making) && commit(&making, done);
    return end(&making, good);
}

/* ---- roles and tablespaces ---- */

/* pg_dumpall does not look whether what it wrote has arrived. */
static bool is_complete(const struct making *making)
{
    static const char last[] = "-- PostgreSQL database cluster dump complete";
    char tail[513];
    struct stat found;
    ssize_t n = -1;

    if (fstat(making->file.fd, &found) == 0)
        n = pread(making->file.fd, tail, sizeof(tail) - 1,
                  found.st_size > 512 ? found.st_size - 512 : 0);
    if (n < 0)
        return false;
    tail[n] = '\0';
    return strstr(tail, last) != NULL;
}

static bool write_globals(struct making *making, const char *database, bool passwords)
{
    char *at = mem_printf("--database=%s", database);
    const char *const words[] = {"--globals-only", at, passwords ? NULL : "--no-role-passwords",
                                 NULL};
    bool good;

    report(making, "dumping");
    good = run_tool(making, "pg_dumpall", database, words, -1, making->file.fd);
    free(at);
    if (good && is_complete(making))
        return true;
    if (good)
        job_fail(making->job, "pg_dumpall did not write all of %s", making->job->info.file);
    return explain(making);
}

bool backup_globals(const struct backup *backup, struct backup_done *done)
{
    struct making making;
    char *database = NULL;
    bool passwords, good;

    begin(&making, backup, NULL);
    good = backup_globals_describe(backup->job, &making.manifest, &passwords, &database) &&
           create(&making) && write_globals(&making, database, passwords) && measure(&making) &&
           commit(&making, done);
    free(database);
    return end(&making, good);
}
