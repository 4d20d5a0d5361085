/* `sharedtop monitor` as a script runs it: what it prints, when it ends, how it exits. */
#include "backend/base/mem.h"
#include "tests/integration/redis_lab.h"
#include "tests/integration/snapshot_run.h"

#include <jansson.h>
#include <poll.h>

struct site {
    struct lab lab;
    char config[96];
    pid_t load;
};

/* Commands of a client of its own until it is ended. */
static _Noreturn void load(const struct lab *lab)
{
    redisContext *client = redisConnectUnix(lab->sock);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; client && !client->err; i++) {
        freeReplyObject(redisCommand(client, "SET user:%d:cart %d", i % 50, i));
        freeReplyObject(redisCommand(client, "GET page:%d", i % 50));
        lab_pause_ms(1);
    }
    _exit(0);
}

static void site_start(struct site *site, const char *const *args)
{
    FILE *file;

    *site = (struct site){0};
    lab_start(&site->lab, args);
    snprintf(site->config, sizeof(site->config), "%s/config", site->lab.dir);
    file = fopen(site->config, "w");
    assert_non_null(file);
    fprintf(file, "redis = ( { name = \"lab\"; url = \"%s\"; } );\n", site->lab.url);
    fclose(file);
    site->load = fork();
    assert_true(site->load >= 0);
    if (site->load == 0)
        load(&site->lab);
}

static void site_stop(struct site *site)
{
    kill(site->load, SIGKILL);
    waitpid(site->load, NULL, 0);
    unlink(site->config);
    lab_stop(&site->lab);
}

static struct run start(const struct site *site, const char *const *words)
{
    const char *argv[12] = {"--config", site->config, "monitor"};

    for (size_t i = 0; i < 8 && words[i]; i++)
        argv[3 + i] = words[i];
    return run_start(argv);
}

static struct run finish(const struct site *site, const char *const *words)
{
    struct run run = start(site, words);

    run_finish(&run);
    return run;
}

static void expect(const struct run *run, int status)
{
    if (run->status != status)
        fail_msg("exit %d: %s%s", run->status, run->out, run->err);
}

/* Until the server copies its commands to the run. */
static void until_it_reads(struct site *site, int fd)
{
    for (double until = 0; lab_waiting(&until);) {
        if (lab_clients(&site->lab, " flags=O") && (fd < 0 || lseek(fd, 0, SEEK_END) > 0))
            return;
    }
    fail_msg("no MONITOR has begun");
}

static void test_lines(void **state)
{
    struct site *site = *state;
    struct run run =
        finish(site, (const char *[]){"--for", "1s", "--filter", "command:^set", NULL});

    expect(&run, 0);
    assert_non_null(strstr(run.out, "\"SET\" \"user:"));
    assert_null(strstr(run.out, "\"GET\""));
    assert_non_null(strstr(run.err, "memory  ")); /* what it may cost */
    assert_non_null(strstr(run.err, "its 1 s are over"));
    run_free(&run);
}

