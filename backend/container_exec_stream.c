#include "backend/container_exec_stream.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 << 10, FRAME_HEAD = 8, EXCUSE_MAX = 4096 };

static const char excuse_begin[] = "OCI runtime exec failed";

/* A block of bytes on their way. */
struct flow {
    char *block;
    size_t at, len;
};

/* stdout or stderr. A write must not block while the other way is full. */
struct sink {
    int fd, own; /* own: the same file opened for us, not blocking; or -1 */
    bool socket, file;
};

struct pump {
    const struct exec_stream *stream;
    struct flow in, out;
    struct sink sinks[2];
    size_t frame;    /* bytes of it that are to come */
    unsigned target; /* of the frame: a sink */
    int blocked;     /* the sink that takes no more now, or -1 */
    bool source_ended, shut, deaf;
    bool begun; /* something of its output has been looked at */
    struct strbuf excuse;
    enum exec_end end;
    bool ended;
};

/* ---- sinks ---- */

/* The descriptor may be shared with other programs, which do not expect that it does not block: a
 * description of our own is opened. */
static void open_sink(struct sink *sink, int fd)
{
    struct stat file;
    char path[40];

    *sink = (struct sink){.fd = fd, .own = -1};
    if (fstat(fd, &file) != 0)
        return;
    sink->socket = S_ISSOCK(file.st_mode);
    sink->file = S_ISREG(file.st_mode) || S_ISBLK(file.st_mode);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (S_ISFIFO(file.st_mode) || S_ISCHR(file.st_mode))
        sink->own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool can_take(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};

    return poll(&out, 1, 0) > 0;
}

