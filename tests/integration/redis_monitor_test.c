#include "backend/redis_monitor.h"

#include "tests/integration/redis_watch.h"

enum { LINES_MAX = 4096, BUFFER_SIZE = 1 << 20 };

/* Where a test reads the stream to. */
struct view {
    struct monitor *monitor;
    uint64_t next;
    size_t offsets[LINES_MAX];
    char *buffer;
};

static struct redis_address address_of(const struct lab *lab)
{
    struct redis_address address;
    char *error;

    assert_true(redis_url_parse(lab->url, &address, &error));
    return address;
}

static struct monitor_status status_of(const struct view *view)
{
    struct monitor_status status;

    monitor_status(view->monitor, &status);
    return status;
}

static void await_state(const struct view *view, enum monitor_state state)
{
    struct monitor_status status = {.state = MONITOR_OFF};

    for (double until = 0; lab_waiting(&until) && status.state != state;)
        status = status_of(view);
    if (status.state != state)
        fail_msg("state %d: %s", (int)status.state, status.reason);
}

/* Reads from lab for at most seconds; returns when the stream has begun. */
static void view_start(struct view *view, const struct lab *lab, double seconds)
{
    struct redis_address address = address_of(lab);

    *view = (struct view){.buffer = mem_alloc(BUFFER_SIZE)};
    view->monitor = monitor_start(&address, seconds);
    redis_address_free(&address);
    await_state(view, MONITOR_RUNNING);
}

static void view_stop(struct view *view)
{
    monitor_free(view->monitor);
    free(view->buffer);
}

static size_t view_copy(struct view *view)
{
    return monitor_copy(view->monitor, &view->next, view->buffer, BUFFER_SIZE, view->offsets,
                        LINES_MAX);
}

static void await_lines(const struct view *view, uint64_t lines)
{
    struct monitor_status status = {.lines = 0};

    for (double until = 0; lab_waiting(&until) && status.lines < lines;)
        status = status_of(view);
    assert_int_equal(status.lines, lines);
    assert_int_equal(status.state, MONITOR_RUNNING);
}

static void await_no_monitor(struct lab *lab)
{
    for (double until = 0; lab_waiting(&until) && lab_clients(lab, "cmd=monitor");)
        continue;
    assert_int_equal(lab_clients(lab, "cmd=monitor"), 0);
}

static void expect_word(const char *text, const char *word)
{
    if (!strstr(text, word))
        fail_msg("\"%s\" has no \"%s\"", text, word);
}

/* ---- nothing is lost, nothing is torn ---- */

/* Checks one line that shows SET marker:NUMBER value, value of size bytes. */
static void check_marker(const char *text, int number, size_t size)
{
    struct monitor_line line;
    char begin[64];
    size_t whole;

    assert_true(monitor_parse(text, strlen(text), &line));
    snprintf(begin, sizeof(begin), "\"SET\" \"marker:%d\" \"", number);
    if (strncmp(line.args, begin, strlen(begin)) != 0)
        fail_msg("line %d is %.100s", number, text);
    whole = strlen(begin) + size + 1;
    assert_int_equal(line.cut, (size_t)(line.args - text) + whole >= MONITOR_LINE_CAP);
    if (!line.cut)
        assert_int_equal(line.args_len, whole);
    else
        assert_int_equal(strlen(text), MONITOR_LINE_CAP);
    assert_int_equal(strspn(line.args + strlen(begin), "x"),
                     line.args_len - strlen(begin) - !line.cut);
}

static void test_every_line_of_any_size(void **state)
{
    static const size_t sizes[] = {1,     100,   16384 - 60, 16384,   65000,   65536,
                                   70000, 12345, 300000,     1000000, 10000000};
    enum { SIZES = sizeof(sizes) / sizeof(*sizes), ROUNDS = 3, SMALL = 50 };
    int number = 0;
    char *value = mem_alloc(10000000);
    struct lab lab;
    struct view view;

    (void)state;
    memset(value, 'x', 10000000);
    lab_start(&lab, NULL);
    view_start(&view, &lab, 60);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            int first = number;

            for (int j = 0; j <= SMALL; j++)
                redisAppendCommand(lab.admin, "SET marker:%d %b", number++, value,
                                   j ? (size_t)1 : sizes[i]);
            for (int j = 0; j <= SMALL; j++) {
                void *reply;

                assert_int_equal(redisGetReply(lab.admin, &reply), 0);
                freeReplyObject(reply);
            }
            await_lines(&view, (uint64_t)number);
            assert_int_equal(view_copy(&view), SMALL + 1);
            for (int j = 0; j <= SMALL; j++)
                check_marker(view.buffer + view.offsets[j], first + j, j ? 1 : sizes[i]);
        }
    }
    assert_int_equal(status_of(&view).overwritten, 0);
    assert_int_equal(view.next, number);
    view_stop(&view);
    lab_stop(&lab);
    free(value);
}

