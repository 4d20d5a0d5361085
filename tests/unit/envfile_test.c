#include "backend/envfile.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The value of K. */
static const struct {
    const char *text, *value;
} cases[] = {
    {"", NULL},
    {"K", NULL},
    {"# K=a\n", NULL},
    {"  # K=a\n", NULL},
    {"KK=a\nJ=K=b", NULL},
    {"K=", ""},
    {"K=a", "a"},
    {"K=a\n", "a"},
    {"K=a\r\nJ=b\r\n", "a"},
    {"\xef\xbb\xbfK=a\n", "a"},
    {"  K = a b  \n", "a b"},
    {"export K=a\n", "a"},
    {"export\tK=a\n", "a"},
    {"exportK=a\n", NULL},
    {"export=a\nK=b\n", "b"},
    {"K=a\nK=b\n", "b"},
    {"K=a=b==\n", "a=b=="},
    {"K=a # comment\n", "a"},
    {"K=a#b\n", "a#b"},
    {"K=#b\n", "#b"},
    {"K= # comment\n", ""},
    {"K='a # b' # comment\n", "a # b"},
    {"K=\"a # b\"\n", "a # b"},
    {"K=''\n", ""},
    {"K='a\\nb'\n", "a\\nb"},
    {"K='it\\'s'\n", "it's"},
    {"K=\"a\\n\\r\\t\\\"\\\\\\$\\x\"\n", "a\n\r\t\"\\$\\x"},
    {"K=a\\nb\n", "a\\nb"},
    {"K=a\"b\n", "a\"b"},
    {"K='one\ntwo'\nJ=x\n", "one\ntwo"},
    {"J='\nK=no\n'\nK=yes\n", "yes"},
    {"J='never closed\nK=yes\n", "yes"},
    {"K='never closed\n", NULL},
    {"J=x\nK=a$J\n", "ax"},
    {"J=x\nK=a${J}b\n", "axb"},
    {"J=x\nK=\"a$J-b\"\n", "ax-b"},
    {"J=x\nK='a$J'\n", "a$J"},
    {"K=a$J\nJ=x\n", "a"},
    {"K=a$$J\n", "a$J"},
    {"K=a$\n", "a$"},
    {"K=a$1$ $-\n", "a$1$ $-"},
    {"K=${J-d}${J:-e}\n", "de"},
    {"J=\nK=${J-d}${J:-e}\n", "e"},
    {"J=x\nK=${J-d}${J:-e}\n", "xx"},
    {"K=${J\n", "${J"},
    {"K=${}${J?x}${J:}\n", "${}${J?x}${J:}"},
    {"K=a\nK=${K}b\n", "ab"},
    {"K=$K\n", ""},
};

static void test_find(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char *value = envfile_find(cases[i].text, strlen(cases[i].text), "K");

        if (cases[i].value) {
            assert_non_null(value);
            assert_string_equal(value, cases[i].value);
        } else {
            assert_null(value);
        }
        free(value);
    }
}

/* The text need not end with a NUL, nor is anything behind its end read. */
static void test_length(void **state)
{
    static const char text[] = {'K', '=', 'a', 'b'};
    char *value = envfile_find(text, 3, "K");

    (void)state;
    assert_string_equal(value, "a");
    free(value);
    value = envfile_find(text, sizeof(text), "K");
    assert_string_equal(value, "ab");
    free(value);
    assert_null(envfile_find(text, 0, "K"));
}

/* Each line doubles the one above: without a bound the value would not fit into memory. */
static void test_growth_is_bounded(void **state)
{
    struct strbuf text = {0};
    char *value;
    int i;

    (void)state;
    strbuf_adds(&text, "K=0123456789\n");
    for (i = 0; i < 200; i++)
        strbuf_adds(&text, "K=$K$K$K$K$K$K$K$K\n");
    value = envfile_find(text.s, text.len, "K");
    assert_non_null(value);
    assert_true(strlen(value) < 4UL * 1024 * 1024);
    free(value);
    strbuf_free(&text);
}

static void test_read(void **state)
{
    char path[] = "/tmp/sharedtop-envfile-XXXXXX";
    int fd = mkstemp(path);
    char *error = NULL, *value, *expected;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "A=1\nK=hush\n", 11), 11);
    close(fd);
    value = envfile_read(path, "K", &error);
    assert_non_null(value);
    assert_string_equal(value, "hush");
    assert_null(error);
    mem_free_secret(value, strlen(value));
    assert_null(envfile_read(path, "NOT", &error));
    expected = mem_printf("env_file %s has no NOT=VALUE line: add it, or set password_key to the "
                          "key that holds the password",
                          path);
    assert_string_equal(error, expected);
    free(expected);
    free(error);
    unlink(path);
    assert_null(envfile_read(path, "K", &error));
    expected = mem_printf("cannot read env_file %s: No such file or directory", path);
    assert_string_equal(error, expected);
    free(expected);
    free(error);
}

/* A FIFO without a writer must not hold the caller up, nor a device be read. */
static void test_only_plain_files(void **state)
{
    char folder[] = "/tmp/sharedtop-envfile-XXXXXX";
    char *path, *error = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = mem_printf("%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(envfile_read(path, "K", &error));
    assert_non_null(strstr(error, "it is not a plain file"));
    free(error);
    assert_null(envfile_read("/dev/zero", "K", &error));
    assert_string_equal(error, "cannot read env_file /dev/zero: it is not a plain file");
    free(error);
    unlink(path);
    rmdir(folder);
    free(path);
}

static void test_too_large(void **state)
{
    char path[] = "/tmp/sharedtop-envfile-XXXXXX";
    int fd = mkstemp(path);
    char *error = NULL;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1024L * 1024), 0);
    assert_null(envfile_read(path, "K", &error));
    assert_non_null(strstr(error, ": it is larger than 1 MiB"));
    free(error);
    close(fd);
    unlink(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_growth_is_bounded),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_only_plain_files),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests_name("envfile", tests, NULL, NULL);
}
