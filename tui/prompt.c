#include "backend/base/mem.h"
#include "tui/edit.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prompt {
    struct overlay overlay;
    char *label;
    struct edit edit;
    struct prompt_history *history;
    bool fresh; /* the text it began with stands as if selected: what is typed takes its place */
    int recall; /* lines back in the history, 0: the text being typed */
    int (*complete)(void *context, const char *text, char *out, size_t size);
    void (*changed)(void *context, const char *text);
};

static void draw(struct overlay *overlay, struct rect screen)
{
    const struct prompt *prompt = (const struct prompt *)overlay;
    int y = screen.y + screen.h, x;

    draw_fill((struct rect){y, screen.x, 1, screen.w}, ROLE_INPUT);
    x = draw_text(y, screen.x, screen.w, ROLE_INPUT, prompt->label);
    edit_draw(&prompt->edit, y, screen.x + x, screen.w - x, true);
    if (prompt->fresh && text_width(prompt->edit.text) < screen.w - x)
        draw_text(y, screen.x + x, screen.w - x, ROLE_SELECTED, prompt->edit.text);
}

static void remember(struct prompt_history *history, const char *line)
{
    if (!history || !*line)
        return;
    if (history->count && strcmp(history->lines[history->count - 1], line) == 0)
        return;
    if (history->count == PROMPT_HISTORY) {
        free(history->lines[0]);
        history->count--;
        memmove(history->lines, history->lines + 1, sizeof(char *) * (size_t)history->count);
    }
    history->lines[history->count++] = mem_strdup(line);
}

void prompt_history_free(struct prompt_history *history)
{
    for (int i = 0; i < history->count; i++)
        free(history->lines[i]);
    history->count = 0;
}

static void tell_change(struct prompt *prompt)
{
    if (prompt->changed)
        prompt->changed(prompt->overlay.context, prompt->edit.text);
}

static void recall(struct prompt *prompt, int by)
{
    int count = prompt->history ? prompt->history->count : 0, to = prompt->recall + by;

    if (to < 0 || to > count)
        return;
    prompt->recall = to;
    prompt->fresh = false;
    edit_set(&prompt->edit, to ? prompt->history->lines[count - to] : "");
    tell_change(prompt);
}

static void complete(struct prompt *prompt)
{
    char text[EDIT_MAX];

    if (prompt->complete &&
        prompt->complete(prompt->overlay.context, prompt->edit.text, text, sizeof(text)) > 0)
        edit_set(&prompt->edit, text);
    tell_change(prompt);
}

static enum overlay_result finish(struct prompt *prompt, bool accepted)
{
    if (accepted)
        remember(prompt->history, prompt->edit.text);
    if (prompt->overlay.done)
        prompt->overlay.done(prompt->overlay.context, &prompt->overlay, accepted);
    return OVERLAY_CLOSES;
}

static bool types(uint32_t code)
{
    return code == KEYCODE_PASTE || (code >= ' ' && code < KEYCODE_UP && code != KEYCODE_BACKSPACE);
}

static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct prompt *prompt = (struct prompt *)overlay;

    switch (code) {
    case 'c' & 0x1F:
    case KEYCODE_ESC: return finish(prompt, false);
    case KEYCODE_ENTER: return finish(prompt, true);
    case KEYCODE_TAB: complete(prompt); return OVERLAY_STAYS;
    case KEYCODE_UP: recall(prompt, 1); return OVERLAY_STAYS;
    case KEYCODE_DOWN: recall(prompt, -1); return OVERLAY_STAYS;
    default: break;
    }
    if (code == KEYCODE_BACKSPACE && !prompt->edit.len)
        return finish(prompt, false);
    if (prompt->fresh && types(code))
        edit_set(&prompt->edit, "");
    prompt->fresh = false;
    if (edit_key(&prompt->edit, code, input))
        tell_change(prompt);
    return OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct prompt *prompt = (struct prompt *)overlay;

    free(prompt->label);
    free(prompt);
}

static const struct overlay_class prompt_class = {
    .keys = NULL, .draw = draw, .key = key, .free = destroy};

struct overlay *prompt_new(const char *label, const char *text, struct prompt_history *history,
                           int (*completer)(void *context, const char *text, char *out,
                                            size_t size),
                           void (*changed)(void *context, const char *text))
{
    struct prompt *prompt = mem_zalloc(sizeof(*prompt));

    prompt->overlay.class = &prompt_class;
    prompt->label = mem_strdup(label);
    prompt->history = history;
    prompt->complete = completer;
    prompt->changed = changed;
    edit_set(&prompt->edit, text);
    prompt->fresh = prompt->edit.len > 0;
    return &prompt->overlay;
}

const char *prompt_text(const struct overlay *overlay)
{
    return ((const struct prompt *)overlay)->edit.text;
}
