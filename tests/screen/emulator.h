/* What an xterm would show after some bytes: libvterm behind a few plain functions. */
#ifndef SCREEN_EMULATOR_H
#define SCREEN_EMULATOR_H

#include "backend/base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A colour is a number of the 256-colour palette, EMULATOR_RGB | 0xrrggbb, or this. */
#define EMULATOR_DEFAULT_COLOUR (-1)
#define EMULATOR_RGB            0x1000000

struct emulator_cell {
    char text[64]; /* UTF-8 with its combining characters; "" right of a wide character */
    int width;
    int fg, bg;
    bool bold, underline, italic, blink, reverse;
};

enum emulator_key {
    EMULATOR_ENTER,
    EMULATOR_TAB,
    EMULATOR_BACKSPACE,
    EMULATOR_ESCAPE,
    EMULATOR_UP,
    EMULATOR_DOWN,
    EMULATOR_LEFT,
    EMULATOR_RIGHT,
    EMULATOR_HOME,
    EMULATOR_END,
    EMULATOR_PAGE_UP,
    EMULATOR_PAGE_DOWN,
    EMULATOR_INSERT,
    EMULATOR_DELETE,
    EMULATOR_F1 /* F2 is EMULATOR_F1 + 1, and so on to F12 */
};

struct emulator;

struct emulator *emulator_new(int rows, int columns);
void emulator_free(struct emulator *emulator);
void emulator_feed(struct emulator *emulator, const char *bytes, size_t len);
void emulator_resize(struct emulator *emulator, int rows, int columns);
void emulator_size(const struct emulator *emulator, int *rows, int *columns);

/* Presses a key as the program has set the terminal (cursor keys differ by mode). */
void emulator_key(struct emulator *emulator, enum emulator_key key);

/* What the terminal sends (keys, answers to queries), at most size bytes; returns how many. */
size_t emulator_output(struct emulator *emulator, char *out, size_t size);

/* Appends a row without its trailing spaces. */
void emulator_row(const struct emulator *emulator, int row, struct strbuf *out);
void emulator_cell(const struct emulator *emulator, int row, int column,
                   struct emulator_cell *cell);

bool emulator_alternate(const struct emulator *emulator);
bool emulator_cursor_visible(const struct emulator *emulator);
bool emulator_mouse(const struct emulator *emulator); /* the program asked for mouse reports */
void emulator_cursor(const struct emulator *emulator, int *row, int *column);
unsigned emulator_bells(const struct emulator *emulator);

#endif
