/* Behind a pooler: a session of ours is not one server process, so nothing may be set on it or
 * prepared in it, and all still works. */
#include "tests/integration/pg_pooler.h"
#include "tests/integration/pg_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void all_works_and_nothing_sticks(void **state)
{
    struct pg_pooler *pooler = *state;
    struct pg_watch watch;
    const struct pg_activity *activity;
    char *conninfo = pg_pooler_conninfo(pooler);
    size_t own = 0;

    pg_watch_start(&watch, conninfo, 0.2);
    pg_watch_want(&watch, SOURCE_BIT(PG_SIZES));
    PG_UNTIL(&watch, pg_has_rates);
    PG_UNTIL(&watch, pg_has_sizes);
    for (int i = 0; i < 5; i++)
        pg_watch_next(&watch);
    assert_true(watch.instance->pg.server->pooler);
    assert_int_equal(atomic_load(&pooler->seen->sessions), 2);
    assert_int_equal(atomic_load(&pooler->seen->prepared), 0);
    activity = watch.instance->pg.activity;
    for (size_t i = 0; i < activity->count; i++)
        own += activity->rows[i].own;
    assert_int_equal(own, 1); /* which process serves the other one cannot be known */
    assert_string_equal(pg_watch_database(&watch, "umami")->owner, "umami");
    pg_watch_stop(&watch);
    free(conninfo);
}

static bool knows_the_pooler(const struct pg_watch *watch)
{
    const struct pg_server *server = watch->instance->pg.server;

    backend_refresh(watch->backend);
    return server && server->pooler;
}

static void lost_statements_are_done_without(void **state)
{
    struct pg_pooler *pooler = *state;
    struct pg_watch watch;
    char *conninfo = pg_pooler_conninfo(pooler);
    int prepared;

    atomic_store(&pooler->seen->forgets, true);
    pg_watch_start(&watch, conninfo, 0.2);
    PG_UNTIL(&watch, knows_the_pooler);
    assert_null(watch.instance->source_error[PG_ACTIVITY]);
    assert_int_equal(watch.instance->generation, 1);
    prepared = atomic_load(&pooler->seen->prepared);
    assert_true(prepared > 0);
    for (int i = 0; i < 3; i++)
        pg_watch_next(&watch);
    assert_int_equal(atomic_load(&pooler->seen->prepared), prepared);
    assert_null(watch.instance->source_error[PG_ACTIVITY]);
    pg_watch_stop(&watch);
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_works_and_nothing_sticks),
        cmocka_unit_test(lost_statements_are_done_without),
    };

    return cmocka_run_group_tests(tests, pg_pooler_start, pg_pooler_stop);
}
