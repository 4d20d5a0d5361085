/* Containers: the table of all of an engine, for the panel and the snapshot, and what their keys do. Its
 * rows are struct container_row of one struct containers. */
#ifndef PANELS_CONTAINERS_H
#define PANELS_CONTAINERS_H

#include "panels/data.h"

/* Texts of a row that are longer than a cell can hold. */
struct container_words {
    char *ports, *networks, *warnings;
};

/* The tables' context. */
struct containers_context {
    const struct containers *containers;
    const struct config *config;
    double now;                    /* seconds since 1970 */
    struct container_words *words; /* by the row's place */
    size_t count;
};

/* Fills it for a sample, which must live as long; what it held before is let go. */
void containers_context_fill(struct containers_context *context,
                             const struct containers *containers, const struct config *config,
                             double now);
void containers_context_free(struct containers_context *context);

extern const struct table_class containers_table;      /* all columns */
extern const struct table_class containers_tile_table; /* the overview's few */
#define CONTAINERS_PSI_COLUMN "psi_memory"

/* False on a host where nobody expects an engine: it is not worth a word that there is none. */
bool containers_told(const struct containers *containers, const struct config *config);

/* One line, sanitised: why nothing is known of containers where an engine is expected, and the mend.
 * NULL: all is well, or nobody expects one. The caller frees it. */
char *containers_problem(const struct containers *containers, const struct config *config);

/* "searching", "up", "stale", "none". */
const char *containers_state_text(enum containers_state state);

/* All that is known of one, sanitised, lines kept; the caller frees it. instance: that runs in it, or
 * NULL. */
char *container_details(const struct container_row *row, const struct containers *containers,
                        const struct instance *instance, double now);

/* The container that the selected row of the focused panel is, or NULL: it is another panel. */
const struct container *containers_selected(const struct app *app);

/* X, P on a row. */
void containers_restart_key(struct app *app, int argument);
void containers_shell_key(struct app *app, int argument);

extern const struct panel_class containers_panel;

#endif
