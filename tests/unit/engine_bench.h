/* The engine's client on a loop, with a server whose paths behave in all the ways that there are. */
#ifndef TESTS_ENGINE_BENCH_H
#define TESTS_ENGINE_BENCH_H

#include "backend/container_engine.h"
#include "tests/unit/fake_engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { LONG_MS = 30000, FLOOD_BYTES = 16 << 20 };

struct bench {
    uv_loop_t loop;
    uv_timer_t ticker; /* so that no turn of the loop takes long */
    unsigned ticks;
    bool expired, gone, closing;
    struct fake_engine *fake;
    struct engine *engine;
};

struct answer {
    long status;
    char *body, *error;
    size_t len;
    unsigned count;
    int saved_errno;
    char api[16];
};

/* For cmocka. The teardown closes the engine, and fails if anything is left of it. */
int bench_setup(void **state);
int bench_teardown(void **state);

/* Closes the bench's engine, which the teardown does not do then. */
void bench_close_engine(struct bench *bench);

/* Turns the loop until it holds, which it must within LONG_MS. */
#define run_until(bench, condition)                                                                \
    do {                                                                                           \
        while (!(condition) && !(bench)->expired)                                                  \
            uv_run(&(bench)->loop, UV_RUN_ONCE);                                                   \
        assert_true(condition);                                                                    \
    } while (0)

/* The engine's callback, for an answer that is {0} at the beginning. */
void bench_answered(void *answer, const struct engine_reply *reply);
void bench_answer_free(struct answer *answer);

/* Asks, and turns the loop until the one answer is there; what was in it is freed. */
void bench_ask(struct bench *bench, const char *method, const char *path, const char *body,
               unsigned timeout_ms, struct answer *answer);

#endif
