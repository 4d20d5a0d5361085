#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/redis_monitor.h"
#include "backend/redis_monitor_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the line parser ---- */

static const struct {
    const char *text;
    double time;
    int db;
    const char *client, *command, *args;
} lines[] = {
    {"+1700000000.123456 [0 127.0.0.1:1234] \"get\" \"k\"", 1700000000.123456, 0, "127.0.0.1:1234",
     "get", "\"get\" \"k\""},
    {"1700000000.5 [15 [::1]:1234] \"PING\"", 1700000000.5, 15, "[::1]:1234", "PING", "\"PING\""},
    {"1.000001 [3 unix:/tmp/a b] c.sock] \"set\" \"a\\\"b\" \"\"", 1.000001, 3,
     "unix:/tmp/a b] c.sock", "set", "\"set\" \"a\\\"b\" \"\""},
    {"1.0 [0 lua] \"DEL\" \"x\"", 1.0, 0, "lua", "DEL", "\"DEL\" \"x\""},
    {"1.0 [0 lua] \"a\\\\\" \"x\"", 1.0, 0, "lua", "a\\\\", "\"a\\\\\" \"x\""},
    {"1.0 [0 lua] \"cut off", 1.0, 0, "lua", "cut off", "\"cut off"},
};

static void same(const char *text, size_t len, const char *should)
{
    assert_int_equal(len, strlen(should));
    assert_memory_equal(text, should, len);
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct monitor_line line;

        if (!monitor_parse(lines[i].text, strlen(lines[i].text), &line))
            fail_msg("%s", lines[i].text);
        assert_float_equal(line.time, lines[i].time, 1e-7);
        assert_int_equal(line.db, lines[i].db);
        same(line.client, line.client_len, lines[i].client);
        same(line.command, line.command_len, lines[i].command);
        same(line.args, line.args_len, lines[i].args);
        assert_false(line.cut);
    }
}

static void test_not_a_line(void **state)
{
    static const char *const bad[] = {
        "",
        "+",
        "+OK",
        "-ERR x",
        "1.0",
        "1.0 [0 lua]",
        "1.0 [0 lua] ",
        "1.0 [0 lua] get",
        "1.0 [lua] \"get\"",
        "1.0 0 lua] \"get\"",
        "x.0 [0 lua] \"get\"",
        "1 [0 lua] \"get\"",
        "1. [0 lua] \"get\"",
        "1.0000000000 [0 lua] \"get\"",
        "1.0 [99999999999 lua] \"get\"",
        "++1.0 [0 lua] \"get\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct monitor_line line;

        if (monitor_parse(bad[i], strlen(bad[i]), &line))
            fail_msg("%s", bad[i]);
    }
}

static void test_unescape(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"\\\\ \\\" \\n\\r\\t\\a\\b", "\\ \" \n\r\t\a\b"},
        {"\\xc3\\xa9\\x1B[2J", "\xc3\xa9\x1b[2J"},
        {"\\x4", "x4"},
        {"\\xzz", "xzz"},
        {"\\q", "q"},
        {"end\\", "end\\"},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t len = monitor_unescape(cases[i].in, strlen(cases[i].in), out, sizeof(out));

        same(out, len, cases[i].out);
    }
    assert_int_equal(monitor_unescape("\\x00abc", 7, out, 2), 2);
    assert_memory_equal(out, "\0a", 2);
    assert_int_equal(monitor_unescape("abc", 3, out, 0), 0);
}

/* ---- the splitter and the ring ---- */

struct machine {
    struct monitor_splitter *splitter;
    struct monitor_batch *batch;
    struct monitor_ring *ring;
    char *buffer;
    size_t size;
    uint64_t next;
};

static void machine_init(struct machine *m)
{
    *m = (struct machine){.size = MONITOR_COPY_MIN};
    m->splitter = mem_zalloc(sizeof(*m->splitter));
    m->batch = mem_alloc(sizeof(*m->batch));
    m->ring = monitor_ring_new();
    m->buffer = mem_alloc(m->size);
}

static void machine_free(struct machine *m)
{
    monitor_ring_free(m->ring);
    free(m->splitter);
    free(m->batch);
    free(m->buffer);
}

