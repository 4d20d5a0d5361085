/* A private redis-server that also speaks TLS, on a port of its own. */
#ifndef TESTS_REDIS_TLS_LAB_H
#define TESTS_REDIS_TLS_LAB_H

#include "tests/integration/redis_lab.h"

struct tls_lab {
    struct lab lab;
    int port;
    char cert[96], key[96], number[16], url[64];
    const char *args[10];
};

/* A certificate of its own for names, in an X.509 subjectAltName. */
LAB_UNUSED void make_certificate(const struct tls_lab *tls, const char *names)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout %s -out %s "
             "-addext subjectAltName=%s 2>/dev/null",
             tls->key, tls->cert, names);
    assert_int_equal(system(command), 0);
}

LAB_UNUSED void tls_start(struct tls_lab *tls, const char *names)
{
    lab_start(&tls->lab, NULL);
    lab_kill(&tls->lab);
    tls->port = lab_free_port();
    snprintf(tls->cert, sizeof(tls->cert), "%s/cert.pem", tls->lab.dir);
    snprintf(tls->key, sizeof(tls->key), "%s/key.pem", tls->lab.dir);
    snprintf(tls->number, sizeof(tls->number), "%d", tls->port);
    snprintf(tls->url, sizeof(tls->url), "rediss://127.0.0.1:%d", tls->port);
    make_certificate(tls, names);
    memcpy(tls->args,
           ((const char *[]){"--tls-port", tls->number, "--tls-cert-file", tls->cert,
                             "--tls-key-file", tls->key, "--tls-auth-clients", "no", NULL}),
           9 * sizeof(*tls->args));
    tls->lab.args = tls->args;
    lab_spawn(&tls->lab);
    lab_connect(&tls->lab);
}

#endif
