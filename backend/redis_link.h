/* One connection to a Redis that never blocks and knows no loop: the caller polls redis_link_fd for
 * redis_link_events and calls redis_link_step. hiredis writes commands and parses answers; its
 * asynchronous context is not used, since an answer that nobody asked for is an assertion there: a
 * port that talks first ("+OK ready") would end this program. */
#ifndef BACKEND_REDIS_LINK_H
#define BACKEND_REDIS_LINK_H

#include "backend/redis_fault.h"
#include "backend/redis_url.h"

#include <hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define REDIS_CLIENT_NAME "sharedtop"

struct ssl_st;

enum redis_stage { LINK_CLOSED, LINK_CONNECTING, LINK_TLS, LINK_GREETING, LINK_READY };

/* Start from {0}. */
struct redis_link {
    enum redis_stage stage;
    redisContext *context;
    struct ssl_st *ssl; /* NULL: not encrypted; the context owns it */
    const struct redis_address *address;
    int tls_events;   /* what the handshake waits for */
    bool unsent;      /* commands wait to be written */
    bool heard;       /* an answer has come */
    unsigned greeted; /* answers to the greeting */
};

/* Begins to connect. address (host must be an IP address) must outlive the link. False: fault. */
bool redis_link_open(struct redis_link *link, const struct redis_address *address,
                     struct redis_fault *fault);
void redis_link_close(struct redis_link *link);

int redis_link_fd(const struct redis_link *link);

/* POLLIN and POLLOUT, as it needs now. */
short redis_link_events(const struct redis_link *link);

/* Goes on connecting, with TLS, AUTH and CLIENT SETNAME, when the descriptor is ready. Call it until
 * stage is LINK_READY. False: fault. */
bool redis_link_step(struct redis_link *link, struct redis_fault *fault);

/* For a link that is ready. Commands are kept until redis_link_flush has written them; the length
 * of the command on the wire is returned. */
size_t redis_link_append(struct redis_link *link, int argc, const char **argv,
                         const size_t *lengths);
bool redis_link_flush(struct redis_link *link, struct redis_fault *fault);

/* Reads once. On false there may still be answers that came before the end. */
bool redis_link_fill(struct redis_link *link, struct redis_fault *fault);

/* The next answer, freed by the caller (freeReplyObject), or NULL in *reply when there is none. */
bool redis_link_reply(struct redis_link *link, redisReply **reply, struct redis_fault *fault);

/* Raw bytes, for who takes the stream over (MONITOR): first those that hiredis has read already,
 * then those of the connection. 0: none now; -1: fault. */
ssize_t redis_link_read(struct redis_link *link, char *to, size_t size, struct redis_fault *fault);

/* Why it is not ready yet, for who will not wait any longer. */
void redis_link_silent(const struct redis_link *link, struct redis_fault *fault);

/* "TLSv1.3", or NULL. */
const char *redis_link_tls(const struct redis_link *link);

#endif
