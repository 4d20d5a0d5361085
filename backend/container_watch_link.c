/* The way to the engine: which socket it is at, what it is, and what happens when it goes. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_FIRST = 250, RETRY_LAST = 2000 }; /* ms */

/* How much a reason says, when several places have failed. */
enum { RANK_NONE, RANK_ABSENT, RANK_FAULT, RANK_REFUSED };

void watch_set_error(struct container_watch *watch, char *error, char *hint)
{
    free(watch->error);
    free(watch->hint);
    watch->error = error;
    watch->hint = hint;
    watch->dirty = watch->urgent = true;
}

char *watch_reply_error(const struct engine_reply *reply, const char *what)
{
    char *message, *error;

    if (reply->error)
        return mem_strdup(reply->error);
    if (reply->status / 100 == 2)
        return NULL;
    message = container_parse_error(reply->body, reply->len);
    error = mem_printf("it refuses %s: HTTP status %ld%s%s", what, reply->status,
                       message ? ", " : "", message ? message : "");
    free(message);
    return error;
}

void watch_broken(struct container_watch *watch, const char *why, int saved_errno)
{
    if (watch->link == LINK_BROKEN)
        return;
    watch->link = LINK_BROKEN;
    watch->broken = mem_strdup(why);
    watch->broken_errno = saved_errno;
    watch_touch(watch);
}

/* ---- a place after the other ---- */

static void note_problem(struct container_watch *watch, int rank, char *error, char *hint)
{
    struct watch_problem *problem = &watch->problem;

    if (rank <= problem->rank) {
        free(error);
        free(hint);
        return;
    }
    free(problem->error);
    free(problem->hint);
    *problem = (struct watch_problem){rank, error, hint};
}

static void note_place(struct container_watch *watch, const char *why, int saved_errno)
{
    const struct engine_place *place = &watch->places.items[watch->place];
    const bool refused = saved_errno == EACCES || saved_errno == EPERM;

    if (saved_errno == ENOENT || saved_errno == ENOTDIR)
        note_problem(watch, RANK_ABSENT, NULL, NULL);
    else
        note_problem(watch, refused ? RANK_REFUSED : RANK_FAULT,
                     mem_printf("the container engine at %s: %s", place->path, why),
                     saved_errno ? engine_refused_hint(place->path, saved_errno) : NULL);
}

/* "no container engine: none of A, B is there" */
static char *absent_text(const struct engine_places *places)
{
    struct strbuf text = {0};

    if (places->count == 1) {
        const struct engine_place *place = &places->items[0];

        strbuf_addf(&text, "no container engine: %s is not there (%s)", place->path, place->from);
        return strbuf_take(&text);
    }
    strbuf_adds(&text, "no container engine: none of ");
    for (size_t i = 0; i < places->count; i++)
        strbuf_addf(&text, "%s%s", i ? ", " : "", places->items[i].path);
    strbuf_adds(&text, places->count ? " is there" : "the usual places is there");
    return strbuf_take(&text);
}

static void nothing_found(struct container_watch *watch)
{
    struct watch_problem *problem = &watch->problem;
    char *error = problem->error ? problem->error : absent_text(&watch->places);

    if (watch->state != CONTAINERS_NONE || !watch->error || strcmp(watch->error, error) != 0)
        watch_set_error(watch, error, problem->hint);
    else {
        free(error);
        free(problem->hint);
    }
    *problem = (struct watch_problem){0};
    watch->state = CONTAINERS_NONE;
    engine_places_free(&watch->places);
    watch->places = (struct engine_places){0};
    watch->link = LINK_WAITING;
    watch->wait_until = uv_now(watch->loop) + WATCH_SEARCH_EVERY;
}

static void close_engine(struct container_watch *watch)
{
    if (!watch->engine)
        return;
    engine_close(watch->engine, watch_engine_gone, watch);
    watch->engine = NULL;
}

/* An engine that has served is the one: another place would have other containers. */
static void search(struct container_watch *watch)
{
    struct engine_places *places = &watch->places;

    if (watch->served) {
        watch_ping(watch);
        return;
    }
    close_engine(watch);
    if (!places->items) {
        watch->place = 0;
        engine_places(watch->docker_host, places);
    }
    for (; watch->place < places->count && !places->items[watch->place].path; watch->place++)
        note_problem(watch, RANK_FAULT, mem_strdup(places->items[watch->place].error), NULL);
    if (watch->place >= places->count) {
        nothing_found(watch);
        return;
    }
    watch->engine = engine_new(watch->loop, places->items[watch->place].path);
    watch->open++;
    watch_ping(watch);
}

