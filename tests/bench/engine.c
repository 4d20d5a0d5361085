#include "tests/bench/engine.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/lab/docker_lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTAINERS = 20 };

static const double interval = 0.2; /* seconds, the shortest: the most refreshes to average */

/* Milliseconds of CPU a refresh, on the overview, beside the servers of the lab. */
static double refresh_cpu(const struct bench *bench, const char *host)
{
    char *env = mem_printf("DOCKER_HOST=%s", host);
    const char *const envs[] = {env, NULL};
    const char *const argv[] = {getenv("SHAREDTOP"),
                                "--interval",
                                "0.2",
                                "--postgres",
                                lab_get(bench->lab, "LAB_PG"),
                                "--redis",
                                lab_get(bench->lab, "LAB_REDIS"),
                                NULL};
    struct term *term = term_start(45, 160, envs, argv);
    double from, used;

    if (!term_wait(term, "memory .*/128M", TERM_PATIENCE)) {
        fputs("engine: the dashboard did not start\n", stderr);
        exit(1);
    }
    term_run(term, 2000);
    from = measure_cpu(term_pid(term));
    term_run(term, bench->window);
    used = measure_cpu(term_pid(term)) - from;
    term_free(term);
    free(env);
    return used / (bench->window / 1e3 / interval);
}

static void measure(const struct bench *bench)
{
    struct docker_lab *lab = docker_lab_start();
    double with, without;

    docker_lab_do(lab,
                  "version >/dev/null; for i in $(seq %d); do docker run -d --name c$i -m 16m"
                  " --network none tiny:1 >/dev/null || exit; done",
                  CONTAINERS);
    without = refresh_cpu(bench, "unix:///nonexistent/docker.sock");
    with = refresh_cpu(bench, docker_lab_host(lab));
    printf("Container polling, %d containers: %.2f ms CPU a refresh (%.2f with the engine, %.2f"
           " without).\n",
           CONTAINERS, with - without, with, without);
    docker_lab_stop(lab);
}

/* In a process of its own: it changes its network, and may end as skipped. */
char *bench_engine(const struct bench *bench)
{
    struct strbuf text = {0};
    char bytes[512];
    ssize_t len;
    int ends[2];

    if (pipe(ends) < 0) {
        return mem_strdup("");
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        measure(bench);
        exit(0);
    }
    close(ends[1]);
    while ((len = read(ends[0], bytes, sizeof(bytes))) > 0) {
        strbuf_add(&text, bytes, (size_t)len);
    }
    close(ends[0]);
    waitpid(pid, NULL, 0);
    strbuf_addc(&text, '\0');
    return strbuf_take(&text);
}
