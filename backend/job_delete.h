/* The limits of a delete by pattern, for its plan. */
#ifndef BACKEND_JOB_DELETE_H
#define BACKEND_JOB_DELETE_H

enum {
    JOB_DELETE_BATCH = 500,  /* keys of an UNLINK, at most */
    JOB_DELETE_RATE = 10000, /* keys a second, at most */
};

#endif
