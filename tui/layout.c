#include "tui/layout.h"

#include <assert.h>

/* A column of tiles while it is being filled. A row holds one tile, or two halves. */
struct stack {
    struct layout_tile *tiles[LAYOUT_TILES_MAX];
    struct layout_tile *beside[LAYOUT_TILES_MAX]; /* the right half of a row, or NULL */
    int rows[LAYOUT_TILES_MAX];                   /* given, inside the border */
    int count;
};

static int wanted(const struct stack *stack, int i)
{
    int rows = stack->tiles[i]->rows;

    if (stack->beside[i] && stack->beside[i]->rows > rows)
        rows = stack->beside[i]->rows;
    return rows;
}

static int minimum(const struct stack *stack, int i)
{
    int want = wanted(stack, i), min = stack->tiles[i]->min_rows;

    return min < want ? min : want;
}

static int needed(const struct stack *stack)
{
    int rows = 1; /* the bottom edge */

    for (int i = 0; i < stack->count; i++)
        rows += 1 + minimum(stack, i);
    return rows;
}

static void drop_last_rank(struct stack *stack)
{
    int worst = 0;

    for (int i = 1; i < stack->count; i++) {
        if (stack->tiles[i]->rank > stack->tiles[worst]->rank)
            worst = i;
    }
    stack->count--;
    for (int i = worst; i < stack->count; i++) {
        stack->tiles[i] = stack->tiles[i + 1];
        stack->beside[i] = stack->beside[i + 1];
    }
}

/* What is left after the minimums goes a row at a time to whom wants more, and then to the last. */
static void share_rows(struct stack *stack, int height)
{
    int left = height - needed(stack);
    bool given = true;

    for (int i = 0; i < stack->count; i++)
        stack->rows[i] = minimum(stack, i);
    while (left > 0 && given) {
        given = false;
        for (int i = 0; i < stack->count && left > 0; i++) {
            if (stack->rows[i] < wanted(stack, i)) {
                stack->rows[i]++;
                left--;
                given = true;
            }
        }
    }
    if (stack->count)
        stack->rows[stack->count - 1] += left > 0 ? left : 0;
}

static void place(const struct stack *stack, struct rect area)
{
    int y = area.y;

    for (int i = 0; i < stack->count; i++) {
        bool last = i == stack->count - 1;
        struct rect box = {y, area.x, stack->rows[i] + 1 + last, area.w};

        if (stack->beside[i]) {
            int half = area.w / 2;

            stack->beside[i]->box = (struct rect){y, area.x + half, box.h, area.w - half};
            stack->beside[i]->last = last;
            stack->beside[i]->first = i == 0;
            box.w = half;
        }
        stack->tiles[i]->box = box;
        stack->tiles[i]->last = last;
        stack->tiles[i]->first = i == 0;
        y += stack->rows[i] + 1;
    }
}

static void fill(struct stack *stack, struct rect area)
{
    while (stack->count > 1 && needed(stack) > area.h)
        drop_last_rank(stack);
    if (stack->count) {
        share_rows(stack, area.h);
        place(stack, area);
    }
}

static void add(struct stack *stack, struct layout_tile *tile, bool pair)
{
    if (pair && tile->half && stack->count && stack->tiles[stack->count - 1]->half &&
        !stack->beside[stack->count - 1]) {
        stack->beside[stack->count - 1] = tile;
        return;
    }
    stack->beside[stack->count] = NULL;
    stack->tiles[stack->count++] = tile;
}

static struct layout_tile *lowest_after(struct layout_tile *tiles, size_t count, int rank)
{
    struct layout_tile *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (tiles[i].rank > rank && (!found || tiles[i].rank < found->rank))
            found = &tiles[i];
    }
    return found;
}

static void layout_narrow(struct layout_tile *tiles, size_t count, struct rect area)
{
    struct stack stack = {.count = 0};
    int rank = LAYOUT_ABSENT;

    for (struct layout_tile *t; (t = lowest_after(tiles, count, rank)) != NULL; rank = t->rank)
        add(&stack, t, true);
    fill(&stack, area);
}

static void layout_side(struct layout_tile *tiles, size_t count, int side, struct rect area)
{
    struct stack stack = {.count = 0};
    int rank = LAYOUT_ABSENT;

    for (struct layout_tile *t; (t = lowest_after(tiles, count, rank)) != NULL; rank = t->rank) {
        if (t->side == side)
            add(&stack, t, false);
    }
    fill(&stack, area);
}

void layout_tiles(struct layout_tile *tiles, size_t count, struct rect area)
{
    int left = area.w / 2;

    assert(count <= LAYOUT_TILES_MAX);
    for (size_t i = 0; i < count; i++)
        tiles[i].box = (struct rect){0};
    if (count == 1) {
        tiles[0].box = area;
        tiles[0].first = tiles[0].last = true;
    } else if (area.w < LAYOUT_WIDE) {
        layout_narrow(tiles, count, area);
    } else {
        layout_side(tiles, count, 1, (struct rect){area.y, area.x, area.h, left});
        layout_side(tiles, count, 2, (struct rect){area.y, area.x + left, area.h, area.w - left});
    }
}

struct rect layout_inside(const struct layout_tile *tile)
{
    return (struct rect){tile->box.y + 1, tile->box.x + 1, tile->box.h - 1 - tile->last,
                         tile->box.w - 2};
}
