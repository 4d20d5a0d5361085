/* The MONITOR stream: lines as the parser sees them, and the splitter and the ring against a plain
 * way to split the same bytes. */
#include "backend/redis_monitor.h"
#include "backend/redis_monitor_ring.h"

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
    char out[64];

    check(monitor_secret(text, len) <= len);
    check(monitor_unescape(text, len, out, sizeof(out)) <= sizeof(out));
    if (!monitor_parse(text, len, &line))
        return;
    check(line.client >= text && line.client + line.client_len <= text + len);
    check(line.command >= text && line.command + line.command_len <= text + len);
    check(line.args >= text && line.args + line.args_len == text + len);
    check(line.db >= 0);
}

/* Reads all bytes in pieces of a size that grows: 1, 2, … */
static void fill_ring(struct monitor_ring *ring, const char *bytes, size_t size)
{
    static struct monitor_splitter splitter_memory;
    static struct monitor_batch batch_memory;
    struct monitor_splitter *splitter = &splitter_memory;
    struct monitor_batch *batch = &batch_memory;
    size_t at = 0;

    splitter->line = splitter->scanned = splitter->fill = 0;
    splitter->skipping = false;
    for (size_t piece = 1; at < size; piece++) {
        size_t room, n = size - at < piece ? size - at : piece;
        char *to = monitor_room(splitter, &room);

        check(room >= MONITOR_READ_SIZE);
        n = n < room ? n : room;
        memcpy(to, bytes + at, n);
        monitor_filled(splitter, n);
        while (monitor_split(splitter, batch))
            monitor_ring_add(ring, batch);
        at += n;
    }
}

/* The next line as it must come out of the ring; its bytes after a secret are not compared. */
static void check_next(struct monitor_ring *ring, uint64_t *next, const char *line, size_t len,
                       char *buffer)
{
    size_t offset, shown;

    if (len && line[len - 1] == '\r')
        len--;
    if (len && line[0] == '+') {
        line++;
        len--;
    }
    len = len < MONITOR_LINE_CAP ? len : MONITOR_LINE_CAP;
    check_line(line, len);
    check(monitor_ring_copy(ring, next, buffer, MONITOR_COPY_MIN, &offset, 1) == 1);
    shown = monitor_secret(line, len);
    check(memcmp(buffer + offset, line, shown) == 0);
    check(shown < len || buffer[offset + len] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *end = bytes + size, *lf;
    static struct monitor_ring *ring; /* used on and on: it is large */
    static char buffer[MONITOR_COPY_MIN];
    uint64_t next;

    if (!ring)
        ring = monitor_ring_new();
    next = monitor_ring_lines(ring);
    fill_ring(ring, bytes, size);
    for (; (lf = memchr(bytes, '\n', (size_t)(end - bytes))); bytes = lf + 1)
        check_next(ring, &next, bytes, (size_t)(lf - bytes), buffer);
    check(monitor_ring_lines(ring) == next);
    check_line(bytes, (size_t)(end - bytes));
    return 0;
}
