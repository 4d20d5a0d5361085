#include "backend/base/environ.h"

#include <stdlib.h>

const char *environ_value(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}
