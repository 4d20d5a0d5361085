#include "tests/lab/lab.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct variable {
    char *name, *value;
};

struct lab {
    char *dir;
    bool own;
    int alive; /* the write end of the watcher's pipe */
    pid_t watcher, load;
    struct variable *variables;
    size_t count;
};

static const char *const prefix = "LAB_";

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lab: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static const char *script(void)
{
    const char *path = getenv("LAB_SH");
    return path ? path : "tests/lab/lab.sh";
}

static void forget(struct lab *lab)
{
    for (size_t i = 0; i < lab->count; i++) {
        free(lab->variables[i].name);
        free(lab->variables[i].value);
    }
    free(lab->variables);
    lab->variables = NULL;
    lab->count = 0;
}

static void remember(struct lab *lab, char *name, char *value)
{
    lab->variables = mem_array(lab->variables, lab->count + 1, sizeof(*lab->variables));
    lab->variables[lab->count].name = name;
    lab->variables[lab->count++].value = value;
}

/* Lines of NAME='value'; lab.sh puts no quote into a value. */
static void read_env(struct lab *lab)
{
    char *path = mem_printf("%s/env", lab->dir);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail("%s: %s", path, strerror(errno));
    }
    forget(lab);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0) {
        char *value = strstr(line, "='");
        char *end = strrchr(line, '\'');
        if (value && end > value + 1) {
            remember(lab, mem_strndup(line, (size_t)(value - line)),
                     mem_strndup(value + 2, (size_t)(end - value - 2)));
        }
    }
    free(line);
    fclose(file);
    free(path);
}

/* Starts lab.sh COMMAND DIR; input (or -1) becomes its stdin. It dies with this process unless it
 * is the watcher, which outlives it and is deaf to the terminal. */
static pid_t spawn(const struct lab *lab, const char *command, int input)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid > 0) {
        return pid;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (input >= 0) {
        setsid();
        dup2(input, STDIN_FILENO);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    } else {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    execl(script(), "lab.sh", command, lab->dir, (char *)NULL);
    fprintf(stderr, "lab: %s: %s\n", script(), strerror(errno));
    _exit(127);
}

static void run(const struct lab *lab, const char *command)
{
    int status;
    pid_t pid = spawn(lab, command, -1);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid: %s", strerror(errno));
        }
    }
    if (status != 0) {
        fail("lab.sh %s %s failed", command, lab->dir);
    }
}

static void start_watcher(struct lab *lab)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        fail("pipe: %s", strerror(errno));
    }
    lab->alive = ends[1];
    lab->watcher = spawn(lab, "watch", ends[0]);
    close(ends[0]);
}

static void touch(const struct lab *lab, const char *name)
{
    char *path = mem_printf("%s/%s", lab->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        fail("%s: %s", path, strerror(errno));
    }
    close(fd);
    free(path);
}

struct lab *lab_start(const char *options)
{
    if (access(script(), X_OK) < 0) {
        fail("%s: %s; run it from the top of the sources or set LAB_SH", script(), strerror(errno));
    }
    struct lab *lab = mem_zalloc(sizeof(*lab));
    lab->dir = mem_strdup("/tmp/st-XXXXXX");
    if (!mkdtemp(lab->dir)) {
        fail("%s: %s", lab->dir, strerror(errno));
    }
    lab->own = true;
    touch(lab, ".sharedtop-lab");
    start_watcher(lab);
    setenv("LAB_PG_OPTIONS", options ? options : "", 1);
    run(lab, "start");
    unsetenv("LAB_PG_OPTIONS");
    read_env(lab);
    return lab;
}

struct lab *lab_shared(void)
{
    const char *dir = getenv("LAB_DIR");
    struct lab *lab = mem_zalloc(sizeof(*lab));
    if (!dir) {
        fail("LAB_DIR is not set: run the test by `make test`, or under labrun");
    }
    lab->dir = mem_strdup(dir);
    read_env(lab);
    return lab;
}

static void reap(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGTERM);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

void lab_stop(struct lab *lab)
{
    if (!lab) {
        return;
    }
    if (lab->own) {
        reap(lab->load);
        run(lab, "stop");
        reap(lab->watcher);
        close(lab->alive);
    }
    forget(lab);
    free(lab->dir);
    free(lab);
}

const char *lab_get(const struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->count; i++) {
        if (strcmp(lab->variables[i].name, name) == 0) {
            return lab->variables[i].value;
        }
    }
    fail("the lab has no variable %s", name);
}

void lab_export(const struct lab *lab)
{
    for (size_t i = 0; i < lab->count; i++) {
        if (strncmp(lab->variables[i].name, prefix, strlen(prefix)) == 0) {
            setenv(lab->variables[i].name, lab->variables[i].value, 1);
        }
    }
}

void lab_fill(struct lab *lab)
{
    run(lab, "fill");
}

void lab_load(struct lab *lab)
{
    lab->load = spawn(lab, "load", -1);
}

pid_t lab_pid(const struct lab *lab, enum lab_server server)
{
    char *path =
        mem_printf("%s/%s", lab->dir, server == LAB_POSTGRES ? "data/postmaster.pid" : "redis.pid");
    FILE *file = fopen(path, "r");
    char line[32] = "";
    if (!file || !fgets(line, sizeof(line), file)) {
        fail("%s: %s", path, strerror(errno));
    }
    fclose(file);
    free(path);
    return (pid_t)strtol(line, NULL, 10);
}

