#include "backend/container_watch_parse.h"
#include "tests/unit/watch_subject.h"

#include <math.h>
#include <time.h>

/* ---- the first picture ---- */

static void all_that_runs_is_told_before_the_list_is_done(void **state)
{
    struct subject s;
    const struct containers *all;

    (void)state;
    set_up(&s);
    add_reference(&s);
    assert_int_equal(sample(&s)->state, CONTAINERS_SEARCHING);
    fake_listen(s.fake);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    all = sample(&s);
    assert_int_equal(all->state, CONTAINERS_UP);
    assert_int_equal(all->count, 4);
    assert_string_equal(all->rows[0].facts->name, "shared_postgres"); /* services, then by name */
    assert_string_equal(all->rows[1].facts->name, "shared_redis");
    assert_string_equal(all->rows[2].facts->name, "batch");
    assert_string_equal(all->rows[3].facts->name, "web");
    assert_true(all->rows[0].watched && !all->rows[3].watched);
    assert_string_equal(all->socket, s.path);
    assert_string_equal(all->engine.version, "20.10.24");
    assert_null(all->error);
    assert_true(told(&s, "moved shared_postgres\n") && told(&s, "moved shared_redis\n"));
    assert_true(told(&s, "moved web\n") && !told(&s, "moved batch"));
    assert_string_equal(strstr(s.told.s, "listed"), "listed\n"); /* it is the last */
    assert_non_null(container_watch_engine(s.watch));
    tear_down(&s);
}

/* They take connections of their own, so that either may arrive first: since covers the rest. */
static void events_are_asked_for_from_before_the_list(void **state)
{
    struct subject s;
    const char *since = NULL;
    struct timespec now;

    (void)state;
    set_up(&s);
    add_reference(&s);
    clock_gettime(CLOCK_REALTIME, &now);
    start(&s);
    assert_string_equal(fake_request(s.fake, 0), "/_ping");
    for (size_t i = 1; i <= 4 && !since; i++)
        since = strstr(fake_request(s.fake, i), "/v1.41/events?since=");
    assert_non_null(since);
    assert_true(fabs(strtod(strchr(since, '=') + 1, NULL) - (double)now.tv_sec) < 5.0);
    assert_int_equal(fake_asked(s.fake, "/v1.41/containers/json?all=1"), 1);
    assert_int_equal(inspections(&s, "web"), 1);
    assert_int_equal(inspections(&s, "shared_redis"), 1);
    tear_down(&s);
}

static void an_engine_that_is_too_old_is_none(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    fake_set_api(s.fake, "1.20");
    fake_listen(s.fake);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    assert_int_equal(sample(&s)->state, CONTAINERS_NONE);
    assert_non_null(strstr(sample(&s)->error, "version 1.20"));
    assert_null(container_watch_engine(s.watch));
    tear_down(&s);
}

static void a_container_that_hangs_holds_up_no_other(void **state)
{
    struct subject s;
    char part[80];

    (void)state;
    set_up(&s);
    add_reference(&s);
    snprintf(part, sizeof(part), "%s/json", fake_get(s.fake, "web")->id);
    fake_hold(s.fake, part);
    fake_listen(s.fake);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "moved shared_postgres") && told(&s, "moved shared_redis"));
    assert_false(told(&s, "listed"));
    fake_release(s.fake);
    WAIT(&s, told(&s, "listed"));
    assert_true(told(&s, "moved web"));
    tear_down(&s);
}

static void more_containers_than_are_asked_for_at_once(void **state)
{
    struct subject s;
    char names[40][16];

    (void)state;
    set_up(&s);
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "c%02d", i);
        fake_add(s.fake, names[i], "nginx");
    }
    start(&s);
    assert_int_equal(sample(&s)->count, 40);
    assert_string_equal(sample(&s)->rows[39].facts->name, "c39");
    for (int i = 0; i < 40; i++)
        assert_int_equal(inspections(&s, names[i]), 1);
    tear_down(&s);
}

