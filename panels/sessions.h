/* What the Sessions panel offers to keys, commands and the snapshot. */
#ifndef PANELS_SESSIONS_H
#define PANELS_SESSIONS_H

#include "panels/data.h"

extern const struct panel_class sessions_panel;
extern const struct table_class sessions_table;

/* False for what is hidden unless all is asked for: own sessions, background processes. */
bool session_shown(const struct pg_session *session, bool all);

/* Opens the menu of what to group by. */
void sessions_group(struct app *app, int argument);

/* Groups by names ("database,user"); "" ends the grouping. False: a name is not known. */
bool sessions_group_named(struct panel *panel, const char *names);
const char *sessions_group_name(size_t index);
void sessions_group_by(struct panel *panel, unsigned grouped);

#endif
