/* Flushes by keys: what can be undone, what is asked for, and that production stays whole. */
#include "tests/screen/acts.h"

#include <glob.h>

static void show_db(struct term *term, int db)
{
    char *keys = mem_printf("5/\x15"
                            "db:^%d$",
                            db),
         *row = mem_printf(" %d +(production|staging|dev)", db);

    term_keys(term, keys);
    expect_screen(term, "regex");
    term_keys(term, "\r");
    expect_gone(term, "filter \\(");
    expect_screen(term, row);
    free(row);
    free(keys);
}

static struct term *start_at(int db, const char *const *more)
{
    struct term *term = acts_start(&acts, 36, 120, more);

    show_db(term, db);
    return term;
}

/* Only database 5 has keys then. */
static void fill(int count, bool lasting)
{
    acts_empty(&acts);
    acts_fill(&acts, 5, count, lasting);
}

static void test_flush_and_undo_of_a_dev_database(void **state)
{
    struct term *term;

    (void)state;
    fill(100, false);
    term = start_at(5, NULL);
    term_keys(term, "F");
    expect_screen(term, "\\[ y: flush \\] +\\[ !: flush now");
    expect_now(term, "Flush database 5");
    expect_now(term, "DEV ");
    expect_now(term, "SWAPDB 5 15");
    term_keys(term, "y");
    expect_screen(term, "✓ .*100 keys");
    assert_int_equal(acts_keys(&acts, 5), 0);
    term_keys(term, "u");
    expect_screen(term, "\\[ y: bring it back \\]");
    term_keys(term, "y");
    expect_screen(term, "✓ brought 100 keys back");
    assert_int_equal(acts_keys(&acts, 5), 100);
    expect_quit(term);
}

static void test_flush_now_is_a_way_of_its_own(void **state)
{
    struct term *term;

    (void)state;
    fill(100, false);
    term = start_at(5, NULL);
    term_keys(term, "F");
    expect_screen(term, "\\[ !: flush now");
    term_keys(term, "!");
    expect_screen(term, "FLUSHDB ASYNC");
    expect_screen(term, "\\[ y: flush for good \\]");
    expect_not_now(term, "\\[ !: flush now");
    assert_int_equal(acts_keys(&acts, 5), 100);
    term_keys(term, "y");
    expect_screen(term, "✓ ");
    assert_int_equal(acts_keys(&acts, 5), 0);
    expect_quit(term);
}

/* The spare holds something: the reason comes first, and flush now is what is left. */
static void test_a_flush_that_cannot_be_undone_says_so(void **state)
{
    struct term *term;

    (void)state;
    fill(100, false);
    acts_fill(&acts, 15, 3, true);
    term = start_at(5, NULL);
    term_keys(term, "F");
    expect_screen(term, "refused: the spare database 15 is not empty");
    expect_screen(term, "\\[ Esc: back \\] +\\[ !: flush now, for good \\]");
    term_keys(term, "y"); /* the keys of the flush that can be undone do nothing here */
    expect_now(term, "refused: the spare database 15 is not empty");
    term_keys(term, "!");
    expect_screen(term, "FLUSHDB ASYNC");
    expect_screen(term, "warning +.*15");
    expect_screen(term, "\\[ y: flush for good \\]");
    term_special(term, EMULATOR_ESCAPE);
    expect_gone(term, "\\[ Cancel \\]");
    assert_int_equal(acts_keys(&acts, 5), 100);
    acts_empty(&acts);
    expect_quit(term);
}

static void test_a_warning_asks_for_the_name(void **state)
{
    struct term *term;

    (void)state;
    fill(50, true);
    term = start_at(5, NULL);
    term_keys(term, "F");
    expect_screen(term, "Type shared_redis/5 and Enter");
    term_keys(term, "y\r");
    term_keys(term, "es\r");
    expect_screen(term, "yes");
    expect_now(term, "That is not the name: type shared_redis/5 and Enter");
    assert_int_equal(acts_keys(&acts, 5), 50);
    term_keys(term, "\x15");
    term_keys(term, "shared_redis/5\r");
    expect_screen(term, "✓ .*50 keys");
    assert_int_equal(acts_keys(&acts, 5), 0);
    expect_quit(term);
}

/* Keys in an order that nobody would choose; without those that leave the panel or the dashboard,
 * write files, or take words. */
static void random_keys(char *out, size_t size, unsigned *seed)
{
    static const char alphabet[] = "FFFFyyyyyyyDu!YNnjkgGTsSo5 \r\r\rxJabdefilmv-+.r";

    for (size_t i = 0; i + 1 < size; i++) {
        *seed = *seed * 1103515245U + 12345U;
        out[i] = alphabet[(*seed >> 16) % (sizeof(alphabet) - 1)];
    }
    out[size - 1] = '\0';
}

/* Leaves whatever is open, or comes yet: what is being prepared ends in a dialog too. */
static void back_to_keyspace(struct term *term)
{
    static const char open[] =
        "\\[ Cancel \\]|Esc: back|Type shared_redis|that match \\(|Esc close";

    expect_gone(term, "⟳ [0-9]+ act");
    for (int i = 0; i < 20 && term_matches(term, open); i++) {
        term_special(term, EMULATOR_ESCAPE);
        term_wait_quiet(term, 60, 400);
        expect_gone(term, "⟳ [0-9]+ act");
    }
    for (int i = 0; i < 3; i++) { /* filter, tags, view */
        term_special(term, EMULATOR_ESCAPE);
        term_wait_quiet(term, 60, 400);
    }
    show_db(term, 0);
}

