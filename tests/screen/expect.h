/* Assertions on a terminal for cmocka tests: they wait, and show the screen when they fail. */
#ifndef SCREEN_EXPECT_H
#define SCREEN_EXPECT_H

#include "tests/screen/term.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static inline void expect_fail(struct term *term, const char *what, const char *arg,
                               const char *file, int line)
{
    /* cmocka's own output ends after 1024 bytes. */
    fflush(stdout);
    fprintf(stderr, "%s: %s\n---- screen ----\n%s----------------\n", what, arg, term_text(term));
    _fail(file, line);
}

/* The screen comes to match (or no longer match) a regex. */
#define expect_screen(term, regex)                                                                 \
    do {                                                                                           \
        if (!term_wait(term, regex, TERM_PATIENCE)) {                                              \
            expect_fail(term, "never on the screen", regex, __FILE__, __LINE__);                   \
        }                                                                                          \
    } while (0)

#define expect_gone(term, regex)                                                                   \
    do {                                                                                           \
        if (!term_wait_gone(term, regex, TERM_PATIENCE)) {                                         \
            expect_fail(term, "still on the screen", regex, __FILE__, __LINE__);                   \
        }                                                                                          \
    } while (0)

/* The screen matches (or does not) as it is now. */
#define expect_now(term, regex)                                                                    \
    do {                                                                                           \
        if (!term_matches(term, regex)) {                                                          \
            expect_fail(term, "not on the screen", regex, __FILE__, __LINE__);                     \
        }                                                                                          \
    } while (0)

#define expect_not_now(term, regex)                                                                \
    do {                                                                                           \
        if (term_matches(term, regex)) {                                                           \
            expect_fail(term, "on the screen", regex, __FILE__, __LINE__);                         \
        }                                                                                          \
    } while (0)

/* The program ends with that status of waitpid(2), for example W_EXITCODE(0, 0). */
#define expect_exit(term, expected)                                                                \
    do {                                                                                           \
        int expect_status_ = -1;                                                                   \
        if (!term_wait_exit(term, TERM_PATIENCE, &expect_status_)) {                               \
            expect_fail(term, "did not end", #expected, __FILE__, __LINE__);                       \
        }                                                                                          \
        if (expect_status_ != (expected)) {                                                        \
            print_error("wait status 0x%x\n", (unsigned)expect_status_);                           \
            expect_fail(term, "ended otherwise than", #expected, __FILE__, __LINE__);              \
        }                                                                                          \
    } while (0)

/* The terminal is as a program has to leave it: modes, main screen, cursor, no mouse reports. */
#define expect_terminal_restored(term)                                                             \
    do {                                                                                           \
        const struct emulator *expect_emulator_ = term_emulator(term);                             \
        if (!term_modes_restored(term) || emulator_alternate(expect_emulator_) ||                  \
            !emulator_cursor_visible(expect_emulator_) || emulator_mouse(expect_emulator_)) {      \
            expect_fail(term, "the terminal was not restored",                                     \
                        term_modes_restored(term) ? "screen, cursor or mouse" : "modes", __FILE__, \
                        __LINE__);                                                                 \
        }                                                                                          \
    } while (0)

/* The raw bytes received hold (or do not hold) a text. */
static inline bool expect_raw_has(const struct term *term, const char *bytes)
{
    size_t len;
    const char *raw = term_raw(term, &len);
    return memmem(raw, len, bytes, strlen(bytes)) != NULL;
}

#endif
