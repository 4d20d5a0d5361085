/* A new database and its user on a real server: what it makes, what it refuses, what it leaves behind
 * when it fails, and where the password never is. */
#include "backend/base/mem.h"
#include "backend/envfile.h"
#include "backend/textfile.h"
#include "tests/integration/pg_act.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    struct lab *lab;
    char folder[64];
};

static int start_lab(void **state)
{
    struct place *place = mem_zalloc(sizeof(*place));

    place->lab = lab_start("-c log_statement=all -c log_min_duration_statement=0");
    snprintf(place->folder, sizeof(place->folder), "/tmp/sharedtop-createdb-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    *state = place;
    return 0;
}

static int stop_lab(void **state)
{
    struct place *place = *state;
    char *command = mem_printf("rm -rf '%s'", place->folder);

    lab_stop(place->lab);
    assert_int_equal(system(command), 0); /* NOLINT: a path of the test's own */
    free(command);
    free(place);
    return 0;
}

static char *env_path(void **state, const char *name)
{
    const struct place *place = *state;

    return mem_printf("%s/%s", place->folder, name);
}

static void start(struct pg_act *act, void **state)
{
    const struct place *place = *state;

    pg_act_start(act, lab_get(place->lab, "LAB_PG"));
}

static char *value_of(void **state, const char *format, const char *name)
{
    const struct place *place = *state;
    PGconn *conn = lab_pg_connect(place->lab, NULL);
    PGresult *rows = PQexecParams(conn, format, 1, NULL, &name, NULL, NULL, 0);
    char *value;

    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    value = mem_strdup(PQntuples(rows) ? PQgetvalue(rows, 0, 0) : "");
    PQclear(rows);
    PQfinish(conn);
    return value;
}

static void assert_nothing_of(void **state, const char *name)
{
    char *count = value_of(state,
                           "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1::text)"
                           " + (SELECT count(*) FROM pg_roles WHERE rolname = $1::text)",
                           name);

    assert_string_equal(count, "0");
    free(count);
}

/* Over TCP, where the server asks for the password. */
static PGconn *log_in(void **state, const char *user, const char *password, const char *database)
{
    const struct place *place = *state;
    const char *const keywords[] = {"host", "port", "user", "password", "dbname", NULL};
    const char *const values[] = {
        "127.0.0.1", lab_get(place->lab, "LAB_PG_PORT"), user, password, database, NULL};

    return PQconnectdbParams(keywords, values, 0);
}

static void assert_works_for(void **state, const char *user, const char *password,
                             const char *database)
{
    PGconn *conn = log_in(state, user, password, database);

    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    free(pg_act_sql(conn, "CREATE SCHEMA mine CREATE TABLE t (a int)"));
    PQfinish(conn);
    conn = log_in(state, user, "wrong", database);
    assert_int_not_equal(PQstatus(conn), CONNECTION_OK);
    PQfinish(conn);
    conn = log_in(state, "umami", "umami", database);
    assert_int_not_equal(PQstatus(conn), CONNECTION_OK);
    assert_non_null(strstr(PQerrorMessage(conn), "permission denied for database"));
    PQfinish(conn);
}

/* Everything that the server has logged so far. */
static char *server_log(void **state)
{
    const struct place *place = *state;
    char *path = mem_printf("%s/pg.log", lab_get(place->lab, "LAB_DIR"));
    FILE *file = fopen(path, "re");
    char *text = mem_zalloc(16 << 20);

    assert_non_null(file);
    assert_true(fread(text, 1, (16 << 20) - 1, file) > 0);
    fclose(file);
    free(path);
    return text;
}

static char *audit(const struct pg_act *act)
{
    char *path = mem_printf("%s/sharedtop/audit.jsonl", act->home), *error = NULL;
    size_t len = 0;
    char *text = textfile_read(path, TEXTFILE_REGULAR, &len, &error);

    assert_non_null(text);
    free(path);
    return text;
}

/* ---- what it makes ---- */

static void the_password_works_and_is_nowhere_else(void **state)
{
    struct pg_act act;
    char *path = env_path(state, "new.env"), *error = NULL, *log, *record, *password;
    const struct act_request request = {
        .act = ACT_CREATEDB, .database = "shop_dev", .env_file = path};
    struct stat st;

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    assert_int_equal(pg_act_plan(&act)->verdict.ask, POLICY_YES);
    assert_int_equal(pg_act_plan(&act)->environment, ENV_DEV);
    pg_act_plan_says(&act, "CREATE ROLE \"shop_dev\" LOGIN PASSWORD '<generated>'");
    pg_act_plan_says(&act, "CREATE DATABASE \"shop_dev\" OWNER \"shop_dev\"");
    pg_act_plan_says(&act, "REVOKE CONNECT, TEMPORARY ON DATABASE \"shop_dev\" FROM PUBLIC");
    pg_act_plan_says(&act, "append SHOP_DEV_PASSWORD=<generated> to ");
    assert_int_equal(access(path, F_OK), -1);
    assert_nothing_of(state, "shop_dev");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "the password is SHOP_DEV_PASSWORD in ");
    password = envfile_read(path, "SHOP_DEV_PASSWORD", &error);
    assert_non_null(password);
    assert_string_equal(password, pg_act_outcome(&act)->secret);
    assert_int_equal(strlen(password), 32);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_works_for(state, "shop_dev", password, "shop_dev");
    log = server_log(state);
    record = audit(&act);
    assert_non_null(strstr(log, "CREATE ROLE \"shop_dev\" LOGIN PASSWORD"));
    assert_non_null(strstr(log, "SCRAM-SHA-256$"));
    assert_non_null(strstr(record, "CREATE DATABASE \\\"shop_dev"));
    assert_null(strstr(log, password));
    assert_null(strstr(record, password));
    assert_null(strstr(record, "SCRAM-SHA-256$"));
    printf("password: works for its user, refused to others; in %zu bytes of server log and %zu of "
           "audit: 0 times\n",
           strlen(log), strlen(record));
    free(log);
    free(record);
    free(password);
    free(path);
    pg_act_end(&act);
    pg_act_stop(&act);
}

