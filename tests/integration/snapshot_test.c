/* `sharedtop snapshot`: its JSON against the servers' own figures, its text, its exit status. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/integration/snapshot_run.h"
#include "tests/lab/lab.h"

#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct lab *lab;

/* ---- looking into the JSON ---- */

static json_t *parse(const struct run *run)
{
    json_error_t error;
    json_t *json = json_loads(run->out, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("line %d: %s\n%s%s", error.line, error.text, run->out, run->err);
    return json;
}

static json_t *get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    if (!value)
        fail_msg("no member %s", name);
    return value;
}

static const char *get_text(const json_t *object, const char *name)
{
    const json_t *value = get(object, name);

    if (!json_is_string(value))
        fail_msg("%s is no string", name);
    return json_string_value(value);
}

static long long get_int(const json_t *object, const char *name)
{
    const json_t *value = get(object, name);

    if (!json_is_integer(value))
        fail_msg("%s is no integer", name);
    return json_integer_value(value);
}

static double get_number(const json_t *object, const char *name)
{
    const json_t *value = get(object, name);

    if (!json_is_number(value))
        fail_msg("%s is no number", name);
    return json_number_value(value);
}

static json_t *get_list(const json_t *object, const char *name, size_t count)
{
    json_t *value = get(object, name);

    assert_true(json_is_array(value));
    assert_int_equal(json_array_size(value), count);
    return value;
}

static void assert_null_member(const json_t *object, const char *name)
{
    if (!json_is_null(get(object, name)))
        fail_msg("%s is not null", name);
}

/* The element whose member has that text; NULL when there is none. */
static json_t *find_text(const json_t *list, const char *name, const char *text)
{
    size_t i;
    json_t *item;

    assert_true(json_is_array(list));
    json_array_foreach(list, i, item)
    {
        if (strcmp(get_text(item, name), text) == 0)
            return item;
    }
    return NULL;
}

static json_t *find_int(const json_t *list, const char *name, long long number)
{
    size_t i;
    json_t *item;

    assert_true(json_is_array(list));
    json_array_foreach(list, i, item)
    {
        if (get_int(item, name) == number)
            return item;
    }
    return NULL;
}

/* ---- facts ---- */

static long long pg_number(const char *sql)
{
    char *value = lab_pg_value(lab, sql);
    long long number = strtoll(value, NULL, 10);

    free(value);
    return number;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("\"%s\" does not match:\n%s", pattern, text);
    regfree(&regex);
}

/* A field of a line "dbN:keys=…,expires=…,avg_ttl=…" of INFO. */
static long long keyspace_fact(int db, const char *field)
{
    char *info = lab_redis_value(lab, "INFO keyspace"), *line, *at;
    char name[16], key[16];
    long long number;

    snprintf(name, sizeof(name), "db%d:", db);
    snprintf(key, sizeof(key), "%s=", field);
    line = strstr(info, name);
    assert_non_null(line);
    at = strstr(line, key);
    assert_non_null(at);
    number = strtoll(at + strlen(key), NULL, 10);
    free(info);
    return number;
}

/* Sessions of every kind: the holder is idle in its transaction, the waiter waits for it. */
struct sessions {
    PGconn *runner, *holder, *waiter;
};

static void execute(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
}

static void begin_sessions(struct sessions *sessions)
{
    sessions->runner = lab_pg_connect(lab, "dbname=umami user=umami application_name=worker");
    sessions->holder = lab_pg_connect(lab, "dbname=umami application_name=holder");
    sessions->waiter = lab_pg_connect(lab, "dbname=umami application_name=waiter");
    PQsendQuery(sessions->runner, "SELECT pg_sleep(900) /* \xe2\x80\xae\x1b[31mcaf\xc3\xa9 */");
    execute(sessions->holder, "BEGIN");
    execute(sessions->holder, "LOCK website_event");
    PQsendQuery(sessions->waiter, "SELECT count(*) FROM website_event");
    while (pg_number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != 1) {
    }
    while (pg_number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") != 1) {
    }
}

static void end_sessions(struct sessions *sessions)
{
    PQfinish(sessions->holder);
    PQfinish(sessions->waiter);
    PQfinish(sessions->runner);
}

