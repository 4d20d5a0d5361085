/* The kill of one client: by its id, of nobody else, and told when it has gone already. */
#include "tests/integration/redis_door.h"

/* A client in a database, with its id. */
static redisContext *victim(struct lab *lab, int db, char *id, size_t size)
{
    redisContext *client = redisConnect("127.0.0.1", lab->port);
    redisReply *reply;

    assert_int_equal(client->err, 0);
    freeReplyObject(redisCommand(client, "SELECT %d", db));
    freeReplyObject(redisCommand(client, "CLIENT SETNAME worker-7"));
    reply = redisCommand(client, "CLIENT ID");
    snprintf(id, size, "%lld", reply->integer);
    freeReplyObject(reply);
    return client;
}

static bool lives(redisContext *client)
{
    redisReply *reply = redisCommand(client, "PING");
    const bool alive = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    return alive;
}

static const struct plan *prepare(struct door *door, const char *client)
{
    const struct act_request request = {.act = ACT_KILL_CLIENT, .client = client};

    return door_prepare(door, &request);
}

static void test_kill(void **state)
{
    struct lab lab;
    struct door door;
    char id[32], other_id[32];
    redisContext *client, *other;
    const struct plan *plan;

    (void)state;
    door_start(&lab, &door, NULL);
    client = victim(&lab, 0, id, sizeof(id));
    other = victim(&lab, 0, other_id, sizeof(other_id));
    plan = prepare(&door, id);
    assert_int_equal(plan->environment, ENV_PRODUCTION);
    assert_int_equal(plan->verdict.ask, POLICY_YES);
    assert_non_null(door_line(&door, PLAN_COMMAND, id));
    assert_non_null(door_line(&door, PLAN_EVIDENCE, "worker-7"));
    assert_true(lives(client));
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, "killed");
    assert_false(lives(client));
    assert_true(lives(other));
    redisFree(client);
    redisFree(other);
    door_stop(&lab, &door);
}

/* The address of a client, or "": it is not there. Before 6.2 only the list of all can be had. */
static void find_address(struct lab *lab, const char *id, char address[64])
{
    redisReply *list = lab_do(lab, "CLIENT LIST");
    char *save = NULL, wanted[32];

    *address = '\0';
    snprintf(wanted, sizeof(wanted), "id=%s ", id);
    for (char *line = strtok_r(list->str, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *field = strstr(line, " addr=");

        if (strncmp(line, wanted, strlen(wanted)) != 0)
            continue;
        assert_non_null(field);
        assert_int_equal(sscanf(field, " addr=%63s", address), 1);
    }
    freeReplyObject(list);
}

static void address_of(struct lab *lab, const char *id, char address[64])
{
    find_address(lab, id, address);
    assert_true(*address);
}

/* By the address that a MONITOR line has. */
static void test_by_address(void **state)
{
    struct lab lab;
    struct door door;
    char id[32], address[64] = "";
    redisContext *client;

    (void)state;
    door_start(&lab, &door, NULL);
    client = victim(&lab, 5, id, sizeof(id));
    address_of(&lab, id, address);
    assert_int_equal(prepare(&door, address)->environment, ENV_DEV);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, address);
    assert_false(lives(client));
    redisFree(client);
    door_stop(&lab, &door);
}

/* It went between plan and answer, and another came from the same place: that one stays. */
static void test_gone_already(void **state)
{
    struct lab lab;
    struct door door;
    char id[32], next_id[32], address[64];
    redisContext *client, *next;

    (void)state;
    door_start(&lab, &door, NULL);
    client = victim(&lab, 0, id, sizeof(id));
    prepare(&door, id);
    redisFree(client);
    next = victim(&lab, 0, next_id, sizeof(next_id));
    do
        find_address(&lab, id, address);
    while (*address);
    door_execute(&door);
    door_expect(&door, OUTCOME_NOTHING, "gone already");
    assert_true(lives(next));
    redisFree(next);
    prepare(&door, "999999");
    door_expect(&door, OUTCOME_NOTHING, "no client 999999");
    door_stop(&lab, &door);
}

