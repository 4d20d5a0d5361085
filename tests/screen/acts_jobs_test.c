/* What outlives a dashboard, and what takes its place for a while: jobs, the record, the shell. */
#include "tests/screen/acts.h"

#include <signal.h>
#include <sys/stat.h>

/* ---- jobs ---- */

/* Holds up whoever wants to dump the database. */
static PGconn *lock_table(const char *database)
{
    PGconn *conn = acts_session(&acts, database, "holder");

    PQclear(PQexec(conn, "SET lock_timeout = '10s'"));
    PQclear(PQexec(conn, "BEGIN"));
    PQclear(PQexec(conn, "LOCK TABLE account IN ACCESS EXCLUSIVE MODE"));
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
    return conn;
}

static void start_backup(struct term *term, const char *database)
{
    char *keys = mem_printf(":backup %s\r", database);

    term_keys(term, keys);
    expect_screen(term, "\\[ y: back up \\]");
    term_keys(term, "y");
    expect_screen(term, "⟳ 1 job");
    free(keys);
}

static void test_a_backup_outlives_the_terminal(void **state)
{
    PGconn *holder = lock_table("aletheia_dev");
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    start_backup(term, "aletheia_dev");
    term_keys(term, "0");
    expect_screen(term, "⟳ running +backup");
    term_hangup(term); /* SIGHUP, and no terminal any more */
    expect_exit(term, W_EXITCODE(0, 0));
    term_free(term);

    term = acts_start(&acts, 36, 120, NULL);
    expect_screen(term, "⟳ 1 job");
    term_keys(term, "0");
    expect_screen(term, "⟳ running +backup .*aletheia_dev");
    PQfinish(holder); /* now it goes on */
    expect_screen(term, "✓ backup of aletheia_dev done");
    expect_screen(term, "✓ done +backup .*aletheia_dev .*100%");
    expect_gone(term, "⟳ 1 job");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "Manifest");
    expect_screen(term, "\"database\": \"aletheia_dev\"");
    expect_now(term, "file +.*/backups/aletheia_dev-[0-9]+T[0-9]+Z.dump");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Manifest");
    expect_quit(term);
}

static void test_a_job_is_cancelled_by_its_key(void **state)
{
    PGconn *holder = lock_table("aletheia_dev");
    struct term *term = acts_start(&acts, 36, 120, NULL);
    char *left;

    (void)state;
    start_backup(term, "aletheia_dev");
    term_keys(term, "0/state:running\r");
    expect_screen(term, "⟳ running +backup");
    term_keys(term, "C");
    expect_screen(term, "\\[ y: cancel the job \\]");
    term_keys(term, "y");
    expect_screen(term, "no row matches"); /* it runs no longer */
    expect_gone(term, "⟳ 1 act");
    left = lab_pg_value(acts.lab, "SELECT count(*) FROM pg_stat_activity "
                                  "WHERE application_name LIKE 'sharedtop job%'");
    assert_string_equal(left, "0");
    free(left);
    PQfinish(holder);
    expect_quit(term);
}

static void test_all_databases_by_the_word(void **state)
{
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    start_backup(term, "all");
    term_keys(term, "0");
    expect_screen(term, "✓ done +backup .*all databases");
    expect_gone(term, "⟳ 1 job");
    expect_quit(term);
}

/* The folder of the dumps is read meanwhile: the second press finds the menu of the first. */
static void test_restore_pressed_twice(void **state)
{
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    for (int i = 0; i < 5; i++) {
        term_keys(term, "4RRRN");
        expect_screen(term, "Restore which dump|New database and user");
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "Restore which dump");
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "New database and user");
    }
    term_keys(term, "RR");
    expect_screen(term, "Restore which dump");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "New database");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "New database");
    expect_quit(term);
}

static void test_quitting_says_that_a_job_goes_on(void **state)
{
    PGconn *holder = lock_table("aletheia_dev");
    struct term *term = acts_start(&acts, 24, 80, NULL);

    (void)state;
    start_backup(term, "aletheia_dev");
    term_keys(term, "q");
    expect_exit(term, W_EXITCODE(0, 0));
    expect_terminal_restored(term);
    expect_now(term, "1 job goes on; 'sharedtop jobs' shows it");
    term_free(term);
    PQfinish(holder);
    term = acts_start(&acts, 24, 80, NULL);
    expect_gone(term, "⟳ 1 job");
    expect_quit(term);
}

/* ---- the record ---- */

static void test_the_audit_view_shows_what_was_done(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    struct term *term = acts_start(&acts, 36, 120, NULL);
    char *line = mem_printf(":kill %d\r", PQbackendPID(victim));
    char *row = mem_printf("terminate .*pid %d.* dev .*✓ done", PQbackendPID(victim));

    (void)state;
    term_keys(term, line);
    expect_screen(term, "\\[ y: terminate \\]");
    term_keys(term, "y");
    expect_screen(term, "was terminated");
    term_keys(term, "A");
    expect_screen(term, row);
    expect_screen(term, "0-9 views|Audit");
    term_keys(term, "g");
    term_keys(term, ":details\r");
    expect_screen(term, "pg_terminate_backend");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "pg_terminate_backend");
    expect_quit(term);
    free(row);
    free(line);
    PQfinish(victim);
}

