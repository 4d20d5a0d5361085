/* The question before an act: what is shown whatever the size and the bytes, and what answers it. */
#include "panels/acts.h"
#include "tui/frame.h"
#include "tui/text.h"

#include "backend/base/mem.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct plan new_plan(enum policy_ask ask, enum environment environment)
{
    struct plan plan = {.act = ACT_FLUSH, .environment = environment, .verdict = {.ask = ask}};

    plan.title = mem_strdup("Flush database 5");
    plan.instance = mem_strdup("shared_redis");
    plan.address = mem_strdup("127.0.0.1:6379");
    plan.target = mem_strdup("5 (Django cache)");
    plan.confirm = mem_strdup("shared_redis/5");
    plan_add(&plan, PLAN_EVIDENCE, "keys", "400");
    plan_add(&plan, PLAN_COMMAND, "", "SWAPDB 5 15");
    plan_add(&plan, PLAN_WARNING, "", "it is loved");
    plan_add(&plan, PLAN_LOSS, "", "all of it");
    return plan;
}

struct answer_seen {
    int count;
    bool accepted;
    enum ask_answer answer;
};

static void seen(void *context, struct overlay *overlay, bool accepted)
{
    struct answer_seen *answer = context;

    answer->count++;
    answer->accepted = accepted;
    answer->answer = ask_answer(overlay);
}

static struct overlay *open_dialog(struct plan *plan, const struct act_request *request,
                                   const char *note, struct answer_seen *answer)
{
    struct overlay *overlay = acts_dialog(plan, request, note);

    *answer = (struct answer_seen){0};
    overlay->done = seen;
    overlay->context = answer;
    overlay->armed = true;
    plan_free(plan);
    return overlay;
}

static char *drawn(struct overlay *overlay, int rows, int columns)
{
    frame_resize(rows, columns);
    draw_clear();
    overlay->class->draw(overlay, (struct rect){0, 0, rows, columns});
    return frame_text();
}

static enum overlay_result press(struct overlay *overlay, const char *keys)
{
    enum overlay_result result = OVERLAY_STAYS;

    for (; *keys && result == OVERLAY_STAYS; keys++)
        result = overlay->class->key(overlay, (unsigned char)*keys, NULL);
    return result;
}

static const struct act_request flush = {.act = ACT_FLUSH, .db = 5};
static const struct act_request flush_now = {.act = ACT_FLUSH, .db = 5, .now = true};

static void test_what_it_shows_in_which_order(void **state)
{
    static const char *const order[] = {"Flush database 5", "DEV",         "5 (Django cache)",
                                        "shared_redis",     "all of it",   "two rows ended",
                                        "it is loved",      "SWAPDB",      "400",
                                        "[ Cancel ]",       "[ y: flush ]"};
    struct plan plan = new_plan(POLICY_YES, ENV_DEV);
    struct answer_seen answer;
    struct overlay *overlay = open_dialog(&plan, &flush, "two rows ended", &answer);
    char *text = drawn(overlay, 24, 80);
    const char *at = text;

    (void)state;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const char *found = strstr(at, order[i]);

        if (!found) {
            fail_msg("'%s' is not where it should be in:\n%s", order[i], text);
            break;
        }
        at = found;
    }
    free(text);
    overlay->class->free(overlay);
}

/* A role that is on some cell of the frame. */
static bool has_role(enum role role)
{
    int rows, columns;

    frame_size(&rows, &columns);
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
            if (frame_row(y)[x].role == role)
                return true;
        }
    }
    return false;
}

static void test_its_environment_is_seen(void **state)
{
    static const struct {
        enum environment environment;
        enum role role;
        const char *word;
    } looks[] = {{ENV_DEV, ROLE_DEV, "DEV"},
                 {ENV_STAGING, ROLE_STAGING, "STAGING"},
                 {ENV_PRODUCTION, ROLE_PRODUCTION, "PRODUCTION"},
                 {ENV_UNKNOWN, ROLE_PRODUCTION, "NO ENVIRONMENT NAMED: AS PRODUCTION"}};

    (void)state;
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        struct plan plan = new_plan(POLICY_YES, looks[i].environment);
        struct answer_seen answer;
        struct overlay *overlay = open_dialog(&plan, &flush, NULL, &answer);
        char *text = drawn(overlay, 24, 80);

        assert_non_null(strstr(text, looks[i].word));
        assert_true(has_role(looks[i].role));
        free(text);
        overlay->class->free(overlay);
    }
}

