#include "tui/theme.h"

#include "backend/base/mem.h"
#include "tui/text.h"
#include "tui/theme_file.h"

#include <assert.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8

struct theme {
    char *name, *description;
    struct style styles[ROLES];
    bool defined[ROLES];
};

#define PLAIN -1, -1
#define ROOT  ROLES

/* What a role falls back to: another role, or (ROOT) a style of its own that needs no colours. */
static const struct {
    const char *name;
    enum role parent;
    struct style style;
} roles[ROLES] = {
    [ROLE_TEXT] = {"text", ROOT, {PLAIN, 0}},
    [ROLE_DIM] = {"dim", ROOT, {PLAIN, STYLE_DIM}},
    [ROLE_STRONG] = {"strong", ROOT, {PLAIN, STYLE_BOLD}},
    [ROLE_BAR] = {"bar", ROOT, {PLAIN, STYLE_REVERSE}},
    [ROLE_BAR_TITLE] = {"bar_title", ROLE_BAR, {PLAIN, 0}},
    [ROLE_BORDER] = {"border", ROLE_DIM, {PLAIN, 0}},
    [ROLE_BORDER_FOCUS] = {"border_focus", ROLE_STRONG, {PLAIN, 0}},
    [ROLE_TITLE] = {"title", ROLE_STRONG, {PLAIN, 0}},
    [ROLE_TITLE_FOCUS] = {"title_focus", ROLE_TITLE, {PLAIN, 0}},
    [ROLE_HEADING] = {"heading", ROLE_STRONG, {PLAIN, 0}},
    [ROLE_HEADING_SORT] = {"heading_sort", ROLE_HEADING, {PLAIN, 0}},
    [ROLE_SELECTED] = {"selected", ROOT, {PLAIN, STYLE_REVERSE}},
    [ROLE_TAGGED] = {"tagged", ROLE_STRONG, {PLAIN, 0}},
    [ROLE_MATCH] = {"match", ROOT, {PLAIN, STYLE_UNDERLINE}},
    [ROLE_OK] = {"ok", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_WARNING] = {"warning", ROOT, {PLAIN, STYLE_BOLD}},
    [ROLE_CRITICAL] = {"critical", ROOT, {PLAIN, STYLE_BOLD | STYLE_REVERSE}},
    [ROLE_STALE] = {"stale", ROLE_DIM, {PLAIN, 0}},
    [ROLE_PRODUCTION] = {"production", ROOT, {PLAIN, STYLE_BOLD | STYLE_UNDERLINE | STYLE_REVERSE}},
    [ROLE_PRODUCTION_NAME] = {"production_name", ROLE_PRODUCTION, {PLAIN, 0}},
    [ROLE_STAGING] = {"staging", ROLE_WARNING, {PLAIN, 0}},
    [ROLE_DEV] = {"dev", ROLE_OK, {PLAIN, 0}},
    [ROLE_UNKNOWN] = {"unknown", ROLE_PRODUCTION, {PLAIN, 0}},
    [ROLE_ACTIVE] = {"active", ROLE_OK, {PLAIN, 0}},
    [ROLE_IDLE] = {"idle", ROLE_DIM, {PLAIN, 0}},
    [ROLE_IDLE_IN_TRANSACTION] = {"idle_in_transaction", ROLE_WARNING, {PLAIN, 0}},
    [ROLE_BLOCKED] = {"blocked", ROLE_CRITICAL, {PLAIN, 0}},
    [ROLE_NUMBER] = {"number", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_NAME] = {"name", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_GRAPH] = {"graph", ROLE_OK, {PLAIN, 0}},
    [ROLE_GRAPH_HIGH] = {"graph_high", ROLE_WARNING, {PLAIN, 0}},
    [ROLE_GAUGE] = {"gauge", ROLE_OK, {PLAIN, 0}},
    [ROLE_GAUGE_WARNING] = {"gauge_warning", ROLE_WARNING, {PLAIN, 0}},
    [ROLE_GAUGE_CRITICAL] = {"gauge_critical", ROLE_CRITICAL, {PLAIN, 0}},
    [ROLE_GAUGE_EMPTY] = {"gauge_empty", ROLE_DIM, {PLAIN, 0}},
    [ROLE_KEY] = {"key", ROLE_STRONG, {PLAIN, 0}},
    [ROLE_KEY_TEXT] = {"key_text", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_DIALOG] = {"dialog", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_DIALOG_TITLE] = {"dialog_title", ROLE_TITLE_FOCUS, {PLAIN, 0}},
    [ROLE_BUTTON] = {"button", ROLE_TEXT, {PLAIN, 0}},
    [ROLE_BUTTON_FOCUS] = {"button_focus", ROLE_SELECTED, {PLAIN, 0}},
    [ROLE_INPUT] = {"input", ROOT, {PLAIN, STYLE_UNDERLINE}},
};

