/* Monitor as an operator works with it: filters of several terms, the window in a file, a pause, who
 * a client is, and its end. */
#include "tests/screen/acts.h"

#include <regex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static struct acts_lab acts;

/* ---- clients of the server ---- */

static redisContext *client(const char *name)
{
    redisContext *redis =
        redisConnect("127.0.0.1", (int)strtol(lab_get(acts.lab, "LAB_REDIS_PORT"), NULL, 10));

    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    freeReplyObject(redisCommand(redis, "CLIENT SETNAME %s", name));
    return redis;
}

static void send_sets(redisContext *redis, const char *prefix, int from, int count)
{
    for (int i = from; i < from + count; i++)
        assert_int_equal(redisAppendCommand(redis, "SET %s:%d x", prefix, i), REDIS_OK);
    for (int i = 0; i < count; i++) {
        void *reply = NULL;

        assert_int_equal(redisGetReply(redis, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

static bool lives(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "PING");
    const bool alive = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    return alive;
}

/* ---- the dashboard ---- */

static struct term *start(int rows, int columns, const char *seconds)
{
    struct term *term = acts_start(&acts, rows, columns, NULL);

    expect_screen(term, "memory .*M/|used_memory");
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    if (seconds) {
        term_keys(term, ":monitor ");
        term_keys(term, seconds);
        term_keys(term, "\r");
    } else {
        term_keys(term, "m");
    }
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
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

static void type_path(struct term *term, const char *path)
{
    term_keys(term, "w");
    expect_screen(term, "Write the table");
    term_keys(term, "\x15");
    term_keys(term, path);
    term_keys(term, "\r");
}

/* ---- filters ---- */

static void test_several_terms(void **state)
{
    struct term *term = start(36, 140, NULL);
    redisContext *one = client("one"), *two = client("two");

    (void)state;
    type_filter(term, "command:set db:^0$ !args:secret pattern:user:*:cart");
    expect_screen(term, "filter command:set db:");
    freeReplyObject(redisCommand(one, "SET user:1:cart wanted1"));
    freeReplyObject(redisCommand(one, "SET user:2:cart secret2"));
    freeReplyObject(redisCommand(one, "GET user:3:cart"));
    freeReplyObject(redisCommand(one, "SET user:4:name other4"));
    freeReplyObject(redisCommand(two, "SELECT 3"));
    freeReplyObject(redisCommand(two, "SET user:5:cart other5"));
    freeReplyObject(redisCommand(one, "SET user:6:cart wanted6"));
    expect_screen(term, "wanted6");
    expect_now(term, "wanted1");
    expect_now(term, "2 of [0-9]+ ");
    expect_not_now(term, "secret2|user:3|other4|other5");
    expect_now(term, "([5-9]|[0-9]{2,}) filtered");
    term_keys(term, "/");
    expect_screen(term, "or \\[!\\]regex\\)");
    term_keys(term, "\x15");
    term_keys(term, "command:set client:(\r");
    expect_screen(term, "in client:\\(; a literal character");
    expect_quit(term);
    redisFree(one);
    redisFree(two);
}

/* ---- files ---- */

/* Lines of a file, each of which must match. */
static int matching_lines(const char *path, const char *pattern)
{
    FILE *file = fopen(path, "r");
    char line[4096];
    regex_t regex;
    int count = 0;

    assert_non_null(file);
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (regexec(&regex, line, 0, NULL, 0) != 0)
            fail_msg("no line of MONITOR: %s", line);
        count++;
    }
    regfree(&regex);
    fclose(file);
    return count;
}

/* All that is kept, as redis-cli prints it. */
static void test_window_as_text(void **state)
{
    enum { BATCH = 1000, BATCHES = 5 };
    struct term *term = start(36, 120, NULL);
    redisContext *redis = client("writer");
    char *path = mem_printf("%s/window.txt", acts.state), shown[64];
    struct stat status;

    (void)state;
    type_filter(term, "command:set args:bulk:");
    for (int i = 0; i < BATCHES; i++) {
        send_sets(redis, "bulk", i * BATCH, BATCH);
        snprintf(shown, sizeof(shown), "%d\\.0k of [0-9.]+k", i + 1);
        expect_screen(term, shown);
    }
    type_path(term, path);
    expect_screen(term, "wrote [0-9]+ bytes to ");
    assert_int_equal(matching_lines(path, "^[0-9]+\\.[0-9]{6} \\[0 127\\.0\\.0\\.1:[0-9]+\\] "
                                          "\"SET\" \"bulk:[0-9]+\" \"x\"$"),
                     BATCH * BATCHES);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    free(path);
    expect_quit(term);
    redisFree(redis);
}

/* A limit stands for a full disk. Nothing is left of a file that could not be written as a whole, and none is written over. */
static void test_write_errors(void **state)
{
    const struct rlimit small = {20000, RLIM_INFINITY};
    redisContext *redis = client("writer");
    char *path = mem_printf("%s/full.json", acts.state);
    struct term *term;

    (void)state;
    term = start(36, 120, NULL);
    assert_int_equal(prlimit(term_pid(term), RLIMIT_FSIZE, &small, NULL), 0);
    type_filter(term, "command:set args:bulk:");
    send_sets(redis, "bulk", 0, 1000);
    expect_screen(term, "1\\.0k of [0-9.]+k");
    type_path(term, path);
    expect_screen(term, "cannot write .*full\\.json: File too large");
    assert_int_equal(access(path, F_OK), -1);
    type_path(term, "/nowhere/at/all.txt");
    expect_screen(term, "cannot write /nowhere/at/all\\.txt: No such file or directory");
    type_path(term, "/dev/full");
    expect_screen(term, "cannot write /dev/full: File exists; choose another name");
    expect_quit(term);
    redisFree(redis);
    free(path);
}

/* ---- a pause ---- */

static void test_counts_go_on_in_a_pause(void **state)
{
    struct term *term = start(24, 80, NULL);
    redisContext *redis = client("writer");

    (void)state;
    send_sets(redis, "before", 1, 1);
    expect_screen(term, "before:1");
    expect_now(term, "[0-9]+ s left");
    expect_now(term, " 0 not shown");
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    send_sets(redis, "during", 0, 3000);
    expect_screen(term, "3\\.[0-9]k since the pause");
    expect_screen(term, "3\\.[0-9]k lines ");
    expect_now(term, "before:1");
    expect_not_now(term, "during");
    term_keys(term, "p");
    expect_screen(term, "during:2999"); /* the last ones; of the others it is told */
    expect_screen(term, " [1-9][0-9.]*k? not shown");
    expect_not_now(term, "since the pause");
    expect_quit(term);
    redisFree(redis);
}

static void test_burst_ends_in_a_pause(void **state)
{
    struct term *term = start(36, 120, "3");
    redisContext *redis = client("writer");

    (void)state;
    term_keys(term, "p");
    expect_screen(term, "PAUSED");
    send_sets(redis, "late", 1, 3);
    expect_screen(term, "its 3 s are over; m starts again");
    expect_screen(term, "since the pause");
    expect_not_now(term, "late:");
    term_keys(term, "p");
    expect_screen(term, "late:3");
    expect_now(term, "late:1");
    expect_quit(term);
    redisFree(redis);
}

/* ---- clients ---- */

static char *address_of(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "CLIENT INFO");
    char address[64];

    assert_int_equal(sscanf(strstr(reply->str, "addr="), "addr=%63s", address), 1);
    freeReplyObject(reply);
    return mem_strdup(address);
}

/* Until the details say so: the dashboard has to learn who has that address. */
static void await_killable(struct term *term, redisContext *redis)
{
    static const struct timespec rest = {.tv_nsec = 100000000};

    for (double until = term_now() + TERM_PATIENCE; term_now() < until;) {
        send_sets(redis, "victim", 1, 1);
        expect_screen(term, "SET +[0-9]+ +\"victim:1");
        term_special(term, EMULATOR_ENTER);
        expect_screen(term, "kill +(close|not)");
        if (term_matches(term, "kill +close this, then K"))
            return;
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "kill +(close|not)");
        nanosleep(&rest, NULL);
    }
    fail_msg("it never knew the client");
}

/* Of a line: who sent it, and what else he does. */
static void test_enter_shows_the_client_and_k_kills_it(void **state)
{
    struct term *term = start(24, 80, "60");
    redisContext *victim = client("django-worker"), *other = client("bystander");
    char *address = address_of(victim), *filter = mem_printf("client:^%s$", address), *audit;

    (void)state;
    type_filter(term, filter);
    await_killable(term, victim);
    expect_now(term, "client +127\\.0\\.0\\.1:[0-9]+");
    expect_now(term, "id +[0-9]+");
    expect_now(term, "name +django-worker");
    expect_now(term, "user +default");
    expect_now(term, "library +");
    expect_now(term, "age +[0-9]");
    expect_now(term, "lines that are kept here are its:");
    expect_now(term, "[0-9]+ SET +victim:\\*");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "kill +(close|not)");
    term_keys(term, "K");
    expect_screen(term, "PRODUCTION");
    expect_screen(term, "CLIENT KILL ID [0-9]+");
    expect_screen(term, "\\[ Cancel \\]");
    term_special(term, EMULATOR_ESCAPE);
    expect_screen(term, "not done");
    assert_true(lives(victim));
    term_keys(term, "K");
    expect_screen(term, "\\[ y: ");
    term_keys(term, "y");
    expect_screen(term, "killed the client 127");
    assert_false(lives(victim));
    assert_true(lives(other));
    audit = mem_printf("grep '\"kill-client\"' %s/audit.jsonl | grep '\"done\"' | grep -q '%s'",
                       lab_get(acts.lab, "LAB_DIR"), address);
    assert_int_equal(system(audit), 0);
    expect_quit(term);
    redisFree(victim);
    redisFree(other);
    free(audit);
    free(filter);
    free(address);
}

