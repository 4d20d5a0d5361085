/* The dashboard on live servers: views, keys, sizes, dialogs. */
#include "tests/screen/dashboard.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lab *lab;

static struct term *start(int rows, int columns)
{
    struct term *term = dashboard_start(lab, rows, columns, NULL, NULL);

    expect_both_up(term);
    return term;
}

static void test_overview_shows_both_servers(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    expect_now(term, "shared_postgres 1[3-9]");
    expect_now(term, "shared_redis [0-9]+\\.");
    expect_screen(term, "aletheia_prod");
    expect_screen(term, "Celery broker");
    expect_screen(term, "BlockedSessions");
    expect_screen(term, "Lock|[0-9]+ blocked");
    expect_now(term, "production");
    expect_now(term, "\\? help");
    expect_quit(term);
}

static void test_every_size_shows_what_matters(void **state)
{
    static const int sizes[][2] = {{24, 80}, {16, 60}, {36, 120}, {45, 160}, {60, 200}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct term *term = start(sizes[i][0], sizes[i][1]);

        expect_screen(term, "help");
        expect_screen(term, "alert");
        expect_quit(term);
    }
}

static void test_resize_down_to_nothing_and_back(void **state)
{
    static const int sizes[][2] = {{10, 40}, {1, 1}, {2, 3}, {16, 60}, {5, 200}, {100, 20}};
    struct term *term = start(36, 120);

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t before = term_bytes(term);

        term_resize(term, sizes[i][0], sizes[i][1]);
        assert_true(term_wait_output(term, before, TERM_PATIENCE));
    }
    term_resize(term, 10, 40);
    expect_screen(term, "sharedtop needs");
    term_resize(term, 24, 80);
    expect_both_up(term);
    expect_quit(term);
}

static void test_every_view_opens(void **state)
{
    static const struct {
        const char *key, *title;
    } views[] = {
        {"2", "Sessions .*shared_postgres"},
        {"3", "Queries .*shared_postgres"},
        {"4", "Databases .*shared_postgres"},
        {"5", "Keyspace .*shared_redis"},
        {"6", "used_memory_dataset"},
        {"7", "not running: m starts"},
        {"8", "OOM ADJ"},
        {"9", "SEVERITY"},
        {"0", "no job yet: backups \\(B\\)"},
        {"A", "no act has been recorded yet"},
        {":view logs\r", "Logs"},
        {"1", "conns .*active"},
    };
    struct term *term = start(36, 120);

    (void)state;
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        term_keys(term, views[i].key);
        expect_screen(term, views[i].title);
    }
    expect_quit(term);
}

static void test_filter_narrows_and_escape_clears(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "monitoring");
    term_keys(term, "/name:aletheia");
    expect_screen(term, "name:aletheia"); /* on the last row: the frame has come whole */
    expect_gone(term, "umami");
    expect_now(term, "aletheia_dev");
    term_keys(term, "\r");
    expect_screen(term, "quit");
    expect_now(term, "aletheia_dev");
    term_keys(term, "/umami"); /* takes the place of the old one */
    expect_screen(term, "regex\\): umami");
    expect_gone(term, "aletheia_dev");
    term_keys(term, "\r/\x7f\x7f"); /* what is there is edited */
    expect_screen(term, "regex\\): uma( |$)");
    term_keys(term, "\r");
    expect_screen(term, "quit");
    term_special(term, EMULATOR_ESCAPE);
    expect_screen(term, "aletheia_dev");
    term_keys(term, "/(\r");
    expect_screen(term, "filter: .*literal");
    expect_quit(term);
}

static void test_filter_that_matches_nothing_says_so(void **state)
{
    struct term *term = start(24, 80);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "Databases");
    term_keys(term, "/nothing-is-called-so\r");
    expect_screen(term, "no row matches the filter nothing-is-called-so");
    expect_quit(term);
}

