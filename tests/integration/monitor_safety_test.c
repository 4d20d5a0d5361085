/* The reader and its guard, one or both of which stand still, die, or have a link that is too slow, on a
 * full server under a heavy load: no key is lost, and the stream ends. What redis-cli costs there is shown
 * by monitor_stall_test.c. */
#include "backend/redis_monitor.h"

#include "tests/integration/monitor_load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { ALWAYS = 600, HARM_MS = 3000, HARM_BYTES = 64 << 20 };

/* ---- who monitors, as a process of its own that can be stopped ---- */

struct dashboard {
    pid_t pid;
    struct shown *shown;
};

/* In memory that it shares with the test. */
struct shown {
    atomic_int state; /* enum monitor_state */
    bool fault;       /* before state says MONITOR_STOPPED, as what follows */
    double stops_at, seen_at;
    char reason[520];
};

/* Reads as the panel does: asks 20 times a second. busy: its loop does nothing else from then on. */
static _Noreturn void be_dashboard(const char *url, struct shown *shown, double seconds, bool busy)
{
    struct redis_address address;
    struct monitor *monitor;
    char *error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!redis_url_parse(url, &address, &error))
        _exit(1);
    monitor = monitor_start(&address, seconds);
    for (;;) {
        struct monitor_status status;
        struct monitor_line line;

        monitor_status(monitor, &status);
        if (status.state == MONITOR_STOPPED && !shown->reason[0]) {
            shown->fault = status.fault;
            shown->stops_at = status.stops_at;
            shown->seen_at = lab_now_ms();
            memcpy(shown->reason, status.reason, sizeof(shown->reason));
        }
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

static void start_reading(struct dashboard *dashboard, const char *url, double seconds, bool busy)
{
    dashboard->shown = mmap(NULL, sizeof(*dashboard->shown), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(dashboard->shown != MAP_FAILED);
    atomic_init(&dashboard->shown->state, MONITOR_OFF);
    dashboard->pid = fork();
    assert_true(dashboard->pid >= 0);
    if (dashboard->pid == 0)
        be_dashboard(url, dashboard->shown, seconds, busy);
}

static void start_dashboard(struct dashboard *dashboard, const struct lab *lab, bool busy)
{
    start_reading(dashboard, lab->url, ALWAYS, busy);
    await_state(dashboard, MONITOR_RUNNING);
}

static void end_dashboard(struct dashboard *dashboard)
{
    kill(dashboard->pid, SIGKILL);
    waitpid(dashboard->pid, NULL, 0);
    munmap(dashboard->shown, sizeof(*dashboard->shown));
}

/* ---- guards ---- */

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

/* ---- harm ---- */

/* A full server, and who monitors it. */
struct stage {
    struct lab lab;
    struct load load;
    struct dashboard dashboard;
    pid_t guard;
};

static void stage_start(struct stage *stage, bool busy)
{
    await_no_guards();
    load_start(&stage->load, &stage->lab);
    start_dashboard(&stage->dashboard, &stage->lab, busy);
    load_await_monitors(&stage->lab, 1);
    stage->guard = find_guard();
    assert_true(stage->guard > 0);
}

static void stage_stop(struct stage *stage)
{
    end_dashboard(&stage->dashboard);
    load_stop(&stage->load, &stage->lab);
}

static void expect_no_key_lost(struct stage *stage, const char *what)
{
    long long lost = load_outlast(&stage->lab, HARM_MS, HARM_BYTES);

    print_message("%s: %lld keys\n", what, lost);
    assert_int_equal(lost, 0);
}

/* It reads on, or, when nobody looks any more, ends it. */
static void test_busy_loop(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage, true);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "a loop that is kept busy");
    stage_stop(&stage);
}

/* ---- the guard too ---- */

/* A host that stands still: nobody of us can do anything, the server ends the stream itself. */
static void test_frozen_with_its_guard(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage, false);
    kill(stage.guard, SIGSTOP);
    kill(-stage.dashboard.pid, SIGSTOP);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "dashboard and guard stopped");
    kill(stage.guard, SIGCONT);
    stage_stop(&stage);
    await_no_guard(stage.guard);
}

/* The dashboard stands still, and its guard dies before it has noticed: what it has laid into the server
 * outlives it. */
