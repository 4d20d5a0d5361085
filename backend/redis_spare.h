/* What waits in a Redis' spare database: a flush moves a database's content there and leaves a
 * marker, a key in the spare that says what it is and until when it can come back. All dashboards
 * read it there (none keeps a state of its own), and any of them empties the spare when the time is
 * over. */
#ifndef BACKEND_REDIS_SPARE_H
#define BACKEND_REDIS_SPARE_H

#include "backend/backend.h"
#include "backend/redis_conn.h"
#include "backend/redis_data.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* Pure: reads a marker into db, keys, since, until, by, undone and marker of a zeroed spare. False: it is
 * none, and nothing is set. */
bool spare_parse(const char *text, size_t len, struct redis_spare *spare);

/* What spare_parse has set. */
void spare_clear(struct redis_spare *spare);

/* ---- looking, with a polling connection ---- */

struct spare;

/* done gets each new sample, with one reference and not stamped yet; or NULL and why the server
 * refused it. home: the database in which the connection is left. */
struct spare *spare_new(int db, int home,
                        void (*done)(void *context, struct redis_spare *sample, const char *error),
                        void *context);
void spare_free(struct spare *spare);

/* Asks on conn, in one pipeline with what is there, which the caller flushes. Ends in done, or in
 * nothing when the connection is closed: call spare_reset then. */
void spare_poll(struct spare *spare, struct redis_conn *conn, const struct redis_address *address);
void spare_reset(struct spare *spare);

/* ---- emptying, once the time is over ---- */

struct spare_keeper;

/* Looks at what the backend's instances publish, and empties, on a connection of its own and on
 * the record, what is past its time; nothing if the config is read_only. Several at the same server
 * do each other no harm. Loop and config must outlive it; close it before the backend. */
struct spare_keeper *spare_keeper_new(uv_loop_t *loop, struct backend *backend,
                                      const struct config *config);

/* True when no spare waits to be emptied now: each has been looked at (or cannot be), and what was
 * past its time is gone or could not be removed. What still has time does not count. */
bool spare_keeper_idle(const struct spare_keeper *keeper);

/* What it has emptied, or could not, a line each; "" nothing. Valid until the loop's next turn. */
const char *spare_keeper_report(const struct spare_keeper *keeper);

/* gone may be NULL. */
void spare_keeper_close(struct spare_keeper *keeper, void (*gone)(void *context), void *context);

#endif