static _Noreturn void flood(const struct lab *lab)
{
    redisContext *c = redisConnectUnix(lab->sock);
    long number = 0;
    void *reply;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        for (int i = 0; i < 500; i++)
            redisAppendCommand(c, "SET n %ld", number++);
        for (int i = 0; i < 500; i++) {
            if (redisGetReply(c, &reply) != REDIS_OK)
                _exit(1);
            freeReplyObject(reply);
        }
    }
}

static pid_t start_flood(const struct lab *lab)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        flood(lab);
    return pid;
}

/* The stream begins in the middle of a flood, together with the answer to MONITOR in one read: its
 * first line is whole, and from there on none is missing. */
static void test_from_the_first_line_on(void **state)
{
    struct lab lab;
    pid_t pid;

    (void)state;
    lab_start(&lab, NULL);
    pid = start_flood(&lab);
    for (int i = 0; i < 10; i++) {
        struct view view;
        long expected = -1;
        uint64_t seen = 0;

        view_start(&view, &lab, 60);
        for (double until = 0; lab_waiting(&until) && seen < 5000;) {
            size_t count = view_copy(&view);

            assert_int_equal(status_of(&view).overwritten, 0);
            for (size_t j = 0; j < count; j++) {
                const char *text = view.buffer + view.offsets[j];
                struct monitor_line line;
                long number;

                assert_true(monitor_parse(text, strlen(text), &line));
                assert_int_equal(sscanf(line.args, "\"SET\" \"n\" \"%ld\"", &number), 1);
                if (expected >= 0)
                    assert_int_equal(number, expected);
                expected = number + 1;
            }
            seen += count;
        }
        assert_true(seen >= 5000);
        view_stop(&view);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    lab_stop(&lab);
}

/* ---- overload ---- */

/* What the server keeps for the one that monitors. */
static long long monitor_omem(struct lab *lab)
{
    redisReply *reply = lab_do(lab, "CLIENT LIST");
    long long value = -1;
    char *save = NULL;

    for (char *line = strtok_r(reply->str, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *omem = strstr(line, " omem=");

        if (omem && strstr(line, "cmd=monitor"))
            value = strtoll(omem + strlen(" omem="), NULL, 10);
    }
    freeReplyObject(reply);
    assert_true(value >= 0);
    return value;
}

static void send_values(struct lab *lab, size_t count, size_t size)
{
    char *value = mem_alloc(size);
    void *reply;

    memset(value, 'v', size);
    for (size_t i = 0; i < count; i++)
        redisAppendCommand(lab->admin, "SET k %b", value, size);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(redisGetReply(lab->admin, &reply), 0);
        freeReplyObject(reply);
    }
    free(value);
}

/* Nobody takes lines: the ring overwrites its own, counts them, and goes on reading, so that the
 * server has nothing to keep for us. */
static void test_overload_is_ours_alone(void **state)
{
    static const uint64_t rounds = 60, batch = 500, size = 1000;
    const uint64_t lines = rounds * batch;
    struct monitor_status status;
    struct lab lab;
    struct view view;
    long long largest = 0;
    size_t count;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 60);
    for (uint64_t i = 0; i < rounds; i++) {
        long long omem;

        send_values(&lab, batch, size);
        omem = monitor_omem(&lab);
        largest = omem > largest ? omem : largest;
        assert_int_equal(status_of(&view).state, MONITOR_RUNNING);
    }
    await_lines(&view, lines);
    status = status_of(&view);
    assert_true(status.bytes > lines * size);
    assert_true(status.overwritten > lines / 2);
    assert_true(largest < (long long)(lines * size / 4));
    for (double until = 0; lab_waiting(&until) && monitor_omem(&lab) > 0;)
        continue;
    assert_int_equal(monitor_omem(&lab), 0);
    count = view_copy(&view);
    assert_true(count > 0);
    assert_int_equal(view.next, status.overwritten + count);
    view_stop(&view);
    lab_stop(&lab);
}

