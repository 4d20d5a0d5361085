/* Whose lines Monitor shows: never those of another server as this one's, clients of a unix socket to be
 * chosen from, names that become known later, and a kill that is refused in a box. */
#include "tests/screen/acts.h"

#include <signal.h>
#include <time.h>

/* ---- clients of the server ---- */

static void set_name(redisContext *redis, const char *name)
{
    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    freeReplyObject(redisCommand(redis, "CLIENT SETNAME %s", name));
}

static redisContext *client(const char *name)
{
    redisContext *redis =
        redisConnect("127.0.0.1", (int)strtol(lab_get(acts.lab, "LAB_REDIS_PORT"), NULL, 10));

    set_name(redis, name);
    return redis;
}

static redisContext *local_client(const char *name)
{
    redisContext *redis = redisConnectUnix(lab_get(acts.lab, "LAB_REDIS") + strlen("unix:"));

    set_name(redis, name);
    return redis;
}

static void send_set(redisContext *redis, const char *key)
{
    freeReplyObject(redisCommand(redis, "SET %s x", key));
}

static bool lives(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "PING");
    const bool alive = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    return alive;
}

/* ---- the dashboard ---- */

static void start_stream(struct term *term, const char *keys)
{
    term_keys(term, keys);
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
}

static struct term *open_monitor(int rows, int columns, const char *const *more)
{
    struct term *term = acts_start(&acts, rows, columns, more);

    expect_screen(term, "memory .*M/|used_memory");
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    return term;
}

static struct term *start(int rows, int columns)
{
    struct term *term = open_monitor(rows, columns, NULL);

    start_stream(term, "m");
    return term;
}

static void type_filter(struct term *term, const char *text)
{
    term_keys(term, "/");
    expect_screen(term, "or \\[!\\]regex\\)");
    term_keys(term, text);
    term_keys(term, "\r");
    expect_screen(term, "0-9 views");
}

/* A box that says why; Esc closes it. */
static void expect_box(struct term *term, const char *why)
{
    expect_screen(term, why);
    expect_now(term, "NOT DONE");
    expect_screen(term, "Esc: back");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "NOT DONE");
}

/* And what it was asked about stays. */
static void expect_refused(struct term *term, const char *why)
{
    expect_box(term, why);
    expect_now(term, "Monitor · ");
}

/* Until the details say that K kills its client, which are closed again. */
static void await_known(struct term *term, redisContext *redis, const char *key, const char *known)
{
    static const struct timespec rest = {.tv_nsec = 100000000};

    for (double until = term_now() + TERM_PATIENCE; term_now() < until;) {
        bool found;

        send_set(redis, key);
        expect_screen(term, key);
        term_special(term, EMULATOR_ENTER);
        expect_screen(term, "kill +(close|not)");
        found = term_matches(term, known);
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "kill +(close|not)");
        if (found)
            return;
        nanosleep(&rest, NULL);
    }
    fail_msg("it never knew the client");
}

/* ---- another server ---- */

static struct term *start_with_two(char path[128])
{
    const char *const env[] = {acts.environment, NULL};
    const char *const argv[] = {getenv("SHAREDTOP"), "--config", path, NULL};
    FILE *file;

    snprintf(path, 128, "%s/two.conf", acts.state);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "redis = ( { name = \"one\"; url = \"%s\"; },\n"
            "          { name = \"two\"; url = \"%s\"; } );\n",
            lab_get(acts.lab, "LAB_REDIS"), lab_get(acts.lab, "LAB_REDIS_TCP"));
    fclose(file);
    return term_start(36, 140, env, argv);
}

