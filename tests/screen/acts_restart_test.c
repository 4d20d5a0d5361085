/* Acts that reach wide: the restart of both services, keys by pattern, a new database that is used. */
#include "tests/screen/acts.h"

#include <sys/socket.h>

/* ---- keys by pattern ---- */

static char *redis_eval(const char *script)
{
    return lab_redis_value(acts.lab, "EVAL %s 0", script);
}

/* 40 sessions beside what acts_fill makes, and three keys that only look alike. */
static void fill_with_sessions(void)
{
    acts_empty(&acts);
    acts_fill(&acts, 5, 100, false);
    acts_fill(&acts, 3, 40, false);
    free(redis_eval("redis.call('SELECT', 5) for i = 1, 40 do "
                    "redis.call('SET', 'session:' .. i, i, 'EX', 36000) end "
                    "redis.call('SET', 'old:session:1', 1, 'EX', 36000) "
                    "redis.call('SET', 'session', 1, 'EX', 36000) "
                    "redis.call('SET', 'Session:1', 1, 'EX', 36000) redis.call('SELECT', 3) "
                    "redis.call('SET', 'session:1', 1, 'EX', 36000)"));
    assert_int_equal(acts_keys(&acts, 5), 143);
    assert_int_equal(acts_keys(&acts, 3), 41);
}

static void assert_matching(int db, const char *pattern, const char *expected)
{
    char *count = lab_redis_value(acts.lab, "EVAL %s 0 %d %s",
                                  "redis.call('SELECT', ARGV[1]) "
                                  "return #redis.call('KEYS', ARGV[2])",
                                  db, pattern);

    assert_string_equal(count, expected);
    free(count);
}

static void ask_to_delete(struct term *term, const char *pattern)
{
    term_keys(term, "D");
    expect_screen(term, "delete the keys of database 5 that match");
    term_keys(term, pattern);
    term_keys(term, "\r");
}

static void test_keys_that_match_are_deleted(void **state)
{
    struct term *term;

    (void)state;
    fill_with_sessions();
    term = acts_start(&acts, 45, 120, NULL);
    term_keys(term, "5/\x15"
                    "db:^5$\r");
    expect_screen(term, " 5 +dev");
    expect_gone(term, " 0 +production");
    ask_to_delete(term, "nothing:*");
    expect_screen(term, "no key of database 5 matches nothing:\\*");
    ask_to_delete(term, "session:*");
    expect_screen(term, "\\[ y: delete \\]");
    expect_now(term, "DEV +.*shared_redis");
    expect_now(term, "40 of 143 match now");
    expect_now(term, "40, for good: this cannot be undone");
    expect_now(term, "SCAN \\.\\.\\. MATCH session:\\*");
    term_keys(term, "\r"); /* Enter is no yes */
    expect_gone(term, "\\[ Cancel \\]");
    assert_int_equal(acts_keys(&acts, 5), 143);

    ask_to_delete(term, "session:*");
    expect_screen(term, "\\[ y: delete \\]");
    term_keys(term, "y");
    expect_screen(term, "✓ delete of .* done: removed 40 keys that match session:\\*");
    expect_gone(term, "⟳ 1 job");
    term_keys(term, "0");
    expect_screen(term, "✓ done +delete .*100%");
    assert_matching(5, "session:*", "0");
    assert_int_equal(acts_keys(&acts, 5), 103);
    assert_matching(5, "key:*", "100");
    assert_matching(3, "session:*", "1");
    expect_quit(term);
}

/* Not even by typing its name, since the configuration does not allow it. */
static void test_production_keys_are_not_deleted(void **state)
{
    struct term *term;

    (void)state;
    acts_empty(&acts);
    acts_fill(&acts, 1, 10, false);
    term = acts_start(&acts, 45, 120, NULL);
    term_keys(term, ":delete 1 key:*\r");
    expect_screen(term, "Esc: back");
    expect_now(term, "refused: production refuses this");
    expect_now(term, "PRODUCTION +.*shared_redis");
    term_keys(term, "y");
    term_keys(term, "shared_redis/1\r");
    expect_gone(term, "Esc: back");
    expect_quit(term); /* it would ask if an act were running, and name a job */
    assert_int_equal(acts_keys(&acts, 1), 10);
}

/* ---- a new database ---- */

/* The value of the only line KEY=value of an env file; the caller frees it. */
static char *read_value(const char *path, const char *key)
{
    char line[256] = "", *value = line + strlen(key) + 1;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_null(fgets(line + strlen(line), 2, file));
    fclose(file);
    assert_int_equal(strncmp(line, key, strlen(key)), 0);
    assert_int_equal(value[-1], '=');
    value += *value == '\'' || *value == '"';
    value[strcspn(value, "'\"\n")] = '\0';
    return mem_strdup(value);
}

