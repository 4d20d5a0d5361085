/* The MONITOR stream: lines as the parser and the analysis see them, and the queue against a plain
 * way to split the same bytes. */
#include "backend/base/mem.h"
#include "backend/monitor_analysis.h"
#include "backend/monitor_guard.h"
#include "backend/monitor_names.h"
#include "backend/monitor_parse.h"
#include "backend/monitor_queue.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_line(const char *text, size_t len)
{
    struct monitor_line line;
    struct monitor_client client;
    char out[64];

    check(monitor_secret(text, len) <= len);
    check(monitor_unescape(text, len, out, sizeof(out)) <= sizeof(out));
    check(monitor_pattern(text, len, out, sizeof(out)) <= sizeof(out));
    monitor_client_parse(text, len, &client);
    check(monitor_client_memory(text, len) >= -1);
    if (!monitor_parse(text, len, &line))
        return;
    check(line.client >= text && line.client + line.client_len <= text + len);
    check(line.command >= text && line.command + line.command_len <= text + len);
    check(line.args >= text && line.args + line.args_len == text + len);
    check(line.db >= 0);
    check(!monitor_is_polling(line.args, line.args_len) || text[len - 1] == '"');
}

/* In memory of its own size: what reads beyond it is seen. */
static void analyse(struct monitor_analysis *analysis, const char *text, size_t len)
{
    char *exact = mem_alloc(len ? len : 1);

    memcpy(exact, text, len);
    check_line(exact, len);
    monitor_analysis_line(analysis, exact, len, len);
    free(exact);
}

/* Reads all bytes in pieces of a size that grows: 1, 2, … */
static void fill_queue(struct monitor_queue *queue, const char *bytes, size_t size)
{
    size_t at = 0;

    for (size_t piece = 1; at < size; piece++) {
        size_t room, n = size - at < piece ? size - at : piece;
        char *to = monitor_room(queue, &room);
        uint32_t from;

        check(room >= MONITOR_ROOM_MIN);
        n = n < room ? n : room;
        memcpy(to, bytes + at, n);
        monitor_filled(queue, n);
        while (monitor_lines(queue, &from))
            continue;
        at += n;
    }
}

/* A line as it must come out of the queue. */
static void check_mark(const struct monitor_block *block, uint32_t at, const char *line, size_t len)
{
    const struct monitor_mark *mark = &block->marks[at];

    if (len && line[len - 1] == '\r')
        len--;
    if (len && line[0] == '+') {
        line++;
        len--;
    }
    check(mark->len == len);
    check(memcmp(block->bytes + mark->offset, line, monitor_kept(mark)) == 0);
}

/* Checks the lines of the block from the one at bytes on; returns where the next begins. */
static const char *check_block(const struct monitor_block *block, const char *bytes,
                               const char *end)
{
    for (uint32_t i = 0; i < block->count; i++) {
        const char *lf = memchr(bytes, '\n', (size_t)(end - bytes));

        check(lf != NULL);
        if (!lf)
            return end;
        check_mark(block, i, bytes, (size_t)(lf - bytes));
        bytes = lf + 1;
    }
    return bytes;
}

static void check_queue(const char *bytes, size_t size)
{
    struct monitor_queue *queue = monitor_queue_new();
    const char *end = bytes + size;
    struct monitor_block *block;

    fill_queue(queue, bytes, size < MONITOR_BLOCK_BYTES ? size : MONITOR_BLOCK_BYTES);
    monitor_publish(queue, true);
    while ((block = monitor_take(queue))) {
        bytes = check_block(block, bytes, end);
        monitor_return(queue, block);
    }
    monitor_queue_free(queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct monitor_analysis *analysis; /* used on and on: it is large */
    static struct monitor_summary summary;
    const char *bytes = (const char *)data, *end = bytes + size, *lf;

    if (!analysis)
        analysis = monitor_analysis_new();
    check_queue(bytes, size);
    for (; (lf = memchr(bytes, '\n', (size_t)(end - bytes))); bytes = lf + 1)
        analyse(analysis, bytes, (size_t)(lf - bytes));
    analyse(analysis, bytes, (size_t)(end - bytes));
    monitor_analysis_sum(analysis, &summary);
    return 0;
}
