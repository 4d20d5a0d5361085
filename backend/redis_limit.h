/* What a server lets an ordinary client leave unread before it closes it: the setting
 * client-output-buffer-limit of the class "normal", which is off by default. */
#ifndef BACKEND_REDIS_LIMIT_H
#define BACKEND_REDIS_LIMIT_H

#include <hiredis.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes; 0: no limit; -1: not known. */
struct redis_limit {
    int64_t hard;
    int64_t soft;         /* for soft_seconds at a stretch */
    int64_t soft_seconds; /* -1 not known */
    char why[96];         /* one line, raw: why something is not known; "" if all is */
};

#define REDIS_LIMIT_UNKNOWN(reason) ((struct redis_limit){-1, -1, -1, reason})

#define REDIS_LIMIT_SETTING "client-output-buffer-limit"

/* Pure: of the answer to CONFIG GET REDIS_LIMIT_SETTING. */
void redis_limit_read(const redisReply *reply, struct redis_limit *limit);

/* Pure: of the setting's value, "normal 0 0 0 slave 268435456 67108864 60 pubsub …". */
void redis_limit_parse(const char *text, size_t len, struct redis_limit *limit);

#endif
