/* The frame being made: the grid of cells that the functions of draw and graph write and the screen
 * sends. It needs no terminal, so that drawing is tested without one. There is one in a process. */
#ifndef TUI_FRAME_H
#define TUI_FRAME_H

#include "tui/theme.h"

#include <stdbool.h>
#include <stdint.h>

#define GLYPH_MARKS 2

/* One cell. The right half of a wide character has width 0. All bytes count: cells are compared
 * with memcmp. */
struct glyph {
    uint32_t text[1 + GLYPH_MARKS]; /* a character and its combining ones, 0: none */
    uint8_t role;
    uint8_t width;
    uint16_t unused;
};

/* Makes the frame this large, and blank; 0 × 0 frees it. */
void frame_resize(int rows, int columns);
void frame_size(int *rows, int *columns);

/* The cells of a row, until frame_resize. */
const struct glyph *frame_row(int y);

/* True when the cursor is to be shown. */
bool frame_cursor(int *y, int *x);

/* Sets one cell to a character one column wide; '?' in ASCII mode when it is not a 7-bit one. Out of
 * the frame: without effect. */
void frame_put(int y, int x, enum role role, uint32_t character);

/* The frame as text: a line each row, without trailing spaces. The caller frees it. */
char *frame_text(void);

#endif
