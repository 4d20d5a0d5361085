/* Where there is too little room in the server to watch MONITOR without harm it does not begin, or ends,
 * and says why; and a switch that cannot be handed on does not take the place of one that lies there. */
#include "backend/monitor_watch.h"
#include "backend/redis_link.h"
#include "backend/redis_monitor.h"

#include "tests/integration/monitor_load.h"

#include <pthread.h>
#include <sys/mman.h>

enum { USERS = 300, CHUNK = 65536, RENEWALS = 4 };

static struct redis_address address_of(const char *url)
{
    struct redis_address address;
    char *error;

    assert_true(redis_url_parse(url, &address, &error));
    return address;
}

static struct monitor *start_monitor(const char *url)
{
    struct redis_address address = address_of(url);
    struct monitor *monitor = monitor_start(&address, 600);

    redis_address_free(&address);
    return monitor;
}

static void await_running(struct monitor *monitor)
{
    struct monitor_status status = {.state = MONITOR_OFF};

    for (double until = 0; lab_waiting(&until) && status.state != MONITOR_RUNNING;)
        monitor_status(monitor, &status);
    if (status.state != MONITOR_RUNNING)
        fail_msg("state %d: %s", (int)status.state, status.reason);
}

static void await_stopped(struct monitor *monitor, const char *why)
{
    struct monitor_status status = {.state = MONITOR_OFF};

    for (double until = 0; lab_waiting(&until) && status.state != MONITOR_STOPPED;)
        monitor_status(monitor, &status);
    assert_int_equal(status.state, MONITOR_STOPPED);
    print_message("%s\n", status.reason);
    assert_non_null(strstr(status.reason, why));
    assert_true(status.fault);
}

/* Less than an empty server uses, whatever its connections give back while they are idle. */
static void leave_no_room(struct lab *lab)
{
    LAB_RUN(lab, "CONFIG SET maxmemory-policy noeviction");
    LAB_RUN(lab, "CONFIG SET maxmemory 400kb");
}

/* ---- no switch is soon enough ---- */

/* Over a unix socket, where no kernel takes up what comes until the switch works. */
static void test_too_little_room_for_a_switch(void **state)
{
    struct monitor *monitor;
    struct load load;
    struct lab lab;
    char url[128];

    (void)state;
    load_start(&load, &lab);
    leave_no_room(&lab);
    snprintf(url, sizeof(url), "unix:%s", lab.sock);
    monitor = start_monitor(url);
    await_stopped(monitor, "too little room in the server: ");
    monitor_free(monitor);
    load_stop(&load, &lab);
}

/* ---- a replica ---- */

enum { LOADED_KBPS = 4000 };

/* A replica over its maxmemory, with a load. */
struct copy {
    struct lab master, lab;
    struct load load;
    char master_port[16], url[128];
    const char *settings[8];
};

static bool is_copied(struct copy *copy)
{
    redisReply *reply = lab_do(&copy->lab, "INFO replication");
    bool copied = strstr(reply->str, "master_link_status:up") != NULL;

    freeReplyObject(reply);
    return copied;
}

static void copy_start(struct copy *copy, const char *ignores)
{
    static const char *const at_once[] = {"--repl-diskless-sync-delay", "0", NULL};
    bool copied = false;

    lab_start(&copy->master, at_once);
    snprintf(copy->master_port, sizeof(copy->master_port), "%d", copy->master.port);
    copy->settings[0] = "--replicaof";
    copy->settings[1] = "127.0.0.1";
    copy->settings[2] = copy->master_port;
    copy->settings[3] = "--replica-ignore-maxmemory";
    copy->settings[4] = ignores;
    copy->settings[5] = NULL;
    lab_start(&copy->lab, copy->settings);
    snprintf(copy->url, sizeof(copy->url), "unix:%s", copy->lab.sock);
    for (double until = 0; lab_waiting(&until) && !copied;)
        copied = is_copied(copy);
    assert_true(copied);
    leave_no_room(&copy->lab);
    load_clients(&copy->load, &copy->lab);
    for (double until = 0; lab_waiting(&until);) {
        if (lab_info(&copy->lab, "instantaneous_input_kbps") > LOADED_KBPS)
            break;
    }
    assert_true(lab_info(&copy->lab, "instantaneous_input_kbps") > LOADED_KBPS);
}

static void copy_stop(struct copy *copy)
{
    load_stop(&copy->load, &copy->lab);
    lab_stop(&copy->master);
}

/* It evicts nothing and may be watched, until it is the master. */
static void test_replica_becomes_master(void **state)
{
    struct monitor *monitor;
    struct copy copy;

    (void)state;
    copy_start(&copy, "yes");
    monitor = start_monitor(copy.url);
    await_running(monitor);
    LAB_RUN(&copy.lab, "REPLICAOF NO ONE");
    await_stopped(monitor, "the server");
    load_await_monitors(&copy.lab, 0);
    monitor_free(monitor);
    copy_stop(&copy);
}

