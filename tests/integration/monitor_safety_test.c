/* What a MONITOR that is stopped, frozen, cut off or killed costs the server: keys of its users. The
 * same is done to redis-cli, which loses them, so that the test can fail. */
#include "backend/redis_monitor.h"

#include "tests/integration/redis_lab.h"

#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { VALUE = 1000, ROOM = 3 << 20, KEY = 1800, HARM_MS = 5000, BATCH = 16 };

static const char *const settings[] = {
    "--maxmemory", "32mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "3", NULL};

/* ---- a server that is full, and a load that only reads ---- */

/* Fills it until it evicts, then makes room for the connections, but not for a backlog. */
static void fill(struct lab *lab)
{
    char value[VALUE];
    void *reply;
    int number = 0;

    memset(value, 'v', sizeof(value));
    while (lab_info(lab, "evicted_keys") == 0) {
        for (int i = 0; i < 500; i++)
            redisAppendCommand(lab->admin, "SET key:%d %b", number++, value, sizeof(value));
        for (int i = 0; i < 500; i++) {
            assert_int_equal(redisGetReply(lab->admin, &reply), REDIS_OK);
            freeReplyObject(reply);
        }
    }
    for (int i = 0; i < ROOM / VALUE; i++)
        LAB_RUN(lab, "DEL key:%d", --number);
    LAB_RUN(lab, "CONFIG RESETSTAT");
}

/* Long keys that do not exist: much for MONITOR, nothing for memory. It rests between batches, so
 * that a slow machine has the same load as a fast one: about 2 MB a second of stream. */
static _Noreturn void load(const struct lab *lab)
{
    redisContext *c = redisConnectUnix(lab->sock);
    char key[KEY];
    void *reply;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(key, 'k', sizeof(key));
    for (;;) {
        for (int i = 0; i < BATCH; i++)
            redisAppendCommand(c, "GET %b", key, sizeof(key));
        for (int i = 0; i < BATCH; i++) {
            if (redisGetReply(c, &reply) != REDIS_OK)
                _exit(1);
            freeReplyObject(reply);
        }
        lab_pause_ms(12);
    }
}

static pid_t start_load(const struct lab *lab)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        load(lab);
    return pid;
}

/* ---- who monitors, as a process of its own that can be stopped ---- */

struct dashboard {
    pid_t pid;
    atomic_int *state; /* enum monitor_state, shared */
};

/* Reads as the panel does: asks 20 times a second. busy: its loop does nothing else from then on. */
static _Noreturn void be_dashboard(const struct lab *lab, atomic_int *state, bool busy)
{
    struct redis_address address;
    struct monitor *monitor;
    char *error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!redis_url_parse(lab->url, &address, &error))
        _exit(1);
    monitor = monitor_start(&address, 600);
    for (;;) {
        struct monitor_status status;
        struct monitor_line line;

        monitor_status(monitor, &status);
        atomic_store(state, (int)status.state);
        while (monitor_next_of(monitor, &line, 200))
            continue;
        while (busy && status.state == MONITOR_RUNNING)
            continue;
        lab_pause_ms(50);
    }
}

