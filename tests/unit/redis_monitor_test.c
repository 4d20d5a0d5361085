#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_analysis.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_names.h"
#include "backend/monitor_parse.h"
#include "backend/monitor_queue.h"

#include <math.h>
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
        {"\\xac\\xed\\x00\\x05t\\x00", "\xac\xed\\x00\x05t\\x00"},
        {"\\\\x00", "\\x00"},
        {"\\x0", "x0"},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t len = monitor_unescape(cases[i].in, strlen(cases[i].in), out, sizeof(out));

        same(out, len, cases[i].out);
    }
    assert_int_equal(monitor_unescape("abc\\x00", 7, out, 6), 3);
    assert_int_equal(monitor_unescape("abc", 3, out, 0), 0);
}

static void test_arguments(void **state)
{
    const char *rest = "\"set\" \"a\\\"b\" \"\" \"open", *text;
    size_t left = strlen(rest), len;

    (void)state;
    assert_true(monitor_argument(&rest, &left, &text, &len));
    same(text, len, "set");
    assert_true(monitor_argument(&rest, &left, &text, &len));
    same(text, len, "a\\\"b");
    assert_true(monitor_argument(&rest, &left, &text, &len));
    same(text, len, "");
    assert_true(monitor_argument(&rest, &left, &text, &len));
    same(text, len, "open");
    assert_false(monitor_argument(&rest, &left, &text, &len));
}

static void test_secrets(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"1.0 [0 lua] \"AUTH\" \"SECRET\"", "1.0 [0 lua] \"AUTH\" "},
        {"1.0 [0 lua] \"auth\" \"me\" \"SECRET\"", "1.0 [0 lua] \"auth\" "},
        {"1.0 [0 lua] \"auth\"", "1.0 [0 lua] \"auth\""},
        {"1.0 [0 lua] \"HELLO\" \"3\" \"auth\" \"me\" \"SECRET\" \"SETNAME\" \"x\"",
         "1.0 [0 lua] \"HELLO\" \"3\" \"auth\" "},
        {"1.0 [0 lua] \"migrate\" \"h\" \"1\" \"\" \"0\" \"9\" \"AUTH2\" \"u\" \"SECRET\"",
         "1.0 [0 lua] \"migrate\" \"h\" \"1\" \"\" \"0\" \"9\" \"AUTH2\" "},
        {"1.0 [0 lua] \"get\" \"auth\" \"x\"", "1.0 [0 lua] \"get\" \"auth\" \"x\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(monitor_secret(cases[i].text, strlen(cases[i].text)),
                         strlen(cases[i].shown));
}

/* ---- the queue ---- */

struct machine {
    struct monitor_queue *queue;
    struct monitor_block *block;
    uint32_t at;
    uint64_t number; /* of the last line taken */
    struct strbuf text;
};

static void machine_init(struct machine *m)
{
    *m = (struct machine){.queue = monitor_queue_new()};
}

static void machine_free(struct machine *m)
{
    free(m->block);
    strbuf_free(&m->text);
    monitor_queue_free(m->queue);
}

static void feed(struct machine *m, const char *bytes, size_t len)
{
    while (len) {
        size_t room, n;
        uint32_t from;
        char *to = monitor_room(m->queue, &room);

        assert_true(room >= MONITOR_ROOM_MIN);
        n = len < room ? len : room;
        memcpy(to, bytes, n);
        monitor_filled(m->queue, n);
        while (monitor_lines(m->queue, &from))
            continue;
        bytes += n;
        len -= n;
    }
}

static void feed_text(struct machine *m, const char *text)
{
    feed(m, text, strlen(text));
}