static void odd_names_work(void **state)
{
    static const char *const names[] = {"Größe & \"Maß\"", "it's; DROP TABLE x--",
                                        " spaced out ",    "UPPER",
                                        "select",          "back\\slash $$ %s %n"};
    struct pg_act act;
    char *path = env_path(state, "odd.env");

    start(&act, state);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *key = mem_printf("KEY_%zu", i);
        const struct act_request request = {
            .act = ACT_CREATEDB, .database = names[i], .env_file = path, .env_key = key};

        if (pg_act_prepare(&act, &request))
            pg_act_execute(&act, ANSWER_YES, NULL);
        pg_act_outcome_says(&act, OUTCOME_DONE, names[i]);
        assert_works_for(state, names[i], pg_act_outcome(&act)->secret, names[i]);
        pg_act_end(&act);
        free(key);
    }
    printf("odd names: %zu made, logged in to and closed to others\n",
           sizeof(names) / sizeof(*names));
    free(path);
    pg_act_stop(&act);
}

static void without_an_env_file_it_is_shown_only(void **state)
{
    struct pg_act act;
    const struct act_request request = {
        .act = ACT_CREATEDB, .database = "shown", .owner = "shown_owner"};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    pg_act_plan_says(&act, "written nowhere");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "shown once");
    assert_works_for(state, "shown_owner", pg_act_outcome(&act)->secret, "shown");
    pg_act_end(&act);
    pg_act_stop(&act);
}

/* ---- what it refuses ---- */

static void refuse(struct pg_act *act, const struct act_request *request, const char *words)
{
    assert_false(pg_act_prepare(act, request));
    pg_act_outcome_says(act, OUTCOME_REFUSED, words);
    pg_act_end(act);
}

static void what_exists_is_refused(void **state)
{
    struct pg_act act;
    char *path = env_path(state, "taken.env");
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs("SHOP2_PASSWORD=old\n", file);
    fclose(file);
    start(&act, state);
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "umami"},
           "the database 'umami' exists already: choose another name");
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "shop2", .owner = "umami"},
           "the role 'umami' exists already: name another user");
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "shop2", .env_file = path},
           "has a key SHOP2_PASSWORD already");
    refuse(&act,
           &(struct act_request){
               .act = ACT_CREATEDB, .database = "shop2", .env_file = "/nowhere/at/all.env"},
           "No such file or directory");
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "a\nb"}, "control");
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "broken \xff utf-8"},
           "no valid text");
    assert_nothing_of(state, "shop2");
    free(path);
    pg_act_stop(&act);
}

static void the_right_that_lacks_is_named(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    char *conninfo = mem_printf("%s user=watcher password=watcher", lab_get(place->lab, "LAB_PG"));

    pg_act_start(&act, conninfo);
    refuse(&act, &(struct act_request){.act = ACT_CREATEDB, .database = "shop3"},
           "ALTER ROLE watcher CREATEDB CREATEROLE");
    pg_act_stop(&act);
    free(conninfo);
}

static void who_is_no_superuser_can_do_it_too(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    char *conninfo = mem_printf("%s user=maker", lab_get(place->lab, "LAB_PG")), *members;
    const struct act_request request = {.act = ACT_CREATEDB, .database = "handmade"};

    free(lab_pg_value(place->lab, "CREATE ROLE maker LOGIN CREATEDB CREATEROLE"));
    pg_act_start(&act, conninfo);
    assert_true(pg_act_prepare(&act, &request));
    pg_act_plan_says(&act, "GRANT \"handmade\" TO CURRENT_USER");
    pg_act_execute(&act, ANSWER_YES, NULL);
    pg_act_outcome_says(&act, OUTCOME_DONE, "are there");
    assert_works_for(state, "handmade", pg_act_outcome(&act)->secret, "handmade");
    members = value_of(state, "SELECT pg_has_role('maker', $1::text, 'USAGE')", "handmade");
    assert_string_equal(members, "f");
    free(members);
    pg_act_end(&act);
    pg_act_stop(&act);
    free(conninfo);
}

/* ---- when it fails in the middle ---- */

