#include "backend/pg_data.h"

#include <math.h>
#include <string.h>

double pg_session_seconds(const struct pg_session *session, int64_t now)
{
    int64_t since =
        session->state == PG_STATE_ACTIVE ? session->query_start : session->state_change;

    if (since == PG_NO_TIME || now == PG_NO_TIME)
        return -1.0;
    return now > since ? ((double)now - (double)since) / 1e6 : 0.0;
}

bool pg_session_is_client(const struct pg_session *session)
{
    if (!session->backend_type)
        return session->database_oid != 0;
    return strcmp(session->backend_type, "client backend") == 0;
}

void pg_databases_count(struct pg_databases *databases, const struct pg_activity *activity)
{
    for (size_t i = 0; i < databases->count; i++)
        databases->rows[i].connections = databases->rows[i].active = 0;
    for (size_t i = 0; i < activity->count; i++) {
        const struct pg_session *session = &activity->rows[i];
        const struct pg_database *found = pg_database_find(databases, session->database_oid);
        struct pg_database *database;

        if (!found)
            continue;
        database = databases->rows + (found - databases->rows);
        database->connections++;
        database->active += pg_session_is_client(session) && session->state == PG_STATE_ACTIVE;
    }
}

/* ---- rates ---- */

struct growth {
    double commits, rollbacks, hits, reads, temp;
};

/* As doubles: a server may send numbers whose difference is none. */
static double grown(int64_t now, int64_t before)
{
    return (double)now - (double)before;
}

static bool comparable(const struct pg_database *now, const struct pg_database *before)
{
    return now->stats_reset == before->stats_reset && before->xact_commit >= 0 &&
           now->xact_commit >= before->xact_commit && now->xact_rollback >= before->xact_rollback &&
           now->blks_hit >= before->blks_hit && now->blks_read >= before->blks_read &&
           now->temp_bytes >= before->temp_bytes;
}

static double share(double hits, double reads)
{
    return hits + reads > 0.0 ? hits / (hits + reads) : NAN;
}

static void rate_database(struct pg_database *now, const struct pg_database *before, double seconds,
                          struct growth *all)
{
    struct growth one = {
        .commits = grown(now->xact_commit, before->xact_commit),
        .rollbacks = grown(now->xact_rollback, before->xact_rollback),
        .hits = grown(now->blks_hit, before->blks_hit),
        .reads = grown(now->blks_read, before->blks_read),
        .temp = grown(now->temp_bytes, before->temp_bytes),
    };

    now->tps = (one.commits + one.rollbacks) / seconds;
    now->rollbacks = one.rollbacks / seconds;
    now->hit_rate = share(one.hits, one.reads);
    now->temp_rate = one.temp / seconds;
    all->commits += one.commits;
    all->rollbacks += one.rollbacks;
    all->hits += one.hits;
    all->reads += one.reads;
}

void pg_databases_rates(struct pg_databases *now, const struct pg_databases *before)
{
    struct growth all = {0};
    bool any = false;
    double seconds;

    if (!before || now->sample.generation != before->sample.generation || now->now == PG_NO_TIME ||
        before->now == PG_NO_TIME || now->now <= before->now)
        return;
    seconds = grown(now->now, before->now) / 1e6;
    for (size_t i = 0; i < now->count; i++) {
        const struct pg_database *old = pg_database_find(before, now->rows[i].oid);

        if (!old || !comparable(&now->rows[i], old))
            continue;
        rate_database(&now->rows[i], old, seconds, &all);
        any = true;
    }
    if (!any)
        return;
    now->tps = (all.commits + all.rollbacks) / seconds;
    now->rollbacks = all.rollbacks / seconds;
    now->hit_rate = share(all.hits, all.reads);
}
