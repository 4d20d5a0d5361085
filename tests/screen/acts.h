/* What the screen tests of acts share: a lab of their own, a place for state, and what is on the
 * servers, asked behind the dashboard's back. */
#ifndef SCREEN_ACTS_H
#define SCREEN_ACTS_H

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/screen/dashboard.h"

#include <sys/wait.h>
#include <unistd.h>

struct acts_lab {
    struct lab *lab;
    char state[64];       /* XDG_STATE_HOME */
    char environment[96]; /* "XDG_STATE_HOME=…" */
};

static inline int acts_lab_start(struct acts_lab *acts)
{
    snprintf(acts->state, sizeof(acts->state), "/tmp/st-state-XXXXXX");
    if (!mkdtemp(acts->state))
        return -1;
    snprintf(acts->environment, sizeof(acts->environment), "XDG_STATE_HOME=%s", acts->state);
    acts->lab = lab_start(NULL);
    return 0;
}

static inline int acts_lab_stop(struct acts_lab *acts)
{
    char *command = mem_printf("rm -rf %s", acts->state);
    int status = system(command);

    free(command);
    lab_stop(acts->lab);
    return status;
}

/* more: further arguments, ended by NULL, or NULL. */
static inline struct term *acts_start(const struct acts_lab *acts, int rows, int columns,
                                      const char *const *more)
{
    const char *const env[] = {acts->environment, NULL};
    struct term *term = dashboard_start(acts->lab, rows, columns, env, more);

    expect_screen(term, "help");
    return term;
}

/* ---- Redis ---- */

static inline long long acts_keys(const struct acts_lab *acts, int db)
{
    char *text = lab_redis_value(acts->lab, "EVAL %s 0 %d",
                                 "redis.call('SELECT', ARGV[1]) return redis.call('DBSIZE')", db);
    long long count = atoll(text);

    free(text);
    return count;
}

/* lasting: keys without a TTL, which a cache should not have. */
static inline void acts_fill(const struct acts_lab *acts, int db, int count, bool lasting)
{
    free(lab_redis_value(acts->lab, "EVAL %s 0 %d %d %d",
                         "redis.call('SELECT', ARGV[1]) redis.call('FLUSHDB') "
                         "for i = 1, ARGV[2] do redis.call('SET', 'key:' .. i, i) "
                         "if ARGV[3] == '0' then redis.call('EXPIRE', 'key:' .. i, 36000) end end",
                         db, count, (int)lasting));
    assert_int_equal(acts_keys(acts, db), count);
}

/* Empties the spare too, by forgetting what is in it. */
static inline void acts_empty(const struct acts_lab *acts)
{
    free(lab_redis_value(acts->lab, "FLUSHALL"));
}

/* ---- PostgreSQL ---- */

/* A session that is told from others by its application_name. */
static inline PGconn *acts_session(const struct acts_lab *acts, const char *database,
                                   const char *application)
{
    char *conninfo = mem_printf("dbname=%s application_name=%s", database, application);
    PGconn *conn = lab_pg_connect(acts->lab, conninfo);

    free(conninfo);
    return conn;
}

static inline bool acts_is_alive(const struct acts_lab *acts, const PGconn *conn)
{
    char *sql =
        mem_printf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", PQbackendPID(conn));
    char *value = lab_pg_value(acts->lab, sql);
    bool alive = strcmp(value, "1") == 0;

    free(value);
    free(sql);
    return alive;
}

/* Only that session is in the list, and selected. */
static inline void acts_show_session(struct term *term, const char *application)
{
    char *keys = mem_printf("2/application:^%s$", application);

    term_keys(term, keys);
    expect_screen(term, "regex");
    term_keys(term, "\r");
    expect_screen(term, "0-9 views");
    expect_screen(term, "1 of [0-9]+");
    free(keys);
}

/* ---- the one of a program's tests, for cmocka's group ---- */

static struct acts_lab acts;

static inline int acts_set_up(void **state)
{
    (void)state;
    return acts_lab_start(&acts);
}

static inline int acts_tear_down(void **state)
{
    (void)state;
    return acts_lab_stop(&acts);
}

#endif
