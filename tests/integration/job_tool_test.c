/* Tools and sessions of a job on a real server: that they get where they should, by every way that a
 * password can come; that nobody sees it on the way; and that a cancel or a death leaves nothing. */
#include "backend/conninfo.h"
#include "backend/statedir.h"
#include "tests/integration/job_lab.h"

#include <glob.h>
#include <sys/mman.h>

static const char secret[] = "p:a\\ss'w \"d";
static const char job_id[] = "20260101T000000Z-1-1";

static struct lab *lab;
static char *home, *tcp; /* conninfo of a role that needs the secret, without it */

/* ---- a job of this process ---- */

static char *job_folder(void)
{
    char *error = NULL, *folder = job_path(job_id, NULL, &error);

    job_remove(job_id);
    if (!folder || statedir_make(folder))
        abort();
    return folder;
}

static void job_begin(struct job_process *process, const struct postgres_config *config)
{
    char *log;

    *process = (struct job_process){.lock = -1, .log_left = 1 << 20, .mask = 022};
    process->folder = job_folder();
    process->job.id = job_id;
    process->job.folder = process->folder;
    process->job.postgres = config;
    job_info_init(&process->job.info);
    log = mem_printf("%s/log", process->folder);
    process->log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    free(log);
}

static void job_end(struct job_process *process)
{
    job_info_free(&process->job.info);
    free(process->folder);
    free(process->failure);
    close(process->log);
}

static void is_fine(const struct job_process *process)
{
    if (process->failure)
        fail_msg("%s", process->failure);
}

/* Runs a tool; what it wrote, without the last line's end, which the caller frees. */
static char *run_tool(const struct postgres_config *config, const char *name, const char *database,
                      int in, const char *const *words)
{
    struct job_process process;
    struct job_tool tool;
    int out = memfd_create("out", MFD_CLOEXEC);
    const struct job_run run = {.in = in, .out = out};
    char *text = mem_zalloc(1 << 16);
    ssize_t n;

    job_begin(&process, config);
    if (job_tool_new(&process.job, &tool, name, database, words))
        job_tool_run(&process.job, &tool, &run);
    is_fine(&process);
    n = pread(out, text, (1 << 16) - 1, 0);
    if (n > 0 && text[n - 1] == '\n')
        text[n - 1] = '\0';
    close(out);
    job_tool_free(&tool);
    job_end(&process);
    return text;
}

static void answer_is(const struct postgres_config *config, const char *database, const char *sql,
                      const char *wanted)
{
    const char *words[] = {"-XAtc", sql, NULL};
    char *text = run_tool(config, "psql", database, -1, words);

    assert_string_equal(text, wanted);
    free(text);
}

static char *prefix_of_lab(void)
{
    return mem_printf("env PGHOST=127.0.0.1 \"PGPORT=%s\"", lab_get(lab, "LAB_PG_PORT"));
}

static char *with_secret(void)
{
    struct strbuf text = {0};

    strbuf_adds(&text, tcp);
    conninfo_add(&text, "password", secret);
    return strbuf_take(&text);
}

static void run_sql(const char *sql)
{
    PGconn *conn = lab_pg_connect(lab, NULL);
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(conn);
}

static int start_lab(void **state)
{
    PGconn *conn;
    char *literal, *sql;

    (void)state;
    lab = lab_start("-c max_connections=40");
    home = job_lab_home();
    conn = lab_pg_connect(lab, NULL);
    literal = PQescapeLiteral(conn, secret, strlen(secret));
    sql = mem_printf("CREATE ROLE jobber SUPERUSER LOGIN PASSWORD %s", literal);
    run_sql(sql);
    tcp = mem_printf("host=127.0.0.1 port=%s user=jobber dbname=postgres",
                     lab_get(lab, "LAB_PG_PORT"));
    PQfreemem(literal);
    PQfinish(conn);
    free(sql);
    unsetenv("PGPASSWORD");
    setenv("PGPASSFILE", "/nonexistent", 1);
    return 0;
}

