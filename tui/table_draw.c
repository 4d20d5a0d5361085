#include "tui/table.h"

#include "tui/graph.h"
#include "tui/text.h"

#include <string.h>

#define GAP            1
#define GAUGE_NUMBER   5 /* columns of the number behind a bar, with the gap */
#define GAUGE_LEAST    8 /* a narrower column gets the number alone */
#define CELL_BYTES_MAX 2048

/* The columns that fit, with their widths. */
struct fitting {
    int column[TABLE_COLUMNS_MAX], width[TABLE_COLUMNS_MAX];
    int count;
};

/* What each column would like to have. */
static void wish_widths(const struct table *table, int *wish)
{
    for (size_t i = 0; i < table->class->count; i++) {
        const struct column *column = &table->class->columns[i];

        wish[i] =
            column_wish(column, table->rows, table->shown[i] ? table->count : 0, table->context);
    }
}

/* What it gets at least, when it is shown. */
static int least_width(const struct column *column, int wish)
{
    return wish < column->width ? wish : column->width;
}

static int total_width(const struct table *table, const bool *shown, const int *wish)
{
    int width = 1; /* the mark of tagged rows */

    for (size_t i = 0; i < table->class->count; i++)
        width += shown[i] ? least_width(&table->class->columns[i], wish[i]) + GAP : 0;
    return width;
}

/* Drops the column of the highest priority number; the rightmost of equal ones. */
static bool drop_one(const struct table *table, bool *shown)
{
    int worst = -1;

    for (size_t i = 0; i < table->class->count; i++) {
        const struct column *column = &table->class->columns[i];

        if (shown[i] && column->priority &&
            (worst < 0 || column->priority >= table->class->columns[worst].priority))
            worst = (int)i;
    }
    if (worst >= 0)
        shown[worst] = false;
    return worst >= 0;
}

/* A column at a time to each that is too narrow for what is in it. */
static int spread_evenly(const struct table *table, struct fitting *fit, const int *wish, int left)
{
    for (bool given = true; given && left > 0;) {
        given = false;
        for (int i = 0; i < fit->count && left > 0; i++) {
            int column = fit->column[i];

            if (!table->class->columns[column].fit || fit->width[i] >= wish[column])
                continue;
            fit->width[i]++;
            left--;
            given = true;
        }
    }
    return left;
}

/* Names get what they may use first, the rest goes to the columns that grow. */
static void spread(const struct table *table, struct fitting *fit, const int *wish, int left)
{
    int shares = 0;

    left = spread_evenly(table, fit, wish, left);
    for (int i = 0; i < fit->count; i++) {
        const struct column *column = &table->class->columns[fit->column[i]];
        int more = wish[fit->column[i]] - fit->width[i];

        more = more > left / 2 ? left / 2 : more;
        fit->width[i] += more;
        left -= more;
        shares += column->grow;
    }
    for (int i = 0; i < fit->count && shares; i++) {
        int grow = table->class->columns[fit->column[i]].grow, more = left * grow / shares;

        fit->width[i] += more;
        left -= more;
        shares -= grow;
    }
}

static void fit_columns(const struct table *table, int width, struct fitting *fit)
{
    bool shown[TABLE_COLUMNS_MAX];
    int wish[TABLE_COLUMNS_MAX];

    memcpy(shown, table->shown, sizeof(shown));
    wish_widths(table, wish);
    while (total_width(table, shown, wish) > width && drop_one(table, shown))
        ;
    *fit = (struct fitting){0};
    for (size_t i = 0; i < table->class->count; i++) {
        if (!shown[i])
            continue;
        fit->column[fit->count] = (int)i;
        fit->width[fit->count++] = least_width(&table->class->columns[i], wish[i]);
    }
    spread(table, fit, wish, width - total_width(table, shown, wish));
}

static void draw_heading(const struct table *table, struct rect area, const struct fitting *fit)
{
    int x = area.x + 1, end = area.x + area.w;

    draw_fill((struct rect){area.y, area.x, 1, area.w}, ROLE_HEADING);
    for (int i = 0; i < fit->count && x < end; i++) {
        const struct column *column = &table->class->columns[fit->column[i]];
        bool sorted = fit->column[i] == table->sort;
        int width = fit->width[i] < end - x ? fit->width[i] : end - x;
        char title[64];

        snprintf(title, sizeof(title), "%s%s", column->title,
                 !sorted             ? ""
                 : table->descending ? text_symbol(SYMBOL_SORT_DESCENDING)
                                     : text_symbol(SYMBOL_SORT_ASCENDING));
        draw_field(area.y, x, width, sorted ? ROLE_HEADING_SORT : ROLE_HEADING, title,
                   column->right);
        x += width + GAP;
    }
}

