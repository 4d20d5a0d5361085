#include "panels/logs_lines.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE '\x1b'

/* Behind the sequence that begins at in[at] (an ESC); what is no sequence counts as one byte. */
static size_t skip_sequence(const char *in, size_t len, size_t at)
{
    size_t end = at + 2;

    if (at + 1 >= len || in[at + 1] != '[')
        return at + 1;
    while (end < len && (unsigned char)in[end] >= 0x20 && (unsigned char)in[end] < 0x40)
        end++;
    return end < len ? end + 1 : len;
}

size_t logs_strip(char *out, size_t size, const char *in, size_t len)
{
    size_t written = 0;

    for (size_t at = 0; at < len && written + 1 < size;) {
        if (in[at] == ESCAPE)
            at = skip_sequence(in, len, at);
        else
            out[written++] = in[at++];
    }
    if (size)
        out[written] = '\0';
    return written;
}

static struct logs_line *next_line(struct logs_lines *lines)
{
    struct logs_line *line;

    if (!lines->ring) {
        lines->ring = mem_array(NULL, CONTAINER_LOG_LINES, sizeof(*lines->ring));
        memset(lines->ring, 0, CONTAINER_LOG_LINES * sizeof(*lines->ring));
    }
    line = &lines->ring[lines->count % CONTAINER_LOG_LINES];
    free(line->text);
    *line = (struct logs_line){.number = ++lines->count};
    return line;
}

/* A 0 byte would end the text early: it is drawn as what it is, a control character. */
static void without_nul(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!text[i])
            text[i] = '\x01';
    }
}

static void take_one(struct logs_lines *lines, const struct container_log_line *from)
{
    struct logs_line *line = next_line(lines);
    char text[CONTAINER_LOG_LINE_MAX + 1];
    size_t len = logs_strip(text, sizeof(text), from->text, from->len);

    without_nul(text, len);
    line->text = mem_strdup(text);
    line->time = from->time;
    line->error = from->error;
    line->whole = from->whole;
    line->cut = from->whole > from->len;
    lines->cut += line->cut;
    if (!isnan(from->time))
        lines->last = from->time;
}

void logs_lines_take(struct logs_lines *lines, const struct container_logs *log, uint64_t *taken,
                     double known)
{
    size_t count = container_logs_count(log);
    uint64_t first = count ? container_logs_line(log, 0).number : 0;

    if (!count || first + count - 1 <= *taken)
        return;
    if (*taken && first > *taken + 1)
        lines->lost += first - *taken - 1;
    for (size_t i = first > *taken ? 0 : (size_t)(*taken + 1 - first); i < count; i++) {
        const struct container_log_line line = container_logs_line(log, i);

        *taken = line.number;
        if (isnan(line.time) || line.time > known)
            take_one(lines, &line);
    }
}

void logs_lines_mark(struct logs_lines *lines, double when, const char *text)
{
    struct logs_line *line = next_line(lines);

    line->text = mem_strdup(text);
    line->time = when;
    line->mark = true;
}

size_t logs_lines_kept(const struct logs_lines *lines)
{
    return lines->count < CONTAINER_LOG_LINES ? (size_t)lines->count : CONTAINER_LOG_LINES;
}

const struct logs_line *logs_lines_at(const struct logs_lines *lines, size_t index)
{
    uint64_t first = lines->count - logs_lines_kept(lines);

    return &lines->ring[(first + index) % CONTAINER_LOG_LINES];
}

void logs_lines_free(struct logs_lines *lines)
{
    for (size_t i = 0; lines->ring && i < CONTAINER_LOG_LINES; i++)
        free(lines->ring[i].text);
    free(lines->ring);
    *lines = (struct logs_lines){0};
}
