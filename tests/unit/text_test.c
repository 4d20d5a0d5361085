#include "tui/text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FFFD "\xEF\xBF\xBD"

static void check_clean(const char *in, size_t len, bool keep_lines, const char *want)
{
    char out[256];
    size_t used, n = text_sanitise(out, sizeof out, in, len, keep_lines, &used);

    assert_string_equal(out, want);
    assert_int_equal(n, strlen(want));
    assert_int_equal(used, len);
}

static void clean(const char *in, const char *want)
{
    check_clean(in, strlen(in), false, want);
}

static void keeps_what_is_safe(void **state)
{
    (void)state;
    clean("", "");
    clean("SELECT 1", "SELECT 1");
    clean("Größe 中文 ñ", "Größe 中文 ñ");
    clean("e\xCC\x81", "e\xCC\x81");
    clean("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80");
}

static void replaces_controls(void **state)
{
    (void)state;
    clean("a\033[2Jb", "a" FFFD "[2Jb");
    clean("\x01\x7F", FFFD FFFD);
    clean("a\tb\nc\rd\ve\ff", "a b c d e f");
    clean("\xC2\x9B"
          "31m",
          FFFD "31m"); /* CSI as one character */
    check_clean("a\0b", 3, false, "a" FFFD "b");
}

static void replaces_invisible(void **state)
{
    static const char *const hidden[] = {
        "\xD8\x9C",         "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAA", "\xE2\x80\xAE",
        "\xE2\x81\xA6",     "\xE2\x81\xA9", "\xE2\x80\x8B", "\xE2\x80\x8D", "\xEF\xBB\xBF",
        "\xC2\xAD",         "\xE2\x80\xA8", "\xEF\xB8\x8F", "\xE3\x85\xA4", "\xF3\xA0\x81\x81",
        "\xF3\xA0\x84\x80", "\xEF\xBF\xBF", "\xCD\xB8",     "\xE1\xA0\x8E", "\xF0\x9D\x85\xB3",
        "\xF4\x8F\xBF\xBF", "\xEF\xBF\xB9", "\xCD\x8F",     "\xE1\x85\x9F",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        char in[8];

        snprintf(in, sizeof in, "a%s", hidden[i]);
        clean(in, "a" FFFD);
    }
}

static void replaces_invalid_utf8(void **state)
{
    (void)state;
    clean("\x80", FFFD);
    clean("\xFF\xFE", FFFD FFFD);
    clean("\xC0\xAF", FFFD FFFD);          /* overlong / */
    clean("\xE0\x80\xAF", FFFD FFFD FFFD); /* overlong */
    clean("\xED\xA0\x80", FFFD FFFD FFFD); /* surrogate */
    clean("\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD);
    clean("\xE4\xB8", FFFD); /* cut */
    clean("\xE4\xB8"
          "a",
          FFFD "a");
    clean("\xF0\x9F\x98"
          "z",
          FFFD "z");
}

static void limits_combining(void **state)
{
    (void)state;
    clean("a\xCC\x80\xCC\x81\xCC\x82", "a\xCC\x80\xCC\x81" FFFD);
    clean("\xCC\x80"
          "a",
          FFFD "a");
    check_clean("a\n\xCC\x80", 4, true, "a\n" FFFD);
}

static void keeps_lines(void **state)
{
    (void)state;
    check_clean("a\r\nb\n\tc\rd", 9, true, "a\nb\n c d");
    check_clean("a\r\nb", 4, false, "a  b");
}

static void never_overruns_nor_splits(void **state)
{
    const char *in = "ab\xE4\xB8\xAD\xE6\x96\x87";
    char out[16];
    size_t used;

    (void)state;
    for (size_t size = 1; size <= 9; size++) {
        size_t want = size >= 9 ? 8 : size >= 6 ? 5 : size >= 3 ? 2 : size - 1;

        memset(out, 'x', sizeof out);
        assert_int_equal(text_sanitise(out, size, in, strlen(in), false, &used), want);
        assert_int_equal(used, want);
        assert_int_equal(out[want], '\0');
        assert_int_equal(out[size], 'x');
    }
    assert_int_equal(text_sanitise(out, 0, in, strlen(in), false, &used), 0);
    assert_int_equal(used, 0);
}

static void cleans_any_length(void **state)
{
    size_t len = 100000;
    char *in = malloc(len + 1), *out;

    (void)state;
    memset(in, '\x80', len);
    in[len] = '\0';
    out = text_clean(in, false);
    assert_int_equal(strlen(out), 3 * len);
    free(out);
    free(in);
    assert_null(text_clean(NULL, false));
    out = text_clean("plain", true);
    assert_string_equal(out, "plain");
    free(out);
}

static void decodes_and_encodes(void **state)
{
    static const uint32_t characters[] = {'a', 0x7F, 0x80, 0x7FF, 0x800, 0xFFFD, 0x10000, 0x10FFFF};

    (void)state;
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        char bytes[5] = "";
        uint32_t back;
        size_t len = text_encode(characters[i], bytes);

        assert_int_equal(text_next(bytes, &back), len);
        assert_int_equal(back, characters[i]);
        assert_int_equal(strlen(bytes), len);
    }
}