static void test_replica_that_evicts(void **state)
{
    struct monitor *monitor;
    struct copy copy;

    (void)state;
    copy_start(&copy, "no");
    monitor = start_monitor(copy.url);
    await_stopped(monitor, "too little room in the server: ");
    monitor_free(monitor);
    copy_stop(&copy);
}

/* ---- a server that lists all its clients or none ---- */

/* Shared with the process of the link. */
struct seen {
    atomic_int switches, listed; /* connections with a switch; those that asked for a list too */
    atomic_int whole;            /* lists of all clients that were asked for */
    atomic_bool modern, hides;   /* knows CLIENT LIST ID; tells no maxmemory */
    atomic_int busy;             /* so many times more it has no time for CLIENT LIST ID */
};

struct pair {
    int user, server;
    struct seen *seen;
    atomic_bool busy; /* the next error says so */
};

/* To is as long as from. */
static void replace(char *bytes, size_t len, const char *from, const char *to)
{
    char *at = memmem(bytes, len, from, strlen(from));

    if (at)
        memcpy(at, to, strlen(from));
}

/* CLIENT LIST ID is spelt as no server knows it. */
static void make_old(char *bytes, size_t len)
{
    static const char list[] = "$4\r\nLIST\r\n$2\r\nID\r\n";

    for (char *at = bytes; (at = memmem(at, len - (size_t)(at - bytes), list, sizeof(list) - 1));
         at += sizeof(list) - 1)
        at[sizeof(list) - 5] = 'X';
}

static void alter_request(struct pair *pair, char *bytes, size_t len)
{
    static const char whole[] = "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n";
    struct seen *seen = pair->seen;

    if (memmem(bytes, len, whole, sizeof(whole) - 1))
        atomic_fetch_add(&seen->whole, 1);
    if (memmem(bytes, len, "LIST\r\n$2\r\nID", 12) && atomic_load(&seen->busy) > 0) {
        atomic_fetch_sub(&seen->busy, 1);
        atomic_store(&pair->busy, true);
    }
    if (!atomic_load(&seen->modern) || atomic_load(&pair->busy))
        make_old(bytes, len);
}

static void alter_answer(struct pair *pair, char *bytes, size_t len)
{
    if (atomic_load(&pair->busy))
        replace(bytes, len, "-ERR syntax error", "-BUSY of a script");
    if (atomic_load(&pair->seen->hides))
        replace(bytes, len, "\nmaxmemory:", "\nminmemory:");
}