static void feed(struct machine *m, const char *bytes, size_t len)
{
    while (len) {
        size_t room, n;
        char *to = monitor_room(m->splitter, &room);

        assert_true(room >= MONITOR_READ_SIZE);
        n = len < room ? len : room;
        memcpy(to, bytes, n);
        monitor_filled(m->splitter, n);
        while (monitor_split(m->splitter, m->batch))
            monitor_ring_add(m->ring, m->batch);
        bytes += n;
        len -= n;
    }
}

static void feed_text(struct machine *m, const char *text)
{
    feed(m, text, strlen(text));
}

/* The next line of the ring, or NULL. */
static const char *next(struct machine *m)
{
    size_t offset;

    if (!monitor_ring_copy(m->ring, &m->next, m->buffer, m->size, &offset, 1))
        return NULL;
    return m->buffer + offset;
}

static void expect(struct machine *m, const char *line)
{
    const char *is = next(m);

    assert_non_null(is);
    assert_string_equal(is, line);
}

static void test_lines_in_pieces(void **state)
{
    const char *text = "+one\r\n+two\n\r\n+\r\nno plus\r\n+three\r\n";
    struct machine m;

    (void)state;
    machine_init(&m);
    for (const char *p = text; *p; p++)
        feed(&m, p, 1);
    feed_text(&m, "+begun");
    expect(&m, "one");
    expect(&m, "two");
    expect(&m, "");
    expect(&m, "");
    expect(&m, "no plus");
    expect(&m, "three");
    assert_null(next(&m));
    feed_text(&m, " and ended\r\n");
    expect(&m, "begun and ended");
    machine_free(&m);
}

static void feed_long(struct machine *m, size_t len, size_t piece)
{
    struct strbuf text = {0};

    strbuf_addc(&text, '+');
    for (size_t i = 0; i < len; i++)
        strbuf_addc(&text, (char)('a' + i % 26));
    strbuf_adds(&text, "\r\n+after\r\n");
    for (size_t at = 0; at < text.len; at += piece)
        feed(m, text.s + at, text.len - at < piece ? text.len - at : piece);
    strbuf_free(&text);
}

/* Lines around the cap and the size of the buffer, whole or in pieces: one line each, and the line
 * after it is not torn. */
static void test_long_lines(void **state)
{
    static const size_t lengths[] = {1,
                                     MONITOR_LINE_CAP - 1,
                                     MONITOR_LINE_CAP,
                                     MONITOR_LINE_CAP + 1,
                                     MONITOR_LINE_CAP + 2,
                                     MONITOR_READ_SIZE,
                                     MONITOR_READ_SIZE + MONITOR_LINE_CAP,
                                     MONITOR_READ_SIZE + MONITOR_LINE_CAP + 1,
                                     1000001};
    static const size_t pieces[] = {997, 65537, 65538, MONITOR_READ_SIZE, SIZE_MAX / 2};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        for (size_t j = 0; j < sizeof(pieces) / sizeof(*pieces); j++) {
            size_t kept = lengths[i] < MONITOR_LINE_CAP ? lengths[i] : MONITOR_LINE_CAP;
            struct machine m;
            const char *line;

            machine_init(&m);
            feed_long(&m, lengths[i], pieces[j]);
            line = next(&m);
            assert_non_null(line);
            assert_int_equal(strlen(line), kept);
            assert_int_equal(line[kept - 1], 'a' + (kept - 1) % 26);
            expect(&m, "after");
            assert_null(next(&m));
            machine_free(&m);
        }
    }
}

static void test_cut_is_said(void **state)
{
    struct strbuf text = {0};
    struct machine m;
    struct monitor_line line;
    const char *is;

    (void)state;
    machine_init(&m);
    strbuf_adds(&text, "+1.0 [0 lua] \"SET\" \"k\" \"");
    for (size_t i = 0; i < MONITOR_LINE_CAP; i++)
        strbuf_addc(&text, 'v');
    strbuf_adds(&text, "\"\r\n");
    feed(&m, text.s, text.len);
    is = next(&m);
    assert_non_null(is);
    assert_true(monitor_parse(is, strlen(is), &line));
    assert_true(line.cut);
    same(line.command, line.command_len, "SET");
    strbuf_free(&text);
    machine_free(&m);
}

