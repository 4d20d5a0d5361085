#include "backend/options.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/base/strbuf.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* More operands than anybody types. */
enum { WORDS_MAX = 256 };

enum option_type {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_SECONDS,  /* of the interval */
    OPTION_DURATION, /* 1 to 600, with or without an s */
    OPTION_COMMAND
};

struct option {
    const char *name, *argument, *help;
    char letter;
    enum option_type type;
    size_t offset;        /* in struct options */
    enum command command; /* OPTION_COMMAND */
    const char *of;       /* the commands that it belongs to, between spaces; NULL: all */
};

struct command_words {
    const char *first, *second, *operands, *help;
    enum command command;
    enum act act;       /* COMMAND_ACT */
    size_t least, most; /* operands */
};

#define ALL_ACTS                                                                                   \
    " flush undo-flush delete cancel terminate backup restore replace createdb restart "           \
    "kill-client"

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
     .help = "print JSON",
     .type = OPTION_FLAG,
     .of = " snapshot" ALL_ACTS " jobs audit monitor ",
     .offset = offsetof(struct options, json)},
    {.name = "instance",
     .argument = "NAME",
     .help = "act on this server, if there are several of a kind",
     .type = OPTION_TEXT,
     .of = ALL_ACTS " monitor ",
     .offset = offsetof(struct options, instance)},
    {.name = "dry-run",
     .help = "show what an act would do, and stop",
     .type = OPTION_FLAG,
     .of = ALL_ACTS " jobs ",
     .offset = offsetof(struct options, dry_run)},
    {.name = "yes",
     .help = "answer what asks for y; not enough in production",
     .letter = 'y',
     .type = OPTION_FLAG,
     .of = ALL_ACTS " jobs monitor ",
     .offset = offsetof(struct options, yes)},
    {.name = "confirm",
     .argument = "NAME",
     .help = "answer what asks for the name, with that name",
     .type = OPTION_TEXT,
     .of = ALL_ACTS " ",
     .offset = offsetof(struct options, confirm)},
    {.name = "now",
     .help = "flush: for good, which frees the memory at once",
     .type = OPTION_FLAG,
     .of = " flush ",
     .offset = offsetof(struct options, now)},
    {.name = "all",
     .help = "backup: every database, and the roles",
     .type = OPTION_FLAG,
     .of = " backup ",
     .offset = offsetof(struct options, all)},
    {.name = "to",
     .argument = "DIR",
     .help = "backup: the folder for the dump",
     .type = OPTION_TEXT,
     .of = " backup ",
     .offset = offsetof(struct options, to)},
    {.name = "count-rows",
     .help = "backup: put all row counts into the manifest",
     .type = OPTION_FLAG,
     .of = " backup ",
     .offset = offsetof(struct options, count_rows)},
    {.name = "as",
     .argument = "NAME",
     .help = "restore: the name of the new database",
     .type = OPTION_TEXT,
     .of = " restore ",
     .offset = offsetof(struct options, as)},
    {.name = "replace",
     .help = "restore: take the old one's place; that is renamed",
     .type = OPTION_FLAG,
     .of = " restore ",
     .offset = offsetof(struct options, replace)},
    {.name = "with",
     .argument = "NAME",
     .help = "replace: the database that takes the place",
     .type = OPTION_TEXT,
     .of = " replace ",
     .offset = offsetof(struct options, with)},
    {.name = "owner",
     .argument = "USER",
     .help = "createdb: the new user (named as the database)",
     .type = OPTION_TEXT,
     .of = " createdb ",
     .offset = offsetof(struct options, owner)},
    {.name = "env-file",
     .argument = "FILE",
     .help = "createdb: the file for the password",
     .type = OPTION_TEXT,
     .of = " createdb ",
     .offset = offsetof(struct options, env_file)},
    {.name = "env-key",
     .argument = "KEY",
     .help = "createdb: its key there (NAME_PASSWORD)",
     .type = OPTION_TEXT,
     .of = " createdb ",
     .offset = offsetof(struct options, env_key)},
    {.name = "detach",
     .help = "leave the job to itself, do not wait for its end",
     .type = OPTION_FLAG,
     .of = " delete backup restore restart ",
     .offset = offsetof(struct options, detach)},
    {.name = "for",
     .argument = "SECONDS",
     .help = "monitor: how long to read, 1 to 600; default 30",
     .type = OPTION_DURATION,
     .of = " monitor ",
     .offset = offsetof(struct options, seconds)},
    {.name = "filter",
     .argument = "REGEX",
     .help = "monitor: only the lines that match every term",
     .type = OPTION_TEXT,
     .of = " monitor ",
     .offset = offsetof(struct options, filter)},
    {.name = "top",
     .help = "monitor: who does what, in place of the lines",
     .of = " monitor ",
     .offset = offsetof(struct options, top)},
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
     .operands = "[FILE]",
     .most = 1,
     .help = "list every fault of the configuration",
     .command = COMMAND_CONFIG_CHECK},
    {.first = "config",
     .second = "init",
     .operands = "[FILE]",
     .most = 1,
     .help = "write one from the containers; FILE -: print it",
     .command = COMMAND_CONFIG_INIT},
    {.first = "flush",
     .operands = "DB",
     .help = "empty a Redis database; undo-flush brings it back",
     .command = COMMAND_ACT,
     .act = ACT_FLUSH,
     .least = 1,
     .most = 1},
    {.first = "undo-flush",
     .operands = "DB",
     .help = "bring back what flush put aside",
     .command = COMMAND_ACT,
     .act = ACT_UNDO_FLUSH,
     .least = 1,
     .most = 1},
    {.first = "delete",
     .operands = "DB PATTERN",
     .help = "delete the keys that match, a little at a time",
     .command = COMMAND_ACT,
     .act = ACT_DELETE,
     .least = 2,
     .most = 2},
    {.first = "cancel",
     .operands = "PID...",
     .help = "cancel the queries of sessions",
     .command = COMMAND_ACT,
     .act = ACT_CANCEL,
     .least = 1,
     .most = WORDS_MAX},
    {.first = "terminate",
     .operands = "PID...",
     .help = "terminate sessions",
     .command = COMMAND_ACT,
     .act = ACT_TERMINATE,
     .least = 1,
     .most = WORDS_MAX},
    {.first = "backup",
     .operands = "[DATABASE]",
     .help = "dump a database, or --all",
     .command = COMMAND_ACT,
     .act = ACT_BACKUP,
     .most = 1},
    {.first = "restore",
     .operands = "FILE",
     .help = "restore a dump into a new database",
     .command = COMMAND_ACT,
     .act = ACT_RESTORE,
     .least = 1,
     .most = 1},
    {.first = "replace",
     .operands = "DATABASE",
     .help = "let a restored database take the place of another",
     .command = COMMAND_ACT,
     .act = ACT_REPLACE,
     .least = 1,
     .most = 1},
    {.first = "createdb",
     .operands = "NAME",
     .help = "create a database and the user who owns it",
     .command = COMMAND_ACT,
     .act = ACT_CREATEDB,
     .least = 1,
     .most = 1},
    {.first = "restart",
     .operands = "[NAME]",
     .most = 1,
     .help = "restart the shared services, or the container of one",
     .command = COMMAND_ACT,
     .act = ACT_RESTART},
    {.first = "exec",
     .operands = "CONTAINER COMMAND...",
     .help = "run a program in a container (-i, -t, -e)",
     .command = COMMAND_EXEC,
     .least = 2,
     .most = WORDS_MAX},
    {.first = "kill-client",
     .operands = "ID|ADDRESS",
     .help = "kill a client of a Redis",
     .command = COMMAND_ACT,
     .act = ACT_KILL_CLIENT,
     .least = 1,
     .most = 1},
    {.first = "monitor",
     .help = "what a Redis runs, for some seconds, without a screen",
     .command = COMMAND_MONITOR},
    {.first = "jobs",
     .operands = "[cancel ID]",
     .help = "list backups and other long work, or cancel one",
     .command = COMMAND_JOBS,
     .most = 2},
    {.first = "audit", .help = "list the acts on record", .command = COMMAND_AUDIT},
    {.first = "keys", .help = "list the keys and their names", .command = COMMAND_KEYS},
    {.first = "themes", .help = "list the themes", .command = COMMAND_THEMES},
};

