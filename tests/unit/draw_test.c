#include "tui/frame.h"
#include "tui/graph.h"
#include "tui/screen.h"
#include "tui/text.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    frame_resize(3, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    text_set_ascii(false);
    frame_resize(0, 0);
    return 0;
}

static void shows(const char *want)
{
    char *text = frame_text();

    assert_string_equal(text, want);
    free(text);
}

static void line_shows(const char *want)
{
    char *text = frame_text();

    *strchr(text, '\n') = '\0';
    assert_string_equal(text, want);
    free(text);
}

/* ---- text ---- */

static void draws_and_cuts_text(void **state)
{
    (void)state;
    assert_int_equal(draw_text(0, 0, 10, ROLE_OK, "abc"), 3);
    assert_int_equal(draw_text(1, 0, 4, ROLE_TEXT, "abcdef"), 4);
    assert_int_equal(draw_text(2, 7, 10, ROLE_TEXT, "abcdef"), 3);
    shows("abc\nabc…\n       ab…\n");
    assert_int_equal(frame_row(0)[0].role, ROLE_OK);
    assert_int_equal(frame_row(0)[3].role, ROLE_TEXT);
    assert_int_equal(draw_text(0, 0, 0, ROLE_TEXT, "abc"), 0);
    assert_int_equal(draw_text(0, 0, 3, ROLE_TEXT, "xyz"), 3);
    line_shows("xyz");
    assert_int_equal(draw_textf(0, 0, 10, ROLE_TEXT, "%d of %s", 3, "4"), 6);
    line_shows("3 of 4");
}

static void clips_to_the_frame(void **state)
{
    (void)state;
    assert_int_equal(draw_text(-1, 0, 10, ROLE_TEXT, "abc"), 3);
    assert_int_equal(draw_text(3, 0, 10, ROLE_TEXT, "abc"), 3);
    assert_int_equal(draw_text(0, 10, 10, ROLE_TEXT, "abc"), 0);
    assert_int_equal(draw_text(1, -2, 10, ROLE_TEXT, "abcd"), 4);
    draw_fill((struct rect){-5, -5, 100, 100}, ROLE_BAR);
    assert_int_equal(frame_row(2)[9].role, ROLE_BAR);
    draw_clear();
    assert_int_equal(frame_row(2)[9].role, ROLE_TEXT);
    draw_text(1, -2, 10, ROLE_TEXT, "abcd");
    draw_hline(2, -3, 5, ROLE_TEXT);
    draw_hline(2, 8, 2000000000, ROLE_TEXT);
    draw_box((struct rect){-1, -1, 5, 12}, "title", NULL, false);
    shows("\ncd\n──      ──\n");
}

static void draws_wide_and_combining(void **state)
{
    (void)state;
    assert_int_equal(draw_text(0, 0, 10, ROLE_TEXT, "中e\xCC\x81文"), 5);
    line_shows("中e\xCC\x81文");
    assert_int_equal(frame_row(0)[0].width, 2);
    assert_int_equal(frame_row(0)[1].width, 0);
    assert_int_equal(draw_text(0, 0, 4, ROLE_TEXT, "中文字"), 4);
    line_shows("中…"); /* and the half of 文 that was left is gone */
}

static void cuts_wide_characters_cleanly(void **state)
{
    (void)state;
    draw_text(0, 0, 10, ROLE_TEXT, "中文字");
    draw_text(0, 1, 1, ROLE_TEXT, "x");
    line_shows(" x文字");
    draw_text(0, 0, 10, ROLE_TEXT, "中文字");
    draw_text(0, 2, 1, ROLE_TEXT, "x");
    line_shows("中x 字");
    draw_text(0, 0, 10, ROLE_TEXT, "中文字");
    frame_put(0, 3, ROLE_TEXT, 'y');
    line_shows("中 y字");
    draw_text(0, 0, 10, ROLE_TEXT, "中文字");
    draw_fill((struct rect){0, 1, 1, 4}, ROLE_BAR);
    line_shows("");
    draw_text(0, -1, 10, ROLE_TEXT, "中a");
    line_shows(" a");
    draw_clear();
    draw_text(0, 0, 3, ROLE_TEXT, "中文");
    draw_text(0, 3, 3, ROLE_TEXT, "|");
    line_shows("中…|");
}

static void is_the_last_gate(void **state)
{
    (void)state;
    draw_text(0, 0, 10, ROLE_TEXT, "a\033[2J\x9B\xC2\x9B\x7F");
    line_shows("a\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    draw_text(0, 0, 10, ROLE_TEXT,
              "\xCC\x81"
              "a\xCC\x80\xCC\x81\xCC\x82");
    assert_int_equal(frame_row(0)[0].text[0], 'a');
    assert_int_equal(frame_row(0)[0].text[2], 0x301);
}

static void ascii_mode_is_7_bit(void **state)
{
    char *text;

    (void)state;
    text_set_ascii(true);
    draw_text(0, 0, 10, ROLE_TEXT, "ä中e\xCC\x81x");
    draw_box((struct rect){1, 0, 2, 10}, "tötel", NULL, true);
    line_shows("???ex");
    text = frame_text();
    for (const char *c = text; *c; c++)
        assert_in_range((unsigned char)*c, '\n', 0x7E);
    free(text);
}

static void fields_fill_their_columns(void **state)
{
    (void)state;
    draw_text(0, 0, 10, ROLE_TEXT, "##########");
    draw_field(0, 1, 4, ROLE_BAR, "ab", false);
    draw_field(0, 6, 3, ROLE_BAR, "1", true);
    line_shows("#ab  #  1#");
    assert_int_equal(frame_row(0)[4].role, ROLE_BAR);
    assert_int_equal(frame_row(0)[6].role, ROLE_BAR);
    draw_field(0, 0, 4, ROLE_BAR, "abcdef", true);
    draw_field(0, 4, 4, ROLE_BAR, "中文字", true);
    line_shows("abc…中… 1#");
    draw_field(0, 8, 0, ROLE_BAR, "x", true);
    draw_field(0, 8, 9, ROLE_BAR, "", false);
    line_shows("abc…中…");
}

