/* What the dashboard itself sends to a watched Redis: its polling is no line of Monitor, whatever the
 * way to the server; what an operator does is. */
#include "backend/monitor_names.h"
#include "backend/monitor_parse.h"
#include "backend/redis_conn.h"
#include "backend/redis_monitor.h"

#include "tests/integration/redis_watch.h"

static struct redis_address address_of(const char *url)
{
    struct redis_address address;
    char *error;

    assert_true(redis_url_parse(url, &address, &error));
    return address;
}

static struct monitor *start_monitor(const char *url)
{
    const struct monitor_setup setup = {.seconds = 60, .analysis = true};
    struct redis_address address = address_of(url);
    struct monitor *monitor = monitor_start_with(&address, &setup);
    struct monitor_status status = {.state = MONITOR_OFF};

    redis_address_free(&address);
    for (double until = 0; lab_waiting(&until) && status.state != MONITOR_RUNNING;)
        monitor_status(monitor, &status);
    if (status.state != MONITOR_RUNNING)
        fail_msg("state %d: %s", (int)status.state, status.reason);
    return monitor;
}

/* A broker with queues in flight, and a flush that waits in the spare database: all is polled. */
static void fill(struct lab *lab)
{
    LAB_RUN(lab, "SADD _kombu.binding.mail %s", "\x06\x16\x06\x16mail");
    LAB_RUN(lab, "LPUSH mail 1");
    LAB_RUN(lab, "HSET unacked t 1");
    LAB_RUN(lab, "ZADD unacked_index 1 t");
    LAB_RUN(lab, "SELECT 15");
    LAB_RUN(lab, "SET sharedtop:trash 1");
    LAB_RUN(lab, "SELECT 0");
}

static bool has_all(const struct watch *watch)
{
    const struct instance *instance = watch->instance;

    return has_rates(watch) && instance->redis.spare && instance->redis.celery &&
           instance->redis.celery->queue_count == 2;
}

/* Sends last and reads until it comes: everything before it must be one of the wanted commands, in
 * that order. */
static void expect_only(struct monitor *monitor, struct lab *lab, const char *const *wanted)
{
    struct monitor_line line = {.args = NULL};

    LAB_RUN(lab, "SET last 1");
    for (double until = 0;;) {
        if (!monitor_next(monitor, &line)) {
            if (!lab_waiting(&until))
                fail_msg("the last line never came");
            continue;
        }
        assert_non_null(line.args);
        if (line.args_len == 16 && memcmp(line.args, "\"SET\" \"last\" \"1\"", 16) == 0)
            break;
        if (!*wanted || strlen(*wanted) != line.args_len ||
            memcmp(*wanted, line.args, line.args_len) != 0)
            fail_msg("shown: %.*s", (int)line.len, line.text);
        wanted++;
    }
    if (*wanted)
        fail_msg("not shown: %s", *wanted);
}

/* Waits until so many lines were counted, and no more; returns how many were left out. */
static uint64_t await_counted(struct monitor *monitor, uint64_t lines)
{
    const struct monitor_summary *sum = NULL;

    for (double until = 0; lab_waiting(&until) && (!sum || sum->lines < lines);)
        sum = monitor_summary(monitor);
    if (!sum || sum->lines != lines)
        fail_msg("%d lines were counted", sum ? (int)sum->lines : -1);
    return sum ? sum->own : 0;
}

/* No address tells them: over a unix socket all have the same, and others can get one of ours. */
static void expect_polling_hidden(struct lab *lab, char *url)
{
    struct redis_db_config broker = {.celery = true};
    const struct redis_config config = {
        .url = url, .trash_db = 15, .databases = &broker, .database_count = 1};
    static const char *const nothing[] = {NULL};
    struct monitor *monitor;
    struct watch watch;

    fill(lab);
    monitor = start_monitor(url);
    watch_start(&watch, config, 0.02);
    instance_want(watch.impl, SOURCE_BIT(REDIS_CELERY));
    WATCH_UNTIL(&watch, has_all);
    for (int i = 0; i < 3; i++)
        watch_next_info(&watch);
    expect_only(monitor, lab, nothing);
    assert_true(monitor_hidden(monitor) > 20);
    assert_true(await_counted(monitor, 1) > 20);
    monitor_free(monitor);
    watch_stop(&watch);
}

