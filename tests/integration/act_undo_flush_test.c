/* What waits in the spare database: undone, seen by all, emptied when its time is over. */
#include "backend/redis_script.h"
#include "backend/redis_spare.h"
#include "tests/integration/redis_door.h"

static void flush(struct door *door, int db)
{
    door_flush(door, db, false);
    door_execute(door);
    door_expect(door, OUTCOME_DONE, "moved");
}

static void expect_key(struct lab *lab, int db, const char *key, const char *value)
{
    redisReply *reply;

    LAB_RUN(lab, "SELECT %d", db);
    reply = lab_do(lab, "GET %s", key);
    if (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, value) != 0)
        fail_msg("%s in %d is %s, not %s", key, db, reply->str ? reply->str : "(nil)", value);
    freeReplyObject(reply);
}

/* The marker as it is on the server; the caller frees it. */
static char *marker_of(struct lab *lab)
{
    redisReply *reply;
    char *marker;

    LAB_RUN(lab, "SELECT %d", SPARE);
    reply = lab_do(lab, "GET " SPARE_MARKER);
    marker = mem_strdup(reply->str);
    freeReplyObject(reply);
    return marker;
}

/* Moves db to the spare as a flush does whose time is over since a second. */
static void leave_old_trash(struct lab *lab, int db)
{
    LAB_RUN(lab, "SWAPDB %d %d", db, SPARE);
    LAB_RUN(lab, "SELECT %d", SPARE);
    LAB_RUN(lab, "SET " SPARE_MARKER " %s",
            "{\"token\":\"1\",\"db\":5,\"keys\":2,\"since\":100,\"until\":200,\"by\":\"me@here\"}");
}

/* ---- undo ---- */

static void test_nothing_to_undo(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    door_undo(&door, 5);
    door_expect(&door, OUTCOME_NOTHING, "the spare database 15 is empty");
    lab_set(&lab, SPARE, "foreign", "1");
    door_undo(&door, 5);
    door_expect(&door, OUTCOME_NOTHING, "no flush has put them there");
    lab_set(&lab, SPARE, SPARE_MARKER, "nonsense");
    door_undo(&door, -1);
    door_expect(&door, OUTCOME_NOTHING, "no flush has put them there");
    LAB_RUN(&lab, "DEL foreign " SPARE_MARKER);
    lab_set(&lab, 5, "a", "1");
    flush(&door, 5);
    door_undo(&door, 0);
    door_expect(&door, OUTCOME_NOTHING, "holds what was in 5, nothing of 0");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    door_stop(&lab, &door);
}

/* What was written in the meantime is not lost, and another undo brings that back. */
static void test_written_meanwhile(void **state)
{
    struct lab lab;
    struct door door;
    char *marker;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "old");
    lab_set(&lab, 5, "b", "old");
    flush(&door, 5);
    marker = marker_of(&lab);
    print_message("    %s\n", marker);
    assert_non_null(strstr(marker, "\"db\":5,\"keys\":2,\"since\":"));
    free(marker);
    lab_set(&lab, 5, "a", "new");

    door_undo(&door, -1);
    assert_string_equal(action_plan(door.action)->target, "5 (Django sessions)");
    assert_string_equal(action_plan(door.action)->confirm, "lab/5");
    assert_int_equal(action_plan(door.action)->environment, ENV_DEV);
    print_message("    %s\n", door_line(&door, PLAN_LOSS, "1 key in 5 now"));
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "brought 2 keys back to database 5");
    print_message("    %s\n", action_outcome(door.action)->details);
    assert_non_null(strstr(action_outcome(door.action)->details, "(1 key)"));
    expect_key(&lab, 5, "a", "old");
    expect_key(&lab, SPARE, "a", "new");
    assert_int_equal(lab_size(&lab, SPARE), 2);

    door_undo(&door, 5);
    assert_string_equal(action_plan(door.action)->title,
                        "Swap database 5 with what an undo put aside");
    door_line(&door, PLAN_LOSS, "2 keys in 5 now");
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "brought 1 key back");
    expect_key(&lab, 5, "a", "new");
    expect_key(&lab, SPARE, "b", "old");
    door_stop(&lab, &door);
}

static void allow_flush(struct door *door)
{
    struct strings *allowed = &door->redis->allow_production;

    allowed->items = mem_array(allowed->items, allowed->count + 1, sizeof(*allowed->items));
    allowed->items[allowed->count++] = mem_strdup("flush");
}

