/* A database takes the place of another while its clients come back all the time; and restores that
 * are called off, killed or not allowed. */
#include "backend/act_restore_sql.h"
#include "tests/integration/restore_run.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CLIENTS = 6 };

/* Clients as an app's pool has them: they connect again whatever happens. */
struct clients {
    char *conninfo;
    pthread_t threads[CLIENTS];
    atomic_bool stop;
    atomic_uint connected, refused, other; /* other: rows of the replacing database were seen */
};

static void *connect_again(void *context)
{
    struct clients *clients = context;

    while (!atomic_load(&clients->stop)) {
        PGconn *conn = PQconnectdb(clients->conninfo);
        PGresult *result = PQexec(conn, "SELECT id FROM marker");

        if (PQresultStatus(result) == PGRES_TUPLES_OK)
            atomic_fetch_add(strcmp(PQgetvalue(result, 0, 0), "2") == 0 ? &clients->other
                                                                        : &clients->connected,
                             1);
        else
            atomic_fetch_add(&clients->refused, 1);
        PQclear(result);
        /* Some stay a while, as sessions that must be ended. */
        PQclear(PQexec(conn, "SELECT pg_sleep(random() * 0.2)"));
        PQfinish(conn);
    }
    return NULL;
}

static void wait_for(const atomic_uint *count, unsigned more)
{
    const unsigned from = atomic_load(count);

    for (double until = 0; run_waiting(&until);) {
        if (atomic_load(count) >= from + more)
            return;
    }
    fail_msg("the clients do not get through");
}

static void start_clients(struct clients *clients, const struct run_lab *lab, const char *database)
{
    *clients = (struct clients){
        .conninfo = mem_printf("%s dbname=%s", lab_get(lab->lab, "LAB_PG"), database)};
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients->threads[i], NULL, connect_again, clients), 0);
    wait_for(&clients->connected, 10);
}

static void stop_clients(struct clients *clients)
{
    atomic_store(&clients->stop, true);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients->threads[i], NULL);
    free(clients->conninfo);
}

static void make_marked(const struct run_lab *lab, const char *name, int marker)
{
    char *create = mem_printf("CREATE DATABASE %s OWNER umami", name);
    char *fill = mem_printf("CREATE TABLE marker (id int); INSERT INTO marker VALUES (%d)", marker);

    run_sql(lab, "postgres", create);
    run_sql(lab, name, fill);
    free(create);
    free(fill);
}

static const char kept_sql[] =
    "SELECT datname FROM pg_database WHERE datname LIKE 'app%\\_old\\_2%' ORDER BY 1 LIMIT 1";

/* The dump that holds 2 as its marker goes over the database that holds 1. */
static void restore_replaces_under_load(void **state)
{
    struct run_lab *lab = *state;
    struct clients clients;
    char *kept;

    make_marked(lab, "app_dev", 2);
    run_dump(lab, "app_dev", "app.dump");
    run_sql(lab, "app_dev", "UPDATE marker SET id = 1");
    start_clients(&clients, lab, "app_dev");
    run_expect(SHAREDTOP(lab, "restore %s/app.dump --replace --confirm app_dev", lab->folder), 0,
               "restored app_dev: 1 tables; what was there is app_dev_old_2");
    wait_for(&clients.other, 10);
    stop_clients(&clients);
    print_message("clients: %u times on the old one, %u refused, %u on the new one\n",
                  atomic_load(&clients.connected), atomic_load(&clients.refused),
                  atomic_load(&clients.other));
    kept = run_value(lab, "postgres", kept_sql);
    run_expect_value(lab, kept, "SELECT id FROM marker", "1");
    run_expect_value(lab, "app_dev", "SELECT id FROM marker", "2");
    run_expect_clean(lab);
    free(kept);
}

static void restored_one_replaces_later(void **state)
{
    struct run_lab *lab = *state;
    struct clients clients;
    char *kept;

    make_marked(lab, "app2_dev", 2);
    run_dump(lab, "app2_dev", "app2.dump");
    run_sql(lab, "app2_dev", "UPDATE marker SET id = 1");
    run_expect(SHAREDTOP(lab, "restore %s/app2.dump --yes", lab->folder), 0,
               "restored app2_dev_restored: ");
    start_clients(&clients, lab, "app2_dev");
    run_expect(SHAREDTOP(lab, "replace app2_dev --with app2_dev_restored --yes%s", ""), 2,
               "--confirm");
    run_expect(SHAREDTOP(lab, "replace app2_dev --with app2_dev_restored --confirm app2_dev%s", ""),
               0, "app2_dev is now what was app2_dev_restored");
    wait_for(&clients.other, 10);
    stop_clients(&clients);
    kept = run_value(lab, "postgres",
                     "SELECT datname FROM pg_database WHERE datname LIKE 'app2\\_dev\\_old%'");
    run_expect_value(lab, kept, "SELECT id FROM marker", "1");
    run_expect_value(lab, "app2_dev", "SELECT id FROM marker", "2");
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_database WHERE NOT datallowconn AND datname <> "
                     "'template0'",
                     "0");
    run_expect(SHAREDTOP(lab, "replace app2_dev --with nothing_dev --confirm app2_dev%s", ""), 3,
               "there is no database 'nothing_dev'");
    run_expect(SHAREDTOP(lab, "replace postgres --with app2_dev --confirm postgres%s", ""), 2,
               "is connected to 'postgres'");
    free(kept);
}

