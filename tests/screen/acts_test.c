/* Acts by keys: nothing but a deliberate answer to a dialog that could be read changes a server. */
#include "tests/screen/acts.h"

/* ---- sessions ---- */

static void test_terminate_ends_the_session_that_was_shown(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    PGconn *other = acts_session(&acts, "aletheia_dev", "bystander");
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    acts_show_session(term, "victim");
    term_keys(term, "K");
    expect_screen(term, "\\[ y: terminate \\]");
    expect_now(term, "Terminate session [0-9]+");
    expect_now(term, "DEV +.*shared_postgres");
    expect_now(term, "pg_terminate_backend");
    term_keys(term, "y");
    expect_screen(term, "✓ .*was terminated");
    expect_screen(term, "no row matches");
    assert_false(acts_is_alive(&acts, victim));
    assert_true(acts_is_alive(&acts, other));
    expect_quit(term);
    PQfinish(victim);
    PQfinish(other);
}

static void test_production_is_seen_in_the_dialog(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_prod", "victim");
    struct term *term = acts_start(&acts, 24, 80, NULL);
    struct emulator_cell word, plain;
    int row, column;

    (void)state;
    acts_show_session(term, "victim");
    term_keys(term, "K");
    expect_screen(term, "\\[ y: terminate \\]");
    assert_true(term_find(term, "PRODUCTION", &row, &column));
    term_cell(term, row, column, &word);
    term_cell(term, row + 1, column, &plain);
    assert_true(word.bg != plain.bg);
    term_cell(term, row - 1, column - 2, &word); /* the border has it too */
    term_cell(term, row, column + 40, &plain);
    assert_int_equal(word.bg, plain.bg);
    term_special(term, EMULATOR_ESCAPE);
    expect_screen(term, "terminate: not done");
    assert_true(acts_is_alive(&acts, victim));
    expect_quit(term);
    PQfinish(victim);
}

static void test_enter_is_no_yes(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    acts_show_session(term, "victim");
    term_keys(term, "K");
    expect_screen(term, "\\[ y: terminate \\]");
    term_keys(term, "\r");
    expect_gone(term, "\\[ Cancel \\]");
    expect_screen(term, "terminate: not done");
    assert_true(acts_is_alive(&acts, victim));
    expect_quit(term);
    PQfinish(victim);
}

/* Sends y as soon as the dialog is drawn, before its question is. False: it came too fast to try. */
static bool answers_too_soon(struct term *term)
{
    term_keys(term, "K");
    expect_screen(term, "Terminate session");
    if (term_matches(term, "y: terminate"))
        return false;
    term_keys(term, "yyy");
    expect_screen(term, "\\[ y: terminate \\]");
    return true;
}

static void test_typed_ahead_keys_are_thrown_away(void **state)
{
    static const char *const bursts[] = {"Ky", "Kyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
                                         "KyKyKyKyKyKyKyKyKy"};
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    struct term *term = acts_start(&acts, 36, 120, NULL);
    int tried = 0;

    (void)state;
    acts_show_session(term, "victim");
    for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
        term_keys(term, bursts[i]);                  /* one write */
        expect_screen(term, "\\[ y: terminate \\]"); /* it still asks */
        assert_true(acts_is_alive(&acts, victim));
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "\\[ Cancel \\]");
    }
    for (int i = 0; i < 10 && tried < 3; i++) {
        tried += answers_too_soon(term);
        term_special(term, EMULATOR_ESCAPE);
        expect_gone(term, "\\[ Cancel \\]");
    }
    assert_int_equal(tried, 3);
    assert_true(acts_is_alive(&acts, victim));
    printf("         keys before the question: 3 bursts, %d early answers, 0 sessions ended\n",
           tried);
    expect_quit(term);
    PQfinish(victim);
}

/* A plan that is ready while something else is open waits for that to be closed. */
static void test_a_dialog_does_not_come_over_what_is_open(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    acts_show_session(term, "victim");
    term_keys(term, "K\r"); /* Enter opens the details before the plan is made */
    expect_screen(term, "connected for");
    term_wait_quiet(term, 300, 1500);
    expect_not_now(term, "Terminate session");
    term_keys(term, "yyyy");
    term_special(term, EMULATOR_ESCAPE);
    expect_screen(term, "\\[ y: terminate \\]");
    assert_true(acts_is_alive(&acts, victim));
    term_keys(term, "n");
    expect_gone(term, "\\[ Cancel \\]");
    assert_true(acts_is_alive(&acts, victim));
    expect_quit(term);
    PQfinish(victim);
}

