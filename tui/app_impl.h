/* The insides of struct app, shared by app.c (frames), app_act.c (what keys do) and app_view.c
 * (views and focus). */
#ifndef TUI_APP_IMPL_H
#define TUI_APP_IMPL_H

#include "tui/app.h"
#include "tui/layout.h"

#define APP_OVERLAYS_MAX 8
#define APP_VIEWS_MAX    16
#define APP_MIN_ROWS     16
#define APP_MIN_COLUMNS  60

struct view {
    const char *name, *title;
    const struct panel_class *class; /* NULL: the overview */
    struct panel *panels[LAYOUT_TILES_MAX];
    struct layout_tile tiles[LAYOUT_TILES_MAX];
    size_t count, focus;
};

struct app {
    uv_loop_t *loop;
    struct app_config config;
    struct screen *screen;
    struct theme *theme;
    struct view views[APP_VIEWS_MAX];
    size_t view_count, view;
    struct overlay *overlays[APP_OVERLAYS_MAX];
    int overlay_count;
    struct prompt_history filter_history, command_history;
    uv_prepare_t prepare;
    uv_timer_t coalesce, clock;
    uv_timer_t hold; /* until the overlay on top takes keys, see struct overlay */
    bool dirty;      /* paint as soon as the terminal takes it */
    bool data_dirty; /* paint when the picture is complete, or coalesce has run out */
    bool data_late;  /* coalesce has run out */
    bool new_data;   /* panels have not seen the newest */
    bool paused, first, closing;
    bool
        quitting; /* asked for: done before the loop sleeps, when nothing of ours is on the stack */
    unsigned holds; /* handles and jobs that keep the app alive after app_close */
    struct theme_choice {
        char *before;
        char **names;
        size_t count;
    } choice;                /* while the menu of themes is open */
    struct app_child *child; /* has the terminal, or NULL */
    char message[1024];
    enum role message_role;
    uint64_t message_until; /* ms of uv_now */
    uint64_t message_firm;  /* until then keys leave it */
    char *message_details;  /* what Enter shows, or NULL */
};

/* app_view.c */
void views_init(struct app *app);
void views_free(struct app *app);
void views_open(struct app *app, size_t index);
void views_update(struct app *app);
void views_draw(struct app *app, struct rect area);
void views_mouse(struct app *app, const struct mouse *mouse);

/* app.c: each hold is released once; the last release after app_close frees the app. */
void app_hold(struct app *app);
void app_release(struct app *app);

/* app_message.c */
void message_clear(struct app *app);
void message_expire(struct app *app);

/* A key has come. True: it was for the message. */
bool message_key(struct app *app, uint32_t key);
void message_draw(const struct app *app, int y, int columns);

/* app_child.c: ends it when the app closes. */
void child_close(struct app *app);

/* app_act.c */
void theme_choice_free(struct theme_choice *choice);

/* app_command.c */
void app_run_line(struct app *app, const char *line);
int app_complete_line(void *app, const char *text, char *out, size_t size);

#endif
