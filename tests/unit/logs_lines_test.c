/* The ring of log lines that the panel shows: what it takes, what it drops, and over restarts. */
#include "panels/logs_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The log that is read, in place of the engine's: numbers first … last, a second between them. */
static struct container_logs {
    uint64_t first, last;
    double start;
    const char *text; /* of all; NULL: "line NUMBER" */
    size_t whole;     /* of all; 0: not cut */
    char buffer[64];
} source;

size_t container_logs_count(const struct container_logs *logs)
{
    return logs->last < logs->first ? 0 : (size_t)(logs->last - logs->first + 1);
}

struct container_log_line container_logs_line(const struct container_logs *logs, size_t index)
{
    struct container_log_line line = {.number = logs->first + index,
                                      .time = logs->start + (double)(logs->first + index),
                                      .error = index % 2};

    snprintf(source.buffer, sizeof(source.buffer), "line %d", (int)line.number);
    line.text = logs->text ? logs->text : source.buffer;
    line.len = strlen(line.text);
    line.whole = logs->whole ? logs->whole : line.len;
    return line;
}

static void reads(uint64_t first, uint64_t last)
{
    source = (struct container_logs){.first = first, .last = last, .start = 1000};
}

static const char *text_at(const struct logs_lines *lines, size_t index)
{
    return logs_lines_at(lines, index)->text;
}

static void test_takes_what_is_new(void **state)
{
    struct logs_lines lines = {0};
    uint64_t taken = 0;

    (void)state;
    reads(1, 3);
    logs_lines_take(&lines, &source, &taken, 0);
    logs_lines_take(&lines, &source, &taken, 0);
    assert_int_equal(logs_lines_kept(&lines), 3);
    assert_string_equal(text_at(&lines, 2), "line 3");
    reads(2, 5);
    logs_lines_take(&lines, &source, &taken, 0);
    assert_int_equal(lines.count, 5);
    assert_string_equal(text_at(&lines, 4), "line 5");
    assert_int_equal(lines.lost, 0);
    logs_lines_free(&lines);
}

/* While the view was paused more came than the reader keeps. */
static void test_counts_what_it_missed(void **state)
{
    struct logs_lines lines = {0};
    uint64_t taken = 0;

    (void)state;
    reads(1, 3);
    logs_lines_take(&lines, &source, &taken, 0);
    reads(10, 12);
    logs_lines_take(&lines, &source, &taken, 0);
    assert_int_equal(lines.count, 6);
    assert_int_equal(lines.lost, 6);
    assert_string_equal(text_at(&lines, 3), "line 10");
    logs_lines_free(&lines);
}

static void test_keeps_the_newest(void **state)
{
    struct logs_lines lines = {0};
    uint64_t taken = 0;

    (void)state;
    reads(1, CONTAINER_LOG_LINES);
    logs_lines_take(&lines, &source, &taken, 0);
    reads(CONTAINER_LOG_LINES + 1, CONTAINER_LOG_LINES + 7);
    logs_lines_take(&lines, &source, &taken, 0);
    assert_int_equal(lines.count, CONTAINER_LOG_LINES + 7);
    assert_int_equal(logs_lines_kept(&lines), CONTAINER_LOG_LINES);
    assert_string_equal(text_at(&lines, 0), "line 8");
    assert_int_equal(logs_lines_at(&lines, 0)->number, 8);
    logs_lines_free(&lines);
}

/* A log that is read again after a restart begins with what is known. */
static void test_goes_on_after_a_restart(void **state)
{
    struct logs_lines lines = {0};
    uint64_t taken = 0;
    double known;

    (void)state;
    reads(1, 3);
    logs_lines_take(&lines, &source, &taken, 0);
    known = lines.last;
    logs_lines_mark(&lines, 1003.5, "started again");
    taken = 0;
    reads(1, 5);
    logs_lines_take(&lines, &source, &taken, known);
    assert_int_equal(lines.count, 6);
    assert_true(logs_lines_at(&lines, 3)->mark);
    assert_true(logs_lines_at(&lines, 3)->time > known);
    assert_string_equal(text_at(&lines, 4), "line 4");
    assert_string_equal(text_at(&lines, 5), "line 5");
    assert_int_equal(lines.lost, 0);
    logs_lines_free(&lines);
}

static void test_cut_lines_are_counted(void **state)
{
    struct logs_lines lines = {0};
    uint64_t taken = 0;

    (void)state;
    reads(1, 2);
    source.whole = 100000;
    logs_lines_take(&lines, &source, &taken, 0);
    assert_int_equal(lines.cut, 2);
    assert_true(logs_lines_at(&lines, 0)->cut);
    assert_int_equal(logs_lines_at(&lines, 0)->whole, 100000);
    assert_false(logs_lines_at(&lines, 0)->error);
    assert_true(logs_lines_at(&lines, 1)->error);
    logs_lines_free(&lines);
}

static void stripped(const char *in, size_t len, const char *expected)
{
    char out[64];
    size_t written = logs_strip(out, sizeof(out), in, len);

    assert_int_equal(written, strlen(expected));
    assert_string_equal(out, expected);
}

static void test_colours_are_taken_out(void **state)
{
    char small[4];

    (void)state;
    stripped("\x1b[1;31merror\x1b[0m: x", 19, "error: x");
    stripped("plain", 5, "plain");
    stripped("\x1b", 1, "");
    stripped("a\x1b[", 3, "a");
    stripped("a\x1b[12;", 6, "a");
    stripped("a\x1b]0;title\a", 11, "a]0;title\a");
    stripped("", 0, "");
    assert_int_equal(logs_strip(small, sizeof(small), "abcdef", 6), 3);
    assert_string_equal(small, "abc");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_is_new),
        cmocka_unit_test(test_counts_what_it_missed),
        cmocka_unit_test(test_keeps_the_newest),
        cmocka_unit_test(test_goes_on_after_a_restart),
        cmocka_unit_test(test_cut_lines_are_counted),
        cmocka_unit_test(test_colours_are_taken_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