static void test_polling_over_tcp(void **state)
{
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    expect_polling_hidden(&lab, lab.url);
    lab_stop(&lab);
}

static void test_polling_over_a_unix_socket(void **state)
{
    struct lab lab;
    char url[128];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "unix:%s", lab.sock);
    expect_polling_hidden(&lab, url);
    lab_stop(&lab);
}

static bool has_come_back(const struct watch *watch)
{
    return is_up(watch) && watch->instance->generation > 1;
}

/* Connections that begin meanwhile log in and give their name: one that polls comes back, and one
 * asks for names. */
static void test_greetings(void **state)
{
    static const char *const nothing[] = {NULL};
    struct redis_address address;
    struct monitor_names *names;
    struct monitor *monitor;
    struct watch watch;
    struct lab lab;
    char url[96], user_url[96];

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all");
    snprintf(url, sizeof(url), "redis://:pw@127.0.0.1:%d", lab.port);
    snprintf(user_url, sizeof(user_url), "redis://app:pw@127.0.0.1:%d", lab.port);
    monitor = start_monitor(url);
    watch_start(&watch, (struct redis_config){.url = user_url, .trash_db = -1}, 0.02);
    WATCH_UNTIL(&watch, has_rates);
    LAB_RUN(&lab, "CLIENT KILL USER app");
    WATCH_UNTIL(&watch, has_come_back);
    address = address_of(url);
    names = monitor_names_new(&watch.loop, &address);
    for (double until = 0; lab_waiting(&until) && !monitor_names_version(names);)
        uv_run(&watch.loop, UV_RUN_ONCE);
    assert_int_not_equal(monitor_names_version(names), 0);
    expect_only(monitor, &lab, nothing);
    await_counted(monitor, 1);
    monitor_names_free(names);
    monitor_free(monitor);
    watch_stop(&watch);
    redis_address_free(&address);
    lab_stop(&lab);
}

/* ---- what is not polling ---- */

struct act {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct redis_conn *conn;
    unsigned answers;
    bool late;
};

static void on_answer(void *context, const redisReply *reply, unsigned tag)
{
    struct act *act = context;

    (void)tag;
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    act->answers++;
}

static void on_ready(void *context)
{
    const char *info[] = {"INFO", "server"}, *scan[] = {"SCAN", "0"};
    struct act *act = context;

    redis_conn_command(act->conn, on_answer, act, 0, 2, info);
    redis_conn_command(act->conn, on_answer, act, 0, 2, scan);
    assert_string_equal(info[0], "INFO");
    redis_conn_flush(act->conn);
}

static void on_failed(void *context, const struct redis_fault *fault)
{
    (void)context;
    fail_msg("%s", fault->error);
}

static void on_gone(void *context)
{
    (void)context;
}

static void on_late(uv_timer_t *timer)
{
    ((struct act *)timer->data)->late = true;
}

/* An act's connection, and any other's, is shown with what it sends; so is what only looks like
 * polling, and what another client spells like it but does more. */
static void test_the_rest_is_shown(void **state)
{
    static const struct redis_conn_events events = {
        .ready = on_ready, .failed = on_failed, .gone = on_gone};
    static const char *const wanted[] = {"\"INFO\" \"server\"",
                                         "\"SCAN\" \"0\"",
                                         "\"info\"",
                                         "\"sCaN\" \"0\"",
                                         "\"dEl\" \"k\"",
                                         "\"gEtRaNgE\" \"k\" \"0\" \"-1\"",
                                         NULL};
    struct redis_address address;
    struct act act = {.answers = 0};
    struct monitor *monitor;
    struct lab lab;
    char url[128];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "unix:%s", lab.sock);
    monitor = start_monitor(url);
    address = address_of(url);
    uv_loop_init(&act.loop);
    uv_timer_init(&act.loop, &act.deadline);
    act.deadline.data = &act;
    uv_timer_start(&act.deadline, on_late, LAB_DEADLINE_MS, 0);
    act.conn = redis_conn_new(&act.loop, &events, &act);
    redis_conn_open(act.conn, &address);
    while (act.answers < 2 && !act.late)
        uv_run(&act.loop, UV_RUN_ONCE);
    assert_int_equal(act.answers, 2);
    LAB_RUN(&lab, "info");
    LAB_RUN(&lab, "sCaN 0");
    LAB_RUN(&lab, "dEl k");
    LAB_RUN(&lab, "gEtRaNgE k 0 -1");
    expect_only(monitor, &lab, wanted);
    await_counted(monitor, 7);
    monitor_free(monitor);
    uv_close((uv_handle_t *)&act.deadline, NULL);
    redis_conn_free(act.conn);
    uv_run(&act.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&act.loop), 0);
    redis_address_free(&address);
    lab_stop(&lab);
}