/* ---- the first word ---- */

static void on_ping(void *context, const struct engine_reply *reply)
{
    struct container_watch *watch = context;
    char api[WATCH_API_SIZE], *error = watch_reply_error(reply, "a ping");

    if (!error && !watch_choose_api(reply->api, api))
        error = mem_printf("it speaks version %s of the API, and 1.24 is the oldest that is "
                           "understood: update it",
                           api);
    if (error) {
        watch_broken(watch, error, reply->saved_errno);
        free(error);
        return;
    }
    engine_set_api(watch->engine, api);
    watch->next_info = (struct engine_info){.name = "Docker"};
    memcpy(watch->next_info.api, api, sizeof(api));
    watch->link = LINK_GREETED;
    watch_touch(watch);
}

void watch_ping(struct container_watch *watch)
{
    watch->link = LINK_PINGING;
    watch->since = watch_wall();
    engine_set_api(watch->engine, NULL);
    engine_request(watch->engine, "GET", "/_ping", NULL, WATCH_DEADLINE, on_ping, watch);
}

/* False: it has not told. */
static bool take_info(struct container_watch *watch, const struct engine_reply *reply,
                      bool (*parse)(const char *text, size_t len, struct engine_info *info))
{
    watch->info_left--;
    return reply->status == 200 && parse(reply->body, reply->len, &watch->next_info);
}

static void use_info(struct container_watch *watch)
{
    if (watch->info_left)
        return;
    watch->info = watch->next_info;
    watch_urgent(watch);
}

static void on_version(void *context, const struct engine_reply *reply)
{
    take_info(context, reply, container_parse_version);
    use_info(context);
}

/* Who does not tell may be rootless: his bridges' addresses would be somebody else's here. */
static void on_info(void *context, const struct engine_reply *reply)
{
    struct container_watch *watch = context;

    if (!take_info(watch, reply, container_parse_info))
        watch->next_info.rootless = true;
    use_info(watch);
}

/* Events are asked for before the list, so that nothing is missed between the two. */
static void greet(struct container_watch *watch)
{
    watch->link = LINK_OPEN;
    watch->generation++;
    watch->settling = true;
    watch->want_list = watch->want_full = true;
    watch->event_time = NAN;
    watch->stream_at = 0;
    watch->stream_failures = 0;
    watch_stream_step(watch);
    watch_list_step(watch);
    watch->info_left = 2;
    engine_request(watch->engine, "GET", "/version", NULL, WATCH_DEADLINE, on_version, watch);
    engine_request(watch->engine, "GET", "/info", NULL, WATCH_DEADLINE_FIRST, on_info, watch);
    watch_images_stale(watch);
}

/* ---- when it goes ---- */

static uint64_t retry_delay(unsigned failures)
{
    return failures < 4 ? (uint64_t)RETRY_FIRST << (failures - 1) : RETRY_LAST;
}

static void call_off(struct container_watch *watch)
{
    watch_stream_close(watch);
    engine_forget(watch->engine, watch);
    watch_entries_forget(watch);
    watch_images_forget(watch);
    watch->asked_list = watch->settling = false;
    watch->info_left = 0;
}

static void recover(struct container_watch *watch)
{
    char *why = watch->broken;

    watch->broken = NULL;
    call_off(watch);
    if (watch->served) {
        const char *socket = engine_socket(watch->engine);

        watch->failures++;
        watch->link = LINK_WAITING;
        watch->wait_until = uv_now(watch->loop) + retry_delay(watch->failures);
        watch->state = CONTAINERS_STALE;
        watch_set_error(watch, mem_printf("the container engine at %s: %s", socket, why),
                        watch->broken_errno ? engine_refused_hint(socket, watch->broken_errno)
                                            : NULL);
    } else {
        watch_entries_free(watch); /* what events have told of */
        note_place(watch, why, watch->broken_errno);
        watch->place++;
        watch->link = LINK_SEARCH;
    }
    free(why);
}

void watch_link_step(struct container_watch *watch)
{
    if (watch->link == LINK_BROKEN)
        recover(watch);
    if (watch->link == LINK_SEARCH)
        search(watch);
    if (watch->link == LINK_GREETED)
        greet(watch);
    if (watch->link != LINK_OPEN)
        return;
    watch_stream_step(watch);
    watch_list_step(watch);
    watch_entries_step(watch);
    watch_images_step(watch);
}
