#include "backend/base/mem.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>

struct menu {
    struct overlay overlay;
    char *title;
    struct menu_item *items;
    size_t count, cursor, top;
    void (*moved)(void *context, size_t index);
    void (*toggled)(void *context, size_t index, bool checked);
};

static int label_width(const struct menu *menu)
{
    int widest = 0;

    for (size_t i = 0; i < menu->count; i++) {
        int width = text_width(menu->items[i].label);

        widest = width > widest ? width : widest;
    }
    return widest;
}

static int menu_width(const struct menu *menu, int label)
{
    int widest = text_width(menu->title);

    for (size_t i = 0; i < menu->count; i++) {
        const struct menu_item *item = &menu->items[i];
        int width = 6 + label + (item->note ? 2 + text_width(item->note) : 0);

        widest = width > widest ? width : widest;
    }
    return widest;
}

static void draw_item(const struct menu_item *item, int y, struct rect in, int label, bool selected)
{
    enum role role = selected ? ROLE_SELECTED : ROLE_DIALOG;
    const char *box = !item->checkable ? " " : item->checked ? "[x]" : "[ ]";
    int x = in.x + 1;

    draw_fill((struct rect){y, in.x, 1, in.w}, role);
    x += draw_text(y, x, in.w - 1, role, box) + 1;
    draw_text(y, x, in.x + in.w - x, role, item->label);
    if (item->note)
        draw_text(y, x + label + 2, in.x + in.w - x - label - 2, role, item->note);
}

static void draw(struct overlay *overlay, struct rect screen)
{
    struct menu *menu = (struct menu *)overlay;
    int label = label_width(menu);
    struct rect in = overlay_box(screen, (int)menu->count, menu_width(menu, label), menu->title);
    size_t rows = in.h > 0 ? (size_t)in.h : 0;

    if (menu->cursor < menu->top)
        menu->top = menu->cursor;
    if (rows && menu->cursor >= menu->top + rows)
        menu->top = menu->cursor - rows + 1;
    for (size_t i = 0; i < rows && menu->top + i < menu->count; i++)
        draw_item(&menu->items[menu->top + i], in.y + (int)i, in, label,
                  menu->top + i == menu->cursor);
}

static void move(struct menu *menu, long by)
{
    long to = (long)menu->cursor + by, last = (long)menu->count - 1;

    to = to > last ? last : to;
    menu->cursor = to < 0 ? 0 : (size_t)to;
    if (menu->moved)
        menu->moved(menu->overlay.context, menu->cursor);
}

static void toggle(struct menu *menu)
{
    struct menu_item *item = &menu->items[menu->cursor];

    if (!item->checkable)
        return;
    item->checked = !item->checked;
    if (menu->toggled)
        menu->toggled(menu->overlay.context, menu->cursor, item->checked);
}

static enum overlay_result finish(struct menu *menu, bool accepted)
{
    if (menu->overlay.done)
        menu->overlay.done(menu->overlay.context, &menu->overlay, accepted);
    return OVERLAY_CLOSES;
}

static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct menu *menu = (struct menu *)overlay;

    (void)input;
    switch (code) {
    case 'q':
    case KEYCODE_ESC: return finish(menu, false);
    case KEYCODE_ENTER: return finish(menu, true);
    case 'k':
    case KEYCODE_UP: move(menu, -1); break;
    case 'j':
    case KEYCODE_DOWN: move(menu, 1); break;
    case 'g':
    case KEYCODE_HOME: move(menu, -(long)menu->count); break;
    case 'G':
    case KEYCODE_END: move(menu, (long)menu->count); break;
    case ' ': toggle(menu); break;
    default: break;
    }
    return OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct menu *menu = (struct menu *)overlay;

    for (size_t i = 0; i < menu->count; i++) {
        free(menu->items[i].label);
        free(menu->items[i].note);
    }
    free(menu->items);
    free(menu->title);
    free(menu);
}

static const struct overlay_class menu_class = {
    .keys = "Up Down move  Enter choose  Esc back", .draw = draw, .key = key, .free = destroy};

static const struct overlay_class check_class = {
    .keys = "Up Down move  Space on/off  Enter done", .draw = draw, .key = key, .free = destroy};

struct overlay *menu_new(const char *title, struct menu_item *items, size_t count, size_t selected,
                         void (*moved)(void *context, size_t index),
                         void (*toggled)(void *context, size_t index, bool checked))
{
    struct menu *menu = mem_zalloc(sizeof(*menu));

    menu->overlay.class = toggled ? &check_class : &menu_class;
    menu->title = mem_strdup(title);
    menu->items = items;
    menu->count = count;
    menu->cursor = selected < count ? selected : 0;
    menu->moved = moved;
    menu->toggled = toggled;
    return &menu->overlay;
}

size_t menu_selected(const struct overlay *overlay)
{
    return ((const struct menu *)overlay)->cursor;
}
