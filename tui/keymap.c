#include "tui/keymap.h"

#include "backend/base/mem.h"
#include "tui/input.h"
#include "tui/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_place(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static size_t index_of(const struct keymap *keymap, const struct binding *binding)
{
    return (size_t)(binding - keymap->bindings);
}

static const struct binding *find_in(const struct keymap *keymap, uint32_t key, const char *panel)
{
    for (size_t i = 0; i < keymap->count; i++) {
        for (int k = 0; k < KEYMAP_KEYS_MAX && keymap->keys[i][k]; k++) {
            if (keymap->keys[i][k] == key && same_place(keymap->bindings[i].panel, panel))
                return &keymap->bindings[i];
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
            assert(find_in(keymap, keymap->keys[i][k], keymap->bindings[i].panel) ==
                   &keymap->bindings[i]);
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
    other = find_in(keymap, code, binding->panel);
    if (other && other != binding) {
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

static void help_of(const struct keymap *keymap, const char *panel, struct strbuf *out)
{
    for (size_t i = 0; i < keymap->count; i++) {
        if (same_place(keymap->bindings[i].panel, panel))
            help_line(keymap, &keymap->bindings[i], out);
    }
}

/* True for the first binding of its panel: where the panel's heading goes. */
static bool first_of_panel(const struct keymap *keymap, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_place(keymap->bindings[i].panel, keymap->bindings[index].panel))
            return false;
    }
    return keymap->bindings[index].panel != NULL;
}

void keymap_help(const struct keymap *keymap, const char *panel, struct strbuf *out)
{
    for (size_t i = 0; i < keymap->count; i++) {
        const char *name = keymap->bindings[i].panel;

        if (!first_of_panel(keymap, i) || (panel && strcmp(panel, name) != 0))
            continue;
        strbuf_addf(out, "In %s:\n", name);
        help_of(keymap, name, out);
        strbuf_addc(out, '\n');
    }
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
    if (binding->panel)
        strbuf_addf(out, "\n.Pq in %s", binding->panel);
    strbuf_addc(out, '\n');
}

void keymap_mdoc(const struct keymap *keymap, struct strbuf *out)
{
    strbuf_adds(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < keymap->count; i++)
        mdoc_item(keymap, &keymap->bindings[i], out);
    strbuf_adds(out, ".El\n");
}
