#include "backend/monitor_parse.h"

#include "backend/redis_limit.h"
#include "backend/redis_script.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

/* What is left of a line. */
struct cursor {
    const char *at, *end;
};

/* Digits, at least one and at most 18. */
static bool take_number(struct cursor *c, int64_t *value)
{
    const char *begin = c->at;

    *value = 0;
    while (c->at < c->end && isdigit((unsigned char)*c->at) && c->at - begin < 18)
        *value = 10 * *value + (*c->at++ - '0');
    return c->at > begin;
}

static bool take_char(struct cursor *c, char expected)
{
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

/* SEC.USEC, the fraction of any length */
static bool take_time(struct cursor *c, double *time)
{
    static const double scale[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    int64_t seconds, fraction;
    const char *begin;

    if (!take_number(c, &seconds) || !take_char(c, '.'))
        return false;
    begin = c->at;
    if (!take_number(c, &fraction) || c->at - begin > 9)
        return false;
    *time = (double)seconds + (double)fraction / scale[c->at - begin];
    return true;
}

/* The client's name ends before the first `] "`: a socket's path may hold anything else. */
static bool take_client(struct cursor *c, struct monitor_line *line)
{
    const char *close = memmem(c->at, (size_t)(c->end - c->at), "] \"", 3);

    if (!close)
        return false;
    line->client = c->at;
    line->client_len = (size_t)(close - c->at);
    c->at = close + 2;
    return true;
}

/* A quoted argument and the space after it. Without its closing quote (the line was cut) it ends
 * with the line. */
static bool take_argument(struct cursor *c, const char **text, size_t *len)
{
    if (!take_char(c, '"'))
        return false;
    *text = c->at;
    while (c->at < c->end && *c->at != '"')
        c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
    *len = (size_t)(c->at - *text);
    if (take_char(c, '"'))
        take_char(c, ' ');
    return true;
}

bool monitor_parse(const char *text, size_t len, struct monitor_line *line)
{
    struct cursor c = {text, text + len};
    int64_t db;

    take_char(&c, '+');
    *line = (struct monitor_line){0};
    if (!take_time(&c, &line->time) || !take_char(&c, ' ') || !take_char(&c, '[') ||
        !take_number(&c, &db) || db > INT_MAX || !take_char(&c, ' ') || !take_client(&c, line))
        return false;
    line->db = (int)db;
    line->args = c.at;
    line->args_len = (size_t)(c.end - c.at);
    return take_argument(&c, &line->command, &line->command_len);
}

bool monitor_argument(const char **rest, size_t *rest_len, const char **text, size_t *len)
{
    struct cursor c = {*rest, *rest + *rest_len};
    bool any = take_argument(&c, text, len);

    *rest = c.at;
    *rest_len = (size_t)(c.end - c.at);
    return any;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Decodes the escape at c (after its backslash) and moves past it; what is no escape of the server
 * stands for itself. */
static char take_escape(struct cursor *c)
{
    static const char names[] = "nrtab", bytes[] = "\n\r\t\a\b";
    char escape = *c->at++;
    const char *known = escape ? strchr(names, escape) : NULL;

    if (known)
        return bytes[known - names];
    if (escape == 'x' && c->end - c->at >= 2 && hex_digit(c->at[0]) >= 0 &&
        hex_digit(c->at[1]) >= 0) {
        c->at += 2;
        return (char)(16 * hex_digit(c->at[-2]) + hex_digit(c->at[-1]));
    }
    return escape;
}

size_t monitor_unescape(const char *in, size_t len, char *out, size_t cap)
{
    struct cursor c = {in, in + len};
    size_t n = 0;

    while (c.at < c.end && n < cap) {
        char byte = *c.at++;

        if (byte == '\\' && c.end - c.at >= 3 && memcmp(c.at, "x00", 3) == 0) {
            if (cap - n < 4)
                break;
            memcpy(out + n, c.at - 1, 4);
            n += 4;
            c.at += 3;
            continue;
        }

        out[n++] = byte == '\\' && c.at < c.end ? take_escape(&c) : byte;
    }
    return n;
}

static bool is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

size_t monitor_secret(const char *text, size_t len)
{
    struct monitor_line line;
    struct cursor c;
    const char *argument;
    size_t argument_len;
    bool auth;

    if (!monitor_parse(text, len, &line))
        return len;
    auth = is(line.command, line.command_len, "auth");
    if (!auth && !is(line.command, line.command_len, "hello") &&
        !is(line.command, line.command_len, "migrate"))
        return len;
    c = (struct cursor){line.args, line.args + line.args_len};
    while (take_argument(&c, &argument, &argument_len)) {
        if ((auth && argument == line.command) || is(argument, argument_len, "auth2") ||
            is(argument, argument_len, "auth"))
            return (size_t)(c.at - text);
    }
    return len;
}

/* ---- our own polling ---- */

/* Each with all its arguments, %d: any number, %s: whatever follows. It changes no data, and reads
 * little: what is hidden for its spelling harms nobody, whoever has sent it. */
static const struct {
    const char *name, *arguments[6];
} polled[] = {
    {"aUtH", {"%s"}},
    {"aUtH", {"%s", "%s"}},
    {"cOnFiG", {"GET", REDIS_LIMIT_SETTING}},
    {"gEtRaNgE", {SPARE_MARKER, "0", "%d"}},
    {"hLeN", {"unacked"}},
    {"iNfO", {NULL}},
    {"lLeN", {"%s"}},
    {"sCaN", {"%d", "MATCH", "_kombu.binding.*", "COUNT", "1000"}},
    {"sElEcT", {"%d"}},
    {"sScAn", {"_kombu.binding.%s", "0", "COUNT", "500"}},
    {"tImE", {NULL}},
    {"zCoUnT", {"unacked_index", "0", "%d"}},
};

const char *monitor_spell(const char *command, char spelt[MONITOR_SPELT])
{
    size_t n = 0;

    for (; command[n] && n + 1 < MONITOR_SPELT; n++)
        spelt[n] =
            (char)(n % 2 ? toupper((unsigned char)command[n]) : tolower((unsigned char)command[n]));
    if (command[n])
        return command; /* cut, it would be another one */
    spelt[n] = '\0';
    return spelt;
}

static bool is_like(const char *text, size_t len, const char *pattern)
{
    const size_t n = strcspn(pattern, "%");

    if (len < n || memcmp(text, pattern, n) != 0)
        return false;
    if (!pattern[n])
        return len == n;
    if (pattern[n + 1] == 's')
        return true;
    for (size_t i = n; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
    }
    return len > n;
}

/* Whether the arguments of c, whole, are these and no others. */
static bool are_like(struct cursor c, const char *const *patterns)
{
    const char *text;
    size_t len;

    for (; *patterns; patterns++) {
        if (!take_argument(&c, &text, &len) || text + len == c.end ||
            !is_like(text, len, *patterns))
            return false;
    }
    return c.at == c.end;
}

bool monitor_is_polling(const char *args, size_t len)
{
    if (len < 6 || args[1] < 'a' || args[2] < 'A' || args[2] > 'Z')
        return false;
    for (size_t i = 0; i < sizeof(polled) / sizeof(*polled); i++) {
        const size_t n = strlen(polled[i].name);
        struct cursor rest = {args + n + 1, args + len};

        if (len < n + 2 || memcmp(args + 1, polled[i].name, n) != 0 || !take_char(&rest, '"'))
            continue;
        take_char(&rest, ' ');
        if (are_like(rest, polled[i].arguments))
            return true;
    }
    return false;
}
