#include "backend/config_internal.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses the string before a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

/* A fault must be one line, and a config come whole. */
static void check(const struct config *config, const struct config_faults *faults)
{
    size_t i;

    for (i = 0; i < faults->count; i++)
        assert(!strpbrk(faults->items[i].message, "\n\r\033"));
    for (i = 0; config && i < config->postgres_count; i++) {
        assert(config->postgres[i]->name && config->postgres[i]->conninfo);
        postgres_environment(config->postgres[i], "aletheia_prod");
    }
    for (i = 0; config && i < config->redis_count; i++)
        assert(config->redis[i]->name && config->redis[i]->url);
    assert(config || config_faults_fatal(faults));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_faults faults = {0};
    char *text = mem_alloc(size + 1);
    struct config *config;

    memcpy(text, data, size);
    text[size] = '\0';
    /* Included files are not part of the input. */
    if (!memmem(text, size, "@include", 8)) {
        config = config_parse(text, size, "fuzz.conf", false, &faults);
        check(config, &faults);
        config_free(config);
        config_faults_free(&faults);
    }
    free(text);
    return 0;
}