/* The parent of a process and whether it still runs (a zombie does not). */
static bool running(pid_t pid, pid_t *parent)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *after = strrchr(text, ')');
    char state = 0;
    int ppid = 0;
    if (!after || sscanf(after, ") %c %d", &state, &ppid) != 2) { // NOLINT(cert-err34-c)
        return false;
    }
    *parent = (pid_t)ppid;
    return state != 'Z' && state != 'X';
}

/* A server and its children: Redis has none but a save, the postmaster's are all that there is. */
static size_t family(pid_t head, pid_t *pids, size_t max)
{
    size_t count = 0;
    pids[count++] = head;
    DIR *proc = opendir("/proc");
    if (!proc) {
        fail("/proc: %s", strerror(errno));
    }
    const struct dirent *entry;
    while ((entry = readdir(proc)) && count < max) {
        pid_t parent, pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && running(pid, &parent) && parent == head) {
            pids[count++] = pid;
        }
    }
    closedir(proc);
    return count;
}

static void signal_family(const struct lab *lab, enum lab_server server, int signal_number)
{
    enum { MAX = 4096 };
    pid_t *pids = mem_array(NULL, MAX, sizeof(*pids));
    pid_t head = lab_pid(lab, server);
    kill(head, signal_number == SIGKILL ? SIGSTOP : signal_number); /* no new children from here */
    size_t count = family(head, pids, MAX);
    for (size_t i = 0; i < count; i++) {
        kill(pids[i], signal_number);
    }
    pid_t parent;
    const struct timespec tick = {0, 1000000};
    for (size_t i = 0; signal_number == SIGKILL && i < count; i++) {
        while (running(pids[i], &parent)) {
            nanosleep(&tick, NULL);
        }
    }
    free(pids);
}

void lab_freeze(struct lab *lab, enum lab_server server)
{
    signal_family(lab, server, SIGSTOP);
}

void lab_thaw(struct lab *lab, enum lab_server server)
{
    signal_family(lab, server, SIGCONT);
}

void lab_kill(struct lab *lab, enum lab_server server)
{
    signal_family(lab, server, SIGKILL);
}

void lab_restart(struct lab *lab, enum lab_server server)
{
    run(lab, server == LAB_POSTGRES ? "pg" : "redis");
    read_env(lab);
}

/* An archive recovery that waits for its first segment is a start-up that takes its time. */
static void write_restore_script(const struct lab *lab)
{
    char *path = mem_printf("%s/restore.sh", lab->dir);
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "#!/bin/sh\nwhile [ -e '%s/hold' ]; do sleep 0.02; done\nexit 1\n",
                         lab->dir) < 0) {
        fail("%s: %s", path, strerror(errno));
    }
    fclose(file);
    chmod(path, 0755);
    free(path);
}

void lab_restart_postgres_starting(struct lab *lab)
{
    touch(lab, "hold");
    touch(lab, "data/recovery.signal");
    write_restore_script(lab);
    char *options = mem_printf("-c restore_command=%s/restore.sh", lab->dir);
    setenv("LAB_STARTING", "1", 1);
    setenv("LAB_MORE_OPTIONS", options, 1);
    run(lab, "pg");
    unsetenv("LAB_STARTING");
    unsetenv("LAB_MORE_OPTIONS");
    free(options);
    read_env(lab);
}

void lab_let_postgres_start(struct lab *lab)
{
    char *path = mem_printf("%s/hold", lab->dir);
    unlink(path);
    free(path);
    const struct timespec tick = {0, 10000000};
    for (int tries = 0; PQping(lab_get(lab, "LAB_PG")) != PQPING_OK; tries++) {
        if (tries > 3000) {
            fail("PostgreSQL did not get through its recovery in %s", lab->dir);
        }
        nanosleep(&tick, NULL);
    }
}

PGconn *lab_pg_connect(const struct lab *lab, const char *conninfo)
{
    char *both = mem_printf("%s %s", lab_get(lab, "LAB_PG"), conninfo ? conninfo : "");
    PGconn *conn = PQconnectdb(both);
    if (PQstatus(conn) != CONNECTION_OK) {
        fail("%s: %s", both, PQerrorMessage(conn));
    }
    free(both);
    return conn;
}

char *lab_pg_value(const struct lab *lab, const char *sql)
{
    PGconn *conn = lab_pg_connect(lab, NULL);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        fail("%s: %s", sql, PQresultErrorMessage(result));
    }
    char *value = mem_strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

char *lab_redis_value(const struct lab *lab, const char *format, ...)
{
    redisContext *redis = redisConnectUnix(lab_get(lab, "LAB_REDIS") + strlen("unix:"));
    if (!redis || redis->err) {
        fail("%s: %s", lab_get(lab, "LAB_REDIS"), redis ? redis->errstr : "no memory");
    }
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(redis, format, args);
    va_end(args);
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fail("%s: %s", format, reply ? reply->str : redis->errstr);
    }
    char *value = reply->type == REDIS_REPLY_INTEGER ? mem_printf("%lld", reply->integer)
                                                     : mem_strdup(reply->str ? reply->str : "");
    freeReplyObject(reply);
    redisFree(redis);
    return value;
}
