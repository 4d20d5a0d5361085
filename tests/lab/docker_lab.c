#include "tests/lab/docker_lab.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT = 77 }; /* the exit status of docker.sh, and of a program that was skipped */

static const double patience = 60000;

struct docker_lab {
    char *dir, *script, *socket, *host;
    int lock;
    bool own; /* not shared with other programs: it goes with this one */
};

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("docker lab: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

double docker_lab_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool docker_lab_wait(bool (*holds)(void *context), void *context, double deadline)
{
    const struct timespec tick = {0, 5000000};
    double end = docker_lab_now() + deadline;
    while (!holds(context)) {
        if (docker_lab_now() > end) {
            return false;
        }
        nanosleep(&tick, NULL);
    }
    return true;
}

/* The exit status of a shell's command; its stdout, without the last newline, for the caller. */
static int shell(const char *command, char **output)
{
    struct strbuf text = {0};
    FILE *pipe = popen(command, "re"); // NOLINT(cert-env33-c)
    char bytes[4096];
    size_t len;

    if (!pipe) {
        fail("popen: %s", strerror(errno));
    }
    while ((len = fread(bytes, 1, sizeof(bytes), pipe)) > 0) {
        strbuf_add(&text, bytes, len);
    }
    int status = pclose(pipe);
    strbuf_addc(&text, '\0');
    char *all = strbuf_take(&text), *end = strrchr(all, '\n');
    if (end && !end[1]) {
        *end = '\0';
    }
    if (output) {
        *output = all;
    } else {
        free(all);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* `docker.sh COMMAND DIR MORE`, whose stdout is the caller's. */
static int script(const struct docker_lab *lab, const char *command, const char *more,
                  char **output)
{
    char *line = mem_printf("'%s' %s '%s' %s", lab->script, command, lab->dir, more);
    int status = shell(line, output);
    free(line);
    return status;
}

static char *script_path(void)
{
    const char *lab = getenv("LAB_SH"), *slash = lab ? strrchr(lab, '/') : NULL;
    char *path = slash ? mem_printf("%.*s/docker.sh", (int)(slash - lab), lab)
                       : mem_strdup("tests/lab/docker.sh");
    if (access(path, X_OK) < 0) {
        fail("%s: %s; run it from the top of the sources or set LAB_SH", path, strerror(errno));
    }
    return path;
}

static void choose_directory(struct docker_lab *lab)
{
    const char *shared = getenv("DOCKER_LAB");
    lab->dir = mem_strdup(shared ? shared : "/tmp/st-docker-XXXXXX");
    lab->own = !shared;
    if (shared ? mkdir(lab->dir, 0711) < 0 && errno != EEXIST : !mkdtemp(lab->dir)) {
        fail("%s: %s", lab->dir, strerror(errno));
    }
    lab->socket = mem_printf("%s/docker.sock", lab->dir);
    lab->host = mem_printf("unix://%s", lab->socket);
}

static void take_lock(struct docker_lab *lab)
{
    char *path = mem_printf("%s/lock", lab->dir);
    lab->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lab->lock < 0) {
        fail("%s: %s", path, strerror(errno));
    }
    while (flock(lab->lock, LOCK_EX) < 0) {
        if (errno != EINTR) {
            fail("%s: %s", path, strerror(errno));
        }
    }
    free(path);
}

static void release(struct docker_lab *lab)
{
    if (lab->own) {
        script(lab, "stop", "", NULL);
    }
    close(lab->lock);
    free(lab->dir);
    free(lab->script);
    free(lab->socket);
    free(lab->host);
    free(lab);
}

static void __attribute__((noreturn)) skip(struct docker_lab *lab, const char *reason)
{
    release(lab);
    docker_lab_skip(reason);
}

void docker_lab_skip(const char *reason)
{
    const char *required = getenv("DOCKER_LAB_REQUIRED");
    printf("skipped: %.*s\n", (int)strcspn(reason, "\n"), reason);
    exit(required && *required ? 1 : CANNOT);
}

static void enter_network(const struct docker_lab *lab)
{
    char *path = mem_printf("%s/anchor", lab->dir), *ns;
    FILE *file = fopen(path, "r");
    char line[32] = "";
    if (!file || !fgets(line, sizeof(line), file)) {
        fail("%s: %s", path, strerror(errno));
    }
    fclose(file);
    ns = mem_printf("/proc/%ld/ns/net", strtol(line, NULL, 10));
    int fd = open(ns, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
        fail("%s: %s", ns, strerror(errno));
    }
    close(fd);
    free(ns);
    free(path);
}

static void set_environment(const struct docker_lab *lab)
{
    char *config = mem_printf("%s/config", lab->dir);
    mkdir(config, 0711);
    setenv("DOCKER_HOST", lab->host, 1);
    setenv("DOCKER_CONFIG", config, 1);
    unsetenv("DOCKER_CONTEXT");
    unsetenv("CONTAINER_HOST");
    free(config);
}

struct docker_lab *docker_lab_start(void)
{
    struct docker_lab *lab = mem_zalloc(sizeof(*lab));
    const char *owner = getenv("DOCKER_LAB_OWNER");
    char self[32];

    lab->script = script_path();
    choose_directory(lab);
    take_lock(lab);
    snprintf(self, sizeof(self), "%d", (int)getpid());
    char *output = NULL;
    int status = script(lab, "start", lab->own || !owner ? self : owner, &output);
    if (status == CANNOT) {
        skip(lab, output);
    }
    free(output);
    if (status != 0 || script(lab, "clean", "", NULL) != 0) {
        fail("no engine in %s", lab->dir);
    }
    enter_network(lab);
    set_environment(lab);
    return lab;
}

void docker_lab_stop(struct docker_lab *lab)
{
    if (lab) {
        release(lab);
    }
}

const char *docker_lab_socket(const struct docker_lab *lab)
{
    return lab->socket;
}

const char *docker_lab_host(const struct docker_lab *lab)
{
    return lab->host;
}

char *docker_lab_image(struct docker_lab *lab, const char *what, const char *suite)
{
    char *more = mem_printf("%s %s", what, suite ? suite : "host"), *name = NULL;
    int status = script(lab, "image", more, &name);
    free(more);
    if (status == CANNOT) {
        skip(lab, name);
    }
    if (status != 0 || !*name) {
        fail("no image of %s", what);
    }
    return name;
}

char *docker_lab_podman(struct docker_lab *lab)
{
    char *socket = NULL;
    int status = script(lab, "podman", "2>&1", &socket);
    if (status == CANNOT) {
        skip(lab, socket);
    }
    if (status != 0) {
        fail("podman: %s", socket);
    }
    return socket;
}

static int docker(char **output, bool errors, const char *format, va_list args)
{
    char *rest = NULL;
    if (vasprintf(&rest, format, args) < 0) {
        fail("no memory");
    }
    char *line = mem_printf("docker %s%s", rest, errors ? " 2>&1" : "");
    int status = shell(line, output);
    if (status != 0 && !errors) {
        fail("%s: exit status %d", line, status);
    }
    free(line);
    free(rest);
    return status;
}

char *docker_lab_docker(struct docker_lab *lab, const char *format, ...)
{
    va_list args;
    char *output = NULL;
    (void)lab;
    va_start(args, format);
    docker(&output, false, format, args);
    va_end(args);
    return output;
}

void docker_lab_do(struct docker_lab *lab, const char *format, ...)
{
    va_list args;
    (void)lab;
    va_start(args, format);
    docker(NULL, false, format, args);
    va_end(args);
}

int docker_lab_try(struct docker_lab *lab, char **output, const char *format, ...)
{
    va_list args;
    (void)lab;
    va_start(args, format);
    int status = docker(output, true, format, args);
    va_end(args);
    return status;
}

static void reference_postgres(struct docker_lab *lab, const char *suite)
{
    char *image = docker_lab_image(lab, "postgres", suite);
    docker_lab_do(lab,
                  "run -d --name shared_postgres --network backend -p 127.0.0.1::5432"
                  " -m 512m --oom-score-adj 100 --stop-signal INT --restart unless-stopped"
                  " --label com.docker.compose.project=shared"
                  " --label com.docker.compose.service=postgres"
                  " -e POSTGRES_USER=" DOCKER_LAB_USER " -e POSTGRES_PASSWORD=" DOCKER_LAB_PASSWORD
                  " -v shared_postgres_data:/var/lib/postgresql %s",
                  image);
    free(image);
}

static void reference_redis(struct docker_lab *lab, const char *suite)
{
    char *image = docker_lab_image(lab, "redis", suite);
    docker_lab_do(lab,
                  "run -d --name shared_redis --network backend -m 200m --oom-score-adj 200"
                  " --restart unless-stopped --label com.docker.compose.project=shared"
                  " --label com.docker.compose.service=redis -v shared_redis_data:/data"
                  " %s redis-server --maxmemory 128mb --maxmemory-policy allkeys-lru",
                  image);
    free(image);
}

void docker_lab_reference(struct docker_lab *lab, const char *suite)
{
    docker_lab_do(lab, "network create --subnet " DOCKER_LAB_NET "0/24 backend");
    reference_postgres(lab, suite);
    reference_redis(lab, suite);
    char *redis = docker_lab_address(lab, "shared_redis", "backend");
    docker_lab_await_redis(redis, 6379);
    docker_lab_await_postgres("127.0.0.1", docker_lab_port(lab, "shared_postgres", 5432));
    free(redis);
}

char *docker_lab_address(struct docker_lab *lab, const char *container, const char *network)
{
    return docker_lab_docker(
        lab, "inspect -f '{{(index .NetworkSettings.Networks \"%s\").IPAddress}}' %s", network,
        container);
}

int docker_lab_port(struct docker_lab *lab, const char *container, int port)
{
    char *text = docker_lab_docker(lab, "port %s %d/tcp", container, port);
    const char *colon = strchr(text, ':');
    if (!colon) {
        fail("%s: port %d is not published: %s", container, port, text);
    }
    long published = strtol(colon + 1, NULL, 10);
    free(text);
    return (int)published;
}

pid_t docker_lab_pid(struct docker_lab *lab, const char *container)
{
    char *text = docker_lab_docker(lab, "inspect -f '{{.State.Pid}}' %s", container);
    long pid = strtol(text, NULL, 10);
    free(text);
    return (pid_t)pid;
}

struct server {
    const char *host;
    int port;
};

static bool redis_answers(void *context)
{
    const struct server *server = context;
    const struct timeval limit = {0, 500000};
    redisContext *redis = redisConnectWithTimeout(server->host, server->port, limit);
    bool answers = false;
    if (redis && !redis->err) {
        redisSetTimeout(redis, limit);
        redisReply *reply = redisCommand(redis, "PING");
        answers = reply && reply->type == REDIS_REPLY_STATUS;
        if (reply) {
            freeReplyObject(reply);
        }
    }
    if (redis) {
        redisFree(redis);
    }
    return answers;
}

static bool postgres_answers(void *context)
{
    const struct server *server = context;
    char *conninfo = mem_printf("host=%s port=%d user=" DOCKER_LAB_USER " dbname=postgres"
                                " connect_timeout=2 password=" DOCKER_LAB_PASSWORD,
                                server->host, server->port);
    PGconn *conn = PQconnectdb(conninfo);
    bool answers = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    free(conninfo);
    return answers;
}

double docker_lab_await_redis(const char *host, int port)
{
    struct server server = {host, port};
    if (!docker_lab_wait(redis_answers, &server, patience)) {
        fail("Redis at %s port %d never answered", host, port);
    }
    return docker_lab_now();
}

double docker_lab_await_postgres(const char *host, int port)
{
    struct server server = {host, port};
    if (!docker_lab_wait(postgres_answers, &server, patience)) {
        fail("PostgreSQL at %s port %d never answered", host, port);
    }
    return docker_lab_now();
}

void docker_lab_engine_end(struct docker_lab *lab, bool hard)
{
    if (script(lab, "end", hard ? "hard" : "", NULL) != 0) {
        fail("dockerd did not end");
    }
}

void docker_lab_engine_begin(struct docker_lab *lab)
{
    if (script(lab, "begin", "", NULL) != 0) {
        fail("dockerd did not start again");
    }
}
