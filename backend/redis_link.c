#include "backend/redis_link.h"

#include "backend/monitor_parse.h"
#include "backend/redis_tls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* No answer that we ask for is as long: a server that sends more does not get our memory. */
enum { ANSWER_MAX = 64 << 20 };

int redis_link_fd(const struct redis_link *link)
{
    return (int)link->context->fd;
}

const char *redis_link_tls(const struct redis_link *link)
{
    return link->ssl ? redis_tls_version(link->ssl) : NULL;
}

bool redis_link_open(struct redis_link *link, const struct redis_address *address,
                     struct redis_fault *fault)
{
    redisContext *context;

    if (address->user && !address->password) {
        redis_fault_set(fault, "the url names a user without a password",
                        "write redis://user:password@host (redis://:password@host if that is the "
                        "password), or set env_file and password_key");
        return false;
    }
    if (address->tls && !redis_tls_built(fault))
        return false;
    errno = 0;
    context = address->path ? redisConnectUnixNonBlock(address->path)
                            : redisConnectNonBlock(address->host, address->port);
    if (!context || context->err) {
        int error = errno;

        if (context)
            redisFree(context);
        redis_fault_system(error ? error : EINVAL, false, address, fault);
        return false;
    }
    /* A child that inherited it would keep the connection open, unread, when we are gone. */
    fcntl((int)context->fd, F_SETFD, FD_CLOEXEC);
    *link = (struct redis_link){.stage = LINK_CONNECTING, .context = context, .address = address};
    return true;
}

void redis_link_close(struct redis_link *link)
{
    if (link->context)
        redisFree(link->context);
    *link = (struct redis_link){0};
}

short redis_link_events(const struct redis_link *link)
{
    switch (link->stage) {
    case LINK_CLOSED: return 0;
    case LINK_CONNECTING: return POLLOUT;
    case LINK_TLS: return (short)link->tls_events;
    case LINK_GREETING:
    case LINK_READY: break;
    }
    return (short)(POLLIN | (link->unsent ? POLLOUT : 0));
}

/* ---- commands and answers ---- */

size_t redis_link_append(struct redis_link *link, int argc, const char **argv,
                         const size_t *lengths)
{
    char *command;
    int len = redisFormatCommandArgv(&command, argc, argv, lengths);

    if (len < 0 || redisAppendFormattedCommand(link->context, command, (size_t)len) != REDIS_OK)
        abort(); /* out of memory */
    redisFreeCommand(command);
    link->unsent = true;
    return (size_t)len;
}

static bool broken(const struct redis_link *link, int error, struct redis_fault *fault)
{
    const redisContext *context = link->context;
    bool hung_up = context->err == REDIS_ERR_IO && (error == ECONNRESET || error == EPIPE);

    if (context->err == REDIS_ERR_EOF || hung_up)
        redis_fault_closed(link->heard, link->address, fault);
    else if (context->err == REDIS_ERR_IO)
        redis_fault_system(error, link->heard, link->address, fault);
    else
        redis_fault_protocol(link->address, fault);
    return false;
}

bool redis_link_flush(struct redis_link *link, struct redis_fault *fault)
{
    int done = 1;

    if (redisBufferWrite(link->context, &done) != REDIS_OK)
        return broken(link, errno, fault);
    link->unsent = !done;
    return true;
}

bool redis_link_fill(struct redis_link *link, struct redis_fault *fault)
{
    /* After a write that failed there may still be an answer to read, which says why. */
    link->context->err = 0;
    if (redisBufferRead(link->context) != REDIS_OK)
        return broken(link, errno, fault);
    if (link->context->reader->len > ANSWER_MAX) {
        redis_fault_set(fault, "the server's answer is larger than 64 MB", NULL);
        return false;
    }
    return true;
}

bool redis_link_reply(struct redis_link *link, redisReply **reply, struct redis_fault *fault)
{
    void *got = NULL;

    if (redisGetReplyFromReader(link->context, &got) != REDIS_OK)
        return broken(link, 0, fault);
    *reply = got;
    link->heard |= got != NULL;
    return true;
}

