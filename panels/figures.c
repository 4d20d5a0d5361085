#include "panels/figures.h"

#include "tui/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define LABEL_COLUMNS 7
#define GRAPH_MAX     64

struct line line_at(struct rect area, int row)
{
    return (struct line){area.y + row, area.x + 1, area.x + area.w};
}

static int room(const struct line *line)
{
    return line->end > line->x ? line->end - line->x : 0;
}

void line_label(struct line *line, const char *label)
{
    draw_field(line->y, line->x, room(line) < LABEL_COLUMNS ? room(line) : LABEL_COLUMNS, ROLE_DIM,
               label, false);
    line->x += LABEL_COLUMNS;
}

void line_gauge(struct line *line, int columns, double fraction, double warning, double critical)
{
    if (columns > room(line))
        return;
    graph_gauge(line->y, line->x, columns, fraction, warning, critical);
    line->x += columns + 1;
}

void line_graph(struct line *line, int columns, const struct history *history, size_t metric)
{
    float values[GRAPH_MAX];
    size_t count = history_last(history, metric, values, (size_t)columns);

    if (columns > room(line))
        return;
    graph_sparkline(line->y, line->x, columns, values, count, 0, NAN);
    line->x += columns + 1;
}

void line_words(struct line *line, enum role role, const char *format, ...)
{
    char text[256];
    va_list args;
    int width;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    width = text_width(text);
    if (width > room(line))
        return;
    draw_text(line->y, line->x, width, role, text);
    line->x += width + 2;
}

int line_graph_columns(int width)
{
    int columns = width / 3;

    return columns < 8 ? 8 : columns > 32 ? 32 : columns;
}
