/* The rows of Keyspace, with what waits in the spare database. */
#include "panels/keyspace.h"

#include "backend/base/mem.h"
#include "tui/cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct redis_db db_keys[] = {{.db = 5, .keys = 3}, {.db = 15, .keys = 8}};
static char use[] = "Django cache";
static struct redis_db_config db_configs[] = {{.db = 5, .environment = ENV_DEV, .use = use}};
static const struct redis_info info = {.db_count = 2, .dbs = db_keys};

/* The shown text of a column of row. */
static char *cell_of(const struct keyspace_row *row, const char *column)
{
    char text[128];

    for (size_t i = 0; i < keyspace_table.count; i++) {
        struct cell cell = {0};

        if (strcmp(keyspace_table.columns[i].name, column) != 0)
            continue;
        keyspace_table.columns[i].cell(row, NULL, &cell);
        return mem_strdup(cell_text(&cell, text, sizeof(text)));
    }
    fail_msg("there is no column %s", column);
    return NULL;
}

static void expect_cell(const struct keyspace_row *row, const char *column, const char *text)
{
    char *shown = cell_of(row, column);

    assert_string_equal(shown, text);
    free(shown);
}

static struct keyspace_row *rows_of(const struct redis_spare *spare, int trash_db, size_t *count)
{
    const struct redis_config config = {
        .trash_db = trash_db, .databases = db_configs, .database_count = 1};
    const struct redis_snapshot redis = {.info = &info, .spare = spare};

    return keyspace_rows(&redis, &config, count);
}

static void test_waiting(void **state)
{
    struct redis_spare spare = {.spare = 15,
                                .present = true,
                                .db = 5,
                                .keys = 7,
                                .since = 1000,
                                .until = 1600,
                                .now = 1020};
    size_t count;
    struct keyspace_row *rows = rows_of(&spare, 15, &count);

    (void)state;
    assert_int_equal(count, 2);
    expect_cell(&rows[0], "use", "Django cache");
    expect_cell(&rows[0], "environment", "dev");
    assert_int_equal(rows[1].db, 15);
    expect_cell(&rows[1], "use", "trash of 5, 9m40s left");
    expect_cell(&rows[1], "environment", "dev");
    expect_cell(&rows[1], "keys", "8");
    expect_cell(&rows[1], "trash_left_seconds", "9m40s");
    spare.now = 1600;
    expect_cell(&rows[1], "use", "trash of 5, time over");
    spare.undone = true;
    expect_cell(&rows[1], "use", "put aside by undo of 5, time over");
    spare.now = 1020;
    expect_cell(&rows[1], "use", "put aside by undo of 5, 9m40s left");
    free(rows);
}

static void test_nothing_waits(void **state)
{
    const struct redis_spare spare = {.spare = 14, .now = 1020};
    size_t count;
    struct keyspace_row *rows = rows_of(&spare, 14, &count);

    (void)state;
    assert_int_equal(count, 3);
    assert_int_equal(rows[1].db, 14);
    expect_cell(&rows[1], "use", "spare");
    expect_cell(&rows[1], "environment", "unknown");
    expect_cell(&rows[1], "keys", "0");
    free(rows);
    rows = rows_of(NULL, -1, &count);
    assert_int_equal(count, 2);
    assert_false(rows[1].is_spare);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_waiting),
                                       cmocka_unit_test(test_nothing_waits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
