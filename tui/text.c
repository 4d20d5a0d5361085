#include "tui/text.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <wchar.h>

#define REPLACEMENT 0xFFFD
#define MAX_MARKS   2

static bool ascii_mode;

struct range {
    uint32_t first, last;
};

/* Characters that take no ink, or that reorder what stands around them: format controls, fillers,
 * variation selectors, tags. All are above U+007F. */
static const struct range invisible[] = {
    {0x80, 0x9F},       {0xAD, 0xAD},       {0x34F, 0x34F},     {0x600, 0x605},
    {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},
    {0x8E2, 0x8E2},     {0x115F, 0x115F},   {0x17B4, 0x17B5},   {0x180B, 0x180F},
    {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},   {0x3164, 0x3164},
    {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},
    {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

static bool is_invisible(uint32_t character)
{
    size_t low = 0, high = sizeof invisible / sizeof *invisible;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (character > invisible[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof invisible / sizeof *invisible && character >= invisible[low].first;
}

/* How many bytes a sequence has by its first byte, its bits, and the lowest character that needs
 * that many; 0 for a byte that begins none. */
static size_t sequence(unsigned char first, uint32_t *bits, uint32_t *lowest)
{
    if (first >= 0xC2 && first <= 0xDF) {
        *bits = first & 0x1F;
        *lowest = 0x80;
        return 2;
    }
    if ((first & 0xF0) == 0xE0) {
        *bits = first & 0x0F;
        *lowest = 0x800;
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        *bits = first & 0x07;
        *lowest = 0x10000;
        return 4;
    }
    return 0;
}

/* Decodes at in (len > 0). Returns the bytes taken; bytes that are not UTF-8 give U+FFFD and *valid
 * false, and take as many as could have begun a character. */
static size_t decode(const char *in, size_t len, uint32_t *character, bool *valid)
{
    const unsigned char *bytes = (const unsigned char *)in;
    uint32_t value = 0, lowest = 0;
    size_t need, i;

    *valid = true;
    if (bytes[0] < 0x80) {
        *character = bytes[0];
        return 1;
    }
    *valid = false;
    *character = REPLACEMENT;
    need = sequence(bytes[0], &value, &lowest);
    for (i = 1; i < need; i++) {
        if (i >= len || (bytes[i] & 0xC0) != 0x80)
            return i;
        value = value << 6 | (bytes[i] & 0x3F);
        /* Overlong, surrogate and too large forms already show in the second byte. */
        if (i == 1 && ((need == 3 && (value < 0x20 || (value >= 0x360 && value <= 0x37F))) ||
                       (need == 4 && (value < 0x10 || value > 0x10F))))
            return 1;
    }
    if (!need)
        return 1;
    *character = value;
    *valid = value >= lowest;
    return need;
}

size_t text_encode(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xC0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xE0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3F));
        out[2] = (char)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (char)(0x80 | (character & 0x3F));
    return 4;
}

static bool is_blank_control(uint32_t character)
{
    return character >= '\t' && character <= '\r';
}

/* What stands for character in safe text; *marks counts the combining ones on the current base
 * (-1: there is no base). */
static uint32_t safe(uint32_t character, bool keep_lines, int *marks)
{
    int width;

    if (character == '\n' && keep_lines) {
        *marks = -1;
        return '\n';
    }
    if (character >= 0x20 && character < 0x7F) {
        *marks = 0;
        return character;
    }
    if (is_blank_control(character)) {
        *marks = 0;
        return ' ';
    }
    width = character < 0x80 || is_invisible(character) ? -1 : wcwidth((wchar_t)character);
    if (width == 0 && *marks >= 0 && *marks < MAX_MARKS) {
        ++*marks;
        return character;
    }
    *marks = 0;
    return width > 0 ? character : REPLACEMENT;
}

/* How many bytes from in can be taken over as they are. */
static size_t plain_run(const char *in, size_t len)
{
    size_t i = 0;

    while (i < len && in[i] >= 0x20 && in[i] < 0x7F)
        i++;
    return i;
}

size_t text_sanitise(char *out, size_t size, const char *in, size_t len, bool keep_lines,
                     size_t *used)
{
    size_t written = 0, taken = 0;
    int marks = -1;

    while (size && taken < len) {
        size_t room = size - 1 - written;
        size_t run = plain_run(in + taken, len - taken < room ? len - taken : room);
        uint32_t character;
        bool valid;
        char bytes[4];
        size_t got, put;

        if (run) {
            memcpy(out + written, in + taken, run);
            written += run;
            taken += run;
            marks = 0;
            continue;
        }
        got = decode(in + taken, len - taken, &character, &valid);
        if (keep_lines && character == '\r' && taken + 1 < len && in[taken + 1] == '\n') {
            got = 2;
            character = '\n';
        }
        put = text_encode(safe(character, keep_lines, &marks), bytes);
        if (put > room)
            break;
        memcpy(out + written, bytes, put);
        written += put;
        taken += got;
    }
    if (size)
        out[written] = '\0';
    if (used)
        *used = taken;
    return written;
}

char *text_clean(const char *in, bool keep_lines)
{
    size_t len = in ? strlen(in) : 0;
    char *out;

    if (!in || plain_run(in, len) == len)
        return mem_strdup(in);
    /* U+FFFD for one byte is the worst case: three bytes. */
    out = mem_array(NULL, len + 1, 3);
    len = text_sanitise(out, 3 * len + 1, in, len, keep_lines, NULL);
    return mem_array(out, len + 1, 1);
}

size_t text_next(const char *s, uint32_t *character)
{
    bool valid;

    if (!*s) {
        *character = 0;
        return 0;
    }
    return decode(s, 4, character, &valid); /* the NUL ends a sequence that is cut */
}

int text_char_width(uint32_t character)
{
    int width;

    if (character >= 0x20 && character < 0x7F)
        return 1;
    width = wcwidth((wchar_t)character);
    return width < 0 ? 1 : width; /* drawn as U+FFFD */
}

int text_width(const char *s)
{
    int width;

    text_fit(s, INT_MAX, &width);
    return width;
}

size_t text_fit(const char *s, int columns, int *width)
{
    size_t taken = 0;
    int total = 0;

    for (;;) {
        uint32_t character;
        size_t len = text_next(s + taken, &character);
        int wide = len ? text_char_width(character) : 0;

        if (!len || wide > columns - total)
            break;
        taken += len;
        total += wide;
    }
    *width = total;
    return taken;
}

/* ---- columns ---- */

struct line {
    char *out;
    size_t size, len;
};

static void line_pad(struct line *line, int columns)
{
    size_t room = line->size - 1 - line->len;
    size_t n = columns < 0 ? 0 : (size_t)columns;

    n = n < room ? n : room;
    memset(line->out + line->len, ' ', n);
    line->len += n;
}

static void line_add(struct line *line, const char *s, size_t len)
{
    size_t room = line->size - 1 - line->len;

    if (len > room)
        for (len = room; len && ((unsigned char)s[len] & 0xC0) == 0x80; len--)
            ;
    memcpy(line->out + line->len, s, len);
    line->len += len;
}

size_t text_column(char *out, size_t size, const char *s, int columns, bool right)
{
    struct line line = {.out = out, .size = size};
    int width;
    size_t fit = text_fit(s, columns, &width);
    bool cut = s[fit] != '\0' && columns > 0;

    if (!size)
        return 0;
    if (cut)
        fit = text_fit(s, columns - 1, &width);
    if (right)
        line_pad(&line, columns - width - cut);
    line_add(&line, s, columns > 0 ? fit : 0);
    if (cut)
        line_add(&line, text_symbol(SYMBOL_ELLIPSIS), strlen(text_symbol(SYMBOL_ELLIPSIS)));
    if (!right)
        line_pad(&line, columns - width - cut);
    out[line.len] = '\0';
    return line.len;
}

/* ---- wrapping ---- */

/* The end of what fits of the line at s; *space is the last space in it. */
static const char *line_end(const char *s, int width, const char **space)
{
    const char *end = s;
    int total = 0;

    *space = NULL;
    while (*end && *end != '\n') {
        uint32_t character;
        size_t len = text_next(end, &character);

        total += text_char_width(character);
        if (total > width && end > s)
            break;
        if (character == ' ')
            *space = end;
        end += len;
    }
    return end;
}

static size_t without_spaces(const char *s, const char *end)
{
    while (end > s && end[-1] == ' ')
        end--;
    return (size_t)(end - s);
}

const char *text_wrap(const char *s, int width, size_t *len)
{
    const char *space, *end = line_end(s, width < 1 ? 1 : width, &space);

    *len = (size_t)(end - s);
    if (*end && *end != '\n') {
        if (*end != ' ' && space && without_spaces(s, space))
            end = space;
        if (*end == ' ')
            *len = without_spaces(s, end);
        while (*end == ' ')
            end++;
        if (*end && *end != '\n')
            return end;
    }
    return *end && end[1] ? end + 1 : NULL;
}

/* ---- symbols ---- */

void text_set_ascii(bool ascii)
{
    ascii_mode = ascii;
}

bool text_ascii(void)
{
    return ascii_mode;
}

const char *text_symbol(enum symbol symbol)
{
    static const char *const symbols[SYMBOLS][2] = {
        [SYMBOL_ABSENT] = {"–", "-"},
        [SYMBOL_ELLIPSIS] = {"…", "~"},
        [SYMBOL_UP] = {"●", "*"},
        [SYMBOL_DOWN] = {"✗", "x"},
        [SYMBOL_STALE] = {"◌", "?"},
        [SYMBOL_CONNECTING] = {"○", "o"},
        [SYMBOL_WARNING] = {"▲", "!"},
        [SYMBOL_CRITICAL] = {"‼", "!!"},
        [SYMBOL_TAG] = {"▪", "+"},
        [SYMBOL_SORT_ASCENDING] = {"▴", "^"},
        [SYMBOL_SORT_DESCENDING] = {"▾", "v"},
        [SYMBOL_SEPARATOR] = {"│", "|"},
        [SYMBOL_PAUSE] = {"‖", "="},
        [SYMBOL_JOB] = {"⟳", "@"},
        [SYMBOL_DONE] = {"✓", "+"},
    };

    assert(symbol < SYMBOLS);
    return symbols[symbol][ascii_mode];
}
