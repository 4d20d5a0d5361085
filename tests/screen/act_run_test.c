/* The sub-commands that act, on a terminal: they ask there, and only what is typed after the question
 * answers it. */
#include "tests/screen/acts.h"

/* Runs sharedtop with these words under a shell that tells the exit status and the flags of the
 * terminal's descriptor afterwards. */
static struct term *run_words(const char *words)
{
    const char *const env[] = {acts.environment, NULL};
    char *command =
        mem_printf("'%s' --config '%s' %s; echo \"status $? $(grep flags /proc/self/fdinfo/0)\"; "
                   "read line",
                   getenv("SHAREDTOP"), lab_get(acts.lab, "LAB_CONF"), words);
    const char *const argv[] = {"sh", "-c", command, NULL};
    struct term *term = term_start(60, 100, env, argv);

    free(command);
    return term;
}

static void fill(int count)
{
    free(lab_redis_value(acts.lab, "EVAL %s 0 %d",
                         "redis.call('SELECT', 5) redis.call('FLUSHDB') for i = 1, ARGV[1] do "
                         "redis.call('SET', 'k' .. i, i, 'EX', 3600) end",
                         count));
}

/* Ends with the status, and with a terminal that blocks as before. */
static void expect_status(struct term *term, const char *status)
{
    char *wanted = mem_printf("status %s flags:[[:space:]]+[0-7]+", status);

    expect_screen(term, wanted);
    if (term_matches(term, "flags:[[:space:]]+[0-7]*[4-7][0-7]{3}"))
        fail_msg("the terminal does not block any more: %s", term_text(term));
    free(wanted);
    term_free(term);
}

static void test_y_confirms_and_nothing_more_is_asked(void **state)
{
    struct term *term;

    (void)state;
    fill(10);
    term = run_words("flush 5");
    expect_screen(term, "Type y to flush:");
    term_keys(term, "y\r");
    expect_screen(term, "moved 10 keys");
    expect_status(term, "0");
    assert_int_equal(acts_keys(&acts, 5), 0);
    term = run_words("undo-flush 5");
    expect_screen(term, "Type y to undo-flush:");
    term_keys(term, "y\r");
    expect_status(term, "0");
    assert_int_equal(acts_keys(&acts, 5), 10);
}

static void test_enter_and_other_words_refuse(void **state)
{
    static const char *const answers[] = {"\r", "yes\r", "n\r", "shared_redis/5\r", " y\r"};
    struct term *term;

    (void)state;
    fill(10);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        term = run_words("flush 5");
        expect_screen(term, "Type y to flush:");
        term_keys(term, answers[i]);
        expect_screen(term, "not confirmed: nothing was done");
        expect_status(term, "2");
    }
    assert_int_equal(acts_keys(&acts, 5), 10);
}

/* Typed before the question could be read: it is thrown away, and the question still stands. */
static void test_typed_ahead(void **state)
{
    struct term *term;

    (void)state;
    fill(10);
    term = run_words("flush 5");
    term_keys(term, "y\ry\r");
    expect_screen(term, "Type y to flush:|command not found|not found");
    assert_int_equal(acts_keys(&acts, 5), 10);
    term_keys(term, "n\r");
    expect_screen(term, "not confirmed: nothing was done");
    expect_status(term, "2");
    assert_int_equal(acts_keys(&acts, 5), 10);
}

static void test_interrupted(void **state)
{
    struct term *term;

    (void)state;
    fill(10);
    term = run_words("flush 5");
    expect_screen(term, "Type y to flush:");
    term_keys(term, "\003");
    expect_screen(term, "interrupted: nothing was done|\\^C");
    term_free(term);
    assert_int_equal(acts_keys(&acts, 5), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_y_confirms_and_nothing_more_is_asked),
        cmocka_unit_test(test_enter_and_other_words_refuse),
        cmocka_unit_test(test_typed_ahead),
        cmocka_unit_test(test_interrupted),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