/* Terms that all must match, and lines as redis-cli prints them. */
static void test_several_terms(void **state)
{
    struct site *site = *state;
    struct run run =
        finish(site, (const char *[]){"--for", "1s", "--filter",
                                      "command:set pattern:user:*:cart !args:user:[0-4]", NULL});
    char *save = NULL, address[64], *end;
    int count = 0, db, key, value, used;
    double time;

    expect(&run, 0);
    for (char *line = strtok_r(run.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        used = 0;
        if (sscanf(line, "%lf [%d %63s \"SET\" \"user:%d:cart\" \"%d\"%n", &time, &db, address,
                   &key, &value, &used) != 5 ||
            line[used])
            fail_msg("not as redis-cli prints it: %s", line);
        end = strchr(address, ']');
        assert_true(end && !end[1]);
        assert_in_range(key, 5, 9);
        assert_true(time > 1.6e9);
        count++;
    }
    assert_true(count > 0);
    run_free(&run);
    run = finish(site, (const char *[]){"--filter", "command:set args:(", NULL});
    expect(&run, 2);
    assert_non_null(strstr(run.err, "in args:(; a literal"));
    run_free(&run);
}

static void test_json_lines(void **state)
{
    struct site *site = *state;
    struct run run = finish(site, (const char *[]){"--for", "1s", "--json", NULL});
    char *save = NULL;
    int count = 0;

    expect(&run, 0);
    for (char *line = strtok_r(run.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        json_t *json = json_loads(line, 0, NULL);

        assert_non_null(json_string_value(json_object_get(json, "command")));
        json_decref(json);
        count++;
    }
    assert_true(count > 0);
    assert_null(strstr(run.err, "memory  "));
    run_free(&run);
}

/* What the filter leaves out is not counted either. */
static void test_top(void **state)
{
    struct site *site = *state;
    struct run run = finish(site, (const char *[]){"--for", "1s", "--top", "--json", "--filter",
                                                   "command:^GET$", NULL});
    json_t *json = json_loads(run.out, 0, NULL), *row;

    expect(&run, 0);
    assert_int_equal(json_array_size(json_object_get(json, "commands")), 1);
    row = json_array_get(json_object_get(json, "patterns"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "pattern")), "page:*");
    assert_int_equal(json_array_size(json_object_get(json, "patterns")), 1);
    assert_true(json_integer_value(json_object_get(json, "lines")) > 0);
    assert_int_equal(json_integer_value(json_object_get(row, "count")),
                     json_integer_value(json_object_get(json, "lines")));
    json_decref(json);
    run_free(&run);
    run = finish(site, (const char *[]){"--for", "1s", "--top", NULL});
    expect(&run, 0);
    assert_non_null(strstr(run.out, "user:*:cart"));
    assert_non_null(strstr(run.out, "page:*"));
    run_free(&run);
}

static void test_interrupted(void **state)
{
    struct site *site = *state;
    struct run run = start(site, (const char *[]){"--for", "60s", "--top", NULL});

    until_it_reads(site, -1);
    kill(run.pid, SIGINT);
    run_finish(&run);
    expect(&run, 0);
    assert_non_null(strstr(run.err, "ended by Ctrl-C"));
    run_free(&run);
}

/* `| head -1` */
static void test_reader_leaves(void **state)
{
    struct site *site = *state;
    const char *words[] = {"--config", site->config, "monitor", "--for", "60s", NULL};
    const char *argv[8] = {getenv("SHAREDTOP")};
    struct pollfd readable;
    int fds[2], status = -1;
    pid_t pid;

    memcpy(argv + 1, words, sizeof(words));
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    readable = (struct pollfd){.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&readable, 1, LAB_DEADLINE_MS), 1);
    close(fds[0]);
    for (double until = 0; lab_waiting(&until);) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        fail_msg("it goes on without a reader");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_server_killed(void **state)
{
    struct site site;
    struct run run;

    (void)state;
    site_start(&site, NULL);
    run = start(&site, (const char *[]){"--for", "60s", NULL});
    until_it_reads(&site, run.fds[0]);
    lab_kill(&site.lab);
    run_finish(&run);
    expect(&run, 1);
    assert_non_null(strstr(run.err, "MONITOR ended before its time: "));
    run_free(&run);
    site_stop(&site);
}

/* Where a stalled reader costs keys somebody has to say yes. */
static void test_refused(void **state)
{
    static const char *const args[] = {"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru",
                                       NULL};
    struct site site;
    struct run run;

    (void)state;
    site_start(&site, args);
    run = finish(&site, (const char *[]){"--for", "1s", NULL});
    expect(&run, 2);
    assert_string_equal(run.out, "");
    assert_non_null(strstr(run.err, "allkeys-lru"));
    assert_non_null(strstr(run.err, "--yes"));
    run_free(&run);
    run = finish(&site, (const char *[]){"--for", "1s", "--yes", NULL});
    expect(&run, 0);
    assert_non_null(strstr(run.out, "\"SET\""));
    assert_non_null(strstr(run.err, "allkeys-lru"));
    run_free(&run);
    site_stop(&site);
}

static int set_up(void **state)
{
    static struct site site;

    site_start(&site, NULL);
    *state = &site;
    return 0;
}

static int tear_down(void **state)
{
    site_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),         cmocka_unit_test(test_several_terms),
        cmocka_unit_test(test_json_lines),    cmocka_unit_test(test_top),
        cmocka_unit_test(test_interrupted),   cmocka_unit_test(test_reader_leaves),
        cmocka_unit_test(test_server_killed), cmocka_unit_test(test_refused),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
