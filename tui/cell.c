#include "tui/cell.h"

#include "tui/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cell_set_text(struct cell *cell, const char *text)
{
    cell->type = text ? CELL_TEXT : CELL_NONE;
    cell->text = text;
}

void cell_set_number(struct cell *cell, enum cell_type type, double number)
{
    cell->type = isnan(number) ? CELL_NONE : type;
    cell->number = number;
}

void cell_build_text(struct cell *cell, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(cell->built, sizeof(cell->built), format, args);
    va_end(args);
    cell->type = CELL_TEXT;
    cell->text = NULL;
}

const char *cell_string(const struct cell *cell)
{
    return cell->text ? cell->text : cell->built;
}

void cell_set_label(struct cell *cell, const char *label)
{
    text_sanitise(cell->label, sizeof(cell->label), label, strlen(label), false, NULL);
}

void cell_set_gauge(struct cell *cell, double fraction, double warning, double critical)
{
    cell_set_number(cell, CELL_PERCENT, fraction);
    cell->gauge = !isnan(fraction);
    cell->warning = (float)warning;
    cell->critical = (float)critical;
    if (cell->gauge)
        snprintf(cell->label, sizeof(cell->label), "%.0f%%", floor(100 * fraction));
    if (fraction >= warning)
        cell->role = fraction >= critical ? ROLE_CRITICAL : ROLE_WARNING;
}

static const char *list_text(const struct cell *cell, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < cell->count && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, i ? ",%d" : "%d", cell->list[i]);
    return out;
}

static const char *number_text(const struct cell *cell, char *out)
{
    switch (cell->type) {
    case CELL_COUNT: return text_count(out, cell->number);
    case CELL_BYTES: return text_bytes(out, cell->number);
    case CELL_DURATION: return text_duration(out, cell->number);
    case CELL_PERCENT: return text_percent(out, cell->number);
    case CELL_RATE: return text_rate(out, cell->number);
    case CELL_BOOL: return cell->number != 0 ? "yes" : "no";
    default: return text_integer(out, (int64_t)cell->number);
    }
}

const char *cell_text(const struct cell *cell, char *out, size_t size)
{
    char unit[TEXT_UNIT_SIZE];

    if (cell->label[0]) {
        snprintf(out, size, "%s", cell->label);
        return out;
    }
    switch (cell->type) {
    case CELL_NONE: snprintf(out, size, "%s", text_symbol(SYMBOL_ABSENT)); break;
    case CELL_TEXT:
        text_sanitise(out, size, cell_string(cell), strlen(cell_string(cell)), false, NULL);
        break;
    case CELL_LIST: return list_text(cell, out, size);
    default: snprintf(out, size, "%s", number_text(cell, unit)); break;
    }
    return out;
}

int column_wish(const struct column *column, const void *const *rows, size_t count,
                const void *context)
{
    int most = column->max > column->width ? column->max : column->width;
    int widest = text_width(column->title) + 1; /* the mark of the sort */

    if (!column->fit)
        return most;
    for (size_t i = 0; i < count; i++) {
        struct cell cell = {0};
        char text[2048];
        int width;

        column->cell(rows[i], context, &cell);
        width = text_width(cell_text(&cell, text, sizeof(text)));
        widest = width > widest ? width : widest;
    }
    return widest < most ? widest : most;
}

int cell_compare(const struct cell *a, const struct cell *b, bool descending)
{
    int order;

    if (a->type == CELL_NONE || b->type == CELL_NONE)
        return (a->type == CELL_NONE) - (b->type == CELL_NONE);
    if (a->type == CELL_TEXT && b->type == CELL_TEXT)
        order = strcasecmp(cell_string(a), cell_string(b));
    else if (a->type == CELL_LIST && b->type == CELL_LIST)
        order = (a->count > b->count) - (a->count < b->count);
    else
        order = (a->number > b->number) - (a->number < b->number);
    return descending ? -order : order;
}
