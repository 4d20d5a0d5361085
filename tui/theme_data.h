/* The theme files of themes/, compiled into the program (made by the Makefile). Ends with {0, 0}. */
#ifndef TUI_THEME_DATA_H
#define TUI_THEME_DATA_H

struct theme_data {
    const char *name, *text;
};

extern const struct theme_data theme_data[];

#endif
