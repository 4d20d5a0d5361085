/* The engine and its requests. Streams are in container_engine_stream.c. */
#include "backend/container_engine.h"

#include "backend/base/mem.h"
#include "backend/container_engine_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct transfer transfer; /* first */
    engine_answer *answer;
    void *context;
    struct curl_slist *headers;
    unsigned timeout_ms;
    bool late; /* its time is over, and it has got one more turn of the loop */
};

static struct request *request_of(struct transfer *transfer)
{
    return (struct request *)transfer;
}

/* ---- the kind ---- */

static bool request_take(struct transfer *transfer, const char *bytes, size_t len)
{
    if (len > ENGINE_BODY_MAX - transfer->body.len)
        return false;
    strbuf_add(&transfer->body, bytes, len);
    return true;
}

/* The time may have passed while we were stopped, and the answer may be waiting to be read. */
static void request_wake(struct transfer *transfer)
{
    struct request *request = request_of(transfer);

    if (transfer->stage == TRANSFER_DONE)
        return;
    if (request->late) {
        transfer_stop(transfer, CURLE_OPERATION_TIMEDOUT);
        return;
    }
    request->late = true;
    transfer->wake = uv_now(transfer->engine->loop) + 1;
}

static void request_destroy(struct transfer *transfer)
{
    struct request *request = request_of(transfer);

    transfer_release(transfer);
    curl_slist_free_all(request->headers);
    free(request);
}

static char *request_error(const struct request *request)
{
    const struct transfer *transfer = &request->transfer;

    if (transfer->result == CURLE_OPERATION_TIMEDOUT)
        return mem_printf("no answer from %s in %g s: the engine is stopped or overloaded",
                          transfer->engine->socket, request->timeout_ms / 1000.0);
    if (transfer->result == CURLE_WRITE_ERROR)
        return mem_printf("the engine at %s answers with more than %u MB", transfer->engine->socket,
                          ENGINE_BODY_MAX >> 20);
    return transfer_error(transfer);
}

/* A connection that was kept may have died, and all others with it: libcurl tries only some. */
static bool again(struct transfer *transfer)
{
    bool died = transfer->result == CURLE_SEND_ERROR || transfer->result == CURLE_RECV_ERROR ||
                transfer->result == CURLE_GOT_NOTHING;
    long opened = 0;

    if (!died || !transfer->limited || transfer->status)
        return false;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &opened);
    if (opened)
        return false;
    curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    transfer_start(transfer);
    return true;
}

static void request_deliver(struct transfer *transfer)
{
    const struct request *request = request_of(transfer);
    struct engine_reply reply = {.saved_errno = transfer->connect_errno};
    char *error;

    if (transfer->stage != TRANSFER_DONE || again(transfer))
        return;
    error = request_error(request);
    reply.error = error;
    if (!error) {
        reply.status = transfer->status;
        reply.api = *transfer->api ? transfer->api : NULL;
        reply.len = transfer->body.len;
    }
    reply.body = reply.len ? transfer->body.s : "";
    transfer_unlink(transfer);
    request->answer(request->context, &reply);
    free(error);
    request_destroy(transfer);
}

static const struct transfer_kind request_kind = {
    .take = request_take,
    .deliver = request_deliver,
    .wake = request_wake,
    .lost = request_destroy,
};

/* ---- asking ---- */

static void set_method(struct request *request, const char *method, const char *body)
{
    CURL *easy = request->transfer.easy;

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (strcmp(method, "POST") == 0 || body) {
        request->headers = curl_slist_append(request->headers, "Content-Type: application/json");
        request->headers = curl_slist_append(request->headers, "Expect:");
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body ? body : "");
    }
    if (strcmp(method, "POST") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

void engine_request(struct engine *engine, const char *method, const char *path, const char *body,
                    unsigned timeout_ms, engine_answer *answer, void *context)
{
    struct request *request = mem_zalloc(sizeof(*request));
    bool get = strcmp(method, "GET") == 0;

    assert(!engine->closing && timeout_ms && !(get && body));
    transfer_init(&request->transfer, engine, &request_kind, path, get);
    request->answer = answer;
    request->context = context;
    request->timeout_ms = timeout_ms;
    request->transfer.wake = uv_now(engine->loop) + timeout_ms;
    if (get) {
        engine_admit(engine);
    } else {
        set_method(request, method, body);
        transfer_start(&request->transfer);
    }
    engine_arm(engine);
}

void engine_forget(struct engine *engine, const void *context)
{
    struct transfer *next;

    for (struct transfer *transfer = engine->transfers; transfer; transfer = next) {
        next = transfer->next;
        if (transfer->kind != &request_kind || request_of(transfer)->context != context)
            continue;
        transfer_unlink(transfer);
        request_destroy(transfer);
    }
    if (!engine->closing)
        engine_admit(engine);
}

char *engine_escape(const char *part)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~";
    struct strbuf escaped = {0};

    for (; *part; part++) {
        if (strchr(plain, *part))
            strbuf_addc(&escaped, *part);
        else
            strbuf_addf(&escaped, "%%%02X", (unsigned)(unsigned char)*part);
    }
    return strbuf_take(&escaped);
}

/* ---- opening, closing ---- */

struct engine *engine_new(uv_loop_t *loop, const char *socket)
{
    struct engine *engine = mem_zalloc(sizeof(*engine));

    engine->loop = loop;
    engine->socket = mem_strdup(socket);
    engine->prefix = mem_strdup("");
    if (!engine_loop_open(engine))
        abort(); /* out of memory */
    return engine;
}

void engine_set_api(struct engine *engine, const char *api)
{
    free(engine->prefix);
    engine->prefix = api ? mem_printf("/v%s", api) : mem_strdup("");
}

const char *engine_socket(const struct engine *engine)
{
    return engine->socket;
}

void engine_close(struct engine *engine, void (*gone)(void *context), void *context)
{
    assert(!engine->closing);
    engine->closing = true;
    engine->current = NULL;
    engine->gone = gone;
    engine->gone_context = context;
    while (engine->transfers) {
        struct transfer *transfer = engine->transfers;

        engine->transfers = transfer->next;
        transfer->kind->lost(transfer);
    }
    while (engine->spare_count)
        curl_easy_cleanup(engine->spares[--engine->spare_count]);
    engine_loop_close(engine);
}