/* After each test, so that one that fails leaves no session for the next one to count. */
static int no_sessions(void **state)
{
    static const char left[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                               "WHERE application_name IN ('worker', 'holder', 'waiter')";

    (void)state;
    while (pg_number(left) != 0) {
    }
    return 0;
}

/* ---- the JSON of healthy servers ---- */

static const char *const *lab_json(void)
{
    static const char *arguments[] = {"--config", NULL, "snapshot", "--json", NULL};

    arguments[1] = lab_get(lab, "LAB_CONF");
    return arguments;
}

static void check_database(const json_t *database, const char *name, long long connections)
{
    char *sql =
        mem_printf("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '%s'", name);
    char *owner = lab_pg_value(lab, sql);
    char *size = mem_printf("SELECT pg_database_size('%s')", name);
    long long now = pg_number(size), then = get_int(database, "size_bytes");

    assert_string_equal(get_text(database, "owner"), owner);
    assert_int_equal(get_int(database, "connections"), connections);
    assert_in_range(then, now - 1048576, now + 1048576); /* autovacuum may pass in between */
    free(sql);
    free(owner);
    free(size);
}

static void check_postgres(const json_t *postgres)
{
    const json_t *connections = get(postgres, "connections"), *databases;
    char *version =
        lab_pg_value(lab, "SELECT split_part(current_setting('server_version'), ' ', 1)");

    assert_string_equal(get_text(postgres, "name"), "shared_postgres");
    assert_string_equal(get_text(postgres, "state"), "up");
    assert_string_equal(get_text(postgres, "version"), version);
    assert_null_member(postgres, "error");
    assert_int_equal(get_int(connections, "max"), pg_number("SHOW max_connections"));
    assert_true(get_int(connections, "used") >= 4);
    assert_true(get_int(connections, "active") >= 2);
    assert_int_equal(get_int(connections, "idle_in_transaction"), 1);
    databases = get_list(postgres, "databases",
                         (size_t)pg_number("SELECT count(*) FROM pg_database "
                                           "WHERE datallowconn AND NOT datistemplate"));
    check_database(find_text(databases, "name", "umami"), "umami", 3);
    check_database(find_text(databases, "name", "aletheia_staging"), "aletheia_staging", 0);
    free(version);
}

static void check_sessions(const json_t *list, const struct sessions *sessions)
{
    const json_t *runner = find_int(list, "pid", PQbackendPID(sessions->runner));
    const json_t *holder = find_int(list, "pid", PQbackendPID(sessions->holder));
    const json_t *waiter = find_int(list, "pid", PQbackendPID(sessions->waiter));
    const json_t *blockers;

    assert_true(runner && holder && waiter);
    assert_string_equal(get_text(runner, "database"), "umami");
    assert_string_equal(get_text(runner, "user"), "umami");
    assert_string_equal(get_text(runner, "state"), "active");
    assert_string_equal(get_text(runner, "wait"), "Timeout:PgSleep");
    assert_true(get_number(runner, "duration_seconds") > 0);
    assert_matches(get_text(runner, "query"), "^SELECT pg_sleep\\(900\\) /\\* .*caf\xc3\xa9 \\*/$");
    assert_null(strchr(get_text(runner, "query"), '\x1b'));
    get_list(runner, "blocked_by", 0);
    assert_string_equal(get_text(holder, "state"), "idle in transaction");
    assert_string_equal(get_text(holder, "user"), "admin");
    assert_string_equal(get_text(holder, "query"), "LOCK website_event");
    get_list(holder, "blocked_by", 0);
    assert_string_equal(get_text(waiter, "state"), "active");
    assert_string_equal(get_text(waiter, "wait"), "Lock:relation");
    blockers = get_list(waiter, "blocked_by", 1);
    assert_int_equal(json_integer_value(json_array_get(blockers, 0)),
                     PQbackendPID(sessions->holder));
}

static void check_keyspace(const json_t *keyspace)
{
    static const char *const uses[] = {"Celery broker", "Django cache"};
    static const char *const environments[] = {"production", "staging", "dev"};

    for (int db = 0; db < 6; db++) {
        const json_t *row = find_int(keyspace, "db", db);

        assert_non_null(row);
        assert_string_equal(get_text(row, "environment"), environments[db / 2]);
        assert_string_equal(get_text(row, "use"), uses[db % 2]);
        assert_int_equal(get_int(row, "keys"), keyspace_fact(db, "keys"));
        assert_int_equal(get_int(row, "expires"), keyspace_fact(db, "expires"));
        assert_true(get_number(row, "avg_ttl_ms") > 0);
        assert_null_member(row, "trash_left_seconds");
    }
    assert_string_equal(get_text(find_int(keyspace, "db", 15), "use"), "spare");
}

static void check_redis(const json_t *redis)
{
    char *info = lab_redis_value(lab, "INFO server");
    const char *version = get_text(redis, "version");
    char *line = mem_printf("^redis_version:%s", version);

    assert_string_equal(get_text(redis, "name"), "shared_redis");
    assert_string_equal(get_text(redis, "state"), "up");
    assert_matches(info, line);
    assert_null_member(redis, "error");
    assert_int_equal(get_int(redis, "maxmemory"), 128 * 1024 * 1024);
    assert_in_range(get_int(redis, "used_memory"), 1024 * 1024, 128 * 1024 * 1024);
    assert_string_equal(get_text(redis, "policy"), "allkeys-lru");
    assert_true(get_number(redis, "ops_per_second") >= 0);
    assert_null_member(redis, "hit_rate"); /* nobody has read a key between the samples */
    check_keyspace(get_list(redis, "keyspace", 7));
    free(line);
    free(info);
}

static void test_every_member(void **state)
{
    struct sessions sessions;
    struct run run;
    json_t *json;
    const json_t *alert;
    struct tm time = {0};

    (void)state;
    begin_sessions(&sessions);
    run = snapshot(lab_json());
    json = parse(&run);
    assert_int_equal(get_int(json, "schema"), 1);
    assert_non_null(strptime(get_text(json, "time"), "%Y-%m-%dT%H:%M:%SZ", &time));
    check_postgres(json_array_get(get_list(json, "postgres", 1), 0));
    check_sessions(get(json_array_get(get(json, "postgres"), 0), "sessions"), &sessions);
    check_redis(json_array_get(get_list(json, "redis", 1), 0));
    alert = find_text(get(json, "alerts"), "name", "BlockedSessions");
    assert_non_null(alert);
    assert_string_equal(get_text(alert, "severity"), "warning");
    assert_string_equal(get_text(alert, "instance"), "shared_postgres");
    assert_matches(get_text(alert, "message"), "1 session waits for a lock");
    assert_int_equal(run.status, 1);
    assert_string_equal(run.err, "");
    end_sessions(&sessions);
    json_decref(json);
    run_free(&run);
}

static void test_healthy(void **state)
{
    struct run run = snapshot(lab_json());
    json_t *json = parse(&run);

    (void)state;
    get_list(json, "alerts", 0);
    get_list(json_array_get(get(json, "postgres"), 0), "sessions", 0); /* none but its own */
    assert_int_equal(run.status, 0);
    json_decref(json);
    run_free(&run);
}

/* ---- servers that are not there ---- */

static struct run snapshot_on(const char *postgres, const char *redis)
{
    const char *const arguments[] = {"--config",   lab_get(lab, "LAB_CONF"),
                                     "snapshot",   "--json",
                                     "--postgres", postgres,
                                     "--redis",    redis,
                                     NULL};

    return snapshot(arguments);
}

static void test_postgres_down(void **state)
{
    struct run run = snapshot_on("host=127.0.0.1 port=1", lab_get(lab, "LAB_REDIS"));
    json_t *json = parse(&run);
    const json_t *postgres = json_array_get(get_list(json, "postgres", 1), 0);
    const json_t *redis = json_array_get(get_list(json, "redis", 1), 0);
    const json_t *connections = get(postgres, "connections"), *alert;

    (void)state;
    assert_string_equal(get_text(postgres, "state"), "down");
    assert_matches(get_text(postgres, "error"), "Connection refused");
    assert_null_member(postgres, "version");
    assert_null_member(connections, "used");
    assert_null_member(connections, "max");
    assert_null_member(connections, "active");
    assert_null_member(connections, "idle_in_transaction");
    get_list(postgres, "databases", 0);
    get_list(postgres, "sessions", 0);
    assert_string_equal(get_text(redis, "state"), "up");
    assert_true(get_int(redis, "used_memory") > 0);
    assert_true(json_array_size(get(redis, "keyspace")) == 6);
    alert = find_text(get_list(json, "alerts", 1), "name", "PostgresDown");
    assert_string_equal(get_text(alert, "severity"), "critical");
    assert_int_equal(run.status, 2);
    json_decref(json);
    run_free(&run);
}

static void test_redis_down(void **state)
{
    static const char *const figures[] = {"version", "used_memory",    "maxmemory",
                                          "policy",  "ops_per_second", "hit_rate"};
    struct run run = snapshot_on(lab_get(lab, "LAB_PG"), "redis://127.0.0.1:1");
    json_t *json = parse(&run);
    const json_t *postgres = json_array_get(get_list(json, "postgres", 1), 0);
    const json_t *redis = json_array_get(get_list(json, "redis", 1), 0), *alert;

    (void)state;
    assert_string_equal(get_text(redis, "state"), "down");
    assert_matches(get_text(redis, "error"), "nothing listens there");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        assert_null_member(redis, figures[i]);
    get_list(redis, "keyspace", 0);
    assert_string_equal(get_text(postgres, "state"), "up");
    assert_non_null(find_text(get(postgres, "databases"), "name", "umami"));
    assert_int_equal(get_int(get(postgres, "connections"), "max"), 100);
    alert = find_text(get_list(json, "alerts", 1), "name", "RedisDown");
    assert_string_equal(get_text(alert, "severity"), "critical");
    assert_int_equal(run.status, 2);
    json_decref(json);
    run_free(&run);
}

/* What a stopped server would have said is absent, and the other one is complete. */
static void test_postgres_frozen(void **state)
{
    struct run run;
    json_t *json;
    const json_t *postgres, *redis;

    (void)state;
    lab_freeze(lab, LAB_POSTGRES);
    run = snapshot(lab_json());
    lab_thaw(lab, LAB_POSTGRES);
    json = parse(&run);
    postgres = json_array_get(get_list(json, "postgres", 1), 0);
    redis = json_array_get(get_list(json, "redis", 1), 0);
    assert_string_equal(get_text(postgres, "state"), "down");
    assert_null_member(get(postgres, "connections"), "used");
    assert_true(strlen(get_text(postgres, "error")) > 0);
    assert_string_equal(get_text(redis, "state"), "up");
    assert_true(get_int(redis, "used_memory") > 0);
    assert_int_equal(run.status, 2);
    json_decref(json);
    run_free(&run);
}

/* A server that is up but tells us nothing is no healthy one. */
static void test_redis_without_rights(void **state)
{
    char *url = mem_printf("redis://noinfo:noinfo@127.0.0.1:%s", lab_get(lab, "LAB_REDIS_PORT"));
    struct run run = snapshot_on(lab_get(lab, "LAB_PG"), url);
    json_t *json = parse(&run);
    const json_t *redis = json_array_get(get_list(json, "redis", 1), 0);

    (void)state;
    assert_matches(get_text(redis, "error"), "may not run INFO");
    assert_null_member(redis, "used_memory");
    assert_null_member(redis, "policy");
    get_list(redis, "keyspace", 0);
    assert_int_equal(run.status, 2);
    json_decref(json);
    run_free(&run);
    free(url);
}

static void test_nothing_answers(void **state)
{
    struct run run = snapshot_on("host=127.0.0.1 port=1", "redis://127.0.0.1:1");
    json_t *json = parse(&run);

    (void)state;
    assert_string_equal(get_text(json_array_get(get(json, "postgres"), 0), "state"), "down");
    assert_string_equal(get_text(json_array_get(get(json, "redis"), 0), "state"), "down");
    get_list(json, "alerts", 2);
    assert_int_equal(run.status, 3);
    json_decref(json);
    run_free(&run);
}

/* ---- configurations ---- */

/* A file in the lab's directory, with each server of the lab twice. */
static char *write_config(const char *more)
{
    char *path = mem_printf("%s/snapshot.conf", lab_get(lab, "LAB_DIR"));
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file,
            "postgres = ({ name = \"one\"; conninfo = \"%s\"; },\n"
            "            { name = \"two\"; conninfo = \"%s dbname=umami\"; });\n"
            "redis = ({ name = \"three\"; url = \"%s\"; },\n"
            "         { name = \"four\"; url = \"%s\"; });\n%s",
            lab_get(lab, "LAB_PG"), lab_get(lab, "LAB_PG"), lab_get(lab, "LAB_REDIS"),
            lab_get(lab, "LAB_REDIS_TCP"), more);
    fclose(file);
    return path;
}