/* ---- the ends ---- */

static void test_stops_after_its_time(void **state)
{
    struct monitor_status status;
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 0.2);
    status = status_of(&view);
    assert_true(status.stops_at > status.started);
    assert_string_equal(status.reason, "");
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, "its 0.2 s are over");
    await_no_monitor(&lab);
    view_stop(&view);
    lab_stop(&lab);
}

/* A stop closes the connection on the server, even while the server is stopped; what was read can
 * still be copied. */
static void test_stop_closes(void **state)
{
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 60);
    assert_int_equal(lab_clients(&lab, "cmd=monitor"), 1);
    assert_int_equal(lab_clients(&lab, "name=sharedtop"), 1);
    LAB_RUN(&lab, "SET a 1");
    await_lines(&view, 1);
    kill(lab.pid, SIGSTOP);
    monitor_stop(view.monitor, "enough");
    assert_int_equal(status_of(&view).state, MONITOR_STOPPED);
    assert_string_equal(status_of(&view).reason, "enough");
    assert_int_equal(view_copy(&view), 1);
    kill(lab.pid, SIGCONT);
    await_no_monitor(&lab);
    view_stop(&view);
    lab_stop(&lab);
}

static void test_unwatched_is_stopped(void **state)
{
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 600);
    assert_int_equal(lab_clients(&lab, "cmd=monitor"), 1);
    await_no_monitor(&lab);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, "nobody has looked at it");
    view_stop(&view);
    lab_stop(&lab);
}

static void test_server_goes(void **state)
{
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 60);
    lab_kill(&lab);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, "connection");
    view_stop(&view);
    lab_stop(&lab);
}

static void test_start_and_free(void **state)
{
    struct redis_address address;
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    address = address_of(&lab);
    for (int i = 0; i < 50; i++)
        monitor_free(monitor_start(&address, 60));
    kill(lab.pid, SIGSTOP);
    for (int i = 0; i < 5; i++)
        monitor_free(monitor_start(&address, 60));
    kill(lab.pid, SIGCONT);
    await_no_monitor(&lab);
    redis_address_free(&address);
    lab_stop(&lab);
}

/* ---- faults ---- */

static void expect_fault(const char *url, const char *word)
{
    struct redis_address address;
    struct view view = {.buffer = NULL};
    char *error;

    assert_true(redis_url_parse(url, &address, &error));
    view.monitor = monitor_start(&address, 60);
    redis_address_free(&address);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, word);
    view_stop(&view);
}

static void test_faults(void **state)
{
    struct lab lab;
    char url[96];

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "ACL SETUSER app on >pw ~* +@all -monitor");
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab.port);
    expect_fault(url, "ACL SETUSER app +monitor");
    snprintf(url, sizeof(url), "redis://app:bad@127.0.0.1:%d", lab.port);
    expect_fault(url, "refuses this user name or password");
    lab_kill(&lab);
    expect_fault(lab.url, "nothing listens there");
    lab_stop(&lab);
}

/* The monitor of a watched Redis uses what its connection has found; without one it says so. */
static void test_of_an_instance(void **state)
{
    struct redis_config config;
    struct lab lab;
    struct watch watch;
    struct view view = {.buffer = NULL};
    char url[64];

    (void)state;
    lab_start(&lab, NULL);
    LAB_RUN(&lab, "CONFIG SET requirepass pw");
    snprintf(url, sizeof(url), "redis://:pw@localhost:%d", lab.port);
    config = (struct redis_config){.url = url};
    watch_start(&watch, config, 0.05);
    view.monitor = monitor_start_instance(watch.instance, 60);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, "not connected");
    view_stop(&view);
    WATCH_UNTIL(&watch, is_up);
    view.monitor = monitor_start_instance(watch.instance, 60);
    await_state(&view, MONITOR_RUNNING);
    assert_int_equal(lab_clients(&lab, "name=sharedtop"), 2);
    view_stop(&view);
    watch_stop(&watch);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_of_any_size),
        cmocka_unit_test(test_from_the_first_line_on),
        cmocka_unit_test(test_overload_is_ours_alone),
        cmocka_unit_test(test_stops_after_its_time),
        cmocka_unit_test(test_stop_closes),
        cmocka_unit_test(test_unwatched_is_stopped),
        cmocka_unit_test(test_server_goes),
        cmocka_unit_test(test_start_and_free),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_of_an_instance),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
