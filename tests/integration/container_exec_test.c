/* `sharedtop exec` with a real engine: bytes both ways, ends of both sides, a terminal, and what goes
 * wrong. This program is the sharedtop. */
#include "backend/container_exec.h"
#include "tests/integration/container_terminal.h"

static struct docker_lab *lab;
static char *dir, *plain,
    *with_input; /* words of a shell: exec, and exec -i, in the container box */

static char *without_input(char *prefix)
{
    char *at = strstr(prefix, " -i box");

    assert_non_null(at);
    memmove(at, at + 3, strlen(at + 3) + 1);
    return prefix;
}

static void test_output_and_status(void **state)
{
    char *output;

    (void)state;
    assert_int_equal(tool(&output, "%s sh -c 'echo out; echo err >&2; exit 7'", plain), 7);
    assert_has(output, "out");
    assert_has(output, "err");
    free(output);
    output = told("%s sh -c 'echo out; echo err >&2' 2>/dev/null", plain);
    assert_string_equal(output, "out");
    free(output);
    assert_int_equal(tool(NULL, "%s sh -c 'kill -9 $$'", plain), 137);
    output = told("%s printf '%%s|' 'a b' '' \"it's\" '$x' 'é'", plain);
    assert_string_equal(output, "a b||it's|$x|é|");
    free(output);
}

static void assert_refused(const char *call, int status, const char *part)
{
    char *output;
    int got = tool(&output, "%s", call);

    print_message("%d: %s\n", got, output);
    assert_int_equal(got, status);
    assert_has(output, part);
    assert_has(output, "sharedtop exec: ");
    assert_null(strchr(output, '\n'));
    free(output);
}

static void test_what_cannot_run(void **state)
{
    char *self = mem_strndup(plain, strcspn(plain, " ")), *call, *output;
    int status;

    (void)state;
    call = mem_printf("%s nosuchprogram", plain);
    status = tool(&output, "%s", call);
    assert_true(status == 126 || status == 127); /* as the engine's version has it */
    assert_refused(call, status, "box: cannot run nosuchprogram");
    free(output);
    output = told("%s nosuchprogram 2>/dev/null || true", plain);
    assert_string_equal(output, ""); /* nothing of it is the program's output */
    free(output);
    free(call);
    call = mem_printf("%s /etc/passwd", plain);
    assert_refused(call, 126, "permission denied");
    free(call);
    call = mem_printf("%s exec --socket %s 'no\x1b[31m/such' true", self, docker_lab_socket(lab));
    assert_refused(call, 125, "no container 'no[31m/such'");
    free(call);
    call = mem_printf("%s exec --socket /nonexistent box true", self);
    assert_refused(call, 125, "/nonexistent: No such file or directory");
    free(call);
    docker_lab_do(lab, "pause box");
    call = mem_printf("%s true", plain);
    assert_refused(call, 125, "unpause the container");
    docker_lab_do(lab, "unpause box");
    docker_lab_do(lab, "kill box");
    assert_refused(call, 125, "start the container first");
    docker_lab_do(lab, "start box");
    free(call);
    assert_int_equal(tool(&output, "%s exec box", self), 125);
    assert_has(output, "usage: sharedtop exec");
    free(output);
    free(self);
}

/* Without --socket, by DOCKER_HOST. */
static void test_finds_the_engine(void **state)
{
    char *self = mem_strndup(plain, strcspn(plain, " ")),
         *output = told("%s exec box echo yes", self);

    (void)state;
    assert_string_equal(output, "yes");
    free(output);
    free(self);
}

