#include "tui/ask.h"

#include "backend/base/mem.h"
#include "tui/edit.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_WIDTH   96
#define LABEL_MAX   14
#define REASON_ROWS 4
#define HOLD_MS     400U

struct ask_box {
    struct overlay overlay;
    struct ask ask;
    enum ask_answer answer;
    struct edit edit;
    bool wrong;          /* Enter came with another name, and none was typed since */
    int top, page, rows; /* of the lines, at the last draw */
};

/* ---- the lines ---- */

static int label_width(const struct ask *ask)
{
    int widest = 0;

    for (size_t i = 0; i < ask->count; i++) {
        int width = text_width(ask->lines[i].label);

        widest = width > widest ? width : widest;
    }
    return widest < LABEL_MAX ? widest : LABEL_MAX;
}

static int text_columns(const struct ask *ask, int width)
{
    int columns = width - label_width(ask) - 2;

    return columns > 10 ? columns : 10;
}

static int count_rows(const struct ask *ask, int width)
{
    int rows = 0;

    for (size_t i = 0; i < ask->count; i++)
        rows +=
            ask->lines[i].gap + overlay_text_lines(ask->lines[i].text, text_columns(ask, width));
    return rows;
}

/* Draws the part of a line that is inside; row: where it begins, counted from the first row shown. */
static void draw_line(const struct ask *ask, const struct ask_line *line, int row, struct rect in)
{
    int label = label_width(ask), skip = row < 0 ? -row : 0, y = in.y + row + skip;

    if (row >= in.h)
        return;
    if (row >= 0)
        draw_text(y, in.x, label, line->label_role, line->label);
    overlay_text(line->text, (struct rect){y, in.x + label + 2, in.y + in.h - y, in.w - label - 2},
                 skip, line->role);
}

static void draw_lines(const struct ask_box *box, struct rect in)
{
    int row = -box->top;

    for (size_t i = 0; i < box->ask.count; i++) {
        const struct ask_line *line = &box->ask.lines[i];
        int rows = overlay_text_lines(line->text, text_columns(&box->ask, in.w));

        row += line->gap;
        if (row + rows > 0)
            draw_line(&box->ask, line, row, in);
        row += rows;
    }
}

/* ---- the question ---- */

static int reason_rows(const struct ask *ask, int width)
{
    int rows;

    if (!ask->reason)
        return 0;
    rows = overlay_text_lines(ask->reason, width - 2);
    return rows < REASON_ROWS ? rows : REASON_ROWS;
}

/* With the empty row above it. */
static int question_rows(const struct ask *ask, int width)
{
    return 1 + reason_rows(ask, width) + (ask->kind == ASK_NAME ? 2 : 1);
}

static void draw_buttons(const struct ask_box *box, struct rect line)
{
    const struct ask *ask = &box->ask;
    char label[160];
    int x = line.x, end = line.x + line.w;

    if (ask->kind == ASK_REFUSED) {
        x += draw_text(line.y, x, line.w, ROLE_BUTTON_FOCUS, "[ Esc: back ]") + 3;
        if (!box->overlay.armed || !ask->other)
            return;
        snprintf(label, sizeof(label), "[ !: %s ]", ask->other);
        draw_text(line.y, x, end - x, ROLE_BUTTON, label);
        return;
    }
    x += draw_text(line.y, x, line.w, ROLE_BUTTON_FOCUS, "[ Cancel ]") + 3;
    if (!box->overlay.armed)
        return;
    snprintf(label, sizeof(label), "[ y: %s ]", ask->verb);
    x += draw_text(line.y, x, end - x, ROLE_BUTTON, label) + 3;
    if (!ask->other)
        return;
    snprintf(label, sizeof(label), "[ !: %s ]", ask->other);
    draw_text(line.y, x, end - x, ROLE_BUTTON, label);
}

/* At the right end of the line, if it fits; returns the columns that are left. */
static int draw_other(const struct ask *ask, struct rect line)
{
    char label[160];
    int width;

    if (!ask->other)
        return line.w;
    snprintf(label, sizeof(label), "[ !: %s ]", ask->other);
    width = text_width(label);
    if (width + 20 > line.w)
        return line.w;
    draw_text(line.y, line.x + line.w - width, width, ROLE_BUTTON, label);
    return line.w - width - 2;
}

static void draw_name(const struct ask_box *box, struct rect area)
{
    int x = area.x, width;

    if (!box->overlay.armed) {
        draw_text(area.y, area.x, area.w, ROLE_DIALOG, text_symbol(SYMBOL_ELLIPSIS));
        return;
    }
    if (box->wrong) {
        x += draw_text(area.y, x, area.w, ROLE_CRITICAL, "That is not the name: type ");
        x += draw_text(area.y, x, area.x + area.w - x, ROLE_CRITICAL, box->ask.name);
    } else {
        x += draw_text(area.y, x, area.w, ROLE_DIALOG, "Type ");
        x += draw_text(area.y, x, area.x + area.w - x, ROLE_STRONG, box->ask.name);
    }
    draw_textf(area.y, x, area.x + area.w - x, ROLE_DIALOG, " and Enter to %s; Esc cancels",
               box->ask.verb);
    width = draw_other(&box->ask, (struct rect){area.y + 1, area.x, 1, area.w});
    edit_draw(&box->edit, area.y + 1, area.x, width, true);
}

