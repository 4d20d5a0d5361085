/* What keeps the lab's servers busy. One thread a session, so that every one of them is written as
 * the application that it stands for; they sleep most of the time. */
#ifndef LAB_LOAD_H
#define LAB_LOAD_H

#include <hiredis/hiredis.h>

/* One session's work; context says which of its kind. Returns when the connection is lost. */
struct load_actor {
    void (*run)(const struct load_actor *actor, unsigned *seed);
    const char *name;   /* application_name, or the Redis client's name */
    const char *target; /* the database and its user, or the number of the Redis database */
    unsigned period_ms; /* mean time between two pieces of work */
    unsigned count;     /* sessions */
};

/* Sleeps about that long: between half and one and a half of it. */
void load_nap(unsigned ms, unsigned *seed);

extern const struct load_actor load_redis_actors[];
extern const unsigned load_redis_actor_count;

/* A connection to the lab's Redis with database db selected, or NULL. */
redisContext *load_redis_open(const char *db, const char *name);

/* Fills the six databases of the reference. Returns false after a message on stderr. */
int load_redis_fill(void);

#endif
