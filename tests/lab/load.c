/* load: a live load on the lab's servers, until it is ended or its parent dies.
 * load --fill: fills Redis like the reference and ends. Reads LAB_PG_TCP and LAB_REDIS_PORT. */
#include "tests/lab/load.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

void load_nap(unsigned ms, unsigned *seed)
{
    unsigned long us = ms * 500UL + (unsigned long)rand_r(seed) % (ms * 1000UL + 1);
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

static PGconn *pg_open(const struct load_actor *actor)
{
    const char *const keys[] = {"dbname", "dbname", "user", "password", "application_name", NULL};
    const char *const values[] = {getenv("LAB_PG_TCP"), actor->target, actor->target,
                                  actor->target,        actor->name,   NULL};
    return PQconnectdbParams(keys, values, 1);
}

/* True when the statement worked; false also when it was cancelled. */
static bool pg_do(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Returns when the server has closed the connection. */
static void pg_linger(PGconn *conn)
{
    struct pollfd fd = {PQsocket(conn), POLLIN, 0};
    while (PQstatus(conn) == CONNECTION_OK && poll(&fd, 1, -1) >= 0) {
        if (!PQconsumeInput(conn)) {
            return;
        }
    }
}

static void run_web(const struct load_actor *actor, unsigned *seed)
{
    static const char *const statements[] = {
        "SELECT id, title, updated_at FROM document WHERE account_id = %u ORDER BY id LIMIT 20",
        "SELECT title, email FROM document d JOIN account a ON a.id = account_id WHERE d.id = %u",
        "UPDATE account SET seen_at = now() WHERE id = %u",
        "UPDATE document SET updated_at = now() WHERE id = %u",
        "SELECT title FROM document ORDER BY body, id OFFSET %u LIMIT 1",
    };
    static const unsigned weights[] = {50, 30, 12, 7, 1};
    PGconn *conn = pg_open(actor);
    while (PQstatus(conn) == CONNECTION_OK) {
        unsigned draw = (unsigned)rand_r(seed) % 100, i = 0;
        for (; draw >= weights[i]; i++) {
            draw -= weights[i];
        }
        char sql[256];
        snprintf(sql, sizeof(sql), statements[i], 10 + (unsigned)rand_r(seed) % 400);
        bool spill = i == 4;
        pg_do(conn, spill ? "BEGIN; SET LOCAL work_mem = '64kB'" : "BEGIN");
        pg_do(conn, sql);
        pg_do(conn, rand_r(seed) % 50 == 0 ? "ROLLBACK" : "COMMIT");
        load_nap(actor->period_ms, seed);
    }
    PQfinish(conn);
}

static void run_one(const struct load_actor *actor, unsigned *seed, const char *sql)
{
    PGconn *conn = pg_open(actor);
    while (PQstatus(conn) == CONNECTION_OK) {
        pg_do(conn, sql);
        load_nap(actor->period_ms, seed);
    }
    PQfinish(conn);
}

static void run_umami(const struct load_actor *actor, unsigned *seed)
{
    run_one(actor, seed, "INSERT INTO website_event (website, path) VALUES ('site1', '/pricing')");
}

static void run_grafana(const struct load_actor *actor, unsigned *seed)
{
    run_one(actor, seed,
            "SELECT name, avg(value) FROM sample WHERE at > now() - interval '5 minutes'"
            " GROUP BY name");
}

static void run_report(const struct load_actor *actor, unsigned *seed)
{
    run_one(actor, seed,
            "SELECT date_trunc('day', created_at) AS day, website, count(*) AS views,\n"
            "       count(DISTINCT path) AS pages\n"
            "  FROM website_event, pg_sleep(900)\n"
            " GROUP BY 1, 2\n"
            " ORDER BY 1 DESC, views DESC");
}

/* Sends the statements, then does nothing, as an application that forgot something. */
static void run_and_linger(const struct load_actor *actor, unsigned *seed, const char *first,
                           const char *second)
{
    load_nap(actor->period_ms, seed); /* not all at once */
    PGconn *conn = pg_open(actor);
    if (PQstatus(conn) == CONNECTION_OK && pg_do(conn, first) && (!second || pg_do(conn, second))) {
        pg_linger(conn);
    }
    PQfinish(conn);
}

static void run_idle(const struct load_actor *actor, unsigned *seed)
{
    run_and_linger(actor, seed, "SELECT 1", NULL);
}

static void run_idle_in_transaction(const struct load_actor *actor, unsigned *seed)
{
    run_and_linger(actor, seed, "BEGIN", "SELECT count(*) FROM account WHERE seen_at IS NULL");
}

static void run_lock_holder(const struct load_actor *actor, unsigned *seed)
{
    run_and_linger(actor, seed, "BEGIN", "UPDATE account SET balance = balance - 10 WHERE id = 1");
}

static void run_lock_waiter(const struct load_actor *actor, unsigned *seed)
{
    load_nap(600, seed); /* after its holder */
    run_one(actor, seed, "UPDATE account SET balance = balance + 10 WHERE id = 1");
}

static const struct load_actor pg_actors[] = {
    {run_lock_holder, "aletheia-billing", "aletheia_prod", 20, 1},
    {run_lock_waiter, "celery-worker", "aletheia_prod", 4000, 2},
    {run_report, "umami-report", "umami", 2000, 1},
    {run_idle_in_transaction, "aletheia-shell", "aletheia_staging", 100, 1},
    {run_web, "aletheia-web", "aletheia_prod", 80, 4},
    {run_web, "aletheia-web", "aletheia_staging", 250, 2},
    {run_web, "aletheia-web", "aletheia_dev", 1000, 1},
    {run_umami, "umami", "umami", 200, 2},
    {run_grafana, "grafana", "monitoring", 1000, 1},
    {run_idle, "celery-worker", "aletheia_prod", 100, 3},
    {run_idle, "celery-worker", "aletheia_staging", 100, 2},
    {run_idle, "umami", "umami", 100, 1},
};

struct worker {
    const struct load_actor *actor;
    unsigned seed;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (;;) {
        worker->actor->run(worker->actor, &worker->seed);
        load_nap(2000, &worker->seed); /* the server is gone or full, or ended the session */
    }
    return NULL;
}

static unsigned start_workers(const struct load_actor *actors, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned n = 0; n < actors[i].count; n++) {
            struct worker *worker = malloc(sizeof(*worker));
            pthread_t thread;
            if (!worker) {
                abort();
            }
            *worker = (struct worker){&actors[i], ++seed};
            if (pthread_create(&thread, NULL, work, worker) != 0) {
                perror("load: pthread_create");
                exit(1);
            }
            pthread_detach(thread);
        }
    }
    return seed;
}

int main(int argc, char **argv)
{
    if (!getenv("LAB_PG_TCP") || !getenv("LAB_REDIS_PORT")) {
        fputs("load: LAB_PG_TCP and LAB_REDIS_PORT are not set; run it by lab.sh\n", stderr);
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "--fill") == 0) {
        return load_redis_fill() ? 0 : 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    sigaddset(&end, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    unsigned seed = start_workers(pg_actors, LENGTH(pg_actors), 1);
    start_workers(load_redis_actors, load_redis_actor_count, seed);
    int got;
    sigwait(&end, &got);
    _exit(0); /* the threads are in the middle of something, which is how applications end */
}