/* ---- whose a line is ---- */

static const struct monitor_client *sender(const struct monitor_names *names,
                                           const struct monitor_line *line)
{
    return monitor_names_find(names, line->client, line->client_len);
}

/* Turns the loop until the sender of that line is known by that name. */
static void until_named(struct act *act, const struct monitor_names *names,
                        const struct monitor_line *line, const char *name)
{
    act->late = false;
    uv_timer_start(&act->deadline, on_late, LAB_DEADLINE_MS, 0);
    while (!act->late && (!sender(names, line) || strcmp(sender(names, line)->name, name) != 0))
        uv_run(&act->loop, UV_RUN_ONCE);
    uv_timer_stop(&act->deadline);
    if (act->late)
        fail_msg("%.*s is never known as %s", (int)line->client_len, line->client, name);
}

/* What MONITOR calls a client is what CLIENT LIST calls it: a line has a name, and a new name comes
 * after it. */
static void test_whose_a_line_is(void **state)
{
    struct monitor_line line = {.args = NULL};
    struct act act = {.answers = 0};
    struct monitor_names *names;
    struct redis_address address;
    struct monitor *monitor;
    redisContext *client;
    struct lab lab;
    redisReply *id;

    (void)state;
    lab_start(&lab, NULL);
    address = address_of(lab.url);
    uv_loop_init(&act.loop);
    uv_timer_init(&act.loop, &act.deadline);
    act.deadline.data = &act;
    names = monitor_names_new(&act.loop, &address);
    monitor = start_monitor(lab.url);
    client = redisConnect("127.0.0.1", lab.port);
    assert_non_null(client);
    id = redisCommand(client, "CLIENT ID");
    freeReplyObject(redisCommand(client, "CLIENT SETNAME web"));
    freeReplyObject(redisCommand(client, "SET who 1"));
    for (double until = 0; lab_waiting(&until);) {
        if (monitor_next(monitor, &line) && line.command_len == 3)
            break;
    }
    assert_non_null(line.args);
    until_named(&act, names, &line, "web");
    assert_int_equal(sender(names, &line)->id, id->integer);
    freeReplyObject(redisCommand(client, "CLIENT SETNAME other"));
    until_named(&act, names, &line, "other");
    freeReplyObject(id);
    redisFree(client);
    monitor_names_free(names);
    monitor_free(monitor);
    uv_close((uv_handle_t *)&act.deadline, NULL);
    uv_run(&act.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&act.loop), 0);
    redis_address_free(&address);
    lab_stop(&lab);
}

/* ---- what names may cost ---- */

enum { CROWD = 200 };

/* A server with many clients and a loop that asks who they are. */
struct crowd {
    struct lab lab;
    struct act act;
    struct redis_address address;
    struct monitor_names *names;
    redisContext *clients[CROWD];
    char known[32]; /* the address of one */
};

static void crowd_start(struct crowd *crowd)
{
    struct sockaddr_in own;
    socklen_t len = sizeof(own);

    *crowd = (struct crowd){.names = NULL};
    lab_start(&crowd->lab, NULL);
    for (int i = 0; i < CROWD; i++) {
        crowd->clients[i] = redisConnect("127.0.0.1", crowd->lab.port);
        assert_non_null(crowd->clients[i]);
        freeReplyObject(redisCommand(crowd->clients[i], "CLIENT SETNAME some-worker-%05d", i));
    }
    assert_int_equal(getsockname(crowd->clients[0]->fd, (struct sockaddr *)&own, &len), 0);
    snprintf(crowd->known, sizeof(crowd->known), "127.0.0.1:%d", ntohs(own.sin_port));
    crowd->address = address_of(crowd->lab.url);
    uv_loop_init(&crowd->act.loop);
    uv_timer_init(&crowd->act.loop, &crowd->act.deadline);
    crowd->act.deadline.data = &crowd->act;
    crowd->names = monitor_names_new(&crowd->act.loop, &crowd->address);
}

