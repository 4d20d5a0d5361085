/* Containers, one by one: asked for, told to the owner, removed. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX = 64 * 1024 }; /* bytes of a file with a password */

struct watch_entry *watch_entry_find(const struct container_watch *watch, const char *id)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (!watch->entries[i]->gone && strcmp(watch->entries[i]->id, id) == 0)
            return watch->entries[i];
    }
    return NULL;
}

struct watch_entry *watch_entry_add(struct container_watch *watch, const char *id)
{
    struct watch_entry *entry = mem_zalloc(sizeof(*entry));

    entry->watch = watch;
    memcpy(entry->id, id, strlen(id) + 1);
    entry->usage = container_usage_unknown;
    entry->oom_at = NAN;
    entry->kills = -1;
    watch->entries = mem_array(watch->entries, watch->count + 1, sizeof(struct watch_entry *));
    watch->entries[watch->count++] = entry;
    return entry;
}

static void entry_free(struct watch_entry *entry)
{
    entry->watch->asked -= entry->asked;
    container_unref(entry->facts);
    container_login_free(&entry->login);
    free(entry->place);
    free(entry);
}

void watch_entries_free(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        entry_free(watch->entries[i]);
    free(watch->entries);
    watch->entries = NULL;
    watch->count = 0;
}

void watch_entries_reap(struct container_watch *watch)
{
    size_t kept = 0;

    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];

        if (!entry->gone || entry->tell_stopped || entry->tell_removed) {
            watch->entries[kept++] = entry;
            continue;
        }
        if (watch->engine)
            engine_forget(watch->engine, entry);
        entry_free(entry);
    }
    watch->count = kept;
}

/* The next connection tells of all that run as if they had started. */
void watch_entries_forget(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];

        engine_forget(watch->engine, entry);
        entry->asked = entry->asked_stats = false;
        entry->fetch = entry->fetching = 0;
        entry->initial = entry->tell_moved = entry->fresh = entry->current = false;
        free(entry->place);
        entry->place = NULL;
    }
    watch->asked = 0;
}

bool watch_entry_runs(const struct watch_entry *entry)
{
    const struct container *facts = entry->facts;

    return facts && !entry->gone &&
           (facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_PAUSED);
}

/* No inspection will tell of its end. */
void watch_entry_gone(struct watch_entry *entry)
{
    struct container *facts;

    if (watch_entry_runs(entry)) {
        facts = watch_facts_copy(entry->facts);
        facts->state = CONTAINER_EXITED;
        facts->exit_code = entry->exit_code;
        facts->pid = 0;
        container_unref(entry->facts);
        entry->facts = facts;
        entry->tell_stopped = true;
    }
    entry->tell_removed |= entry->facts && !entry->gone;
    entry->gone = true;
    watch_dirty(entry->watch);
}

/* The event, the count of the kernel and the state may all tell of the same kill. */
void watch_entry_oom(struct watch_entry *entry, double when)
{
    if (!(entry->oom_at >= when))
        entry->oom_at = when;
    watch_urgent(entry->watch);
}

/* ---- whether it is so now ---- */

/* Without events only a list tells that nothing has happened. */
static bool is_current(const struct watch_entry *entry)
{
    const struct container_watch *watch = entry->watch;
    const bool followed = watch->stream || !(watch->want_list || watch->asked_list);

    return watch->link == LINK_OPEN && followed && !watch->info_left && entry->fresh &&
           !entry->gone && !entry->wanted && !entry->asked && !entry->fetch && !entry->fetching;
}

enum container_known container_watch_known(const struct container_watch *watch, const char *id)
{
    const struct watch_entry *entry = watch_entry_find(watch, id);

    if (!entry || watch->link != LINK_OPEN)
        return KNOWN_OLD;
    if (is_current(entry))
        return entry->current ? KNOWN_NOW : KNOWN_SOON;
    return entry->failed && !entry->wanted && !entry->asked ? KNOWN_OLD : KNOWN_SOON;
}

/* ---- inspecting ---- */

static char *entry_path(const struct watch_entry *entry, const char *rest)
{
    char *id = engine_escape(entry->id);
    char *path = mem_printf("/containers/%s%s", id, rest);

    free(id);
    return path;
}

/* The list wants those that have failed. */
static void ask_again(struct container_watch *watch)
{
    const uint64_t at = uv_now(watch->loop) + WATCH_LIST_ALONE;

    if (watch->list_at > at)
        watch->list_at = at;
}