static void test_only_y_is_yes(void **state)
{
    static const char *const cancels[] = {"\r", "\x1b", "n", "q", "\x03"};
    struct plan plan = new_plan(POLICY_YES, ENV_DEV);
    struct answer_seen answer;
    struct overlay *overlay = open_dialog(&plan, &flush, NULL, &answer);

    (void)state;
    assert_int_equal(press(overlay, "YFKCabc 123\t"), OVERLAY_STAYS);
    assert_int_equal(press(overlay, "y"), OVERLAY_CLOSES);
    assert_true(answer.count == 1 && answer.accepted && answer.answer == ASK_ACCEPTED);
    overlay->class->free(overlay);
    for (size_t i = 0; i < sizeof(cancels) / sizeof(cancels[0]); i++) {
        plan = new_plan(POLICY_YES, ENV_DEV);
        overlay = open_dialog(&plan, &flush, NULL, &answer);
        assert_int_equal(press(overlay, cancels[i]), OVERLAY_CLOSES);
        assert_true(answer.count == 1 && !answer.accepted && answer.answer == ASK_CANCELLED);
        overlay->class->free(overlay);
    }
}

static void test_a_name_must_be_typed_whole(void **state)
{
    struct plan plan = new_plan(POLICY_NAME, ENV_PRODUCTION);
    struct answer_seen answer;
    struct overlay *overlay = open_dialog(&plan, &flush, NULL, &answer);
    char *text;

    (void)state;
    assert_int_equal(press(overlay, "y\rshared\r"), OVERLAY_STAYS);
    text = drawn(overlay, 24, 80);
    assert_non_null(strstr(text, "That is not the name: type shared_redis/5 and Enter"));
    assert_non_null(strstr(text, "yshared"));
    free(text);
    assert_int_equal(press(overlay, "\x15shared_redis/5"), OVERLAY_STAYS);
    text = drawn(overlay, 24, 80);
    assert_non_null(strstr(text, "Type shared_redis/5 and Enter"));
    free(text);
    assert_int_equal(press(overlay, "\r"), OVERLAY_CLOSES);
    assert_true(answer.count == 1 && answer.accepted);
    overlay->class->free(overlay);

    plan = new_plan(POLICY_NAME, ENV_PRODUCTION);
    overlay = open_dialog(&plan, &flush, NULL, &answer);
    assert_int_equal(press(overlay, "\r"), OVERLAY_CLOSES); /* Cancel is in focus */
    assert_false(answer.accepted);
    overlay->class->free(overlay);
}

static void test_a_refusal_has_no_answer(void **state)
{
    struct plan plan = new_plan(POLICY_REFUSED, ENV_PRODUCTION);
    struct answer_seen answer;
    struct overlay *overlay;
    char *text;

    (void)state;
    plan.verdict.reason = "production refuses this";
    overlay = open_dialog(&plan, &flush, NULL, &answer);
    assert_int_equal(press(overlay, "y!Yshared_redis/5"), OVERLAY_STAYS);
    text = drawn(overlay, 24, 80);
    assert_non_null(strstr(text, "refused: production refuses this"));
    assert_null(strstr(text, "[ y:"));
    free(text);
    assert_int_equal(press(overlay, "\r"), OVERLAY_CLOSES);
    assert_false(answer.accepted);
    overlay->class->free(overlay);
}

static void test_a_flush_has_a_second_way(void **state)
{
    struct plan plan = new_plan(POLICY_YES, ENV_DEV);
    struct answer_seen answer;
    struct overlay *overlay = open_dialog(&plan, &flush, NULL, &answer);

    (void)state;
    assert_int_equal(press(overlay, "!"), OVERLAY_CLOSES);
    assert_true(!answer.accepted && answer.answer == ASK_OTHER);
    overlay->class->free(overlay);
    plan = new_plan(POLICY_YES, ENV_DEV);
    overlay = open_dialog(&plan, &flush_now, NULL, &answer);
    assert_int_equal(press(overlay, "!"), OVERLAY_STAYS);
    overlay->class->free(overlay);
}

