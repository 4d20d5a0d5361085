/* The screen on a real pseudo-terminal, seen through a terminal emulator. */
#include "tui/screen.h"

#include "tui/frame.h"
#include "tui/text.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#include <cmocka.h>

#define ROWS     24
#define COLUMNS  80
#define DEADLINE 20 /* seconds until a test that waits for something gives up */

struct fixture {
    uv_loop_t loop;
    int master, slave, saved_out;
    struct termios before;
    VTerm *vterm;
    VTermScreen *view;
    bool alternate, cursor; /* what the emulator says */
    bool reading;           /* the terminal reads what we write */
    bool dead;              /* the process that has the screen runs no more */
    size_t received;
    char tail[4096]; /* the last of it */
    size_t tail_len;
    struct screen *screen;
    char keys[256];
    char paste[INPUT_PASTE_MAX + 1];
    int resized, taken, lost;
    uv_timer_t timer;
    int turns; /* of the loop, as the timer counts them */
};

/* ---- the terminal ---- */

static int on_property(VTermProp property, VTermValue *value, void *user)
{
    struct fixture *f = user;

    if (property == VTERM_PROP_ALTSCREEN)
        f->alternate = value->boolean;
    if (property == VTERM_PROP_CURSORVISIBLE)
        f->cursor = value->boolean;
    return 1;
}

static void new_view(struct fixture *f, int rows, int columns)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = on_property};

    f->vterm = vterm_new(rows, columns);
    vterm_set_utf8(f->vterm, 1);
    f->view = vterm_obtain_screen(f->vterm);
    vterm_screen_set_callbacks(f->view, &callbacks, f);
    vterm_screen_enable_altscreen(f->view, 1);
    vterm_screen_reset(f->view, 1);
}

static void remember(struct fixture *f, const char *bytes, size_t len)
{
    f->received += len;
    if (len > sizeof f->tail)
        return;
    if (f->tail_len + len > sizeof f->tail)
        f->tail_len = 0;
    memcpy(f->tail + f->tail_len, bytes, len);
    f->tail_len += len;
}

/* What the terminal does by itself: reads all that has come. */
static void terminal_reads(struct fixture *f)
{
    char bytes[4096];
    ssize_t n;

    while (f->reading && (n = read(f->master, bytes, sizeof bytes)) > 0) {
        remember(f, bytes, (size_t)n);
        vterm_input_write(f->vterm, bytes, (size_t)n);
    }
}

static void turn(struct fixture *f)
{
    if (!f->dead)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    terminal_reads(f);
}

static void pause_a_little(const struct fixture *f)
{
    struct pollfd wait = {.fd = f->master, .events = POLLIN};

    poll(f->reading ? &wait : NULL, f->reading, 5);
}

/* Turns the loop until the condition holds. */
#define UNTIL(f, condition)                                                                        \
    do {                                                                                           \
        time_t until_ = time(NULL) + DEADLINE;                                                     \
        for (turn(f); !(condition); turn(f)) {                                                     \
            if (time(NULL) > until_)                                                               \
                fail_msg("never came: %s", #condition);                                            \
            pause_a_little(f);                                                                     \
        }                                                                                          \
    } while (0)

/* The emulator's row as UTF-8, without trailing spaces. */
static void view_row(const struct fixture *f, int y, char *out)
{
    int rows, columns;
    char *end = out;

    vterm_get_size(f->vterm, &rows, &columns);
    for (int x = 0; x < columns; x++) {
        VTermScreenCell cell;

        vterm_screen_get_cell(f->view, (VTermPos){y, x}, &cell);
        if (cell.chars[0] == (uint32_t)-1)
            continue;
        if (!cell.chars[0])
            *out++ = ' ';
        for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i]; i++)
            out += text_encode(cell.chars[i], out);
        if (out[-1] != ' ')
            end = out;
    }
    *end = '\0';
}

static VTermScreenCell view_cell(const struct fixture *f, int y, int x)
{
    VTermScreenCell cell;

    assert_true(vterm_screen_get_cell(f->view, (VTermPos){y, x}, &cell));
    return cell;
}

static bool view_is_frame(const struct fixture *f)
{
    char *frame = frame_text(), *rest = frame;
    bool same = true;
    int rows, columns;

    frame_size(&rows, &columns);
    for (int y = 0; y < rows && same; y++) {
        char row[16384];
        char *end = strchr(rest, '\n');

        *end = '\0';
        view_row(f, y, row);
        same = !strcmp(row, rest);
        if (!same)
            print_error("row %d: drawn '%s', shown '%s'\n", y, rest, row);
        rest = end + 1;
    }
    free(frame);
    return same;
}

/* ---- the screen ---- */

static void on_key(void *context, uint32_t key, const struct input *input)
{
    struct fixture *f = context;
    char name[32];

    strcat(f->keys, key_name(key, name, sizeof name));
    strcat(f->keys, " ");
    if (key == KEYCODE_PASTE)
        strcpy(f->paste, input->paste);
    if (key == 'Q') {
        screen_stop(f->screen);
        f->screen = NULL;
    }
}

