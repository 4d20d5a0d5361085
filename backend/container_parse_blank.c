/* Commands without their secrets. It is better to hide too much than too little: what is hidden is
 * only missing on the screen. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_parse_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blank[] = "*";

/* Quotes, and what stands before them in scripts: they surround a word and are no part of it. */
static const char around[] = "\"'`(\\";

struct blanking {
    bool next;   /* the next word is a secret */
    bool acl;    /* in the rules after --user: >PASSWORD, #HASH */
    bool client; /* after redis-cli: -a PASSWORD */
    bool user;   /* after -u or --user: NAME:PASSWORD */
};

static bool contains(const char *s, size_t len, const char *part)
{
    const size_t size = strlen(part);

    for (size_t i = 0; i + size <= len; i++)
        if (strncasecmp(s + i, part, size) == 0)
            return true;
    return false;
}

static bool ends_with(const char *s, size_t len, const char *part)
{
    const size_t size = strlen(part);

    return len >= size && strncasecmp(s + len - size, part, size) == 0;
}

/* Whether an option, variable or member of that name holds a secret. */
static bool is_secret(const char *s, size_t len)
{
    static const char *const parts[] = {"pass",        "secret",     "token",     "masterauth",
                                        "primaryauth", "apikey",     "api_key",   "api-key",
                                        "credential",  "access_key", "access-key"};
    static const char *const ends[] = {"pwd", "_pw", "-pw", "_auth", "-auth"};
    static const char *const places[] = {"file", "path", "dir"};

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (ends_with(s, len, places[i]))
            return false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (contains(s, len, parts[i]))
            return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (ends_with(s, len, ends[i]))
            return true;
    return len == 4 && strncasecmp(s, "auth", 4) == 0;
}

/* A word without dashes that a secret follows: of a configuration, of SQL, of JSON. */
static bool is_bare_secret(const char *s, size_t len)
{
    static const char *const names[] = {"requirepass", "masterauth", "primaryauth", "auth-pass",
                                        "password"};

    while (len && strchr("\"':,", s[len - 1]))
        len--;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (len == strlen(names[i]) && strncasecmp(s, names[i], len) == 0)
            return true;
    return false;
}

/* The end of a secret that begins at s: its closing quote, or the end of the word. */
static const char *secret_end(const char *s)
{
    const char *quote = s + strspn(s, "\\");

    if (*quote == '"' || *quote == '\'') {
        const char *close = strchr(quote + 1, *quote);

        if (!close)
            return s + strlen(s);
        s = close + 1;
    }
    return s + strcspn(s, " \t\r\n");
}

/* The secret after "NAME=" in a word, or NULL. */
static const char *assigned_secret(const char *s, const char *end)
{
    for (const char *at = s; (at = memchr(at, '=', (size_t)(end - at))); at++) {
        const char *name = at;

        while (name > s && (isalnum((unsigned char)name[-1]) || strchr("_-.", name[-1])))
            name--;
        if (is_secret(name, (size_t)(at - name)))
            return at + 1;
    }
    return NULL;
}

/* The password of "scheme://user:password@host", up to *stop, or NULL. */
static const char *url_secret(const char *s, const char *end, const char **stop)
{
    const char *rest = memmem(s, (size_t)(end - s), "://", 3), *colon;

    if (!rest)
        return NULL;
    rest += 3;
    *stop = memrchr(rest, '@', (size_t)(end - rest));
    colon = *stop ? memchr(rest, ':', (size_t)(*stop - rest)) : NULL;
    return colon ? colon + 1 : NULL;
}

static const char *rule_secret(const struct blanking *state, const char *s, const char *end)
{
    const char *colon;

    if (state->acl && *s && strchr("><#!", *s))
        return s + 1;
    colon = state->user ? memchr(s, ':', (size_t)(end - s)) : NULL;
    return colon ? colon + 1 : NULL;
}

static bool equals(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(s, word, len) == 0;
}

static bool is_client(const char *s, size_t len)
{
    return ends_with(s, len, "redis-cli") || ends_with(s, len, "valkey-cli") ||
           ends_with(s, len, "keydb-cli");
}

