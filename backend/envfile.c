#include "backend/envfile.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/textfile.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* References ($NAME) that one search follows, so that no file makes it slow: each searches the part
 * of the file above it. */
enum { REFERENCES_MAX = 32, EXPANDED_MAX = 64 * 1024 };

struct span {
    const char *s, *end;
};

struct search {
    const char *text;
    int references; /* that may still be followed */
};

struct assignment {
    struct span key, value;
    char quote; /* of the value: ', " or 0 */
};

static char *find_before(struct search *search, const char *end, struct span key);

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static struct span trim(struct span text)
{
    while (text.s < text.end && is_blank(*text.s))
        text.s++;
    while (text.end > text.s && is_blank(text.end[-1]))
        text.end--;
    return text;
}

static bool span_equal(struct span a, struct span b)
{
    return a.end - a.s == b.end - b.s && !memcmp(a.s, b.s, (size_t)(a.end - a.s));
}

static struct span strip_export(struct span key)
{
    static const char word[] = "export";
    const size_t len = sizeof(word) - 1;

    if ((size_t)(key.end - key.s) > len && !memcmp(key.s, word, len) && is_blank(key.s[len]))
        key.s += len;
    return trim(key);
}

/* The quote that closes the one before s, or NULL. */
static const char *closing_quote(const char *s, const char *end, char quote)
{
    for (; s < end; s++) {
        if (*s == '\\' && s + 1 < end)
            s++;
        else if (*s == quote)
            return s;
    }
    return NULL;
}

static struct span strip_comment(struct span value)
{
    const char *s;

    for (s = value.s; s < value.end; s++) {
        if (*s == '#' && is_blank(s[-1])) {
            value.end = s;
            break;
        }
    }
    return trim(value);
}

static const char *line_end(const char *s, const char *end)
{
    const char *newline = memchr(s, '\n', (size_t)(end - s));

    return newline ? newline : end;
}

/* Takes the assignment of the line at *at, if there is one, and moves *at to the next line. A value
 * in quotes may span lines; one whose quote is never closed is none. */
static bool next_assignment(const char **at, const char *end, struct assignment *found)
{
    struct span line = {*at, line_end(*at, end)};
    const char *equals = memchr(line.s, '=', (size_t)(line.end - line.s));
    const char *close;

    *at = line.end < end ? line.end + 1 : end;
    line = trim(line);
    if (!equals || line.s == line.end || *line.s == '#')
        return false;
    found->key = strip_export(trim((struct span){line.s, equals}));
    found->value = trim((struct span){equals + 1, line.end});
    found->quote = '\0';
    if (found->value.s == found->value.end || (*found->value.s != '"' && *found->value.s != '\'')) {
        found->value = strip_comment((struct span){equals + 1, line.end});
        return true;
    }
    found->quote = *found->value.s++;
    close = closing_quote(found->value.s, end, found->quote);
    if (!close)
        return false;
    found->value.end = close;
    close = line_end(close, end);
    *at = close < end ? close + 1 : end;
    return true;
}

static void add_escape(struct strbuf *out, char c)
{
    static const char escapes[] = "n\nr\rt\t\"\"'\'\\\\$$";
    size_t i;

    for (i = 0; i + 1 < sizeof(escapes); i += 2) {
        if (escapes[i] == c) {
            strbuf_addc(out, escapes[i + 1]);
            return;
        }
    }
    strbuf_addc(out, '\\');
    strbuf_addc(out, c);
}

/* $NAME, ${NAME}, ${NAME-fallback} or ${NAME:-fallback}. */
struct reference {
    struct span name, fallback;
    bool empty_is_unset;
    const char *end;
};

/* The name at s, which may be empty. */
static struct span name_at(const char *s, const char *end)
{
    struct span name = {s, s};

    if (s < end && isdigit((unsigned char)*s))
        return name;
    while (name.end < end && is_name(*name.end))
        name.end++;
    return name;
}