static void test_two_of_a_kind(void **state)
{
    char *path = write_config("");
    const char *const arguments[] = {"snapshot", "--json", "--config", path, NULL};
    struct run run = snapshot(arguments);
    json_t *json = parse(&run);
    static const char *const names[2][2] = {{"one", "two"}, {"three", "four"}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const json_t *postgres = json_array_get(get_list(json, "postgres", 2), i);
        const json_t *redis = json_array_get(get_list(json, "redis", 2), i);

        assert_string_equal(get_text(postgres, "name"), names[0][i]);
        assert_string_equal(get_text(postgres, "state"), "up");
        assert_non_null(find_text(get(postgres, "databases"), "name", "umami"));
        assert_string_equal(get_text(redis, "name"), names[1][i]);
        assert_int_equal(get_int(redis, "maxmemory"), 128 * 1024 * 1024);
        assert_null_member(json_array_get(get(redis, "keyspace"), 0), "use");
    }
    assert_int_equal(run.status, 0);
    json_decref(json);
    run_free(&run);
    free(path);
}

static void test_critical_by_threshold(void **state)
{
    char *path = write_config("alerts = { BlockedSessions = { warning = 1; critical = 1; "
                              "runbook = \"ask the holder\"; }; };\n");
    const char *const arguments[] = {"--config", path, "snapshot", "--json", NULL};
    struct sessions sessions;
    struct run run;
    json_t *json;
    const json_t *alert;

    (void)state;
    begin_sessions(&sessions);
    run = snapshot(arguments);
    json = parse(&run);
    alert = find_text(get_list(json, "alerts", 2), "name", "BlockedSessions");
    assert_non_null(alert);
    assert_string_equal(get_text(alert, "severity"), "critical");
    assert_string_equal(get_text(alert, "runbook"), "ask the holder");
    assert_int_equal(run.status, 2);
    end_sessions(&sessions);
    json_decref(json);
    run_free(&run);
    free(path);
}

