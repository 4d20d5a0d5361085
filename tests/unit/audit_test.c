/* The record of acts: what is appended, to which file, and how it is read again. */
#include "backend/audit.h"
#include "backend/base/mem.h"
#include "backend/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int make_folder(void **state)
{
    char *folder = mem_strdup("/tmp/sharedtop-audit-XXXXXX");

    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    char *command = mem_printf("rm -rf '%s'", (char *)*state);

    assert_int_equal(system(command), 0);
    free(command);
    free(*state);
    return 0;
}

static json_t *intent(const char *id, const char *target)
{
    json_t *line = audit_line(id, "intent");

    json_object_set_new(line, "act", json_string("flush"));
    json_object_set_new(line, "target", json_string(target));
    json_object_set_new(line, "commands", json_pack("[s,s]", "SELECT 5", "SWAPDB 5 15"));
    return line;
}

static json_t *outcome(const char *id, const char *status)
{
    json_t *line = audit_line(id, "outcome");

    json_object_set_new(line, "status", json_string(status));
    json_object_set_new(line, "outcome", json_string("moved 12 keys"));
    return line;
}

static void append(const char *path, json_t *line)
{
    char *error = audit_append(path, line);

    if (error)
        fail_msg("%s", error);
}

static void test_intent_and_outcome(void **state)
{
    char *path = mem_printf("%s/new/folder/audit.jsonl", (char *)*state), *error = NULL;
    struct audit_entries entries;
    struct stat file;

    append(path, intent("a", "5"));
    append(path, intent("b", "3"));
    append(path, outcome("a", "done"));
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_true(audit_read(path, 10, &entries, &error));
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.items[0].id, "a");
    assert_string_equal(entries.items[0].status, "done");
    assert_string_equal(entries.items[0].outcome, "moved 12 keys");
    assert_string_equal(entries.items[0].command, "SELECT 5\nSWAPDB 5 15");
    assert_non_null(entries.items[0].user);
    assert_null(entries.items[1].status);
    assert_int_equal(entries.unreadable, 0);
    audit_entries_free(&entries);
    free(path);
}

/* The dashboard that started a job was ended and said so; then the job ended well. */
static void test_a_job_has_the_last_word(void **state)
{
    char *path = mem_printf("%s/audit.jsonl", (char *)*state), *error = NULL;
    struct audit_entries entries;

    append(path, intent("a", "5"));
    append(path, outcome("a", "unknown"));
    append(path, outcome("a", "done"));
    append(path, outcome("a", "failed"));
    assert_true(audit_read(path, 10, &entries, &error));
    assert_string_equal(entries.items[0].status, "done");
    audit_entries_free(&entries);
    free(path);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* A crash in the middle of a line does not swallow the next one. */
static void test_cut_line(void **state)
{
    char *path = mem_printf("%s/audit.jsonl", (char *)*state), *error = NULL;
    struct audit_entries entries;

    append(path, intent("a", "5"));
    put(path, "{\"time\": \"2026");
    append(path, outcome("a", "failed"));
    assert_true(audit_read(path, 10, &entries, &error));
    assert_int_equal(entries.count, 1);
    assert_string_equal(entries.items[0].status, "failed");
    assert_int_equal(entries.unreadable, 1);
    audit_entries_free(&entries);
    free(path);
}

static void test_no_file_and_the_newest(void **state)
{
    char *path = mem_printf("%s/audit.jsonl", (char *)*state), *error = NULL;
    struct audit_entries entries;

    assert_true(audit_read(path, 10, &entries, &error));
    assert_int_equal(entries.count, 0);
    for (int i = 0; i < 5; i++) {
        char id[2] = {(char)('a' + i), '\0'};

        append(path, intent(id, "1"));
    }
    assert_true(audit_read(path, 2, &entries, &error));
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.items[0].id, "d");
    assert_string_equal(entries.items[1].id, "e");
    audit_entries_free(&entries);
    free(path);
}

/* A place that cannot be written is a reason not to act, with a line that says so. */
static void test_unwritable(void **state)
{
    char *path = mem_printf("%s/file/audit.jsonl", (char *)*state);
    char *file = mem_printf("%s/file", (char *)*state), *error;

    put(file, "");
    error = audit_append(path, intent("a", "5"));
    assert_non_null(error);
    assert_non_null(strstr(error, file));
    free(error);
    error = audit_append("/dev/full", intent("a", "5"));
    assert_non_null(error);
    assert_non_null(strstr(error, "No space left"));
    free(error);
    free(file);
    free(path);
}

/* Several processes at once: every line is whole. */
static void test_side_by_side(void **state)
{
    char *path = mem_printf("%s/audit.jsonl", (char *)*state), *error = NULL;
    struct audit_entries entries;

    for (int child = 0; child < 4; child++) {
        if (fork() == 0) {
            for (int i = 0; i < 25; i++) {
                char *id = mem_printf("%d-%d", child, i);

                if (audit_append(path, intent(id, "a target of some length")))
                    _exit(1);
                free(id);
            }
            _exit(0);
        }
    }
    for (int child = 0; child < 4; child++) {
        int status;

        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_true(audit_read(path, 1000, &entries, &error));
    assert_int_equal(entries.count, 100);
    assert_int_equal(entries.unreadable, 0);
    audit_entries_free(&entries);
    free(path);
}

static void test_plan(void **state)
{
    struct plan plan = {.act = ACT_FLUSH, .title = mem_strdup("Flush database 5")};
    json_t *json;
    char *text;

    (void)state;
    plan_add(&plan, PLAN_COMMAND, "", "SWAPDB %d %d", 5, 15);
    plan_add(&plan, PLAN_EVIDENCE, "keys", "10");
    plan_add(&plan, PLAN_EVIDENCE, "sample", "bad \xff\xc0 bytes \xe2\x82\xac");
    plan_add(&plan, PLAN_LOSS, "", "10 keys");
    plan_veto(&plan, VETO_CELERY, "celery: 3");
    json = plan_json(&plan);
    assert_int_equal(json_array_size(json_object_get(json, "commands")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "evidence")), 2);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(json, "evidence"), 1), "text")),
                        "bad \xEF\xBF\xBD\xEF\xBF\xBD bytes \xe2\x82\xac");
    assert_true(plan.vetoes == VETO_CELERY);
    text = plan_text(&plan);
    assert_true(strstr(text, "10 keys") < strstr(text, "SWAPDB 5 15"));
    assert_non_null(strstr(text, "celery: 3"));
    free(text);
    json_decref(json);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_intent_and_outcome, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_a_job_has_the_last_word, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_cut_line, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_no_file_and_the_newest, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_unwritable, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_side_by_side, make_folder, drop_folder),
        cmocka_unit_test(test_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