/* A second undo takes the live data of production away again: it is guarded as a flush is. */
static void test_undone_is_guarded(void **state)
{
    struct lab lab;
    struct door door;
    char *marker;

    (void)state;
    lab_start(&lab, NULL);
    lab_set(&lab, 0, "a", "old");
    LAB_RUN(&lab, "SWAPDB 0 %d", SPARE);
    LAB_RUN(&lab, "SELECT %d", SPARE);
    LAB_RUN(&lab, "SET " SPARE_MARKER " %s",
            "{\"token\":\"1\",\"db\":0,\"keys\":1,\"since\":100,\"until\":200,\"by\":\"me@here\"}");
    lab_set(&lab, 0, "a", "new");
    door_init(&door, lab.url);
    door_open(&door);
    door_undo(&door, 0);
    assert_int_equal(action_plan(door.action)->verdict.ask, POLICY_YES);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "brought 1 key back to database 0");
    marker = marker_of(&lab);
    assert_non_null(strstr(marker, "\"undone\":true"));
    free(marker);

    door_undo(&door, 0);
    door_expect_refused(&door, false, "production");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "production");
    expect_key(&lab, 0, "a", "old");
    door_close(&door);

    door_init(&door, lab.url);
    allow_flush(&door);
    door_open(&door);
    door_undo(&door, 0);
    assert_int_equal(action_plan(door.action)->verdict.ask, POLICY_NAME);
    assert_string_equal(action_plan(door.action)->confirm, "lab/0");
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "brought 1 key back");
    expect_key(&lab, 0, "a", "new");
    door_stop(&lab, &door);
}

/* What was flushed has gone from the spare: nothing is swapped for it. */
static void test_all_expired(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "old");
    flush(&door, 5);
    lab_set(&lab, 5, "a", "new");
    door_undo(&door, 5);
    LAB_RUN(&lab, "SELECT %d", SPARE);
    LAB_RUN(&lab, "DEL a");
    door_execute(&door);
    door_expect(&door, OUTCOME_NOTHING, "has expired or was evicted meanwhile");
    door_undo(&door, 5);
    door_expect(&door, OUTCOME_NOTHING, "has expired or was evicted meanwhile");
    expect_key(&lab, 5, "a", "new");
    door_stop(&lab, &door);
}

/* Between the plan and the act the spare has got another content, which has another token. */
static void test_other_token(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    flush(&door, 5);
    door_undo(&door, 5);
    LAB_RUN(&lab, "SELECT %d", SPARE);
    LAB_RUN(&lab, "SET " SPARE_MARKER " %s",
            "{\"token\":\"f\",\"db\":5,\"keys\":1,\"since\":100,\"until\":200,\"by\":\"me\"}");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "what waits in the spare database is not what it was");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    assert_int_equal(lab_size(&lab, 5), 0);

    door_undo(&door, 5);
    LAB_RUN(&lab, "SWAPDB 5 6");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "swapped");
    LAB_RUN(&lab, "SWAPDB 5 6");
    door_undo(&door, 5);
    freeReplyObject(redisCommand(lab.admin, "SWAPDB x x"));
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "brought 1 key back");
    door_stop(&lab, &door);
}

static void test_connection_lost(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    flush(&door, 5);
    door_undo(&door, 5);
    LAB_RUN(&lab, "CLIENT KILL TYPE normal SKIPME yes");
    door_execute(&door);
    door_expect(&door, OUTCOME_REFUSED, "the connection was lost");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    door_stop(&lab, &door);
}

/* ---- a script that comes late does nothing ---- */

struct late {
    struct redis_act *act;
    enum outcome_status status;
    char *why;
    bool ready, answered, gone;
};

static void on_ready(void *context)
{
    struct late *late = context;

    late->ready = true;
}

static void on_failed(void *context, const char *error)
{
    (void)context;
    fail_msg("%s", error);
}

static void on_reply(void *context, const redisReply *reply, unsigned tag)
{
    struct late *late = context;

    (void)tag;
    late->answered = true;
    late->status =
        redis_script_outcome(reply, redis_conn_address(redis_act_conn(late->act)), &late->why);
}

static void on_gone(void *context)
{
    struct late *late = context;

    late->gone = true;
}

static void test_late(void **state)
{
    static const struct redis_act_events events = {
        .ready = on_ready, .failed = on_failed, .reply = on_reply};
    const char *args[] = {"5", "15", "token", "600", "\"me\""};
    struct redis_identity identity = {.role = "master", .swaps = "0"};
    struct late late = {.status = OUTCOME_DONE};
    struct lab lab;
    struct door door;
    redisReply *info;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    info = lab_do(&lab, "INFO");
    redis_identity_parse(info->str, info->len, "", 0, &identity);
    freeReplyObject(info);
    late.act = redis_act_open(&door.loop, door.redis, 5, &events, &late);
    while (!late.ready)
        uv_run(&door.loop, UV_RUN_ONCE);
    redis_script_send(late.act, 0, SCRIPT_FLUSH, &identity, time(NULL) - 1, args, NULL, 5);
    redis_act_flush(late.act, 5000);
    while (!late.answered)
        uv_run(&door.loop, UV_RUN_ONCE);
    print_message("    %s\n", late.why);
    assert_int_equal(late.status, OUTCOME_REFUSED);
    assert_non_null(strstr(late.why, "so long"));
    assert_int_equal(lab_size(&lab, 5), 1);
    free(late.why);
    redis_act_close(late.act, on_gone, &late);
    while (!late.gone)
        uv_run(&door.loop, UV_RUN_ONCE);
    door_stop(&lab, &door);
}

