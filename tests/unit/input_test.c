#include "tui/input.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds bytes and writes the names of the keys that come, each with a space after it. */
static const char *keys_of(struct input *input, const char *bytes, size_t len)
{
    static char names[512];
    char name[32];

    names[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        uint32_t key = input_byte(input, (unsigned char)bytes[i]);

        if (key != KEYCODE_NONE) {
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s ",
                     key_name(key, name, sizeof name));
        }
    }
    return names;
}

static void gives(const char *bytes, const char *want)
{
    struct input input = {0};

    assert_string_equal(keys_of(&input, bytes, strlen(bytes)), want);
    assert_false(input_pending(&input));
}

static void plain_keys(void **state)
{
    (void)state;
    gives("aK ~", "a K Space ~ ");
    gives("\r\n\t\b\x7F", "Enter Enter Tab Backspace Backspace ");
    gives("\x01\x0C\x1A\x1C", "Ctrl-A Ctrl-L Ctrl-Z Ctrl-\\ ");
    gives("é中\xF0\x9F\x98\x80", "é 中 \xF0\x9F\x98\x80 ");
}

static void invalid_bytes_are_no_keys(void **state)
{
    struct input input = {0};

    (void)state;
    gives("\x80\xFF\xC0x", "x ");
    gives("\xC3x", "x ");
    gives("\xC2\x9B"
          "A",
          "A ");                  /* a C1 control */
    gives("\xED\xA0\x80x", "x "); /* a surrogate */
    gives("\xEF\xBF\xBDx", "x ");
    assert_string_equal(keys_of(&input, "\0a", 2), "a ");
}

static void cursor_and_function_keys(void **state)
{
    (void)state;
    gives("\033[A\033[B\033[C\033[D", "Up Down Right Left ");
    gives("\033OA\033OB\033OC\033OD", "Up Down Right Left ");
    gives("\033[H\033[F\033OH\033OF\033[1~\033[4~\033[7~\033[8~",
          "Home End Home End Home End Home End ");
    gives("\033[2~\033[3~\033[5~\033[6~\033[Z", "Insert Delete PgUp PgDn Shift-Tab ");
    gives("\033OP\033OS\033[15~\033[17~\033[24~", "F1 F4 F5 F6 F12 ");
    gives("\033[[A\033[[E\033[11~", "F1 F5 F1 "); /* Linux console, rxvt */
    gives("\033[1;5A\033[5;2~\033[1;2P", "Up PgUp F1 ");
}

static void alt_keys(void **state)
{
    (void)state;
    gives("\033x\033X\033é", "Alt-x Alt-X Alt-é ");
    gives("\033\r\033\x7F", "Alt-Enter Alt-Backspace ");
}

static void unknown_sequences_leave_nothing(void **state)
{
    (void)state;
    gives("\033[?1;2cK", "K "); /* device attributes */
    gives("\033[>41;354;0cK", "K ");
    gives("\033[12;40RK", "K ");     /* cursor report, not F3 */
    gives("\033[IK\033[OK", "K K "); /* focus */
    gives("\033[99~K", "K ");
    gives("\033[97;5uK", "K ");
    gives("\033[1;2;3;4AK", "K ");
    gives("\033[?2026;2$yK", "K ");
    gives("\033]11;rgb:0000/0000/0000\007K", "K ");
    gives("\033]11;rgb:0000/0000/0000\033\\K", "K ");
    gives("\033P>|XTerm(379)\033\\K", "K ");
    gives("\033_Gi=1;OK\033\\K", "K ");
    gives("\033OjK", "K ");
}

static void long_sequences_are_dropped_whole(void **state)
{
    char bytes[512] = "\033[";

    (void)state;
    memset(bytes + 2, '1', 300);
    memcpy(bytes + 302, "AK", 3);
    gives(bytes, "K ");
    memset(bytes + 1, ']', 1);
    memcpy(bytes + 302, "\007K", 3);
    gives(bytes, "K ");
}

static void interrupted_sequences(void **state)
{
    (void)state;
    gives("\033[1;\033[A", "Up ");
    gives("\033[1\x03", "Ctrl-C ");
    gives("\033O\033[A", "Up ");
    gives("\033]x\033[A", "Up ");
}

static void lone_escape(void **state)
{
    struct input input = {0};

    (void)state;
    assert_string_equal(keys_of(&input, "\033", 1), "");
    assert_true(input_pending(&input));
    assert_int_equal(input_timeout(&input), KEYCODE_ESC);
    assert_false(input_pending(&input));
    assert_int_equal(input_timeout(&input), KEYCODE_NONE);
    assert_string_equal(keys_of(&input, "\033\033", 2), "Esc ");
    assert_int_equal(input_timeout(&input), KEYCODE_ESC);
    assert_string_equal(keys_of(&input, "\033\033[A", 4), "Esc Up ");
}

/* On a slow link a sequence comes in parts: its letters must never act as keys. */
static void late_rest_of_a_sequence(void **state)
{
    static const char *const parts[][2] = {
        {"\033[", "CK"}, {"\033[1;5", "CK"}, {"\033O", "CK"}, {"\033[<0;1", ";5MK"}};

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct input input = {0};

        assert_string_equal(keys_of(&input, parts[i][0], strlen(parts[i][0])), "");
        assert_true(input_pending(&input));
        assert_int_equal(input_timeout(&input), KEYCODE_NONE);
        assert_false(input_pending(&input));
        assert_string_equal(keys_of(&input, parts[i][1], strlen(parts[i][1])), "K ");
    }
}

