#include "backend/redis_script.h"
#include "tests/integration/redis_door.h"

#define SEP "\x06\x16"

/* ---- a million keys ---- */

enum { MILLION = 1000000, SLICE = 50000 };

/* Every type, a third with a time to live; each value and time is another one. */
static const char fill[] =
    "for i = ARGV[1] + 0, ARGV[2] - 1 do\n"
    "  local key, kind = 'k:' .. i, i % 6\n"
    "  if kind < 2 then redis.call('SET', key, 'value ' .. i)\n"
    "  elseif kind == 2 then redis.call('RPUSH', key, i, 'b')\n"
    "  elseif kind == 3 then redis.call('HSET', key, 'f', i, 'g', 'x')\n"
    "  elseif kind == 4 then redis.call('SADD', key, i, 'm')\n"
    "  else redis.call('ZADD', key, i, 'z', 1, 'y') end\n"
    "  if i % 3 == 0 then redis.call('PEXPIREAT', key, 4000000000000 + i * 7) end\n"
    "end";

static const char digest[] = "local sum, parts = '', {}\n"
                             "for i = ARGV[1] + 0, ARGV[2] - 1 do\n"
                             "  local key = 'k:' .. i\n"
                             "  local dump = redis.call('DUMP', key)\n"
                             "  if not dump then return 'missing ' .. key end\n"
                             "  parts[#parts + 1] = dump .. redis.call('PEXPIRETIME', key)\n"
                             "  if #parts == 500 then\n"
                             "    sum = redis.sha1hex(sum .. table.concat(parts))\n"
                             "    parts = {}\n"
                             "  end\n"
                             "end\n"
                             "return redis.sha1hex(sum .. table.concat(parts))";

/* Runs a script over all keys; the answers go to out, one after the other. */
static void over_all(struct lab *lab, const char *script, char *out)
{
    LAB_RUN(lab, "SELECT 5");
    for (int from = 0; from < MILLION; from += SLICE) {
        redisReply *reply = lab_do(lab, "EVAL %s 0 %d %d", script, from, from + SLICE);

        if (out)
            out += sprintf(out, "%s", reply->str);
        freeReplyObject(reply);
    }
}

