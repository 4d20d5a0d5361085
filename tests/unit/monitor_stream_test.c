/* The window of the last lines of MONITOR: what it keeps, how it forgets, what it says of a line. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "panels/monitor_stream.h"
#include "tui/export.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct monitor_context nobody = {.config = NULL};

static void take(struct stream_window *window, const char *text, uint64_t sent)
{
    struct monitor_line from;
    struct stream_line line;
    struct stream_scratch scratch;

    assert_true(monitor_parse(text, strlen(text), &from));
    from.text = text;
    from.len = strlen(text);
    from.bytes = sent ? sent : from.len;
    stream_fill(&line, &scratch, &from, window->count + 1);
    stream_keep(window, &line, &from);
}

/* A SET of a key that says its number, with a value of so many bytes. */
static void take_set(struct stream_window *window, unsigned number, size_t value)
{
    char *text = mem_printf("1700000000.%06u [3 10.0.0.5:4001] \"SET\" \"user:%u:cart\" \"%*s\"",
                            number % 1000000, number, (int)value, "v");

    take(window, text, 0);
    free(text);
}

static const struct stream_line *last_of(const struct stream_window *window)
{
    return stream_line_of(window, window->count);
}

static void expect_line(const struct stream_window *window, const char *expected)
{
    struct strbuf text = {0};

    stream_add_line(last_of(window), &text);
    assert_string_equal(text.s, expected);
    strbuf_free(&text);
}

/* As redis-cli prints it, byte for byte. */
static void test_line_as_it_came(void **state)
{
    static const char *const texts[] = {
        "1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"",
        "1339518087.877697 [15 [::1]:60866] \"set\" \"a\\\"b\" \"\\xc3\\xa4\\n\\\\ \"",
        "1339518090.420270 [0 lua] \"PING\"",
        "1339518090.420270 [0 unix:/run/redis.sock] \"get\" \"x\"",
    };
    struct stream_window window = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        take(&window, texts[i], 0);
        expect_line(&window, texts[i]);
    }
    stream_free(&window);
}

/* The column ARGUMENTS begins behind the command, which has a column of its own. */
static void test_arguments(void **state)
{
    struct stream_window window = {0};
    const struct stream_line *line;

    (void)state;
    take(&window, "1.0 [0 1.2.3.4:5] \"set\" \"a b\" \"\\xc3\\xa4\"", 0);
    line = last_of(&window);
    assert_string_equal(line->args, "\"set\" \"a b\" \"\xc3\xa4\"");
    assert_string_equal(line->args + line->rest, "\"a b\" \"\xc3\xa4\"");
    take(&window, "1.0 [0 1.2.3.4:5] \"PING\"", 0);
    line = last_of(&window);
    assert_string_equal(line->args + line->rest, "");
    take(&window, "1.0 [0 1.2.3.4:5] \"s\\xc3\\xa4t\" \"k\"", 0);
    line = last_of(&window);
    assert_string_equal(line->args + line->rest, "\"k\"");
    stream_free(&window);
}

static void expect_kept(const struct stream_window *window)
{
    for (uint64_t n = window->first + 1; n <= window->count; n++) {
        const struct stream_line *line = stream_line_of(window, n);
        char key[64];

        snprintf(key, sizeof(key), "\"user:%u:cart\"", (unsigned)n);
        assert_int_equal(line->number, n);
        assert_non_null(strstr(line->args, key));
        assert_string_equal(line->pattern, "user:*:cart");
    }
    assert_null(stream_line_of(window, window->first));
    assert_null(stream_line_of(window, window->count + 1));
    assert_null(stream_line_of(window, 0));
}

