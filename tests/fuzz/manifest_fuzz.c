#include "backend/manifest.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the bytes are, the name has no byte that a path or a terminal takes for another. */
static void check_name(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size), *name = manifest_file_name(text);

    assert(strlen(name) <= 150 && name[0] != '.' && name[0] != '-');
    for (const char *c = name; *c; c++)
        assert(*c > ' ' && *c < 127 && *c != '/');
    free(name);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    char *error = NULL;

    if (!manifest_parse((const char *)data, size, &manifest, &error))
        assert(error && !manifest.count && !strchr(error, '\n'));
    else
        assert(!error && (!manifest.file || !strchr(manifest.file, '/')) && manifest.bytes >= -1);
    free(error);
    manifest_free(&manifest);
    check_name(data, size);
    return 0;
}