/* An id alone may be another's since the server was started anew, an address since the client went:
 * both must be those of one client. */
static void test_id_and_address(void **state)
{
    struct lab lab;
    struct door door;
    char id[32], other_id[32], address[64], other_address[64], both[128];
    redisContext *client, *other;

    (void)state;
    door_start(&lab, &door, NULL);
    client = victim(&lab, 0, id, sizeof(id));
    other = victim(&lab, 0, other_id, sizeof(other_id));
    address_of(&lab, id, address);
    address_of(&lab, other_id, other_address);
    snprintf(both, sizeof(both), "%s %s", id, other_address);
    prepare(&door, both);
    door_expect(&door, OUTCOME_NOTHING, both);
    snprintf(both, sizeof(both), "%s9 %s", id, address);
    prepare(&door, both);
    door_expect(&door, OUTCOME_NOTHING, both);
    assert_true(lives(client));
    snprintf(both, sizeof(both), "%s %s", id, address);
    prepare(&door, both);
    assert_non_null(door_line(&door, PLAN_COMMAND, id));
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, address);
    assert_false(lives(client));
    assert_true(lives(other));
    redisFree(client);
    redisFree(other);
    door_stop(&lab, &door);
}

/* All clients of the unix socket have one address: none of them is taken for the others. */
static void test_one_address_of_many(void **state)
{
    enum { MANY = 12 };
    struct lab lab;
    struct door door;
    redisContext *clients[MANY];
    char address[128], id[32] = "";
    redisReply *reply;

    (void)state;
    door_start(&lab, &door, NULL);
    for (int i = 0; i < MANY; i++) {
        clients[i] = redisConnectUnix(lab.sock);
        assert_int_equal(clients[i]->err, 0);
        reply = redisCommand(clients[i], "CLIENT ID");
        snprintf(id, sizeof(id), "%lld", reply->integer);
        freeReplyObject(reply);
    }
    snprintf(address, sizeof(address), "%s:0", lab.sock);
    prepare(&door, address);
    door_expect(&door, OUTCOME_REFUSED, "13 clients"); /* with the test's own */
    door_expect(&door, OUTCOME_REFUSED, ", ...");
    for (int i = 0; i < MANY; i++)
        assert_true(lives(clients[i]));
    prepare(&door, id);
    door_execute(&door);
    door_expect(&door, OUTCOME_DONE, lab.sock);
    assert_false(lives(clients[MANY - 1]));
    for (int i = 0; i < MANY; i++)
        redisFree(clients[i]);
    door_stop(&lab, &door);
}

/* One of this program's own connections asks for the name. */
static void test_own(void **state)
{
    struct lab lab;
    struct door door;
    redisReply *list;
    const char *line;
    char id[32] = "";

    (void)state;
    door_start(&lab, &door, NULL);
    while (!*id) {
        uv_run(&door.loop, UV_RUN_NOWAIT);
        list = lab_do(&lab, "CLIENT LIST");
        line = strstr(list->str, "name=sharedtop ");
        while (line && line > list->str && line[-1] != '\n')
            line--;
        if (line)
            assert_int_equal(sscanf(line, "id=%31s", id), 1);
        freeReplyObject(list);
    }
    assert_int_equal(prepare(&door, id)->verdict.ask, POLICY_NAME);
    assert_string_equal(action_plan(door.action)->confirm, "lab");
    door_stop(&lab, &door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_by_address),
        cmocka_unit_test(test_gone_already),
        cmocka_unit_test(test_id_and_address),
        cmocka_unit_test(test_one_address_of_many),
        cmocka_unit_test(test_own),
    };

    signal(SIGPIPE, SIG_IGN); /* writes to clients that were killed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
