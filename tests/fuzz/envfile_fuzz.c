#include "backend/envfile.h"

#include "backend/base/mem.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"K", "POSTGRES_PASSWORD", ""};
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *value = envfile_find((const char *)data, size, keys[i]);

        mem_free_secret(value, value ? strlen(value) : 0);
    }
    return 0;
}
