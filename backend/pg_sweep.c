#include "backend/pg_sweep.h"

#include "backend/base/mem.h"

#include <stdlib.h>

#define HOUR_MS 3600000U

struct entry {
    struct pg_size size; /* its error is owned */
    uint64_t not_before;
    unsigned failures; /* in a row */
    bool visited;      /* in this sweep */
};

struct pg_sweep {
    struct entry *entries; /* in the order of the databases */
    size_t count;
    bool running, changed;
    uint64_t began, took; /* ms, of this sweep */
    uint64_t next;        /* when the next one may begin */
};

struct pg_sweep *pg_sweep_new(void)
{
    return mem_zalloc(sizeof(struct pg_sweep));
}

static void free_entry(const struct entry *entry)
{
    free((void *)(uintptr_t)entry->size.error);
}

void pg_sweep_free(struct pg_sweep *sweep)
{
    if (!sweep)
        return;
    for (size_t i = 0; i < sweep->count; i++)
        free_entry(&sweep->entries[i]);
    free(sweep->entries);
    free(sweep);
}

static struct entry *find(const struct pg_sweep *sweep, uint32_t oid)
{
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep->entries[i].size.oid == oid)
            return &sweep->entries[i];
    }
    return NULL;
}

static bool same_databases(const struct pg_sweep *sweep, const struct pg_databases *databases)
{
    if (sweep->count != databases->count)
        return false;
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep->entries[i].size.oid != databases->rows[i].oid)
            return false;
    }
    return true;
}

/* A database that is new joins the sweep that runs, or has one of its own. */
void pg_sweep_update(struct pg_sweep *sweep, const struct pg_databases *databases)
{
    struct entry *entries;
    bool any_new = false;

    if (same_databases(sweep, databases))
        return;
    entries = mem_array(NULL, databases->count, sizeof(*entries));
    for (size_t i = 0; i < databases->count; i++) {
        struct entry *old = find(sweep, databases->rows[i].oid);

        entries[i] = (struct entry){.size = {.oid = databases->rows[i].oid, .bytes = -1}};
        any_new |= !old;
        if (old) {
            entries[i] = *old;
            old->size.error = NULL;
        }
    }
    for (size_t i = 0; i < sweep->count; i++)
        free_entry(&sweep->entries[i]);
    free(sweep->entries);
    sweep->entries = entries;
    sweep->count = databases->count;
    sweep->changed = true;
    if (any_new && sweep->next)
        sweep->running = true;
}

static void begin(struct pg_sweep *sweep, uint64_t now)
{
    sweep->running = true;
    sweep->began = now;
    sweep->took = 0;
    for (size_t i = 0; i < sweep->count; i++)
        sweep->entries[i].visited = false;
}

static void end(struct pg_sweep *sweep)
{
    uint64_t pause = 4 * sweep->took;

    sweep->running = false;
    sweep->next = sweep->began + (pause > PG_SWEEP_MS ? pause : PG_SWEEP_MS);
}

bool pg_sweep_next(struct pg_sweep *sweep, uint64_t now, uint32_t *oid)
{
    if (!sweep->count || (!sweep->running && now < sweep->next))
        return false;
    if (!sweep->running)
        begin(sweep, now);
    for (size_t i = 0; i < sweep->count; i++) {
        struct entry *entry = &sweep->entries[i];

        if (!entry->visited && entry->not_before <= now) {
            entry->visited = true;
            *oid = entry->size.oid;
            return true;
        }
    }
    end(sweep);
    return false;
}

static uint64_t pause_after(unsigned failures)
{
    uint64_t pause = (uint64_t)PG_SWEEP_MS << (failures < 6 ? failures : 6);

    return pause < HOUR_MS ? pause : HOUR_MS;
}

void pg_sweep_done(struct pg_sweep *sweep, uint32_t oid, uint64_t now, uint64_t ms, int64_t bytes,
                   const char *error)
{
    struct entry *entry = find(sweep, oid);

    sweep->took += ms;
    if (!entry)
        return;
    free_entry(entry);
    entry->size.error = mem_strdup(error);
    if (error) {
        entry->not_before = now + pause_after(++entry->failures);
    } else {
        entry->failures = 0;
        entry->size.bytes = bytes;
        entry->size.at = now;
    }
    sweep->changed = true;
}

bool pg_sweep_changed(const struct pg_sweep *sweep)
{
    return sweep->changed;
}

static void free_sizes(struct sample *sample)
{
    struct pg_sizes *sizes = (struct pg_sizes *)sample;

    for (size_t i = 0; i < sizes->count; i++)
        free((void *)(uintptr_t)sizes->rows[i].error);
    free(sizes->rows);
    free(sizes);
}

struct pg_sizes *pg_sweep_sample(struct pg_sweep *sweep)
{
    struct pg_sizes *sizes = mem_zalloc(sizeof(*sizes));

    sizes->sample.refs = 1;
    sizes->sample.destroy = free_sizes;
    sizes->count = sweep->count;
    sizes->rows = mem_array(NULL, sizes->count, sizeof(*sizes->rows));
    for (size_t i = 0; i < sizes->count; i++) {
        sizes->rows[i] = sweep->entries[i].size;
        sizes->rows[i].error = mem_strdup(sizes->rows[i].error);
    }
    sweep->changed = false;
    return sizes;
}