static void try_random_keys(const char *const *more, const char *question)
{
    struct term *term;
    unsigned seed = 42;
    char burst[60];
    int asked = 0;

    acts_empty(&acts);
    acts_fill(&acts, 0, 77, false);
    term = start_at(0, more);
    for (int round = 0; round < 6; round++) {
        term_keys(term, "F");
        expect_screen(term, question);
        asked++;
        random_keys(burst, sizeof(burst), &seed);
        term_keys(term, burst);
        term_wait_quiet(term, 60, 500);
        assert_int_equal(acts_keys(&acts, 0), 77);
        back_to_keyspace(term);
    }
    term_keys(term, "F");
    expect_screen(term, question);
    term_keys(term, "\r");
    expect_gone(term, question);
    assert_int_equal(acts_keys(&acts, 0), 77);
    printf(
        "         production: %d dialogs answered by %zu random keys and by Enter: 77 of 77 keys "
        "are there\n",
        asked + 1, (sizeof(burst) - 1) * (size_t)asked);
    expect_quit(term);
}

static void test_production_is_refused_whatever_is_typed(void **state)
{
    (void)state;
    try_random_keys(NULL, "refused: production refuses this");
}

/* The lab's configuration with flushes of production allowed. */
static char *allowing_configuration(void)
{
    char *path = mem_printf("%s/allow.conf", acts.state);
    FILE *in = fopen(lab_get(acts.lab, "LAB_CONF"), "r"), *out = fopen(path, "w");
    char line[512];

    assert_non_null(in);
    assert_non_null(out);
    while (fgets(line, sizeof(line), in)) {
        fputs(line, out);
        if (strstr(line, "name = \"shared_redis\""))
            fputs("    allow_production = [\"flush\"];\n", out);
    }
    fclose(in);
    fclose(out);
    return path;
}

static void test_production_is_flushed_by_its_name_alone(void **state)
{
    char *path = allowing_configuration();
    const char *const more[] = {"--config", path, NULL};
    struct term *term;

    (void)state;
    try_random_keys(more, "Type shared_redis/0 and Enter");
    term = start_at(0, more);
    term_keys(term, "F");
    expect_screen(term, "Type shared_redis/0 and Enter");
    term_keys(term, "shared_redis/0\r");
    expect_screen(term, "✓ .*77 keys");
    assert_int_equal(acts_keys(&acts, 0), 0);
    expect_quit(term);
    free(path);
}

static void test_delete_by_pattern_asks_for_it_first(void **state)
{
    struct term *term;

    (void)state;
    fill(30, false);
    term = start_at(5, NULL);
    term_keys(term, "D");
    expect_screen(term, "delete the keys of database 5 that match");
    term_keys(term, "key:1*\r");
    expect_screen(term, "\\[ y: delete \\]");
    expect_now(term, "11");
    term_keys(term, "y");
    expect_screen(term, "✓ delete of .* done");
    assert_int_equal(acts_keys(&acts, 5), 19);
    expect_quit(term);
}

/* Does the one job's state hold that text? */
static bool state_holds(const char *text)
{
    char *pattern = mem_printf("%s/sharedtop/jobs/*/state.json", acts.state);
    glob_t files = {0};
    bool holds = false;

    if (glob(pattern, GLOB_NOSORT, NULL, &files) == 0) {
        char bytes[4096] = "";
        FILE *file = fopen(files.gl_pathv[0], "re");

        holds = file && fread(bytes, 1, sizeof(bytes) - 1, file) > 0 && strstr(bytes, text);
        if (file)
            fclose(file);
    }
    globfree(&files);
    free(pattern);
    return holds;
}

static void await_state(const char *text)
{
    for (double end = term_now() + TERM_PATIENCE; !state_holds(text);) {
        if (term_now() > end)
            fail_msg("the job's state never held %s", text);
    }
}

/* The dashboard is stopped meanwhile: it has never seen the job run. */
static void test_the_end_of_a_job_that_was_never_seen_is_told(void **state)
{
    char *command = mem_printf("rm -rf %s/sharedtop/jobs", acts.state);
    struct term *term;

    (void)state;
    assert_int_equal(system(command), 0);
    fill(30, false);
    term = start_at(5, NULL);
    term_keys(term, "Dkey:1*\r");
    expect_screen(term, "\\[ y: delete \\]");
    term_keys(term, "y");
    await_state("state");
    term_signal(term, SIGSTOP);
    await_state("done");
    term_signal(term, SIGCONT);
    expect_screen(term, "✓ delete of .* done");
    expect_quit(term);
    free(command);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_and_undo_of_a_dev_database),
        cmocka_unit_test(test_flush_now_is_a_way_of_its_own),
        cmocka_unit_test(test_a_flush_that_cannot_be_undone_says_so),
        cmocka_unit_test(test_a_warning_asks_for_the_name),
        cmocka_unit_test(test_production_is_refused_whatever_is_typed),
        cmocka_unit_test(test_production_is_flushed_by_its_name_alone),
        cmocka_unit_test(test_delete_by_pattern_asks_for_it_first),
        cmocka_unit_test(test_the_end_of_a_job_that_was_never_seen_is_told),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
