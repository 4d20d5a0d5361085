/* Where an instance that is a container is connected to, and that it is nowhere when that is not sure.
 * The engine is none, and the servers are doors on addresses of this host, which count who comes. */
#include "backend/backend.h"
#include "backend/base/mem.h"
#include "tests/unit/watch_fake.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that never says a word. */
struct door {
    uv_tcp_t server;
    uv_tcp_t *guests[64];
    size_t count;
    unsigned came;
    bool open;
};

struct subject {
    uv_loop_t loop;
    uv_timer_t tick;
    char folder[64], path[96];
    struct fake_docker *fake;
    struct config *config;
    struct backend *backend;
    struct door old, new;
    char old_place[16], new_place[16];
    bool closed;
};

/* ---- doors ---- */

static void on_guest_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_guest(uv_stream_t *server, int status)
{
    struct door *door = server->data;
    uv_tcp_t *guest = mem_zalloc(sizeof(*guest));

    assert_int_equal(status, 0);
    assert_true(door->count < 64);
    uv_tcp_init(server->loop, guest);
    uv_accept(server, (uv_stream_t *)guest);
    door->guests[door->count++] = guest;
    door->came++;
}

static void door_open(struct subject *s, struct door *door, const char *host)
{
    struct sockaddr_in address;

    uv_tcp_init(&s->loop, &door->server);
    door->server.data = door;
    uv_ip4_addr(host, 6379, &address);
    assert_int_equal(uv_tcp_bind(&door->server, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&door->server, 16, on_guest), 0);
    door->open = true;
}

/* The guests are sent away; others may come. */
static void door_cut(struct door *door)
{
    for (size_t i = 0; i < door->count; i++)
        uv_close((uv_handle_t *)door->guests[i], on_guest_closed);
    door->count = 0;
}

static void door_close(struct door *door)
{
    door_cut(door);
    if (door->open)
        uv_close((uv_handle_t *)&door->server, NULL);
    door->open = false;
}

/* ---- the backend ---- */

static void on_changed(void *context)
{
    (void)context;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* it only ends uv_run */
}

/* Of this process alone: the same test may run beside it, and the port is the same for all. */
static void choose_place(char place[16], unsigned which)
{
    const unsigned host = (unsigned)getpid() << 1 | which;

    snprintf(place, 16, "127.%u.%u.%u", 128 + (host >> 16 & 127), host >> 8 & 255, host & 255);
}

static void set_up(struct subject *s)
{
    *s = (struct subject){.folder = "/tmp/sharedtop-reach-XXXXXX"};
    signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof(s->path), "%s/docker.sock", s->folder);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->tick);
    uv_timer_start(&s->tick, on_tick, 5, 5);
    uv_unref((uv_handle_t *)&s->tick);
    s->fake = fake_new(&s->loop, s->path);
    s->config = config_new();
    s->config->containers = s->config->discover = true;
    s->config->docker_host = s->path;
    choose_place(s->old_place, 0);
    choose_place(s->new_place, 1);
    door_open(s, &s->old, s->old_place);
    door_open(s, &s->new, s->new_place);
    fake_add(s->fake, "cache", "redis:7")->address = s->old_place;
}

static void on_closed(void *context)
{
    ((struct subject *)context)->closed = true;
}

static void tear_down(struct subject *s)
{
    backend_close(s->backend, on_closed, s);
    door_close(&s->old);
    door_close(&s->new);
    fake_free(s->fake);
    assert_true(s->closed);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    s->config->docker_host = NULL;
    config_free(s->config);
    assert_int_equal(rmdir(s->folder), 0);
}

static const struct instance *cache(const struct subject *s)
{
    return backend_count(s->backend, INSTANCE_REDIS)
               ? backend_instance(s->backend, INSTANCE_REDIS, 0)
               : NULL;
}

static const char *text_of(const struct subject *s)
{
    const struct instance *instance = cache(s);

    return instance && instance->error ? instance->error : "nothing";
}

#define WAIT(subject, condition)                                                                   \
    do {                                                                                           \
        const uint64_t wait_end = uv_hrtime() + UINT64_C(8000000000);                              \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > wait_end)                                                            \
                fail_msg("never came: %s; it says: %s", #condition, text_of(subject));             \
            uv_run(&(subject)->loop, UV_RUN_ONCE);                                                 \
        }                                                                                          \
    } while (0)

