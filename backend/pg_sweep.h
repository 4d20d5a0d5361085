/* The pace of pg_database_size(): which database is measured when. Sizes walk a directory and may
 * take minutes, so each is asked alone, about once a minute, and less often where it is slow. Pure:
 * the caller asks the server and tells the time (ms of the loop's clock). */
#ifndef BACKEND_PG_SWEEP_H
#define BACKEND_PG_SWEEP_H

#include "backend/pg_data.h"

#include <stdbool.h>
#include <stdint.h>

#define PG_SWEEP_MS 60000U

struct pg_sweep;

struct pg_sweep *pg_sweep_new(void);
void pg_sweep_free(struct pg_sweep *sweep);

/* Follows the databases that exist. */
void pg_sweep_update(struct pg_sweep *sweep, const struct pg_databases *databases);

/* The next database to measure now; false: none is due. A sweep over all of them begins a minute
 * after the last one began, or four times as long as it took. */
bool pg_sweep_next(struct pg_sweep *sweep, uint64_t now, uint32_t *oid);

/* The measurement of oid took ms. error: why there is none, or NULL. A failed one waits twice as
 * long each time, up to an hour. */
void pg_sweep_done(struct pg_sweep *sweep, uint32_t oid, uint64_t now, uint64_t ms, int64_t bytes,
                   const char *error);

/* True when something was measured since the last sample. */
bool pg_sweep_changed(const struct pg_sweep *sweep);

/* A new sample of all databases, with one reference. */
struct pg_sizes *pg_sweep_sample(struct pg_sweep *sweep);

#endif
