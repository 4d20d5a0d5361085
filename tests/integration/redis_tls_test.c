#include "backend/redis_monitor.h"
#include "tests/integration/redis_tls_lab.h"
#include "tests/integration/redis_watch.h"

static void expect_word(const char *text, const char *word)
{
    if (!text || !strstr(text, word))
        fail_msg("\"%s\" has no \"%s\"", text ? text : "(null)", word);
}

static void expect_down(const char *url, const char *error, const char *hint)
{
    struct redis_config config = {.url = (char *)(uintptr_t)url};
    struct watch watch;

    watch_start(&watch, config, 0.05);
    WATCH_UNTIL(&watch, is_down);
    expect_word(watch.instance->error, error);
    expect_word(watch.instance->hint, hint);
    watch_stop(&watch);
}

#ifdef HAVE_HIREDIS_SSL

static void test_tls(void **state)
{
    struct tls_lab tls;
    struct redis_config config;
    struct watch watch;
    char url[64];

    (void)state;
    tls_start(&tls, "IP:127.0.0.1,DNS:localhost");
    setenv("SSL_CERT_FILE", tls.cert, 1);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof(url), "rediss://%s:%d", i ? "localhost" : "127.0.0.1", tls.port);
        config = (struct redis_config){.url = url};
        watch_start(&watch, config, 0.05);
        WATCH_UNTIL(&watch, has_rates);
        assert_string_equal(watch.instance->tls, "TLSv1.3");
        assert_int_equal(watch.instance->redis.info->process_id, tls.lab.pid);
        watch_stop(&watch);
    }
    unsetenv("SSL_CERT_FILE");
    lab_stop(&tls.lab);
}

static void test_refused_certificates(void **state)
{
    struct tls_lab tls;

    (void)state;
    tls_start(&tls, "DNS:other.example");
    expect_down(tls.url, "certificate is refused: self-signed", "SSL_CERT_FILE");
    setenv("SSL_CERT_FILE", tls.cert, 1);
    expect_down(tls.url, "certificate is refused: IP address mismatch", "must name the host");
    unsetenv("SSL_CERT_FILE");
    lab_stop(&tls.lab);
}

static void test_wrong_kind_of_port(void **state)
{
    struct tls_lab tls;
    char url[64];

    (void)state;
    tls_start(&tls, "IP:127.0.0.1");
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", tls.port);
    expect_down(url, "", "rediss://");
    snprintf(url, sizeof(url), "rediss://127.0.0.1:%d", tls.lab.port);
    expect_down(url, "TLS", "redis://");
    lab_stop(&tls.lab);
}

static void await_status(struct monitor *monitor, enum monitor_state wanted, uint64_t lines)
{
    struct monitor_status status = {.state = MONITOR_OFF};

    for (double until = 0; lab_waiting(&until);) {
        monitor_status(monitor, &status);
        if (status.state == wanted && status.lines >= lines)
            return;
    }
    fail_msg("state %d, %d lines: %s", (int)status.state, (int)status.lines, status.reason);
}

static void test_monitor(void **state)
{
    struct tls_lab tls;
    struct redis_config config;
    struct watch watch;
    struct monitor *monitor;
    char *value = mem_zalloc(300001);

    (void)state;
    memset(value, 'x', 300000);
    tls_start(&tls, "DNS:localhost");
    setenv("SSL_CERT_FILE", tls.cert, 1);
    snprintf(tls.url, sizeof(tls.url), "rediss://localhost:%d", tls.port);
    config = (struct redis_config){.url = tls.url};
    watch_start(&watch, config, 60);
    WATCH_UNTIL(&watch, is_up);
    monitor = monitor_start_instance(watch.instance, 60);
    await_status(monitor, MONITOR_RUNNING, 0);
    for (int i = 0; i < 50; i++)
        LAB_RUN(&tls.lab, "SET k %s", value);
    await_status(monitor, MONITOR_RUNNING, 50);
    monitor_free(monitor);
    watch_stop(&watch);
    unsetenv("SSL_CERT_FILE");
    lab_stop(&tls.lab);
    free(value);
}

#else

static void test_tls_is_not_built_in(void **state)
{
    struct lab lab;
    char url[64];

    (void)state;
    lab_start(&lab, NULL);
    snprintf(url, sizeof(url), "rediss://127.0.0.1:%d", lab.port);
    expect_down(url, "rediss:// needs TLS", "hiredis_ssl");
    lab_stop(&lab);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef HAVE_HIREDIS_SSL
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_refused_certificates),
        cmocka_unit_test(test_wrong_kind_of_port),
        cmocka_unit_test(test_monitor),
#else
        cmocka_unit_test(test_tls_is_not_built_in),
#endif
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