static void fail_to_execute(struct pg_act *act, const char *words)
{
    pg_act_execute(act, ANSWER_YES, NULL);
    pg_act_outcome_says(act, OUTCOME_FAILED, words);
    assert_null(pg_act_outcome(act)->secret);
    pg_act_end(act);
}

/* Somebody else makes the database between the plan and the act: the role goes, theirs stays. */
static void a_database_that_came_meanwhile_stays(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    const struct act_request request = {
        .act = ACT_CREATEDB, .database = "raced", .owner = "raced_owner"};
    char *owner;

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    free(lab_pg_value(place->lab, "CREATE DATABASE raced"));
    fail_to_execute(&act,
                    "CREATE DATABASE failed: database \"raced\" already exists; nothing of it "
                    "is left on the server");
    assert_nothing_of(state, "raced_owner");
    owner = value_of(state, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1",
                     "raced");
    assert_string_equal(owner, "admin");
    free(owner);
    pg_act_stop(&act);
}

/* The template is in use: PostgreSQL waits 5 s and then refuses. */
static void a_template_in_use_leaves_nothing(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    PGconn *conn = lab_pg_connect(place->lab, "dbname=template1");
    const struct act_request request = {.act = ACT_CREATEDB, .database = "blocked"};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    pg_act_plan_says(&act, "1 sessions are in template1");
    fail_to_execute(&act, "is being accessed by other users");
    assert_nothing_of(state, "blocked");
    PQfinish(conn);
    pg_act_stop(&act);
}

static bool is_copying(const struct pg_watch *watch)
{
    const struct pg_activity *activity = watch->instance->pg.activity;

    for (size_t i = 0; i < activity->count; i++) {
        const char *query = activity->rows[i].query;

        if (query && strncmp(query, "CREATE DATABASE", 15) == 0)
            return true;
    }
    return false;
}

/* The last step: while the database is copied somebody else adds the key. */
static void a_password_that_cannot_be_kept_undoes_all(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    PGconn *conn = lab_pg_connect(place->lab, "dbname=template1");
    char *path = env_path(state, "late.env"), *error = NULL, *value;
    const struct act_request request = {
        .act = ACT_CREATEDB, .database = "unkept", .env_file = path};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    action_execute(act.action, ANSWER_YES, NULL);
    PG_UNTIL(&act.watch, is_copying);
    assert_null(envfile_append(path, "UNKEPT_PASSWORD", "theirs"));
    PQfinish(conn);
    pg_act_wait(&act);
    pg_act_outcome_says(&act, OUTCOME_FAILED, "writing the password failed: env_file ");
    pg_act_outcome_says(&act, OUTCOME_FAILED, "nothing of it is left on the server");
    pg_act_end(&act);
    assert_nothing_of(state, "unkept");
    value = envfile_read(path, "UNKEPT_PASSWORD", &error);
    assert_string_equal(value, "theirs");
    free(value);
    free(path);
    pg_act_stop(&act);
}

/* Its connection is killed while it waits for the template: what was made before goes. */
static void a_lost_connection_leaves_nothing(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    PGconn *conn = lab_pg_connect(place->lab, "dbname=template1");
    const struct act_request request = {.act = ACT_CREATEDB, .database = "cut_off"};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    action_execute(act.action, ANSWER_YES, NULL);
    PG_UNTIL(&act.watch, is_copying);
    assert_int_equal(actions_running(act.actions), 1);
    free(lab_pg_value(place->lab, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE query LIKE 'CREATE DATABASE%'"));
    pg_act_wait(&act);
    pg_act_outcome_says(&act, OUTCOME_FAILED, "nothing of it is left on the server");
    assert_nothing_of(state, "cut_off");
    pg_act_end(&act);
    PQfinish(conn);
    pg_act_stop(&act);
}

/* The dashboard is ended in the midst of it. */
static void it_can_be_let_go_at_any_moment(void **state)
{
    const struct place *place = *state;
    struct pg_act act;
    PGconn *conn = lab_pg_connect(place->lab, "dbname=template1");
    const struct act_request request = {.act = ACT_CREATEDB, .database = "let_go"};

    start(&act, state);
    assert_true(pg_act_prepare(&act, &request));
    action_execute(act.action, ANSWER_YES, NULL);
    PG_UNTIL(&act.watch, is_copying);
    pg_act_stop(&act);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_password_works_and_is_nowhere_else),
        cmocka_unit_test(odd_names_work),
        cmocka_unit_test(without_an_env_file_it_is_shown_only),
        cmocka_unit_test(what_exists_is_refused),
        cmocka_unit_test(the_right_that_lacks_is_named),
        cmocka_unit_test(who_is_no_superuser_can_do_it_too),
        cmocka_unit_test(a_database_that_came_meanwhile_stays),
        cmocka_unit_test(a_template_in_use_leaves_nothing),
        cmocka_unit_test(a_password_that_cannot_be_kept_undoes_all),
        cmocka_unit_test(a_lost_connection_leaves_nothing),
        cmocka_unit_test(it_can_be_let_go_at_any_moment),
    };

    return cmocka_run_group_tests_name("act_createdb", tests, start_lab, stop_lab);
}
