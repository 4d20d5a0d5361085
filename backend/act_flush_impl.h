/* What act_flush.c (which looks and acts) and act_flush_plan.c (which says it) share. */
#ifndef BACKEND_ACT_FLUSH_IMPL_H
#define BACKEND_ACT_FLUSH_IMPL_H

#include "backend/act_clients.h"
#include "backend/act_keys.h"
#include "backend/act_redis.h"
#include "backend/redis_celery.h"
#include "backend/redis_spare.h"

struct flush {
    struct act_redis redis; /* first */
    bool now;
    bool scripts;       /* EVAL may be run */
    bool no_swap_right; /* no_swap since the user may not: FLUSHDB may be possible */
    bool clients_known;
    bool verified;   /* the connection was lost; another one looks what came of it */
    unsigned rounds; /* of celery_poll that are left */
    char *no_swap;   /* why SWAPDB cannot be run, or NULL */
    char *no_spare;  /* why the spare cannot be looked at, or NULL */
    struct redis_spare spare;
    int64_t spare_keys; /* -1: could not be looked at */
    struct clients clients;
    int64_t marks; /* keys that Celery always has */
    struct celery *celery;
    struct redis_celery *sample; /* NULL: not known */
    struct keys keys;
    size_t looked, types_due; /* keys of the scan; answers to TYPE */
    uint64_t scan_until;      /* ms */
    int64_t count, expires;   /* of the database */
    char cursor[24];
    char token[40];
    /* ---- executing ---- */
    uint64_t sent_at; /* ns */
    double took;      /* s */
    char *why;
    int64_t moved, size, spare_size;
    enum outcome_status status;
};

/* Why the flush that can be undone is not possible, or NULL (the caller frees it). *offer: flush
 * now may be. */
char *flush_obstacle(const struct flush *flush, bool *offer);

/* Adds what is known of the database when the flush that can be undone is refused. */
void flush_plan_refused(struct flush *flush);

/* Adds all lines and vetoes. */
void flush_plan(struct flush *flush);

/* The line for a flush that was done; the caller frees it. */
char *flush_result(const struct flush *flush);

/* What else is worth saying then, or NULL. */
char *flush_details(const struct flush *flush);

#endif
