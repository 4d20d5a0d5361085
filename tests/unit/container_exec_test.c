/* The stream of a program in a container, without an engine: however its frames are cut, both ways at
 * once, and what no engine should send. Each runs in a process with pipes for its stdin and stdout. */
#include "backend/base/mem.h"
#include "backend/container_exec.h"
#include "backend/container_exec_call.h"
#include "backend/container_exec_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000, LOTS = 8 << 20 };

struct child {
    pid_t pid;
    int engine, in, out, err; /* our ends */
};

/* The exit status is the end, plus 10 when there was an excuse. */
static _Noreturn void be_child(const int *fds, const struct strbuf *more, bool raw)
{
    const struct exec_stream stream = {.socket = 3, .feeds = true, .raw = raw};
    char *excuse;
    int high[4], end;

    for (int i = 0; i < 4; i++)
        high[i] = fcntl(fds[i], F_DUPFD, 50);
    for (int i = 0; i < 4; i++)
        dup2(high[i], i);
    close_range(4, ~0U, 0);
    end = (int)exec_stream_run(&stream, more, &excuse);
    _exit(end + (excuse ? 10 : 0));
}

static struct child start(const char *more, size_t more_len, bool raw)
{
    struct strbuf begun = {0};
    int engine[2], in[2], out[2], err[2];
    struct child child;

    if (more_len)
        strbuf_add(&begun, more, more_len);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, engine), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0)
        be_child((const int[]){in[0], out[1], err[1], engine[1]}, &begun, raw);
    strbuf_free(&begun);
    close(engine[1]);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    child.engine = engine[0];
    child.in = in[1];
    child.out = out[0];
    child.err = err[0];
    return child;
}

static int finish(struct child *child)
{
    int status;

    if (child->engine >= 0)
        close(child->engine);
    if (child->in >= 0)
        close(child->in);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    if (child->out >= 0)
        close(child->out);
    close(child->err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void wait_for(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    assert_true(poll(&one, 1, PATIENCE_MS) > 0);
}

/* Exactly so many bytes. */
static void read_all(int fd, char *room, size_t len)
{
    while (len) {
        ssize_t n;

        wait_for(fd, POLLIN);
        n = read(fd, room, len);
        assert_true(n > 0);
        room += n;
        len -= (size_t)n;
    }
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n;

        wait_for(fd, POLLOUT);
        n = write(fd, bytes, len);
        assert_true(n > 0);
        bytes += n;
        len -= (size_t)n;
    }
}

static void add_frame(struct strbuf *text, char stream, const char *bytes, size_t len)
{
    const char head[] = {stream,           0,        0, 0, (char)(len >> 24), (char)(len >> 16),
                         (char)(len >> 8), (char)len};

    strbuf_add(text, head, sizeof(head));
    strbuf_add(text, bytes, len);
}

static void test_frames_cut_anywhere(void **state)
{
    struct strbuf text = {0};
    char room[16];

    (void)state;
    add_frame(&text, 1, "one\0two", 7);
    add_frame(&text, 2, "err", 3);
    add_frame(&text, 1, "", 0);
    add_frame(&text, 1, "end", 3);
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct child child = start(text.s, cut, false);

        for (size_t i = cut; i < text.len; i++)
            write_all(child.engine, text.s + i, 1);
        read_all(child.out, room, 10);
        assert_memory_equal(room, "one\0twoend", 10);
        read_all(child.err, room, 3);
        assert_memory_equal(room, "err", 3);
        assert_int_equal(finish(&child), EXEC_ENDED);
    }
    strbuf_free(&text);
}

static void test_what_is_no_stream(void **state)
{
    static const char *const wrong[] = {"\x04\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x", "HTTP/1.1 200"};
    struct child child;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        child = start(NULL, 0, false);
        write_all(child.engine, wrong[i], 9);
        assert_int_equal(finish(&child), EXEC_BROKEN);
    }
    child = start("\1\0\0\0\0\0\1\0cut", 11, false); /* 256 bytes were said */
    assert_int_equal(finish(&child), EXEC_BROKEN);
    child = start("\1\0\0\0", 4, false);
    assert_int_equal(finish(&child), EXEC_BROKEN);
}

static void test_a_terminal_has_no_frames(void **state)
{
    struct child child = start("\1\0\0\0", 4, true);
    char room[8];

    (void)state;
    write_all(child.engine, "abcd", 4);
    read_all(child.out, room, 8);
    assert_memory_equal(room, "\1\0\0\0abcd", 8);
    assert_int_equal(finish(&child), EXEC_ENDED);
}

static void test_the_end_of_our_input_is_told(void **state)
{
    struct child child = start(NULL, 0, false);
    char room[8];

    (void)state;
    write_all(child.in, "last", 4);
    close(child.in);
    child.in = -1;
    read_all(child.engine, room, 4);
    wait_for(child.engine, POLLIN);
    assert_int_equal(read(child.engine, room, 1), 0);
    write_all(child.engine, "\1\0\0\0\0\0\0\2ok", 10); /* it still has something to say */
    read_all(child.out, room, 2);
    assert_memory_equal(room, "ok", 2);
    assert_int_equal(finish(&child), EXEC_ENDED);
}

