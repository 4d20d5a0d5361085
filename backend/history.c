#include "backend/history.h"

#include "backend/base/mem.h"

#include <math.h>
#include <stdlib.h>

/* A row of metrics a sample; rows fill up to capacity, then the oldest is overwritten. The rows are
 * allocated as they come: an hour at a short interval is seldom reached. */
struct history {
    size_t metrics, capacity, allocated, count, next;
    float *values;
};

struct history *history_new(size_t metrics, size_t capacity)
{
    struct history *history = mem_zalloc(sizeof(*history));

    history->metrics = metrics;
    history->capacity = capacity ? capacity : 1;
    return history;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    free(history->values);
    free(history);
}

static void grow(struct history *history)
{
    size_t want = history->allocated ? 2 * history->allocated : 128;

    history->allocated = want < history->capacity ? want : history->capacity;
    history->values =
        mem_array(history->values, history->allocated * history->metrics, sizeof(*history->values));
}

void history_push(struct history *history, const float *values)
{
    float *row;

    if (history->count == history->allocated && history->allocated < history->capacity)
        grow(history);
    row = history->values + history->next * history->metrics;
    for (size_t i = 0; i < history->metrics; i++)
        row[i] = values ? values[i] : NAN;
    history->next = (history->next + 1) % history->capacity;
    if (history->count < history->capacity)
        history->count++;
}

size_t history_last(const struct history *history, size_t metric, float *values, size_t max)
{
    size_t n = history->count < max ? history->count : max;
    size_t row = (history->next + history->capacity - n) % history->capacity;

    for (size_t i = 0; i < n; i++) {
        values[i] = history->values[row * history->metrics + metric];
        row = (row + 1) % history->capacity;
    }
    return n;
}

size_t history_count(const struct history *history)
{
    return history->count;
}
