/* What monitor_memory says is what is allocated. */
#include "backend/redis_monitor.h"

#include "tests/integration/monitor_load.h"

#include <malloc.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

enum { FILLED = 12 << 20, READ_ON = 24 << 20, TAKEN = 1500 };

#ifdef SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t allocated(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
#endif

struct view {
    struct lab lab;
    struct load load;
    struct monitor *monitor;
    size_t before, most;
};

static void measure(struct view *view)
{
    size_t now = allocated() - view->before;

    if (now > view->most && now < SIZE_MAX / 2)
        view->most = now;
}

/* Its own bookkeeping goes on; the lines that it reads are not taken. */
static void read_until(struct view *view, uint64_t bytes)
{
    struct monitor_status status = {.bytes = 0};

    for (double until = 0; lab_waiting(&until);) {
        monitor_status(view->monitor, &status);
        monitor_summary(view->monitor);
        measure(view);
        if (status.state == MONITOR_STOPPED)
            fail_msg("%s", status.reason);
        if (status.bytes >= bytes)
            return;
    }
    fail_msg("only %llu bytes were read", (unsigned long long)status.bytes);
}

static void start(struct view *view)
{
    struct redis_address address;
    char *error;

    for (int i = 0; i < LOAD_CLIENTS; i++) {
        view->load.clients[i] = fork();
        assert_true(view->load.clients[i] >= 0);
        if (view->load.clients[i] == 0)
            load_run(&view->lab);
    }
    assert_true(redis_url_parse(view->lab.url, &address, &error));
    view->before = allocated();
    view->monitor = monitor_start(&address, 600);
    redis_address_free(&address);
}

/* All its places are full once, and what is taken lies at who took it. */
static void test_memory(void **state)
{
    struct view view = {0};
    struct monitor_line line;
    size_t says;

    (void)state;
    lab_start(&view.lab, NULL);
    start(&view);
    says = monitor_memory(view.monitor);
    read_until(&view, FILLED);
    for (int i = 0; i < TAKEN; i++) {
        monitor_next(view.monitor, &line);
        measure(&view);
    }
    read_until(&view, READ_ON);
    print_message("%zu bytes at most, %zu were seen\n", says, view.most);
    assert_true(view.most <= says);
    assert_true(view.most >= says / 4 * 3);
    monitor_free(view.monitor);
    assert_true(allocated() <= view.before + says / 100);
    load_stop(&view.load, &view.lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
