#include "tui/screen.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tui/canvas.h"
#include "tui/frame.h"
#include "tui/terminal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ESCAPE_MS       30
#define GIVE_BACK_MS    200
#define DEFAULT_ROWS    24 /* of a serial line, which knows no size */
#define DEFAULT_COLUMNS 80
#define MAX_WAITING     ((size_t)1024 * 1024)
#define MAX_COPY        ((size_t)256 * 1024)

struct screen {
    struct screen_hooks hooks;
    void *context;
    struct terminal terminal;
    struct canvas *canvas;
    uv_poll_t poll;
    uv_timer_t escape;
    uv_signal_t resized, continued;
    int open_handles;
    int events; /* that poll waits for */
    bool on, mouse, lost;
    int rows, columns;
    struct input input;
    struct strbuf waiting; /* for the terminal, from waiting_from on */
    size_t waiting_from;
    uint64_t bytes;
};

/* ---- output ---- */

static size_t waiting(const struct screen *screen)
{
    return screen->waiting.len - screen->waiting_from;
}

static void nothing_waits(struct screen *screen)
{
    strbuf_clear(&screen->waiting);
    screen->waiting_from = 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct screen *screen)
{
    int events = UV_READABLE | (waiting(screen) ? UV_WRITABLE : 0);

    if (screen->lost || events == screen->events)
        return;
    screen->events = events;
    uv_poll_start(&screen->poll, events, on_poll);
}

/* Writes what the terminal takes now. */
static void flush(struct screen *screen)
{
    while (waiting(screen)) {
        ssize_t n =
            write(screen->terminal.fd, screen->waiting.s + screen->waiting_from, waiting(screen));

        if (n > 0) {
            screen->waiting_from += (size_t)n;
            screen->bytes += (uint64_t)n;
        } else if (n == 0 || errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            nothing_waits(screen); /* it is gone; reading will tell */
        }
    }
    if (!waiting(screen))
        nothing_waits(screen);
    watch(screen);
}

bool screen_ready(const struct screen *screen)
{
    return screen->on && !screen->lost && !waiting(screen);
}

void screen_paint(struct screen *screen)
{
    assert(screen_ready(screen));
    canvas_paint(screen->canvas, &screen->waiting);
    flush(screen);
}

void screen_redraw(struct screen *screen)
{
    canvas_redraw(screen->canvas);
}

void screen_send(struct screen *screen, const char *bytes, size_t len)
{
    if (!screen->on || waiting(screen) + len > MAX_WAITING)
        return;
    strbuf_add(&screen->waiting, bytes, len);
    flush(screen);
}

void screen_bell(struct screen *screen)
{
    screen_send(screen, "\a", 1);
}

static void add_base64(struct strbuf *out, const char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)text;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;

        group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < len ? bytes[i + 2] : 0;
        strbuf_addc(out, digits[group >> 18]);
        strbuf_addc(out, digits[group >> 12 & 63]);
        strbuf_addc(out, i + 1 < len ? digits[group >> 6 & 63] : '=');
        strbuf_addc(out, i + 2 < len ? digits[group & 63] : '=');
    }
}

void screen_copy(struct screen *screen, const char *text, size_t len)
{
    struct strbuf sequence = {0};

    if (len > MAX_COPY)
        return;
    strbuf_adds(&sequence, "\033]52;c;");
    add_base64(&sequence, text, len);
    strbuf_addc(&sequence, '\a');
    screen_send(screen, sequence.s, sequence.len);
    strbuf_free(&sequence);
}

/* ---- input ---- */

static void lose(struct screen *screen)
{
    if (screen->lost)
        return;
    screen->lost = true;
    uv_poll_stop(&screen->poll);
    uv_timer_stop(&screen->escape);
    if (screen->hooks.lost)
        screen->hooks.lost(screen->context);
}

static void give_key(struct screen *screen, uint32_t key)
{
    if (key != KEYCODE_NONE && screen->hooks.key)
        screen->hooks.key(screen->context, key, &screen->input);
}

