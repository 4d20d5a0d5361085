/* Fits a style to what a terminal can show. Pure. */
#ifndef TUI_THEME_COLOR_H
#define TUI_THEME_COLOR_H

#include "tui/theme.h"

/* The style in the terminal's own colour numbers (-1: default): of 1 << 24 colours direct ones, of
 * 256 the nearest of the fixed 240, of fewer the nearest by hue. Two colours that fall together, or
 * a background too dark to be told from none, are mended, so that what stood out still does. */
struct style style_fit(const struct style *style, int colours);

#endif
