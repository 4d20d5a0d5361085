/* The log of one container, followed. */
#ifndef PANELS_LOGS_H
#define PANELS_LOGS_H

#include "panels/data.h"

/* L: of the selected container in Containers, elsewhere of the one that the panel's instance is. */
void logs_key(struct app *app, int argument);

/* By name or id; "": of the last one, else of the first. */
void logs_show(struct app *app, const char *container);

extern const struct panel_class logs_panel;

#endif
