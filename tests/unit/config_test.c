#include "backend/config.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/base/strbuf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In texts and expected lines @D@ stands for the temporary folder. The case's file is @D@/c.conf,
 * and "F" at the start of an expected line. */
struct fault_case {
    const char *text, *lines;
};

struct places {
    char folder[64];
    char *file;
};

static const struct fault_case fault_cases[] = {
    {"", ""},
    {"interval = 1;\n", ""},
    {"interval = 0.2;\n", ""},
    {"interval = 60;\n", ""},
    {"postgres = [];\nredis = ();\nkeys = {};\n", ""},
    {"\nintervall = 1.0;\n", "F:2: unknown setting \"intervall\": did you mean \"interval\"?\n"},
    {"interval = \"1\";\n",
     "F:1: interval must be a number, not a string: write interval = 1.0;\n"},
    {"interval = 0.1;\n", "F:1: interval is 0.1: it must be from 0.2 to 60\n"},
    {"interval = 61;\n", "F:1: interval is 61: it must be from 0.2 to 60\n"},
    {"interval = -1L;\n", "F:1: interval is -1: it must be from 0.2 to 60\n"},
    {"theme = 1;\n",
     "F:1: theme must be a string, not a whole number: write theme = \"default\";\n"},
    {"theme = \"\";\n", "F:1: theme is empty: write theme = \"default\"; or leave it out\n"},
    {"read_only = 1;\n",
     "F:1: read_only must be true or false, not a whole number: write read_only = true;\n"},
    {"bell = \"no\";\n", "F:1: bell must be true or false, not a string: write bell = false;\n"},
    {"backup = { kep = 7; };\n",
     "F:1: unknown setting \"kep\" in backup: did you mean \"keep\"?\n"},
    {"backup = {\n  keep = -1;\n};\n", "F:2: keep is -1: it must be 0 or more\n"},
    {"backup = { keep = 1.5; };\n",
     "F:1: keep must be a whole number, not a number with a point: write keep = 7;\n"},
    {"backup = \"/var\";\n",
     "F:1: backup must be a group { }, not a string: write backup = { directory = "
     "\"/var/backups/sharedtop\"; keep = 7; };\n"},
    {"restart = { cmd = \"x\"; };\n",
     "F:1: unknown setting \"cmd\" in restart: it can be \"command\"\n"},
    {"postgres = { name = \"a\"; };\n",
     "F:1: postgres must be a list ( ) of groups, not a group { }: write postgres = ( { conninfo = "
     "\"host=127.0.0.1\"; } );\n"},
    {"postgres = (\n  5\n);\n", "F:2: postgres must be a list ( ) of groups, not a whole number: "
                                "write postgres = ( { conninfo "
                                "= \"host=127.0.0.1\"; } );\n"},
    {"postgres = ( { name = \"\"; } );\n",
     "F:1: name is empty: write name = \"shared_postgres\"; or leave it out\n"},
    {"postgres = ( { conninf = \"\"; } );\n",
     "F:1: unknown setting \"conninf\" in a postgres entry: did you mean \"conninfo\"?\n"},
    {"postgres = (\n {\n  conninfo = \"hsot=a\";\n } );\n",
     "F:3: conninfo: invalid connection option \"hsot\": did you mean \"host\"?\n"},
    {"postgres = ( { conninfo = \"mydb\"; } );\n",
     "F:1: conninfo: missing \"=\" after \"mydb\" in connection info string: write \"host=… port=… "
     "user=… dbname=…\", or postgresql://…\n"},
    {"postgres = ( { conninfo = \"host=a password=b hush\"; } );\n",
     "F:1: conninfo: libpq cannot read it (not shown, it may hold a password): quote values with "
     "spaces as 'a b'; in a URI write special characters as %XX\n"},
    {"postgres = ( { conninfo = \"postgresql://u:hush@[::1/x\"; } );\n",
     "F:1: conninfo: libpq cannot read it (not shown, it may hold a password): quote values with "
     "spaces as 'a b'; in a URI write special characters as %XX\n"},
    {"postgres = ( { oom_score_adj = -1001; } );\n",
     "F:1: oom_score_adj is -1001: it must be from -1000 to 1000\n"},
    {"postgres = ( { allow_production = [\"flush\"]; } );\n",
     "F:1: allow_production: unknown act \"flush\": it can be \"restore\"\n"},
    {"postgres = ( { allow_production = \"restore\"; } );\n",
     "F:1: allow_production must be an array of strings, not a string: write allow_production = "
     "[\"restore\"];\n"},
    {"postgres = ( { environments = (\n"
     "  { pattern = \"*_prod\"; environment = \"prod\"; },\n"
     "  { pattern = \"*_x\"; environment = \"test\"; },\n"
     "  { pattern = \"*_y\"; },\n"
     "  { environment = \"dev\"; },\n"
     "  { pattern = \"\"; environment = \"dev\"; },\n"
     "  { patern = \"a\"; pattern = \"b\"; environment = \"dev\"; }\n"
     "); } );\n",
     "F:2: unknown environment \"prod\": did you mean \"production\"?\n"
     "F:3: unknown environment \"test\": it can be \"production\", \"staging\" or \"dev\"\n"
     "F:4: an environments entry has no environment: add environment = \"production\";\n"
     "F:5: an environments entry has no pattern: add pattern = \"*_prod\";\n"
     "F:6: pattern is empty: write pattern = \"*_prod\"; or leave it out\n"
     "F:7: unknown setting \"patern\" in an environments entry: did you mean \"pattern\"?\n"},
    {"postgres = (\n { name = \"a\"; },\n { name = \"b\"; }\n);\nredis = ( { name = \"a\"; } );\n",
     "F:5: name \"a\" is already in line 2: give each instance its own\n"},
    {"redis = ( { url = \"http://x\"; } );\n",
     "F:1: url: what stands before :// is not known; write redis://[[user]:password@]host[:port]"
     "[/db], rediss://… (TLS) or unix:PATH\n"},
    {"redis = ( { trash_db = 1024; } );\n", "F:1: trash_db is 1024: it must be from -1 to 1023\n"},
    {"redis = ( { trash_db = -2; undo_seconds = 0; } );\n",
     "F:1: trash_db is -2: it must be from -1 to 1023\n"
     "F:1: undo_seconds is 0: it must be from 1 to 86400\n"},
    {"redis = ( { undo_seconds = 86401; } );\n",
     "F:1: undo_seconds is 86401: it must be from 1 to 86400\n"},
    {"redis = ( { allow_production = [\"flsh\"]; } );\n",
     "F:1: allow_production: unknown act \"flsh\": did you mean \"flush\"?\n"},
    {"redis = ( { allow_production = [1]; } );\n",
     "F:1: allow_production must be an array of strings, not a whole number: write "
     "allow_production = [\"flush\"];\n"},
    {"redis = ( { trash_db = 5;\n databases = (\n { db = 5; },\n { db = -1; },\n { use = \"x\"; "
     "},\n"
     " { db = 5; celery = \"yes\"; }\n); } );\n",
     "F:1: trash_db 5 is in use by databases (line 3): name a database that nothing uses, or -1 "
     "for "
     "none\n"
     "F:4: db is -1: it must be 0 or more\n"
     "F:5: a databases entry has no db: add db = 0;\n"
     "F:6: celery must be true or false, not a string: write celery = true;\n"
     "F:6: db 5 is already in line 3: remove one\n"},
    {"redis = ( { databases = ( 5 ); } );\n",
     "F:1: databases must be a list ( ) of groups, not a whole number: write databases = ( { db = "
     "0; environment = \"production\"; } );\n"},
    {"alerts = {\n LongQuery = { warning = 400; critical = 300; };\n};\n",
     "F:2: LongQuery: warning 400 is above critical 300: raise critical or lower warning\n"},
    {"alerts = { PostgresConnectionsHigh = { warning = 97; }; };\n",
     "F:1: PostgresConnectionsHigh: warning 97 is above critical 95 (its default): raise critical "
     "or lower warning\n"},
    {"alerts = { LongQuery = { warning = 400; critical = 0; }; };\n", ""},
    {"alerts = { RedisMemoryHigh = { critical = 101; }; };\n",
     "F:1: critical is 101: it must be from 0 to 100\n"},
    {"alerts = { LongQuery = { warning = -1; }; };\n",
     "F:1: warning is -1: it must be 0 or more\n"},
    {"alerts = { PostgresDown = { warning = 1; }; };\n",
     "F:1: unknown setting \"warning\" in PostgresDown: it can be \"runbook\"\n"},
    {"alerts = { LongQuerry = { }; };\n",
     "F:1: unknown setting \"LongQuerry\" in alerts: did you mean \"LongQuery\"?\n"},
    {"alerts = { LongQuery = 60; };\n",
     "F:1: LongQuery must be a group { }, not a whole number: write LongQuery = { warning = 60; "
     "critical = 300; };\n"},
    {"keys = { flush = 5;\n kill = \"\"; };\n",
     "F:1: key flush must be a string, not a whole number: write flush = \"x\";\n"
     "F:2: key kill must be a string, not an empty one: write kill = \"x\";\n"},
    {"keys = \"F\";\n",
     "F:1: keys must be a group { }, not a string: write keys = { quit = \"q\"; };\n"},
    {"a = 1;\n", "F:1: unknown setting \"a\": it can be \"interval\", \"theme\", \"read_only\", "
                 "\"ascii\", \"bell\", \"mouse\", \"audit_file\", \"docker_host\", \"containers\", "
                 "\"backup\", \"postgres\", "
                 "\"redis\", \"restart\", \"alerts\" or \"keys\"\n"},
    {"theme = \"a\"\n\ninterval = = 1;\n",
     "F:3: syntax error: look for a missing \";\", quote or bracket here or above\n"},
    {"interval = 1;\ninterval = 2;\n",
     "F:2: duplicate setting name: it is there twice in this group; remove one\n"},
    {"postgres = ( { allow_production = [1, \"a\"]; } );\n",
     "F:1: mismatched element type in array: all values in [ ] must be of one kind; use ( ) for "
     "others\n"},
    {"\n@include \"@D@/none.conf\"\n",
     "F:2: cannot open include file: write its whole path, and check that it can be read\n"},
    {"\n  @include \"@D@\"\n@include \"/\"\n# @include \"/\"\n",
     "F:2: cannot include @D@: it is a directory: name a file in it\n"
     "F:3: cannot include /: it is a directory: name a file in it\n"},
    {"bel = true;\n@include \"@D@/part.conf\"\nthem = \"x\";\n",
     "F:1: unknown setting \"bel\": did you mean \"bell\"?\n"
     "F:3: unknown setting \"them\": did you mean \"theme\"?\n"
     "@D@/part.conf:2: interval is 99: it must be from 0.2 to 60\n"},
    {"@include \"@D@/broken.conf\"\n",
     "@D@/broken.conf:1: syntax error: look for a missing \";\", quote or bracket here or above\n"},
    /* Hostile text neither breaks the line nor reaches the terminal as it is. */
    {"redis = ( { allow_production = [\"a\\n\\x1b[31m\"]; } );\n",
     "F:1: allow_production: unknown act \"a??[31m\": it can be \"flush\"\n"},
};

