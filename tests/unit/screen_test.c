/* Frames, back-pressure and keys of the screen. */
#include "tests/unit/pty.h"

/* ---- frames ---- */

static void shows_what_was_drawn(void **state)
{
    struct fixture *f = *state;
    VTermScreenCell cell;
    int rows, columns;

    start(f);
    screen_size(f->screen, &rows, &columns);
    assert_int_equal(rows, ROWS);
    assert_int_equal(columns, COLUMNS);
    assert_int_equal(screen_colours(f->screen), 256);
    draw_box((struct rect){0, 0, ROWS, COLUMNS}, "Sessions", "3 s", true);
    draw_text(2, 2, 40, ROLE_TEXT, "中文 e\xCC\x81 and plain");
    draw_text(3, 2, 40, ROLE_CRITICAL, "critical");
    draw_text(4, 2, 40, ROLE_OK, "ok");
    show(f);
    assert_true(view_is_frame(f));
    assert_true(f->alternate);
    assert_false(f->cursor);
    cell = view_cell(f, 3, 2);
    assert_true(cell.attrs.bold);
    assert_int_equal(cell.bg.indexed.idx, 160); /* #d70000 */
    cell = view_cell(f, 4, 2);
    assert_false(cell.attrs.bold);
    assert_int_equal(cell.fg.indexed.idx, 113);
    draw_cursor(5, 7);
    show(f);
    assert_true(f->cursor);
}

static void leaves_the_shells_descriptor_alone(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_false(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(f->slave, F_GETFL) & O_NONBLOCK);
    assert_true(modes_are_raw(f));
}

/* Whatever one frame and the next are, the terminal ends up with the next. */
static void any_frame_follows_any_other(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 4711;

    start(f);
    for (int i = 0; i < 300; i++) {
        if (i % 10 == 0)
            draw_clear();
        if (i % 50 == 0)
            screen_redraw(f->screen);
        draw_noise(&seed);
        show(f);
        if (!view_is_frame(f))
            fail_msg("frame %d differs", i);
    }
}

static void sends_only_the_difference(void **state)
{
    static const enum role roles[] = {ROLE_TEXT, ROLE_WARNING};
    struct fixture *f = *state;
    const int changed = ROWS - 4;

    start(f);
    for (size_t r = 0; r < 2; r++) {
        uint64_t before;

        for (int y = 0; y < ROWS; y++)
            draw_text(y, 30, 10, roles[r], "4m11s");
        show(f);
        before = screen_bytes(f->screen);
        show(f);
        assert_int_equal(screen_bytes(f->screen), before);
        for (int y = 2; y < 2 + changed; y++)
            draw_text(y, 30, 10, roles[r], "4m12s");
        show(f);
        /* A frame begins and ends with 8 bytes. */
        assert_in_range(screen_bytes(f->screen) - before, 1, 7 * changed + 40 + 16);
        assert_true(view_is_frame(f));
    }
}

static void themes_change_what_is_shown(void **state)
{
    struct fixture *f = *state;

    start(f);
    draw_text(0, 0, 10, ROLE_CRITICAL, "critical");
    show(f);
    apply_theme(f, "colour-blind-safe");
    show(f);
    assert_int_equal(view_cell(f, 0, 0).bg.indexed.idx, 166); /* #e66100 */
    assert_true(view_is_frame(f));
}

static void no_colour_is_no_colour(void **state)
{
    struct fixture *f = *state;
    VTermScreenCell cell;

    start_with(f, &(struct screen_options){.no_colour = true});
    assert_int_equal(screen_colours(f->screen), 0);
    draw_text(0, 0, 10, ROLE_CRITICAL, "critical");
    draw_text(1, 0, 10, ROLE_OK, "ok");
    show(f);
    assert_true(view_is_frame(f));
    cell = view_cell(f, 0, 0);
    assert_true(cell.attrs.reverse && cell.attrs.bold);
    assert_null(memmem(f->tail, f->tail_len, "38;5", 4));
}

/* ---- back-pressure ---- */

static void count_turn(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->turns++;
}

static void a_stalled_terminal_stops_frames_not_the_loop(void **state)
{
    struct fixture *f = *state;
    uint64_t all;

    start(f);
    stall(f);
    all = screen_bytes(f->screen) + screen_skipped(f->screen);
    uv_timer_start(&f->timer, count_turn, 0, 1);
    UNTIL(f, f->turns >= 100);
    uv_timer_stop(&f->timer);
    assert_false(screen_ready(f->screen));
    assert_int_equal(f->taken, 0);

    /* Keys still come in. */
    assert_int_equal(write(f->master, "j", 1), 1);
    UNTIL(f, !strcmp(f->keys, "j "));

    /* What was drawn meanwhile is one frame, however much it was. */
    for (int i = 0; i < 50; i++)
        draw_full(1000 + i);
    f->reading = true;
    UNTIL(f, screen_ready(f->screen));
    assert_int_equal(f->taken, 1);
    assert_int_equal(screen_bytes(f->screen), all);
    show(f);
    assert_true(view_is_frame(f));
}

