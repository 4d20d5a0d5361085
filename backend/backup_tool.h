/* Which pg_dump a job will find, and how it will be called: for the plan, so that what cannot work is
 * said before it begins. */
#ifndef BACKEND_BACKUP_TOOL_H
#define BACKEND_BACKUP_TOOL_H

#include "backend/config.h"

#include <stddef.h>

struct backup_tool {
    char *path;    /* "pg_dump", or where it is; behind the prefix its name */
    char *version; /* "pg_dump (PostgreSQL) 15.18" */
    char *prefix;  /* that it is behind, or NULL: it is the host's */
    char *reason;  /* "the host's pg_dump (PostgreSQL) 15.18 cannot dump a server 17: that of the
                      container shared_postgres is used"; NULL: there was no choice */
    char *error;   /* why there is none that does, and the mend; else NULL */
};

/* As job_tool_new chooses it; waits for its --version, but not longer than some seconds: for a
 * thread. major: of the server. */
void backup_tool_find(const struct postgres_config *config, const char *name, int major,
                      struct backup_tool *tool);
void backup_tool_free(struct backup_tool *tool);

/* The call as a shell takes it, with how it connects and these words (NULL at the end). other: a tool
 * beside this one, or NULL; database NULL: the instance's own; user: of the session, for a tool
 * behind a prefix. The caller frees it. */
char *backup_tool_call(const struct postgres_config *config, const struct backup_tool *tool,
                       const char *other, const char *job, const char *database, const char *user,
                       const char *const *words);

#endif
