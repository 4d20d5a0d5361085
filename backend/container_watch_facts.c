/* What an inspection has told, against what was known before. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- restarts ---- */

void watch_times_add(struct watch_times *times, double when)
{
    times->at[times->next++ % WATCH_RESTARTS_KEPT] = when;
}

static int count_since(const struct watch_times *times, double since)
{
    int count = 0;

    for (size_t i = 0; i < WATCH_RESTARTS_KEPT; i++)
        count += times->at[i] > since;
    return count;
}

/* The engine counts those of its policy, events tell of a supervisor's too, but may be lost. */
int watch_entry_restarts(const struct watch_entry *entry, double now)
{
    const double since = now - WATCH_RESTART_SPAN;
    const int starts = count_since(&entry->starts, since);
    const int counts = count_since(&entry->counts, since);

    return starts > counts ? starts : counts;
}

static void count_restarts(struct watch_entry *entry, const struct container *facts)
{
    const int before = entry->facts ? entry->facts->restarts : facts->restarts;
    int more = facts->restarts > before ? facts->restarts - before : 0;

    for (more = more < WATCH_RESTARTS_KEPT ? more : WATCH_RESTARTS_KEPT; more; more--)
        watch_times_add(&entry->counts, watch_wall());
}

/* ---- kills ---- */

/* While it runs the engine's word is of a process inside it, and the event has told the time. */
static void note_oom(struct watch_entry *entry, const struct container *facts)
{
    const bool runs = facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_PAUSED;

    if (runs || !facts->oom_killed || isnan(facts->ended))
        return;
    if (!(entry->oom_at >= facts->started))
        watch_entry_oom(entry, facts->ended);
}

/* ---- starts and ends ---- */

/* Its start and where it can be reached: it has moved when this is another text. */
static char *place_of(const struct container *facts)
{
    struct strbuf text = {0};

    strbuf_addf(&text, "%.6f", facts->started);
    for (size_t i = 0; i < facts->network_count; i++) {
        const struct container_network *network = &facts->networks[i];

        strbuf_addf(&text, "\n%s %s %s", network->name ? network->name : "",
                    network->address ? network->address : "",
                    network->address6 ? network->address6 : "");
    }
    for (size_t i = 0; i < facts->port_count; i++) {
        const struct container_port *port = &facts->ports[i];

        strbuf_addf(&text, "\n%d %d %s", port->port, port->published,
                    port->address ? port->address : "");
    }
    return strbuf_take(&text);
}

static bool is_another_start(const struct container *old, const struct container *facts)
{
    return old && !isnan(old->started) && old->started != facts->started;
}

static void want_files(struct watch_entry *entry)
{
    const struct container_login *login = &entry->login;

    if (entry->fetching || entry->asked_stats)
        engine_forget(entry->watch->engine, entry);
    entry->fetching = entry->fetch = 0;
    entry->asked_stats = false;
    if (login->user_file && !login->user)
        entry->fetch |= FETCH_USER;
    if (login->password_file && !login->password)
        entry->fetch |= FETCH_PASSWORD;
}

static void replace_login(struct watch_entry *entry, struct container_login *login)
{
    container_login_free(&entry->login);
    entry->login = *login;
    *login = (struct container_login){0};
}

/* Whether it runs and where, and what the owner is to be told of that. Events say when to look only:
 * they may come late, and of an end that is long past. */
static void note_place(struct watch_entry *entry, const struct container *facts,
                       struct container_login *login)
{
    const bool ran = watch_entry_runs(entry);
    const bool runs = facts->state == CONTAINER_RUNNING || facts->state == CONTAINER_PAUSED;
    char *place = runs ? place_of(facts) : NULL;
    const bool moved = place && (!entry->place || strcmp(place, entry->place) != 0);

    if (ran && (!runs || is_another_start(entry->facts, facts)))
        entry->tell_stopped = true;
    if (!runs)
        entry->tell_moved = false;
    if (moved) {
        replace_login(entry, login);
        want_files(entry);
        entry->tell_moved = true;
    }
    free(entry->place);
    entry->place = place;
}

static void note_usage(struct watch_entry *entry, const struct container *facts)
{
    const struct container *old = entry->facts;

    if (old && old->pid == facts->pid && !is_another_start(old, facts))
        return;
    entry->usage = container_usage_unknown;
    entry->unseen = false;
    entry->cpu_at = entry->stats_at = 0;
    entry->kills = old ? 0 : -1; /* a start that was seen: its cgroup is a new one */
}

/* Whoever reads facts may rely on an id and a name. */
static void complete_names(const struct watch_entry *entry, struct container *facts)
{
    if (!facts->id || strcmp(facts->id, entry->id) != 0) {
        free(facts->id);
        facts->id = mem_strdup(entry->id);
    }
    if (!facts->name)
        facts->name = mem_strndup(entry->id, 12);
}

void watch_entry_install(struct watch_entry *entry, struct container *facts,
                         struct container_login *login)
{
    complete_names(entry, facts);
    if (facts->service != SERVICE_OTHER && facts->image) {
        free(facts->tag_id);
        facts->tag_id = mem_strdup(watch_image_id(entry->watch, facts->image));
    }
    count_restarts(entry, facts);
    note_oom(entry, facts);
    note_usage(entry, facts);
    note_place(entry, facts, login);
    container_login_free(login);
    container_unref(entry->facts);
    entry->facts = facts;
}