/* A string that never ends must not eat the keyboard. */
static void unfinished_string_is_given_up(void **state)
{
    struct input input = {0};

    (void)state;
    assert_string_equal(keys_of(&input, "\033]", 2), "");
    assert_int_equal(input_timeout(&input), KEYCODE_NONE);
    assert_string_equal(keys_of(&input, "q", 1), "q ");
    assert_string_equal(keys_of(&input, "\xE4\xB8", 2), "");
    assert_false(input_pending(&input)); /* half a character waits as long as it takes */
    assert_string_equal(keys_of(&input, "\xAD", 1), "中 ");
}

static void mouse(void **state)
{
    struct input input = {0};

    (void)state;
    assert_string_equal(keys_of(&input, "\033[<0;10;20M", 11), "Mouse ");
    assert_int_equal(input.mouse.x, 9);
    assert_int_equal(input.mouse.y, 19);
    assert_int_equal(input.mouse.button, 1);
    assert_true(input.mouse.press);
    assert_string_equal(keys_of(&input, "\033[<2;1;1m", 9), "Mouse ");
    assert_int_equal(input.mouse.button, 3);
    assert_false(input.mouse.press);
    assert_string_equal(keys_of(&input, "\033[<69;1;1M", 10), "Mouse "); /* wheel down, shift */
    assert_int_equal(input.mouse.button, 5);
    assert_string_equal(keys_of(&input, "\033[M !\"", 6), "Mouse "); /* the old form */
    assert_int_equal(input.mouse.x, 0);
    assert_int_equal(input.mouse.y, 1);
    gives("\033[<35;5;5M\033[<0;0;5M\033[<0;5MK", "K "); /* motion; no such cell; short */
    gives("\033[<0;99999999999;5MK", "K ");
}

static void paste(void **state)
{
    struct input input = {0};
    const char *text = "DROP\033[A TABLE\n\033[20";

    (void)state;
    assert_string_equal(keys_of(&input, "\033[200~", 6), "");
    assert_string_equal(keys_of(&input, text, strlen(text)), "");
    assert_false(input_pending(&input));
    assert_string_equal(keys_of(&input, "x\033\033[201~K", 9), "Paste K ");
    assert_int_equal(input.paste_len, strlen(text) + 2);
    assert_memory_equal(input.paste, text, strlen(text));
    assert_string_equal(input.paste + strlen(text), "x\033");
}

static void long_paste_is_dropped(void **state)
{
    struct input input = {0};

    (void)state;
    keys_of(&input, "\033[200~", 6);
    for (int i = 0; i < INPUT_PASTE_MAX; i++)
        assert_int_equal(input_byte(&input, 'x'), KEYCODE_NONE);
    assert_string_equal(keys_of(&input, "\033[201~", 6), "Paste ");
    assert_int_equal(strlen(input.paste), INPUT_PASTE_MAX);
    keys_of(&input, "\033[200~", 6);
    for (int i = 0; i < 3 * INPUT_PASTE_MAX; i++)
        assert_int_equal(input_byte(&input, 'x'), KEYCODE_NONE);
    assert_string_equal(keys_of(&input, "\033[201~K", 7), "K ");
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (uint32_t key = 1; key <= KEYCODE_F12; key++) {
        char name[32];
        uint32_t back;

        if (key == '\b' || key == '\n' || (key >= 0x80 && key < 0xA0) || key == 0xFFFD ||
            (key >= 0xD800 && key < 0xE000) || (key > 0x3000 && key < KEYCODE_UP))
            continue;
        assert_true(key_parse(key_name(key, name, sizeof name), &back));
        assert_int_equal(back, key);
        if (key < KEYCODE_UP) {
            assert_true(key_parse(key_name(key | KEYCODE_ALT, name, sizeof name), &back));
            assert_int_equal(back, key | KEYCODE_ALT);
        }
    }
}

static void parses_other_spellings(void **state)
{
    static const struct {
        const char *name;
        uint32_t key;
    } good[] = {{"ctrl-l", 12},
                {"CTRL-L", 12},
                {"^L", 12},
                {"^", '^'},
                {"-", '-'},
                {"Alt--", '-' | KEYCODE_ALT},
                {"space", ' '},
                {"pagedown", KEYCODE_PGDN},
                {"Ctrl-H", KEYCODE_BACKSPACE},
                {"Ctrl-M", KEYCODE_ENTER},
                {"f10", KEYCODE_F1 + 9},
                {"ESCAPE", KEYCODE_ESC}};
    static const char *const bad[] = {"",       "F13", "Ctrl-",     "Ctrl-LL", "Ctrl-1", "Alt-",
                                      "Alt-Up", "xy",  "Alt-Alt-x", " ",       "\x80",   "^LL"};
    uint32_t key;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(key_parse(good[i].name, &key));
        assert_int_equal(key, good[i].key);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(key_parse(bad[i], &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_keys),
        cmocka_unit_test(invalid_bytes_are_no_keys),
        cmocka_unit_test(cursor_and_function_keys),
        cmocka_unit_test(alt_keys),
        cmocka_unit_test(unknown_sequences_leave_nothing),
        cmocka_unit_test(long_sequences_are_dropped_whole),
        cmocka_unit_test(interrupted_sequences),
        cmocka_unit_test(lone_escape),
        cmocka_unit_test(late_rest_of_a_sequence),
        cmocka_unit_test(unfinished_string_is_given_up),
        cmocka_unit_test(mouse),
        cmocka_unit_test(paste),
        cmocka_unit_test(long_paste_is_dropped),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(parses_other_spellings),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