/* One text comes to stand above another one. */
static void expect_above(struct term *term, const char *above, const char *below)
{
    int upper = 0, lower = 0, column;

    while (!(term_find(term, above, &upper, &column) && term_find(term, below, &lower, &column) &&
             upper < lower)) {
        if (!term_wait_output(term, term_bytes(term), TERM_PATIENCE))
            expect_fail(term, "never above the other", above, __FILE__, __LINE__);
    }
}

static void test_sort_changes_the_order(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "DATABASE▴");
    expect_above(term, "aletheia_dev", "umami");
    term_keys(term, "S");
    expect_screen(term, "DATABASE▾");
    expect_above(term, "umami", "aletheia_dev");
    term_keys(term, "s");
    expect_screen(term, "OWNER▴");
    term_keys(term, "<");
    expect_screen(term, "DATABASE▴");
    expect_quit(term);
}

static void test_details_show_the_whole_query(void **state)
{
    struct term *term = start(45, 160);

    (void)state;
    term_keys(term, "3");
    expect_screen(term, "QUERY");
    term_keys(term, "/duration_seconds:.\r");
    expect_screen(term, "idle in tx");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "connected for");
    expect_screen(term, "environment +");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "connected for");
    expect_quit(term);
}

static void test_groups(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, ":group database,state\r");
    expect_screen(term, "DATABASE +STATE +SESSIONS");
    expect_screen(term, "umami +idle");
    term_keys(term, "b");
    expect_screen(term, "Group by");
    term_keys(term, " ");
    expect_screen(term, "\\[ \\] database");
    term_keys(term, "\r");
    expect_gone(term, "Group by");
    expect_gone(term, "DATABASE +STATE");
    term_keys(term, ":group\r");
    expect_screen(term, "PID +DATABASE");
    expect_quit(term);
}

static void test_columns_can_be_hidden(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "OWNER");
    term_keys(term, "c");
    expect_screen(term, "\\[x\\] OWNER");
    term_keys(term, "j \r");
    expect_gone(term, "OWNER");
    expect_quit(term);
}

static void test_own_sessions_are_hidden_by_default(void **state)
{
    struct term *term = start(45, 160);

    (void)state;
    term_keys(term, ":view sessions\r");
    expect_screen(term, "PID +DATABASE");
    term_keys(term, "/application:^sharedtop$\r");
    expect_screen(term, "no row matches");
    term_keys(term, "o");
    expect_screen(term, "sharedtop +local");
    expect_quit(term);
}

static void test_pause_holds_the_picture(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    term_keys(term, "p");
    expect_gone(term, "PAUSED");
    expect_quit(term);
}

static void test_interval_is_changed(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "+");
    expect_screen(term, "every 2s");
    term_keys(term, "--");
    expect_screen(term, "every 0.5s");
    term_keys(term, ":interval 0.25\r");
    expect_screen(term, "every 0.25s");
    term_keys(term, ":interval 100\r");
    expect_screen(term, "seconds from 0.2 to 60, not '100'");
    expect_quit(term);
}

static void test_command_line_completes(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, ":vie\t sess\t");
    expect_screen(term, ":view sessions");
    term_keys(term, "\r");
    expect_screen(term, "PID +DATABASE");
    term_keys(term, ":nonsense\r");
    expect_screen(term, "no such command: nonsense");
    expect_quit(term);
}

static void test_themes_preview_live(void **state)
{
    struct term *term = start(36, 120);
    struct emulator_cell before, after;

    (void)state;
    expect_screen(term, "┌ PostgreSQL");
    term_cell(term, 0, 1, &before);
    term_keys(term, "t");
    expect_screen(term, "solarized");
    term_special(term, EMULATOR_DOWN);
    term_special(term, EMULATOR_DOWN);
    do
        term_cell(term, 0, 1, &after);
    while (after.fg == before.fg && after.bg == before.bg &&
           term_wait_output(term, term_bytes(term), TERM_PATIENCE));
    assert_true(after.fg != before.fg || after.bg != before.bg);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "solarized");
    do
        term_cell(term, 0, 1, &after);
    while ((after.fg != before.fg || after.bg != before.bg) &&
           term_wait_output(term, term_bytes(term), TERM_PATIENCE));
    assert_int_equal(after.fg, before.fg);
    assert_int_equal(after.bg, before.bg);
    expect_quit(term);
}