static void start_dashboard(struct dashboard *dashboard, const struct lab *lab, bool busy)
{
    dashboard->state = mmap(NULL, sizeof(*dashboard->state), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(dashboard->state != MAP_FAILED);
    atomic_init(dashboard->state, MONITOR_OFF);
    dashboard->pid = fork();
    assert_true(dashboard->pid >= 0);
    if (dashboard->pid == 0)
        be_dashboard(lab, dashboard->state, busy);
    for (double until = 0; lab_waiting(&until) && atomic_load(dashboard->state) < MONITOR_RUNNING;)
        continue;
    assert_int_equal(atomic_load(dashboard->state), MONITOR_RUNNING);
}

static void end_dashboard(struct dashboard *dashboard)
{
    kill(dashboard->pid, SIGKILL);
    waitpid(dashboard->pid, NULL, 0);
    munmap(dashboard->state, sizeof(*dashboard->state));
}

/* redis-cli monitor, to a pipe that is read. */
static pid_t start_redis_cli(const struct lab *lab)
{
    char port[16];
    pid_t pid;

    snprintf(port, sizeof(port), "%d", lab->port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, STDOUT_FILENO);
        execlp("redis-cli", "redis-cli", "-p", port, "monitor", (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* ---- harm ---- */

static void await_monitor(struct lab *lab, int count)
{
    for (double until = 0; lab_waiting(&until) && lab_clients(lab, "cmd=monitor") != count;)
        continue;
    assert_int_equal(lab_clients(lab, "cmd=monitor"), count);
}

static long long evicted_after(struct lab *lab, double ms)
{
    double until = lab_now_ms() + ms;

    while (lab_now_ms() < until)
        lab_pause_ms(50);
    return lab_info(lab, "evicted_keys");
}

/* What it costs redis-cli: the measure of this machine and this load. */
static long long cost_of_redis_cli(struct lab *lab)
{
    pid_t reader = start_redis_cli(lab);
    long long evicted = 0;

    await_monitor(lab, 1);
    kill(reader, SIGSTOP);
    for (double until = 0; lab_waiting(&until) && evicted == 0;)
        evicted = lab_info(lab, "evicted_keys");
    evicted = evicted_after(lab, 1000);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    await_monitor(lab, 0);
    return evicted;
}

static void test_redis_cli_costs_keys(void **state)
{
    struct lab lab;
    long long evicted;
    pid_t pid;

    (void)state;
    lab_start(&lab, settings);
    fill(&lab);
    pid = start_load(&lab);
    evicted = cost_of_redis_cli(&lab);
    print_message("redis-cli, stopped: %lld keys\n", evicted);
    assert_true(evicted > 100);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    lab_stop(&lab);
}

/* The reader is stopped: within seconds the stream has ended on the server, and no key was lost. */
static void expect_harmless(const char *name, bool busy, int signal_number)
{
    struct lab lab;
    struct dashboard dashboard;
    long long evicted;
    pid_t pid;

    lab_start(&lab, settings);
    fill(&lab);
    pid = start_load(&lab);
    start_dashboard(&dashboard, &lab, busy);
    await_monitor(&lab, 1);
    if (signal_number)
        kill(signal_number == SIGKILL ? dashboard.pid : -dashboard.pid, signal_number);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("%s: %lld keys\n", name, evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    end_dashboard(&dashboard);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    lab_stop(&lab);
}

static void test_stopped(void **state)
{
    (void)state;
    expect_harmless("SIGSTOP of the process group", false, SIGSTOP);
}

static void test_killed(void **state)
{
    (void)state;
    expect_harmless("kill -9", false, SIGKILL);
}

static void test_busy_loop(void **state)
{
    (void)state;
    expect_harmless("a loop that is kept busy", true, 0);
}

/* ---- everything frozen, the guard too ---- */

/* The pids of guards, by their name. */
static int guards(pid_t *pids, int most)
{
    FILE *pipe = popen("pgrep -x sharedtop-guard", "re");
    char text[32];
    int count = 0;

    assert_non_null(pipe);
    while (count < most && fgets(text, sizeof(text), pipe))
        pids[count++] = (pid_t)strtol(text, NULL, 10);
    pclose(pipe);
    return count;
}

static void find_new_guard(const pid_t *before, int before_count, pid_t *found)
{
    pid_t now[64];
    int count = guards(now, 64);

    *found = 0;
    for (int i = 0; i < count; i++) {
        bool old = false;

        for (int k = 0; k < before_count; k++)
            old |= before[k] == now[i];
        if (!old)
            *found = now[i];
    }
}

/* A host that stands still: nobody of us can do anything, the server ends the stream itself. */
static void test_frozen_with_its_guard(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    pid_t before[64], guard, load_pid;
    int count = guards(before, 64);
    long long evicted;

    (void)state;
    lab_start(&lab, settings);
    fill(&lab);
    load_pid = start_load(&lab);
    start_dashboard(&dashboard, &lab, false);
    await_monitor(&lab, 1);
    find_new_guard(before, count, &guard);
    assert_true(guard > 0);
    kill(guard, SIGSTOP);
    kill(-dashboard.pid, SIGSTOP);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("dashboard and guard stopped: %lld keys\n", evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    kill(guard, SIGCONT);
    end_dashboard(&dashboard);
    /* It does not stay behind. */
    for (double until = 0; lab_waiting(&until) && guard;)
        find_new_guard(before, count, &guard);
    assert_int_equal(guard, 0);
    kill(load_pid, SIGKILL);
    waitpid(load_pid, NULL, 0);
    lab_stop(&lab);
}

/* ---- the link goes down ---- */

static void set_link(bool up)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    request.ifr_flags = (short)(up ? IFF_UP | IFF_RUNNING : 0);
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail_msg("cannot switch the link: %s", strerror(errno));
    close(fd);
}

/* In a network of our own, whose only link is then switched off; the test and the load reach the
 * server by its unix socket. Nothing can reach it from the reader. */
static void test_link_down(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    long long evicted;
    pid_t pid;

    (void)state;
    if (unshare(getuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
        fail_msg("no network of our own: %s", strerror(errno));
    set_link(true);
    lab_start(&lab, settings);
    fill(&lab);
    pid = start_load(&lab);
    start_dashboard(&dashboard, &lab, false);
    await_monitor(&lab, 1);
    set_link(false);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("link down: %lld keys\n", evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    for (double until = 0; lab_waiting(&until) && atomic_load(dashboard.state) != MONITOR_STOPPED;)
        continue;
    assert_int_equal(atomic_load(dashboard.state), MONITOR_STOPPED);
    end_dashboard(&dashboard);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis_cli_costs_keys),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_busy_loop),
        cmocka_unit_test(test_frozen_with_its_guard),
        cmocka_unit_test(test_link_down), /* the last: it leaves this process in its own network */
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
