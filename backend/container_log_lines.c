#include "backend/container_log_lines.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 8, STAMP_MAX = 40 };
enum { OUTPUT, ERRORS, SIDES };

struct kept_line {
    char *text;
    double time;
    size_t len, whole;
    bool error;
};

/* One stream's line that is being read. */
struct side {
    bool stamping; /* at the beginning of a message, where its time stands */
    char stamp[STAMP_MAX];
    size_t stamp_len;
    double time;
    struct strbuf text; /* at most CONTAINER_LOG_LINE_MAX */
    size_t whole;
    bool begun; /* its time, or text instead, has come */
    char last;
};

struct log_lines {
    bool split, broken;
    bool framed; /* a header was right */
    unsigned char header[HEADER_SIZE];
    size_t header_len;
    size_t frame_left;
    unsigned frame_side;
    struct side sides[SIDES];
    struct kept_line *ring; /* CONTAINER_LOG_LINES; the line with number n at (n - 1) % that */
    uint64_t last;          /* number of the newest */
    size_t count, bytes;
};

/* ---- the time of a message ---- */

/* Reads exactly digits of them; false: there are others. */
static bool number(const char **text, const char *end, unsigned digits, int *value)
{
    *value = 0;
    for (; digits; digits--, (*text)++) {
        if (*text == end || **text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

static bool literal(const char **text, const char *end, char c)
{
    return *text < end && *(*text)++ == c;
}

/* Days since 1970 of a date of the Gregorian calendar; years begin in March here. */
static int days_of(int year, int month, int day)
{
    int y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool read_date(const char **at, const char *end, double *time)
{
    int year, month, day, hour, minute, second;

    if (!number(at, end, 4, &year) || !literal(at, end, '-') || !number(at, end, 2, &month) ||
        !literal(at, end, '-') || !number(at, end, 2, &day) || !literal(at, end, 'T') ||
        !number(at, end, 2, &hour) || !literal(at, end, ':') || !number(at, end, 2, &minute) ||
        !literal(at, end, ':') || !number(at, end, 2, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    *time = days_of(year, month, day) * 86400.0 + hour * 3600 + minute * 60 + second;
    return true;
}

/* "Z", "+02:00", "-03:30": seconds to take off. */
static bool read_zone(const char **at, const char *end, double *offset)
{
    int hour, minute;
    char sign;

    *offset = 0;
    if (*at == end)
        return false;
    sign = *(*at)++;
    if (sign == 'Z')
        return true;
    if ((sign != '+' && sign != '-') || !number(at, end, 2, &hour) || !literal(at, end, ':') ||
        !number(at, end, 2, &minute))
        return false;
    *offset = (hour * 3600 + minute * 60) * (sign == '+' ? 1.0 : -1.0);
    return true;
}

double log_stamp(const char *text, size_t len)
{
    const char *end = text + len;
    double time, offset, part = 0, unit = 1;

    if (!read_date(&text, end, &time))
        return NAN;
    if (text < end && *text == '.') {
        for (text++; text < end && *text >= '0' && *text <= '9'; text++)
            part += (*text - '0') * (unit /= 10);
    }
    return read_zone(&text, end, &offset) && text == end ? time + part - offset : NAN;
}

/* ---- the ring ---- */

static struct kept_line *slot(const struct log_lines *lines, uint64_t line_number)
{
    return &lines->ring[(line_number - 1) % CONTAINER_LOG_LINES];
}

static void drop_oldest(struct log_lines *lines)
{
    struct kept_line *line = slot(lines, lines->last - lines->count + 1);

    lines->bytes -= line->len;
    lines->count--;
    free(line->text);
    line->text = NULL;
}

static void keep(struct log_lines *lines, const struct kept_line *line)
{
    while (lines->count == CONTAINER_LOG_LINES ||
           (lines->count && lines->bytes + line->len > CONTAINER_LOG_BYTES))
        drop_oldest(lines);
    lines->last++;
    lines->count++;
    lines->bytes += line->len;
    *slot(lines, lines->last) = *line;
}

/* ---- lines ---- */

static void begin_message(struct side *side)
{
    side->stamping = true;
    side->stamp_len = 0;
}

static void begin_line(struct side *side)
{
    begin_message(side);
    strbuf_clear(&side->text);
    side->whole = 0;
    side->begun = false;
    side->last = '\0';
    side->time = NAN;
}

static void end_line(struct log_lines *lines, struct side *side)
{
    struct kept_line line = {.time = side->time, .whole = side->whole};

    if (side->last == '\r')
        line.whole--;
    line.len = line.whole < CONTAINER_LOG_LINE_MAX ? line.whole : CONTAINER_LOG_LINE_MAX;
    line.error = side == &lines->sides[ERRORS];
    line.text = mem_alloc(line.len);
    if (line.len)
        memcpy(line.text, side->text.s, line.len);
    keep(lines, &line);
    begin_line(side);
}

static void add_text(struct side *side, const char *bytes, size_t len)
{
    size_t room = CONTAINER_LOG_LINE_MAX - side->text.len;

    if (!len)
        return;
    strbuf_add(&side->text, bytes, len < room ? len : room);
    side->whole += len;
    side->last = bytes[len - 1];
}

/* What was taken for a time is one, or it is text. A long line comes as several messages, each with its
 * time: the first one counts. */
static void end_stamp(struct side *side)
{
    double time = log_stamp(side->stamp, side->stamp_len);
    bool blank = side->stamp_len && side->stamp[side->stamp_len - 1] == ' ';

    if (blank)
        time = log_stamp(side->stamp, side->stamp_len - 1);
    side->stamping = false;
    if (isnan(time))
        add_text(side, side->stamp, side->stamp_len);
    else if (!side->begun)
        side->time = time;
    side->begun = true;
}

/* How many bytes are the message's time: up to the first blank, if it comes soon. */
static size_t feed_stamp(struct side *side, const char *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && side->stamping) {
        char c = bytes[n];

        if (c == '\n' || c == '\r' || side->stamp_len == STAMP_MAX) {
            end_stamp(side);
            break;
        }
        side->stamp[side->stamp_len++] = c;
        n++;
        if (c == ' ')
            end_stamp(side);
    }
    return n;
}

static void feed_side(struct log_lines *lines, struct side *side, const char *bytes, size_t len)
{
    while (len) {
        const char *end;
        size_t n;

        if (side->stamping) {
            n = feed_stamp(side, bytes, len);
            bytes += n;
            len -= n;
            if (!len)
                return;
        }
        end = memchr(bytes, '\n', len);
        n = end ? (size_t)(end - bytes) : len;
        add_text(side, bytes, n);
        if (!end)
            return;
        end_line(lines, side);
        bytes += n + 1;
        len -= n + 1;
    }
}

/* ---- frames ---- */

/* A message begins with a frame, in a line that may have begun; but a time may also be cut in two. */
static void go_on(struct side *side)
{
    if (side->stamping && side->stamp_len && !side->begun)
        return;
    if (side->stamping && side->stamp_len)
        end_stamp(side);
    begin_message(side);
}

/* Type 0 and 1: output; 2: errors; 3: an error of the engine's own. */
static bool begin_frame(struct log_lines *lines)
{
    const unsigned char *h = lines->header;

    if (h[0] > 3 || h[1] || h[2] || h[3])
        return false;
    lines->frame_left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
    lines->frame_side = h[0] >= 2 ? ERRORS : OUTPUT;
    lines->header_len = 0;
    lines->framed = true;
    go_on(&lines->sides[lines->frame_side]);
    return true;
}

static void feed_terminal(struct log_lines *lines, const char *bytes, size_t len)
{
    feed_side(lines, &lines->sides[OUTPUT], bytes, len);
}

/* A header that is none. */
static bool not_framed(struct log_lines *lines, const char *bytes, size_t len)
{
    if (lines->framed) {
        lines->broken = true;
        return false;
    }
    lines->split = false;
    feed_terminal(lines, (const char *)lines->header, HEADER_SIZE);
    feed_terminal(lines, bytes, len);
    return true;
}

static size_t feed_header(struct log_lines *lines, const char *bytes, size_t len)
{
    size_t n = HEADER_SIZE - lines->header_len;

    n = n < len ? n : len;
    memcpy(lines->header + lines->header_len, bytes, n);
    lines->header_len += n;
    return n;
}

bool log_lines_feed(struct log_lines *lines, const char *bytes, size_t len)
{
    if (lines->broken)
        return false;
    if (!lines->split) {
        feed_terminal(lines, bytes, len);
        return true;
    }
    while (len) {
        size_t n = lines->frame_left < len ? lines->frame_left : len;

        feed_side(lines, &lines->sides[lines->frame_side], bytes, n);
        lines->frame_left -= n;
        bytes += n;
        len -= n;
        if (!len)
            break;
        n = feed_header(lines, bytes, len);
        bytes += n;
        len -= n;
        if (lines->header_len == HEADER_SIZE && !begin_frame(lines))
            return not_framed(lines, bytes, len);
    }
    return true;
}

void log_lines_end(struct log_lines *lines)
{
    /* A terminal's output that is shorter than a header. */
    if (lines->split && !lines->framed && lines->header_len && !lines->broken) {
        feed_terminal(lines, (const char *)lines->header, lines->header_len);
        lines->header_len = 0;
    }
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &lines->sides[i];

        if (side->stamping && side->stamp_len)
            end_stamp(side);
        if (side->begun)
            end_line(lines, side);
    }
}

/* ---- life, and reading ---- */

struct log_lines *log_lines_new(bool split)
{
    struct log_lines *lines = mem_zalloc(sizeof(*lines));

    lines->split = split;
    lines->ring = mem_array(NULL, CONTAINER_LOG_LINES, sizeof(*lines->ring));
    for (size_t i = 0; i < SIDES; i++)
        begin_line(&lines->sides[i]);
    return lines;
}

void log_lines_free(struct log_lines *lines)
{
    if (!lines)
        return;
    while (lines->count)
        drop_oldest(lines);
    for (size_t i = 0; i < SIDES; i++)
        strbuf_free(&lines->sides[i].text);
    free(lines->ring);
    free(lines);
}

size_t log_lines_count(const struct log_lines *lines)
{
    return lines->count;
}

struct container_log_line log_lines_get(const struct log_lines *lines, size_t index)
{
    uint64_t line_number = log_lines_dropped(lines) + index + 1;
    const struct kept_line *line = slot(lines, line_number);

    assert(index < lines->count);
    return (struct container_log_line){
        .number = line_number,
        .time = line->time,
        .error = line->error,
        .text = line->text,
        .len = line->len,
        .whole = line->whole,
    };
}

uint64_t log_lines_dropped(const struct log_lines *lines)
{
    return lines->last - lines->count;
}