const char *role_name(enum role role)
{
    assert(role < ROLES);
    return roles[role].name;
}

static const char *role_at(size_t index)
{
    return roles[index].name;
}

static bool role_find(const char *name, enum role *role)
{
    for (size_t i = 0; i < ROLES; i++)
        if (!strcmp(roles[i].name, name)) {
            *role = (enum role)i;
            return true;
        }
    return false;
}

/* ---- parsing ---- */

struct parse {
    struct theme *theme;
    const char *where;
    const char *inherit; /* belongs to the configuration */
    char *error;
};

/* Owned: what is wrong at setting, in one line. */
static char *fault(const struct parse *parse, const config_setting_t *setting, const char *what)
{
    return mem_printf("%s:%d: %s", parse->where, (int)config_setting_source_line(setting), what);
}

static char *unknown(const struct parse *parse, const config_setting_t *setting, const char *kind,
                     const char *nearest)
{
    char *what = mem_printf("unknown %s '%.40s'%s%s%s", kind, config_setting_name(setting),
                            nearest ? "; did you mean '" : "", nearest ? nearest : "",
                            nearest ? "'?" : "; remove it");
    char *error = fault(parse, setting, what);

    free(what);
    return error;
}

static void read_role(struct parse *parse, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    const char *text = config_setting_get_string(setting);
    char *why, *what;
    enum role role;

    if (!role_find(name, &role)) {
        parse->error = unknown(parse, setting, "role", theme_nearest(name, role_at, ROLES));
        return;
    }
    if (!text) {
        what = mem_printf("role '%s' is not a text; write it as \"bold yellow on black\"", name);
    } else if (!style_parse(text, &parse->theme->styles[role], &why)) {
        what = mem_printf("role '%s': %s", name, why);
        free(why);
    } else {
        parse->theme->defined[role] = true;
        return;
    }
    parse->error = fault(parse, setting, what);
    free(what);
}

static void read_roles(struct parse *parse, const config_setting_t *group)
{
    if (!config_setting_is_group(group)) {
        parse->error = fault(parse, group, "roles is not a group; write it as { text = \"...\"; }");
        return;
    }
    for (int i = 0; i < config_setting_length(group) && !parse->error; i++)
        read_role(parse, config_setting_get_elem(group, (unsigned)i));
}

static const char *setting_at(size_t index)
{
    static const char *const settings[] = {"description", "inherit", "roles"};

    return settings[index];
}

static void read_setting(struct parse *parse, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting), *text = config_setting_get_string(setting);
    bool description = !strcmp(name, "description"), inherit = !strcmp(name, "inherit");

    if (!strcmp(name, "roles"))
        read_roles(parse, setting);
    else if (!description && !inherit)
        parse->error = unknown(parse, setting, "setting", theme_nearest(name, setting_at, 3));
    else if (!text)
        parse->error = fault(parse, setting, "not a text; put it in double quotes");
    else if (description)
        parse->theme->description = text_clean(text, false);
    else
        parse->inherit = text;
}

static void read_settings(struct parse *parse, const config_t *config)
{
    const config_setting_t *root = config_root_setting(config);

    for (int i = 0; i < config_setting_length(root) && !parse->error; i++)
        read_setting(parse, config_setting_get_elem(root, (unsigned)i));
}

/* ---- inheritance ---- */

static struct theme *load(const char *name, bool shipped, int depth, char **error);
static struct theme *parse(const char *name, const struct theme_file *file, int depth,
                           char **error);

