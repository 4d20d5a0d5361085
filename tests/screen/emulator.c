#include "tests/screen/emulator.h"

#include "backend/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <vterm.h>

struct emulator {
    VTerm *vterm;
    VTermScreen *screen;
    bool alternate, cursor_visible, mouse;
    unsigned bells;
};

static int on_property(VTermProp property, VTermValue *value, void *user)
{
    struct emulator *emulator = user;
    switch (property) {
    case VTERM_PROP_ALTSCREEN: emulator->alternate = value->boolean; break;
    case VTERM_PROP_CURSORVISIBLE: emulator->cursor_visible = value->boolean; break;
    case VTERM_PROP_MOUSE: emulator->mouse = value->number != VTERM_PROP_MOUSE_NONE; break;
    default: break;
    }
    return 1;
}

static int on_bell(void *user)
{
    struct emulator *emulator = user;
    emulator->bells++;
    return 1;
}

static const VTermScreenCallbacks callbacks = {.settermprop = on_property, .bell = on_bell};

struct emulator *emulator_new(int rows, int columns)
{
    VTERM_CHECK_VERSION;
    struct emulator *emulator = mem_zalloc(sizeof(*emulator));
    emulator->vterm = vterm_new(rows, columns);
    emulator->cursor_visible = true;
    vterm_set_utf8(emulator->vterm, 1);
    emulator->screen = vterm_obtain_screen(emulator->vterm);
    vterm_screen_set_callbacks(emulator->screen, &callbacks, emulator);
    vterm_screen_enable_altscreen(emulator->screen, 1);
    vterm_screen_reset(emulator->screen, 1);
    return emulator;
}

void emulator_free(struct emulator *emulator)
{
    if (emulator) {
        vterm_free(emulator->vterm);
        free(emulator);
    }
}

void emulator_feed(struct emulator *emulator, const char *bytes, size_t len)
{
    vterm_input_write(emulator->vterm, bytes, len);
    vterm_screen_flush_damage(emulator->screen);
}

void emulator_resize(struct emulator *emulator, int rows, int columns)
{
    vterm_set_size(emulator->vterm, rows, columns);
}

void emulator_size(const struct emulator *emulator, int *rows, int *columns)
{
    vterm_get_size(emulator->vterm, rows, columns);
}

void emulator_key(struct emulator *emulator, enum emulator_key key)
{
    static const VTermKey keys[] = {
        [EMULATOR_ENTER] = VTERM_KEY_ENTER,
        [EMULATOR_TAB] = VTERM_KEY_TAB,
        [EMULATOR_BACKSPACE] = VTERM_KEY_BACKSPACE,
        [EMULATOR_ESCAPE] = VTERM_KEY_ESCAPE,
        [EMULATOR_UP] = VTERM_KEY_UP,
        [EMULATOR_DOWN] = VTERM_KEY_DOWN,
        [EMULATOR_LEFT] = VTERM_KEY_LEFT,
        [EMULATOR_RIGHT] = VTERM_KEY_RIGHT,
        [EMULATOR_HOME] = VTERM_KEY_HOME,
        [EMULATOR_END] = VTERM_KEY_END,
        [EMULATOR_PAGE_UP] = VTERM_KEY_PAGEUP,
        [EMULATOR_PAGE_DOWN] = VTERM_KEY_PAGEDOWN,
        [EMULATOR_INSERT] = VTERM_KEY_INS,
        [EMULATOR_DELETE] = VTERM_KEY_DEL,
    };
    VTermKey code =
        key >= EMULATOR_F1 ? (VTermKey)(VTERM_KEY_FUNCTION(1 + (key - EMULATOR_F1))) : keys[key];
    vterm_keyboard_key(emulator->vterm, code, VTERM_MOD_NONE);
}

size_t emulator_output(struct emulator *emulator, char *out, size_t size)
{
    return vterm_output_read(emulator->vterm, out, size);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void cell_text(const VTermScreenCell *from, char *out)
{
    size_t len = 0;
    if (from->chars[0] == (uint32_t)-1) { /* the right half of a wide character */
        out[0] = '\0';
        return;
    }
    for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && from->chars[i]; i++) {
        len += put_utf8(out + len, from->chars[i]);
    }
    if (len == 0) {
        out[len++] = ' ';
    }
    out[len] = '\0';
}

static int colour_of(const VTermColor *colour, bool is_default)
{
    if (is_default) {
        return EMULATOR_DEFAULT_COLOUR;
    }
    if (VTERM_COLOR_IS_INDEXED(colour)) {
        return colour->indexed.idx;
    }
    return EMULATOR_RGB | colour->rgb.red << 16 | colour->rgb.green << 8 | colour->rgb.blue;
}

void emulator_cell(const struct emulator *emulator, int row, int column, struct emulator_cell *cell)
{
    VTermScreenCell from;
    *cell = (struct emulator_cell){.fg = EMULATOR_DEFAULT_COLOUR, .bg = EMULATOR_DEFAULT_COLOUR};
    if (!vterm_screen_get_cell(emulator->screen, (VTermPos){row, column}, &from)) {
        return;
    }
    cell_text(&from, cell->text);
    cell->width = (unsigned char)from.width;
    cell->fg = colour_of(&from.fg, VTERM_COLOR_IS_DEFAULT_FG(&from.fg));
    cell->bg = colour_of(&from.bg, VTERM_COLOR_IS_DEFAULT_BG(&from.bg));
    cell->bold = from.attrs.bold;
    cell->underline = from.attrs.underline != 0;
    cell->italic = from.attrs.italic;
    cell->blink = from.attrs.blink;
    cell->reverse = from.attrs.reverse;
}

void emulator_row(const struct emulator *emulator, int row, struct strbuf *out)
{
    int rows, columns;
    size_t end = out->len;
    emulator_size(emulator, &rows, &columns);
    strbuf_adds(out, "");
    for (int column = 0; column < columns; column++) {
        VTermScreenCell cell;
        char text[8 * VTERM_MAX_CHARS_PER_CELL];
        if (!vterm_screen_get_cell(emulator->screen, (VTermPos){row, column}, &cell)) {
            break;
        }
        cell_text(&cell, text);
        strbuf_adds(out, text);
        if (strcmp(text, " ") != 0 && text[0]) {
            end = out->len;
        }
    }
    out->len = end;
    out->s[end] = '\0';
}

bool emulator_alternate(const struct emulator *emulator)
{
    return emulator->alternate;
}

bool emulator_cursor_visible(const struct emulator *emulator)
{
    return emulator->cursor_visible;
}

bool emulator_mouse(const struct emulator *emulator)
{
    return emulator->mouse;
}

void emulator_cursor(const struct emulator *emulator, int *row, int *column)
{
    VTermPos at;
    vterm_state_get_cursorpos(vterm_obtain_state(emulator->vterm), &at);
    *row = at.row;
    *column = at.col;
}

unsigned emulator_bells(const struct emulator *emulator)
{
    return emulator->bells;
}
