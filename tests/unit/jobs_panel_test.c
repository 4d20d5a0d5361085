/* The end of a job is told once, whoever hears of it first: the list, or who has started it. */
#include "backend/base/mem.h"
#include "panels/jobs.h"
#include "tui/app_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ONE   "20260101T000000Z-1-1"
#define OTHER "20260101T000000Z-1-2"

/* The folder of jobs, and a dashboard that is closing: it draws nothing, but hears all. */
struct subject {
    char home[32];
    uv_loop_t loop;
    struct app app;
    struct view_data data;
    unsigned changes;
};

static void on_changed(void *context)
{
    struct subject *s = context;

    s->changes++;
    jobs_changed(&s->data);
}

static void set_up(struct subject *s)
{
    *s = (struct subject){.home = "/tmp/st-jobs-XXXXXX", .app.closing = true};
    assert_non_null(mkdtemp(s->home));
    setenv("XDG_STATE_HOME", s->home, 1);
    uv_loop_init(&s->loop);
    s->app.loop = s->data.loop = &s->loop;
    s->data.app = &s->app;
    s->data.jobs = jobs_new(&s->loop, on_changed, s);
}

static void tear_down(struct subject *s)
{
    char *command = mem_printf("rm -rf '%s'", s->home);

    jobs_close(s->data.jobs);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    jobs_forget(&s->data);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c,bugprone-command-processor)
    free(command);
}

/* ---- on the disk ---- */

static char *path_of(const struct subject *s, const char *id, const char *name)
{
    return mem_printf("%s/sharedtop/jobs/%s/%s", s->home, id, name);
}

static void write_file(const struct subject *s, const char *id, const char *name, const char *text)
{
    char *path = path_of(s, id, name), *part = mem_printf("%s.part", path);
    FILE *file;

    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(part, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(part, path), 0);
    free(path);
    free(part);
}

/* So young that its process may still be on its way. */
static void begin_job(const struct subject *s, const char *id)
{
    char *spec = mem_printf("{\"act\": \"backup\", \"created\": %ld, \"instance\": \"pg\", "
                            "\"target\": \"umami\"}",
                            (long)time(NULL));

    write_file(s, id, "spec.json", spec);
    free(spec);
}

static void end_job(const struct subject *s, const char *id)
{
    write_file(s, id, "state.json", "{\"state\": \"done\", \"result\": \"fine\"}");
}

static void remove_job(const struct subject *s, const char *id)
{
    static const char *const names[] = {"state.json", "spec.json", ""};

    for (size_t i = 0; i < 3; i++) {
        char *path = path_of(s, id, names[i]);

        assert_int_equal(remove(path), 0);
        free(path);
    }
}

/* ---- on the screen ---- */

/* The list is another one; returns whether an end was told since the last call. */
static bool next_list(struct subject *s)
{
    const unsigned before = s->changes;
    bool told;

    jobs_refresh(s->data.jobs);
    while (s->changes == before)
        uv_run(&s->loop, UV_RUN_ONCE);
    told = strstr(s->app.message, "done: fine");
    message_clear(&s->app);
    return told;
}

static bool expect_job(struct subject *s, const char *id)
{
    bool told;

    jobs_expect(&s->data, id);
    told = strstr(s->app.message, "done: fine");
    message_clear(&s->app);
    return told;
}

static void test_the_list_hears_of_it_first(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    begin_job(&s, ONE);
    assert_false(next_list(&s));
    end_job(&s, ONE);
    assert_true(next_list(&s));
    assert_false(expect_job(&s, ONE));
    begin_job(&s, OTHER);
    assert_false(next_list(&s));
    tear_down(&s);
}

static void test_who_started_it_hears_first(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    assert_false(expect_job(&s, ONE));
    begin_job(&s, ONE);
    end_job(&s, ONE);
    assert_true(next_list(&s));
    assert_false(expect_job(&s, ONE));
    tear_down(&s);
}

/* Jobs of before, which nobody here has seen to go on, are no news; of ours, that is different. */
static void test_it_had_ended_before_anybody_looked(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    begin_job(&s, ONE);
    end_job(&s, ONE);
    assert_false(next_list(&s));
    assert_true(expect_job(&s, ONE));
    assert_false(expect_job(&s, ONE));
    tear_down(&s);
}

/* A dashboard runs for months: what is gone from the disk is forgotten, whether it had ended or
 * not; what we have just started is not. */
static void test_what_is_gone_is_forgotten(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    begin_job(&s, ONE);
    begin_job(&s, OTHER);
    assert_false(next_list(&s));
    end_job(&s, ONE);
    assert_true(next_list(&s));
    assert_int_equal(s.data.job_watch_count, 2);
    remove_job(&s, ONE);
    assert_false(next_list(&s));
    assert_int_equal(s.data.job_watch_count, 1);
    assert_false(expect_job(&s, "20260101T000000Z-1-3"));
    write_file(&s, OTHER, "state.json", "");
    remove_job(&s, OTHER);
    assert_false(next_list(&s));
    assert_int_equal(s.data.job_watch_count, 1);
    begin_job(&s, "20260101T000000Z-1-3");
    end_job(&s, "20260101T000000Z-1-3");
    assert_true(next_list(&s));
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_list_hears_of_it_first),
        cmocka_unit_test(test_who_started_it_hears_first),
        cmocka_unit_test(test_it_had_ended_before_anybody_looked),
        cmocka_unit_test(test_what_is_gone_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
