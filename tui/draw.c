#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tui/frame.h"
#include "tui/screen.h"
#include "tui/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define FORMAT_SIZE 4096
#define FAR_LEFT    (1 << 20)

/* Many short calls make one picture: the grid they write to is the one piece of state. */
static struct {
    int rows, columns;
    struct glyph *cells;
    int cursor_y, cursor_x;
} frame;

/* ---- the grid ---- */

static struct glyph blank(enum role role)
{
    return (struct glyph){.text = {' '}, .role = (uint8_t)role, .width = 1};
}

void frame_resize(int rows, int columns)
{
    free(frame.cells);
    frame.rows = rows;
    frame.columns = columns;
    frame.cells = NULL;
    if (rows > 0 && columns > 0)
        frame.cells = mem_array(NULL, (size_t)rows * (size_t)columns, sizeof *frame.cells);
    draw_clear();
}

void frame_size(int *rows, int *columns)
{
    *rows = frame.rows;
    *columns = frame.columns;
}

/* NULL when y is out of the frame. */
static struct glyph *row_at(int y)
{
    if (y < 0 || y >= frame.rows || !frame.cells)
        return NULL;
    return frame.cells + (size_t)y * (size_t)frame.columns;
}

const struct glyph *frame_row(int y)
{
    assert(y >= 0 && y < frame.rows);
    return row_at(y);
}

bool frame_cursor(int *y, int *x)
{
    *y = frame.cursor_y;
    *x = frame.cursor_x;
    return *y >= 0 && *y < frame.rows && *x >= 0 && *x < frame.columns;
}

static void add_glyph(struct strbuf *text, const struct glyph *glyph)
{
    for (int i = 0; i <= GLYPH_MARKS && glyph->text[i]; i++) {
        char bytes[4];

        strbuf_add(text, bytes, text_encode(glyph->text[i], bytes));
    }
}

char *frame_text(void)
{
    struct strbuf text = {0};

    for (int y = 0; y < frame.rows; y++) {
        const struct glyph *row = frame_row(y);
        int end = frame.columns;

        while (end > 0 && row[end - 1].text[0] == ' ')
            end--;
        for (int x = 0; x < end; x++)
            add_glyph(&text, &row[x]);
        strbuf_addc(&text, '\n');
    }
    return strbuf_take(&text);
}

/* Writing from x to end (both in the row) cuts the wide characters at both ends in two: what is left
 * of them becomes a space. */
static void mend_edges(struct glyph *row, int x, int end)
{
    if (x > 0 && row[x].width == 0)
        row[x - 1] = blank(row[x - 1].role);
    if (end < frame.columns && row[end].width == 0)
        row[end] = blank(row[end].role);
}

static void fill_row(int y, int x, int columns, struct glyph glyph)
{
    struct glyph *row = row_at(y);
    int end = columns < frame.columns - x ? x + columns : frame.columns;

    if (x < 0)
        x = 0;
    if (!row || x >= end)
        return;
    mend_edges(row, x, end);
    while (x < end)
        row[x++] = glyph;
}

void frame_put(int y, int x, enum role role, uint32_t character)
{
    struct glyph glyph = blank(role);

    glyph.text[0] = text_ascii() && character >= 0x7F ? '?' : character;
    if (x >= 0)
        fill_row(y, x, 1, glyph);
}

/* ---- text ---- */

struct pen {
    struct glyph *row; /* NULL: out of the frame */
    int x;             /* of its first column, may be negative */
    int column, limit;
    enum role role;
};

static void pen_set(const struct pen *pen, int column, uint32_t character, int width)
{
    int x = pen->x + column;

    if (!pen->row || x < 0)
        return;
    pen->row[x].text[0] = character;
    memset(pen->row[x].text + 1, 0, GLYPH_MARKS * sizeof *pen->row[x].text);
    pen->row[x].role = (uint8_t)pen->role;
    pen->row[x].width = (uint8_t)width;
}

static void pen_mark(const struct pen *pen, uint32_t mark)
{
    struct glyph *base;
    int x = pen->x + pen->column - 1;

    if (!pen->row || !pen->column || x < 0 || text_ascii())
        return;
    base = pen->row + x;
    if (base->width == 0 && x > 0)
        base--;
    for (int i = 1; i <= GLYPH_MARKS; i++)
        if (!base->text[i]) {
            base->text[i] = mark;
            return;
        }
}

static void pen_wide(const struct pen *pen, uint32_t character)
{
    uint32_t half = text_ascii() ? '?' : ' ';
    bool split = text_ascii() || pen->x + pen->column == -1; /* its left half is out of the frame */

    pen_set(pen, pen->column, split ? half : character, split ? 1 : 2);
    pen_set(pen, pen->column + 1, split ? half : 0, split ? 1 : 0);
}

/* One character that is not a printable 7-bit one; false when there is no room left. */
static bool pen_character(struct pen *pen, uint32_t character)
{
    int width = wcwidth((wchar_t)character);

    if (width < 0) { /* what was not sanitised */
        character = 0xFFFD;
        width = 1;
    }
    if (width > pen->limit - pen->column)
        return false;
    if (width == 0)
        pen_mark(pen, character);
    else if (width == 1)
        pen_set(pen, pen->column, text_ascii() ? '?' : character, 1);
    else
        pen_wide(pen, character);
    pen->column += width;
    return true;
}

/* Draws what fits; the rest of the text, "" when all did. */
static const char *pen_text(struct pen *pen, const char *text)
{
    for (;;) {
        uint32_t character;
        size_t len;

        while (*text >= 0x20 && *text < 0x7F) {
            if (pen->column >= pen->limit)
                return text;
            pen_set(pen, pen->column++, (unsigned char)*text++, 1);
        }
        len = text_next(text, &character);
        if (!len || !pen_character(pen, character))
            return text;
        text += len;
    }
}

