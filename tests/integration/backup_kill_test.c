/* Backups that are ended at random moments: by kill -9 of the job or of its tool, by a cancel, by a
 * full disk, by the end of the server. Whatever happens, a final name is that of a whole dump, nothing
 * of ours stays on the server, and the next backup works. */
#include "tests/integration/backup_run.h"

#include "backend/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SIDE_BY_SIDE = 4,
    DATABASES = SIDE_BY_SIDE,
    PATIENCE = 20 /* seconds */
};

static struct backup_run run;
static double usual; /* seconds that an undisturbed backup takes */
static unsigned seed, serial;

/* One backup that will be ended. */
struct attempt {
    char *folder, *id, *phase; /* phase: that it was in when it was ended */
    const char *database;
    double at; /* seconds, when it is ended */
    pid_t pid;
    bool struck;
    size_t before; /* whole dumps in its folder */
    struct job_info info;
};

struct tally {
    int tries, struck, done, phases[4];
};

static const char *const databases[DATABASES] = {"k0", "k1", "k2", "k3"};
static const char *const phases[] = {"looking", "dumping", "checking", "hashing"};

static void make_database(const char *name)
{
    char *sql = mem_printf("CREATE DATABASE %s", name);

    backup_sql(&run, NULL, sql);
    backup_sql(&run, name,
               "CREATE TABLE t AS SELECT n, md5(n::text) || md5((n * 7)::text) AS m"
               " FROM generate_series(1, 20000) n");
    free(sql);
}

/* As long as the attempts will take: as many side by side. */
static double measure(void)
{
    char *folder = mem_printf("%s/usual", run.top), *ids[SIDE_BY_SIDE];
    double begun[SIDE_BY_SIDE], sum = 0;

    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        ids[i] = backup_run_begin(&run, databases[i], folder, false);
        begun[i] = backup_seconds();
    }
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        struct job_info info = backup_run_wait(ids[i]);

        assert_int_equal(info.state, JOB_DONE);
        sum += backup_seconds() - begun[i];
        backup_info_free(&info);
        free(ids[i]);
    }
    free(folder);
    return sum / SIDE_BY_SIDE;
}

