/* The watch when engines come and go, and when its owner does. */
#include "backend/container_watch_parse.h"
#include "tests/unit/watch_subject.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* ---- lost events, lost engines ---- */

static void the_stream_is_opened_again_and_asks_for_no_more_than_it_must(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    fake_get(s.fake, "web")->state = "exited"; /* its event is lost */
    fake_end_events(s.fake);
    WAIT(&s, told(&s, "stopped web"));
    WAIT(&s, fake_asked(s.fake, "/events?") == 2 && fake_streams(s.fake) == 1);
    assert_string_equal(s.told.s, "stopped web\n");
    assert_int_equal(inspections(&s, "web"), 2);
    assert_int_equal(inspections(&s, "shared_redis"), 1);
    assert_int_equal(sample(&s)->state, CONTAINERS_UP);
    restart(&s, "shared_redis");
    WAIT(&s, told(&s, "moved shared_redis"));
    tear_down(&s);
}

static void an_engine_that_goes_leaves_its_rows(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    fake_die(s.fake);
    WAIT(&s, sample(&s)->state == CONTAINERS_STALE);
    assert_int_equal(sample(&s)->count, 4);
    assert_non_null(strstr(sample(&s)->error, s.path));
    assert_non_null(sample(&s)->hint);
    assert_null(container_watch_engine(s.watch));
    assert_string_equal(s.told.s, "");
    fake_get(s.fake, "shared_postgres")->state = "exited";
    fake_remove(s.fake, "web");
    fake_listen(s.fake);
    WAIT(&s, sample(&s)->state == CONTAINERS_UP);
    WAIT(&s, sample(&s)->count == 3);
    assert_null(sample(&s)->error);
    assert_true(told(&s, "stopped shared_postgres") && told(&s, "stopped web"));
    assert_true(told(&s, "moved shared_redis") && !told(&s, "moved shared_postgres"));
    assert_false(told(&s, "listed"));
    assert_non_null(container_watch_engine(s.watch));
    tear_down(&s);
}

static void without_an_engine_there_is_one_line(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    place_paths[1] = s.other;
    place_count = 2;
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    assert_int_equal(sample(&s)->state, CONTAINERS_NONE);
    assert_non_null(strstr(sample(&s)->error, "none of "));
    assert_non_null(strstr(sample(&s)->error, s.path));
    assert_non_null(strstr(sample(&s)->error, s.other));
    assert_null(sample(&s)->hint);
    add_reference(&s); /* it is started later */
    fake_listen(s.fake);
    container_watch_refresh(s.watch);
    WAIT(&s, sample(&s)->state == CONTAINERS_UP);
    assert_true(told(&s, "moved shared_redis"));
    assert_null(strstr(strstr(s.told.s, "listed") + 1, "listed")); /* once */
    tear_down(&s);
}

static void the_next_place_is_tried(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    place_paths[0] = s.other;
    place_paths[1] = s.path;
    place_count = 2;
    add_reference(&s);
    start(&s);
    assert_string_equal(sample(&s)->socket, s.path);
    tear_down(&s);
}

static void a_list_that_is_refused_is_no_engine(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    fake_refuse(s.fake, "/containers/json", 403);
    fake_listen(s.fake);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    assert_int_equal(sample(&s)->state, CONTAINERS_NONE);
    assert_non_null(strstr(sample(&s)->error, "403"));
    assert_non_null(strstr(sample(&s)->error, "not you"));
    tear_down(&s);
}