/* The next line, or NULL; *len: as it was sent. */
static const char *next_len(struct machine *m, size_t *len)
{
    const struct monitor_mark *mark;

    *len = 0;
    while (!m->block || m->at == m->block->count) {
        if (m->block)
            monitor_return(m->queue, m->block);
        m->at = 0;
        m->block = monitor_take(m->queue);
        if (m->block)
            continue;
        monitor_publish(m->queue, false);
        m->block = monitor_take(m->queue);
        if (!m->block)
            return NULL;
    }
    mark = &m->block->marks[m->at];
    m->number = m->block->first + m->at++;
    strbuf_clear(&m->text);
    strbuf_add(&m->text, m->block->bytes + mark->offset, monitor_kept(mark));
    strbuf_addc(&m->text, '\0');
    *len = mark->len;
    return m->text.s;
}

static const char *next(struct machine *m)
{
    size_t len;

    return next_len(m, &len);
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

/* Lines around the cap and the size of a block, whole or in pieces: one line each with its true
 * length, and the line after it is not torn. */
static void test_long_lines(void **state)
{
    static const size_t lengths[] = {1,
                                     MONITOR_LINE_CAP - 1,
                                     MONITOR_LINE_CAP,
                                     MONITOR_LINE_CAP + 1,
                                     MONITOR_LINE_CAP + 2,
                                     MONITOR_BLOCK_BYTES,
                                     MONITOR_BLOCK_BYTES + MONITOR_LINE_CAP,
                                     MONITOR_BLOCK_BYTES + MONITOR_LINE_CAP + 1,
                                     1000001};
    static const size_t pieces[] = {997,         65536, 65537, 65538, 65539, MONITOR_BLOCK_BYTES,
                                    SIZE_MAX / 2};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        for (size_t j = 0; j < sizeof(pieces) / sizeof(*pieces); j++) {
            size_t kept = lengths[i] < MONITOR_LINE_CAP ? lengths[i] : MONITOR_LINE_CAP, len;
            struct machine m;
            const char *line;

            machine_init(&m);
            feed_long(&m, lengths[i], pieces[j]);
            line = next_len(&m, &len);
            assert_non_null(line);
            assert_int_equal(len, lengths[i]);
            assert_int_equal(strlen(line), kept);
            assert_int_equal(line[kept - 1], 'a' + (kept - 1) % 26);
            expect(&m, "after");
            assert_null(next(&m));
            machine_free(&m);
        }
    }
}

/* Many lines, of which nobody takes any: what is there in the end is whole, in order, the newest;
 * and nothing grows. */
static void test_overload(void **state)
{
    enum { COUNT = 400000 };
    static const char fill[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct machine m;
    const char *line;
    uint64_t expected = 0;
    char text[160];

    (void)state;
    machine_init(&m);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "+%d %.*s\r\n", i, i % 97, fill);
        feed_text(&m, text);
    }
    assert_int_equal(monitor_queue_lines(m.queue), COUNT);
    while ((line = next(&m))) {
        unsigned long number = strtoul(line, NULL, 10);

        assert_int_equal(number, m.number);
        assert_int_equal(strlen(strchr(line, ' ') + 1), number % 97);
        assert_true(expected ? number == expected : number > COUNT / 2);
        expected = number + 1;
    }
    assert_int_equal(expected, COUNT);
    machine_free(&m);
}

/* Who takes in time misses nothing, however short the lines are. */
static void test_nothing_is_lost_to_who_takes(void **state)
{
    struct machine m;
    uint64_t expected = 0;

    (void)state;
    machine_init(&m);
    for (int i = 0; i < 20; i++) {
        struct strbuf text = {0};

        for (int j = 0; j < 10000; j++)
            strbuf_adds(&text, j % 3 ? "\n" : "+x\r\n");
        feed(&m, text.s, text.len);
        strbuf_free(&text);
        while (next(&m))
            assert_int_equal(m.number, expected++);
    }
    assert_int_equal(expected, 200000);
    machine_free(&m);
}

/* ---- keys ---- */

