/* How the screen takes the terminal and gives it back. */
#include "tests/unit/pty.h"

/* ---- giving back ---- */

static void suspends_and_resumes(void **state)
{
    struct fixture *f = *state;

    start(f);
    draw_text(3, 3, 20, ROLE_TEXT, "before");
    show(f);
    screen_suspend(f->screen);
    assert_false(screen_ready(f->screen));
    assert_true(modes_are_as_before(f));
    UNTIL(f, !f->alternate && f->cursor);
    assert_non_null(memmem(f->tail, f->tail_len, "?2004l", 6));
    vterm_input_write(f->vterm, "\033[2Jpsql", 8);
    screen_suspend(f->screen);
    screen_bell(f->screen);
    screen_resume(f->screen);
    assert_true(modes_are_raw(f));
    draw_text(3, 3, 20, ROLE_TEXT, "after ");
    show(f);
    assert_true(f->alternate);
    assert_false(f->cursor);
    assert_true(view_is_frame(f));
    type(f, "j");
    UNTIL(f, !strcmp(f->keys, "j "));
}

static void resumes_with_another_size(void **state)
{
    struct fixture *f = *state;
    int rows, columns;

    start(f);
    show(f);
    screen_suspend(f->screen);
    ioctl(f->master, TIOCSWINSZ, &(struct winsize){.ws_row = 30, .ws_col = 100});
    vterm_set_size(f->vterm, 30, 100);
    screen_resume(f->screen);
    assert_int_equal(f->resized, 1);
    screen_size(f->screen, &rows, &columns);
    assert_int_equal(rows, 30);
    assert_int_equal(columns, 100);
    draw_text(29, 90, 10, ROLE_TEXT, "corner");
    show(f);
    assert_true(view_is_frame(f));
}

static void continues_after_a_stop(void **state)
{
    struct fixture *f = *state;

    start(f);
    draw_text(3, 3, 20, ROLE_TEXT, "here");
    show(f);
    tcsetattr(f->slave, TCSANOW, &f->before); /* as a shell does while we are stopped */
    vterm_input_write(f->vterm, "\033[2J[1]+ Stopped", 16);
    raise(SIGCONT);
    UNTIL(f, f->resized == 1);
    assert_true(modes_are_raw(f));
    show(f);
    assert_true(view_is_frame(f));
    screen_stop(f->screen);
    f->screen = NULL;
    assert_true(modes_are_as_before(f));
}

static void stops(void **state)
{
    struct fixture *f = *state;

    start(f);
    show(f);
    screen_stop(f->screen);
    f->screen = NULL;
    assert_true(modes_are_as_before(f));
    UNTIL(f, !f->alternate && f->cursor);
    screen_rescue(); /* without effect */
    turn(f);
    start(f);
    draw_text(0, 0, 10, ROLE_TEXT, "again");
    paint(f);
    UNTIL(f, f->alternate && view_is_frame(f));
}

static void rescue_gives_the_terminal_back(void **state)
{
    struct fixture *f = *state;

    start(f);
    draw_text(0, 0, 10, ROLE_CRITICAL, "crash");
    show(f);
    f->tail_len = 0;
    screen_rescue();
    assert_true(modes_are_as_before(f));
    UNTIL(f, !f->alternate && f->cursor);
    assert_non_null(memmem(f->tail, f->tail_len, "?2004l", 6));
    assert_non_null(memmem(f->tail, f->tail_len, "?2026l", 6)); /* a frame may have been cut */
}

static void rescue_works_on_a_stalled_terminal(void **state)
{
    struct fixture *f = *state;

    start(f);
    stall(f);
    screen_rescue();
    assert_true(modes_are_as_before(f));
    f->reading = f->dead = true; /* the frame that waits is never finished */
    UNTIL(f, f->received > 0 && !f->alternate && f->cursor);
}

static void on_crash(int number)
{
    screen_rescue(); // NOLINT(bugprone-signal-handler)
    signal(number, SIG_DFL);
    raise(number);
}

/* In a process of its own, on its controlling terminal, killed by a signal in the middle. */
static void a_crash_gives_the_controlling_terminal_back(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        uv_loop_t loop;
        char *error;

        setsid();
        ioctl(f->slave, TIOCSCTTY, 0);
        signal(SIGABRT, on_crash);
        uv_loop_init(&loop);
        f->screen = screen_start(&loop, &(struct screen_options){0}, &hooks, f, &error);
        if (!f->screen || tcgetsid(STDOUT_FILENO) != getpid())
            _exit(1);
        apply_theme(f, "default");
        draw_text(0, 0, 20, ROLE_TEXT, "about to crash");
        screen_paint(f->screen);
        abort();
    }
    UNTIL(f, waitpid(child, &status, WNOHANG) == child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    UNTIL(f, f->received > 0 && !f->alternate && f->cursor);
    assert_true(modes_are_as_before(f));
}

