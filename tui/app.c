#include "backend/base/mem.h"
#include "tui/app_impl.h"
#include "tui/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define COALESCE_MS     25  /* how long a frame waits for the answers that are still to come */
#define FIRST_FRAME_MS  150 /* the same for the first picture */
#define CLOCK_MARGIN_MS 150 /* data that comes this late still carries the clock */

/* ---- dirty flags ---- */

static void coalesced(uv_timer_t *timer)
{
    struct app *app = timer->data;

    app->data_late = true;
}

void app_dirty(struct app *app)
{
    app->dirty = true;
}

void app_dirty_data(struct app *app)
{
    app->new_data = true;
    app->data_dirty = true;
    if (!app->closing && !uv_is_active((uv_handle_t *)&app->coalesce))
        uv_timer_start(&app->coalesce, coalesced, COALESCE_MS, 0);
}

/* The clock alone is worth a frame only when no data has brought one. */
static void clock_tick(uv_timer_t *timer)
{
    struct app *app = timer->data;

    app->dirty = true;
}

static void restart_clock(struct app *app, bool by_data)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    uv_timer_start(&app->clock, clock_tick,
                   by_data ? 1000 + CLOCK_MARGIN_MS : 1001 - (uint64_t)now.tv_usec / 1000, 0);
}

/* ---- drawing ---- */

static struct overlay *top_overlay(const struct app *app)
{
    return app->overlay_count ? app->overlays[app->overlay_count - 1] : NULL;
}

static int draw_hint(int x, int end, int y, const char *key, const char *label)
{
    int width = text_width(key) + text_width(label) + 3;

    if (x + width > end)
        return 0;
    x += draw_text(y, x, end - x, ROLE_KEY, key);
    draw_text(y, x + 1, end - x - 1, ROLE_KEY_TEXT, label);
    return width;
}

/* The first ten have a digit, others the key of their binding "view-NAME", if there is one. */
static bool view_key(const struct app *app, size_t index, const struct view *view, char *out,
                     size_t size)
{
    const struct keymap *keymap = app->config.keymap;
    const struct binding *binding;
    char name[48];

    if (index < 10) {
        snprintf(out, size, "%zu", (index + 1) % 10);
        return true;
    }
    snprintf(name, sizeof(name), "view-%s", view->name);
    binding = keymap_by_name(keymap, name);
    if (binding)
        key_name(keymap->keys[binding - keymap->bindings][0], out, size);
    return binding != NULL;
}

static int draw_view_names(const struct app *app, int y, int columns)
{
    int x = 1;

    for (size_t i = 0; i < app->view_count; i++) {
        enum role role = i == app->view ? ROLE_TITLE_FOCUS : ROLE_KEY_TEXT;
        char key[32];

        if (!view_key(app, i, &app->views[i], key, sizeof(key)))
            continue;
        x += draw_text(y, x, columns - x, ROLE_KEY, key) + 1;
        x += draw_text(y, x, columns - x, role, app->views[i].title) + 1;
    }
    return x + 1;
}

/* Its key does what it says in this panel, and the help's has a place of its own. */
static bool has_hint(const struct keymap *keymap, const struct binding *binding, const char *panel)
{
    uint32_t key = keymap->keys[binding - keymap->bindings][0];

    return binding->label && binding->run != app_help && keymap_find(keymap, key, panel) == binding;
}

/* named: those that name the panel; else the others. */
static int draw_labels(const struct app *app, int x, int y, int columns, const char *panel,
                       bool named)
{
    const struct keymap *keymap = app->config.keymap;

    for (size_t i = 0; i < keymap->count; i++) {
        const struct binding *binding = &keymap->bindings[i];
        char name[32];

        if (has_hint(keymap, binding, panel) && keymap_named(binding, panel) == named)
            x += draw_hint(x, columns, y, key_name(keymap->keys[i][0], name, sizeof(name)),
                           binding->label);
    }
    return x;
}

/* At the right end, whatever else there is no room for. Returns the columns that are left. */
static int draw_help_hint(const struct app *app, int y, int columns)
{
    const struct keymap *keymap = app->config.keymap;
    const struct binding *help = keymap_by_name(keymap, "help");
    char name[32], hint[64];

    if (!help)
        return columns;
    snprintf(hint, sizeof(hint), "%s %s",
             key_name(keymap->keys[help - keymap->bindings][0], name, sizeof(name)), help->label);
    columns -= text_width(hint) + 1;
    draw_text(y, columns, text_width(hint), ROLE_KEY_TEXT, hint);
    draw_text(y, columns, text_width(name), ROLE_KEY, name);
    return columns;
}

static const char *view_keys(const struct app *app, char *out, size_t size)
{
    snprintf(out, size, app->view_count < 10 ? "1-%zu" : "0-9", app->view_count);
    return out;
}

