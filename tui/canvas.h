/* The frame → the bytes that make a terminal show it, through ncurses, which picks the cheapest
 * ones. ncurses writes to a file in memory: a write there neither waits nor runs out of room,
 * however large the frame. There is one canvas in a process. */
#ifndef TUI_CANVAS_H
#define TUI_CANVAS_H

#include "backend/base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

struct canvas;

/* For the terminal that TERM names. NULL: *error (caller frees) is one line with the mend. */
struct canvas *canvas_new(bool colour, char **error);
void canvas_free(struct canvas *canvas);

void canvas_resize(struct canvas *canvas, int rows, int columns);

/* How many the terminal has; 0 when they are not wanted. */
int canvas_colours(const struct canvas *canvas);

/* Adds to out what changes the terminal from the last frame to this one. The first time, and after
 * canvas_leave, it takes the alternate screen first. */
void canvas_paint(struct canvas *canvas, struct strbuf *out);

/* The next paint sends everything. */
void canvas_redraw(struct canvas *canvas);

/* Adds what gives the terminal's screen back. */
void canvas_leave(struct canvas *canvas, struct strbuf *out);

/* Adds what sets bracketed paste and, if wanted, the mouse; or what ends both. */
void canvas_modes(const struct canvas *canvas, bool on, bool mouse, struct strbuf *out);

/* Adds what gives the terminal back from any state, without ncurses. */
void canvas_restoring(const struct canvas *canvas, struct strbuf *out);

#endif
