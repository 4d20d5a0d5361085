/* A private redis-server of a test: on a unix socket and a free port, in a folder that goes with it.
 * Included by the tests; every wait is for a condition, with a deadline. */
#ifndef TESTS_REDIS_LAB_H
#define TESTS_REDIS_LAB_H

#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAB_UNUSED __attribute__((unused)) static

enum { LAB_DEADLINE_MS = 15000, LAB_ARGS = 40 };

struct lab {
    char dir[64], sock[96], url[64];
    int port;
    pid_t pid; /* 0: not running */
    redisContext *admin;
    const char *const *args; /* more settings; kept for a restart */
};

LAB_UNUSED double lab_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

LAB_UNUSED void lab_pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};

    nanosleep(&pause, NULL);
}

/* Until the deadline of a wait that polls: `while (lab_waiting(&until)) if (done) break;` */
LAB_UNUSED bool lab_waiting(double *until)
{
    double now = lab_now_ms();

    if (*until == 0)
        *until = now + LAB_DEADLINE_MS;
    else
        lab_pause_ms(2);
    return now < *until;
}

LAB_UNUSED int lab_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

LAB_UNUSED _Noreturn void lab_exec(const struct lab *lab)
{
    char port[16], logfile[96];
    const char *argv[LAB_ARGS] = {
        "redis-server", "--port", port, "--unixsocket", lab->sock,  "--dir", lab->dir, "--logfile",
        logfile,        "--save", "",   "--bind",       "127.0.0.1"};
    size_t n = 13;
    sigset_t none;

    snprintf(port, sizeof(port), "%d", lab->port);
    snprintf(logfile, sizeof(logfile), "%s/log", lab->dir);
    for (size_t i = 0; lab->args && lab->args[i] && n + 1 < LAB_ARGS; i++)
        argv[n++] = lab->args[i];
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp("redis-server", (char **)(uintptr_t)argv);
    _exit(127);
}

/* Starts the process; does not wait. */
LAB_UNUSED void lab_spawn(struct lab *lab)
{
    lab->pid = fork();
    assert_true(lab->pid >= 0);
    if (lab->pid == 0)
        lab_exec(lab);
}

/* Opens the test's own connection, when the server accepts it. */
LAB_UNUSED void lab_connect(struct lab *lab)
{
    for (double until = 0; lab_waiting(&until);) {
        lab->admin = redisConnectUnix(lab->sock);
        if (lab->admin && !lab->admin->err)
            return;
        redisFree(lab->admin);
        lab->admin = NULL;
        assert_int_equal(waitpid(lab->pid, NULL, WNOHANG), 0);
    }
    fail_msg("redis-server did not start: see %s/log", lab->dir);
}

LAB_UNUSED void lab_start(struct lab *lab, const char *const *args)
{
    *lab = (struct lab){.args = args};
    snprintf(lab->dir, sizeof(lab->dir), "/tmp/sharedtop-lab-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    snprintf(lab->sock, sizeof(lab->sock), "%s/redis.sock", lab->dir);
    lab->port = lab_free_port();
    snprintf(lab->url, sizeof(lab->url), "redis://127.0.0.1:%d", lab->port);
    lab_spawn(lab);
    lab_connect(lab);
}

LAB_UNUSED void lab_kill(struct lab *lab)
{
    if (lab->admin)
        redisFree(lab->admin);
    lab->admin = NULL;
    if (lab->pid > 0) {
        kill(lab->pid, SIGKILL);
        waitpid(lab->pid, NULL, 0);
    }
    lab->pid = 0;
}

LAB_UNUSED void lab_stop(struct lab *lab)
{
    static const char *const files[] = {"redis.sock", "log", "dump.rdb", "key.pem", "cert.pem"};
    char path[128];

    lab_kill(lab);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", lab->dir, files[i]);
        unlink(path);
    }
    rmdir(lab->dir);
}

/* One command through the test's own connection; an error fails the test. The caller frees it. */
LAB_UNUSED __attribute__((format(printf, 2, 3))) redisReply *lab_do(struct lab *lab,
                                                                    const char *format, ...)
{
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = redisvCommand(lab->admin, format, args);
    va_end(args);
    if (!reply)
        fail_msg("%s: %s", format, lab->admin->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    return reply;
}

#define LAB_RUN(...) freeReplyObject(lab_do(__VA_ARGS__))

/* A field of INFO, asked for by the test itself. */
LAB_UNUSED long long lab_info(struct lab *lab, const char *field)
{
    redisReply *reply = lab_do(lab, "INFO");
    long long value = -1;
    char *save = NULL;

    for (char *line = strtok_r(reply->str, "\r\n", &save); line;
         line = strtok_r(NULL, "\r\n", &save)) {
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            value = strtoll(line + strlen(field) + 1, NULL, 10);
    }
    freeReplyObject(reply);
    assert_true(value >= 0);
    return value;
}

/* How many lines of CLIENT LIST hold word. */
LAB_UNUSED int lab_clients(struct lab *lab, const char *word)
{
    redisReply *reply = lab_do(lab, "CLIENT LIST");
    char *save = NULL;
    int count = 0;

    for (char *line = strtok_r(reply->str, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        count += strstr(line, word) != NULL;
    freeReplyObject(reply);
    return count;
}

#endif