/* 0: it takes nothing now; -1: nobody reads it. */
static ssize_t write_sink(const struct sink *sink, const char *bytes, size_t len)
{
    ssize_t n;

    do {
        if (sink->socket)
            n = send(sink->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (sink->own >= 0)
            n = write(sink->own, bytes, len);
        else if (sink->file)
            n = write(sink->fd, bytes, len);
        else if (can_take(sink->fd)) /* so much never blocks then */
            n = write(sink->fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);
        else
            return 0;
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    return n;
}

static void finish(struct pump *pump, enum exec_end end)
{
    if (!pump->ended)
        pump->end = end;
    pump->ended = true;
}

/* ---- output ---- */

/* The engine's own words come as the program's output when there is no program. */
static bool is_excuse(struct pump *pump, const char *bytes, size_t len)
{
    const size_t want = sizeof(excuse_begin) - 1;

    if (pump->excuse.len)
        return pump->excuse.len < EXCUSE_MAX;
    if (pump->begun)
        return false;
    pump->begun = true;
    return len >= want && memcmp(bytes, excuse_begin, want) == 0;
}

/* Hands bytes of the output to the sink. False: no more for now. */
static bool hand_on(struct pump *pump, size_t len, unsigned target)
{
    const char *bytes = pump->out.block + pump->out.at;
    ssize_t n = (ssize_t)len;

    if (is_excuse(pump, bytes, len))
        strbuf_add(&pump->excuse, bytes, len);
    else
        n = write_sink(&pump->sinks[target], bytes, len);
    if (n < 0)
        finish(pump, EXEC_NO_SINK);
    if (n == 0)
        pump->blocked = (int)target;
    if (n <= 0)
        return false;
    pump->out.at += (size_t)n;
    pump->frame -= pump->stream->raw ? 0 : (size_t)n;
    return true;
}

/* {stream, 0, 0, 0, size in four bytes}. False: it has not come whole. */
static bool read_frame_head(struct pump *pump)
{
    const unsigned char *head = (const unsigned char *)pump->out.block + pump->out.at;

    if (pump->out.len - pump->out.at < FRAME_HEAD)
        return false;
    if (head[0] > 3 || head[1] || head[2] || head[3]) {
        finish(pump, EXEC_BROKEN);
        return false;
    }
    pump->target = head[0] >= 2;
    pump->frame =
        (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | (size_t)head[7];
    pump->out.at += FRAME_HEAD;
    return true;
}

static void deliver(struct pump *pump)
{
    struct flow *out = &pump->out;

    pump->blocked = -1;
    while (!pump->ended && out->at < out->len) {
        size_t left = out->len - out->at;

        if (pump->stream->raw) {
            if (!hand_on(pump, left, 0))
                return;
        } else if (pump->frame) {
            if (!hand_on(pump, left < pump->frame ? left : pump->frame, pump->target))
                return;
        } else if (!read_frame_head(pump)) {
            break;
        }
    }
    memmove(out->block, out->block + out->at, out->len - out->at); /* some bytes of a head */
    out->len -= out->at;
    out->at = 0;
}

static void receive(struct pump *pump)
{
    struct flow *out = &pump->out;
    ssize_t n = recv(pump->stream->socket, out->block + out->len, BLOCK - out->len, MSG_DONTWAIT);

    if (n > 0) {
        out->len += (size_t)n;
        deliver(pump);
    } else if (n == 0) {
        finish(pump, pump->frame || out->len ? EXEC_BROKEN : EXEC_ENDED);
    } else if (errno != EAGAIN && errno != EINTR) {
        finish(pump, errno == ECONNRESET ? EXEC_ENDED : EXEC_BROKEN);
    }
}

/* ---- input ---- */

static void read_source(struct pump *pump)
{
    ssize_t n = read(STDIN_FILENO, pump->in.block, BLOCK);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    pump->in.at = 0;
    pump->in.len = n > 0 ? (size_t)n : 0;
    pump->source_ended = n <= 0;
}

static void send_input(struct pump *pump)
{
    struct flow *in = &pump->in;
    ssize_t n = send(pump->stream->socket, in->block + in->at, in->len - in->at,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n > 0)
        in->at += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        pump->deaf = true; /* it wants no more, but may have something to say */
}

static void tell_end(struct pump *pump)
{
    if (pump->shut || !pump->source_ended || pump->in.at < pump->in.len)
        return;
    shutdown(pump->stream->socket, SHUT_WR);
    pump->shut = true;
}

/* ---- both ---- */

static void turn(struct pump *pump)
{
    const bool has_input = pump->in.at < pump->in.len && !pump->deaf;
    const bool wants_input = pump->in.at == pump->in.len && !pump->source_ended && !pump->deaf;
    const struct sink *waits = pump->blocked >= 0 ? &pump->sinks[pump->blocked] : NULL;
    struct pollfd fds[] = {
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = pump->stream->socket,
         .events = (short)((waits ? 0 : POLLIN) | (has_input ? POLLOUT : 0))},
        {.fd = waits ? waits->fd : -1, .events = POLLOUT},
        {.fd = pump->sinks[0].own, .events = 0}, /* says when its reader has gone */
    };

    if (waits && !has_input)
        fds[1].fd = -1; /* its end must wait, and would be told all the time */
    if (ppoll(fds, 4, NULL, pump->stream->waiting) < 0) {
        if (errno != EINTR)
            finish(pump, EXEC_BROKEN);
        return;
    }
    if (fds[3].revents & POLLERR)
        finish(pump, EXEC_NO_SINK);
    if (fds[0].revents)
        read_source(pump);
    if (fds[2].revents)
        deliver(pump);
    if (has_input && fds[1].revents & (POLLOUT | POLLHUP | POLLERR))
        send_input(pump);
    if (!waits && fds[1].revents & (POLLIN | POLLHUP | POLLERR))
        receive(pump);
}

static void begin(struct pump *pump, const struct strbuf *more)
{
    pump->in.block = mem_alloc(BLOCK);
    pump->out.block = mem_alloc(BLOCK);
    open_sink(&pump->sinks[0], STDOUT_FILENO);
    open_sink(&pump->sinks[1], STDERR_FILENO);
    pump->source_ended = !pump->stream->feeds;
    pump->shut = !pump->stream->feeds;
    if (more->len)
        memcpy(pump->out.block, more->s, more->len);
    pump->out.len = more->len;
    deliver(pump);
}

enum exec_end exec_stream_run(const struct exec_stream *stream, const struct strbuf *more,
                              char **excuse)
{
    struct pump pump = {.stream = stream, .blocked = -1};

    begin(&pump, more);
    while (!pump.ended) {
        tell_end(&pump);
        turn(&pump);
        if (!pump.ended && stream->heed && stream->heed(stream->context))
            finish(&pump, EXEC_HEEDED);
    }
    for (int i = 0; i < 2; i++) {
        if (pump.sinks[i].own >= 0)
            close(pump.sinks[i].own);
    }
    mem_free_secret(pump.in.block, BLOCK); /* a password may have gone through it */
    free(pump.out.block);
    *excuse = pump.excuse.len ? strbuf_take(&pump.excuse) : NULL;
    return pump.end;
}
