#include "tui/theme.h"

#include "tui/theme_apply.h"
#include "tui/theme_color.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const shipped[] = {
    "colour-blind-safe", "default", "high-contrast", "light", "mono", "solarized"};
#define SHIPPED (sizeof shipped / sizeof *shipped)

static const int depths[] = {1 << 24, 256, 88, 16, 8};
#define DEPTHS (sizeof depths / sizeof *depths)

static struct theme *load(const char *name)
{
    char *error;
    struct theme *theme = theme_load(name, &error);

    if (!theme)
        fail_msg("%s", error);
    return theme;
}

/* ---- styles ---- */

static void style_is(const char *text, int fg, int bg, unsigned attributes)
{
    struct style style;
    char *error;

    assert_true(style_parse(text, &style, &error));
    assert_null(error);
    assert_int_equal(style.fg, fg);
    assert_int_equal(style.bg, bg);
    assert_int_equal(style.attributes, attributes);
}

static void parses_styles(void **state)
{
    (void)state;
    style_is("", -1, -1, 0);
    style_is("default", -1, -1, 0);
    style_is("bold yellow on default", 3, -1, STYLE_BOLD);
    style_is("  red   bold\tunderline ", 1, -1, STYLE_BOLD | STYLE_UNDERLINE);
    style_is("dim italic reverse", -1, -1, STYLE_DIM | STYLE_ITALIC | STYLE_REVERSE);
    style_is("bright-white on bright-black", 15, 8, 0);
    style_is("0 on 255", 0, 255, 0);
    style_is("#87D75f on #000000", THEME_RGB | 0x87D75F, THEME_RGB, 0);
    style_is("on blue", -1, 4, 0);
}

static void style_fails(const char *text, const char *part)
{
    struct style style;
    char *error;

    assert_false(style_parse(text, &style, &error));
    assert_non_null(strstr(error, part));
    assert_null(strchr(error, '\n'));
    free(error);
}

static void refuses_bad_styles(void **state)
{
    (void)state;
    style_fails("blod red", "'blod' is neither");
    style_fails("red blue", "'blue' is a second foreground");
    style_fails("red on", "no colour after 'on'");
    style_fails("red on bold", "'bold' is no colour");
    style_fails("red on blue bold", "'bold' stands after");
    style_fails("256", "'256' is neither");
    style_fails("#12345", "'#12345' is neither");
    style_fails("#12345g", "'#12345g' is neither");
    style_fails("-1", "'-1' is neither");
    style_fails("0x1", "'0x1' is neither");
    style_fails("+5", "'+5' is neither");
}

/* ---- colours of a terminal ---- */

static void fits(const char *text, int colours, int fg, int bg, unsigned attributes)
{
    struct style style, fitted;
    char *error;

    assert_true(style_parse(text, &style, &error));
    fitted = style_fit(&style, colours);
    assert_int_equal(fitted.fg, fg);
    assert_int_equal(fitted.bg, bg);
    assert_int_equal(fitted.attributes, attributes);
}

static void fits_256(void **state)
{
    (void)state;
    fits("default on default", 256, -1, -1, 0);
    fits("red on 200", 256, 1, 200, 0);
    fits("#000000 on #ffffff", 256, 16, 231, 0);
    fits("#87d75f", 256, 113, -1, 0);
    fits("#8a8a8a on #303030", 256, 245, 236, 0);
    fits("#002b36", 256, 234, -1, 0); /* a dark blue-green is nearer to grey than to any blue */
    fits("#ff0001", 256, 196, -1, 0);
}

static void fits_direct(void **state)
{
    (void)state;
    fits("#87d75f on #000003", 1 << 24, 0x87D75F, 8, 0); /* 0 to 7 mean the palette */
    fits("red on 113", 1 << 24, 1, 0x87D75F, 0);
}

static void fits_few(void **state)
{
    (void)state;
    fits("#87d75f", 16, 10, -1, 0);
    fits("#87d75f", 8, 2, -1, STYLE_BOLD);
    fits("#8a8a8a", 16, 8, -1, 0);
    fits("#8a8a8a", 8, -1, -1, STYLE_DIM);
    fits("#d0d0d0 on #303030", 8, 7, -1, STYLE_REVERSE); /* black is no background */
    fits("#ffffff on #005faf", 8, 7, 4, STYLE_BOLD);
    fits("#000000 on #5fd7ff", 8, 0, 6, 0);
    fits("#af0087", 16, 5, -1, 0);
    fits("#d70000", 16, 9, -1, 0);
    fits("#ffaf00", 16, 11, -1, 0);
    fits("black on red", 8, 0, 1, 0); /* asked for by name */
    fits("#ffffff on #000000", 16, 15, 0, 0);
}

