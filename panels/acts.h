/* From a key or a word of the : line to an act: the request, its plan in a dialog, the answer, the
 * outcome. The only way in which the interface changes a server. */
#ifndef PANELS_ACTS_H
#define PANELS_ACTS_H

#include "panels/data.h"
#include "tui/ask.h"

#include <stdbool.h>
#include <stddef.h>

/* What the bindings of acts run: act (enum act) on the rows of the focused panel. */
void acts_key(struct app *app, int act);

/* X on a row of Containers: the restart of this one alone (its name or id), by its engine. */
void acts_restart_container(struct app *app, const char *container);

/* R in Jobs: the replacement that the selected job offers, else a restore. */
void acts_replace_key(struct app *app, int argument);

/* Asks first when an act is being executed. */
void acts_quit_key(struct app *app, int argument);

/* Prepares it, asks, runs it, tells. note (may be NULL): a warning that comes first in the dialog.
 * False, and a message says why: read-only, or the same act is on its way already. All is copied. */
bool acts_start(struct view_data *data, const struct act_request *request, const char *note);

/* A box that says why an act is not done: after a line alone, the Esc that is meant for it would leave
 * the view. instance: the name of the one that it was meant for, or NULL. */
void acts_refused(struct view_data *data, enum act act, const char *instance, const char *why);

/* The name of the instance that is shown of those that an act changes, whatever panel has the focus; NULL:
 * there is none. */
const char *acts_instance(const struct view_data *data, enum act act);

/* Says so in one line when no act may run. */
bool acts_forbidden(struct view_data *data);

/* Acts that are prepared or executed now, without those that only wait for their dialog. */
unsigned acts_under_way(const struct view_data *data);

/* No overlay is open any more: the next dialog that waited for that. */
void acts_uncovered(struct view_data *data);

/* Lets go of all. */
void acts_close(struct view_data *data);

/* The dialog of a plan; note as above. */
struct overlay *acts_dialog(const struct plan *plan, const struct act_request *request,
                            const char *note);

/* ---- what is asked before an act can be prepared (acts_forms.c) ---- */

void acts_ask_pattern(struct view_data *data, const char *instance, int db);
void acts_ask_backup(struct view_data *data);
void acts_ask_restore(struct view_data *data); /* the dumps that there are */
void acts_ask_restore_file(struct view_data *data, const char *file);
void acts_ask_createdb(struct view_data *data, const char *name);

/* True for the word that stands for every database. */
bool acts_means_all(const char *database);

/* What they keep while they are open, and all before it. */
struct act_form;
void act_form_free(struct act_form *form);

/* ---- what the rows of a panel stand for (acts_select.c) ---- */

/* The request for act on the tagged rows of the focused panel, else on its selected one. */
struct selection {
    struct act_request request;   /* its texts live until the next frame */
    struct act_session *sessions; /* owned */
    const char **names;           /* of databases; the array is owned */
    size_t name_count;
    size_t ended;    /* tagged rows that are no more */
    char client[80]; /* of a Redis: what request.client points to */
};

/* False: the message why not has been shown. */
bool acts_select(struct view_data *data, enum act act, struct selection *selection);
void selection_free(struct selection *selection);

/* The database that the selected row of the focused panel is in or is; NULL: none. */
const char *acts_selected_database(const struct view_data *data);

/* The number of the selected database in Keyspace; -1: none. */
int acts_selected_db(const struct view_data *data);

struct act_runs {
    struct act_run *first;
    struct act_form *form;
};

/* The acts of data, made at the first use. */
struct act_runs *acts_of(struct view_data *data);

#endif
