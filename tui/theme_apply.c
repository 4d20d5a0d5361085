#include "tui/theme_apply.h"

#include "tui/theme_color.h"

#include <assert.h>

static struct {
    cchar_t cells[ROLES];
    struct {
        int fg, bg;
    } pairs[ROLES + 1]; /* from 1; their numbers are those of ncurses */
    int pair_count;
    unsigned generation;
} applied;

cchar_t theme_cell(enum role role)
{
    assert(role < ROLES);
    return applied.cells[role];
}

unsigned theme_generation(void)
{
    return applied.generation;
}

/* The number of a pair, made on first use. */
static int pair_of(int fg, int bg)
{
    int number = 1;

    if (fg == -1 && bg == -1)
        return 0;
    while (number <= applied.pair_count &&
           (applied.pairs[number].fg != fg || applied.pairs[number].bg != bg))
        number++;
    if (number <= applied.pair_count)
        return number;
    if (number >= COLOR_PAIRS || init_extended_pair(number, fg, bg) == ERR)
        return 0;
    applied.pairs[number].fg = fg;
    applied.pairs[number].bg = bg;
    return applied.pair_count = number;
}

static attr_t attributes_of(unsigned attributes)
{
    static const struct {
        unsigned style;
        attr_t curses;
    } table[] = {{STYLE_BOLD, A_BOLD},
                 {STYLE_DIM, A_DIM},
                 {STYLE_ITALIC, A_ITALIC},
                 {STYLE_UNDERLINE, A_UNDERLINE},
                 {STYLE_REVERSE, A_REVERSE}};
    attr_t result = A_NORMAL;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (attributes & table[i].style)
            result |= table[i].curses;
    return result;
}

static bool has_colours(const struct theme *theme)
{
    for (size_t i = 0; i < ROLES; i++) {
        const struct style *style = theme_style(theme, (enum role)i);

        if (style->fg != -1 || style->bg != -1)
            return true;
    }
    return false;
}

static void apply(const struct theme *theme, int colours)
{
    applied.pair_count = 0;
    applied.generation++;
    for (size_t i = 0; i < ROLES; i++) {
        struct style style = *theme_style(theme, (enum role)i);
        int pair = 0;

        if (colours) {
            style = style_fit(&style, colours);
            pair = pair_of(style.fg, style.bg);
        }
        setcchar(&applied.cells[i], L" ", attributes_of(style.attributes), (short)pair, NULL);
    }
}

void theme_apply(const struct theme *theme, int colours)
{
    struct theme *mono = NULL;
    char *error;

    if (!colours && has_colours(theme)) {
        mono = theme_load_shipped("mono", &error);
        assert(mono);
    }
    apply(mono ? mono : theme, colours);
    theme_free(mono);
}
