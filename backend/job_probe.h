/* Looks at every configured server ten times a second, each in a thread of its own, while the shared
 * services are restarted: who is up, and for how long it was not. */
#ifndef BACKEND_JOB_PROBE_H
#define BACKEND_JOB_PROBE_H

#include "backend/base/strbuf.h"
#include "backend/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probes;

/* Starts looking; config must outlive it. */
struct probes *probes_start(const struct config *config);

/* Waits for the threads' last look, at most some seconds. */
void probes_stop(struct probes *probes);

size_t probes_count(const struct probes *probes);

/* How many have answered a look that began at or after since (ms of job_clock). */
size_t probes_up(struct probes *probes, int64_t since);

/* How many looks have ended, of the server with the fewest. */
unsigned probes_looks(struct probes *probes);

/* "shared_redis" or "shared_postgres, shared_redis": those that probes_up does not count. */
void probes_missing(struct probes *probes, int64_t since, struct strbuf *text);

/* "PostgreSQL down 3.2 s, Redis was not restarted" */
void probes_tell(struct probes *probes, struct strbuf *text);

/* "shared_postgres is up, shared_redis is not: Connection refused" */
void probes_tell_state(struct probes *probes, struct strbuf *text);

#endif
