/* A server that is full, and a load that only reads: where a reader of MONITOR that stands still costs
 * its users their keys. */
#ifndef TESTS_MONITOR_LOAD_H
#define TESTS_MONITOR_LOAD_H

#include "tests/integration/redis_lab.h"

enum {
    LOAD_MAX = 128 << 20, /* maxmemory */
    LOAD_ROOM = 6 << 20,  /* free of it: a fraction of a second of the stream */
    LOAD_KEY = 1800,
    LOAD_BATCH = 16,
    LOAD_CLIENTS = 2,
    LOAD_RATE = 24 << 20, /* bytes a second at most: what a slower server gives is less */
    LOAD_LATE_MS = 50,    /* what is missed by more is not made up for */
    LOAD_PATIENCE_MS = 120000
};

LAB_UNUSED const char *const load_settings[] = {
    "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "3", NULL};

struct load {
    pid_t clients[LOAD_CLIENTS];
};

/* Long keys that do not exist: much for MONITOR, nothing for memory. */
LAB_UNUSED _Noreturn void load_run(const struct lab *lab)
{
    const double step = 1e3 * LOAD_BATCH * LOAD_KEY * LOAD_CLIENTS / LOAD_RATE;
    redisContext *c = redisConnectUnix(lab->sock);
    double due = lab_now_ms();
    char key[LOAD_KEY];
    void *reply;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(key, 'k', sizeof(key));
    for (;;) {
        double now;

        for (int i = 0; i < LOAD_BATCH; i++)
            redisAppendCommand(c, "GET %b", key, sizeof(key));
        for (int i = 0; i < LOAD_BATCH; i++) {
            if (redisGetReply(c, &reply) != REDIS_OK)
                _exit(1);
            freeReplyObject(reply);
        }
        now = lab_now_ms();
        due = due + step < now - LOAD_LATE_MS ? now : due + step;
        if (due > now + 1)
            lab_pause_ms((long)(due - now));
    }
}

/* A key at a time, until only LOAD_ROOM is left. */
LAB_UNUSED void load_fill(struct lab *lab)
{
    for (int number = 0; lab_info(lab, "used_memory") < LOAD_MAX - LOAD_ROOM; number += 200)
        LAB_RUN(lab, "EVAL %s 0 %d",
                "for i = 1, 200 do redis.call('SET', 'full:' .. (ARGV[1] + i), "
                "string.rep('v', 1000)) end",
                number);
    LAB_RUN(lab, "CONFIG RESETSTAT");
}

LAB_UNUSED void load_clients(struct load *load, const struct lab *lab)
{
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        load->clients[i] = fork();
        assert_true(load->clients[i] >= 0);
        if (load->clients[i] == 0)
            load_run(lab);
    }
}

/* Starts a full server and its load. */
LAB_UNUSED void load_start(struct load *load, struct lab *lab)
{
    lab_start(lab, load_settings);
    load_clients(load, lab);
    load_fill(lab);
}

LAB_UNUSED void load_stop(const struct load *load, struct lab *lab)
{
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        kill(load->clients[i], SIGKILL);
        waitpid(load->clients[i], NULL, 0);
    }
    lab_stop(lab);
}

LAB_UNUSED void load_await_monitors(struct lab *lab, int count)
{
    for (double until = 0; lab_waiting(&until) && lab_clients(lab, "cmd=monitor") != count;)
        continue;
    assert_int_equal(lab_clients(lab, "cmd=monitor"), count);
}

/* Until the load has gone on for that long, and MONITOR has had so many bytes to tell: it repeats what
 * comes in, quoted. Then the keys that were lost. */
LAB_UNUSED long long load_outlast(struct lab *lab, double ms, long long bytes)
{
    const long long before = lab_info(lab, "total_net_input_bytes");
    const double begin = lab_now_ms();
    double now = begin;

    while (now < begin + ms || lab_info(lab, "total_net_input_bytes") < before + bytes) {
        if (now > begin + LOAD_PATIENCE_MS)
            fail_msg("the load does not go on");
        lab_pause_ms(50);
        now = lab_now_ms();
    }
    return lab_info(lab, "evicted_keys");
}

/* redis-cli monitor, to a descriptor. */
LAB_UNUSED pid_t load_redis_cli(const struct lab *lab, int out)
{
    char port[16];
    pid_t pid;

    snprintf(port, sizeof(port), "%d", lab->port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out, STDOUT_FILENO);
        execlp("redis-cli", "redis-cli", "-p", port, "monitor", (char *)NULL);
        _exit(127);
    }
    return pid;
}

#endif