static void figures_that_are_refused_do_not_matter(void **state)
{
    static const char *const parts[] = {"/info", "/version", "/events", "/images"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct subject s;

        set_up(&s);
        add_reference(&s);
        fake_refuse(s.fake, parts[i], 403);
        fake_listen(s.fake);
        container_watch_start(s.watch);
        WAIT(&s, told(&s, "listed"));
        assert_int_equal(sample(&s)->state, CONTAINERS_UP);
        assert_int_equal(sample(&s)->count, 4);
        assert_true(told(&s, "moved shared_redis"));
        tear_down(&s);
    }
}

/* ---- logins ---- */

static void a_password_comes_from_the_environment(void **state)
{
    struct subject s;
    const struct container_login *login;

    (void)state;
    set_up(&s);
    fake_add(s.fake, "pg", "postgres:18")->environment = "\"POSTGRES_PASSWORD=s3cret\"";
    start(&s);
    assert_string_equal(s.password, "s3cret");
    login = container_watch_login(s.watch, fake_get(s.fake, "pg")->id);
    assert_non_null(login);
    assert_string_equal(login->password, "s3cret");
    assert_null(container_watch_login(s.watch, "nobody"));
    tear_down(&s);
}

static void a_password_file_is_read_before_moved(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    fake_add(s.fake, "pg", "postgres:18")->environment =
        "\"POSTGRES_PASSWORD_FILE=/run/secrets/pg\"";
    fake_set_file(s.fake, "path=", "from a file\n");
    start(&s);
    assert_string_equal(s.password, "from a file");
    assert_int_equal(fake_asked(s.fake, "/archive?path="), 1);
    tear_down(&s);
}

static void without_its_password_file_it_is_told_all_the_same(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    fake_add(s.fake, "pg", "postgres:18")->environment =
        "\"POSTGRES_PASSWORD_FILE=/run/secrets/pg\"";
    fake_listen(s.fake);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    assert_true(told(&s, "moved pg"));
    assert_string_equal(s.password, "");
    tear_down(&s);
}

/* ---- events ---- */

static void a_restart_is_followed(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    restart(&s, "shared_redis");
    WAIT(&s, told(&s, "moved shared_redis"));
    assert_string_equal(s.told.s, "stopped shared_redis\nmoved shared_redis\n");
    WAIT(&s, row(&s, "shared_redis")->recent_restarts == 1);
    assert_string_equal(row(&s, "shared_redis")->facts->networks[0].address, "172.18.0.9");
    assert_int_equal(inspections(&s, "web"), 1);
    tear_down(&s);
}

/* A person's restart ends a service in order, and is not one to be alarmed about. */
static void an_orderly_restart_does_not_count(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    restart_after(&s, "shared_redis", 0);
    WAIT(&s, told(&s, "moved shared_redis"));
    assert_int_equal(row(&s, "shared_redis")->recent_restarts, 0);
    tear_down(&s);
}

/* Podman's events may come when the container runs again. */
static void an_end_that_is_told_late_is_none(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    fake_get(s.fake, "shared_redis")->started = "2026-01-02T01:00:01Z";
    fake_event(s.fake, "start", "shared_redis", 0);
    WAIT(&s, told(&s, "moved shared_redis"));
    fake_event(s.fake, "die", "shared_redis", 137);
    WAIT(&s, inspections(&s, "shared_redis") == 3);
    fake_event(s.fake, "rename", "shared_redis", 0); /* it is answered after the other */
    WAIT(&s, inspections(&s, "shared_redis") == 4);
    assert_string_equal(s.told.s, "stopped shared_redis\nmoved shared_redis\n");
    tear_down(&s);
}

