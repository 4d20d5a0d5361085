/* The one table of bindings: keys, footer, help, `sharedtop keys` and the man page all come from
 * it. The table itself is given by the caller (panels/keys.c); config may change its keys. */
#ifndef TUI_KEYMAP_H
#define TUI_KEYMAP_H

#include "backend/base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYMAP_KEYS_MAX 4

struct app;

struct binding {
    const char *name;               /* for the config, the : line and `sharedtop keys` */
    uint32_t keys[KEYMAP_KEYS_MAX]; /* defaults; 0 ends the list */
    const char *panel; /* only with one of these panels in focus ("sessions queries"); NULL:
                          everywhere; with "*" among them: everywhere, but named first in theirs */
    const char *label; /* its word in the footer; NULL: not there */
    const char *help;  /* one line */
    void (*run)(struct app *app, int argument);
    int argument;
};

struct keymap {
    const struct binding *bindings;
    size_t count;
    uint32_t (*keys)[KEYMAP_KEYS_MAX]; /* the keys in force, a row a binding */
};

void keymap_init(struct keymap *keymap, const struct binding *bindings, size_t count);
void keymap_free(struct keymap *keymap);

/* Gives the binding called name the one key. False: *error (caller frees) says what is wrong: no
 * such name (with the nearest), no such key, or a key that another binding of the same place has. */
bool keymap_override(struct keymap *keymap, const char *name, const char *key, char **error);

/* The binding of a key with a panel in focus (NULL: none); a panel's own comes first. */
const struct binding *keymap_find(const struct keymap *keymap, uint32_t key, const char *panel);
const struct binding *keymap_by_name(const struct keymap *keymap, const char *name);

/* True when the binding works with panel in focus; named: and it is one of its own. */
bool keymap_works(const struct binding *binding, const char *panel);
bool keymap_named(const struct binding *binding, const char *panel);

/* "Up, k" of a binding. Returns out. */
const char *keymap_keys_text(const struct keymap *keymap, const struct binding *binding, char *out,
                             size_t size);

/* All bindings, a line each, those of panel (NULL: of all panels) and those of everywhere. */
void keymap_help(const struct keymap *keymap, const char *panel, struct strbuf *out);

/* The same as the mdoc list that the man page holds. */
void keymap_mdoc(const struct keymap *keymap, struct strbuf *out);

#endif
