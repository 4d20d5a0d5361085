/* A log's bytes, split or a terminal's: cut into pieces they must give the same lines as in one, within
 * the bounds. The first byte says how they are cut. */
#include "backend/container_log_lines.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct container_log_line *a, const struct container_log_line *b)
{
    check(a->number == b->number && a->error == b->error && a->len == b->len &&
          a->whole == b->whole);
    check(a->time == b->time || (isnan(a->time) && isnan(b->time)));
    check(!a->len || memcmp(a->text, b->text, a->len) == 0);
}

/* All that was taken is there, in lines whose lengths fit. */
static void check_lines(const struct log_lines *lines, size_t size)
{
    size_t bytes = 0;

    check(log_lines_count(lines) <= CONTAINER_LOG_LINES);
    for (size_t i = 0; i < log_lines_count(lines); i++) {
        struct container_log_line line = log_lines_get(lines, i);

        check(line.len <= CONTAINER_LOG_LINE_MAX && line.len <= line.whole);
        check(line.len == line.whole || line.len == CONTAINER_LOG_LINE_MAX);
        check(line.number == log_lines_dropped(lines) + i + 1);
        check(!line.len || !memchr(line.text, '\n', line.len));
        bytes += line.whole;
    }
    check(bytes <= size);
}

static void run(bool split, const char *bytes, size_t size, size_t piece)
{
    struct log_lines *whole = log_lines_new(split), *cut = log_lines_new(split);
    bool good = log_lines_feed(whole, bytes, size), still = true;

    for (size_t at = 0; at < size; at += piece)
        still = log_lines_feed(cut, bytes + at, size - at < piece ? size - at : piece);
    check(good == still || !size);
    log_lines_end(whole);
    log_lines_end(cut);
    check_lines(whole, size);
    check(log_lines_count(whole) == log_lines_count(cut));
    check(log_lines_dropped(whole) == log_lines_dropped(cut));
    for (size_t i = 0; i < log_lines_count(whole); i++) {
        struct container_log_line a = log_lines_get(whole, i), b = log_lines_get(cut, i);

        check_same(&a, &b);
    }
    log_lines_free(whole);
    log_lines_free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

    if (!size)
        return 0;
    run(true, bytes + 1, size - 1, data[0] % 64 + 1U);
    run(false, bytes + 1, size - 1, data[0] % 64 + 1U);
    log_stamp(bytes + 1, size - 1);
    return 0;
}
