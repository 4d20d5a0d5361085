#include "tui/keymap.h"

#include "backend/base/mem.h"
#include "tui/input.h"
#include "tui/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of a list of panels. */
static const char *next_word(const char *list, size_t *len)
{
    list += strspn(list, " ");
    *len = strcspn(list, " ");
    return *len ? list : NULL;
}

static bool lists(const char *list, const char *word, size_t word_len)
{
    const char *at = list;
    size_t len;

    for (; at && (at = next_word(at, &len)) != NULL; at += len) {
        if (len == word_len && strncmp(at, word, len) == 0)
            return true;
    }
    return false;
}

static bool everywhere(const struct binding *binding)
{
    return !binding->panel || lists(binding->panel, "*", 1);
}

bool keymap_named(const struct binding *binding, const char *panel)
{
    return panel && lists(binding->panel, panel, strlen(panel));
}

bool keymap_works(const struct binding *binding, const char *panel)
{
    return everywhere(binding) || keymap_named(binding, panel);
}

static size_t index_of(const struct keymap *keymap, const struct binding *binding)
{
    return (size_t)(binding - keymap->bindings);
}

static bool has_key(const struct keymap *keymap, size_t index, uint32_t key)
{
    for (int k = 0; k < KEYMAP_KEYS_MAX && keymap->keys[index][k]; k++) {
        if (keymap->keys[index][k] == key)
            return true;
    }
    return false;
}

/* panel NULL: among those of everywhere. */
static const struct binding *find_in(const struct keymap *keymap, uint32_t key, const char *panel)
{
    for (size_t i = 0; i < keymap->count; i++) {
        const struct binding *binding = &keymap->bindings[i];

        if (has_key(keymap, i, key) && (panel ? keymap_named(binding, panel) : everywhere(binding)))
            return binding;
    }
    return NULL;
}

/* Another binding than this one that has the key in one of its places. */
static const struct binding *find_rival(const struct keymap *keymap, const struct binding *binding,
                                        uint32_t key)
{
    for (size_t i = 0; i < keymap->count; i++) {
        const struct binding *other = &keymap->bindings[i];
        size_t len;

        if (other == binding || !has_key(keymap, i, key))
            continue;
        if (everywhere(binding) && everywhere(other))
            return other;
        for (const char *at = binding->panel; at && (at = next_word(at, &len)) != NULL; at += len) {
            if (*at != '*' && lists(other->panel, at, len))
                return other;
        }
    }
    return NULL;
}

const struct binding *keymap_find(const struct keymap *keymap, uint32_t key, const char *panel)
{
    const struct binding *own = panel ? find_in(keymap, key, panel) : NULL;

    return own ? own : find_in(keymap, key, NULL);
}

const struct binding *keymap_by_name(const struct keymap *keymap, const char *name)
{
    for (size_t i = 0; i < keymap->count; i++) {
        if (strcmp(keymap->bindings[i].name, name) == 0)
            return &keymap->bindings[i];
    }
    return NULL;
}

/* Two bindings of one place on one key are a fault of the table. */
static void check_table(const struct keymap *keymap)
{
    for (size_t i = 0; i < keymap->count; i++) {
        for (int k = 0; k < KEYMAP_KEYS_MAX && keymap->keys[i][k]; k++)
            assert(!find_rival(keymap, &keymap->bindings[i], keymap->keys[i][k]));
    }
}

void keymap_init(struct keymap *keymap, const struct binding *bindings, size_t count)
{
    *keymap = (struct keymap){.bindings = bindings, .count = count};
    keymap->keys = mem_array(NULL, count, sizeof(*keymap->keys));
    for (size_t i = 0; i < count; i++)
        memcpy(keymap->keys[i], bindings[i].keys, sizeof(bindings[i].keys));
    check_table(keymap);
}

void keymap_free(struct keymap *keymap)
{
    free(keymap->keys);
    *keymap = (struct keymap){0};
}

bool keymap_override(struct keymap *keymap, const char *name, const char *key, char **error)
{
    const struct binding *binding = keymap_by_name(keymap, name), *other;
    uint32_t code;

    if (!binding) {
        *error = mem_printf("keys: no action is called '%s'; 'sharedtop keys' lists them", name);
        return false;
    }
    if (!key_parse(key, &code)) {
        *error =
            mem_printf("keys: '%s' is not a key; write a character, F5, Ctrl-L, PgDn, Space", key);
        return false;
    }
    other = find_rival(keymap, binding, code);
    if (other) {
        *error = mem_printf("keys: '%s' is the key of '%s' already; give that another one first",
                            key, other->name);
        return false;
    }
    memset(keymap->keys[index_of(keymap, binding)], 0, sizeof(*keymap->keys));
    keymap->keys[index_of(keymap, binding)][0] = code;
    return true;
}

