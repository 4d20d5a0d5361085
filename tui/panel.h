/* A panel: one tile of a view. A panel is a static const class in one file of panels/; most are a
 * table with an optional head above it. Hooks that a class does not need stay NULL. */
#ifndef TUI_PANEL_H
#define TUI_PANEL_H

#include "tui/screen.h"
#include "tui/table.h"

#include <stdbool.h>
#include <stddef.h>

struct panel;

/* Where the panel stands in the overview. side 0: not there. */
struct panel_tile {
    int side;     /* 1 left, 2 right */
    int rank;     /* from top to bottom; the lowest is kept longest when there is little room */
    int min_rows; /* rows inside the border that it needs to be of use */
    bool half;    /* two of them stand side by side on a narrow terminal */
};

struct panel_class {
    const char *name;  /* for bindings, commands, the config: sessions */
    const char *title; /* Sessions */
    const char *help;  /* one sentence */
    int kind;          /* what panels/ makes of it: the kind of server it shows */
    unsigned needs;    /* what panels/ makes of it: the sources it needs while it shows */
    bool view;         /* has a view of its own, full screen */
    struct panel_tile tile;
    const struct table_class *table; /* NULL: all is drawn by head */
    size_t state_size;

    void (*open)(struct panel *panel);
    void (*close)(struct panel *panel);
    void (*hidden)(struct panel *panel); /* its view was left */

    /* Brings the rows (table_rows) up to date; before every frame that has new data. */
    void (*update)(struct panel *panel);

    /* In the overview: it has nothing to show now, and takes no room. */
    bool (*absent)(const struct panel *panel);

    /* Rows above the table that it wants at a width, and their drawing. */
    int (*head_rows)(const struct panel *panel, int columns);
    void (*head)(const struct panel *panel, struct rect area);

    /* What stands in the border: the title's addition and the note at the right (age, counts).
     * The buffer is empty before. */
    void (*caption)(const struct panel *panel, char *out, size_t size);
    void (*note)(const struct panel *panel, char *out, size_t size);

    /* Why there are no rows; one line. */
    void (*empty)(const struct panel *panel, char *out, size_t size);

    /* The text of the details of a row (owned by the caller, sanitised, lines kept); NULL hook: all
     * columns. */
    char *(*details)(const struct panel *panel, const void *row);

    /* What y copies (owned by the caller, raw); NULL hook: the value of the sort column. */
    char *(*copy)(const struct panel *panel, const void *row);
};

struct panel {
    const struct panel_class *class;
    void *data;      /* what panels/ gave the app */
    struct app *app; /* for hooks that act */
    bool tile;       /* in the overview: short */
    struct table table;
    void *state; /* state_size zeroed bytes */
    struct rect area;
};

struct panel *panel_new(const struct panel_class *class, struct app *app, void *data, bool tile);
void panel_free(struct panel *panel);

void panel_update(struct panel *panel);

/* Draws head, table or the reason why there are no rows, inside the border. */
void panel_draw(struct panel *panel, struct rect inside, bool focus);

/* Rows that it would like inside its border. */
int panel_height(const struct panel *panel, int columns);

/* Its full title for the border. */
void panel_title(const struct panel *panel, char *out, size_t size);

/* The details of the selected row; NULL when there is none. The caller frees it. */
char *panel_details(const struct panel *panel);
char *panel_copy(const struct panel *panel);

#endif
