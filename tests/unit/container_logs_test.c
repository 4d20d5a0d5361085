/* Logs: frames to lines, the ring's bounds, and a log that is followed from a server. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_log_lines.h"
#include "tests/unit/fake_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STAMP      "2024-05-01T12:34:56.250000000Z "
#define STAMP_TIME 1714566896.25

enum { TICK_MS = 5, LONG_MS = 30000, BURST_BYTES = 24 << 20 };

/* ---- lines ---- */

static void add_frame(struct strbuf *out, int type, const char *text)
{
    size_t len = strlen(text);
    const char head[8] = {(char)type,       0,        0, 0, (char)(len >> 24), (char)(len >> 16),
                          (char)(len >> 8), (char)len};

    strbuf_add(out, head, sizeof(head));
    strbuf_add(out, text, len);
}

static void expect_line(const struct log_lines *lines, size_t index, const char *text, bool error,
                        double time)
{
    struct container_log_line line = log_lines_get(lines, index);

    assert_int_equal(line.len, strlen(text));
    assert_memory_equal(line.text, text, line.len);
    assert_int_equal(line.whole, line.len);
    assert_int_equal(line.error, error);
    if (isnan(time))
        assert_true(isnan(line.time));
    else
        assert_true(fabs(line.time - time) < 1e-6);
    assert_int_equal(line.number, log_lines_dropped(lines) + index + 1);
}

/* In pieces of every size, the same comes out. */
static struct log_lines *feed(bool split, const struct strbuf *bytes, size_t piece)
{
    struct log_lines *lines = log_lines_new(split);

    for (size_t at = 0; at < bytes->len; at += piece) {
        size_t n = bytes->len - at < piece ? bytes->len - at : piece;

        assert_true(log_lines_feed(lines, bytes->s + at, n));
    }
    return lines;
}

/* Lines that span frames, of two streams between one another; several lines in a frame; none in one. */
static void test_frames(void **state)
{
    struct strbuf bytes = {0};

    (void)state;
    add_frame(&bytes, 1, STAMP "first\n");
    add_frame(&bytes, 2, STAMP "an err");
    add_frame(&bytes, 1, STAMP "two\r\nthree\n");
    add_frame(&bytes, 2, "");
    add_frame(&bytes, 2, "or\n");
    add_frame(&bytes, 1, STAMP "\n");
    add_frame(&bytes, 1, "2024-05-01T14:34");
    add_frame(&bytes, 1, ":56.25+02:00 cut time\n");
    add_frame(&bytes, 3, STAMP "the engine failed\n");
    add_frame(&bytes, 0, "no time\n");
    add_frame(&bytes, 1, STAMP "2024-05-01T00:00:00Z its own time\n");
    add_frame(&bytes, 1, STAMP "the beginning, ");
    add_frame(&bytes, 1, STAMP "the middle, ");
    add_frame(&bytes, 1, "2024-05-01T12:35:00Z and the end\n");
    for (size_t piece = 1; piece < 80; piece++) {
        struct log_lines *lines = feed(true, &bytes, piece);

        assert_int_equal(log_lines_count(lines), 10);
        expect_line(lines, 0, "first", false, STAMP_TIME);
        expect_line(lines, 1, "two", false, STAMP_TIME);
        expect_line(lines, 2, "three", false, NAN);
        expect_line(lines, 3, "an error", true, STAMP_TIME);
        expect_line(lines, 4, "", false, STAMP_TIME);
        expect_line(lines, 5, "cut time", false, STAMP_TIME);
        expect_line(lines, 6, "the engine failed", true, STAMP_TIME);
        expect_line(lines, 7, "no time", false, NAN);
        expect_line(lines, 8, "2024-05-01T00:00:00Z its own time", false, STAMP_TIME);
        expect_line(lines, 9, "the beginning, the middle, and the end", false, STAMP_TIME);
        log_lines_free(lines);
    }
    strbuf_free(&bytes);
}

