#include "backend/options.h"

#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARGS_MAX = 20 };

/* Arguments that the tests may write to, as main's are. */
struct args {
    int argc;
    char *argv[ARGS_MAX + 2];
};

static struct args make_args(const char *const *words)
{
    struct args args = {.argc = 1};

    args.argv[0] = mem_strdup("sharedtop");
    for (; *words; words++)
        args.argv[args.argc++] = mem_strdup(*words);
    return args;
}

static void free_args(struct args *args)
{
    int i;

    for (i = 0; i < args->argc; i++)
        free(args->argv[i]);
}

static struct options parse(const char *const *words)
{
    struct args args = make_args(words);
    struct options options;
    char *error = NULL;

    if (!options_parse(args.argc, args.argv, &options, &error))
        fail_msg("%s", error);
    assert_null(error);
    free_args(&args);
    return options;
}
#define PARSE(...) parse((const char *const[]){"", ##__VA_ARGS__, NULL} + 1)

static void test_none(void **state)
{
    struct options options = PARSE();

    (void)state;
    assert_int_equal(options.command, COMMAND_DASHBOARD);
    assert_null(options.config);
    assert_null(options.theme);
    assert_null(options.file);
    assert_int_equal(options.postgres.count + options.redis.count, 0);
    assert_float_equal(options.interval, 0, 0);
    assert_false(options.read_only || options.ascii || options.json);
    options_free(&options);
}

static void test_all_before(void **state)
{
    struct options options = PARSE("--config", "a.conf", "--postgres=host=a dbname=b", "--redis",
                                   "redis://h", "--redis", "unix:/s", "--interval=0.5", "--theme",
                                   "mono", "--read-only", "--ascii", "--json", "snapshot");

    (void)state;
    assert_int_equal(options.command, COMMAND_SNAPSHOT);
    assert_string_equal(options.config, "a.conf");
    assert_int_equal(options.postgres.count, 1);
    assert_string_equal(options.postgres.items[0], "host=a dbname=b");
    assert_int_equal(options.redis.count, 2);
    assert_string_equal(options.redis.items[0], "redis://h");
    assert_string_equal(options.redis.items[1], "unix:/s");
    assert_float_equal(options.interval, 0.5, 1e-9);
    assert_string_equal(options.theme, "mono");
    assert_true(options.read_only && options.ascii && options.json);
    options_free(&options);
}

static void test_after_and_between(void **state)
{
    struct options options = PARSE("snapshot", "--json", "--interval", "60");

    (void)state;
    assert_int_equal(options.command, COMMAND_SNAPSHOT);
    assert_true(options.json);
    assert_float_equal(options.interval, 60, 0);
    options_free(&options);
    options = PARSE("config", "--ascii", "check", "--theme=x", "file.conf");
    assert_int_equal(options.command, COMMAND_CONFIG_CHECK);
    assert_string_equal(options.file, "file.conf");
    assert_string_equal(options.theme, "x");
    options_free(&options);
}

static void test_commands(void **state)
{
    static const struct {
        const char *words[4];
        enum command command;
    } cases[] = {
        {{"keys"}, COMMAND_KEYS},
        {{"themes"}, COMMAND_THEMES},
        {{"snapshot"}, COMMAND_SNAPSHOT},
        {{"config", "check"}, COMMAND_CONFIG_CHECK},
        {{"--help"}, COMMAND_HELP},
        {{"keys", "-h", "--what"}, COMMAND_HELP},
        {{"-V"}, COMMAND_VERSION},
        {{"--version", "--help"}, COMMAND_VERSION},
        {{"config", "init"}, COMMAND_CONFIG_INIT},
        {{"--"}, COMMAND_DASHBOARD},
        {{"--", "keys"}, COMMAND_KEYS},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct options options = parse(cases[i].words);

        assert_int_equal(options.command, cases[i].command);
        assert_null(options.file);
        options_free(&options);
    }
}

static void test_monitor(void **state)
{
    struct options options = PARSE("monitor", "--for=10s", "--filter", "!SET", "--top", "--yes");

    (void)state;
    assert_int_equal(options.command, COMMAND_MONITOR);
    assert_float_equal(options.seconds, 10, 0);
    assert_string_equal(options.filter, "!SET");
    assert_true(options.top && options.yes);
    options_free(&options);
}

static void test_end_of_options(void **state)
{
    struct options options = PARSE("config", "check", "--", "--config");

    (void)state;
    assert_string_equal(options.file, "--config");
    assert_null(options.config);
    options_free(&options);
    options = PARSE("config", "check", "a=b@c.conf");
    assert_string_equal(options.file, "a=b@c.conf");
    options_free(&options);
}

