#include "backend/base/mem.h"
#include "tui/edit.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dialog {
    struct overlay overlay;
    char *title, *text, *yes, *typed;
    struct edit edit;
    int top, page, lines;
};

#define DIALOG_WIDTH 72
#define HINT_ROWS    2

static void draw_question(const struct dialog *dialog, struct rect line)
{
    char label[256];
    int x = line.x;

    if (dialog->typed) {
        snprintf(label, sizeof(label), "Type %s and Enter to %s: ", dialog->typed, dialog->yes);
        x += draw_text(line.y, x, line.w, ROLE_DIALOG, label);
        edit_draw(&dialog->edit, line.y, x, line.x + line.w - x, true);
        return;
    }
    x += draw_text(line.y, x, line.w, ROLE_BUTTON_FOCUS, "[ Cancel ]") + 3;
    snprintf(label, sizeof(label), "[ y: %s ]", dialog->yes);
    draw_text(line.y, x, line.x + line.w - x, ROLE_BUTTON, label);
}

static void draw(struct overlay *overlay, struct rect screen)
{
    struct dialog *dialog = (struct dialog *)overlay;
    int width = screen.w - 6 < DIALOG_WIDTH ? screen.w - 6 : DIALOG_WIDTH;
    struct rect in;

    dialog->lines = overlay_text_lines(dialog->text, width);
    in = overlay_box(screen, dialog->lines + 2, width, dialog->title);
    dialog->page = in.h - 2;
    overlay_text(dialog->text, (struct rect){in.y, in.x, in.h - 2, in.w}, dialog->top, ROLE_DIALOG);
    draw_question(dialog, (struct rect){in.y + in.h - 1, in.x, 1, in.w});
}

static enum overlay_result finish(struct dialog *dialog, bool accepted)
{
    if (dialog->overlay.done)
        dialog->overlay.done(dialog->overlay.context, &dialog->overlay, accepted);
    return OVERLAY_CLOSES;
}

/* Enter is an answer only where a name had to be typed, and typed right. */
static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct dialog *dialog = (struct dialog *)overlay;
    bool right = dialog->typed && strcmp(dialog->edit.text, dialog->typed) == 0;

    if (code == KEYCODE_ESC || code == ('c' & 0x1F))
        return finish(dialog, false);
    if (code == KEYCODE_ENTER)
        return dialog->typed && dialog->edit.len && !right ? OVERLAY_STAYS : finish(dialog, right);
    if (code == KEYCODE_PGDN || code == KEYCODE_DOWN)
        dialog->top += dialog->top + dialog->page < dialog->lines;
    else if (code == KEYCODE_PGUP || code == KEYCODE_UP)
        dialog->top -= dialog->top > 0;
    else if (dialog->typed)
        edit_key(&dialog->edit, code, input);
    else if (code == 'y')
        return finish(dialog, true);
    else if (code == 'n' || code == 'q')
        return finish(dialog, false);
    return OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct dialog *dialog = (struct dialog *)overlay;

    free(dialog->title);
    free(dialog->text);
    free(dialog->yes);
    free(dialog->typed);
    free(dialog);
}

static const struct overlay_class dialog_class = {
    .keys = "Esc cancel", .draw = draw, .key = key, .free = destroy};

struct overlay *dialog_new(const char *title, char *text, const char *yes, char *typed)
{
    struct dialog *dialog = mem_zalloc(sizeof(*dialog));

    dialog->overlay.class = &dialog_class;
    dialog->overlay.careful = true;
    dialog->title = mem_strdup(title);
    dialog->text = text;
    dialog->yes = mem_strdup(yes);
    dialog->typed = typed;
    return &dialog->overlay;
}

struct form {
    struct overlay overlay;
    char *title;
    int count, focus;
    char *labels[FORM_FIELDS], *hints[FORM_FIELDS];
    struct edit edits[FORM_FIELDS];
};

static int form_label_width(const struct form *form)
{
    int widest = 0;

    for (int i = 0; i < form->count; i++) {
        int width = text_width(form->labels[i]);

        widest = width > widest ? width : widest;
    }
    return widest;
}

static void form_draw(struct overlay *overlay, struct rect screen)
{
    struct form *form = (struct form *)overlay;
    int width = screen.w - 6 < DIALOG_WIDTH ? screen.w - 6 : DIALOG_WIDTH;
    struct rect in = overlay_box(screen, form->count + 1 + HINT_ROWS, width, form->title);
    int label = form_label_width(form);
    const char *hint = form->hints[form->focus];

    for (int i = 0; i < form->count && i < in.h; i++) {
        draw_field(in.y + i, in.x, label, i == form->focus ? ROLE_DIALOG_TITLE : ROLE_DIALOG,
                   form->labels[i], false);
        edit_draw(&form->edits[i], in.y + i, in.x + label + 2, in.w - label - 2, i == form->focus);
    }
    if (hint && in.h > form->count + 1)
        overlay_text(hint,
                     (struct rect){in.y + form->count + 1, in.x, in.h - form->count - 1, in.w}, 0,
                     ROLE_DIALOG);
}

static enum overlay_result form_finish(struct form *form, bool accepted)
{
    if (form->overlay.done)
        form->overlay.done(form->overlay.context, &form->overlay, accepted);
    return OVERLAY_CLOSES;
}

static enum overlay_result form_key(struct overlay *overlay, uint32_t code,
                                    const struct input *input)
{
    struct form *form = (struct form *)overlay;

    switch (code) {
    case 'c' & 0x1F:
    case KEYCODE_ESC: return form_finish(form, false);
    case KEYCODE_ENTER:
        if (form->focus == form->count - 1)
            return form_finish(form, true);
        form->focus++;
        break;
    case KEYCODE_TAB:
    case KEYCODE_DOWN: form->focus = (form->focus + 1) % form->count; break;
    case KEYCODE_BACKTAB:
    case KEYCODE_UP: form->focus = (form->focus + form->count - 1) % form->count; break;
    default: edit_key(&form->edits[form->focus], code, input); break;
    }
    return OVERLAY_STAYS;
}

static void form_destroy(struct overlay *overlay)
{
    struct form *form = (struct form *)overlay;

    for (int i = 0; i < form->count; i++) {
        free(form->labels[i]);
        free(form->hints[i]);
    }
    free(form->title);
    free(form);
}

static const struct overlay_class form_class = {.keys = "Tab next field  Enter done  Esc cancel",
                                                .draw = form_draw,
                                                .key = form_key,
                                                .free = form_destroy};

struct overlay *form_new(const char *title, const struct form_field *fields, int count)
{
    struct form *form = mem_zalloc(sizeof(*form));

    form->overlay.class = &form_class;
    form->title = mem_strdup(title);
    form->count = count < FORM_FIELDS ? count : FORM_FIELDS;
    for (int i = 0; i < form->count; i++) {
        form->labels[i] = mem_strdup(fields[i].label);
        form->hints[i] = mem_strdup(fields[i].hint);
        edit_set(&form->edits[i], fields[i].value);
    }
    return &form->overlay;
}

const char *form_value(const struct overlay *overlay, int field)
{
    return ((const struct form *)overlay)->edits[field].text;
}