static char *replace_all(const char *text, const char *from, const char *to)
{
    struct strbuf out = {0};
    const char *found;

    for (; (found = strstr(text, from)); text = found + strlen(from)) {
        strbuf_add(&out, text, (size_t)(found - text));
        strbuf_adds(&out, to);
    }
    strbuf_adds(&out, text);
    return strbuf_take(&out);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_in(const struct places *places, const char *name, const char *text, mode_t mode)
{
    char *path = mem_printf("%s/%s", places->folder, name);
    char *full = replace_all(text, "@D@", places->folder);

    write_file(path, full, mode);
    free(full);
    free(path);
}

static char *printed(const struct config_faults *faults)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    config_faults_print(out, faults);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_lines(const struct places *places, const struct config_faults *faults,
                         const char *lines)
{
    char *folder_named = replace_all(lines, "@D@", places->folder);
    char *text = printed(faults);
    char *file_colon = mem_printf("%s:", places->file);
    char *shown = replace_all(text, file_colon, "F:");

    assert_string_equal(shown, folder_named);
    free(shown);
    free(file_colon);
    free(text);
    free(folder_named);
}

static int setup(void **state)
{
    struct places *places = mem_zalloc(sizeof(*places));

    strcpy(places->folder, "/tmp/sharedtop-config-XXXXXX");
    assert_non_null(mkdtemp(places->folder));
    places->file = mem_printf("%s/c.conf", places->folder);
    write_in(places, "part.conf", "\ninterval = 99;\n", 0600);
    write_in(places, "broken.conf", "interval 5;\n", 0600);
    *state = places;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"c.conf", "part.conf", "broken.conf", "secrets.env",
                                        "pass word.conf"};
    struct places *places = *state;
    size_t i;

    for (i = 0; i < COUNT(names); i++) {
        char *path = mem_printf("%s/%s", places->folder, names[i]);

        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(places->folder), 0);
    free(places->file);
    free(places);
    return 0;
}

