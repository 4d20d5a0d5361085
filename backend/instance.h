/* One watched server, as the panels see it. The backend writes it, everybody else reads it. */
#ifndef BACKEND_INSTANCE_H
#define BACKEND_INSTANCE_H

#include "backend/config.h"
#include "backend/history.h"
#include "backend/pg_data.h"
#include "backend/redis_data.h"

#include <stdbool.h>
#include <stdint.h>

enum instance_kind { INSTANCE_POSTGRES, INSTANCE_REDIS, INSTANCE_KINDS };

/* connecting → up → stale (a request is past its deadline) → down (waits for the next try). */
enum instance_state { INSTANCE_CONNECTING, INSTANCE_UP, INSTANCE_STALE, INSTANCE_DOWN };

enum pg_source { PG_SERVER, PG_ACTIVITY, PG_DATABASES, PG_SIZES, PG_SOURCES };
enum redis_source { REDIS_INFO, REDIS_CELERY, REDIS_SPARE, REDIS_SOURCES };
#define SOURCE_BIT(source) (1U << (source))

/* Adds to PG_ACTIVITY: the query text of idle sessions too. */
#define PG_WANT_IDLE_QUERIES (1U << 16)

/* The latest answers; NULL: none yet. Last known data stays when the server goes. */
struct pg_snapshot {
    const struct pg_server *server;
    const struct pg_activity *activity;
    const struct pg_databases *databases;
    const struct pg_sizes *sizes;
};

struct redis_snapshot {
    const struct redis_info *info;
    const struct redis_celery *celery;
    const struct redis_spare *spare; /* NULL too when no spare database is configured */
};

struct instance {
    enum instance_kind kind;
    const char *name;
    enum instance_state state;
    double state_since; /* seconds since 1970 */
    char *address;      /* "127.0.0.1:5432", a socket's path; may be shown */
    char *error;        /* why it is not up, or what a source was refused; one line, raw; or NULL */
    char *hint;         /* the mend ("GRANT pg_monitor TO app"), or NULL */
    char *source_error[4]; /* by enum pg_source or redis_source: NULL, or why it has no data */
    char *tls;             /* "TLSv1.3" when the connection is encrypted, else NULL */
    uint64_t retry_at;     /* ms of the loop's clock of the next try; 0: none is waiting */
    uint64_t answered_at;  /* of the last answer; 0: never */
    uint32_t generation;   /* grows with every new server start or connection that was seen */
    bool answered;    /* an answer to every source that is always polled has come at least once,
                             or the instance is down: what the first picture waits for */
    bool removed;     /* it was found in a container that is there no more: down, and no alert */
    char version[32]; /* "15.18", "7.0.15"; "" unknown */
    const struct postgres_config *postgres_config; /* of its kind; the other is NULL */
    const struct redis_config *redis_config;
    struct pg_snapshot pg;
    struct redis_snapshot redis;
    struct history *history; /* of enum pg_metric or redis_metric */
};

#endif
