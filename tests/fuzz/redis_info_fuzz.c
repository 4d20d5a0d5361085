/* INFO, its rates, and the names of Celery's bindings, from a server that says anything. */
#include "backend/base/mem.h"
#include "backend/redis_celery.h"
#include "backend/redis_data.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_info(const struct redis_info *info)
{
    check(memchr(info->version, '\0', sizeof(info->version)) != NULL);
    check(memchr(info->run_id, '\0', sizeof(info->run_id)) != NULL);
    check(memchr(info->executable, '\0', sizeof(info->executable)) != NULL);
    for (size_t i = 0; i < info->db_count; i++) {
        check(info->dbs[i].db >= 0 && info->dbs[i].keys >= 0);
        check(i == 0 || info->dbs[i - 1].db <= info->dbs[i].db);
    }
}

/* The input is two answers; the second one comes a second later. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *queue;
    size_t half = size / 2, len;
    struct redis_info *before = redis_parse_info(text, half);
    struct redis_info *now = redis_parse_info(text + half, size - half);

    check_info(before);
    check_info(now);
    now->sample.at = before->sample.at + 1000;
    redis_info_rates(now, before);
    check(isnan(now->rates.ops) || now->rates.ops >= 0);
    check(isnan(now->rates.hit_rate) || (now->rates.hit_rate >= 0 && now->rates.hit_rate <= 1));
    sample_unref(before);
    sample_unref(now);
    celery_binding_key(text, size);
    if (celery_binding_queue(text, size, &queue, &len))
        check(len > 0 && queue >= text && queue + len == text + size);
    return 0;
}