static void test_terminal(void **state)
{
    struct strbuf bytes = {0};

    (void)state;
    strbuf_adds(&bytes, STAMP "one\r\n" STAMP "50 %\r100 %\r\n\n" STAMP "\x1b[1mbold\n$ ");
    for (size_t piece = 1; piece < 40; piece++) {
        struct log_lines *lines = feed(false, &bytes, piece);

        assert_int_equal(log_lines_count(lines), 4);
        expect_line(lines, 0, "one", false, STAMP_TIME);
        expect_line(lines, 1, "50 %\r100 %", false, STAMP_TIME);
        expect_line(lines, 2, "", false, NAN);
        expect_line(lines, 3, "\x1b[1mbold", false, STAMP_TIME);
        log_lines_end(lines);
        expect_line(lines, 4, "$ ", false, NAN);
        log_lines_end(lines);
        assert_int_equal(log_lines_count(lines), 5);
        log_lines_free(lines);
    }
    strbuf_free(&bytes);
}

/* Said to be split, but a terminal's: it is seen at once, and nothing is lost. */
static void test_not_split(void **state)
{
    struct strbuf bytes = {0};

    (void)state;
    strbuf_adds(&bytes, STAMP "hello\n");
    for (size_t piece = 1; piece < 40; piece++) {
        struct log_lines *lines = feed(true, &bytes, piece);

        assert_int_equal(log_lines_count(lines), 1);
        expect_line(lines, 0, "hello", false, STAMP_TIME);
        log_lines_free(lines);
    }
    strbuf_clear(&bytes);
    strbuf_adds(&bytes, "short");
    for (size_t piece = 1; piece < 6; piece++) {
        struct log_lines *lines = feed(true, &bytes, piece);

        log_lines_end(lines);
        assert_int_equal(log_lines_count(lines), 1);
        expect_line(lines, 0, "short", false, NAN);
        log_lines_free(lines);
    }
    strbuf_free(&bytes);
}

static void test_damaged(void **state)
{
    struct log_lines *lines = log_lines_new(true);
    struct strbuf bytes = {0};

    (void)state;
    add_frame(&bytes, 1, STAMP "good\n");
    strbuf_adds(&bytes, "no frame at all\n");
    assert_false(log_lines_feed(lines, bytes.s, bytes.len));
    assert_false(log_lines_feed(lines, bytes.s, bytes.len));
    log_lines_end(lines);
    assert_int_equal(log_lines_count(lines), 1);
    expect_line(lines, 0, "good", false, STAMP_TIME);
    log_lines_free(lines);
    strbuf_free(&bytes);
}

static void expect_long(size_t len, const char *end)
{
    struct log_lines *lines = log_lines_new(false);
    char *text = mem_alloc(len + 1);
    struct container_log_line line;
    size_t kept = len < CONTAINER_LOG_LINE_MAX ? len : CONTAINER_LOG_LINE_MAX;

    memset(text, 'x', len);
    assert_true(log_lines_feed(lines, text, len / 2));
    assert_true(log_lines_feed(lines, text + len / 2, len - len / 2));
    assert_true(log_lines_feed(lines, end, strlen(end)));
    assert_int_equal(log_lines_count(lines), 1);
    line = log_lines_get(lines, 0);
    assert_int_equal(line.len, kept);
    assert_int_equal(line.whole, len);
    assert_memory_equal(line.text, text, kept);
    free(text);
    log_lines_free(lines);
}

static void test_long_lines(void **state)
{
    (void)state;
    for (size_t more = 0; more < 4; more++) {
        expect_long(CONTAINER_LOG_LINE_MAX - 2 + more, "\n");
        expect_long(CONTAINER_LOG_LINE_MAX - 2 + more, "\r\n");
    }
    expect_long(1 << 20, "\n");
}