static void what_waits_is_bounded(void **state)
{
    struct fixture *f = *state;
    size_t len = 100000;
    char *text = calloc(1, len);

    start(f);
    stall(f);
    for (int i = 0; i < 100; i++)
        screen_copy(f->screen, text, len);
    assert_in_range(screen_skipped(f->screen), len, 1024 * 1024);
    free(text);
    f->reading = true;
    show(f);
}

static void stops_though_the_terminal_does_not_read(void **state)
{
    struct fixture *f = *state;

    start(f);
    stall(f);
    screen_stop(f->screen);
    f->screen = NULL;
    assert_true(modes_are_as_before(f));
    f->reading = true;
    UNTIL(f, !f->alternate && f->cursor);
}

/* ---- bytes beside the frames ---- */

static void sends_clipboard_and_bell(void **state)
{
    struct fixture *f = *state;

    start(f);
    show(f);
    f->tail_len = 0;
    screen_copy(f->screen, "hi", 2);
    screen_copy(f->screen, "any", 3);
    screen_copy(f->screen, "\xFF", 1);
    screen_copy(f->screen, "", 0);
    screen_bell(f->screen);
    UNTIL(f, f->received == screen_bytes(f->screen));
    f->tail[f->tail_len] = '\0';
    assert_string_equal(f->tail, "\033]52;c;aGk=\a\033]52;c;YW55\a\033]52;c;/w==\a\033]52;c;\a\a");
}

/* ---- keys ---- */

static void keys_come(void **state)
{
    struct fixture *f = *state;

    start(f);
    type(f, "k\033[A\r\x03\x1A中");
    UNTIL(f, !strcmp(f->keys, "k Up Enter Ctrl-C Ctrl-Z 中 "));
    f->keys[0] = '\0';
    type(f, "\033");
    UNTIL(f, !strcmp(f->keys, "Esc "));
    f->keys[0] = '\0';
    type(f, "\033[200~K\nF\033[201~");
    UNTIL(f, !strcmp(f->keys, "Paste "));
    assert_string_equal(f->paste, "K\nF");
    f->keys[0] = '\0';
    type(f, "\033[1;");
    turn(f);
    type(f, "5A");
    UNTIL(f, !strcmp(f->keys, "Up "));
}

static void a_key_may_stop_the_screen(void **state)
{
    struct fixture *f = *state;

    start(f);
    type(f, "jQK");
    UNTIL(f, !f->screen);
    assert_string_equal(f->keys, "j Q "); /* what follows is for the shell's next program */
    assert_true(modes_are_as_before(f));
    UNTIL(f, !f->alternate);
}

static void mouse_only_when_asked_for(void **state)
{
    struct fixture *f = *state;

    start(f);
    show(f);
    assert_null(memmem(f->tail, f->tail_len, "?1000h", 6));
    assert_non_null(memmem(f->tail, f->tail_len, "?2004h", 6));
    screen_stop(f->screen);
    turn(f);
    f->received = f->tail_len = 0;
    start_with(f, &(struct screen_options){.mouse = true});
    show(f);
    assert_non_null(memmem(f->tail, f->tail_len, "?1000h", 6));
    screen_stop(f->screen);
    f->screen = NULL;
    UNTIL(f,
          memmem(f->tail, f->tail_len, "?1000l", 6) && memmem(f->tail, f->tail_len, "?2004l", 6));
}

static bool tail_is(const struct fixture *f, size_t at, const char *text)
{
    return at <= f->tail_len && f->tail_len - at >= strlen(text) &&
           !memcmp(f->tail + at, text, strlen(text));
}

/* Terminals that know the mode show a frame at once, however slowly it comes. */
static void a_frame_is_shown_as_a_whole(void **state)
{
    struct fixture *f = *state;

    start(f);
    show(f);
    f->tail_len = 0;
    draw_text(3, 3, 20, ROLE_TEXT, "changed");
    show(f);
    assert_true(tail_is(f, 0, "\033[?2026h"));
    assert_true(tail_is(f, f->tail_len - 8, "\033[?2026l"));
    f->tail_len = 0;
    show(f);
    assert_int_equal(f->tail_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TERMINAL(shows_what_was_drawn),
        ON_TERMINAL(leaves_the_shells_descriptor_alone),
        ON_TERMINAL(any_frame_follows_any_other),
        ON_TERMINAL(sends_only_the_difference),
        ON_TERMINAL(themes_change_what_is_shown),
        ON_TERMINAL(no_colour_is_no_colour),
        ON_TERMINAL(a_stalled_terminal_stops_frames_not_the_loop),
        ON_TERMINAL(what_waits_is_bounded),
        ON_TERMINAL(stops_though_the_terminal_does_not_read),
        ON_TERMINAL(sends_clipboard_and_bell),
        ON_TERMINAL(keys_come),
        ON_TERMINAL(a_key_may_stop_the_screen),
        ON_TERMINAL(mouse_only_when_asked_for),
        ON_TERMINAL(a_frame_is_shown_as_a_whole),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
