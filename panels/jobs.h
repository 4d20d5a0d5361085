/* What the Jobs panel offers to keys and acts. */
#ifndef PANELS_JOBS_H
#define PANELS_JOBS_H

#include "panels/data.h"

/* The selected job of the focused panel, or NULL. Valid until the next frame. */
const struct job_info *jobs_selected(const struct view_data *data);

/* Enter: the whole of a job, with the end of its log and its manifest. */
void jobs_details_key(struct app *app, int argument);

/* Frees what jobs_changed keeps. */
void jobs_forget(struct view_data *data);

#endif