static void expect_blind(const char *const *arguments, const char *message)
{
    struct run run = snapshot(arguments);

    assert_int_equal(run.status, 3);
    assert_string_equal(run.out, "");
    assert_matches(run.err, message);
    run_free(&run);
}

static void test_what_it_cannot_start_with(void **state)
{
    char *path = write_config("intervall = 2;\n");
    const char *const fault[] = {"snapshot", "--json", "--config", path, NULL};
    const char *const missing[] = {"snapshot", "--config", "/nonexistent/sharedtop.conf", NULL};
    const char *const option[] = {"snapshot", "--jsn", NULL};

    (void)state;
    expect_blind(fault, "snapshot\\.conf:5: .*intervall.*interval");
    expect_blind(missing, "/nonexistent/sharedtop\\.conf");
    expect_blind(option, "--jsn.*--json");
    free(path);
}

/* ---- text ---- */

static void test_text(void **state)
{
    const char *const arguments[] = {"--config", lab_get(lab, "LAB_CONF"), "snapshot", NULL};
    struct sessions sessions;
    struct run run;

    (void)state;
    begin_sessions(&sessions);
    run = snapshot(arguments);
    assert_int_equal(run.status, 1);
    assert_matches(run.out, "^  warning +BlockedSessions on shared_postgres: 1 session waits");
    assert_matches(run.out, "^PostgreSQL shared_postgres up 1[3-9]");
    assert_matches(run.out, "^  connections [0-9]+ of 100, [0-9]+ active, 1 idle in transaction, "
                            "1 blocked$");
    assert_matches(run.out, "^umami +umami ");
    assert_matches(run.out, " umami +umami .*SELECT pg_sleep\\(900\\)");
    assert_matches(run.out, "^Redis shared_redis up [0-9.]+$");
    assert_matches(run.out, "^  memory .* of 128M, allkeys-lru, ");
    assert_matches(run.out, "^ +0 +production +Celery broker ");
    assert_null(strchr(run.out, '\x1b'));
    assert_null(strstr(run.out, "\xe2\x80\xae"));
    end_sessions(&sessions);
    run_free(&run);
}

