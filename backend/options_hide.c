#include "backend/options.h"

#include <ctype.h>
#include <string.h>

/* Puts "*" in the place of [s, end) and moves the rest of the string up. */
static void hide(char *s, char *end)
{
    size_t rest = strlen(end);
    size_t hidden = (size_t)(end - s);

    if (hidden == 0)
        return;
    *s = '*';
    memmove(s + 1, end, rest + 1);
    explicit_bzero(s + 2 + rest, hidden - 1);
}

/* The part of an address before its last '@' that follows the user's name. */
static void hide_in_address(char *arg)
{
    char *at = strrchr(arg, '@');
    char *scheme = strstr(arg, "://");
    char *equals = strncmp(arg, "--", 2) != 0 ? NULL : strchr(arg, '=');
    char *value = scheme ? scheme + 3 : equals ? equals + 1 : arg;
    char *colon;

    if (!at || value >= at)
        return;
    colon = memchr(value, ':', (size_t)(at - value));
    if (colon)
        hide(colon + 1, at);
    else if (scheme)
        hide(value, at);
}

/* Where the value at s ends, by libpq's rules of quotes and backslashes; in a URI at '&'. */
static char *end_of_value(char *s, bool uri)
{
    bool quoted = *s == '\'';

    for (s += quoted; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (quoted ? *s == '\'' : isspace((unsigned char)*s) || (uri && *s == '&'))
            break;
    }
    return s + (quoted && *s);
}

static void hide_in_conninfo(char *arg)
{
    bool uri = strstr(arg, "://");
    char *s = arg;

    while ((s = strstr(s, "password"))) {
        s += strlen("password");
        s += strspn(s, " \t\n");
        if (*s == '=') {
            s++;
            s += strspn(s, " \t\n");
            hide(s, end_of_value(s, uri));
        }
    }
}

void options_hide_secrets(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++) {
        hide_in_conninfo(argv[i]);
        hide_in_address(argv[i]);
    }
}
