/* The job's own process. */
#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 100,       /* between looks for the file `cancel` */
    WRITE_MS = 300,      /* between writes of the state */
    SETTINGS_MS = 10000, /* until all settings must have come */
    LOCK_MS = 5000,      /* readers hold the lock for a moment */
    LOG_MAX = 16 << 20
};

static const struct job_work *const works[] = {&job_backup, &job_restore, &job_restart,
                                               &job_delete};

static volatile sig_atomic_t signalled;

/* ---- for the works ---- */

static bool save(struct job_process *process, bool synced)
{
    json_t *state;
    char *error;

    process->job.info.updated = job_wall();
    process->written_at = job_clock();
    state = job_info_json(&process->job.info);
    error = job_file_write(process->folder, "state.json", state, synced);
    json_decref(state);
    if (error)
        job_log(&process->job, error, strlen(error));
    free(error);
    return error == NULL;
}

void job_report(struct job *job, const char *phase)
{
    struct job_process *process = job_process_of(job);
    bool other = phase && (!job->info.phase || strcmp(phase, job->info.phase) != 0);

    if (other) {
        free(job->info.phase);
        job->info.phase = mem_strdup(phase);
    }
    if (other || job_clock() - process->written_at >= WRITE_MS)
        save(process, false);
}

bool job_fail(struct job *job, const char *format, ...)
{
    struct job_process *process = job_process_of(job);
    struct strbuf text = {0};
    char room[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(room, sizeof(room), format, args);
    va_end(args);
    job_log(job, room, strlen(room));
    /* What fails since it was called off is no failure. */
    if (!process->failure && !job_cancelled(job)) {
        strbuf_adds(&text, room);
        for (char *c = text.s; *c; c++)
            *c = *c == '\n' || *c == '\r' ? ' ' : *c;
        process->failure = strbuf_take(&text);
    }
    return false;
}

static bool has_cancel_file(const struct job_process *process)
{
    char *path = mem_printf("%s/cancel", process->folder);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

/* A signal too is seen by who looks at the folder. */
static void make_cancel_file(const struct job_process *process)
{
    char *path = mem_printf("%s/cancel", process->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    free(path);
}

bool job_cancelled(struct job *job)
{
    struct job_process *process = job_process_of(job);
    int64_t now;

    if (process->cancelled)
        return true;
    now = job_clock();
    process->cancelled = signalled != 0;
    if (process->cancelled)
        make_cancel_file(process);
    else if (now - process->looked_at >= LOOK_MS) {
        process->looked_at = now;
        process->cancelled = has_cancel_file(process);
    }
    if (process->cancelled)
        save(process, false);
    return process->cancelled;
}

void job_log(struct job *job, const char *line, size_t len)
{
    struct job_process *process = job_process_of(job);

    if (process->log < 0 || process->log_left < (int64_t)len + 1)
        return;
    process->log_left -= (int64_t)len + 1;
    if (write(process->log, line, len) < 0 || write(process->log, "\n", 1) < 0)
        process->log_left = 0; /* a full disk: the work matters more than its log */
}

/* ---- the process ---- */

static void on_signal(int number)
{
    signalled = number;
}

static void set_signals(void)
{
    struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGQUIT, &ignore, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Where the kernel or its sandbox knows no close_range. */
static void close_one_by_one(void)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (fd > 2 && fd != dirfd(folder))
            close(fd);
    }
    if (folder)
        closedir(folder);
}

/* Whatever was open in who started us, and above it. */
static void close_strangers(void)
{
    if (close_range(3, ~0U, 0) != 0)
        close_one_by_one();
}

static void prepare_process(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none); /* passwords are in our memory */
    set_signals();
    close_strangers();
}

/* ---- its word to who has started it ---- */

/* The one who waits may have gone: the job goes on. */
static void say(const char *word)
{
    char *line = mem_printf("%s\n", word);

    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        line[0] = '\0';
    free(line);
}

/* stdout was the pipe to who has started us: from now on both go to the log. */
static void turn_to_log(const struct job_process *process)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int target = process->log >= 0 ? process->log : null;

    dup2(target, STDOUT_FILENO);
    dup2(target, STDERR_FILENO);
    dup2(null, STDIN_FILENO);
    if (null > 2)
        close(null);
}