/* s is behind the brace. */
static bool parse_braced(const char *s, const char *end, struct reference *found)
{
    const char *close = memchr(s, '}', (size_t)(end - s));

    if (!close)
        return false;
    found->name = name_at(s, close);
    found->fallback = (struct span){close, close};
    found->end = close + 1;
    s = found->name.end;
    if (s < close && *s == ':') {
        found->empty_is_unset = true;
        s++;
    }
    if (s < close && *s == '-')
        found->fallback.s = s + 1;
    else if (s != close || found->empty_is_unset)
        return false;
    return found->name.s < found->name.end;
}

/* text begins with a '$'. False: it is none of these forms, and stays as it is. */
static bool parse_reference(struct span text, struct reference *found)
{
    const char *s = text.s + 1;

    *found = (struct reference){.fallback = {s, s}};
    if (s < text.end && *s == '{')
        return parse_braced(s + 1, text.end, found);
    found->name = name_at(s, text.end);
    found->end = found->name.end;
    return found->name.s < found->name.end;
}

/* Adds what the '$' that text begins with stands for; returns where that ends. Only keys above the
 * line count. */
static const char *add_reference(struct search *search, const char *line, struct span text,
                                 struct strbuf *out)
{
    struct reference reference;
    char *value;

    if (!parse_reference(text, &reference)) {
        strbuf_addc(out, '$');
        return text.s + (text.s + 1 < text.end && text.s[1] == '$' ? 2 : 1);
    }
    value = find_before(search, line, reference.name);
    if (value && (*value || !reference.empty_is_unset))
        strbuf_adds(out, value);
    else
        strbuf_add(out, reference.fallback.s,
                   (size_t)(reference.fallback.end - reference.fallback.s));
    mem_free_secret(value, value ? strlen(value) : 0);
    return reference.end;
}

static char *expand(struct search *search, const struct assignment *assignment)
{
    const struct span text = assignment->value;
    struct strbuf out = {0};
    const char *s = text.s;

    while (s < text.end && out.len < EXPANDED_MAX) {
        if (*s == '\\' && assignment->quote == '"' && s + 1 < text.end) {
            add_escape(&out, s[1]);
            s += 2;
        } else if (*s == '\\' && assignment->quote == '\'' && s + 1 < text.end && s[1] == '\'') {
            strbuf_addc(&out, '\'');
            s += 2;
        } else if (*s == '$' && assignment->quote != '\'') {
            s = add_reference(search, assignment->key.s, (struct span){s, text.end}, &out);
        } else {
            strbuf_addc(&out, *s++);
        }
    }
    return strbuf_take(&out);
}

/* The last assignment of key above end. */
static char *find_before(struct search *search, const char *end, struct span key)
{
    const char *at = search->text;
    struct assignment assignment, last = {0};
    bool found = false;

    if (search->references-- <= 0)
        return NULL;
    while (at < end) {
        if (next_assignment(&at, end, &assignment) && span_equal(assignment.key, key)) {
            last = assignment;
            found = true;
        }
    }
    return found ? expand(search, &last) : NULL;
}

char *envfile_find(const char *text, size_t len, const char *key)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct search search = {.text = text, .references = REFERENCES_MAX};

    if (len >= 3 && !memcmp(text, byte_order_mark, 3))
        search.text += 3;
    return find_before(&search, text + len, (struct span){key, key + strlen(key)});
}

char *envfile_read(const char *path, const char *key, char **error)
{
    size_t len = 0;
    char *reason = NULL, *value;
    char *text = textfile_read(path, TEXTFILE_REGULAR, &len, &reason);

    if (!text) {
        *error = mem_printf("cannot read env_file %s: %s", path, reason);
        free(reason);
        return NULL;
    }
    value = envfile_find(text, len, key);
    mem_free_secret(text, len);
    if (!value)
        *error = mem_printf("env_file %s has no %s=VALUE line: add it, or set password_key "
                            "to the key that holds the password",
                            path, key);
    return value;
}
