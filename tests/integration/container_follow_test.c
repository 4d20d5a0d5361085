/* A container that starts again, or elsewhere, is live again as soon as its server answers. */
#include "tests/integration/container_run.h"

#include <hiredis/hiredis.h>

static struct docker_lab *lab;
static const char *const none[] = {NULL};

struct step {
    const char *command, *host; /* for docker; where the server is then (NULL: the engine knows) */
};

/* The server itself knows when the dashboard is there: as a client beside us at that address. */
struct door {
    redisContext *redis;
    const char *host;
};

static bool has_company(void *context)
{
    const struct door *door = context;
    redisReply *reply = redisCommand(door->redis, "CLIENT LIST");
    const char *at = reply ? reply->str : NULL;
    char here[64];
    int count = 0;

    snprintf(here, sizeof(here), " laddr=%s:6379 ", door->host);
    while (at && (at = strstr(at, here))) {
        at += strlen(here);
        count++;
    }
    if (reply)
        freeReplyObject(reply);
    return count > 1;
}

static void move(struct moments *moments, const void *context)
{
    const struct step *step = context;
    struct door door = {0};

    moments->begun = docker_lab_now();
    docker_lab_do(lab, "%s", step->command);
    door.host = step->host ? step->host : docker_lab_address(lab, "shared_redis", "backend");
    moments->answered = docker_lab_await_redis(door.host, 6379);
    door.redis = redisConnect(door.host, 6379);
    if (door.redis && docker_lab_wait(has_company, &door, 30000))
        moments->connected = docker_lab_now();
    redisFree(door.redis);
}

/* By the engine's word it is a fraction of a second; far beyond that is what a lost connection takes to
 * be seen as lost. */
static const double followed = 10000;
static const char *const lost = "down|stale|connecting|retry|not running|exited";

static void follow(const char *what, const struct step *step)
{
    struct term *term = watch_start(none);
    struct moments *moments;
    pid_t pid = beside(move, &moments, step);

    if (!term_wait(term, lost, TERM_PATIENCE))
        expect_fail(term, "never on the screen", lost, __FILE__, __LINE__);
    expect_gone(term, lost);
    expect_both_up(term);
    double up = term_matched(term);
    beside_end(pid);
    assert_true(moments->connected > 0);
    assert_true(ms_of(moments->answered, up) < followed);
    printf("%s: connected %.0f ms, on the screen as up %.0f ms after the server's first answer\n",
           what, ms_of(moments->answered, moments->connected), ms_of(moments->answered, up));
    expect_quit(term);
    munmap(moments, sizeof(*moments));
}

static void test_restart(void **state)
{
    (void)state;
    char *host = docker_lab_address(lab, "shared_redis", "backend");

    follow("docker restart", &(struct step){"restart shared_redis", host});
    free(host);
}

/* It goes on running, and is elsewhere from one moment to the next. */
static void test_new_address(void **state)
{
    (void)state;
    follow("a new address while it runs",
           &(struct step){"network disconnect backend shared_redis &&"
                          " docker network connect --ip " DOCKER_LAB_NET "99 backend shared_redis",
                          DOCKER_LAB_NET "99"});
}

/* Its old address is another's: whoever keeps to the address talks to a stranger. */
static void test_address_taken(void **state)
{
    (void)state;
    char command[256], *old, *new;

    docker_lab_do(lab, "network disconnect backend shared_redis &&"
                       " docker network connect backend shared_redis");
    old = docker_lab_address(lab, "shared_redis", "backend");
    docker_lab_await_redis(old, 6379);
    snprintf(command, sizeof(command),
             "stop shared_redis && docker run -d --name stranger --network backend --ip %s tiny:1"
             " && docker start shared_redis",
             old);
    follow("its old address taken", &(struct step){command, NULL});
    new = docker_lab_address(lab, "shared_redis", "backend");
    assert_string_not_equal(old, new);
    free(old);
    free(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_new_address),
        cmocka_unit_test(test_address_taken),
    };

    lab = docker_lab_start();
    docker_lab_reference(lab, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    docker_lab_stop(lab);
    return failed;
}
