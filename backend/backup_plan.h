/* What a backup's plan says. Inside act_backup.c's act only. */
#ifndef BACKEND_BACKUP_PLAN_H
#define BACKEND_BACKUP_PLAN_H

#include "backend/action_impl.h"
#include "backend/backup_survey.h"
#include "backend/pg_control.h"

#include <stdbool.h>

/* An action's state. */
struct backup_act {
    struct pg_control_request *request;
    struct backup_work *work;     /* from the server's answer on */
    struct backup_survey *survey; /* the work's */
    bool sized;                   /* the sizes were asked for */
    bool replica, superuser;
    char *user, *database; /* of the session */
    char *version;         /* of the server: "15.18" */
};

/* Title, target, environment and the name to confirm with. */
void backup_plan_name(struct action *action);

/* All lines, when the survey is done; then prepared, or refused for want of space. */
void backup_plan_complete(struct action *action);

#endif
