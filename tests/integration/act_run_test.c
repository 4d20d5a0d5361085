/* The sub-commands that act, as a script and an impatient hand meet them: what they refuse, what they
 * ask for, what they exit with, and what stays on record. */
#include "backend/base/mem.h"
#include "tests/integration/snapshot_run.h"
#include "tests/lab/lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DONE = 0, FAILED = 1, REFUSED = 2, NOTHING = 3 };

static struct lab *lab;

/* Runs sharedtop with the lab's configuration; the words end with NULL. */
static struct run act_words(const char *const *words)
{
    const char *all[16] = {"--config", lab_get(lab, "LAB_CONF")};
    size_t count = 2;
    struct run run;

    for (size_t i = 0; words[i]; i++)
        all[count++] = words[i];
    all[count] = NULL;
    run = run_start(all);
    run_finish(&run);
    return run;
}
#define ACT(...) act_words((const char *const[]){__VA_ARGS__, NULL})

static void expect(struct run run, int status, const char *said)
{
    if (run.status != status)
        fail_msg("exit status %d, not %d: %s%s", run.status, status, run.out, run.err);
    if (said && !strstr(run.out, said) && !strstr(run.err, said))
        fail_msg("'%s' is missing in: %s%s", said, run.out, run.err);
    run_free(&run);
}

static long long keys(int db)
{
    char *text = lab_redis_value(lab, "EVAL %s 0 %d",
                                 "redis.call('SELECT', ARGV[1]) return redis.call('DBSIZE')", db);
    long long count = atoll(text);

    free(text);
    return count;
}

static void fill(int db, int count)
{
    free(lab_redis_value(lab, "EVAL %s 0 %d %d",
                         "redis.call('SELECT', ARGV[1]) for i = 1, ARGV[2] do "
                         "redis.call('SET', 'key:' .. i, i, 'EX', 3600) end",
                         db, count));
    assert_int_equal(keys(db), count);
}

static void empty(int db)
{
    free(lab_redis_value(lab, "EVAL %s 0 %d",
                         "redis.call('SELECT', ARGV[1]) return redis.call('FLUSHDB')", db));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    fclose(file);
}

/* ---- flush ---- */

static void test_flush_and_undo(void **state)
{
    (void)state;
    fill(5, 100);
    expect(ACT("flush", "5"), REFUSED, "not a terminal");
    expect(ACT("flush", "5", "--dry-run"), DONE, "SWAPDB");
    assert_int_equal(keys(5), 100);
    expect(ACT("flush", "5", "--yes"), DONE, NULL);
    assert_int_equal(keys(5), 0);
    expect(ACT("undo-flush", "5", "--yes"), DONE, NULL);
    assert_int_equal(keys(5), 100);
    empty(5);
    expect(ACT("flush", "5", "--yes"), NOTHING, NULL);
}

/* A script that has closed what it does not need gets the same. */
static void test_closed_descriptors(void **state)
{
    static const char *const closed[] = {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"};

    (void)state;
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        char *command = mem_printf("'%s' --config '%s' flush 5 --yes %s", getenv("SHAREDTOP"),
                                   lab_get(lab, "LAB_CONF"), closed[i]);
        int status;

        fill(5, 10);
        status = system(command);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != DONE))
            fail_msg("%s: status %x", closed[i], (unsigned)status);
        assert_int_equal(keys(5), 0);
        empty(15);
        free(command);
    }
}

static void test_production(void **state)
{
    (void)state;
    fill(1, 10);
    expect(ACT("flush", "1", "--yes"), REFUSED, "production");
    expect(ACT("flush", "1", "--now", "--yes"), REFUSED, "production");
    expect(ACT("flush", "1", "--confirm", "shared_redis/1"), REFUSED, "production");
    fill(7, 10); /* not in the configuration: as production */
    expect(ACT("flush", "7", "--confirm", "shared_redis/7"), REFUSED, "production");
    expect(ACT("--read-only", "flush", "5", "--yes"), REFUSED, "read-only");
    assert_int_equal(keys(1), 10);
    assert_int_equal(keys(7), 10);
    empty(1);
    empty(7);
}

