/* The dashboard and the engine, for the tests on real containers. */
#ifndef TESTS_CONTAINER_RUN_H
#define TESTS_CONTAINER_RUN_H

#include "tests/integration/snapshot_run.h"
#include "tests/lab/docker_lab.h"
#include "tests/screen/dashboard.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Both services are up on the screen, with their data. */
static inline struct term *watch_start(const char *const *more)
{
    struct term *term = dashboard_bare(45, 160, more);

    expect_both_up(term);
    return term;
}

/* The state of a program, which it writes down for its parent as it goes on. Moments are those of
 * term_now and docker_lab_now; 0: not yet. */
struct moments {
    double begun, ended, answered, connected;
};

static inline double ms_of(double from, double to)
{
    return to > from ? to - from : 0;
}

/* Runs act in a process of its own, so that the terminal is served meanwhile. */
static inline pid_t beside(void (*act)(struct moments *moments, const void *context),
                           struct moments **moments, const void *context)
{
    void *page =
        mmap(NULL, sizeof(**moments), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid;

    assert_ptr_not_equal(page, MAP_FAILED);
    *moments = page;
    fflush(stdout);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        act(*moments, context);
        _exit(0);
    }
    return pid;
}

static inline void beside_end(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- `sharedtop snapshot --json` ---- */

static inline json_t *json_of(const struct run *run)
{
    json_error_t error;
    json_t *json = json_loads(run->out, 0, &error);

    if (!json)
        fail_msg("line %d: %s\n%s%s", error.line, error.text, run->out, run->err);
    return json;
}

static inline json_t *snapshot_json(const char *const *more)
{
    const char *arguments[12] = {"snapshot", "--json"};
    struct run run;
    json_t *json;

    for (int i = 0; more && i < 8 && more[i]; i++)
        arguments[2 + i] = more[i];
    run = snapshot(arguments);
    json = json_of(&run);
    run_free(&run);
    return json;
}

/* "" when there is none, or it is no text. */
static inline const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static inline const json_t *named(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(text_of(item, "name"), name) == 0)
            return item;
    }
    return NULL;
}

static inline const json_t *container_rows(const json_t *json)
{
    return json_object_get(json_object_get(json, "containers"), "rows");
}

#endif
