/* psql or redis-cli on what is selected, in place of the dashboard until it ends. */
#ifndef PANELS_SHELL_H
#define PANELS_SHELL_H

#include "panels/data.h"

/* On the current instance of the kind that the focused panel shows. */
void shell_key(struct app *app, int argument);

void shell_run(struct app *app, enum instance_kind kind);

#endif
