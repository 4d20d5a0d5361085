/* What a backup promises when nothing goes wrong, or what goes wrong is known before it begins. */
#include "tests/integration/backup_run.h"

#include "backend/base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct backup_run run;

static int start(void **state)
{
    (void)state;
    backup_run_start(&run);
    backup_run_quick_tools(&run);
    run.postgres->environments = mem_array(NULL, 1, sizeof(*run.postgres->environments));
    run.postgres->environments[0] = (struct config_pattern){mem_strdup("*_prod"), ENV_PRODUCTION};
    run.postgres->environment_count = 1;
    backup_run_open(&run);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    backup_run_stop(&run);
    return 0;
}

/* A folder of its own, that nothing has made yet. */
static char *folder_of(const char *name)
{
    return mem_printf("%s/%s", run.top, name);
}

static void read_beside(const char *file, struct manifest *manifest)
{
    char *beside = mem_printf("%s.json", file), *error;

    if (!manifest_read(beside, manifest, &error))
        fail_msg("%s", error);
    free(beside);
}

static void assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no '%s' in: %s", part, text ? text : "nothing");
}

/* ---- one dump ---- */

static void makes_a_whole_dump_with_its_manifest(void **state)
{
    char *id = backup_run_begin(&run, "aletheia_prod", NULL, false), *sum, *list;
    struct job_info info = backup_run_wait(id);
    struct manifest manifest;
    struct stat found;

    (void)state;
    assert_int_equal(info.state, JOB_DONE);
    backup_assert_whole(info.file);
    assert_int_equal(stat(run.folder, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0700);
    read_beside(info.file, &manifest);
    sum = backup_output("sha256sum '%s' | cut -d' ' -f1", info.file);
    assert_string_equal(manifest.sha256, sum);
    list = backup_output("pg_restore --list '%s'", info.file);
    assert_contains(list, "TABLE DATA public document aletheia_prod");
    assert_string_equal(manifest.server, "lab");
    assert_string_equal(manifest.database, "aletheia_prod");
    assert_string_equal(manifest.owner, "aletheia_prod");
    assert_string_equal(manifest.encoding, "UTF8");
    assert_int_equal(manifest.table_count, 2);
    assert_true(manifest.database_size > manifest.bytes);
    assert_contains(manifest.tool_version, "pg_dump (PostgreSQL) ");
    assert_contains(info.result, " in ");
    assert_contains(info.result, info.file);
    assert_true(info.bytes == (double)manifest.bytes && info.items == 2);
    assert_int_equal(backup_sessions(&run, id), 0);
    print_message("%s\n", info.result);
    free(list);
    free(sum);
    manifest_free(&manifest);
    backup_info_free(&info);
    free(id);
}

/* ---- rows ---- */

static atomic_bool writing;

static void *write_rows(void *context)
{
    PGconn *conn = lab_pg_connect(run.lab, "dbname=counted");

    (void)context;
    while (atomic_load(&writing)) {
        PQclear(PQexec(conn, "INSERT INTO a SELECT generate_series(1, 7)"));
        PQclear(
            PQexec(conn, "DELETE FROM \"B b\" WHERE ctid IN (SELECT ctid FROM \"B b\" LIMIT 3)"));
    }
    PQfinish(conn);
    return NULL;
}

/* Each table that the manifest counts holds as many rows when the dump is restored. */
static void assert_counts(const char *file, const struct manifest *manifest)
{
    backup_sql(&run, NULL, "CREATE DATABASE restored");
    free(backup_output("pg_restore -d \"%s dbname=restored\" '%s'", lab_get(run.lab, "LAB_PG"),
                       file));
    for (size_t i = 0; i < manifest->count; i++) {
        char *sql = mem_printf("SELECT count(*) FROM ONLY \"%s\".\"%s\"",
                               manifest->tables[i].schema, manifest->tables[i].name);
        char *value = backup_value(&run, "restored", sql);

        assert_int_equal(strtoll(value, NULL, 10), manifest->tables[i].rows);
        print_message("%s.%s: %s rows in the manifest and in what was restored\n",
                      manifest->tables[i].schema, manifest->tables[i].name, value);
        free(value);
        free(sql);
    }
    backup_sql(&run, NULL, "DROP DATABASE restored");
}

static void counts_the_rows_that_the_dump_holds(void **state)
{
    struct manifest manifest;
    struct job_info info;
    pthread_t writer;
    char *id;

    (void)state;
    backup_sql(&run, NULL, "CREATE DATABASE counted");
    backup_sql(
        &run, "counted",
        "CREATE TABLE a (n int); CREATE TABLE \"B b\" AS SELECT generate_series(1, 100000) n;"
        "CREATE TABLE p (n int) PARTITION BY RANGE (n);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
        "CREATE SCHEMA s; CREATE TABLE s.child (m int) INHERITS (a);"
        "INSERT INTO s.child SELECT 1, 2; INSERT INTO p SELECT generate_series(0, 9);"
        "CREATE VIEW v AS SELECT 1; CREATE UNLOGGED TABLE u AS SELECT 1;"
        "CREATE EXTENSION pg_trgm; SELECT lo_create(0), lo_create(0)");
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&writer, NULL, write_rows, NULL), 0);
    id = backup_run_begin(&run, "counted", NULL, true);
    info = backup_run_wait(id);
    atomic_store(&writing, false);
    pthread_join(writer, NULL);
    assert_int_equal(info.state, JOB_DONE);
    read_beside(info.file, &manifest);
    assert_true(manifest.counted);
    assert_int_equal(manifest.count, 5);
    assert_int_equal(manifest.large_objects, 2);
    assert_true(manifest.tables[0].rows > 0);
    assert_counts(info.file, &manifest);
    manifest_free(&manifest);
    backup_info_free(&info);
    free(id);
    backup_sql(&run, NULL, "DROP DATABASE counted");
}