static void restarts_of_the_policy_count_once(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    fake_get(s.fake, "shared_redis")->restarts = 1; /* the engine counts it, and tells its events */
    restart(&s, "shared_redis");
    WAIT(&s, told(&s, "moved shared_redis"));
    assert_int_equal(row(&s, "shared_redis")->recent_restarts, 1);
    fake_get(s.fake, "shared_redis")->restarts = 4; /* of three more, the events were lost */
    fake_event(s.fake, "rename", "shared_redis", 0);
    WAIT(&s, row(&s, "shared_redis")->recent_restarts == 4);
    tear_down(&s);
}

static void an_end_is_told_with_its_code(void **state)
{
    struct subject s;
    struct fake_container *c;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    c = fake_get(s.fake, "shared_postgres");
    c->state = "exited";
    c->exit_code = 3;
    fake_event(s.fake, "die", "shared_postgres", 3);
    WAIT(&s, told(&s, "stopped shared_postgres"));
    assert_int_equal(row(&s, "shared_postgres")->facts->state, CONTAINER_EXITED);
    assert_int_equal(row(&s, "shared_postgres")->facts->exit_code, 3);
    assert_false(told(&s, "moved"));
    tear_down(&s);
}

static void one_that_is_removed_goes(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    fake_event(s.fake, "destroy", "web", 0);
    WAIT(&s, sample(&s)->count == 3);
    assert_true(told(&s, "stopped web"));
    assert_null(container_watch_find(s.watch, "web"));
    fake_event(s.fake, "die", "batch", 0); /* and one whose end is all that is told: 404 */
    fake_remove(s.fake, "batch");
    WAIT(&s, sample(&s)->count == 2);
    assert_false(told(&s, "stopped batch")); /* it did not run */
    tear_down(&s);
}

static void a_new_one_comes(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    start(&s);
    assert_int_equal(sample(&s)->count, 0);
    fake_add(s.fake, "late", "redis:7");
    fake_event(s.fake, "start", "late", 0);
    WAIT(&s, told(&s, "moved late"));
    assert_int_equal(row(&s, "late")->recent_restarts, 0); /* nothing ended before */
    tear_down(&s);
}

static void a_storm_of_events_is_one_question(void **state)
{
    struct subject s;
    char part[80];

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    snprintf(part, sizeof(part), "%s/json", fake_get(s.fake, "web")->id);
    fake_hold(s.fake, part);
    fake_event(s.fake, "rename", "web", 0);
    WAIT(&s, inspections(&s, "web") == 2);
    for (int i = 0; i < 50; i++)
        fake_event(s.fake, "rename", "web", 0);
    fake_event(s.fake, "oom", "shared_redis", 0); /* it comes behind them */
    WAIT(&s, !isnan(row(&s, "shared_redis")->oom_at));
    assert_int_equal(inspections(&s, "web"), 2);
    fake_release(s.fake);
    WAIT(&s, inspections(&s, "web") == 3);
    fake_event(s.fake, "rename", "shared_postgres", 0);
    WAIT(&s, inspections(&s, "shared_postgres") == 2);
    assert_int_equal(inspections(&s, "web"), 3);
    tear_down(&s);
}

static void lines_may_come_in_pieces_or_be_rubbish(void **state)
{
    struct subject s;
    char *huge = mem_alloc((3U << 20) + 1);

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    memset(huge, 'x', 3U << 20);
    huge[3U << 20] = '\0';
    fake_event_text(s.fake, "");
    fake_event_text(s.fake, "{\"Type\":\"container\"");
    fake_event_text(s.fake, "[]\nnull\n\"\"\n{}\n{\"id\":7}");
    fake_event_text(s.fake, huge);
    restart(&s, "shared_redis");
    WAIT(&s, told(&s, "moved shared_redis"));
    assert_int_equal(sample(&s)->count, 4);
    free(huge);
    tear_down(&s);
}

/* ---- kills ---- */