static void permission_denied_is_said_with_the_mend(void **state)
{
    struct subject s;
    const bool root = geteuid() == 0;
    char expected[160];

    (void)state;
    set_up(&s);
    place_paths[1] = s.other; /* that it is absent says less */
    place_count = 2;
    fake_listen(s.fake);
    assert_int_equal(chmod(s.folder, 0755), 0);
    assert_int_equal(chmod(s.path, 0), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    container_watch_start(s.watch);
    WAIT(&s, told(&s, "listed"));
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(sample(&s)->state, CONTAINERS_NONE);
    assert_non_null(strstr(sample(&s)->error, s.path));
    snprintf(expected, sizeof(expected), "hint: %s %d", s.path, EACCES);
    assert_string_equal(sample(&s)->hint, expected);
    tear_down(&s);
}

/* ---- asking for one ---- */

static void one_is_found_by_name_or_id(void **state)
{
    struct subject s;
    char part[13] = "";

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    memcpy(part, fake_get(s.fake, "web")->id, 12);
    assert_string_equal(container_watch_find(s.watch, "web")->name, "web");
    assert_string_equal(container_watch_find(s.watch, part)->name, "web");
    assert_string_equal(container_watch_find(s.watch, fake_get(s.fake, "web")->id)->name, "web");
    part[11] = '\0';
    assert_null(container_watch_find(s.watch, part));
    assert_null(container_watch_find(s.watch, ""));
    tear_down(&s);
}

static void a_refresh_asks_for_all(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    container_watch_refresh(s.watch);
    WAIT(&s, inspections(&s, "web") == 2 && inspections(&s, "batch") == 2);
    assert_string_equal(s.told.s, "");
    tear_down(&s);
}

/* ---- whether it is so now ---- */

static enum container_known known(const struct subject *s, const char *name)
{
    return container_watch_known(s->watch, container_watch_find(s->watch, name)->id);
}

static void what_is_asked_for_or_lost_is_not_known_for_sure(void **state)
{
    struct subject s;
    char part[80];

    (void)state;
    set_up(&s);
    add_reference(&s);
    start(&s);
    assert_int_equal(known(&s, "web"), KNOWN_NOW);
    snprintf(part, sizeof(part), "%s/json", fake_get(s.fake, "web")->id);
    fake_hold(s.fake, part);
    fake_event(s.fake, "die", "web", 0);
    WAIT(&s, known(&s, "web") == KNOWN_SOON);
    assert_int_equal(known(&s, "shared_redis"), KNOWN_NOW);
    fake_release(s.fake);
    WAIT(&s, known(&s, "web") == KNOWN_NOW);
    fake_refuse(s.fake, part, 500);
    fake_event(s.fake, "rename", "web", 0);
    WAIT(&s, known(&s, "web") == KNOWN_OLD);
    fake_refuse(s.fake, NULL, 0);
    WAIT(&s, known(&s, "web") == KNOWN_NOW); /* the list asks again */
    fake_die(s.fake);
    WAIT(&s, known(&s, "shared_redis") == KNOWN_OLD);
    fake_hold(s.fake, "/info");
    fake_listen(s.fake);
    WAIT(&s, known(&s, "shared_redis") == KNOWN_SOON && inspections(&s, "shared_redis") == 2);
    fake_release(s.fake);
    WAIT(&s, known(&s, "shared_redis") == KNOWN_NOW);
    assert_int_equal(container_watch_known(s.watch, "nobody"), KNOWN_OLD);
    tear_down(&s);
}

static void many_answers_are_published_together(void **state)
{
    struct subject s;
    char names[FAKE_MAX][16];
    uint64_t begun;
    unsigned before;

    (void)state;
    set_up(&s);
    for (int i = 0; i < FAKE_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "c%02d", i);
        fake_add(s.fake, names[i], "nginx");
    }
    begun = uv_now(&s.loop);
    start(&s);
    assert_true(s.changed <= (uv_now(&s.loop) - begun) / 50 + 8); /* and what is urgent */
    begun = uv_now(&s.loop);
    before = s.changed;
    container_watch_refresh(s.watch);
    WAIT(&s, inspections(&s, names[FAKE_MAX - 1]) == 2);
    assert_true(s.changed - before <= (uv_now(&s.loop) - begun) / 50 + 1);
    tear_down(&s);
}

/* ---- what is read ---- */

static uint64_t signature(const char *text)
{
    struct watch_listed *items;
    size_t count;
    uint64_t result;

    assert_true(watch_parse_list(text, strlen(text), &items, &count));
    assert_int_equal(count, 1);
    result = items[0].signature;
    free(items);
    return result;
}

static void only_what_has_changed_changes_the_signature(void **state)
{
    const uint64_t first = signature("[{\"Id\":\"a\",\"State\":\"running\",\"Status\":\"Up 2 "
                                     "seconds (healthy)\",\"Ports\":[1,2]}]");
    static const char none[] = "[7,{},{\"Id\":\"\"},{\"Id\":null}]";
    struct watch_listed *items;
    size_t count;

    (void)state;
    assert_true(first == signature("[{\"Ports\":[2,1],\"Id\":\"a\",\"State\":\"running\","
                                   "\"Status\":\"Up 3 hours (healthy)\"}]"));
    assert_true(first != signature("[{\"Id\":\"a\",\"State\":\"running\",\"Status\":\"Up 2 "
                                   "seconds (unhealthy)\",\"Ports\":[1,2]}]"));
    assert_true(first != signature("[{\"Id\":\"a\",\"State\":\"exited\",\"Status\":\"Up 2 "
                                   "seconds (healthy)\",\"Ports\":[1,2]}]"));
    assert_true(first != signature("[{\"Id\":\"a\",\"State\":\"running\",\"Status\":\"Up 2 "
                                   "seconds (healthy)\",\"Ports\":[1,3]}]"));
    assert_false(watch_parse_list("{}", 2, &items, &count));
    assert_null(items);
    assert_true(watch_parse_list(none, strlen(none), &items, &count));
    assert_int_equal(count, 0);
    free(items);
}

