/* Runs the program and PostgreSQL's tools for the tests of restores; all in a folder of the test's
 * own. Included by the tests. */
#ifndef TESTS_RESTORE_RUN_H
#define TESTS_RESTORE_RUN_H

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/lab/lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_UNUSED __attribute__((unused)) static

enum { RUN_DEADLINE_MS = 30000 };

struct run_lab {
    struct lab *lab;
    char folder[64];
    char *config; /* path of a sharedtop.conf */
};

struct run {
    int status;
    char *text; /* stdout and stderr */
};

RUN_UNUSED double run_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Until the deadline of a wait that polls. */
RUN_UNUSED bool run_waiting(double *until)
{
    const struct timespec pause = {0, 5000000};
    double now = run_now_ms();

    if (*until == 0)
        *until = now + RUN_DEADLINE_MS;
    else
        nanosleep(&pause, NULL);
    return now < *until;
}

/* A command of the shell. */
RUN_UNUSED __attribute__((format(printf, 1, 2))) struct run run_shell(const char *format, ...)
{
    struct strbuf text = {0}, command = {0};
    struct run run;
    char block[4096], *line;
    size_t n;
    va_list args;
    FILE *pipe;

    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        abort();
    va_end(args);
    strbuf_addf(&command, "{ %s\n} 2>&1 </dev/null", line);
    pipe = popen(command.s, "re");
    assert_non_null(pipe);
    while ((n = fread(block, 1, sizeof(block), pipe)) > 0)
        strbuf_add(&text, block, n);
    run.status = pclose(pipe);
    run.status = WIFEXITED(run.status) ? WEXITSTATUS(run.status) : 128 + WTERMSIG(run.status);
    run.text = strbuf_take(&text);
    strbuf_free(&command);
    free(line);
    return run;
}

/* Checks how it ended and that its output holds words (NULL: anything); frees it. */
RUN_UNUSED void run_expect(struct run run, int status, const char *words)
{
    const size_t len = strlen(run.text), shown = len < 500 ? len : 500;

    if (run.status != status || (words && !strstr(run.text, words)))
        fail_msg("status %d (expected %d), expected \"%s\", but it says at its end:\n%s",
                 run.status, status, words ? words : "", run.text + len - shown);
    free(run.text);
}

#define SHAREDTOP(lab, format, ...)                                                                \
    run_shell("XDG_STATE_HOME=%s/state \"$SHAREDTOP\" --config %s " format, (lab)->folder,         \
              (lab)->config, __VA_ARGS__)

/* A statement in a database; it must succeed. */
RUN_UNUSED void run_sql(const struct run_lab *lab, const char *database, const char *sql)
{
    char *conninfo = mem_printf("dbname='%s' options='-c client_min_messages=warning'", database);
    PGconn *conn = lab_pg_connect(lab->lab, conninfo);
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%.300s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(conn);
    free(conninfo);
}

/* The first value of a query, which the caller frees. */
RUN_UNUSED char *run_value(const struct run_lab *lab, const char *database, const char *sql)
{
    char *conninfo = mem_printf("dbname='%s'", database), *value;
    PGconn *conn = lab_pg_connect(lab->lab, conninfo);
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%.300s: %s", sql, PQresultErrorMessage(result));
    value = mem_strdup(PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    free(conninfo);
    return value;
}

RUN_UNUSED void run_expect_value(const struct run_lab *lab, const char *database, const char *sql,
                                 const char *expected)
{
    char *value = run_value(lab, database, sql);

    if (strcmp(value, expected) != 0)
        fail_msg("%s: %s: \"%s\", expected \"%s\"", database, sql, value, expected);
    free(value);
}

/* All databases in one line, for comparing. */
RUN_UNUSED char *run_databases(const struct run_lab *lab)
{
    return run_value(lab, "postgres",
                     "SELECT string_agg(datname || ' ' || datallowconn, ', ' ORDER BY datname)"
                     " FROM pg_database");
}

/* allow: words of allow_production; prefix: command_prefix. */
RUN_UNUSED void run_configure(struct run_lab *lab, const char *allow, const char *prefix)
{
    FILE *file = fopen(lab->config, "w");

    assert_non_null(file);
    fprintf(file,
            "postgres = ( { name = \"shared_postgres\"; conninfo = \"%s\";\n"
            "  allow_production = [ %s ]; command_prefix = \"%s\"; environments = (\n"
            "  { pattern = \"*_prod\"; environment = \"production\"; },\n"
            "  { pattern = \"*_dev\"; environment = \"dev\"; } ); } );\nredis = ();\n",
            lab_get(lab->lab, "LAB_PG"), allow, prefix);
    assert_int_equal(fclose(file), 0);
}

RUN_UNUSED int run_start(void **state)
{
    struct run_lab *lab = mem_zalloc(sizeof(*lab));

    assert_non_null(getenv("SHAREDTOP"));
    lab->lab = lab_start(NULL);
    snprintf(lab->folder, sizeof(lab->folder), "/tmp/sharedtop-restore-XXXXXX");
    assert_non_null(mkdtemp(lab->folder));
    lab->config = mem_printf("%s/sharedtop.conf", lab->folder);
    run_configure(lab, "", "");
    *state = lab;
    return 0;
}

RUN_UNUSED int run_stop(void **state)
{
    struct run_lab *lab = *state;

    lab_stop(lab->lab);
    run_expect(run_shell("rm -rf %s", lab->folder), 0, NULL);
    free(lab->config);
    free(lab);
    return 0;
}

/* A dump of a database in the test's folder. */
RUN_UNUSED void run_dump(const struct run_lab *lab, const char *database, const char *file)
{
    run_expect(run_shell("pg_dump -Fc -f %s/%s \"%s dbname='%s'\"", lab->folder, file,
                         lab_get(lab->lab, "LAB_PG"), database),
               0, NULL);
}

/* Nothing of a restore in progress or a failed one is there. */
RUN_UNUSED void run_expect_clean(const struct run_lab *lab)
{
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_database WHERE datname LIKE 'sharedtop\\_restore%'",
                     "0");
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                     " 'sharedtop job%'",
                     "0");
}

#endif