static void a_kill_is_published_at_once(void **state)
{
    struct subject s;
    char part[80];

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    assert_true(isnan(row(&s, "shared_redis")->oom_at));
    snprintf(part, sizeof(part), "%s/json", fake_get(s.fake, "shared_redis")->id);
    fake_hold(s.fake, part); /* whatever the engine is busy with */
    fake_event(s.fake, "oom", "shared_redis", 0);
    WAIT(&s, !isnan(row(&s, "shared_redis")->oom_at));
    fake_release(s.fake);
    tear_down(&s);
}

static void a_kill_is_seen_in_the_state(void **state)
{
    struct subject s;
    struct fake_container *c;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    c = fake_get(s.fake, "shared_redis");
    c->state = "exited";
    c->oom_killed = true;
    c->ended = "2026-01-02T05:00:00Z";
    fake_event(s.fake, "die", "shared_redis", 137);
    WAIT(&s, told(&s, "stopped shared_redis"));
    assert_true(row(&s, "shared_redis")->oom_at == 1767330000.0);
    tear_down(&s);
}

/* Gives the readings of a turn: count kills of the container name. */
static void give_usage(struct subject *s, const char *name, int64_t kills)
{
    struct container_usage usages[FAKE_MAX];

    for (size_t i = 0; i < reader->count; i++) {
        usages[i] = container_usage_unknown;
        usages[i].memory = 1000 + (int64_t)i;
        if (strcmp(reader->targets[i].id, fake_get(s->fake, name)->id) == 0)
            usages[i].oom_kills = kills;
    }
    reader->done(reader->context, reader->targets, usages, reader->count);
}

static void a_kill_is_seen_in_the_count_of_the_kernel(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    give_usage(&s, "web", 3); /* of before we came */
    WAIT(&s, row(&s, "web")->usage.memory >= 1000);
    assert_true(isnan(row(&s, "web")->oom_at));
    container_watch_tick(s.watch);
    give_usage(&s, "web", 4);
    WAIT(&s, !isnan(row(&s, "web")->oom_at));
    tear_down(&s);
}

/* ---- figures ---- */

static void only_those_that_run_are_read(void **state)
{
    struct subject s;
    unsigned before;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    assert_int_equal(reader->started, 1); /* the first picture has figures */
    container_watch_tick(s.watch);
    assert_int_equal(reader->started, 2);
    assert_int_equal(reader->count, 3);
    before = (unsigned)fake_asked(s.fake, "/containers/");
    give_usage(&s, "web", 0);
    WAIT(&s, row(&s, "web")->usage.memory >= 1000);
    assert_int_equal(fake_asked(s.fake, "/containers/"), before); /* the engine is not asked */
    fake_get(s.fake, "web")->state = "exited";
    fake_event(s.fake, "die", "web", 0);
    WAIT(&s, told(&s, "stopped web"));
    assert_int_equal(row(&s, "web")->usage.memory, -1);
    tear_down(&s);
}

static void a_process_that_has_gone_is_asked_after(void **state)
{
    struct subject s;
    struct container_usage usages[FAKE_MAX];
    struct fake_container *c;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    give_usage(&s, "web", 0);
    WAIT(&s, row(&s, "web")->usage.memory >= 1000);
    c = fake_get(s.fake, "shared_redis"); /* it starts anew, and the events are lost */
    c->started = "2026-01-02T01:00:01Z";
    c->pid++;
    for (size_t i = 0; i < reader->count; i++) {
        usages[i] = container_usage_unknown;
        usages[i].memory = strcmp(reader->targets[i].id, c->id) == 0 ? -1 : 1000;
    }
    reader->done(reader->context, reader->targets, usages, reader->count);
    WAIT(&s, told(&s, "moved shared_redis"));
    assert_string_equal(s.told.s, "stopped shared_redis\nmoved shared_redis\n");
    assert_int_equal(inspections(&s, "web"), 1);
    tear_down(&s);
}