/* Microseconds that the server's main thread has spent in EVAL so far. */
static long long eval_usec(struct lab *lab)
{
    redisReply *reply = lab_do(lab, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_eval:");
    long long usec;

    assert_non_null(at);
    at = strstr(at, "usec=");
    assert_non_null(at);
    usec = strtoll(at + strlen("usec="), NULL, 10);
    freeReplyObject(reply);
    return usec;
}

static void test_million(void **state)
{
    static char before[1 << 12], after[1 << 12];
    struct lab lab;
    struct door door;
    long long usec, flush_usec, undo_usec;
    double asked;

    (void)state;
    door_start(&lab, &door, NULL);
    over_all(&lab, fill, NULL);
    over_all(&lab, digest, before);
    assert_int_equal(lab_size(&lab, 5), MILLION);

    asked = lab_now_ms();
    door_flush(&door, 5, false);
    print_message("    the plan for 1,000,000 keys took %.0f ms\n", lab_now_ms() - asked);
    usec = eval_usec(&lab);
    door_execute(&door);
    flush_usec = eval_usec(&lab) - usec;
    door_expect(&door, OUTCOME_DONE, "moved 1,000,000 keys of database 5");
    assert_int_equal(action_outcome(door.action)->next, ACT_UNDO_FLUSH);
    assert_int_equal(lab_size(&lab, 5), 0);
    assert_int_equal(lab_size(&lab, SPARE), MILLION + 1);

    door_undo(&door, 5);
    usec = eval_usec(&lab);
    door_execute(&door);
    undo_usec = eval_usec(&lab) - usec;
    door_expect(&door, OUTCOME_DONE, "brought 1,000,000 keys back to database 5");
    assert_int_equal(lab_size(&lab, 5), MILLION);
    assert_int_equal(lab_size(&lab, SPARE), 0);
    over_all(&lab, digest, after);
    assert_string_equal(before, after);
    print_message("    1,000,000 keys: flush %lld us, undo %lld us of server time; every value and "
                  "TTL is back (%zu SHA-1 sums)\n",
                  flush_usec, undo_usec, strlen(before) / 40);
    assert_true(flush_usec < 50000 && undo_usec < 50000);
    door_stop(&lab, &door);
}

/* ---- the plan ---- */

static void test_plan(void **state)
{
    const struct plan *plan;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    LAB_RUN(&lab, "SELECT 5");
    LAB_RUN(&lab, "EVAL %s 0",
            "for i = 1, 900 do redis.call('SET', ':1:page' .. i, 'x', 'EX', 1000) end "
            "for i = 1, 100 do redis.call('HSET', 'session:' .. i, 'f', 'x') end");
    door_flush(&door, 5, false);
    plan = action_plan(door.action);
    assert_int_equal(plan->verdict.ask, POLICY_YES);
    assert_int_equal(plan->vetoes, 0);
    assert_string_equal(plan->confirm, "lab/5");
    assert_string_equal(plan->target, "5 (Django sessions)");
    assert_int_equal(plan->environment, ENV_DEV);
    assert_string_equal(door_line(&door, PLAN_COMMAND, "SWAPDB"), "SWAPDB 5 15");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "keys"),
                        "1,000; 100 of them (10 %) without a TTL");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "types"),
                        "string 90 %, hash 10 %, of 1000 that were looked at");
    assert_string_equal(door_line(&door, PLAN_EVIDENCE, "prefixes"), ":1:* 90 %, session:* 10 %");
    door_line(&door, PLAN_EVIDENCE, "sample");
    door_line(&door, PLAN_EVIDENCE, "clients");
    door_line(&door, PLAN_EVIDENCE, "memory");
    assert_int_equal(lab_size(&lab, 5), 1000);
    door_flush(&door, 5, true);
    assert_string_equal(door_line(&door, PLAN_COMMAND, "FLUSHDB"), "FLUSHDB ASYNC");
    door_flush(&door, 7, false);
    door_expect(&door, OUTCOME_NOTHING, "is empty");
    door_stop(&lab, &door);
}

static void test_flush_now(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 0, "kept", "1");
    door_flush(&door, 5, true);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "removed 1 key of database 5");
    assert_int_equal(action_outcome(door.action)->next, ACTS);
    assert_int_equal(lab_size(&lab, 5), 0);
    assert_int_equal(lab_size(&lab, SPARE), 0);
    assert_int_equal(lab_size(&lab, 0), 1);
    door_stop(&lab, &door);
}

/* Production is refused as long as the config does not allow it; so is what has no environment. */
static void test_production(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 0, "a", "1");
    lab_set(&lab, 9, "a", "1");
    door_flush(&door, 0, false);
    door_expect_refused(&door, false, "production");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "production");
    door_flush(&door, 9, true);
    door_expect_refused(&door, false, "production");
    assert_int_equal(lab_size(&lab, 0), 1);
    assert_int_equal(lab_size(&lab, 9), 1);
    door_stop(&lab, &door);
}

/* ---- obstacles: said, and only flush now is offered ---- */

static void test_no_spare(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_init(&door, lab.url);
    door.redis->trash_db = -1;
    door_open(&door);
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "no spare database");
    door_close(&door);

    door_init(&door, lab.url);
    door.redis->trash_db = 5;
    door_open(&door);
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "is the spare database itself");
    door_close(&door);

    door_init(&door, lab.url);
    door.redis->trash_db = 99;
    door_open(&door);
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "no database 99");
    assert_int_equal(lab_size(&lab, 5), 1);
    door_stop(&lab, &door);
}

