/* A program in a terminal: a pty with an emulator behind it. Nothing here sleeps: what is waited for
 * is a condition, and a deadline only ends a wait that has failed. Times are milliseconds. */
#ifndef SCREEN_TERM_H
#define SCREEN_TERM_H

#include "tests/screen/emulator.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Long enough for a loaded machine and a sanitised program; reached only when a test fails. */
#define TERM_PATIENCE 15000

struct term;

/* Starts argv[0] (found by PATH) in a terminal of that size, as the leader of a session of its own.
 * Its environment is this process' with TERM=xterm-256color, LC_ALL=C.UTF-8, TZ=UTC, a HOME that
 * does not exist, and without PG*, REDIS_URL, XDG_*, NO_COLOR, COLORTERM, LINES and COLUMNS.
 * env (may be NULL) ends with NULL: "NAME=value" sets, "NAME" removes. */
struct term *term_start(int rows, int columns, const char *const *env, const char *const *argv);

/* Ends the program (SIGKILL to its process group) and frees all. */
void term_free(struct term *term);

/* Types. Keys are bytes as a terminal sends them; special keys follow the terminal's modes. */
void term_keys(struct term *term, const char *keys);
void term_special(struct term *term, enum emulator_key key);

/* Each returns true as soon as its condition holds, false at the deadline or when the program has
 * ended without it. A regex is POSIX extended, over the rows of the screen joined by newlines (^
 * and $ match at each row). */
bool term_wait(struct term *term, const char *regex, double deadline);
bool term_wait_gone(struct term *term, const char *regex, double deadline);
bool term_wait_exit(struct term *term, double deadline, int *status);        /* as of waitpid(2) */
bool term_wait_output(struct term *term, size_t more_than, double deadline); /* bytes received */

/* True when nothing came for that long (a refresh or a start is over), false at the deadline. */
bool term_wait_quiet(struct term *term, double quiet, double deadline);

/* Takes in what comes for exactly that long: for measurements over time. */
void term_run(struct term *term, double duration);

/* The screen, a row of it (from 0), or a cell. The text is valid until the next call. */
const char *term_text(struct term *term);
const char *term_row(struct term *term, int row);
void term_cell(const struct term *term, int row, int column, struct emulator_cell *cell);

/* Where text begins on the screen, in cells. */
bool term_find(struct term *term, const char *text, int *row, int *column);
bool term_matches(struct term *term, const char *regex);

void term_resize(struct term *term, int rows, int columns);

/* A terminal that does not read, and goes on reading. */
void term_stall(struct term *term);
void term_resume(struct term *term);

/* Closes the terminal, as a lost connection does. */
void term_hangup(struct term *term);

pid_t term_pid(const struct term *term);
void term_signal(const struct term *term, int signal_number);

/* All that the program has sent, unchanged; when each part came. */
const char *term_raw(const struct term *term, size_t *len);
size_t term_bytes(const struct term *term);
size_t term_chunks(const struct term *term);
double term_chunk(const struct term *term, size_t index, size_t *offset);

/* The emulator: alternate screen, cursor, mouse, bells. */
const struct emulator *term_emulator(const struct term *term);

/* True when the tty's modes are what they were before the program started. */
bool term_modes_restored(const struct term *term);

/* Clock, and when the output came that made the last wait true, and when the last keys were sent. */
double term_now(void);
double term_matched(const struct term *term);
double term_sent(const struct term *term);

#endif
