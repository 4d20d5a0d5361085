/* From a dump back to a database by keys: which file, which name, the plan, the job, and whether it
 * takes the old one's place. */
#include "tests/screen/acts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

#define ROWS    45
#define COLUMNS 120

/* ---- what is on the server ---- */

static char *value_in(const char *database, const char *sql)
{
    PGconn *conn = acts_session(&acts, database, "looking");
    PGresult *result = PQexec(conn, sql);
    char *value;

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    value = mem_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return value;
}

static void run_in(const char *database, const char *sql)
{
    PGconn *conn = acts_session(&acts, database, "changing");
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

#define assert_value(database, sql, expected)                                                      \
    do {                                                                                           \
        char *assert_value_ = value_in(database, sql);                                             \
        assert_string_equal(assert_value_, expected);                                              \
        free(assert_value_);                                                                       \
    } while (0)

/* All rows of two databases of one layout, by count and contents. */
static void assert_same_rows(const char *one, const char *other, const char *table)
{
    char *sql =
        mem_printf("SELECT count(*) || md5(string_agg(t::text, '' ORDER BY t)) FROM %s t", table);
    char *rows = value_in(one, sql);

    assert_value(other, sql, rows);
    free(rows);
    free(sql);
}

static bool exists(const char *database)
{
    char *sql = mem_printf("SELECT count(*) FROM pg_database WHERE datname = '%s'", database);
    char *count = lab_pg_value(acts.lab, sql);
    bool there = strcmp(count, "1") == 0;

    free(count);
    free(sql);
    return there;
}

static char *oid_of(const char *database)
{
    char *sql = mem_printf("SELECT oid FROM pg_database WHERE datname = '%s'", database);
    char *oid = lab_pg_value(acts.lab, sql);

    free(sql);
    return oid;
}

static char *kept_of(const char *database)
{
    char *sql = mem_printf(
        "SELECT datname FROM pg_database WHERE datname ~ '^%s_old_[0-9]+T[0-9]+Z$'", database);
    char *name = lab_pg_value(acts.lab, sql);

    free(sql);
    return name;
}

/* ---- dumps ---- */

static char *backups(const char *file)
{
    return mem_printf("%s/backups%s%s", lab_get(acts.lab, "LAB_DIR"), *file ? "/" : "", file);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void forget_dumps(void)
{
    char *folder = backups(""), *command = mem_printf("rm -rf '%s'", folder);

    shell(command);
    free(command);
    free(folder);
}

/* The path of the only dump of the database. */
static char *find_dump(const char *database)
{
    char *folder = backups(""), *path = NULL;
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        const size_t len = strlen(entry->d_name), stem = strlen(database);

        if (len < 5 || strcmp(entry->d_name + len - 5, ".dump") != 0 ||
            strncmp(entry->d_name, database, stem) != 0 || entry->d_name[stem] != '-')
            continue;
        assert_null(path);
        path = mem_printf("%s/%s", folder, entry->d_name);
    }
    closedir(dir);
    assert_non_null(path);
    free(folder);
    return path;
}

/* By the sub-command, without a screen. */
static char *make_dump(const char *database)
{
    char *command =
        mem_printf("%s '%s' --config '%s' backup %s --yes >/dev/null 2>&1", acts.environment,
                   getenv("SHAREDTOP"), lab_get(acts.lab, "LAB_CONF"), database);

    shell(command);
    free(command);
    return find_dump(database);
}

/* Its end is told, and the list of jobs has it alone, selected. */
static void expect_job_done(struct term *term, const char *act, const char *target)
{
    char *told = mem_printf("✓ %s of %s done", act, target);
    char *row = mem_printf("✓ done +%s .*%.8s.* .*100%%", act, target); /* it may be cut */
    char *filter = mem_printf("0/\x15target:^%s$\r", target);

    expect_screen(term, told);
    expect_gone(term, "⟳ 1 job");
    term_keys(term, filter);
    expect_screen(term, row);
    free(filter);
    free(row);
    free(told);
}

static void restore_as(struct term *term, const char *path, const char *name)
{
    char *line = mem_printf(":restore %s as %s\r", path, name);

    term_keys(term, line);
    expect_screen(term, "\\[ y: restore \\]");
    term_keys(term, "y");
    expect_job_done(term, "restore", name);
    assert_true(exists(name));
    free(line);
}

/* ---- a new database from a dump ---- */

static void show_database(struct term *term, const char *database)
{
    char *keys = mem_printf("4/\x15name:^%s$\r", database), *row = mem_printf("│ %s ", database);

    term_keys(term, keys);
    expect_screen(term, "DATABASE");
    expect_gone(term, "│ postgres ");
    expect_screen(term, row);
    free(row);
    free(keys);
}

static void test_a_dump_becomes_a_new_database(void **state)
{
    struct term *term = acts_start(&acts, ROWS, COLUMNS, NULL);
    char *path;

    (void)state;
    forget_dumps();
    show_database(term, "aletheia_dev");
    term_keys(term, "B");
    expect_screen(term, "\\[ y: back up \\]");
    term_keys(term, "y");
    expect_job_done(term, "backup", "aletheia_dev");
    path = find_dump("aletheia_dev");

    term_keys(term, "4");
    expect_screen(term, "Databases .*shared_postgres");
    term_keys(term, "R");
    expect_screen(term, "another file…");
    expect_now(term, "Restore which dump");
    expect_now(term, "aletheia_dev +.* ago +[0-9.]+k +[0-9-]+ [0-9:]+ +PostgreSQL 1[0-9]");
    term_keys(term, "\r");
    expect_screen(term, "Restore aletheia_dev-[0-9]+T[0-9]+Z\\.dump");
    expect_screen(term, "New database");
    term_keys(term, "dev_again\r\r");
    expect_screen(term, "\\[ y: restore \\]");
    expect_now(term, "Restore aletheia_dev-.* as dev_again");
    expect_now(term, "OWNER \"?aletheia_dev\"? ENCODING");
    expect_now(term, "pg_restore ");
    expect_now(term, "of database +aletheia_dev of shared_postgres");
    assert_false(exists("dev_again"));
    term_keys(term, "\r"); /* Enter is no yes */
    expect_gone(term, "\\[ Cancel \\]");
    assert_false(exists("dev_again"));

    term_keys(term, "R");
    expect_screen(term, "another file…");
    term_keys(term, "\r");
    expect_screen(term, "New database");
    term_keys(term, "dev_again\r\r");
    expect_screen(term, "\\[ y: restore \\]");
    term_keys(term, "y");
    expect_job_done(term, "restore", "dev_again");
    assert_same_rows("aletheia_dev", "dev_again", "account");
    assert_same_rows("aletheia_dev", "dev_again", "document");
    assert_value("dev_again", "SELECT count(*) FROM document", "500");
    show_database(term, "dev_again");
    expect_screen(term, "dev_again +aletheia_dev");
    expect_quit(term);
    free(path);
}

/* Nothing is offered that is not there, and a name that is taken is refused before anything runs. */
static void test_without_dumps_a_path_is_asked_for(void **state)
{
    struct term *term;
    char *path, *moved = mem_printf("%s/elsewhere.dump", acts.state), *line;

    (void)state;
    forget_dumps();
    path = make_dump("aletheia_dev");
    assert_int_equal(rename(path, moved), 0);
    forget_dumps();
    term = acts_start(&acts, ROWS, COLUMNS, NULL);
    term_keys(term, "4");
    expect_screen(term, "Databases .*shared_postgres");
    term_keys(term, "R");
    expect_screen(term, "restore the file:");
    line = mem_printf("%s\r", moved);
    term_keys(term, line);
    expect_screen(term, "Restore elsewhere.dump");
    term_keys(term, "umami\r\r");
    expect_screen(term, "Esc: back");
    expect_now(term, "refused: there is a database 'umami' already");
    term_keys(term, "y");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Esc: back");
    expect_not_now(term, "⟳ 1 job");
    expect_quit(term);
    free(line);
    free(moved);
    free(path);
}

/* ---- in the old one's place ---- */

static void ask_to_replace(struct term *term)
{
    term_keys(term, "R");
    expect_screen(term, "Type aletheia_dev and Enter to replace");
}

static void test_replacing_takes_the_typed_name(void **state)
{
    struct term *term;
    PGconn *user;
    char *path, *before = oid_of("aletheia_dev"), *now, *kept;

    (void)state;
    forget_dumps();
    path = make_dump("aletheia_dev");
    run_in("aletheia_dev", "DELETE FROM document WHERE id % 2 = 0");
    term = acts_start(&acts, ROWS, COLUMNS, NULL);
    restore_as(term, path, "aletheia_dev_restored");
    user = acts_session(&acts, "aletheia_dev", "user");

    ask_to_replace(term);
    expect_now(term, "Put aletheia_dev_restored in the place of aletheia_dev");
    expect_now(term, "DEV +.*shared_postgres");
    expect_now(term, "aletheia_dev_old_[0-9]+T[0-9]+Z until it is dropped by hand");
    expect_now(term, "[1-9] on aletheia_dev,");
    expect_now(term, "ALTER DATABASE \"?aletheia_dev_restored\"? RENAME TO \"?aletheia_dev");
    term_keys(term, "\r"); /* nothing typed */
    expect_gone(term, "Type aletheia_dev and Enter");
    ask_to_replace(term);
    term_keys(term, "y\r"); /* not the name */
    term_keys(term, "\x15"
                    "aletheia_de\r");
    expect_screen(term, "aletheia_de *│");
    expect_now(term, "That is not the name: type aletheia_dev and Enter");
    now = oid_of("aletheia_dev");
    assert_string_equal(now, before);
    free(now);
    assert_true(acts_is_alive(&acts, user));

    term_keys(term, "v\r");
    expect_screen(
        term, "✓ aletheia_dev is now what was aletheia_dev_restored \\([1-9] sessions? ended\\)");
    now = oid_of("aletheia_dev");
    assert_string_not_equal(now, before);
    assert_false(exists("aletheia_dev_restored"));
    assert_false(acts_is_alive(&acts, user));
    assert_value("aletheia_dev", "SELECT count(*) FROM document", "500");
    kept = kept_of("aletheia_dev");
    assert_value(kept, "SELECT count(*) FROM document", "250");
    assert_value(kept, "SELECT oid FROM pg_database WHERE datname = current_database()", before);

    term_keys(term, "R"); /* what it offers has been taken */
    expect_screen(term, "nothing done: there is no database 'aletheia_dev_restored'");
    expect_quit(term);
    run_in("postgres", "CREATE DATABASE unused"); /* it takes commands as before */
    PQfinish(user);
    free(kept);
    free(now);
    free(before);
    free(path);
}

static void test_production_is_not_replaced(void **state)
{
    struct term *term;
    char *path, *before = oid_of("aletheia_prod"), *now, *kept;

    (void)state;
    forget_dumps();
    path = make_dump("aletheia_prod");
    term = acts_start(&acts, ROWS, COLUMNS, NULL);
    restore_as(term, path, "prod_restored");
    term_keys(term, "R");
    expect_screen(term, "Esc: back");
    expect_now(term, "refused: production refuses this");
    expect_now(term, "PRODUCTION +.*shared_postgres");
    expect_not_now(term, "Type aletheia_prod");
    term_keys(term, "y");
    term_keys(term, "aletheia_prod\r");
    expect_gone(term, "Esc: back");
    expect_quit(term); /* it would ask if an act were running */
    now = oid_of("aletheia_prod");
    assert_string_equal(now, before);
    assert_true(exists("prod_restored"));
    kept = kept_of("aletheia_prod");
    assert_string_equal(kept, "");
    free(kept);
    free(now);
    free(before);
    free(path);
}

/* ---- files that want to be more than files ---- */

#define ESCAPES "\x1b]0;OWNED\x07\x1b[6n\x1bP+q\x1b\\\x1b[31;5m\x0e"
#define C1                                                                                         \
    "\xc2\x9b"                                                                                     \
    "5n\xc2\x90\xc2\x85"
#define BIDI                                                                                       \
    "\xe2\x80\xae"                                                                                 \
    "evil\xe2\x81\xa6\xe2\x80\x8f"
#define INVALID "\xff\xfe\xc0\xaf\x9b"

static void assert_nothing_raw(const struct term *term)
{
    static const char *const forbidden[] = {
        "\x1b]0",   "\x1b[6n",  "\x1bP",        "\x1b[31;5m",   "\x0e",         "\xc2\x9b",
        "\xc2\x90", "\xc2\x85", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8f", "\xff",
    };

    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        if (expect_raw_has(term, forbidden[i]))
            fail_msg("sent raw: number %zu", i);
    }
}

