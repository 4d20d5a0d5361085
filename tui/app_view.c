#include "tui/app_impl.h"
#include "tui/text.h"

#include "backend/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_panel(struct app *app, struct view *view, const struct panel_class *class,
                      bool tile)
{
    if (view->count < LAYOUT_TILES_MAX)
        view->panels[view->count++] = panel_new(class, app, app->config.data, tile);
}

static bool first_focus(const struct panel_class *class)
{
    return class->table != NULL;
}

static void make_overview(struct app *app, struct view *view)
{
    for (size_t i = 0; i < app->config.panel_count; i++) {
        if (app->config.panels[i]->tile.side)
            add_panel(app, view, app->config.panels[i], true);
    }
    while (view->focus + 1 < view->count && !first_focus(view->panels[view->focus]->class))
        view->focus++;
}

void views_init(struct app *app)
{
    app->views[app->view_count++] =
        (struct view){.name = "overview", .title = app->config.overview_title};
    for (size_t i = 0; i < app->config.panel_count && app->view_count < APP_VIEWS_MAX; i++) {
        const struct panel_class *class = app->config.panels[i];

        if (class->view)
            app->views[app->view_count++] =
                (struct view){.name = class->name, .title = class->title, .class = class};
    }
}

void views_free(struct app *app)
{
    for (size_t i = 0; i < app->view_count; i++) {
        for (size_t k = 0; k < app->views[i].count; k++)
            panel_free(app->views[i].panels[k]);
    }
}

static void hide(const struct view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->panels[i]->class->hidden)
            view->panels[i]->class->hidden(view->panels[i]);
    }
}

void views_open(struct app *app, size_t index)
{
    struct view *view = &app->views[index];

    if (index != app->view)
        hide(&app->views[app->view]);
    app->view = index;
    if (!view->count && view->class)
        add_panel(app, view, view->class, false);
    else if (!view->count)
        make_overview(app, view);
    app->config.hooks->shown(app->config.data);
    views_update(app);
    app_dirty(app);
}

void views_update(struct app *app)
{
    struct view *view = &app->views[app->view];

    for (size_t i = 0; i < view->count; i++)
        panel_update(view->panels[i]);
}

static void draw_one(const struct layout_tile *tile, struct panel *panel, bool focus, bool alone)
{
    unsigned edges = (tile->first ? 0 : BOX_JOINED) | (tile->last ? 0 : BOX_OPEN);
    char title[256], note[128] = "";

    if (!tile->box.h)
        return;
    panel_title(panel, title, sizeof(title));
    if (panel->class->note)
        panel->class->note(panel, note, sizeof(note));
    draw_tile(tile->box, title, *note ? note : NULL, focus && !alone, edges);
    panel_draw(panel, layout_inside(tile), focus);
}

static void want(struct layout_tile *tile, const struct panel *panel, int columns)
{
    const struct panel_tile *place = &panel->class->tile;

    if (panel->tile && panel->class->absent && panel->class->absent(panel)) {
        *tile = (struct layout_tile){.rank = LAYOUT_ABSENT};
        return;
    }
    *tile = (struct layout_tile){.side = place->side,
                                 .rank = place->rank,
                                 .min_rows = place->min_rows,
                                 .half = place->half,
                                 .rows = panel_height(panel, columns)};
}

void views_draw(struct app *app, struct rect area)
{
    struct view *view = &app->views[app->view];
    int columns = (area.w >= LAYOUT_WIDE && view->count > 1 ? area.w / 2 : area.w) - 2;

    for (size_t i = 0; i < view->count; i++)
        want(&view->tiles[i], view->panels[i],
             view->panels[i]->class->tile.half && area.w < LAYOUT_WIDE ? area.w / 2 - 2 : columns);
    layout_tiles(view->tiles, view->count, area);
    for (size_t i = 0; i < view->count; i++)
        draw_one(&view->tiles[i], view->panels[i], i == view->focus, view->count == 1);
}

struct panel *app_focus(const struct app *app)
{
    const struct view *view = &app->views[app->view];

    return view->count ? view->panels[view->focus] : NULL;
}

void app_each_panel(const struct app *app, void (*each)(struct panel *panel, void *context),
                    void *context)
{
    const struct view *view = &app->views[app->view];

    for (size_t i = 0; i < view->count; i++)
        each(view->panels[i], context);
}

void app_next_panel(struct app *app, int step)
{
    struct view *view = &app->views[app->view];

    for (size_t tried = 0; tried < view->count; tried++) {
        view->focus = (view->focus + view->count + (size_t)(step + (int)view->count)) % view->count;
        if (view->tiles[view->focus].box.h && view->panels[view->focus]->class->table)
            break;
    }
}

void app_view(struct app *app, int index)
{
    if ((size_t)index < app->view_count)
        views_open(app, (size_t)index);
}

const char *app_view_name(const struct app *app, size_t index)
{
    return index < app->view_count ? app->views[index].name : NULL;
}

bool app_view_named(struct app *app, const char *name)
{
    for (size_t i = 0; i < app->view_count; i++) {
        if (strcasecmp(app->views[i].name, name) == 0) {
            views_open(app, i);
            return true;
        }
    }
    return false;
}

static bool inside(struct rect area, int y, int x)
{
    return y >= area.y && y < area.y + area.h && x >= area.x && x < area.x + area.w;
}

static void click(struct panel *panel, int y)
{
    struct table *table = &panel->table;
    int first = panel->area.y + panel->area.h - (int)table->page;

    if (panel->class->table && y >= first)
        table_select(table, table->top + (size_t)(y - first));
}

void views_mouse(struct app *app, const struct mouse *mouse)
{
    struct view *view = &app->views[app->view];

    if (!mouse->press)
        return;
    if (mouse->button == 4 || mouse->button == 5) {
        app_move(app, mouse->button == 4 ? TABLE_UP : TABLE_DOWN);
        return;
    }
    for (size_t i = 0; i < view->count; i++) {
        if (view->tiles[i].box.h && inside(view->tiles[i].box, mouse->y, mouse->x)) {
            view->focus = i;
            click(view->panels[i], mouse->y);
        }
    }
}