/* ---- what it is told ---- */

static bool take_lock(struct job_process *process)
{
    char *path = mem_printf("%s/lock", process->folder);
    int64_t until = job_clock() + LOCK_MS;
    const struct timespec tick = {0, 10000000};
    bool locked = false;

    process->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (process->lock >= 0 && !locked && job_clock() < until) {
        locked = flock(process->lock, LOCK_EX | LOCK_NB) == 0;
        if (!locked)
            nanosleep(&tick, NULL);
    }
    free(path);
    return locked;
}

/* All of stdin up to its end; NULL: it did not come. */
static char *read_input(size_t *len)
{
    struct strbuf text = {0};
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t until = job_clock() + SETTINGS_MS;
    ssize_t n = -1;
    char room[4096];

    while (job_clock() < until && text.len < (4U << 20)) {
        if (poll(&in, 1, 100) <= 0)
            continue;
        n = read(STDIN_FILENO, room, sizeof(room));
        if (n <= 0)
            break;
        strbuf_add(&text, room, (size_t)n);
    }
    explicit_bzero(room, sizeof(room));
    *len = text.len;
    if (n == 0 && text.len)
        return strbuf_take(&text);
    mem_free_secret(text.s, text.len);
    return NULL;
}

static bool read_settings(struct job_process *process)
{
    size_t len;
    char *text = read_input(&len);
    json_t *settings = text ? json_loadb(text, len, 0, NULL) : NULL;

    if (json_is_object(settings))
        process->config = job_settings_parse(settings, &process->audit);
    json_decref(settings);
    if (text)
        mem_free_secret(text, len);
    return process->config != NULL;
}

static void find_instance(struct job_process *process)
{
    const char *postgres = json_string_value(json_object_get(process->spec, "postgres"));
    const char *redis = json_string_value(json_object_get(process->spec, "redis"));
    const struct config *config = process->config;

    for (size_t i = 0; postgres && i < config->postgres_count; i++) {
        if (strcmp(config->postgres[i]->name, postgres) == 0)
            process->job.postgres = config->postgres[i];
    }
    for (size_t i = 0; redis && i < config->redis_count; i++) {
        if (strcmp(config->redis[i]->name, redis) == 0)
            process->job.redis = config->redis[i];
    }
}

static const struct job_work *find_work(const struct job_process *process)
{
    const char *act = json_string_value(json_object_get(process->spec, "act"));

    for (size_t i = 0; act && i < sizeof(works) / sizeof(works[0]); i++) {
        if (strcmp(act_name(works[i]->act), act) == 0)
            return works[i];
    }
    return NULL;
}

static void open_log(struct job_process *process)
{
    char *path = mem_printf("%s/log", process->folder);

    process->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    process->log_left = LOG_MAX;
    free(path);
}

static bool read_spec(struct job_process *process, const char *id)
{
    const char *action;

    process->spec = job_file_read(id, "spec.json");
    action = json_string_value(json_object_get(process->spec, "action"));
    process->action_id = mem_strdup(action);
    process->job.id = id;
    process->job.folder = process->folder;
    process->job.parameters = json_object_get(process->spec, "parameters");
    return action && process->job.parameters;
}

static void fill_info(struct job_process *process, enum act act)
{
    struct job_info *info = &process->job.info;

    job_info_init(info);
    info->id = mem_strdup(process->job.id);
    info->act = act;
    info->state = JOB_RUNNING;
    info->instance = mem_strdup(json_string_value(json_object_get(process->spec, "instance")));
    info->target = mem_strdup(json_string_value(json_object_get(process->spec, "target")));
    info->phase = mem_strdup("starting");
    info->pid = getpid();
    info->started = job_wall();
}