static void test_faults(void **state)
{
    const struct places *places = *state;
    size_t i;

    for (i = 0; i < COUNT(fault_cases); i++) {
        struct config_faults faults = {0};
        struct config *config;

        write_in(places, "c.conf", fault_cases[i].text, 0600);
        config = config_load(places->file, &faults);
        expect_lines(places, &faults, fault_cases[i].lines);
        assert_int_equal(config_faults_fatal(&faults), *fault_cases[i].lines != '\0');
        config_faults_free(&faults);
        config_free(config);
    }
}

static void test_unreadable(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};

    unlink(places->file);
    assert_null(config_load(places->file, &faults));
    assert_null(config_load("/", &faults));
    expect_lines(places, &faults,
                 "F: cannot read it: No such file or directory: check the path and its mode\n"
                 "/: cannot read it: it is not a plain file: check the path and its mode\n");
    assert_true(config_faults_fatal(&faults));
    config_faults_free(&faults);
}

static void test_nul_byte(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    FILE *out = fopen(places->file, "w");

    assert_non_null(out);
    fwrite("bell = true;\n\0x = 1;\n", 1, 20, out);
    assert_int_equal(fclose(out), 0);
    assert_null(config_load(places->file, &faults));
    expect_lines(places, &faults, "F:2: a NUL byte: write the file as plain text (UTF-8)\n");
    config_faults_free(&faults);
}

