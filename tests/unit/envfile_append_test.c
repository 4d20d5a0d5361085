/* A line is added to an env file: whole or not at all, and the rest stays as it was. */
#include "backend/base/mem.h"
#include "backend/envfile.h"
#include "backend/textfile.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WRITERS = 8, LINES = 5 };

struct folder {
    char path[64], *file;
};

static int make_folder(void **state)
{
    struct folder *folder = mem_zalloc(sizeof(*folder));

    snprintf(folder->path, sizeof(folder->path), "/tmp/sharedtop-append-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    folder->file = mem_printf("%s/.env", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char *command = mem_printf("rm -rf '%s'", folder->path);

    assert_int_equal(system(command), 0); /* NOLINT: a path of the test's own */
    free(command);
    free(folder->file);
    free(folder);
    return 0;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_content(const char *path, const char *expected)
{
    char *error = NULL, *text;
    size_t len;

    text = textfile_read(path, TEXTFILE_REGULAR, &len, &error);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_refused(const char *path, const char *key, const char *words)
{
    char *checked = envfile_check(path, key), *error = envfile_append(path, key, "value");

    if (!error || !strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error ? error : "(nothing)");
    assert_non_null(checked);
    assert_string_equal(checked, error);
    free(checked);
    free(error);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void a_new_file_is_the_owner_s_alone(void **state)
{
    const struct folder *folder = *state;

    assert_null(envfile_check(folder->file, "KEY"));
    assert_int_equal(access(folder->file, F_OK), -1);
    assert_null(envfile_append(folder->file, "KEY", "value"));
    assert_content(folder->file, "KEY=value\n");
    assert_int_equal(mode_of(folder->file), 0600);
}

static void the_rest_stays(void **state)
{
    const struct folder *folder = *state;
    struct stat st;

    put(folder->file, "# of us\nA=1\r\nB='two\nlines'", 0640);
    if (geteuid() == 0)
        assert_int_equal(chown(folder->file, 65534, 65533), 0);
    assert_null(envfile_append(folder->file, "KEY", "value"));
    assert_content(folder->file, "# of us\nA=1\r\nB='two\nlines'\nKEY=value\n");
    assert_int_equal(mode_of(folder->file), 0640);
    assert_int_equal(stat(folder->file, &st), 0);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 65534 : geteuid());
}

static void a_link_stays_a_link(void **state)
{
    const struct folder *folder = *state;
    char *link = mem_printf("%s/link", folder->path);
    struct stat st;

    put(folder->file, "A=1\n", 0600);
    assert_int_equal(symlink(".env", link), 0);
    assert_null(envfile_append(link, "KEY", "value"));
    assert_content(folder->file, "A=1\nKEY=value\n");
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    free(link);
}

static void values_read_back(void **state)
{
    static const char *const values[] = {
        "plain",        "",           "two words", "it's", "$HOME ${X} $$",
        "# no comment", "\"quoted\"", "a=b",       "ä ö",  "line\nbreak"};
    const struct folder *folder = *state;

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char *key = mem_printf("KEY_%zu", i), *error = NULL, *value;

        assert_null(envfile_append(folder->file, key, values[i]));
        value = envfile_read(folder->file, key, &error);
        assert_string_equal(value, values[i]);
        free(value);
        free(key);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    const struct folder *folder = *state;
    char *below = mem_printf("%s/no/.env", folder->path);
    char *fifo = mem_printf("%s/fifo", folder->path), *error;

    put(folder->file, "export TAKEN=1\nEMPTY=\n#FREE=1\n", 0600);
    assert_refused(folder->file, "TAKEN", "has a key TAKEN already: remove that line");
    assert_refused(folder->file, "EMPTY", "has a key EMPTY already");
    assert_refused(folder->file, "1ST", "cannot be a key");
    assert_refused(folder->file, "A B", "cannot be a key");
    assert_refused(folder->file, "", "cannot be a key");
    assert_refused(below, "KEY", "No such file or directory");
    assert_refused(folder->path, "KEY", "Is a directory");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(fifo, "KEY", "it is not a plain file");
    assert_content(folder->file, "export TAKEN=1\nEMPTY=\n#FREE=1\n");
    error = envfile_append(folder->file, "KEY", "ends in a backslash \\");
    assert_non_null(error);
    free(error);
    assert_content(folder->file, "export TAKEN=1\nEMPTY=\n#FREE=1\n");
    assert_null(envfile_append(folder->file, "FREE", "2"));
    free(below);
    free(fifo);
}

static void a_locked_file_is_left_alone(void **state)
{
    const struct folder *folder = *state;
    int fd;

    put(folder->file, "A=1\n", 0600);
    fd = open(folder->file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_refused(folder->file, "KEY", "another program keeps it locked");
    close(fd);
    assert_content(folder->file, "A=1\n");
}

static void __attribute__((noreturn)) add_lines(const char *path, int writer)
{
    int failed = 0;

    for (int i = 0; i < LINES; i++) {
        char *key = mem_printf("KEY_%d_%d", writer, i);
        char *error = envfile_append(path, key, "value");

        failed += error != NULL;
        free(error);
        free(key);
    }
    _exit(failed);
}

/* Nobody's line is lost; and no stray file is left. */
static void several_writers_keep_each_other_s_lines(void **state)
{
    const struct folder *folder = *state;
    char *count = mem_printf("test $(grep -c '^KEY_._.=value$' '%s') = %d -a $(ls -A '%s' | wc -l)"
                             " = 1",
                             folder->file, WRITERS * LINES, folder->path);
    int failed = 0, status;

    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0)
            add_lines(folder->file, i);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_true(wait(&status) > 0);
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
    assert_int_equal(system(count), 0); /* NOLINT: a path of the test's own */
    free(count);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_FOLDER(a_new_file_is_the_owner_s_alone),
        IN_FOLDER(the_rest_stays),
        IN_FOLDER(a_link_stays_a_link),
        IN_FOLDER(values_read_back),
        IN_FOLDER(what_cannot_be_is_refused),
        IN_FOLDER(a_locked_file_is_left_alone),
        IN_FOLDER(several_writers_keep_each_other_s_lines),
    };

    return cmocka_run_group_tests_name("envfile_append", tests, NULL, NULL);
}
