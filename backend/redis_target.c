#include "backend/redis_target.h"

#include "backend/base/mem.h"
#include "backend/container_place.h"
#include "backend/envfile.h"

#include <stdlib.h>

bool redis_target_password(const struct redis_config *config, struct redis_address *address,
                           char **error)
{
    if (address->password || !config->env_file)
        return true;
    address->password = envfile_read(config->env_file, config->password_key, error);
    return address->password != NULL;
}

bool redis_target(const struct redis_config *config, struct redis_address *address, char **error)
{
    char *why = NULL;

    if (!container_redis_is_known(config, error) || !redis_url_parse(config->url, address, error))
        return false;
    if (redis_target_password(config, address, &why))
        return true;
    *error = mem_printf("%s: correct env_file or password_key", why);
    free(why);
    redis_address_free(address);
    return false;
}