/* Reads what has come. False when nothing had. */
static bool read_keys(struct screen *screen)
{
    unsigned char bytes[4096];
    ssize_t n = read(screen->terminal.fd, bytes, sizeof bytes);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        lose(screen);
        return false;
    }
    /* A key may close or suspend the screen: what follows it then is not for us. */
    for (ssize_t i = 0; i < n && screen->on; i++)
        give_key(screen, input_byte(&screen->input, bytes[i]));
    return n > 0;
}

static void on_escape(uv_timer_t *timer);

static void await_rest(struct screen *screen)
{
    if (screen->on && input_pending(&screen->input))
        uv_timer_start(&screen->escape, on_escape, ESCAPE_MS, 0);
    else
        uv_timer_stop(&screen->escape);
}

/* After a slow turn of the loop the timer is due before the bytes that came in time are read. */
static void on_escape(uv_timer_t *timer)
{
    struct screen *screen = timer->data;

    if (!screen->on || screen->lost)
        return;
    if (!read_keys(screen) && !screen->lost)
        give_key(screen, input_timeout(&screen->input));
    if (!screen->lost)
        await_rest(screen);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct screen *screen = poll->data;

    if (status < 0) {
        lose(screen);
        return;
    }
    if ((events & UV_WRITABLE) && waiting(screen)) {
        flush(screen);
        if (!waiting(screen) && screen->hooks.taken)
            screen->hooks.taken(screen->context);
    }
    if ((events & UV_READABLE) && screen->on) {
        read_keys(screen);
        if (!screen->lost)
            await_rest(screen);
    }
}

/* ---- size ---- */

/* False when it is as before. */
static bool take_size(struct screen *screen)
{
    int rows, columns;

    if (!terminal_size(&screen->terminal, &rows, &columns)) {
        rows = DEFAULT_ROWS;
        columns = DEFAULT_COLUMNS;
    }
    if (rows == screen->rows && columns == screen->columns)
        return false;
    screen->rows = rows;
    screen->columns = columns;
    canvas_resize(screen->canvas, rows, columns);
    frame_resize(rows, columns);
    return true;
}

static void tell_resized(struct screen *screen)
{
    if (screen->hooks.resized)
        screen->hooks.resized(screen->context);
}

static void on_resized(uv_signal_t *signal, int number)
{
    struct screen *screen = signal->data;

    (void)number;
    if (screen->on && take_size(screen))
        tell_resized(screen);
}

/* ---- taking and giving back ---- */

static bool take_terminal(struct screen *screen)
{
    struct strbuf restoring = {0};

    if (!terminal_save(&screen->terminal) || !terminal_raw(&screen->terminal))
        return false;
    canvas_restoring(screen->canvas, &restoring);
    terminal_arm(&screen->terminal, restoring.s, restoring.len);
    strbuf_free(&restoring);
    canvas_modes(screen->canvas, true, screen->mouse, &screen->waiting);
    return true;
}

static void give_back_terminal(struct screen *screen)
{
    size_t done;

    canvas_modes(screen->canvas, false, screen->mouse, &screen->waiting);
    canvas_leave(screen->canvas, &screen->waiting);
    done = terminal_drain(&screen->terminal, screen->waiting.s + screen->waiting_from,
                          waiting(screen), GIVE_BACK_MS);
    screen->bytes += done;
    if (done < waiting(screen)) {
        nothing_waits(screen);
        canvas_restoring(screen->canvas, &screen->waiting);
        terminal_replace(&screen->terminal, screen->waiting.s, screen->waiting.len);
    }
    nothing_waits(screen);
    terminal_restore(&screen->terminal);
    terminal_disarm();
}

void screen_suspend(struct screen *screen)
{
    if (!screen->on)
        return;
    screen->on = false;
    screen->events = 0;
    uv_poll_stop(&screen->poll);
    uv_timer_stop(&screen->escape);
    screen->input = (struct input){0};
    give_back_terminal(screen);
}

void screen_resume(struct screen *screen)
{
    if (screen->on || screen->lost)
        return;
    if (!take_terminal(screen)) {
        lose(screen);
        return;
    }
    screen->on = true;
    canvas_redraw(screen->canvas);
    flush(screen);
    if (take_size(screen))
        tell_resized(screen);
}