static void the_engine_is_asked_where_the_kernel_is_another(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    fake_set_info(s.fake, "{\"ServerVersion\":\"27\",\"OperatingSystem\":\"Docker "
                          "Desktop\",\"Name\":\"docker-desktop\"}");
    fake_set_stats(s.fake, "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":2500000000}},"
                           "\"memory_stats\":{\"usage\":5000,\"limit\":9000,"
                           "\"stats\":{\"inactive_file\":1000}}}");
    start(&s);
    assert_true(sample(&s)->engine.elsewhere);
    assert_null(reader);
    WAIT(&s, row(&s, "shared_redis")->usage.memory == 4000);
    assert_int_equal(row(&s, "shared_redis")->usage.memory_limit, 9000);
    assert_true(row(&s, "shared_redis")->usage.cpu_seconds == 2.5);
    container_watch_tick(s.watch);
    WAIT(&s, row(&s, "shared_postgres")->usage.memory == 4000);
    assert_int_equal(fake_asked(s.fake, "/stats?"), 2); /* services, and not each time */
    tear_down(&s);
}

/* ---- images ---- */

static void what_a_tag_stands_for_is_followed(void **state)
{
    struct subject s;
    const struct container *before;

    (void)state;
    set_up(&s);
    fake_add(s.fake, "a", "redis:7");
    fake_add(s.fake, "b", "redis:7");
    fake_add(s.fake, "web", "nginx");
    start(&s);
    WAIT(&s, row(&s, "a")->facts->tag_id && row(&s, "b")->facts->tag_id);
    assert_string_equal(row(&s, "a")->facts->tag_id, "sha256:1");
    assert_null(row(&s, "web")->facts->tag_id);
    assert_int_equal(fake_asked(s.fake, "/images/"), 1);
    before = container_ref(row(&s, "a")->facts);
    fake_set_image(s.fake, "sha256:2");
    fake_event_text(s.fake,
                    "{\"Type\":\"image\",\"Action\":\"tag\",\"Actor\":{\"ID\":\"sha256:2\"},"
                    "\"time\":1767330000,\"timeNano\":1767330000000000000}");
    WAIT(&s, strcmp(row(&s, "a")->facts->tag_id, "sha256:2") == 0);
    assert_string_equal(before->tag_id, "sha256:1"); /* what was published is constant */
    assert_string_equal(row(&s, "a")->facts->networks[0].address, "172.18.0.2");
    container_unref(before);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_runs_is_told_before_the_list_is_done),
        cmocka_unit_test(events_are_asked_for_from_before_the_list),
        cmocka_unit_test(an_engine_that_is_too_old_is_none),
        cmocka_unit_test(a_container_that_hangs_holds_up_no_other),
        cmocka_unit_test(more_containers_than_are_asked_for_at_once),
        cmocka_unit_test(figures_that_are_refused_do_not_matter),
        cmocka_unit_test(a_password_comes_from_the_environment),
        cmocka_unit_test(a_password_file_is_read_before_moved),
        cmocka_unit_test(without_its_password_file_it_is_told_all_the_same),
        cmocka_unit_test(a_restart_is_followed),
        cmocka_unit_test(an_end_that_is_told_late_is_none),
        cmocka_unit_test(an_orderly_restart_does_not_count),
        cmocka_unit_test(restarts_of_the_policy_count_once),
        cmocka_unit_test(an_end_is_told_with_its_code),
        cmocka_unit_test(one_that_is_removed_goes),
        cmocka_unit_test(a_new_one_comes),
        cmocka_unit_test(a_storm_of_events_is_one_question),
        cmocka_unit_test(lines_may_come_in_pieces_or_be_rubbish),
        cmocka_unit_test(a_kill_is_published_at_once),
        cmocka_unit_test(a_kill_is_seen_in_the_state),
        cmocka_unit_test(a_kill_is_seen_in_the_count_of_the_kernel),
        cmocka_unit_test(only_those_that_run_are_read),
        cmocka_unit_test(a_process_that_has_gone_is_asked_after),
        cmocka_unit_test(the_engine_is_asked_where_the_kernel_is_another),
        cmocka_unit_test(what_a_tag_stands_for_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