static void test_spare_in_use(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, SPARE, "foreign", "1");
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "15 is not empty: 1 key that no flush has put there");
    LAB_RUN(&lab, "SELECT 15");
    LAB_RUN(&lab, "DEL foreign");

    door_flush(&door, 5, false);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "moved 1 key");
    lab_set(&lab, 5, "b", "1");
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "15 holds what was in 5 (1 key, flushed by ");
    assert_non_null(strstr(action_plan(door.action)->verdict.reason, " more: undo that"));
    door_flush(&door, 5, true);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "removed");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    door_stop(&lab, &door);
}

static void expect_losses(struct door *door, const char *text)
{
    assert_string_equal(door_line(door, PLAN_LOSS, "keys"), text);
    door_line(door, PLAN_EVIDENCE, "keys");
}

/* What is refused in favour of flush now shows all the same what that would take. */
static void test_refused_shows_keys(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, SPARE, "foreign", "1");
    door_flush(&door, 5, false);
    assert_true(action_plan(door.action)->offer_now);
    expect_losses(&door, "1, for good with flush now");
    door_close(&door);
    door_init(&door, lab.url);
    door.redis->trash_db = -1;
    door_open(&door);
    door_flush(&door, 5, false);
    expect_losses(&door, "1, for good with flush now");
    door_stop(&lab, &door);
}

/* A database of dev that holds what was flushed in production is guarded like production. */
static void test_spare_of_production(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 5, SPARE_MARKER,
            "{\"token\":\"1\",\"db\":0,\"keys\":1,\"since\":100,\"until\":200,\"by\":\"me\"}");
    for (int now = 0; now < 2; now++) {
        door_flush(&door, 5, now);
        assert_int_equal(action_plan(door.action)->environment, ENV_PRODUCTION);
        door_line(&door, PLAN_WARNING, "holds what a flush took from database 0 (1 key, until ");
        door_expect_refused(&door, false, "production");
        door_execute(&door);
        door_expect(&door, OUTCOME_REFUSED, "production");
    }
    assert_int_equal(lab_size(&lab, 5), 2);
    lab_set(&lab, 5, SPARE_MARKER, "nonsense");
    door_flush(&door, 5, false);
    assert_int_equal(action_plan(door.action)->environment, ENV_DEV);
    door_stop(&lab, &door);
}

/* Somebody fills the spare while the dialog is open. */
static void test_spare_taken_meanwhile(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    lab_set(&lab, SPARE, "foreign", "1");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "not empty any more");
    assert_int_equal(lab_size(&lab, 5), 1);
    assert_int_equal(lab_size(&lab, SPARE), 1);
    door_stop(&lab, &door);
}

static void test_cluster(void **state)
{
    /* Its file has a name that lab_stop removes. */
    char bus[16];
    const char *const args[] = {"--cluster-enabled",
                                "yes",
                                "--cluster-config-file",
                                "key.pem",
                                "--cluster-port",
                                bus,
                                NULL};
    struct lab lab;
    struct door door;

    (void)state;
    snprintf(bus, sizeof(bus), "%d", lab_free_port());
    lab_start(&lab, args);
    LAB_RUN(&lab, "CLUSTER ADDSLOTSRANGE 0 16383");
    for (double until = 0; lab_waiting(&until);) {
        redisReply *reply = redisCommand(lab.admin, "SET a 1");
        bool done = reply && reply->type == REDIS_REPLY_STATUS;

        freeReplyObject(reply);
        if (done)
            break;
    }
    door_init(&door, lab.url);
    door.redis->databases[0].environment = ENV_DEV;
    door_open(&door);
    door_flush(&door, 0, false);
    door_expect_refused(&door, true, "part of a cluster");
    door_flush(&door, 0, true);
    assert_int_equal(action_plan(door.action)->vetoes, VETO_CLUSTER);
    assert_int_equal(action_plan(door.action)->verdict.ask, POLICY_NAME);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "removed 1 key");
    assert_int_equal(lab_integer(&lab, "DBSIZE"), 0);
    door_stop(&lab, &door);
}