static void test_another_instance(void **state)
{
    char path[128];
    struct term *term = start_with_two(path);
    redisContext *redis = client("worker");

    (void)state;
    expect_screen(term, "memory .*M/|used_memory");
    term_keys(term, "7");
    expect_screen(term, "Monitor · one");
    start_stream(term, "m");
    type_filter(term, "args:first");
    await_known(term, redis, "first:1", "kill +close this, then K");
    term_keys(term, "]");
    expect_screen(term, "Monitor · two .*, but these lines are of one");
    expect_now(term, "first:1");
    term_keys(term, "K");
    expect_refused(term, "the lines here are of another instance");
    term_keys(term, "m");
    expect_screen(term, "stopped by m");
    start_stream(term, "m");
    expect_not_now(term, "first:1");
    expect_not_now(term, "but these lines");
    send_set(redis, "first:2");
    expect_screen(term, "first:2");
    expect_not_now(term, "first:1");
    expect_quit(term);
    redisFree(redis);
    unlink(path);
}

/* The numbers of clients begin anew with a server: what came before it started is not its. */
static void test_a_new_start_begins_empty(void **state)
{
    struct term *term = start(36, 140);
    redisContext *redis = client("worker");

    (void)state;
    send_set(redis, "before:1");
    expect_screen(term, "before:1");
    lab_kill(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "m starts again");
    expect_now(term, "before:1");
    redisFree(redis);
    term_keys(term, "K");
    expect_refused(term, "the server was started or connected anew since");
    lab_restart(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "● shared_redis");
    redis = client("worker");
    start_stream(term, "m");
    expect_not_now(term, "before:1");
    send_set(redis, "after:1");
    expect_screen(term, "after:1");
    expect_not_now(term, "before:1");
    expect_quit(term);
    redisFree(redis);
}

/* ---- refusals ---- */

static void test_nothing_selected(void **state)
{
    struct term *term = open_monitor(24, 80, NULL);

    (void)state;
    term_keys(term, "K");
    expect_refused(term, "no single client is selected");
    start_stream(term, "m");
    free(lab_redis_value(acts.lab, "SET some:1 x"));
    term_keys(term, ":top keys\r");
    expect_screen(term, "some:1");
    term_keys(term, "K");
    expect_refused(term, "no single client is selected");
    expect_quit(term);
}

static void test_read_only(void **state)
{
    static const char *const more[] = {"--read-only", NULL};
    struct term *term = open_monitor(24, 80, more);
    redisContext *redis = client("worker");

    (void)state;
    start_stream(term, "m");
    type_filter(term, "args:some");
    await_known(term, redis, "some:1", "kill +close this, then K");
    term_keys(term, "K");
    expect_refused(term, "read-only: no act runs");
    assert_true(lives(redis));
    expect_quit(term);
    redisFree(redis);
}

/* The dialog was never opened: the reason stands where it would have been. */
static void test_a_client_that_has_gone(void **state)
{
    struct term *term = start(24, 80);
    redisContext *redis = client("short");

    (void)state;
    type_filter(term, "args:short");
    await_known(term, redis, "short:1", "kill +close this, then K");
    redisFree(redis);
    term_keys(term, "K");
    expect_refused(term, "no client .* is connected");
    expect_quit(term);
}

/* It names the Redis that it was meant for, whatever has the focus. */
static void test_refused_from_elsewhere(void **state)
{
    struct term *term = acts_start(&acts, 24, 80, NULL);

    (void)state;
    expect_screen(term, "memory .*M/|used_memory");
    term_keys(term, "2");
    expect_screen(term, "Sessions · shared_postgres");
    term_keys(term, ":kill-client 999999999\r");
    expect_screen(term, "NOT DONE +shared_redis");
    expect_box(term, "no client .* is connected");
    term_keys(term, ":kill-client\r");
    expect_screen(term, "NOT DONE +shared_redis");
    expect_box(term, "no single client is selected");
    expect_quit(term);
}

static long long id_of(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "CLIENT ID");
    const long long id = reply->integer;

    freeReplyObject(reply);
    return id;
}