/* The borders of the view stand where they stood, with what is in it or lies over it. */
static bool is_framed(const struct term *term)
{
    for (int row = 1; row < ROWS - 6; row++) { /* a message may cover the last rows */
        struct emulator_cell left, right;

        term_cell(term, row, 0, &left);
        term_cell(term, row, COLUMNS - 1, &right);
        if (!*left.text || !strstr("│┌└├", left.text) || !*right.text ||
            !strstr("│┐┘┤", right.text))
            return false;
    }
    return true;
}

static void expect_tame(struct term *term)
{
    for (int i = 0; i < 10 && !is_framed(term); i++)
        assert_true(term_wait_output(term, term_bytes(term), TERM_PATIENCE));
    if (!is_framed(term))
        expect_fail(term, "a border is broken", "in some row", __FILE__, __LINE__);
    assert_nothing_raw(term);
}

/* A copy of the dump under that name, so and so many seconds old; the caller frees the path. */
static char *place_dump(const char *dump, const char *name, int age)
{
    const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
    char *path = backups(name);
    int from = open(dump, O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    struct stat found;

    assert_true(from >= 0 && to >= 0);
    assert_int_equal(fstat(from, &found), 0);
    assert_int_equal(sendfile(to, from, NULL, (size_t)found.st_size), found.st_size);
    assert_int_equal(futimens(to, times), 0);
    close(from);
    close(to);
    return path;
}

static void write_manifest(const char *dump, const char *text)
{
    char *path = mem_printf("%s.json", dump);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* The file that stands so far down in the menu; the form for it is open when this returns. */
static void choose_dump(struct term *term, const char *downs)
{
    term_keys(term, "4");
    expect_screen(term, "Databases .*shared_postgres");
    term_keys(term, "R");
    expect_screen(term, "another file…");
    expect_now(term, "no manifest");
    expect_tame(term);
    term_keys(term, downs);
    term_keys(term, "\r");
    expect_screen(term, "New database");
    expect_tame(term);
}

static void read_details(struct term *term)
{
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "result +");
    expect_screen(term, "Log");
    expect_tame(term);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "result +");
}

