#include "tests/unit/watch_fake.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct connection {
    uv_pipe_t pipe;
    struct fake_docker *fake;
    struct strbuf in;
    char *held; /* a path that is not answered for now */
    bool streams, closing;
    char bytes[4096];
};

struct fake_docker {
    uv_loop_t *loop;
    char *path;
    uv_pipe_t *server;
    struct connection *connections[256];
    size_t connection_count;
    struct fake_container *containers[FAKE_MAX];
    size_t count;
    const char *api, *info, *image, *file, *file_text, *stats, *refused, *hold;
    int status;
    char **log;
    size_t log_count;
};

/* ---- answers ---- */

struct sending {
    uv_write_t request;
    char *bytes;
};

static void on_sent(uv_write_t *request, int status)
{
    struct sending *sending = request->data;

    (void)status;
    free(sending->bytes);
    free(sending);
}

static void send_bytes(struct connection *connection, struct strbuf *bytes)
{
    struct sending *sending = mem_zalloc(sizeof(*sending));
    uv_buf_t buf;

    buf.len = bytes->len;
    buf.base = sending->bytes = strbuf_take(bytes);
    sending->request.data = sending;
    uv_write(&sending->request, (uv_stream_t *)&connection->pipe, &buf, 1, on_sent);
}

static void reply(struct connection *connection, int status, const struct strbuf *body)
{
    struct strbuf out = {0};

    strbuf_addf(&out, "HTTP/1.1 %d X\r\nApi-Version: %s\r\nContent-Length: %zu\r\n\r\n", status,
                connection->fake->api, body->len);
    strbuf_add(&out, body->s ? body->s : "", body->len);
    send_bytes(connection, &out);
}

static void reply_text(struct connection *connection, int status, const char *text)
{
    struct strbuf body = {0};

    strbuf_adds(&body, text);
    reply(connection, status, &body);
    strbuf_free(&body);
}

static void reply_list(struct connection *connection)
{
    const struct fake_docker *fake = connection->fake;
    struct strbuf body = {0};

    strbuf_addc(&body, '[');
    for (size_t i = 0; i < fake->count; i++) {
        const struct fake_container *c = fake->containers[i];

        strbuf_addf(&body,
                    "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Image\":\"%s\",\"State\":\"%s\","
                    "\"Status\":\"%s %d seconds ago (%d)\"}",
                    i ? "," : "", c->id, c->name, c->image, c->state, c->state,
                    (int)fake->log_count, c->exit_code);
    }
    strbuf_addc(&body, ']');
    reply(connection, 200, &body);
    strbuf_free(&body);
}

static void reply_inspect(struct connection *connection, const struct fake_container *c)
{
    struct strbuf body = {0};
    const bool runs = strcmp(c->state, "running") == 0;

    strbuf_addf(
        &body,
        "{\"Id\":\"%s\",\"Name\":\"/%s\",\"Created\":\"2026-01-01T00:00:00Z\",\"Image\":\"%s\","
        "\"RestartCount\":%d,\"State\":{\"Status\":\"%s\",\"Running\":%s,\"Pid\":%d,"
        "\"ExitCode\":%d,\"OOMKilled\":%s,\"Error\":\"\",\"StartedAt\":\"%s\","
        "\"FinishedAt\":\"%s\"},",
        c->id, c->name, c->image_id, c->restarts, c->state, runs ? "true" : "false",
        runs ? c->pid : 0, c->exit_code, c->oom_killed ? "true" : "false", c->started, c->ended);
    strbuf_addf(
        &body,
        "\"Config\":{\"Image\":\"%s\",\"Env\":[%s],\"Cmd\":[\"server\"],\"Tty\":false},"
        "\"HostConfig\":{\"Memory\":134217728,\"OomScoreAdj\":0,"
        "\"RestartPolicy\":{\"Name\":\"always\"}},\"Mounts\":[],"
        "\"NetworkSettings\":{\"Ports\":{},\"Networks\":{\"backend\":{\"IPAddress\":\"%s\"}}}}",
        c->image, c->environment, runs ? c->address : "");
    reply(connection, 200, &body);
    strbuf_free(&body);
}

/* A tar archive with one file. */
static void reply_archive(struct connection *connection)
{
    const char *text = connection->fake->file_text;
    char header[512] = "secret";
    unsigned sum = 0;
    struct strbuf body = {0};
    char zeros[1024] = {0};
    const size_t len = strlen(text);

    memcpy(header + 100, "0000600", 8);
    memcpy(header + 108, "0000000", 8);
    memcpy(header + 116, "0000000", 8);
    snprintf(header + 124, 12, "%011o", (unsigned)len & 0xffffU);
    memcpy(header + 136, "00000000000", 12);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar", 6);
    memcpy(header + 263, "00", 3); /* version; the 0 is of the owner's name */
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    strbuf_add(&body, header, sizeof(header));
    strbuf_add(&body, text, len);
    strbuf_add(&body, zeros, (512 - len % 512) % 512 + 1024 - 512);
    reply(connection, 200, &body);
    strbuf_free(&body);
}

