#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 1 << 16 }; /* bytes: few variables in few words can be a lot of text */

static bool is_separator(char c)
{
    return c && strchr("\n;&|()", c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Past the quoted part, or the $(…), ${…} or `…`, that begins at s. */
static const char *skip_group(const char *s)
{
    const char open = *s == '$' ? *++s : *s;
    const char close = open == '(' ? ')' : open == '{' ? '}' : open;
    unsigned depth = 1;

    for (s++; *s; s++) {
        if (*s == '\\' && open != '\'' && s[1])
            s++;
        else if (*s == close && --depth == 0)
            return s + 1;
        else if (*s == open && open == '(')
            depth++;
    }
    return s;
}

static bool opens_group(const char *s)
{
    return *s == '\'' || *s == '"' || *s == '`' || (*s == '$' && (s[1] == '(' || s[1] == '{'));
}

static const char *skip_word(const char *s)
{
    const char *begin = s;

    while (*s && !is_blank(*s)) {
        if (opens_group(s))
            s = skip_group(s);
        else if (*s == '\\' && s[1])
            s += 2;
        else if (is_separator(*s) && !(*s == '&' && s > begin && s[-1] == '>'))
            break;
        else
            s++;
    }
    return s;
}

bool container_script_next(const char **at, struct script_token *token)
{
    const char *s = *at;

    while (is_blank(*s) || (*s == '\\' && s[1] == '\n'))
        s += *s == '\\' ? 2 : 1;
    if (*s == '#')
        s += strcspn(s, "\n");
    token->s = s;
    token->separator = is_separator(*s);
    *at = token->separator ? s + 1 : skip_word(s);
    token->len = (size_t)(*at - s);
    return token->len > 0;
}

/* A text that is measured first, then written into memory of just that size: none of it is left
 * behind by a buffer that grew. */
struct unquoting {
    char *out; /* NULL: it is measured */
    size_t len;
    const char *const *environment;
    bool sure;
};

static void put(struct unquoting *to, const char *s, size_t len)
{
    if (to->out && len)
        memcpy(to->out + to->len, s, len);
    to->len += len;
}

static size_t name_length(const char *s, const char *end)
{
    size_t len = 0;

    while (s + len < end && (isalnum((unsigned char)s[len]) || s[len] == '_'))
        len++;
    return len && isdigit((unsigned char)*s) ? 0 : len;
}

static const char *environment_value(const char *const *environment, const char *name, size_t len)
{
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

const char *container_environment(const char *const *environment, const char *name)
{
    const char *value = environment_value(environment, name, strlen(name));

    return value && *value ? value : NULL;
}

/* Puts in what stands for "$NAME" or "${NAME}" at s; returns what follows it. */
static const char *put_variable(struct unquoting *to, const char *s, const char *end)
{
    const bool braces = s + 1 < end && s[1] == '{';
    const char *name = s + 1 + braces, *value;
    const size_t len = name_length(name, end);
    const char *after = name + len + braces;

    if (!len || after > end || (braces && name[len] != '}')) {
        to->sure &= s + 1 == end;
        put(to, s, 1);
        return s + 1;
    }
    value = environment_value(to->environment, name, len);
    to->sure &= value != NULL;
    if (to->environment)
        put(to, value, value ? strlen(value) : 0);
    else
        put(to, s, (size_t)(after - s));
    return after;
}

static void unquote(struct unquoting *to, const struct script_token *token)
{
    const char *s = token->s, *end = s + token->len;
    char quote = 0;

    while (s < end) {
        if (*s == quote || (!quote && (*s == '\'' || *s == '"'))) {
            quote = quote ? 0 : *s;
            s++;
        } else if (*s == '$' && quote != '\'') {
            s = put_variable(to, s, end);
        } else {
            to->sure &= *s != '`' || quote == '\'';
            if (*s == '\\' && quote != '\'' && s + 1 < end && (!quote || strchr("\\\"$`", s[1])))
                s++;
            put(to, s++, 1);
        }
    }
}

char *container_script_unquote(const struct script_token *token, const char *const *environment,
                               bool *sure)
{
    struct unquoting to = {.environment = environment, .sure = true};

    unquote(&to, token);
    *sure = to.sure && to.len <= WORD_MAX;
    if (to.len > WORD_MAX)
        return mem_strdup("");
    to.out = mem_zalloc(to.len + 1);
    to.len = 0;
    unquote(&to, token);
    return to.out;
}

const char *container_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool container_is_shell(const char *name)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "zsh"};

    for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
        if (strcmp(name, shells[i]) == 0)
            return true;
    return false;
}

const char *container_script_of(const char *const *words)
{
    bool script = false;

    if (!*words || !container_is_shell(container_base_name(*words)))
        return NULL;
    for (words++; *words && **words == '-'; words++) {
        if ((*words)[1] == '-')
            continue;
        script |= strchr(*words, 'c') != NULL;
        if (strchr(*words, 'o') && words[1]) /* "-euo pipefail" */
            words++;
    }
    return script ? *words : NULL;
}
