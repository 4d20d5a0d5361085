/* The harness against small programs whose screens are known. */
#include "tests/screen/expect.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct term *shell(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return term_start(10, 40, NULL, argv);
}

static void shows_what_is_printed(void **state)
{
    (void)state;
    struct term *term = shell("printf 'one\\r\\n  two  \\033[5;3Hfive'");
    expect_exit(term, W_EXITCODE(0, 0));
    assert_string_equal(term_row(term, 0), "one");
    assert_string_equal(term_row(term, 1), "  two");
    assert_string_equal(term_row(term, 4), "  five");
    assert_string_equal(term_row(term, 9), "");
    expect_now(term, "^  two$");
    expect_not_now(term, "three");
    assert_false(term_wait(term, "three", TERM_PATIENCE)); /* it has ended: no need to wait */
    term_free(term);
}

static void knows_sequences_of_ncurses(void **state)
{
    (void)state;
    struct term *term =
        shell("printf 'a\\033[5b|\\r\\nabcdef\\033[4D\\033[2X|\\r\\nx\\033[1K\\033[3Gz\\033[6;1H"
              "four\\033[2;5r\\033[2;1H\\033[M\\033[r'");
    expect_exit(term, W_EXITCODE(0, 0));
    assert_string_equal(term_row(term, 0), "aaaaaa|");
    assert_string_equal(term_row(term, 1), "  z");
    assert_string_equal(term_row(term, 5), "four");
    term_free(term);
}

static void knows_wide_and_combining_characters(void **state)
{
    (void)state;
    struct term *term = shell("printf '日本|e\\314\\201|x'");
    expect_screen(term, "^日.\\|");
    struct emulator_cell cell;
    term_cell(term, 0, 0, &cell);
    assert_int_equal(cell.width, 2);
    term_cell(term, 0, 1, &cell);
    assert_string_equal(cell.text, "");
    term_cell(term, 0, 5, &cell);
    assert_string_equal(cell.text, "e\xcc\x81");
    int row, column;
    assert_true(term_find(term, "|x", &row, &column));
    assert_int_equal(row, 0);
    assert_int_equal(column, 6);
    assert_false(term_find(term, "|y", &row, &column));
    term_free(term);
}

static void knows_attributes_and_colours(void **state)
{
    (void)state;
    struct term *term = shell("printf 'd\\033[1;31mB\\033[0;7;38;5;208mR\\033[0;48;2;1;2;3mT"
                              "\\033[0;4;3;95mU\\033[0md'");
    expect_screen(term, "dBRTUd");
    struct emulator_cell cell[6];
    for (int i = 0; i < 6; i++) {
        term_cell(term, 0, i, &cell[i]);
    }
    assert_int_equal(cell[0].fg, EMULATOR_DEFAULT_COLOUR);
    assert_int_equal(cell[0].bg, EMULATOR_DEFAULT_COLOUR);
    assert_false(cell[0].bold);
    assert_true(cell[1].bold);
    assert_int_equal(cell[1].fg, 1);
    assert_true(cell[2].reverse);
    assert_false(cell[2].bold);
    assert_int_equal(cell[2].fg, 208);
    assert_int_equal(cell[3].bg, EMULATOR_RGB | 0x010203);
    assert_true(cell[4].underline && cell[4].italic);
    assert_int_equal(cell[4].fg, 13);
    assert_false(cell[5].underline || cell[5].reverse);
    term_free(term);
}

/* What is not all there yet is not looked at. */
static void waits_for_the_rest_of_a_frame(void **state)
{
    (void)state;
    struct term *term =
        shell("stty -echo; printf 'ready\033[?20'; read x; printf '26hhalf'; read x;"
              "printf ' whole\033[?2026l'; read x");
    expect_screen(term, "ready");
    const size_t before = term_bytes(term);
    term_keys(term, "\n");
    assert_true(term_wait_output(term, before + 6, TERM_PATIENCE));
    assert_false(term_wait(term, "half", 0));
    assert_false(term_wait_gone(term, "whole", 0));
    term_keys(term, "\n");
    expect_now(term, "half whole");
    term_free(term);
}

static void types_keys(void **state)
{
    (void)state;
    struct term *term = shell("stty raw -echo; echo ready; cat -v");
    expect_screen(term, "ready");
    term_keys(term, "k\033x\003");
    expect_screen(term, "k\\^\\[x\\^C");
    assert_true(term_matched(term) >= term_sent(term));
    term_special(term, EMULATOR_UP);
    expect_screen(term, "\\^C\\^\\[\\[A");
    term_special(term, EMULATOR_F1 + 4);
    expect_screen(term, "\\^\\[\\[15~");
    term_special(term, EMULATOR_PAGE_DOWN);
    expect_screen(term, "15~\\^\\[\\[6~");
    term_free(term);
}

static void follows_the_cursor_key_mode(void **state)
{
    (void)state;
    struct term *term = shell("stty raw -echo; printf '\\033[?1hready\\r\\n'; cat -v");
    expect_screen(term, "ready");
    term_special(term, EMULATOR_UP);
    expect_screen(term, "\\^\\[OA");
    term_free(term);
}

static void follows_screen_and_cursor(void **state)
{
    (void)state;
    struct term *term =
        shell("printf 'main\\033[?1049h\\033[?25l\\033[?1000h\\033[Halt\\a'; read x;"
              "printf '\\033[?1000l\\033[?25h\\033[?1049l'; read x");
    expect_screen(term, "^alt");
    assert_true(emulator_alternate(term_emulator(term)));
    assert_false(emulator_cursor_visible(term_emulator(term)));
    assert_true(emulator_mouse(term_emulator(term)));
    assert_int_equal(emulator_bells(term_emulator(term)), 1);
    expect_not_now(term, "main");
    term_keys(term, "\n");
    expect_screen(term, "^main");
    expect_gone(term, "alt");
    term_keys(term, "\n");
    expect_exit(term, W_EXITCODE(0, 0));
    expect_terminal_restored(term);
    assert_true(expect_raw_has(term, "\033[?1049h"));
    assert_false(expect_raw_has(term, "\033[?1049x"));
    term_free(term);
}

