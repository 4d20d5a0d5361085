/* Which arguments of a command are keys, and what keys have in common. Pure. */
#ifndef BACKEND_MONITOR_KEYS_H
#define BACKEND_MONITOR_KEYS_H

#include <stddef.h>
#include <stdint.h>

/* Where a command's keys are. */
enum key_place {
    KEYS_FIRST, /* the first argument: what is true of most, and of those not known */
    KEYS_NONE,
    KEYS_ALL,      /* every argument */
    KEYS_BUT_LAST, /* every argument but the last */
    KEYS_PAIRS,    /* every second */
    KEYS_SECOND,   /* after a sub-command */
    KEYS_TWO,      /* source and destination */
    KEYS_COUNTED,  /* EVAL script n key … */
    KEYS_LED,      /* n key … */
    KEYS_STREAMS,  /* … STREAMS key … id … */
    KEYS_TIMED,    /* timeout n key … */
    KEYS_STORED,   /* destination n key … */
    KEYS_AFTER,    /* every argument after a sub-command */
    KEYS_MIGRATED  /* host port key …, or host port "" … KEYS key … */
};

/* What passes and is to be seen. */
enum monitor_flag_kind {
    FLAG_NONE,
    FLAG_KEYS, /* KEYS: walks the whole keyspace in one go */
    FLAG_FLUSHDB,
    FLAG_FLUSHALL,
    FLAG_SWAPDB,
    FLAG_SCAN,  /* a scan of everything: SCAN from 0 without a pattern */
    FLAG_WHOLE, /* all of one value: HGETALL, SMEMBERS, SORT, a range from end to end */
    FLAG_VALUE, /* a big value */
    FLAG_KINDS
};

struct monitor_command {
    const char *name; /* upper case */
    unsigned char place, flag;
};

/* NULL: not known, its first argument is taken for a key. Case does not count. */
const struct monitor_command *monitor_command(const char *name, size_t len);

/* Numbers, UUIDs and hashes folded to '*': user:4711:cart → user:*:cart. key is as the server escapes
 * it. Returns the length, at most size (then it is cut). */
size_t monitor_pattern(const char *key, size_t len, char *out, size_t size);

#endif
