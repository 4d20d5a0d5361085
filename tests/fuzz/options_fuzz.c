#include "backend/options.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input's lines are the arguments. */
static int split(const uint8_t *data, size_t size, char **argv)
{
    const char *s = (const char *)data, *end = s + size;
    int argc = 0;

    argv[argc++] = mem_strdup("sharedtop");
    while (s < end && argc < ARGS_MAX) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const char *stop = newline ? newline : end;

        argv[argc++] = mem_strndup(s, (size_t)(stop - s));
        s = stop + 1;
    }
    return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGS_MAX + 1] = {0};
    int argc = split(data, size, argv);
    struct options options;
    char *error = NULL;
    bool good = options_parse(argc, argv, &options, &error);
    int i;

    assert(good == !error);
    assert(!good || options.interval == 0 || (options.interval >= 0.2 && options.interval <= 60));
    options_hide_secrets(argc, argv);
    for (i = 0; i < argc; i++)
        free(argv[i]);
    options_free(&options);
    free(error);
    return 0;
}