ssize_t redis_link_read(struct redis_link *link, char *to, size_t size, struct redis_fault *fault)
{
    redisReader *reader = link->context->reader;
    ssize_t n;

    if (reader->pos < reader->len) {
        size_t left = reader->len - reader->pos;

        n = (ssize_t)(left < size ? left : size);
        memcpy(to, reader->buf + reader->pos, (size_t)n);
        reader->pos += (size_t)n;
        return n;
    }
#if HIREDIS_MAJOR >= 1
    if (link->ssl) {
        n = link->context->funcs->read(link->context, to, size);
        if (n < 0)
            broken(link, errno, fault);
        return n;
    }
#endif
    n = recv(redis_link_fd(link), to, size, MSG_DONTWAIT);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    link->context->err = n < 0 ? REDIS_ERR_IO : REDIS_ERR_EOF;
    broken(link, errno, fault);
    return -1;
}

void redis_link_silent(const struct redis_link *link, struct redis_fault *fault)
{
    switch (link->stage) {
    case LINK_CLOSED:
    case LINK_CONNECTING: redis_fault_system(ETIMEDOUT, false, link->address, fault); break;
    case LINK_TLS:
        redis_fault_set(fault, "the server does not answer in TLS",
                        "is this port for TLS? if not: redis:// instead of rediss://");
        break;
    case LINK_GREETING:
    case LINK_READY:
        redis_fault_set(fault, "the server takes the connection, but does not answer",
                        "it may be stopped, busy with a slow command, or no Redis");
        break;
    }
}

/* ---- the way to LINK_READY ---- */

static void begin_greeting(struct redis_link *link)
{
    const struct redis_address *address = link->address;
    const char *name[] = {"CLIENT", "SETNAME", REDIS_CLIENT_NAME};
    char spelt[MONITOR_SPELT];
    const char *auth[] = {monitor_spell("AUTH", spelt), NULL, NULL};
    int argc = 1;

    if (address->user)
        auth[argc++] = address->user;
    if (address->password) {
        auth[argc++] = address->password;
        redis_link_append(link, argc, auth, NULL);
    }
    redis_link_append(link, 3, name, NULL);
    link->stage = LINK_GREETING;
}

static bool tls_step(struct redis_link *link, struct redis_fault *fault)
{
    link->tls_events = redis_tls_step(link->ssl, fault);
    if (link->tls_events < 0)
        return false;
    if (link->tls_events == 0)
        begin_greeting(link);
    return true;
}

static bool connected(struct redis_link *link, struct redis_fault *fault)
{
    int error = 0, on = 1;
    socklen_t size = sizeof(error);

    if (getsockopt(redis_link_fd(link), SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error) {
        redis_fault_system(error, false, link->address, fault);
        return false;
    }
    if (!link->address->path)
        setsockopt(redis_link_fd(link), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!link->address->tls) {
        begin_greeting(link);
        return true;
    }
    link->ssl = redis_tls_begin(link->context, link->address, fault);
    link->stage = LINK_TLS;
    return link->ssl && tls_step(link, fault);
}

/* Only what makes the connection useless is a fault: a server without a password that is given one,
 * or a user that may not set its name, is as good as any. */
static bool check_greeting(struct redis_link *link, const redisReply *reply,
                           struct redis_fault *fault)
{
    bool has_auth = link->address->password != NULL;
    const char *command = has_auth && link->greeted == 0 ? "auth" : "client|setname";

    link->greeted++;
    if (link->greeted == (has_auth ? 2U : 1U))
        link->stage = LINK_READY;
    return reply->type != REDIS_REPLY_ERROR ||
           !redis_fault_reply(reply->str, reply->len, command, link->address, fault);
}

static bool greet(struct redis_link *link, struct redis_fault *fault)
{
    bool open = redis_link_flush(link, fault);

    open = redis_link_fill(link, fault) && open;
    while (link->stage == LINK_GREETING) {
        redisReply *reply = NULL;
        bool good;

        if (!redis_link_reply(link, &reply, fault))
            return false;
        if (!reply)
            break;
        good = check_greeting(link, reply, fault);
        freeReplyObject(reply);
        if (!good)
            return false;
    }
    return open;
}

bool redis_link_step(struct redis_link *link, struct redis_fault *fault)
{
    switch (link->stage) {
    case LINK_CONNECTING: return connected(link, fault);
    case LINK_TLS: return tls_step(link, fault);
    case LINK_GREETING: return greet(link, fault);
    case LINK_CLOSED:
    case LINK_READY: break;
    }
    assert(link->stage == LINK_READY);
    return true;
}
