/* The table of bindings: unique keys, changes from the config, help and man page from one source. */
#include "panels/data.h"
#include "tui/keymap.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void refused(struct keymap *keymap, const char *name, const char *key, const char *why)
{
    char *error = NULL;

    assert_false(keymap_override(keymap, name, key, &error));
    assert_non_null(strstr(error, why));
    free(error);
}

static void test_override(void **state)
{
    struct keymap keymap;
    char *error = NULL;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    assert_string_equal(keymap_find(&keymap, 'p', NULL)->name, "pause");
    assert_true(keymap_override(&keymap, "pause", "F5", &error));
    assert_null(keymap_find(&keymap, 'p', NULL));
    assert_string_equal(keymap_find(&keymap, KEYCODE_F1 + 4, NULL)->name, "pause");
    refused(&keymap, "pauze", "x", "no action is called 'pauze'");
    refused(&keymap, "pause", "Hyper-q", "is not a key");
    refused(&keymap, "pause", "q", "is the key of 'quit' already");
    keymap_free(&keymap);
}

static void test_a_panels_key_comes_first(void **state)
{
    struct keymap keymap;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    assert_string_equal(keymap_find(&keymap, 'b', "sessions")->name, "group");
    assert_null(keymap_find(&keymap, 'b', "alerts"));
    assert_string_equal(keymap_find(&keymap, 'q', "sessions")->name, "quit");
    keymap_free(&keymap);
}

/* Every key that changes a server is a capital; none of ours does, so those are few. */
static void test_every_binding_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < key_binding_count; i++) {
        assert_non_null(key_bindings[i].run);
        assert_true(key_bindings[i].keys[0] != 0);
        assert_true(strlen(key_bindings[i].help) > 3);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(key_bindings[i].name, key_bindings[k].name);
    }
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    struct strbuf text = {0};
    char part[4096];
    size_t n;

    if (!file)
        fail_msg("cannot read %s: run the tests in the project's folder", path);
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        strbuf_add(&text, part, n);
    fclose(file);
    return strbuf_take(&text);
}

/* The man page holds what the table says, to the letter. */
static void test_man_page_lists_the_keys(void **state)
{
    char *page = read_file("man/sharedtop.1");
    struct strbuf list = {0};
    struct keymap keymap;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    keymap_mdoc(&keymap, &list);
    if (!strstr(page, list.s))
        fail_msg("man/sharedtop.1 does not hold this list of keys:\n%s", list.s);
    strbuf_free(&list);
    keymap_free(&keymap);
    free(page);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_a_panels_key_comes_first),
        cmocka_unit_test(test_every_binding_is_complete),
        cmocka_unit_test(test_man_page_lists_the_keys),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
