#include "tui/filter.h"

#include "backend/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* As much of a cell's text as a filter looks at. */
#define FILTER_TEXT_MAX 16384

static int column_prefix(const char **text, const struct column *columns, size_t count)
{
    const char *colon = strchr(*text, ':');

    if (!colon)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(columns[i].name);

        if (len == (size_t)(colon - *text) && strncasecmp(columns[i].name, *text, len) == 0) {
            *text = colon + 1;
            return (int)i;
        }
    }
    return -1;
}

bool filter_set(struct filter *filter, const char *text, const struct column *columns, size_t count,
                char **error)
{
    struct filter made = {.column = -1};
    const char *pattern = text;
    char reason[128];
    int code;

    if (!*text) {
        filter_clear(filter);
        return true;
    }
    if (*pattern == '!') {
        made.invert = true;
        pattern++;
    }
    made.column = column_prefix(&pattern, columns, count);
    code = regcomp(&made.regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (code) {
        regerror(code, &made.regex, reason, sizeof(reason));
        *error = mem_printf(
            "filter: %s; a literal character of []()*+?.{}|^$\\ needs a \\ before it", reason);
        return false;
    }
    made.text = mem_strdup(text);
    filter_clear(filter);
    *filter = made;
    return true;
}

void filter_clear(struct filter *filter)
{
    if (filter->text)
        regfree(&filter->regex);
    free(filter->text);
    *filter = (struct filter){.column = -1};
}

static bool cell_matches(const struct filter *filter, const struct column *column, const void *row,
                         const void *context)
{
    struct cell cell = {0};
    char text[FILTER_TEXT_MAX];

    column->cell(row, context, &cell);
    return regexec(&filter->regex, cell_text(&cell, text, sizeof(text)), 0, NULL, 0) == 0;
}

bool filter_match(const struct filter *filter, const struct column *columns, size_t count,
                  const void *row, const void *context)
{
    bool found = false;

    if (!filter->text)
        return true;
    for (size_t i = 0; i < count && !found; i++) {
        if (filter->column < 0 || (size_t)filter->column == i)
            found = cell_matches(filter, &columns[i], row, context);
    }
    return found != filter->invert;
}