static void draw_footer(const struct app *app, int y, int columns)
{
    char name[24];
    const struct overlay *overlay = top_overlay(app);
    const struct panel *focus = app_focus(app);
    int x = 1, wide = columns;

    draw_fill((struct rect){y, 0, 1, columns}, ROLE_KEY_TEXT);
    if (overlay) {
        draw_text(y, 1, columns - 1, ROLE_KEY_TEXT,
                  overlay->class->keys ? overlay->class->keys : "");
        return;
    }
    if (app->message[0]) {
        message_draw(app, y, columns);
        return;
    }
    columns = draw_help_hint(app, y, columns);
    if (wide >= 170)
        x = draw_view_names(app, y, columns);
    else
        x += draw_hint(1, columns, y, view_keys(app, name, sizeof(name)), "views");
    if (focus)
        x = draw_labels(app, x, y, columns, focus->class->name, true);
    draw_labels(app, x, y, columns, focus ? focus->class->name : NULL, false);
}

static void draw_too_small(int rows, int columns)
{
    char text[128];

    snprintf(text, sizeof(text), "The terminal is %d x %d; sharedtop needs %d x %d. q quits.",
             columns, rows, APP_MIN_COLUMNS, APP_MIN_ROWS);
    overlay_text(text, (struct rect){0, 0, rows, columns}, 0, ROLE_TEXT);
}

static void draw(struct app *app)
{
    int rows, columns;

    screen_size(app->screen, &rows, &columns);
    draw_clear();
    if (rows < APP_MIN_ROWS || columns < APP_MIN_COLUMNS) {
        draw_too_small(rows, columns);
        return;
    }
    app->config.hooks->header(app->config.data, (struct rect){0, 0, 1, columns});
    views_draw(app, (struct rect){1, 0, rows - 2, columns});
    draw_footer(app, rows - 1, columns);
    for (int i = 0; i < app->overlay_count; i++) {
        struct overlay *overlay = app->overlays[i];

        overlay->class->draw(overlay, (struct rect){1, 0, rows - 2, columns});
        overlay->painted = true;
    }
}

static bool data_complete(const struct app *app)
{
    const struct app_hooks *hooks = app->config.hooks;

    if (app->first)
        return hooks->filled(app->config.data) || app->data_late;
    return app->data_late || hooks->pending(app->config.data) == 0;
}

/* ---- overlays that take no key at first ---- */

static void quiet(uv_timer_t *timer)
{
    struct app *app = timer->data;
    struct overlay *overlay = top_overlay(app);

    if (!overlay || !overlay->drawn)
        return;
    overlay->armed = true;
    app_dirty(app);
}

/* After a slow turn of the loop the timer is due before the keys that came in time are read. */
static void held(uv_timer_t *timer)
{
    uv_timer_start(timer, quiet, 1, 0);
}

static void await_quiet(struct app *app)
{
    const struct overlay *overlay = top_overlay(app);

    if (overlay && overlay->hold && overlay->drawn && !overlay->armed && !app->closing)
        uv_timer_start(&app->hold, held, overlay->hold, 0);
}

static void on_taken(void *context)
{
    struct app *app = context;

    for (int i = 0; i < app->overlay_count; i++)
        app->overlays[i]->drawn = app->overlays[i]->painted;
    if (!uv_is_active((uv_handle_t *)&app->hold))
        await_quiet(app);
}

static void paint(struct app *app, bool by_data)
{
    if (app->new_data && !app->paused) {
        app->config.hooks->adopt(app->config.data);
        views_update(app);
        app->new_data = false;
    }
    message_expire(app);
    draw(app);
    screen_paint(app->screen);
    if (screen_ready(app->screen))
        on_taken(app);
    app->first = app->dirty = app->data_dirty = app->data_late = false;
    uv_timer_stop(&app->coalesce);
    restart_clock(app, by_data);
}

/* Before the loop sleeps: the one place where frames are made. */
static void before_sleep(uv_prepare_t *prepare)
{
    struct app *app = prepare->data;
    bool data = app->data_dirty && data_complete(app);

    if (app->quitting)
        app->config.hooks->quit(app->config.data);
    if (app->closing || !screen_ready(app->screen))
        return;
    if (app->dirty || data)
        paint(app, data);
}

/* ---- the terminal's events ---- */

static void remove_overlay(struct app *app, const struct overlay *overlay)
{
    int kept = 0;

    for (int i = 0; i < app->overlay_count; i++) {
        if (app->overlays[i] != overlay)
            app->overlays[kept++] = app->overlays[i];
    }
    app->overlay_count = kept;
    uv_timer_stop(&app->hold);
}

/* Keys that were typed before somebody can have read the overlay are not meant for it. */
static bool comes_too_soon(struct app *app, const struct overlay *overlay, uint32_t key)
{
    if (overlay->careful && !overlay->drawn)
        return true;
    if (!overlay->hold || overlay->armed)
        return false;
    await_quiet(app);
    return key != KEYCODE_ESC;
}

static void overlay_key(struct app *app, struct overlay *overlay, uint32_t key,
                        const struct input *input)
{
    if (comes_too_soon(app, overlay, key))
        return;
    if (overlay->class->key(overlay, key, input) == OVERLAY_CLOSES) {
        remove_overlay(app, overlay);
        overlay->class->free(overlay);
        if (!app->overlay_count && app->config.hooks->uncovered)
            app->config.hooks->uncovered(app->config.data);
    }
}

