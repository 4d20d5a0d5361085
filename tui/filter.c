#include "tui/filter.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* As much of a cell's text as a filter looks at. */
#define FILTER_TEXT_MAX 16384

#define SPECIAL "\\^$()[]{}|+?.*"
#define JOINERS ":/-_"

struct way {
    regex_t regex;
    int column; /* -1: any */
};

struct filter_term {
    struct way ways[2]; /* one of them is enough */
    size_t count;
    bool invert;
};

/* ---- patterns ---- */

static void add_literal(struct strbuf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(SPECIAL, text[i]))
            strbuf_addc(out, '\\');
        strbuf_addc(out, text[i]);
    }
}

/* A * that repeats nothing that anybody would have repeated, in a text that is else plain: but for
 * ^ at its start and $ at its end. */
static bool is_glob(const char *text, size_t len)
{
    bool star = false;

    for (size_t i = 0; i < len; i++) {
        const bool edge = (i == 0 && text[i] == '^') || (i + 1 == len && text[i] == '$');

        if (text[i] == '*') {
            if (i > 0 && text[i - 1] == '.')
                return false;
            star = star || i == 0 || strchr(JOINERS "^", text[i - 1]);
        } else if (text[i] != '.' && !edge && strchr(SPECIAL, text[i])) {
            return false;
        }
    }
    return star;
}

static void add_glob(struct strbuf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const bool edge = (i == 0 && text[i] == '^') || (i + 1 == len && text[i] == '$');

        if (text[i] == '*')
            strbuf_adds(out, ".*");
        else if (edge)
            strbuf_addc(out, text[i]);
        else
            add_literal(out, text + i, 1);
    }
}

static bool compile(regex_t *regex, const char *pattern, const char *named, char **error)
{
    char reason[128];
    const int code = regcomp(regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB);

    if (!code)
        return true;
    regerror(code, regex, reason, sizeof(reason));
    *error =
        mem_printf("filter: %s%s%s; a literal character of []()*+?.{}|^$\\ needs a \\ before it",
                   reason, *named ? " in " : "", named);
    return false;
}

/* named: for the error text, where there are several. */
static bool compile_text(regex_t *regex, const char *text, size_t len, const char *named,
                         char **error)
{
    struct strbuf pattern = {0};
    bool valid;

    if (is_glob(text, len)) {
        add_glob(&pattern, text, len);
    } else {
        strbuf_add(&pattern, text, len);
        strbuf_addc(&pattern, '\0');
        if (!compile(regex, pattern.s, named, error)) {
            strbuf_free(&pattern);
            return false;
        }
        if (!memchr(text, '*', len)) {
            strbuf_free(&pattern);
            return true;
        }
        regfree(regex);
        pattern.len = len;
        strbuf_addc(&pattern, '|');
        add_literal(&pattern, text, len);
    }
    strbuf_addc(&pattern, '\0');
    valid = compile(regex, pattern.s, named, error);
    strbuf_free(&pattern);
    return valid;
}

/* ---- terms ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A word and the blanks that a \ makes part of it; *at is moved behind it. Its length. */
static size_t next_word(const char **at, const char **word)
{
    const char *s = *at + strspn(*at, " \t");

    *word = s;
    while (*s && !is_blank(*s))
        s += s[0] == '\\' && s[1] ? 2 : 1;
    *at = s;
    return (size_t)(s - *word);
}

/* Which column's name a text begins with; its length with the colon in *skip. -1: none's. */
static int column_prefix(const char *text, size_t len, const struct column *columns, size_t count,
                         size_t *skip)
{
    const char *colon = memchr(text, ':', len);

    *skip = 0;
    for (size_t i = 0; colon && i < count; i++) {
        const size_t size = strlen(columns[i].name);

        if (size == (size_t)(colon - text) && strncasecmp(columns[i].name, text, size) == 0) {
            *skip = size + 1;
            return (int)i;
        }
    }
    return -1;
}

static bool names_column(const char *word, size_t len, const struct column *columns, size_t count)
{
    const size_t not = len && *word == '!';
    size_t skip;

    return column_prefix(word + not, len - not, columns, count, &skip) >= 0;
}

/* How many terms a text has: one, unless every word of it names a column. */
static size_t count_terms(const char *text, const struct column *columns, size_t count)
{
    size_t words = 0, len;
    const char *word;

    while ((len = next_word(&text, &word))) {
        if (!names_column(word, len, columns, count))
            return 1;
        words++;
    }
    return words ? words : 1;
}

