#include "tests/unit/engine_bench.h"

#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TICK_MS = 5, FLOOD_CHUNK = 1 << 20 };

/* ---- the server ---- */

static bool serve_bytes(int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
    bool sent = true;

    for (const char *at = text; sent && *at; at++)
        sent = fake_engine_send(fd, at, 1);
    return sent;
}

static bool serve_big(int fd)
{
    char *block = mem_zalloc(FLOOD_CHUNK);
    bool sent = fake_engine_sends(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

    for (unsigned i = 0; sent && i <= ENGINE_BODY_MAX / FLOOD_CHUNK; i++)
        sent = fake_engine_chunk(fd, block, FLOOD_CHUNK);
    free(block);
    return sent && fake_engine_chunk(fd, "", 0);
}

/* Bytes that count: 0, 1, … 250, 0, … so that what is lost or comes twice is seen. */
static bool serve_flood(int fd)
{
    unsigned char *block = mem_alloc(FLOOD_CHUNK);
    bool sent = fake_engine_sends(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    unsigned next = 0;

    for (unsigned done = 0; sent && done < FLOOD_BYTES; done += FLOOD_CHUNK) {
        for (unsigned i = 0; i < FLOOD_CHUNK; i++, next = next == 250 ? 0 : next + 1)
            block[i] = (unsigned char)next;
        sent = fake_engine_chunk(fd, block, FLOOD_CHUNK);
    }
    free(block);
    return sent && fake_engine_chunk(fd, "", 0);
}

static bool serve_endless(int fd)
{
    return fake_engine_sends(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") &&
           fake_engine_chunk(fd, "one\n", 4) && fake_engine_wait(fd);
}

/* Answers when there are eight connections, or after a while. */
static bool serve_together(const struct fake_engine *fake, int fd)
{
    for (unsigned ms = 0; fake_engine_connections(fake) < 8 && ms < LONG_MS; ms++)
        usleep(1000);
    return fake_engine_answer(fd, 200, "all are there");
}

static bool serve(struct fake_engine *fake, int fd, const char *request, void *context)
{
    char path[64] = "";

    (void)context;
    sscanf(request, "%*s %63s", path);
    if (strcmp(path, "/hang") == 0)
        return fake_engine_wait(fd);
    if (strcmp(path, "/close") == 0)
        return false;
    if (strcmp(path, "/half") == 0)
        return fake_engine_sends(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[{\"Id\":") &&
               false;
    if (strcmp(path, "/head") == 0)
        return fake_engine_sends(fd, "HTTP/1.1 200 OK\r\nContent-Le") && false;
    if (strcmp(path, "/garbage") == 0)
        return fake_engine_sends(fd, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n") && fake_engine_wait(fd);
    if (strcmp(path, "/interim") == 0)
        return fake_engine_sends(fd, "HTTP/1.1 100 Continue\r\n\r\n") &&
               fake_engine_answer(fd, 200, "after it");
    if (strcmp(path, "/empty") == 0)
        return fake_engine_sends(fd, "HTTP/1.1 204 No Content\r\nApi-Version: 1.44\r\n\r\n");
    if (strcmp(path, "/missing") == 0)
        return fake_engine_answer(fd, 404, "{\"message\":\"No such container: x\"}");
    if (strcmp(path, "/redirect") == 0)
        return fake_engine_sends(fd, "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:9/\r\n"
                                     "Content-Length: 0\r\n\r\n");
    if (strcmp(path, "/together") == 0)
        return serve_together(fake, fd);
    if (strcmp(path, "/bytes") == 0)
        return serve_bytes(fd);
    if (strcmp(path, "/big") == 0)
        return serve_big(fd);
    if (strcmp(path, "/flood") == 0)
        return serve_flood(fd);
    if (strcmp(path, "/endless") == 0)
        return serve_endless(fd);
    return fake_engine_answer(fd, 200, request);
}

/* ---- the bench ---- */

static void on_tick(uv_timer_t *timer)
{
    struct bench *bench = timer->data;

    bench->expired = ++bench->ticks > LONG_MS / TICK_MS;
}

int bench_setup(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));

    uv_loop_init(&bench->loop);
    uv_timer_init(&bench->loop, &bench->ticker);
    bench->ticker.data = bench;
    uv_timer_start(&bench->ticker, on_tick, TICK_MS, TICK_MS);
    bench->fake = fake_engine_start(serve, bench);
    bench->engine = engine_new(&bench->loop, fake_engine_socket(bench->fake));
    *state = bench;
    return 0;
}

static void on_gone(void *context)
{
    ((struct bench *)context)->gone = true;
}

void bench_close_engine(struct bench *bench)
{
    bench->closing = true;
    engine_close(bench->engine, on_gone, bench);
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;
    bool gone;

    if (!bench->closing)
        bench_close_engine(bench);
    uv_close((uv_handle_t *)&bench->ticker, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    gone = bench->gone && uv_loop_close(&bench->loop) == 0;
    fake_engine_stop(bench->fake);
    free(bench);
    return gone ? 0 : -1;
}

void bench_answered(void *context, const struct engine_reply *reply)
{
    struct answer *answer = context;

    assert_int_equal(reply->body[reply->len], '\0');
    assert_true(!reply->error == (reply->status > 0));
    free(answer->body);
    free(answer->error);
    answer->count++;
    answer->status = reply->status;
    answer->body = mem_strndup(reply->body, reply->len);
    answer->len = reply->len;
    answer->error = mem_strdup(reply->error);
    answer->saved_errno = reply->saved_errno;
    snprintf(answer->api, sizeof(answer->api), "%s", reply->api ? reply->api : "");
}

void bench_answer_free(struct answer *answer)
{
    free(answer->body);
    free(answer->error);
    *answer = (struct answer){0};
}

void bench_ask(struct bench *bench, const char *method, const char *path, const char *body,
               unsigned timeout_ms, struct answer *answer)
{
    bench_answer_free(answer);
    engine_request(bench->engine, method, path, body, timeout_ms, bench_answered, answer);
    assert_int_equal(answer->count, 0);
    run_until(bench, answer->count);
    assert_int_equal(answer->count, 1);
}
