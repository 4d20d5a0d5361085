/* What the Jobs panel offers to keys and acts. */
#ifndef PANELS_JOBS_H
#define PANELS_JOBS_H

#include "panels/data.h"

/* The selected job of the focused panel, or NULL. Valid until the next frame. */
const struct job_info *jobs_selected(const struct view_data *data);

/* Enter: the whole of a job, with the end of its log and its manifest. */
void jobs_details_key(struct app *app, int argument);

/* One of ours has started: its end is told, even if it comes before the job was ever seen to run. */
void jobs_expect(struct view_data *data, const char *id);

/* Frees what jobs_changed keeps. */
void jobs_forget(struct view_data *data);

#endif
