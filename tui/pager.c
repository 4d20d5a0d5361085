#include "backend/base/mem.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pager {
    struct overlay overlay;
    char *title, *text;
    int top, page, lines;
};

struct rect overlay_box(struct rect screen, int h, int w, const char *title)
{
    struct rect box;

    h = h + 2 > screen.h ? screen.h : h + 2;
    w = w + 4 > screen.w ? screen.w : w + 4;
    box = (struct rect){screen.y + (screen.h - h) / 2, screen.x + (screen.w - w) / 2, h, w};
    draw_fill(box, ROLE_DIALOG);
    draw_box(box, title, NULL, true);
    return (struct rect){box.y + 1, box.x + 2, box.h - 2, box.w - 4};
}

int overlay_text_lines(const char *text, int width)
{
    int lines = 0;
    size_t len;

    for (const char *s = text; s && width > 0; s = text_wrap(s, width, &len))
        lines++;
    return lines;
}

void overlay_text(const char *text, struct rect area, int top, enum role role)
{
    int line = 0;
    size_t len;

    for (const char *s = text, *next; s && line < top + area.h; s = next, line++) {
        char part[2048];

        next = text_wrap(s, area.w, &len);
        if (line < top)
            continue;
        snprintf(part, sizeof(part), "%.*s", (int)len, s);
        draw_text(area.y + line - top, area.x, area.w, role, part);
    }
}

static int longest_line(const char *text)
{
    int longest = 0;
    size_t len;

    for (const char *s = text; s; s = text_wrap(s, 400, &len)) {
        char part[2048];
        int width;

        text_wrap(s, 400, &len);
        snprintf(part, sizeof(part), "%.*s", (int)len, s);
        width = text_width(part);
        longest = width > longest ? width : longest;
    }
    return longest;
}

static void clamp(struct pager *pager)
{
    if (pager->top > pager->lines - pager->page)
        pager->top = pager->lines - pager->page;
    if (pager->top < 0)
        pager->top = 0;
}

static void draw(struct overlay *overlay, struct rect screen)
{
    struct pager *pager = (struct pager *)overlay;
    int width = longest_line(pager->text), room = screen.w - 6;
    struct rect in;
    char note[48];

    width = width < 40 ? 40 : width > room ? room : width;
    pager->lines = overlay_text_lines(pager->text, width);
    in = overlay_box(screen, pager->lines, width, pager->title);
    pager->page = in.h;
    clamp(pager);
    overlay_text(pager->text, in, pager->top, ROLE_DIALOG);
    if (pager->lines <= pager->page)
        return;
    snprintf(note, sizeof(note), " %d-%d/%d ", pager->top + 1,
             pager->top + pager->page > pager->lines ? pager->lines : pager->top + pager->page,
             pager->lines);
    draw_text(in.y + in.h, in.x + in.w - (int)strlen(note), (int)strlen(note), ROLE_DIALOG_TITLE,
              note);
}

static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct pager *pager = (struct pager *)overlay;

    (void)input;
    switch (code) {
    case 'q':
    case KEYCODE_ESC:
    case KEYCODE_ENTER: return OVERLAY_CLOSES;
    case 'k':
    case KEYCODE_UP: pager->top--; break;
    case 'j':
    case KEYCODE_DOWN: pager->top++; break;
    case KEYCODE_PGUP: pager->top -= pager->page - 1; break;
    case ' ':
    case KEYCODE_PGDN: pager->top += pager->page - 1; break;
    case 'g':
    case KEYCODE_HOME: pager->top = 0; break;
    case 'G':
    case KEYCODE_END: pager->top = pager->lines; break;
    default: break;
    }
    clamp(pager);
    return OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct pager *pager = (struct pager *)overlay;

    free(pager->title);
    free(pager->text);
    free(pager);
}

static const struct overlay_class pager_class = {
    .keys = "Up Down PgUp PgDn scroll  Esc close", .draw = draw, .key = key, .free = destroy};

struct overlay *pager_new(const char *title, char *text)
{
    struct pager *pager = mem_zalloc(sizeof(*pager));

    pager->overlay.class = &pager_class;
    pager->title = mem_strdup(title);
    pager->text = text;
    return &pager->overlay;
}