static void begin(struct subject *s)
{
    s->backend = backend_new(&s->loop, s->config, on_changed, s);
    backend_start(s->backend);
}

/* It has been found, and its door was knocked at. */
static void start(struct subject *s)
{
    fake_listen(s->fake);
    begin(s);
    WAIT(s, s->old.came == 1 && backend_containers(s->backend)->state == CONTAINERS_UP);
    WAIT(s, fake_streams(s->fake) == 1);
}

static bool says(const struct subject *s, const char *what)
{
    return strstr(text_of(s), what) != NULL;
}

static void move(struct subject *s)
{
    struct fake_container *c = fake_get(s->fake, "cache");

    c->started = "2026-01-02T01:00:01Z";
    c->address = s->new_place;
}

/* How many tries have ended, by what is due next. */
static void pass_tries(struct subject *s, unsigned tries)
{
    for (unsigned i = 0; i < tries; i++) {
        const uint64_t at = cache(s)->retry_at;

        WAIT(s, cache(s)->retry_at != at);
    }
}

/* What an act or a shell asks before it opens a connection of its own. */
static void expect_doubt(const struct subject *s, const char *word)
{
    char *doubt = backend_place_doubt(s->backend, cache(s));

    if (!word)
        assert_null(doubt);
    else if (!doubt || !strstr(doubt, word))
        fail_msg("'%s' is not in '%s'", word, doubt ? doubt : "");
    free(doubt);
}

/* ---- what is not known for sure ---- */

static void the_old_place_is_left_alone_without_the_engine(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    fake_die(s.fake);
    WAIT(&s, backend_containers(s.backend)->state == CONTAINERS_STALE);
    door_cut(&s.old); /* another server answers there from now on */
    WAIT(&s, says(&s, "the container engine does not answer, so where cache is is not known: "));
    pass_tries(&s, 3);
    assert_int_equal(s.old.came, 1);
    assert_int_equal(cache(&s)->state, INSTANCE_DOWN);
    expect_doubt(&s, "not sure where the container cache is");
    move(&s);
    fake_listen(s.fake);
    WAIT(&s, s.new.came == 1);
    assert_int_equal(s.old.came, 1);
    expect_doubt(&s, NULL);
    tear_down(&s);
}

static void nothing_having_changed_it_is_live_with_the_engine(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    fake_die(s.fake);
    WAIT(&s, backend_containers(s.backend)->state == CONTAINERS_STALE);
    door_cut(&s.old);
    WAIT(&s, says(&s, "is not known"));
    fake_listen(s.fake);
    WAIT(&s, s.old.came == 2);
    tear_down(&s);
}

/* The connection goes while the engine, asked after an event, holds its answer back. */
static void lose_while_asked(struct subject *s, const char *event)
{
    char part[96];

    snprintf(part, sizeof(part), "%s/json", fake_get(s->fake, "cache")->id);
    fake_hold(s->fake, part);
    fake_event(s->fake, event, "cache", 0);
    WAIT(s, fake_asked(s->fake, part) == 2);
    door_cut(&s->old);
    WAIT(s, cache(s)->state == INSTANCE_DOWN);
    WAIT(s, cache(s)->state == INSTANCE_CONNECTING);
}

static void the_old_place_is_left_alone_while_the_engine_is_asked(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    lose_while_asked(&s, "die");
    assert_int_equal(s.old.came, 1);
    move(&s);
    fake_release(s.fake);
    WAIT(&s, s.new.came == 1);
    assert_int_equal(s.old.came, 1);
    tear_down(&s);
}

/* The address is the same as before: nobody moved. */
static void what_waits_goes_on_when_nothing_has_changed(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    lose_while_asked(&s, "rename");
    fake_release(s.fake);
    WAIT(&s, s.old.came == 2);
    tear_down(&s);
}

/* ---- an engine whose networks are not this host's ---- */