static int start(void **state)
{
    const char *given = getenv("BACKUP_SEED");

    (void)state;
    /* Mounts of our own go with us, however this ends. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        print_message("no mounts of our own: %s\n", strerror(errno));
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    srandom(seed);
    backup_run_start(&run);
    backup_run_quick_tools(&run);
    for (int i = 0; i < DATABASES; i++)
        make_database(databases[i]);
    backup_run_open(&run);
    usual = measure();
    print_message("an undisturbed backup takes %.2f s; BACKUP_SEED=%u\n", usual, seed);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    backup_run_stop(&run);
    return 0;
}

/* ---- attempts ---- */

static double chance(void)
{
    return (double)random() / (double)RAND_MAX;
}

/* folder NULL: a new one. The moment is within this share of what a backup takes. */
static void begin(struct attempt *attempt, int index, const char *folder, double share)
{
    *attempt = (struct attempt){.database = databases[index]};
    attempt->folder = folder ? mem_strdup(folder) : mem_printf("%s/%u", run.top, serial++);
    attempt->before = backup_count(attempt->folder, ".dump");
    attempt->id = backup_run_begin(&run, attempt->database, attempt->folder, false);
    attempt->at = backup_seconds() + chance() * usual * share;
}

/* What it does at the moment; false: it has ended before. */
static bool is_alive(struct attempt *attempt)
{
    struct job_info info = backup_run_look(attempt->id);
    const bool alive = !job_state_ended(info.state) && info.pid > 0;

    if (alive) {
        attempt->pid = (pid_t)info.pid;
        free(attempt->phase);
        attempt->phase = mem_strdup(info.phase);
    }
    backup_info_free(&info);
    return alive;
}

static void note(struct tally *tally, const struct attempt *attempt)
{
    tally->tries++;
    tally->struck += attempt->struck;
    tally->done += attempt->info.state == JOB_DONE;
    for (size_t i = 0; attempt->struck && attempt->phase && i < 4; i++)
        tally->phases[i] += strncmp(attempt->phase, phases[i], strlen(phases[i])) == 0;
}

static void say(const char *what, const struct tally *tally)
{
    print_message(
        "%s: %d backups, %d struck (%d while looking, %d dumping, %d checking, %d hashing),"
        " %d were done all the same\n",
        what, tally->tries, tally->struck, tally->phases[0], tally->phases[1], tally->phases[2],
        tally->phases[3], tally->done);
}

static void assert_no_sessions(const struct attempt *attempt, double patience)
{
    const double until = backup_seconds() + patience;

    while (backup_sessions(&run, attempt->id) > 0) {
        if (backup_seconds() >= until)
            fail_msg("job %s has sessions on the server", attempt->id);
        backup_nap(0.02);
    }
}

/* What holds after every end. dead: it could not clean up after itself. */
static void assert_clean(const struct attempt *attempt, bool dead)
{
    const size_t whole = backup_assert_folder(attempt->folder);

    if (dead) {
        assert_in_range(whole, attempt->before, attempt->before + 1);
    } else {
        assert_int_equal(whole, attempt->before + (attempt->info.state == JOB_DONE));
        assert_int_equal(backup_count(attempt->folder, ".partial"), 0);
        assert_int_equal(backup_count(attempt->folder, ".json"), whole);
    }
    assert_no_sessions(attempt, dead ? PATIENCE : 0);
}

static void finish(struct attempt *attempt)
{
    backup_info_free(&attempt->info);
    free(attempt->phase);
    free(attempt->folder);
    free(attempt->id);
}

/* Side by side, since each of them is a promise that one bad end does not spoil the next. */
static void assert_next_works(struct attempt *attempts, int count)
{
    char *ids[SIDE_BY_SIDE];

    for (int i = 0; i < count; i++)
        ids[i] = backup_run_begin(&run, attempts[i].database, attempts[i].folder, false);
    for (int i = 0; i < count; i++) {
        struct job_info info = backup_run_wait(ids[i]);

        if (info.state != JOB_DONE)
            fail_msg("the next backup of %s: %s", attempts[i].database, info.result);
        assert_true(backup_assert_folder(attempts[i].folder) >= 1);
        assert_int_equal(backup_count(attempts[i].folder, ".partial"), 0);
        backup_info_free(&info);
        free(ids[i]);
    }
}

typedef bool strike_at(struct attempt *attempt);

/* Strikes each at its moment. */
static void strike_all(struct attempt *attempts, int count, strike_at *strike)
{
    int left = count;
    bool over[SIDE_BY_SIDE] = {false};

    while (left) {
        for (int i = 0; i < count; i++) {
            if (over[i] || backup_seconds() < attempts[i].at)
                continue;
            attempts[i].struck = is_alive(&attempts[i]) && strike(&attempts[i]);
            over[i] = true;
            left--;
        }
        backup_nap(0.002);
    }
}

static void try_all(const char *kind, int rounds, strike_at *strike, enum job_state expected,
                    struct tally *tally)
{
    for (int round = 0; round < rounds; round++) {
        struct attempt attempts[SIDE_BY_SIDE];

        for (int i = 0; i < SIDE_BY_SIDE; i++)
            begin(&attempts[i], i, NULL, 0.95);
        strike_all(attempts, SIDE_BY_SIDE, strike);
        for (int i = 0; i < SIDE_BY_SIDE; i++) {
            struct attempt *attempt = &attempts[i];

            attempt->info = backup_run_wait(attempt->id);
            if (attempt->info.state != JOB_DONE &&
                (!attempt->struck || attempt->info.state != expected))
                fail_msg("%s: job %s is %s: %s", kind, attempt->id,
                         job_state_text(attempt->info.state), attempt->info.result);
            assert_clean(attempt, expected == JOB_DIED);
            note(tally, attempt);
        }
        assert_next_works(attempts, SIDE_BY_SIDE);
        for (int i = 0; i < SIDE_BY_SIDE; i++)
            finish(&attempts[i]);
    }
    say(kind, tally);
    assert_true(tally->struck > 0);
}

/* ---- the job's process ---- */

static bool kill_job(struct attempt *attempt)
{
    return kill(attempt->pid, SIGKILL) == 0;
}

static void survives_the_end_of_the_job(void **state)
{
    struct tally tally = {0};

    (void)state;
    try_all("kill -9 of the job", 4, kill_job, JOB_DIED, &tally);
}

/* ---- its tool ---- */

static pid_t child_of(pid_t parent)
{
    char *path = mem_printf("/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    int child = 0;

    if (file) {
        if (fscanf(file, "%d", &child) != 1) // NOLINT(cert-err34-c)
            child = 0;
        fclose(file);
    }
    free(path);
    return (pid_t)child;
}

/* Waits for one, if there is none at the moment. */
static bool kill_tool(struct attempt *attempt)
{
    const double until = backup_seconds() + PATIENCE;

    while (is_alive(attempt) && backup_seconds() < until) {
        pid_t child = child_of(attempt->pid);

        if (child > 0 && kill(child, SIGKILL) == 0)
            return true;
        backup_nap(0.001);
    }
    return false;
}

static void survives_the_end_of_its_tool(void **state)
{
    struct tally tally = {0};

    (void)state;
    try_all("kill -9 of the tool", 4, kill_tool, JOB_FAILED, &tally);
}

/* ---- a cancel ---- */

static bool cancel(struct attempt *attempt)
{
    char *error = job_cancel(attempt->id);
    const bool asked = error == NULL;

    free(error);
    return asked;
}

static void leaves_nothing_after_a_cancel(void **state)
{
    struct tally tally = {0};

    (void)state;
    try_all("a cancel", 3, cancel, JOB_CANCELLED, &tally);
}

/* ---- a full disk ---- */

static void mount_disk(const char *folder)
{
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=8m,mode=0700") != 0)
        fail_msg("this test needs to mount a tmpfs on %s, as root: %s", folder, strerror(errno));
}

/* All but a few random blocks are taken by somebody else. */
static bool fill_disk(struct attempt *attempt)
{
    char *path = mem_printf("%s/ballast", attempt->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096];
    const off_t left = (off_t)(chance() * 20) * (off_t)sizeof(block);

    memset(block, 'x', sizeof(block));
    while (fd >= 0 && write(fd, block, sizeof(block)) > 0) {
    }
    if (fd >= 0) {
        const off_t size = lseek(fd, 0, SEEK_CUR);

        assert_int_equal(ftruncate(fd, size > left ? size - left : 0), 0);
        close(fd);
    }
    free(path);
    return fd >= 0;
}

static void empty_disk(const struct attempt *attempt)
{
    char *path = mem_printf("%s/ballast", attempt->folder);

    unlink(path);
    free(path);
}

static void says_so_when_the_disk_is_full(void **state)
{
    struct tally tally = {0};
    char *folders[SIDE_BY_SIDE];

    (void)state;
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        folders[i] = mem_printf("%s/full-%d", run.top, i);
        mount_disk(folders[i]);
    }
    for (int round = 0; round < 2; round++) {
        struct attempt attempts[SIDE_BY_SIDE];

        for (int i = 0; i < SIDE_BY_SIDE; i++)
            begin(&attempts[i], i, folders[i], 0.8);
        strike_all(attempts, SIDE_BY_SIDE, fill_disk);
        for (int i = 0; i < SIDE_BY_SIDE; i++) {
            attempts[i].info = backup_run_wait(attempts[i].id);
            if (attempts[i].info.state != JOB_DONE &&
                !strstr(attempts[i].info.result, "o space left"))
                fail_msg("%s", attempts[i].info.result);
            if (round == 0 && attempts[i].info.state != JOB_DONE)
                print_message("%s\n", attempts[i].info.result);
            assert_clean(&attempts[i], false);
            empty_disk(&attempts[i]);
            note(&tally, &attempts[i]);
        }
        assert_next_works(attempts, SIDE_BY_SIDE);
        for (int i = 0; i < SIDE_BY_SIDE; i++)
            finish(&attempts[i]);
    }
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        assert_int_equal(umount2(folders[i], 0), 0);
        free(folders[i]);
    }
    say("a full disk", &tally);
    assert_true(tally.struck > 0 && tally.done < tally.tries);
}

