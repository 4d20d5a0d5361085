/* The table of databases, for the snapshot. Its rows are struct pg_database. */
#ifndef PANELS_DATABASES_H
#define PANELS_DATABASES_H

#include "panels/data.h"

struct databases_context {
    const struct pg_sizes *sizes;
    uint64_t now; /* ms of the loop's clock */
};

extern const struct table_class databases_table;

#endif
