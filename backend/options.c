#include "backend/options.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The longest command has two words; the rest are its operands and what is too many. */
enum { WORDS_MAX = 4 };

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_LIST, OPTION_SECONDS, OPTION_COMMAND };

struct option {
    const char *name, *argument, *help;
    char letter;
    enum option_type type;
    size_t offset;        /* in struct options */
    enum command command; /* OPTION_COMMAND */
};

struct command_words {
    const char *first, *second, *operand, *help;
    enum command command;
};

struct parser {
    int argc, at;
    char *const *argv;
    struct options *options;
    const char *words[WORDS_MAX];
    size_t word_count;
    char *error;
};

static const struct option option_table[] = {
    {.name = "config",
     .argument = "FILE",
     .help = "read this configuration file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, config)},
    {.name = "postgres",
     .argument = "CONNINFO",
     .help = "watch this PostgreSQL, not the file's (repeatable)",
     .type = OPTION_LIST,
     .offset = offsetof(struct options, postgres)},
    {.name = "redis",
     .argument = "URL",
     .help = "watch this Redis, not the file's (repeatable)",
     .type = OPTION_LIST,
     .offset = offsetof(struct options, redis)},
    {.name = "interval",
     .argument = "SECONDS",
     .help = "time between refreshes, 0.2 to 60",
     .type = OPTION_SECONDS,
     .offset = offsetof(struct options, interval)},
    {.name = "theme",
     .argument = "NAME",
     .help = "a name that `sharedtop themes` lists, or a path",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, theme)},
    {.name = "read-only",
     .help = "refuse every act",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, read_only)},
    {.name = "ascii",
     .help = "draw without UTF-8",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, ascii)},
    {.name = "json",
     .help = "snapshot: print JSON",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, json)},
    {.name = "help",
     .help = "print this text",
     .letter = 'h',
     .type = OPTION_COMMAND,
     .command = COMMAND_HELP},
    {.name = "version",
     .help = "print the version",
     .letter = 'V',
     .type = OPTION_COMMAND,
     .command = COMMAND_VERSION},
};

static const struct command_words command_table[] = {
    {.first = "snapshot", .help = "print all tables once and exit", .command = COMMAND_SNAPSHOT},
    {.first = "config",
     .second = "check",
     .operand = "FILE",
     .help = "list every fault of the configuration",
     .command = COMMAND_CONFIG_CHECK},
    {.first = "keys", .help = "list the keys and their names", .command = COMMAND_KEYS},
    {.first = "themes", .help = "list the themes", .command = COMMAND_THEMES},
};

static void fail(struct parser *parser, char *error)
{
    free(parser->error);
    parser->error = error;
}

/* ", did you mean X?" or the way to the help. The caller frees it. */
static char *hint(const char *word, const char *const *names, size_t count, const char *prefix)
{
    const char *near = nearest_name(word, names, count);

    return near ? mem_printf("did you mean %s%s?", prefix, near)
                : mem_strdup("run sharedtop --help for the list");
}

static void unknown_option(struct parser *parser, const char *arg)
{
    const char *names[COUNT(option_table)];
    /* What follows '=' may be a secret. */
    char *name = mem_strndup(arg, strcspn(arg, "="));
    char *mend;
    size_t i;

    for (i = 0; i < COUNT(option_table); i++)
        names[i] = option_table[i].name;
    mend = hint(name + strspn(name, "-"), names, COUNT(names), "--");
    fail(parser, mem_printf("unknown option %s: %s", name, mend));
    free(mend);
    free(name);
}

static const struct option *find_option(const char *arg)
{
    size_t i, len = strcspn(arg, "=");

    for (i = 0; i < COUNT(option_table); i++) {
        const struct option *option = &option_table[i];

        if (arg[1] != '-' && option->letter && arg[1] == option->letter && !arg[2])
            return option;
        if (len > 2 && arg[1] == '-' && strlen(option->name) == len - 2 &&
            !strncmp(option->name, arg + 2, len - 2))
            return option;
    }
    return NULL;
}