/* ---- the shipped themes ---- */

static bool same(const struct theme *theme, enum role a, enum role b, int colours)
{
    struct style x = style_fit(theme_style(theme, a), colours);
    struct style y = style_fit(theme_style(theme, b), colours);

    return x.fg == y.fg && x.bg == y.bg && x.attributes == y.attributes;
}

static void tells_apart(const struct theme *theme, enum role a, enum role b)
{
    for (size_t d = 0; d < DEPTHS; d++)
        if (same(theme, a, b, depths[d]))
            fail_msg("theme %s: %s and %s look alike with %d colours", theme_name(theme),
                     role_name(a), role_name(b), depths[d]);
}

static void shipped_themes_are_complete(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHIPPED; t++) {
        struct theme *theme = load(shipped[t]);

        assert_string_equal(theme_name(theme), shipped[t]);
        assert_true(*theme_description(theme));
        for (size_t r = 0; r < ROLES; r++)
            if (!theme_defines(theme, (enum role)r))
                fail_msg("theme %s lacks %s", shipped[t], role_name((enum role)r));
        theme_free(theme);
    }
}

static void shipped_themes_tell_apart_what_matters(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHIPPED; t++) {
        struct theme *theme = load(shipped[t]);

        tells_apart(theme, ROLE_OK, ROLE_WARNING);
        tells_apart(theme, ROLE_OK, ROLE_CRITICAL);
        tells_apart(theme, ROLE_WARNING, ROLE_CRITICAL);
        tells_apart(theme, ROLE_TEXT, ROLE_SELECTED);
        tells_apart(theme, ROLE_TEXT, ROLE_MATCH);
        tells_apart(theme, ROLE_TEXT, ROLE_STALE);
        tells_apart(theme, ROLE_TEXT, ROLE_INPUT);
        tells_apart(theme, ROLE_SELECTED, ROLE_MATCH);
        tells_apart(theme, ROLE_BORDER, ROLE_BORDER_FOCUS);
        tells_apart(theme, ROLE_BUTTON, ROLE_BUTTON_FOCUS);
        tells_apart(theme, ROLE_GRAPH, ROLE_GRAPH_HIGH);
        theme_free(theme);
    }
}

static void production_is_unmistakable(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHIPPED; t++) {
        struct theme *theme = load(shipped[t]);

        for (size_t r = 0; r < ROLES; r++)
            if (r != ROLE_PRODUCTION && r != ROLE_UNKNOWN)
                tells_apart(theme, ROLE_PRODUCTION, (enum role)r);
        theme_free(theme);
    }
}

static void nothing_is_invisible(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHIPPED; t++) {
        struct theme *theme = load(shipped[t]);

        for (size_t r = 0; r < ROLES; r++)
            for (size_t d = 0; d < DEPTHS; d++) {
                struct style style = style_fit(theme_style(theme, (enum role)r), depths[d]);

                if (style.fg >= 0 && style.fg == style.bg)
                    fail_msg("theme %s: %s cannot be read with %d colours", shipped[t],
                             role_name((enum role)r), depths[d]);
            }
        theme_free(theme);
    }
}

static double linear(int channel)
{
    double c = channel / 255.0;

    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double luminance(int rgb)
{
    return 0.2126 * linear(rgb >> 16 & 0xFF) + 0.7152 * linear(rgb >> 8 & 0xFF) +
           0.0722 * linear(rgb & 0xFF);
}

/* As WCAG has it: 1 to 21; default colours are those of paper. */
static double contrast(const struct style *style, int paper)
{
    double fg = luminance(style->fg < 0 ? ~paper : style->fg);
    double bg = luminance(style->bg < 0 ? paper : style->bg);

    return fg > bg ? (fg + 0.05) / (bg + 0.05) : (bg + 0.05) / (fg + 0.05);
}

static void text_has_contrast(void **state)
{
    static const struct {
        const char *name;
        int paper;
        double least;
    } cases[] = {{"default", 0, 4.5},
                 {"light", 0xFFFFFF, 4},
                 {"colour-blind-safe", 0, 4.5},
                 {"high-contrast", 0, 7},
                 {"solarized", 0x002B36, 3}};

    (void)state;
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        struct theme *theme = load(cases[t].name);

        for (size_t r = 0; r < ROLES; r++) {
            double got = contrast(theme_style(theme, (enum role)r), cases[t].paper);
            bool line = r == ROLE_BORDER || r == ROLE_BORDER_FOCUS || r == ROLE_GAUGE_EMPTY;

            if (got < (line ? 1.4 : cases[t].least))
                fail_msg("theme %s: %s has a contrast of %.1f", cases[t].name,
                         role_name((enum role)r), got);
        }
        theme_free(theme);
    }
}

