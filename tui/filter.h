/* What the operator types to narrow a table: [!][column:]regular expression (POSIX extended, case
 * does not matter); ! keeps the rows that do not match. */
#ifndef TUI_FILTER_H
#define TUI_FILTER_H

#include "tui/cell.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct filter {
    char *text; /* as typed; NULL: no filter */
    regex_t regex;
    bool invert;
    int column; /* -1: any */
};

/* Compiles text over the columns' names. On false *error (caller frees) says what is wrong and
 * filter is unchanged; an empty text clears it. */
bool filter_set(struct filter *filter, const char *text, const struct column *columns, size_t count,
                char **error);
void filter_clear(struct filter *filter);

/* True when the row is to be shown. */
bool filter_match(const struct filter *filter, const struct column *columns, size_t count,
                  const void *row, const void *context);

#endif
