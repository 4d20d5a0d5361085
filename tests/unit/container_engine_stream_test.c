/* The engine's client against servers that behave, and such that do not: answers without an end. */
#include "backend/base/mem.h"
#include "tests/unit/engine_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool never_data(void *context, const char *bytes, size_t len)
{
    (void)context;
    (void)bytes;
    (void)len;
    return true;
}

static void never_ended(void *context, const char *error)
{
    (void)context;
    fail_msg("%s", error ? error : "");
}

struct watcher {
    struct bench *bench;
    struct engine_stream *stream;
    bool (*data)(struct watcher *watcher, const char *bytes, size_t len);
    char text[256];
    uint64_t bytes, turns, refused;
    size_t largest;
    unsigned begun, ended, lost, next;
    char *error;
};

static bool watcher_data(void *context, const char *bytes, size_t len)
{
    struct watcher *watcher = context;

    assert_int_equal(watcher->begun, 1);
    assert_int_equal(watcher->ended, 0);
    assert_true(len > 0);
    watcher->largest = len > watcher->largest ? len : watcher->largest;
    if (watcher->data)
        return watcher->data(watcher, bytes, len);
    if (watcher->bytes + len < sizeof(watcher->text))
        memcpy(watcher->text + watcher->bytes, bytes, len);
    watcher->bytes += len;
    return true;
}

static void watcher_begun(void *context)
{
    ((struct watcher *)context)->begun++;
}

static void watcher_ended(void *context, const char *error)
{
    struct watcher *watcher = context;

    watcher->ended++;
    watcher->error = mem_strdup(error);
}

static void watcher_lost(void *context)
{
    ((struct watcher *)context)->lost++;
}

static const struct engine_stream_events watching = {
    .data = watcher_data,
    .begun = watcher_begun,
    .ended = watcher_ended,
    .lost = watcher_lost,
};

static void watch(struct bench *bench, const char *path, struct watcher *watcher)
{
    watcher->bench = bench;
    watcher->stream = engine_stream_open(bench->engine, path, &watching, watcher);
    assert_int_equal(watcher->begun + watcher->ended, 0);
}

static void test_stream(void **state)
{
    struct bench *bench = *state;
    struct watcher watcher = {0}, missing = {0}, half = {0}, closed = {0}, echo = {0};

    watch(bench, "/endless", &watcher);
    run_until(bench, watcher.bytes == 4);
    assert_string_equal(watcher.text, "one\n");
    engine_stream_close(watcher.stream);
    watch(bench, "/missing", &missing);
    watch(bench, "/half", &half);
    watch(bench, "/close", &closed);
    watch(bench, "/bytes", &echo);
    run_until(bench, missing.ended && half.ended && closed.ended && echo.ended);
    assert_string_equal(missing.error, "the engine refuses: No such container: x");
    assert_int_equal(missing.begun, 0);
    assert_string_equal(half.text, "[{\"Id\":");
    assert_non_null(strstr(half.error, "in the middle of an answer"));
    assert_non_null(strstr(closed.error, "without an answer"));
    assert_null(echo.error);
    assert_string_equal(echo.text, "hello world");
    assert_int_equal(watcher.ended + watcher.lost + echo.lost, 0);
    free(missing.error);
    free(half.error);
    free(closed.error);
}

static void test_streams_leave_room(void **state)
{
    struct bench *bench = *state;
    struct watcher watchers[20] = {{0}};
    struct answer answer = {0};

    for (size_t i = 0; i < 20; i++)
        watch(bench, "/endless", &watchers[i]);
    for (size_t i = 0; i < 20; i++)
        run_until(bench, watchers[i].bytes);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    bench_close_engine(bench);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(watchers[i].lost, 1);
    bench_answer_free(&answer);
}

static void check_flood(struct watcher *watcher, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++, watcher->next = watcher->next == 250 ? 0 : watcher->next + 1) {
        if ((unsigned char)bytes[i] != watcher->next)
            fail_msg("byte %llu", (unsigned long long)(watcher->bytes + i));
    }
    watcher->bytes += len;
}

static bool take_flood(struct watcher *watcher, const char *bytes, size_t len)
{
    check_flood(watcher, bytes, len);
    return true;
}

static void on_turn(uv_prepare_t *prepare)
{
    ((struct watcher *)prepare->data)->turns++;
}