static void test_ring_by_lines(void **state)
{
    struct log_lines *lines = log_lines_new(false);
    char text[32];

    (void)state;
    for (unsigned i = 1; i <= 2 * CONTAINER_LOG_LINES + 7; i++) {
        int len = snprintf(text, sizeof(text), "line %u\n", i);

        assert_true(log_lines_feed(lines, text, (size_t)len));
    }
    assert_int_equal(log_lines_count(lines), CONTAINER_LOG_LINES);
    assert_int_equal(log_lines_dropped(lines), CONTAINER_LOG_LINES + 7);
    expect_line(lines, 0, "line 5008", false, NAN);
    expect_line(lines, CONTAINER_LOG_LINES - 1, "line 10007", false, NAN);
    log_lines_free(lines);
}

static void test_ring_by_bytes(void **state)
{
    struct log_lines *lines = log_lines_new(false);
    char text[4001];
    size_t count = CONTAINER_LOG_BYTES / 4000, bytes = 0;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[4000] = '\n';
    for (size_t i = 0; i < 3 * count; i++)
        assert_true(log_lines_feed(lines, text, sizeof(text)));
    for (size_t i = 0; i < log_lines_count(lines); i++)
        bytes += log_lines_get(lines, i).len;
    assert_int_equal(log_lines_count(lines), count);
    assert_in_range(bytes, CONTAINER_LOG_BYTES - 4000, CONTAINER_LOG_BYTES);
    assert_int_equal(log_lines_dropped(lines), 2 * count);
    log_lines_free(lines);
}

static void expect_stamp(const char *text, double time)
{
    double got = log_stamp(text, strlen(text));

    if (isnan(time) ? !isnan(got) : fabs(got - time) > 1e-6)
        fail_msg("%s: %f", text, got);
}

static void test_stamps(void **state)
{
    (void)state;
    expect_stamp("1970-01-01T00:00:00Z", 0);
    expect_stamp("2024-02-29T23:59:59.999999999Z", 1709251199.999999999);
    expect_stamp("2000-03-01T00:00:00.5+01:30", 951868800.5 - 5400);
    expect_stamp("1999-12-31T23:59:60-03:00", 946684800 + 10800);
    expect_stamp("2024-05-01T12:34:56", NAN);
    expect_stamp("2024-05-01 12:34:56Z", NAN);
    expect_stamp("2024-13-01T12:34:56Z", NAN);
    expect_stamp("2024-00-01T12:34:56Z", NAN);
    expect_stamp("2024-05-01T24:00:00Z", NAN);
    expect_stamp("2024-05-01T12:34:56Zx", NAN);
    expect_stamp("2024-05-01T12:34:56+0200", NAN);
    expect_stamp("2024-05-01T12:34:56.", NAN);
    expect_stamp("", NAN);
}

/* ---- following one ---- */

struct follower {
    uv_loop_t loop;
    uv_timer_t ticker;
    uv_prepare_t turner;
    unsigned ticks, turns;
    bool expired, gone, close_when_changed;
    struct fake_engine *fake;
    struct engine *engine;
    struct container_logs *logs;
    unsigned changes;
    atomic_uint sent; /* by the server, in MiB */
};

static const char *const wanted =
    "GET /containers/ab%2Fc/logs?stdout=1&stderr=1&follow=1&tail=1000&timestamps=1 HTTP/1.1\r\n";

static bool serve_frames(int fd)
{
    struct strbuf frames = {0};
    bool sent = true;

    add_frame(&frames, 1, STAMP "to stdout\n");
    add_frame(&frames, 2, STAMP "to stderr\n");
    add_frame(&frames, 1, STAMP "unfinished");
    for (size_t i = 0; sent && i < frames.len; i++)
        sent = fake_engine_chunk(fd, frames.s + i, 1);
    strbuf_free(&frames);
    return sent;
}

static bool serve_damaged(int fd)
{
    struct strbuf bytes = {0};
    bool sent;

    add_frame(&bytes, 1, STAMP "good\n");
    strbuf_adds(&bytes, "no frame at all\n");
    sent = fake_engine_chunk(fd, bytes.s, bytes.len);
    strbuf_free(&bytes);
    return sent && fake_engine_wait(fd);
}