/* ---- names ---- */

static const char *const odd[] = {"ä ö",          "say \"hi\"", "it's",        "a=b",
                                  "new\nline",    "-dash",      "back\\slash", "50%/..",
                                  "postgres://x", "$(id)`",     "same-same"};

static void create_odd(const char *name, bool create)
{
    PGconn *conn = lab_pg_connect(run.lab, NULL);
    char *quoted = PQescapeIdentifier(conn, name, strlen(name));
    char *sql = mem_printf("%s DATABASE %s", create ? "CREATE" : "DROP", quoted);

    backup_sql(&run, NULL, sql);
    free(sql);
    PQfreemem(quoted);
    PQfinish(conn);
}

static void dumps_databases_of_any_name(void **state)
{
    char *folder = folder_of("odd"), *ids[COUNT(odd)];

    (void)state;
    for (size_t i = 0; i < COUNT(odd); i++) {
        create_odd(odd[i], true);
        backup_sql(&run, odd[i], "CREATE TABLE \"t \"\"\n\" AS SELECT generate_series(1, 5)");
        ids[i] = backup_run_begin(&run, odd[i], folder, true);
    }
    for (size_t i = 0; i < COUNT(odd); i++) {
        struct job_info info = backup_run_wait(ids[i]);
        struct manifest manifest;

        if (info.state != JOB_DONE)
            fail_msg("%s: %s", odd[i], info.result);
        backup_assert_whole(info.file);
        read_beside(info.file, &manifest);
        assert_string_equal(manifest.database, odd[i]);
        assert_string_equal(manifest.tables[0].name, "t \"\n");
        assert_int_equal(manifest.tables[0].rows, 5);
        print_message("%s\n", manifest.file);
        manifest_free(&manifest);
        backup_info_free(&info);
        free(ids[i]);
        create_odd(odd[i], false);
    }
    assert_int_equal(backup_assert_folder(folder), COUNT(odd));
    free(folder);
}

/* Names tell seconds: those of one second wait for the next. */
static void gives_each_dump_a_name_of_its_own(void **state)
{
    char *folder = folder_of("same"), *ids[4];

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++)
        ids[i] = backup_run_begin(&run, "umami", folder, false);
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct job_info info = backup_run_wait(ids[i]);

        assert_int_equal(info.state, JOB_DONE);
        backup_info_free(&info);
        free(ids[i]);
    }
    assert_int_equal(backup_assert_folder(folder), COUNT(ids));
    assert_int_equal(backup_count(folder, ".json"), COUNT(ids));
    free(folder);
}

/* ---- the plan ---- */

static void shows_what_it_will_load_and_where_it_writes(void **state)
{
    const struct act_request request = {.act = ACT_BACKUP, .database = "aletheia_prod"};
    struct backup_answer answer;
    struct job_info info;

    (void)state;
    free(backup_run_good(&run, "aletheia_prod", NULL));
    backup_run_ask(&run, &request, &answer);
    print_message("%s\n", answer.plan);
    assert_int_equal(answer.ask, POLICY_YES);
    assert_int_equal(answer.environment, ENV_PRODUCTION);
    assert_contains(answer.plan, "pg_dump --no-password");
    assert_contains(answer.plan, "--format=custom");
    assert_contains(answer.plan, run.folder);
    assert_contains(answer.plan, "size ");
    assert_contains(answer.plan, "2 tables");
    assert_contains(answer.plan, "free space");
    assert_contains(answer.plan, "last backup");
    assert_contains(answer.plan, "tool ");
    info = backup_run_wait(answer.job);
    assert_int_equal(info.state, JOB_DONE);
    backup_info_free(&info);
    backup_answer_free(&answer);
}

