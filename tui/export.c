#include "tui/export.h"

#include "tui/text.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *list_json(const struct cell *cell)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cell->count; i++)
        json_array_append_new(list, json_integer(cell->list[i]));
    return list;
}

static json_t *text_json(const char *text)
{
    char *clean = text_clean(text, true);
    json_t *string = json_string(clean);

    free(clean);
    return string;
}

/* Three digits behind the point are finer than any clock here. */
static json_t *real_json(double number)
{
    return json_real(round(number * 1000) / 1000);
}

static json_t *cell_json(const struct cell *cell)
{
    switch (cell->type) {
    case CELL_NONE: return json_null();
    case CELL_TEXT: return text_json(cell_string(cell));
    case CELL_BOOL: return json_boolean(cell->number != 0);
    case CELL_LIST: return list_json(cell);
    case CELL_DURATION:
    case CELL_RATE: return real_json(cell->number);
    case CELL_PERCENT: return json_real(round(cell->number * 1e6) / 1e6);
    default: return json_integer((json_int_t)cell->number);
    }
}

json_t *export_json(const struct table_class *class, const void *const *rows, size_t count,
                    const void *context)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();

        for (size_t c = 0; c < class->count; c++) {
            struct cell cell = {0};

            class->columns[c].cell(rows[i], context, &cell);
            json_object_set_new(object, class->columns[c].name, cell_json(&cell));
        }
        json_array_append_new(list, object);
    }
    return list;
}

static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            strbuf_addc(out, '"');
        strbuf_addc(out, *text);
    }
    strbuf_addc(out, '"');
}

static void cell_csv(struct cell *cell, struct strbuf *out)
{
    char value[4096];
    char *clean;

    cell->label[0] = '\0';
    switch (cell->type) {
    case CELL_NONE: break;
    case CELL_TEXT:
        clean = text_clean(cell_string(cell), true);
        add_quoted(out, clean);
        free(clean);
        break;
    case CELL_LIST:
    case CELL_BOOL: add_quoted(out, cell_text(cell, value, sizeof(value))); break;
    case CELL_DURATION:
    case CELL_RATE: strbuf_addf(out, "%.3f", cell->number); break;
    case CELL_PERCENT: strbuf_addf(out, "%.6f", cell->number); break;
    default: strbuf_addf(out, "%.0f", cell->number); break;
    }
}

void export_csv(const struct table_class *class, const void *const *rows, size_t count,
                const void *context, struct strbuf *out)
{
    for (size_t c = 0; c < class->count; c++)
        strbuf_addf(out, "%s%s", c ? "," : "", class->columns[c].name);
    strbuf_adds(out, "\r\n");
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < class->count; c++) {
            struct cell cell = {0};

            if (c)
                strbuf_addc(out, ',');
            class->columns[c].cell(rows[i], context, &cell);
            cell_csv(&cell, out);
        }
        strbuf_adds(out, "\r\n");
    }
}

static void add_field(struct strbuf *out, const struct column *column, const char *text, int width,
                      bool last)
{
    char field[2048];

    if (last && !column->right) {
        strbuf_adds(out, text);
        return;
    }
    text_column(field, sizeof(field), text, width, column->right);
    strbuf_adds(out, field);
    if (!last)
        strbuf_adds(out, "  ");
}

/* Of the last column all is there, however long: it has the rest of the line. */
static void add_rest(struct strbuf *out, const struct column *column, const struct cell *cell,
                     const char *value, int width)
{
    char *clean;

    if (cell->type != CELL_TEXT || cell->label[0]) {
        add_field(out, column, value, width, true);
        return;
    }
    clean = text_clean(cell_string(cell), false);
    add_field(out, column, clean, width, true);
    free(clean);
}

static size_t last_shown(const struct table_class *class)
{
    size_t last = 0;

    for (size_t c = 0; c < class->count; c++)
        last = class->columns[c].hidden ? last : c;
    return last;
}

void export_text(const struct table_class *class, const void *const *rows, size_t count,
                 const void *context, int width, struct strbuf *out)
{
    size_t last = last_shown(class);
    int widths[TABLE_COLUMNS_MAX];

    for (size_t c = 0; c <= last; c++) {
        widths[c] = column_wish(&class->columns[c], rows, count, context);
        if (!class->columns[c].hidden)
            add_field(out, &class->columns[c], class->columns[c].title, widths[c], c == last);
    }
    strbuf_addc(out, '\n');
    for (size_t i = 0; i < count; i++) {
        struct strbuf line = {0};
        int fit;

        for (size_t c = 0; c <= last; c++) {
            struct cell cell = {0};
            char value[2048];

            if (class->columns[c].hidden)
                continue;
            class->columns[c].cell(rows[i], context, &cell);
            cell_text(&cell, value, sizeof(value));
            if (c == last)
                add_rest(&line, &class->columns[c], &cell, value, widths[c]);
            else
                add_field(&line, &class->columns[c], value, widths[c], false);
        }
        if (line.s)
            strbuf_add(out, line.s, text_fit(line.s, width, &fit));
        strbuf_addc(out, '\n');
        strbuf_free(&line);
    }
}

/* ---- files ---- */

static bool ends_in(const char *path, const char *suffix)
{
    const size_t len = strlen(path), size = strlen(suffix);

    return len > size && strcasecmp(path + len - size, suffix) == 0;
}

static void add_lines(const struct table_class *class, const void *const *rows, size_t count,
                      const void *context, struct strbuf *out)
{
    for (size_t i = 0; i < count; i++) {
        struct strbuf line = {0};
        char *clean;

        class->line(rows[i], context, &line);
        clean = text_clean(line.s ? line.s : "", false);
        strbuf_adds(out, clean);
        strbuf_addc(out, '\n');
        free(clean);
        strbuf_free(&line);
    }
}

void export_file(const char *path, const struct table_class *class, const void *const *rows,
                 size_t count, const void *context, struct strbuf *out)
{
    if (ends_in(path, ".json")) {
        json_t *json = export_json(class, rows, count, context);
        char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(15));

        strbuf_adds(out, text ? text : "");
        json_decref(json);
        free(text);
    } else if (!ends_in(path, ".txt") && !ends_in(path, ".log")) {
        export_csv(class, rows, count, context, out);
    } else if (class->line) {
        add_lines(class, rows, count, context, out);
    } else {
        export_text(class, rows, count, context, INT_MAX, out);
    }
}
