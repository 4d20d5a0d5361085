#include "tui/input.h"

#include "tui/text.h"

#include <assert.h>
#include <string.h>

#define ESC 0x1B
#define BEL 0x07

static const char paste_end[] = "\033[201~";

static void reset(struct input *input)
{
    input->held_len = 0;
    input->skipping = false;
}

static void hold(struct input *input, unsigned char byte)
{
    assert(input->held_len < sizeof input->held);
    input->held[input->held_len++] = byte;
}

static void hold_anew(struct input *input, unsigned char byte)
{
    reset(input);
    hold(input, byte);
}

/* One byte that stands for itself. */
static uint32_t plain_key(unsigned char byte)
{
    switch (byte) {
    case '\b': return KEYCODE_BACKSPACE;
    case '\n': return KEYCODE_ENTER;
    default: return byte;
    }
}

static size_t utf8_len(unsigned char first)
{
    return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
}

static bool begins_utf8(unsigned char byte)
{
    return byte >= 0xC2 && byte <= 0xF4;
}

static uint32_t ground(struct input *input, unsigned char byte)
{
    reset(input);
    if (byte == ESC || begins_utf8(byte))
        hold(input, byte);
    else if (byte < 0x80)
        return plain_key(byte);
    return KEYCODE_NONE;
}

/* A further byte of a character that begins at held[start]. */
static uint32_t utf8_byte(struct input *input, unsigned char byte, size_t start)
{
    char bytes[5] = "";
    uint32_t character;

    if ((byte & 0xC0) != 0x80)
        return ground(input, byte);
    hold(input, byte);
    if (input->held_len - start < utf8_len(input->held[start]))
        return KEYCODE_NONE;
    memcpy(bytes, input->held + start, input->held_len - start);
    reset(input);
    text_next(bytes, &character);
    if (character < 0xA0 || character == 0xFFFD)
        return KEYCODE_NONE;
    return start ? character | KEYCODE_ALT : character;
}

/* ---- control sequences ---- */

/* Numbers between semicolons from s on; false for anything else. Absent ones stay 0. */
static bool numbers(const char *s, int *values, size_t count)
{
    size_t i = 0;

    memset(values, 0, count * sizeof *values);
    for (; *s; s++) {
        if (*s == ';')
            i++;
        else if (*s < '0' || *s > '9')
            return false;
        if (i >= count)
            return false;
        if (*s != ';' && (values[i] = values[i] * 10 + (*s - '0')) > 100000)
            return false;
    }
    return true;
}

static uint32_t letter_key(unsigned char final)
{
    switch (final) {
    case 'A':
    case 'a': return KEYCODE_UP;
    case 'B':
    case 'b': return KEYCODE_DOWN;
    case 'C':
    case 'c': return KEYCODE_RIGHT;
    case 'D':
    case 'd': return KEYCODE_LEFT;
    case 'H': return KEYCODE_HOME;
    case 'F': return KEYCODE_END;
    case 'P':
    case 'Q':
    case 'R':
    case 'S': return KEYCODE_F1 + final - 'P';
    case 'Z': return KEYCODE_BACKTAB;
    default: return KEYCODE_NONE;
    }
}

static uint32_t number_key(int number)
{
    static const uint32_t keys[] = {
        [1] = KEYCODE_HOME,    [2] = KEYCODE_INSERT,  [3] = KEYCODE_DELETE,   [4] = KEYCODE_END,
        [5] = KEYCODE_PGUP,    [6] = KEYCODE_PGDN,    [7] = KEYCODE_HOME,     [8] = KEYCODE_END,
        [11] = KEYCODE_F1,     [12] = KEYCODE_F1 + 1, [13] = KEYCODE_F1 + 2,  [14] = KEYCODE_F1 + 3,
        [15] = KEYCODE_F1 + 4, [17] = KEYCODE_F1 + 5, [18] = KEYCODE_F1 + 6,  [19] = KEYCODE_F1 + 7,
        [20] = KEYCODE_F1 + 8, [21] = KEYCODE_F1 + 9, [23] = KEYCODE_F1 + 10, [24] = KEYCODE_F12,
    };

    return (size_t)number < sizeof keys / sizeof *keys ? keys[number] : KEYCODE_NONE;
}

static uint32_t mouse_key(struct input *input, int code, int x, int y, bool press)
{
    int button = code & 3, wheel = code & 64;

    /* Modifiers (4, 8, 16) do not matter; motion (32) and further buttons (128) are not keys. */
    if (x < 1 || y < 1 || code & ~0x5F || (wheel && button > 1) || (!wheel && button == 3))
        return KEYCODE_NONE;
    input->mouse =
        (struct mouse){.y = y - 1, .x = x - 1, .button = button + (wheel ? 4 : 1), .press = press};
    return KEYCODE_MOUSE;
}

/* The old form: three bytes after CSI M; there a release does not say of which button. */
static uint32_t old_mouse_key(struct input *input)
{
    int code = input->held[3] - 32;
    bool press = (code & 3) != 3 || code & 64;

    return mouse_key(input, press ? code : code & ~3, input->held[4] - 32, input->held[5] - 32,
                     press);
}