static void test_patterns(void **state)
{
    static const char *const cases[][2] = {
        {"user:4711:cart", "user:*:cart"},
        {"user42", "user*"},
        {"a", "a"},
        {"", ""},
        {":1:views.cache.page.d41d8cd98f00b204e9800998ecf8427e", ":*:views.cache.page.*"},
        {"s:123e4567-e89b-12d3-a456-426614174000:x", "s:*:x"},
        {"s:abcdefab-cdef-abcd-efab-cdefabcdefab", "s:*"},
        {"session:9f86d081", "session:*"},
        {"deadbeef:facade", "deadbeef:facade"},
        {"tok:AbC9dEf7GhI5jKl3MnO1p", "tok:*"},
        {"celery\\x06\\x163", "celery\\x06\\x16*"},
        {"cl\\xc3\\xa9:1", "cl\\xc3\\xa9:*"},
        {"\\xac\\xed\\x00\\x05t:42", "\\xac\\xed\\x00\\x05t:*"},
        {"a\\n1\\\\2\\\"3", "a\\n*\\\\*\\\"*"},
        {"\\x4", "\\x*"},
        {"end\\", "end\\"},
        {"2024-01-31", "*-*-*"},
    };
    char out[80], small[4];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t len = monitor_pattern(cases[i][0], strlen(cases[i][0]), out, sizeof(out) - 1);

        out[len] = '\0';
        assert_string_equal(out, cases[i][1]);
    }
    assert_int_equal(monitor_pattern("abcdefgh", 8, small, sizeof(small)), 4);
    assert_int_equal(monitor_pattern("a\\xc3\\xa9", 9, small, sizeof(small)), 1);
}

static void test_commands_are_in_order(void **state)
{
    (void)state;
    assert_int_equal(monitor_command("auth", 4)->place, KEYS_NONE);
    assert_int_equal(monitor_command("ZUNION", 6)->place, KEYS_LED);
    assert_int_equal(monitor_command("evalsha_ro", 10)->place, KEYS_COUNTED);
    assert_int_equal(monitor_command("Eval_RO", 7)->place, KEYS_COUNTED);
    assert_int_equal(monitor_command("bzmpop", 6)->place, KEYS_TIMED);
    assert_int_equal(monitor_command("keys", 4)->flag, FLAG_KEYS);
    assert_int_equal(monitor_command("wait", 4)->place, KEYS_NONE);
    assert_null(monitor_command("get", 3));
    assert_null(monitor_command("", 0));
}

/* ---- the analysis ---- */

static struct monitor_summary *sum_of(const char *const *stream, size_t count, uint32_t token)
{
    struct monitor_analysis *analysis = monitor_analysis_new();
    struct monitor_summary *sum = mem_zalloc(sizeof(*sum));

    monitor_analysis_guard(analysis, token);
    for (size_t i = 0; i < count; i++)
        monitor_analysis_line(analysis, stream[i], strlen(stream[i]), strlen(stream[i]));
    monitor_analysis_sum(analysis, sum);
    monitor_analysis_free(analysis);
    return sum;
}

static uint64_t count_of(const struct monitor_summary *sum, enum monitor_dimension dimension,
                         const char *text)
{
    const struct monitor_top *top = &sum->top[dimension];

    for (uint32_t i = 0; i < top->count; i++) {
        if (strcmp(top->rows[i].text, text) == 0)
            return top->rows[i].count;
    }
    return 0;
}

#define T "1795411348.538525 "

