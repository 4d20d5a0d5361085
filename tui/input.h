/* Bytes from a terminal → keys. Pure, never waits: a lone ESC is told from a sequence by the
 * caller's timer. Unknown sequences are dropped whole, so no part of one is ever taken for a key. */
#ifndef TUI_INPUT_H
#define TUI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key is a Unicode character, a control character as itself (Ctrl-A is 1), or one of these. */
enum keycode {
    KEYCODE_NONE = 0,
    KEYCODE_TAB = 9,
    KEYCODE_ENTER = 13, /* LF comes as this too */
    KEYCODE_ESC = 27,
    KEYCODE_BACKSPACE = 127, /* BS comes as this too */
    KEYCODE_UP = 0x110000,
    KEYCODE_DOWN,
    KEYCODE_LEFT,
    KEYCODE_RIGHT,
    KEYCODE_HOME,
    KEYCODE_END,
    KEYCODE_PGUP,
    KEYCODE_PGDN,
    KEYCODE_INSERT,
    KEYCODE_DELETE,
    KEYCODE_BACKTAB,
    KEYCODE_F1, /* F1 to F12 follow each other */
    KEYCODE_F12 = KEYCODE_F1 + 11,
    KEYCODE_PASTE,          /* bracketed paste: the text is in input.paste */
    KEYCODE_MOUSE,          /* the event is in input.mouse */
    KEYCODE_ALT = 0x1000000 /* or-ed to a character: Alt or Meta */
};

struct mouse {
    int y, x;   /* cell, from 0 */
    int button; /* 1 left, 2 middle, 3 right, 4 wheel up, 5 wheel down */
    bool press;
};

#define INPUT_PASTE_MAX 4096 /* a longer paste is dropped whole */

struct input {
    unsigned char held[64]; /* an unfinished sequence */
    size_t held_len;
    bool skipping; /* in a sequence too long or too late to use: drop to its end */
    bool pasting;
    char paste[INPUT_PASTE_MAX + 1];
    size_t paste_len;
    struct mouse mouse;
};

/* Takes one byte. Returns the key that it completes, or KEYCODE_NONE. */
uint32_t input_byte(struct input *input, unsigned char byte);

/* True while an unfinished sequence is held: start a timer of about 30 ms, then call input_timeout,
 * which returns KEYCODE_ESC for a lone ESC and drops anything else; what still comes of a control
 * sequence after that is dropped too. */
bool input_pending(const struct input *input);
uint32_t input_timeout(struct input *input);

/* "F1", "Ctrl-L", "Space", "PgDn", "k", "Alt-x": for help and config. key_parse is its inverse
 * (case of names does not matter; a single character is itself). */
const char *key_name(uint32_t key, char *out, size_t size);
bool key_parse(const char *name, uint32_t *key);

#endif
