#include "tests/unit/fake_engine.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUEST_MAX = 64 << 10 };

struct connection {
    struct fake_engine *fake;
    pthread_t thread;
    int fd;
    bool ended; /* closed by its thread; under the lock */
};

struct fake_engine {
    char folder[64], socket[80];
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    struct connection connections[CONNECTIONS_MAX];
    unsigned count;
    bool stopping;
    atomic_uint accepted, requests, open;
    fake_engine_serve *serve;
    void *context;
};

bool fake_engine_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool fake_engine_sends(int fd, const char *text)
{
    return fake_engine_send(fd, text, strlen(text));
}

bool fake_engine_answer(int fd, int status, const char *body)
{
    char *text = mem_printf("HTTP/1.1 %d Whatever\r\nApi-Version: 1.41\r\nContent-Type: "
                            "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                            status, strlen(body), body);
    bool sent = fake_engine_sends(fd, text);

    free(text);
    return sent;
}

bool fake_engine_chunk(int fd, const void *bytes, size_t len)
{
    char head[32];
    int n = snprintf(head, sizeof(head), "%zx\r\n", len);

    return fake_engine_send(fd, head, (size_t)n) && fake_engine_send(fd, bytes, len) &&
           fake_engine_send(fd, "\r\n", 2);
}

bool fake_engine_wait(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        continue;
    return false;
}

/* The bytes of the body that a head announces. */
static size_t body_length(const char *head)
{
    for (const char *line = head; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    }
    return 0;
}

/* One request into text; false: there is none any more. */
static bool read_request(int fd, char *text)
{
    const char *end = NULL;
    size_t len = 0, want = REQUEST_MAX - 1;

    text[0] = '\0';
    while (len < want) {
        ssize_t n = recv(fd, text + len, want - len, 0);

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        if (!end && (end = strstr(text, "\r\n\r\n")))
            want = (size_t)(end - text) + 4 + body_length(text);
    }
    return true;
}

static void *serve_connection(void *argument)
{
    struct connection *connection = argument;
    struct fake_engine *fake = connection->fake;
    char *request = mem_alloc(REQUEST_MAX);

    do {
        if (!read_request(connection->fd, request))
            break;
        atomic_fetch_add(&fake->requests, 1);
    } while (fake->serve(fake, connection->fd, request, fake->context));
    pthread_mutex_lock(&fake->lock);
    close(connection->fd);
    connection->ended = true;
    pthread_mutex_unlock(&fake->lock);
    atomic_fetch_sub(&fake->open, 1);
    free(request);
    return NULL;
}

static void *accept_connections(void *argument)
{
    struct fake_engine *fake = argument;

    for (;;) {
        int fd = accept(fake->fd, NULL, NULL);
        struct connection *connection;

        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&fake->lock);
        assert(fake->count < CONNECTIONS_MAX);
        connection = &fake->connections[fake->count++];
        *connection = (struct connection){.fake = fake, .fd = fd};
        if (fake->stopping)
            shutdown(fd, SHUT_RDWR);
        atomic_fetch_add(&fake->accepted, 1);
        atomic_fetch_add(&fake->open, 1);
        if (pthread_create(&connection->thread, NULL, serve_connection, connection) != 0)
            abort();
        pthread_mutex_unlock(&fake->lock);
    }
}

struct fake_engine *fake_engine_start(fake_engine_serve *serve, void *context)
{
    struct fake_engine *fake = mem_zalloc(sizeof(*fake));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(fake->folder, sizeof(fake->folder), "/tmp/fake_engine.XXXXXX");
    if (!mkdtemp(fake->folder))
        abort();
    snprintf(fake->socket, sizeof(fake->socket), "%s/e.sock", fake->folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->socket);
    fake->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake->serve = serve;
    fake->context = context;
    pthread_mutex_init(&fake->lock, NULL);
    if (bind(fake->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fake->fd, 64) != 0 ||
        pthread_create(&fake->thread, NULL, accept_connections, fake) != 0)
        abort();
    return fake;
}

void fake_engine_hang_up(struct fake_engine *fake)
{
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < fake->count; i++) {
        if (!fake->connections[i].ended)
            shutdown(fake->connections[i].fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&fake->lock);
}

void fake_engine_stop(struct fake_engine *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->stopping = true;
    pthread_mutex_unlock(&fake->lock);
    shutdown(fake->fd, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    fake_engine_hang_up(fake);
    for (unsigned i = 0; i < fake->count; i++)
        pthread_join(fake->connections[i].thread, NULL);
    close(fake->fd);
    unlink(fake->socket);
    rmdir(fake->folder);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const char *fake_engine_socket(const struct fake_engine *fake)
{
    return fake->socket;
}

unsigned fake_engine_connections(const struct fake_engine *fake)
{
    return atomic_load(&fake->accepted);
}

unsigned fake_engine_requests(const struct fake_engine *fake)
{
    return atomic_load(&fake->requests);
}

unsigned fake_engine_open(const struct fake_engine *fake)
{
    return atomic_load(&fake->open);
}