static void test_bytes_both_ways(void **state)
{
    char *before, *after;
    double began;

    (void)state;
    free(told("head -c 52428800 /dev/urandom >%s/bytes", dir));
    before = told("sha256sum <%s/bytes", dir);
    began = docker_lab_now();
    after = told("%s cat <%s/bytes | sha256sum", with_input, dir);
    print_message("50 MB there and back in %.0f ms\n", docker_lab_now() - began);
    assert_string_equal(before, after);
    free(after);
    after = told("%s sh -c 'tee /dev/stderr' <%s/bytes 2>%s/err >%s/out; sha256sum <%s/out; "
                 "sha256sum <%s/err; rm %s/out %s/err",
                 with_input, dir, dir, dir, dir, dir, dir, dir);
    assert_int_equal(strncmp(after, before, 64), 0);
    assert_int_equal(strncmp(strchr(after, '\n') + 1, before, 64), 0);
    free(before);
    free(after);
}

/* All buffers of both ways fill up before anybody reads. */
static void test_both_ways_full(void **state)
{
    char *count = told("%s cat <%s/bytes | { sleep 1; wc -c; }", with_input, dir);

    (void)state;
    assert_string_equal(count, "52428800");
    free(count);
}

static void test_ends_of_input(void **state)
{
    char *output;

    (void)state;
    output = told("%s sh -c 'cat; echo over' </dev/null", with_input);
    assert_string_equal(output, "over");
    free(output);
    /* It ends while our input is still open. */
    output = told("mkfifo %s/fifo; sleep 60 >%s/fifo & %s echo ended <%s/fifo; kill $!", dir, dir,
                  with_input, dir);
    assert_string_equal(output, "ended");
    free(output);
    output = told("%s sh -c 'exec <&-; echo deaf; sleep 0.3' <%s/bytes", with_input, dir);
    assert_string_equal(output, "deaf");
    free(output);
    /* The engine's side says no more: a reader that leaves ends us, too. */
    output = told("%s sh -c 'while :; do echo x; done' | head -n 1", with_input);
    assert_string_equal(output, "x");
    free(output);
    docker_lab_do(lab, "restart -t 1 box"); /* that loop has nobody who ends it */
}

static const char running[] =
    "docker exec box sh -c 'cat /proc/[0-9]*/cmdline' | tr '\\0' ' ' | grep -q '%s'";