static void drain(struct bench *bench, struct watcher *watcher)
{
    uv_prepare_t prepare;

    uv_prepare_init(&bench->loop, &prepare);
    prepare.data = watcher;
    uv_prepare_start(&prepare, on_turn);
    watch(bench, "/flood", watcher);
    run_until(bench, watcher->ended);
    assert_null(watcher->error);
    assert_int_equal(watcher->bytes, FLOOD_BYTES);
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

/* However much comes, a turn of the loop takes a small part of it, and little is held. */
static void test_flood(void **state)
{
    struct bench *bench = *state;
    struct watcher watcher = {.data = take_flood};

    drain(bench, &watcher);
    assert_true(watcher.turns >= FLOOD_BYTES / (256 << 10));
    assert_in_range(watcher.largest, 1, 256 << 10);
}

/* Refuses most of what it is given, in every way to go on later. */
static bool refuse_flood(struct watcher *watcher, const char *bytes, size_t len)
{
    if (watcher->refused++ % 3 == 0) {
        engine_stream_resume(watcher->stream, 1);
        return false;
    }
    if (watcher->refused % 3 == 2) {
        engine_stream_resume(watcher->stream, 0);
        return false;
    }
    check_flood(watcher, bytes, len);
    return true;
}

static void test_paused_flood(void **state)
{
    struct bench *bench = *state;
    struct watcher watcher = {.data = refuse_flood};

    drain(bench, &watcher);
    assert_true(watcher.refused > 100);
    assert_in_range(watcher.largest, 1, 256 << 10);
}

static bool refuse(struct watcher *watcher, const char *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    watcher->refused++;
    return false;
}

/* Nothing is read while it rests, and requests go on. */
static void test_rest(void **state)
{
    struct bench *bench = *state;
    struct watcher watcher = {.data = refuse};
    struct answer answer = {0};

    watch(bench, "/flood", &watcher);
    run_until(bench, watcher.refused);
    for (unsigned i = 0; i < 50; i++)
        bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(watcher.refused, 1);
    engine_stream_resume(watcher.stream, 0);
    run_until(bench, watcher.refused == 2);
    assert_in_range(watcher.largest, 1, 256 << 10);
    engine_stream_close(watcher.stream);
    bench_answer_free(&answer);
}

static bool close_in_data(struct watcher *watcher, const char *bytes, size_t len)
{
    engine_stream_close(watcher->stream);
    check_flood(watcher, bytes, len);
    return watcher->bytes % 2;
}

static bool close_all_in_data(struct watcher *watcher, const char *bytes, size_t len)
{
    bench_close_engine(watcher->bench);
    check_flood(watcher, bytes, len);
    return false;
}

static void test_close_in_data(void **state)
{
    struct bench *bench = *state;
    struct watcher first = {.data = close_in_data}, second = {.data = close_all_in_data};

    watch(bench, "/flood", &first);
    run_until(bench, first.bytes);
    watch(bench, "/flood", &second);
    run_until(bench, bench->gone);
    assert_int_equal(first.ended + first.lost + second.ended, 0);
    assert_int_equal(second.lost, 1);
}

struct opener {
    struct bench *bench;
    struct engine_stream *stream;
    unsigned begun, ended;
};

static void close_in_begun(void *context)
{
    struct opener *opener = context;

    opener->begun++;
    engine_stream_close(opener->stream);
}

static void open_in_ended(void *context, const char *error)
{
    struct opener *opener = context;
    static const struct engine_stream_events once = {
        .data = never_data, .begun = close_in_begun, .ended = never_ended};

    assert_null(error);
    opener->ended++;
    opener->stream = engine_stream_open(opener->bench->engine, "/endless", &once, opener);
}

static void test_open_in_ended_close_in_begun(void **state)
{
    struct bench *bench = *state;
    struct opener opener = {.bench = bench};
    static const struct engine_stream_events events = {.data = never_data, .ended = open_in_ended};

    engine_stream_open(bench->engine, "/bytes", &events, &opener);
    run_until(bench, opener.begun);
    assert_int_equal(opener.ended, 1);
}

static void close_in_ended(void *context, const char *error)
{
    struct opener *opener = context;

    (void)error;
    opener->ended++;
    bench_close_engine(opener->bench);
}

static void test_close_in_ended(void **state)
{
    struct bench *bench = *state;
    struct opener opener = {.bench = bench};
    static const struct engine_stream_events events = {
        .data = never_data, .ended = close_in_ended, .lost = NULL};

    engine_stream_open(bench->engine, "/half", &events, &opener);
    run_until(bench, bench->gone);
    assert_int_equal(opener.ended, 1);
}

static void test_hang_up_while_streaming(void **state)
{
    struct bench *bench = *state;
    struct watcher watcher = {0};

    watch(bench, "/endless", &watcher);
    run_until(bench, watcher.bytes);
    fake_engine_hang_up(bench->fake);
    run_until(bench, watcher.ended);
    assert_non_null(strstr(watcher.error, "closed the connection in the middle"));
    free(watcher.error);
}

#define with_bench(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bench(test_stream),
        with_bench(test_streams_leave_room),
        with_bench(test_flood),
        with_bench(test_paused_flood),
        with_bench(test_rest),
        with_bench(test_close_in_data),
        with_bench(test_open_in_ended_close_in_begun),
        with_bench(test_close_in_ended),
        with_bench(test_hang_up_while_streaming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
