/* Text for cells: the one place where bytes from outside become safe to draw, widths in columns,
 * cutting to fit, and the units in which figures are shown. Locale: the caller has set LC_CTYPE to a
 * UTF-8 locale (main does). Nothing here allocates but text_clean. */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole number, fraction or text too long for what holds it is cut, never overrun. */
#define TEXT_UNIT_SIZE 32

/* Writes bytes in[0..len) to out as valid UTF-8 that holds no control character (C0, DEL, C1), no
 * bidirectional control (U+061C, 200E-200F, 202A-202E, 2066-2069), no other invisible or unassigned
 * character, and at most two combining characters on a base (none at the start): line feed, tab and
 * other C0 white space become a space (keep_lines: line feed stays, CR LF is one line feed, tab
 * becomes a space); what is left is replaced by U+FFFD. Never writes more than size bytes with the
 * NUL, never half a character. Returns the length written. *used (may be NULL) is how many bytes of
 * in were taken: less than len when out was full. */
size_t text_sanitise(char *out, size_t size, const char *in, size_t len, bool keep_lines,
                     size_t *used);

/* The same into new memory, of any length; NULL gives NULL. The caller frees it. */
char *text_clean(const char *in, bool keep_lines);

/* Decodes one character and returns its length in bytes (0 at the end); bytes that are not UTF-8 give
 * U+FFFD. text_encode is the inverse: it writes 1 to 4 bytes, no NUL. */
size_t text_next(const char *s, uint32_t *character);
size_t text_encode(uint32_t character, char *out);

/* Columns of one character (0 combining, 1, 2), and of sanitised text. */
int text_char_width(uint32_t character);
int text_width(const char *s);

/* How many bytes of sanitised s fit into columns; *width is what they take. Combining characters
 * stay with their base. */
size_t text_fit(const char *s, int columns, int *width);

/* Copies sanitised s cut to columns (with … at the end when cut, '~' in ASCII mode) and padded with
 * spaces to exactly columns, to the right or the left. out must hold 8 * columns + 8 bytes, else it
 * is cut shorter. Returns the length. */
size_t text_column(char *out, size_t size, const char *s, int columns, bool right);

/* Breaks sanitised text (lines kept) to lines of at most width columns, at spaces where it can.
 * Returns the start of the line after the one that begins at s (NULL: that was the last; a line feed
 * at the very end begins no other) and the length in bytes of the one at s in *len, without the line
 * feed or the trailing spaces it was broken at. */
const char *text_wrap(const char *s, int width, size_t *len);

/* ASCII mode: every function that draws a symbol uses 7-bit ones, and the screen shows other
 * characters as '?'. A process-wide setting, set once at the start. */
void text_set_ascii(bool ascii);
bool text_ascii(void);

/* The symbol in the current mode; never NULL. */
enum symbol {
    SYMBOL_ABSENT,          /* – or - */
    SYMBOL_ELLIPSIS,        /* … or ~ */
    SYMBOL_UP,              /* ● or * : an instance that is up */
    SYMBOL_DOWN,            /* ✗ or x */
    SYMBOL_STALE,           /* ◌ or ? */
    SYMBOL_CONNECTING,      /* ○ or o */
    SYMBOL_WARNING,         /* ▲ or ! */
    SYMBOL_CRITICAL,        /* ‼ or !! */
    SYMBOL_TAG,             /* ▪ or + */
    SYMBOL_SORT_ASCENDING,  /* ▴ or ^ */
    SYMBOL_SORT_DESCENDING, /* ▾ or v */
    SYMBOL_SEPARATOR,       /* │ or | */
    SYMBOL_PAUSE,           /* ‖ or = */
    SYMBOL_JOB,             /* ⟳ or @ : goes on */
    SYMBOL_DONE,            /* ✓ or + */
    SYMBOLS
};
const char *text_symbol(enum symbol symbol);

/* Units. out holds TEXT_UNIT_SIZE bytes; NAN or a negative value where none makes sense gives the
 * absent symbol. All return out. */
char *text_bytes(char *out, double bytes); /* 0, 512, 1.0k, 108M, 4.2G: at most 5 columns, 1024s */
char *text_count(char *out, double count); /* 0, 999, 10.2k, 1.3M: 1000s, at most 5 columns */
char *text_integer(char *out, int64_t value);   /* all digits, no grouping; negative is shown */
char *text_rate(char *out, double per_second);  /* 0.2, 12, 5.1k: no unit */
char *text_percent(char *out, double fraction); /* 0.994 → 99.4%, 1 → 100% */
char *text_duration(char *out, double seconds); /* 0.25s 3s 4m12s 2h03m 12d4h: at most 6 columns */
char *text_clock(char *out, double wall);       /* local HH:MM:SS of seconds since 1970 */

#endif
