/* Backup and restore by the tools of the server's own container, with the real program: which tool is
 * taken and that the plan says so, that its dump is the host's, and that a cancel or a death leaves
 * nothing behind in the container. */
#include "backend/config.h"
#include "backend/container_exec.h"
#include "backend/shell.h"
#include "tests/integration/container_terminal.h"

static struct docker_lab *lab;
static char *dir, *host_path;

/* Not on a machine whose own tools are too new for the test: those serve every server. */
static int host_major;

#define RUN "\"$SHAREDTOP\" --config %s/conf "

static const char fill[] =
    "CREATE TABLE page AS SELECT n AS id, md5(n::text) AS hash, repeat(chr(233), n % 50) AS text,"
    " decode(md5(n::text), 'hex') AS bytes FROM generate_series(1, 50000) n;"
    "ALTER TABLE page ADD PRIMARY KEY (id); CREATE VIEW few AS SELECT * FROM page WHERE id < 10;"
    "SELECT lo_from_bytea(0, decode(repeat('00ff0a0d', 20000), 'hex'));"
    "CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT 2 * x'";

static void make_database(const char *container, const char *name)
{
    free(told("docker exec %s psql -qXU admin -d postgres -c 'CREATE DATABASE %s'", container,
              name));
    free(told("docker exec -i %s psql -qXAtU admin -d %s -v ON_ERROR_STOP=1 -c \"%s\"", container,
              name, fill));
}

static char *content_of(const char *container, const char *name)
{
    return told(
        "docker exec %s psql -qXAtU admin -d %s -c \"SELECT count(*), md5(string_agg(p::text, "
        "',' ORDER BY id)) FROM page p\" -c \"SELECT count(*), sum(length(lo_get(oid))) FROM "
        "pg_largeobject_metadata\"",
        container, name);
}

static char *field_of(const char *json, const char *name)
{
    char *quoted = mem_printf("\"%s\": \"", name), *at = strstr(json, quoted), *end;

    if (!at) {
        fail_msg("no %s in %s", name, json);
        return NULL;
    }
    at += strlen(quoted);
    end = strchr(at, '"');
    free(quoted);
    return mem_strndup(at, (size_t)(end - at));
}

/* A backup to its end; the file. */
static char *back_up(const char *instance, const char *database, const char *before)
{
    char *output = told("%s" RUN "backup %s --instance %s --yes", before, dir, database, instance);
    char *file = told("ls -t %s/backups/%s-*.dump | head -n 1", dir, database);

    print_message("%s\n", strrchr(output, '\n') ? strrchr(output, '\n') + 1 : output);
    free(output);
    return file;
}

/* As SQL, without what says when and by whom it was made. */
static char *sql_hash(const char *file)
{
    return told("pg_restore -f - %s | grep -v '^--\\|^.restrict\\|^.unrestrict' | sha256sum", file);
}

/* The host's PostgreSQL tools are not there. */
static const char hidden[] = "unshare -m sh -c 'mount -t tmpfs tmpfs /usr/lib/postgresql && exec "
                             "\"$@\"' sh ";

static void test_host_and_container_dump_the_same(void **state)
{
    char *plan, *by_host, *by_container, *one, *other;

    (void)state;
    make_database("old_postgres", "same");
    plan = told(RUN "backup same --instance old --yes --dry-run", dir);
    assert_has(plan, "the host's is used: it is new enough for a server 15");
    assert_has_not(plan, "exec -i old_postgres");
    free(plan);
    by_host = back_up("old", "same", "");
    plan = told("%s" RUN "backup same --instance old --yes --dry-run", hidden, dir);
    print_message("%s\n", plan);
    assert_has(plan, "the host has no pg_dump: that of the container old_postgres is used");
    assert_has(plan, "-i old_postgres pg_dump --no-password --username admin --dbname");
    assert_has_not(plan, DOCKER_LAB_PASSWORD);
    free(plan);
    by_container = back_up("old", "same", hidden);
    assert_string_not_equal(by_host, by_container);
    one = sql_hash(by_host);
    other = sql_hash(by_container);
    assert_string_equal(one, other);
    free(one);
    free(other);
    free(by_host);
    free(by_container);
}

