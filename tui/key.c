/* Names of keys, for help and config. */
#include "tui/input.h"
#include "tui/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct named {
    uint32_t key;
    const char *name;
};

/* The first name of a key is the one shown. */
static const struct named names[] = {
    {' ', "Space"},
    {KEYCODE_TAB, "Tab"},
    {KEYCODE_ENTER, "Enter"},
    {KEYCODE_ENTER, "Return"},
    {KEYCODE_ESC, "Esc"},
    {KEYCODE_ESC, "Escape"},
    {KEYCODE_BACKSPACE, "Backspace"},
    {KEYCODE_UP, "Up"},
    {KEYCODE_DOWN, "Down"},
    {KEYCODE_LEFT, "Left"},
    {KEYCODE_RIGHT, "Right"},
    {KEYCODE_HOME, "Home"},
    {KEYCODE_END, "End"},
    {KEYCODE_PGUP, "PgUp"},
    {KEYCODE_PGUP, "PageUp"},
    {KEYCODE_PGDN, "PgDn"},
    {KEYCODE_PGDN, "PageDown"},
    {KEYCODE_INSERT, "Insert"},
    {KEYCODE_DELETE, "Delete"},
    {KEYCODE_BACKTAB, "Shift-Tab"},
    {KEYCODE_F1, "F1"},
    {KEYCODE_F1 + 1, "F2"},
    {KEYCODE_F1 + 2, "F3"},
    {KEYCODE_F1 + 3, "F4"},
    {KEYCODE_F1 + 4, "F5"},
    {KEYCODE_F1 + 5, "F6"},
    {KEYCODE_F1 + 6, "F7"},
    {KEYCODE_F1 + 7, "F8"},
    {KEYCODE_F1 + 8, "F9"},
    {KEYCODE_F1 + 9, "F10"},
    {KEYCODE_F1 + 10, "F11"},
    {KEYCODE_F12, "F12"},
    {KEYCODE_PASTE, "Paste"},
    {KEYCODE_MOUSE, "Mouse"},
};

#define NAMES (sizeof names / sizeof *names)

static void base_name(uint32_t key, char *out, size_t size)
{
    char bytes[5] = "";

    for (size_t i = 0; i < NAMES; i++)
        if (names[i].key == key) {
            snprintf(out, size, "%s", names[i].name);
            return;
        }
    if (key > 0 && key < 0x20)
        snprintf(out, size, "Ctrl-%c", (int)(key + '@'));
    else if (key >= 0x20 && key < KEYCODE_UP) {
        text_encode(key, bytes);
        snprintf(out, size, "%s", bytes);
    } else
        snprintf(out, size, "?");
}

const char *key_name(uint32_t key, char *out, size_t size)
{
    char base[16];

    base_name(key & ~(uint32_t)KEYCODE_ALT, base, sizeof base);
    snprintf(out, size, "%s%s", key & KEYCODE_ALT ? "Alt-" : "", base);
    return out;
}

/* A control character by its letter, as the keyboard sends it. */
static bool control_key(const char *letter, uint32_t *key)
{
    int c = letter[0] >= 'a' && letter[0] <= 'z' ? letter[0] - 'a' + 'A' : letter[0];

    if (c <= '@' || c > '_' || letter[1])
        return false;
    *key = (uint32_t)(c - '@');
    if (*key == '\b')
        *key = KEYCODE_BACKSPACE;
    else if (*key == '\n')
        *key = KEYCODE_ENTER;
    return true;
}

static bool single_character(const char *name, uint32_t *key)
{
    size_t len = text_next(name, key);

    return len && !name[len] && *key != 0xFFFD && *key > 0x20 && *key != 0x7F &&
           (*key < 0x80 || *key >= 0xA0);
}

bool key_parse(const char *name, uint32_t *key)
{
    if (single_character(name, key))
        return true;
    if (!strncasecmp(name, "Alt-", 4)) {
        if (!key_parse(name + 4, key) || *key >= KEYCODE_UP)
            return false;
        *key |= KEYCODE_ALT;
        return true;
    }
    if (!strncasecmp(name, "Ctrl-", 5))
        return control_key(name + 5, key);
    if (name[0] == '^')
        return control_key(name + 1, key);
    for (size_t i = 0; i < NAMES; i++)
        if (!strcasecmp(names[i].name, name)) {
            *key = names[i].key;
            return true;
        }
    return false;
}