static int stop_lab(void **state)
{
    (void)state;
    lab_stop(lab);
    job_lab_remove(home);
    free(tcp);
    return 0;
}

/* ---- where it gets, and how ---- */

static void test_odd_names(void **state)
{
    static const char *const names[] = {"a=b",         "it's",
                                        "say \"x\"",   "back\\slash\\",
                                        " ",           "\xC3\xA4 \xC3\xB6",
                                        "two\nlines",  "postgresql://x/y",
                                        "host=nowhere"};
    char name[] = "lab", *prefix = mem_printf("env PGHOST=%s PGPORT=%s", lab_get(lab, "LAB_DIR"),
                                              lab_get(lab, "LAB_PG_PORT"));
    char *conninfo = mem_strdup(lab_get(lab, "LAB_PG"));
    struct postgres_config config = {.name = name, .conninfo = conninfo};
    PGconn *conn = lab_pg_connect(lab, NULL);
    char *last = PQescapeIdentifier(conn, "odd", 3);

    (void)state;
    run_sql("CREATE DATABASE odd");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *quoted = PQescapeIdentifier(conn, names[i], strlen(names[i]));
        char *sql = mem_printf("ALTER DATABASE %s RENAME TO %s", last, quoted);
        struct job_process process;
        PGconn *own;

        run_sql(sql);
        config.command_prefix = NULL;
        answer_is(&config, names[i], "SELECT current_database()", names[i]);
        config.command_prefix = prefix;
        answer_is(&config, names[i], "SELECT current_database()", names[i]);
        job_begin(&process, &config);
        own = job_pg_open(&process.job, names[i]);
        is_fine(&process);
        assert_string_equal(PQdb(own), names[i]);
        job_pg_close(own);
        job_end(&process);
        PQfreemem(last);
        last = quoted;
        free(sql);
    }
    PQfreemem(last);
    print_message("%zu odd names: host tool, prefixed tool and session get there\n",
                  sizeof(names) / sizeof(names[0]));
    PQfinish(conn);
    free(conninfo);
    free(prefix);
}