static void begin_stream(struct connection *connection)
{
    struct strbuf out = {0};

    connection->streams = true;
    strbuf_addf(&out,
                "HTTP/1.1 200 OK\r\nApi-Version: %s\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n",
                connection->fake->api);
    send_bytes(connection, &out);
}

static void answer_container(struct connection *connection, const char *path)
{
    const struct fake_docker *fake = connection->fake;
    const struct fake_container *c = NULL;

    for (size_t i = 0; i < fake->count; i++) {
        if (strstr(path, fake->containers[i]->id))
            c = fake->containers[i];
    }
    if (!c)
        reply_text(connection, 404, "{\"message\":\"No such container\"}");
    else if (strstr(path, "/archive?") && fake->file && strstr(path, fake->file))
        reply_archive(connection);
    else if (strstr(path, "/archive?"))
        reply_text(connection, 404, "{\"message\":\"no such file\"}");
    else if (strstr(path, "/stats?"))
        reply_text(connection, 200, fake->stats);
    else
        reply_inspect(connection, c);
}

static void answer(struct connection *connection, const char *path)
{
    const struct fake_docker *fake = connection->fake;
    char text[256];

    if (fake->refused && strstr(path, fake->refused))
        reply_text(connection, fake->status, "{\"message\":\"not you\"}");
    else if (strstr(path, "/_ping"))
        reply_text(connection, 200, "OK");
    else if (strstr(path, "/version"))
        reply_text(connection, 200, "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\"}");
    else if (strstr(path, "/info"))
        reply_text(connection, 200, fake->info);
    else if (strstr(path, "/events"))
        begin_stream(connection);
    else if (strstr(path, "/containers/json"))
        reply_list(connection);
    else if (strstr(path, "/images/")) {
        snprintf(text, sizeof(text), "{\"Id\":\"%s\"}", fake->image);
        reply_text(connection, 200, text);
    } else
        answer_container(connection, path);
}

/* ---- connections ---- */

static void take_request(struct connection *connection, const char *path)
{
    struct fake_docker *fake = connection->fake;

    fake->log = mem_array(fake->log, fake->log_count + 1, sizeof(char *));
    fake->log[fake->log_count++] = mem_strdup(path);
    if (fake->hold && strstr(path, fake->hold))
        connection->held = mem_strdup(path);
    else
        answer(connection, path);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct fake_docker *fake = connection->fake;

    for (size_t i = 0; i < fake->connection_count; i++) {
        if (fake->connections[i] == connection)
            fake->connections[i] = fake->connections[--fake->connection_count];
    }
    strbuf_free(&connection->in);
    free(connection->held);
    free(connection);
}

static void cut(struct connection *connection)
{
    if (!connection->closing)
        uv_close((uv_handle_t *)&connection->pipe, on_connection_closed);
    connection->closing = true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *connection = handle->data;

    (void)suggested;
    *buf = uv_buf_init(connection->bytes, sizeof(connection->bytes));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;
    const char *end;

    if (got < 0) {
        cut(connection);
        return;
    }
    strbuf_add(&connection->in, buf->base, (size_t)got);
    while ((end = connection->in.len ? strstr(connection->in.s, "\r\n\r\n") : NULL) != NULL) {
        char path[2048];

        assert(sscanf(connection->in.s, "GET %2047s HTTP", path) == 1);
        strbuf_drop(&connection->in, (size_t)(end - connection->in.s) + 4);
        take_request(connection, path);
    }
}

static void on_connect(uv_stream_t *server, int status)
{
    struct fake_docker *fake = server->data;
    struct connection *connection = mem_zalloc(sizeof(*connection));

    assert(status == 0 && fake->connection_count < 256);
    uv_pipe_init(fake->loop, &connection->pipe, 0);
    connection->pipe.data = connection;
    connection->fake = fake;
    fake->connections[fake->connection_count++] = connection;
    uv_accept(server, (uv_stream_t *)&connection->pipe);
    uv_read_start((uv_stream_t *)&connection->pipe, on_alloc, on_read);
}

/* ---- life ---- */

struct fake_docker *fake_new(uv_loop_t *loop, const char *path)
{
    struct fake_docker *fake = mem_zalloc(sizeof(*fake));

    fake->loop = loop;
    fake->path = mem_strdup(path);
    fake->api = "1.41";
    fake->info = "{\"OperatingSystem\":\"Debian\",\"SecurityOptions\":[\"name=seccomp\"]}";
    fake->image = "sha256:1";
    fake->stats = "{}";
    return fake;
}

void fake_listen(struct fake_docker *fake)
{
    int error;

    assert(!fake->server);
    fake->server = mem_zalloc(sizeof(*fake->server));
    unlink(fake->path);
    uv_pipe_init(fake->loop, fake->server, 0);
    fake->server->data = fake;
    error = uv_pipe_bind(fake->server, fake->path);
    if (!error)
        error = uv_listen((uv_stream_t *)fake->server, 64, on_connect);
    assert(!error);
}

static void on_server_closed(uv_handle_t *handle)
{
    free(handle);
}

