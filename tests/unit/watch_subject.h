/* A watch with an owner that notes what he is told, on an engine that is none. Places and the kernel's
 * figures are up to the test: these functions stand in for container_socket.c and container_usage.c. */
#ifndef TESTS_UNIT_WATCH_SUBJECT_H
#define TESTS_UNIT_WATCH_SUBJECT_H

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_socket.h"
#include "backend/container_usage.h"
#include "backend/container_watch.h"
#include "tests/unit/watch_fake.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *place_paths[4];
static size_t place_count;

void engine_places(const char *configured, struct engine_places *places)
{
    assert_null(configured);
    places->items = mem_array(NULL, place_count, sizeof(*places->items));
    places->count = place_count;
    for (size_t i = 0; i < place_count; i++)
        places->items[i] =
            (struct engine_place){.path = mem_strdup(place_paths[i]), .from = "the usual place"};
}

void engine_places_free(struct engine_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->items[i].path);
    free(places->items);
    *places = (struct engine_places){0};
}

char *engine_refused_hint(const char *path, int error)
{
    return mem_printf("hint: %s %d", path, error);
}

struct usage_reader {
    usage_done *done;
    void *context;
    struct usage_target targets[FAKE_MAX];
    size_t count;
    unsigned started;
};

static struct usage_reader *reader;

struct usage_reader *usage_reader_new(uv_loop_t *loop, usage_done *done, void *context)
{
    (void)loop;
    assert_null(reader);
    reader = mem_zalloc(sizeof(*reader));
    reader->done = done;
    reader->context = context;
    return reader;
}

bool usage_reader_start(struct usage_reader *own, const struct usage_target *targets, size_t count)
{
    assert_true(count <= FAKE_MAX);
    memcpy(own->targets, targets, count * sizeof(*targets));
    own->count = count;
    own->started++;
    return true;
}

void usage_reader_free(struct usage_reader *own)
{
    reader = NULL;
    free(own);
}

/* ---- a watch and its owner ---- */

enum owner_act { ACT_NONE, ACT_CLOSE, ACT_REFRESH };

struct subject {
    uv_loop_t loop;
    uv_timer_t tick;
    char folder[64], path[96], other[96];
    struct fake_docker *fake;
    struct container_watch *watch;
    struct strbuf told; /* "moved a\n", "stopped a\n", "listed\n" */
    char password[64];  /* of the last moved */
    unsigned changed;
    bool gone;
    const char *act_at; /* the name of the callback in which the owner acts */
    enum owner_act act;
};

static inline void on_gone(void *context)
{
    ((struct subject *)context)->gone = true;
}

static inline void close_watch(struct subject *s)
{
    struct container_watch *watch = s->watch;

    s->watch = NULL;
    if (watch)
        container_watch_close(watch, on_gone, s);
}

static inline void act(struct subject *s, const char *where)
{
    if (!s->act_at || strcmp(s->act_at, where) != 0)
        return;
    if (s->act == ACT_REFRESH && s->watch)
        container_watch_refresh(s->watch);
    if (s->act == ACT_CLOSE)
        close_watch(s);
}

static inline void on_changed(void *context)
{
    struct subject *s = context;

    assert_non_null(s->watch); /* none comes after the closing */
    s->changed++;
    act(s, "changed");
}

static inline void on_listed(void *context)
{
    struct subject *s = context;

    assert_non_null(s->watch);
    strbuf_adds(&s->told, "listed\n");
    act(s, "listed");
}

static inline void on_moved(void *context, const struct container *container,
                            const struct container_login *login)
{
    struct subject *s = context;

    assert_non_null(s->watch);
    strbuf_addf(&s->told, "moved %s\n", container->name);
    snprintf(s->password, sizeof(s->password), "%s", login->password ? login->password : "");
    /* What the owner asks for in here is as new as what he is told. */
    assert_ptr_equal(container_watch_find(s->watch, container->name), container);
    assert_string_equal(container_watch_sample(s->watch)->engine.api, "1.41");
    act(s, "moved");
}

static inline void on_stopped(void *context, const struct container *container)
{
    struct subject *s = context;

    assert_non_null(s->watch);
    strbuf_addf(&s->told, "stopped %s\n", container->name);
    act(s, "stopped");
}