/* ---- areas ---- */

static void draws_boxes(void **state)
{
    (void)state;
    frame_resize(3, 20);
    draw_box((struct rect){0, 0, 3, 20}, "Sessions", "3 s", false);
    shows("┌ Sessions ─── 3 s ┐\n│                  │\n└──────────────────┘\n");
    assert_int_equal(frame_row(0)[2].role, ROLE_TITLE);
    draw_box((struct rect){0, 0, 3, 20}, "A title that is too long", "3 s", true);
    line_shows("┌ A title t… ─ 3 s ┐");
    assert_int_equal(frame_row(0)[0].role, ROLE_BORDER_FOCUS);
    assert_int_equal(frame_row(0)[2].role, ROLE_TITLE_FOCUS);
    draw_clear();
    draw_box((struct rect){0, 0, 3, 9}, "Sessions", "12 rows", true);
    line_shows("┌ Sess… ┐"); /* no room for the note */
    draw_box((struct rect){0, 0, 2, 2}, "x", "y", true);
    draw_box((struct rect){0, 0, 1, 1}, "x", "y", true);
    draw_box((struct rect){0, 0, -1, -1}, "x", "y", true);
    line_shows("┌┐Sess… ┐");
}

static void shows_the_cursor_until_cleared(void **state)
{
    int y, x;

    (void)state;
    assert_false(frame_cursor(&y, &x));
    draw_cursor(2, 9);
    assert_true(frame_cursor(&y, &x));
    assert_int_equal(y, 2);
    assert_int_equal(x, 9);
    draw_cursor(3, 0);
    assert_false(frame_cursor(&y, &x));
    draw_cursor(0, 0);
    draw_clear();
    assert_false(frame_cursor(&y, &x));
}

/* ---- graphs ---- */

static void sparklines(void **state)
{
    const float values[] = {99, 0, 1, 2, 4, NAN, 8, 16};

    (void)state;
    graph_sparkline(0, 0, 7, values, 8, 8, 7);
    line_shows("▁▁▂▄ ██");
    assert_int_equal(frame_row(0)[3].role, ROLE_GRAPH);
    assert_int_equal(frame_row(0)[5].role, ROLE_GRAPH_HIGH);
    graph_sparkline(0, 0, 10, values, 8, 0, NAN); /* its own maximum; older than any: empty */
    line_shows("  █▁▁▁▁ ▁▂");
    assert_int_equal(frame_row(0)[2].role, ROLE_GRAPH);
    graph_sparkline(0, 0, 4, values, 0, 0, NAN);
    graph_sparkline(1, 0, 4, values + 1, 1, 0, NAN);
    text_set_ascii(true);
    graph_sparkline(2, 0, 7, values, 8, 8, 7);
    text_set_ascii(false);
    shows("    ▁▁▁ ▁▂\n   ▁\n__.~ ##\n");
}

static void areas(void **state)
{
    const float values[] = {1, 8, 12, 16, NAN, 0};

    (void)state;
    graph_area(0, 0, 2, 6, values, 6, 16);
    shows("  ▄█\n▁███\n\n");
    text_set_ascii(true);
    draw_clear();
    graph_area(0, 0, 2, 6, values, 6, 16);
    shows("  ##\n.###\n\n");
}

static void gauge(double fraction, const char *want, enum role role)
{
    graph_gauge(0, 0, 10, fraction, 0.8, 0.95);
    line_shows(want);
    assert_int_equal(frame_row(0)[0].role, role);
}

static void gauges(void **state)
{
    (void)state;
    gauge(0, "░░░░░░░░░░", ROLE_GAUGE_EMPTY);
    gauge(NAN, "░░░░░░░░░░", ROLE_GAUGE_EMPTY);
    gauge(-1, "░░░░░░░░░░", ROLE_GAUGE_EMPTY);
    gauge(0.001, "█░░░░░░░░░", ROLE_GAUGE); /* not empty */
    gauge(0.5, "█████░░░░░", ROLE_GAUGE);
    gauge(0.8, "▓▓▓▓▓▓▓▓░░", ROLE_GAUGE_WARNING);
    gauge(0.999, "▒▒▒▒▒▒▒▒▒░", ROLE_GAUGE_CRITICAL); /* not full */
    gauge(7, "▒▒▒▒▒▒▒▒▒▒", ROLE_GAUGE_CRITICAL);
    graph_gauge(0, 0, 10, 1, NAN, NAN);
    line_shows("██████████");
    text_set_ascii(true);
    gauge(0.5, "#####.....", ROLE_GAUGE);
    gauge(0.85, "%%%%%%%%%.", ROLE_GAUGE_WARNING);
    gauge(0.96, "!!!!!!!!!.", ROLE_GAUGE_CRITICAL);
}

#define ON_FRAME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FRAME(draws_and_cuts_text),
        ON_FRAME(clips_to_the_frame),
        ON_FRAME(draws_wide_and_combining),
        ON_FRAME(cuts_wide_characters_cleanly),
        ON_FRAME(is_the_last_gate),
        ON_FRAME(ascii_mode_is_7_bit),
        ON_FRAME(fields_fill_their_columns),
        ON_FRAME(draws_boxes),
        ON_FRAME(shows_the_cursor_until_cleared),
        ON_FRAME(sparklines),
        ON_FRAME(areas),
        ON_FRAME(gauges),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