static void on_key(void *context, uint32_t key, const struct input *input)
{
    struct app *app = context;
    const struct panel *focus = app_focus(app);
    const struct binding *binding;

    app_dirty(app);
    if (message_key(app, key))
        return;
    if (top_overlay(app)) {
        overlay_key(app, top_overlay(app), key, input);
        return;
    }
    if (key == KEYCODE_MOUSE) {
        views_mouse(app, &input->mouse);
        return;
    }
    binding = keymap_find(app->config.keymap, key, focus ? focus->class->name : NULL);
    if (binding)
        binding->run(app, binding->argument);
}

static void on_resized(void *context)
{
    app_dirty(context);
}

static void on_lost(void *context)
{
    app_quit(context, 0);
}

static const struct screen_hooks screen_events = {
    .key = on_key, .resized = on_resized, .taken = on_taken, .lost = on_lost};

/* ---- life ---- */

bool app_set_theme(struct app *app, const char *name, char **error)
{
    struct theme *theme = theme_load(name, error);

    if (!theme)
        return false;
    theme_apply(theme, screen_colours(app->screen));
    theme_free(app->theme);
    app->theme = theme;
    screen_redraw(app->screen);
    app_dirty(app);
    return true;
}

static bool start_screen(struct app *app, char **error)
{
    struct screen_options options = {.mouse = app->config.mouse,
                                     .no_colour = app->config.no_colour};

    app->theme = theme_load(app->config.theme, error);
    if (!app->theme)
        return false;
    app->screen = screen_start(app->loop, &options, &screen_events, app, error);
    if (!app->screen) {
        theme_free(app->theme);
        return false;
    }
    theme_apply(app->theme, screen_colours(app->screen));
    return true;
}

struct app *app_new(uv_loop_t *loop, const struct app_config *config, char **error)
{
    struct app *app = mem_zalloc(sizeof(*app));

    app->loop = loop;
    app->config = *config;
    if (!start_screen(app, error)) {
        free(app);
        return NULL;
    }
    uv_prepare_init(loop, &app->prepare);
    uv_timer_init(loop, &app->coalesce);
    uv_timer_init(loop, &app->clock);
    uv_timer_init(loop, &app->hold);
    app->prepare.data = app->coalesce.data = app->clock.data = app->hold.data = app;
    app->holds = 4; /* these handles */
    views_init(app);
    app->first = app->data_dirty = app->new_data = true;
    uv_timer_start(&app->coalesce, coalesced, FIRST_FRAME_MS, 0);
    uv_prepare_start(&app->prepare, before_sleep);
    views_open(app, 0);
    app->dirty = false; /* the first frame waits for the first picture */
    return app;
}

void app_hold(struct app *app)
{
    app->holds++;
}

void app_release(struct app *app)
{
    if (--app->holds == 0)
        free(app);
}

static void handle_closed(uv_handle_t *handle)
{
    app_release(handle->data);
}

void app_close(struct app *app)
{
    app->closing = true;
    child_close(app);
    screen_stop(app->screen);
    theme_free(app->theme);
    while (app->overlay_count) {
        struct overlay *overlay = app->overlays[--app->overlay_count];

        overlay->class->free(overlay);
    }
    message_clear(app);
    theme_choice_free(&app->choice);
    views_free(app);
    prompt_history_free(&app->filter_history);
    prompt_history_free(&app->command_history);
    uv_close((uv_handle_t *)&app->prepare, handle_closed);
    uv_close((uv_handle_t *)&app->coalesce, handle_closed);
    uv_close((uv_handle_t *)&app->clock, handle_closed);
    uv_close((uv_handle_t *)&app->hold, handle_closed);
}

/* ---- small services ---- */

void app_bell(struct app *app)
{
    screen_bell(app->screen);
}

void *app_data(const struct app *app)
{
    return app->config.data;
}

const struct keymap *app_keymap(const struct app *app)
{
    return app->config.keymap;
}

const struct theme *app_theme(const struct app *app)
{
    return app->theme;
}

bool app_has_overlay(const struct app *app)
{
    return app->overlay_count > 0;
}

void app_copy_text(struct app *app, const char *text)
{
    screen_copy(app->screen, text, strlen(text));
}

bool app_paused(const struct app *app)
{
    return app->paused;
}

void app_push(struct app *app, struct overlay *overlay)
{
    if (app->overlay_count == APP_OVERLAYS_MAX) {
        overlay->class->free(overlay);
        return;
    }
    app->overlays[app->overlay_count++] = overlay;
    app_dirty(app);
}

void app_suspend(struct app *app, int argument)
{
    struct sigaction before, stop = {.sa_handler = SIG_DFL};

    (void)argument;
    if (app->child)
        return; /* the terminal is not ours to give back */
    if (app->config.hooks->suspending)
        app->config.hooks->suspending(app->config.data);
    screen_suspend(app->screen);
    sigaction(SIGTSTP, &stop, &before);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &before, NULL);
    screen_resume(app->screen);
    app_dirty(app);
}