static void measures(void **state)
{
    int width;

    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("中文"), 4);
    assert_int_equal(text_width("e\xCC\x81"), 1);
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_fit("中文", 3, &width), 3);
    assert_int_equal(width, 2);
    assert_int_equal(text_fit("e\xCC\x81x", 1, &width), 3); /* the mark stays with its base */
    assert_int_equal(width, 1);
    assert_int_equal(text_fit("abc", 0, &width), 0);
    assert_int_equal(width, 0);
    assert_int_equal(text_fit("abc", -1, &width), 0);
}

static void column(const char *s, int columns, bool right, const char *want)
{
    char out[128];

    assert_int_equal(text_column(out, sizeof out, s, columns, right), strlen(want));
    assert_string_equal(out, want);
}

static void pads_and_cuts_columns(void **state)
{
    char small[5];

    (void)state;
    column("ab", 4, false, "ab  ");
    column("ab", 4, true, "  ab");
    column("abcd", 4, true, "abcd");
    column("abcde", 4, false, "abc…");
    column("中文字", 4, false, "中… ");
    column("中文字", 4, true, " 中…");
    column("abc", 1, false, "…");
    column("abc", 0, false, "");
    column("", 2, true, "  ");
    text_set_ascii(true);
    column("abcde", 4, false, "abc~");
    text_set_ascii(false);
    assert_int_equal(text_column(small, sizeof small, "a中文", 5, false), 4);
    assert_string_equal(small, "a中");
    assert_int_equal(text_column(small, sizeof small, "中文", 4, false), 3);
}

/* Joins the lines that text_wrap gives with |. */
static void wrap(const char *s, int width, const char *want)
{
    char out[256] = "";

    while (s) {
        size_t len;
        const char *next = text_wrap(s, width, &len);

        snprintf(out + strlen(out), sizeof out - strlen(out), "%.*s%s", (int)len, s,
                 next ? "|" : "");
        s = next;
    }
    assert_string_equal(out, want);
}

static void wraps(void **state)
{
    (void)state;
    wrap("", 5, "");
    wrap("one two three", 7, "one two|three");
    wrap("one two three", 8, "one two|three");
    wrap("abcdefgh", 3, "abc|def|gh");
    wrap("a\nb", 10, "a|b");
    wrap("a\n\nb\n", 10, "a||b");
    wrap("  indent", 20, "  indent");
    wrap("word    \nnext", 4, "word|next");
    wrap("word    ", 4, "word");
    wrap("中文字", 3, "中|文|字");
    wrap("中文", 1, "中|文");
    wrap("xe\xCC\x81y", 2, "xe\xCC\x81|y");
    wrap("ab   cdefgh", 4, "ab|cdef|gh");
    wrap("     abcdefgh", 4, "|abcd|efgh");
}

static void symbols_have_two_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < SYMBOLS; i++) {
        text_set_ascii(true);
        for (const char *c = text_symbol((enum symbol)i); *c; c++)
            assert_in_range(*c, 0x20, 0x7E);
        assert_true(*text_symbol((enum symbol)i));
        text_set_ascii(false);
        assert_in_range(text_width(text_symbol((enum symbol)i)), 1, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_safe),        cmocka_unit_test(replaces_controls),
        cmocka_unit_test(replaces_invisible),        cmocka_unit_test(replaces_invalid_utf8),
        cmocka_unit_test(limits_combining),          cmocka_unit_test(keeps_lines),
        cmocka_unit_test(never_overruns_nor_splits), cmocka_unit_test(cleans_any_length),
        cmocka_unit_test(decodes_and_encodes),       cmocka_unit_test(measures),
        cmocka_unit_test(pads_and_cuts_columns),     cmocka_unit_test(wraps),
        cmocka_unit_test(symbols_have_two_forms),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
