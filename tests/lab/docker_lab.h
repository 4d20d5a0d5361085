/* A real container engine of its own for a test: a dockerd in namespaces of its own (no interface, mount
 * or firewall rule of it is seen outside), with the reference's services. Programs share one engine, one
 * program at a time has it, and each finds it empty.
 *
 *   int main(void)
 *   {
 *       lab = docker_lab_start();   first of all; ends the program as skipped where none can run
 *       docker_lab_reference(lab, NULL);
 *       ...
 *       docker_lab_stop(lab);
 *   }
 *
 * What cannot be done ends the program with a message on stderr. Times are milliseconds. */
#ifndef LAB_DOCKER_LAB_H
#define LAB_DOCKER_LAB_H

#include <stdbool.h>
#include <sys/types.h>

struct docker_lab;

#define DOCKER_LAB_USER     "admin"
#define DOCKER_LAB_PASSWORD "s3cret-pg"
#define DOCKER_LAB_NET      "172.30.77." /* 0/24, the network of the reference */

/* Waits until no other program has the engine, starts it if need be, and empties it. Prints "skipped:
 * REASON" and exits with 77 where it cannot run. From then on this process, and what it starts, is in
 * the engine's network namespace (the host's TCP is out of reach, unix sockets are not), with DOCKER_HOST
 * and a DOCKER_CONFIG of its own in the environment. docker_lab_stop lets others have it. */
struct docker_lab *docker_lab_start(void);
void docker_lab_stop(struct docker_lab *lab);

/* Prints "skipped: REASON" and exits with 77: before the first test only. With DOCKER_LAB_REQUIRED in the
 * environment that is a failure. */
void docker_lab_skip(const char *reason) __attribute__((noreturn));

/* The path of its socket; "unix://" of it. */
const char *docker_lab_socket(const struct docker_lab *lab);
const char *docker_lab_host(const struct docker_lab *lab);

/* The name of an image, made when it is first asked for: what "postgres", "redis" (of a Debian suite:
 * "trixie" has PostgreSQL 17 and Redis 8.0; NULL: the host's own) or "tiny" (a static program: it waits;
 * "eat" takes memory without end; "exit N"). Their names are as the official ones ("postgres:15"), and
 * so are their environment, volumes and entry points. The caller frees it. */
char *docker_lab_image(struct docker_lab *lab, const char *what, const char *suite);

/* `docker …` by a shell: its stdout without the last newline, for the caller to free. It must succeed. */
char *docker_lab_docker(struct docker_lab *lab, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same without a use for its output; and one that may fail: its exit status, stdout and stderr
 * into *output unless that is NULL. */
void docker_lab_do(struct docker_lab *lab, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int docker_lab_try(struct docker_lab *lab, char **output, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts Podman's service in the same namespaces and returns the path of its socket (the caller frees
 * it); skips the program where it cannot run. */
char *docker_lab_podman(struct docker_lab *lab);

/* The reference's topology: network `backend`; shared_postgres published on 127.0.0.1, 512 MB,
 * oom_score_adj 100; shared_redis not published, 200 MB, maxmemory 128 MB, oom_score_adj 200; volumes;
 * compose labels of the project "shared". Both answer when it returns. */
void docker_lab_reference(struct docker_lab *lab, const char *suite);

/* The address of a container on a network; the host's port that a port of it is published on; the host's
 * pid of its first process. */
char *docker_lab_address(struct docker_lab *lab, const char *container, const char *network);
int docker_lab_port(struct docker_lab *lab, const char *container, int port);
pid_t docker_lab_pid(struct docker_lab *lab, const char *container);

/* Wait until a server answers (PING; a connection by DOCKER_LAB_USER) and return the moment of it. */
double docker_lab_await_redis(const char *host, int port);
double docker_lab_await_postgres(const char *host, int port);

/* Ends dockerd (hard: with SIGKILL, and its containers go on; else as a service manager does, and they
 * end too) and starts it again; both return when that is done. */
void docker_lab_engine_end(struct docker_lab *lab, bool hard);
void docker_lab_engine_begin(struct docker_lab *lab);

/* True as soon as a condition holds, which is looked at every 5 ms; false at the deadline. */
bool docker_lab_wait(bool (*holds)(void *context), void *context, double deadline);

double docker_lab_now(void); /* CLOCK_MONOTONIC */

#endif