static char *write_secret_file(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", home, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void get_in(const struct postgres_config *config)
{
    answer_is(config, "umami", "SELECT current_user || current_database()", "jobberumami");
}

static void get_in_both(struct postgres_config *config)
{
    char *prefix = prefix_of_lab();

    config->command_prefix = NULL;
    get_in(config);
    config->command_prefix = prefix;
    get_in(config);
    free(prefix);
}

static void test_ways_of_the_password(void **state)
{
    char name[] = "lab", key[] = "KEY", *inline_conninfo = with_secret();
    char *env_file = write_secret_file("env", "KEY='p:a\\ss\\'w \"d'\n");
    char *line = passfile_line(secret), *passfile = write_secret_file("passfile", line);
    struct postgres_config config = {
        .name = name, .conninfo = inline_conninfo, .password_key = key};

    (void)state;
    get_in_both(&config);
    config.conninfo = tcp;
    config.env_file = env_file;
    get_in_both(&config);
    config.env_file = NULL;
    setenv("PGPASSWORD", secret, 1);
    get_in_both(&config);
    unsetenv("PGPASSWORD");
    setenv("PGPASSFILE", passfile, 1);
    get_in_both(&config);
    setenv("PGPASSFILE", "/nonexistent", 1);
    print_message("password by conninfo, env file, environment and passfile: all get in\n");
    unlink(env_file);
    unlink(passfile);
    free(env_file);
    free(passfile);
    free(line);
    free(inline_conninfo);
}

static void test_wrong_password(void **state)
{
    char name[] = "lab", *conninfo = mem_printf("%s password=wrong", tcp);
    const struct postgres_config config = {.name = name, .conninfo = conninfo};
    struct job_process process;
    struct job_tool tool;

    (void)state;
    job_begin(&process, &config);
    assert_false(job_tool_new(&process.job, &tool, "pg_dump", "umami", NULL));
    assert_non_null(strstr(process.failure, "password authentication failed"));
    assert_non_null(strstr(process.failure, "passfile"));
    job_end(&process);
    free(conninfo);
}

/* Where the prefixed tools' password files are while they run. */
static bool has_passfile(void)
{
    glob_t found = {0};
    bool has = false;

    if (glob("/dev/shm/.sharedtop-*", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            has = has || job_lab_file_has(found.gl_pathv[i], "ss'w");
    }
    globfree(&found);
    return has;
}

/* The archive comes after the password, in the same stream. */
static void test_restore_from_input(void **state)
{
    static const char *const dump_words[] = {"-Fc", NULL}, *const restore_words[] = {NULL};
    char name[] = "lab", *conninfo = with_secret(), *prefix = prefix_of_lab(), *text;
    struct postgres_config config = {.name = name, .conninfo = conninfo, .command_prefix = prefix};
    struct job_process process;
    struct job_tool tool;
    int archive = memfd_create("archive", MFD_CLOEXEC);
    const struct job_run dump = {.in = -1, .out = archive}, restore = {.in = archive, .out = -1};

    (void)state;
    run_sql("CREATE DATABASE restored");
    job_begin(&process, &config);
    assert_true(job_tool_new(&process.job, &tool, "pg_dump", "aletheia_prod", dump_words));
    assert_true(job_tool_run(&process.job, &tool, &dump));
    job_tool_free(&tool);
    assert_true(lseek(archive, 0, SEEK_END) > 1000);
    assert_int_equal(lseek(archive, 0, SEEK_SET), 0);
    assert_true(job_tool_new(&process.job, &tool, "pg_restore", "restored", restore_words));
    job_tool_run(&process.job, &tool, &restore);
    is_fine(&process);
    job_tool_free(&tool);
    job_end(&process);
    config.command_prefix = NULL;
    text = run_tool(&config, "psql", "restored", -1,
                    (const char *[]){"-XAtc", "SELECT count(*) FROM account", NULL});
    assert_string_equal(text, "1000");
    free(text);
    assert_false(has_passfile());
    close(archive);
    free(conninfo);
    free(prefix);
}

/* ---- which tool ---- */

static char *fake_tool(const char *version)
{
    char *folder = mem_printf("%s/bin", home), *path = mem_printf("%s/pg_dump", folder), *text;
    const char *old = getenv("PATH");
    char *all = mem_printf("%s:%s", folder, old);
    int fd;

    mkdir(folder, 0700);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    text = mem_printf("#!/bin/sh\necho 'pg_dump (PostgreSQL) %s'\n", version);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    setenv("PATH", all, 1);
    free(all);
    free(text);
    free(folder);
    return path;
}

/* The words of the call, or "" and the failure. major 0: that of the lab. */
static char *choose(int major, char **failure)
{
    char name[] = "lab", *conninfo = mem_strdup(lab_get(lab, "LAB_PG"));
    const struct postgres_config config = {.name = name, .conninfo = conninfo};
    struct job_process process;
    struct job_tool tool;
    char *chosen = NULL;

    job_begin(&process, &config);
    process.server_major = major;
    if (job_tool_new(&process.job, &tool, "pg_dump", "umami", NULL))
        chosen = mem_strdup(tool.argv[0]);
    job_tool_free(&tool);
    *failure = process.failure;
    process.failure = NULL;
    job_end(&process);
    free(conninfo);
    return chosen ? chosen : mem_strdup("");
}

static void choice_is(int major, const char *wanted, const char *said)
{
    char *failure = NULL, *chosen = choose(major, &failure);

    if (!strstr(chosen, wanted))
        fail_msg("'%s' was chosen, not '%s': %s", chosen, wanted, failure ? failure : "");
    if (said && !(failure && strstr(failure, said)))
        fail_msg("'%s' is not said: %s", said, failure ? failure : "");
    free(chosen);
    free(failure);
}

static void test_choice_of_tool(void **state)
{
    char *path = mem_strdup(getenv("PATH")), *fake;

    (void)state;
    fake = fake_tool("9.6.24");
    choice_is(0, "/bin/pg_dump", NULL); /* beside the others, not the fake */
    choice_is(99, "",
              "is version 9 and cannot serve a server 99: install "
              "postgresql-client-99, or set command_prefix");
    setenv("PATH", path, 1);
    free(fake);
    fake = fake_tool("99.1");
    choice_is(98, "pg_dump", NULL);
    setenv("PATH", home, 1);
    choice_is(0, "/bin/pg_dump", NULL);
    choice_is(99, "", "pg_dump is not on this host: install postgresql-client-99");
    setenv("PATH", path, 1);
    unlink(fake);
    free(fake);
    free(path);
}

/* ---- what is left behind, and what can be seen ---- */

enum way { BY_TOOL, BY_PREFIXED_TOOL, BY_SESSION };

/* In a process of its own: work that takes for ever. */
static void work(enum way way, const struct postgres_config *config)
{
    static const char sleep[] = "SELECT pg_sleep(1000)";
    struct job_process process;
    struct job_tool tool;
    const struct job_run run = {.in = -1, .out = -1};
    const char *words[] = {"-XAtc", sleep, NULL};
    bool done = false;

    job_begin(&process, config);
    if (way == BY_SESSION) {
        PGconn *conn = job_pg_open(&process.job, "umami");

        done = conn && job_pg_run(&process.job, conn, "sleep", sleep, 0, NULL) != NULL;
    } else if (job_tool_new(&process.job, &tool, "psql", "umami", words)) {
        done = job_tool_run(&process.job, &tool, &run);
    }
    if (process.failure)
        dprintf(STDERR_FILENO, "%s\n", process.failure);
    if (!done)
        job_pg_end_sessions(&process.job);
    _exit(done || process.failure ? 1 : 0);
}

static pid_t start_work(enum way way)
{
    char name[] = "lab", *conninfo = with_secret(), *prefix = prefix_of_lab();
    const struct postgres_config config = {.name = name,
                                           .conninfo = conninfo,
                                           .command_prefix =
                                               way == BY_PREFIXED_TOOL ? prefix : NULL};
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(way, &config);
    }
    free(conninfo);
    free(prefix);
    JOB_UNTIL(job_lab_sessions(lab, "active") > 0);
    return pid;
}

static void look_for_secret(pid_t pid)
{
    size_t processes = job_lab_search_below(pid, "ss'w"), files;

    files = job_lab_search_files(home, "ss'w");
    print_message("%zu processes and %zu files: no password\n", processes, files);
    assert_true(files > 0);
}

static int end_of(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void nothing_left(const pid_t *pids, size_t count)
{
    JOB_UNTIL(job_lab_sessions(lab, "%") == 0);
    JOB_UNTIL(!has_passfile());
    for (size_t i = 0; i < count; i++)
        JOB_UNTIL(!job_lab_lives(pids[i], NULL));
}

static void ask_to_end(void)
{
    char *error = NULL, *path = job_path(job_id, "cancel", &error);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    free(path);
}

static void cancel_work(enum way way)
{
    pid_t pid = start_work(way), pids[16];
    size_t count = job_lab_below(pid, pids, 16);
    int64_t began;

    assert_true(way == BY_SESSION || count > 0);
    look_for_secret(pid);
    ask_to_end();
    began = job_clock();
    assert_int_equal(end_of(pid), 0);
    assert_int_equal(job_lab_sessions(lab, "%"), 0);
    nothing_left(pids, count);
    print_message("cancelled in %lld ms, no session, no process left\n",
                  (long long)(job_clock() - began));
}

static void kill_work(enum way way)
{
    pid_t pid = start_work(way), pids[16];
    size_t count = job_lab_below(pid, pids, 16);

    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(end_of(pid)));
    nothing_left(pids, count);
    print_message("killed: %zu processes below it have gone, no session left\n", count);
}

static void test_cancel(void **state)
{
    (void)state;
    cancel_work(BY_TOOL);
    cancel_work(BY_PREFIXED_TOOL);
    cancel_work(BY_SESSION);
}

/* The server does not even take the cancel: the job ends all the same. */
static void test_cancel_on_frozen_server(void **state)
{
    pid_t pid = start_work(BY_SESSION);

    (void)state;
    lab_freeze(lab, LAB_POSTGRES);
    ask_to_end();
    assert_int_equal(end_of(pid), 0);
    lab_thaw(lab, LAB_POSTGRES);
    JOB_UNTIL(job_lab_sessions(lab, "%") == 0);
}

static void test_death(void **state)
{
    (void)state;
    kill_work(BY_TOOL);
    kill_work(BY_PREFIXED_TOOL);
}

/* ---- verdicts ---- */

static void failure_is(const char *script, const char *said)
{
    char shell[] = "sh", option[] = "-c", *copy = mem_strdup(script);
    char *argv[] = {shell, option, copy, NULL};
    const struct job_tool tool = {.argv = argv, .pass_fd = -1};
    const struct job_run run = {.in = -1, .out = -1};
    const struct postgres_config config = {0};
    struct job_process process;

    job_begin(&process, &config);
    assert_false(job_tool_run(&process.job, &tool, &run));
    assert_non_null(process.failure);
    if (!strstr(process.failure, said))
        fail_msg("'%s' is not in: %s", said, process.failure);
    job_end(&process);
    free(copy);
}

static void test_verdicts(void **state)
{
    (void)state;
    failure_is("echo one >&2; echo 'x: error: why' >&2; echo 'at the end' >&2; exit 3",
               "sh ended with status 3: x: error: why");
    failure_is("echo last words >&2; exit 1", "status 1: last words");
    failure_is("exit 2", "status 2: it says nothing");
    failure_is("kill -9 $$", "sh was ended by signal 9");
    failure_is("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 4", "status 4: xxx");
}

/* What a tool that fails with this script leaves in the log, and the reason, its last line; both freed by the
 * caller. */
static char *log_of(const char *script, char **failure)
{
    char shell[] = "sh", option[] = "-c", *copy = mem_strdup(script), *path, *text;
    char *argv[] = {shell, option, copy, NULL};
    const struct job_tool tool = {.argv = argv, .pass_fd = -1};
    const struct job_run run = {.in = -1, .out = -1};
    const struct postgres_config config = {0};
    struct job_process process;
    size_t len = 0;

    job_begin(&process, &config);
    path = mem_printf("%s/log", process.folder);
    assert_false(job_tool_run(&process.job, &tool, &run));
    text = job_lab_read(path, &len);
    *failure = process.failure;
    process.failure = NULL;
    job_end(&process);
    free(path);
    free(copy);
    return text;
}

static void log_is(const char *script, const char *wanted, const char *reason)
{
    char *failure = NULL, *text = log_of(script, &failure);
    char *all = mem_printf("%s%s\n", wanted, reason);

    assert_string_equal(failure, reason);
    assert_string_equal(text, all);
    free(all);
    free(text);
    free(failure);
}

/* The statements that an error comes with may hold passwords. */
static void test_statements_are_left_out(void **state)
{
    static const char note[] = "(the statement is left out: it may hold a secret)\n";
    char *wanted = mem_printf("sh: error: why\n%ssh: next\n", note);
    char *excerpt = mem_printf("sh: error: why\n%s   ^\nDETAIL:  so\n%s", note, note);

    (void)state;
    log_is("printf 'sh: error: why\nCommand was: CREATE (p hush)\n\nsh hush\n x: error: hush\n"
           " sh: hush\nsh: next\n' >&2; exit 1",
           wanted, "sh: error: why");
    log_is(
        "printf 'sh: error: why\nLINE 1: hush\n   ^\nDETAIL:  so\nQUERY:  hush\nhush' >&2; exit 1",
        excerpt, "sh: error: why");
    free(wanted);
    wanted = mem_printf("sh: error: why \n%s", note);
    log_is("printf 'sh: error: why Command was: hush\nhush\n' >&2; exit 1", wanted,
           "sh: error: why ");
    free(wanted);
    /* A long line comes in pieces, of which each may begin as the tool's own lines do. */
    wanted = mem_printf("%ssh: next\n", note);
    log_is("{ printf 'Command was:'; i=0; while [ $i -lt 8000 ]; do printf 'sh: '; i=$((i + 1)); "
           "done; printf '\nsh: next\n'; } | dd bs=64k iflag=fullblock >&2 2>/dev/null; exit 1",
           wanted, "sh: next");
    free(wanted);
    free(excerpt);
}

static void count_line(struct job *job, const char *line, void *context)
{
    int *count = context;

    (void)job;
    if (strcmp(line, "line") == 0 || strcmp(line, "end") == 0)
        (*count)++;
}

/* A tool's children may hold its stderr open when it has ended. */
static void test_leftover_holds_output(void **state)
{
    char shell[] = "sh", option[] = "-c", script[] = "sleep 30 & echo line >&2; printf end >&2";
    char *argv[] = {shell, option, script, NULL};
    int lines = 0;
    const struct job_tool tool = {.argv = argv, .pass_fd = -1};
    const struct job_run run = {.in = -1, .out = -1, .line = count_line, .context = &lines};
    const struct postgres_config config = {0};
    struct job_process process;
    int64_t began = job_clock();

    (void)state;
    job_begin(&process, &config);
    assert_true(job_tool_run(&process.job, &tool, &run));
    assert_int_equal(lines, 2);
    assert_true(job_clock() - began < 20000);
    job_end(&process);
}

/* ---- sessions ---- */

static void test_sql(void **state)
{
    char name[] = "lab", *conninfo = mem_strdup(lab_get(lab, "LAB_PG"));
    const struct postgres_config config = {.name = name, .conninfo = conninfo};
    const char *values[] = {"a'b", NULL};
    struct job_process process;
    PGresult *result;
    PGconn *conn;

    (void)state;
    run_sql("ALTER ROLE admin SET statement_timeout = '5s'");
    job_begin(&process, &config);
    conn = job_pg_open(&process.job, NULL);
    assert_non_null(conn);
    result = job_pg_run(&process.job, conn, "ask",
                        "SELECT $1 || coalesce($2, '-') || current_setting('statement_timeout') "
                        "|| current_setting('application_name')",
                        2, values);
    assert_string_equal(PQgetvalue(result, 0, 0), "a'b-0sharedtop job 20260101T000000Z-1-1");
    PQclear(result);
    result = job_pg_run(&process.job, conn, "two", "CREATE TEMP TABLE t(i int); SELECT 7", 0, NULL);
    assert_string_equal(PQgetvalue(result, 0, 0), "7");
    PQclear(result);
    assert_null(process.failure);
    assert_null(job_pg_run(&process.job, conn, "reading", "SELECT 1/0; SELECT 2", 0, NULL));
    assert_string_equal(process.failure, "reading: division by zero");
    job_pg_close(conn);
    job_end(&process);
    run_sql("ALTER ROLE admin RESET statement_timeout");
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_ways_of_the_password),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_restore_from_input),
        cmocka_unit_test(test_choice_of_tool),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_on_frozen_server),
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_statements_are_left_out),
        cmocka_unit_test(test_leftover_holds_output),
        cmocka_unit_test(test_sql),
    };

    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