/* ---- a new database ---- */

static char *read_line(const char *path)
{
    char line[256] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return mem_strdup(line);
}

/* The value of a KEY=value line, without quotes; cut in place. */
static char *value_of(char *line)
{
    char *value = strchr(line, '=');

    assert_non_null(value);
    value++;
    value += *value == '\'' || *value == '"';
    value[strcspn(value, "'\"")] = '\0';
    return value;
}

static void test_the_new_password_is_shown_once(void **state)
{
    char *path = mem_printf("%s/apps.env", acts.state), *line;
    const char *password;
    struct term *term = acts_start(&acts, 36, 120, NULL);
    struct stat status;

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "DATABASE▴");
    term_keys(term, "N");
    expect_screen(term, "New database and user");
    term_keys(term, "fresh_app\t\t");
    term_keys(term, path);
    term_keys(term, "\r\r");
    expect_screen(term, "\\[ y: create \\]");
    expect_now(term, "LOGIN PASSWORD '<generated>'");
    term_keys(term, "y");
    expect_screen(term, "It is not shown again");
    line = read_line(path);
    assert_true(strncmp(line, "FRESH_APP_PASSWORD=", 19) == 0);
    password = value_of(line);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(strlen(password) >= 16);
    expect_now(term, password);
    term_keys(term, "\r"); /* Enter may have been on its way */
    expect_now(term, password);
    term_keys(term, "y");
    expect_screen(term, "Copied");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, password);
    term_keys(term, "A");
    expect_screen(term, "createdb");
    expect_not_now(term, password);
    expect_screen(term, "fresh_app");
    expect_quit(term);
    free(line);
    free(path);
}

/* ---- the shell ---- */

static void test_psql_and_back(void **state)
{
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    term_keys(term, "4/name:^aletheia_dev$\r");
    expect_screen(term, "aletheia_dev +aletheia_dev");
    term_keys(term, "P");
    expect_screen(term, "aletheia_dev=#");
    assert_false(emulator_alternate(term_emulator(term)));
    term_keys(term, "SELECT 6 * 7, current_user;\r");
    expect_screen(term, "42 .*admin");
    term_keys(term, "\x03"); /* the program's, not ours */
    term_keys(term, "\x1a");
    term_keys(term, "\r\r"); /* the terminal may throw away what follows a Ctrl-Z at once */
    term_keys(term, "SELECT 'still ' || 'here';\r");
    expect_screen(term, "still here");
    term_keys(term, "\\q\r");
    expect_screen(term, "0-9 views");
    assert_true(emulator_alternate(term_emulator(term)));
    expect_quit(term);
}

static void test_redis_cli_and_back(void **state)
{
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    term_keys(term, "5/db:^5$\r");
    expect_screen(term, " 5 +dev");
    term_keys(term, "P");
    expect_screen(term, "redis .*\\[5\\]>");
    term_keys(term, "SET shell:key 1\r");
    expect_screen(term, "OK\nredis [^\n]*>"); /* it throws away what is typed before its prompt */
    term_keys(term, "QUIT\r");
    expect_screen(term, "0-9 views");
    assert_int_equal(acts_keys(&acts, 5), 1);
    expect_quit(term);
}

/* What a program said before it failed would be covered by the dashboard. */
static void test_a_shell_that_fails_is_read_first(void **state)
{
    static const char *const more[] = {"--postgres", "host=/nonexistent", NULL};
    struct term *term = acts_start(&acts, 36, 120, more);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "Databases");
    term_keys(term, "P");
    expect_screen(term, "psql ended with status 2. Enter: back");
    expect_now(term, "connection to server on socket");
    term_keys(term, "\r");
    expect_screen(term, "the program ended with status 2");
    expect_quit(term);
}

static void test_the_end_of_the_dashboard_ends_the_shell(void **state)
{
    struct term *term = acts_start(&acts, 36, 120, NULL);
    char *left = NULL;

    (void)state;
    term_keys(term, "4P");
    expect_screen(term, "=#");
    term_signal(term, SIGTERM);
    expect_exit(term, W_EXITCODE(0, 0));
    expect_terminal_restored(term);
    term_free(term);
    for (int tries = 0; tries < 500 && (!left || strcmp(left, "0") != 0); tries++) {
        free(left); /* psql ends as soon as it has got the signal */
        left = lab_pg_value(acts.lab, "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) "
                                      "WHERE application_name = 'sharedtop shell'");
    }
    assert_string_equal(left, "0");
    free(left);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backup_outlives_the_terminal),
        cmocka_unit_test(test_a_job_is_cancelled_by_its_key),
        cmocka_unit_test(test_all_databases_by_the_word),
        cmocka_unit_test(test_restore_pressed_twice),
        cmocka_unit_test(test_quitting_says_that_a_job_goes_on),
        cmocka_unit_test(test_the_audit_view_shows_what_was_done),
        cmocka_unit_test(test_the_new_password_is_shown_once),
        cmocka_unit_test(test_psql_and_back),
        cmocka_unit_test(test_redis_cli_and_back),
        cmocka_unit_test(test_a_shell_that_fails_is_read_first),
        cmocka_unit_test(test_the_end_of_the_dashboard_ends_the_shell),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
