/* A connection to a Redis on the loop: finds the host's addresses, tries them in turn, greets, then
 * sends commands and hands their answers on, in order. Nothing blocks. */
#ifndef BACKEND_REDIS_CONN_H
#define BACKEND_REDIS_CONN_H

#include "backend/redis_data.h"
#include "backend/redis_fault.h"
#include "backend/redis_url.h"

#include <hiredis.h>
#include <uv.h>

struct redis_conn;

struct redis_conn_events {
    /* Commands may be sent from now on. */
    void (*ready)(void *context);
    /* It could not be opened, or has ended. It is closed already; no answer will come. */
    void (*failed)(void *context, const struct redis_fault *fault);
    /* After redis_conn_free: the last handle is closed and the connection is gone. */
    void (*gone)(void *context);
};

/* reply belongs to the connection and is gone when this returns. tag: from redis_conn_command. */
typedef void redis_reply_fn(void *context, const redisReply *reply, unsigned tag);

struct redis_conn *redis_conn_new(uv_loop_t *loop, const struct redis_conn_events *events,
                                  void *context);

/* What is sent from now on only polls: it is spelt so that a reader of MONITOR can leave it out. */
void redis_conn_polls(struct redis_conn *conn);

/* Begins to connect; closed at this time. address is copied. May call failed before it returns. */
void redis_conn_open(struct redis_conn *conn, const struct redis_address *address);

/* Drops the connection, what was asked for and any lookup; calls nothing. May be called from inside
 * a callback. */
void redis_conn_close(struct redis_conn *conn);

/* Closes and frees; ends in gone, later than this returns. */
void redis_conn_free(struct redis_conn *conn);

/* Sends argv[0..argc) (NUL-terminated) with the next flush; fn gets the answer, unless the
 * connection is closed before. */
void redis_conn_command(struct redis_conn *conn, redis_reply_fn *fn, void *context, unsigned tag,
                        int argc, const char **argv);

/* The same with arguments that may hold NUL: lengths[0..argc). */
void redis_conn_command_bytes(struct redis_conn *conn, redis_reply_fn *fn, void *context,
                              unsigned tag, int argc, const char **argv, const size_t *lengths);
void redis_conn_flush(struct redis_conn *conn);

/* What its commands have put on the server's counters; hits and misses are counted by who knows the
 * commands. Goes on over reconnects. */
struct redis_own *redis_conn_own(struct redis_conn *conn);

/* The address in use, its host a numeric one; NULL: not connected. */
const struct redis_address *redis_conn_address(const struct redis_conn *conn);

/* "TLSv1.3", or NULL. */
const char *redis_conn_tls(const struct redis_conn *conn);

#endif