static void test_stopped_and_guard_killed(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage, false);
    kill(-stage.dashboard.pid, SIGSTOP);
    kill(stage.guard, SIGKILL);
    await_no_guard(stage.guard);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "dashboard stopped, guard killed");
    kill(-stage.dashboard.pid, SIGCONT);
    await_state(&stage.dashboard, MONITOR_STOPPED);
    assert_true(stage.dashboard.shown->fault);
    stage_stop(&stage);
}

/* The other way round: a guard that stands still dies when the dashboard has been stopped too. */
static void test_guard_stopped_and_killed(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage, false);
    kill(stage.guard, SIGSTOP);
    kill(-stage.dashboard.pid, SIGSTOP);
    kill(stage.guard, SIGKILL);
    await_no_guard(stage.guard);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "guard stopped, then killed, dashboard stopped");
    stage_stop(&stage);
}

/* A dashboard that runs ends the stream at once when its guard has gone. */
static void test_guard_killed(void **state)
{
    struct stage stage;

    (void)state;
    stage_start(&stage, false);
    kill(stage.guard, SIGKILL);
    await_no_guard(stage.guard);
    await_state(&stage.dashboard, MONITOR_STOPPED);
    assert_non_null(strstr(stage.dashboard.shown->reason, "its guard has gone"));
    assert_true(stage.dashboard.shown->fault);
    load_await_monitors(&stage.lab, 0);
    assert_int_equal(lab_info(&stage.lab, "evicted_keys"), 0);
    stage_stop(&stage);
}

/* ---- its time ---- */

enum { BRIEF = 10 }; /* s: a slow machine has it running and stopped before */

/* What ended it counts, not when that is seen: after its time was over anyway. */
static void test_fault_seen_late(void **state)
{
    struct dashboard dashboard;
    struct lab lab;
    double until;

    (void)state;
    await_no_guards();
    lab_start(&lab, NULL);
    start_reading(&dashboard, lab.url, BRIEF, false);
    await_state(&dashboard, MONITOR_RUNNING);
    kill(-dashboard.pid, SIGSTOP);
    for (until = lab_now_ms() + 1000.0 * BRIEF; lab_now_ms() < until;)
        lab_pause_ms(50);
    load_await_monitors(&lab, 0);
    kill(-dashboard.pid, SIGCONT);
    await_state(&dashboard, MONITOR_STOPPED);
    assert_true(dashboard.shown->seen_at > dashboard.shown->stops_at);
    assert_null(strstr(dashboard.shown->reason, "are over"));
    assert_true(dashboard.shown->fault);
    end_dashboard(&dashboard);
    lab_stop(&lab);
}

static void test_its_time_is_no_fault(void **state)
{
    struct dashboard dashboard;
    struct lab lab;

    (void)state;
    await_no_guards();
    lab_start(&lab, NULL);
    start_reading(&dashboard, lab.url, 0.2, false);
    await_state(&dashboard, MONITOR_STOPPED);
    assert_non_null(strstr(dashboard.shown->reason, "are over"));
    assert_false(dashboard.shown->fault);
    end_dashboard(&dashboard);
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
    load_await_monitors(&lab, 1);
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
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all -client|list");
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab.port);
    start_reading(&dashboard, url, ALWAYS, false);
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
    struct stage stage;
    pid_t link;
    char url[64];

    (void)state;
    await_no_guards();
    load_start(&stage.load, &stage.lab);
    link = start_slow_link(&stage.lab, url, sizeof(url));
    start_reading(&stage.dashboard, url, ALWAYS, false);
    await_state(&stage.dashboard, MONITOR_RUNNING);
    load_await_monitors(&stage.lab, 0);
    expect_no_key_lost(&stage, "a link of 300 kB/s");
    await_state(&stage.dashboard, MONITOR_STOPPED);
    print_message("%s\n", stage.dashboard.shown->reason);
    assert_true(stage.dashboard.shown->fault);
    kill(link, SIGKILL);
    waitpid(link, NULL, 0);
    stage_stop(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_loop),
        cmocka_unit_test(test_frozen_with_its_guard),
        cmocka_unit_test(test_stopped_and_guard_killed),
        cmocka_unit_test(test_guard_stopped_and_killed),
        cmocka_unit_test(test_guard_killed),
        cmocka_unit_test(test_fault_seen_late),
        cmocka_unit_test(test_its_time_is_no_fault),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_no_right_to_look),
        cmocka_unit_test(test_slow_link),
    };

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the guards, whose parents end at once, become ours */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