static void mono_has_no_colours(void **state)
{
    struct theme *mono = load("mono");

    (void)state;
    for (size_t r = 0; r < ROLES; r++) {
        assert_int_equal(theme_style(mono, (enum role)r)->fg, -1);
        assert_int_equal(theme_style(mono, (enum role)r)->bg, -1);
    }
    theme_free(mono);
}

static attr_t applied_attributes(enum role role, short *pair)
{
    cchar_t cell = theme_cell(role);
    wchar_t text[CCHARW_MAX];
    attr_t attributes;

    assert_int_equal(getcchar(&cell, text, &attributes, pair, NULL), OK);
    return attributes & ~(attr_t)A_COLOR;
}

static void without_colours_attributes_remain(void **state)
{
    struct theme *theme = load("default");
    unsigned before = theme_generation();
    short pair;

    (void)state;
    theme_apply(theme, 0);
    assert_int_not_equal(theme_generation(), before);
    assert_int_equal(applied_attributes(ROLE_CRITICAL, &pair), A_BOLD | A_REVERSE);
    assert_int_equal(pair, 0);
    assert_int_equal(applied_attributes(ROLE_WARNING, &pair), A_BOLD);
    assert_int_equal(applied_attributes(ROLE_OK, &pair), A_NORMAL);
    assert_int_equal(applied_attributes(ROLE_SELECTED, &pair), A_REVERSE);
    theme_free(theme);
}

/* ---- files of the user ---- */

struct home {
    char root[64], themes[128];
};

static void write_theme(const struct home *home, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s.theme", home->themes, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct home *home = calloc(1, sizeof *home);
    char directory[128];

    snprintf(home->root, sizeof home->root, "/tmp/theme_test.XXXXXX");
    if (!mkdtemp(home->root)) {
        free(home);
        return -1;
    }
    snprintf(directory, sizeof directory, "%s/sharedtop", home->root);
    snprintf(home->themes, sizeof home->themes, "%s/sharedtop/themes", home->root);
    setenv("XDG_CONFIG_HOME", home->root, 1);
    *state = home;
    return mkdir(directory, 0700) || mkdir(home->themes, 0700);
}

static int tear_down(void **state)
{
    struct home *home = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", home->root);
    unsetenv("XDG_CONFIG_HOME");
    free(home);
    return system(command); // NOLINT(cert-env33-c)
}

static void load_fails(const char *name, const char *part)
{
    char *error;

    assert_null(theme_load(name, &error));
    if (!strstr(error, part))
        fail_msg("'%s' does not say '%s'", error, part);
    assert_null(strchr(error, '\n'));
    free(error);
}

static void inherits_from_themes_and_roles(void **state)
{
    struct theme *theme, *light = load("light");

    write_theme(*state, "mine",
                "inherit = \"light\";\nroles = { warning = \"bold blue\"; text = \"white\"; };");
    theme = load("mine");
    assert_int_equal(theme_style(theme, ROLE_WARNING)->fg, 4);
    /* light names it, so the theme named by inherit wins over the role's own parent */
    assert_memory_equal(theme_style(theme, ROLE_GAUGE_WARNING),
                        theme_style(light, ROLE_GAUGE_WARNING), sizeof(struct style));
    assert_true(theme_defines(theme, ROLE_GAUGE_WARNING));
    theme_free(theme);
    write_theme(*state, "mine", "roles = { warning = \"bold blue\"; production = \"red\"; };");
    theme = load("mine");
    assert_int_equal(theme_style(theme, ROLE_GAUGE_WARNING)->fg, 4);
    assert_int_equal(theme_style(theme, ROLE_STAGING)->fg, 4);
    assert_int_equal(theme_style(theme, ROLE_UNKNOWN)->fg, 1); /* not named: as production */
    assert_int_equal(theme_style(theme, ROLE_SELECTED)->attributes, STYLE_REVERSE);
    assert_false(theme_defines(theme, ROLE_STAGING));
    assert_string_equal(theme_description(theme), "");
    theme_free(theme);
    theme_free(light);
}

