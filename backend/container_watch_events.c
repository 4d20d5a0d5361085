/* The engine's events: which container is to be inspected anew, and what no inspection tells. */
#include "backend/container_watch_impl.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 20, LIVED = 10000, REOPEN_FIRST = 250, REOPEN_LAST = 30000 };

#define FILTERS "{\"type\":[\"container\",\"image\",\"network\"]}"

/* ---- one event ---- */

/* One that was asked to end: a person's restart is none to be alarmed about. */
static bool ended_in_order(const struct watch_entry *entry)
{
    return entry->exit_code == 0 || entry->exit_code == 128 + SIGTERM;
}

static void note_start(struct watch_entry *entry, bool again)
{
    if (entry->ended && !again && !ended_in_order(entry))
        watch_times_add(&entry->starts, watch_wall());
    entry->ended = false;
}

static void note_end(struct watch_entry *entry, int exit_code)
{
    entry->ended = true;
    entry->exit_code = exit_code;
}

/* again: it may be one of those that came before the stream was opened anew. */
static void take_event(struct container_watch *watch, const struct container_event *event,
                       bool again)
{
    struct watch_entry *entry = event->id[0] ? watch_entry_find(watch, event->id) : NULL;

    if (event->kind == EVENT_IMAGE)
        watch_images_stale(watch);
    if (event->kind == EVENT_REMOVED && entry)
        watch_entry_gone(entry);
    if (!event->id[0] || event->kind == EVENT_OTHER || event->kind == EVENT_IMAGE ||
        event->kind == EVENT_REMOVED)
        return;
    entry = entry ? entry : watch_entry_add(watch, event->id);
    entry->wanted = true;
    if (event->kind == EVENT_STARTED)
        note_start(entry, again);
    if (event->kind == EVENT_DIED)
        note_end(entry, event->exit_code);
    if (event->kind == EVENT_OOM)
        watch_entry_oom(entry, isnan(event->time) ? watch_wall() : event->time);
    watch_touch(watch);
}

static void take_line(struct container_watch *watch, const char *line, size_t len)
{
    struct container_event event;
    bool again;

    if (!container_parse_event(line, len, &event))
        return;
    again = event.time < watch->event_time;
    if (!isnan(event.time) && !again)
        watch->event_time = event.time;
    take_event(watch, &event, again);
}

/* ---- the stream ---- */

static bool on_data(void *context, const char *bytes, size_t len)
{
    struct container_watch *watch = context;
    const char *end;

    while ((end = memchr(bytes, '\n', len)) != NULL) {
        const size_t part = (size_t)(end - bytes);

        strbuf_add(&watch->line, bytes, part);
        if (!watch->skip_line)
            take_line(watch, watch->line.s, watch->line.len);
        strbuf_clear(&watch->line);
        watch->skip_line = false;
        bytes += part + 1;
        len -= part + 1;
    }
    strbuf_add(&watch->line, bytes, len);
    if (watch->line.len > LINE_MAX_BYTES) {
        strbuf_clear(&watch->line);
        watch->skip_line = true;
    }
    return true;
}

/* The list shows whether the engine is there at all. */
static void on_ended(void *context, const char *error)
{
    struct container_watch *watch = context;
    const uint64_t now = uv_now(watch->loop);
    uint64_t delay = REOPEN_FIRST;

    (void)error;
    if (now - watch->stream_at > LIVED)
        watch->stream_failures = 0;
    for (unsigned i = 0; i < watch->stream_failures && delay < REOPEN_LAST; i++)
        delay *= 2;
    watch->stream_failures++;
    watch->stream = NULL;
    watch->stream_at = now + (delay < REOPEN_LAST ? delay : REOPEN_LAST);
    watch->want_list = true;
    watch_touch(watch);
}

void watch_stream_step(struct container_watch *watch)
{
    static const struct engine_stream_events events = {.data = on_data, .ended = on_ended};
    const double since = isnan(watch->event_time) ? watch->since : watch->event_time - 0.001;
    struct strbuf path = {0};
    char *filters;

    if (watch->stream || uv_now(watch->loop) < watch->stream_at)
        return;
    filters = engine_escape(FILTERS);
    strbuf_addf(&path, "/events?since=%.6f&filters=%s", since, filters);
    strbuf_clear(&watch->line);
    watch->skip_line = false;
    watch->stream_at = uv_now(watch->loop);
    watch->stream = engine_stream_open(watch->engine, path.s, &events, watch);
    strbuf_free(&path);
    free(filters);
}

void watch_stream_close(struct container_watch *watch)
{
    if (watch->stream)
        engine_stream_close(watch->stream);
    watch->stream = NULL;
}