static void expect_right(struct lab *lab, const char *rights, const char *word, bool flushes)
{
    struct door door;

    lab_set(lab, 5, "a", "1");
    door_open_without(lab, &door, rights);
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, word);
    door_flush(&door, 5, true);
    door_execute(&door);
    if (flushes)
        door_expect(&door, OUTCOME_DONE, "removed 1 key");
    else
        door_expect(&door, OUTCOME_FAILED, "nothing was flushed: user app may not run");
    assert_int_equal(lab_size(lab, 5), !flushes);
    door_close(&door);
}

/* Without the right to swap or to run scripts only flush now is left, if that is allowed. */
static void test_missing_rights(void **state)
{
    struct lab lab;

    (void)state;
    lab_start(&lab, NULL);
    expect_right(&lab, "-swapdb", "user app may not run SWAPDB", true);
    expect_right(&lab, "-swapdb -@transaction", "user app may not run SWAPDB", true);
    expect_right(&lab, "-eval", "user app may not run EVAL", true);
    expect_right(&lab, "-eval -flushdb", "user app may not run EVAL", false);
    expect_right(&lab, "-swapdb -flushdb", "user app may not run SWAPDB", false);
    lab_stop(&lab);
}

/* What can only be found out when it runs leaves everything as it was. */
static void test_no_right_to_mark(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    lab_set(&lab, 5, "a", "1");
    door_open_without(&lab, &door, "-set");
    door_flush(&door, 5, false);
    door_execute(&door);
    door_expect(&door, OUTCOME_FAILED, "the marker sharedtop:trash cannot be written");
    assert_int_equal(lab_size(&lab, 5), 1);
    assert_int_equal(lab_size(&lab, SPARE), 0);
    door_stop(&lab, &door);
}

/* ---- what changes between the plan and the act ---- */

static void expect_again(struct door *door, const char *word)
{
    door_execute(door);
    door_expect(door, OUTCOME_REFUSED, word);
    assert_non_null(strstr(action_outcome(door->action)->text, "prepared again"));
}

static void test_restarted_meanwhile(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    lab_kill(&lab);
    lab_spawn(&lab);
    lab_connect(&lab);
    lab_set(&lab, 5, "b", "1");
    expect_again(&door, "the connection was lost");
    assert_int_equal(lab_size(&lab, 5), 1);
    door_stop(&lab, &door);
}

static void test_changed_meanwhile(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 6, "a", "2");
    door_flush(&door, 5, false);
    LAB_RUN(&lab, "CLIENT KILL TYPE normal SKIPME yes");
    expect_again(&door, "the connection was lost");

    door_flush(&door, 5, false);
    LAB_RUN(&lab, "SWAPDB 5 6");
    expect_again(&door, "swapped");

    door_flush(&door, 5, true);
    LAB_RUN(&lab, "SWAPDB 5 6");
    expect_again(&door, "swapped");

    door_flush(&door, 5, false);
    LAB_RUN(&lab, "REPLICAOF 127.0.0.1 1");
    expect_again(&door, "fail-over");
    LAB_RUN(&lab, "REPLICAOF NO ONE");

    door_flush(&door, 5, false);
    LAB_RUN(&lab, "REPLICAOF 127.0.0.1 1");
    LAB_RUN(&lab, "REPLICAOF NO ONE");
    expect_again(&door, "fail-over");
    assert_int_equal(lab_size(&lab, 5), 1);
    assert_int_equal(lab_size(&lab, 6), 1);
    door_stop(&lab, &door);
}

/* A SWAPDB that fails has swapped nothing, whoever sends it. */
static void test_failed_swaps_meanwhile(void **state)
{
    static const char *const others[] = {"SWAPDB x x", "SWAPDB 5 99", "SWAPDB 5",
                                         "EVAL return{redis.call('SWAPDB','x','x')} 0"};
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        redisReply *reply;

        lab_set(&lab, 5, "a", "1");
        door_flush(&door, 5, i % 2);
        reply = redisCommand(lab.admin, others[i]);
        assert_int_equal(reply->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
        door_execute(&door);
        door_expect(&door, OUTCOME_DONE, i % 2 ? "removed 1 key" : "moved 1 key");
        LAB_RUN(&lab, "FLUSHALL");
    }
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    freeReplyObject(redisCommand(lab.admin, "SWAPDB x x"));
    LAB_RUN(&lab, "SWAPDB 6 7");
    freeReplyObject(redisCommand(lab.admin, "SWAPDB 6"));
    expect_again(&door, "swapped");
    assert_int_equal(lab_size(&lab, 5), 1);
    door_stop(&lab, &door);
}

