/* What the files of the acting sub-commands share. */
#ifndef PANELS_ACT_RUN_IMPL_H
#define PANELS_ACT_RUN_IMPL_H

#include "backend/job.h"
#include "panels/act_run.h"

#include <jansson.h>

/* Prints text with its control characters made visible. */
void act_print_text(FILE *out, const char *text);

/* Prints value and a line feed, and drops the reference. */
void act_print_json(FILE *out, json_t *value);

json_t *job_json(const struct job_info *job);
void job_print_list(const struct job_list *list, bool json, FILE *out);

/* `sharedtop jobs`: first empties what is past its time in spare databases, as a dashboard would. */
enum act_run_status act_run_jobs(uv_loop_t *loop, const struct config *config, bool json,
                                 FILE *out);

/* "dumping aletheia_prod  1.2G of 4.2G  31/80" */
char *job_progress_text(const struct job_info *job);

#endif
