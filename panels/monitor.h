/* What the Monitor panel offers to keys and commands. */
#ifndef PANELS_MONITOR_H
#define PANELS_MONITOR_H

#include "panels/data.h"

extern const struct panel_class monitor_panel;

/* Starts (after a question, where the server could suffer) or stops. */
void monitor_toggle(struct app *app, int argument);

/* Seconds of the next burst, 1 to 600; false: out of range. */
bool monitor_set_seconds(struct panel *panel, double seconds);

/* Before a stop of this process: a MONITOR that nobody reads costs the server its users' data. */
void monitor_suspend(struct panel *panel);

#endif
