/* The sample that is published. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct published {
    struct containers pub;
    char *socket, *error, *hint;
};

static void destroy(struct sample *sample)
{
    struct published *published = (struct published *)sample;

    for (size_t i = 0; i < published->pub.count; i++)
        container_unref(published->pub.rows[i].facts);
    free(published->pub.rows);
    free(published->socket);
    free(published->error);
    free(published->hint);
    free(published);
}

static int by_service_and_name(const void *a, const void *b)
{
    const struct container *x = ((const struct container_row *)a)->facts;
    const struct container *y = ((const struct container_row *)b)->facts;
    const bool other_x = x->service == SERVICE_OTHER, other_y = y->service == SERVICE_OTHER;
    int order;

    if (other_x != other_y)
        return other_x ? 1 : -1;
    order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->id, y->id);
}

static void make_row(struct watch_entry *entry, double wall, struct container_row *row)
{
    const struct container_watch *watch = entry->watch;

    *row = (struct container_row){.facts = container_ref(entry->facts),
                                  .usage = entry->usage,
                                  .recent_restarts = watch_entry_restarts(entry, wall),
                                  .oom_at = entry->oom_at,
                                  .oom_expected = INT_MIN};
    if (watch->events->complete)
        watch->events->complete(watch->context, row);
    /* What nobody needs, once he has been told of it. */
    if (entry->facts->service == SERVICE_OTHER && !row->watched && !entry->tell_moved &&
        !entry->fetch && !entry->fetching)
        container_login_free(&entry->login);
}

static void make_rows(struct container_watch *watch, struct containers *pub)
{
    if (!watch->count)
        return;
    pub->rows = mem_array(NULL, watch->count, sizeof(*pub->rows));
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];

        if (entry->facts && !entry->gone)
            make_row(entry, pub->sample.wall, &pub->rows[pub->count++]);
    }
    qsort(pub->rows, pub->count, sizeof(*pub->rows), by_service_and_name);
}

struct containers *watch_sample_make(struct container_watch *watch)
{
    struct published *published = mem_zalloc(sizeof(*published));
    struct containers *pub = &published->pub;

    pub->sample = (struct sample){.refs = 1,
                                  .at = uv_now(watch->loop),
                                  .wall = watch_wall(),
                                  .generation = watch->generation,
                                  .destroy = destroy};
    pub->state = watch->state;
    pub->engine = watch->info;
    pub->socket = published->socket =
        mem_strdup(watch->engine ? engine_socket(watch->engine) : NULL);
    pub->error = published->error = mem_strdup(watch->error);
    pub->hint = published->hint = mem_strdup(watch->hint);
    make_rows(watch, pub);
    return pub;
}
