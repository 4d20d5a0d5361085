#include "tests/integration/backup_run.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 40.0 /* seconds */

bool backup_run_main(int argc, char **argv, int *status)
{
    if (argc != 3 || strcmp(argv[1], "job-run") != 0)
        return false;
    *status = job_main(argv[2]);
    return true;
}

double backup_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void backup_nap(double seconds)
{
    const struct timespec time = {(time_t)seconds,
                                  (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}

/* ---- the lab ---- */

void backup_run_start(struct backup_run *run)
{
    char *state;

    *run = (struct backup_run){.lab = lab_start("-c max_connections=60")};
    run->top = mem_strdup("/tmp/backup-XXXXXX");
    assert_non_null(mkdtemp(run->top));
    run->folder = mem_printf("%s/made/here", run->top);
    state = mem_printf("%s/state", run->top);
    setenv("XDG_STATE_HOME", state, 1);
    free(state);
    run->config = config_new();
    run->postgres = config_add_postgres(run->config, "lab", lab_get(run->lab, "LAB_PG"));
    free(run->config->backup.directory);
    run->config->backup.directory = mem_strdup(run->folder);
    run->config->backup.keep = 0;
}

void backup_run_stop(struct backup_run *run)
{
    char *command = mem_printf("rm -rf '%s'", run->top);

    if (run->open)
        backup_run_close(run);
    config_free(run->config);
    lab_stop(run->lab);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    free(command);
    free(run->folder);
    free(run->top);
}

static void on_change(void *context)
{
    (void)context;
}

/* Acts are named by second, process and a number that begins anew with each door. */
static void wait_for_next_second(void)
{
    const time_t now = time(NULL);

    while (time(NULL) == now)
        backup_nap(0.01);
}

void backup_run_open(struct backup_run *run)
{
    wait_for_next_second();
    uv_loop_init(&run->loop);
    run->backend = backend_new(&run->loop, run->config, on_change, NULL);
    run->actions = actions_new(&run->loop, run->backend, run->config);
    backend_start(run->backend);
    run->open = true;
}

static void on_gone(void *context)
{
    *(bool *)context = true;
}

void backup_run_close(struct backup_run *run)
{
    bool actions = false, backend = false;

    actions_close(run->actions, on_gone, &actions);
    backend_close(run->backend, on_gone, &backend);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    assert_true(actions && backend);
    assert_int_equal(uv_loop_close(&run->loop), 0);
    run->open = false;
}

/* Debian's pg_dump in PATH is a script that looks for the real one: with many runs that counts. */
void backup_run_quick_tools(const struct backup_run *run)
{
    char *data = backup_value(run, NULL, "SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    char *path = mem_printf("%s:%s", data, getenv("PATH"));

    setenv("PATH", path, 1);
    free(path);
    free(data);
}

/* ---- an act ---- */

struct asking {
    struct backup_run *run;
    struct backup_answer *answer;
    bool ended;
};

static void on_prepared(void *context, struct action *action)
{
    struct asking *asking = context;
    const struct plan *plan = action_plan(action);

    asking->answer->ask = plan->verdict.ask;
    asking->answer->environment = plan->environment;
    asking->answer->reason = mem_strdup(plan->verdict.reason);
    asking->answer->plan = plan_text(plan);
    if (asking->run->planned)
        asking->run->planned(asking->run);
    if (plan->verdict.ask == POLICY_YES) {
        action_execute(action, ANSWER_YES, NULL);
    } else {
        asking->answer->status = OUTCOME_REFUSED;
        asking->ended = true;
        action_free(action);
    }
}

static void on_done(void *context, struct action *action)
{
    struct asking *asking = context;
    const struct outcome *outcome = action_outcome(action);

    asking->answer->status = outcome->status;
    asking->answer->text = mem_strdup(outcome->text);
    asking->answer->job = mem_strdup(outcome->job);
    asking->ended = true;
    action_free(action);
}

static void on_late(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

void backup_run_ask(struct backup_run *run, const struct act_request *request,
                    struct backup_answer *answer)
{
    static const struct action_events events = {.prepared = on_prepared, .done = on_done};
    struct asking asking = {.run = run, .answer = answer};
    bool late = false;
    uv_timer_t timer;

    *answer = (struct backup_answer){.status = OUTCOME_FAILED};
    uv_timer_init(&run->loop, &timer);
    timer.data = &late;
    uv_update_time(&run->loop);
    uv_timer_start(&timer, on_late, (uint64_t)(PATIENCE * 1000), 0);
    action_prepare(run->actions, request, &events, &asking);
    while (!asking.ended && !late)
        uv_run(&run->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    while (uv_is_active((const uv_handle_t *)&timer))
        uv_run(&run->loop, UV_RUN_NOWAIT);
    uv_run(&run->loop, UV_RUN_NOWAIT);
    assert_false(late);
}

void backup_answer_free(struct backup_answer *answer)
{
    free(answer->plan);
    free(answer->reason);
    free(answer->text);
    free(answer->job);
    *answer = (struct backup_answer){0};
}

char *backup_run_begin(struct backup_run *run, const char *database, const char *folder,
                       bool count_rows)
{
    const struct act_request request = {
        .act = ACT_BACKUP, .database = database, .directory = folder, .count_rows = count_rows};
    struct backup_answer answer;
    char *job;

    backup_run_ask(run, &request, &answer);
    if (answer.status != OUTCOME_STARTED)
        fail_msg("no backup of %s was started: %s", database,
                 answer.text ? answer.text : answer.reason);
    job = mem_strdup(answer.job);
    backup_answer_free(&answer);
    return job;
}

/* ---- its job ---- */

struct job_info backup_run_look(const char *id)
{
    struct job_list list = {0};
    struct job_info found = {0};
    char *error = NULL;

    if (!job_list_read(&list, &error))
        fail_msg("the jobs cannot be read: %s", error);
    for (size_t i = 0; i < list.count; i++) {
        const struct job_info *info = &list.items[i];

        if (strcmp(info->id, id) != 0)
            continue;
        found = *info;
        found.id = mem_strdup(info->id);
        found.instance = mem_strdup(info->instance);
        found.target = mem_strdup(info->target);
        found.phase = mem_strdup(info->phase);
        found.result = mem_strdup(info->result);
        found.file = mem_strdup(info->file);
        found.offer = found.made = NULL;
    }
    job_list_free(&list);
    if (!found.id)
        fail_msg("there is no job %s", id);
    return found;
}

void backup_info_free(struct job_info *info)
{
    free(info->id);
    free(info->instance);
    free(info->target);
    free(info->phase);
    free(info->result);
    free(info->file);
    *info = (struct job_info){0};
}

struct job_info backup_run_wait(const char *id)
{
    const double until = backup_seconds() + PATIENCE;

    for (;;) {
        struct job_info info = backup_run_look(id);

        if (job_state_ended(info.state))
            return info;
        if (backup_seconds() > until)
            fail_msg("job %s does not end: %s", id, info.phase);
        backup_info_free(&info);
        backup_nap(0.01);
    }
}

char *backup_run_good(struct backup_run *run, const char *database, const char *folder)
{
    char *id = backup_run_begin(run, database, folder, false), *file;
    struct job_info info = backup_run_wait(id);

    if (info.state != JOB_DONE)
        fail_msg("the backup of %s is %s: %s", database, job_state_text(info.state), info.result);
    file = mem_strdup(info.file);
    backup_info_free(&info);
    free(id);
    return file;
}

/* ---- the server ---- */

static PGconn *connect_to(const struct backup_run *run, const char *database)
{
    const char *keywords[] = {"dbname", "dbname", NULL};
    const char *values[] = {lab_get(run->lab, "LAB_PG"), database ? database : "postgres", NULL};
    PGconn *conn = PQconnectdbParams(keywords, values, 1);

    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

void backup_sql(const struct backup_run *run, const char *database, const char *sql)
{
    free(backup_value(run, database, sql));
}

char *backup_value(const struct backup_run *run, const char *database, const char *sql)
{
    PGconn *conn = connect_to(run, database);
    PGresult *result = PQexec(conn, sql);
    const ExecStatusType status = PQresultStatus(result);
    char *value;

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    value = mem_strdup(PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

int backup_sessions(const struct backup_run *run, const char *id)
{
    char *sql = mem_printf("SELECT count(*) FROM pg_stat_activity"
                           " WHERE application_name = 'sharedtop job %s'",
                           id);
    char *value = backup_value(run, NULL, sql);
    int count = (int)strtol(value, NULL, 10);

    free(value);
    free(sql);
    return count;
}

/* ---- files ---- */

char *backup_output(const char *format, ...)
{
    struct strbuf text = {0};
    char room[4096], command[4096];
    va_list args;
    FILE *pipe;
    size_t n;
    int status;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    pipe = popen(command, "re"); // NOLINT(cert-env33-c)
    assert_non_null(pipe);
    while ((n = fread(room, 1, sizeof(room), pipe)) > 0)
        strbuf_add(&text, room, n);
    status = pclose(pipe);
    if (status != 0)
        fail_msg("%s: ended with %d: %s", command, status, text.s ? text.s : "");
    while (text.len && text.s[text.len - 1] == '\n')
        text.s[--text.len] = '\0';
    return strbuf_take(&text);
}

static void assert_private(const char *path)
{
    struct stat found;

    assert_int_equal(lstat(path, &found), 0);
    assert_true(S_ISREG(found.st_mode));
    assert_int_equal(found.st_mode & 07777, 0600);
}

void backup_assert_whole(const char *path)
{
    char *beside = mem_printf("%s.json", path), *error = NULL, hex[65];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct manifest manifest;
    struct stat found = {0};

    assert_private(path);
    assert_private(beside);
    if (!manifest_read(beside, &manifest, &error))
        fail_msg("%s", error);
    assert_true(fd >= 0 && fstat(fd, &found) == 0);
    assert_int_equal(found.st_size, manifest.bytes);
    assert_true(sha256_file(fd, hex, NULL, NULL));
    assert_string_equal(hex, manifest.sha256);
    assert_string_equal(strrchr(path, '/') + 1, manifest.file);
    free(backup_output("pg_restore -f /dev/null '%s' 2>&1", path));
    close(fd);
    manifest_free(&manifest);
    free(beside);
}

static bool ends_so(const char *name, const char *end)
{
    const size_t length = strlen(name), tail = strlen(end);

    return length > tail && strcmp(name + length - tail, end) == 0;
}

size_t backup_assert_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir))) {
        if (ends_so(entry->d_name, ".dump")) {
            char *path = mem_printf("%s/%s", folder, entry->d_name);

            backup_assert_whole(path);
            free(path);
            count++;
        }
    }
    if (dir)
        closedir(dir);
    return count;
}

size_t backup_count(const char *folder, const char *end)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += ends_so(entry->d_name, end);
    if (dir)
        closedir(dir);
    return count;
}
