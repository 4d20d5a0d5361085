/* Where theme files are: the user's directory, a path, or the ones compiled in. */
#ifndef TUI_THEME_FILE_H
#define TUI_THEME_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct theme_file {
    char *text;  /* what it says */
    char *where; /* what messages call it */
    bool own;    /* from the user's directory */
};

/* Finds and reads. False: *error (caller frees). shipped: not from the user's directory. */
bool theme_file_read(const char *name, bool shipped, struct theme_file *file, char **error);
void theme_file_free(struct theme_file *file);

/* The nearest of count names, for messages; NULL when none is near. */
const char *theme_nearest(const char *name, const char *(*at)(size_t index), size_t count);

#endif
