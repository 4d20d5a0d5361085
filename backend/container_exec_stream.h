/* The bytes of a program inside a container: our stdin to it, its output to our stdout and stderr, both
 * ways at once. */
#ifndef BACKEND_CONTAINER_EXEC_STREAM_H
#define BACKEND_CONTAINER_EXEC_STREAM_H

#include "backend/base/strbuf.h"

#include <signal.h>
#include <stdbool.h>

struct exec_stream {
    int socket;
    bool feeds;              /* our stdin goes there */
    bool raw;                /* the output has no frames: it has a terminal */
    const sigset_t *waiting; /* the mask while it waits, or NULL */
    /* Called when a signal may have come; true: it is to end. NULL: no signal counts. */
    bool (*heed)(void *context);
    void *context;
};

enum exec_end {
    EXEC_ENDED,   /* the engine has closed the stream: the program has ended */
    EXEC_HEEDED,  /* heed has said so */
    EXEC_NO_SINK, /* nobody reads our output any more */
    EXEC_BROKEN   /* what comes is no such stream, or it broke */
};

/* Until one of both ends. more: what has come of it already. When the engine could not start the
 * program it says so in the stream: that is kept out of stdout and put into *excuse, which the
 * caller frees, else it is NULL. */
enum exec_end exec_stream_run(const struct exec_stream *stream, const struct strbuf *more,
                              char **excuse);

#endif