static void sees_modes_that_were_not_restored(void **state)
{
    (void)state;
    struct term *term = shell("saved=$(stty -g); stty raw -echo; echo raw; head -c1 >/dev/null;"
                              "stty $saved; echo back; read x; stty -echo");
    assert_true(term_modes_restored(term) || term_wait(term, "raw", TERM_PATIENCE));
    expect_screen(term, "raw");
    assert_false(term_modes_restored(term));
    term_keys(term, "x");
    expect_screen(term, "back");
    assert_true(term_modes_restored(term));
    term_keys(term, "\n");
    expect_exit(term, W_EXITCODE(0, 0));
    assert_false(term_modes_restored(term));
    term_free(term);
}

static void tells_the_program_of_a_new_size(void **state)
{
    (void)state;
    struct term *term = shell("trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done");
    expect_screen(term, "ready");
    term_resize(term, 24, 80);
    expect_screen(term, "^24 80$");
    int rows, columns;
    emulator_size(term_emulator(term), &rows, &columns);
    assert_int_equal(rows, 24);
    assert_int_equal(columns, 80);
    term_free(term);
}

static void a_stalled_terminal_holds_the_program_up(void **state)
{
    (void)state;
    struct term *term = shell("read x; head -c 300000 /dev/zero | tr '\\0' y");
    term_stall(term);
    term_keys(term, "\n");
    assert_false(term_wait_exit(term, 150, NULL));
    assert_int_equal(term_bytes(term), 0);
    term_resume(term);
    expect_exit(term, W_EXITCODE(0, 0));
    assert_true(term_bytes(term) >= 300000);
    assert_true(term_chunks(term) > 1);
    size_t offset;
    assert_true(term_chunk(term, 0, &offset) <= term_chunk(term, 1, NULL));
    assert_int_equal(offset, 0);
    term_free(term);
}

static void a_hang_up_reaches_the_program(void **state)
{
    (void)state;
    struct term *term = shell("trap 'exit 7' HUP; echo ready; while :; do sleep 0.02; done");
    expect_screen(term, "ready");
    term_hangup(term);
    expect_exit(term, W_EXITCODE(7, 0));
    term_free(term);
}

static void a_signal_reaches_the_program(void **state)
{
    (void)state;
    struct term *term = shell("echo ready; exec sleep 100");
    expect_screen(term, "ready");
    term_signal(term, SIGTERM);
    expect_exit(term, W_EXITCODE(0, SIGTERM));
    term_free(term);
}

static void reports_the_exit_status(void **state)
{
    (void)state;
    struct term *term = shell("exit 3");
    expect_exit(term, W_EXITCODE(3, 0));
    term_free(term);
    const char *const nothing[] = {"/nonexistent/program", NULL};
    term = term_start(5, 60, NULL, nothing);
    expect_exit(term, W_EXITCODE(127, 0));
    expect_now(term, "/nonexistent/program: No such file");
    term_free(term);
}

static void the_environment_is_clean(void **state)
{
    (void)state;
    setenv("PGHOST", "elsewhere", 1);
    setenv("NO_COLOR", "1", 1);
    const char *const env[] = {"TERM=dumb", "EXTRA=one two", "TZ", NULL};
    const char *const argv[] = {
        "sh", "-c", "echo \"[$TERM][$PGHOST][$NO_COLOR][$EXTRA][$LC_ALL][${TZ-none}]\"", NULL};
    struct term *term = term_start(5, 60, env, argv);
    expect_exit(term, W_EXITCODE(0, 0));
    assert_string_equal(term_row(term, 0), "[dumb][][][one two][C.UTF-8][none]");
    term_free(term);
    unsetenv("PGHOST");
    unsetenv("NO_COLOR");
}

static void waits_for_output_and_for_quiet(void **state)
{
    (void)state;
    struct term *term = shell("printf start; read x; printf more; cat");
    expect_screen(term, "start");
    size_t before = term_bytes(term);
    assert_false(term_wait_output(term, before, 30));
    term_keys(term, "\n");
    assert_true(term_wait_output(term, before, TERM_PATIENCE));
    expect_screen(term, "more");
    assert_true(term_wait_quiet(term, 30, TERM_PATIENCE));
    term_free(term);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_is_printed),
        cmocka_unit_test(knows_sequences_of_ncurses),
        cmocka_unit_test(knows_wide_and_combining_characters),
        cmocka_unit_test(knows_attributes_and_colours),
        cmocka_unit_test(waits_for_the_rest_of_a_frame),
        cmocka_unit_test(types_keys),
        cmocka_unit_test(follows_the_cursor_key_mode),
        cmocka_unit_test(follows_screen_and_cursor),
        cmocka_unit_test(sees_modes_that_were_not_restored),
        cmocka_unit_test(tells_the_program_of_a_new_size),
        cmocka_unit_test(a_stalled_terminal_holds_the_program_up),
        cmocka_unit_test(a_hang_up_reaches_the_program),
        cmocka_unit_test(a_signal_reaches_the_program),
        cmocka_unit_test(reports_the_exit_status),
        cmocka_unit_test(the_environment_is_clean),
        cmocka_unit_test(waits_for_output_and_for_quiet),
    };
    return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}
