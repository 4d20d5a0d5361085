/* What requests and streams have in common: one transfer of libcurl each. */
#include "backend/base/mem.h"
#include "backend/container_engine_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* So many GET are under way at once: enough to inspect some hundred containers in a moment, and too few
 * to be a burden to the engine. */
enum { PARALLEL_MAX = 8 };

/* ---- libcurl's callbacks: they only take notes ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;

    return transfer->kind->take(transfer, bytes, size * count) ? size * count : 0;
}

/* The value of an Api-Version line, as far as it is one. */
static void note_api(struct transfer *transfer, const char *value, size_t len)
{
    size_t n = 0;

    while (len && *value == ' ') {
        value++;
        len--;
    }
    while (n < len && n + 1 < sizeof(transfer->api) && strchr("0123456789.", value[n]))
        n++;
    memcpy(transfer->api, value, n);
    transfer->api[n] = '\0';
}

/* A line each, also of an interim answer (1xx), and the blank line after the last one. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    static const char api[] = "Api-Version:";
    struct transfer *transfer = context;
    size_t len = size * count;
    long status = 0;

    if (len > sizeof(api) && strncasecmp(line, api, sizeof(api) - 1) == 0)
        note_api(transfer, line + sizeof(api) - 1, len - (sizeof(api) - 1));
    if (transfer->status || !len || !strchr("\r\n", *line))
        return len;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) {
        transfer->status = status;
        transfer->due = true;
    }
    return len;
}

/* ---- handles ---- */

static CURL *new_handle(struct engine *engine)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        abort(); /* out of memory */
    if (*engine->socket == '@')
        curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, engine->socket + 1);
    else
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, engine->socket);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, engine_open_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, engine_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, engine);
    return easy;
}

/* On a connection of its own libcurl does not repeat what an engine has perhaps done before it closed
 * the connection: what is not limited gets one. */
void transfer_init(struct transfer *transfer, struct engine *engine,
                   const struct transfer_kind *kind, const char *path, bool limited)
{
    char *url = mem_printf("http://localhost%s%s", engine->prefix, path);
    struct transfer **link = &engine->transfers;
    CURL *easy =
        limited && engine->spare_count ? engine->spares[--engine->spare_count] : new_handle(engine);

    *transfer = (struct transfer){
        .kind = kind, .engine = engine, .easy = easy, .limited = limited, .wake = ENGINE_NEVER};
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, limited ? 0L : 1L);
    free(url);
    while (*link)
        link = &(*link)->next;
    *link = transfer;
}

void transfer_start(struct transfer *transfer)
{
    struct engine *engine = transfer->engine;

    transfer->stage = TRANSFER_RUNNING;
    if (transfer->limited)
        engine->running++;
    if (curl_multi_add_handle(engine->multi, transfer->easy) != CURLM_OK)
        abort(); /* out of memory */
}

static void detach(struct transfer *transfer)
{
    if (transfer->stage != TRANSFER_RUNNING)
        return;
    curl_multi_remove_handle(transfer->engine->multi, transfer->easy);
    if (transfer->limited)
        transfer->engine->running--;
}

/* A queue that is full is no failure of the kind that libcurl knows for such a socket: it has no number
 * for it. (Nor has its CURLE_COULDNT_CONNECT another cause here without one.) */
static void note_refusal(struct transfer *transfer)
{
    long error = 0;

    if (transfer->result != CURLE_COULDNT_CONNECT || transfer->connect_errno)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
    transfer->connect_errno = error ? (int)error : EAGAIN;
}

void transfer_stop(struct transfer *transfer, CURLcode result)
{
    detach(transfer);
    transfer->stage = TRANSFER_DONE;
    /* A head that is cut off is no answer, whatever libcurl thinks of it. */
    transfer->result = result == CURLE_OK && !transfer->status ? CURLE_GOT_NOTHING : result;
    transfer->due = true;
    note_refusal(transfer);
}

void transfer_unlink(struct transfer *transfer)
{
    struct transfer **link = &transfer->engine->transfers;

    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
}

void transfer_release(struct transfer *transfer)
{
    struct engine *engine = transfer->engine;

    detach(transfer);
    if (transfer->limited && engine->spare_count < ENGINE_SPARES && !engine->closing)
        engine->spares[engine->spare_count++] = transfer->easy;
    else
        curl_easy_cleanup(transfer->easy);
    mem_free_secret(transfer->body.s, transfer->body.len); /* an inspection tells passwords */
    transfer->body = (struct strbuf){0};
}

/* ---- the ways to fail ---- */

static char *connect_error(const char *socket, int error)
{
    switch (error) {
    case EACCES:
    case EPERM: return mem_printf("%s is not for us: permission denied", socket);
    case ENOENT: return mem_printf("there is no socket %s", socket);
    case ECONNREFUSED: return mem_printf("nobody listens on %s: the engine does not run", socket);
    case EAGAIN:
        return mem_printf("%s takes no connection: the engine is stopped or overloaded", socket);
    default: return mem_printf("cannot connect to %s: %s", socket, strerror(error));
    }
}

char *transfer_error(const struct transfer *transfer)
{
    const char *socket = transfer->engine->socket;

    if (transfer->connect_errno)
        return connect_error(socket, transfer->connect_errno);
    switch (transfer->result) {
    case CURLE_OK: return NULL;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return mem_printf("the engine at %s closed the connection %s", socket,
                          transfer->status ? "in the middle of an answer" : "without an answer");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return mem_printf("%s does not speak HTTP: is it the socket of a container engine? (see "
                          "docker_host)",
                          socket);
    default:
        return mem_printf("the engine at %s: %s", socket, curl_easy_strerror(transfer->result));
    }
}

/* ---- what libcurl has done ---- */

static void collect(struct engine *engine)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(engine->multi, &left))) {
        CURLcode result = message->data.result;
        struct transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer_stop(transfer, result);
    }
}

void engine_admit(struct engine *engine)
{
    struct transfer *transfer = engine->transfers;

    for (; transfer && engine->running < PARALLEL_MAX; transfer = transfer->next) {
        if (transfer->stage == TRANSFER_QUEUED)
            transfer_start(transfer);
    }
}

static struct transfer *first_due(const struct engine *engine)
{
    struct transfer *transfer = engine->transfers;

    while (transfer && !transfer->due)
        transfer = transfer->next;
    return transfer;
}

/* An owner may do all that he can from where he is called, so that after each call only the engine is
 * known to be there (it is freed in a later turn of the loop). */
void engine_deliver(struct engine *engine)
{
    struct transfer *transfer;

    collect(engine);
    engine_admit(engine);
    while (!engine->closing && (transfer = first_due(engine))) {
        transfer->due = false;
        transfer->kind->deliver(transfer);
    }
}
