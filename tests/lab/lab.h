/* Real private servers for a test or a measurement: a PostgreSQL and a Redis of its own in a
 * directory in /tmp, filled like the reference, that vanish with this process however it ends.
 * What cannot be done ends the program with a message on stderr. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <sys/types.h>

struct lab;

enum lab_server { LAB_POSTGRES, LAB_REDIS_SERVER };

/* Starts both servers (about half a second). options: words for the command line of postgres, such
 * as "-c max_connections=5", or NULL. lab_stop removes everything. */
struct lab *lab_start(const char *options);
void lab_stop(struct lab *lab);

/* The lab that `make test` and labrun started and that other tests use too: do not stop, freeze or
 * reconfigure its servers. lab_stop only frees the handle. */
struct lab *lab_shared(void);

/* A variable of the lab (a LAB_* name as `lab.sh env` prints it), valid until the next restart.
 * The usual ones: LAB_DIR, LAB_PG and LAB_PG_TCP (conninfo of a superuser), LAB_REDIS (unix:PATH),
 * LAB_REDIS_TCP (redis://…), LAB_PG_PORT, LAB_REDIS_PORT, LAB_CONF (a sharedtop.conf). */
const char *lab_get(const struct lab *lab, const char *name);

/* Puts all LAB_* variables into the environment of this process. */
void lab_export(const struct lab *lab);

/* Fills Redis like the reference; starts the live load (until lab_stop). */
void lab_fill(struct lab *lab);
void lab_load(struct lab *lab);

/* The postmaster or redis-server. */
pid_t lab_pid(const struct lab *lab, enum lab_server server);

/* SIGSTOP and SIGCONT of every process of a server. */
void lab_freeze(struct lab *lab, enum lab_server server);
void lab_thaw(struct lab *lab, enum lab_server server);

/* kill -9 of every process of a server; they have gone when it returns. */
void lab_kill(struct lab *lab, enum lab_server server);

/* Starts a killed server again on its old port and socket; it answers when this returns. */
void lab_restart(struct lab *lab, enum lab_server server);

/* Starts a killed PostgreSQL so that it stays in "the database system is starting up" until
 * lab_let_postgres_start, which returns when it accepts connections. */
void lab_restart_postgres_starting(struct lab *lab);
void lab_let_postgres_start(struct lab *lab);

/* A connection as a superuser; conninfo (may be NULL) overrides parts, such as "dbname=umami".
 * The caller finishes it. */
PGconn *lab_pg_connect(const struct lab *lab, const char *conninfo);

/* The first value of a statement's result ("" when there is none); the caller frees it. */
char *lab_pg_value(const struct lab *lab, const char *sql);

/* The reply as text (integers too; "" for nil or a list); the caller frees it. Takes the format of
 * redisCommand. */
char *lab_redis_value(const struct lab *lab, const char *format, ...);

#endif
