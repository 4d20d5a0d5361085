/* A private Redis with a client that works, and `sharedtop monitor` on it. */
#ifndef TESTS_MONITOR_SITE_H
#define TESTS_MONITOR_SITE_H

#include "tests/integration/redis_lab.h"
#include "tests/integration/snapshot_run.h"

struct site {
    struct lab lab;
    char config[96];
    pid_t load;
};

/* Commands of a client of its own until it is ended. */
LAB_UNUSED _Noreturn void load(const struct lab *lab)
{
    redisContext *client = redisConnectUnix(lab->sock);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; client && !client->err; i++) {
        freeReplyObject(redisCommand(client, "SET user:%d:cart %d", i % 50, i));
        freeReplyObject(redisCommand(client, "GET page:%d", i % 50));
        lab_pause_ms(1);
    }
    _exit(0);
}

LAB_UNUSED void site_start(struct site *site, const char *const *args)
{
    FILE *file;

    *site = (struct site){0};
    lab_start(&site->lab, args);
    snprintf(site->config, sizeof(site->config), "%s/config", site->lab.dir);
    file = fopen(site->config, "w");
    assert_non_null(file);
    fprintf(file, "redis = ( { name = \"lab\"; url = \"%s\"; } );\n", site->lab.url);
    fclose(file);
    site->load = fork();
    assert_true(site->load >= 0);
    if (site->load == 0)
        load(&site->lab);
}

LAB_UNUSED void site_stop(struct site *site)
{
    kill(site->load, SIGKILL);
    waitpid(site->load, NULL, 0);
    unlink(site->config);
    lab_stop(&site->lab);
}

/* With its output, and its words if err is not -1, there. */
LAB_UNUSED pid_t start_for(const struct site *site, const char *time, int out, int err)
{
    const char *const words[] = {"--config", site->config, "monitor", "--for", time, NULL};
    const char *argv[8] = {getenv("SHAREDTOP")};
    pid_t pid = fork();

    assert_true(pid >= 0);
    memcpy(argv + 1, words, sizeof(words));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out, STDOUT_FILENO);
        if (err >= 0)
            dup2(err, STDERR_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

LAB_UNUSED pid_t start_into(const struct site *site, int out, int err)
{
    return start_for(site, "60s", out, err);
}

/* Its exit status. */
LAB_UNUSED int await_exit(pid_t pid, const char *otherwise)
{
    int status = -1;

    for (double until = 0; lab_waiting(&until);) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail_msg("%s", otherwise);
    }
    return WEXITSTATUS(status);
}

/* The figure before a word of the summary; 0: it is not there. */
LAB_UNUSED unsigned long long figure(const char *err, const char *word)
{
    const char *line = strstr(err, "sharedtop: "), *at = line ? strstr(line, word) : NULL;

    while (at && at > line && (at[-1] == ' ' || (at[-1] >= '0' && at[-1] <= '9')))
        at--;
    return at ? strtoull(at, NULL, 10) : 0;
}

/* The seconds of the summary. */
LAB_UNUSED double measured(const char *err)
{
    const char *at = strstr(err, " lines read in ");

    return at ? strtod(at + strlen(" lines read in "), NULL) : -1;
}

/* All lines are accounted for. */
LAB_UNUSED void expect_all_counted(const char *err)
{
    assert_true(figure(err, "lines read") > 0);
    assert_int_equal(figure(err, "lines read"), figure(err, "shown") + figure(err, "filtered out") +
                                                    figure(err, "of our own polling hidden") +
                                                    figure(err, "lost") +
                                                    figure(err, "not understood"));
}

LAB_UNUSED void expect_word(const char *err, const char *word)
{
    if (!strstr(err, word))
        fail_msg("no \"%s\" in: %s", word, err);
}

/* Until the server copies its commands to the run. */
LAB_UNUSED void until_it_reads(struct site *site, int fd)
{
    for (double until = 0; lab_waiting(&until);) {
        if (lab_clients(&site->lab, " flags=O") && (fd < 0 || lseek(fd, 0, SEEK_END) > 0))
            return;
    }
    fail_msg("no MONITOR has begun");
}

LAB_UNUSED int set_up(void **state)
{
    static struct site site;

    site_start(&site, NULL);
    *state = &site;
    return 0;
}

LAB_UNUSED int tear_down(void **state)
{
    site_stop(*state);
    return 0;
}

#endif