static void before_the_engine_has_told_what_it_is_nobody_knocks(void **state)
{
    struct subject s;
    char part[96];

    (void)state;
    set_up(&s);
    config_add_redis(s.config, "ours", "redis://")->container = mem_strdup("cache");
    snprintf(part, sizeof(part), "%s/json", fake_get(s.fake, "cache")->id);
    fake_set_info(s.fake, "{\"SecurityOptions\":[\"name=rootless\"]}");
    fake_hold(s.fake, "/info");
    fake_listen(s.fake);
    begin(&s);
    WAIT(&s, fake_asked(s.fake, "/info") == 1 && fake_asked(s.fake, part) == 1);
    backend_refresh(s.backend); /* and all tries that there may be */
    WAIT(&s, fake_asked(s.fake, part) == 2);
    backend_refresh(s.backend);
    assert_int_equal(cache(&s)->state, INSTANCE_CONNECTING);
    fake_release(s.fake);
    WAIT(&s, says(&s, "not published"));
    assert_int_equal(s.old.came, 0);
    tear_down(&s);
}

static void who_does_not_tell_is_taken_for_rootless(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    fake_refuse(s.fake, "/info", 403);
    fake_listen(s.fake);
    begin(&s);
    WAIT(&s, says(&s, "not published"));
    assert_int_equal(s.old.came, 0);
    tear_down(&s);
}

/* ---- containers that go ---- */

static void what_was_found_goes_with_its_container(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    fake_get(s.fake, "cache")->state = "exited";
    fake_event(s.fake, "die", "cache", 0);
    WAIT(&s, backend_alerts(s.backend)->count > 0);
    fake_event(s.fake, "destroy", "cache", 0);
    fake_remove(s.fake, "cache");
    WAIT(&s, says(&s, "its container was removed"));
    assert_int_equal(cache(&s)->state, INSTANCE_DOWN);
    assert_true(cache(&s)->retry_at == 0);
    WAIT(&s, backend_containers(s.backend)->count == 0);
    WAIT(&s, backend_alerts(s.backend)->count == 0);
    fake_add(s.fake, "other", "busybox");
    fake_add(s.fake, "cache", "redis:7")->address = s.new_place; /* one of its name comes */
    fake_event(s.fake, "start", "cache", 0);
    WAIT(&s, s.new.came == 1);
    assert_false(cache(&s)->removed);
    assert_int_equal(backend_count(s.backend, INSTANCE_REDIS), 1);
    tear_down(&s);
}

static void the_old_ones_removal_does_not_end_the_new_one(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    fake_get(s.fake, "cache")->name = "parting"; /* as compose recreates one, its events late */
    fake_add(s.fake, "cache", "redis:7")->address = s.new_place;
    fake_get(s.fake, "cache")->started = "2026-01-02T01:00:01Z";
    fake_event(s.fake, "start", "cache", 0);
    WAIT(&s, s.new.came == 1);
    fake_event(s.fake, "destroy", "parting", 0);
    WAIT(&s, backend_containers(s.backend)->count == 1);
    assert_int_equal(cache(&s)->state, INSTANCE_CONNECTING); /* at the silent door */
    assert_int_equal(s.new.count, 1);
    tear_down(&s);
}

/* ---- a host that somebody has named ---- */

static void an_own_host_is_not_connected_to_anew(void **state)
{
    struct subject s;
    struct redis_config *redis;
    char url[32];

    (void)state;
    set_up(&s);
    snprintf(url, sizeof(url), "redis://%s", s.new_place);
    redis = config_add_redis(s.config, "ours", url);
    redis->container = mem_strdup("cache");
    begin(&s);
    WAIT(&s, s.new.came == 1);
    fake_listen(s.fake);
    backend_refresh(s.backend);
    WAIT(&s, backend_containers(s.backend)->state == CONTAINERS_UP);
    WAIT(&s, redis->exec_prefix);
    assert_int_equal(s.new.came, 1);
    assert_null(cache(&s)->error);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_place_is_left_alone_without_the_engine),
        cmocka_unit_test(nothing_having_changed_it_is_live_with_the_engine),
        cmocka_unit_test(the_old_place_is_left_alone_while_the_engine_is_asked),
        cmocka_unit_test(what_waits_goes_on_when_nothing_has_changed),
        cmocka_unit_test(before_the_engine_has_told_what_it_is_nobody_knocks),
        cmocka_unit_test(who_does_not_tell_is_taken_for_rootless),
        cmocka_unit_test(what_was_found_goes_with_its_container),
        cmocka_unit_test(the_old_ones_removal_does_not_end_the_new_one),
        cmocka_unit_test(an_own_host_is_not_connected_to_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
