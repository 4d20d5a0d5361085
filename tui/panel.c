#include "tui/panel.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct panel *panel_new(const struct panel_class *class, struct app *app, void *data, bool tile)
{
    struct panel *panel = mem_zalloc(sizeof(*panel));

    panel->class = class;
    panel->app = app;
    panel->data = data;
    panel->tile = tile;
    panel->state = mem_zalloc(class->state_size);
    if (class->table)
        table_init(&panel->table, class->table);
    if (class->open)
        class->open(panel);
    return panel;
}

void panel_free(struct panel *panel)
{
    if (panel->class->close)
        panel->class->close(panel);
    if (panel->class->table)
        table_free(&panel->table);
    free(panel->state);
    free(panel);
}

void panel_update(struct panel *panel)
{
    if (panel->class->update)
        panel->class->update(panel);
}

static int head_rows(const struct panel *panel, int columns)
{
    return panel->class->head_rows ? panel->class->head_rows(panel, columns) : 0;
}

int panel_height(const struct panel *panel, int columns)
{
    return head_rows(panel, columns) + (panel->class->table ? table_height(&panel->table) : 0);
}

static void draw_empty(const struct panel *panel, struct rect area)
{
    char text[512] = "";

    if (panel->table.total)
        snprintf(text, sizeof(text), "no row matches the filter %s (Esc clears it)",
                 panel->table.filter.text ? panel->table.filter.text : "");
    else if (panel->class->empty)
        panel->class->empty(panel, text, sizeof(text));
    overlay_text(text, area, 0, ROLE_DIM);
}

void panel_draw(struct panel *panel, struct rect inside, bool focus)
{
    int head = head_rows(panel, inside.w);

    panel->area = inside;
    if (head > inside.h)
        head = inside.h;
    if (panel->class->head && head > 0)
        panel->class->head(panel, (struct rect){inside.y, inside.x, head, inside.w});
    if (!panel->class->table || inside.h <= head)
        return;
    inside.y += head;
    inside.h -= head;
    table_draw(&panel->table, inside, focus);
    if (!panel->table.count && inside.h > 1)
        draw_empty(panel, (struct rect){inside.y + 1, inside.x + 1, inside.h - 1, inside.w - 2});
}

void panel_title(const struct panel *panel, char *out, size_t size)
{
    char caption[128] = "";

    if (panel->class->caption)
        panel->class->caption(panel, caption, sizeof(caption));
    snprintf(out, size, "%s%s%s", panel->class->title, *caption ? " · " : "", caption);
    if (text_ascii() && *caption)
        snprintf(out, size, "%s: %s", panel->class->title, caption);
}

static char *all_columns(const struct panel *panel, const void *row)
{
    const struct table_class *class = panel->table.class;
    struct strbuf text = {0};

    for (size_t i = 0; i < class->count; i++) {
        const struct column *column = &class->columns[i];
        struct cell cell = {0};
        char value[256], *whole = NULL;

        column->cell(row, panel->table.context, &cell);
        if (cell.type == CELL_TEXT)
            whole = text_clean(cell_string(&cell), true);
        strbuf_addf(&text, "%-16s %s\n", column->title,
                    whole ? whole : cell_text(&cell, value, sizeof(value)));
        free(whole);
    }
    return strbuf_take(&text);
}

char *panel_details(const struct panel *panel)
{
    const void *row = panel->class->table ? table_selected(&panel->table) : NULL;

    if (!row)
        return NULL;
    return panel->class->details ? panel->class->details(panel, row) : all_columns(panel, row);
}

char *panel_copy(const struct panel *panel)
{
    const void *row = panel->class->table ? table_selected(&panel->table) : NULL;
    struct cell cell = {0};
    char value[256];
    int column;

    if (!row)
        return NULL;
    if (panel->class->copy)
        return panel->class->copy(panel, row);
    column = panel->table.sort >= 0 ? panel->table.sort : 0;
    panel->table.class->columns[column].cell(row, panel->table.context, &cell);
    if (cell.type == CELL_TEXT)
        return mem_strdup(cell_string(&cell));
    return mem_strdup(cell_text(&cell, value, sizeof(value)));
}
