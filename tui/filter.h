/* What the operator types to narrow a table: [!][column:]regular expression (POSIX extended, case
 * does not matter); ! keeps the rows that do not match. Several that each name a column, with blanks
 * between them, must all be true of a row: "command:set db:3 !client:^10\.0\.0\.5:". Any other text with
 * blanks is one expression, and so is what stands around a blank that has a \ before it.
 *
 * A * at the start or after one of : / - _ stands for anything, as in user:*:cart, where the rest
 * of the expression is plain text; a text with a * is also found as it stands. After a name of a
 * column a * at the start leaves open what was meant: "user:*:cart" is what the column user has, or
 * such a key. */
#ifndef TUI_FILTER_H
#define TUI_FILTER_H

#include "tui/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the prompt calls it. */
#define FILTER_SYNTAX "[!]column:regex ... or [!]regex"

struct filter_term;

struct filter {
    char *text; /* as typed; NULL: no filter */
    struct filter_term *terms;
    size_t count;
};

/* Compiles text over the columns' names. On false *error (caller frees) says what is wrong and
 * filter is unchanged; an empty text clears it. */
bool filter_set(struct filter *filter, const char *text, const struct column *columns, size_t count,
                char **error);
void filter_clear(struct filter *filter);

/* True when the row is to be shown. */
bool filter_match(const struct filter *filter, const struct column *columns, size_t count,
                  const void *row, const void *context);

/* The same where columns (bits) are not known of the row yet: what is asked of one of them by its name is
 * taken for true. What names no column is asked of those that are known: else it would leave out nothing
 * where rows come whose columns never become known. */
bool filter_may_match(const struct filter *filter, const struct column *columns, size_t count,
                      const void *row, const void *context, uint32_t unknown);

/* Does it look at one of these columns (bits)? What names no column looks at all of them. */
bool filter_looks_at(const struct filter *filter, uint32_t columns);

#endif
