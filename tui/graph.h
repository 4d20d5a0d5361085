/* Small graphs out of character cells: sparkline and gauge. */
#ifndef TUI_GRAPH_H
#define TUI_GRAPH_H

#include "tui/theme.h"

#include <stddef.h>

/* The last columns of count values (oldest first, NAN: a gap) scaled between 0 and top (0 or less:
 * their own maximum), one cell a value, the newest at the right. Values over high (NAN: none) are
 * drawn in ROLE_GRAPH_HIGH and, without colour, underlined by their role. */
void graph_sparkline(int y, int x, int columns, const float *values, size_t count, float top,
                     float high);

/* rows cells high, eighths of a cell (in ASCII: # and .). */
void graph_area(int y, int x, int rows, int columns, const float *values, size_t count, float top);

/* A bar of fraction (0..1, NAN: empty) in columns cells; warning and critical are the levels at
 * which its role changes (NAN: never). Severity is also in its shape: █ ▓ ▒ for ok, warning,
 * critical ('#', '%', '!' in ASCII). */
void graph_gauge(int y, int x, int columns, double fraction, double warning, double critical);

/* The same, all in one role (of a selected row); ROLE_TEXT: in its own. */
void graph_gauge_in(int y, int x, int columns, double fraction, double warning, double critical,
                    enum role role);

#endif
