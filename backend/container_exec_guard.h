/* A program in a container's terminal does not notice when we are killed: the engine keeps its terminal.
 * A guard beside it does, whose input ends with us, and ends it. */
#ifndef BACKEND_CONTAINER_EXEC_GUARD_H
#define BACKEND_CONTAINER_EXEC_GUARD_H

#include "backend/container_exec_open.h"

struct exec_guard {
    struct exec_opened opened;
    char *file;        /* in the container: the program's process id */
    const char **argv; /* the program behind a shell that writes it */
    bool stands;
};

/* Starts one, if the container has a shell, and makes wanted->argv such that it knows the program
 * (they are valid until the end). */
void exec_guard_begin(struct exec_guard *guard, const struct container_client *client,
                      struct exec_wanted *wanted);

/* over: the program has ended, there is nothing to end any more. */
void exec_guard_end(struct exec_guard *guard, bool over);

#endif
