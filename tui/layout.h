/* Where the tiles of a view go: pure arithmetic, so that every size can be tested. */
#ifndef TUI_LAYOUT_H
#define TUI_LAYOUT_H

#include "tui/screen.h"

#include <stdbool.h>
#include <stddef.h>

#define LAYOUT_TILES_MAX 16

#define LAYOUT_ABSENT (-1) /* a rank: the tile gets no room */

/* One tile: in, what it wants; out, where it is. Rectangles are with the border: the top row of a
 * tile holds its title, a column of tiles shares its edges. */
struct layout_tile {
    int side, rank, min_rows, rows; /* rows: what it would like inside; see struct panel_tile */
    bool half;
    struct rect box;  /* h 0: there is no room for it */
    bool first, last; /* the highest and the lowest of its column */
};

/* A terminal of at least this many columns gets the two sides beside each other. */
#define LAYOUT_WIDE 110

void layout_tiles(struct layout_tile *tiles, size_t count, struct rect area);

/* The part inside the border. */
struct rect layout_inside(const struct layout_tile *tile);

#endif