static void test_pipe(void **state)
{
    struct config_faults faults = {0};
    struct config *config;
    char path[32];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "interval = 3;", 13), 13);
    close(ends[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    config = config_load(path, &faults);
    close(ends[0]);
    assert_non_null(config);
    assert_int_equal(faults.count, 0);
    assert_float_equal(config->interval, 3, 0);
    config_free(config);
}

static const struct {
    const char *text, *lines;
    mode_t mode;
} mode_cases[] = {
    {"postgres = ( { conninfo = \"host=a password=b\"; } );\n",
     "F:1: warning: conninfo holds a password and this file can be read by other users: run chmod "
     "600 @D@/c.conf\n",
     0644},
    {"postgres = ( { conninfo = \"postgresql://u:p@h/d\"; } );\n",
     "F:1: warning: conninfo holds a password and this file can be read by other users: run chmod "
     "600 @D@/c.conf\n",
     0640},
    {"redis = ( { url = \"redis://:p@h\"; },\n { name = \"b\"; url = \"redis://:p@h\"; } );\n",
     "F:1: warning: url holds a password and this file can be read by other users: run chmod 600 "
     "@D@/c.conf\n",
     0604},
    {"redis = ( { url = \"redis://:p@h\"; } );\n", "", 0600},
    {"redis = ( { url = \"redis://u@h\"; } );\npostgres = ( { conninfo = \"user=u\"; } );\n", "",
     0644},
    {"redis = ( { env_file = \"@D@/secrets.env\"; } );\n",
     "F:1: warning: env_file @D@/secrets.env can be read by other users: run chmod 600 "
     "@D@/secrets.env\n",
     0600},
    {"postgres = ( { env_file = \"@D@/none.env\"; } );\n", "", 0600},
};

static void test_modes(void **state)
{
    const struct places *places = *state;
    size_t i;

    write_in(places, "secrets.env", "REDIS_PASSWORD=a\n", 0644);
    for (i = 0; i < COUNT(mode_cases); i++) {
        struct config_faults faults = {0};
        struct config *config;

        write_in(places, "c.conf", mode_cases[i].text, mode_cases[i].mode);
        config = config_load(places->file, &faults);
        assert_non_null(config);
        expect_lines(places, &faults, mode_cases[i].lines);
        assert_false(config_faults_fatal(&faults));
        config_faults_free(&faults);
        config_free(config);
    }
}

static void test_quoted_path(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    char *path = mem_printf("%s/pass word.conf", places->folder);

    write_file(path, "redis = ( { url = \"redis://:p@h\"; } );", 0644);
    config_free(config_load(path, &faults));
    expect_lines(places, &faults,
                 "@D@/pass word.conf:1: warning: url holds a password and this file can be read by "
                 "other users: run chmod 600 '@D@/pass word.conf'\n");
    config_faults_free(&faults);
    free(path);
}

static void test_check_env_files(void **state)
{
    static const char text[] = "postgres = (\n"
                               "  { name = \"a\"; env_file = \"@D@/none.env\"; },\n"
                               "  { name = \"b\"; env_file = \"@D@/secrets.env\"; },\n"
                               "  { name = \"c\"; env_file = \"@D@/secrets.env\";\n"
                               "    password_key = \"OTHER\"; }\n"
                               ");\n";
    const struct places *places = *state;
    struct config_faults faults = {0};

    write_in(places, "secrets.env", "POSTGRES_PASSWORD=hush\n", 0600);
    write_in(places, "c.conf", text, 0600);
    config_free(config_check(places->file, &faults));
    expect_lines(places, &faults,
                 "F:2: warning: cannot read env_file @D@/none.env: No such file or directory\n"
                 "F:4: warning: env_file @D@/secrets.env has no OTHER=VALUE line: add it, or set "
                 "password_key to the key that holds the password\n");
    assert_false(config_faults_fatal(&faults));
    config_faults_free(&faults);
}

static void expect_reference(const char *path)
{
    struct config_faults faults = {0};
    struct config *config = config_load(path, &faults);
    const struct postgres_config *postgres;
    const struct redis_config *redis;

    config_faults_print(stderr, &faults);
    assert_int_equal(faults.count, 0);
    assert_non_null(config);
    assert_int_equal(config->postgres_count, 1);
    assert_int_equal(config->redis_count, 1);
    postgres = config->postgres[0];
    redis = config->redis[0];
    assert_string_equal(postgres->name, "shared_postgres");
    assert_string_equal(postgres->env_file, "/opt/docker/shared/.env");
    assert_null(postgres->command_prefix);
    assert_true(postgres->has_oom_score_adj);
    assert_int_equal(postgres->oom_score_adj, -800);
    assert_int_equal(postgres_environment(postgres, "aletheia_prod"), ENV_PRODUCTION);
    assert_int_equal(postgres_environment(postgres, "aletheia_staging"), ENV_STAGING);
    assert_int_equal(postgres_environment(postgres, "aletheia_dev"), ENV_DEV);
    assert_int_equal(postgres_environment(postgres, "postgres"), ENV_UNKNOWN);
    assert_int_equal(postgres_environment(postgres, NULL), ENV_UNKNOWN);
    assert_string_equal(redis->name, "shared_redis");
    assert_int_equal(redis->trash_db, 15);
    assert_int_equal(redis->database_count, 6);
    assert_string_equal(redis_database(redis, 3)->use, "Django cache");
    assert_int_equal(redis_database(redis, 3)->environment, ENV_STAGING);
    assert_false(redis_database(redis, 3)->celery);
    assert_true(redis_database(redis, 4)->celery);
    assert_null(redis_database(redis, 6));
    config_free(config);
}

static void test_examples(void **state)
{
    (void)state;
    expect_reference("sharedtop.conf.example");
    expect_reference("tests/unit/data/contract.conf");
}

static void expect_defaults(const struct config *config)
{
    static const double levels[ALERT_NAMES][2] = {
        [ALERT_POSTGRES_CONNECTIONS_HIGH] = {80, 95},
        [ALERT_REDIS_MEMORY_HIGH] = {90, 98},
        [ALERT_REDIS_EVICTING] = {1, 100},
        [ALERT_LONG_QUERY] = {60, 300},
        [ALERT_IDLE_IN_TRANSACTION] = {60, 600},
        [ALERT_BLOCKED_SESSIONS] = {1, 10},
        [ALERT_CONTAINER_RESTARTING] = {1, 3},
        [ALERT_CONTAINER_MEMORY_HIGH] = {90, 98},
    };
    size_t i;

    assert_float_equal(config->interval, 1, 0);
    assert_string_equal(config->theme, "default");
    assert_int_equal(config->theme_line, 0);
    assert_false(config->read_only || config->ascii || config->mouse);
    assert_true(config->bell && config->containers);
    assert_null(config->docker_host);
    assert_null(config->audit_file);
    assert_string_equal(config->backup.directory, "/var/backups/sharedtop");
    assert_int_equal(config->backup.keep, 7);
    assert_string_equal(config->restart_command, "make -C /opt/docker/aether/repo restart-shared");
    for (i = 0; i < ALERT_NAMES; i++) {
        assert_float_equal(config->alerts[i].warning, levels[i][0], 0);
        assert_float_equal(config->alerts[i].critical, levels[i][1], 0);
        assert_null(config->alerts[i].runbook);
    }
}

static void test_defaults(void **state)
{
    struct config *config = config_new();
    const struct postgres_config *postgres;
    const struct redis_config *redis;

    (void)state;
    expect_defaults(config);
    postgres = config_add_postgres(config, "a", "");
    redis = config_add_redis(config, "b", "");
    assert_string_equal(postgres->password_key, "POSTGRES_PASSWORD");
    assert_string_equal(redis->password_key, "REDIS_PASSWORD");
    assert_int_equal(redis->trash_db, -1);
    assert_int_equal(redis->undo_seconds, 600);
    assert_false(postgres->has_oom_score_adj || redis->has_oom_score_adj);
    config_free(config);
}

/* What is faulty stays at its default, what is not is taken. */
static void test_partial(void **state)
{
    static const char text[] =
        "interval = 5; bell = 3; theme = \"mono\"; backup = { keep = -5; };\n"
        "alerts = { LongQuery = { warning = \"x\"; critical = 90.5; \n"
        "  runbook = \"call\"; }; };\n"
        "keys = { flush = \"F\";\n quit = \"Ctrl-Q\"; };\n"
        "redis = ( { databases = ( { db = 2; environment = \"x\"; } ); } );";
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_in(places, "c.conf", text, 0600);
    config = config_load(places->file, &faults);
    assert_non_null(config);
    assert_int_equal(faults.count, 4);
    assert_string_equal(config->path, places->file);
    assert_float_equal(config->interval, 5, 0);
    assert_true(config->bell);
    assert_string_equal(config->theme, "mono");
    assert_int_equal(config->theme_line, 1);
    assert_int_equal(config->backup.keep, 7);
    assert_float_equal(config->alerts[ALERT_LONG_QUERY].warning, 60, 0);
    assert_float_equal(config->alerts[ALERT_LONG_QUERY].critical, 90.5, 0);
    assert_string_equal(config->alerts[ALERT_LONG_QUERY].runbook, "call");
    assert_int_equal(config->key_count, 2);
    assert_string_equal(config->keys[1].name, "quit");
    assert_string_equal(config->keys[1].key, "Ctrl-Q");
    assert_int_equal(config->keys[1].line, 5);
    assert_int_equal(redis_database(config->redis[0], 2)->environment, ENV_UNKNOWN);
    assert_true(config->lists_redis);
    assert_false(config->lists_postgres);
    config_faults_free(&faults);
    config_free(config);
}

static const struct {
    const char *conninfo, *name;
} postgres_names[] = {
    {"", "local:5432"},
    {"host=db user=u", "db:5432"},
    {"host=db port=6000", "db:6000"},
    {"host=db", "db:5432#2"},
    {"host=db", "db:5432#3"},
    {"hostaddr=::1", "[::1]:5432"},
    {"service=billing", "billing"},
    {"host=/run/postgresql", "/run/postgresql:5432"},
    {"postgresql://u:p@h:7/d", "h:7"},
    {"broken", "local:5432#2"},
};

static const struct {
    const char *url, *name;
} redis_names[] = {
    {"", "127.0.0.1:6379"},    {"redis://:p@cache/3", "cache:6379"},
    {"cache", "cache:6379#2"}, {"unix:/run/redis.sock", "/run/redis.sock"},
    {"http://u:p@x", "redis"},
};

static void test_names(void **state)
{
    static const char *const variables[] = {"PGHOST", "PGPORT", "PGSERVICE", "REDIS_URL"};
    struct config *config = config_new();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    for (i = 0; i < COUNT(postgres_names); i++)
        assert_string_equal(config_add_postgres(config, NULL, postgres_names[i].conninfo)->name,
                            postgres_names[i].name);
    for (i = 0; i < COUNT(redis_names); i++)
        assert_string_equal(config_add_redis(config, NULL, redis_names[i].url)->name,
                            redis_names[i].name);
    config_clear_postgres(config);
    assert_int_equal(config->postgres_count, 0);
    setenv("PGHOST", "envhost", 1);
    setenv("PGPORT", "99", 1);
    assert_string_equal(config_add_postgres(config, NULL, "")->name, "envhost:99");
    setenv("PGSERVICE", "envservice", 1);
    assert_string_equal(config_add_postgres(config, NULL, "")->name, "envservice");
    for (i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    config_free(config);
}

/* A name that is given goes to its instance, whatever the order. */
static void test_given_names_first(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};
    struct config *config;

    write_in(places, "c.conf",
             "postgres = ( { conninfo = \"host=a\"; }, { name = \"a:5432\"; } );\n", 0600);
    config = config_load(places->file, &faults);
    assert_int_equal(faults.count, 0);
    assert_string_equal(config->postgres[0]->name, "a:5432#2");
    assert_string_equal(config->postgres[1]->name, "a:5432");
    config_free(config);
}

static void test_find(void **state)
{
    const struct places *places = *state;
    char *folder = mem_printf("%s/sharedtop", places->folder);
    char *path = mem_printf("%s/sharedtop.conf", folder);
    char *found;

    setenv("XDG_CONFIG_HOME", places->folder, 1);
    found = config_find();
    assert_true(!found || !strcmp(found, "/etc/sharedtop.conf"));
    free(found);
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file(path, "", 0600);
    found = config_find();
    assert_non_null(found);
    assert_string_equal(found, path);
    free(found);
    unsetenv("XDG_CONFIG_HOME");
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    free(path);
    free(folder);
}

static void test_nearest_name(void **state)
{
    static const char *const names[] = {"interval", "theme", "read_only", "production", "dev"};
    static const struct {
        const char *word, *near;
    } cases[] = {
        {"intreval", "interval"},
        {"INTERVAL", "interval"},
        {"readonly", "read_only"},
        {"read-only", "read_only"},
        {"prod", "production"},
        {"de", "dev"},
        {"devv", "dev"},
        {"", NULL},
        {"d", NULL},
        {"wholly_different", NULL},
        {"xyz", NULL},
        {"a_word_that_is_longer_than_any_name_could_ever_be_here", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const char *near = nearest_name(cases[i].word, names, COUNT(names));

        if (cases[i].near)
            assert_string_equal(near, cases[i].near);
        else
            assert_null(near);
    }
}

static void test_environments(void **state)
{
    enum environment environment = ENV_STAGING;

    (void)state;
    assert_true(environment_parse("dev", &environment));
    assert_int_equal(environment, ENV_DEV);
    assert_false(environment_parse("unknown", &environment));
    assert_false(environment_parse("Dev", &environment));
    assert_int_equal(environment, ENV_DEV);
    assert_string_equal(environment_name(ENV_PRODUCTION), "production");
    assert_string_equal(environment_name(ENV_UNKNOWN), "unknown");
    assert_string_equal(alert_name_text(ALERT_BLOCKED_SESSIONS), "BlockedSessions");
}

static void test_print(void **state)
{
    const struct places *places = *state;
    struct config_faults faults = {0};

    config_fault_add(&faults, NULL, 0, false, "nothing to %s", "do");
    config_fault_add(&faults, "a", 0, true, "x");
    config_fault_add(&faults, "a", 3, true, "y\x1b\n\xc2\x9bz");
    assert_false(config_faults_fatal(&(struct config_faults){faults.items + 1, 2}));
    assert_true(config_faults_fatal(&faults));
    expect_lines(places, &faults, "nothing to do\na: warning: x\na:3: warning: y????z\n");
    config_faults_free(&faults);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_quoted_path),
        cmocka_unit_test(test_check_env_files),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_given_names_first),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_nearest_name),
        cmocka_unit_test(test_environments),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