static void test_killed_client(void **state)
{
    char *is_there = mem_printf(running, "cat /dev/zer[o]");
    pid_t pid;
    int in[2];

    (void)state;
    assert_int_equal(pipe(in), 0);
    pid = fork();
    if (pid == 0) {
        char *call =
            mem_printf("exec %s sh -c 'cat /dev/zero >/dev/null & read -r x; kill $!'", with_input);

        dup2(in[0], STDIN_FILENO);
        close(in[0]);
        close(in[1]);
        execl("/bin/sh", "sh", "-c", call, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    await("%s", is_there);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    await("! %s", is_there);
    close(in[1]);
    free(is_there);
}

/* ---- with a terminal ---- */

static struct terminal open_terminal(const char *arguments)
{
    char *prefix = container_exec_prefix(docker_lab_socket(lab), "box", true);
    char *call = mem_printf("exec %s %s", prefix, arguments);
    char shell[] = "sh", option[] = "-c", *argv[] = {shell, option, call, NULL};
    struct terminal terminal = run_in_terminal(argv, NULL);

    free(prefix);
    free(call);
    return terminal;
}

static void test_terminal(void **state)
{
    const struct winsize other = {.ws_row = 20, .ws_col = 70};
    struct terminal terminal = open_terminal(
        "sh -c 'test -t 0 && stty size; trap \"stty size\" WINCH; echo rea\"\"dy;"
        " while :; do read -r x || continue; echo \"got $x\"; [ \"$x\" = end ] && exit 5; done'");
    int status;

    (void)state;
    await_text(&terminal, "ready");
    await_text(&terminal, "31 97");
    assert_true(is_raw(&terminal));
    type(&terminal, "hello\r");
    await_text(&terminal, "got hello");
    assert_int_equal(ioctl(terminal.fd, TIOCSWINSZ, &other), 0);
    kill(terminal.pid, SIGWINCH);
    for (int i = 0; i < 200 && !strstr(terminal.seen.s, "20 70"); i++) {
        char line[32], answer[32];

        snprintf(line, sizeof(line), "turn%d\r", i); /* a trap runs between two commands */
        snprintf(answer, sizeof(answer), "got turn%d\r", i);
        type(&terminal, line);
        await_text(&terminal, answer);
    }
    assert_has(terminal.seen.s, "20 70");
    type(&terminal, "end\r");
    await_text(&terminal, "got end");
    await_end(&terminal);
    assert_false(is_raw(&terminal)); /* given back */
    status = close_terminal(&terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 5);
    await("! docker exec box sh -c 'ls /dev/shm/.sharedtop*' 2>/dev/null");
}

/* By a signal the terminal comes back; by any death the program in the container goes, too. */
static void end_by(int number)
{
    char *is_there = mem_printf(running, "sleep 4711[1]");
    struct terminal terminal = open_terminal("sh -c 'echo up; exec sleep 47111'");
    int status;

    await_text(&terminal, "up");
    await("%s", is_there);
    assert_int_equal(kill(terminal.pid, number), 0);
    await_end(&terminal);
    assert_int_equal(is_raw(&terminal), number == SIGKILL);
    status = close_terminal(&terminal);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
    await("! %s", is_there);
    await("! docker exec box sh -c 'ls /dev/shm/.sharedtop*' 2>/dev/null");
    free(is_there);
}

static void test_terminal_is_given_back(void **state)
{
    (void)state;
    end_by(SIGTERM);
    end_by(SIGHUP);
    end_by(SIGKILL);
}

static void test_variables(void **state)
{
    char *self = mem_strndup(plain, strcspn(plain, " ")), *output;

    (void)state;
    output = told("export HUSH='very \"secret\"'; %s exec -e HUSH -e UNSET box sh -c "
                  "'echo \"$HUSH|${UNSET-none}\"'",
                  self);
    assert_string_equal(output, "very \"secret\"|none");
    free(output);
    free(self);
}

/* The engine is gone in the middle. */
static void test_engine_ends(void **state)
{
    char *output,
        *call = mem_printf("%s sh -c 'echo up; sleep 60' >%s/words 2>&1 & echo $!", plain, dir);
    char *pid = told("%s", call);

    (void)state;
    await("grep -q up %s/words", dir);
    docker_lab_do(lab, "kill box");
    await("! kill -0 %s 2>/dev/null", pid);
    output = told("cat %s/words", dir);
    print_message("%s\n", output);
    free(output);
    docker_lab_do(lab, "start box");
    free(pid);
    free(call);
}

static int begin(void **state)
{
    char template[] = "/tmp/st-exec-XXXXXX", *image = docker_lab_image(lab, "redis", NULL);

    (void)state;
    dir = mem_strdup(mkdtemp(template));
    docker_lab_do(lab, "run -d --name box --init %s sleep 100000", image);
    free(image);
    with_input = container_exec_prefix(docker_lab_socket(lab), "box", false);
    plain = without_input(mem_strdup(with_input));
    return 0;
}

static int end(void **state)
{
    (void)state;
    docker_lab_do(lab, "rm -f box");
    free(told("rm -rf %s", dir));
    free(dir);
    free(plain);
    free(with_input);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_what_cannot_run),
        cmocka_unit_test(test_finds_the_engine),
        cmocka_unit_test(test_bytes_both_ways),
        cmocka_unit_test(test_both_ways_full),
        cmocka_unit_test(test_ends_of_input),
        cmocka_unit_test(test_killed_client),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_terminal_is_given_back),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_engine_ends),
    };
    int status;

    if (argc > 1 && strcmp(argv[1], "exec") == 0)
        return container_exec_main(argc - 1, argv + 1);
    lab = docker_lab_start();
    status = cmocka_run_group_tests(tests, begin, end);
    docker_lab_stop(lab);
    return status;
}
