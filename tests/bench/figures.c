#include "tests/bench/figures.h"

#include "backend/base/mem.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { ROWS = 45, COLUMNS = 160, STARTS = 7, WINDOWS = 3 };

static const double warm_up = 2500, burst_gap = 100, patience = 20000;
static const double stop_time = 9000, stall_time = 10000;

const struct figure_row figure_rows[FIGURES] = {
    [START] = {"start to all panels filled", " ms"},
    [START_CPU] = {"CPU of the start", " ms"},
    [OVERVIEW_CPU] = {"own CPU a refresh, 0+8 sessions, first view", " ms"},
    [SESSIONS_CPU] = {"own CPU a refresh, 500+8 sessions, sessions view", " ms"},
    [REFRESHES] = {"refreshes a second, 500+8", ""},
    [SESSIONS_BYTES] = {"bytes a refresh, 500+8, durations running", ""},
    [OVERVIEW_BYTES] = {"bytes a refresh, 0+8, first view", ""},
    [CLOCK_BYTES] = {"bytes a refresh, nothing but the clock", ""},
    [PSS] = {"memory (PSS), 500+8", " MiB"},
    [STATEMENTS] = {"PostgreSQL: statements a second, 500+8", ""},
    [EXECUTING] = {"PostgreSQL: execution a second, 500+8", " ms"},
    [PLANNING] = {"PostgreSQL: planning a second, 500+8", " ms"},
    [CLUSTER_CPU] = {"PostgreSQL: CPU of the cluster a second over control, 500+8", " ms"},
    [SORT_P50] = {"sort key to screen, 500+8, p50", " ms"},
    [SORT_P99] = {"sort key to screen, 500+8, p99", " ms"},
    [KEY_P50] = {"key to screen, 500+8, p50", " ms"},
    [KEY_P99] = {"key to screen, 500+8, p99", " ms"},
    [STOPPED_KEY_P99] = {"key to screen, PostgreSQL stopped, p99", " ms"},
    [STOPPED_QUIT] = {"q to exit, PostgreSQL stopped", " ms"},
    [BOTH_KEY_P99] = {"key to screen, both servers stopped, p99", " ms"},
    [STALL_BYTES] = {"bytes after a terminal stalled 10 s", ""},
    [FRAME_BYTES] = {"bytes of one full frame", ""},
    [STALL_FRESH] = {"stalled terminal reads again to last byte", " ms"},
};

void figures_clear(struct figures *figures)
{
    for (int i = 0; i < FIGURES; i++) {
        figures->value[i] = NAN;
    }
}

/* ---- the servers and their sessions ---- */

/* Runs a statement whose columns are numbers; reads count of them from its first row. */
static void stats_query(PGconn *conn, const char *sql, double *values, int count)
{
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "bench: %s", PQresultErrorMessage(result));
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        values[i] = strtod(PQgetvalue(result, 0, i), NULL);
    }
    PQclear(result);
}