static inline void on_complete(void *context, struct container_row *row)
{
    struct subject *s = context;

    row->watched = row->facts->service != SERVICE_OTHER;
    act(s, "complete");
}

static const struct container_watch_events owner = {.changed = on_changed,
                                                    .listed = on_listed,
                                                    .moved = on_moved,
                                                    .stopped = on_stopped,
                                                    .complete = on_complete};

static inline void on_tick(uv_timer_t *timer)
{
    (void)timer; /* it only ends uv_run */
}

static inline void set_up(struct subject *s)
{
    *s = (struct subject){.folder = "/tmp/sharedtop-watch-XXXXXX"};
    reader = NULL;
    signal(SIGPIPE, SIG_IGN); /* as in main.c */
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof(s->path), "%s/docker.sock", s->folder);
    snprintf(s->other, sizeof(s->other), "%s/other.sock", s->folder);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->tick);
    uv_timer_start(&s->tick, on_tick, 5, 5);
    uv_unref((uv_handle_t *)&s->tick);
    strbuf_adds(&s->told, "");
    place_paths[0] = s->path;
    place_count = 1;
    s->fake = fake_new(&s->loop, s->path);
    s->watch = container_watch_new(&s->loop, NULL, &owner, s);
}

static inline void tear_down(struct subject *s)
{
    s->act = ACT_NONE;
    if (!s->gone)
        close_watch(s);
    fake_free(s->fake);
    assert_true(s->gone);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    strbuf_free(&s->told);
    assert_int_equal(rmdir(s->folder), 0);
}

/* Turns the loop until a condition holds; fails when it does not within 8 s. */
#define WAIT(subject, condition)                                                                   \
    do {                                                                                           \
        const uint64_t wait_end = uv_hrtime() + UINT64_C(8000000000);                              \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > wait_end)                                                            \
                fail_msg("never came: %s; told:\n%s", #condition, (subject)->told.s);              \
            uv_run(&(subject)->loop, UV_RUN_ONCE);                                                 \
        }                                                                                          \
    } while (0)

static inline const struct containers *sample(const struct subject *s)
{
    return container_watch_sample(s->watch);
}

static inline bool told(const struct subject *s, const char *what)
{
    return strstr(s->told.s, what) != NULL;
}

static inline const struct container_row *row(const struct subject *s, const char *name)
{
    for (size_t i = 0; i < sample(s)->count; i++) {
        if (strcmp(sample(s)->rows[i].facts->name, name) == 0)
            return &sample(s)->rows[i];
    }
    return NULL;
}

static inline size_t inspections(const struct subject *s, const char *name)
{
    char part[128];

    snprintf(part, sizeof(part), "/containers/%s/json", fake_get(s->fake, name)->id);
    return fake_asked(s->fake, part);
}

static inline void add_reference(struct subject *s)
{
    fake_add(s->fake, "web", "nginx:1");
    fake_add(s->fake, "shared_redis", "redis:7-alpine");
    fake_add(s->fake, "shared_postgres", "postgres:18-alpine")->environment =
        "\"POSTGRES_USER=admin\",\"POSTGRES_PASSWORD=s3cret\"";
    fake_add(s->fake, "batch", "busybox")->state = "exited";
}

/* The whole list is known, and nothing is under way. */
static inline void start(struct subject *s)
{
    fake_listen(s->fake);
    container_watch_start(s->watch);
    WAIT(s, told(s, "listed"));
    WAIT(s, fake_streams(s->fake) == 1);
    strbuf_clear(&s->told);
    strbuf_adds(&s->told, "");
}

static inline void restart_after(struct subject *s, const char *name, int exit_code)
{
    struct fake_container *c = fake_get(s->fake, name);

    fake_event(s->fake, "kill", name, 0);
    c->state = "exited";
    c->ended = "2026-01-02T01:00:00Z";
    c->exit_code = exit_code;
    fake_event(s->fake, "die", name, exit_code);
    c->state = "running";
    c->started = "2026-01-02T01:00:01Z";
    c->address = "172.18.0.9";
    fake_event(s->fake, "start", name, 0);
    fake_event(s->fake, "restart", name, 0);
}

static inline void restart(struct subject *s, const char *name)
{
    restart_after(s, name, 137);
}

#endif
