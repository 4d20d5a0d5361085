/* What text_sanitise lets through is valid, visible, and measured alike by everything after it. */
#include "tui/frame.h"
#include "tui/screen.h"
#include "tui/text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// NOLINTNEXTLINE(readability-non-const-parameter)
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    frame_resize(2, 20);
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_characters(const char *s, bool keep_lines)
{
    int marks = 2; /* none may come first */

    while (*s) {
        uint32_t character;
        size_t len = text_next(s, &character);
        int width = wcwidth((wchar_t)character);
        char bytes[4];

        require(text_encode(character, bytes) == len && !memcmp(bytes, s, len));
        if (character == '\n') {
            require(keep_lines);
            marks = 2;
        } else {
            require(width >= 0 && character >= 0x20);
            marks = width ? 0 : marks + 1;
            require(marks <= 2);
        }
        s += len;
    }
}

static void check_layout(const char *s, int columns)
{
    char line[8 * 40 + 8];
    int width;
    size_t fit = text_fit(s, columns, &width);

    require(width <= columns && fit <= strlen(s));
    text_column(line, sizeof line, s, columns, false);
    require(text_width(line) == columns);
    draw_clear();
    require(draw_text(0, 0, columns, ROLE_TEXT, s) <= columns);
    draw_text(1, -3, 40, ROLE_TEXT, s);
    free(frame_text());
}

static void check_wrap(const char *s, int width)
{
    const char *end = s + strlen(s);

    while (s) {
        size_t len;
        const char *next = text_wrap(s, width, &len);

        require(s + len <= end && (!next || next > s));
        s = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool keep_lines = size && data[0] & 1;
    int columns = size ? data[0] >> 3 : 0; /* 0 to 31 */
    size_t out_size = size ? 1 + data[0] % 64 : 1, used;
    const char *in = (const char *)(size ? data + 1 : data);
    char *out = malloc(out_size), *text, *clean;

    size -= size > 0;
    text_sanitise(out, out_size, in, size, keep_lines, &used);
    require(used <= size);
    check_characters(out, keep_lines);
    free(out);

    text = malloc(size + 1);
    memcpy(text, in, size);
    text[size] = '\0';
    clean = text_clean(text, keep_lines);
    check_characters(clean, keep_lines);
    check_wrap(clean, columns);
    if (!keep_lines)
        check_layout(clean, columns < 20 ? columns : 20);
    draw_text(0, 0, 20, ROLE_TEXT, text); /* not sanitised: harmless all the same */
    free(clean);
    free(text);
    return 0;
}
