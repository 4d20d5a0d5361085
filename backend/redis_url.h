/* Where a Redis is: redis://[[user]:password@]host[:port][/db], rediss:// (TLS), unix:PATH,
 * unix://[[user]:password@]PATH[?db=N], host:port, or a path that begins with '/'. */
#ifndef BACKEND_REDIS_URL_H
#define BACKEND_REDIS_URL_H

#include <stdbool.h>

struct redis_address {
    char *path;   /* unix socket, or NULL */
    char *host;   /* name or address without brackets, or NULL */
    int port, db; /* defaults 6379 and 0 */
    bool tls;
    char *tls_name;        /* what the certificate must name when it is not host; NULL: host */
    char *user, *password; /* percent-decoded; NULL: none */
};

/* Pure. "" is 127.0.0.1:6379; a missing host is 127.0.0.1. On false *error is one line that says
 * what is wrong and how to write it (no secrets in it); the caller frees it. On true the caller
 * frees the address with redis_address_free. */
bool redis_url_parse(const char *url, struct redis_address *address, char **error);
void redis_address_free(struct redis_address *address);

/* Copies everything; the caller frees it with redis_address_free. */
void redis_address_copy(struct redis_address *to, const struct redis_address *from);

/* "host:port", "[v6]:port" or the path: what may be shown. The caller frees it. */
char *redis_address_text(const struct redis_address *address);

#endif
