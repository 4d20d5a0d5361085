/* The scripts with which flushes and deletes change a server: each checks first, in the same step, that it is
 * still the server that was looked at, and acts only then. The scripts name databases by number and
 * declare no keys, so none of them is for a cluster but SCRIPT_FLUSH_NOW. */
#ifndef BACKEND_REDIS_SCRIPT_H
#define BACKEND_REDIS_SCRIPT_H

#include "backend/action.h"
#include "backend/redis_act.h"

#include <hiredis.h>
#include <stdint.h>

/* The key in the spare database that says what waits there. */
#define SPARE_MARKER "sharedtop:trash"

/* Of a marker, at most. */
#define SPARE_MARKER_SIZE 4096

/* Arguments after the common ones, and what a done one answers. */
enum redis_script {
    /* db, spare, token, seconds, who (JSON string) → keys that were moved, until when */
    SCRIPT_FLUSH,
    /* (nothing: the connection's database) → keys that were removed */
    SCRIPT_FLUSH_NOW,
    /* db, spare, marker, token, seconds, who → keys that came back, keys in the spare now */
    SCRIPT_UNDO,
    /* spare, marker, until → keys that were removed. No common arguments. */
    SCRIPT_EMPTY,
    /* spare → its keys, the marker or "", the server's clock. Changes nothing. No common ones. */
    SCRIPT_LOOK,
    /* KEYS: what is unlinked; of the common ones all but the last → keys that were removed */
    SCRIPT_UNLINK
};

/* For who runs it without a redis_act. */
const char *redis_script_text(enum redis_script script);

/* Sends it by EVAL. identity: what must still hold (NULL for those without common arguments);
 * latest: it does nothing once the server's clock (s) is past this. args[0..count) follow. */
void redis_script_send(struct redis_act *act, unsigned tag, enum redis_script script,
                       const struct redis_identity *identity, int64_t latest,
                       const char *const *args, const size_t *lengths, int count);

/* OUTCOME_DONE: the numbers are at [1] …. Else nothing was changed, and *why is one line that
 * says why (the caller frees it): OUTCOME_REFUSED, since the target is another one than it was;
 * OUTCOME_NOTHING; OUTCOME_FAILED. */
enum outcome_status redis_script_outcome(const redisReply *reply,
                                         const struct redis_address *address, char **why);

/* What redis_script_outcome says when a target is not what it was, for who compares without a
 * script; NULL: it is the same. */
const char *redis_script_changed(const struct redis_identity *was,
                                 const struct redis_identity *now);

/* The integer at an index of an array; -1: there is none. */
int64_t redis_reply_integer(const redisReply *reply, size_t index);

#endif
