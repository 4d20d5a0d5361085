/* A ring of samples of a fixed set of metrics, for graphs. */
#ifndef BACKEND_HISTORY_H
#define BACKEND_HISTORY_H

#include <stddef.h>

enum pg_metric {
    PG_METRIC_CONNECTIONS,
    PG_METRIC_ACTIVE,
    PG_METRIC_IDLE_IN_TRANSACTION,
    PG_METRIC_BLOCKED,
    PG_METRIC_TPS,
    PG_METRIC_HIT_RATE,
    PG_METRICS
};

enum redis_metric {
    REDIS_METRIC_MEMORY,
    REDIS_METRIC_OPS,
    REDIS_METRIC_HIT_RATE,
    REDIS_METRIC_EVICTED,
    REDIS_METRIC_CLIENTS,
    REDIS_METRIC_NET_OUT,
    REDIS_METRICS
};

struct history;

/* capacity: samples kept (an hour over the interval). */
struct history *history_new(size_t metrics, size_t capacity);
void history_free(struct history *history);

/* Adds one sample, one a tick: values of all metrics (NAN: absent). NULL adds a gap: all NAN. */
void history_push(struct history *history, const float *values);

/* Copies the last max values of a metric, oldest first; returns how many there were. */
size_t history_last(const struct history *history, size_t metric, float *values, size_t max);
size_t history_count(const struct history *history);

#endif
