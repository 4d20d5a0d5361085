/* Rows × columns: sort, filter, select, tag, scroll, choose columns. Rows belong to the caller and
 * must live until the next table_rows; selection and tags follow a row's identity, never its place. */
#ifndef TUI_TABLE_H
#define TUI_TABLE_H

#include "backend/base/strbuf.h"
#include "tui/cell.h"
#include "tui/filter.h"
#include "tui/screen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_COLUMNS_MAX 32

struct table_class {
    const struct column *columns;
    size_t count;
    uint64_t (*identity)(const void *row);
    const char *sort; /* name of the column sorted by at first; NULL: the order of the rows */
    bool follow;      /* a stream: stays at the last row until the cursor leaves it */

    /* Adds a row as its line in a text file, raw, without the line feed; NULL: its columns. */
    void (*line)(const void *row, const void *context, struct strbuf *out);

    /* Where a row that stays the same keeps what the filter said of it, 0 in a new one, so that a
     * long list is not asked anew for every frame; NULL: nowhere. */
    uint32_t *(*verdict)(const void *row);
};

struct table {
    const struct table_class *class;
    bool shown[TABLE_COLUMNS_MAX];
    int sort; /* column, -1: none */
    bool descending;
    struct filter filter;
    struct filter search; /* the last filter: what n and N look for */
    uint32_t asked;       /* which verdicts of rows are the filter's */
    const void **rows;    /* after filter and sort */
    size_t count, total;  /* rows shown, rows there were */
    const void *context;
    uint64_t selected; /* identity, 0: none */
    size_t cursor, top;
    size_t page; /* rows on the screen at the last draw */
    bool at_end; /* follow: the cursor is kept on the last row */
    uint64_t *tags;
    size_t tag_count;
    int shift; /* columns scrolled off to the left, 0: none */
};

enum table_move { TABLE_UP, TABLE_DOWN, TABLE_PAGE_UP, TABLE_PAGE_DOWN, TABLE_HOME, TABLE_END };

void table_init(struct table *table, const struct table_class *class);
void table_free(struct table *table);

/* Gives another class to the table: sort, filter and tags are forgotten. */
void table_switch(struct table *table, const struct table_class *class);

/* Filters and sorts rows (copied pointers). The cursor stays on the selected identity. */
void table_rows(struct table *table, const void *const *rows, size_t count, const void *context);

/* The heading and the rows. focus: the selected row is marked. */
void table_draw(struct table *table, struct rect area, bool focus);

/* Rows that it would like to have, with the heading. */
int table_height(const struct table *table);

void table_move(struct table *table, enum table_move move);
void table_shift(struct table *table, int by);
void table_select(struct table *table, size_t row);

/* The selected row, or NULL. */
const void *table_selected(const struct table *table);

/* Tags: toggled on the selected row; those whose row is gone stay until cleared. */
void table_tag(struct table *table);
void table_tag_all(struct table *table); /* every row that the filter leaves */
void table_untag(struct table *table);
bool table_tagged(const struct table *table, uint64_t identity);

void table_sort_next(struct table *table, int step); /* to the next or previous shown column */
void table_sort_reverse(struct table *table);
bool table_sort_by(struct table *table, const char *column);

/* See filter_set; the table is filtered at the next table_rows. */
bool table_filter(struct table *table, const char *text, char **error);

/* The cells of rows may say something else by now: the filter is asked again. */
void table_doubt(struct table *table);

/* Moves to the next (1) or previous (-1) row that matches the last filter; false: there is none. */
bool table_search(struct table *table, int direction);

#endif
