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
    struct shown *shown;
};

/* In memory that it shares with the test. */
struct shown {
    atomic_int state; /* enum monitor_state */
    char reason[520]; /* before state says MONITOR_STOPPED */
};

/* Reads as the panel does: asks 20 times a second. busy: its loop does nothing else from then on. */
static _Noreturn void be_dashboard(const char *url, struct shown *shown, bool busy)
{
    struct redis_address address;
    struct monitor *monitor;
    char *error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!redis_url_parse(url, &address, &error))
        _exit(1);
    monitor = monitor_start(&address, 600);
    for (;;) {
        struct monitor_status status;
        struct monitor_line line;

        monitor_status(monitor, &status);
        if (status.state == MONITOR_STOPPED)
            memcpy(shown->reason, status.reason, sizeof(shown->reason));
        atomic_store(&shown->state, (int)status.state);
        while (monitor_next_of(monitor, &line, 200))
            continue;
        while (busy && status.state == MONITOR_RUNNING)
            continue;
        lab_pause_ms(50);
    }
}

static void await_state(const struct dashboard *dashboard, enum monitor_state state)
{
    for (double until = 0; lab_waiting(&until);) {
        if (atomic_load(&dashboard->shown->state) >= (int)state)
            break;
    }
    if (atomic_load(&dashboard->shown->state) != (int)state)
        fail_msg("state %d: %s", atomic_load(&dashboard->shown->state), dashboard->shown->reason);
}

static void start_reading(struct dashboard *dashboard, const char *url, bool busy)
{
    dashboard->shown = mmap(NULL, sizeof(*dashboard->shown), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(dashboard->shown != MAP_FAILED);
    atomic_init(&dashboard->shown->state, MONITOR_OFF);
    dashboard->pid = fork();
    assert_true(dashboard->pid >= 0);
    if (dashboard->pid == 0)
        be_dashboard(url, dashboard->shown, busy);
}

static void start_dashboard(struct dashboard *dashboard, const struct lab *lab, bool busy)
{
    start_reading(dashboard, lab->url, busy);
    await_state(dashboard, MONITOR_RUNNING);
}

static void end_dashboard(struct dashboard *dashboard)
{
    kill(dashboard->pid, SIGKILL);
    waitpid(dashboard->pid, NULL, 0);
    munmap(dashboard->shown, sizeof(*dashboard->shown));
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

/* Guards of this program and no other's: they are adopted by who asked for it, by us. */
static pid_t find_guard(void)
{
    FILE *pipe;
    char text[64];

    snprintf(text, sizeof(text), "pgrep -x -P %d sharedtop-guard", (int)getpid());
    pipe = popen(text, "re");
    assert_non_null(pipe);
    if (!fgets(text, sizeof(text), pipe))
        text[0] = '\0';
    pclose(pipe);
    return (pid_t)strtol(text, NULL, 10);
}

/* It does not stay behind. */
static void await_no_guard(pid_t guard)
{
    pid_t ended = 0;

    for (double until = 0; lab_waiting(&until) && ended == 0;)
        ended = waitpid(guard, NULL, WNOHANG);
    assert_int_equal(ended, guard);
}

/* Those of tests before. */
static void await_no_guards(void)
{
    for (double until = 0; lab_waiting(&until) && find_guard();)
        waitpid(find_guard(), NULL, WNOHANG);
    assert_int_equal(find_guard(), 0);
}

/* A host that stands still: nobody of us can do anything, the server ends the stream itself. */
static void test_frozen_with_its_guard(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    pid_t guard, load_pid;
    long long evicted;

    (void)state;
    await_no_guards();
    lab_start(&lab, settings);
    fill(&lab);
    load_pid = start_load(&lab);
    start_dashboard(&dashboard, &lab, false);
    await_monitor(&lab, 1);
    guard = find_guard();
    assert_true(guard > 0);
    kill(guard, SIGSTOP);
    kill(-dashboard.pid, SIGSTOP);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("dashboard and guard stopped: %lld keys\n", evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    kill(guard, SIGCONT);
    end_dashboard(&dashboard);
    await_no_guard(guard);
    kill(load_pid, SIGKILL);
    waitpid(load_pid, NULL, 0);
    lab_stop(&lab);
}

/* ---- the guard has gone ---- */

/* What it has laid into the server goes with it: the stream must not outlive it. */
static void test_guard_killed(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    long long evicted;
    pid_t guard, load_pid;

    (void)state;
    await_no_guards();
    lab_start(&lab, settings);
    fill(&lab);
    load_pid = start_load(&lab);
    start_dashboard(&dashboard, &lab, false);
    await_monitor(&lab, 1);
    guard = find_guard();
    assert_true(guard > 0);
    kill(guard, SIGKILL);
    await_no_guard(guard);
    lab_pause_ms(500); /* what a dashboard has that is stopped soon after */
    kill(-dashboard.pid, SIGSTOP);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("guard killed, dashboard stopped: %lld keys\n", evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    kill(-dashboard.pid, SIGCONT);
    await_state(&dashboard, MONITOR_STOPPED);
    assert_non_null(strstr(dashboard.shown->reason, "its guard has gone"));
    end_dashboard(&dashboard);
    kill(load_pid, SIGKILL);
    waitpid(load_pid, NULL, 0);
    lab_stop(&lab);
}

/* ---- somebody else's number ---- */

enum { USERS = 40 };

/* Clients that take the numbers which the stream and its guard had before. */
static void connect_users(const struct lab *lab, redisContext **users)
{
    for (int i = 0; i < USERS; i++) {
        users[i] = redisConnect("127.0.0.1", lab->port);
        assert_non_null(users[i]);
        assert_int_equal(users[i]->err, 0);
        freeReplyObject(redisCommand(users[i], "PING"));
    }
}

static void expect_users(redisContext **users)
{
    for (int i = 0; i < USERS; i++) {
        redisReply *reply = redisCommand(users[i], "PING");

        if (!reply)
            fail_msg("user %d was killed: %s", i, users[i]->errstr);
        freeReplyObject(reply);
        redisFree(users[i]);
    }
}

/* Redis starts anew while the dashboard stands still: its numbers begin anew too. */
static void test_server_restarts(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    redisContext *users[USERS];
    pid_t guard;

    (void)state;
    await_no_guards();
    lab_start(&lab, NULL);
    start_dashboard(&dashboard, &lab, false);
    await_monitor(&lab, 1);
    guard = find_guard();
    assert_true(guard > 0);
    kill(-dashboard.pid, SIGSTOP);
    lab_kill(&lab);
    lab_spawn(&lab);
    lab_connect(&lab);
    connect_users(&lab, users);
    await_no_guard(guard); /* until then it tries to kill */
    expect_users(users);
    end_dashboard(&dashboard);
    lab_stop(&lab);
}

/* ---- rights ---- */

/* Without a look at what is kept there is no MONITOR, and what is missing is named. */
static void test_no_right_to_look(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    char url[96];

    (void)state;
    lab_start(&lab, settings);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all -client|list");
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab.port);
    start_reading(&dashboard, url, false);
    await_state(&dashboard, MONITOR_STOPPED);
    assert_non_null(strstr(dashboard.shown->reason, "ACL SETUSER app +client|list"));
    assert_int_equal(lab_clients(&lab, "cmd=monitor"), 0);
    end_dashboard(&dashboard);
    lab_stop(&lab);
}

/* ---- a slow link ---- */

enum { LINK_RATE = 300000, LINK_FREE = 100000, LINK_CHUNK = 16384, LINK_PAIRS = 64 };

/* Bytes that went one way; what a connection brings beyond its first comes slowly. */
struct pair {
    int user, server;
    size_t sent;
};

static bool pass_on(int from, int to, size_t *sent)
{
    char bytes[LINK_CHUNK];
    ssize_t n = recv(from, bytes, sizeof(bytes), 0);

    if (n <= 0 || send(to, bytes, (size_t)n, MSG_NOSIGNAL) != n)
        return false;
    if (sent)
        *sent += (size_t)n;
    if (sent && *sent > LINK_FREE)
        lab_pause_ms((long)(1000 * n / LINK_RATE));
    return true;
}

static void *carry_in(void *argument)
{
    const struct pair *pair = argument;

    while (pass_on(pair->user, pair->server, NULL))
        continue;
    shutdown(pair->server, SHUT_RDWR);
    shutdown(pair->user, SHUT_RDWR);
    return NULL;
}

static void *carry(void *argument)
{
    struct pair *pair = argument;
    pthread_t in;

    if (pthread_create(&in, NULL, carry_in, pair) != 0)
        _exit(1);
    while (pass_on(pair->server, pair->user, &pair->sent))
        continue;
    shutdown(pair->server, SHUT_RDWR);
    shutdown(pair->user, SHUT_RDWR);
    pthread_join(in, NULL);
    close(pair->server);
    close(pair->user);
    free(pair);
    return NULL;
}

static _Noreturn void be_slow_link(int listener, const struct lab *lab)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)lab->port)};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct pair *pair = mem_zalloc(sizeof(*pair));
        int small = 65536;
        pthread_t thread;

        pair->user = accept(listener, NULL, NULL);
        pair->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(pair->server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        if (pair->user < 0 ||
            connect(pair->server, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            pthread_create(&thread, NULL, carry, pair) != 0)
            _exit(1);
        pthread_detach(thread);
    }
}

