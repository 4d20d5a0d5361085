/* A screen on a real pseudo-terminal, seen through a terminal emulator: for tests of it. */
#ifndef TESTS_UNIT_PTY_H
#define TESTS_UNIT_PTY_H

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

static inline int on_property(VTermProp property, VTermValue *value, void *user)
{
    struct fixture *f = user;

    if (property == VTERM_PROP_ALTSCREEN)
        f->alternate = value->boolean;
    if (property == VTERM_PROP_CURSORVISIBLE)
        f->cursor = value->boolean;
    return 1;
}

static inline void new_view(struct fixture *f, int rows, int columns)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = on_property};

    f->vterm = vterm_new(rows, columns);
    vterm_set_utf8(f->vterm, 1);
    f->view = vterm_obtain_screen(f->vterm);
    vterm_screen_set_callbacks(f->view, &callbacks, f);
    vterm_screen_enable_altscreen(f->view, 1);
    vterm_screen_reset(f->view, 1);
}

static inline void remember(struct fixture *f, const char *bytes, size_t len)
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
static inline void terminal_reads(struct fixture *f)
{
    char bytes[4096];
    ssize_t n;

    while (f->reading && (n = read(f->master, bytes, sizeof bytes)) > 0) {
        remember(f, bytes, (size_t)n);
        vterm_input_write(f->vterm, bytes, (size_t)n);
    }
}

static inline void turn(struct fixture *f)
{
    if (!f->dead)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    terminal_reads(f);
}

static inline void pause_a_little(const struct fixture *f)
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
static inline void view_row(const struct fixture *f, int y, char *out)
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

static inline VTermScreenCell view_cell(const struct fixture *f, int y, int x)
{
    VTermScreenCell cell;

    assert_true(vterm_screen_get_cell(f->view, (VTermPos){y, x}, &cell));
    return cell;
}

static inline bool view_is_frame(const struct fixture *f)
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

static inline void on_key(void *context, uint32_t key, const struct input *input)
{
    struct fixture *f = context;
    char name[32];

    snprintf(f->keys + strlen(f->keys), sizeof f->keys - strlen(f->keys), "%s ",
             key_name(key, name, sizeof name));
    if (key == KEYCODE_PASTE)
        memcpy(f->paste, input->paste, input->paste_len + 1);
    if (key == 'Q') {
        screen_stop(f->screen);
        f->screen = NULL;
    }
}

static inline void on_resized(void *context)
{
    ((struct fixture *)context)->resized++;
}

static inline void on_taken(void *context)
{
    ((struct fixture *)context)->taken++;
}

static inline void on_lost(void *context)
{
    ((struct fixture *)context)->lost++;
}

static const struct screen_hooks hooks = {
    .key = on_key, .resized = on_resized, .taken = on_taken, .lost = on_lost};

static inline void apply_theme(const struct fixture *f, const char *name)
{
    char *error;
    struct theme *theme = theme_load(name, &error);

    assert_non_null(theme);
    theme_apply(theme, screen_colours(f->screen));
    theme_free(theme);
}

static inline void start_with(struct fixture *f, const struct screen_options *options)
{
    char *error;

    f->screen = screen_start(&f->loop, options, &hooks, f, &error);
    if (!f->screen)
        fail_msg("%s", error);
    apply_theme(f, "default");
}

static inline void start(struct fixture *f)
{
    start_with(f, &(struct screen_options){0});
}

static inline void paint(struct fixture *f)
{
    UNTIL(f, screen_ready(f->screen));
    screen_paint(f->screen);
}

/* Paints, and waits until the terminal has got all of it. */
static inline void show(struct fixture *f)
{
    paint(f);
    UNTIL(f, screen_ready(f->screen) && f->received == screen_bytes(f->screen));
}

static inline bool modes_are_as_before(const struct fixture *f)
{
    struct termios now;

    tcgetattr(f->slave, &now);
    return now.c_iflag == f->before.c_iflag && now.c_oflag == f->before.c_oflag &&
           now.c_lflag == f->before.c_lflag && now.c_cflag == f->before.c_cflag &&
           !memcmp(now.c_cc, f->before.c_cc, sizeof now.c_cc);
}

static inline bool modes_are_raw(const struct fixture *f)
{
    struct termios now;

    tcgetattr(f->slave, &now);
    return !(now.c_lflag & (ICANON | ECHO | ISIG)) && !(now.c_oflag & OPOST) &&
           !(now.c_iflag & (ICRNL | IXON));
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

/* ---- what tests draw and type ---- */

static inline void draw_noise(unsigned *seed)
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

/* A frame in which every cell differs from the last one. */
static inline void draw_full(int number)
{
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++)
            frame_put(y, x, (enum role)((x + number) % ROLES), (uint32_t)('!' + (y + number) % 90));
}

/* The terminal stops reading, with far more on its way than the kernel's buffers hold. */
static inline void stall(struct fixture *f)
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

static inline void type(const struct fixture *f, const char *bytes)
{
    assert_int_equal(write(f->master, bytes, strlen(bytes)), strlen(bytes));
}

#define ON_TERMINAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