/* The question stays on the screen; the rest scrolls. */
static void test_every_size_shows_the_question(void **state)
{
    static const int sizes[][2] = {{14, 60}, {22, 80}, {34, 120}, {58, 200}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct plan plan = new_plan(POLICY_NAME, ENV_PRODUCTION);
        struct answer_seen answer;
        struct overlay *overlay;
        char *text;

        for (int line = 0; line < 100; line++)
            plan_add(&plan, PLAN_EVIDENCE, "sample", "key number %d", line);
        overlay = open_dialog(&plan, &flush, NULL, &answer);
        text = drawn(overlay, sizes[i][0], sizes[i][1]);
        assert_non_null(strstr(text, "PRODUCTION"));
        assert_non_null(strstr(text, "Type shared_redis/5 and Enter"));
        assert_null(strstr(text, "key number 99"));
        free(text);
        for (int page = 0; page < 100; page++)
            overlay->class->key(overlay, KEYCODE_PGDN, NULL);
        text = drawn(overlay, sizes[i][0], sizes[i][1]);
        assert_non_null(strstr(text, "key number 99"));
        assert_non_null(strstr(text, "Type shared_redis/5 and Enter"));
        free(text);
        overlay->class->free(overlay);
    }
}

/* Nothing that a server says reaches the terminal as more than text, and a name that cannot be typed
 * as it is can be typed as it is shown. */
static void test_hostile_bytes_are_shown_as_text(void **state)
{
    static const char evil[] = "a\x1b]0;owned\x07\x9b"
                               "31m\xff\xe2\x80\xae"
                               "b\nc";
    struct plan plan = new_plan(POLICY_NAME, ENV_DEV);
    struct answer_seen answer;
    struct overlay *overlay;
    char *text;

    (void)state;
    free(plan.title);
    free(plan.target);
    free(plan.confirm);
    plan.title = mem_strdup(evil);
    plan.target = mem_strdup(evil);
    plan.confirm = mem_strdup("db\x1b\nname");
    plan_add(&plan, PLAN_LOSS, evil, "%s", evil);
    plan_add(&plan, PLAN_EVIDENCE, evil, "%s", evil);
    overlay = open_dialog(&plan, &flush, evil, &answer);
    text = drawn(overlay, 40, 100);
    for (const char *c = text; *c; c++)
        assert_true(*c == '\n' || (unsigned char)*c >= ' ');
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_non_null(strstr(text, "Type db? name and Enter"));
    free(text);
    assert_int_equal(press(overlay, "db? name\r"), OVERLAY_CLOSES);
    assert_true(answer.accepted);
    overlay->class->free(overlay);
}

/* ---- the secret ---- */

static void copied(void *context, const char *secret)
{
    free(*(char **)context);
    *(char **)context = mem_strdup(secret);
}

static void test_a_secret_waits_to_be_read(void **state)
{
    char *copy = NULL, *text;
    struct overlay *overlay =
        secret_new("The new password", mem_strdup("for app"), mem_strdup("s3cr3t"), copied, &copy);

    (void)state;
    assert_int_equal(press(overlay, "\x1b"), OVERLAY_STAYS); /* typed before it could be read */
    overlay->armed = true;
    text = drawn(overlay, 24, 80);
    assert_non_null(strstr(text, "s3cr3t"));
    free(text);
    assert_int_equal(press(overlay, "\rj "), OVERLAY_STAYS);
    assert_int_equal(press(overlay, "y"), OVERLAY_STAYS);
    assert_string_equal(copy, "s3cr3t");
    assert_int_equal(press(overlay, "\x1b"), OVERLAY_CLOSES);
    overlay->class->free(overlay);
    free(copy);
}

static int tear_down(void **state)
{
    (void)state;
    frame_resize(0, 0);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_shows_in_which_order),
        cmocka_unit_test(test_its_environment_is_seen),
        cmocka_unit_test(test_only_y_is_yes),
        cmocka_unit_test(test_a_name_must_be_typed_whole),
        cmocka_unit_test(test_a_refusal_has_no_answer),
        cmocka_unit_test(test_a_flush_has_a_second_way),
        cmocka_unit_test(test_every_size_shows_the_question),
        cmocka_unit_test(test_hostile_bytes_are_shown_as_text),
        cmocka_unit_test(test_a_secret_waits_to_be_read),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
