/* The terminal device: a descriptor of our own, its modes, its size, and its rescue. */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    int fd; /* non-blocking; the shell's own open file description keeps its flags */
    struct termios saved;
};

/* Opens the terminal that standard output is. False: *error (caller frees). */
bool terminal_open(struct terminal *terminal, char **error);
void terminal_close(struct terminal *terminal);

/* Modes: keeps those that are set now; sets raw ones (no echo, no signals from keys, no changes to
 * what is written); sets the kept ones again. */
bool terminal_save(struct terminal *terminal);
bool terminal_raw(const struct terminal *terminal);
void terminal_restore(const struct terminal *terminal);

/* False when the device does not know. */
bool terminal_size(const struct terminal *terminal, int *rows, int *columns);

/* Writes for at most so many milliseconds; returns how much. */
size_t terminal_drain(const struct terminal *terminal, const char *bytes, size_t len,
                      int milliseconds);

/* Throws away what the terminal has not read yet and writes bytes in its place. */
void terminal_replace(const struct terminal *terminal, const char *bytes, size_t len);

/* What terminal_rescue writes, and that it acts from now on; disarm: not any more. rescue is
 * async-signal-safe. */
void terminal_arm(const struct terminal *terminal, const char *bytes, size_t len);
void terminal_disarm(void);
void terminal_rescue(void);

#endif