static void test_last_wins_and_empty_address(void **state)
{
    struct options options = PARSE("--theme", "a", "--theme=b", "--redis=", "--postgres", "");

    (void)state;
    assert_string_equal(options.theme, "b");
    assert_int_equal(options.redis.count, 1);
    assert_string_equal(options.redis.items[0], "");
    assert_int_equal(options.postgres.count, 1);
    assert_string_equal(options.postgres.items[0], "");
    options_free(&options);
}

#define ADDRESS_ERROR "an address goes after its option: write --postgres CONNINFO or --redis URL"
#define MANY_ERROR    "is one word too many: run sharedtop --help for the commands"

static const struct {
    const char *words[7];
    const char *error;
} error_cases[] = {
    {{"--confg", "x"}, "unknown option --confg: did you mean --config?"},
    {{"--redsi=redis://:hush@h"}, "unknown option --redsi: did you mean --redis?"},
    {{"--read_only"}, "unknown option --read_only: did you mean --read-only?"},
    {{"--zzzzzz"}, "unknown option --zzzzzz: run sharedtop --help for the list"},
    {{"-x"}, "unknown option -x: run sharedtop --help for the list"},
    {{"-hV"}, "unknown option -hV: run sharedtop --help for the list"},
    {{"--=x"}, "unknown option --: run sharedtop --help for the list"},
    {{"--config"}, "--config needs a value: write --config FILE"},
    {{"--config="}, "--config needs a value: write --config FILE"},
    {{"--config", "--ascii"}, "--config needs a value: write --config FILE"},
    {{"--redis"}, "--redis needs a value: write --redis URL"},
    {{"--ascii=yes"}, "--ascii takes no value: write --ascii"},
    {{"--help=x"}, "--help takes no value: write --help"},
    {{"--interval", "0.1"}, "--interval 0.1: write seconds from 0.2 to 60"},
    {{"--interval=60.1"}, "--interval 60.1: write seconds from 0.2 to 60"},
    {{"--interval=1,5"}, "--interval 1,5: write seconds from 0.2 to 60"},
    {{"--interval=1s"}, "--interval 1s: write seconds from 0.2 to 60"},
    {{"--interval=nan"}, "--interval nan: write seconds from 0.2 to 60"},
    {{"--interval=-1"}, "--interval -1: write seconds from 0.2 to 60"},
    {{"--interval=."}, "--interval .: write seconds from 0.2 to 60"},
    {{"snapshto"}, "unknown command snapshto: did you mean snapshot?"},
    {{"frobnicate"}, "unknown command frobnicate: run sharedtop --help for the list"},
    {{"monitor", "--for=0"}, "--for needs seconds from 1 to 600, as in --for 10s"},
    {{"monitor", "--for=5m"}, "--for needs seconds from 1 to 600, as in --for 10s"},
    {{"config"}, "config needs a word more: run sharedtop config check"},
    {{"config", "chekc"}, "unknown command config chekc: did you mean config check?"},
    {{"config", "check", "a", "b"}, "b " MANY_ERROR},
    {{"keys", "x"}, "x " MANY_ERROR},
    {{"keys", "a", "b", "c", "d"}, "a " MANY_ERROR},
    {{"keys", "redis://:hush@h"}, ADDRESS_ERROR},
    {{"redis://:hush@h"}, ADDRESS_ERROR},
    {{"host=a password=hush"}, ADDRESS_ERROR},
    {{"--json"},
     "--json belongs to: snapshot, flush, undo-flush, delete, cancel, terminate, backup, "
     "restore, replace, createdb, restart, kill-client, jobs, audit, monitor"},
    {{"keys", "--now"}, "--now belongs to: flush"},
    {{"flush"}, "flush needs more: run sharedtop flush DB"},
    {{"backup"}, "backup: name one database, or give --all"},
    {{"backup", "d", "--all"}, "backup: name one database, or give --all"},
    {{"terminate", "1", "--yes", "--confirm", "x"}, "--yes and --confirm: give one of them"},
};

static void test_errors(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(error_cases); i++) {
        struct args args = make_args(error_cases[i].words);
        struct options options;
        char *error = NULL;

        assert_false(options_parse(args.argc, args.argv, &options, &error));
        assert_string_equal(error, error_cases[i].error);
        free(error);
        options_free(&options);
        free_args(&args);
    }
}

