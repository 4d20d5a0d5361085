/* What is wrong with how a container is set up. Pure. */
#ifndef BACKEND_CONTAINER_CHECK_H
#define BACKEND_CONTAINER_CHECK_H

#include "backend/container_data.h"
#include "backend/instance.h"

/* The bits of row->flaws, from its other members and, for the maxmemory and the major version, the
 * instance that runs in it (NULL: none is watched). */
unsigned container_flaws(const struct container_row *row, const struct instance *instance);

/* One line: what, and the mend ("published on 0.0.0.0:5432: bind it to 127.0.0.1 …"); out is
 * returned. Raw bytes. */
const char *container_flaw_text(const struct container_row *row, enum container_flaw flaw,
                                const struct instance *instance, char *out, size_t size);

/* "image", "oom score", …: a word or two for a column. */
const char *container_flaw_word(enum container_flaw flaw);

#endif