/* Passes connections on to the server, what comes back at LINK_RATE. */
static pid_t start_slow_link(const struct lab *lab, char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, LINK_PAIRS), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(url, size, "redis://127.0.0.1:%d", ntohs(address.sin_port));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_slow_link(listener, lab);
    close(listener);
    return pid;
}

/* The reader lives and reads, but the link carries less than the server makes: it must be ended
 * before the server has no room for the rest. */
static void test_slow_link(void **state)
{
    struct lab lab;
    struct dashboard dashboard;
    long long evicted;
    pid_t link, loads[3];
    char url[64];

    (void)state;
    lab_start(&lab, settings);
    fill(&lab);
    for (int i = 0; i < 3; i++)
        loads[i] = start_load(&lab);
    link = start_slow_link(&lab, url, sizeof(url));
    start_reading(&dashboard, url, false);
    await_state(&dashboard, MONITOR_RUNNING);
    evicted = evicted_after(&lab, HARM_MS);
    print_message("a link of 300 kB/s: %lld keys\n", evicted);
    await_monitor(&lab, 0);
    assert_int_equal(evicted, 0);
    await_state(&dashboard, MONITOR_STOPPED);
    assert_non_null(strstr(dashboard.shown->reason, "the server kept"));
    end_dashboard(&dashboard);
    kill(link, SIGKILL);
    waitpid(link, NULL, 0);
    for (int i = 0; i < 3; i++) {
        kill(loads[i], SIGKILL);
        waitpid(loads[i], NULL, 0);
    }
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
    await_state(&dashboard, MONITOR_STOPPED);
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
        cmocka_unit_test(test_guard_killed),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_no_right_to_look),
        cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_link_down), /* the last: it leaves this process in its own network */
    };

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the guards, whose parents end at once, become ours */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