/* What a word means for those after it. */
static void note_word(struct blanking *state, const char *s, size_t len)
{
    const size_t dashes = *s == '-' ? strspn(s, "-") : 0;
    const bool password = state->client && (equals(s, len, "-a") || equals(s, len, "auth"));

    state->user = equals(s, len, "--user") || equals(s, len, "-u");
    if (dashes == 2)
        state->acl = equals(s, len, "--user");
    state->client = state->client || is_client(s, len);
    if (dashes && !memchr(s, '=', len) && strncmp(s + dashes, "no-", 3) != 0)
        state->next = is_secret(s + dashes, len - dashes);
    state->next = state->next || password || (!dashes && is_bare_secret(s, len));
}

/* Adds one word, up to end or, where a quoted secret goes on behind it, further. Returns where it
 * ended. */
static const char *blank_word(struct strbuf *out, struct blanking *state, const char *s,
                              const char *end)
{
    const char *inner = s, *secret, *stop = NULL;

    while (inner < end && strchr(around, *inner))
        inner++;
    if (state->next) {
        state->next = false;
        strbuf_adds(out, blank);
        return secret_end(s);
    }
    secret = assigned_secret(inner, end);
    if (!secret)
        secret = url_secret(inner, end, &stop);
    if (!secret)
        secret = rule_secret(state, inner, end);
    note_word(state, inner, (size_t)(end - inner));
    if (!secret) {
        strbuf_add(out, s, (size_t)(end - s));
        return end;
    }
    strbuf_add(out, s, (size_t)(secret - s));
    strbuf_adds(out, blank);
    if (!stop)
        return secret_end(secret);
    strbuf_add(out, stop, (size_t)(end - stop));
    return end;
}

static void blank_words(struct strbuf *out, struct blanking *state, const char *s)
{
    while (*s) {
        const size_t spaces = strspn(s, " \t\r\n");

        strbuf_add(out, s, spaces);
        s += spaces;
        if (*s)
            s = blank_word(out, state, s, s + strcspn(s, " \t\r\n"));
    }
}

/* "--requirepass=two words": all that is behind the sign is the secret, unless a shell reads it. */
static char *blank_assignment(const char *word)
{
    const char *value = strchr(word, '=');

    if (!value || strcspn(word, " \t\r\n") < (size_t)(value - word) ||
        !is_secret(word, (size_t)(value - word)))
        return NULL;
    return mem_printf("%.*s=%s", (int)(value - word), word, blank);
}

static char *blank_argument(struct blanking *state, const char *word, bool script)
{
    struct strbuf out = {0};
    char *whole = script || state->next ? NULL : blank_assignment(word);

    if (whole)
        return whole;

    if (state->next) {
        state->next = false;
        return mem_strdup(blank);
    }
    if (!strpbrk(word, " \t\r\n")) { /* what follows is not within this one */
        const char *end = word + strlen(word);

        if (*word)
            blank_word(&out, state, word, end);
    } else {
        blank_words(&out, state, word);
    }
    return strbuf_take(&out);
}

/* Whether it is a secret of the environment, and cannot be a usual word of a command. */
static bool is_known_secret(const char *word, const char *const *environment)
{
    for (; environment && *environment; environment++) {
        const char *value = strchr(*environment, '=');

        if (value && strcmp(value + 1, word) == 0 && strlen(word) >= 8 &&
            strspn(word, "abcdefghijklmnopqrstuvwxyz-") != strlen(word) &&
            is_secret(*environment, (size_t)(value - *environment)))
            return true;
    }
    return false;
}

char **container_blank_command(const char *const *words, const char *const *environment)
{
    struct blanking state = {0};
    const char *script = NULL;
    size_t count = 0;
    char **copy;

    while (words[count])
        count++;
    copy = mem_array(NULL, count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = blank_argument(&state, words[i], words[i] == script);
        script = script ? script : container_script_of(words + i);
        if (is_known_secret(copy[i], environment)) {
            mem_free_secret(copy[i], strlen(copy[i]));
            copy[i] = mem_strdup(blank);
        }
    }
    copy[count] = NULL;
    return copy;
}

char *container_blank_text(const char *text)
{
    struct blanking state = {0};
    struct strbuf out = {0};

    if (!text)
        return NULL;
    blank_words(&out, &state, text);
    return strbuf_take(&out);
}
