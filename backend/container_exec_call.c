#include "backend/container_exec_call.h"

#include "backend/base/mem.h"
#include "backend/container_parse.h"
#include "backend/container_socket.h"
#include "backend/job_internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PING_MS = 5000, HIJACK_MS = 60000, HEAD_MAX = 16384, BODY_MAX = 8 << 20 };

/* ---- words ---- */

/* Line breaks and tabs become spaces; what else a terminal obeys, C1 in UTF-8 too, is left out. */
char *container_clean(const char *text)
{
    struct strbuf clean = {0};

    strbuf_add(&clean, "", 0);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0)
            c++;
        else if (*c == '\n' || *c == '\r' || *c == '\t')
            strbuf_addc(&clean, ' ');
        else if (*c >= ' ' && *c != 0x7F)
            strbuf_addc(&clean, (char)*c);
    }
    while (clean.len && clean.s[clean.len - 1] == ' ')
        clean.s[--clean.len] = '\0';
    return strbuf_take(&clean);
}

char *container_refusal(const struct container_reply *reply)
{
    char *message = container_parse_error(reply->body, reply->len), *clean;

    if (!message)
        return mem_printf("it answers with status %ld", reply->status);
    clean = container_clean(message);
    free(message);
    return clean;
}

char *container_path_part(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct strbuf part = {0};

    strbuf_add(&part, "", 0);
    for (; *name; name++) {
        if (strchr(plain, *name))
            strbuf_addc(&part, *name);
        else
            strbuf_addf(&part, "%%%02X", (unsigned char)*name);
    }
    return strbuf_take(&part);
}

static char *unreachable(const char *socket, int error)
{
    char *hint = engine_refused_hint(socket, error);
    char *text =
        mem_printf("%s: %s%s%s", socket, strerror(error), hint ? ": " : "", hint ? hint : "");

    free(hint);
    return text;
}

/* ---- a question ---- */

struct called {
    struct strbuf body;
    char *api; /* room of 16 bytes, or NULL */
};

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct called *called = context;

    if (called->body.len + size * count > BODY_MAX)
        return 0;
    strbuf_add(&called->body, bytes, size * count);
    return size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    static const char name[] = "Api-Version:";
    const size_t len = size * count, skip = sizeof(name) - 1;
    struct called *called = context;

    if (called->api && len > skip && strncasecmp(bytes, name, skip) == 0) {
        size_t at = skip, end;

        while (at < len && bytes[at] == ' ')
            at++;
        for (end = at; end < len && strchr("0123456789.", bytes[end]) && bytes[end];)
            end++;
        snprintf(called->api, 16, "%.*s", (int)(end - at), bytes + at);
    }
    return len;
}

static void set_body(CURL *curl, const char *method, const char *body)
{
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static char *call_error(CURL *curl, CURLcode code, const char *socket, int timeout_ms)
{
    long number = 0;

    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number)
        return unreachable(socket, (int)number);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return mem_printf("%s: the engine did not answer in %d s", socket, timeout_ms / 1000);
    return mem_printf("%s: %s", socket, curl_easy_strerror(code));
}

static char *url_of(const struct container_client *client, const char *path)
{
    if (!*client->api)
        return mem_printf("http://engine%s", path);
    return mem_printf("http://engine/v%s%s", client->api, path);
}

static CURLcode perform(CURL *curl, const char *socket, const char *method, const char *url,
                        const char *body, long timeout_ms, struct called *called)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLcode code;

    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, called);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, called);
    set_body(curl, method, body);
    code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

static bool call(const struct container_client *client, const char *method, const char *path,
                 const char *body, int timeout_ms, struct called *called, long *status,
                 char **error)
{
    CURL *curl = curl_easy_init();
    char *url;
    CURLcode code;

    *error = NULL;
    if (!curl) {
        *error = mem_strdup("the HTTP library cannot be started");
        return false;
    }
    url = url_of(client, path);
    code = perform(curl, client->socket, method, url, body, timeout_ms, called);
    if (code != CURLE_OK)
        *error = call_error(curl, code, client->socket, timeout_ms);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    free(url);
    return code == CURLE_OK;
}

bool container_ask(const struct container_client *client, const char *method, const char *path,
                   const char *body, int timeout_ms, struct container_reply *reply, char **error)
{
    struct called called = {0};
    bool good;

    strbuf_add(&called.body, "", 0);
    *reply = (struct container_reply){0};
    good = call(client, method, path, body, timeout_ms, &called, &reply->status, error);
    reply->len = called.body.len;
    reply->body = strbuf_take(&called.body);
    if (!good)
        container_reply_free(reply);
    return good;
}

void container_reply_free(struct container_reply *reply)
{
    free(reply->body);
    *reply = (struct container_reply){0};
}

/* ---- finding it ---- */

static bool ping(struct container_client *client, char **error)
{
    struct called called = {.api = client->api};
    long status = 0;
    bool good = call(client, "GET", "/_ping", NULL, PING_MS, &called, &status, error);

    strbuf_free(&called.body);
    if (good && status != 200)
        *error = mem_printf("%s: it is no container engine: it answers with status %ld",
                            client->socket, status);
    return good && status == 200;
}

