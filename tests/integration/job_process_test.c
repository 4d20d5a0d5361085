/* Jobs as processes of the real program: they outlive who started them, show when they died, end when
 * they are told to, and keep every secret. The work is the restart of the lab's servers. */
#include "tests/integration/job_lab.h"
#include "tests/integration/snapshot_run.h"

static struct lab *lab;
static char *home, *conf, *audit, *go;

/* ---- what is run ---- */

static void write_text(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* A configuration whose restart runs script; the addresses NULL: the lab's sockets. */
static void configure(const char *script, const char *conninfo, const char *url)
{
    char *path = mem_printf("%s/restart.sh", home), *text, *body;

    body = mem_printf("#!/bin/sh\n%s\n", script);
    write_text(path, body, 0700);
    text = mem_printf("audit_file = \"%s\";\n"
                      "postgres = ( { name = \"pg\"; conninfo = \"%s\"; environments = ( { pattern "
                      "= \"*_dev\"; environment = \"dev\"; } ); } );\n"
                      "redis = ( { name = \"redis\"; url = \"%s\"; databases = ( { db = 4; "
                      "environment = \"dev\"; celery = true; } ); } );\n"
                      "restart = { command = \"%s\"; };\n",
                      audit, conninfo ? conninfo : lab_get(lab, "LAB_PG"),
                      url ? url : lab_get(lab, "LAB_REDIS"), path);
    write_text(conf, text, 0600);
    free(path);
    free(body);
    free(text);
    unlink(go);
}

static struct run sharedtop(const char *const *words)
{
    const char *all[12] = {"--config", conf};
    struct run run;

    for (size_t i = 0; words[i]; i++)
        all[i + 2] = words[i];
    run = run_start(all);
    run_finish(&run);
    return run;
}
#define SHAREDTOP(...) sharedtop((const char *const[]){__VA_ARGS__, NULL})

static void said(struct run run, int status, const char *words)
{
    if (run.status != status)
        fail_msg("exit status %d, not %d: %s%s", run.status, status, run.out, run.err);
    if (!strstr(run.out, words) && !strstr(run.err, words))
        fail_msg("'%s' is missing in: %s%s", words, run.out, run.err);
    run_free(&run);
}

/* ---- the job ---- */

/* The newest job; its id "" when there is none. */
static struct job_info newest(void)
{
    struct job_list list;
    struct job_info info;
    char *error = NULL;

    job_info_init(&info);
    assert_true(job_list_read(&list, &error));
    if (list.count) {
        info = list.items[0];
        job_info_init(&list.items[0]);
    }
    job_list_free(&list);
    return info;
}

static bool newest_is(enum job_state state, const char *phase)
{
    struct job_info info = newest();
    bool is =
        info.id && info.state == state && (!phase || (info.phase && strstr(info.phase, phase)));

    job_info_free(&info);
    return is;
}

static pid_t newest_pid(void)
{
    struct job_info info = newest();
    pid_t pid = (pid_t)info.pid;

    job_info_free(&info);
    assert_true(pid > 1);
    return pid;
}

static void newest_result_has(const char *words)
{
    struct job_info info = newest();

    if (!info.result || !strstr(info.result, words))
        fail_msg("'%s' is not in: %s", words, info.result ? info.result : "(nothing)");
    print_message("%s\n", info.result);
    job_info_free(&info);
}

static void audit_has(const char *words)
{
    JOB_UNTIL(job_lab_file_has(audit, words));
}

static void start_detached(void)
{
    said(SHAREDTOP("restart", "--confirm", "all", "--detach"), 0, "");
    JOB_UNTIL(newest_is(JOB_RUNNING, "at work"));
}

/* ---- life ---- */

static char *wait_script(const char *more)
{
    return mem_printf("%s; echo at work; while [ ! -e '%s' ]; do sleep 0.02; done", more, go);
}

/* Starts the command in a session of its own, as an SSH login has it, with a file open that is
 * nobody else's business. */
static pid_t start_login(int *output)
{
    const char *program = getenv("SHAREDTOP");
    int ends[2];
    pid_t pid;

    if (!program)
        abort(); /* run the tests with make */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        setsid();
        dup2(null, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        dup2(ends[1], 9); /* inherited by all: no business of the job */
        execl(program, "sharedtop", "--config", conf, "restart", "--confirm", "all", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return pid;
}

/* Every descriptor of the process is one of its own files, its servers' sockets, or /dev/null. */
static void no_strange_files(pid_t pid)
{
    char *folder = mem_printf("/proc/%d/fd", (int)pid), target[512];
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

        if (n <= 0)
            continue;
        target[n] = '\0';
        count++;
        if (!strstr(target, home) && !strstr(target, "/dev/null") && !strstr(target, "socket:") &&
            !strstr(target, "pidfd") && strncmp(target, "pipe:", 5) != 0)
            fail_msg("descriptor %s is %s", entry->d_name, target);
        if (strcmp(entry->d_name, "9") == 0 && strncmp(target, "pipe:", 5) == 0)
            fail_msg("the login's pipe is still open in the job");
    }
    assert_true(count >= 3);
    closedir(dir);
    free(folder);
}

/* Nobody holds the login's pipe any more: its end can be read. */
static void wait_for_end(int fd)
{
    char room[4096];
    ssize_t n;

    do {
        n = read(fd, room, sizeof(room));
    } while (n > 0 || (n < 0 && errno == EINTR));
    assert_int_equal(n, 0);
    close(fd);
}

static void test_outlives_the_login(void **state)
{
    char *script = wait_script("true");
    int output, status;
    pid_t login, job, parent;

    (void)state;
    configure(script, NULL, NULL);
    login = start_login(&output);
    JOB_UNTIL(newest_is(JOB_RUNNING, "at work"));
    job = newest_pid();
    assert_int_not_equal(getsid(job), login);
    no_strange_files(job);
    kill(-login, SIGHUP);
    assert_int_equal(waitpid(login, &status, 0), login);
    wait_for_end(output);
    assert_true(job_lab_lives(job, &parent));
    assert_int_not_equal(parent, login);
    kill(job, SIGHUP);
    assert_true(newest_is(JOB_RUNNING, NULL));
    write_text(go, "", 0600);
    JOB_UNTIL(newest_is(JOB_DONE, NULL));
    newest_result_has("both up; PostgreSQL was not restarted, Redis was not restarted");
    audit_has("\"status\":\"done\",\"outcome\":\"both up");
    said(SHAREDTOP("jobs"), 0, "both up");
    free(script);
}

static void test_death(void **state)
{
    char *script = wait_script("sleep 999 & echo $!");
    pid_t job, below[16];
    size_t count;

    (void)state;
    configure(script, NULL, NULL);
    start_detached();
    job = newest_pid();
    JOB_UNTIL((count = job_lab_below(job, below, 16)) > 0);
    kill(job, SIGKILL);
    JOB_UNTIL(newest_is(JOB_DIED, NULL));
    JOB_UNTIL(!job_lab_lives(below[0], NULL));
    said(SHAREDTOP("jobs", "--json"), 0, "\"died\"");
    print_message("killed with -9: shown as died\n");
    free(script);
    said(SHAREDTOP("jobs"), 0, "died");
}

static void test_cancel(void **state)
{
    char *script = wait_script("sleep 999 & sleep 999 & true"), *id;
    struct job_info info;
    pid_t job, below[16];
    size_t count;

    (void)state;
    configure(script, NULL, NULL);
    start_detached();
    info = newest();
    job = (pid_t)info.pid;
    id = mem_strdup(info.id);
    job_info_free(&info);
    JOB_UNTIL((count = job_lab_below(job, below, 16)) >= 3);
    said(SHAREDTOP("restart", "--confirm", "all"), 2, "a restart is under way: job ");
    said(SHAREDTOP("jobs", "cancel", id, "--dry-run"), 0, "at work");
    assert_true(newest_is(JOB_RUNNING, NULL));
    said(SHAREDTOP("jobs", "cancel", id, "--yes"), 0, "cancelled");
    assert_true(newest_is(JOB_CANCELLED, NULL));
    for (size_t i = 0; i < count; i++)
        JOB_UNTIL(!job_lab_lives(below[i], NULL));
    newest_result_has("cancelled; pg is up, redis is up");
    audit_has("\"status\":\"cancelled\"");
    said(SHAREDTOP("jobs", "cancel", id, "--yes"), 3, "ended already: cancelled");
    said(SHAREDTOP("jobs", "cancel", "20200101T000000Z-1-1", "--yes"), 3, "there is no job");
    print_message("cancelled: %zu processes below it have gone\n", count);
    free(script);
    free(id);
}

static void test_terminated(void **state)
{
    char *script = wait_script("true");

    (void)state;
    configure(script, NULL, NULL);
    start_detached();
    kill(newest_pid(), SIGTERM);
    JOB_UNTIL(newest_is(JOB_CANCELLED, NULL));
    free(script);
}

/* ---- secrets ---- */

static void test_secrets(void **state)
{
    char *script = wait_script("env; tr '\\000' '\\n' </proc/$PPID/environ"), *conninfo, *url;
    static const char *const secrets[] = {"pgword-17", "redisword-18", "envword-19", "authword-20"};
    pid_t job;

    (void)state;
    free(lab_pg_value(lab, "CREATE ROLE jobber SUPERUSER LOGIN PASSWORD 'pgword-17'"));
    free(lab_redis_value(lab, "ACL SETUSER jobber on >redisword-18 ~* &* +@all"));
    conninfo = mem_printf("host=127.0.0.1 port=%s user=jobber password=pgword-17 dbname=postgres",
                          lab_get(lab, "LAB_PG_PORT"));
    url = mem_printf("redis://jobber:redisword-18@127.0.0.1:%s", lab_get(lab, "LAB_REDIS_PORT"));
    configure(script, conninfo, url);
    setenv("PGPASSWORD", "envword-19", 1);
    setenv("REDISCLI_AUTH", "authword-20", 1);
    setenv("REDIS_URL", "redis://:authword-20@nowhere", 1);
    start_detached();
    unsetenv("PGPASSWORD");
    unsetenv("REDISCLI_AUTH");
    unsetenv("REDIS_URL");
    job = newest_pid();
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        char *jobs = mem_printf("%s/sharedtop", home);
        size_t processes = job_lab_search_below(job, secrets[i]);
        size_t files = job_lab_search_files(jobs, secrets[i]);

        assert_true(processes >= 2 && files >= 4);
        assert_false(job_lab_file_has(audit, secrets[i]));
        if (i == 0)
            print_message("%zu processes and %zu files: no password\n", processes, files);
        free(jobs);
    }
    write_text(go, "", 0600);
    JOB_UNTIL(newest_is(JOB_DONE, NULL));
    newest_result_has("both up");
    free(script);
    free(conninfo);
    free(url);
}

/* ---- the restart ---- */

static void test_restart(void **state)
{
    char *script = mem_printf("set -e\n"
                              "echo stopping; kill -INT $(head -n1 '%s/data/postmaster.pid'); "
                              "redis-cli -s '%s/redis.sock' shutdown nosave || true\n"
                              "while [ -e '%s/data/postmaster.pid' ]; do sleep 0.02; done\n"
                              "echo starting; sleep 0.3; '%s' pg '%s'; '%s' redis '%s'; echo ready",
                              lab_get(lab, "LAB_DIR"), lab_get(lab, "LAB_DIR"),
                              lab_get(lab, "LAB_DIR"), getenv("LAB_SH"), lab_get(lab, "LAB_DIR"),
                              getenv("LAB_SH"), lab_get(lab, "LAB_DIR"));
    char *before = lab_pg_value(lab, "SELECT pg_postmaster_start_time()"), *after;
    PGconn *victim = lab_pg_connect(lab, "dbname=aletheia_dev");

    (void)state;
    configure(script, NULL, NULL);
    free(lab_redis_value(lab, "EVAL %s 0",
                         "redis.call('SELECT', 4) return redis.call('HSET', "
                         "'unacked', 'a', 1, 'b', 2)"));
    said(SHAREDTOP("restart", "--dry-run"), 0, "dev: 1 connection to pg");
    said(SHAREDTOP("restart", "--dry-run"), 0, "dev: 2 Celery tasks");
    said(SHAREDTOP("restart", "--dry-run"), 0, "restart.sh");
    said(SHAREDTOP("restart", "--yes"), 2, "all");
    said(SHAREDTOP("restart", "--confirm", "pg"), 2, "all");
    said(SHAREDTOP("--read-only", "restart", "--confirm", "all"), 2, "read-only");
    after = lab_pg_value(lab, "SELECT pg_postmaster_start_time()");
    assert_string_equal(before, after);
    free(after);
    said(SHAREDTOP("restart", "--confirm", "all"), 0, "both up; PostgreSQL down ");
    newest_result_has(" s, Redis down ");
    after = lab_pg_value(lab, "SELECT pg_postmaster_start_time()");
    assert_string_not_equal(before, after);
    assert_int_equal(PQstatus(victim), CONNECTION_OK);
    PQclear(PQexec(victim, "SELECT 1"));
    assert_int_equal(PQstatus(victim), CONNECTION_BAD);
    PQfinish(victim);
    free(before);
    free(after);
    free(script);
}

static void test_command_fails(void **state)
{
    (void)state;
    configure("echo one; echo no such target >&2; exit 2", NULL, NULL);
    said(SHAREDTOP("restart", "--confirm", "all"), 1, "status 2: no such target");
    newest_result_has("pg is up, redis is up");
    audit_has("\"status\":\"failed\"");
}

/* Redis does not come back: that is waited for, said, and can be called off. */
static void test_server_stays_away(void **state)
{
    char *script =
        mem_printf("redis-cli -s '%s/redis.sock' shutdown nosave; echo at work; sleep 0.5",
                   lab_get(lab, "LAB_DIR"));
    struct job_info info;

    (void)state;
    configure(script, NULL, NULL);
    said(SHAREDTOP("restart", "--confirm", "all", "--detach"), 0, "");
    JOB_UNTIL(newest_is(JOB_RUNNING, "waiting for redis"));
    info = newest();
    assert_null(job_cancel(info.id));
    job_info_free(&info);
    JOB_UNTIL(newest_is(JOB_CANCELLED, NULL));
    newest_result_has("pg is up, redis is not up (");
    lab_restart(lab, LAB_REDIS_SERVER);
    free(script);
}

static void test_cannot_start(void **state)
{
    char *jobs = mem_printf("%s/sharedtop/jobs", home), *aside = mem_printf("%s.aside", jobs);

    (void)state;
    configure("true", NULL, NULL);
    assert_int_equal(rename(jobs, aside), 0);
    write_text(jobs, "", 0600);
    said(SHAREDTOP("restart", "--confirm", "all"), 1, "could not be started");
    audit_has("the job could not be started");
    unlink(jobs);
    assert_int_equal(rename(aside, jobs), 0);
    free(jobs);
    free(aside);
}

static int start_lab(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    home = job_lab_home();
    conf = mem_printf("%s/sharedtop.conf", home);
    audit = mem_printf("%s/audit.jsonl", home);
    go = mem_printf("%s/go", home);
    return 0;
}

static int stop_lab(void **state)
{
    (void)state;
    lab_stop(lab);
    free(conf);
    free(audit);
    free(go);
    job_lab_remove(home);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlives_the_login),
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_terminated),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_command_fails),
        cmocka_unit_test(test_server_stays_away),
        cmocka_unit_test(test_cannot_start),
    };

    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
