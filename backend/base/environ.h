/* The environment of the process. */
#ifndef BASE_ENVIRON_H
#define BASE_ENVIRON_H

/* The value of a variable; NULL when it is not there or empty, which mostly means the same. */
const char *environ_value(const char *name);

#endif
