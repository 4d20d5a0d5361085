#include "backend/redis_tls.h"

#ifdef HAVE_HIREDIS_SSL

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CA_HINT                                                                                    \
    "add its CA to the system's (update-ca-certificates) or name it in SSL_CERT_FILE; the "        \
    "certificate must name the host"

bool redis_tls_built(struct redis_fault *fault)
{
    (void)fault;
    return true;
}

static void explain(const char *what, struct redis_fault *fault)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(fault->error, sizeof(fault->error), "%s: %s", what, reason ? reason : "unknown error");
    fault->hint[0] = '\0';
}

static bool name_host(SSL *ssl, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    /* The macro SSL_set_tlsext_host_name would drop the const. */
    return SSL_set1_host(ssl, name) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1;
}

static SSL *new_ssl(const char *name)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;

    if (settings && SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_default_verify_paths(settings) == 1) {
        SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
        ssl = SSL_new(settings);
    }
    SSL_CTX_free(settings);
    if (ssl && !name_host(ssl, name)) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static void explain_handshake(SSL *ssl, int why, struct redis_fault *fault)
{
    long verdict = SSL_get_verify_result(ssl);

    if (verdict != X509_V_OK) {
        snprintf(fault->error, sizeof(fault->error), "the server's certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
        snprintf(fault->hint, sizeof(fault->hint), "%s", CA_HINT);
    } else if (why == SSL_ERROR_SYSCALL && !ERR_peek_last_error()) {
        redis_fault_set(fault, "the server has closed the connection in the TLS handshake",
                        "is its port for TLS? if not: redis:// instead of rediss://");
    } else {
        explain("TLS failed", fault);
        snprintf(fault->hint, sizeof(fault->hint),
                 "is the port for TLS (redis:// if not), and does it ask for a client certificate "
                 "(tls-auth-clients)?");
    }
}

struct ssl_st *redis_tls_begin(redisContext *context, const struct redis_address *address,
                               struct redis_fault *fault)
{
    SSL *ssl;

    ERR_clear_error();
    ssl = new_ssl(address->tls_name ? address->tls_name : address->host);
    if (!ssl) {
        explain("could not start TLS", fault);
        return NULL;
    }
    /* It makes the first steps of the handshake. */
    if (redisInitiateSSL(context, ssl) != REDIS_OK) {
        explain_handshake(ssl, SSL_ERROR_SSL, fault);
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

int redis_tls_step(struct ssl_st *ssl, struct redis_fault *fault)
{
    int done, why;

    ERR_clear_error();
    done = SSL_do_handshake(ssl);
    if (done == 1)
        return 0;
    why = SSL_get_error(ssl, done);
    if (why == SSL_ERROR_WANT_READ)
        return POLLIN;
    if (why == SSL_ERROR_WANT_WRITE)
        return POLLOUT;
    explain_handshake(ssl, why, fault);
    return -1;
}

const char *redis_tls_version(const struct ssl_st *ssl)
{
    return SSL_get_version(ssl);
}

#else

bool redis_tls_built(struct redis_fault *fault)
{
    redis_fault_set(fault, "rediss:// needs TLS, which this sharedtop is built without",
                    "build it with hiredis 1.0 or newer and hiredis_ssl, or use redis:// through a "
                    "tunnel (ssh -L, stunnel)");
    return false;
}

struct ssl_st *redis_tls_begin(redisContext *context, const struct redis_address *address,
                               struct redis_fault *fault)
{
    (void)context;
    (void)address;
    redis_tls_built(fault);
    return NULL;
}

int redis_tls_step(struct ssl_st *ssl, struct redis_fault *fault)
{
    (void)ssl;
    (void)fault;
    return -1;
}

const char *redis_tls_version(const struct ssl_st *ssl)
{
    (void)ssl;
    return NULL;
}

#endif