static void *carry_in(void *argument)
{
    struct pair *pair = argument;
    bool lists = false, waits = false;
    char bytes[CHUNK];
    ssize_t n;

    while ((n = recv(pair->user, bytes, sizeof(bytes), 0)) > 0) {
        alter_request(pair, bytes, (size_t)n);
        lists |= memmem(bytes, (size_t)n, "LIST", 4) != NULL;
        if (!waits && memmem(bytes, (size_t)n, "WAIT", 4)) {
            waits = true;
            atomic_fetch_add(&pair->seen->listed, lists);
            atomic_fetch_add(&pair->seen->switches, 1);
        }
        if (send(pair->server, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    shutdown(pair->server, SHUT_RDWR);
    shutdown(pair->user, SHUT_RDWR);
    return NULL;
}

static void *carry(void *argument)
{
    struct pair *pair = argument;
    char bytes[CHUNK];
    pthread_t in;
    ssize_t n;

    if (pthread_create(&in, NULL, carry_in, pair) != 0)
        _exit(1);
    while ((n = recv(pair->server, bytes, sizeof(bytes), 0)) > 0) {
        alter_answer(pair, bytes, (size_t)n);
        if (send(pair->user, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    shutdown(pair->server, SHUT_RDWR);
    shutdown(pair->user, SHUT_RDWR);
    pthread_join(in, NULL);
    close(pair->server);
    close(pair->user);
    free(pair);
    return NULL;
}

static _Noreturn void be_link(int listener, int port, struct seen *seen)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct pair *pair = mem_zalloc(sizeof(*pair));
        pthread_t thread;

        pair->seen = seen;
        pair->user = accept(listener, NULL, NULL);
        pair->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (pair->user < 0 ||
            connect(pair->server, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            pthread_create(&thread, NULL, carry, pair) != 0)
            _exit(1);
        pthread_detach(thread);
    }
}

/* A server, its users, and the way to it on which it looks like one before 6.2. */
struct old {
    struct lab lab;
    redisContext *users[USERS];
    struct seen *seen;
    pid_t link;
    char url[64];
};

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static void old_start(struct old *old)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    lab_start(&old->lab, NULL);
    for (int i = 0; i < USERS; i++) {
        old->users[i] = redisConnectUnix(old->lab.sock);
        assert_non_null(old->users[i]);
        freeReplyObject(redisCommand(old->users[i], "CLIENT SETNAME some-worker-%05d", i));
    }
    old->seen = share(sizeof(*old->seen));
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(old->url, sizeof(old->url), "redis://127.0.0.1:%d", ntohs(address.sin_port));
    old->link = fork();
    assert_true(old->link >= 0);
    if (old->link == 0)
        be_link(listener, old->lab.port, old->seen);
    close(listener);
}

static void old_stop(struct old *old)
{
    for (int i = 0; i < USERS; i++)
        redisFree(old->users[i]);
    kill(old->link, SIGKILL);
    waitpid(old->link, NULL, 0);
    munmap(old->seen, sizeof(*old->seen));
    lab_stop(&old->lab);
}

/* It lies in the server's memory until it is read: where the room is short it would cost keys. */
static void test_no_list_without_room(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    leave_no_room(&old.lab);
    monitor = start_monitor(old.url);
    await_stopped(monitor, GUARD_NO_LIST);
    monitor_free(monitor);
    old_stop(&old);
}

static void test_room_goes(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    monitor = start_monitor(old.url);
    await_running(monitor);
    leave_no_room(&old.lab);
    await_stopped(monitor, GUARD_NO_LIST);
    load_await_monitors(&old.lab, 0);
    monitor_free(monitor);
    old_stop(&old);
}

/* Until more switches than there were have been laid. */
static void await_renewals(const struct old *old, struct monitor *monitor)
{
    struct monitor_status status = {.state = MONITOR_OFF};
    int before = atomic_load(&old->seen->switches);

    for (double until = 0; lab_waiting(&until);) {
        monitor_status(monitor, &status);
        if (status.state != MONITOR_RUNNING ||
            atomic_load(&old->seen->switches) > before + RENEWALS)
            break;
    }
    if (status.state != MONITOR_RUNNING)
        fail_msg("%s", status.reason);
    assert_true(atomic_load(&old->seen->switches) > before + RENEWALS);
}

/* Only the one connection that looks asks for the list, not each that lays a switch. */
static void test_a_switch_needs_no_list(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    monitor = start_monitor(old.url);
    await_running(monitor);
    await_renewals(&old, monitor);
    assert_int_equal(atomic_load(&old.seen->listed), 1);
    monitor_free(monitor);
    old_stop(&old);
}

/* What it could not answer for a moment is asked again, not taken for what it does not know. */
static void test_busy_once(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    atomic_store(&old.seen->modern, true);
    monitor = start_monitor(old.url);
    await_running(monitor);
    atomic_store(&old.seen->busy, 1);
    await_renewals(&old, monitor);
    assert_int_equal(atomic_load(&old.seen->busy), 0);
    assert_int_equal(atomic_load(&old.seen->whole), 0);
    monitor_free(monitor);
    old_stop(&old);
}

static void test_busy_before(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    atomic_store(&old.seen->modern, true);
    atomic_store(&old.seen->busy, 1);
    monitor = start_monitor(old.url);
    await_stopped(monitor, "busy with a script");
    assert_int_equal(atomic_load(&old.seen->whole), 0);
    monitor_free(monitor);
    old_stop(&old);
}

/* ---- a server that does not tell its limit ---- */

static void test_no_figures(void **state)
{
    struct old old;
    struct monitor *monitor;

    (void)state;
    old_start(&old);
    atomic_store(&old.seen->modern, true);
    atomic_store(&old.seen->hides, true);
    monitor = start_monitor(old.url);
    await_stopped(monitor, GUARD_NO_FIGURES);
    monitor_free(monitor);
    atomic_store(&old.seen->modern, false);
    monitor = start_monitor(old.url);
    await_stopped(monitor, GUARD_NO_FIGURES);
    load_await_monitors(&old.lab, 0);
    monitor_free(monitor);
    old_stop(&old);
}

/* ---- what lies between ---- */

static bool is_direct(int port)
{
    redisContext *c = redisConnect("127.0.0.1", port);
    redisReply *id, *list;
    const char *line;
    size_t len;
    bool direct;

    assert_non_null(c);
    assert_int_equal(c->err, 0);
    id = redisCommand(c, "CLIENT ID");
    list = redisCommand(c, "CLIENT LIST");
    assert_non_null(id);
    assert_non_null(list);
    len = monitor_client_line(list->str, list->len, id->integer, &line);
    assert_true(len > 0);
    direct = monitor_guard_is_direct(c->fd, line, len);
    freeReplyObject(id);
    freeReplyObject(list);
    redisFree(c);
    return direct;
}

/* The address alone does not tell: this one is forwarded. */
static void test_forwarded_port(void **state)
{
    struct old old;

    (void)state;
    old_start(&old);
    assert_true(is_direct(old.lab.port));
    assert_false(is_direct((int)strtol(strrchr(old.url, ':') + 1, NULL, 10)));
    old_stop(&old);
}

/* ---- handing a switch on ---- */

/* A guard whose other end the test is; it guards a connection of the test's. */
struct watched {
    struct lab lab;
    struct redis_address address;
    redisContext *stream;
    struct guard_shared *shared;
    int life[2];
    pid_t guard;
};

static redisReply *ask(const struct watched *watched, const char *command, int type)
{
    redisReply *reply = redisCommand(watched->stream, command);

    assert_non_null(reply);
    assert_int_equal(reply->type, type);
    return reply;
}

static void watched_start(struct watched *watched)
{
    struct guard_stream *stream;
    const char *line;
    redisReply *reply;
    size_t len;

    lab_start(&watched->lab, NULL);
    watched->address = address_of(watched->lab.url);
    watched->shared = share(sizeof(*watched->shared));
    watched->stream = redisConnect("127.0.0.1", watched->lab.port);
    assert_non_null(watched->stream);
    stream = &watched->shared->stream;
    stream->token = monitor_guard_token();
    reply = ask(watched, "CLIENT ID", REDIS_REPLY_INTEGER);
    stream->client = reply->integer;
    freeReplyObject(reply);
    reply = ask(watched, "INFO server", REDIS_REPLY_STRING);
    monitor_info_run(reply->str, reply->len, stream->run, sizeof(stream->run));
    freeReplyObject(reply);
    reply = ask(watched, "CLIENT LIST", REDIS_REPLY_STRING);
    len = monitor_client_line(reply->str, reply->len, stream->client, &line);
    assert_true(monitor_client_address(line, len, stream->address, sizeof(stream->address)));
    freeReplyObject(reply);
    atomic_init(&watched->shared->limit, GUARD_MEMORY_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, watched->life), 0);
}

static void watched_guard(struct watched *watched)
{
    watched->guard = fork();
    assert_true(watched->guard >= 0);
    if (watched->guard == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        monitor_watch(watched->shared, &watched->address, watched->life[0]);
    }
}

static void watched_stop(struct watched *watched)
{
    kill(watched->guard, SIGKILL);
    waitpid(watched->guard, NULL, 0);
    close(watched->life[0]);
    close(watched->life[1]);
    redisFree(watched->stream);
    munmap(watched->shared, sizeof(*watched->shared));
    redis_address_free(&watched->address);
    lab_stop(&watched->lab);
}

/* Nothing that the guard sends is taken, and no more fits. */
static void stuff(const struct watched *watched)
{
    while (send(watched->life[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        continue;
}

/* With a reader that is alive. */
static void await_guard(const struct watched *watched, int wanted)
{
    for (double until = 0; lab_waiting(&until);) {
        atomic_fetch_add(&watched->shared->beat, 1);
        if (atomic_load(&watched->shared->state) >= wanted)
            break;
    }
    assert_int_equal(atomic_load(&watched->shared->state), wanted);
}

static void test_first_switch_is_not_taken(void **state)
{
    struct watched watched;

    (void)state;
    watched_start(&watched);
    stuff(&watched);
    watched_guard(&watched);
    await_guard(&watched, GUARD_REFUSED);
    assert_non_null(strstr(watched.shared->reason, "could not be handed on"));
    watched_stop(&watched);
}

/* What lies in the server already stays, though nobody can renew it: it ends the stream. */
static void test_next_switch_is_not_taken(void **state)
{
    struct watched watched;

    (void)state;
    watched_start(&watched);
    watched_guard(&watched);
    await_guard(&watched, GUARD_ARMED);
    stuff(&watched);
    await_guard(&watched, GUARD_ENDED);
    assert_non_null(strstr(watched.shared->reason, "was not renewed in time"));
    assert_null(redisCommand(watched.stream, "PING"));
    watched_stop(&watched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_little_room_for_a_switch),
        cmocka_unit_test(test_replica_becomes_master),
        cmocka_unit_test(test_replica_that_evicts),
        cmocka_unit_test(test_no_list_without_room),
        cmocka_unit_test(test_room_goes),
        cmocka_unit_test(test_a_switch_needs_no_list),
        cmocka_unit_test(test_busy_once),
        cmocka_unit_test(test_busy_before),
        cmocka_unit_test(test_no_figures),
        cmocka_unit_test(test_forwarded_port),
        cmocka_unit_test(test_first_switch_is_not_taken),
        cmocka_unit_test(test_next_switch_is_not_taken),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
