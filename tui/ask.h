/* The question before an act: a box in the colour of its environment, with what will run, what it
 * costs and why one should not; then y, a name to be typed, or nothing but the reason of a refusal.
 * Cancel is in focus: Enter never accepts, except after the right name. Keys that were typed before
 * the box could be read do not answer it (overlay.hold). */
#ifndef TUI_ASK_H
#define TUI_ASK_H

#include "tui/overlay.h"

#include <stddef.h>

/* Texts are owned and sanitised (lines kept). */
struct ask_line {
    enum role label_role, role;
    char *label, *text; /* label "": belongs to the line above */
    bool gap;           /* an empty line goes before it */
};

enum ask_kind { ASK_YES, ASK_NAME, ASK_REFUSED };
enum ask_answer { ASK_CANCELLED, ASK_ACCEPTED, ASK_OTHER };

struct ask {
    char *title;     /* "Flush database 5" */
    enum role frame; /* of its border and of the band below the title */
    char *band;      /* "PRODUCTION" */
    char *where;     /* "shared_redis 127.0.0.1:6379" */
    struct ask_line *lines;
    size_t count;
    enum ask_kind kind;
    char *verb;   /* what y or the name does: "flush" */
    char *name;   /* what must be typed, or NULL */
    char *reason; /* why it is refused, or why the name is asked for; NULL */
    char *other;  /* what '!' does instead ("flush now, without undo"), or NULL */
};

/* Takes over all that ask owns. */
struct overlay *ask_new(const struct ask *ask);

/* For overlay.done. */
enum ask_answer ask_answer(const struct overlay *overlay);

/* ---- a secret that is shown once ---- */

/* text and secret are owned; the secret is wiped with the overlay. copy: y was pressed. */
struct overlay *secret_new(const char *title, char *text, char *secret,
                           void (*copy)(void *context, const char *secret), void *context);

#endif