static void test_analysis(void **state)
{
    static const char *const text[] = {
        T "[0 127.0.0.1:1] \"get\" \"user:1:cart\"",
        T "[0 127.0.0.1:1] \"GET\" \"user:2:cart\"",
        T "[3 [::1]:77] \"MGET\" \"a\" \"b\" \"c\"",
        T "[3 [::1]:77] \"mset\" \"a\" \"1\" \"b\\\"\" \"2\"",
        T "[0 unix:/tmp/a b] c.sock] \"EVALSHA\" \"abc\" \"2\" \"k1\" \"k2\" \"arg\"",
        T "[0 lua] \"SET\" \"k1\" \"v\"",
        T "[0 127.0.0.1:1] \"XREADGROUP\" \"GROUP\" \"g\" \"c\" \"STREAMS\" \"s1\" \"s2\" \">\" "
          "\">\"",
        T "[0 127.0.0.1:1] \"blpop\" \"q1\" \"q2\" \"0\"",
        T "[0 127.0.0.1:1] \"OBJECT\" \"encoding\" \"o\"",
        T "[0 127.0.0.1:1] \"PING\"",
        T "[0 10.0.0.9:5] \"iNfO\"",
        T "[0 10.0.0.9:5] \"aUtH\" \"(redacted)\"",
        T "[0 10.0.0.9:5] \"aUtH\" \"(redacted)\" \"(redacted)\"",
        T "[0 10.0.0.9:5] \"AUTH\" \"(redacted)\"", /* whoever has its address now */
        T "[0 10.0.0.9:5] \"INFO\"",
        T "[0 10.0.0.8:5] \"WAIT\" \"1234567890\" \"2500\"",
        T "[0 10.0.0.8:5] \"WAIT\" \"1\" \"2500\"",
        "+OK",
        "",
    };
    struct monitor_summary *sum = sum_of(text, sizeof(text) / sizeof(*text), 1234567890);

    (void)state;
    assert_int_equal(sum->lines, 13);
    assert_int_equal(sum->own, 4);
    assert_int_equal(sum->odd, 2);
    assert_int_equal(sum->lua, 1);
    assert_int_equal(count_of(sum, MONITOR_COMMANDS, "GET"), 2);
    assert_int_equal(count_of(sum, MONITOR_COMMANDS, "WAIT"), 1);
    assert_int_equal(count_of(sum, MONITOR_COMMANDS, "INFO"), 1);
    assert_int_equal(count_of(sum, MONITOR_COMMANDS, "AUTH"), 1);
    assert_int_equal(count_of(sum, MONITOR_CLIENTS, "10.0.0.9:5"), 2);
    assert_int_equal(sum->top[MONITOR_COMMANDS].known, 12); /* not those that only we have sent */
    assert_int_equal(count_of(sum, MONITOR_PATTERNS, "user:*:cart"), 2);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "a"), 2);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "b"), 1);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "b\\\""), 1);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "1"), 0);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "k1"), 2);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "arg"), 0);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "s2"), 1);
    assert_int_equal(count_of(sum, MONITOR_KEYS, ">"), 0);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "q2"), 1);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "0"), 0);
    assert_int_equal(count_of(sum, MONITOR_KEYS, "o"), 1);
    assert_int_equal(count_of(sum, MONITOR_CLIENTS, "[::1]:77"), 2);
    assert_int_equal(count_of(sum, MONITOR_CLIENTS, "unix:/tmp/a b] c.sock"), 1);
    assert_int_equal(count_of(sum, MONITOR_DATABASES, "3"), 2);
    assert_int_equal(count_of(sum, MONITOR_SCRIPTS, "abc"), 1);
    free(sum);
}

