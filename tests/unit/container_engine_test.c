/* The engine's client against servers that behave, and such that do not: requests. */
#include "backend/base/mem.h"
#include "tests/unit/engine_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A GET whose error has these words. */
static void expect_error(struct bench *bench, const char *path, unsigned timeout_ms,
                         const char *words)
{
    struct answer answer = {0};

    bench_ask(bench, "GET", path, NULL, timeout_ms, &answer);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.len, 0);
    if (!strstr(answer.error, words))
        fail_msg("%s: %s", path, answer.error);
    assert_non_null(strstr(answer.error, engine_socket(bench->engine)));
    assert_null(strchr(answer.error, '\n'));
    bench_answer_free(&answer);
}

/* ---- requests ---- */

static void test_get(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    bench_ask(bench, "GET", "/containers/json?all=1", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.api, "1.41");
    assert_int_equal(strncmp(answer.body, "GET /containers/json?all=1 HTTP/1.1\r\n", 37), 0);
    engine_set_api(bench->engine, "1.41");
    bench_ask(bench, "GET", "/containers/json", NULL, LONG_MS, &answer);
    assert_int_equal(strncmp(answer.body, "GET /v1.41/containers/json HTTP/1.1\r\n", 37), 0);
    engine_set_api(bench->engine, NULL);
    bench_ask(bench, "GET", "/a/../b", NULL, LONG_MS, &answer);
    assert_int_equal(strncmp(answer.body, "GET /a/../b HTTP/1.1\r\n", 22), 0);
    bench_answer_free(&answer);
}

static void test_methods(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    bench_ask(bench, "POST", "/exec", "{\"Tty\":false}", LONG_MS, &answer);
    assert_int_equal(strncmp(answer.body, "POST /exec HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(answer.body, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer.body, "Content-Length: 13\r\n"));
    assert_null(strstr(answer.body, "Expect"));
    assert_non_null(strstr(answer.body, "\r\n\r\n{\"Tty\":false}"));
    bench_ask(bench, "POST", "/restart?t=10", NULL, LONG_MS, &answer);
    assert_int_equal(strncmp(answer.body, "POST /restart?t=10 HTTP/1.1\r\n", 29), 0);
    assert_non_null(strstr(answer.body, "Content-Length: 0\r\n"));
    bench_ask(bench, "DELETE", "/containers/x", NULL, LONG_MS, &answer);
    assert_int_equal(strncmp(answer.body, "DELETE /containers/x HTTP/1.1\r\n", 31), 0);
    bench_ask(bench, "HEAD", "/empty", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 204);
    bench_answer_free(&answer);
}

static void test_answers(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    bench_ask(bench, "GET", "/missing", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 404);
    assert_string_equal(answer.body, "{\"message\":\"No such container: x\"}");
    assert_null(answer.error);
    bench_ask(bench, "GET", "/empty", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer.body, "");
    assert_string_equal(answer.api, "1.44");
    bench_ask(bench, "GET", "/bytes", NULL, LONG_MS, &answer);
    assert_string_equal(answer.body, "hello world");
    assert_string_equal(answer.api, "");
    bench_ask(bench, "GET", "/interim", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "after it");
    bench_ask(bench, "GET", "/redirect", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 301);
    bench_answer_free(&answer);
}

static void test_bad_answers(void **state)
{
    struct bench *bench = *state;

    expect_error(bench, "/close", LONG_MS, "closed the connection without an answer");
    expect_error(bench, "/head", LONG_MS, "closed the connection without an answer");
    expect_error(bench, "/half", LONG_MS, "closed the connection in the middle of an answer");
    expect_error(bench, "/garbage", LONG_MS, "does not speak HTTP");
    expect_error(bench, "/big", LONG_MS, "answers with more than 8 MB");
    expect_error(bench, "/hang", 40, "in 0.04 s: the engine is stopped or overloaded");
}

/* What the environment says of proxies does not count. */
static void test_no_proxy(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_null(strstr(answer.body, "Proxy"));
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    bench_answer_free(&answer);
}

static void test_connection_is_kept(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    for (unsigned i = 0; i < 20; i++)
        bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(fake_engine_connections(bench->fake), 1);
    bench_answer_free(&answer);
}

/* The engine was started anew: of the connections that were kept none is alive. */
static void test_dead_connections(void **state)
{
    struct bench *bench = *state;
    struct answer answers[8] = {{0}}, answer = {0};

    for (size_t i = 0; i < 8; i++)
        engine_request(bench->engine, "GET", "/together", NULL, LONG_MS, bench_answered,
                       &answers[i]);
    for (size_t i = 0; i < 8; i++) {
        run_until(bench, answers[i].count);
        assert_int_equal(answers[i].status, 200);
        bench_answer_free(&answers[i]);
    }
    assert_int_equal(fake_engine_open(bench->fake), 8);
    fake_engine_hang_up(bench->fake);
    for (unsigned i = 0; i < 4; i++) {
        bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
        assert_int_equal(answer.status, 200);
    }
    bench_answer_free(&answer);
}

/* What an engine has perhaps begun to do is not asked for again. */
static void test_nothing_twice(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};

    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    bench_ask(bench, "POST", "/close", "{}", LONG_MS, &answer);
    assert_int_equal(answer.status, 0);
    assert_int_equal(fake_engine_requests(bench->fake), 2);
    bench_answer_free(&answer);
}

/* Eight hang, the others wait in line; all of them count their time, and what changes something does not
 * wait for them. */
static void test_hung(void **state)
{
    struct bench *bench = *state;
    struct answer answers[30] = {{0}}, answer = {0};

    for (size_t i = 0; i < 30; i++)
        engine_request(bench->engine, "GET", "/hang", NULL, 300, bench_answered, &answers[i]);
    bench_ask(bench, "POST", "/restart", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answers[0].count, 0);
    for (size_t i = 0; i < 30; i++) {
        run_until(bench, answers[i].count);
        assert_non_null(strstr(answers[i].error, "in 0.3 s"));
        bench_answer_free(&answers[i]);
    }
    assert_int_equal(fake_engine_connections(bench->fake), 9);
    bench_answer_free(&answer);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 200);
    bench_answer_free(&answer);
}