/* Any colour set by the program, in the bytes that it sent. */
static bool sent_colour(const struct term *term)
{
    static const char *const starts[] = {"\x1b[3", "\x1b[4", "\x1b[9", "\x1b[10", ";3", ";4"};
    size_t len;
    const char *raw = term_raw(term, &len);

    for (const char *at = raw; (at = memchr(at, '\x1b', len - (size_t)(at - raw))); at++) {
        const char *end = at;

        while (end < raw + len && *end != 'm' && strchr("\x1b[;0123456789", *end))
            end++;
        if (end >= raw + len || *end != 'm')
            continue;
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
            const char *found = memmem(at, (size_t)(end - at), starts[i], strlen(starts[i]));

            if (found && found[strlen(starts[i])] >= '0' && found[strlen(starts[i])] <= '9' &&
                found[strlen(starts[i])] != '9')
                return true;
        }
    }
    return false;
}

static void test_no_color_is_honoured(void **state)
{
    static const char *const env[] = {"NO_COLOR=1", NULL};
    struct term *coloured = start(36, 120), *plain = dashboard_start(lab, 36, 120, env, NULL);

    (void)state;
    assert_true(sent_colour(coloured));
    expect_both_up(plain);
    assert_false(sent_colour(plain));
    expect_quit(plain);
    expect_quit(coloured);
}

static void test_ascii_sends_only_seven_bits(void **state)
{
    static const char *const more[] = {"--ascii", NULL};
    struct term *term = dashboard_start(lab, 36, 120, NULL, more);
    const char *raw;
    size_t len;

    (void)state;
    expect_both_up(term);
    raw = term_raw(term, &len);
    for (size_t i = 0; i < len; i++)
        assert_true((unsigned char)raw[i] < 0x80);
    expect_quit(term);
}

static void test_help_lists_every_key_of_the_table(void **state)
{
    struct term *term = start(100, 160);

    (void)state;
    term_keys(term, "?");
    expect_screen(term, "next-instance");
    expect_screen(term, "view-8");
    expect_screen(term, ":interval +SECONDS");
    term_keys(term, "q");
    expect_gone(term, "next-instance");
    expect_quit(term);
}

static void test_write_makes_a_file(void **state)
{
    char dir[] = "/tmp/sharedtop-write-XXXXXX", path[64], line[256];
    struct term *term = start(36, 120);
    struct stat status;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/out.csv", dir);
    term_keys(term, "4");
    expect_screen(term, "umami");
    term_keys(term, "w");
    expect_screen(term, "Write the table");
    term_keys(term, "\x15");
    term_keys(term, path);
    term_keys(term, "\r");
    expect_screen(term, "wrote [0-9]+ bytes");
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_true(strncmp(line, "name,owner,environment,size_bytes", 33) == 0);
    fclose(file);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    term_keys(term, "w");
    expect_screen(term, "Write the table");
    term_keys(term, "\x15");
    term_keys(term, path);
    term_keys(term, "\r");
    expect_screen(term, "File exists; choose another name");
    unlink(path);
    rmdir(dir);
    expect_quit(term);
}

static void test_copy_is_osc_52(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "DATABASE▴");
    term_keys(term, "gy");
    expect_screen(term, "copied 12 bytes");
    assert_true(expect_raw_has(term, "\x1b]52;c;YWxldGhlaWFfZGV2")); /* aletheia_dev */
    expect_quit(term);
}

static void test_monitor_asks_and_typed_ahead_keys_do_not_answer(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    term_keys(term, "my"); /* in one burst: y came before the question was on the screen */
    expect_screen(term, "y: start");
    expect_now(term, "limit +none: the server keeps whatever a reader leaves unread");
    expect_not_now(term, "running, m stops");
    term_keys(term, "\r"); /* Enter is no yes: Cancel is in focus */
    expect_gone(term, "y: start");
    expect_now(term, "not running: m starts");
    term_keys(term, "m");
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
    expect_screen(term, "GET +[0-9]+ ");
    expect_now(term, "MONITOR [0-9]+s");
    term_keys(term, "m");
    expect_screen(term, "stopped by m");
    expect_gone(term, "MONITOR [0-9]+s");
    expect_quit(term);
}