static void own_theme_may_inherit_its_namesake(void **state)
{
    struct theme *theme;

    write_theme(*state, "default", "inherit = \"default\"; roles = { ok = \"cyan\"; };");
    theme = load("default");
    assert_int_equal(theme_style(theme, ROLE_OK)->fg, 6);
    assert_int_equal(theme_style(theme, ROLE_WARNING)->fg, THEME_RGB | 0xFFAF00);
    theme_free(theme);
}

static void says_what_is_wrong_and_where(void **state)
{
    load_fails("solarised", "there is no theme 'solarised'; did you mean 'solarized'?");
    load_fails("qqqqqqqqqqqqqqqqqqqq", "'sharedtop themes' lists them");
    load_fails("/nonexistent/x.theme", "/nonexistent/x.theme: cannot read");
    load_fails("/", "Is a directory");
    load_fails("/dev/null", "cannot read");
    write_theme(*state, "bad", "roles = {\n  warnign = \"red\";\n};");
    load_fails("bad", "bad.theme:2: unknown role 'warnign'; did you mean 'warning'?");
    write_theme(*state, "bad", "roles = {\n\n  ok = \"rde\";\n};");
    load_fails("bad", "bad.theme:3: role 'ok': 'rde' is neither");
    write_theme(*state, "bad", "roles = { ok = 5; };");
    load_fails("bad", "bad.theme:1: role 'ok' is not a text");
    write_theme(*state, "bad", "rolls = { };");
    load_fails("bad", "bad.theme:1: unknown setting 'rolls'; did you mean 'roles'?");
    write_theme(*state, "bad", "roles = 1;");
    load_fails("bad", "bad.theme:1: roles is not a group");
    write_theme(*state, "bad", "description = 1;");
    load_fails("bad", "bad.theme:1: not a text");
    write_theme(*state, "bad", "roles = {\n");
    load_fails("bad", "bad.theme:");
    write_theme(*state, "bad", "@include \"/etc/passwd\"\n");
    load_fails("bad", "cannot include");
    write_theme(*state, "bad", "inherit = \"nosuch\";");
    load_fails("bad", "bad.theme: inherit: there is no theme 'nosuch'");
}

static void circles_are_found(void **state)
{
    write_theme(*state, "a", "inherit = \"b\";");
    write_theme(*state, "b", "inherit = \"a\";");
    load_fails("a", "in a circle");
}

static void loads_by_path(void **state)
{
    const struct home *home = *state;
    char path[256];
    struct theme *theme;

    write_theme(home, "other", "description = \"a\033b\"; roles = { ok = \"cyan\"; };");
    snprintf(path, sizeof path, "%s/other.theme", home->themes);
    theme = load(path);
    assert_string_equal(theme_name(theme), "other");
    assert_string_equal(theme_description(theme), "a\xEF\xBF\xBD"
                                                  "b");
    theme_free(theme);
}

static void lists_all_themes(void **state)
{
    size_t count, expected = SHIPPED + 1;
    char **names;

    write_theme(*state, "mine", "");
    write_theme(*state, "light", "");
    names = theme_list(&count);
    assert_int_equal(count, expected);
    for (size_t i = 0; i + 1 < count; i++)
        assert_true(strcmp(names[i], names[i + 1]) < 0);
    for (size_t i = 0, found = 0; i < count; i++) {
        found += !strcmp(names[i], "mine");
        assert_true(i + 1 < count || found == 1);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

#define WITH_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOME(parses_styles),
        WITH_HOME(refuses_bad_styles),
        WITH_HOME(fits_256),
        WITH_HOME(fits_direct),
        WITH_HOME(fits_few),
        WITH_HOME(shipped_themes_are_complete),
        WITH_HOME(shipped_themes_tell_apart_what_matters),
        WITH_HOME(production_is_unmistakable),
        WITH_HOME(nothing_is_invisible),
        WITH_HOME(text_has_contrast),
        WITH_HOME(mono_has_no_colours),
        WITH_HOME(without_colours_attributes_remain),
        WITH_HOME(inherits_from_themes_and_roles),
        WITH_HOME(own_theme_may_inherit_its_namesake),
        WITH_HOME(says_what_is_wrong_and_where),
        WITH_HOME(circles_are_found),
        WITH_HOME(loads_by_path),
        WITH_HOME(lists_all_themes),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