/* Takes the place of the last character when no column is left. */
static void pen_ellipsis(struct pen *pen)
{
    int x = pen->x + pen->column - 1, at = pen->column;
    uint32_t character;

    if (at == pen->limit)
        at -= pen->row && x > 0 && pen->row[x].width == 0 ? 2 : 1;
    text_next(text_symbol(SYMBOL_ELLIPSIS), &character);
    pen_set(pen, at, character, 1);
    if (at + 1 < pen->limit)
        pen_set(pen, at + 1, ' ', 1);
    pen->column = pen->limit;
}

int draw_text(int y, int x, int columns, enum role role, const char *text)
{
    struct pen pen = {.row = row_at(y), .x = x, .role = role};
    int drawn_to;

    if (columns <= 0 || x >= frame.columns || x < -FAR_LEFT)
        return 0;
    pen.limit = columns < frame.columns - x ? columns : frame.columns - x;
    if (pen.row && x > 0 && pen.row[x].width == 0 && *text)
        mend_edges(pen.row, x, frame.columns);
    if (*pen_text(&pen, text))
        pen_ellipsis(&pen);
    drawn_to = x + pen.column;
    if (pen.row && drawn_to > 0 && drawn_to < frame.columns && pen.row[drawn_to].width == 0)
        pen.row[drawn_to] = blank(pen.row[drawn_to].role);
    return pen.column;
}

int draw_textf(int y, int x, int columns, enum role role, const char *format, ...)
{
    char text[FORMAT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return draw_text(y, x, columns, role, text);
}

void draw_field(int y, int x, int columns, enum role role, const char *text, bool right)
{
    int width;
    size_t fit = text_fit(text, columns, &width);
    int pad = text[fit] ? 0 : columns - width;

    if (right && pad > 0)
        fill_row(y, x, pad, blank(role));
    width = draw_text(y, right ? x + pad : x, right ? columns - pad : columns, role, text);
    if (!right && width < columns)
        fill_row(y, x + width, columns - width, blank(role));
}

/* ---- areas ---- */

void draw_clear(void)
{
    frame.cursor_y = frame.cursor_x = -1;
    for (int y = 0; frame.cells && y < frame.rows; y++)
        fill_row(y, 0, frame.columns, blank(ROLE_TEXT));
}

void draw_fill(struct rect area, enum role role)
{
    int last = area.h < frame.rows - area.y ? area.y + area.h : frame.rows;

    for (int y = area.y < 0 ? 0 : area.y; y < last; y++)
        fill_row(y, area.x, area.w, blank(role));
}

void draw_hline(int y, int x, int columns, enum role role)
{
    struct glyph glyph = blank(role);

    glyph.text[0] = text_ascii() ? '-' : 0x2500;
    fill_row(y, x, columns, glyph);
}

/* The characters of a border: corners above, above when joined, below, and the sides. */
static const uint32_t border_lines[2][7] = {
    {0x250C, 0x2510, 0x251C, 0x2524, 0x2514, 0x2518, 0x2502}, {'+', '+', '+', '+', '+', '+', '|'}};

static void draw_edges(struct rect area, enum role role, unsigned edges)
{
    const uint32_t *line = border_lines[text_ascii()];
    int right = area.x + area.w - 1, bottom = area.y + area.h - 1;
    int join = edges & BOX_JOINED ? 2 : 0;

    draw_hline(area.y, area.x, area.w, role);
    for (int y = area.y < 0 ? 0 : area.y + 1; y <= bottom && y < frame.rows; y++) {
        frame_put(y, area.x, role, line[6]);
        frame_put(y, right, role, line[6]);
    }
    frame_put(area.y, area.x, role, line[join]);
    frame_put(area.y, right, role, line[join + 1]);
    if (edges & BOX_OPEN)
        return;
    draw_hline(bottom, area.x, area.w, role);
    frame_put(bottom, area.x, role, line[4]);
    frame_put(bottom, right, role, line[5]);
}

/* Text in an edge, with a space at both sides. */
static void draw_label(int y, int x, int columns, enum role role, const char *text)
{
    int width = draw_text(y, x + 1, columns, role, text);

    frame_put(y, x, role, ' ');
    frame_put(y, x + width + 1, role, ' ');
}

void draw_box(struct rect area, const char *title, const char *note, bool focus)
{
    draw_tile(area, title, note, focus, 0);
}

static void draw_border(struct rect area, const char *title, const char *note, enum role border,
                        enum role title_role, unsigned edges)
{
    int room = area.w - 4, note_width = note && *note ? text_width(note) : 0;

    if (area.w < 2 || area.h < 2)
        return;
    draw_edges(area, border, edges);
    if (note_width && room - note_width - 3 >= 4) {
        draw_label(area.y, area.x + area.w - note_width - 3, note_width, ROLE_DIM, note);
        room -= note_width + 3;
    }
    if (room > 0 && title && *title)
        draw_label(area.y, area.x + 1, room, title_role, title);
}

void draw_frame(struct rect area, const char *title, const char *note, enum role border,
                enum role title_role)
{
    draw_border(area, title, note, border, title_role, 0);
}

void draw_tile(struct rect area, const char *title, const char *note, bool focus, unsigned edges)
{
    draw_border(area, title, note, focus ? ROLE_BORDER_FOCUS : ROLE_BORDER,
                focus ? ROLE_TITLE_FOCUS : ROLE_TITLE, edges);
}

void draw_cursor(int y, int x)
{
    frame.cursor_y = y;
    frame.cursor_x = x;
}