static void on_inspect(void *context, const struct engine_reply *reply)
{
    struct watch_entry *entry = context;
    struct container_login login = {0};
    struct container *facts = NULL;

    entry->asked = false;
    entry->watch->asked--;
    if (reply->status == 200)
        facts = container_parse_inspect(reply->body, reply->len, &login);
    entry->failed = !facts;
    entry->fresh = facts != NULL;
    if (reply->status == 404) {
        watch_entry_gone(entry);
    } else if (facts) {
        watch_entry_install(entry, facts, &login);
    } else {
        container_login_free(&login);
        ask_again(entry->watch);
    }
    entry->initial = false;
    watch_dirty(entry->watch);
}

static void inspect(struct watch_entry *entry)
{
    struct container_watch *watch = entry->watch;
    char *path = entry_path(entry, "/json");

    entry->wanted = false;
    entry->asked = true;
    watch->asked++;
    engine_request(watch->engine, "GET", path, NULL, WATCH_DEADLINE, on_inspect, entry);
    free(path);
}

/* ---- the files of a login ---- */

static void take_file(struct watch_entry *entry, const struct engine_reply *reply, char **to)
{
    const char *from;
    size_t size;

    entry->fetching--;
    if (reply->status == 200 && container_parse_archive(reply->body, reply->len, &from, &size) &&
        size <= SECRET_MAX) {
        if (size && from[size - 1] == '\n')
            size--;
        if (size && from[size - 1] == '\r')
            size--;
        if (!*to)
            *to = mem_strndup(from, size);
    }
    watch_touch(entry->watch);
}

static void on_user_file(void *context, const struct engine_reply *reply)
{
    struct watch_entry *entry = context;

    take_file(entry, reply, &entry->login.user);
}

static void on_password_file(void *context, const struct engine_reply *reply)
{
    struct watch_entry *entry = context;

    take_file(entry, reply, &entry->login.password);
}

static void fetch(struct watch_entry *entry, const char *file, engine_answer *answer)
{
    char *escaped = engine_escape(file);
    char *rest = mem_printf("/archive?path=%s", escaped);
    char *path = entry_path(entry, rest);

    entry->fetching++;
    engine_request(entry->watch->engine, "GET", path, NULL, WATCH_DEADLINE, answer, entry);
    free(path);
    free(rest);
    free(escaped);
}

void watch_entries_step(struct container_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_entry *entry = watch->entries[i];

        if (entry->gone)
            continue;
        if (entry->fetch & FETCH_USER)
            fetch(entry, entry->login.user_file, on_user_file);
        if (entry->fetch & FETCH_PASSWORD)
            fetch(entry, entry->login.password_file, on_password_file);
        entry->fetch = 0;
        if (entry->wanted && !entry->asked && watch->asked < WATCH_PARALLEL)
            inspect(entry);
    }
}

/* ---- telling ---- */

static bool may_tell_moved(const struct watch_entry *entry)
{
    return entry->tell_moved && !entry->gone && !entry->fetch && !entry->fetching &&
           !entry->watch->info_left;
}

static void tell_removed(struct watch_entry *entry)
{
    const struct container_watch *watch = entry->watch;

    entry->tell_removed = false;
    if (watch->events->removed)
        watch->events->removed(watch->context, entry->facts);
}

/* True: it has become so. */
static bool note_current(struct watch_entry *entry)
{
    const bool was = entry->current;

    entry->current = is_current(entry);
    return entry->current && !was;
}

static bool tell_moved(struct watch_entry *entry)
{
    struct container_watch *watch = entry->watch;

    if (!may_tell_moved(entry))
        return false;
    entry->tell_moved = false;
    if (watch->events->moved)
        watch->events->moved(watch->context, entry->facts, &entry->login);
    return true;
}

/* The entry is there when a callback comes back: it is freed by reap or after the closing. */
static bool tell_entry(struct watch_entry *entry)
{
    struct container_watch *watch = entry->watch;
    const struct container_watch_events *events = watch->events;
    const bool current = note_current(entry);
    bool told = entry->tell_stopped || entry->tell_removed;

    if (entry->tell_stopped) {
        entry->tell_stopped = false;
        if (events->stopped)
            events->stopped(watch->context, entry->facts);
    }
    if (entry->tell_removed && !watch->closing)
        tell_removed(entry);
    told |= !watch->closing && tell_moved(entry);
    if (current && !watch->closing && events->current)
        events->current(watch->context, entry->facts);
    return told;
}

/* What has to be on the screen at once. The first list's may come together. */
bool watch_entries_have_news(const struct container_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        const struct watch_entry *entry = watch->entries[i];

        if (entry->tell_stopped || entry->tell_removed ||
            (may_tell_moved(entry) && !watch->settling))
            return true;
    }
    return false;
}

bool watch_entries_tell(struct container_watch *watch)
{
    bool told = false;

    for (size_t i = 0; i < watch->count && !watch->closing; i++)
        told |= tell_entry(watch->entries[i]);
    return told;
}
