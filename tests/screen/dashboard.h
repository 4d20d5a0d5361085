/* The dashboard in a terminal, for the screen tests. */
#ifndef SCREEN_DASHBOARD_H
#define SCREEN_DASHBOARD_H

#include "tests/lab/lab.h"
#include "tests/screen/expect.h"

#include <stdlib.h>

/* Starts the binary under test on the lab's configuration; more (may be NULL) are further arguments,
 * ended by NULL. */
static inline struct term *dashboard_start(const struct lab *lab, int rows, int columns,
                                           const char *const *env, const char *const *more)
{
    const char *argv[16] = {getenv("SHAREDTOP"), "--config", lab_get(lab, "LAB_CONF")};

    if (!argv[0])
        fail_msg("SHAREDTOP is not set: run the tests with make");
    for (int i = 0; more && i < 12 && more[i]; i++)
        argv[3 + i] = more[i];
    return term_start(rows, columns, env, argv);
}

/* Without a configuration: only what the arguments say. */
static inline struct term *dashboard_bare(int rows, int columns, const char *const *more)
{
    const char *argv[16] = {getenv("SHAREDTOP")};

    for (int i = 0; i < 14 && more[i]; i++)
        argv[1 + i] = more[i];
    return term_start(rows, columns, NULL, argv);
}

/* Both servers are up and their data is on the screen. */
#define expect_both_up(term)                                                                       \
    do {                                                                                           \
        expect_screen(term, "conns .*[0-9]+/[0-9]+");                                              \
        expect_screen(term, "memory .*/128M");                                                     \
    } while (0)

#define expect_quit(term)                                                                          \
    do {                                                                                           \
        term_keys(term, "q");                                                                      \
        expect_exit(term, W_EXITCODE(0, 0));                                                       \
        expect_terminal_restored(term);                                                            \
        term_free(term);                                                                           \
    } while (0)

#endif