static void draw_question(const struct ask_box *box, struct rect area)
{
    const struct ask *ask = &box->ask;
    int rows = reason_rows(ask, area.w);
    enum role role = ask->kind == ASK_REFUSED ? ROLE_CRITICAL : ROLE_WARNING;

    if (rows) {
        draw_text(area.y, area.x, 2, role,
                  text_symbol(ask->kind == ASK_REFUSED ? SYMBOL_DOWN : SYMBOL_WARNING));
        overlay_text(ask->reason, (struct rect){area.y, area.x + 2, rows, area.w - 2}, 0, role);
    }
    area = (struct rect){area.y + rows, area.x, area.h - rows, area.w};
    if (ask->kind == ASK_NAME)
        draw_name(box, area);
    else
        draw_buttons(box, area);
}

/* ---- the box ---- */

static void draw_band(const struct ask *ask, struct rect box)
{
    int x = box.x + 2, y = box.y + 1, end = box.x + box.w - 2;

    draw_fill((struct rect){y, box.x + 1, 1, box.w - 2}, ask->frame);
    x += draw_text(y, x, end - x, ask->frame, ask->band) + 2;
    if (x < end)
        draw_text(y, x, end - x, ask->frame, ask->where);
}

static void clamp(struct ask_box *box)
{
    if (box->top > box->rows - box->page)
        box->top = box->rows - box->page;
    if (box->top < 0)
        box->top = 0;
}

static struct rect place(struct ask_box *box, struct rect screen)
{
    int width = screen.w - 4 < ASK_WIDTH ? screen.w - 4 : ASK_WIDTH;
    int inner = width - 4, question = question_rows(&box->ask, inner), height;

    box->rows = count_rows(&box->ask, inner);
    height = 2 + 2 + box->rows + question;
    if (height > screen.h)
        height = screen.h;
    box->page = height - 4 - question;
    clamp(box);
    return (struct rect){screen.y + (screen.h - height) / 2, screen.x + (screen.w - width) / 2,
                         height, width};
}

static void draw(struct overlay *overlay, struct rect screen)
{
    struct ask_box *box = (struct ask_box *)overlay;
    struct rect area = place(box, screen), in;
    int question = question_rows(&box->ask, area.w - 4);
    char note[48] = "";

    draw_fill(area, ROLE_DIALOG);
    if (box->rows > box->page)
        snprintf(note, sizeof(note), "%d-%d of %d, Down scrolls", box->top + 1,
                 box->top + box->page < box->rows ? box->top + box->page : box->rows, box->rows);
    draw_frame(area, box->ask.title, note, box->ask.frame, ROLE_DIALOG_TITLE);
    draw_band(&box->ask, area);
    in = (struct rect){area.y + 3, area.x + 2, box->page, area.w - 4};
    draw_lines(box, in);
    draw_question(box, (struct rect){area.y + area.h - question, in.x, question - 1, in.w});
}

/* ---- keys ---- */

static enum overlay_result finish(struct ask_box *box, enum ask_answer answer)
{
    box->answer = answer;
    if (box->overlay.done)
        box->overlay.done(box->overlay.context, &box->overlay, answer == ASK_ACCEPTED);
    return OVERLAY_CLOSES;
}

static bool scroll(struct ask_box *box, uint32_t code)
{
    switch (code) {
    case KEYCODE_UP: box->top--; break;
    case KEYCODE_DOWN: box->top++; break;
    case KEYCODE_PGUP: box->top -= box->page - 1; break;
    case KEYCODE_PGDN: box->top += box->page - 1; break;
    default: return false;
    }
    clamp(box);
    return true;
}

static enum overlay_result enter(struct ask_box *box)
{
    bool right = box->ask.kind == ASK_NAME && strcmp(box->edit.text, box->ask.name) == 0;

    box->wrong = box->ask.kind == ASK_NAME && box->edit.len && !right;
    if (box->wrong)
        return OVERLAY_STAYS;
    return finish(box, right ? ASK_ACCEPTED : ASK_CANCELLED);
}

static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct ask_box *box = (struct ask_box *)overlay;

    if (code == KEYCODE_ESC || code == ('c' & 0x1F))
        return finish(box, ASK_CANCELLED);
    if (scroll(box, code))
        return OVERLAY_STAYS;
    if (code == KEYCODE_ENTER)
        return enter(box);
    if (code == '!' && box->ask.other && !box->edit.len)
        return finish(box, ASK_OTHER);
    box->wrong = false;
    if (box->ask.kind == ASK_NAME)
        edit_key(&box->edit, code, input);
    else if (code == 'n' || code == 'q')
        return finish(box, ASK_CANCELLED);
    else if (code == 'y' && box->ask.kind == ASK_YES)
        return finish(box, ASK_ACCEPTED);
    return OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct ask_box *box = (struct ask_box *)overlay;
    struct ask *ask = &box->ask;

    for (size_t i = 0; i < ask->count; i++) {
        free(ask->lines[i].label);
        free(ask->lines[i].text);
    }
    free(ask->lines);
    free(ask->title);
    free(ask->band);
    free(ask->where);
    free(ask->verb);
    free(ask->name);
    free(ask->reason);
    free(ask->other);
    free(box);
}

static const struct overlay_class ask_class = {
    .keys = "Esc cancel  Up Down PgUp PgDn scroll", .draw = draw, .key = key, .free = destroy};

struct overlay *ask_new(const struct ask *ask)
{
    struct ask_box *box = mem_zalloc(sizeof(*box));

    box->overlay.class = &ask_class;
    box->overlay.careful = true;
    box->overlay.hold =
        ask->kind == ASK_REFUSED && !ask->other ? 0 : HOLD_MS; /* nothing to answer */
    box->ask = *ask;
    return &box->overlay;
}

enum ask_answer ask_answer(const struct overlay *overlay)
{
    return ((const struct ask_box *)overlay)->answer;
}
