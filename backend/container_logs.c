#include "backend/container_logs.h"

#include "backend/base/mem.h"
#include "backend/container_log_lines.h"

#include <stdlib.h>

/* So much is taken in a period, and the rest later: a container that writes without end gets some
 * percent of our time, and its engine waits. An engine sends each line by itself: after some of them it
 * is cheaper to let more come together. */
enum { PERIOD_MS = 20, PERIOD_BYTES = 512 << 10, PERIOD_PIECES = 8 };

struct container_logs {
    struct engine_stream *stream; /* NULL: it has ended */
    struct log_lines *lines;
    void (*changed)(void *context);
    void *context;
    char *ended;
    uint64_t period; /* ns: when it began */
    size_t period_bytes;
    unsigned period_pieces;
};

static bool has_budget(struct container_logs *logs)
{
    uint64_t now = uv_hrtime();

    if (now - logs->period >= PERIOD_MS * 1000000ULL) {
        logs->period = now;
        logs->period_bytes = 0;
        logs->period_pieces = 0;
    }
    return logs->period_bytes < PERIOD_BYTES && logs->period_pieces < PERIOD_PIECES;
}

/* changed may close us: it is called last. */
static void end(struct container_logs *logs, char *why)
{
    log_lines_end(logs->lines);
    logs->stream = NULL;
    logs->ended = why;
    logs->changed(logs->context);
}

static bool on_data(void *context, const char *bytes, size_t len)
{
    struct container_logs *logs = context;

    if (!has_budget(logs)) {
        engine_stream_resume(logs->stream, PERIOD_MS);
        return false;
    }
    logs->period_bytes += len;
    logs->period_pieces++;
    if (log_lines_feed(logs->lines, bytes, len)) {
        logs->changed(logs->context);
        return true;
    }
    engine_stream_close(logs->stream);
    end(logs, mem_strdup("the engine's log is damaged: it is not split into output and errors as "
                         "it was at its beginning; open it again"));
    return true;
}

static void on_ended(void *context, const char *error)
{
    end(context, mem_strdup(error ? error : "the container does not run"));
}

static void on_lost(void *context)
{
    end(context, mem_strdup("the container engine is not followed any more"));
}

static const struct engine_stream_events events = {
    .data = on_data,
    .ended = on_ended,
    .lost = on_lost,
};

struct container_logs *container_logs_open(struct engine *engine, const char *id, bool terminal,
                                           void (*changed)(void *context), void *context)
{
    struct container_logs *logs = mem_zalloc(sizeof(*logs));
    char *part = engine_escape(id);
    char *path =
        mem_printf("/containers/%s/logs?stdout=1&stderr=1&follow=1&tail=1000&timestamps=1", part);

    logs->lines = log_lines_new(!terminal);
    logs->changed = changed;
    logs->context = context;
    logs->stream = engine_stream_open(engine, path, &events, logs);
    free(path);
    free(part);
    return logs;
}

size_t container_logs_count(const struct container_logs *logs)
{
    return log_lines_count(logs->lines);
}

struct container_log_line container_logs_line(const struct container_logs *logs, size_t index)
{
    return log_lines_get(logs->lines, index);
}

uint64_t container_logs_dropped(const struct container_logs *logs)
{
    return log_lines_dropped(logs->lines);
}

const char *container_logs_ended(const struct container_logs *logs)
{
    return logs->ended;
}

void container_logs_close(struct container_logs *logs)
{
    if (!logs)
        return;
    if (logs->stream)
        engine_stream_close(logs->stream);
    log_lines_free(logs->lines);
    free(logs->ended);
    free(logs);
}
