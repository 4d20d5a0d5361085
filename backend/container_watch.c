#include "backend/container_watch.h"

#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double watch_wall(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
}

/* ---- the turn ---- */

static bool is_to_publish(const struct container_watch *watch)
{
    return watch->dirty &&
           (watch->urgent || uv_now(watch->loop) >= watch->published_at + WATCH_PUBLISH_EVERY ||
            watch_entries_have_news(watch));
}

/* Tells the owner all that is due. False: he has closed the watch. */
static bool tell(struct container_watch *watch)
{
    const struct container_watch_events *events = watch->events;
    const bool publish = is_to_publish(watch);

    if (publish) {
        struct containers *old = watch->sample;

        watch->dirty = watch->urgent = false;
        watch->published_at = uv_now(watch->loop);
        watch->sample = watch_sample_make(watch);
        sample_unref(old);
    }
    /* Who was told of a container may say another thing of its row now. */
    if (!watch->closing && watch_entries_tell(watch))
        watch_dirty(watch);
    if (!watch->closing && publish && events->changed)
        events->changed(watch->context);
    return !watch->closing;
}

static void tell_listed(struct container_watch *watch)
{
    if (watch->listed || watch->sample->state == CONTAINERS_SEARCHING)
        return;
    watch->listed = true;
    if (watch->events->listed)
        watch->events->listed(watch->context);
}

static void on_clock(uv_timer_t *timer)
{
    struct container_watch *watch = timer->data;

    if (watch->link == LINK_WAITING && uv_now(watch->loop) >= watch->wait_until)
        watch->link = LINK_SEARCH;
    watch_touch(watch);
}

/* For the next thing that is due by time alone. */
static void arm_clock(struct container_watch *watch)
{
    const uint64_t now = uv_now(watch->loop);
    uint64_t at = UINT64_MAX;

    if (watch->link == LINK_WAITING)
        at = watch->wait_until;
    if (watch->link == LINK_OPEN && !watch->asked_list)
        at = watch->list_at;
    if (watch->link == LINK_OPEN && !watch->stream && watch->stream_at < at)
        at = watch->stream_at;
    if (watch->dirty && watch->published_at + WATCH_PUBLISH_EVERY < at)
        at = watch->published_at + WATCH_PUBLISH_EVERY;
    if (at != UINT64_MAX)
        uv_timer_start(&watch->clock, on_clock, at > now ? at - now : 1, 0);
}

static void settle(struct container_watch *watch)
{
    if (!watch->settling || !watch_is_settled(watch))
        return;
    watch->settling = false;
    watch->state = CONTAINERS_UP;
    watch_set_error(watch, NULL, NULL);
    watch_usage_tick(watch);
}

static void on_turn(uv_timer_t *timer)
{
    struct container_watch *watch = timer->data;

    watch_link_step(watch);
    if (!tell(watch))
        return;
    tell_listed(watch);
    if (watch->closing)
        return;
    settle(watch);
    if (is_to_publish(watch))
        watch_touch(watch);
    watch_entries_reap(watch);
    arm_clock(watch);
}

void watch_touch(struct container_watch *watch)
{
    if (!watch->closing)
        uv_timer_start(&watch->turn, on_turn, 0, 0);
}

void watch_dirty(struct container_watch *watch)
{
    watch->dirty = true;
    watch_touch(watch);
}

void watch_urgent(struct container_watch *watch)
{
    watch->urgent = true;
    watch_dirty(watch);
}

/* ---- what the owner asks for ---- */

void container_watch_start(struct container_watch *watch)
{
    assert(watch->link == LINK_IDLE);
    watch->link = LINK_SEARCH;
    watch_touch(watch);
}

void container_watch_tick(struct container_watch *watch)
{
    if (watch->state == CONTAINERS_UP && !watch->closing)
        watch_usage_tick(watch);
}

void container_watch_refresh(struct container_watch *watch)
{
    if (watch->closing)
        return;
    if (watch->link == LINK_WAITING)
        watch->link = LINK_SEARCH;
    watch->want_list = watch->want_full = true;
    watch_touch(watch);
}

const struct containers *container_watch_sample(const struct container_watch *watch)
{
    return watch->sample;
}

/* Until it is known that the one before has another name or is gone, two may have it. */
static const struct container *newest_named(const struct container_watch *watch, const char *name)
{
    const struct container *newest = NULL;

    for (size_t i = 0; i < watch->count; i++) {
        const struct container *facts = watch->entries[i]->facts;

        if (!watch->entries[i]->gone && facts && strcmp(facts->name, name) == 0 &&
            (!newest || !(newest->created > facts->created)))
            newest = facts;
    }
    return newest;
}

const struct container *container_watch_find(const struct container_watch *watch, const char *name)
{
    const size_t len = strlen(name);
    const struct container *named = newest_named(watch, name);

    if (named)
        return named;
    for (size_t i = 0; len >= 12 && i < watch->count; i++) {
        const struct watch_entry *entry = watch->entries[i];

        if (!entry->gone && entry->facts && strncmp(entry->id, name, len) == 0)
            return entry->facts;
    }
    return NULL;
}

const struct container_login *container_watch_login(const struct container_watch *watch,
                                                    const char *id)
{
    const struct watch_entry *entry = watch_entry_find(watch, id);

    return entry && entry->facts ? &entry->login : NULL;
}

struct engine *container_watch_engine(const struct container_watch *watch)
{
    return watch->link == LINK_OPEN && watch->served && !watch->closing ? watch->engine : NULL;
}

/* ---- life ---- */

struct container_watch *container_watch_new(uv_loop_t *loop, const char *docker_host,
                                            const struct container_watch_events *events,
                                            void *context)
{
    struct container_watch *watch = mem_zalloc(sizeof(*watch));

    watch->loop = loop;
    watch->events = events;
    watch->context = context;
    watch->docker_host = mem_strdup(docker_host);
    watch->event_time = NAN;
    uv_timer_init(loop, &watch->turn);
    uv_timer_init(loop, &watch->clock);
    watch->turn.data = watch->clock.data = watch;
    watch->open = 2;
    watch->sample = watch_sample_make(watch);
    return watch;
}

static void release(struct container_watch *watch)
{
    void (*gone)(void *context) = watch->gone;
    void *context = watch->gone_context;

    if (--watch->open || !watch->closing)
        return;
    watch_entries_free(watch);
    watch_images_free(watch);
    engine_places_free(&watch->places);
    strbuf_free(&watch->line);
    sample_unref(watch->sample);
    free(watch->problem.error);
    free(watch->problem.hint);
    free(watch->broken);
    free(watch->error);
    free(watch->hint);
    free(watch->docker_host);
    free(watch);
    if (gone)
        gone(context);
}

void watch_engine_gone(void *watch)
{
    release(watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void container_watch_close(struct container_watch *watch, void (*gone)(void *context),
                           void *context)
{
    assert(!watch->closing);
    watch->closing = true;
    watch->gone = gone;
    watch->gone_context = context;
    watch_stream_close(watch);
    if (watch->usage)
        usage_reader_free(watch->usage);
    if (watch->engine)
        engine_close(watch->engine, watch_engine_gone, watch);
    uv_close((uv_handle_t *)&watch->turn, on_timer_closed);
    uv_close((uv_handle_t *)&watch->clock, on_timer_closed);
}
