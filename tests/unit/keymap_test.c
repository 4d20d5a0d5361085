/* The table of bindings: unique keys, changes from the config, help and man page from one source. */
#include "panels/acts.h"
#include "panels/containers.h"
#include "panels/shell.h"
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
    assert_string_equal(keymap_find(&keymap, 'N', "databases")->name, "createdb");
    assert_string_equal(keymap_find(&keymap, 'N', "sessions")->name, "previous-match");
    assert_string_equal(keymap_find(&keymap, 'C', "queries")->name, "cancel");
    assert_string_equal(keymap_find(&keymap, 'C', "jobs")->name, "cancel-job");
    assert_string_equal(keymap_find(&keymap, 'R', "jobs")->name, "replace");
    assert_string_equal(keymap_find(&keymap, 'R', "alerts")->name, "restore");
    assert_string_equal(keymap_find(&keymap, 'X', "containers")->name, "restart-container");
    assert_string_equal(keymap_find(&keymap, 'X', "redis")->name, "restart");
    assert_string_equal(keymap_find(&keymap, 'P', "containers")->name, "container-shell");
    assert_string_equal(keymap_find(&keymap, 'P', "alerts")->name, "shell");
    assert_string_equal(keymap_find(&keymap, 'L', "containers")->name, "container-logs");
    keymap_free(&keymap);
}

/* The man page's words about the views are the views' names, in their order. */
static void test_digits_open_the_views_that_they_name(void **state)
{
    struct keymap keymap;
    char key[32], word[80];
    int digit = 2;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    for (size_t i = 0; i < panel_list_count && digit <= 10; i++) {
        const struct panel_class *class = panel_list[i];
        const struct binding *binding;

        if (!class->view)
            continue;
        snprintf(key, sizeof(key), "view-%d", digit);
        snprintf(word, sizeof(word), "(%s)", class->title);
        binding = keymap_by_name(&keymap, key);
        if (!binding) {
            fail_msg("no binding is called %s", key);
            return;
        }
        assert_int_equal(binding->keys[0], '0' + digit % 10);
        assert_int_equal(binding->argument, digit - 1);
        if (!strstr(binding->help, word))
            fail_msg("%s: '%s' does not name %s", key, binding->help, word);
        digit++;
    }
    assert_int_equal(digit, 11);
    keymap_free(&keymap);
}

static void test_a_key_is_refused_in_any_panel_that_has_it(void **state)
{
    struct keymap keymap;
    char *error = NULL;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    refused(&keymap, "terminate", "b", "is the key of 'group' already"); /* in Sessions */
    refused(&keymap, "terminate", "C", "is the key of 'cancel' already");
    assert_true(keymap_override(&keymap, "terminate", "F", &error)); /* another panel's */
    assert_string_equal(keymap_find(&keymap, 'F', "queries")->name, "terminate");
    assert_string_equal(keymap_find(&keymap, 'F', "keyspace")->name, "flush");
    keymap_free(&keymap);
}

static bool is_shell(const struct binding *binding)
{
    return binding->run == shell_key || binding->run == containers_shell_key;
}

static bool changes_a_server(const struct binding *binding)
{
    return binding->run == acts_key || binding->run == acts_replace_key || is_shell(binding) ||
           binding->run == containers_restart_key;
}

/* A slip of the finger is a small letter: every key that changes a server is a capital, but for u,
 * which only takes back. */
static void test_keys_of_acts_are_capitals(void **state)
{
    bool reached[ACTS] = {false};
    size_t changing = 0;

    (void)state;
    for (size_t i = 0; i < key_binding_count; i++) {
        const struct binding *binding = &key_bindings[i];

        if (!changes_a_server(binding))
            continue;
        changing++;
        for (int k = 0; k < KEYMAP_KEYS_MAX && binding->keys[k]; k++) {
            bool undo = binding->run == acts_key && binding->argument == ACT_UNDO_FLUSH;

            if (!undo && (binding->keys[k] < 'A' || binding->keys[k] > 'Z'))
                fail_msg("'%s' changes a server and is no capital", binding->name);
        }
        if (!is_shell(binding))
            reached[binding->argument] = true;
    }
    for (int act = 0; act < ACTS; act++) {
        if (!reached[act])
            fail_msg("no key leads to '%s'", act_name((enum act)act));
    }
    assert_true(changing >= ACTS);
}

/* Config, command line and record call an act by one name. */
static void test_acts_are_named_alike(void **state)
{
    struct keymap keymap;

    (void)state;
    keymap_init(&keymap, key_bindings, key_binding_count);
    for (int act = 0; act < ACTS; act++) {
        const struct binding *binding = keymap_by_name(&keymap, act_name((enum act)act));

        assert_non_null(binding);
        assert_int_equal(binding->argument, act);
    }
    keymap_free(&keymap);
}

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
        cmocka_unit_test(test_digits_open_the_views_that_they_name),
        cmocka_unit_test(test_a_key_is_refused_in_any_panel_that_has_it),
        cmocka_unit_test(test_keys_of_acts_are_capitals),
        cmocka_unit_test(test_acts_are_named_alike),
        cmocka_unit_test(test_every_binding_is_complete),
        cmocka_unit_test(test_man_page_lists_the_keys),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
