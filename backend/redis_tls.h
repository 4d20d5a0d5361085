/* TLS for rediss://, where hiredis has it (1.0 and newer, HAVE_HIREDIS_SSL). The certificate is
 * checked against the system's CAs (or SSL_CERT_FILE) and must name the host. Nothing blocks. */
#ifndef BACKEND_REDIS_TLS_H
#define BACKEND_REDIS_TLS_H

#include "backend/redis_fault.h"

#include <hiredis.h>
#include <poll.h>
#include <stdbool.h>

/* An SSL *, which the context owns after redis_tls_begin. */
struct ssl_st;

/* False: this program is built without TLS; fault says so. */
bool redis_tls_built(struct redis_fault *fault);

/* Starts on a connected context. NULL: fault says why. */
struct ssl_st *redis_tls_begin(redisContext *context, const struct redis_address *address,
                               struct redis_fault *fault);

/* Goes on with the handshake. 0: done; else what to poll for; -1: fault says why. */
int redis_tls_step(struct ssl_st *ssl, struct redis_fault *fault);

/* "TLSv1.3" */
const char *redis_tls_version(const struct ssl_st *ssl);

#endif