static void test_line(void **state)
{
    struct bench *bench = *state;
    struct answer answers[200] = {{0}};

    for (size_t i = 0; i < 200; i++)
        engine_request(bench->engine, "GET", "/ping", NULL, LONG_MS, bench_answered, &answers[i]);
    for (size_t i = 0; i < 200; i++) {
        run_until(bench, answers[i].count);
        assert_int_equal(answers[i].status, 200);
        bench_answer_free(&answers[i]);
    }
    assert_in_range(fake_engine_connections(bench->fake), 1, 8);
}

/* ---- sockets that refuse ---- */

static void expect_refusal(struct bench *bench, const char *socket, int error, const char *words)
{
    struct engine *good = bench->engine;
    struct answer answer = {0};

    bench->engine = engine_new(&bench->loop, socket);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.saved_errno, error);
    assert_non_null(strstr(answer.error, words));
    assert_non_null(strstr(answer.error, socket));
    bench_answer_free(&answer);
    engine_close(bench->engine, NULL, NULL);
    bench->engine = good;
}

static int listener(char *path, size_t size, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, size, "/tmp/container_engine_test.%d.sock", (int)getpid());
    unlink(path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void test_refused(void **state)
{
    struct bench *bench = *state;
    char path[64];
    int fd;

    expect_refusal(bench, "/tmp/there/is/none.sock", ENOENT, "there is no socket");
    fd = listener(path, sizeof(path), -1);
    expect_refusal(bench, path, ECONNREFUSED, "nobody listens");
    chmod(path, 0);
    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    expect_refusal(bench, path, EACCES, "permission denied");
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    close(fd);
    unlink(path);
}

/* A stopped engine whose queue is full: to connect would block. */
static void test_full_queue(void **state)
{
    struct bench *bench = *state;
    char path[64];
    int fds[64], fd = listener(path, sizeof(path), 0);
    size_t count = 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    while (count < 64) {
        fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[count++], (const struct sockaddr *)&address, sizeof(address)) != 0)
            break;
    }
    assert_int_equal(errno, EAGAIN);
    expect_refusal(bench, path, EAGAIN, "takes no connection");
    while (count)
        close(fds[--count]);
    close(fd);
    unlink(path);
}

static void test_long_path(void **state)
{
    struct bench *bench = *state;
    struct engine *good = bench->engine;
    struct answer answer = {0};
    char path[200];

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    bench->engine = engine_new(&bench->loop, path);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    assert_non_null(answer.error);
    engine_close(bench->engine, NULL, NULL);
    bench->engine = good;
    bench_answer_free(&answer);
}