/* Another plan that is made meanwhile, as by another dashboard, does not count as a swap, not even
 * as one that failed: servers before 6.2 count those too. */
static void test_planned_meanwhile(void **state)
{
    struct lab lab;
    struct door door;
    struct action *first;
    redisReply *stats;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 0, "b", "1");
    door_flush(&door, 5, false);
    first = door.action;
    door.action = NULL;
    door_flush(&door, 0, false);
    stats = lab_do(&lab, "INFO commandstats");
    assert_null(strstr(stats->str, "cmdstat_swapdb:"));
    freeReplyObject(stats);
    action_free(door.action);
    door.action = first;
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "moved 1 key");
    door_stop(&lab, &door);
}

/* Keys that came and went do not matter: it is the same database. */
static void test_grown_meanwhile(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    LAB_RUN(&lab, "SELECT 5");
    LAB_RUN(&lab, "RENAME a b");
    LAB_RUN(&lab, "SET c 1");
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "moved 2 keys");
    door_undo(&door, 5);
    LAB_RUN(&lab, "SELECT 5");
    door_stop(&lab, &door);
}

static bool is_executing(const struct door *door)
{
    return actions_running(door->actions) > 0;
}

/* The connection goes while the server holds the script back: another one looks what came of it. */
static void test_lost_while_it_runs(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    door_flush(&door, 5, false);
    LAB_RUN(&lab, "CLIENT PAUSE 10000 WRITE");
    action_execute(door.action, ANSWER_YES, NULL);
    DOOR_UNTIL(&door, is_executing);
    for (double until = 0; lab_waiting(&until) && lab_info(&lab, "blocked_clients") == 0;)
        uv_run(&door.loop, UV_RUN_NOWAIT);
    LAB_RUN(&lab, "CLIENT KILL TYPE normal SKIPME yes");
    LAB_RUN(&lab, "CLIENT UNPAUSE");
    DOOR_UNTIL(&door, door_is_done);
    door_expect(&door, OUTCOME_FAILED, "nothing was flushed");
    assert_int_equal(lab_size(&lab, 5), 1);
    door_stop(&lab, &door);
}

/* ---- vetoes ---- */

static void expect_veto(const struct door *door, enum veto veto)
{
    const struct plan *plan = action_plan(door->action);

    assert_true(door->prepared);
    print_message("    veto: %s\n", door_line(door, PLAN_WARNING, veto_text(veto)));
    assert_int_equal(plan->vetoes, veto);
    assert_int_equal(plan->verdict.ask, POLICY_NAME);
}

static void push(struct lab *lab, const char *queue, int count)
{
    for (int i = 0; i < count; i++)
        LAB_RUN(lab, "LPUSH %s task", queue);
}

/* Celery's tasks come first in the plan; a flush takes them, an undo brings them back. */
static void test_celery(void **state)
{
    const struct plan *plan;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    LAB_RUN(&lab, "SELECT 5");
    push(&lab, "celery", 3);
    push(&lab, "celery" SEP "3", 2);
    push(&lab, "mail", 4);
    LAB_RUN(&lab, "SADD _kombu.binding.mail mail" SEP SEP "mail");
    LAB_RUN(&lab, "HSET unacked a 1 b 2");
    LAB_RUN(&lab, "ZADD unacked_index 1 a 2 b");
    door_flush(&door, 5, false);
    plan = action_plan(door.action);
    expect_veto(&door, VETO_CELERY);
    assert_int_equal(plan->lines[0].part, PLAN_LOSS);
    assert_string_equal(plan->lines[0].text, "9 wait in queues: celery 5, mail 4");
    assert_string_equal(plan->lines[1].text,
                        "2 in workers' hands (unacked): lost if their worker ends");
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "moved 6 keys");
    door_undo(&door, 5);
    door_execute(&door);
    LAB_RUN(&lab, "SELECT 5");
    assert_int_equal(lab_integer(&lab, "LLEN celery"), 3);
    assert_int_equal(lab_integer(&lab, "HLEN unacked"), 2);
    LAB_RUN(&lab, "DEL celery celery" SEP "3 mail unacked unacked_index");
    door_flush(&door, 5, false);
    expect_veto(&door, VETO_CELERY);
    door_stop(&lab, &door);
}

