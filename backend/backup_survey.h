/* What a backup would find where it writes: asked before it runs, on a thread, since a disk may make
 * one wait. */
#ifndef BACKEND_BACKUP_SURVEY_H
#define BACKEND_BACKUP_SURVEY_H

#include "backend/backup_tool.h"
#include "backend/manifest.h"

#include <stdbool.h>
#include <stddef.h>

/* One database that is to be dumped. */
struct backup_wanted {
    char *name;
    double size;   /* pg_database_size; -1 unknown */
    double tables; /* -1 unknown */
    bool may_connect;
    /* ---- found by the survey ---- */
    struct manifest last; /* of its last dump there; file NULL: there is none */
    char *running;        /* id of a job that dumps it now, or NULL */
};

struct backup_survey {
    const char *folder;
    const struct postgres_config *config;
    int major; /* version of the server */
    struct backup_wanted *wanted;
    size_t count;
    /* ---- found ---- */
    char *measured; /* the folder, or the parent that exists */
    char *error;    /* nothing can be written there: why, and the mend; else NULL */
    double free;    /* bytes; -1 unknown */
    struct backup_tool tool;
};

/* May wait. Fills what is found; the strings belong to the survey. */
void backup_survey_run(struct backup_survey *survey);

/* Frees what was found, not what was wanted. */
void backup_survey_free(struct backup_survey *survey);

/* Bytes that the dump of one will take, by its last dump or its size; -1 unknown. */
double backup_need(const struct backup_wanted *wanted);

#endif