static void test_words(void **state)
{
    (void)state;
    expect(ACT("flush", "five"), REFUSED, "'five' is no database number");
    expect(ACT("terminate", "-1"), REFUSED, NULL);
    expect(ACT("terminate", "12x"), REFUSED, "'12x' is no process id");
    expect(ACT("flush", "5", "--instance", "nope", "--yes"), REFUSED, "no Redis is called 'nope'");
    expect(ACT("jobs"), DONE, "no jobs");
}

/* ---- terminate ---- */

static char *pid_of(PGconn *conn)
{
    return mem_printf("%d", PQbackendPID(conn));
}

static bool lives(PGconn *conn)
{
    PGresult *result = PQexec(conn, "SELECT 1");
    bool alive = PQresultStatus(result) == PGRES_TUPLES_OK;

    PQclear(result);
    return alive;
}

static void test_terminate(void **state)
{
    PGconn *prod = lab_pg_connect(lab, "dbname=aletheia_prod application_name=victim");
    PGconn *dev = lab_pg_connect(lab, "dbname=aletheia_dev application_name=victim");
    char *prod_pid = pid_of(prod), *dev_pid = pid_of(dev);

    (void)state;
    expect(ACT("terminate", prod_pid), REFUSED, "--confirm 'aletheia_prod'");
    expect(ACT("terminate", prod_pid, "--yes"), REFUSED, "--confirm 'aletheia_prod'");
    expect(ACT("terminate", prod_pid, "--confirm", "aletheia_dev"), REFUSED, "aletheia_prod");
    assert_true(lives(prod));
    expect(ACT("terminate", prod_pid, "--confirm", "aletheia_prod"), DONE, NULL);
    assert_false(lives(prod));
    expect(ACT("terminate", dev_pid, "--yes"), DONE, NULL);
    assert_false(lives(dev));
    expect(ACT("terminate", dev_pid, "--yes"), NOTHING, NULL);
    PQfinish(prod);
    PQfinish(dev);
    free(prod_pid);
    free(dev_pid);
}

/* ---- the record ---- */

static void test_audit(void **state)
{
    struct run run;
    json_t *acts, *last;

    (void)state;
    fill(5, 12);
    expect(ACT("flush", "5", "--yes"), DONE, NULL);
    run = ACT("audit", "--json");
    assert_int_equal(run.status, DONE);
    acts = json_loads(run.out, 0, NULL);
    assert_non_null(acts);
    last = json_array_get(acts, json_array_size(acts) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "act")), "flush");
    assert_string_equal(json_string_value(json_object_get(last, "status")), "done");
    assert_string_equal(json_string_value(json_object_get(last, "environment")), "dev");
    assert_string_equal(json_string_value(json_object_get(last, "instance")), "shared_redis");
    assert_non_null(strstr(json_string_value(json_object_get(last, "command")), "SWAPDB"));
    json_decref(acts);
    run_free(&run);
    expect(ACT("undo-flush", "5", "--yes"), DONE, NULL);
    empty(5);
}

/* What cannot be recorded is not run. */
static void test_no_record_no_act(void **state)
{
    char *path = mem_printf("%s/unrecorded.conf", lab_get(lab, "LAB_DIR"));
    char *text = mem_printf("audit_file = \"/proc/nowhere/audit.jsonl\";\n"
                            "redis = ( { name = \"r\"; url = \"%s\"; trash_db = 15;\n"
                            "databases = ( { db = 5; environment = \"dev\"; } ); } );\n"
                            "postgres = ( );\n",
                            lab_get(lab, "LAB_REDIS"));
    const char *const words[] = {"--config", path, "flush", "5", "--yes", NULL};
    struct run run;

    (void)state;
    write_file(path, text);
    fill(5, 12);
    run = run_start(words);
    run_finish(&run);
    expect(run, FAILED, "could not be recorded");
    assert_int_equal(keys(5), 12);
    empty(5);
    free(path);
    free(text);
}

