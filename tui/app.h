/* The interface: views of panels, overlays, header, footer, one draw point. It runs on the caller's
 * loop; callbacks only mark what is dirty, and a frame is made before the loop sleeps. */
#ifndef TUI_APP_H
#define TUI_APP_H

#include "tui/keymap.h"
#include "tui/overlay.h"
#include "tui/panel.h"
#include "tui/screen.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct app;

/* A word of the : line beside the bindings' names. */
struct command_word {
    const char *name, *args, *help;
    void (*run)(struct app *app, const char *args);
    /* The choice number index for the argument, or NULL; NULL hook: none. The text lives until the
     * next call. */
    const char *(*choice)(struct app *app, size_t index);
};

struct app_hooks {
    /* Draws the header line. */
    void (*header)(void *data, struct rect line);
    /* Answers that a frame drawn now would miss; 0: it is complete. */
    unsigned (*pending)(void *data);
    /* False until the first picture is complete. */
    bool (*filled)(void *data);
    /* New data is about to be drawn (not while paused). */
    void (*adopt)(void *data);
    /* Other panels are shown: which is for app_each_panel to tell. */
    void (*shown)(void *data);
    /* The process is about to be stopped (Ctrl-Z): let go of what must not be held then. */
    void (*suspending)(void *data);
    void (*quit)(void *data);
    /* The last overlay has gone; may be NULL. */
    void (*uncovered)(void *data);
};

struct app_config {
    const struct panel_class *const *panels; /* in the order of the views */
    size_t panel_count;
    const char *overview_title;
    const struct keymap *keymap;
    const struct command_word *commands;
    size_t command_count;
    const struct app_hooks *hooks;
    void *data;
    const char *theme;
    bool mouse, no_colour;
};

/* Starts the screen and draws. NULL: *error (caller frees). */
struct app *app_new(uv_loop_t *loop, const struct app_config *config, char **error);

/* Gives the terminal back and closes the handles; the loop must still run to let them close. */
void app_close(struct app *app);

/* Dirty flags. A key's effect is drawn at once, data when the picture is complete. */
void app_dirty(struct app *app);
void app_dirty_data(struct app *app);

/* A line at the bottom until the next key, at most some seconds. */
void app_message(struct app *app, enum role role, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what must not be missed: keys leave it for some seconds, it lasts longer, and takes
 * as many lines as it needs. details (owned, raw, may be NULL): what Enter shows as long as the line
 * is there. */
void app_notice(struct app *app, enum role role, const char *text, char *details);
void app_bell(struct app *app);

/* Puts text into the terminal's clipboard (OSC 52). */
void app_copy_text(struct app *app, const char *text);

void *app_data(const struct app *app);
const struct keymap *app_keymap(const struct app *app);
struct panel *app_focus(const struct app *app);
const struct theme *app_theme(const struct app *app);

/* Calls each for the panels of the current view. */
void app_each_panel(const struct app *app, void (*each)(struct panel *panel, void *context),
                    void *context);

/* Puts an overlay on top (and owns it). careful: see struct overlay. */
void app_push(struct app *app, struct overlay *overlay);

/* True while an overlay has the keys. */
bool app_has_overlay(const struct app *app);

/* ---- a program that gets the terminal until it ends ---- */

struct child_program {
    char *const *argv;        /* ends with NULL; argv[0] is found by PATH */
    char *const *environment; /* "NAME=value", ends with NULL */
    int inherited;            /* a descriptor that it gets as its 3, or -1 */
};

/* Gives the terminal to it; the loop goes on, nothing is drawn. ended is called when the screen is
 * back, with the status of waitpid(2). One at a time. False: *error (caller frees), and the screen
 * stays. */
bool app_run_child(struct app *app, const struct child_program *program,
                   void (*ended)(void *context, int status), void *context, char **error);

bool app_paused(const struct app *app);

/* ---- what bindings run; argument as described ---- */
void app_quit(struct app *app, int argument);
void app_back(struct app *app, int argument); /* clears message, filter, tags; then overview */
void app_help(struct app *app, int argument);
void app_move(struct app *app, int table_move);
void app_shift(struct app *app, int columns);
void app_next_panel(struct app *app, int step);
void app_view(struct app *app, int index); /* 0: the overview */
void app_details(struct app *app, int argument);
void app_filter(struct app *app, int argument);
void app_search(struct app *app, int direction);
void app_sort_next(struct app *app, int step);
void app_sort_reverse(struct app *app, int argument);
void app_sort_choose(struct app *app, int argument);
void app_tag(struct app *app, int argument);
void app_tag_all(struct app *app, int argument);
void app_pause(struct app *app, int argument);
void app_copy(struct app *app, int argument);
void app_write(struct app *app, int argument);
void app_columns(struct app *app, int argument);
void app_themes(struct app *app, int argument);
void app_command_line(struct app *app, int argument);
void app_redraw(struct app *app, int argument);
void app_suspend(struct app *app, int argument);

/* ---- the same by words ---- */
bool app_view_named(struct app *app, const char *name);
const char *app_view_name(const struct app *app, size_t index); /* NULL past the last */
bool app_set_theme(struct app *app, const char *name, char **error);

#endif
