/* The terminal: modes, frames with back-pressure, suspend, resize, drawing. ncurses writes its
 * frames into memory; the loop moves the bytes to a non-blocking descriptor of the terminal, and a
 * new frame is made only when the last one has been taken. */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H

#include "tui/input.h"
#include "tui/theme.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct screen;

struct screen_hooks {
    void (*key)(void *context, uint32_t key, const struct input *input);
    void (*resized)(void *context); /* or something else spoilt the screen: draw and paint */
    void (*taken)(void *context);   /* the terminal has taken a frame that had to wait for it */
    void (*lost)(void *context);    /* the terminal is gone (hang-up, read error) */
};

struct screen_options {
    bool mouse;
    bool no_colour; /* NO_COLOR or a theme without colours was asked for */
};

/* Takes over the terminal (alternate screen, raw keys without signals: Ctrl-C and Ctrl-Z are keys;
 * bracketed paste). NULL: *error (caller frees) is one line: no terminal, TERM unknown or dumb, ...
 * Hooks may be NULL, and may stop or suspend the screen. There is one screen at a time. */
struct screen *screen_start(uv_loop_t *loop, const struct screen_options *options,
                            const struct screen_hooks *hooks, void *context, char **error);

/* Gives the terminal back as it was, in at most 200 ms if it does not read; suspend and resume do so
 * around another program (or a stop of this process); after resume everything is painted anew. After
 * stop the loop must turn once more to free the handles. */
void screen_stop(struct screen *screen);
void screen_suspend(struct screen *screen);
void screen_resume(struct screen *screen);

/* Async-signal-safe and for exit paths: puts the terminal back with nothing but write and tcsetattr;
 * without effect when no screen is on. */
void screen_rescue(void);

/* True when a frame may be painted: the last one has left and the screen is on. */
bool screen_ready(const struct screen *screen);

/* Sends what was drawn since the last time (only the difference leaves). Call only when ready. */
void screen_paint(struct screen *screen);

/* Forgets what the terminal shows: the next paint sends everything (Ctrl-L). */
void screen_redraw(struct screen *screen);

void screen_size(const struct screen *screen, int *rows, int *columns);
int screen_colours(const struct screen *screen);      /* 0, 8, 16, 88, 256 or 1 << 24 */
uint64_t screen_bytes(const struct screen *screen);   /* sent to the terminal so far */
uint64_t screen_skipped(const struct screen *screen); /* bytes still waiting for the terminal */

/* Sends bytes outside a frame, in order with the frames: OSC 52 and the bell. Dropped when more than
 * 1 MiB would wait. */
void screen_send(struct screen *screen, const char *bytes, size_t len);
void screen_copy(struct screen *screen, const char *text, size_t len); /* OSC 52, base64 */
void screen_bell(struct screen *screen);

/* ---- drawing: on the frame being made; all clip to the screen ---- */

struct rect {
    int y, x, h, w;
};

void draw_clear(void);
void draw_fill(struct rect area, enum role role); /* spaces */

/* Sanitised text at y, x, at most columns wide, cut with …; returns the columns it took. */
int draw_text(int y, int x, int columns, enum role role, const char *text);
int draw_textf(int y, int x, int columns, enum role role, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Text in a field of exactly columns, padded. */
void draw_field(int y, int x, int columns, enum role role, const char *text, bool right);

/* A border with a title in its top edge and a note (may be NULL) at the right of it. */
void draw_box(struct rect area, const char *title, const char *note, bool focus);

/* The same for one of a column of boxes that share their edges: its upper edge joins the one above,
 * or its lower edge is left to the one below. */
enum box_edges { BOX_JOINED = 1, BOX_OPEN = 2 };
void draw_tile(struct rect area, const char *title, const char *note, bool focus, unsigned edges);

/* A box whose border and title have these roles. */
void draw_frame(struct rect area, const char *title, const char *note, enum role border,
                enum role title_role);
void draw_hline(int y, int x, int columns, enum role role);

/* Where the cursor is shown (an input field); y < 0 hides it. Reset by draw_clear. */
void draw_cursor(int y, int x);

#endif
