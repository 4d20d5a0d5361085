/* The table of Redis databases, for the snapshot. Its rows are struct keyspace_row. */
#ifndef PANELS_KEYSPACE_H
#define PANELS_KEYSPACE_H

#include "panels/data.h"

/* A database that the server has keys in, or that the config names (as the spare one too). */
struct keyspace_row {
    int db;
    const struct redis_db *keys;          /* NULL: empty */
    const struct redis_db_config *config; /* NULL: not named */
    const struct celery_db *celery;       /* NULL: not a broker, or not known yet */
    bool is_spare;                        /* where a flush moves a database's content */
    const struct redis_spare *spare;      /* what waits there; NULL: nothing, or another database */
    enum environment environment;         /* what waits is of the environment that it was in */
};

extern const struct table_class keyspace_table;

/* All rows, ascending by number; the caller frees the array. */
struct keyspace_row *keyspace_rows(const struct redis_snapshot *redis,
                                   const struct redis_config *config, size_t *count);

#endif