/* ---- the server ---- */

static void survives_the_end_of_the_server(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (int round = 0; round < 4; round++) {
        struct attempt attempts[2];
        double at;

        for (int i = 0; i < 2; i++)
            begin(&attempts[i], i, NULL, 0.9);
        at = attempts[1].at;
        while (backup_seconds() < at)
            backup_nap(0.002);
        for (int i = 0; i < 2; i++)
            attempts[i].struck = is_alive(&attempts[i]);
        backup_run_close(&run);
        lab_kill(run.lab, LAB_POSTGRES);
        for (int i = 0; i < 2; i++)
            attempts[i].info = backup_run_wait(attempts[i].id);
        lab_restart(run.lab, LAB_POSTGRES);
        for (int i = 0; i < 2; i++) {
            assert_true(attempts[i].info.state == JOB_DONE || attempts[i].info.state == JOB_FAILED);
            assert_clean(&attempts[i], false);
            note(&tally, &attempts[i]);
        }
        backup_run_open(&run);
        assert_next_works(attempts, 2);
        for (int i = 0; i < 2; i++)
            finish(&attempts[i]);
    }
    say("the server's end", &tally);
    assert_true(tally.struck > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_end_of_the_job),
        cmocka_unit_test(survives_the_end_of_its_tool),
        cmocka_unit_test(leaves_nothing_after_a_cancel),
        cmocka_unit_test(says_so_when_the_disk_is_full),
        cmocka_unit_test(survives_the_end_of_the_server),
    };
    int status;

    if (backup_run_main(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
