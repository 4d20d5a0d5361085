#include "backend/monitor_guard.h"
#include "backend/redis_monitor.h"

#include "tests/integration/redis_tls_lab.h"
#include "tests/integration/redis_watch.h"

/* Where a test reads the stream to. */
struct view {
    struct monitor *monitor;
    struct monitor_line line; /* the last one */
    uint64_t seen;            /* lines so far */
};

static struct redis_address address_of_url(const char *url)
{
    struct redis_address address;
    char *error;

    assert_true(redis_url_parse(url, &address, &error));
    return address;
}

static struct redis_address address_of(const struct lab *lab)
{
    return address_of_url(lab->url);
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

/* Reads for at most seconds; returns when the stream has begun. */
static void view_start_with(struct view *view, const char *url, struct monitor_setup setup)
{
    struct redis_address address = address_of_url(url);

    *view = (struct view){.monitor = monitor_start_with(&address, &setup)};
    redis_address_free(&address);
    await_state(view, MONITOR_RUNNING);
}

static void view_start(struct view *view, const struct lab *lab, double seconds)
{
    view_start_with(view, lab->url, (struct monitor_setup){.seconds = seconds, .analysis = true});
}

static void view_stop(struct view *view)
{
    monitor_free(view->monitor);
}

/* The next line of somebody else's. */
static bool view_next(struct view *view)
{
    const bool any = monitor_next(view->monitor, &view->line);

    view->seen += any;
    return any;
}

static void await_next(struct view *view)
{
    for (double until = 0; !view_next(view);) {
        if (!lab_waiting(&until))
            fail_msg("no line comes: %s", status_of(view).reason);
    }
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

/* A value whose line shows it with that many bytes. Servers escape a line feed far faster than they
 * copy a letter, so that even 10 MB do not keep one from its other work for long. */
struct value {
    size_t shown;
    char byte;
    const char *escaped;
};

static struct value value_of(size_t shown)
{
    const bool large = shown >= 100000;

    return (struct value){shown, large ? '\n' : 'x', large ? "\\n" : "x"};
}

static size_t value_size(const struct value *value)
{
    return value->shown / strlen(value->escaped);
}

/* Checks one line that shows SET marker:NUMBER value. */
static void check_marker(const struct monitor_line *line, int number, const struct value *value)
{
    const size_t unit = strlen(value->escaped);
    char begin[64];
    size_t len, whole, kept;

    snprintf(begin, sizeof(begin), "\"SET\" \"marker:%d\" \"", number);
    len = strlen(begin);
    assert_non_null(line->args);
    if (strncmp(line->args, begin, len) != 0)
        fail_msg("line %d is %.100s", number, line->text);
    whole = (size_t)(line->args - line->text) + len + value->shown + 1;
    assert_int_equal(line->bytes, whole);
    kept = line->len - (size_t)(line->args - line->text) - len;
    if (line->len == whole)
        assert_int_equal(line->args[len + --kept], '"');
    for (size_t i = 0; i < kept; i++) {
        if (line->args[len + i] != value->escaped[i % unit])
            fail_msg("byte %zu of line %d is torn", i, number);
    }
}

enum { BATCH = 51, RESTARTS = 3 };

/* Sends that value, and small ones behind it. */
static void send_batch(struct lab *lab, const struct value *value, int first)
{
    char *bytes = mem_alloc(value_size(value));
    void *reply;

    memset(bytes, value->byte, value_size(value));
    redisAppendCommand(lab->admin, "SET marker:%d %b", first, bytes, value_size(value));
    free(bytes);
    for (int i = 1; i < BATCH; i++)
        redisAppendCommand(lab->admin, "SET marker:%d x", first + i);
    for (int i = 0; i < BATCH; i++) {
        assert_int_equal(redisGetReply(lab->admin, &reply), 0);
        freeReplyObject(reply);
    }
}

/* Every line of a batch comes, once, in order, whole or cut with its length. False: all that came
 * was so, but the stream has ended. */
static bool expect_batch(struct view *view, const struct value *value, int first)
{
    const struct value small = value_of(1);

    for (int i = 0; i < BATCH; i++) {
        for (double until = 0; !view_next(view);) {
            if (status_of(view).state == MONITOR_STOPPED) {
                if (!view_next(view))
                    return false;
                break;
            }
            if (!lab_waiting(&until))
                fail_msg("line %d of %d does not come", i, BATCH);
        }
        check_marker(&view->line, first + i, i ? &small : value);
    }
    return true;
}

/* The one end that is no fault: a line of more than what the server may keep for the stream is still
 * there at the second look, because the machine has so much else to do. */
static bool was_kept_too_long(const struct view *view, const struct value *value)
{
    const struct monitor_status status = status_of(view);
    long long kilobytes;
    char end = ' ';

    return value->shown > GUARD_MEMORY_MAX &&
           sscanf(status.reason, "the server kept %lld kB for it: kille%c", &kilobytes, &end) ==
               2 &&
           end == 'd' && kilobytes > GUARD_MEMORY_MAX >> 10;
}

/* Ends it; every line that was read has been seen, or was our own, and was counted so. */
static void stop_and_count(struct view *view)
{
    struct monitor_status status;
    const struct monitor_summary *sum;

    monitor_stop(view->monitor, NULL);
    assert_false(view_next(view));
    status = status_of(view);
    sum = monitor_summary(view->monitor);
    assert_int_equal(status.overwritten, 0);
    assert_int_equal(status.lines, view->seen + monitor_hidden(view->monitor));
    assert_non_null(sum);
    assert_int_equal(sum->lines, view->seen);
    assert_int_equal(sum->odd, 0);
    view_stop(view);
}

/* From 1 byte to 10 MB, by the way that url says. */
static void expect_every_line(struct lab *lab, const char *url, int rounds)
{
    static const size_t sizes[] = {1,     100,   16384 - 60, 16384,   65000,   65536,
                                   70000, 12345, 300000,     1000000, 10000000};
    enum { SIZES = sizeof(sizes) / sizeof(*sizes) };
    const struct monitor_setup setup = {.seconds = 600, .analysis = true};
    struct view view;
    int number = 0, restarts = 0;

    view_start_with(&view, url, setup);
    for (int i = 0; i < rounds * SIZES; number += BATCH) {
        const struct value value = value_of(sizes[i % SIZES]);

        send_batch(lab, &value, number);
        if (expect_batch(&view, &value, number)) {
            i++;
            continue;
        }
        if (!was_kept_too_long(&view, &value) || ++restarts > RESTARTS)
            fail_msg("at %zu bytes, after %d restarts: %s", value.shown, restarts,
                     status_of(&view).reason);
        print_message("    the stream was begun anew: %s\n", status_of(&view).reason);
        stop_and_count(&view);
        view_start_with(&view, url, setup);
    }
    stop_and_count(&view);
}

static void test_every_line_of_any_size(void **state)
{
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    expect_every_line(&lab, lab.url, 3);
    lab_stop(&lab);
}

static void test_every_line_over_a_unix_socket(void **state)
{
    struct lab lab;
    char url[128];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "unix:%s", lab.sock);
    expect_every_line(&lab, url, 2);
    lab_stop(&lab);
}

#ifdef HAVE_HIREDIS_SSL

static void test_every_line_over_tls(void **state)
{
    struct tls_lab tls;

    (void)state;
    tls_start(&tls, "IP:127.0.0.1");
    setenv("SSL_CERT_FILE", tls.cert, 1);
    expect_every_line(&tls.lab, tls.url, 2);
    unsetenv("SSL_CERT_FILE");
    lab_stop(&tls.lab);
}

#endif

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
    for (int i = 0; i < 5; i++) {
        struct view view;
        long expected = -1;

        view_start(&view, &lab, 60);
        for (uint64_t seen = 0; seen < 5000; seen++) {
            long number;

            await_next(&view);
            assert_non_null(view.line.args);
            assert_int_equal(sscanf(view.line.args, "\"SET\" \"n\" \"%ld\"", &number), 1);
            if (expected >= 0)
                assert_int_equal(number, expected);
            expected = number + 1;
        }
        assert_int_equal(status_of(&view).overwritten, 0);
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

static void await_lines(const struct view *view, uint64_t lines)
{
    struct monitor_status status = {.lines = 0};

    for (double until = 0; lab_waiting(&until) && status.lines < lines;)
        status = status_of(view);
    assert_true(status.lines >= lines);
    assert_int_equal(status.state, MONITOR_RUNNING);
}

/* Nobody takes lines: the reader uses its memory again, and goes on reading, so that the server has
 * nothing to keep for us; who looks at last sees the newest, and how many were lost. */
static void test_overload_is_ours_alone(void **state)
{
    static const uint64_t rounds = 60, batch = 500, size = 1000;
    const uint64_t lines = rounds * batch;
    struct monitor_status status;
    struct lab lab;
    struct view view;
    long long largest = 0;
    uint64_t count = 0;

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
    assert_true(largest < (long long)(lines * size / 4));
    for (double until = 0; lab_waiting(&until) && monitor_omem(&lab) > 0;)
        continue;
    assert_int_equal(monitor_omem(&lab), 0);
    for (double until = 0; lab_waiting(&until) && (view_next(&view) || count == 0);)
        count++;
    status = status_of(&view);
    assert_true(status.bytes > lines * size);
    assert_true(status.overwritten > lines / 2);
    assert_true(count > 100);
    view_stop(&view);
    lab_stop(&lab);
}

/* ---- the analysis ---- */

static uint64_t top_count(struct view *view, enum monitor_dimension dimension, const char *text)
{
    const struct monitor_summary *sum = monitor_summary(view->monitor);

    for (uint32_t i = 0; sum && i < sum->top[dimension].count; i++) {
        if (strcmp(sum->top[dimension].rows[i].text, text) == 0)
            return sum->top[dimension].rows[i].count;
    }
    return 0;
}

/* What was sent is what is counted, and none of what guards us is. */
static void test_analysis_counts_what_was_sent(void **state)
{
    const struct monitor_summary *sum;
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start(&view, &lab, 60);
    for (int i = 0; i < 300; i++)
        LAB_RUN(&lab, "SET user:%d:cart %d", i, i);
    LAB_RUN(&lab, "KEYS nothing");
    LAB_RUN(&lab, "EVAL %s 1 k", "return redis.call('INCR', KEYS[1])");
    for (double until = 0; lab_waiting(&until) && top_count(&view, MONITOR_COMMANDS, "EVAL") == 0;)
        continue;
    assert_int_equal(top_count(&view, MONITOR_COMMANDS, "SET"), 300);
    assert_int_equal(top_count(&view, MONITOR_PATTERNS, "user:*:cart"), 300);
    assert_int_equal(top_count(&view, MONITOR_CLIENTS, "lua"), 1);
    for (int i = 0; i < 303; i++)
        await_next(&view);
    /* Long enough for the guard's switch to be renewed, which the server shows. */
    for (double until = 0; lab_waiting(&until) && status_of(&view).lines < 305;)
        assert_false(view_next(&view));
    for (double until = 0; lab_waiting(&until) && monitor_summary(view.monitor)->own == 0;)
        continue;
    sum = monitor_summary(view.monitor);
    assert_int_equal(sum->lines, 303);
    assert_true(sum->own > 0);
    assert_int_equal(sum->flags[FLAG_KEYS], 1);
    assert_int_equal(sum->odd, 0);
    view_stop(&view);
    lab_stop(&lab);
}

static void test_large_values_stop_it(void **state)
{
    struct lab lab;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    view_start_with(&view, lab.url,
                    (struct monitor_setup){.seconds = 60, .line_limit = MONITOR_LINE_LIMIT});
    for (double until = 0; lab_waiting(&until) && status_of(&view).state == MONITOR_RUNNING;)
        send_values(&lab, 20, 100000);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, "kB on average");
    view_stop(&view);
    lab_stop(&lab);
}

/* On a replica WAIT is refused: another command holds the switch. */
static void test_on_a_replica(void **state)
{
    struct lab lab, replica;
    struct view view;

    (void)state;
    lab_start(&lab, NULL);
    lab_start(&replica, NULL);
    LAB_RUN(&replica, "REPLICAOF 127.0.0.1 %d", lab.port);
    view_start(&view, &replica, 60);
    for (double until = 0; lab_waiting(&until) && status_of(&view).lines < 3;)
        assert_int_equal(status_of(&view).state, MONITOR_RUNNING);
    assert_int_equal(status_of(&view).state, MONITOR_RUNNING);
    view_stop(&view);
    lab_stop(&replica);
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
    assert_true(lab_clients(&lab, "name=sharedtop") >= 2);
    LAB_RUN(&lab, "SET a 1");
    await_lines(&view, 1);
    kill(lab.pid, SIGSTOP);
    monitor_stop(view.monitor, "enough");
    assert_int_equal(status_of(&view).state, MONITOR_STOPPED);
    assert_string_equal(status_of(&view).reason, "enough");
    assert_true(view_next(&view));
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
    struct view view = {.monitor = NULL};
    char *error;

    assert_true(redis_url_parse(url, &address, &error));
    view.monitor = monitor_start(&address, 60);
    redis_address_free(&address);
    await_state(&view, MONITOR_STOPPED);
    expect_word(status_of(&view).reason, word);
    view_stop(&view);
}

static void expect_faults_of_a_user(struct lab *lab)
{
    redisReply *reply = redisCommand(lab->admin, "ACL SETUSER app on >pw ~* +@all -monitor");
    char url[96];
    bool has_users;

    assert_non_null(reply);
    has_users = reply->type != REDIS_REPLY_ERROR;
    if (!has_users)
        expect_word(reply->str, "unknown command");
    freeReplyObject(reply);
    if (!has_users) {
        print_message(
            "    skipped: the faults of users, of which this server has none (ACL: 6.0)\n");
        return;
    }
    snprintf(url, sizeof(url), "redis://app:pw@127.0.0.1:%d", lab->port);
    expect_fault(url, "ACL SETUSER app +monitor");
    snprintf(url, sizeof(url), "redis://app:bad@127.0.0.1:%d", lab->port);
    expect_fault(url, "refuses this user name or password");
}

static void test_faults(void **state)
{
    struct lab lab;
    char url[96];

    (void)state;
    lab_start(&lab, NULL);
    expect_faults_of_a_user(&lab);
    LAB_RUN(&lab, "CONFIG SET requirepass pw");
    snprintf(url, sizeof(url), "redis://:bad@127.0.0.1:%d", lab.port);
    expect_fault(url, "the server refuses this ");
    expect_fault(lab.url, "the server asks for a password");
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
    struct view view = {.monitor = NULL};
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
    LAB_RUN(&lab, "AUTH pw"); /* before 6.0 who is there already needs it too */
    assert_true(lab_clients(&lab, "name=sharedtop") >= 3);
    view_stop(&view);
    watch_stop(&watch);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_of_any_size),
        cmocka_unit_test(test_every_line_over_a_unix_socket),
#ifdef HAVE_HIREDIS_SSL
        cmocka_unit_test(test_every_line_over_tls),
#endif
        cmocka_unit_test(test_from_the_first_line_on),
        cmocka_unit_test(test_overload_is_ours_alone),
        cmocka_unit_test(test_analysis_counts_what_was_sent),
        cmocka_unit_test(test_large_values_stop_it),
        cmocka_unit_test(test_on_a_replica),
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