/* Three files: a plain name with a manifest that is hostile all over (the server refuses what it says
 * of the encoding, and quotes it), a name of control characters, a name that is no UTF-8. */
static void place_hostile_dumps(void)
{
    char *dump = make_dump("aletheia_dev"), *kept = mem_printf("%s/kept.dump", acts.state), *path;

    assert_int_equal(rename(dump, kept), 0);
    free(dump);
    forget_dumps();
    path = backups("");
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    path = place_dump(kept, "plain.dump", 10);
    write_manifest(path, "{\"server\": \"\\u001b]0;OWNED\\u0007\\nserver\", "
                         "\"server_version\": \"\\u001b[31;5m\\u009b5n\\u000e\", "
                         "\"database\": \"\\u202eevil\\u2066\\u001b[6n\\nbase\", "
                         "\"owner\": \"\\u001bP+q\\u001b\\\\\", "
                         "\"encoding\": \"UTF8\\u001b]0;OWNED\\u0007\\u0090\", "
                         "\"started\": \"\\u0085\\u000e\\u200fnow\", \"bytes\": null}");
    free(path);
    free(place_dump(kept, "x" ESCAPES C1 BIDI "\n.dump", 20));
    free(place_dump(kept, "y" INVALID ESCAPES ".dump", 30));
    free(kept);
}