/* Of two it is the one that is shown. */
static void test_kill_by_number(void **state)
{
    char path[128], keys[64];
    struct term *term = start_with_two(path);
    redisContext *redis = client("worker");

    (void)state;
    expect_screen(term, "memory .*M/|used_memory");
    snprintf(keys, sizeof(keys), ":instance two\r:kill-client %lld\r", id_of(redis));
    term_keys(term, keys);
    expect_screen(term, "PRODUCTION +.*on two");
    expect_screen(term, "\\[ y: ");
    term_keys(term, "y");
    expect_screen(term, "killed the client ");
    assert_false(lives(redis));
    expect_quit(term);
    redisFree(redis);
    unlink(path);
}

/* ---- clients of the unix socket ---- */

static void test_unix_clients(void **state)
{
    struct term *term = start(24, 80);
    redisContext *alpha = local_client("alpha"), *beta = local_client("beta");

    (void)state;
    type_filter(term, "args:local");
    await_known(term, alpha, "local:1", "id [0-9]+ +alpha(.|\n)*id [0-9]+ +beta");
    expect_now(term, "…[^ ]*/redis\\.sock "); /* its end tells it from others */
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "K lists them to choose from");
    expect_screen(term, "id [0-9]+ +beta +age [0-9.]+s, last command [a-z|]+, user default, db 0");
    expect_not_now(term, "sharedtop, last|id [0-9]+ +sharedtop");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "K lists them");
    term_keys(term, "K");
    expect_screen(term, "Kill which client of the unix socket");
    expect_now(term, "id [0-9]+ +alpha");
    expect_not_now(term, "id [0-9]+ +sharedtop");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "Kill which");
    term_keys(term, "K");
    expect_screen(term, "Kill which client of the unix socket");
    term_keys(term, "j"); /* beta came later */
    term_keys(term, "\r");
    expect_screen(term, "CLIENT KILL ID [0-9]+");
    expect_now(term, "name +beta");
    expect_screen(term, "\\[ y: ");
    term_keys(term, "y");
    expect_screen(term, "killed the client ");
    assert_false(lives(beta));
    assert_true(lives(alpha));
    expect_quit(term);
    redisFree(alpha);
    redisFree(beta);
}

/* The list stands there while the server goes and comes again: its numbers are others' now. */
static void test_unix_clients_of_a_server_before(void **state)
{
    struct term *term = start(24, 80);
    redisContext *alpha = local_client("alpha");

    (void)state;
    type_filter(term, "args:local");
    await_known(term, alpha, "local:1", "id [0-9]+ +alpha");
    term_keys(term, "K");
    expect_screen(term, "Kill which client of the unix socket");
    lab_kill(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "m starts again");
    lab_restart(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "● shared_redis");
    term_keys(term, "\r");
    expect_refused(term, "the server was started or connected anew since");
    expect_quit(term);
    redisFree(alpha);
}

/* ---- filters ---- */

/* Nobody knows its name when its only line comes. */
static void test_a_name_that_comes_later(void **state)
{
    struct term *term = start(36, 140);
    redisContext *redis;

    (void)state;
    type_filter(term, "name:latecomer");
    redis = client("latecomer");
    send_set(redis, "only:once");
    expect_screen(term, "latecomer .*only:once");
    expect_quit(term);
    redisFree(redis);
}

/* ---- counts ---- */

static long long number_before(struct term *term, const char *words)
{
    const char *at = strstr(term_text(term), words);
    const char *begin = at;

    while (begin && begin > term_text(term) && begin[-1] >= '0' && begin[-1] <= '9')
        begin--;
    return begin && begin < at ? strtoll(begin, NULL, 10) : 0;
}