/* ---- in the middle ---- */

static char *oid_of(const struct run_lab *lab, const char *name)
{
    char *sql = mem_printf("SELECT oid FROM pg_database WHERE datname = '%s'", name);
    char *oid = run_value(lab, "postgres", sql);

    free(sql);
    return oid;
}

/* The script itself, with the name that the old one is to get. The error, which the caller frees. */
static char *swap(const struct run_lab *lab, const char *old, const char *kept, const char *new)
{
    PGconn *conn = lab_pg_connect(lab->lab, NULL);
    char *old_oid = oid_of(lab, old), *new_oid = oid_of(lab, new), *error;
    const char *values[] = {old, kept, new, old_oid, new_oid};
    PGresult *script = PQexecParams(conn, restore_swap_sql, 5, NULL, values, NULL, NULL, 0),
             *result;

    assert_int_equal(PQresultStatus(script), PGRES_TUPLES_OK);
    result = PQexecParams(conn, PQgetvalue(script, 0, 0), 0, NULL, NULL, NULL, NULL, 0);
    error = mem_strdup(PQresultErrorMessage(result));
    PQclear(script);
    PQclear(result);
    PQfinish(conn);
    free(old_oid);
    free(new_oid);
    return error;
}

static void failed_swap_puts_all_back(void **state)
{
    struct run_lab *lab = *state;
    char *before, *after, *error;

    make_marked(lab, "back_dev", 1);
    make_marked(lab, "back2_dev", 2);
    before = run_databases(lab);
    error = swap(lab, "back_dev", "postgres", "back2_dev");
    assert_non_null(strstr(error, "database \"postgres\" already exists"));
    after = run_databases(lab);
    assert_string_equal(after, before);
    free(error);
    free(after);
    /* What the other one had taken over by then goes too. */
    run_sql(lab, "postgres", "ALTER DATABASE back_dev SET app.x TO 'y'");
    error = swap(lab, "back_dev", "back_dev", "back2_dev");
    assert_non_null(strstr(error, "already exists"));
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON"
                     " d.oid = setdatabase WHERE datname = 'back2_dev'",
                     "0");
    free(error);
    free(after);
    free(before);
}

/* A session that hears nothing cannot be ended: the script gives up and says so. */
static void stuck_session_prevents_it(void **state)
{
    struct run_lab *lab = *state;
    PGconn *stuck = lab_pg_connect(lab->lab, "dbname=back_dev");
    char *before = run_databases(lab), *after;

    assert_int_equal(kill(PQbackendPID(stuck), SIGSTOP), 0);
    run_expect(SHAREDTOP(lab, "replace back_dev --with back2_dev --confirm back_dev%s", ""), 1,
               "back_dev was not replaced, and both are as before: its sessions did not end");
    assert_int_equal(kill(PQbackendPID(stuck), SIGCONT), 0);
    after = run_databases(lab);
    assert_string_equal(after, before);
    PQfinish(stuck);
    free(before);
    free(after);
}

/* Ends the session that runs the script, from outside, as soon as it is seen. */
static void *end_script(void *context)
{
    const struct run_lab *lab = context;
    PGconn *conn = lab_pg_connect(lab->lab, NULL);
    bool ended = false;

    for (double until = run_now_ms() + RUN_DEADLINE_MS; !ended && run_now_ms() < until;) {
        PGresult *result = PQexec(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                        " WHERE query LIKE 'DO LANGUAGE%' AND state = 'active'");

        ended = PQntuples(result) > 0;
        PQclear(result);
    }
    PQfinish(conn);
    return NULL;
}