static bool serve_burst(struct follower *follower, int fd)
{
    struct strbuf block = {0};
    bool sent = true;

    while (block.len < 1 << 20)
        add_frame(&block, 1, STAMP "a line as services write them, by and large, all day long\n");
    for (size_t done = 0; sent && done < BURST_BYTES; done += block.len) {
        sent = fake_engine_chunk(fd, block.s, block.len);
        atomic_fetch_add(&follower->sent, 1);
    }
    strbuf_free(&block);
    return sent && fake_engine_chunk(fd, "", 0);
}

static bool serve(struct fake_engine *fake, int fd, const char *request, void *context)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    (void)fake;
    if (strstr(request, "/gone/"))
        return fake_engine_answer(fd, 404, "{\"message\":\"No such container: gone\"}");
    if (strstr(request, "/burst/"))
        return fake_engine_sends(fd, head) && serve_burst(context, fd);
    if (strstr(request, "/quiet/"))
        return fake_engine_sends(fd, head) && fake_engine_wait(fd);
    if (strstr(request, "/damaged/"))
        return fake_engine_sends(fd, head) && serve_damaged(fd);
    if (strstr(request, "/open/"))
        return fake_engine_sends(fd, head) && serve_frames(fd) && fake_engine_wait(fd);
    if (strncmp(request, wanted, strlen(wanted)) != 0)
        return fake_engine_answer(fd, 400, "{}");
    return fake_engine_sends(fd, head) && serve_frames(fd) && fake_engine_chunk(fd, "", 0);
}

static void on_tick(uv_timer_t *timer)
{
    struct follower *follower = timer->data;

    follower->expired = ++follower->ticks > LONG_MS / TICK_MS;
}

static void on_turn(uv_prepare_t *prepare)
{
    ((struct follower *)prepare->data)->turns++;
}

static int setup(void **state)
{
    struct follower *follower = mem_zalloc(sizeof(*follower));

    uv_loop_init(&follower->loop);
    uv_timer_init(&follower->loop, &follower->ticker);
    follower->ticker.data = follower;
    uv_timer_start(&follower->ticker, on_tick, TICK_MS, TICK_MS);
    uv_prepare_init(&follower->loop, &follower->turner);
    follower->turner.data = follower;
    uv_prepare_start(&follower->turner, on_turn);
    follower->fake = fake_engine_start(serve, follower);
    follower->engine = engine_new(&follower->loop, fake_engine_socket(follower->fake));
    *state = follower;
    return 0;
}

static void on_gone(void *context)
{
    ((struct follower *)context)->gone = true;
}

static int teardown(void **state)
{
    struct follower *follower = *state;
    bool gone;

    container_logs_close(follower->logs);
    if (follower->engine)
        engine_close(follower->engine, on_gone, follower);
    uv_close((uv_handle_t *)&follower->ticker, NULL);
    uv_close((uv_handle_t *)&follower->turner, NULL);
    uv_run(&follower->loop, UV_RUN_DEFAULT);
    gone = follower->gone && uv_loop_close(&follower->loop) == 0;
    fake_engine_stop(follower->fake);
    free(follower);
    return gone ? 0 : -1;
}

static void on_changed(void *context)
{
    struct follower *follower = context;

    follower->changes++;
    if (!follower->close_when_changed)
        return;
    container_logs_close(follower->logs);
    follower->logs = NULL;
}

#define run_until(follower, condition)                                                             \
    do {                                                                                           \
        while (!(condition) && !(follower)->expired)                                               \
            uv_run(&(follower)->loop, UV_RUN_ONCE);                                                \
        assert_true(condition);                                                                    \
    } while (0)

static void follow(struct follower *follower, const char *id, bool terminal)
{
    follower->logs = container_logs_open(follower->engine, id, terminal, on_changed, follower);
    assert_int_equal(container_logs_count(follower->logs), 0);
    assert_null(container_logs_ended(follower->logs));
}

