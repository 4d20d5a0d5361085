/* Looks up host names off the loop. libpq and hiredis would do it with a blocking getaddrinfo, so
 * they are only ever given addresses that come from here. */
#ifndef BACKEND_RESOLVE_H
#define BACKEND_RESOLVE_H

#include <stddef.h>
#include <uv.h>

#define RESOLVE_MAX 8 /* addresses of one name that are kept */

/* addresses: numeric ones ("127.0.0.1", "::1", "fe80::1%eth0"), in the order of preference; they
 * live until the callback returns. count 0: error is one line ("could not find host …"). */
typedef void resolve_done(void *context, const char *const *addresses, size_t count,
                          const char *error);

struct resolver;

/* One resolver does one lookup at a time: a lookup that is stuck never piles up threads. */
struct resolver *resolver_new(uv_loop_t *loop);

/* Calls done once, from the loop and never before this returns, unless it is stopped. A lookup that
 * still runs for the same host is joined; for another host it is waited for. host is copied. */
void resolver_lookup(struct resolver *resolver, const char *host, resolve_done *done,
                     void *context);

/* done will not be called. The lookup's thread goes on to its end. */
void resolver_stop(struct resolver *resolver);

/* The same, and frees it now or when the lookup's thread has ended (the loop may still turn for
 * it). Takes NULL. */
void resolver_free(struct resolver *resolver);

#endif