/* ---- what all see ---- */

static const struct instance *instance_of(const struct door *door)
{
    return backend_instance(door->backend, INSTANCE_REDIS, 0);
}

static bool sees_trash(const struct door *door)
{
    return instance_of(door)->redis.spare && instance_of(door)->redis.spare->present;
}

static bool sees_no_trash(const struct door *door)
{
    return instance_of(door)->redis.spare && !instance_of(door)->redis.spare->present;
}

static void test_seen(void **state)
{
    const struct redis_spare *spare;
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    DOOR_UNTIL(&door, sees_no_trash);
    lab_set(&lab, 5, "a", "1");
    flush(&door, 5);
    DOOR_UNTIL(&door, sees_trash);
    spare = instance_of(&door)->redis.spare;
    assert_int_equal(spare->spare, SPARE);
    assert_int_equal(spare->db, 5);
    assert_int_equal(spare->keys, 1);
    assert_true(spare->until - spare->since == 600);
    assert_true(spare->now >= spare->since && spare->now < spare->until);
    assert_non_null(strchr(spare->by, '@'));
    /* The polling connection is back in its own database. */
    for (double until = 0; lab_waiting(&until) && lab_clients(&lab, "db=15 ");)
        uv_run(&door.loop, UV_RUN_NOWAIT);
    assert_int_equal(lab_clients(&lab, "name=sharedtop"), 1);
    door_undo(&door, 5);
    door_execute(&door);
    DOOR_UNTIL(&door, sees_no_trash);
    door_stop(&lab, &door);
}

static bool has_refusal(const struct door *door)
{
    return instance_of(door)->source_error[REDIS_SPARE] != NULL;
}

static void test_not_seen(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    door_open_without(&lab, &door, "-getrange");
    DOOR_UNTIL(&door, has_refusal);
    assert_non_null(strstr(instance_of(&door)->source_error[REDIS_SPARE], "ACL SETUSER app"));
    assert_int_equal(instance_of(&door)->state, INSTANCE_UP);
    assert_null(instance_of(&door)->redis.spare);
    door_close(&door);
    door_init(&door, lab.url);
    door.redis->trash_db = 99;
    door_open(&door);
    DOOR_UNTIL(&door, has_refusal);
    assert_non_null(strstr(instance_of(&door)->source_error[REDIS_SPARE], "no database 99"));
    door_stop(&lab, &door);
}

/* ---- the keeper ---- */

static struct spare_keeper *keepers[2];

static bool are_idle(const struct door *door)
{
    (void)door;
    return spare_keeper_idle(keepers[0]) && (!keepers[1] || spare_keeper_idle(keepers[1]));
}

static void keep(struct door *door, size_t count)
{
    for (size_t i = 0; i < count; i++)
        keepers[i] = spare_keeper_new(&door->loop, door->backend, door->config);
    DOOR_UNTIL(door, are_idle);
}

static void keep_no_more(struct door *door)
{
    for (size_t i = 0; i < 2 && keepers[i]; i++) {
        door->closed = false;
        spare_keeper_close(keepers[i], door_on_closed, door);
        DOOR_UNTIL(door, door_is_closed);
        keepers[i] = NULL;
    }
    door->closed = false;
}

/* The flush was done by a dashboard that has gone; one that is started later empties the spare, on
 * the record. */
static void test_emptied_later(void **state)
{
    struct lab lab;
    struct door door;
    char *audit;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 0, "kept", "1");
    lab_set(&lab, 5, "a", "1");
    lab_set(&lab, 5, "b", "1");
    leave_old_trash(&lab, 5);
    keep(&door, 1);
    print_message("    %s", spare_keeper_report(keepers[0]));
    assert_non_null(strstr(spare_keeper_report(keepers[0]),
                           "lab: emptied the spare database 15: 2 keys that a flush of 5"));
    assert_int_equal(lab_size(&lab, SPARE), 0);
    assert_int_equal(lab_size(&lab, 0), 1);
    DOOR_UNTIL(&door, sees_no_trash);
    keep_no_more(&door);
    audit = door_audit(&door);
    assert_non_null(strstr(audit, "\"event\":\"intent\""));
    assert_non_null(strstr(audit, "empty-spare"));
    assert_non_null(strstr(audit, "FLUSHDB ASYNC"));
    assert_non_null(strstr(audit, "\"status\":\"done\""));
    free(audit);
    door_stop(&lab, &door);
}