/* The statistics have a database of their own, so that they are told from the tools'. */
void bench_open(struct bench *bench)
{
    bench->lab = lab_start("-c max_connections=700 -c autovacuum=off"
                           " -c pg_stat_statements.track_planning=on");
    lab_fill(bench->lab);
    lab_export(bench->lab);
    bench->stats = lab_pg_connect(bench->lab, "dbname=umami application_name=bench");
    stats_query(bench->stats, "SET client_min_messages = error", NULL, 0);
    stats_query(bench->stats, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", NULL, 0);
}

static void close_sessions(struct bench *bench)
{
    for (size_t i = 0; i < bench->session_count; i++) {
        PQfinish(bench->sessions[i]);
    }
    bench->session_count = 0;
    double left = 1;
    for (double end = term_now() + patience; left > 0 && term_now() < end;) {
        stats_query(bench->stats,
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'held'",
                    &left, 1);
    }
}

void bench_close(struct bench *bench)
{
    close_sessions(bench);
    free(bench->sessions);
    PQfinish(bench->stats);
    lab_stop(bench->lab);
}

static void hold(struct bench *bench, const char *sql, bool wait)
{
    PGconn *conn = lab_pg_connect(bench->lab, "dbname=aletheia_prod application_name=held");
    bench->sessions = mem_array(bench->sessions, bench->session_count + 1, sizeof(PGconn *));
    bench->sessions[bench->session_count++] = conn;
    if (wait) {
        PQclear(PQexec(conn, sql));
    } else if (!PQsendQuery(conn, sql)) {
        fprintf(stderr, "bench: %s", PQerrorMessage(conn));
        exit(1);
    }
}

static double cluster_cpu(const struct bench *bench)
{
    return measure_cpu(lab_pid(bench->lab, LAB_POSTGRES));
}

/* A terminal with nothing in it stands for a tool that costs nothing. */
static void measure_control(struct bench *bench)
{
    const char *const argv[] = {"sleep", "1000", NULL};
    struct term *term = term_start(ROWS, COLUMNS, NULL, argv);
    struct draws draws = {0};
    term_run(term, warm_up);
    for (int i = 0; i < WINDOWS; i++) {
        double before = cluster_cpu(bench), begin = term_now();
        term_run(term, bench->window);
        draws_add(&draws, 1e3 * (cluster_cpu(bench) - before) / (term_now() - begin));
    }
    bench->control = draws_quantile(&draws, 0.5);
    draws_free(&draws);
    term_free(term);
}

void bench_level(struct bench *bench, const struct level *level)
{
    fprintf(stderr, "bench: %zu idle and %zu active sessions\n", level->idle, level->active);
    close_sessions(bench);
    bench->level = *level;
    for (size_t i = 0; i < level->idle; i++) {
        hold(bench, i % 5 ? "SELECT 1" : "BEGIN", true);
    }
    for (size_t i = 0; i < level->active; i++) {
        hold(bench, "SELECT pg_sleep(10000)", false);
    }
    measure_control(bench);
}

/* ---- one tool ---- */

/* took is NAN when the tool never shows what it should. */
static struct term *start(const struct bench_tool *tool, double *took)
{
    const char *const argv[] = {"sh", "-c", tool->command, NULL};
    double begin = term_now(), ready = begin;
    struct term *term = term_start(ROWS, COLUMNS, NULL, argv);
    for (size_t i = 0; tool->ready[i]; i++) {
        if (!term_wait(term, tool->ready[i], patience)) {
            fprintf(stderr, "bench: %s never shows \"%s\"\n", tool->name, tool->ready[i]);
            *took = NAN;
            return term;
        }
        ready = term_matched(term) > ready ? term_matched(term) : ready;
    }
    *took = ready - begin;
    return term;
}

static void measure_start(const struct bench_tool *tool, struct figures *figures)
{
    struct draws wall = {0}, cpu = {0};
    for (int i = 0; i < STARTS; i++) {
        double took;
        struct term *term = start(tool, &took);
        draws_add(&wall, took);
        draws_add(&cpu, measure_cpu(term_pid(term)));
        term_free(term);
    }
    figures->value[START] = draws_quantile(&wall, 0.5);
    figures->value[START_CPU] = draws_quantile(&cpu, 0.5);
    draws_free(&wall);
    draws_free(&cpu);
}

struct window {
    double seconds, refreshes, cpu, bytes, cluster;
    double statements, executing, planning;
};

static void measure_window(const struct bench *bench, struct term *term, struct window *window)
{
    stats_query(bench->stats, "SELECT pg_stat_statements_reset()", NULL, 0);
    double cpu = measure_cpu(term_pid(term)), cluster = cluster_cpu(bench), begin = term_now();
    size_t bytes = term_bytes(term);
    term_run(term, bench->window);
    double end = term_now(), counts[3];
    window->cpu = measure_cpu(term_pid(term)) - cpu;
    window->cluster = cluster_cpu(bench) - cluster;
    window->seconds = (end - begin) / 1e3;
    window->bytes = (double)(term_bytes(term) - bytes);
    window->refreshes = (double)measure_refreshes(term, begin, end, burst_gap);
    stats_query(bench->stats,
                "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time), 0),"
                "       coalesce(sum(total_plan_time), 0)"
                "  FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
                " WHERE datname <> current_database() AND query NOT LIKE '%pg_sleep%'",
                counts, 3);
    window->statements = counts[0];
    window->executing = counts[1];
    window->planning = counts[2];
}

/* One key, at a random moment of a refresh; the time until something came of it. */
static void draw_key(struct term *term, const char *keys, size_t turn, double deadline,
                     struct draws *draws)
{
    const char key[] = {keys[turn % strlen(keys)], '\0'};
    term_wait_quiet(term, 50 + rand() % 250, 2000); // NOLINT(cert-msc30-c): any spread will do
    size_t before = term_bytes(term);
    term_keys(term, key);
    if (term_wait_output(term, before, deadline)) {
        draws_add(draws, term_matched(term) - term_sent(term));
    } else {
        draws->lost++;
    }
}

static void measure_keys(struct term *term, const char *keys, size_t count, double *p50,
                         double *p99)
{
    struct draws draws = {0};
    for (size_t i = 0; i < count; i++) {
        draw_key(term, keys, i, 5000, &draws);
    }
    *p50 = draws_quantile(&draws, 0.5);
    *p99 = draws_quantile(&draws, 0.99);
    draws_free(&draws);
}

/* Keys while servers are stopped: from a moment at which a poll is stuck for sure. A tool that does
 * not answer once is not asked again. */
static double stopped_keys(const struct bench *bench, struct term *term,
                           const struct bench_tool *tool, double end)
{
    struct draws draws = {0};
    term_run(term, 1500);
    for (size_t i = 0; i < bench->draws && draws.lost == 0 && term_now() < end - 2500; i++) {
        draw_key(term, tool->screen_keys, i, end - 2000 - term_now(), &draws);
    }
    double p99 = draws.lost ? INFINITY : draws_quantile(&draws, 0.99);
    draws_free(&draws);
    return p99;
}

static void measure_stopped(const struct bench *bench, const struct bench_tool *tool,
                            struct figures *figures)
{
    double took, end;
    struct term *term = start(tool, &took);
    lab_freeze(bench->lab, LAB_POSTGRES);
    end = term_now() + stop_time;
    figures->value[STOPPED_KEY_P99] = stopped_keys(bench, term, tool, end);
    double asked = term_now();
    term_keys(term, "q");
    figures->value[STOPPED_QUIT] =
        term_wait_exit(term, end - term_now(), NULL) ? term_now() - asked : INFINITY;
    lab_thaw(bench->lab, LAB_POSTGRES);
    term_free(term);
    if (tool->program) {
        return; /* it knows no Redis that could be stopped too */
    }
    term = start(tool, &took);
    lab_freeze(bench->lab, LAB_POSTGRES);
    lab_freeze(bench->lab, LAB_REDIS_SERVER);
    figures->value[BOTH_KEY_P99] = stopped_keys(bench, term, tool, term_now() + stop_time);
    lab_thaw(bench->lab, LAB_POSTGRES);
    lab_thaw(bench->lab, LAB_REDIS_SERVER);
    term_free(term);
}

/* A terminal that takes nothing for a while, in the middle of which a key is typed. */
static void measure_stall(struct term *term, const struct bench_tool *tool, struct figures *figures)
{
    const char key[] = {tool->screen_keys[0], '\0'};
    term_wait_quiet(term, 300, 5000);
    term_stall(term);
    term_run(term, stall_time / 2);
    term_keys(term, key);
    term_run(term, stall_time / 2);
    size_t before = term_bytes(term);
    double resumed = term_now();
    term_resume(term);
    term_wait_output(term, before, 5000);
    term_wait_quiet(term, burst_gap, 5000);
    figures->value[STALL_BYTES] = (double)(term_bytes(term) - before);
    figures->value[STALL_FRESH] = term_chunk(term, term_chunks(term) - 1, NULL) - resumed;

    /* Back to the rows; then a new size makes everything be painted anew. */
    term_keys(term, tool->screen_keys + 1);
    term_wait_quiet(term, burst_gap, 5000);
    before = term_bytes(term);
    term_resize(term, ROWS, COLUMNS - 1);
    term_wait_output(term, before, 5000);
    term_wait_quiet(term, burst_gap, 5000);
    figures->value[FRAME_BYTES] = (double)(term_bytes(term) - before);
}

/* The middle of some windows: machines are noisy. */
static void measure_loaded(const struct bench *bench, struct term *term, struct figures *figures)
{
    static const enum figure taken[] = {SESSIONS_CPU, SESSIONS_BYTES, REFRESHES,  STATEMENTS,
                                        EXECUTING,    PLANNING,       CLUSTER_CPU};
    enum { TAKEN = sizeof(taken) / sizeof(taken[0]) };
    struct draws draws[TAKEN] = {{0}};
    for (int i = 0; i < WINDOWS; i++) {
        struct window w;
        measure_window(bench, term, &w);
        const double values[TAKEN] = {w.cpu / w.refreshes,
                                      w.bytes / w.refreshes,
                                      w.refreshes / w.seconds,
                                      w.statements / w.seconds,
                                      w.executing / w.seconds,
                                      w.planning / w.seconds,
                                      w.cluster / w.seconds - bench->control};
        for (int t = 0; t < TAKEN; t++) {
            draws_add(&draws[t], values[t]);
        }
    }
    for (int t = 0; t < TAKEN; t++) {
        figures->value[taken[t]] = draws_quantile(&draws[t], 0.5);
        draws_free(&draws[t]);
    }
}

static void measure_sessions(const struct bench *bench, const struct bench_tool *tool,
                             struct figures *figures)
{
    double took;
    struct term *term = start(tool, &took);
    term_keys(term, tool->sessions_key ? tool->sessions_key : "");
    term_run(term, warm_up);
    measure_loaded(bench, term, figures);
    figures->value[PSS] = measure_pss(term_pid(term));
    measure_keys(term, tool->sort_keys, bench->draws, &figures->value[SORT_P50],
                 &figures->value[SORT_P99]);
    measure_keys(term, tool->screen_keys, bench->draws, &figures->value[KEY_P50],
                 &figures->value[KEY_P99]);
    measure_stall(term, tool, figures);
    term_free(term);
}

/* The first view at a level without idle sessions; without any, the (empty) list of sessions, where
 * nothing changes but the clock. */
static void measure_overview(const struct bench *bench, const struct bench_tool *tool,
                             struct window *window, double *pss)
{
    double took;
    struct bench_tool quiet = *tool;
    if (bench->level.active == 0 && !tool->redis_only) {
        quiet.ready[0] = tool->program ? "PID" : tool->ready[0];
        quiet.ready[1] = NULL;
    }
    struct term *term = start(&quiet, &took);
    if (bench->level.active == 0 && tool->sessions_key) {
        term_keys(term, tool->sessions_key);
    }
    term_run(term, warm_up);
    measure_window(bench, term, window);
    *pss = measure_pss(term_pid(term));
    term_free(term);
}

void bench_measure(struct bench *bench, const struct bench_tool *tool, struct figures *figures)
{
    struct window window = {0};
    double pss = NAN;
    fprintf(stderr, "bench: %s\n", tool->name);
    if (bench->level.idle == 0) {
        measure_overview(bench, tool, &window, &pss);
    }
    if (bench->level.active == 0) {
        figures->value[CLOCK_BYTES] = window.bytes / window.refreshes;
    } else if (bench->level.idle == 0) {
        measure_start(tool, figures);
        figures->value[OVERVIEW_CPU] = window.cpu / window.refreshes;
        figures->value[OVERVIEW_BYTES] = window.bytes / window.refreshes;
        figures->value[PSS] = pss;
    } else if (!tool->redis_only) {
        measure_sessions(bench, tool, figures);
        measure_stopped(bench, tool, figures);
    }
}