struct parser {
    int argc, at;
    char *const *argv;
    struct options *options;
    const char *words[WORDS_MAX];
    size_t word_count;
    bool given[COUNT(option_table)];
    char *error;
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

static void set_duration(struct parser *parser, const struct option *option, const char *value,
                         double *field)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || (*end && strcmp(end, "s") != 0) || !(seconds >= 1 && seconds <= 600))
        fail(parser, mem_printf("--%s needs seconds from 1 to 600, as in --%s 10s", option->name,
                                option->name));
    else
        *field = seconds;
}

static void set_value(struct parser *parser, const struct option *option, const char *value)
{
    char *field = (char *)parser->options + option->offset;
    struct strings *list;

    if (option->type == OPTION_DURATION) {
        set_duration(parser, option, value, (double *)(void *)field);
    } else if (option->type == OPTION_SECONDS) {
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
    parser->given[option - option_table] = true;
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

static void add_operand(struct parser *parser, const char *word)
{
    struct strings *operands = &parser->options->operands;

    operands->items = mem_array(operands->items, operands->count + 1, sizeof(*operands->items));
    operands->items[operands->count++] = mem_strdup(word);
}

static void take_operands(struct parser *parser, const struct command_words *command, size_t used)
{
    size_t count = parser->word_count - used;

    if (count > command->most) {
        reject_word(parser, parser->words[used + command->most]);
    } else if (count < command->least) {
        fail(parser, mem_printf("%s needs more: run sharedtop %s %s", command->first,
                                command->first, command->operands));
    } else if (command->command == COMMAND_CONFIG_CHECK ||
               command->command == COMMAND_CONFIG_INIT) {
        parser->options->file = count ? mem_strdup(parser->words[used]) : NULL;
    } else {
        for (size_t i = 0; i < count; i++)
            add_operand(parser, parser->words[used + i]);
    }
}

/* Some commands take an option instead of an operand, or one besides the other. */
static void check_together(struct parser *parser, const struct options *options)
{
    if (options->command == COMMAND_EXEC)
        fail(parser, mem_strdup("exec: must be the first word: sharedtop exec CONTAINER COMMAND"));
    if (options->command == COMMAND_JOBS && options->operands.count &&
        (options->operands.count < 2 || strcmp(options->operands.items[0], "cancel") != 0))
        fail(parser, mem_strdup("jobs: run sharedtop jobs, or sharedtop jobs cancel ID"));
    if (options->command != COMMAND_ACT)
        return;
    if (options->act == ACT_BACKUP && options->all == (options->operands.count > 0))
        fail(parser, mem_strdup("backup: name one database, or give --all"));
    else if (options->act == ACT_RESTORE && options->as && options->replace)
        fail(parser, mem_strdup("restore: --as makes a new database, --replace takes the old one's "
                                "place: give one of them"));
    else if (options->act == ACT_REPLACE && !options->with)
        fail(parser, mem_strdup("replace: which database takes the place? --with NAME"));
    else if (options->yes && options->confirm)
        fail(parser, mem_strdup("--yes and --confirm: give one of them"));
}

/* "config check", or what is nearest to the word. */
static const char *second_word(const char *first, const char *word)
{
    const char *names[COUNT(command_table)], *near;
    size_t count = 0;

    for (size_t i = 0; i < COUNT(command_table); i++) {
        if (!strcmp(first, command_table[i].first))
            names[count++] = command_table[i].second;
    }
    near = word ? nearest_name(word, names, count) : NULL;
    return near ? near : names[0];
}

/* The words after the first one; *command becomes the one that its second word names. */
static void check_words(struct parser *parser, const struct command_words **command)
{
    const char *first = (*command)->first, *second;

    if (!(*command)->second) {
        take_operands(parser, *command, 1);
        return;
    }
    second = parser->word_count > 1 ? parser->words[1] : NULL;
    for (size_t i = 0; second && i < COUNT(command_table); i++) {
        if (strcmp(first, command_table[i].first) == 0 &&
            strcmp(second, command_table[i].second) == 0) {
            *command = &command_table[i];
            take_operands(parser, *command, 2);
            return;
        }
    }
    if (second)
        fail(parser, mem_printf("unknown command %s %s: did you mean %s %s?", first, second, first,
                                second_word(first, second)));
    else
        fail(parser, mem_printf("%s needs a word more: run sharedtop %s %s", first, first,
                                second_word(first, NULL)));
}

/* "flush, backup": the commands of an option. The caller frees it. */
static char *commands_of(const struct option *option)
{
    struct strbuf list = {0};

    for (const char *at = option->of + 1; *at; at++) {
        if (*at != ' ')
            strbuf_addc(&list, *at);
        else if (at[1])
            strbuf_adds(&list, ", ");
    }
    return strbuf_take(&list);
}

/* Options that the command has no use for are a slip: --now must not be overlooked. */
static void check_given(struct parser *parser, const char *command)
{
    char *word = mem_printf(" %s ", command ? command : "");

    for (size_t i = 0; i < COUNT(option_table) && !parser->error; i++) {
        const struct option *option = &option_table[i];
        char *list;

        if (!parser->given[i] || !option->of || (command && strstr(option->of, word)))
            continue;
        list = commands_of(option);
        fail(parser, mem_printf("--%s belongs to: %s", option->name, list));
        free(list);
    }
    free(word);
}

static void resolve_command(struct parser *parser)
{
    const struct command_words *command = NULL;

    if (parser->word_count) {
        command = find_command(parser->words[0]);
        if (!command) {
            unknown_command(parser, parser->words[0]);
            return;
        }
        check_words(parser, &command);
        parser->options->command = command->command;
        parser->options->act = command->act;
    }
    if (!parser->error)
        check_given(parser, command ? command->first : NULL);
    if (!parser->error)
        check_together(parser, parser->options);
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
    free_secrets(&options->operands);
    free(options->instance);
    free(options->confirm);
    free(options->to);
    free(options->as);
    free(options->with);
    free(options->owner);
    free(options->filter);
    free(options->env_file);
    free(options->env_key);
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

        snprintf(what, sizeof(what), "%s%s%s%s%s", command->first, command->second ? " " : "",
                 command->second ? command->second : "", command->operands ? " " : "",
                 command->operands ? command->operands : "");
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
          "Exit status of snapshot: 0 healthy, 1 warning, 2 critical, 3 nothing to see;\n"
          "of an act, and of monitor: 0 done, 1 failed, 2 refused, 3 nothing to act on.\n"
          "More: sharedtop(1), sharedtop.conf(5).\n",
          out);
}