static void test_an_older_host_is_not_tried(void **state)
{
    char *plan, *file, *calls, *expected;

    (void)state;
    make_database("shared_postgres", "app");
    plan = told(RUN "backup app --instance shared_postgres --yes --dry-run", dir);
    print_message("%s\n", plan);
    expected = mem_printf("the host's pg_dump (PostgreSQL) %d", host_major);
    assert_has(plan, expected);
    assert_has(plan, "cannot dump a server 17: that of the container shared_postgres is used");
    assert_has(plan, "-i shared_postgres pg_dump");
    assert_has(plan, "pg_dump (PostgreSQL) 17");
    free(plan);
    file = back_up("shared_postgres", "app", "");
    calls = told("sort -u %s/calls", dir);
    assert_string_equal(calls, "--version"); /* all that the host's pg_dump was ever asked */
    free(calls);
    free(expected);
    free(file);
}

static void test_restores_through_the_container(void **state)
{
    char *file = told("ls -t %s/backups/app-*.dump | head -n 1", dir), *output, *before, *after;

    (void)state;
    output = told(RUN "restore %s --as app_again --instance shared_postgres --yes", dir, file);
    print_message("%s\n", strrchr(output, '\n') ? strrchr(output, '\n') + 1 : output);
    assert_has(output, "else that of the container shared_postgres");
    before = content_of("shared_postgres", "app");
    after = content_of("shared_postgres", "app_again");
    assert_string_equal(before, after);
    assert_has(after, "50000|");
    free(before);
    free(after);
    free(output);
    free(file);
}

/* ---- the shell ---- */

