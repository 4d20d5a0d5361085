/* The table: sorting, filtering, the cursor that follows identities, tags. */
#include "tui/export.h"
#include "tui/table.h"
#include "tui/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    int id;
    const char *name;
    double size;
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

static void name_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct row *)row)->name);
}

static void size_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, ((const struct row *)row)->size);
}

static const struct column columns[] = {
    {.name = "id", .title = "ID", .width = 4, .right = true, .cell = id_cell},
    {.name = "name", .title = "NAME", .width = 8, .cell = name_cell},
    {.name = "size", .title = "SIZE", .width = 6, .descending = true, .cell = size_cell},
};
static const struct table_class class = {.columns = columns, .count = 3, .identity = identity};

static const struct row data[] = {
    {1, "charlie", 10}, {2, "Alice", NAN}, {3, "bob\x1b[31m", 4096}, {4, NULL, 7}};

static void give(struct table *table, size_t from, size_t count)
{
    const void *rows[8];

    for (size_t i = 0; i < count; i++)
        rows[i] = &data[from + i];
    table_rows(table, rows, count, NULL);
}

static int id_at(const struct table *table, size_t i)
{
    return ((const struct row *)table->rows[i])->id;
}

static void test_sort(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, &class);
    give(&table, 0, 4);
    assert_int_equal(id_at(&table, 0), 1);
    assert_true(table_sort_by(&table, "NAME"));
    give(&table, 0, 4);
    assert_int_equal(id_at(&table, 0), 2);
    assert_int_equal(id_at(&table, 1), 3);
    assert_int_equal(id_at(&table, 3), 4); /* absent is last … */
    table_sort_reverse(&table);
    give(&table, 0, 4);
    assert_int_equal(id_at(&table, 0), 1);
    assert_int_equal(id_at(&table, 3), 4); /* … in both directions */
    assert_true(table_sort_by(&table, "size"));
    give(&table, 0, 4);
    assert_int_equal(id_at(&table, 0), 3); /* its own first direction: largest first */
    assert_int_equal(id_at(&table, 3), 2);
    assert_false(table_sort_by(&table, "nothing"));
    table_free(&table);
}

static void test_sort_next_skips_hidden_columns(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, &class);
    table.shown[1] = false;
    table_sort_next(&table, 1);
    assert_int_equal(table.sort, 0);
    table_sort_next(&table, 1);
    assert_int_equal(table.sort, 2);
    table_sort_next(&table, 1);
    assert_int_equal(table.sort, 0);
    table_sort_next(&table, -1);
    assert_int_equal(table.sort, 2);
    table_free(&table);
}

static void test_cursor_follows_the_row(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, &class);
    give(&table, 0, 4);
    table_move(&table, TABLE_DOWN);
    table_move(&table, TABLE_DOWN);
    assert_int_equal(((const struct row *)table_selected(&table))->id, 3);
    give(&table, 2, 2); /* rows before it have gone */
    assert_int_equal(((const struct row *)table_selected(&table))->id, 3);
    assert_int_equal(table.cursor, 0);
    give(&table, 3, 1); /* now it has gone itself */
    assert_int_equal(((const struct row *)table_selected(&table))->id, 4);
    give(&table, 0, 0);
    assert_null(table_selected(&table));
    table_move(&table, TABLE_END);
    assert_null(table_selected(&table));
    table_free(&table);
}

static void test_tags_follow_the_row(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, &class);
    give(&table, 0, 4);
    table_move(&table, TABLE_DOWN);
    table_tag(&table);
    assert_true(table_tagged(&table, 2));
    give(&table, 2, 2);
    assert_true(table_tagged(&table, 2));
    give(&table, 0, 4);
    table_select(&table, 1);
    table_tag(&table);
    assert_false(table_tagged(&table, 2));
    table_tag(&table);
    table_untag(&table);
    assert_int_equal(table.tag_count, 0);
    table_tag(&table);
    table_tag_all(&table);
    assert_int_equal(table.tag_count, table.count); /* each once */
    for (size_t i = 0; i < table.count; i++)
        assert_true(table_tagged(&table, identity(table.rows[i])));
    table_untag(&table);
    table_free(&table);
}

static size_t filtered(struct table *table, const char *text)
{
    char *error = NULL;

    assert_true(table_filter(table, text, &error));
    give(table, 0, 4);
    return table->count;
}

static void test_filter(void **state)
{
    struct table table;
    char *error = NULL;

    (void)state;
    table_init(&table, &class);
    assert_int_equal(filtered(&table, "ALICE"), 1);
    assert_int_equal(table.total, 4);
    assert_int_equal(filtered(&table, "!alice"), 3);
    assert_int_equal(filtered(&table, "name:l"), 2);
    assert_int_equal(filtered(&table, "!name:l"), 2);
    assert_int_equal(filtered(&table, "id:^[34]$"), 2);
    assert_int_equal(filtered(&table, "4.0k"), 1); /* as it is shown */
    assert_int_equal(filtered(&table, ""), 4);
    assert_false(table_filter(&table, "(", &error));
    assert_non_null(strstr(error, "filter: "));
    free(error);
    give(&table, 0, 4);
    assert_int_equal(table.count, 4); /* a wrong one changes nothing */
    table_free(&table);
}

static void test_search_after_the_filter(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, &class);
    assert_false(table_search(&table, 1));
    filtered(&table, "name:[ab]");
    filtered(&table, "");
    table_select(&table, 0);
    assert_true(table_search(&table, 1));
    assert_int_equal(id_at(&table, table.cursor), 2);
    assert_true(table_search(&table, 1));
    assert_int_equal(id_at(&table, table.cursor), 3);
    assert_true(table_search(&table, -1));
    assert_int_equal(id_at(&table, table.cursor), 2);
    table_free(&table);
}

static void test_export_json(void **state)
{
    const void *rows[] = {&data[1], &data[2], &data[3]};
    json_t *json = export_json(&class, rows, 3, NULL);

    (void)state;
    assert_int_equal(json_array_size(json), 3);
    assert_true(json_is_null(json_object_get(json_array_get(json, 0), "size")));
    assert_true(json_is_null(json_object_get(json_array_get(json, 2), "name")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 1), "size")), 4096);
    /* what a terminal would obey has been replaced */
    assert_null(strchr(json_string_value(json_object_get(json_array_get(json, 1), "name")), 0x1b));
    json_decref(json);
}

static void test_export_csv(void **state)
{
    static const struct row quoted = {9, "a\"b,c", NAN};
    const void *rows[] = {&quoted, &data[3]};
    struct strbuf text = {0};

    (void)state;
    export_csv(&class, rows, 2, NULL, &text);
    assert_string_equal(text.s, "id,name,size\r\n9,\"a\"\"b,c\",\r\n4,,7\r\n");
    strbuf_free(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sort_next_skips_hidden_columns),
        cmocka_unit_test(test_cursor_follows_the_row),
        cmocka_unit_test(test_tags_follow_the_row),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_search_after_the_filter),
        cmocka_unit_test(test_export_json),
        cmocka_unit_test(test_export_csv),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
