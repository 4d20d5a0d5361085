/* By its spelling alone a reader of MONITOR knows what a dashboard polls. */
#include "backend/monitor_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_spelling(void **state)
{
    char spelt[MONITOR_SPELT];

    (void)state;
    assert_string_equal(monitor_spell("INFO", spelt), "iNfO");
    assert_string_equal(monitor_spell("getrange", spelt), "gEtRaNgE");
    assert_string_equal(monitor_spell("", spelt), "");
    assert_string_equal(monitor_spell("GEORADIUSBYMEMB", spelt), "gEoRaDiUsByMeMb");
    assert_string_equal(monitor_spell("ZREVRANGEBYSCORE", spelt), "ZREVRANGEBYSCORE");
}

static bool is_polling(const char *args)
{
    return monitor_is_polling(args, strlen(args));
}

static void test_polling(void **state)
{
    static const char *const polled[] = {
        "\"iNfO\"",
        "\"aUtH\" \"(redacted)\"",
        "\"aUtH\" \"(redacted)\" \"(redacted)\"",
        "\"cOnFiG\" \"GET\" \"client-output-buffer-limit\"",
        "\"sElEcT\" \"3\"",
        "\"lLeN\" \"mail\"",
        "\"lLeN\" \"\"",
        "\"lLeN\" \"a \\\" \\x06\\x163\\\\\"",
        "\"hLeN\" \"unacked\"",
        "\"zCoUnT\" \"unacked_index\" \"0\" \"1700000000\"",
        "\"sCaN\" \"0\" \"MATCH\" \"_kombu.binding.*\" \"COUNT\" \"1000\"",
        "\"sCaN\" \"18446744073709551615\" \"MATCH\" \"_kombu.binding.*\" \"COUNT\" \"1000\"",
        "\"sScAn\" \"_kombu.binding.mail\" \"0\" \"COUNT\" \"500\"",
        "\"gEtRaNgE\" \"sharedtop:trash\" \"0\" \"4095\"",
        "\"tImE\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(polled) / sizeof(*polled); i++) {
        if (!is_polling(polled[i]))
            fail_msg("%s", polled[i]);
    }
}

static void test_others(void **state)
{
    static const char *const shown[] = {
        "",
        "\"",
        "\"\"",
        "\"INFO\"",
        "\"info\"",
        "\"Info\"",
        "\"iNfOs\"",
        "\"iNf\"",
        "\"iNfO",
        "\"dEl\" \"k\"",
        "\"sEt\" \"iNfO\" \"1\"",
        "\"cLiEnT\" \"KILL\" \"ID\" \"7\"",
        "\"sCaN\" \"0\" \"COUNT\" \"100000000\"",
        "\"gEtRaNgE\" \"big\" \"0\" \"-1\"",
        "\"hLeN\" \"k\"",
        /* one of ours, and more than that */
        "\"iNfO\" \"all\"",
        "\"iNfO\"x",
        "\"tImE\" \"\"",
        "\"AUTH\" \"(redacted)\"",
        "\"auth\" \"(redacted)\" \"(redacted)\"",
        "\"aUtH\"",
        "\"aUtH\" \"(redacted)",
        "\"aUtH\" \"(redacted)\" \"(redacted)\" \"x\"",
        "\"cOnFiG\" \"get\" \"client-output-buffer-limit\"",
        "\"cOnFiG\" \"SET\" \"client-output-buffer-limit\" \"normal 0 0 0\"",
        "\"cOnFiG\" \"SET\" \"client-output-buffer-limit\"",
        "\"cOnFiG\" \"GET\" \"client-output-buffer-limit\" \"requirepass\"",
        "\"gEtRaNgE\" \"sharedtop:trash\" \"0\" \"-1\"",
        "\"gEtRaNgE\" \"sharedtop:trash\" \"1\" \"4095\"",
        "\"gEtRaNgE\" \"big\" \"sharedtop:trash\" \"4095\"",
        "\"hLeN\" \"unacked\" \"x\"",
        "\"lLeN\"",
        "\"lLeN\" \"mail\" \"x\"",
        "\"lLeN\" \"mail",
        "\"sCaN\" \"0\" \"MATCH\" \"*\" \"COUNT\" \"1000\" \"_kombu.binding.*\"",
        "\"sCaN\" \"0\" \"MATCH\" \"_kombu.binding.*\" \"COUNT\" \"100000000\"",
        "\"sCaN\" \"0\" \"MATCH\" \"_kombu.binding.*\"",
        "\"sElEcT\" \"\"",
        "\"sElEcT\" \"3x\"",
        "\"sElEcT\" \"3\" \"4\"",
        "\"sScAn\" \"set\" \"0\" \"MATCH\" \"_kombu.binding.mail\"",
        "\"sScAn\" \"_kombu.binding.mail\" \"0\" \"COUNT\" \"100000000\"",
        "\"zCoUnT\" \"board\" \"0\" \"unacked_index\"",
        "\"zCoUnT\" \"unacked_index\" \"0\" \"+inf\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        if (is_polling(shown[i]))
            fail_msg("%s", shown[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_polling),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
