/* What the work of a job (job_backup.c, job_restore.c, …) is written with. It runs in the job's own
 * process, which has no screen and no loop: it may wait. SIGTERM, SIGINT and the file `cancel` set
 * the same flag; SIGHUP is ignored. */
#ifndef BACKEND_JOB_IMPL_H
#define BACKEND_JOB_IMPL_H

#include "backend/base/strbuf.h"
#include "backend/job.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct job {
    const char *id;
    const char *folder;       /* its state's */
    const json_t *parameters; /* from job_start */
    const struct config *config;
    const struct postgres_config *postgres; /* of its instance, or NULL */
    const struct redis_config *redis;
    struct job_info info; /* what job_report writes */
};

/* One kind of work; a row of the table in job_main.c. Returns true when it is done, with
 * job->info.result set; false after job_fail, or when it was cancelled. */
struct job_work {
    enum act act;
    bool (*run)(struct job *job);
};
extern const struct job_work job_backup, job_restore, job_restart, job_delete;

/* Says what it does now, and how far it is (info.bytes, items, …): written at once when the phase is
 * another one (phase NULL: the same), else a few times a second at most. */
void job_report(struct job *job, const char *phase);

/* Notes why it failed (the first time counts). Always false. */
bool job_fail(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True once it should end. Cheap. */
bool job_cancelled(struct job *job);

/* A connection to a database of the job's instance with application_name "sharedtop job ID" and no
 * statement_timeout; NULL after job_fail. A cancel ends what it runs. The caller: job_pg_close. */
PGconn *job_pg_open(struct job *job, const char *database);
void job_pg_close(PGconn *conn);

/* Runs sql with text parameters; the result (text) if its status is as wanted (PGRES_TUPLES_OK or
 * PGRES_COMMAND_OK), which the caller clears; else NULL after job_fail with what and the server's
 * message. Interrupted by a cancel. */
PGresult *job_pg_run(struct job *job, PGconn *conn, const char *what, const char *sql, int count,
                     const char *const *values);

/* Ends, on the server, every session with this job's application_name: after a cancel or a failure
 * no backend of ours stays. */
void job_pg_end_sessions(struct job *job);

/* How a tool of PostgreSQL (pg_dump, pg_restore, psql) is called for this instance: behind
 * command_prefix, the host's own or the container's, with address and user, the password by a way that neither argv nor
 * environ shows, PGAPPNAME or its like set to the job's application_name. */
struct job_tool {
    char **argv; /* ends with NULL */
    int pass_fd; /* inherited by the child, or -1 */
    char *input; /* goes to its stdin first (a secret), or NULL */
    bool prefixed;
    const char *name; /* "pg_dump", for messages; NULL: the last part of argv[0] */
    size_t mode_at;   /* the word of argv that says what its stdin is for; 0: none */
};

/* words: the tool's own arguments, NULL at the end. database NULL: none is named. Without
 * command_prefix it is the host's if its major version is at least the server's, else that of the
 * instance's container. False after job_fail: there is none. */
bool job_tool_new(struct job *job, struct job_tool *tool, const char *name, const char *database,
                  const char *const *words);
void job_tool_free(struct job_tool *tool);

struct job_run {
    int in, out; /* descriptors for its stdin and stdout; -1: nothing */
    void (*line)(struct job *job, const char *line,
                 void *context);                  /* each line of stderr, or NULL */
    void (*tick)(struct job *job, void *context); /* a few times a second, or NULL */
    void *context;
};

/* Runs it and waits; a cancel terminates it. It dies with this process. True: it exited with 0.
 * False after job_fail with its last error lines, or cancelled. stderr also goes to the log. */
bool job_tool_run(struct job *job, const struct job_tool *tool, const struct job_run *run);

#endif
