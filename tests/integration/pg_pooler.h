/* A pooler for tests: a child that passes bytes on and, as poolers do, gives out a process id of its
 * own. */
#ifndef TESTS_PG_POOLER_H
#define TESTS_PG_POOLER_H

#include "tests/lab/lab.h"

#include <stdatomic.h>
#include <sys/types.h>

/* What the child saw and how it is to behave, shared with the test. */
struct pg_pooler_seen {
    atomic_int sessions, prepared;
    atomic_bool forgets; /* it gives out the true process id, but loses prepared statements */
};

struct pg_pooler {
    struct lab *lab;
    pid_t pid;
    struct pg_pooler_seen *seen;
};

/* Setup and teardown of a group of tests: *state is a struct pg_pooler with a lab of its own. */
int pg_pooler_start(void **state);
int pg_pooler_stop(void **state);

/* The conninfo of a superuser through it. The caller frees it. */
char *pg_pooler_conninfo(const struct pg_pooler *pooler);

#endif