static bool is_there(const char *path)
{
    return path && access(path, F_OK) == 0;
}

/* The first that answers; else what the first says that is there at all. */
bool container_client_find(const char *docker_host, struct container_client *client, char **error)
{
    struct engine_places places = {0};
    const char *first = NULL; /* that the error is of */
    bool good = false;

    *error = NULL;
    *client = (struct container_client){0};
    engine_places(docker_host, &places);
    for (size_t i = 0; i < places.count && !good; i++) {
        char *why = NULL;

        client->socket = mem_strdup(places.items[i].path);
        if (client->socket)
            good = ping(client, &why);
        else
            why = mem_strdup(places.items[i].error);
        if (!good)
            container_client_close(client);
        if (why && (!*error || is_there(places.items[i].path) > is_there(first))) {
            free(*error);
            *error = why;
            first = places.items[i].path;
            why = NULL;
        }
        free(why);
    }
    engine_places_free(&places);
    if (!good && !*error)
        *error =
            mem_strdup("no container engine was found: give --socket PATH, or set DOCKER_HOST");
    if (good) {
        free(*error);
        *error = NULL;
    }
    return good;
}

void container_calls_prepare(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool container_client_open(const char *socket, struct container_client *client, char **error)
{
    *client = (struct container_client){0};
    if (!socket)
        return container_client_find(NULL, client, error);
    client->socket = mem_strdup(socket);
    if (ping(client, error))
        return true;
    container_client_close(client);
    return false;
}

void container_client_close(struct container_client *client)
{
    free(client->socket);
    *client = (struct container_client){0};
}

/* ---- a stream ---- */

static int connect_to(const char *path, char **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        *error = mem_printf("%s: a socket's path has at most %zu bytes", path,
                            sizeof(address.sun_path) - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    *error = unreachable(path, errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_request(int fd, const struct container_client *client, const char *path,
                         const char *body)
{
    const char *version = *client->api ? "/v" : "";
    char *text = mem_printf("POST %s%s%s HTTP/1.1\r\nHost: engine\r\n"
                            "Content-Type: application/json\r\nConnection: Upgrade\r\n"
                            "Upgrade: tcp\r\nContent-Length: %zu\r\n\r\n%s",
                            version, client->api, path, strlen(body), body);
    bool sent = send_all(fd, text, strlen(text));

    free(text);
    return sent;
}

/* Adds what has come. 0: the end; -1: an error, or too late. */
static ssize_t receive(int fd, struct strbuf *text, int64_t until)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    char room[4096];
    ssize_t n = -1;

    while (job_clock() < until) {
        int64_t left = until - job_clock();

        if (left <= 0 || poll(&in, 1, (int)left) <= 0)
            continue;
        n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (n > 0)
        strbuf_add(text, room, (size_t)n);
    return n;
}

/* Where the head of the answer ends, or 0: it did not come. */
static size_t read_head(int fd, struct strbuf *text, int64_t until)
{
    const char *end = NULL;

    while (!end && text->len < HEAD_MAX) {
        if (receive(fd, text, until) <= 0)
            return 0;
        end = strstr(text->s, "\r\n\r\n");
    }
    return end ? (size_t)(end - text->s) + 4 : 0;
}

static long status_of(const char *head)
{
    const char *space = strncmp(head, "HTTP/1.", 7) == 0 ? strchr(head, ' ') : NULL;

    return space ? strtol(space, NULL, 10) : 0;
}

/* The rest of an answer that refuses ends with the connection, or when all that is JSON is there. */
static char *read_refusal(int fd, struct strbuf *text, size_t head, long status)
{
    const int64_t until = job_clock() + 1000;
    struct container_reply reply = {.status = status};
    char *from, *line;

    while (text->len < HEAD_MAX && !strstr(text->s + head, "}") && receive(fd, text, until) > 0) {
    }
    from = strchr(text->s + head, '{'); /* after a chunk's length, if it has any */
    reply.body = from ? from : text->s + text->len;
    reply.len = from && strrchr(from, '}') ? (size_t)(strrchr(from, '}') + 1 - from) : 0;
    line = container_refusal(&reply);
    return line;
}

int container_hijack(const struct container_client *client, const char *path, const char *body,
                     struct strbuf *more, char **error)
{
    struct strbuf text = {0};
    int fd = connect_to(client->socket, error);
    size_t head = 0;
    long status = 0;

    if (fd < 0)
        return -1;
    if (send_request(fd, client, path, body))
        head = read_head(fd, &text, job_clock() + HIJACK_MS);
    if (head)
        status = status_of(text.s);
    if (status == 101 || status == 200) {
        strbuf_add(more, text.s + head, text.len - head);
    } else {
        *error = head ? read_refusal(fd, &text, head, status)
                      : mem_printf("%s: the engine did not called", client->socket);
        close(fd);
        fd = -1;
    }
    strbuf_free(&text);
    return fd;
}
