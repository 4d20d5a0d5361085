/* What lies over the panels and takes the keys: pager, menu, prompt, dialog, form. An overlay never
 * runs a loop of its own: it draws when asked and gets one key at a time. */
#ifndef TUI_OVERLAY_H
#define TUI_OVERLAY_H

#include "tui/input.h"
#include "tui/screen.h"

#include <stdbool.h>
#include <stdint.h>

enum overlay_result { OVERLAY_STAYS, OVERLAY_CLOSES };

struct overlay {
    const struct overlay_class *class;
    bool careful;  /* keys that came before it was on the screen are thrown away */
    bool painted;  /* a frame with it was made */
    bool drawn;    /* and taken by the terminal */
    unsigned hold; /* ms in which no key must come, from then on, before one but Esc is taken */
    bool armed;    /* that time is over */
    void (*done)(void *context, struct overlay *overlay, bool accepted); /* may be NULL */
    void *context;
};

struct overlay_class {
    const char *keys; /* its key line in the footer */
    /* screen: between the header and the footer, whose line comes right below it. */
    void (*draw)(struct overlay *overlay, struct rect screen);
    enum overlay_result (*key)(struct overlay *overlay, uint32_t key, const struct input *input);
    void (*free)(struct overlay *overlay);
};

/* A centred box of at most h × w cells, cleared, with a title. Returns its inside. */
struct rect overlay_box(struct rect screen, int h, int w, const char *title);

/* Lines that the text needs at width, and their drawing from line top on. */
int overlay_text_lines(const char *text, int width);
void overlay_text(const char *text, struct rect area, int top, enum role role);

/* ---- pager: text (owned, sanitised with its lines kept), scrolls and wraps ---- */
struct overlay *pager_new(const char *title, char *text);

/* ---- menu: one of several; moved is called at each move (live preview) ---- */
struct menu_item {
    char *label, *note; /* owned; note may be NULL */
    bool checkable, checked;
};
struct overlay *menu_new(const char *title, struct menu_item *items, size_t count, size_t selected,
                         void (*moved)(void *context, size_t index),
                         void (*toggled)(void *context, size_t index, bool checked));
size_t menu_selected(const struct overlay *overlay);

/* ---- prompt: the bottom line ---- */
#define PROMPT_HISTORY 32
struct prompt_history {
    char *lines[PROMPT_HISTORY];
    int count;
};
/* complete (may be NULL) writes what the text can be completed to, and returns how many choices
 * there were; changed (may be NULL) is called at every change of the text. */
struct overlay *prompt_new(const char *label, const char *text, struct prompt_history *history,
                           int (*complete)(void *context, const char *text, char *out, size_t size),
                           void (*changed)(void *context, const char *text));
const char *prompt_text(const struct overlay *overlay);
void prompt_history_free(struct prompt_history *history);

/* ---- dialog: evidence and a question; Cancel is in focus, only y accepts, never Enter ---- */
/* text is owned (sanitised, lines kept). typed (owned, may be NULL): what must be typed instead. */
struct overlay *dialog_new(const char *title, char *text, const char *yes, char *typed);

/* ---- form: labelled fields ---- */
#define FORM_FIELDS 8
struct form_field {
    const char *label;
    const char *value; /* at first */
    const char *hint;  /* may be NULL */
};
struct overlay *form_new(const char *title, const struct form_field *fields, int count);
const char *form_value(const struct overlay *overlay, int field);

#endif