static void test_an_engine_that_reads_no_more(void **state)
{
    struct child child = start(NULL, 0, false);
    char room[2];

    (void)state;
    assert_int_equal(shutdown(child.engine, SHUT_RD), 0);
    write_all(child.in, "unwanted", 8);
    write_all(child.engine, "\1\0\0\0\0\0\0\2ok", 10);
    read_all(child.out, room, 2);
    assert_int_equal(finish(&child), EXEC_ENDED);
}

/* Nobody reads what comes out, while much goes in: all of that arrives. */
static void test_one_way_is_full(void **state)
{
    struct child child = start(NULL, 0, false);
    char *lots = mem_zalloc(LOTS), *room = mem_alloc(LOTS);
    struct strbuf frame = {0};
    size_t sent = 0, fed = 0, arrived = 0, out;

    (void)state;
    memset(lots, 'y', LOTS);
    add_frame(&frame, 1, lots, LOTS);
    fcntl(child.engine, F_SETFL, O_NONBLOCK);
    fcntl(child.in, F_SETFL, O_NONBLOCK);
    while (arrived < LOTS) {
        struct pollfd fds[] = {{.fd = child.engine, .events = POLLIN},
                               {.fd = fed < LOTS ? child.in : -1, .events = POLLOUT}};
        ssize_t n;

        n = sent < frame.len ? write(child.engine, frame.s + sent, frame.len - sent) : 0;
        sent += n > 0 ? (size_t)n : 0;
        assert_true(poll(fds, 2, PATIENCE_MS) > 0);
        n = fed < LOTS ? write(child.in, lots + fed, LOTS - fed) : 0;
        fed += n > 0 ? (size_t)n : 0;
        n = read(child.engine, room, LOTS);
        arrived += n > 0 ? (size_t)n : 0;
    }
    assert_true(sent < frame.len); /* it was full all the time */
    print_message("%zu bytes went in while %zu could not come out\n", arrived, frame.len - sent);
    for (out = 0; out < LOTS;) {
        ssize_t n = sent < frame.len ? write(child.engine, frame.s + sent, frame.len - sent) : 0;

        sent += n > 0 ? (size_t)n : 0;
        wait_for(child.out, POLLIN);
        n = read(child.out, room, LOTS);
        assert_true(n > 0);
        out += (size_t)n;
    }
    assert_int_equal(finish(&child), EXEC_ENDED);
    strbuf_free(&frame);
    free(room);
    free(lots);
}

static void test_nobody_reads_the_output(void **state)
{
    struct child child = start(NULL, 0, false);

    (void)state;
    close(child.out);
    child.out = -1;
    assert_int_equal(finish(&child), EXEC_NO_SINK);
}

static void test_an_excuse_is_no_output(void **state)
{
    static const char words[] = "OCI runtime exec failed: exec: \"x\": not found";
    struct strbuf text = {0};
    struct child child;
    char room[8];

    (void)state;
    add_frame(&text, 1, words, strlen(words));
    child = start(text.s, text.len, false);
    close(child.engine);
    child.engine = -1;
    wait_for(child.out, POLLIN);
    assert_int_equal(read(child.out, room, sizeof(room)), 0);
    assert_int_equal(finish(&child), 10 + EXEC_ENDED);
    strbuf_free(&text);
}

static void test_words(void **state)
{
    char *text = container_clean("a\r\nb\x1b[31m\tc\xC2\x9B"
                                 "d\x7F \n");

    (void)state;
    assert_string_equal(text, "a  b[31m cd");
    free(text);
    text = container_path_part("a/b?c d%\xC3\xA9");
    assert_string_equal(text, "a%2Fb%3Fc%20d%25%C3%A9");
    free(text);
    text = container_exec_prefix("/run/a b.sock", "it's", true);
    assert_non_null(strstr(text, " exec --socket '/run/a b.sock' -it 'it'\\''s'"));
    free(text);
    text = container_exec_prefix(NULL, "shared_redis", false);
    assert_non_null(strstr(text, " exec -i shared_redis"));
    free(text);
}

static void test_nothing_there(void **state)
{
    struct container_client client;
    char *error = NULL;

    (void)state;
    assert_false(container_client_open("/nonexistent/docker.sock", &client, &error));
    assert_non_null(strstr(error, "/nonexistent/docker.sock: No such file or directory"));
    assert_null(strchr(error, '\n'));
    free(error);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_cut_anywhere),
        cmocka_unit_test(test_what_is_no_stream),
        cmocka_unit_test(test_a_terminal_has_no_frames),
        cmocka_unit_test(test_the_end_of_our_input_is_told),
        cmocka_unit_test(test_an_engine_that_reads_no_more),
        cmocka_unit_test(test_one_way_is_full),
        cmocka_unit_test(test_nobody_reads_the_output),
        cmocka_unit_test(test_an_excuse_is_no_output),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nothing_there),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
