/* Semantic roles → attributes of this terminal. A theme is a text file (libconfig):
 *   description = "..."; inherit = "default"; roles = { warning = "bold yellow on default"; ... };
 * A style is: [attributes] [foreground] [on background], attributes bold dim italic underline
 * reverse, colours default, the 16 names (black red green yellow blue magenta cyan white, bright-…),
 * 0 to 255, or #rrggbb. A missing role is taken from the theme named by inherit, else from another
 * role (see theme.c), so that a theme may name only a few. */
#ifndef TUI_THEME_H
#define TUI_THEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum role {
    ROLE_TEXT,
    ROLE_DIM,
    ROLE_STRONG, /* body text */
    ROLE_BAR,
    ROLE_BAR_TITLE, /* the header line */
    ROLE_BORDER,
    ROLE_BORDER_FOCUS,
    ROLE_TITLE,
    ROLE_TITLE_FOCUS,
    ROLE_HEADING,
    ROLE_HEADING_SORT, /* a table's column titles */
    ROLE_SELECTED,
    ROLE_TAGGED,
    ROLE_MATCH,
    ROLE_OK,
    ROLE_WARNING,
    ROLE_CRITICAL,
    ROLE_STALE,
    ROLE_PRODUCTION,
    ROLE_PRODUCTION_NAME, /* a name in a list: its colour without the background */
    ROLE_STAGING,
    ROLE_DEV,
    ROLE_UNKNOWN, /* environments */
    ROLE_ACTIVE,
    ROLE_IDLE,
    ROLE_IDLE_IN_TRANSACTION,
    ROLE_BLOCKED, /* sessions */
    ROLE_NUMBER,
    ROLE_NAME, /* figures and identifiers */
    ROLE_GRAPH,
    ROLE_GRAPH_HIGH,
    ROLE_GAUGE,
    ROLE_GAUGE_WARNING,
    ROLE_GAUGE_CRITICAL,
    ROLE_GAUGE_EMPTY,
    ROLE_KEY,
    ROLE_KEY_TEXT, /* the footer */
    ROLE_DIALOG,
    ROLE_DIALOG_TITLE,
    ROLE_BUTTON,
    ROLE_BUTTON_FOCUS,
    ROLE_INPUT,
    ROLES
};

struct theme;

/* A parsed style, before it is fitted to a terminal. Colour: -1 default, 0..255 indexed,
 * THEME_RGB | 0xrrggbb. */
#define THEME_RGB 0x1000000
struct style {
    int fg, bg;
    unsigned attributes; /* of enum style_attribute */
};
enum style_attribute {
    STYLE_BOLD = 1,
    STYLE_DIM = 2,
    STYLE_ITALIC = 4,
    STYLE_UNDERLINE = 8,
    STYLE_REVERSE = 16
};

/* Pure. False: *error (caller frees) says what is wrong with the text. */
bool style_parse(const char *text, struct style *style, char **error);

/* Finds a theme by name (user's themes directory, then the ones compiled in) or by path (when name
 * holds a '/'), and parses it. NULL: *error is one line with file, line and mend; caller frees. */
struct theme *theme_load(const char *name, char **error);
struct theme *theme_load_shipped(const char *name, char **error); /* only a compiled-in one */
struct theme *theme_parse(const char *name, const char *text, char **error);
void theme_free(struct theme *theme);
const char *theme_name(const struct theme *theme);
const char *theme_description(const struct theme *theme);
const struct style *theme_style(const struct theme *theme, enum role role);
const char *role_name(enum role role);

/* True when the theme's own file (or a theme that it inherits from by name) names the role. */
bool theme_defines(const struct theme *theme, enum role role);

/* Names of all themes, compiled in and the user's, sorted; free each and the array. */
char **theme_list(size_t *count);

/* Makes the theme the terminal's: from now on roles look like this. colours: what the terminal has;
 * 0 (none, or NO_COLOR) takes the attributes of the theme "mono", unless the theme itself has no
 * colours. Call after screen_start. */
void theme_apply(const struct theme *theme, int colours);

#endif
