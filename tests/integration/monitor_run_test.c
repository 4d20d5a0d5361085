/* `sharedtop monitor` as a script runs it: what it prints, when it ends, how it exits. */
#include "backend/base/mem.h"
#include "tests/integration/monitor_site.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/un.h>

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

static long long member(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    if (!json_is_integer(value))
        fail_msg("%s is missing", name);
    return json_integer_value(value);
}

/* Figures with more digits than were measured. */
static void expect_no_noise(const char *json, size_t most)
{
    for (const char *at = json; (at = strchr(at, '.')); at++) {
        if (at > json && at[-1] >= '0' && at[-1] <= '9' && strspn(at + 1, "0123456789") > most)
            fail_msg("noise: %.40s", at > json + 20 ? at - 20 : json);
    }
}

static void expect(const struct run *run, int status)
{
    if (run->status != status)
        fail_msg("exit %d: %s%s", run->status, run->out, run->err);
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
        char *end = strstr(line, ",\"db\"");

        assert_non_null(end);
        *end = '\0';
        expect_no_noise(line, 3);
        assert_non_null(json_string_value(json_object_get(json, "command")));
        json_decref(json);
        count++;
    }
    assert_true(count > 0);
    assert_null(strstr(run.err, "memory  "));
    run_free(&run);
}

/* What was read is all accounted for. */
static void expect_sum(const json_t *json)
{
    assert_true(member(json, "lines") > 0);
    assert_true(member(json, "own") > 0);
    assert_int_equal(member(json, "read"), member(json, "lines") + member(json, "filtered") +
                                               member(json, "own") + member(json, "lost") +
                                               member(json, "odd"));
}

static void test_top_counts(void **state)
{
    struct site *site = *state;
    struct run run = finish(site, (const char *[]){"--for", "1s", "--top", "--json", NULL});
    json_t *json = json_loads(run.out, 0, NULL);

    expect(&run, 0);
    expect_no_noise(run.out, 6);
    expect_sum(json);
    assert_int_equal(member(json, "filtered"), 0);
    assert_int_equal(figure(run.err, "counted"), member(json, "lines"));
    assert_int_equal(figure(run.err, "lines read"), member(json, "read"));
    json_decref(json);
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
    expect_sum(json);
    assert_true(member(json, "filtered") > 0);
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

static bool has_printed(const struct run *run, const char *text)
{
    char *out = take_file(dup(run->fds[0]));
    bool found = strstr(out, text);

    free(out);
    return found;
}

/* So many lines as were sent are shown, and the words for the others add up with them. */
static void test_counts(void **state)
{
    enum { MANY = 300, LONG = 3, LENGTH = 100000 };
    struct site *site = *state;
    struct run run =
        start(site, (const char *[]){"--for", "60s", "--filter", "args:count-me", NULL});
    char *value = mem_zalloc(LENGTH + 1);

    memset(value, 'x', LENGTH);
    until_it_reads(site, -1);
    for (int i = 0; i < MANY; i++)
        freeReplyObject(redisCommand(site->lab.admin, "SET count-me:%d 1", i));
    for (int i = 0; i < LONG; i++)
        freeReplyObject(redisCommand(site->lab.admin, "SET count-me:%d %s", i, value));
    freeReplyObject(redisCommand(site->lab.admin, "SET count-me:last 1"));
    for (double until = 0; lab_waiting(&until) && !has_printed(&run, "count-me:last");)
        continue;
    kill(run.pid, SIGINT);
    run_finish(&run);
    expect(&run, 0);
    assert_int_equal(figure(run.err, "shown"), MANY + LONG + 1);
    assert_int_equal(figure(run.err, "cut at 64 kB"), LONG);
    assert_true(figure(run.err, "filtered out") > 0);
    expect_all_counted(run.err);
    free(value);
    run_free(&run);
}

/* `| head -1` */
static void test_reader_leaves(void **state)
{
    struct pollfd readable;
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = start_into(*state, fds[1], -1);
    close(fds[1]);
    readable = (struct pollfd){.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&readable, 1, LAB_DEADLINE_MS), 1);
    close(fds[0]);
    assert_int_equal(await_exit(pid, "it goes on without a reader"), 0);
}

/* If it does not look for a while, the reading ends: that took its time all the same. */
static void test_time_without_a_look(void **state)
{
    struct site *site = *state;
    struct run run = start(site, (const char *[]){"--for", "60s", "--top", NULL});
    double begun;

    until_it_reads(site, -1);
    assert_int_equal(ptrace(PTRACE_SEIZE, run.pid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, run.pid, NULL, NULL), 0);
    assert_int_equal(waitpid(run.pid, NULL, __WALL), run.pid);
    begun = lab_now_ms();
    for (double until = 0; lab_waiting(&until) && lab_clients(&site->lab, " flags=O");)
        continue;
    begun = lab_now_ms() - begun;
    assert_int_equal(ptrace(PTRACE_DETACH, run.pid, NULL, NULL), 0);
    run_finish(&run);
    expect(&run, 1);
    expect_word(run.err, "nobody has looked at it for 5 s");
    if (measured(run.err) < begun / 1e3 - 0.05)
        fail_msg("it ran for %g s at least: %s", begun / 1e3, run.err);
    run_free(&run);
}