/* Where keys are in commands that put something else before, between or after them. */
static void test_places_of_keys(void **state)
{
    static const char *const text[] = {
        T "[0 127.0.0.1:1] \"BLMPOP\" \"0.5\" \"2\" \"bl1\" \"bl2\" \"LEFT\"",
        T "[0 127.0.0.1:1] \"BZMPOP\" \"0\" \"1\" \"bz1\" \"MIN\"",
        T "[0 127.0.0.1:1] \"ZUNIONSTORE\" \"zd\" \"2\" \"zs1\" \"zs2\" \"WEIGHTS\" \"3\" \"4\"",
        T "[0 127.0.0.1:1] \"zinterstore\" \"zd\" \"1\" \"zs3\"",
        T "[0 127.0.0.1:1] \"BITOP\" \"AND\" \"bd\" \"bs1\" \"bs2\"",
        T "[0 127.0.0.1:1] \"LMOVE\" \"ls\" \"ld\" \"LEFT\" \"RIGHT\"",
        T "[0 127.0.0.1:1] \"MIGRATE\" \"host\" \"6379\" \"mk\" \"0\" \"100\"",
        T
        "[0 127.0.0.1:1] \"MIGRATE\" \"host\" \"6379\" \"\" \"0\" \"100\" \"KEYS\" \"mk1\" \"mk2\"",
        T "[0 127.0.0.1:1] \"LATENCY\" \"DOCTOR\"",
    };
    static const char *const keys[] = {"bl1", "bl2", "bz1", "zs1", "zs2", "zs3", "bd",
                                       "bs1", "bs2", "ls",  "ld",  "mk",  "mk1", "mk2"};
    struct monitor_summary *sum = sum_of(text, sizeof(text) / sizeof(*text), 0);

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (count_of(sum, MONITOR_KEYS, keys[i]) != 1)
            fail_msg("%s", keys[i]);
    }
    assert_int_equal(count_of(sum, MONITOR_KEYS, "zd"), 2);
    assert_int_equal(sum->top[MONITOR_KEYS].total, sizeof(keys) / sizeof(*keys) + 2);
    assert_int_equal(sum->top[MONITOR_SCRIPTS].total, 0);
    free(sum);
}

static void test_flags(void **state)
{
    static const char *const text[] = {
        T "[0 127.0.0.1:1] \"KEYS\" \"*\"",
        T "[5 127.0.0.1:1] \"flushdb\" \"ASYNC\"",
        T "[0 127.0.0.1:1] \"FLUSHALL\"",
        T "[0 127.0.0.1:1] \"SCAN\" \"0\"",
        T "[0 127.0.0.1:1] \"SCAN\" \"0\" \"COUNT\" \"10\" \"MATCH\" \"*\"",
        T "[0 127.0.0.1:1] \"SCAN\" \"0\" \"MATCH\" \"user:*\"",
        T "[0 127.0.0.1:1] \"SCAN\" \"17\"",
        T "[0 127.0.0.1:1] \"LRANGE\" \"l\" \"0\" \"-1\"",
        T "[0 127.0.0.1:1] \"LRANGE\" \"l\" \"0\" \"9\"",
        T "[0 127.0.0.1:1] \"ZREVRANGE\" \"z\" \"0\" \"9\"",
        T "[0 127.0.0.1:1] \"HGETALL\" \"h\"",
        T "[0 127.0.0.1:1] \"HKEYS\" \"h\"",
        T "[0 127.0.0.1:1] \"sort\" \"l\"",
        T "[0 127.0.0.1:1] \"XRANGE\" \"x\" \"-\" \"+\"",
        T "[0 127.0.0.1:1] \"XRANGE\" \"x\" \"5-0\" \"+\"",
        T "[0 127.0.0.1:1] \"XREVRANGE\" \"x\" \"+\" \"-\"",
    };
    struct monitor_summary *sum = sum_of(text, sizeof(text) / sizeof(*text), 0);

    (void)state;
    assert_int_equal(sum->flags[FLAG_KEYS], 1);
    assert_int_equal(sum->flags[FLAG_FLUSHDB], 1);
    assert_int_equal(sum->flags[FLAG_FLUSHALL], 1);
    assert_int_equal(sum->flags[FLAG_SCAN], 2);
    assert_int_equal(sum->flags[FLAG_WHOLE], 6);
    assert_int_equal(sum->flags[FLAG_VALUE], 0);
    assert_int_equal(sum->events[sum->event_count - 2].kind, FLAG_FLUSHDB);
    assert_int_equal(sum->events[sum->event_count - 2].db, 5);
    assert_string_equal(sum->events[sum->event_count - 2].text, "\"flushdb\" \"ASYNC\"");
    assert_float_equal(sum->events[0].time, 1795411348.538525, 1e-5);
    free(sum);
}