/* Of the list of clients; and its id is another's when the server has been started anew. */
static void test_a_server_that_was_started_anew(void **state)
{
    struct term *term = start(24, 80, NULL);
    redisContext *victim = client("django-worker");

    (void)state;
    type_filter(term, "args:victim");
    await_killable(term, victim);
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "kill +(close|not)");
    term_keys(term, ":top clients\r");
    expect_screen(term, "django-worker");
    type_filter(term, "name:django");
    expect_screen(term, "1 of [0-9]+ ");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "kill +close this, then K");
    expect_now(term, "share +[0-9]");
    expect_now(term, "SET +victim:\\*");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "kill +(close|not)");
    lab_kill(acts.lab, LAB_REDIS_SERVER);
    expect_screen(term, "m starts again");
    lab_restart(acts.lab, LAB_REDIS_SERVER);
    type_filter(term, "\x15");
    expect_screen(term, "● shared_redis");
    term_keys(term, "K");
    expect_screen(term, "the server was started or connected anew since");
    expect_not_now(term, "CLIENT KILL");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "NOT DONE");
    expect_quit(term);
    redisFree(victim);
}

/* ---- all ---- */

static int set_up(void **state)
{
    (void)state;
    return acts_lab_start(&acts);
}

static int tear_down(void **state)
{
    (void)state;
    return acts_lab_stop(&acts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_terms),
        cmocka_unit_test(test_window_as_text),
        cmocka_unit_test(test_write_errors),
        cmocka_unit_test(test_counts_go_on_in_a_pause),
        cmocka_unit_test(test_burst_ends_in_a_pause),
        cmocka_unit_test(test_enter_shows_the_client_and_k_kills_it),
        cmocka_unit_test(test_a_server_that_was_started_anew),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