static void test_suspend_closes_the_monitor(void **state)
{
    struct term *term = start(36, 120);
    siginfo_t info = {0};

    (void)state;
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    term_keys(term, "m");
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
    term_keys(term, "\x1a");
    /* A session leader without job control is not stopped by SIGTSTP; what counts is that nothing
     * is left open on the server, and that the dashboard is back. */
    expect_screen(term, "the dashboard was suspended");
    (void)info;
    for (;;) {
        char *list = lab_redis_value(lab, "CLIENT LIST");
        bool open = strstr(list, "cmd=monitor") != NULL;

        free(list);
        if (!open)
            break;
        assert_true(term_wait_output(term, term_bytes(term), TERM_PATIENCE));
    }
    expect_quit(term);
}

static void test_quit_by_words_and_from_a_menu(void **state)
{
    struct term *term = start(36, 120);

    (void)state;
    term_keys(term, ":quit\r");
    expect_exit(term, W_EXITCODE(0, 0));
    expect_terminal_restored(term);
    term_free(term);
    term = start(36, 120);
    term_keys(term, "t");
    expect_screen(term, "solarized");
    term_signal(term, SIGTERM);
    expect_exit(term, W_EXITCODE(0, 0));
    expect_terminal_restored(term);
    term_free(term);
}

static void test_instances_are_switched_even_while_paused(void **state)
{
    char first[64], second[128];
    const char *more[] = {"--redis", first, "--redis", second, NULL};
    struct term *term;

    (void)state;
    snprintf(first, sizeof(first), "%s", lab_get(lab, "LAB_REDIS"));
    snprintf(second, sizeof(second), "redis://127.0.0.1:%s/1", lab_get(lab, "LAB_REDIS_PORT"));
    term = dashboard_start(lab, 36, 120, NULL, more);
    expect_both_up(term);
    term_keys(term, "5");
    expect_screen(term, "Keyspace .*\\[1/2\\]");
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    term_keys(term, "]");
    expect_screen(term, "Keyspace .*\\[2/2\\]");
    term_keys(term, "jk\r");
    expect_screen(term, "Up Down PgUp");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Up Down PgUp");
    term_keys(term, "[p");
    expect_screen(term, "Keyspace .*\\[1/2\\]");
    expect_gone(term, "PAUSED");
    expect_quit(term);
}

static int set_up(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    lab_fill(lab);
    lab_load(lab);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overview_shows_both_servers),
        cmocka_unit_test(test_every_size_shows_what_matters),
        cmocka_unit_test(test_resize_down_to_nothing_and_back),
        cmocka_unit_test(test_every_view_opens),
        cmocka_unit_test(test_filter_narrows_and_escape_clears),
        cmocka_unit_test(test_filter_that_matches_nothing_says_so),
        cmocka_unit_test(test_sort_changes_the_order),
        cmocka_unit_test(test_details_show_the_whole_query),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_columns_can_be_hidden),
        cmocka_unit_test(test_own_sessions_are_hidden_by_default),
        cmocka_unit_test(test_pause_holds_the_picture),
        cmocka_unit_test(test_interval_is_changed),
        cmocka_unit_test(test_command_line_completes),
        cmocka_unit_test(test_themes_preview_live),
        cmocka_unit_test(test_no_color_is_honoured),
        cmocka_unit_test(test_ascii_sends_only_seven_bits),
        cmocka_unit_test(test_help_lists_every_key_of_the_table),
        cmocka_unit_test(test_write_makes_a_file),
        cmocka_unit_test(test_copy_is_osc_52),
        cmocka_unit_test(test_monitor_asks_and_typed_ahead_keys_do_not_answer),
        cmocka_unit_test(test_suspend_closes_the_monitor),
        cmocka_unit_test(test_quit_by_words_and_from_a_menu),
        cmocka_unit_test(test_instances_are_switched_even_while_paused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
