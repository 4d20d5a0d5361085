/* What an operator types to narrow a table, against rows like those of Monitor. */
#include "tui/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    const char *command, *client, *user, *pattern, *args;
    int db;
};

static void command_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->command);
}

static void client_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->client);
}

static void user_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->user);
}

static void pattern_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->pattern);
}

static void args_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->args);
}

static void db_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_INTEGER, ((const struct row *)row)->db);
}

static const struct column columns[] = {
    {.name = "db", .title = "DB", .cell = db_cell},
    {.name = "client", .title = "CLIENT", .cell = client_cell},
    {.name = "user", .title = "USER", .cell = user_cell},
    {.name = "command", .title = "COMMAND", .cell = command_cell},
    {.name = "pattern", .title = "PATTERN", .cell = pattern_cell},
    {.name = "args", .title = "ARGUMENTS", .cell = args_cell},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static const struct row rows[] = {
    {"SET", "10.0.0.5:4001", "app", "user:*:cart", "\"user:17:cart\" \"two words\"", 3},
    {"SET", "10.0.0.6:4002", "app", "user:*:cart", "\"user:18:cart\" \"x\"", 3},
    {"GET", "10.0.0.6:4003", "app", "user:*:cart", "\"user:18:cart\"", 3},
    {"SET", "10.0.0.6:4004", "web", "user:cart", "\"user:cart\" \"one\"", 3},
    {"SET", "10.0.0.6:4005", "web", "page*", "\"page9\" \"db:3 client:x\"", 1},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* The rows that it leaves, as "135". */
static const char *left(const char *text)
{
    static char found[ROWS + 1];
    struct filter filter = {0};
    char *error = NULL;
    size_t count = 0;

    if (!filter_set(&filter, text, columns, COLUMNS, &error))
        fail_msg("%s: %s", text, error);
    for (size_t i = 0; i < ROWS; i++) {
        if (filter_match(&filter, columns, COLUMNS, &rows[i], NULL))
            found[count++] = (char)('1' + i);
    }
    found[count] = '\0';
    filter_clear(&filter);
    return found;
}

static void test_one_expression(void **state)
{
    (void)state;
    assert_string_equal(left(""), "12345");
    assert_string_equal(left("TWO words"), "1");
    assert_string_equal(left("!two words"), "2345");
    assert_string_equal(left("command:^get$"), "3");
    assert_string_equal(left("!command:^get$"), "1245");
    assert_string_equal(left("args:two words"), "1"); /* words is no column's term */
    assert_string_equal(left("args:one x"), "");
    assert_string_equal(left("nothing:x"), "");
    assert_string_equal(left("\"db:3 client"), "5"); /* nor is "db */
    assert_string_equal(left("18|9"), "235");
}

static void test_terms_must_all_be_true(void **state)
{
    (void)state;
    assert_string_equal(left("command:SET db:3"), "124");
    assert_string_equal(left("command:SET db:3 !client:10.0.0.5"), "24");
    assert_string_equal(left("command:SET db:3 !client:10.0.0.5 user:*:cart"), "2");
    assert_string_equal(left("  db:3   USER:app\tcommand:^g "), "3");
    assert_string_equal(left("db:3 db:1"), "");
    assert_string_equal(left("!db:3 !user:app"), "5");
    assert_string_equal(left("db:3 command:"), "1234");
}

/* One expression, or a \ before it. */
static void test_blanks(void **state)
{
    (void)state;
    assert_string_equal(left("args:db:3 client:x"), ""); /* two terms: the client's is not true */
    assert_string_equal(left("args:db:3\\ client:x"), "5");
    assert_string_equal(left("db:3 args:two\\ words"), "1");
    assert_string_equal(left("db:3 args:two\\\\ words"), ""); /* a \ of its own: words is no term */
}

static void test_key_patterns(void **state)
{
    (void)state;
    assert_string_equal(left("pattern:user:*:cart"), "123");
    assert_string_equal(left("!pattern:user:*:cart"), "45");
    assert_string_equal(left("user:*:cart"), "123");
    assert_string_equal(left("args:user:*:cart"), "123");
    assert_string_equal(left("pattern:*:cart"), "1234");
    assert_string_equal(left("pattern:^user:*$"), "1234");
    assert_string_equal(left("pattern:^*:cart$"), "1234");
    assert_string_equal(left("pattern:page*"), "5"); /* an expression, that it is found by too */
    assert_string_equal(left("pattern:page*$"), ""); /* this one is only an expression */
    assert_string_equal(left("pattern:^user:.*:cart"), "123");
    assert_string_equal(left("pattern:r:?c"), "4");
    assert_string_equal(left("client:10.*:4001"), "1");
    assert_string_equal(left("pattern:user:[*]"), "123");
}

static void expect_error(const char *text, const char *part)
{
    struct filter filter = {0};
    char *error = NULL;

    assert_true(filter_set(&filter, "db:3", columns, COLUMNS, &error));
    assert_false(filter_set(&filter, text, columns, COLUMNS, &error));
    if (!strstr(error, part))
        fail_msg("%s: %s", text, error);
    free(error);
    assert_string_equal(filter.text, "db:3"); /* what was there stays */
    assert_true(filter_match(&filter, columns, COLUMNS, &rows[0], NULL));
    assert_false(filter_match(&filter, columns, COLUMNS, &rows[4], NULL));
    filter_clear(&filter);
}

static void test_errors(void **state)
{
    (void)state;
    expect_error("(", "filter: ");
    expect_error("command:SET client:(10 db:3", " in client:(10;");
    expect_error("(*", "filter: ");
    expect_error("db:3 args:a[", "a literal character of");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_expression), cmocka_unit_test(test_terms_must_all_be_true),
        cmocka_unit_test(test_blanks),         cmocka_unit_test(test_key_patterns),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