static void on_resized(void *context)
{
    ((struct fixture *)context)->resized++;
}

static void on_taken(void *context)
{
    ((struct fixture *)context)->taken++;
}

static void on_lost(void *context)
{
    ((struct fixture *)context)->lost++;
}

static const struct screen_hooks hooks = {
    .key = on_key, .resized = on_resized, .taken = on_taken, .lost = on_lost};

static void apply_theme(const struct fixture *f, const char *name)
{
    char *error;
    struct theme *theme = theme_load(name, &error);

    assert_non_null(theme);
    theme_apply(theme, screen_colours(f->screen));
    theme_free(theme);
}

static void start_with(struct fixture *f, const struct screen_options *options)
{
    char *error;

    f->screen = screen_start(&f->loop, options, &hooks, f, &error);
    if (!f->screen)
        fail_msg("%s", error);
    apply_theme(f, "default");
}

static void start(struct fixture *f)
{
    start_with(f, &(struct screen_options){0});
}

static void paint(struct fixture *f)
{
    UNTIL(f, screen_ready(f->screen));
    screen_paint(f->screen);
}

/* Paints, and waits until the terminal has got all of it. */
static void show(struct fixture *f)
{
    paint(f);
    UNTIL(f, screen_ready(f->screen) && f->received == screen_bytes(f->screen));
}

static bool modes_are_as_before(const struct fixture *f)
{
    struct termios now;

    tcgetattr(f->slave, &now);
    return now.c_iflag == f->before.c_iflag && now.c_oflag == f->before.c_oflag &&
           now.c_lflag == f->before.c_lflag && now.c_cflag == f->before.c_cflag &&
           !memcmp(now.c_cc, f->before.c_cc, sizeof now.c_cc);
}

static bool modes_are_raw(const struct fixture *f)
{
    struct termios now;

    tcgetattr(f->slave, &now);
    return !(now.c_lflag & (ICANON | ECHO | ISIG)) && !(now.c_oflag & OPOST) &&
           !(now.c_iflag & (ICRNL | IXON));
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    setenv("TERM", "xterm-256color", 1);
    unsetenv("TMUX");
    f->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (f->master < 0 || grantpt(f->master) || unlockpt(f->master))
        return -1;
    f->slave = open(ptsname(f->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ioctl(f->master, TIOCSWINSZ, &(struct winsize){.ws_row = ROWS, .ws_col = COLUMNS});
    tcgetattr(f->slave, &f->before);
    fflush(stdout);
    f->saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2(f->slave, STDOUT_FILENO);
    new_view(f, ROWS, COLUMNS);
    f->reading = true;
    f->cursor = true;
    f->timer.data = f;
    return uv_loop_init(&f->loop) || uv_timer_init(&f->loop, &f->timer);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int status;

    dup2(f->saved_out, STDOUT_FILENO);
    close(f->saved_out);
    if (f->screen)
        screen_stop(f->screen);
    uv_close((uv_handle_t *)&f->timer, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    status = uv_loop_close(&f->loop);
    vterm_free(f->vterm);
    close(f->slave);
    close(f->master);
    free(f);
    return status;
}

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

static void draw_noise(unsigned *seed)
{
    static const char *const words[] = {"a",  "bc", " ", "中", "文字",   "e\xCC\x81", "─",
                                        "▁█", "  ", "0", "…",  "xyzxyz", "        "};

    for (int i = 0; i < 30; i++) {
        int y = rand_r(seed) % ROWS, x = rand_r(seed) % (COLUMNS + 4) - 4;
        enum role role = (enum role)(rand_r(seed) % ROLES);

        for (int j = rand_r(seed) % 8; j > 0; j--)
            x += draw_text(y, x, COLUMNS, role, words[(size_t)rand_r(seed) % 13]);
        frame_put(y, COLUMNS - 1, role, '|'); /* the emulator forgets marks in the last column */
    }
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
        assert_in_range(screen_bytes(f->screen) - before, 1, 7 * changed + 40);
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

/* A frame in which every cell differs from the last one. */
static void draw_full(int number)
{
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++)
            frame_put(y, x, (enum role)((x + number) % ROLES), (uint32_t)('!' + (y + number) % 90));
}

/* The terminal stops reading, with far more on its way than the kernel's buffers hold. */
static void stall(struct fixture *f)
{
    char *text = calloc(1, 200000);

    f->reading = false;
    for (int i = 0; screen_ready(f->screen); i++) {
        assert_in_range(i, 0, 1000);
        draw_full(i);
        screen_paint(f->screen);
    }
    screen_copy(f->screen, text, 200000);
    free(text);
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

static void type(const struct fixture *f, const char *bytes)
{
    assert_int_equal(write(f->master, bytes, strlen(bytes)), strlen(bytes));
}

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
    screen_rescue();
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

#define ON_TERMINAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
