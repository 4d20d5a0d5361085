/* What a filter said of a row that stays the same is kept: a frame asks only about what is new. */
#include "tui/table.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 100 };

struct row {
    uint64_t id;
    const char *name;
    uint32_t *verdict;
};

static unsigned asked; /* cells */

static uint64_t identity(const void *row)
{
    return ((const struct row *)row)->id;
}

static void name_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    asked++;
    cell_set_text(cell, ((const struct row *)row)->name);
}

static uint32_t *verdict(const void *row)
{
    return ((const struct row *)row)->verdict;
}

static const struct column columns[] = {
    {.name = "name", .title = "NAME", .width = 8, .cell = name_cell},
    {.name = "alias", .title = "ALIAS", .width = 8, .cell = name_cell},
};

static const struct table_class class = {
    .columns = columns, .count = 2, .identity = identity, .verdict = verdict};

struct list {
    struct row rows[ROWS];
    uint32_t verdicts[ROWS];
    const void *pointers[ROWS];
};

static void fill(struct list *list)
{
    *list = (struct list){0};
    for (size_t i = 0; i < ROWS; i++) {
        list->rows[i] = (struct row){i + 1, i % 4 ? "even" : "fourth", &list->verdicts[i]};
        list->pointers[i] = &list->rows[i];
    }
}

static void set_filter(struct table *table, const char *text)
{
    char *error = NULL;

    assert_true(table_filter(table, text, &error));
    assert_null(error);
}

/* Returns the cells that were asked. */
static unsigned frame(struct table *table, const struct list *list, size_t count)
{
    asked = 0;
    table_rows(table, list->pointers, count, NULL);
    return asked;
}

static void test_asked_once(void **state)
{
    struct table table;
    struct list list;

    (void)state;
    fill(&list);
    table_init(&table, &class);
    set_filter(&table, "name:fourth");
    assert_int_equal(frame(&table, &list, ROWS - 4), ROWS - 4);
    assert_int_equal(table.count, ROWS / 4 - 1);
    assert_int_equal(frame(&table, &list, ROWS - 4), 0);
    assert_int_equal(table.count, ROWS / 4 - 1);
    assert_int_equal(frame(&table, &list, ROWS), 4); /* the new ones */
    assert_int_equal(table.count, ROWS / 4);
    table_free(&table);
}

/* Another filter, a doubt, and a new row in an old place. */
static void test_asked_anew(void **state)
{
    struct table table;
    struct list list;

    (void)state;
    fill(&list);
    table_init(&table, &class);
    set_filter(&table, "name:fourth");
    frame(&table, &list, ROWS);
    set_filter(&table, "!name:fourth");
    assert_int_equal(frame(&table, &list, ROWS), ROWS);
    assert_int_equal(table.count, ROWS - ROWS / 4);
    list.rows[1].name = "fourth";
    frame(&table, &list, ROWS);
    assert_int_equal(table.count, ROWS - ROWS / 4);
    table_doubt(&table);
    assert_int_equal(frame(&table, &list, ROWS), ROWS);
    assert_int_equal(table.count, ROWS - ROWS / 4 - 1);
    list.rows[1] = (struct row){ROWS + 1, "other", &list.verdicts[1]};
    list.verdicts[1] = 0;
    assert_int_equal(frame(&table, &list, ROWS), 1);
    assert_int_equal(table.count, ROWS - ROWS / 4);
    table_free(&table);
}

/* With no filter all are shown, whatever was said before. */
static void test_no_filter(void **state)
{
    struct table table;
    struct list list;

    (void)state;
    fill(&list);
    table_init(&table, &class);
    set_filter(&table, "nobody");
    frame(&table, &list, ROWS);
    assert_int_equal(table.count, 0);
    filter_clear(&table.filter);
    assert_int_equal(frame(&table, &list, ROWS), 0);
    assert_int_equal(table.count, ROWS);
    set_filter(&table, "even");
    frame(&table, &list, ROWS);
    table_switch(&table, &class);
    set_filter(&table, "fourth");
    frame(&table, &list, ROWS);
    assert_int_equal(table.count, ROWS / 4);
    table_free(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_asked_anew),
        cmocka_unit_test(test_no_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