/* Takes from the theme named what ours does not define. A user's own "default" that inherits
 * "default" means the shipped one. */
static char *inherit_from(struct theme *theme, const char *name, const char *where, int depth)
{
    struct theme *base;
    char *why = NULL, *error;

    if (depth >= MAX_DEPTH)
        return mem_printf("%s: themes inherit each other in a circle; break it", where);
    base = load(name, !strcmp(name, theme->name), depth + 1, &why);
    if (!base) {
        error = mem_printf("%s: inherit: %s", where, why);
        free(why);
        return error;
    }
    for (size_t i = 0; i < ROLES; i++)
        if (!theme->defined[i] && base->defined[i]) {
            theme->styles[i] = base->styles[i];
            theme->defined[i] = true;
        }
    theme_free(base);
    return NULL;
}

static const struct style *resolve(const struct theme *theme, enum role role)
{
    while (!theme->defined[role] && roles[role].parent != ROOT)
        role = roles[role].parent;
    return theme->defined[role] ? &theme->styles[role] : &roles[role].style;
}

static void resolve_all(struct theme *theme)
{
    struct style resolved[ROLES];

    for (size_t i = 0; i < ROLES; i++)
        resolved[i] = *resolve(theme, (enum role)i);
    memcpy(theme->styles, resolved, sizeof resolved);
}

/* ---- loading ---- */

static char *read_theme(struct theme *theme, const struct theme_file *file, config_t *config,
                        int depth)
{
    struct parse parse = {.theme = theme, .where = file->where};

    if (strstr(file->text, "@include"))
        return mem_printf("%s: a theme cannot include files; use inherit", file->where);
    if (!config_read_string(config, file->text))
        return mem_printf("%s:%d: %s", file->where, config_error_line(config),
                          config_error_text(config));
    read_settings(&parse, config);
    if (!parse.error && parse.inherit)
        parse.error = inherit_from(theme, parse.inherit, file->where, depth);
    return parse.error;
}

static char *bare_name(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot;

    name = slash ? slash + 1 : name;
    dot = strstr(name, ".theme");
    return mem_strndup(name, dot && !dot[6] ? (size_t)(dot - name) : strlen(name));
}

static struct theme *parse(const char *name, const struct theme_file *file, int depth, char **error)
{
    struct theme *theme = mem_zalloc(sizeof *theme);
    config_t config;

    theme->name = bare_name(name);
    config_init(&config);
    *error = read_theme(theme, file, &config, depth);
    config_destroy(&config);
    if (*error) {
        theme_free(theme);
        return NULL;
    }
    return theme;
}

static struct theme *load(const char *name, bool shipped, int depth, char **error)
{
    struct theme_file file;
    struct theme *theme = NULL;

    if (theme_file_read(name, shipped, &file, error))
        theme = parse(name, &file, depth, error);
    theme_file_free(&file);
    return theme;
}

static struct theme *load_resolved(const char *name, bool shipped, char **error)
{
    struct theme *theme;

    *error = NULL;
    theme = load(name, shipped, 0, error);
    if (theme)
        resolve_all(theme);
    return theme;
}

struct theme *theme_load(const char *name, char **error)
{
    return load_resolved(name, false, error);
}

struct theme *theme_load_shipped(const char *name, char **error)
{
    return load_resolved(name, true, error);
}

struct theme *theme_parse(const char *name, const char *text, char **error)
{
    char *copy = mem_strdup(text), *where = mem_printf("theme %s", name);
    struct theme *theme = parse(name, &(struct theme_file){copy, where, false}, 0, error);

    free(copy);
    free(where);
    if (theme)
        resolve_all(theme);
    return theme;
}

void theme_free(struct theme *theme)
{
    if (!theme)
        return;
    free(theme->name);
    free(theme->description);
    free(theme);
}

const char *theme_name(const struct theme *theme)
{
    return theme->name;
}

const char *theme_description(const struct theme *theme)
{
    return theme->description ? theme->description : "";
}

const struct style *theme_style(const struct theme *theme, enum role role)
{
    assert(role < ROLES);
    return &theme->styles[role];
}

bool theme_defines(const struct theme *theme, enum role role)
{
    assert(role < ROLES);
    return theme->defined[role];
}