/* As many as there are places; and where they are long, as there are bytes. */
static void test_window_is_bounded(void **state)
{
    struct stream_window window = {0};
    unsigned number = 0;

    (void)state;
    while (number < STREAM_LINES + 100)
        take_set(&window, ++number, 10);
    assert_int_equal(window.count - window.first, STREAM_LINES);
    expect_kept(&window);
    for (int i = 0; i < 2 * STREAM_LINES; i++)
        take_set(&window, ++number, 900);
    assert_int_equal(window.count, number);
    assert_in_range(window.count - window.first, STREAM_HEADS / STREAM_HEAD - 1, STREAM_LINES - 1);
    expect_kept(&window);
    stream_free(&window);
}

static void expect_details(const struct stream_line *line, const char *has, const char *has_not)
{
    char *text = stream_details(&nobody, line, NULL);

    if (has && !strstr(text, has))
        fail_msg("no '%s' in: %.300s", has, text);
    if (has_not && strstr(text, has_not))
        fail_msg("'%s' in: %.300s", has_not, text);
    free(text);
}

/* What is longer is there as a whole until newer ones need its place, which is then told. */
static void test_long_lines_wrap(void **state)
{
    enum { LENGTH = 60000 };
    const unsigned fit = STREAM_TEXTS / (LENGTH + 40);
    struct stream_window window = {0};
    struct strbuf text = {0};
    unsigned number = 0;

    (void)state;
    while (number < fit)
        take_set(&window, ++number, LENGTH);
    for (uint64_t n = 1; n <= fit; n++)
        expect_details(stream_line_of(&window, n), " v\"", "the beginning was kept");
    take_set(&window, ++number, LENGTH);
    take_set(&window, ++number, LENGTH);
    expect_details(stream_line_of(&window, 1), "user:1:cart", " v\"");
    expect_details(stream_line_of(&window, 1), "of which the beginning was kept", NULL);
    expect_details(last_of(&window), " v\"", "the beginning was kept");
    stream_add_line(stream_line_of(&window, 1), &text);
    assert_string_equal(text.s + text.len - 4, " ...");
    assert_in_range(text.len, STREAM_HEAD, STREAM_HEAD + 64);
    strbuf_free(&text);
    expect_kept(&window);
    stream_free(&window);
}

/* The reader cuts what is longer than its cap. */
static void test_line_that_was_cut(void **state)
{
    struct stream_window window = {0};

    (void)state;
    take(&window, "1.000000 [0 1.2.3.4:5] \"set\" \"k\" \"vvv", 70000);
    expect_details(last_of(&window), "70000, of which the beginning was kept", NULL);
    expect_line(&window, "1.000000 [0 1.2.3.4:5] \"set\" \"k\" \"vvv...");
    stream_free(&window);
}

static void test_details_decode(void **state)
{
    struct stream_window window = {0};

    (void)state;
    take(&window, "1.0 [0 1.2.3.4:5] \"set\" \"k\" \"\\xe2\\x82\\xac \\x1b[31m\\nnext\"", 0);
    expect_details(last_of(&window), "\xe2\x82\xac ", "\x1b");
    expect_details(last_of(&window), "\nnext\"", "\\x");
    stream_free(&window);
}

static void test_what_a_client_does(void **state)
{
    struct stream_window window = {0};
    struct strbuf text = {0};

    (void)state;
    for (unsigned i = 1; i <= 5; i++)
        take_set(&window, i, 4);
    take(&window, "1.0 [3 10.0.0.5:4001] \"get\" \"page:1\"", 0);
    take(&window, "1.0 [3 10.0.0.9:4001] \"flushdb\"", 0);
    stream_add_deeds(&window, "10.0.0.5:4001", &text);
    assert_non_null(strstr(text.s, "6 of the 7 lines"));
    assert_non_null(strstr(text.s, "     5 SET      user:*:cart\n     1 get      page:*\n"));
    assert_null(strstr(text.s, "flushdb"));
    strbuf_free(&text);
    stream_free(&window);
}