static void test_time_left_is_kept(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    lab_set(&lab, 5, "a", "1");
    flush(&door, 5);
    DOOR_UNTIL(&door, sees_trash);
    keep(&door, 1);
    assert_string_equal(spare_keeper_report(keepers[0]), "");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    /* A foreign key without a marker is not touched either. */
    LAB_RUN(&lab, "DEL " SPARE_MARKER);
    DOOR_UNTIL(&door, sees_no_trash);
    DOOR_UNTIL(&door, are_idle);
    assert_int_equal(lab_size(&lab, SPARE), 1);
    keep_no_more(&door);
    door_stop(&lab, &door);
}

static int64_t server_clock(struct lab *lab)
{
    redisReply *reply = lab_do(lab, "TIME");
    int64_t now = strtoll(reply->element[0]->str, NULL, 10);

    freeReplyObject(reply);
    return now;
}

static bool is_reported(const struct door *door)
{
    (void)door;
    return spare_keeper_report(keepers[0])[0] != '\0';
}

/* The whole way, with a short time to undo. */
static void test_grace_time(void **state)
{
    struct lab lab;
    struct door door;
    int64_t flushed;

    (void)state;
    lab_start(&lab, NULL);
    door_init(&door, lab.url);
    door.redis->undo_seconds = 1;
    door_open(&door);
    lab_set(&lab, 5, "a", "1");
    flushed = server_clock(&lab);
    flush(&door, 5);
    keep(&door, 1);
    DOOR_UNTIL(&door, is_reported);
    assert_true(server_clock(&lab) >= flushed + 1);
    assert_int_equal(lab_size(&lab, SPARE), 0);
    keep_no_more(&door);
    door_stop(&lab, &door);
}

/* Two dashboards at once: one empties, the other finds nothing to do. */
static void test_two_keepers(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    door_start(&lab, &door, NULL);
    for (int i = 0; i < 10; i++) {
        lab_set(&lab, 5, "a", "1");
        leave_old_trash(&lab, 5);
        DOOR_UNTIL(&door, sees_trash);
        keep(&door, 2);
        assert_true((spare_keeper_report(keepers[0])[0] != '\0') +
                        (spare_keeper_report(keepers[1])[0] != '\0') ==
                    1);
        assert_int_equal(lab_size(&lab, SPARE), 0);
        DOOR_UNTIL(&door, sees_no_trash);
        keep_no_more(&door);
    }
    door_stop(&lab, &door);
}

static void test_read_only_keeps(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    lab_set(&lab, 5, "a", "1");
    leave_old_trash(&lab, 5);
    door_init(&door, lab.url);
    door.config->read_only = true;
    door_open(&door);
    DOOR_UNTIL(&door, sees_trash);
    keep(&door, 1);
    assert_string_equal(spare_keeper_report(keepers[0]), "");
    assert_int_equal(lab_size(&lab, SPARE), 2);
    keep_no_more(&door);
    door_stop(&lab, &door);
}

/* Without a record nothing is removed. */
static void test_no_record(void **state)
{
    struct lab lab;
    struct door door;

    (void)state;
    lab_start(&lab, NULL);
    lab_set(&lab, 5, "a", "1");
    leave_old_trash(&lab, 5);
    door_init(&door, lab.url);
    door.config->audit_file = mem_strdup("/proc/no/such/place");
    door_open(&door);
    keep(&door, 1);
    DOOR_UNTIL(&door, is_reported);
    print_message("    %s", spare_keeper_report(keepers[0]));
    assert_non_null(strstr(spare_keeper_report(keepers[0]), "could not be recorded"));
    assert_int_equal(lab_size(&lab, SPARE), 2);
    keep_no_more(&door);
    door_stop(&lab, &door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_undo),
        cmocka_unit_test(test_written_meanwhile),
        cmocka_unit_test(test_undone_is_guarded),
        cmocka_unit_test(test_all_expired),
        cmocka_unit_test(test_other_token),
        cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_not_seen),
        cmocka_unit_test(test_emptied_later),
        cmocka_unit_test(test_time_left_is_kept),
        cmocka_unit_test(test_grace_time),
        cmocka_unit_test(test_two_keepers),
        cmocka_unit_test(test_read_only_keeps),
        cmocka_unit_test(test_no_record),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