void fake_die(struct fake_docker *fake)
{
    if (fake->server)
        uv_close((uv_handle_t *)fake->server, on_server_closed);
    fake->server = NULL;
    for (size_t i = 0; i < fake->connection_count; i++)
        cut(fake->connections[i]);
    unlink(fake->path);
}

void fake_free(struct fake_docker *fake)
{
    fake_die(fake);
    uv_run(fake->loop, UV_RUN_DEFAULT);
    assert(!fake->connection_count);
    for (size_t i = 0; i < fake->count; i++)
        free(fake->containers[i]);
    for (size_t i = 0; i < fake->log_count; i++)
        free(fake->log[i]);
    free(fake->log);
    free(fake->path);
    free(fake);
}

/* ---- what it has and does ---- */

struct fake_container *fake_add(struct fake_docker *fake, const char *name, const char *image)
{
    struct fake_container *c = mem_zalloc(sizeof(*c));
    size_t len = strlen(name);

    assert(fake->count < FAKE_MAX);
    for (size_t i = 0; i < sizeof(c->id) - 1; i++)
        c->id[i] = "0123456789abcdef"[(i < len ? (unsigned char)name[i] : i + len) % 16];
    snprintf(c->id, 5, "%04x", (unsigned)fake->count + 1);
    c->id[4] = 'f';
    c->name = name;
    c->image = image;
    c->image_id = "sha256:1";
    c->state = "running";
    c->started = "2026-01-02T00:00:00Z";
    c->ended = "0001-01-01T00:00:00Z";
    c->address = "172.18.0.2";
    c->environment = "";
    c->pid = 1999999999; /* nobody's */
    fake->containers[fake->count++] = c;
    return c;
}

struct fake_container *fake_get(struct fake_docker *fake, const char *name)
{
    for (size_t i = 0; i < fake->count; i++) {
        if (strcmp(fake->containers[i]->name, name) == 0)
            return fake->containers[i];
    }
    return NULL;
}

void fake_remove(struct fake_docker *fake, const char *name)
{
    for (size_t i = 0; i < fake->count; i++) {
        if (strcmp(fake->containers[i]->name, name) != 0)
            continue;
        free(fake->containers[i]);
        fake->containers[i] = fake->containers[--fake->count];
        return;
    }
}

void fake_set_api(struct fake_docker *fake, const char *api)
{
    fake->api = api;
}

void fake_set_info(struct fake_docker *fake, const char *json)
{
    fake->info = json;
}

void fake_set_image(struct fake_docker *fake, const char *id)
{
    fake->image = id;
}

void fake_set_file(struct fake_docker *fake, const char *path, const char *text)
{
    fake->file = path;
    fake->file_text = text;
}

void fake_set_stats(struct fake_docker *fake, const char *json)
{
    fake->stats = json;
}

void fake_refuse(struct fake_docker *fake, const char *part, int status)
{
    fake->refused = part;
    fake->status = status;
}

void fake_hold(struct fake_docker *fake, const char *part)
{
    fake->hold = part;
}

void fake_release(struct fake_docker *fake)
{
    fake->hold = NULL;
    for (size_t i = 0; i < fake->connection_count; i++) {
        struct connection *connection = fake->connections[i];
        char *path = connection->held;

        connection->held = NULL;
        if (path && !connection->closing)
            answer(connection, path);
        free(path);
    }
}

void fake_event_text(struct fake_docker *fake, const char *json)
{
    for (size_t i = 0; i < fake->connection_count; i++) {
        struct strbuf out = {0};

        if (!fake->connections[i]->streams || fake->connections[i]->closing)
            continue;
        strbuf_addf(&out, "%zx\r\n%s\n\r\n", strlen(json) + 1, json);
        send_bytes(fake->connections[i], &out);
    }
}

void fake_event(struct fake_docker *fake, const char *action, const char *name, int exit_code)
{
    const struct fake_container *c = fake_get(fake, name);
    struct strbuf json = {0};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    strbuf_addf(&json,
                "{\"Type\":\"container\",\"Action\":\"%s\",\"status\":\"%s\",\"id\":\"%s\","
                "\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"name\":\"%s\",\"exitCode\":\"%d\"}},"
                "\"time\":%lld,\"timeNano\":%lld}",
                action, action, c->id, c->id, name, exit_code, (long long)now.tv_sec,
                (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    fake_event_text(fake, json.s);
    strbuf_free(&json);
}

void fake_end_events(struct fake_docker *fake)
{
    for (size_t i = 0; i < fake->connection_count; i++) {
        if (fake->connections[i]->streams)
            cut(fake->connections[i]);
    }
}

size_t fake_streams(const struct fake_docker *fake)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->connection_count; i++)
        count += fake->connections[i]->streams && !fake->connections[i]->closing;
    return count;
}

size_t fake_asked(const struct fake_docker *fake, const char *part)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->log_count; i++)
        count += strstr(fake->log[i], part) != NULL;
    return count;
}

const char *fake_request(const struct fake_docker *fake, size_t index)
{
    return index < fake->log_count ? fake->log[index] : NULL;
}