static void test_passwords(void **state)
{
    struct machine m;

    (void)state;
    machine_init(&m);
    feed_text(&m,
              "+1.0 [0 lua] \"AUTH\" \"SECRET\"\r\n"
              "+1.0 [0 lua] \"auth\" \"me\" \"SECRET\"\r\n"
              "+1.0 [0 lua] \"auth\"\r\n"
              "+1.0 [0 lua] \"HELLO\" \"3\" \"auth\" \"me\" \"SECRET\" \"SETNAME\" \"x\"\r\n"
              "+1.0 [0 lua] \"migrate\" \"h\" \"1\" \"\" \"0\" \"9\" \"AUTH2\" \"u\" \"SECRET\"\r\n"
              "+1.0 [0 lua] \"get\" \"auth\" \"x\"\r\n");
    expect(&m, "1.0 [0 lua] \"AUTH\" \"(redacted)\"");
    expect(&m, "1.0 [0 lua] \"auth\" \"(redacted)\"");
    expect(&m, "1.0 [0 lua] \"auth\"");
    expect(&m, "1.0 [0 lua] \"HELLO\" \"3\" \"auth\" \"(redacted)\"");
    expect(&m, "1.0 [0 lua] \"migrate\" \"h\" \"1\" \"\" \"0\" \"9\" \"AUTH2\" \"(redacted)\"");
    expect(&m, "1.0 [0 lua] \"get\" \"auth\" \"x\"");
    machine_free(&m);
}

/* Numbered lines beyond the ring: the newest are there, in order and whole; the lost are counted. */
static void test_overload(void **state)
{
    enum { COUNT = 200000 };
    struct machine m;
    const char *line;
    uint64_t expected;
    char text[128];

    (void)state;
    machine_init(&m);
    for (int i = 0; i < COUNT; i++) {
        snprintf(
            text, sizeof(text), "+%d %.*s\r\n", i, i % 97,
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxx");
        feed_text(&m, text);
    }
    assert_int_equal(monitor_ring_lines(m.ring), COUNT);
    assert_true(monitor_ring_overwritten(m.ring) > COUNT / 2);
    assert_true(monitor_ring_overwritten(m.ring) < COUNT);
    expected = monitor_ring_overwritten(m.ring);
    while ((line = next(&m))) {
        unsigned long number = strtoul(line, NULL, 10);

        assert_int_equal(number, expected);
        assert_int_equal(strlen(strchr(line, ' ') + 1), number % 97);
        expected++;
    }
    assert_int_equal(expected, COUNT);
    assert_int_equal(m.next, COUNT);
    machine_free(&m);
}

/* What somebody has seen is not counted as lost. */
static void test_seen_is_not_lost(void **state)
{
    struct machine m;

    (void)state;
    machine_init(&m);
    for (int i = 0; i < 200000; i++) {
        feed_text(&m,
                  "+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
        assert_non_null(next(&m));
    }
    assert_int_equal(monitor_ring_overwritten(m.ring), 0);
    machine_free(&m);
}

static void test_short_lines_overflow_the_index(void **state)
{
    struct machine m;
    uint64_t count = 0;

    (void)state;
    machine_init(&m);
    for (int i = 0; i < 100000; i++)
        feed_text(&m, "\n");
    while (next(&m))
        count++;
    assert_int_equal(count, 65536);
    assert_int_equal(monitor_ring_overwritten(m.ring), 100000 - 65536);
    machine_free(&m);
}

static void test_copy_as_many_as_fit(void **state)
{
    struct machine m;
    size_t offsets[8];

    (void)state;
    machine_init(&m);
    for (int i = 0; i < 4; i++)
        feed_long(&m, 30000, SIZE_MAX / 2);
    assert_int_equal(monitor_ring_copy(m.ring, &m.next, m.buffer, m.size, offsets, 8), 4);
    assert_int_equal(m.next, 4);
    assert_string_equal(m.buffer + offsets[1], "after");
    assert_int_equal(strlen(m.buffer + offsets[2]), 30000);
    m.next = 1000;
    assert_int_equal(monitor_ring_copy(m.ring, &m.next, m.buffer, m.size, offsets, 8), 0);
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_not_a_line),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_lines_in_pieces),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_cut_is_said),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_seen_is_not_lost),
        cmocka_unit_test(test_short_lines_overflow_the_index),
        cmocka_unit_test(test_copy_as_many_as_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
