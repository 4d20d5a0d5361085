/* The guard's process. */
#ifndef BACKEND_MONITOR_WATCH_H
#define BACKEND_MONITOR_WATCH_H

#include "backend/monitor_guard.h"

#include <stdatomic.h>

/* In memory that both processes share. */
struct guard_shared {
    struct guard_stream stream;
    atomic_int state;          /* enum guard_state */
    _Atomic(uint64_t) beat;    /* the reader's */
    _Atomic(uint64_t) pulse;   /* the guard's */
    _Atomic(uint64_t) rate;    /* bytes a second of the stream; 0: not known yet */
    _Atomic(long long) memory; /* bytes, -1 unknown */
    _Atomic(long long) limit;
    char reason[520]; /* written once, before state says so */
};

/* Gives the other end of life a descriptor, which both have open then. False: it could not take it. */
bool monitor_hand_on(int life, int fd);

/* Guards until the stream has ended or life (a socket) is closed, then exits; the connections of its
 * switches go there. For a process that was forked for it. */
_Noreturn void monitor_watch(struct guard_shared *shared, const struct redis_address *address,
                             int life);

#endif
