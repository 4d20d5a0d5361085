/* Backups with the tools of the host or behind a prefix, as somebody with few rights, and with tools
 * that do not do what they should. */
#include "tests/integration/backup_run.h"

#include "backend/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct backup_run run;

static int start(void **state)
{
    (void)state;
    backup_run_start(&run);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    backup_run_stop(&run);
    return 0;
}

static void assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no '%s' in: %s", part, text ? text : "nothing");
}

static void set(char **slot, const char *text)
{
    free(*slot);
    *slot = mem_strdup(text);
}

/* With another prefix and conninfo (NULL: the lab's). */
static void reopen(const char *prefix, const char *conninfo)
{
    if (run.open)
        backup_run_close(&run);
    set(&run.postgres->command_prefix, prefix);
    set(&run.postgres->conninfo, conninfo ? conninfo : lab_get(run.lab, "LAB_PG"));
    backup_run_open(&run);
}

/* A program of this text in the run's folder; the caller frees its path. */
static char *program(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", run.top, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

/* As `docker exec` would: another environment, where the server is at the local socket. */
static char *prefix_of(const char *more)
{
    return mem_printf("env -i PATH='%s' PGHOST='%s' PGPORT=%s %s", getenv("PATH"),
                      lab_get(run.lab, "LAB_DIR"), lab_get(run.lab, "LAB_PG_PORT"), more);
}

static void dumps_behind_a_prefix(void **state)
{
    const struct act_request request = {.act = ACT_BACKUP, .database = "umami", .count_rows = true};
    char *prefix = prefix_of("");
    struct backup_answer answer;
    struct job_info info;

    (void)state;
    reopen(prefix, NULL);
    backup_run_ask(&run, &request, &answer);
    print_message("%s\n", answer.plan);
    assert_contains(answer.plan, "env -i PATH=");
    assert_contains(answer.plan, "--username admin");
    info = backup_run_wait(answer.job);
    if (info.state != JOB_DONE)
        fail_msg("%s", info.result);
    backup_assert_whole(info.file);
    assert_int_equal(backup_sessions(&run, answer.job), 0);
    backup_info_free(&info);
    backup_answer_free(&answer);
    free(prefix);
}

static void cancels_behind_a_prefix(void **state)
{
    char *prefix = prefix_of(""), *id;
    PGconn *locker = lab_pg_connect(run.lab, "dbname=umami");
    struct job_info info;
    double until;

    (void)state;
    PQclear(PQexec(locker, "BEGIN; LOCK TABLE website_event IN ACCESS EXCLUSIVE MODE"));
    reopen(prefix, NULL);
    id = backup_run_begin(&run, "umami", NULL, false);
    until = backup_seconds() + 20;
    while (backup_sessions(&run, id) < 2) { /* ours with the snapshot, and pg_dump's that waits */
        assert_true(backup_seconds() < until);
        backup_nap(0.01);
    }
    assert_null(job_cancel(id));
    info = backup_run_wait(id);
    assert_int_equal(info.state, JOB_CANCELLED);
    assert_int_equal(backup_sessions(&run, id), 0);
    assert_int_equal(backup_count(run.folder, ".partial"), 0);
    PQfinish(locker);
    backup_info_free(&info);
    free(id);
    free(prefix);
}

/* The client of a container may lose the end of a dump and say that all is well. */
static void finds_a_dump_that_was_cut_on_its_way(void **state)
{
    char *cutter = program("cut", "case \"$*\" in *--format=custom*) \"$@\" | head -c 20000 ;;\n"
                                  "*) exec \"$@\" ;; esac");
    char *prefix = prefix_of(cutter), *id;
    size_t before = backup_count(run.folder, ".dump");
    struct job_info info;

    (void)state;
    reopen(prefix, NULL);
    id = backup_run_begin(&run, "aletheia_prod", NULL, false);
    info = backup_run_wait(id);
    print_message("%s\n", info.result);
    assert_int_equal(info.state, JOB_FAILED);
    assert_contains(info.result, "cannot be read whole: pg_restore: ");
    assert_int_equal(backup_count(run.folder, ".dump"), before);
    assert_int_equal(backup_count(run.folder, ".json"), before);
    assert_int_equal(backup_count(run.folder, ".partial"), 0);
    backup_info_free(&info);
    free(id);
    free(prefix);
    free(cutter);
}

/* The dump stops half way, behind a pipe that nobody reads, until the file "go" is there. */
static void tells_how_far_it_is(void **state)
{
    char *slow = program("slow", "go=$(dirname \"$0\")/go\n"
                                 "case \"$*\" in *--format=custom*) \"$@\" | { head -c 300000;\n"
                                 "while [ ! -e \"$go\" ]; do sleep 0.02; done; cat; } ;;\n"
                                 "*) exec \"$@\" ;; esac");
    char *prefix = prefix_of(slow), *go = mem_printf("%s/go", run.top), *id;
    const double until = backup_seconds() + 30;
    struct job_info info;

    (void)state;
    backup_sql(&run, NULL, "CREATE DATABASE many");
    backup_sql(
        &run, "many",
        "DO $$BEGIN FOR i IN 1..20 LOOP EXECUTE 'CREATE TABLE t' || i || ' AS SELECT md5(n ||"
        " '':'' || ' || i || ') FROM generate_series(1, 2000) n'; END LOOP; END$$");
    reopen(prefix, NULL);
    id = backup_run_begin(&run, "many", NULL, false);
    for (info = backup_run_look(id); info.bytes < 300000; info = backup_run_look(id)) {
        assert_false(job_state_ended(info.state));
        assert_true(backup_seconds() < until);
        backup_info_free(&info);
        backup_nap(0.02);
    }
    print_message("%s: %.0f bytes, %.0f of %.0f tables\n", info.phase, info.bytes, info.items,
                  info.items_total);
    assert_string_equal(info.phase, "dumping many");
    assert_true(info.items_total == 20 && info.items > 0 && info.items < 20);
    assert_true(info.bytes_total < 0);
    backup_info_free(&info);
    assert_int_equal(mkdir(go, 0700), 0);
    info = backup_run_wait(id);
    assert_int_equal(info.state, JOB_DONE);
    assert_true(info.items == 20 && info.bytes > 600000);
    backup_assert_whole(info.file);
    backup_sql(&run, NULL, "DROP DATABASE many");
    backup_info_free(&info);
    free(id);
    free(go);
    free(prefix);
    free(slow);
}

static void assert_refused(const char *prefix, const char *part)
{
    const struct act_request request = {.act = ACT_BACKUP, .database = "umami"};
    struct backup_answer answer;

    reopen(prefix, NULL);
    backup_run_ask(&run, &request, &answer);
    assert_int_equal(answer.ask, POLICY_REFUSED);
    print_message("%s\n", answer.reason);
    assert_contains(answer.reason, part);
    assert_contains(answer.reason, "command_prefix");
    backup_answer_free(&answer);
}

static void refuses_tools_that_cannot_dump_this_server(void **state)
{
    char *old = program("old", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    char *broken = program("broken", "echo 'no such container: shared' >&2; exit 1");
    char *silent = program("silent", "exec sleep 30");

    (void)state;
    assert_refused(old, "too old for a server");
    assert_refused(broken, "no such container");
    assert_refused(silent, "did not answer");
    assert_refused("/nowhere/docker exec x", "not found");
    free(silent);
    free(broken);
    free(old);
}

/* pg_monitor sees much, but neither passwords nor the databases of others. */
static void dumps_what_the_rights_allow(void **state)
{
    char *folder = mem_printf("%s/rights", run.top), *globals;
    char *conninfo = mem_printf("%s user=watcher password=watcher", lab_get(run.lab, "LAB_PG"));
    const struct act_request request = {.act = ACT_BACKUP, .all = true, .directory = folder};
    struct backup_answer answer;
    struct job_info info;

    (void)state;
    reopen("", conninfo);
    backup_run_ask(&run, &request, &answer);
    assert_int_equal(answer.status, OUTCOME_STARTED);
    assert_contains(answer.plan, "without superuser the globals come without");
    assert_contains(answer.plan, "no right to connect to umami");
    assert_null(strstr(answer.plan, "password="));
    info = backup_run_wait(answer.job);
    print_message("%s\n", info.result);
    assert_int_equal(info.state, JOB_FAILED);
    assert_contains(info.result, "5 of 7 failed");
    assert_contains(info.result, "permission denied for database");
    globals = backup_output("cat %s/globals-*.sql", folder);
    assert_contains(globals, "CREATE ROLE umami");
    assert_null(strstr(globals, "PASSWORD"));
    assert_int_equal(backup_assert_folder(folder), 1);
    free(globals);
    backup_info_free(&info);
    backup_answer_free(&answer);
    free(conninfo);
    free(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dumps_behind_a_prefix),
        cmocka_unit_test(cancels_behind_a_prefix),
        cmocka_unit_test(finds_a_dump_that_was_cut_on_its_way),
        cmocka_unit_test(tells_how_far_it_is),
        cmocka_unit_test(refuses_tools_that_cannot_dump_this_server),
        cmocka_unit_test(dumps_what_the_rights_allow),
    };
    int status;

    if (backup_run_main(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