static void test_full_disk(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    pid_t pid;

    assert_true(full >= 0);
    pid = start_into(*state, full, -1);
    assert_int_equal(await_exit(pid, "it goes on though nothing can be written"), 1);
    close(full);
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

/* ---- whose an address is ---- */

/* Ends our first connection, the one that polls; returns its port. */
static int end_polling(struct lab *lab)
{
    redisReply *reply = lab_do(lab, "CLIENT LIST");
    long long id = 0;
    char *save = NULL;
    int port = 0;

    for (char *line = strtok_r(reply->str, "\n", &save); line && !port;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, " name=sharedtop "))
            assert_int_equal(sscanf(line, "id=%lld addr=127.0.0.1:%d", &id, &port), 2);
    }
    freeReplyObject(reply);
    assert_true(port > 0);
    LAB_RUN(lab, "CLIENT KILL ID %lld", id);
    return port;
}

/* A connection from that port, which its last owner may still be about to leave; -1: none. */
static int connect_from(int from, int to)
{
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)from),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                             server = {.sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)to),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0 &&
        connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What was our address can be anybody's after a reconnect: what comes from there is shown. */
static void test_address_that_was_ours(void **state)
{
    static const char command[] = "SET from-where-we-were 1\r\n";
    struct site *site = *state;
    struct run run;
    int port, fd = -1;

    for (double until = 0; lab_waiting(&until) && lab_clients(&site->lab, " name=sharedtop ");)
        continue;
    run = start(site, (const char *[]){"--for", "60s", "--filter", "args:where-we-were", NULL});
    until_it_reads(site, -1);
    port = end_polling(&site->lab);
    for (double until = 0; fd < 0 && lab_waiting(&until);)
        fd = connect_from(port, site->lab.port);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, command, strlen(command)), strlen(command));
    for (double until = 0; lab_waiting(&until) && !has_printed(&run, "from-where-we-were");)
        continue;
    kill(run.pid, SIGINT);
    run_finish(&run);
    expect(&run, 0);
    if (!strstr(run.out, "from-where-we-were"))
        fail_msg("not shown: %s%s", run.out, run.err);
    close(fd);
    run_free(&run);
}

/* ---- a server that speaks to the terminal ---- */

#define ESCAPES "\033]0;owned\007\377"

static bool forward(int from, int to, bool to_server)
{
    static const char answer[] = "-ERR no " ESCAPES " today\r\n";
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n <= 0)
        return false;
    if (to_server && memmem(bytes, (size_t)n, "MONITOR\r\n", 9))
        return write(from, answer, sizeof(answer) - 1) > 0;
    return write(to, bytes, (size_t)n) == n;
}

static _Noreturn void pass_on(const struct lab *lab, int user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pollfd fds[] = {{.fd = user, .events = POLLIN}, {.events = POLLIN}};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", lab->sock);
    fds[1].fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fds[1].fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(1);
    while (poll(fds, 2, -1) > 0) {
        if (fds[0].revents && !forward(user, fds[1].fd, true))
            break;
        if (fds[1].revents && !forward(fds[1].fd, user, false))
            break;
    }
    _exit(0);
}

/* Stands before the server and answers MONITOR itself. */
static pid_t start_hostile(const struct lab *lab, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 16), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int user = accept(listener, NULL, NULL);

            if (fork() == 0)
                pass_on(lab, user);
            close(user);
        }
    }
    close(listener);
    return pid;
}

static void test_hostile_server(void **state)
{
    struct site *site = *state;
    char path[96], url[104];
    struct run run;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/h", site->lab.dir);
    snprintf(url, sizeof(url), "unix:%s", path);
    pid = start_hostile(&site->lab, path);
    run = run_start((const char *[]){"--redis", url, "monitor", "--for", "1s", NULL});
    run_finish(&run);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(path);
    expect(&run, 1);
    assert_non_null(strstr(run.err, "MONITOR did not begin: "));
    assert_non_null(strstr(run.err, "]0;owned"));
    assert_null(strpbrk(run.err, "\033\007\377"));
    run_free(&run);
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
    assert_non_null(strstr(run.err, "sharedtop: this server may evict keys (allkeys-lru, "));
    assert_non_null(strstr(run.err, "--yes"));
    run_free(&run);
    run = finish(&site, (const char *[]){"--for", "1s", "--yes", NULL});
    expect(&run, 0);
    assert_non_null(strstr(run.out, "\"SET\""));
    assert_non_null(strstr(run.err, "allkeys-lru"));
    run_free(&run);
    site_stop(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_several_terms),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_top_counts),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_reader_leaves),
        cmocka_unit_test(test_time_without_a_look),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_hostile_server),
        cmocka_unit_test(test_server_killed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_address_that_was_ours),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
