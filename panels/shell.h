/* psql or redis-cli on what is selected, in place of the dashboard until it ends. */
#ifndef PANELS_SHELL_H
#define PANELS_SHELL_H

#include "panels/data.h"

void shell_key(struct app *app, int argument);

#endif