/* Over TCP, where the password is asked for. */
static PGconn *log_in(const char *database, const char *user, const char *password)
{
    char *conninfo = mem_printf("host=127.0.0.1 port=%s dbname=%s user=%s password='%s'",
                                lab_get(acts.lab, "LAB_PG_PORT"), database, user, password);
    PGconn *conn = PQconnectdb(conninfo);

    free(conninfo);
    return conn;
}

static void fill_form(struct term *term, const char *database, const char *owner, const char *path)
{
    term_keys(term, "N");
    expect_screen(term, "New database and user");
    term_keys(term, database);
    term_keys(term, "\t");
    term_keys(term, owner);
    term_keys(term, "\t");
    term_keys(term, path);
    term_keys(term, "\r\r");
}

static void assert_owner_alone_may_use_it(const char *password)
{
    PGconn *owner = log_in("shop", "shop_user", password);
    PGconn *wrong = log_in("shop", "shop_user", "wrong");
    PGconn *other = log_in("shop", "aletheia_dev", "aletheia_dev");
    PGresult *result = PQexec(owner, "CREATE TABLE goods (id integer)");

    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    assert_int_equal(PQstatus(wrong), CONNECTION_BAD);
    assert_int_equal(PQstatus(other), CONNECTION_BAD);
    assert_non_null(strstr(PQerrorMessage(other), "permission denied"));
    PQclear(result);
    PQfinish(owner);
    PQfinish(wrong);
    PQfinish(other);
}

static void test_a_new_database_is_its_owners(void **state)
{
    char *path = mem_printf("%s/shop.env", acts.state), *password, *owner;
    struct term *term = acts_start(&acts, 45, 120, NULL);

    (void)state;
    term_keys(term, "4");
    expect_screen(term, "Databases .*shared_postgres");
    fill_form(term, "shop", "shop_user", path);
    expect_screen(term, "\\[ y: create \\]");
    expect_now(term, "Create the database shop");
    expect_now(term, "CREATE DATABASE \"?shop\"? OWNER \"?shop_user");
    term_keys(term, "\r"); /* Enter is no yes */
    expect_gone(term, "\\[ Cancel \\]");
    assert_int_equal(access(path, F_OK), -1);
    fill_form(term, "shop", "shop_user", path);
    expect_screen(term, "\\[ y: create \\]");
    term_keys(term, "y");
    expect_screen(term, "It is not shown again");
    password = read_value(path, "SHOP_PASSWORD");
    expect_now(term, password);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, password);
    expect_screen(term, "│ shop +shop_user");

    owner = lab_pg_value(acts.lab, "SELECT pg_get_userbyid(datdba) FROM pg_database "
                                   "WHERE datname = 'shop'");
    assert_string_equal(owner, "shop_user");
    assert_owner_alone_may_use_it(password);
    fill_form(term, "shop", "another", path); /* its name, its key in the file: both are taken */
    expect_screen(term, "refused: ");
    expect_not_now(term, "\\[ y: create \\]");
    expect_not_now(term, password);
    expect_quit(term);
    free(owner);
    free(password);
    free(path);
}

/* ---- the restart ---- */

struct held {
    PGconn *production, *dev[2];
    redisContext *cache, *queue;
};

static redisContext *redis_session(int db)
{
    redisContext *redis = redisConnectUnix(lab_get(acts.lab, "LAB_REDIS") + strlen("unix:"));
    redisReply *reply;

    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    reply = redisCommand(redis, "SELECT %d", db);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    return redis;
}

static struct held hold(void)
{
    struct held held = {.production = acts_session(&acts, "aletheia_prod", "held"),
                        .dev = {acts_session(&acts, "aletheia_dev", "held"),
                                acts_session(&acts, "aletheia_dev", "held")},
                        .cache = redis_session(5),
                        .queue = redis_session(0)};

    PQclear(PQexec(held.dev[0], "BEGIN"));
    assert_int_equal(PQtransactionStatus(held.dev[0]), PQTRANS_INTRANS);
    free(redis_eval("redis.call('SELECT', 0) redis.call('HSET', 'unacked', 'a', 1, 'b', 2)"));
    return held;
}

static bool drops(PGconn *conn)
{
    PQclear(PQexec(conn, "SELECT 1"));
    return PQstatus(conn) == CONNECTION_BAD;
}