/* Every line that was read is somewhere. */
static void test_counts_add_up(void **state)
{
    struct term *term = start(36, 140);
    redisContext *redis = client("counter");

    (void)state;
    type_filter(term, "!args:left-out");
    for (int i = 0; i < 20; i++)
        send_set(redis, i % 2 ? "left-out" : "shown");
    expect_screen(term, "10 filtered");
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    for (int i = 0; i < 5; i++)
        send_set(redis, "waiting");
    expect_screen(term, "([5-9]|[1-9][0-9]+) waiting");
    assert_int_equal(number_before(term, " lines = "),
                     number_before(term, " kept + ") + number_before(term, " not shown") +
                         number_before(term, " filtered") + number_before(term, " waiting") +
                         number_before(term, " own polling") + number_before(term, " older"));
    term_keys(term, "p");
    expect_gone(term, " waiting \\+");
    expect_quit(term);
    redisFree(redis);
}

/* ---- start and end ---- */

static void test_start_for_seconds(void **state)
{
    struct term *term = open_monitor(24, 80, NULL);

    (void)state;
    start_stream(term, ":monitor 2\r");
    expect_screen(term, "its 2 s are over");
    expect_screen(term, "m starts again");
    term_keys(term, ":monitor 601\r");
    expect_screen(term, "seconds from 1 to 600");
    start_stream(term, ":monitor 60\r");
    term_keys(term, ":monitor 5\r");
    expect_screen(term, "runs already: m stops it");
    expect_quit(term);
}

/* The question is about one server: another one, or the same after a start, is not meant by its answer. */
static void test_another_server_than_asked_about(void **state)
{
    struct term *term = open_monitor(24, 80, NULL);

    (void)state;
    term_keys(term, "m");
    expect_screen(term, "y: start");
    lab_kill(acts.lab, LAB_REDIS_SERVER);
    expect_gone(term, "● shared_redis");
    lab_restart(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "● shared_redis");
    expect_now(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "not started: the connection is not the one that was asked about; m asks");
    expect_now(term, "not running: m starts");
    start_stream(term, "m");
    expect_quit(term);
}

/* While paused the figures that are shown are older than the server: nothing is told by them. */
static void test_asked_about_a_server_not_yet_seen(void **state)
{
    struct term *term = open_monitor(36, 140, NULL);

    (void)state;
    term_keys(term, "p");
    expect_screen(term, "PAUSED .*● shared_redis");
    lab_kill(acts.lab, LAB_REDIS_SERVER);
    expect_gone(term, "● shared_redis");
    lab_restart(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "● shared_redis");
    term_keys(term, "m");
    expect_screen(term, "y: start");
    expect_now(term, "memory is full( |│|\n)+is not known|is full is not known");
    expect_not_now(term, "memory  [0-9]");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "y: start");
    expect_quit(term);
}

/* In words that say whose fault it was. */
static void test_standstill(void **state)
{
    struct term *term = start(24, 80);
    static const struct timespec rest = {.tv_nsec = 20000000};

    (void)state;
    kill(-term_pid(term), SIGSTOP);
    for (double until = term_now() + TERM_PATIENCE; term_now() < until; nanosleep(&rest, NULL)) {
        char *list = lab_redis_value(acts.lab, "CLIENT LIST");
        const bool gone = !strstr(list, "cmd=monitor");

        free(list);
        if (gone)
            break;
    }
    kill(-term_pid(term), SIGCONT);
    expect_screen(term, "this dashboard stood still for [0-9.]+s");
    expect_quit(term);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_instance),
        cmocka_unit_test(test_nothing_selected),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_a_client_that_has_gone),
        cmocka_unit_test(test_refused_from_elsewhere),
        cmocka_unit_test(test_kill_by_number),
        cmocka_unit_test(test_unix_clients),
        cmocka_unit_test(test_a_name_that_comes_later),
        cmocka_unit_test(test_counts_add_up),
        cmocka_unit_test(test_start_for_seconds),
        cmocka_unit_test(test_standstill),
        cmocka_unit_test(test_a_new_start_begins_empty),
        cmocka_unit_test(test_unix_clients_of_a_server_before),
        cmocka_unit_test(test_another_server_than_asked_about),
        cmocka_unit_test(test_asked_about_a_server_not_yet_seen),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