static void finds_nothing_to_dump(void **state)
{
    const struct act_request misspelt = {.act = ACT_BACKUP, .database = "aletheia_prd"};
    const struct act_request closed = {.act = ACT_BACKUP, .database = "template0"};
    struct backup_answer answer;

    (void)state;
    backup_run_ask(&run, &misspelt, &answer);
    assert_int_equal(answer.status, OUTCOME_NOTHING);
    assert_contains(answer.text, "did you mean aletheia_prod?");
    backup_answer_free(&answer);
    backup_run_ask(&run, &closed, &answer);
    assert_int_equal(answer.ask, POLICY_REFUSED);
    assert_contains(answer.reason, "allows no connections");
    backup_answer_free(&answer);
}

static void assert_refused(const char *folder, const char *part)
{
    const struct act_request request = {
        .act = ACT_BACKUP, .database = "aletheia_prod", .directory = folder};
    struct backup_answer answer;

    backup_run_ask(&run, &request, &answer);
    assert_int_equal(answer.ask, POLICY_REFUSED);
    print_message("%s\n", answer.reason);
    assert_contains(answer.reason, part);
    assert_contains(answer.reason, folder);
    backup_answer_free(&answer);
}

/* The last dump says how large the next one will be. */
static void is_refused_without_a_place_to_write(void **state)
{
    char *file = backup_run_good(&run, "aletheia_prod", NULL), *folder = mem_strdup(file);
    char *beside = mem_printf("%s.json", file), *inside = mem_printf("%s/below", file), *error;
    struct manifest manifest;

    (void)state;
    *strrchr(folder, '/') = '\0';
    read_beside(file, &manifest);
    manifest.bytes = INT64_C(1) << 50;
    error = manifest_write(&manifest, beside);
    assert_null(error);
    assert_refused(folder, "not enough space");
    assert_refused(folder, "1.1P are needed");
    assert_refused(inside, "Not a directory");
    unlink(file);
    unlink(beside);
    manifest_free(&manifest);
    free(inside);
    free(beside);
    free(folder);
    free(file);
}

/* ---- what is kept ---- */

static void touch(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    free(path);
}

