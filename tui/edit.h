/* A line of text that is being typed: UTF-8, the usual Emacs keys. */
#ifndef TUI_EDIT_H
#define TUI_EDIT_H

#include "tui/input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDIT_MAX 1024

struct edit {
    char text[EDIT_MAX]; /* always valid UTF-8 without control characters */
    size_t len, cursor;  /* bytes */
};

void edit_set(struct edit *edit, const char *text);

/* True if the key was one of the line's (the text or the cursor may have changed). */
bool edit_key(struct edit *edit, uint32_t key, const struct input *input);

/* Draws it at y, x in columns, scrolled so that the cursor shows; places the cursor if focus. */
void edit_draw(const struct edit *edit, int y, int x, int columns, bool focus);

#endif
