/* The list of containers, their figures and the version of an engine, from any bytes. */
#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"
#include "backend/container_watch_parse.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    char *text = mem_strndup(bytes, size);
    char api[WATCH_API_SIZE];
    struct container_usage usage;
    struct watch_listed *items;
    size_t count;

    if (watch_parse_list(bytes, size, &items, &count)) {
        for (size_t i = 0; i < count; i++)
            assert(container_json_is_id(items[i].id));
    }
    free(items);
    if (watch_parse_stats(bytes, size, &usage))
        assert(usage.memory >= -1 && usage.memory_cache >= -1);
    watch_choose_api(text, api);
    assert(memchr(api, '\0', sizeof(api)));
    free(text);
    return 0;
}