/* A whole control sequence: its parameters and what ends it. */
static uint32_t csi_key(struct input *input, const char *parameters, unsigned char final)
{
    int values[3];

    if (parameters[0] == '[')
        return final >= 'A' && final <= 'E' ? KEYCODE_F1 + (uint32_t)(final - 'A') : KEYCODE_NONE;
    if (parameters[0] == '<') {
        if ((final != 'M' && final != 'm') || !numbers(parameters + 1, values, 3))
            return KEYCODE_NONE;
        return mouse_key(input, values[0], values[1], values[2], final == 'M');
    }
    /* The second number holds modifiers, which are not told apart. */
    if (!numbers(parameters, values, 2) || values[1] > 16)
        return KEYCODE_NONE;
    if (final == '~' && values[0] == 200) {
        input->pasting = true;
        input->paste_len = 0;
        return KEYCODE_NONE;
    }
    if (final == '~' || final == '^' || final == '@')
        return number_key(values[0]);
    return values[0] <= 1 ? letter_key(final) : KEYCODE_NONE;
}

static uint32_t csi_end(struct input *input, unsigned char final)
{
    char parameters[sizeof input->held];
    size_t len = input->held_len - 2;
    bool skipped = input->skipping;

    memcpy(parameters, input->held + 2, len);
    parameters[len] = '\0';
    reset(input);
    return skipped ? KEYCODE_NONE : csi_key(input, parameters, final);
}

static uint32_t csi_byte(struct input *input, unsigned char byte)
{
    size_t len = input->held_len;

    if (len >= 3 && input->held[2] == 'M') {
        hold(input, byte);
        if (len < 5)
            return KEYCODE_NONE;
        reset(input);
        return old_mouse_key(input);
    }
    if (byte < 0x20 || byte >= 0x80)
        return ground(input, byte);
    if (byte == 0x7F)
        return KEYCODE_NONE;
    if (len == 2 && !input->skipping && (byte == 'M' || byte == '[')) {
        hold(input, byte);
        return KEYCODE_NONE;
    }
    if (byte >= 0x40)
        return csi_end(input, byte);
    if (len < sizeof input->held - 1)
        hold(input, byte);
    else
        input->skipping = true;
    return KEYCODE_NONE;
}

static uint32_t ss3_byte(struct input *input, unsigned char byte)
{
    bool skipped = input->skipping;

    if (byte < 0x20 || byte >= 0x7F)
        return ground(input, byte);
    if (byte < 0x40) {
        if (input->held_len < sizeof input->held)
            hold(input, byte);
        return KEYCODE_NONE;
    }
    reset(input);
    if (skipped)
        return KEYCODE_NONE;
    return byte == 'M' ? KEYCODE_ENTER : letter_key(byte);
}

/* OSC, DCS and APC carry text up to BEL or ESC \. A held third byte is that ESC. */
static uint32_t string_byte(struct input *input, unsigned char byte)
{
    if (input->held_len == 3) {
        hold_anew(input, ESC);
        if (byte != '\\')
            return input_byte(input, byte);
        reset(input);
    } else if (byte == BEL) {
        reset(input);
    } else if (byte == ESC) {
        hold(input, byte);
    }
    return KEYCODE_NONE;
}

/* ---- escape ---- */

static uint32_t second_byte(struct input *input, unsigned char byte)
{
    if (byte == ESC)
        return KEYCODE_ESC; /* the first one; this one is held in its place */
    if (begins_utf8(byte) || (byte && strchr("[O]P_", byte))) {
        hold(input, byte);
        return KEYCODE_NONE;
    }
    reset(input);
    return byte && byte < 0x80 ? plain_key(byte) | KEYCODE_ALT : KEYCODE_NONE;
}

static uint32_t escape_byte(struct input *input, unsigned char byte)
{
    if (input->held_len == 1)
        return second_byte(input, byte);
    switch (input->held[1]) {
    case '[': return csi_byte(input, byte);
    case 'O': return ss3_byte(input, byte);
    default:
        return begins_utf8(input->held[1]) ? utf8_byte(input, byte, 1) : string_byte(input, byte);
    }
}

/* ---- bracketed paste ---- */

static void paste_add(struct input *input, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len && input->paste_len <= INPUT_PASTE_MAX; i++)
        input->paste[input->paste_len++] = (char)bytes[i];
}

/* held is what has come of paste_end so far. */
static uint32_t paste_byte(struct input *input, unsigned char byte)
{
    if (byte != (unsigned char)paste_end[input->held_len]) {
        paste_add(input, input->held, input->held_len);
        input->held_len = 0;
    }
    if (byte != (unsigned char)paste_end[input->held_len]) {
        paste_add(input, &byte, 1);
        return KEYCODE_NONE;
    }
    hold(input, byte);
    if (paste_end[input->held_len])
        return KEYCODE_NONE;
    reset(input);
    input->pasting = false;
    if (input->paste_len > INPUT_PASTE_MAX)
        return KEYCODE_NONE;
    input->paste[input->paste_len] = '\0';
    return KEYCODE_PASTE;
}

uint32_t input_byte(struct input *input, unsigned char byte)
{
    if (input->pasting)
        return paste_byte(input, byte);
    if (!input->held_len)
        return ground(input, byte);
    if (input->held[0] == ESC)
        return escape_byte(input, byte);
    return utf8_byte(input, byte, 0);
}

static bool in_sequence(const struct input *input)
{
    return input->held_len > 1 && (input->held[1] == '[' || input->held[1] == 'O');
}

bool input_pending(const struct input *input)
{
    if (input->pasting || !input->held_len || input->held[0] != ESC)
        return false;
    return !(input->skipping && in_sequence(input));
}

uint32_t input_timeout(struct input *input)
{
    if (!input_pending(input))
        return KEYCODE_NONE;
    if (in_sequence(input)) {
        /* On a slow link the rest is still to come: its letters are no keys. */
        input->held_len = 2;
        input->skipping = true;
        return KEYCODE_NONE;
    }
    if (input->held_len == 1) {
        reset(input);
        return KEYCODE_ESC;
    }
    reset(input);
    return KEYCODE_NONE;
}