static void test_text_of_servers_that_are_down(void **state)
{
    const char *const arguments[] = {"snapshot", "--postgres",          "host=127.0.0.1 port=1",
                                     "--redis",  "redis://127.0.0.1:1", NULL};
    struct run run = snapshot(arguments);

    (void)state;
    assert_int_equal(run.status, 3);
    assert_matches(run.out, "^  critical PostgresDown on ");
    assert_matches(run.out, "^PostgreSQL .* down$");
    assert_matches(run.out, "Connection refused");
    assert_matches(run.out, "^Redis .* down$");
    assert_null(strstr(run.out, "connections"));
    assert_null(strstr(run.out, "memory"));
    run_free(&run);
}

/* ---- secrets ---- */

#define SECRET "hush-hush"

static void assert_no_secret(const struct run *run)
{
    if (strstr(run->out, SECRET) || strstr(run->err, SECRET))
        fail_msg("the password is in the output:\n%s%s", run->out, run->err);
}

static void test_passwords_are_not_printed(void **state)
{
    char *postgres = mem_printf("host=127.0.0.1 port=%s user=hush dbname=postgres password=" SECRET,
                                lab_get(lab, "LAB_PG_PORT"));
    char *redis =
        mem_printf("redis://hush:" SECRET "@127.0.0.1:%s", lab_get(lab, "LAB_REDIS_PORT"));
    static const char *const replies[] = {"up", "down"};

    (void)state;
    free(lab_pg_value(lab, "CREATE ROLE hush LOGIN PASSWORD '" SECRET "' IN ROLE pg_monitor"));
    free(lab_redis_value(lab, "ACL SETUSER hush on >" SECRET " ~* +@all"));
    for (size_t i = 0; i < 2; i++) {
        struct run run = snapshot_on(postgres, redis);
        json_t *json = parse(&run);

        assert_string_equal(get_text(json_array_get(get(json, "postgres"), 0), "state"),
                            replies[i]);
        assert_string_equal(get_text(json_array_get(get(json, "redis"), 0), "state"), replies[i]);
        assert_no_secret(&run);
        json_decref(json);
        run_free(&run);
        free(lab_pg_value(lab, "ALTER ROLE hush PASSWORD 'another'"));
        free(lab_redis_value(lab, "ACL SETUSER hush resetpass >another"));
    }
    free(postgres);
    free(redis);
}