static void crowd_stop(struct crowd *crowd)
{
    monitor_names_free(crowd->names);
    uv_close((uv_handle_t *)&crowd->act.deadline, NULL);
    uv_run(&crowd->act.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&crowd->act.loop), 0);
    for (int i = 0; i < CROWD; i++)
        redisFree(crowd->clients[i]);
    redis_address_free(&crowd->address);
    lab_stop(&crowd->lab);
}

static bool is_known(const struct crowd *crowd)
{
    return monitor_names_find(crowd->names, crowd->known, strlen(crowd->known)) != NULL;
}

static bool has_fault(const struct crowd *crowd)
{
    return monitor_names_fault(crowd->names) != NULL;
}

static bool has_none(const struct crowd *crowd)
{
    return !monitor_names_fault(crowd->names);
}

/* Turns the loop for as long as that takes. */
static bool turn_until(struct crowd *crowd, bool (*done)(const struct crowd *))
{
    crowd->act.late = false;
    uv_timer_start(&crowd->act.deadline, on_late, LAB_DEADLINE_MS, 0);
    while (!crowd->act.late && !done(crowd))
        uv_run(&crowd->act.loop, UV_RUN_ONCE);
    uv_timer_stop(&crowd->act.deadline);
    return done(crowd);
}

/* The list of all clients is memory in the server: without room it would cost keys. */
static void test_names_need_room(void **state)
{
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    LAB_RUN(&crowd.lab, "CONFIG SET maxmemory 400kb"); /* less than an empty server uses */
    assert_true(turn_until(&crowd, has_fault));
    assert_non_null(strstr(monitor_names_fault(crowd.names), "too little room in the server"));
    assert_false(is_known(&crowd));
    LAB_RUN(&crowd.lab, "CONFIG SET maxmemory 0");
    assert_true(turn_until(&crowd, is_known));
    assert_true(turn_until(&crowd, has_none));
    assert_true(monitor_names_answer(crowd.names) > (size_t)CROWD * sizeof("some-worker-00000"));
    crowd_stop(&crowd);
}

/* A user who may not ask hears why; nobody who was refused is asked for a list. */
static void expect_refused(const char *right, const char *wanted)
{
    struct crowd crowd;
    char url[96];

    crowd_start(&crowd);
    monitor_names_free(crowd.names);
    LAB_RUN(&crowd.lab, "ACL SETUSER app on >pw ~* +@all %s", right);
    redis_address_free(&crowd.address);
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", crowd.lab.port);
    crowd.address = address_of(url);
    crowd.names = monitor_names_new(&crowd.act.loop, &crowd.address);
    assert_true(turn_until(&crowd, has_fault));
    assert_non_null(strstr(monitor_names_fault(crowd.names), wanted));
    assert_non_null(strstr(monitor_names_fault(crowd.names), "NOPERM"));
    assert_false(is_known(&crowd));
    crowd_stop(&crowd);
}

static void test_names_may_not_be_asked(void **state)
{
    (void)state;
    expect_refused("-info", "names not asked: INFO");
    expect_refused("-client", "names not known: CLIENT LIST");
}

/* Its connection is killed between two questions: what is known stays, and no question follows. */
static void test_names_are_killed(void **state)
{
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    assert_true(turn_until(&crowd, is_known));
    assert_null(monitor_names_fault(crowd.names));
    LAB_RUN(&crowd.lab, "CLIENT KILL TYPE normal SKIPME yes");
    assert_true(turn_until(&crowd, has_fault));
    uv_timer_start(&crowd.act.deadline, on_late, 2500, 0); /* when it would have asked again */
    for (crowd.act.late = false; !crowd.act.late;)
        uv_run(&crowd.act.loop, UV_RUN_ONCE);
    assert_true(is_known(&crowd));
    assert_non_null(strstr(monitor_names_fault(crowd.names), "names not known: "));
    crowd_stop(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_polling_over_tcp),  cmocka_unit_test(test_polling_over_a_unix_socket),
        cmocka_unit_test(test_the_rest_is_shown), cmocka_unit_test(test_whose_a_line_is),
        cmocka_unit_test(test_names_need_room),   cmocka_unit_test(test_names_may_not_be_asked),
        cmocka_unit_test(test_names_are_killed),  cmocka_unit_test(test_greetings),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
