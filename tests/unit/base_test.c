#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- memory ---- */

static void copies_are_independent(void **state)
{
    char text[] = "abcdef";
    char *whole = mem_strdup(text), *part = mem_strndup(text, 3), *longer = mem_strndup("ab", 99);
    char *printed = mem_printf("%s-%d", text, 7);

    (void)state;
    memset(text, 'x', 6);
    assert_string_equal(whole, "abcdef");
    assert_string_equal(part, "abc");
    assert_string_equal(longer, "ab");
    assert_string_equal(printed, "abcdef-7");
    assert_null(mem_strdup(NULL));
    assert_null(mem_strndup(NULL, 3));
    free(whole);
    free(part);
    free(longer);
    free(printed);
}

static void nothing_is_something(void **state)
{
    void *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_array(NULL, 0, 8);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    free(a);
    free(b);
    free(mem_array(c, 0, 0));
    mem_free_secret(NULL, 10);
    mem_free_secret(mem_strdup("secret"), 6);
}

static void say(void)
{
    if (write(STDOUT_FILENO, "hook", 4) < 0)
        _exit(1);
}

/* What a child says on stdout and stderr before it ends, and with which status. */
static int run(void (*act)(void), char *text, size_t size)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void overflow(void)
{
    mem_on_failure(say);
    free(mem_array(NULL, SIZE_MAX / 4, 8));
}

static void out_of_memory_runs_the_hook_and_says_so(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(run(overflow, text, sizeof(text)), 70);
    assert_string_equal(text, "hooksharedtop: out of memory\n");
}

/* ---- string buffers ---- */

static void a_buffer_grows(void **state)
{
    struct strbuf b = {0};
    char *text;

    (void)state;
    strbuf_clear(&b);
    for (int i = 0; i < 1000; i++)
        strbuf_addc(&b, 'a');
    strbuf_adds(&b, "bc");
    strbuf_addf(&b, "%d/%s", 42, "x");
    strbuf_add(&b, "d\0e", 3);
    assert_int_equal(b.len, 1000 + 2 + 4 + 3);
    assert_memory_equal(b.s + 1000, "bc42/xd\0e", 10);
    strbuf_drop(&b, 1000);
    strbuf_drop(&b, 0);
    assert_string_equal(b.s, "bc42/xd");
    text = strbuf_take(&b);
    assert_null(b.s);
    assert_int_equal(b.len, 0);
    assert_string_equal(text, "bc42/xd");
    free(text);
    text = strbuf_take(&b);
    assert_string_equal(text, "");
    free(text);
    strbuf_add(&b, "x", 0);
    assert_string_equal(b.s, "");
    strbuf_free(&b);
    strbuf_free(&b);
}

static void a_cleared_buffer_keeps_its_memory(void **state)
{
    struct strbuf b = {0};
    const char *before;

    (void)state;
    strbuf_adds(&b, "some text");
    before = b.s;
    strbuf_clear(&b);
    assert_string_equal(b.s, "");
    strbuf_adds(&b, "else");
    assert_ptr_equal(b.s, before);
    assert_string_equal(b.s, "else");
    strbuf_free(&b);
}

/* ---- samples ---- */

struct counted {
    struct sample sample;
    int *destroyed;
};

static void destroy(struct sample *sample)
{
    struct counted *counted = (struct counted *)sample;

    (*counted->destroyed)++;
    free(counted);
}

static void the_last_reference_destroys(void **state)
{
    int destroyed = 0;
    struct counted *counted = mem_zalloc(sizeof(*counted));

    (void)state;
    counted->sample.refs = 1;
    counted->sample.destroy = destroy;
    counted->destroyed = &destroyed;
    assert_ptr_equal(sample_ref(counted), counted);
    sample_unref(counted);
    assert_int_equal(destroyed, 0);
    sample_unref(counted);
    assert_int_equal(destroyed, 1);
    assert_null(sample_ref(NULL));
    sample_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(nothing_is_something),
        cmocka_unit_test(out_of_memory_runs_the_hook_and_says_so),
        cmocka_unit_test(a_buffer_grows),
        cmocka_unit_test(a_cleared_buffer_keeps_its_memory),
        cmocka_unit_test(the_last_reference_destroys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