static void test_json(void **state)
{
    struct run run;
    json_t *all, *plan;

    (void)state;
    fill(3, 20);
    run = ACT("flush", "3", "--dry-run", "--json");
    assert_int_equal(run.status, DONE);
    all = json_loads(run.out, 0, NULL);
    assert_non_null(all);
    plan = json_object_get(all, "plan");
    assert_string_equal(json_string_value(json_object_get(plan, "asks")), "yes");
    assert_string_equal(json_string_value(json_object_get(plan, "environment")), "staging");
    assert_string_equal(json_string_value(json_object_get(plan, "confirm")), "shared_redis/3");
    assert_true(json_array_size(json_object_get(plan, "commands")) > 0);
    assert_true(json_array_size(json_object_get(plan, "losses")) > 0);
    json_decref(all);
    run_free(&run);
    assert_int_equal(keys(3), 20);
    empty(3);
}

/* ---- what a flush left behind ---- */

/* The dashboard that flushed is long gone: `jobs` empties what is past its time, on the record. */
static void test_jobs_empties_the_spare(void **state)
{
    char *path = mem_printf("%s/short.conf", lab_get(lab, "LAB_DIR"));
    char *text = mem_printf("audit_file = \"%s/short.jsonl\";\n"
                            "redis = ( { name = \"r\"; url = \"%s\"; trash_db = 14;\n"
                            "undo_seconds = 1;\n"
                            "databases = ( { db = 5; environment = \"dev\"; } ); } );\n"
                            "postgres = ( );\n",
                            lab_get(lab, "LAB_DIR"), lab_get(lab, "LAB_REDIS"));
    const char *const flush[] = {"--config", path, "flush", "5", "--yes", NULL};
    const char *const jobs[] = {"--config", path, "jobs", NULL};
    const char *const audit[] = {"--config", path, "audit", NULL};
    struct run run;
    bool told = false;

    (void)state;
    write_file(path, text);
    fill(5, 12);
    run = run_start(flush);
    run_finish(&run);
    expect(run, DONE, NULL);
    for (int i = 0; i < 600 && keys(14) > 0; i++) {
        run = run_start(jobs);
        run_finish(&run);
        assert_int_equal(run.status, DONE);
        told = told || strstr(run.err, "12 keys");
        run_free(&run);
    }
    assert_int_equal(keys(14), 0);
    assert_true(told);
    run = run_start(audit);
    run_finish(&run);
    expect(run, DONE, "12 keys");
    free(path);
    free(text);
}

/* ---- secrets ---- */

static const char *password_of(char *out, size_t size)
{
    const char *at = strstr(lab_get(lab, "LAB_PG_TCP"), "password=");

    assert_non_null(at);
    snprintf(out, size, "%.*s", (int)strcspn(at + 9, " "), at + 9);
    return out;
}

static char *slurp(const char *path, size_t *len)
{
    struct strbuf text = {0};
    char bytes[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0)
        strbuf_add(&text, bytes, (size_t)n);
    if (fd >= 0)
        close(fd);
    *len = text.len;
    strbuf_addc(&text, '\0');
    return strbuf_take(&text);
}

static void expect_no_secret(const char *path, const char *secret)
{
    size_t len;
    char *text = slurp(path, &len);
    const char *at = memmem(text, len, secret, strlen(secret)), *start = at;

    while (start > text && start[-1])
        start--;
    if (at)
        fail_msg("%s holds the password: %s", path, start);
    free(text);
}

/* argv, environ and the limit of core files of one process; false: it has gone meanwhile. */
static bool look_at_process(const char *pid, const char *secret)
{
    static const char *const files[] = {"cmdline", "environ"};
    char *path = mem_printf("/proc/%s/limits", pid), *limits;
    size_t len;
    bool there;

    limits = slurp(path, &len);
    there = len > 0;
    if (there && !strstr(limits, "Max core file size        0 "))
        fail_msg("%s allows a core file", path);
    free(path);
    free(limits);
    for (size_t i = 0; there && i < sizeof(files) / sizeof(files[0]); i++) {
        path = mem_printf("/proc/%s/%s", pid, files[i]);
        expect_no_secret(path, secret);
        free(path);
    }
    return there;
}