/* What a line is cut to does not change what it was. */
static void test_big_values(void **state)
{
    struct monitor_analysis *analysis = monitor_analysis_new();
    struct monitor_summary *sum = mem_zalloc(sizeof(*sum));
    const char *text = T "[0 127.0.0.1:1] \"SET\" \"big\" \"vvvvv";

    (void)state;
    monitor_analysis_line(analysis, text, strlen(text), 10000000);
    monitor_analysis_sum(analysis, sum);
    assert_int_equal(sum->bytes, 10000000);
    assert_int_equal(sum->flags[FLAG_VALUE], 1);
    assert_int_equal(sum->events[0].bytes, 10000000);
    assert_int_equal(count_of(sum, MONITOR_BIG_KEYS, "big"), 10000000);
    monitor_analysis_free(analysis);
    free(sum);
}

/* ---- the guard's and the names' parsing ---- */

static void test_client_memory(void **state)
{
    static const char new[] = "id=7 addr=1:2 omem=20504 tot-mem=43256 events=r",
                      old[] = "id=7 omem=512";

    (void)state;
    assert_int_equal(monitor_client_memory(new, strlen(new)), 43256);
    assert_int_equal(monitor_client_memory(old, strlen(old)), 512);
    assert_int_equal(monitor_client_memory("id=7", 4), -1);
    assert_int_equal(monitor_client_memory(" omem=", 6), -1);
    assert_int_equal(monitor_memory_limit(100, 0), GUARD_MEMORY_MAX);
    assert_int_equal(monitor_memory_limit(120 << 20, 128 << 20), 1 << 20);
    assert_int_equal(monitor_memory_limit(128 << 20, 128 << 20), GUARD_MEMORY_MIN);
    assert_int_equal(monitor_memory_limit(10 << 20, 128 << 20), GUARD_MEMORY_MAX);
}

static void test_client_line(void **state)
{
    static const char line[] = "id=42 addr=127.0.0.1:5 laddr=127.0.0.1:9 fd=8 name=web age=1 "
                               "user=app lib-name=redis-py lib-ver=5.0.1";
    struct monitor_client client;

    (void)state;
    monitor_client_parse(line, strlen(line), &client);
    assert_int_equal(client.id, 42);
    assert_string_equal(client.address, "127.0.0.1:5");
    assert_string_equal(client.name, "web");
    assert_string_equal(client.user, "app");
    assert_string_equal(client.lib, "redis-py 5.0.1");
    monitor_client_parse("id=9 name=", 10, &client);
    assert_string_equal(client.name, "");
    assert_string_equal(client.user, "");
}

/* An address is somebody else's before a client came, and nobody's for sure when it changed hands. */
static void test_who_sent_it(void **state)
{
    static const char first[] = "id=7 addr=1:2 age=100", next[] = "id=9 addr=1:2 age=3";
    struct monitor_client old, new;

    (void)state;
    monitor_client_parse(first, strlen(first), &old);
    monitor_client_learn(&old, NULL, 5000);
    assert_true(monitor_client_sent(&old, NAN));
    assert_true(monitor_client_sent(&old, 4950));
    assert_false(monitor_client_sent(&old, 4899));
    assert_false(monitor_client_sent(&old, 4901)); /* ages are whole seconds */
    monitor_client_parse(next, strlen(next), &new);
    monitor_client_learn(&new, &old, 5010);
    assert_false(monitor_client_sent(&new, 5000));
    assert_true(monitor_client_sent(&new, 5009));
    assert_false(monitor_client_sent(&new, NAN));
    old = new;
    monitor_client_learn(&new, &old, 5012);
    assert_false(monitor_client_sent(&new, NAN));
    monitor_client_parse("addr=1:2", 8, &new);
    monitor_client_learn(&new, NULL, 5012);
    assert_false(monitor_client_sent(&new, 9000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_not_a_line),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_lines_in_pieces),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_nothing_is_lost_to_who_takes),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_commands_are_in_order),
        cmocka_unit_test(test_analysis),
        cmocka_unit_test(test_places_of_keys),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_big_values),
        cmocka_unit_test(test_client_memory),
        cmocka_unit_test(test_client_line),
        cmocka_unit_test(test_who_sent_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
