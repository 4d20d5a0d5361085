/* One program inside a container: started, its stream, its exit status. */
#ifndef BACKEND_CONTAINER_EXEC_OPEN_H
#define BACKEND_CONTAINER_EXEC_OPEN_H

#include "backend/container_exec_call.h"

struct exec_wanted {
    const char *container;
    const char *const *argv; /* NULL at the end */
    const char *const
        *variables; /* of our environment, that it gets too; NULL at the end, or NULL */
    bool stdin_too, terminal;
};

struct exec_opened {
    char *id;
    int socket;
    struct strbuf more; /* of its stream, that came with the answer */
};

/* False: *error is one line with the mend, which the caller frees. */
bool exec_open(const struct container_client *client, const struct exec_wanted *wanted,
               struct exec_opened *opened, char **error);
void exec_opened_free(struct exec_opened *opened);

/* Waits some seconds for its end once its stream has ended. -1: *error. */
int exec_status(const struct container_client *client, const char *id, char **error);

/* False: the engine does not do it (yet). */
bool exec_resize(const struct container_client *client, const char *id, unsigned rows,
                 unsigned columns);

#endif
