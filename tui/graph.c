#include "tui/graph.h"

#include "tui/frame.h"
#include "tui/text.h"

#include <math.h>

#define FULL 8

/* What a cell filled to so many eighths from below looks like. */
static uint32_t bar_character(int eighths)
{
    return eighths <= 0 ? ' ' : (uint32_t)(0x2580 + (eighths < FULL ? eighths : FULL));
}

static uint32_t spark_character(int level)
{
    static const char ascii[FULL + 1] = "_.-~=+*#";

    return text_ascii() ? (unsigned char)ascii[level - 1] : bar_character(level);
}

static uint32_t area_character(int eighths)
{
    if (!text_ascii())
        return bar_character(eighths);
    return eighths >= FULL / 2 ? '#' : eighths > 0 ? '.' : ' ';
}

/* The value that the column shows when the newest is in the last one; NAN: none. */
static float value_at(const float *values, size_t count, int columns, int column)
{
    size_t back = (size_t)(columns - column);

    return back <= count ? values[count - back] : NAN;
}

static float largest(const float *values, size_t count, int columns)
{
    float most = 0;

    for (int column = 0; column < columns; column++) {
        float value = value_at(values, count, columns, column);

        if (isfinite(value) && value > most)
            most = value;
    }
    return most;
}

/* value of top in steps, from 0 (only for 0) to steps. */
static int scale(float value, float top, int steps)
{
    if (!(value > 0) || !(top > 0))
        return 0;
    if (value >= top)
        return steps;
    return (int)ceilf(value / top * (float)steps);
}

void graph_sparkline(int y, int x, int columns, const float *values, size_t count, float top,
                     float high)
{
    if (!(top > 0))
        top = largest(values, count, columns);
    for (int column = 0; column < columns; column++) {
        float value = value_at(values, count, columns, column);
        int level = scale(value, top, FULL);

        /* Zero has a mark too: only a gap is empty. */
        frame_put(y, x + column, value > high ? ROLE_GRAPH_HIGH : ROLE_GRAPH,
                  isnan(value) ? ' ' : spark_character(level ? level : 1));
    }
}

void graph_area(int y, int x, int rows, int columns, const float *values, size_t count, float top)
{
    if (!(top > 0))
        top = largest(values, count, columns);
    for (int column = 0; column < columns; column++) {
        int height = scale(value_at(values, count, columns, column), top, rows * FULL);

        for (int row = rows - 1; row >= 0; row--, height -= FULL)
            frame_put(y + row, x + column, ROLE_GRAPH, area_character(height));
    }
}

/* Neither full nor empty when the figure is not. */
static int filled_cells(double fraction, int columns)
{
    int filled;

    if (!(fraction > 0))
        return 0;
    if (fraction >= 1)
        return columns;
    filled = (int)lround(fraction * columns);
    if (filled == columns)
        filled--;
    return filled > 0 ? filled : columns > 1;
}

void graph_gauge(int y, int x, int columns, double fraction, double warning, double critical)
{
    graph_gauge_in(y, x, columns, fraction, warning, critical, ROLE_TEXT);
}

void graph_gauge_in(int y, int x, int columns, double fraction, double warning, double critical,
                    enum role role)
{
    static const struct {
        enum role role;
        uint32_t character, ascii;
    } shapes[] = {{ROLE_GAUGE, 0x2588, '#'},
                  {ROLE_GAUGE_WARNING, 0x2593, '%'},
                  {ROLE_GAUGE_CRITICAL, 0x2592, '!'},
                  {ROLE_GAUGE_EMPTY, 0x2591, '.'}};
    int severity = fraction >= critical ? 2 : fraction >= warning ? 1 : 0;
    int filled = filled_cells(fraction, columns);

    for (int column = 0; column < columns; column++) {
        int shape = column < filled ? severity : 3;

        frame_put(y, x + column, role == ROLE_TEXT ? shapes[shape].role : role,
                  text_ascii() ? shapes[shape].ascii : shapes[shape].character);
    }
}
