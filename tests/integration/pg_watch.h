/* A watched PostgreSQL of a test: the whole backend on a loop of the test's own, turned until a
 * condition holds. */
#ifndef TESTS_PG_WATCH_H
#define TESTS_PG_WATCH_H

#include "backend/backend.h"
#include "tests/lab/lab.h"

#include <uv.h>

struct pg_watch {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct config *config;
    struct backend *backend;
    const struct instance *instance;
    unsigned changes;
    bool late, closed;
    void *context; /* the test's own */
};

/* Starts to watch one server, or what config holds (taken over). */
void pg_watch_start(struct pg_watch *watch, const char *conninfo, double interval);
void pg_watch_start_config(struct pg_watch *watch, struct config *config);

/* A config with one server that has this conninfo. */
struct config *pg_watch_config(const char *conninfo, double interval);

void pg_watch_want(struct pg_watch *watch, unsigned sources);

typedef bool pg_watch_condition(const struct pg_watch *watch);

/* Turns the loop until the condition holds; the test fails when it does not within 20 s. */
void pg_watch_until(struct pg_watch *watch, pg_watch_condition *holds, const char *what);
#define PG_UNTIL(watch, condition) pg_watch_until(watch, condition, #condition)

/* Closes the backend in whatever state it is and checks that nothing is left on the loop. */
void pg_watch_stop(struct pg_watch *watch);

/* ---- conditions ---- */

pg_watch_condition pg_is_filled; /* up, all that is always polled is there */
pg_watch_condition pg_is_stale;
pg_watch_condition pg_is_down;
pg_watch_condition pg_is_connecting;
pg_watch_condition pg_has_rates;
pg_watch_condition pg_has_sizes; /* of every database */
pg_watch_condition pg_has_both;  /* two connections of our own among the sessions */

/* One more sample of activity than there is now. */
void pg_watch_next(struct pg_watch *watch);

/* The row of a pid, a database's row and size; NULL when there is none. */
const struct pg_session *pg_watch_session(const struct pg_watch *watch, int pid);
const struct pg_database *pg_watch_database(const struct pg_watch *watch, const char *name);
const struct pg_size *pg_watch_size(const struct pg_watch *watch, const char *name);

#endif
