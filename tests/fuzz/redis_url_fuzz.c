/* What a user, a config or the environment gives as the address of a Redis. */
#include "backend/base/mem.h"
#include "backend/redis_url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_address address;
    char *url = mem_strndup((const char *)data, size), *error, *text;

    if (redis_url_parse(url, &address, &error)) {
        check(!error && !address.path != !address.host);
        check(address.port >= 1 && address.port <= 65535 && address.db >= 0);
        check(!address.path || (address.path[0] && strlen(address.path) < 108));
        check(!address.host || (address.host[0] && strlen(address.host) < 256));
        text = redis_address_text(&address);
        check(text[0] != '\0');
        free(text);
        redis_address_free(&address);
    } else {
        check(error[0] && !strchr(error, '\n'));
        free(error);
    }
    free(url);
    return 0;
}