static void the_version_is_the_lower_one(void **state)
{
    char api[WATCH_API_SIZE];

    (void)state;
    assert_true(watch_choose_api("1.41", api));
    assert_string_equal(api, "1.41");
    assert_true(watch_choose_api("1.99", api));
    assert_string_equal(api, "1.47");
    assert_true(watch_choose_api("2.0", api));
    assert_string_equal(api, "1.47");
    assert_true(watch_choose_api("1.24", api));
    assert_true(watch_choose_api(NULL, api));
    assert_string_equal(api, "1.24");
    assert_true(watch_choose_api("x", api));
    assert_string_equal(api, "1.24");
    assert_false(watch_choose_api("1.18", api));
    assert_string_equal(api, "1.18");
    assert_false(watch_choose_api("0.9", api));
}

static void stats_without_figures_are_none(void **state)
{
    struct container_usage usage;
    static const char huge[] = "{\"memory_stats\":{\"usage\":99999999999999999999}}";

    (void)state;
    assert_false(watch_parse_stats("{}", 2, &usage));
    assert_false(watch_parse_stats("x", 1, &usage));
    assert_false(watch_parse_stats(huge, strlen(huge), &usage));
    assert_int_equal(usage.memory, -1);
    assert_int_equal(usage.oom_score_adj, INT_MIN);
}

/* ---- closing, and calls from inside ---- */

static void it_may_be_closed_at_any_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 40; turns++) {
        struct subject s;

        set_up(&s);
        add_reference(&s);
        fake_get(s.fake, "shared_postgres")->environment = "\"POSTGRES_PASSWORD_FILE=/x\"";
        fake_listen(s.fake);
        container_watch_start(s.watch);
        for (int i = 0; i < turns; i++)
            uv_run(&s.loop, UV_RUN_NOWAIT);
        tear_down(&s);
    }
}

static void it_may_be_closed_without_a_start(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    container_watch_tick(s.watch);
    container_watch_refresh(s.watch);
    tear_down(&s);
}

static void it_may_be_closed_from_inside(void **state)
{
    static const char *const callbacks[] = {"changed", "listed", "moved", "stopped", "complete"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct subject s;

        set_up(&s);
        add_reference(&s);
        if (strcmp(callbacks[i], "stopped") == 0)
            start(&s);
        else
            fake_listen(s.fake);
        s.act_at = callbacks[i];
        s.act = ACT_CLOSE;
        if (strcmp(callbacks[i], "stopped") == 0)
            restart(&s, "shared_redis");
        else
            container_watch_start(s.watch);
        WAIT(&s, s.gone);
        tear_down(&s);
    }
}

static void it_may_be_refreshed_from_inside(void **state)
{
    static const char *const callbacks[] = {"listed", "moved", "stopped"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct subject s;

        set_up(&s);
        add_reference(&s);
        s.act_at = callbacks[i];
        s.act = ACT_REFRESH;
        start(&s);
        restart(&s, "shared_redis");
        WAIT(&s, told(&s, "moved shared_redis"));
        assert_int_equal(sample(&s)->state, CONTAINERS_UP);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_is_opened_again_and_asks_for_no_more_than_it_must),
        cmocka_unit_test(an_engine_that_goes_leaves_its_rows),
        cmocka_unit_test(without_an_engine_there_is_one_line),
        cmocka_unit_test(the_next_place_is_tried),
        cmocka_unit_test(a_list_that_is_refused_is_no_engine),
        cmocka_unit_test(permission_denied_is_said_with_the_mend),
        cmocka_unit_test(one_is_found_by_name_or_id),
        cmocka_unit_test(a_refresh_asks_for_all),
        cmocka_unit_test(what_is_asked_for_or_lost_is_not_known_for_sure),
        cmocka_unit_test(many_answers_are_published_together),
        cmocka_unit_test(only_what_has_changed_changes_the_signature),
        cmocka_unit_test(the_version_is_the_lower_one),
        cmocka_unit_test(stats_without_figures_are_none),
        cmocka_unit_test(it_may_be_closed_at_any_moment),
        cmocka_unit_test(it_may_be_closed_without_a_start),
        cmocka_unit_test(it_may_be_closed_from_inside),
        cmocka_unit_test(it_may_be_refreshed_from_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