static const struct {
    const char *arg, *hidden;
} secret_cases[] = {
    {"--ascii", "--ascii"},
    {"redis://h:6379/0", "redis://h:6379/0"},
    {"redis://:hush@h:6379/0", "redis://:*@h:6379/0"},
    {"redis://u:hush@h", "redis://u:*@h"},
    {"redis://u:hu@s/h:@h", "redis://u:*@h"},
    {"--redis=rediss://u:hush@h/1", "--redis=rediss://u:*@h/1"},
    {"--redsi=redis://u:hush@h", "--redsi=redis://u:*@h"},
    {"redis://hush@h", "redis://*@h"},
    {"unix://:hush@/run/r", "unix://:*@/run/r"},
    {"unix:/run/r", "unix:/run/r"},
    {"--redis=:hush@h:1", "--redis=:*@h:1"},
    {"u:hush@h", "u:*@h"},
    {"h:6379", "h:6379"},
    {"a@b.conf", "a@b.conf"},
    {"host=a password=hush dbname=d", "host=a password=* dbname=d"},
    {"password = 'hu sh\\' ' user=u", "password = * user=u"},
    {"--postgres=sslpassword=hush\\ x user=u password=h2",
     "--postgres=sslpassword=* user=u password=*"},
    {"password=", "password="},
    {"password='hush", "password=*"},
    {"password=h user=u", "password=* user=u"},
    {"postgresql://u:hush@h/d", "postgresql://u:*@h/d"},
    {"postgresql://h/d?user=u&password=hush&port=1", "postgresql://h/d?user=u&password=*&port=1"},
    {"host=a password=hu&sh", "host=a password=*"},
    {"service=x", "service=x"},
};

static void test_hide_secrets(void **state)
{
    size_t i, k;

    (void)state;
    for (i = 0; i < COUNT(secret_cases); i++) {
        const char *words[] = {secret_cases[i].arg, NULL};
        struct args args = make_args(words);
        size_t was = strlen(secret_cases[i].arg);

        options_hide_secrets(args.argc, args.argv);
        assert_string_equal(args.argv[1], secret_cases[i].hidden);
        /* What ps(1) reads goes on behind the new end of the string. */
        for (k = strlen(args.argv[1]); k < was; k++)
            assert_int_equal(args.argv[1][k], 0);
        free_args(&args);
    }
}

/* The options hold copies: they keep what argv loses. */
static void test_options_keep_secrets(void **state)
{
    static const char *const words[] = {"--redis", "redis://:hush@h", NULL};
    struct args args = make_args(words);
    struct options options;
    char *error = NULL;

    (void)state;
    assert_true(options_parse(args.argc, args.argv, &options, &error));
    options_hide_secrets(args.argc, args.argv);
    assert_string_equal(args.argv[2], "redis://:*@h");
    assert_string_equal(options.redis.items[0], "redis://:hush@h");
    options_free(&options);
    free_args(&args);
}

static void test_acts(void **state)
{
    struct options options = PARSE("terminate", "4711", "--instance=pg", "12", "--confirm", "app");

    (void)state;
    assert_int_equal(options.command, COMMAND_ACT);
    assert_int_equal(options.act, ACT_TERMINATE);
    assert_int_equal(options.operands.count, 2);
    assert_string_equal(options.operands.items[1], "12");
    assert_string_equal(options.instance, "pg");
    assert_string_equal(options.confirm, "app");
    assert_false(options.yes || options.dry_run || options.json);
    options_free(&options);
    options = PARSE("flush", "5", "--now", "-y", "--dry-run");
    assert_int_equal(options.act, ACT_FLUSH);
    assert_true(options.now && options.yes && options.dry_run);
    options_free(&options);
    options = PARSE("delete", "5", "redis://x:y@z*");
    assert_string_equal(options.operands.items[1], "redis://x:y@z*");
    options_free(&options);
    options = PARSE("jobs", "cancel", "x");
    assert_int_equal(options.command, COMMAND_JOBS);
    assert_int_equal(options.operands.count, 2);
    options_free(&options);
}

static void test_help(void **state)
{
    static const char *const parts[] = {"Usage: sharedtop [OPTION...] [COMMAND]\n",
                                        "\n  snapshot  ",
                                        "\n  config check [FILE]  ",
                                        "\n  keys  ",
                                        "\n  themes  ",
                                        "\n      --config FILE  ",
                                        "\n      --postgres CONNINFO  ",
                                        "\n      --redis URL  ",
                                        "\n      --interval SECONDS  ",
                                        "\n      --theme NAME  ",
                                        "\n      --read-only  ",
                                        "\n      --ascii  ",
                                        "\n      --json  ",
                                        "\n  -h, --help  ",
                                        "\n  -V, --version  "};
    char *text = NULL, *line;
    size_t len = 0, i;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    options_help(out);
    assert_int_equal(fclose(out), 0);
    for (i = 0; i < COUNT(parts); i++)
        assert_non_null(strstr(text, parts[i]));
    for (line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_all_before),
        cmocka_unit_test(test_after_and_between),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_end_of_options),
        cmocka_unit_test(test_last_wins_and_empty_address),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hide_secrets),
        cmocka_unit_test(test_options_keep_secrets),
        cmocka_unit_test(test_acts),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