static void squeeze_spaces(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from != ' ' || (to > text && to[-1] != ' '))
            *to++ = *from;
    }
    *to = '\0';
}

/* Text of the growing column can be scrolled sideways. */
static const char *shifted(const char *text, int columns)
{
    int width;

    return text + text_fit(text, columns, &width);
}

/* Its end, behind an ellipsis. */
static const char *tail_of(const char *text, int columns, char *out, size_t size)
{
    int keep = columns - 1, all = text_width(text), skipped;

    if (all <= columns || keep < 1)
        return text;
    snprintf(out, size, "%s%s", text_symbol(SYMBOL_ELLIPSIS),
             text + text_fit(text, all - keep, &skipped));
    return out;
}

static void draw_gauge(int y, int x, int width, const struct cell *cell, const char *text,
                       enum role overlay)
{
    int bar = width - GAUGE_NUMBER;

    graph_gauge_in(y, x, bar, cell->number, cell->warning, cell->critical, overlay);
    draw_field(y, x + bar, GAUGE_NUMBER, overlay != ROLE_TEXT ? overlay : cell->role, text, true);
}

static void draw_cell(const struct table *table, int y, int x, int width, int index,
                      const void *row, enum role overlay)
{
    const struct column *column = &table->class->columns[index];
    struct cell cell = {0};
    char text[CELL_BYTES_MAX], tail[CELL_BYTES_MAX];
    const char *shown;

    column->cell(row, table->context, &cell);
    cell_text(&cell, text, sizeof(text));
    if (cell.gauge && width >= GAUGE_LEAST) {
        draw_gauge(y, x, width, &cell, text, overlay);
        return;
    }
    if (column->squeeze)
        squeeze_spaces(text);
    shown = column->grow && table->shift ? shifted(text, table->shift) : text;
    if (column->tail)
        shown = tail_of(text, width, tail, sizeof(tail));
    if (cell.type == CELL_NONE && cell.role == ROLE_TEXT)
        cell.role = ROLE_DIM;
    draw_field(y, x, width, overlay != ROLE_TEXT ? overlay : cell.role, shown, column->right);
}

static void draw_row(const struct table *table, int y, struct rect area, const struct fitting *fit,
                     size_t index, bool selected)
{
    const void *row = table->rows[index];
    bool tagged = table_tagged(table, table->class->identity(row));
    enum role overlay = selected ? ROLE_SELECTED : tagged ? ROLE_TAGGED : ROLE_TEXT;
    int x = area.x + 1, end = area.x + area.w;

    if (overlay != ROLE_TEXT)
        draw_fill((struct rect){y, area.x, 1, area.w}, overlay);
    if (tagged)
        draw_text(y, area.x, 1, overlay, text_symbol(SYMBOL_TAG));
    for (int i = 0; i < fit->count && x < end; i++) {
        int width = fit->width[i] < end - x ? fit->width[i] : end - x;

        draw_cell(table, y, x, width, fit->column[i], row, overlay);
        x += width + GAP;
    }
}

static void scroll_to_cursor(struct table *table)
{
    if (table->cursor < table->top)
        table->top = table->cursor;
    if (table->page && table->cursor >= table->top + table->page)
        table->top = table->cursor - table->page + 1;
    if (table->top + table->page > table->count)
        table->top = table->count > table->page ? table->count - table->page : 0;
}

void table_draw(struct table *table, struct rect area, bool focus)
{
    struct fitting fit;

    if (area.h < 1 || area.w < 4)
        return;
    fit_columns(table, area.w, &fit);
    draw_heading(table, area, &fit);
    table->page = (size_t)(area.h - 1);
    scroll_to_cursor(table);
    for (int i = 0; i < area.h - 1 && table->top + (size_t)i < table->count; i++) {
        size_t index = table->top + (size_t)i;

        draw_row(table, area.y + 1 + i, area, &fit, index, focus && index == table->cursor);
    }
}
