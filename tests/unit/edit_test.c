/* A line being typed: UTF-8, words, pastes that carry orders. */
#include "tui/edit.h"

#include <locale.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CONTROL(letter) ((letter)&0x1F)

static void type(struct edit *edit, const char *ascii)
{
    for (; *ascii; ascii++)
        assert_true(edit_key(edit, (unsigned char)*ascii, NULL));
}

static void test_typing_and_moving(void **state)
{
    struct edit edit = {0};

    (void)state;
    type(&edit, "view sesions");
    for (int i = 0; i < 4; i++)
        edit_key(&edit, KEYCODE_LEFT, NULL);
    type(&edit, "s");
    assert_string_equal(edit.text, "view sessions");
    edit_key(&edit, KEYCODE_END, NULL);
    edit_key(&edit, CONTROL('w'), NULL);
    assert_string_equal(edit.text, "view ");
    edit_key(&edit, CONTROL('u'), NULL);
    assert_string_equal(edit.text, "");
    assert_false(edit_key(&edit, KEYCODE_F1, NULL));
}

static void test_characters_of_several_bytes(void **state)
{
    struct edit edit = {0};

    (void)state;
    edit_key(&edit, 0xE4, NULL);    /* ä */
    edit_key(&edit, 0x20AC, NULL);  /* € */
    edit_key(&edit, 0x1F600, NULL); /* an emoji */
    assert_string_equal(edit.text, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    edit_key(&edit, KEYCODE_BACKSPACE, NULL);
    assert_string_equal(edit.text, "\xc3\xa4\xe2\x82\xac");
    edit_key(&edit, KEYCODE_HOME, NULL);
    edit_key(&edit, KEYCODE_DELETE, NULL);
    assert_string_equal(edit.text, "\xe2\x82\xac");
}

static void test_paste_is_one_clean_line(void **state)
{
    struct edit edit = {0};
    struct input input = {.paste_len = 11};

    (void)state;
    memcpy(input.paste, "a\nb\x1b[31mcde", 11);
    edit_key(&edit, KEYCODE_PASTE, &input);
    assert_null(strchr(edit.text, '\n'));
    assert_null(strchr(edit.text, 0x1b));
    assert_true(strncmp(edit.text, "a b", 3) == 0);
}

static void test_a_full_line_takes_no_more(void **state)
{
    struct edit edit = {0};

    (void)state;
    for (int i = 0; i < 3 * EDIT_MAX; i++)
        edit_key(&edit, 0x20AC, NULL);
    assert_true(edit.len < EDIT_MAX);
    assert_int_equal(edit.len % 3, 0);
    assert_int_equal(strlen(edit.text), edit.len);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typing_and_moving),
        cmocka_unit_test(test_characters_of_several_bytes),
        cmocka_unit_test(test_paste_is_one_clean_line),
        cmocka_unit_test(test_a_full_line_takes_no_more),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
