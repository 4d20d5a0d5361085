/* Lines of figures in the overview's tiles: a label, a gauge or a graph, and words. */
#ifndef PANELS_FIGURES_H
#define PANELS_FIGURES_H

#include "panels/data.h"

/* A line being filled from the left; each function moves x on and draws nothing past the end. */
struct line {
    int y, x, end;
};

struct line line_at(struct rect area, int row);

/* A dim word in a field of 6 columns and a gap. */
void line_label(struct line *line, const char *label);
void line_gauge(struct line *line, int columns, double fraction, double warning, double critical);
void line_graph(struct line *line, int columns, const struct history *history, size_t metric);

/* Words in a role, then two columns of gap. Left out whole when they do not fit. */
void line_words(struct line *line, enum role role, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Columns for a gauge or graph in a tile of this width. */
int line_graph_columns(int width);

#endif
