/* Answers without an end. What came while libcurl was reading is given to the owner afterwards, so that
 * he may close the stream, or the engine, from where he is called. */
#include "backend/base/mem.h"
#include "backend/container_engine_impl.h"
#include "backend/container_parse.h"

#include <stdlib.h>

/* Of an error's answer; and of a stream in one turn of the loop: libcurl alone reads megabytes. */
enum { MESSAGE_MAX = 64 << 10, TURN_MAX = 64 << 10 };

struct engine_stream {
    struct transfer transfer; /* first */
    const struct engine_stream_events *events;
    void *context;
    bool begun;
    bool resting; /* its owner does not want more for now */
    bool held;    /* so that libcurl does not read */
};

static struct engine_stream *stream_of(struct transfer *transfer)
{
    return (struct engine_stream *)transfer;
}

static bool succeeded(const struct transfer *transfer)
{
    return transfer->status >= 200 && transfer->status < 300;
}

static void hold(struct engine_stream *stream, bool held)
{
    if (stream->held == held || stream->transfer.stage != TRANSFER_RUNNING)
        return;
    stream->held = held;
    curl_easy_pause(stream->transfer.easy, held ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

static bool stream_take(struct transfer *transfer, const char *bytes, size_t len)
{
    if (!succeeded(transfer) && len > MESSAGE_MAX - transfer->body.len)
        return false;
    strbuf_add(&transfer->body, bytes, len);
    transfer->due = true;
    if (succeeded(transfer) && transfer->body.len >= TURN_MAX)
        hold(stream_of(transfer), true);
    return true;
}

static void stream_wake(struct transfer *transfer)
{
    stream_of(transfer)->resting = false;
    transfer->due = true;
}

static void stream_destroy(struct transfer *transfer)
{
    transfer_release(transfer);
    free(stream_of(transfer));
}

static void stream_lost(struct transfer *transfer)
{
    const struct engine_stream *stream = stream_of(transfer);
    void (*lost)(void *context) = stream->events->lost;
    void *context = stream->context;

    stream_destroy(transfer);
    if (lost)
        lost(context);
}

/* False: the stream is gone. The bytes are not the stream's while the owner has them: it may go. */
static bool give(struct engine_stream *stream)
{
    struct transfer *transfer = &stream->transfer;
    struct engine *engine = transfer->engine;
    struct strbuf bytes = transfer->body;
    bool taken;

    transfer->body = (struct strbuf){0};
    engine->current = transfer;
    taken = stream->events->data(stream->context, bytes.s, bytes.len);
    if (engine->current != transfer) {
        strbuf_free(&bytes);
        return false;
    }
    engine->current = NULL;
    if (taken)
        strbuf_clear(&bytes);
    stream->resting = !taken;
    transfer->body = bytes;
    return true;
}

static bool begin(struct engine_stream *stream)
{
    struct engine *engine = stream->transfer.engine;

    stream->begun = true;
    if (!stream->events->begun)
        return true;
    engine->current = &stream->transfer;
    stream->events->begun(stream->context);
    if (engine->current != &stream->transfer)
        return false;
    engine->current = NULL;
    return true;
}

/* Why it has ended; NULL: the engine has come to its end. */
static char *end_error(const struct engine_stream *stream)
{
    const struct transfer *transfer = &stream->transfer;
    char *message, *error = NULL;

    if (transfer->result != CURLE_OK && transfer->result != CURLE_WRITE_ERROR)
        return transfer_error(transfer);
    if (succeeded(transfer))
        return NULL;
    message = container_parse_error(transfer->body.len ? transfer->body.s : "", transfer->body.len);
    if (message)
        error = mem_printf("the engine refuses: %s", message);
    else
        error = mem_printf("the engine refuses: HTTP status %ld", transfer->status);
    free(message);
    return error;
}

static void end(struct engine_stream *stream)
{
    char *error = end_error(stream);

    transfer_unlink(&stream->transfer);
    stream->events->ended(stream->context, error);
    free(error);
    stream_destroy(&stream->transfer);
}

static void stream_deliver(struct transfer *transfer)
{
    struct engine_stream *stream = stream_of(transfer);

    if (succeeded(transfer)) {
        if (!stream->begun && !begin(stream))
            return;
        if (transfer->body.len && !stream->resting && !give(stream))
            return;
        hold(stream, stream->resting);
        if (transfer->body.len)
            return;
    }
    if (transfer->stage == TRANSFER_DONE)
        end(stream);
}

static const struct transfer_kind stream_kind = {
    .take = stream_take,
    .deliver = stream_deliver,
    .wake = stream_wake,
    .lost = stream_lost,
};

struct engine_stream *engine_stream_open(struct engine *engine, const char *path,
                                         const struct engine_stream_events *events, void *context)
{
    struct engine_stream *stream = mem_zalloc(sizeof(*stream));

    transfer_init(&stream->transfer, engine, &stream_kind, path, false);
    stream->events = events;
    stream->context = context;
    transfer_start(&stream->transfer);
    engine_arm(engine);
    return stream;
}

void engine_stream_resume(struct engine_stream *stream, unsigned after_ms)
{
    struct transfer *transfer = &stream->transfer;

    transfer->wake = uv_now(transfer->engine->loop) + after_ms;
    engine_arm(transfer->engine);
}

void engine_stream_close(struct engine_stream *stream)
{
    struct transfer *transfer = &stream->transfer;

    if (transfer->engine->current == transfer)
        transfer->engine->current = NULL;
    transfer_unlink(transfer);
    stream_destroy(transfer);
}
