#include "tui/table.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int column_index(const struct table_class *class, const char *name)
{
    for (size_t i = 0; name && i < class->count; i++) {
        if (strcasecmp(class->columns[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static void set_sort(struct table *table, int column)
{
    table->sort = column;
    table->descending = column >= 0 && table->class->columns[column].descending;
}

void table_init(struct table *table, const struct table_class *class)
{
    assert(class->count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.class = class, .at_end = class->follow, .asked = 1};
    for (size_t i = 0; i < class->count; i++)
        table->shown[i] = !class->columns[i].hidden;
    set_sort(table, column_index(class, class->sort));
}

void table_free(struct table *table)
{
    filter_clear(&table->filter);
    filter_clear(&table->search);
    free(table->rows);
    free(table->tags);
    table->rows = NULL;
    table->tags = NULL;
}

void table_switch(struct table *table, const struct table_class *class)
{
    const uint32_t asked = table->asked;

    table_free(table);
    table_init(table, class);
    table->asked = asked + 1;
}

struct sort_item {
    const void *row;
    struct cell key;
    uint64_t identity;
};

static int compare_items(const void *a, const void *b, void *table_pointer)
{
    const struct sort_item *x = a, *y = b;
    const struct table *table = table_pointer;
    int order = cell_compare(&x->key, &y->key, table->descending);

    return order ? order : (x->identity > y->identity) - (x->identity < y->identity);
}

static void sort_rows(struct table *table)
{
    const struct column *column;
    struct sort_item *items;

    if (table->sort < 0 || table->count < 2)
        return;
    column = &table->class->columns[table->sort];
    items = mem_array(NULL, table->count, sizeof(*items));
    for (size_t i = 0; i < table->count; i++) {
        items[i] = (struct sort_item){.row = table->rows[i],
                                      .identity = table->class->identity(table->rows[i])};
        column->cell(items[i].row, table->context, &items[i].key);
    }
    qsort_r(items, table->count, sizeof(*items), compare_items, table);
    for (size_t i = 0; i < table->count; i++)
        table->rows[i] = items[i].row;
    free(items);
}

static void keep_in_range(struct table *table)
{
    if (table->cursor >= table->count)
        table->cursor = table->count ? table->count - 1 : 0;
    if (table->at_end && table->count)
        table->cursor = table->count - 1;
}

static void select_cursor(struct table *table)
{
    keep_in_range(table);
    table->selected = table->count ? table->class->identity(table->rows[table->cursor]) : 0;
}

/* The cursor goes where the selected row has gone; if it ended, it stays where it was. */
static void follow_selected(struct table *table)
{
    for (size_t i = 0; table->selected && !table->at_end && i < table->count; i++) {
        if (table->class->identity(table->rows[i]) == table->selected) {
            table->cursor = i;
            return;
        }
    }
    select_cursor(table);
}

/* A verdict is what the filter said (the lowest bit), and which filter it was. */
static bool passes(const struct table *table, const void *row)
{
    const struct table_class *class = table->class;
    uint32_t *verdict = class->verdict ? class->verdict(row) : NULL;
    bool match;

    if (!table->filter.text)
        return true;
    if (verdict && *verdict >> 1 == (table->asked & UINT32_MAX >> 1))
        return *verdict & 1;
    match = filter_match(&table->filter, class->columns, class->count, row, table->context);
    if (verdict)
        *verdict = table->asked << 1 | match;
    return match;
}

void table_rows(struct table *table, const void *const *rows, size_t count, const void *context)
{
    table->context = context;
    table->total = count;
    table->count = 0;
    table->rows = mem_array(table->rows, count, sizeof(*table->rows));
    for (size_t i = 0; i < count; i++) {
        if (passes(table, rows[i]))
            table->rows[table->count++] = rows[i];
    }
    sort_rows(table);
    follow_selected(table);
}

int table_height(const struct table *table)
{
    return 1 + (int)(table->count ? table->count : 1);
}

static void move_by(struct table *table, long by)
{
    long to = (long)table->cursor + by;

    if (to >= (long)table->count)
        to = (long)table->count - 1;
    table->cursor = to < 0 ? 0 : (size_t)to;
}

void table_move(struct table *table, enum table_move move)
{
    long page = table->page > 1 ? (long)table->page - 1 : 1;

    switch (move) {
    case TABLE_UP: move_by(table, -1); break;
    case TABLE_DOWN: move_by(table, 1); break;
    case TABLE_PAGE_UP: move_by(table, -page); break;
    case TABLE_PAGE_DOWN: move_by(table, page); break;
    case TABLE_HOME: table->cursor = 0; break;
    case TABLE_END: move_by(table, (long)table->count); break;
    }
    table->at_end = table->class->follow && table->cursor + 1 >= table->count;
    select_cursor(table);
}

void table_select(struct table *table, size_t row)
{
    table->cursor = row;
    table->at_end = false;
    select_cursor(table);
}

void table_shift(struct table *table, int by)
{
    table->shift += by;
    if (table->shift < 0)
        table->shift = 0;
}

const void *table_selected(const struct table *table)
{
    return table->cursor < table->count ? table->rows[table->cursor] : NULL;
}

bool table_tagged(const struct table *table, uint64_t identity)
{
    for (size_t i = 0; i < table->tag_count; i++) {
        if (table->tags[i] == identity)
            return true;
    }
    return false;
}

static void remove_tag(struct table *table, uint64_t identity)
{
    for (size_t i = 0; i < table->tag_count; i++) {
        if (table->tags[i] == identity)
            table->tags[i] = table->tags[--table->tag_count];
    }
}

void table_tag(struct table *table)
{
    if (!table->count)
        return;
    if (table_tagged(table, table->selected)) {
        remove_tag(table, table->selected);
        return;
    }
    table->tags = mem_array(table->tags, table->tag_count + 1, sizeof(*table->tags));
    table->tags[table->tag_count++] = table->selected;
}

void table_tag_all(struct table *table)
{
    size_t before = table->tag_count;

    table->tags = mem_array(table->tags, before + table->count, sizeof(*table->tags));
    for (size_t i = 0; i < table->count; i++) {
        uint64_t identity = table->class->identity(table->rows[i]);

        if (!table_tagged(table, identity))
            table->tags[table->tag_count++] = identity;
    }
}

void table_untag(struct table *table)
{
    table->tag_count = 0;
}

void table_sort_next(struct table *table, int step)
{
    int count = (int)table->class->count, column = table->sort;

    for (int tried = 0; tried < count; tried++) {
        column = column < 0 ? (step > 0 ? 0 : count - 1) : (column + step + count) % count;
        if (table->shown[column])
            break;
    }
    set_sort(table, column);
}

void table_sort_reverse(struct table *table)
{
    table->descending = !table->descending;
}

bool table_sort_by(struct table *table, const char *column)
{
    int index = column_index(table->class, column);

    if (index >= 0)
        set_sort(table, index);
    return index >= 0;
}

bool table_filter(struct table *table, const char *text, char **error)
{
    const struct table_class *class = table->class;

    table_doubt(table);
    if (*text && !filter_set(&table->search, text, class->columns, class->count, error))
        return false;
    return filter_set(&table->filter, text, class->columns, class->count, error);
}

void table_doubt(struct table *table)
{
    table->asked++;
}

bool table_search(struct table *table, int direction)
{
    const struct table_class *class = table->class;
    long count = (long)table->count;

    for (long i = 1; table->search.text && i <= count; i++) {
        long at = (((long)table->cursor + direction * i) % count + count) % count;

        if (filter_match(&table->search, class->columns, class->count, table->rows[at],
                         table->context)) {
            table_select(table, (size_t)at);
            return true;
        }
    }
    return false;
}