/* After a stop that nobody asked us for (SIGSTOP) the shell's modes and text are there. */
static void on_continued(uv_signal_t *signal, int number)
{
    struct screen *screen = signal->data;

    (void)number;
    if (!screen->on || screen->lost || !terminal_raw(&screen->terminal))
        return;
    canvas_modes(screen->canvas, true, screen->mouse, &screen->waiting);
    canvas_redraw(screen->canvas);
    flush(screen);
    take_size(screen);
    tell_resized(screen);
}

/* ---- start and stop ---- */

static void on_closed(uv_handle_t *handle)
{
    struct screen *screen = handle->data;

    if (--screen->open_handles == 0)
        free(screen);
}

/* The struct goes when the last handle is closed: a key or the terminal's loss may stop the screen
 * from inside a callback. */
static void close_handles(struct screen *screen)
{
    uv_handle_t *const handles[] = {(uv_handle_t *)&screen->escape, (uv_handle_t *)&screen->resized,
                                    (uv_handle_t *)&screen->continued,
                                    (uv_handle_t *)&screen->poll};

    for (int i = 0; i < screen->open_handles; i++)
        uv_close(handles[i], on_closed);
}

static void discard(struct screen *screen)
{
    strbuf_free(&screen->waiting);
    if (screen->canvas)
        canvas_free(screen->canvas);
    frame_resize(0, 0);
    if (screen->open_handles)
        close_handles(screen);
    terminal_close(&screen->terminal);
    if (!screen->open_handles)
        free(screen);
}

/* NULL, or why not. */
static const char *open_handles(struct screen *screen, uv_loop_t *loop)
{
    int status;

    screen->escape.data = screen->resized.data = screen->continued.data = screen->poll.data =
        screen;
    uv_timer_init(loop, &screen->escape);
    uv_signal_init(loop, &screen->resized);
    uv_signal_init(loop, &screen->continued);
    screen->open_handles = 3;
    status = uv_poll_init(loop, &screen->poll, screen->terminal.fd);
    if (status < 0)
        return uv_strerror(status);
    screen->open_handles++;
    uv_signal_start(&screen->resized, on_resized, SIGWINCH);
    uv_signal_start(&screen->continued, on_continued, SIGCONT);
    return NULL;
}

static bool start(struct screen *screen, uv_loop_t *loop, bool colour, char **error)
{
    const char *why;

    if (!terminal_open(&screen->terminal, error))
        return false;
    screen->canvas = canvas_new(colour, error);
    if (!screen->canvas)
        return false;
    take_size(screen);
    why = open_handles(screen, loop);
    if (!why && !take_terminal(screen))
        why = strerror(errno);
    if (why)
        *error = mem_printf("cannot use the terminal: %s", why);
    return !why;
}

struct screen *screen_start(uv_loop_t *loop, const struct screen_options *options,
                            const struct screen_hooks *hooks, void *context, char **error)
{
    struct screen *screen = mem_zalloc(sizeof *screen);

    *error = NULL;
    screen->hooks = *hooks;
    screen->context = context;
    screen->mouse = options->mouse;
    screen->terminal.fd = -1;
    if (!start(screen, loop, !options->no_colour, error)) {
        discard(screen);
        return NULL;
    }
    screen->on = true;
    flush(screen);
    return screen;
}

void screen_stop(struct screen *screen)
{
    screen_suspend(screen);
    discard(screen);
}

void screen_rescue(void)
{
    terminal_rescue();
}

/* ---- figures ---- */

void screen_size(const struct screen *screen, int *rows, int *columns)
{
    *rows = screen->rows;
    *columns = screen->columns;
}

int screen_colours(const struct screen *screen)
{
    return canvas_colours(screen->canvas);
}

uint64_t screen_bytes(const struct screen *screen)
{
    return screen->bytes;
}

uint64_t screen_skipped(const struct screen *screen)
{
    return waiting(screen);
}