/* The rows of a table of lines, as w writes them. */
static void test_text_file(void **state)
{
    struct stream_window window = {0};
    struct strbuf text = {0};
    const void *rows[2];

    (void)state;
    take(&window, "1.000000 [0 1.2.3.4:5] \"set\" \"\\xc3\\xa4\"", 0);
    take(&window, "2.000000 [1 1.2.3.4:5] \"get\" \"k\"", 0);
    rows[0] = stream_line_of(&window, 1);
    rows[1] = stream_line_of(&window, 2);
    export_file("a.txt", &stream_table, rows, 2, &nobody, &text);
    assert_string_equal(text.s, "1.000000 [0 1.2.3.4:5] \"set\" \"\\xc3\\xa4\"\n"
                                "2.000000 [1 1.2.3.4:5] \"get\" \"k\"\n");
    strbuf_free(&text);
    stream_free(&window);
}

/* Of another server: none is there, and their numbers are nobody's. */
static void test_forgotten(void **state)
{
    struct stream_window window = {0};

    (void)state;
    stream_forget(&window);
    for (unsigned i = 1; i <= 5; i++)
        take_set(&window, i, 4);
    stream_forget(&window);
    for (uint64_t n = 0; n <= 6; n++)
        assert_null(stream_line_of(&window, n));
    take_set(&window, 6, 4);
    assert_int_equal(window.count - window.first, 1);
    assert_int_equal(last_of(&window)->number, 6);
    expect_line(&window, "1700000000.000006 [3 10.0.0.5:4001] \"SET\" \"user:6:cart\" \"   v\"");
    stream_free(&window);
}

/* ---- names that come later ---- */

struct known {
    uv_loop_t loop;
    struct monitor_context context;
    struct monitor_names *names;
};

static void known_start(struct known *known)
{
    static char nowhere[] = "/nonexistent/sharedtop.sock";
    const struct redis_address address = {.path = nowhere};

    uv_loop_init(&known->loop);
    known->names = monitor_names_new(&known->loop, &address);
    known->context = (struct monitor_context){.names = known->names};
}

static void known_take(const struct known *known, const char *list)
{
    monitor_names_take(known->names, list, strlen(list), 1700000000);
}

static void known_stop(struct known *known)
{
    monitor_names_free(known->names);
    uv_run(&known->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&known->loop), 0);
}

static bool may_pass(const struct known *known, const char *filter, const char *text)
{
    struct stream_scratch scratch;
    struct monitor_line from;
    struct stream_line line;
    struct filter set = {0};
    char *error = NULL;
    bool may;

    assert_true(filter_set(&set, filter, stream_table.columns, stream_table.count, &error));
    assert_true(monitor_parse(text, strlen(text), &from));
    stream_fill(&line, &scratch, &from, 1);
    may = stream_may_pass(&set, &line, &known->context);
    filter_clear(&set);
    return may;
}

static void test_names_come_later(void **state)
{
    static const char web[] = "1.0 [0 10.0.0.5:4001] \"get\" \"k\"";
    static const char local[] = "1.0 [0 unix:/run/redis.sock] \"get\" \"k\"";
    struct known known;

    (void)state;
    known_start(&known);
    assert_true(may_pass(&known, "name:web", web));
    assert_true(may_pass(&known, "user:app command:get", web));
    assert_false(may_pass(&known, "name:web command:set", web));
    assert_false(may_pass(&known, "name:web", local));
    assert_false(may_pass(&known, "name:web", "1.0 [0 lua] \"get\" \"k\""));
    assert_false(may_pass(&known, "web", web)); /* of any column: what is there */
    assert_true(may_pass(&known, "name:*we*", web));
    assert_true(may_pass(&known, "!name:*cron* user:*:cart", web));
    assert_false(may_pass(&known, "name:*we*", local));
    assert_false(may_pass(&known, "args:*we*", web));
    known_take(&known, "id=7 addr=10.0.0.5:4001 name=web user=app");
    assert_true(may_pass(&known, "name:web", web));
    assert_false(may_pass(&known, "name:cron", web));
    assert_true(may_pass(&known, "name:*we*", web));
    assert_false(may_pass(&known, "name:*cron*", web));
    assert_false(may_pass(&known, "user:*:cart", web));
    assert_false(may_pass(&known, "!user:app", web));
    known_stop(&known);
}