/* NULL: it may begin; else why not. */
static char *take_over(struct job_process *process, const char *id)
{
    char *error = NULL;

    process->folder = job_path(id, NULL, &error);
    if (!process->folder)
        return error;
    if (!read_spec(process, id))
        return mem_printf("%s/spec.json is no job", process->folder);
    if (!take_lock(process))
        return mem_printf("%s/lock cannot be locked: %s", process->folder, strerror(errno));
    if (!read_settings(process))
        return mem_strdup("its settings did not come");
    process->job.config = process->config;
    find_instance(process);
    open_log(process);
    return NULL;
}

/* What it is to do, when it may begin; NULL: *error. */
static const struct job_work *begin(struct job_process *process, const char *id, char **error)
{
    const struct job_work *work;

    *error = take_over(process, id);
    if (*error)
        return NULL;
    work = find_work(process);
    if (!work) {
        *error = mem_strdup("it is of a kind that has no work");
        return NULL;
    }
    fill_info(process, work->act);
    if (save(process, true))
        return work;
    *error = mem_printf("cannot write into %s: %s", process->folder, strerror(errno));
    return NULL;
}

/* ---- its end ---- */

static void record_outcome(const struct job_process *process)
{
    const struct job_info *info = &process->job.info;
    json_t *line = audit_line(process->action_id, "outcome");
    char *error;

    json_object_set_new(line, "act", json_string(act_name(info->act)));
    json_object_set_new(line, "status", json_string(job_state_text(info->state)));
    json_object_set_new(line, "outcome", json_bytes(info->result));
    json_object_set_new(line, "job", json_string(info->id));
    error = audit_append(process->audit, line);
    if (error) {
        dprintf(STDERR_FILENO, "%s\n", error);
        free(error);
    }
}

static void settle(struct job_process *process, bool done)
{
    struct job_info *info = &process->job.info;

    if (done) {
        info->state = JOB_DONE;
    } else if (process->failure) {
        info->state = JOB_FAILED;
        free(info->result);
        info->result = mem_strdup(process->failure);
    } else {
        info->state = JOB_CANCELLED;
        if (!info->result)
            info->result = mem_strdup("cancelled");
    }
    info->ended = job_wall();
    if (!info->result)
        info->result = mem_strdup("done");
}

static void finish(struct job_process *process, bool done)
{
    if (!done && process->sessions)
        job_pg_end_sessions(&process->job);
    settle(process, done);
    record_outcome(process);
    for (int tries = 0; !save(process, true) && tries < 20; tries++)
        nanosleep(&(const struct timespec){0, 100000000}, NULL);
}

static void free_process(struct job_process *process)
{
    job_info_free(&process->job.info);
    json_decref(process->spec);
    config_free(process->config);
    free(process->folder);
    free(process->audit);
    free(process->action_id);
    free(process->failure);
    if (process->log >= 0)
        close(process->log);
    if (process->lock >= 0)
        close(process->lock);
}

/* Should nobody be there any more to be told. */
static void note_refusal(struct job_process *process, const char *error)
{
    if (process->lock < 0 || process->config)
        return;
    fill_info(process, ACTS);
    process->failure = mem_strdup(error);
    settle(process, false);
    save(process, false);
}

static int run(const char *id)
{
    struct job_process process = {.lock = -1, .log = -1, .mask = umask(077)};
    char *error;
    const struct job_work *work = begin(&process, id, &error);
    int status = 0;

    if (!work) {
        note_refusal(&process, error);
        say(error);
        free(error);
        status = 1;
    } else {
        say("ok");
        turn_to_log(&process);
        finish(&process, !job_cancelled(&process.job) && work->run(&process.job));
        status = process.job.info.state != JOB_DONE;
    }
    free_process(&process);
    return status;
}

/* The process that was started leaves at once, so that the job is nobody's child: whoever started it
 * need not wait for it, and it is no leader of its session. */
int job_main(const char *id)
{
    pid_t pid;

    prepare_process();
    pid = fork();
    if (pid < 0) {
        say(strerror(errno));
        return 1;
    }
    if (pid > 0)
        return 0;
    return run(id);
}