static void test_follow(void **state)
{
    struct follower *follower = *state;
    struct container_log_line line;

    follow(follower, "ab/c", false);
    run_until(follower, container_logs_ended(follower->logs));
    assert_string_equal(container_logs_ended(follower->logs), "the container does not run");
    assert_int_equal(container_logs_count(follower->logs), 3);
    assert_int_equal(container_logs_dropped(follower->logs), 0);
    line = container_logs_line(follower->logs, 1);
    assert_true(line.error);
    assert_memory_equal(line.text, "to stderr", line.len);
    line = container_logs_line(follower->logs, 2);
    assert_memory_equal(line.text, "unfinished", line.len);
    assert_true(follower->changes > 1);
}

static void test_refused_log(void **state)
{
    struct follower *follower = *state;

    follow(follower, "gone", false);
    run_until(follower, container_logs_ended(follower->logs));
    assert_string_equal(container_logs_ended(follower->logs),
                        "the engine refuses: No such container: gone");
}

static void test_damaged_log(void **state)
{
    struct follower *follower = *state;

    follow(follower, "damaged", false);
    run_until(follower, container_logs_ended(follower->logs));
    assert_non_null(strstr(container_logs_ended(follower->logs), "damaged"));
    assert_int_equal(container_logs_count(follower->logs), 1);
}

static void test_cut_off_log(void **state)
{
    struct follower *follower = *state;

    follow(follower, "quiet", false);
    run_until(follower, fake_engine_requests(follower->fake));
    fake_engine_hang_up(follower->fake);
    run_until(follower, container_logs_ended(follower->logs));
    assert_non_null(strstr(container_logs_ended(follower->logs), "closed the connection"));
}

/* The engine is closed below it; the lines stay. */
static void test_engine_closed(void **state)
{
    struct follower *follower = *state;

    follow(follower, "open", false);
    run_until(follower, container_logs_count(follower->logs) == 2);
    engine_close(follower->engine, on_gone, follower);
    follower->engine = NULL;
    assert_non_null(container_logs_ended(follower->logs));
    assert_in_range(container_logs_count(follower->logs), 2, 3);
    run_until(follower, follower->gone);
}

static void test_close_in_changed(void **state)
{
    struct follower *follower = *state;

    follower->close_when_changed = true;
    follow(follower, "burst", false);
    run_until(follower, !follower->logs);
    assert_int_equal(follower->changes, 1);
}

/* A log that comes faster than it is read: every turn takes a little, the engine waits. */
static void test_burst(void **state)
{
    struct follower *follower = *state;
    uint64_t number, count;

    follow(follower, "burst", false);
    run_until(follower, container_logs_ended(follower->logs));
    assert_string_equal(container_logs_ended(follower->logs), "the container does not run");
    count = container_logs_count(follower->logs);
    number = container_logs_line(follower->logs, count - 1).number;
    assert_int_equal(count, CONTAINER_LOG_LINES);
    assert_int_equal(number, container_logs_dropped(follower->logs) + count);
    assert_true(number > BURST_BYTES / 100);
    assert_true(follower->turns > BURST_BYTES / (512 << 10));
}

/* While nobody turns the loop, the engine holds the log, and not we. */
static void test_burst_is_not_buffered(void **state)
{
    struct follower *follower = *state;

    follow(follower, "burst", false);
    run_until(follower, follower->changes);
    assert_in_range(atomic_load(&follower->sent), 0, 2);
}

#define with_follower(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_not_split),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_ring_by_lines),
        cmocka_unit_test(test_ring_by_bytes),
        cmocka_unit_test(test_stamps),
        with_follower(test_follow),
        with_follower(test_refused_log),
        with_follower(test_damaged_log),
        with_follower(test_cut_off_log),
        with_follower(test_engine_closed),
        with_follower(test_close_in_changed),
        with_follower(test_burst),
        with_follower(test_burst_is_not_buffered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
