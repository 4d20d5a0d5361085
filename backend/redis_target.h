/* Where the configuration says that a Redis is, with its password. */
#ifndef BACKEND_REDIS_TARGET_H
#define BACKEND_REDIS_TARGET_H

#include "backend/config.h"
#include "backend/redis_url.h"

#include <stdbool.h>

/* Reads the url, and the env file when the url has no password. True: the caller frees the address
 * with redis_address_free. False: *error is one line with the mend (the caller frees it). */
bool redis_target(const struct redis_config *config, struct redis_address *address, char **error);

/* Fills in the password of the env file if the address has none. False: *error as above. */
bool redis_target_password(const struct redis_config *config, struct redis_address *address,
                           char **error);

#endif