static void test_hostile_files_do_not_disturb_the_screen(void **state)
{
    struct term *term;

    (void)state;
    forget_dumps();
    place_hostile_dumps();
    term = acts_start(&acts, ROWS, COLUMNS, NULL);

    choose_dump(term, "");
    term_keys(term, "\r\r"); /* the name that its manifest suggests */
    expect_screen(term, "\\[ y: restore \\]|refused: ");
    expect_tame(term);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Restore plain.dump as");
    choose_dump(term, "");
    term_keys(term, "hostile_one\r\r");
    expect_screen(term, "\\[ y: restore \\]");
    expect_now(term, "Restore plain.dump as hostile_one");
    expect_tame(term);
    term_keys(term, "y");
    expect_screen(term, "✗ restore of hostile_one failed");
    expect_tame(term);
    term_keys(term, "0/\x15target:^hostile_one$\r");
    expect_screen(term, "✗ failed +restore");
    read_details(term);
    assert_false(exists("hostile_one"));

    choose_dump(term, "j");
    term_keys(term, "hostile_two\r\r");
    expect_screen(term, "\\[ y: restore \\]");
    expect_tame(term);
    term_keys(term, "y");
    expect_job_done(term, "restore", "hostile_two");
    read_details(term);
    assert_value("hostile_two", "SELECT count(*) FROM account", "1000");

    choose_dump(term, "jj");
    term_keys(term, "hostile_three\r\r");
    expect_screen(term, "refused: the path of the dump is no UTF-8");
    expect_tame(term);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "refused: the path");

    term_keys(term, "A");
    expect_screen(term, "│ [0-9-]+ [0-9:]+ .* restore .* hostile_two ");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "status +done");
    expect_tame(term);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "status +done");
    expect_quit(term);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dump_becomes_a_new_database),
        cmocka_unit_test(test_without_dumps_a_path_is_asked_for),
        cmocka_unit_test(test_replacing_takes_the_typed_name),
        cmocka_unit_test(test_production_is_not_replaced),
        cmocka_unit_test(test_hostile_files_do_not_disturb_the_screen),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