/* Every process that has word in its argv; returns how many there were. */
static int look_at_processes(const char *word, const char *secret)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int found = 0;

    while ((entry = readdir(proc))) {
        char *path = mem_printf("/proc/%s/cmdline", entry->d_name), *text;
        size_t len;

        text = slurp(path, &len);
        if (memmem(text, len, word, strlen(word)) && atoi(entry->d_name) != getpid())
            found += look_at_process(entry->d_name, secret);
        free(text);
        free(path);
    }
    closedir(proc);
    return found;
}

/* Other tests run jobs at the same time, with passwords of theirs in their environment: only the
 * processes of that one job are looked at. */
static int look_at_job(const char *started, const char *secret)
{
    char id[64] = "", *dump;
    int dumps = 0, all;

    assert_int_equal(sscanf(started, "started as job %63[^ :;,.\n]", id), 1);
    dump = mem_printf("sharedtop job %s", id); /* pg_dump's application_name */
    for (int i = 0; i < 20000 && dumps == 0; i++)
        dumps = look_at_processes(dump, secret);
    assert_true(dumps > 0);
    free(dump);
    all = look_at_processes(id, secret);
    assert_true(all > dumps); /* and the job itself */
    return all;
}

static int look_at_file(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    char password[128];

    (void)info;
    (void)ftw;
    if (type == FTW_F)
        expect_no_secret(path, password_of(password, sizeof(password)));
    return 0;
}

/* While pg_dump waits for a lock: no process of the backup shows the password, nor will any file. */
static void test_no_secret(void **state)
{
    char *path = mem_printf("%s/secret.conf", lab_get(lab, "LAB_DIR"));
    char *home = mem_printf("%s/secret", lab_get(lab, "LAB_DIR"));
    char *text = mem_printf("audit_file = \"%s/audit.jsonl\";\n"
                            "backup = { directory = \"%s/dumps\"; };\n"
                            "postgres = ( { name = \"pg\"; conninfo = \"%s\"; } );\n"
                            "redis = ( );\n",
                            home, home, lab_get(lab, "LAB_PG_TCP"));
    const char *const backup[] = {"--config", path, "backup", "umami", "--yes", "--detach", NULL};
    const char *const jobs[] = {"--config", path, "jobs", "--json", NULL};
    PGconn *locker = lab_pg_connect(lab, "dbname=umami");
    const char *started;
    char password[128];
    int processes;
    bool done = false;
    struct run run;

    (void)state;
    password_of(password, sizeof(password));
    write_file(path, text);
    setenv("XDG_STATE_HOME", home, 1);
    PQclear(PQexec(locker, "BEGIN; LOCK TABLE website_event"));
    run = run_start(backup);
    run_finish(&run);
    assert_int_equal(run.status, DONE);
    started = strstr(run.err, "started as job ");
    assert_non_null(started);
    processes = look_at_job(started, password);
    run_free(&run);
    PQfinish(locker);
    for (int i = 0; i < 1000 && !done; i++) {
        run = run_start(jobs);
        run_finish(&run);
        done = strstr(run.out, "\"state\": \"done\"");
        run_free(&run);
    }
    assert_true(done);
    assert_int_equal(nftw(home, look_at_file, 16, FTW_PHYS), 0);
    setenv("XDG_STATE_HOME", lab_get(lab, "LAB_DIR"), 1);
    print_message("    %d processes, their state, log, record and manifest: no password\n",
                  processes);
    free(path);
    free(home);
    free(text);
}

static int start(void **state)
{
    (void)state;
    lab = lab_start(NULL);
    unsetenv("LAB_PG_TCP"); /* of the lab around the tests: it holds the same password */
    setenv("XDG_STATE_HOME", lab_get(lab, "LAB_DIR"), 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_and_undo),
        cmocka_unit_test(test_closed_descriptors),
        cmocka_unit_test(test_production),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_terminate),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_no_record_no_act),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_jobs_empties_the_spare),
        cmocka_unit_test(test_no_secret),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