static void test_tagged_rows_that_ended_are_left_out(void **state)
{
    PGconn *first = acts_session(&acts, "aletheia_dev", "tagged");
    PGconn *second = acts_session(&acts, "aletheia_dev", "tagged");
    struct term *term = acts_start(&acts, 36, 120, NULL);

    (void)state;
    term_keys(term, "2/application:^tagged$");
    expect_screen(term, "regex");
    term_keys(term, "\r");
    expect_screen(term, "2 of [0-9]+");
    term_keys(term, "T");
    expect_screen(term, "2 tagged");
    PQfinish(first);
    expect_screen(term, "1 of [0-9]+");
    term_keys(term, "K");
    expect_screen(term, "\\[ y: terminate \\]");
    expect_now(term, "1 tagged row ended since and is left out");
    term_keys(term, "y");
    expect_screen(term, "was terminated");
    assert_false(acts_is_alive(&acts, second));
    expect_quit(term);
    PQfinish(second);
}

static void test_terminate_by_a_word(void **state)
{
    PGconn *victim = acts_session(&acts, "aletheia_dev", "victim");
    struct term *term = acts_start(&acts, 36, 120, NULL);
    char *line = mem_printf(":kill %d\r", PQbackendPID(victim));

    (void)state;
    term_keys(term, line);
    expect_screen(term, "\\[ y: terminate \\]");
    term_keys(term, "y");
    expect_screen(term, "was terminated");
    assert_false(acts_is_alive(&acts, victim));
    term_keys(term, line);
    expect_screen(term, "nothing done|no such session|no session");
    expect_quit(term);
    free(line);
    PQfinish(victim);
}

/* A session that takes no cancel: what follows is the question whether to terminate it. */
static void test_a_cancel_in_vain_offers_to_terminate(void **state)
{
    static const char deaf[] = "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1000); "
                               "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$";
    PGconn *victim = acts_session(&acts, "aletheia_dev", "deaf");
    struct term *term;

    (void)state;
    assert_int_equal(PQsendQuery(victim, deaf), 1);
    term = acts_start(&acts, 36, 120, NULL);
    acts_show_session(term, "deaf");
    expect_screen(term, "active");
    term_keys(term, "C");
    expect_screen(term, "\\[ y: cancel the query \\]");
    term_keys(term, "y");
    expect_screen(term, "⟳ 1 act");
    term_keys(term, "q"); /* while it waits for an effect */
    expect_screen(term, "An act is still running");
    term_keys(term, "n");
    expect_screen(term, "\\[ y: terminate \\]");
    expect_now(term, "warning +.*still run");
    assert_true(acts_is_alive(&acts, victim));
    term_keys(term, "y");
    expect_screen(term, "was terminated");
    assert_false(acts_is_alive(&acts, victim));
    expect_quit(term);
    PQfinish(victim);
}

/* ---- read-only ---- */

static void test_read_only_refuses_all(void **state)
{
    static const char *const more[] = {"--read-only", NULL};
    static const struct {
        const char *view, *keys;
    } refused[] = {
        {"2", "C"},
        {"2", "K"},
        {"5", "F"},
        {"5", "u"},
        {"5", "D"},
        {"4", "B"},
        {"4", "R"},
        {"4", "N"},
        {"4", "P"},
        {"1", "X"},
        {"0", "C"},
        {"1", ":flush 5 now\r"},
        {"1", ":undo-flush 5\r"},
        {"1", ":delete 5 *\r"},
        {"1", ":kill 1\r"},
        {"1", ":cancel 1\r"},
        {"1", ":backup all\r"},
        {"1", ":restore /tmp/x.dump as y\r"},
        {"1", ":createdb x\r"},
        {"1", ":restart\r"},
        {"1", ":cancel-job x\r"},
    };
    struct term *term;

    (void)state;
    acts_empty(&acts);
    acts_fill(&acts, 5, 10, false);
    term = acts_start(&acts, 36, 120, more);
    expect_now(term, "read-only");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        term_keys(term, refused[i].view);
        expect_gone(term, "read-only: no"); /* of the one before */
        term_keys(term, refused[i].keys);
        expect_screen(term, "read-only: no");
        expect_not_now(term, "\\[ Cancel \\]");
    }
    assert_int_equal(acts_keys(&acts, 5), 10);
    printf("         read-only: %zu of %zu refused\n", sizeof(refused) / sizeof(refused[0]),
           sizeof(refused) / sizeof(refused[0]));
    expect_quit(term);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminate_ends_the_session_that_was_shown),
        cmocka_unit_test(test_production_is_seen_in_the_dialog),
        cmocka_unit_test(test_enter_is_no_yes),
        cmocka_unit_test(test_typed_ahead_keys_are_thrown_away),
        cmocka_unit_test(test_a_dialog_does_not_come_over_what_is_open),
        cmocka_unit_test(test_tagged_rows_that_ended_are_left_out),
        cmocka_unit_test(test_terminate_by_a_word),
        cmocka_unit_test(test_a_cancel_in_vain_offers_to_terminate),
        cmocka_unit_test(test_read_only_refuses_all),
    };

    return cmocka_run_group_tests(tests, acts_set_up, acts_tear_down);
}