static void test_lasting_keys(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_init(&door, lab.url);
    door_add_db(&door, 6, ENV_DEV, "Django Cache");
    door_open(&door);
    LAB_RUN(&lab, "SELECT 6");
    LAB_RUN(&lab, "SET a 1 EX 1000");
    door_flush(&door, 6, false);
    assert_int_equal(action_plan(door.action)->vetoes, 0);
    LAB_RUN(&lab, "SET b 1");
    door_flush(&door, 6, false);
    expect_veto(&door, VETO_LASTING_KEYS);
    door_stop(&lab, &door);
}

static bool is_linked(struct lab *replica)
{
    redisReply *reply = lab_do(replica, "INFO replication");
    bool linked = strstr(reply->str, "master_link_status:up") != NULL;

    freeReplyObject(reply);
    return linked;
}

static void test_replicas(void **state)
{
    static const char *const args[] = {"--repl-diskless-sync-delay", "0", NULL};
    struct lab lab, other;
    struct door door;
    char text[32];

    (void)state;
    lab_start(&lab, args);
    lab_start(&other, NULL);
    lab_set(&lab, 5, "a", "1");
    snprintf(text, sizeof(text), "%d", lab.port);
    LAB_RUN(&other, "REPLICAOF 127.0.0.1 %s", text);
    for (double until = 0; lab_waiting(&until) && !is_linked(&other);)
        continue;
    assert_int_equal(lab_size(&other, 5), 1);
    door_init(&door, lab.url);
    door_open(&door);
    door_flush(&door, 5, false);
    expect_veto(&door, VETO_REPLICAS);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "moved 1 key");
    for (double until = 0; lab_waiting(&until) && lab_size(&other, SPARE) != 2;)
        continue;
    assert_int_equal(lab_size(&other, SPARE), 2); /* it replicates */
    door_undo(&door, 5);
    door_execute(&door);
    door_close(&door);
    for (double until = 0; lab_waiting(&until) && lab_size(&other, 5) != 1;)
        continue;

    door_init(&door, other.url);
    door_open(&door);
    door_flush(&door, 5, false);
    door_expect_refused(&door, true, "is a replica");
    door_flush(&door, 5, true);
    expect_veto(&door, VETO_IS_REPLICA);
    door_execute(&door);
    door_expect(&door, OUTCOME_FAILED, "nothing was flushed");
    assert_int_equal(lab_size(&other, 5), 1);
    door_close(&door);
    lab_stop(&other);
    lab_stop(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_flush_now),
        cmocka_unit_test(test_production),
        cmocka_unit_test(test_no_spare),
        cmocka_unit_test(test_spare_in_use),
        cmocka_unit_test(test_refused_shows_keys),
        cmocka_unit_test(test_spare_of_production),
        cmocka_unit_test(test_spare_taken_meanwhile),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_missing_rights),
        cmocka_unit_test(test_no_right_to_mark),
        cmocka_unit_test(test_restarted_meanwhile),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_failed_swaps_meanwhile),
        cmocka_unit_test(test_planned_meanwhile),
        cmocka_unit_test(test_grown_meanwhile),
        cmocka_unit_test(test_lost_while_it_runs),
        cmocka_unit_test(test_celery),
        cmocka_unit_test(test_lasting_keys),
        cmocka_unit_test(test_replicas),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
