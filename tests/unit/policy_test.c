/* The policy's table, cell by cell, and what overrides it. */
#include "backend/policy.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The answers in the order of the environments. y: one y, which --yes gives too; Y: one y, but the
 * command line needs the name; n: the name; a: refused unless allowed, then the name. */
static const struct {
    enum act act;
    bool over_existing;
    const char *dev, *staging, *production, *unknown;
} table[] = {
    {ACT_FLUSH, false, "y", "y", "a", "a"},       {ACT_UNDO_FLUSH, false, "y", "y", "Y", "Y"},
    {ACT_DELETE, false, "y", "y", "a", "a"},      {ACT_CANCEL, false, "y", "y", "Y", "Y"},
    {ACT_TERMINATE, false, "y", "y", "Y", "Y"},   {ACT_BACKUP, false, "y", "y", "y", "y"},
    {ACT_RESTORE, false, "y", "y", "y", "y"},     {ACT_RESTORE, true, "n", "n", "a", "a"},
    {ACT_REPLACE, true, "n", "n", "a", "a"},      {ACT_CREATEDB, false, "y", "y", "y", "y"},
    {ACT_RESTART, false, "n", "n", "n", "n"},     {ACT_CANCEL_JOB, false, "y", "y", "y", "y"},
    {ACT_KILL_CLIENT, false, "y", "y", "y", "y"},
};

static void check_verdict(const struct policy_facts *facts, char wanted)
{
    struct policy_verdict verdict = policy_decide(facts);

    if (wanted == 'a' && !facts->allowed) {
        assert_int_equal(verdict.ask, POLICY_REFUSED);
        assert_non_null(verdict.reason);
        return;
    }
    assert_int_equal(verdict.ask, wanted == 'a' || wanted == 'n' ? POLICY_NAME : POLICY_YES);
    assert_int_equal(verdict.flag_enough, wanted == 'y');
}

static void test_table(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct {
            enum environment environment;
            const char *wanted;
        } cells[] = {{ENV_DEV, table[i].dev},
                     {ENV_STAGING, table[i].staging},
                     {ENV_PRODUCTION, table[i].production},
                     {ENV_UNKNOWN, table[i].unknown}};

        seen |= 1U << table[i].act;
        for (size_t j = 0; j < 4; j++) {
            struct policy_facts facts = {.act = table[i].act,
                                         .environment = cells[j].environment,
                                         .over_existing = table[i].over_existing};

            check_verdict(&facts, *cells[j].wanted);
            facts.allowed = true;
            check_verdict(&facts, *cells[j].wanted);
        }
    }
    assert_int_equal(seen, (1U << ACTS) - 1);
}

static void test_read_only_refuses_everything(void **state)
{
    (void)state;
    for (enum act act = 0; act < ACTS; act++) {
        struct policy_facts facts = {
            .act = act, .environment = ENV_DEV, .allowed = true, .read_only = true};
        struct policy_verdict verdict = policy_decide(&facts);

        assert_int_equal(verdict.ask, POLICY_REFUSED);
        assert_non_null(strstr(verdict.reason, "read-only"));
    }
}

static void test_a_fact_turns_y_into_the_name(void **state)
{
    (void)state;
    for (unsigned bit = VETO_REPLICAS; bit <= VETO_WRAPAROUND; bit <<= 1) {
        struct policy_facts facts = {
            .act = ACT_FLUSH, .environment = ENV_DEV, .vetoes = bit, .allowed = true};

        assert_int_equal(policy_decide(&facts).ask, POLICY_NAME);
        assert_non_null(policy_decide(&facts).reason);
        assert_true(strlen(veto_text((enum veto)bit)) > 0);
    }
}

static void test_stricter(void **state)
{
    (void)state;
    assert_int_equal(policy_stricter(ENV_DEV, ENV_STAGING), ENV_STAGING);
    assert_int_equal(policy_stricter(ENV_UNKNOWN, ENV_STAGING), ENV_UNKNOWN);
    assert_int_equal(policy_stricter(ENV_UNKNOWN, ENV_PRODUCTION), ENV_PRODUCTION);
    assert_int_equal(policy_stricter(ENV_PRODUCTION, ENV_DEV), ENV_PRODUCTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_read_only_refuses_everything),
        cmocka_unit_test(test_a_fact_turns_y_into_the_name),
        cmocka_unit_test(test_stricter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