static void free_terms(struct filter_term *terms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t way = 0; way < terms[i].count; way++)
            regfree(&terms[i].ways[way].regex);
    }
    free(terms);
}

static bool add_way(struct filter_term *term, int column, const char *text, size_t len,
                    const char *named, char **error)
{
    struct way *way = &term->ways[term->count];

    way->column = column;
    if (!compile_text(&way->regex, text, len, named, error))
        return false;
    term->count++;
    return true;
}

static bool compile_term(struct filter_term *term, const char *text, size_t len,
                         const struct column *columns, size_t count, const char *named,
                         char **error)
{
    size_t skip;
    int column;

    term->invert = *text == '!';
    text += term->invert;
    len -= term->invert;
    column = column_prefix(text, len, columns, count, &skip);
    if (!add_way(term, column, text + skip, len - skip, named, error))
        return false;
    return column < 0 || text[skip] != '*' || add_way(term, -1, text, len, named, error);
}

static bool compile_terms(struct filter *made, const char *text, const struct column *columns,
                          size_t count, char **error)
{
    const char *at = text, *word = text;

    for (size_t i = 0; i < made->count; i++) {
        const size_t len = made->count > 1 ? next_word(&at, &word) : strlen(text);
        char *named = mem_strndup(word, made->count > 1 ? len : 0);
        const bool valid = compile_term(&made->terms[i], word, len, columns, count, named, error);

        free(named);
        if (!valid)
            return false;
    }
    return true;
}

bool filter_set(struct filter *filter, const char *text, const struct column *columns, size_t count,
                char **error)
{
    struct filter made = {0};

    if (!*text) {
        filter_clear(filter);
        return true;
    }
    made.count = count_terms(text, columns, count);
    made.terms = mem_zalloc(made.count * sizeof(*made.terms));
    if (!compile_terms(&made, text, columns, count, error)) {
        free_terms(made.terms, made.count);
        return false;
    }
    made.text = mem_strdup(text);
    filter_clear(filter);
    *filter = made;
    return true;
}

void filter_clear(struct filter *filter)
{
    free_terms(filter->terms, filter->count);
    free(filter->text);
    *filter = (struct filter){0};
}

/* ---- rows ---- */

static bool cell_matches(const regex_t *regex, const struct column *column, const void *row,
                         const void *context)
{
    struct cell cell = {0};
    char text[FILTER_TEXT_MAX];

    column->cell(row, context, &cell);
    return regexec(regex, cell_text(&cell, text, sizeof(text)), 0, NULL, 0) == 0;
}

static bool way_matches(const struct way *way, const struct column *columns, size_t count,
                        const void *row, const void *context)
{
    if (way->column >= 0)
        return (size_t)way->column < count &&
               cell_matches(&way->regex, &columns[way->column], row, context);
    for (size_t i = 0; i < count; i++) {
        if (cell_matches(&way->regex, &columns[i], row, context))
            return true;
    }
    return false;
}

static bool term_matches(const struct filter_term *term, const struct column *columns, size_t count,
                         const void *row, const void *context)
{
    bool found = false;

    for (size_t i = 0; i < term->count && !found; i++)
        found = way_matches(&term->ways[i], columns, count, row, context);
    return found != term->invert;
}

static bool is_of(const struct way *way, uint32_t columns)
{
    return way->column >= 0 && columns >> way->column & 1;
}

static bool asks_for(const struct filter_term *term, uint32_t columns)
{
    for (size_t i = 0; i < term->count; i++) {
        if (is_of(&term->ways[i], columns))
            return true;
    }
    return false;
}

bool filter_may_match(const struct filter *filter, const struct column *columns, size_t count,
                      const void *row, const void *context, uint32_t unknown)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct filter_term *term = &filter->terms[i];

        if (!asks_for(term, unknown) && !term_matches(term, columns, count, row, context))
            return false;
    }
    return true;
}

bool filter_match(const struct filter *filter, const struct column *columns, size_t count,
                  const void *row, const void *context)
{
    return filter_may_match(filter, columns, count, row, context, 0);
}

bool filter_looks_at(const struct filter *filter, uint32_t columns)
{
    for (size_t i = 0; i < filter->count; i++) {
        for (size_t way = 0; way < filter->terms[i].count; way++) {
            if (filter->terms[i].ways[way].column < 0 ||
                is_of(&filter->terms[i].ways[way], columns))
                return true;
        }
    }
    return false;
}
