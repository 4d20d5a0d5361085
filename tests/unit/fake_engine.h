/* A small server of HTTP on a unix socket, in threads: what a container engine answers is up to the test,
 * and how badly, too. */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

struct fake_engine;

/* Answers one request (its head and body as one text) on fd. False: the connection is closed then.
 * Called in a thread of its connection. */
typedef bool fake_engine_serve(struct fake_engine *fake, int fd, const char *request,
                               void *context);

struct fake_engine *fake_engine_start(fake_engine_serve *serve, void *context);
void fake_engine_stop(struct fake_engine *fake); /* closes all, and waits for the threads */
const char *fake_engine_socket(const struct fake_engine *fake);

/* Of all that came till now. */
unsigned fake_engine_connections(const struct fake_engine *fake);
unsigned fake_engine_requests(const struct fake_engine *fake);
unsigned fake_engine_open(const struct fake_engine *fake); /* connections that are open now */

/* Closes all connections that are open: later than this returns. */
void fake_engine_hang_up(struct fake_engine *fake);

/* False: the other end has closed. */
bool fake_engine_send(int fd, const void *bytes, size_t len);
bool fake_engine_sends(int fd, const char *text);
bool fake_engine_answer(int fd, int status, const char *body); /* with its length */
bool fake_engine_chunk(int fd, const void *bytes, size_t len); /* of a chunked answer; 0: its end */

/* Until the other end closes. False, for serve to return. */
bool fake_engine_wait(int fd);

#endif