/* A child of ours does not keep our connections open. */
static void test_descriptors_are_closed_in_children(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {0};
    bool before[256];

    for (int fd = 3; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    engine_close(bench->engine, NULL, NULL);
    bench->engine = engine_new(&bench->loop, fake_engine_socket(bench->fake));
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    for (int fd = 3; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        struct sockaddr_un peer;
        socklen_t len = sizeof(peer);

        /* The server's own end of it lies in this process, too. */
        if (flags >= 0 && !before[fd] && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            len > sizeof(sa_family_t))
            assert_true(flags & FD_CLOEXEC);
    }
    bench_answer_free(&answer);
}

/* ---- callbacks that do things ---- */

struct chain {
    struct bench *bench;
    struct answer answer;
    unsigned answers, left;
};

static void on_chain(void *context, const struct engine_reply *reply)
{
    struct chain *chain = context;

    assert_null(reply->error);
    chain->answers++;
    if (chain->left && chain->left--)
        engine_request(chain->bench->engine, "GET", "/ping", NULL, LONG_MS, on_chain, chain);
}

static void test_request_in_answer(void **state)
{
    struct bench *bench = *state;
    struct chain chain = {.bench = bench, .left = 50};

    engine_request(bench->engine, "GET", "/ping", NULL, LONG_MS, on_chain, &chain);
    run_until(bench, chain.answers == 51);
}

/* Asks again at once for what fails at once; the loop must turn nevertheless. */
static void on_failed_chain(void *context, const struct engine_reply *reply)
{
    struct chain *chain = context;

    assert_non_null(reply->error);
    chain->answers++;
    engine_request(chain->bench->engine, "GET", "/ping", NULL, LONG_MS, on_failed_chain, chain);
}

static void test_failing_does_not_hold_the_loop(void **state)
{
    struct bench *bench = *state;
    struct engine *good = bench->engine;
    struct chain chain = {.bench = bench};

    bench->engine = engine_new(&bench->loop, "/tmp/there/is/none.sock");
    engine_request(bench->engine, "GET", "/ping", NULL, LONG_MS, on_failed_chain, &chain);
    for (unsigned turn = 0; turn < 20; turn++)
        uv_run(&bench->loop, UV_RUN_ONCE);
    assert_in_range(chain.answers, 1, 20);
    engine_close(bench->engine, NULL, NULL);
    bench->engine = good;
}

static void never(void *context, const struct engine_reply *reply)
{
    (void)context;
    (void)reply;
    fail();
}

static void on_forget(void *context, const struct engine_reply *reply)
{
    struct chain *chain = context;

    (void)reply;
    chain->answers++;
    engine_forget(chain->bench->engine, &chain->left);
    engine_forget(chain->bench->engine, chain);
}

/* What is called off is not answered: what runs, what waits in line, what has its answer already. */
static void test_forget(void **state)
{
    struct bench *bench = *state;
    struct chain chain = {.bench = bench};
    struct answer answer = {0};

    for (unsigned i = 0; i < 12; i++)
        engine_request(bench->engine, "GET", "/hang", NULL, 200, never, &chain.left);
    engine_request(bench->engine, "POST", "/ping", NULL, LONG_MS, on_forget, &chain);
    engine_request(bench->engine, "POST", "/ping", NULL, LONG_MS, on_forget, &chain);
    run_until(bench, chain.answers);
    bench_ask(bench, "GET", "/ping", NULL, LONG_MS, &answer);
    bench_ask(bench, "GET", "/hang", NULL, 300, &answer);
    assert_int_equal(chain.answers, 1);
    bench_answer_free(&answer);
}

static void on_close(void *context, const struct engine_reply *reply)
{
    struct chain *chain = context;

    chain->answers++;
    bench_close_engine(chain->bench);
    assert_string_equal(reply->body, "");
    assert_int_equal(reply->status, 204);
    assert_false(chain->bench->gone);
}

static bool never_data(void *context, const char *bytes, size_t len)
{
    (void)context;
    (void)bytes;
    (void)len;
    return true;
}

static void never_ended(void *context, const char *error)
{
    (void)context;
    fail_msg("%s", error ? error : "");
}

static const struct engine_stream_events quiet = {.data = never_data, .ended = never_ended};

/* From inside an answer, while others run, wait in line and stream. */
static void test_close_in_answer(void **state)
{
    struct bench *bench = *state;
    struct chain chain = {.bench = bench};

    for (unsigned i = 0; i < 3; i++)
        engine_stream_open(bench->engine, "/endless", &quiet, NULL);
    engine_request(bench->engine, "POST", "/empty", NULL, LONG_MS, on_close, &chain);
    for (unsigned i = 0; i < 20; i++)
        engine_request(bench->engine, "GET", "/hang", NULL, LONG_MS, never, NULL);
    run_until(bench, bench->gone);
    assert_int_equal(chain.answers, 1);
}

static void test_close_at_once(void **state)
{
    struct bench *bench = *state;

    engine_stream_open(bench->engine, "/endless", &quiet, NULL);
    engine_request(bench->engine, "GET", "/ping", NULL, LONG_MS, never, NULL);
    bench_close_engine(bench);
    assert_false(bench->gone);
    run_until(bench, bench->gone);
}

static void test_escape(void **state)
{
    char *plain = engine_escape("shared_redis-1.x~"), *odd = engine_escape("a/b c?&#%\xc3\xa4");

    (void)state;
    assert_string_equal(plain, "shared_redis-1.x~");
    assert_string_equal(odd, "a%2Fb%20c%3F%26%23%25%C3%A4");
    free(plain);
    free(odd);
}

#define with_bench(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bench(test_get),
        with_bench(test_methods),
        with_bench(test_answers),
        with_bench(test_bad_answers),
        with_bench(test_no_proxy),
        with_bench(test_connection_is_kept),
        with_bench(test_dead_connections),
        with_bench(test_nothing_twice),
        with_bench(test_hung),
        with_bench(test_line),
        with_bench(test_refused),
        with_bench(test_full_queue),
        with_bench(test_long_path),
        with_bench(test_descriptors_are_closed_in_children),
        with_bench(test_request_in_answer),
        with_bench(test_failing_does_not_hold_the_loop),
        with_bench(test_forget),
        with_bench(test_close_in_answer),
        with_bench(test_close_at_once),
        cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