/* Whatever moment that was: it is told as it is, and both can be connected to. */
static void lost_connection_is_settled(void **state)
{
    struct run_lab *lab = *state;
    pthread_t thread;
    struct run run;
    char *marker;

    assert_int_equal(pthread_create(&thread, NULL, end_script, lab), 0);
    run = SHAREDTOP(lab, "replace back_dev --with back2_dev --confirm back_dev%s", "");
    pthread_join(thread, NULL);
    marker = run_value(lab, "back_dev", "SELECT id FROM marker");
    print_message("ended in the middle: status %d, back_dev holds %s\n", run.status, marker);
    assert_string_equal(marker, run.status == 0 ? "2" : "1");
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_database WHERE NOT datallowconn AND datname <> "
                     "'template0'",
                     "0");
    run_expect(run, run.status == 0 ? 0 : 1, run.status == 0 ? "is now what was" : "as before");
    free(marker);
}

/* The same within a restore's last step: its job finds out, and leaves nothing if it was in vain. */
static void restore_settles_a_lost_connection(void **state)
{
    struct run_lab *lab = *state;
    pthread_t thread;
    struct run run;
    char *marker;

    run_sql(lab, "app_dev", "UPDATE marker SET id = 1");
    assert_int_equal(pthread_create(&thread, NULL, end_script, lab), 0);
    run = SHAREDTOP(lab, "restore %s/app.dump --replace --confirm app_dev", lab->folder);
    pthread_join(thread, NULL);
    marker = run_value(lab, "app_dev", "SELECT id FROM marker");
    print_message("ended in the middle: status %d, app_dev holds %s\n", run.status, marker);
    assert_string_equal(marker, run.status == 0 ? "2" : "1");
    run_expect(run, run.status == 0 ? 0 : 1,
               run.status == 0 ? "restored app_dev" : "app_dev could not be given its name");
    run_expect_clean(lab);
    free(marker);
}

/* ---- called off ---- */

/* A view that takes its time, but only where it is restored. */
static void make_slow(const struct run_lab *lab)
{
    run_sql(lab, "postgres", "CREATE DATABASE slow_dev");
    run_sql(lab, "slow_dev",
            "CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS $$ SELECT 1 FROM"
            " pg_catalog.pg_sleep(CASE WHEN pg_catalog.current_database() LIKE"
            " 'sharedtop%' THEN 60 ELSE 0 END) $$;"
            "CREATE MATERIALIZED VIEW waits AS SELECT slow()");
    run_dump(lab, "slow_dev", "slow.dump");
}