static bool has(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

/* A dump of long ago, by its name and its manifest. */
static void add_old(const char *folder, const char *from, const char *name, const char *server)
{
    char *path = mem_printf("%s/%s.json", folder, name), *error;
    struct manifest manifest;

    read_beside(from, &manifest);
    free(manifest.file);
    manifest.file = mem_strdup(name);
    if (server) {
        free(manifest.server);
        manifest.server = mem_strdup(server);
    }
    error = manifest_write(&manifest, path);
    assert_null(error);
    touch(folder, name);
    manifest_free(&manifest);
    free(path);
}

#define OLD(n) "umami-2020010" #n "T000000Z.dump"

/* None of these is a dump of umami that a backup of this server has made. */
static const char *const strangers[] = {"umami-20200101T000000Z.dump.bak",
                                        "umami-20200101T000000.dump",
                                        "umami.dump",
                                        "umami2-20200101T000000Z.dump",
                                        "notes.txt",
                                        "umami-20200107T000000Z.dump"};

static void keeps_the_newest_ones_of_the_same_database_only(void **state)
{
    char *folder = folder_of("kept"), *first = backup_run_good(&run, "umami", folder), *last, *id;
    struct job_info info;

    (void)state;
    add_old(folder, first, OLD(1), NULL);
    add_old(folder, first, OLD(2), NULL);
    add_old(folder, first, OLD(3), NULL);
    add_old(folder, first, OLD(4), "another");
    for (size_t i = 0; i < COUNT(strangers); i++)
        touch(folder, strangers[i]); /* the last one has no manifest */
    free(backup_run_good(&run, "monitoring", folder));
    backup_run_close(&run);
    run.config->backup.keep = 3;
    backup_run_open(&run);
    id = backup_run_begin(&run, "umami", folder, false);
    info = backup_run_wait(id);
    assert_int_equal(info.state, JOB_DONE);
    print_message("%s\n", info.result);
    assert_contains(info.result, "(2 older ones removed)");
    last = mem_strdup(info.file);
    assert_true(has(folder, strrchr(first, '/') + 1) && has(folder, strrchr(last, '/') + 1));
    assert_true(has(folder, OLD(3)) && has(folder, OLD(3) ".json") && has(folder, OLD(4)));
    assert_false(has(folder, OLD(1)) || has(folder, OLD(1) ".json"));
    assert_false(has(folder, OLD(2)) || has(folder, OLD(2) ".json"));
    for (size_t i = 0; i < COUNT(strangers); i++)
        assert_true(has(folder, strangers[i]));
    backup_run_close(&run);
    run.config->backup.keep = 0;
    backup_run_open(&run);
    backup_info_free(&info);
    free(id);
    free(last);
    free(first);
    free(folder);
}

static void removes_what_dead_jobs_have_left(void **state)
{
    char *folder = folder_of("stale"), *living;
    int fd;

    (void)state;
    assert_int_equal(mkdir(folder, 0700), 0);
    touch(folder, "umami-20200101T000000Z.dump.partial");
    touch(folder, "umami-20200101T000000Z.dump.json");
    touch(folder, "umami-20200101T000000Z.dump.json.partial");
    touch(folder, "globals-20200101T000000Z.sql.partial");
    touch(folder, "mine.dump.partial");
    touch(folder, "x-20200103T000000Z.dump.json");
    living = mem_printf("%s/umami-20200102T000000Z.dump.partial", folder);
    fd = open(living, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    free(backup_run_good(&run, "umami", folder));
    assert_false(has(folder, "umami-20200101T000000Z.dump.partial"));
    assert_false(has(folder, "umami-20200101T000000Z.dump.json"));
    assert_false(has(folder, "umami-20200101T000000Z.dump.json.partial"));
    assert_false(has(folder, "globals-20200101T000000Z.sql.partial"));
    assert_true(has(folder, "mine.dump.partial") && access(living, F_OK) == 0);
    assert_true(has(folder, "x-20200103T000000Z.dump.json"));
    close(fd);
    free(living);
    free(folder);
}

/* ---- all databases ---- */

static void drop_one(struct backup_run *of)
{
    backup_sql(of, NULL, "DROP DATABASE IF EXISTS doomed");
}

static void goes_on_when_one_of_all_fails(void **state)
{
    char *folder = folder_of("all"), *globals, *mode;
    const struct act_request request = {.act = ACT_BACKUP, .all = true, .directory = folder};
    struct backup_answer answer;
    struct job_info info;

    (void)state;
    backup_sql(&run, NULL, "CREATE DATABASE doomed");
    run.planned = drop_one;
    backup_run_ask(&run, &request, &answer);
    run.planned = NULL;
    print_message("%s\n", answer.plan);
    assert_int_equal(answer.status, OUTCOME_STARTED);
    assert_int_equal(answer.environment, ENV_PRODUCTION);
    info = backup_run_wait(answer.job);
    print_message("%s\n", info.result);
    assert_int_equal(info.state, JOB_FAILED);
    assert_contains(info.result, "1 of 8 failed");
    assert_contains(info.result, "doomed: ");
    assert_contains(info.result, "does not exist");
    assert_int_equal(backup_assert_folder(folder), 6);
    assert_int_equal(backup_count(folder, ".json"), 7);
    assert_int_equal(backup_count(folder, ".partial"), 0);
    globals = backup_output("cat %s/globals-*.sql", folder);
    assert_contains(globals, "CREATE ROLE umami");
    assert_contains(globals, "PASSWORD 'SCRAM-SHA-256$");
    mode = backup_output("stat -c %%a %s/globals-*.sql", folder);
    assert_string_equal(mode, "600");
    free(mode);
    free(globals);
    backup_info_free(&info);
    backup_answer_free(&answer);
    free(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_whole_dump_with_its_manifest),
        cmocka_unit_test(counts_the_rows_that_the_dump_holds),
        cmocka_unit_test(dumps_databases_of_any_name),
        cmocka_unit_test(gives_each_dump_a_name_of_its_own),
        cmocka_unit_test(shows_what_it_will_load_and_where_it_writes),
        cmocka_unit_test(finds_nothing_to_dump),
        cmocka_unit_test(is_refused_without_a_place_to_write),
        cmocka_unit_test(keeps_the_newest_ones_of_the_same_database_only),
        cmocka_unit_test(removes_what_dead_jobs_have_left),
        cmocka_unit_test(goes_on_when_one_of_all_fails),
    };
    int status;

    if (backup_run_main(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
