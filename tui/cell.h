/* Typed values of table cells and the columns that make them. The same column table gives the
 * screen's table, JSON, CSV and the help, so a figure has one name, one source and one unit. */
#ifndef TUI_CELL_H
#define TUI_CELL_H

#include "tui/theme.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_type {
    CELL_NONE, /* absent: – on the screen, null in JSON, empty in CSV */
    CELL_TEXT, /* bytes from outside, not sanitised */
    CELL_INTEGER,
    CELL_COUNT,    /* shown with k, M */
    CELL_BYTES,    /* shown with k, M, G */
    CELL_DURATION, /* seconds */
    CELL_PERCENT,  /* a fraction */
    CELL_RATE,     /* a second */
    CELL_BOOL,
    CELL_LIST /* of integers */
};

struct cell {
    enum cell_type type;
    enum role role;
    const char *text; /* CELL_TEXT; use cell_string to read it */
    double number;
    const int *list;
    size_t count;
    char built[48]; /* a text that the column's function made: the value when text is NULL */
    char label[24]; /* what the screen says instead of the value; "": the value itself */
    bool gauge;     /* the screen draws a bar of the value (a fraction) before it */
    float warning, critical; /* levels at which the bar's role changes; NAN: never */
};

/* Sets a cell; a NAN or NULL makes it CELL_NONE. role stays ROLE_TEXT. */
void cell_set_text(struct cell *cell, const char *text);
void cell_set_number(struct cell *cell, enum cell_type type, double number);

/* Makes a text of at most 47 bytes that lives in the cell itself. */
void cell_build_text(struct cell *cell, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The raw text of a CELL_TEXT. */
const char *cell_string(const struct cell *cell);

/* The screen's words for a value that JSON and CSV give exactly; cut to fit. */
void cell_set_label(struct cell *cell, const char *label);

/* A fraction that the screen shows as a bar and a number, in the role of its level. */
void cell_set_gauge(struct cell *cell, double fraction, double warning, double critical);

struct column {
    const char *name;       /* in JSON, CSV, filters, commands: pid */
    const char *title;      /* PID */
    const char *help;       /* one line: what it is, its source (view.column, INFO field) */
    short width;            /* on the screen, without the gap */
    short max;              /* may grow to this on wide terminals; 0: width */
    short grow;             /* its share of what is left over then */
    unsigned char priority; /* 0: always there; the highest is dropped first when it is narrow */
    bool hidden;            /* only when chosen */
    bool right;             /* aligned to the right */
    bool descending;        /* sorted largest first by default */
    bool fit;     /* as wide as what is in it, from its title to max, where there is room */
    bool tail;    /* what is too long loses its beginning: the end tells more */
    bool squeeze; /* runs of spaces are shown as one (query texts) */
    void (*cell)(const void *row, const void *context, struct cell *cell);
};

/* The most columns that it can use on the screen: its max, or what is in these rows (fit). */
int column_wish(const struct column *column, const void *const *rows, size_t count,
                const void *context);

/* The value as shown, sanitised, at most size - 1 bytes; returns out. */
const char *cell_text(const struct cell *cell, char *out, size_t size);

/* Order for sorting, ascending; absent ones last in either direction (descending tells). */
int cell_compare(const struct cell *a, const struct cell *b, bool descending);

#endif