/* Starts it, waits until it sleeps; the job's id, which the caller frees. */
static char *start_slow(struct run_lab *lab)
{
    struct run run = SHAREDTOP(lab, "restore %s/slow.dump --yes --detach", lab->folder);
    const char *at = strstr(run.text, "started as job ");
    char *id, *sleeping = NULL;

    assert_non_null(at);
    at += strlen("started as job ");
    id = mem_strndup(at, strcspn(at, ": \n"));
    free(run.text);
    for (double until = 0; run_waiting(&until);) {
        free(sleeping);
        sleeping = run_value(lab, "postgres",
                             "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                             " AND datname LIKE 'sharedtop_restore%'");
        if (strcmp(sleeping, "1") == 0)
            break;
    }
    assert_string_equal(sleeping, "1");
    free(sleeping);
    return id;
}

static void cancel_leaves_nothing(void **state)
{
    struct run_lab *lab = *state;
    char *id, *before, *after;

    make_slow(lab);
    before = run_databases(lab);
    id = start_slow(lab);
    run_expect(SHAREDTOP(lab, "jobs cancel %s --yes", id), 0, NULL);
    for (double until = 0; run_waiting(&until);) {
        struct run jobs = SHAREDTOP(lab, "jobs | grep %s", id);
        bool ended = strstr(jobs.text, "cancelled") != NULL;

        free(jobs.text);
        if (ended)
            break;
    }
    run_expect(SHAREDTOP(lab, "jobs | grep %s", id), 0, "nothing was left");
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect_clean(lab);
    free(before);
    free(after);
    free(id);
}

/* kill -9: the next restore removes what that one could not. */
static void killed_restore_is_cleared_later(void **state)
{
    struct run_lab *lab = *state;
    char *id = start_slow(lab), *name = mem_printf("sharedtop_restore_%s", id);
    char *sql = mem_printf("SELECT count(*) FROM pg_database WHERE datname = '%s'", name);

    run_expect(run_shell("kill -9 $(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' "
                         "%s/state/sharedtop/jobs/%s/state.json)",
                         lab->folder, id),
               0, NULL);
    run_expect_value(lab, "postgres", sql, "1");
    run_expect(SHAREDTOP(lab, "restore %s/app.dump --as after_dev --yes", lab->folder), 0,
               "restored after_dev: ");
    run_expect_value(lab, "postgres", sql, "0");
    run_expect_clean(lab);
    free(id);
    free(name);
    free(sql);
}

/* ---- what is allowed ---- */

static void production_is_guarded(void **state)
{
    struct run_lab *lab = *state;
    char *before, *after;

    make_marked(lab, "shop_prod", 1);
    make_marked(lab, "nameless", 1);
    run_dump(lab, "shop_prod", "shop.dump");
    run_dump(lab, "nameless", "nameless.dump");
    before = run_databases(lab);
    run_expect(SHAREDTOP(lab, "restore %s/shop.dump --as shop_prod --yes", lab->folder), 2,
               "there is a database 'shop_prod' already");
    run_expect(SHAREDTOP(lab, "restore %s/shop.dump --replace --confirm shop_prod", lab->folder), 2,
               "allow_production");
    run_expect(SHAREDTOP(lab, "restore %s/nameless.dump --replace --confirm nameless", lab->folder),
               2, "counts as production");
    run_expect(SHAREDTOP(lab, "replace shop_prod --with nameless --confirm shop_prod%s", ""), 2,
               "allow_production");
    run_expect(SHAREDTOP(lab, "--read-only restore %s/shop.dump --yes", lab->folder), 2,
               "read-only");
    run_configure(lab, "\"restore\"", "");
    run_expect(SHAREDTOP(lab, "restore %s/shop.dump --replace --yes", lab->folder), 2, "--confirm");
    run_expect(SHAREDTOP(lab, "restore %s/shop.dump --replace --confirm shop", lab->folder), 2,
               "the name to confirm with is 'shop_prod'");
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect(SHAREDTOP(lab, "restore %s/shop.dump --replace --confirm shop_prod", lab->folder), 0,
               "restored shop_prod: 1 tables; what was there is shop_prod_old_2");
    run_configure(lab, "", "");
    free(before);
    free(after);
}

/* A database that takes a place loses its name and its sessions: its environment counts as well. */
static void taker_is_guarded_too(void **state)
{
    struct run_lab *lab = *state;
    char *before, *after;

    make_marked(lab, "guard_dev", 1);
    make_marked(lab, "guard_prod", 2);
    make_marked(lab, "guard_nameless", 3);
    make_marked(lab, "guard_dev_restored_x", 4);
    before = run_databases(lab);
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_prod --confirm guard_dev%s", ""), 2,
               "production refuses this");
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_prod --confirm guard_prod%s", ""), 2,
               "production refuses this");
    run_expect(SHAREDTOP(lab, "replace guard_prod --with guard_dev --confirm guard_prod%s", ""), 2,
               "production refuses this");
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_nameless --confirm guard_dev%s", ""),
               2, "counts as production");
    run_expect(
        SHAREDTOP(lab, "replace guard_dev --with %s --confirm guard_dev", "guard_dev_restored_x"),
        2, "counts as production");
    run_configure(lab, "\"restore\"", "");
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_prod --confirm guard_dev%s", ""), 2,
               "the name to confirm with is 'guard_prod'");
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_prod --dry-run%s", ""), 0,
               "guard_prod is no longer there under its own name");
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect(SHAREDTOP(lab, "replace guard_dev --with guard_prod --confirm guard_prod%s", ""), 0,
               "guard_dev is now what was guard_prod");
    run_expect_value(lab, "guard_dev", "SELECT id FROM marker", "2");
    run_configure(lab, "", "");
    free(before);
    free(after);
}

/* What was replaced comes back under its own rules, although no pattern knows the name it has. */
static void replaced_one_comes_back(void **state)
{
    static const char kept[] = "undo_dev_old_20260131T142233Z";
    struct run_lab *lab = *state;

    make_marked(lab, "undo_dev", 2);
    make_marked(lab, "undo_kept", 1);
    run_sql(lab, "postgres",
            "ALTER DATABASE undo_kept RENAME TO \"undo_dev_old_20260131T142233Z\"");
    run_expect(SHAREDTOP(lab, "replace undo_dev --with %s --confirm undo_dev", kept), 0,
               "undo_dev is now what was undo_dev_old_2026");
    run_expect_value(lab, "undo_dev", "SELECT id FROM marker", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restore_replaces_under_load),
        cmocka_unit_test(restored_one_replaces_later),
        cmocka_unit_test(failed_swap_puts_all_back),
        cmocka_unit_test(stuck_session_prevents_it),
        cmocka_unit_test(lost_connection_is_settled),
        cmocka_unit_test(restore_settles_a_lost_connection),
        cmocka_unit_test(cancel_leaves_nothing),
        cmocka_unit_test(killed_restore_is_cleared_later),
        cmocka_unit_test(production_is_guarded),
        cmocka_unit_test(taker_is_guarded_too),
        cmocka_unit_test(replaced_one_comes_back),
    };

    return cmocka_run_group_tests_name("restore_replace", tests, run_start, run_stop);
}
