/* What a file is filled with, by its name. */
#include "backend/base/mem.h"
#include "tui/export.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    int id;
    const char *text;
};

static uint64_t identity(const void *row)
{
    return (uint64_t)((const struct row *)row)->id;
}

static void id_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_INTEGER, ((const struct row *)row)->id);
}

static void text_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->text);
}

static void add_line(const void *row, const void *context, struct strbuf *out)
{
    (void)context;
    strbuf_addf(out, "line %s", ((const struct row *)row)->text);
}

static const struct column columns[] = {
    {.name = "id", .title = "ID", .width = 4, .right = true, .cell = id_cell},
    {.name = "text", .title = "TEXT", .width = 4, .cell = text_cell},
};
static const struct table_class table = {.columns = columns, .count = 2, .identity = identity};
static const struct table_class lines = {
    .columns = columns, .count = 2, .identity = identity, .line = add_line};

static const struct row data[] = {{7, "long enough"}, {8, "a\x1b[31m\nb"}};

static char *file(const char *path, const struct table_class *class)
{
    const void *rows[] = {&data[0], &data[1]};
    struct strbuf text = {0};

    export_file(path, class, rows, 2, NULL, &text);
    return strbuf_take(&text);
}

static void expect_file(const char *path, const struct table_class *class, const char *expected)
{
    char *text = file(path, class);

    assert_string_equal(text, expected);
    free(text);
}

#define CSV   "id,text\r\n7,\"long enough\"\r\n8,\"a\uFFFD[31m\nb\"\r\n"
#define TEXT  "  ID  TEXT\n   7  long enough\n   8  a\uFFFD[31m b\n"
#define LINES "line long enough\nline a\uFFFD[31m b\n"

static void test_by_suffix(void **state)
{
    (void)state;
    expect_file("a.csv", &table, CSV);
    expect_file("a", &table, CSV);
    expect_file("a.txt.csv", &lines, CSV);
    expect_file(".txt", &table, CSV); /* a name, no suffix */
    expect_file("a.txt", &table, TEXT);
    expect_file("A.LOG", &table, TEXT);
    expect_file("a.txt", &lines, LINES);
    expect_file("/tmp/a.log", &lines, LINES);
}

static void test_json(void **state)
{
    char *text = file("dir.txt/a.json", &lines);
    json_t *json = json_loads(text, 0, NULL);

    (void)state;
    assert_int_equal(json_array_size(json), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 0), "id")), 7);
    json_decref(json);
    free(text);
}

/* The last column is never cut, whatever a screen would take. */
static void test_long_texts(void **state)
{
    enum { LENGTH = 9000 };
    char *long_text = mem_alloc(LENGTH + 1);
    const struct row row = {1, long_text};
    const void *rows[] = {&row};
    struct strbuf text = {0};

    (void)state;
    memset(long_text, 'x', LENGTH);
    long_text[LENGTH] = '\0';
    export_file("a.txt", &table, rows, 1, NULL, &text);
    assert_int_equal(text.len, strlen("  ID  TEXT\n   1  \n") + LENGTH);
    strbuf_free(&text);
    free(long_text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_suffix),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_long_texts),
    };

    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
