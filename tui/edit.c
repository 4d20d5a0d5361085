#include "tui/edit.h"

#include "tui/screen.h"
#include "tui/text.h"

#include <string.h>

void edit_set(struct edit *edit, const char *text)
{
    edit->len = text_sanitise(edit->text, sizeof(edit->text), text, strlen(text), false, NULL);
    edit->cursor = edit->len;
}

static size_t before(const struct edit *edit, size_t at)
{
    size_t start = at > 0 ? at - 1 : 0;

    while (start > 0 && ((unsigned char)edit->text[start] & 0xC0) == 0x80)
        start--;
    return start;
}

static size_t after(const struct edit *edit, size_t at)
{
    uint32_t character;

    return at + text_next(edit->text + at, &character);
}

static size_t word_start(const struct edit *edit)
{
    size_t at = edit->cursor;

    while (at > 0 && edit->text[at - 1] == ' ')
        at--;
    while (at > 0 && edit->text[at - 1] != ' ')
        at--;
    return at;
}

static void erase(struct edit *edit, size_t from, size_t to)
{
    memmove(edit->text + from, edit->text + to, edit->len - to + 1);
    edit->len -= to - from;
    edit->cursor = from;
}

static void insert(struct edit *edit, const char *bytes, size_t len)
{
    char clean[INPUT_PASTE_MAX + 1];
    size_t room = sizeof(edit->text) - 1 - edit->len;
    size_t n = text_sanitise(clean, room + 1 < sizeof(clean) ? room + 1 : sizeof(clean), bytes, len,
                             false, NULL);

    memmove(edit->text + edit->cursor + n, edit->text + edit->cursor, edit->len - edit->cursor + 1);
    memcpy(edit->text + edit->cursor, clean, n);
    edit->len += n;
    edit->cursor += n;
}

static bool move_key(struct edit *edit, uint32_t key)
{
    switch (key) {
    case KEYCODE_LEFT:
    case 'b' & 0x1F: edit->cursor = before(edit, edit->cursor); return true;
    case KEYCODE_RIGHT:
    case 'f' & 0x1F: edit->cursor = after(edit, edit->cursor); return true;
    case KEYCODE_HOME:
    case 'a' & 0x1F: edit->cursor = 0; return true;
    case KEYCODE_END:
    case 'e' & 0x1F: edit->cursor = edit->len; return true;
    default: return false;
    }
}

static bool erase_key(struct edit *edit, uint32_t key)
{
    switch (key) {
    case KEYCODE_BACKSPACE: erase(edit, before(edit, edit->cursor), edit->cursor); return true;
    case KEYCODE_DELETE: erase(edit, edit->cursor, after(edit, edit->cursor)); return true;
    case 'w' & 0x1F: erase(edit, word_start(edit), edit->cursor); return true;
    case 'u' & 0x1F: erase(edit, 0, edit->cursor); return true;
    case 'k' & 0x1F: erase(edit, edit->cursor, edit->len); return true;
    default: return false;
    }
}

bool edit_key(struct edit *edit, uint32_t key, const struct input *input)
{
    char bytes[4];

    if (move_key(edit, key) || erase_key(edit, key))
        return true;
    if (key == KEYCODE_PASTE && input) {
        insert(edit, input->paste, input->paste_len);
        return true;
    }
    if (key < ' ' || key >= KEYCODE_UP)
        return false;
    insert(edit, bytes, text_encode(key, bytes));
    return true;
}

void edit_draw(const struct edit *edit, int y, int x, int columns, bool focus)
{
    char head[EDIT_MAX];
    size_t start = 0;
    int width;

    if (columns < 2)
        return;
    memcpy(head, edit->text, edit->cursor);
    head[edit->cursor] = '\0';
    while ((width = text_width(head + start)) >= columns)
        start = after(edit, start);
    draw_fill((struct rect){y, x, 1, columns}, ROLE_INPUT);
    draw_text(y, x, columns, ROLE_INPUT, edit->text + start);
    if (focus)
        draw_cursor(y, x + width);
}
