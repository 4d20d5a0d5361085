/* Where tiles go, at every size that a terminal may have. */
#include "tui/layout.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct layout_tile overview[] = {
    {.side = 1, .rank = 1, .min_rows = 4, .rows = 4, .half = true},
    {.side = 2, .rank = 2, .min_rows = 4, .rows = 4, .half = true},
    {.side = 2, .rank = 3, .min_rows = 3, .rows = 5},
    {.side = 1, .rank = 4, .min_rows = 4, .rows = 12},
    {.side = 2, .rank = 5, .min_rows = 4, .rows = 7},
    {.side = 1, .rank = 6, .min_rows = 4, .rows = 6},
};
#define TILES (sizeof(overview) / sizeof(overview[0]))

static void mark(struct rect box, struct rect inside, char cells[200][300])
{
    for (int y = inside.y; y < inside.y + inside.h; y++) {
        for (int x = inside.x; x < inside.x + inside.w; x++) {
            assert_int_equal(cells[y][x], 0);
            cells[y][x] = 1;
        }
    }
    assert_true(inside.y > box.y && inside.x > box.x);
}

static void check_size(int rows, int columns)
{
    static char cells[200][300];
    struct layout_tile tiles[TILES];
    struct rect area = {1, 0, rows - 2, columns};

    memcpy(tiles, overview, sizeof(tiles));
    memset(cells, 0, sizeof(cells));
    layout_tiles(tiles, TILES, area);
    for (size_t i = 0; i < TILES; i++) {
        struct rect box = tiles[i].box;

        if (!box.h)
            continue;
        assert_true(box.y >= area.y && box.y + box.h <= area.y + area.h);
        assert_true(box.x >= 0 && box.x + box.w <= columns);
        mark(box, layout_inside(&tiles[i]), cells);
    }
    assert_true(tiles[0].box.h > 0); /* the servers' state is never dropped */
    assert_true(tiles[1].box.h > 0);
}

static void test_every_size(void **state)
{
    (void)state;
    for (int rows = 16; rows < 120; rows++) {
        for (int columns = 60; columns < 260; columns += 7)
            check_size(rows, columns);
    }
}

static void test_narrow_pairs_halves_and_keeps_alerts(void **state)
{
    struct layout_tile tiles[TILES];

    (void)state;
    memcpy(tiles, overview, sizeof(tiles));
    layout_tiles(tiles, TILES, (struct rect){1, 0, 22, 80});
    assert_int_equal(tiles[0].box.y, tiles[1].box.y);
    assert_int_equal(tiles[0].box.w + tiles[1].box.w, 80);
    assert_true(tiles[2].box.h > 0);
    assert_true(tiles[3].box.h > 0);
}

static void test_wide_has_two_sides(void **state)
{
    struct layout_tile tiles[TILES];

    (void)state;
    memcpy(tiles, overview, sizeof(tiles));
    layout_tiles(tiles, TILES, (struct rect){1, 0, 34, 120});
    for (size_t i = 0; i < TILES; i++) {
        assert_true(tiles[i].box.h > 0);
        assert_int_equal(tiles[i].box.x, tiles[i].side == 1 ? 0 : 60);
        assert_int_equal(tiles[i].last, tiles[i].box.y + tiles[i].box.h == 35);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_narrow_pairs_halves_and_keeps_alerts),
        cmocka_unit_test(test_wide_has_two_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