/* Runs it as the dashboard does; prompt: what it says before one can type. */
static void type_into(struct shell_call *call, const char *prompt, const char *typed,
                      const char *answer, const char *leave)
{
    struct terminal terminal;
    int status;

    for (char **word = call->argv; *word; word++)
        assert_has_not(*word, DOCKER_LAB_PASSWORD);
    terminal = run_in_terminal(call->argv, call->environment);
    await_text(&terminal, "the banner");
    await_text(&terminal, prompt);
    type(&terminal, typed);
    await_text(&terminal, answer);
    type(&terminal, leave);
    status = close_terminal(&terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    shell_call_free(call);
}

static void test_shell_of_the_container(void **state)
{
    char *path = mem_strdup(getenv("PATH")), *tools = mem_printf("%s/tools", dir);
    char *error = NULL, *address = docker_lab_address(lab, "shared_postgres", "backend");
    struct config *config = config_new();
    struct postgres_config *postgres = config_add_postgres(config, "pg", "");
    struct redis_config *redis = config_add_redis(config, "redis", "redis://");
    struct shell_call call;

    (void)state;
    free(told("mkdir %s && ln -s $(command -v sh) %s", tools, tools));
    free(postgres->conninfo);
    postgres->conninfo =
        mem_printf("host=%s user=" DOCKER_LAB_USER " password=" DOCKER_LAB_PASSWORD, address);
    postgres->exec_prefix = container_exec_prefix(docker_lab_socket(lab), "shared_postgres", false);
    redis->exec_prefix = container_exec_prefix(docker_lab_socket(lab), "shared_redis", false);
    setenv("PATH", tools, 1);
    assert_true(shell_postgres(postgres, "postgres", "the banner", &call, &error));
    setenv("PATH", path, 1);
    type_into(&call, "postgres=#", "SELECT 40 + 2 AS answer, inet_server_addr();\r",
              "     42 | \r\n", "\\q\r"); /* no address: by the local socket */
    setenv("PATH", tools, 1);
    assert_true(shell_redis(redis, 5, "the banner", &call, &error));
    setenv("PATH", path, 1);
    type_into(&call, "127.0.0.1:6379[5]>", "ECHO a-$HOME-b\r", "\"a-$HOME-b\"", "quit\r");
    config_free(config);
    free(address);
    free(tools);
    free(path);
}

/* ---- nothing stays ---- */

static const char tool_runs[] = "docker exec shared_postgres sh -c 'cat /proc/[0-9]*/cmdline' | tr "
                                "'\\0' ' ' | grep -q 'pg_dump --[n]o-password'";
static const char sessions[] =
    "test 0 = \"$(docker exec shared_postgres psql -qXAtU admin -d postgres "
    "-c \"SELECT count(*) FROM pg_stat_activity WHERE application_name "
    "LIKE 'sharedtop job %'\")\"";

/* A backup that waits for a lock: its tool runs in the container. The id of its job. */
static char *begin_waiting(void)
{
    char *json, *id;

    docker_lab_do(lab,
                  "exec -d shared_postgres psql -qXU admin -d app -c 'BEGIN; LOCK TABLE page IN "
                  "ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)'");
    await("docker exec shared_postgres psql -qXAtU admin -d app -c \"SELECT 'is locked' FROM "
          "pg_locks "
          "WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'page'::regclass\" | grep "
          "-q "
          "locked");
    json = told(RUN "backup app --instance shared_postgres --yes --detach --json", dir);
    id = field_of(strstr(json, "\"job\": {"), "id");
    free(json);
    await("%s", tool_runs);
    return id;
}

static void end_waiting(const char *id)
{
    free(told(
        "docker exec shared_postgres psql -qXAtU admin -d postgres -c \"SELECT "
        "pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)%%' AND "
        "pid <> pg_backend_pid()\""));
    await("! %s", tool_runs);
    await("%s", sessions);
    await("! pgrep -f '[j]ob-run %s'", id);
    free(told("! docker exec shared_postgres sh -c 'ls /dev/shm/.sharedtop-*' 2>/dev/null"));
}

static void test_cancel_leaves_nothing(void **state)
{
    char *id = begin_waiting(), *shown;

    (void)state;
    shown = told("ps axww -o args; docker top shared_postgres");
    assert_has_not(shown, DOCKER_LAB_PASSWORD);
    free(shown);
    free(told(RUN "jobs cancel %s --yes", dir, id));
    await("! %s", tool_runs); /* while the lock is still held */
    await("%s", sessions);
    await(RUN "jobs --json | grep -q '\"cancelled\"'", dir);
    end_waiting(id);
    assert_int_equal(tool(NULL, "ls %s/backups/*.partial", dir), 2);
    free(id);
}

static void test_death_leaves_nothing(void **state)
{
    char *id = begin_waiting(), *pid;
    pid_t number;

    (void)state;
    pid = told("sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' %s/state/sharedtop/jobs/%s/state.json",
               dir, id);
    number = (pid_t)strtol(pid, NULL, 10);
    assert_true(number > 1);
    assert_int_equal(kill(number, SIGKILL), 0);
    await("! %s", tool_runs); /* nobody is there to end it: its input has ended */
    end_waiting(id);
    free(pid);
    free(id);
}

/* ---- the lab ---- */

static void write_config(void)
{
    char *path = mem_printf("%s/conf", dir);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file,
            "docker_host = \"%s\"; backup = { directory = \"%s/backups\"; };\n"
            "postgres = ( { name = \"shared_postgres\"; container = \"shared_postgres\";\n"
            "    network = \"backend\"; }, { name = \"old\"; container = \"old_postgres\"; } );\n"
            "redis = ();\n",
            docker_lab_host(lab), dir);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* One that notes what it is called with goes before the host's pg_dump. */
static void put_listener(void)
{
    char *path = mem_printf("%s/bin:%s", dir, getenv("PATH"));

    free(told("mkdir %s/bin && printf '#!/bin/sh\\necho \"$*\" >>%s/calls\\nexec %s \"$@\"\\n' "
              ">%s/bin/pg_dump && chmod 755 %s/bin/pg_dump",
              dir, dir, host_path, dir, dir));
    setenv("PATH", path, 1);
    free(path);
}

static int begin(void **state)
{
    char template[] = "/tmp/st-cbackup-XXXXXX", *image, *state_home, *address, *version;

    (void)state;
    dir = mem_strdup(mkdtemp(template));
    state_home = mem_printf("%s/state", dir);
    setenv("XDG_STATE_HOME", state_home, 1);
    host_path = told("command -v pg_dump");
    version = told("pg_dump --version | sed 's/[^)]*) //'");
    host_major = (int)strtol(version, NULL, 10);
    docker_lab_reference(lab, "trixie");
    image = docker_lab_image(lab, "postgres", NULL);
    docker_lab_do(lab,
                  "run -d --name old_postgres --network backend -e POSTGRES_USER=" DOCKER_LAB_USER
                  " -e POSTGRES_PASSWORD=" DOCKER_LAB_PASSWORD " %s",
                  image);
    address = docker_lab_address(lab, "old_postgres", "backend");
    docker_lab_await_postgres(address, 5432);
    write_config();
    put_listener();
    free(address);
    free(image);
    free(version);
    free(state_home);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(told("rm -rf %s", dir));
    free(dir);
    free(host_path);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_older_host_is_not_tried),
        cmocka_unit_test(test_restores_through_the_container),
        cmocka_unit_test(test_shell_of_the_container),
        cmocka_unit_test(test_cancel_leaves_nothing),
        cmocka_unit_test(test_death_leaves_nothing),
        cmocka_unit_test(test_host_and_container_dump_the_same),
    };
    int status;

    if (argc > 1 && strcmp(argv[1], "exec") == 0)
        return container_exec_main(argc - 1, argv + 1);
    lab = docker_lab_start();
    status = cmocka_run_group_tests(tests, begin, end);
    docker_lab_stop(lab);
    return status;
}