/* A port that takes connections and never says a word: who asks it is busy for a while. */
static int silent_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static bool command_line_has(pid_t pid, const char *text)
{
    char *path = mem_printf("/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    close(fd);
    free(path);
    return n > 0 && memmem(bytes, (size_t)n, text, strlen(text));
}

static void test_passwords_are_not_in_the_process_list(void **state)
{
    int port, fd = silent_port(&port);
    char *postgres = mem_printf("postgresql://hush:" SECRET "@127.0.0.1:%d/postgres", port);
    char *redis = mem_printf("--redis=redis://hush:" SECRET "@127.0.0.1:%d", port);
    const char *const arguments[] = {"snapshot", "--json", "--postgres", postgres, redis, NULL};
    struct run run = run_start(arguments);
    siginfo_t ended = {0};

    (void)state;
    while (!command_line_has(run.pid, "--json") || command_line_has(run.pid, SECRET)) {
        assert_int_equal(waitid(P_PID, (id_t)run.pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        assert_int_equal(ended.si_pid, 0);
    }
    assert_true(command_line_has(run.pid, "127.0.0.1"));
    run_finish(&run);
    assert_int_equal(run.status, 3);
    assert_no_secret(&run);
    run_free(&run);
    close(fd);
    free(postgres);
    free(redis);
}

static int set_up(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    lab_fill(lab);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_member, no_sessions),
        cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_postgres_down),
        cmocka_unit_test(test_redis_down),
        cmocka_unit_test(test_postgres_frozen),
        cmocka_unit_test(test_redis_without_rights),
        cmocka_unit_test(test_nothing_answers),
        cmocka_unit_test(test_two_of_a_kind),
        cmocka_unit_test_teardown(test_critical_by_threshold, no_sessions),
        cmocka_unit_test(test_what_it_cannot_start_with),
        cmocka_unit_test_teardown(test_text, no_sessions),
        cmocka_unit_test(test_text_of_servers_that_are_down),
        cmocka_unit_test(test_passwords_are_not_printed),
        cmocka_unit_test(test_passwords_are_not_in_the_process_list),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