/* ---- size and loss ---- */

static void resize(struct fixture *f, int rows, int columns)
{
    int before = f->resized;

    ioctl(f->master, TIOCSWINSZ,
          &(struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns});
    raise(SIGWINCH);
    UNTIL(f, f->resized == before + 1);
}

static void follows_the_size(void **state)
{
    static const int sizes[][2] = {{10, 40}, {45, 160}, {1, 1}, {3, 5}, {24, 80}};
    struct fixture *f = *state;

    start(f);
    draw_full(1);
    show(f);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int rows, columns;

        resize(f, sizes[i][0], sizes[i][1]);
        vterm_set_size(f->vterm, sizes[i][0], sizes[i][1]);
        screen_size(f->screen, &rows, &columns);
        assert_int_equal(rows, sizes[i][0]);
        assert_int_equal(columns, sizes[i][1]);
        draw_box((struct rect){0, 0, rows, columns}, "title", "note", false);
        draw_textf(rows / 2, 1, columns - 2, ROLE_TEXT, "%d × %d", rows, columns);
        show(f);
        assert_true(view_is_frame(f));
    }
}

static void a_mad_size_is_bounded(void **state)
{
    struct fixture *f = *state;
    int rows, columns;

    start(f);
    resize(f, 65535, 65535);
    screen_size(f->screen, &rows, &columns);
    assert_in_range(rows, 24, 1000);
    assert_in_range(columns, 80, 2000);
    resize(f, 0, 0); /* unknown, as on a serial line */
    screen_size(f->screen, &rows, &columns);
    assert_int_equal(rows, 24);
    assert_int_equal(columns, 80);
    show(f);
}

static void tells_when_the_terminal_is_gone(void **state)
{
    struct fixture *f = *state;

    start(f);
    show(f);
    f->reading = false;
    close(f->master);
    UNTIL(f, f->lost == 1);
    assert_false(screen_ready(f->screen));
    screen_bell(f->screen);
    turn(f);
    screen_stop(f->screen);
    f->screen = NULL;
    assert_int_equal(f->lost, 1);
    f->master = open("/dev/null", O_RDONLY);
}

/* ---- what cannot start ---- */

static void start_fails(struct fixture *f, const char *part)
{
    char *error;

    assert_null(screen_start(&f->loop, &(struct screen_options){0}, &hooks, f, &error));
    if (!strstr(error, part))
        fail_msg("'%s' does not say '%s'", error, part);
    assert_null(strchr(error, '\n'));
    free(error);
    assert_true(modes_are_as_before(f));
    assert_int_equal(f->received, 0);
}

static void says_why_it_cannot_start(void **state)
{
    struct fixture *f = *state;
    int null = open("/dev/null", O_RDWR);

    setenv("TERM", "dumb", 1);
    start_fails(f, "TERM=dumb cannot show a screen");
    setenv("TERM", "no-such-terminal", 1);
    start_fails(f, "TERM=no-such-terminal is not known");
    setenv("TERM", "", 1);
    start_fails(f, "TERM is not set");
    unsetenv("TERM");
    start_fails(f, "TERM is not set");
    setenv("TERM", "xterm", 1);
    dup2(null, STDOUT_FILENO);
    close(null);
    start_fails(f, "standard output is not a terminal");
}

static void works_on_other_terminals(void **state)
{
    static const struct {
        const char *term;
        int colours;
    } cases[] = {{"linux", 8}, {"screen-256color", 256}, {"tmux-256color", 256}, {"vt100", 0}};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned seed = 7;

        setenv("TERM", cases[i].term, 1);
        f->received = 0;
        start(f);
        assert_int_equal(screen_colours(f->screen), cases[i].colours);
        for (int frame = 0; frame < 20; frame++) {
            draw_noise(&seed);
            show(f);
            assert_true(view_is_frame(f));
        }
        screen_stop(f->screen);
        f->screen = NULL;
        turn(f);
        assert_true(modes_are_as_before(f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TERMINAL(suspends_and_resumes),
        ON_TERMINAL(resumes_with_another_size),
        ON_TERMINAL(continues_after_a_stop),
        ON_TERMINAL(stops),
        ON_TERMINAL(rescue_gives_the_terminal_back),
        ON_TERMINAL(rescue_works_on_a_stalled_terminal),
        ON_TERMINAL(a_crash_gives_the_controlling_terminal_back),
        ON_TERMINAL(follows_the_size),
        ON_TERMINAL(a_mad_size_is_bounded),
        ON_TERMINAL(tells_when_the_terminal_is_gone),
        ON_TERMINAL(says_why_it_cannot_start),
        ON_TERMINAL(works_on_other_terminals),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
