/* The list of containers: all anew at first, then a light one now and then in case that an event was
 * lost. */
#include "backend/container_watch_impl.h"

#include <stdlib.h>

static void note_listed(struct container_watch *watch, const struct watch_listed *listed, bool full)
{
    struct watch_entry *entry = watch_entry_find(watch, listed->id);

    if (!entry)
        entry = watch_entry_add(watch, listed->id);
    if (full || entry->failed || entry->signature != listed->signature)
        entry->wanted = true;
    entry->initial = watch->settling && (entry->initial || full);
    entry->signature = listed->signature;
}

static bool is_listed(const struct watch_entry *entry, const struct watch_listed *items,
                      size_t count)
{
    size_t i = 0;

    while (i < count && entry->signature != items[i].signature)
        i++;
    return i < count;
}

/* Those that run come first: something waits for them. What is missing may have been made after the
 * list: an inspection tells whether it is gone. */
static void merge(struct container_watch *watch, const struct watch_listed *items, size_t count,
                  bool full)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].running)
            note_listed(watch, &items[i], full);
    }
    for (size_t i = 0; i < count; i++) {
        if (!items[i].running)
            note_listed(watch, &items[i], full);
    }
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];

        if (is_listed(entry, items, count))
            continue;
        entry->wanted = true;
        entry->initial = watch->settling && (entry->initial || full);
    }
}

static void on_list(void *context, const struct engine_reply *reply)
{
    struct container_watch *watch = context;
    const bool full = watch->asked_full;
    char *error = watch_reply_error(reply, "the list of containers");
    struct watch_listed *items = NULL;
    size_t count;

    watch->asked_list = false;
    watch->list_at = uv_now(watch->loop) + (watch->stream ? WATCH_LIST_EVERY : WATCH_LIST_ALONE);
    if (!error && watch_parse_list(reply->body, reply->len, &items, &count)) {
        merge(watch, items, count, full);
        watch->served = true;
        watch->failures = 0;
        watch_dirty(watch);
    } else if (reply->error || watch->settling) {
        watch_broken(watch, error ? error : "what it gives as the list of containers is none",
                     reply->saved_errno);
    }
    free(items);
    free(error);
}

void watch_list_step(struct container_watch *watch)
{
    if (watch->asked_list || (!watch->want_list && uv_now(watch->loop) < watch->list_at))
        return;
    watch->asked_list = true;
    watch->asked_full = watch->want_full;
    watch->want_list = watch->want_full = false;
    engine_request(watch->engine, "GET", "/containers/json?all=1", NULL,
                   watch->asked_full ? WATCH_DEADLINE_FIRST : WATCH_DEADLINE, on_list, watch);
}

bool watch_is_settled(const struct container_watch *watch)
{
    if (watch->link != LINK_OPEN || !watch->served || watch->asked_list || watch->info_left)
        return false;
    for (size_t i = 0; i < watch->count; i++) {
        const struct watch_entry *entry = watch->entries[i];

        if (!entry->gone && (entry->initial || entry->tell_moved))
            return false;
    }
    return true;
}