/* Not by a command, whose writing to a closed socket would end this process. */
static bool drops_redis(const redisContext *redis)
{
    char byte;

    return recv(redis->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void release(struct held *held)
{
    PQfinish(held->production);
    PQfinish(held->dev[0]);
    PQfinish(held->dev[1]);
    redisFree(held->cache);
    redisFree(held->queue);
}

static void ask_to_restart(struct term *term)
{
    term_keys(term, "X");
    expect_screen(term, "Type all and Enter to restart");
}

static char *started(void)
{
    return lab_pg_value(acts.lab, "SELECT pg_postmaster_start_time()");
}

static char *run_id(void)
{
    char *info = lab_redis_value(acts.lab, "INFO server"), *at = strstr(info, "run_id:"), *id;

    assert_non_null(at);
    id = mem_strndup(at, strlen("run_id:") + 40);
    free(info);
    return id;
}

static void expect_losses(struct term *term)
{
    expect_now(term, "Restart the shared services");
    expect_now(term, "PRODUCTION +shared_postgres, shared_redis");
    expect_now(term, "production: 1 connection to shared_postgres, 0 of them in a query");
    expect_now(term,
               "dev: 2 connections to shared_postgres, 1 of them in a query or a transaction");
    expect_now(term, "aletheia_dev 2");
    expect_now(term, "production: 1 connection to shared_redis");
    expect_now(term, "dev: 1 connection to shared_redis");
    expect_now(term, "production: 2 Celery tasks in workers' hands in shared_redis");
    expect_now(term, "will run .*lab\\.sh restart");
}

static void test_only_the_typed_name_restarts(void **state)
{
    char *postgres = started(), *redis = run_id(), *now;
    struct term *term = acts_start(&acts, 45, 120, NULL);

    (void)state;
    ask_to_restart(term);
    term_keys(term, "\r"); /* nothing typed */
    expect_gone(term, "Type all and Enter");
    expect_screen(term, "restart: not done");
    ask_to_restart(term);
    term_keys(term, "y\r");
    term_keys(term, "\x15"
                    "al\r");
    expect_screen(term, "│ al +│");
    expect_now(term, "That is not the name: type all and Enter");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "ype all and Enter");
    term_keys(term, "2/application:^nobody$\r"); /* no row whose details Enter would show */
    expect_screen(term, "0 of [0-9]+");
    term_keys(term, "Xall\r"); /* all in one burst, before there is a question */
    expect_screen(term, "Type all and Enter");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Type all and Enter");
    expect_quit(term); /* it would ask if an act were running */
    now = started();
    assert_string_equal(now, postgres);
    free(now);
    now = run_id();
    assert_string_equal(now, redis);
    free(now);
    free(postgres);
    free(redis);
}

/* What is on the screen comes from the servers that are there now. */
static void expect_fresh(struct term *term)
{
    PGconn *after = acts_session(&acts, "aletheia_dev", "after");

    term_keys(term, "2/\x15"
                    "application:^after$\r");
    expect_screen(term, "1 of [0-9]+");
    acts_empty(&acts);
    acts_fill(&acts, 5, 77, false);
    term_keys(term, "5/\x15"
                    "db:^5$\r");
    expect_screen(term, " 5 +dev .* 77 ");
    expect_screen(term, "● shared_postgres .*● shared_redis");
    PQfinish(after);
}

static void test_the_restart_drops_what_it_named(void **state)
{
    char *postgres = started(), *redis = run_id(), *now;
    struct term *term;
    struct held held;

    (void)state;
    acts_empty(&acts);
    held = hold();
    term = acts_start(&acts, 45, 120, NULL);
    term_keys(term, "2/\x15"
                    "application:^held$\r");
    expect_screen(term, "3 of [0-9]+"); /* the plan counts those that were seen */
    term_keys(term, "1");
    ask_to_restart(term);
    expect_losses(term);
    term_keys(term, "all\r");
    expect_screen(term, "⟳ 1 job");
    expect_screen(term, "✓ restart of .* done: both up; PostgreSQL down [0-9.]+ s, Redis down "
                        "[0-9.]+ s");
    expect_gone(term, "⟳ 1 job");
    now = started();
    assert_string_not_equal(now, postgres);
    free(now);
    now = run_id();
    assert_string_not_equal(now, redis);
    assert_true(drops(held.production));
    assert_true(drops(held.dev[0]) && drops(held.dev[1]));
    assert_true(drops_redis(held.cache) && drops_redis(held.queue));
    term_keys(term, "0");
    expect_screen(term, "✓ done +restart ");
    expect_fresh(term);
    expect_quit(term);
    release(&held);
    free(now);
    free(postgres);
    free(redis);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_that_match_are_deleted),
        cmocka_unit_test(test_production_keys_are_not_deleted),
        cmocka_unit_test(test_a_new_database_is_its_owners),
        cmocka_unit_test(test_only_the_typed_name_restarts),
        cmocka_unit_test(test_the_restart_drops_what_it_named),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
