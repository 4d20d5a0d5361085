/* What the parts of the jobs (job*.c) share. Works of jobs are written with job_impl.h alone. */
#ifndef BACKEND_JOB_INTERNAL_H
#define BACKEND_JOB_INTERNAL_H

#include "backend/config.h"
#include "backend/job_impl.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the folder of a job ---- */

/* The path of the job's folder, or of a file in it (name not NULL); the caller frees it. NULL: *error
 * (no such place, or id is none). */
char *job_path(const char *id, const char *name, char **error);
bool job_id_valid(const char *id);

/* Reads the job of an id as it is on disk. False: *error (there is no such job). */
bool job_info_read(const char *id, struct job_info *info, char **error);
void job_info_free(struct job_info *info);
void job_info_init(struct job_info *info);

/* state.json's content, and back: members that are missing or of another type stay as they are. */
json_t *job_info_json(const struct job_info *info);
void job_info_parse(struct job_info *info, const json_t *object);

/* The object in a file of the folder, or NULL: it is not there, or is none. */
json_t *job_file_read(const char *id, const char *name);

/* Replaces a file of the folder in one step; synced: on the disk when this returns. NULL: done; else
 * why not, which the caller frees. */
char *job_file_write(const char *folder, const char *name, const json_t *object, bool synced);

/* Removes what ended longest ago beyond what is kept. A folder with its plain files. */
void job_prune(void);
void job_remove(const char *id);

/* ---- what goes through the pipe ---- */

/* Environment variables that may hold a secret: they reach no child. */
extern const char *const job_secret_names[];

/* environ without those; an array that the caller frees (not its strings). */
char **job_clean_environ(void);

/* All that a job's process must know and its folder must not: with the secrets. */
json_t *job_settings_json(const struct config *config, const char *audit_path);

/* Back: a config that the caller frees, and the secrets of the environment put back into it. *audit:
 * the caller frees it. NULL: it is no such object. */
struct config *job_settings_parse(const json_t *settings, char **audit);

/* A configuration with just this instance (one of the two), which the caller frees. */
struct config *job_settings_of(const struct config *config, const struct postgres_config *postgres,
                               const struct redis_config *redis);

/* ---- the job's process ---- */

struct job_process {
    struct job job; /* first */
    char *folder, *audit, *action_id, *failure;
    json_t *spec;
    struct config *config;
    int lock, log;
    int64_t log_left; /* bytes that the log may still take */
    bool cancelled, sessions;
    mode_t mask;      /* umask of who has started it, which its tools get */
    int server_major; /* 0: not asked yet */
    int64_t looked_at, written_at;
};

static inline struct job_process *job_process_of(struct job *job)
{
    return (struct job_process *)job;
}

int64_t job_clock(void); /* ms, monotonic */
double job_wall(void);   /* seconds since 1970 */

/* A line into the log, with its end. */
void job_log(struct job *job, const char *line, size_t len);

/* ---- conninfo ---- */

/* The keyword of the first option that is set, is secret and cannot be given to a tool in another way
 * as the password can; or NULL. Pure. */
const char *conninfo_secret(const PQconninfoOption *options);

/* The instance's conninfo without secrets, for database (NULL: its own) and application; with a
 * password of ours (own_password) the passfile of it is left out. NULL: *error, both freed by the
 * caller. */
char *conninfo_for_tool(const char *conninfo, const char *database, const char *application,
                        bool own_password, char **error);

/* "*:*:*:*:PASSWORD" as a passfile has it, without the line's end; NULL: it cannot stand in one. The
 * caller frees it with mem_free_secret. */
char *passfile_line(const char *password);

/* The password that libpq does not find by itself in a child (of the env file, conninfo or
 * PGPASSWORD); NULL: none, none that the server may get (container_bars_password), or *error: the
 * env file cannot be read. The caller frees it with mem_free_secret. */
char *job_password(const struct postgres_config *config, char **error);

/* "sharedtop job ID"; the caller frees it. */
char *job_application(const struct job *job);

/* ---- PostgreSQL; heed: whose cancel ends the wait, or NULL; ms: the most it takes, 0: no limit.
 * With heed NULL they may run in any thread. ---- */

/* database NULL: the conninfo's. NULL: *error, with the mend, which the caller frees. */
PGconn *job_pg_connect(struct job *heed, const struct postgres_config *config, const char *database,
                       const char *application, int ms, char **error);

/* Major version of the instance's server; 0 after job_fail. */
int job_pg_major(struct job *job);

/* NULL: *error is one line which the caller frees. count 0: sql may be several statements. */
PGresult *job_pg_ask(struct job *heed, PGconn *conn, const char *sql, int count,
                     const char *const *values, int ms, char **error);

/* ---- tools ---- */

/* How a child ended. */
struct job_exit {
    bool started, cancelled;
    int status;  /* of waitpid */
    int error;   /* errno, if it could not be started */
    char *words; /* its telling line of stderr, or NULL; owned */
};

/* job_tool_run without a verdict. quiet: stderr does not go to the log. */
void job_child_run(struct job *job, const struct job_tool *tool, const struct job_run *run,
                   bool quiet, struct job_exit *result);

/* The major version in what `--version` says, or -1. Pure. */
int job_tool_parse_version(const char *text);

#endif