static void test_filters_that_ask_for_names(void **state)
{
    static const struct {
        const char *text;
        bool asks;
    } filters[] = {{"name:web", true},      {"!user:app", true},
                   {"anything", true},      {"command:set", false},
                   {"db:0 name:web", true}, {"client:^10 !args:x", false},
                   {"user:*:cart", true},   {"pattern:user:*:cart", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        struct filter set = {0};
        char *error = NULL;

        assert_true(
            filter_set(&set, filters[i].text, stream_table.columns, stream_table.count, &error));
        if (stream_asks_names(&set) != filters[i].asks)
            fail_msg("%s", filters[i].text);
        filter_clear(&set);
    }
}

/* The rows of a window, as frame by frame the panel shows them: once a verdict is there, it holds
 * until somebody doubts it. */
static void test_verdicts(void **state)
{
    struct stream_window window = {0};
    const void *rows[5];
    struct known known;
    struct table table;
    char *error = NULL;

    (void)state;
    known_start(&known);
    for (unsigned i = 0; i < 5; i++) {
        take_set(&window, i, 4);
        rows[i] = stream_line_of(&window, i + 1);
    }
    table_init(&table, &stream_table);
    assert_true(table_filter(&table, "name:web", &error));
    table_rows(&table, rows, 5, &known.context);
    assert_int_equal(table.count, 0);
    known_take(&known, "id=7 addr=10.0.0.5:4001 name=web");
    table_rows(&table, rows, 5, &known.context);
    assert_int_equal(table.count, 0);
    table_doubt(&table);
    table_rows(&table, rows, 5, &known.context);
    assert_int_equal(table.count, 5);
    table_free(&table);
    stream_free(&window);
    known_stop(&known);
}

static size_t count_shown(struct table *table, const struct stream_window *window)
{
    static const void *rows[STREAM_LINES];
    const size_t count = (size_t)(window->count - window->first);

    for (size_t i = 0; i < count; i++)
        rows[i] = stream_line_of(window, window->first + 1 + i);
    table_rows(table, rows, count, &nobody);
    return table->count;
}

/* A line that takes the place of an older one is asked about anew, be it that this one was shown or not. */
static void test_verdicts_of_old_lines(void **state)
{
    enum { NEWER = 100 };
    struct stream_window window = {0};
    struct table table;
    char *error = NULL;

    (void)state;
    table_init(&table, &stream_table);
    assert_true(table_filter(&table, "command:^get$", &error));
    for (unsigned i = 1; i <= STREAM_LINES; i++)
        take_set(&window, i, 4);
    assert_int_equal(count_shown(&table, &window), 0);
    for (unsigned i = 0; i < STREAM_LINES; i++)
        take(&window, "1.0 [3 10.0.0.5:4001] \"get\" \"page:1\"", 0);
    assert_int_equal(count_shown(&table, &window), STREAM_LINES);
    for (unsigned i = 1; i <= NEWER; i++)
        take_set(&window, i, 4);
    assert_int_equal(count_shown(&table, &window), STREAM_LINES - NEWER);
    table_free(&table);
    stream_free(&window);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_as_it_came),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_window_is_bounded),
        cmocka_unit_test(test_long_lines_wrap),
        cmocka_unit_test(test_line_that_was_cut),
        cmocka_unit_test(test_details_decode),
        cmocka_unit_test(test_what_a_client_does),
        cmocka_unit_test(test_text_file),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_names_come_later),
        cmocka_unit_test(test_filters_that_ask_for_names),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_verdicts_of_old_lines),
    };

    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
