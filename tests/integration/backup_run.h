/* Backups on real servers for tests: a private lab, a folder, the door for acts and the jobs that come
 * of them. A test that uses it calls backup_run_main first in its main. */
#ifndef INTEGRATION_BACKUP_RUN_H
#define INTEGRATION_BACKUP_RUN_H

#include "backend/action.h"
#include "backend/job.h"
#include "backend/manifest.h"
#include "tests/lab/lab.h"

#include <stdbool.h>

struct backup_run {
    struct lab *lab;
    struct config *config;
    struct postgres_config *postgres; /* of config */
    char *top, *folder;               /* folder: the config's, not made yet */
    uv_loop_t loop;
    struct backend *backend;
    struct actions *actions;
    bool open;
    void (*planned)(struct backup_run *run); /* called when the plan is complete, or NULL */
};

/* What came of one act. */
struct backup_answer {
    enum policy_ask ask;
    enum environment environment;
    char *plan, *reason; /* the plan's lines; why it is refused */
    enum outcome_status status;
    char *text, *job;
};

/* The job's process is this program: true when it was one (*status is what main returns). */
bool backup_run_main(int argc, char **argv, int *status);

/* The lab, without the backend: settings may be changed before backup_run_open. */
void backup_run_start(struct backup_run *run);
void backup_run_stop(struct backup_run *run);
void backup_run_open(struct backup_run *run);
void backup_run_close(struct backup_run *run);

/* Puts the server's own tools first into PATH. */
void backup_run_quick_tools(const struct backup_run *run);

/* Prepares, answers y if that is asked for, executes. */
void backup_run_ask(struct backup_run *run, const struct act_request *request,
                    struct backup_answer *answer);
void backup_answer_free(struct backup_answer *answer);

/* Starts the backup of a database into a folder (NULL: the config's); the id of its job, which the
 * caller frees. */
char *backup_run_begin(struct backup_run *run, const char *database, const char *folder,
                       bool count_rows);

/* The job as it is; freed with backup_info_free. */
struct job_info backup_run_look(const char *id);
void backup_info_free(struct job_info *info);

/* Waits until it has ended. */
struct job_info backup_run_wait(const char *id);

/* begin, wait, and it must be done: its file, which the caller frees. */
char *backup_run_good(struct backup_run *run, const char *database, const char *folder);

/* Runs statements in a database of the lab (NULL: postgres); they must work. */
void backup_sql(const struct backup_run *run, const char *database, const char *sql);
char *backup_value(const struct backup_run *run, const char *database, const char *sql);

/* What a command prints, without the end of its line; it must end with 0. The caller frees it. */
char *backup_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether the dump at path is whole: its mode, its manifest and hash, and all its data is readable.
 * Fails the test if not. */
void backup_assert_whole(const char *path);

/* Every final name in the folder is that of a whole dump; how many. */
size_t backup_assert_folder(const char *folder);

/* How many names in the folder end so. */
size_t backup_count(const char *folder, const char *end);

/* Sessions of this job on the server. */
int backup_sessions(const struct backup_run *run, const char *id);

double backup_seconds(void);
void backup_nap(double seconds);

#endif
