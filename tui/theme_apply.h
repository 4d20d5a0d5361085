/* The applied theme as ncurses cells. Only the screen needs it. */
#ifndef TUI_THEME_APPLY_H
#define TUI_THEME_APPLY_H

#include "tui/theme.h"

#include <curses.h>

/* A space in the role's attributes, to be filled with characters. */
cchar_t theme_cell(enum role role);

/* Changes whenever a theme is applied: what is on the screen must be sent anew. */
unsigned theme_generation(void);

#endif