/* Plain decimals only, whatever the locale's decimal point is. -1: not a number. */
static double parse_seconds(const char *text)
{
    const size_t whole = strspn(text, "0123456789");
    const size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    const char *end = text + whole + (text[whole] == '.' ? fraction + 1 : 0);
    double value = 0, unit = 1;

    if (*end || whole + fraction == 0 || whole + fraction > 15)
        return -1;
    for (; *text && *text != '.'; text++)
        value = value * 10 + (*text - '0');
    while (*text && *++text) {
        unit /= 10;
        value += unit * (*text - '0');
    }
    return value;
}

static void set_seconds(struct parser *parser, const struct option *option, const char *value,
                        double *seconds)
{
    double parsed = parse_seconds(value);

    if (parsed < CONFIG_INTERVAL_MIN || parsed > CONFIG_INTERVAL_MAX)
        fail(parser, mem_printf("--%s %s: write seconds from 0.2 to 60", option->name, value));
    else
        *seconds = parsed;
}

static void set_value(struct parser *parser, const struct option *option, const char *value)
{
    char *field = (char *)parser->options + option->offset;
    struct strings *list;

    if (option->type == OPTION_SECONDS) {
        set_seconds(parser, option, value, (double *)(void *)field);
    } else if (option->type == OPTION_LIST) {
        list = (struct strings *)(void *)field;
        list->items = mem_array(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = mem_strdup(value);
    } else {
        free(*(char **)(void *)field);
        *(char **)(void *)field = mem_strdup(value);
    }
}

static void take_flag(struct parser *parser, const struct option *option, const char *value)
{
    if (value)
        fail(parser, mem_printf("--%s takes no value: write --%s", option->name, option->name));
    else if (option->type == OPTION_COMMAND)
        parser->options->command = option->command;
    else
        *((bool *)(void *)((char *)parser->options + option->offset)) = true;
}

static void take_option(struct parser *parser, const char *arg)
{
    const struct option *option = find_option(arg);
    const char *equals = strchr(arg, '=');
    const char *value = equals ? equals + 1 : NULL;

    if (!option) {
        unknown_option(parser, arg);
        return;
    }
    if (option->type == OPTION_FLAG || option->type == OPTION_COMMAND) {
        take_flag(parser, option, value);
        return;
    }
    if (!value && parser->at < parser->argc && strncmp(parser->argv[parser->at], "--", 2) != 0)
        value = parser->argv[parser->at++];
    /* An empty address means the client library's defaults. */
    if (value && (*value || option->type == OPTION_LIST))
        set_value(parser, option, value);
    else
        fail(parser, mem_printf("--%s needs a value: write --%s %s", option->name, option->name,
                                option->argument));
}

/* A word that nothing takes. An address may hold a secret, so it is not repeated. */
static void reject_word(struct parser *parser, const char *word)
{
    if (strpbrk(word, "=@:"))
        fail(parser, mem_strdup("an address goes after its option: write --postgres CONNINFO or "
                                "--redis URL"));
    else
        fail(parser,
             mem_printf("%s is one word too many: run sharedtop --help for the commands", word));
}

static void take_word(struct parser *parser, const char *word)
{
    if (parser->word_count == WORDS_MAX)
        reject_word(parser, word);
    else
        parser->words[parser->word_count++] = word;
}

static bool is_done(const struct parser *parser)
{
    return parser->error || parser->options->command == COMMAND_HELP ||
           parser->options->command == COMMAND_VERSION;
}

static void take_arguments(struct parser *parser)
{
    bool options_end = false;

    while (parser->at < parser->argc && !is_done(parser)) {
        const char *arg = parser->argv[parser->at++];

        if (options_end || arg[0] != '-' || !arg[1])
            take_word(parser, arg);
        else if (!strcmp(arg, "--"))
            options_end = true;
        else
            take_option(parser, arg);
    }
}

static const struct command_words *find_command(const char *first)
{
    size_t i;

    for (i = 0; i < COUNT(command_table); i++) {
        if (!strcmp(first, command_table[i].first))
            return &command_table[i];
    }
    return NULL;
}

static void unknown_command(struct parser *parser, const char *word)
{
    const char *names[COUNT(command_table)];
    char *mend;
    size_t i;

    if (strpbrk(word, "=@:")) {
        reject_word(parser, word);
        return;
    }
    for (i = 0; i < COUNT(command_table); i++)
        names[i] = command_table[i].first;
    mend = hint(word, names, COUNT(names), "");
    fail(parser, mem_printf("unknown command %s: %s", word, mend));
    free(mend);
}

/* The words after the first one. */
static void check_words(struct parser *parser, const struct command_words *command)
{
    size_t used = command->second ? 2 : 1;

    if (command->second && parser->word_count < 2) {
        fail(parser, mem_printf("%s needs a word more: run sharedtop %s %s", command->first,
                                command->first, command->second));
    } else if (command->second && strcmp(parser->words[1], command->second) != 0) {
        fail(parser, mem_printf("unknown command %s %s: did you mean %s %s?", command->first,
                                parser->words[1], command->first, command->second));
    } else if (command->operand && parser->word_count > used) {
        parser->options->file = mem_strdup(parser->words[used++]);
    }
    if (!parser->error && parser->word_count > used)
        reject_word(parser, parser->words[used]);
}

static void resolve_command(struct parser *parser)
{
    const struct command_words *command;

    if (parser->word_count) {
        command = find_command(parser->words[0]);
        if (!command) {
            unknown_command(parser, parser->words[0]);
            return;
        }
        check_words(parser, command);
        parser->options->command = command->command;
    }
    if (!parser->error && parser->options->json && parser->options->command != COMMAND_SNAPSHOT)
        fail(parser, mem_strdup("--json belongs to snapshot: run sharedtop snapshot --json"));
}

bool options_parse(int argc, char *const *argv, struct options *options, char **error)
{
    struct parser parser = {.argc = argc, .at = 1, .argv = argv, .options = options};

    *options = (struct options){.command = COMMAND_DASHBOARD};
    take_arguments(&parser);
    if (!is_done(&parser))
        resolve_command(&parser);
    *error = parser.error;
    return !parser.error;
}

static void free_secrets(struct strings *strings)
{
    size_t i;

    for (i = 0; i < strings->count; i++)
        mem_free_secret(strings->items[i], strlen(strings->items[i]));
    free(strings->items);
}

void options_free(struct options *options)
{
    free(options->config);
    free(options->file);
    free(options->theme);
    free_secrets(&options->postgres);
    free_secrets(&options->redis);
    *options = (struct options){.command = COMMAND_DASHBOARD};
}

static void help_line(FILE *out, const char *what, const char *help)
{
    fprintf(out, "  %-24s %s\n", what, help);
}

void options_help(FILE *out)
{
    char what[64];
    size_t i;

    fputs("Usage: sharedtop [OPTION...] [COMMAND]\n\n"
          "A dashboard of PostgreSQL and Redis; opens when there is no command.\n\n"
          "Commands:\n",
          out);
    for (i = 0; i < COUNT(command_table); i++) {
        const struct command_words *command = &command_table[i];

        snprintf(what, sizeof(what), "%s%s%s%s%s%s", command->first, command->second ? " " : "",
                 command->second ? command->second : "", command->operand ? " [" : "",
                 command->operand ? command->operand : "", command->operand ? "]" : "");
        help_line(out, what, command->help);
    }
    fputs("\nOptions, before or after the command:\n", out);
    for (i = 0; i < COUNT(option_table); i++) {
        const struct option *option = &option_table[i];

        snprintf(what, sizeof(what), "%s%c%s--%s%s%s", option->letter ? "-" : "",
                 option->letter ? option->letter : ' ', option->letter ? ", " : "   ", option->name,
                 option->argument ? " " : "", option->argument ? option->argument : "");
        help_line(out, what, option->help);
    }
    fputs("\nInstances come from --postgres and --redis, else from the configuration:\n"
          "--config, $XDG_CONFIG_HOME/sharedtop/sharedtop.conf or /etc/sharedtop.conf;\n"
          "without any, from libpq's defaults and $REDIS_URL, or 127.0.0.1:6379.\n\n"
          "Exit status of snapshot: 0 healthy, 1 warning, 2 critical, 3 nothing to see.\n"
          "More: sharedtop(1), sharedtop.conf(5).\n",
          out);
}

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
