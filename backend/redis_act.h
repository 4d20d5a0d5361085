/* The connection that an act on a Redis has for itself: opened for it, in one database, and open
 * until it ends. That it was never lost proves, together with the identity that the server gives,
 * that what was looked at is what is acted on. Nothing blocks; every answer has a deadline. */
#ifndef BACKEND_REDIS_ACT_H
#define BACKEND_REDIS_ACT_H

#include "backend/config.h"
#include "backend/redis_conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct redis_act;

struct redis_act_events {
    /* It is in its database: commands may be sent. */
    void (*ready)(void *context);
    /* It could not be opened, was lost, or did not answer in time; error is one line. Closed
     * already, and nothing else is called. */
    void (*failed)(void *context, const char *error);
    /* The answer to redis_act_send with this tag. reply is gone when this returns. */
    redis_reply_fn *reply;
    /* The time of redis_act_later is over. May be NULL. */
    void (*later)(void *context);
};

/* Opens it and selects db. config must outlive it. Calls nothing before it returns. */
struct redis_act *redis_act_open(uv_loop_t *loop, const struct redis_config *config, int db,
                                 const struct redis_act_events *events, void *context);

/* Puts a command into the next flush; lengths NULL: argv are strings. */
void redis_act_send(struct redis_act *act, unsigned tag, int argc, const char **argv,
                    const size_t *lengths);

/* Writes what was sent. From now on failed is called when no answer comes for so long. */
void redis_act_flush(struct redis_act *act, unsigned deadline_ms);

/* Calls later in so many milliseconds; nothing may be waited for. */
void redis_act_later(struct redis_act *act, unsigned ms);

/* For commands that somebody else sends on its connection (celery_poll): one more or one less
 * thing to wait for. */
struct redis_conn *redis_act_conn(struct redis_act *act);
void redis_act_expect(struct redis_act *act);
void redis_act_expected(struct redis_act *act);

/* Drops it; nothing is called any more but gone(gone_context), later, when its last handle has
 * closed. May be called from inside its events. */
void redis_act_close(struct redis_act *act, void (*gone)(void *context), void *gone_context);

/* ---- who the server is ---- */

/* What must still hold when an act runs. Strings as INFO has them, "" when it has not. */
struct redis_identity {
    char run_id[48]; /* of the process */
    char role[16];   /* master, slave */
    char replid[48]; /* master_replid: another one after a fail-over */
    /* Calls of SWAPDB that did not fail (before 6.2, which counts no failures: all): one more, and a
     * number may mean another database. */
    char swaps[24];
};

/* Pure: reads the replies of INFO and INFO commandstats. */
void redis_identity_parse(const char *info, size_t info_len, const char *stats, size_t stats_len,
                          struct redis_identity *identity);

bool redis_identity_same(const struct redis_identity *one, const struct redis_identity *other);

/* Pure: a field of an INFO reply in out; "" when it is not there or too long. */
void redis_info_field(const char *text, size_t len, const char *name, char *out, size_t size);

/* "user@host" of who runs this program, from what needs no lookup. The caller frees it. */
char *redis_act_who(void);

#endif
