/* The kernel's figures of containers, from trees of files as /proc and the cgroups of both versions
 * are. What a real engine's containers give is compared with it in the tests against one. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_usage_impl.h"

#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID    "7dca070107afc907adf2b06377b896b62408e85fba1954abbe5c6af2f2bbd881"
#define OTHER "514c73fa4b827670a2f130058eb85979f32941311601e89d4a47e19e84b5d92f"

/* ---- pure ---- */

static const char mounts_1[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw\n";
static const char mounts_2[] =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
static const char mounts_inside[] = /* in a container of its own */
    "700 690 0:32 /docker/" OTHER " /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
static const char cgroup_1[] = "9:name=systemd:/docker/" ID "\n"
                               "4:memory:/docker/" ID "\n"
                               "2:cpu,cpuacct:/docker/" ID "\n"
                               "0::/docker/" ID "\n";
static const char cgroup_2[] = "0::/system.slice/docker-" ID ".scope\n";

static void assert_folder(const char *cgroup, const char *mounts, const char *controller,
                          const char *wanted)
{
    char *folder = usage_cgroup_folder(cgroup, mounts, controller);

    if (wanted) {
        assert_non_null(folder);
        assert_string_equal(folder, wanted);
    } else {
        assert_null(folder);
    }
    free(folder);
}

static void test_folders(void **state)
{
    static const char unified[] = "/sys/fs/cgroup/system.slice/docker-" ID ".scope";

    (void)state;
    assert_folder(cgroup_1, mounts_1, "memory", "/sys/fs/cgroup/memory/docker/" ID);
    assert_folder(cgroup_1, mounts_1, "cpuacct", "/sys/fs/cgroup/cpu,cpuacct/docker/" ID);
    assert_folder(cgroup_1, mounts_1, "", "/sys/fs/cgroup/uni fied/docker/" ID);
    assert_folder(cgroup_2, mounts_2, "memory", unified);
    assert_folder(cgroup_2, mounts_2, "", unified);
    assert_folder("0::/\n", mounts_2, "", "/sys/fs/cgroup");
    assert_folder("4:memory:/docker/" OTHER "/x\n", mounts_inside, "memory",
                  "/sys/fs/cgroup/memory/x");
    assert_folder(cgroup_1, mounts_inside, "memory", NULL);
    assert_folder("4:memory:/docker/" OTHER "0\n", mounts_inside, "memory", NULL);
    assert_folder("0::/../" ID "\n", mounts_2, "", NULL);
    assert_folder("0::/..\n", mounts_2, "", NULL);
    assert_folder("4:cpu:/x\n", mounts_1, "memory", NULL);
    assert_folder("", "", "", NULL);
    assert_folder("0:", "\n - ", "memory", NULL);
}

static void assert_container_folder(const char *cgroup, const char *id, const char *wanted)
{
    bool version_2 = false;
    char *folder = usage_container_folder(cgroup, mounts_2, "memory", id, &version_2);

    assert_true(version_2);
    if (wanted)
        assert_string_equal(folder, wanted);
    else
        assert_null(folder);
    free(folder);
}

static void test_a_container_is_all_that_is_below_its_part(void **state)
{
    (void)state;
    assert_container_folder("0::/machine.slice/libpod-" ID ".scope/container\n", ID,
                            "/sys/fs/cgroup/machine.slice/libpod-" ID ".scope");
    assert_container_folder(cgroup_2, ID, "/sys/fs/cgroup/system.slice/docker-" ID ".scope");
    assert_container_folder(cgroup_2, OTHER, NULL);
    assert_container_folder("0::/user.slice\n", ID, NULL);
    assert_container_folder(cgroup_2, "", NULL);
}

static void test_values(void **state)
{
    static const char events[] = "low 0\nhigh 4\nmax 5\noom 2\noom_kill 7\noom_group_kill 1\n";

    (void)state;
    assert_int_equal(usage_stat_value(events, "oom_kill"), 7);
    assert_int_equal(usage_stat_value(events, "oom"), 2);
    assert_int_equal(usage_stat_value(events, "kill"), -1);
    assert_int_equal(usage_stat_value("oom_kill x\n", "oom_kill"), -1);
    assert_int_equal(usage_stat_value("oom_kill -3", "oom_kill"), -1);
    assert_int_equal(usage_stat_value("", "oom_kill"), -1);
}

static void test_pressure(void **state)
{
    static const char text[] = "some avg10=12.34 avg60=1.91 avg300=1.41 total=6160788333\n"
                               "full avg10=0.50 avg60=0.00 avg300=0.00 total=0\n";

    (void)state;
    assert_true(fabs(usage_pressure(text, "some") - 12.34) < 1e-9);
    assert_true(fabs(usage_pressure(text, "full") - 0.5) < 1e-9);
    assert_true(isnan(usage_pressure(text, "none")));
    assert_true(isnan(usage_pressure("some avg10=x", "some")));
    assert_true(isnan(usage_pressure("some avg10=-1", "some")));
    assert_true(isnan(usage_pressure("some avg10=nan", "some")));
    assert_true(isnan(usage_pressure("", "full")));
}

/* ---- a tree of files ---- */

struct tree {
    char root[64], *proc;
    uv_loop_t loop;
    struct usage_reader *reader;
    struct container_usage usages[4];
    size_t count;
    unsigned done;
    bool free_it;
};

static void put(const struct tree *tree, const char *path, const char *text)
{
    char *whole = mem_printf("%s/%s", tree->root, path);
    FILE *file;

    for (char *slash = whole + strlen(tree->root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
    file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    free(whole);
}

static void put_in(const struct tree *tree, const char *folder, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);

    put(tree, path, text);
    free(path);
}

static void drop(const struct tree *tree, const char *path)
{
    char *whole = mem_printf("%s/%s", tree->root, path);

    assert_int_equal(unlink(whole), 0);
    free(whole);
}

static void done(void *context, const struct usage_target *targets,
                 const struct container_usage *usages, size_t count)
{
    struct tree *tree = context;

    (void)targets;
    assert_in_range(count, 0, 4);
    memcpy(tree->usages, usages, count * sizeof(*usages));
    tree->count = count;
    tree->done++;
    if (tree->free_it) {
        usage_reader_free(tree->reader);
        tree->reader = NULL;
    }
}

static int make_tree(void **state)
{
    struct tree *tree = mem_zalloc(sizeof(*tree));

    snprintf(tree->root, sizeof(tree->root), "/tmp/container-usage-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    put(tree, "proc/self/none", "");
    tree->proc = mem_printf("%s/proc", tree->root);
    assert_int_equal(uv_loop_init(&tree->loop), 0);
    tree->reader = usage_reader_new_at(&tree->loop, tree->proc, done, tree);
    *state = tree;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_tree(void **state)
{
    struct tree *tree = *state;

    usage_reader_free(tree->reader);
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&tree->loop), 0);
    assert_int_equal(nftw(tree->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(tree->proc);
    free(tree);
    return 0;
}

static const struct container_usage *read_one(struct tree *tree, const char *id, pid_t pid,
                                              enum container_service service)
{
    struct usage_target target = {.pid = pid, .service = service};
    const unsigned before = tree->done;

    memcpy(target.id, id, strlen(id));
    assert_true(usage_reader_start(tree->reader, &target, 1));
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(tree->done, before + 1);
    return tree->usages;
}

static void put_process(const struct tree *tree, pid_t pid, const char *comm, const char *cgroup,
                        const char *children)
{
    char *folder = mem_printf("proc/%d", (int)pid);
    char *tasks = mem_printf("%s/task/%d", folder, (int)pid);

    put_in(tree, folder, "comm", comm);
    put_in(tree, folder, "cgroup", cgroup);
    put_in(tree, folder, "oom_score_adj", pid == 101 ? "-800\n" : "0\n");
    put_in(tree, folder, "oom_score", pid == 101 ? "13\n" : "666\n");
    put_in(tree, tasks, children ? "children" : "none", children ? children : "");
    free(folder);
    free(tasks);
}

static void put_mounts(const struct tree *tree, bool version_1)
{
    char *mounts = version_1 ? mem_printf("1 0 0:1 / %s/memory rw - cgroup cgroup rw,memory\n"
                                          "2 0 0:2 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                                          "3 0 0:3 / %s/unified rw - cgroup2 cgroup2 rw\n",
                                          tree->root, tree->root, tree->root)
                             : mem_printf("1 0 0:1 / %s/all rw - cgroup2 cgroup2 rw\n", tree->root);

    put(tree, "proc/self/mountinfo", mounts);
    free(mounts);
}

#define SCOPE "all/system.slice/docker-" ID ".scope"

static void put_version_2(const struct tree *tree)
{
    put_mounts(tree, false);
    put_in(tree, SCOPE, "memory.current", "5000000\n");
    put_in(tree, SCOPE, "memory.stat", "anon 1\nfile 2\ninactive_file 1000000\nactive_file 9\n");
    put_in(tree, SCOPE, "memory.max", "max\n");
    put_in(tree, SCOPE, "memory.events", "low 0\noom 2\noom_kill 1\n");
    put_in(tree, SCOPE, "memory.pressure", "some avg10=1.50 \nfull avg10=0.25 \n");
    put_in(tree, SCOPE, "cpu.pressure", "some avg10=3.00 \n");
    put_in(tree, SCOPE, "io.pressure", "some avg10=4.00 \n");
    put_in(tree, SCOPE, "cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
}

static void test_version_2(void **state)
{
    struct tree *tree = *state;
    const struct container_usage *usage;

    put_version_2(tree);
    put_process(tree, 100, "postgres\n", cgroup_2, "");
    usage = read_one(tree, ID, 100, SERVICE_POSTGRES);
    assert_int_equal(usage->memory, 4000000);
    assert_int_equal(usage->memory_cache, 1000000);
    assert_int_equal(usage->memory_limit, 0);
    assert_int_equal(usage->oom_kills, 1);
    assert_true(fabs(usage->cpu_seconds - 2.5) < 1e-9);
    assert_true(isnan(usage->cpu));
    assert_true(usage->psi_some == 1.5 && usage->psi_full == 0.25);
    assert_true(usage->psi_cpu == 3 && usage->psi_io == 4);
    assert_int_equal(usage->pid, 100);
    assert_int_equal(usage->oom_score_adj, 0);
    assert_int_equal(usage->oom_score, 666);

    put_in(tree, SCOPE, "memory.max", "209715200\n");
    put_in(tree, SCOPE, "cpu.stat", "usage_usec 3000000\n");
    usage = read_one(tree, ID, 100, SERVICE_POSTGRES);
    assert_int_equal(usage->memory_limit, 209715200);
    assert_true(usage->cpu > 0);
}

static void test_version_1(void **state)
{
    struct tree *tree = *state;
    const struct container_usage *usage;

    put_mounts(tree, true);
    put(tree, "memory/docker/" ID "/memory.usage_in_bytes", "5000000\n");
    put(tree, "memory/docker/" ID "/memory.stat", "inactive_file 5\ntotal_inactive_file 1000000\n");
    put(tree, "memory/docker/" ID "/memory.limit_in_bytes", "9223372036854771712\n");
    put(tree, "memory/docker/" ID "/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
    put(tree, "cpu/docker/" ID "/cpuacct.usage", "2500000000\n");
    put(tree, "unified/docker/" ID "/memory.pressure", "some avg10=1.50 \n");
    put_process(tree, 100, "redis-server\n", cgroup_1, "");
    usage = read_one(tree, ID, 100, SERVICE_REDIS);
    assert_int_equal(usage->memory, 4000000);
    assert_int_equal(usage->memory_limit, 0);
    assert_int_equal(usage->oom_kills, 3);
    assert_true(fabs(usage->cpu_seconds - 2.5) < 1e-9);
    assert_true(usage->psi_some == 1.5);
    assert_true(isnan(usage->psi_full) && isnan(usage->psi_cpu) && isnan(usage->psi_io));
}

static void assert_unknown(const struct container_usage *usage)
{
    assert_int_equal(usage->pid, 0);
    assert_int_equal(usage->memory, -1);
    assert_int_equal(usage->memory_cache, -1);
    assert_int_equal(usage->memory_limit, -1);
    assert_int_equal(usage->oom_kills, -1);
    assert_int_equal(usage->oom_score, -1);
    assert_int_equal(usage->oom_score_adj, INT_MIN);
    assert_true(isnan(usage->cpu) && isnan(usage->cpu_seconds));
    assert_true(isnan(usage->psi_some) && isnan(usage->psi_full));
    assert_true(isnan(usage->psi_cpu) && isnan(usage->psi_io));
}

/* A process that has got the number of one that was the container's. */
static void test_a_foreign_process_tells_nothing(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "postgres\n", "0::/user.slice\n", "");
    assert_unknown(read_one(tree, ID, 100, SERVICE_POSTGRES));
    assert_unknown(read_one(tree, ID, 4711, SERVICE_POSTGRES));
    assert_unknown(read_one(tree, ID, 0, SERVICE_POSTGRES));
    assert_unknown(read_one(tree, "", 100, SERVICE_POSTGRES));
}

static void test_what_cannot_be_read_is_unknown(void **state)
{
    struct tree *tree = *state;
    const struct container_usage *usage;

    put_version_2(tree);
    put_process(tree, 100, "postgres\n", cgroup_2, "");
    drop(tree, SCOPE "/memory.stat");
    drop(tree, SCOPE "/memory.pressure");
    drop(tree, SCOPE "/cpu.stat");
    drop(tree, "proc/100/oom_score_adj");
    put_in(tree, SCOPE, "memory.events", "garbage");
    usage = read_one(tree, ID, 100, SERVICE_POSTGRES);
    assert_int_equal(usage->memory, 5000000);
    assert_int_equal(usage->memory_cache, -1);
    assert_int_equal(usage->oom_kills, -1);
    assert_true(isnan(usage->cpu_seconds) && isnan(usage->psi_some));
    assert_true(usage->psi_io == 4);
    assert_int_equal(usage->oom_score_adj, INT_MIN);
    assert_int_equal(usage->oom_score, 666);
}

/* tini → sh → postgres → its own children */
static void test_the_server_is_found_below_an_init(void **state)
{
    struct tree *tree = *state;
    const struct container_usage *usage;

    put_version_2(tree);
    put_process(tree, 100, "tini\n", cgroup_2, "103 ");
    put_process(tree, 103, "sh\n", cgroup_2, "104 101 ");
    put_process(tree, 104, "cron\n", cgroup_2, "");
    put_process(tree, 101, "postgres\n", cgroup_2, "105 ");
    put_process(tree, 105, "postgres\n", cgroup_2, "");
    usage = read_one(tree, ID, 100, SERVICE_POSTGRES);
    assert_int_equal(usage->pid, 101);
    assert_int_equal(usage->oom_score_adj, -800);
    assert_int_equal(usage->oom_score, 13);
    assert_int_equal(read_one(tree, ID, 100, SERVICE_OTHER)->pid, 101);
}

static void test_the_first_process_of_others(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "sh\n", cgroup_2, "101 ");
    put_process(tree, 101, "postgres\n", cgroup_2, "");
    assert_int_equal(read_one(tree, ID, 100, SERVICE_OTHER)->pid, 100);
}

/* The first process is a shell until it becomes the server, or until that has started below it. */
static void test_a_server_that_starts_later(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "sh\n", cgroup_2, "");
    assert_int_equal(read_one(tree, ID, 100, SERVICE_REDIS)->pid, 100);
    put_process(tree, 100, "sh\n", cgroup_2, "101 ");
    put_process(tree, 101, "valkey-server\n", cgroup_2, "");
    assert_int_equal(read_one(tree, ID, 100, SERVICE_REDIS)->pid, 101);
}

/* A server of another container is none of this one's. */
static void test_a_child_that_has_left(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "dockerd\n", cgroup_2, "101 ");
    put_process(tree, 101, "postgres\n", "0::/system.slice/docker-" OTHER ".scope\n", "");
    assert_int_equal(read_one(tree, ID, 100, SERVICE_POSTGRES)->oom_score_adj, INT_MIN);
}

/* A kernel that does not tell children: their parents are in /proc/PID/stat. */
static void test_children_by_their_parents(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "sh\n", cgroup_2, NULL);
    put_process(tree, 101, "redis-server\n", cgroup_2, NULL);
    put_process(tree, 102, "redis-server\n", cgroup_2, NULL);
    put_process(tree, 103, "init\n", cgroup_2, NULL);
    put(tree, "proc/100/stat", "100 (sh) S 1 100 100 0\n");
    put(tree, "proc/101/stat", "101 (a) (b) 5) S 103 100 100 0\n");
    put(tree, "proc/102/stat", "102 (redis-server) S 7 100 100 0\n");
    put(tree, "proc/103/stat", "103 (init) S 100 100 100 0\n");
    put(tree, "proc/104/stat", "garbage");
    assert_int_equal(read_one(tree, ID, 100, SERVICE_REDIS)->pid, 101);
}

/* After a restart: another process, another cgroup with other counters. */
static void test_a_restart_begins_anew(void **state)
{
    struct tree *tree = *state;
    const struct container_usage *usage;

    put_version_2(tree);
    put_process(tree, 100, "postgres\n", cgroup_2, "");
    read_one(tree, ID, 100, SERVICE_POSTGRES);
    drop(tree, SCOPE "/cpu.stat");
    put_in(tree, SCOPE, "cpu.stat", "usage_usec 9900000\n");
    put_process(tree, 101, "postgres\n", cgroup_2, "");
    usage = read_one(tree, ID, 101, SERVICE_POSTGRES);
    assert_int_equal(usage->pid, 101);
    assert_true(fabs(usage->cpu_seconds - 9.9) < 1e-9);
    assert_true(isnan(usage->cpu));
    assert_unknown(read_one(tree, ID, 0, SERVICE_POSTGRES));
}

static void test_targets_in_another_order(void **state)
{
    struct tree *tree = *state;
    struct usage_target targets[] = {
        {.id = ID, .pid = 100}, {.id = OTHER, .pid = 101}, {.id = "ff", .pid = 100}};
    struct usage_target turned[] = {{.id = OTHER, .pid = 101}, {.id = ID, .pid = 100}};

    put_version_2(tree);
    put_process(tree, 100, "a\n", cgroup_2, "");
    put_process(tree, 101, "b\n", "0::/" OTHER "\n", "");
    put(tree, "all/" OTHER "/memory.current", "77\n");
    assert_true(usage_reader_start(tree->reader, targets, 3));
    assert_false(usage_reader_start(tree->reader, targets, 3));
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(tree->done, 1);
    assert_int_equal(tree->count, 3);
    assert_int_equal(tree->usages[0].memory, 4000000);
    assert_int_equal(tree->usages[1].memory, 77);
    assert_unknown(tree->usages + 2);

    assert_true(usage_reader_start(tree->reader, turned, 2));
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(tree->usages[0].memory, 77);
    assert_int_equal(tree->usages[1].memory, 4000000);
    assert_int_equal((int)tree->usages[1].cpu, 0); /* the reading before is remembered */

    assert_true(usage_reader_start(tree->reader, NULL, 0));
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(tree->count, 0);
}

static void test_freed_while_it_reads(void **state)
{
    struct tree *tree = *state;
    struct usage_target target = {.id = ID, .pid = 100};

    put_version_2(tree);
    put_process(tree, 100, "a\n", cgroup_2, "");
    assert_true(usage_reader_start(tree->reader, &target, 1));
    usage_reader_free(tree->reader);
    tree->reader = NULL;
    uv_run(&tree->loop, UV_RUN_DEFAULT);
    assert_int_equal(tree->done, 0);
}

static void test_freed_when_it_is_done(void **state)
{
    struct tree *tree = *state;

    put_version_2(tree);
    put_process(tree, 100, "a\n", cgroup_2, "");
    tree->free_it = true;
    read_one(tree, ID, 100, SERVICE_OTHER);
    assert_null(tree->reader);
}

/* The true /proc: a process of this host that is in no container of that id. */
static void test_the_real_proc(void **state)
{
    struct tree *tree = *state;

    usage_reader_free(tree->reader);
    tree->reader = usage_reader_new(&tree->loop, done, tree);
    assert_unknown(read_one(tree, ID, getpid(), SERVICE_POSTGRES));
}

#define TREE_TEST(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_a_container_is_all_that_is_below_its_part),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_pressure),
        TREE_TEST(test_version_2),
        TREE_TEST(test_version_1),
        TREE_TEST(test_a_foreign_process_tells_nothing),
        TREE_TEST(test_what_cannot_be_read_is_unknown),
        TREE_TEST(test_the_server_is_found_below_an_init),
        TREE_TEST(test_the_first_process_of_others),
        TREE_TEST(test_a_server_that_starts_later),
        TREE_TEST(test_a_child_that_has_left),
        TREE_TEST(test_children_by_their_parents),
        TREE_TEST(test_a_restart_begins_anew),
        TREE_TEST(test_targets_in_another_order),
        TREE_TEST(test_freed_while_it_reads),
        TREE_TEST(test_freed_when_it_is_done),
        TREE_TEST(test_the_real_proc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