const char *keymap_keys_text(const struct keymap *keymap, const struct binding *binding, char *out,
                             size_t size)
{
    const uint32_t *keys = keymap->keys[index_of(keymap, binding)];
    size_t len = 0;
    char name[32];

    out[0] = '\0';
    for (int k = 0; k < KEYMAP_KEYS_MAX && keys[k] && len < size; k++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", k ? ", " : "",
                                key_name(keys[k], name, sizeof(name)));
    return out;
}

static void help_line(const struct keymap *keymap, const struct binding *binding,
                      struct strbuf *out)
{
    char keys[96];

    keymap_keys_text(keymap, binding, keys, sizeof(keys));
    strbuf_addf(out, "  %-18s %-16s %s\n", keys, binding->name, binding->help);
}

/* panel NULL: those of everywhere. */
static void help_of(const struct keymap *keymap, const char *panel, struct strbuf *out)
{
    for (size_t i = 0; i < keymap->count; i++) {
        const struct binding *binding = &keymap->bindings[i];

        if (panel ? keymap_named(binding, panel) : everywhere(binding))
            help_line(keymap, binding, out);
    }
}

/* True when a binding before this one names the panel. */
static bool named_before(const struct keymap *keymap, size_t index, const char *panel, size_t len)
{
    for (size_t i = 0; i < index; i++) {
        if (lists(keymap->bindings[i].panel, panel, len))
            return true;
    }
    return false;
}

static void help_panel(const struct keymap *keymap, const char *name, struct strbuf *out)
{
    strbuf_addf(out, "In %s:\n", name);
    help_of(keymap, name, out);
    strbuf_addc(out, '\n');
}

/* The panels of a binding that none before it names. */
static void help_panels(const struct keymap *keymap, size_t index, struct strbuf *out)
{
    const char *at = keymap->bindings[index].panel;
    size_t len;

    for (; at && (at = next_word(at, &len)) != NULL; at += len) {
        char *name = mem_strndup(at, len);

        if (*name != '*' && !named_before(keymap, index, at, len))
            help_panel(keymap, name, out);
        free(name);
    }
}

static bool names_panel(const struct keymap *keymap, const char *panel)
{
    return named_before(keymap, keymap->count, panel, strlen(panel));
}

void keymap_help(const struct keymap *keymap, const char *panel, struct strbuf *out)
{
    if (panel && names_panel(keymap, panel))
        help_panel(keymap, panel, out);
    for (size_t i = 0; !panel && i < keymap->count; i++)
        help_panels(keymap, i, out);
    strbuf_adds(out, "Everywhere:\n");
    help_of(keymap, NULL, out);
}

/* A backslash begins an escape and a dot or an apostrophe at the start a request. */
static void add_mdoc(struct strbuf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        strbuf_adds(out, "\\&");
    for (; *text; text++)
        strbuf_adds(out, *text == '\\' ? "\\e" : (char[]){*text, '\0'});
}

/* "in sessions, queries" */
static void add_panels(struct strbuf *out, const char *list)
{
    const char *comma = "";
    size_t len;

    strbuf_adds(out, "\n.Pq in ");
    for (const char *at = list; (at = next_word(at, &len)) != NULL; at += len) {
        strbuf_addf(out, "%s%.*s", comma, (int)len, at);
        comma = ", ";
    }
}

static void mdoc_item(const struct keymap *keymap, const struct binding *binding,
                      struct strbuf *out)
{
    char keys[96];

    strbuf_adds(out, ".It Ic \"\\&"); /* a lone [ or : would be punctuation to mdoc */
    keymap_keys_text(keymap, binding, keys, sizeof(keys));
    for (const char *c = keys; *c; c++)
        strbuf_adds(out, *c == '"' ? "\"\"" : *c == '\\' ? "\\e" : (char[]){*c, '\0'});
    strbuf_addf(out, "\" Pq %s\n", binding->name);
    add_mdoc(out, binding->help);
    if (!everywhere(binding))
        add_panels(out, binding->panel);
    strbuf_addc(out, '\n');
}

void keymap_mdoc(const struct keymap *keymap, struct strbuf *out)
{
    strbuf_adds(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < keymap->count; i++)
        mdoc_item(keymap, &keymap->bindings[i], out);
    strbuf_adds(out, ".El\n");
}
