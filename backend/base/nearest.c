#include "backend/base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Longer words are near to nothing. */
enum { WORD_MAX = 48 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static int lower(char c)
{
    return tolower((unsigned char)c);
}

/* Insertions, deletions, changes and swaps of neighbours that make a into b; case does not count. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2], *oldest;
    size_t i, j, width = strlen(b);

    for (j = 0; j <= width; j++)
        before[j] = above[j] = j;
    for (i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (j = 1; j <= width; j++) {
            bool equal = lower(a[i - 1]) == lower(b[j - 1]);

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !equal);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[width];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    size_t i, length = strlen(word);
    size_t best = length < 4 ? 2 : length < 8 ? 3 : 4; /* must be less than this */
    const char *nearest = NULL;

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (i = 0; i < count; i++) {
        size_t d = strlen(names[i]) > WORD_MAX ? best : distance(word, names[i]);

        if (length > 1 && d > 0 && !strncasecmp(word, names[i], length))
            d = 1;
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
