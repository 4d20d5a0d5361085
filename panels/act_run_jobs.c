/* `sharedtop jobs`: the list, after what every dashboard does on the side was done. */
#include "panels/act_run_impl.h"

#include "backend/backend.h"
#include "backend/base/mem.h"
#include "backend/redis_spare.h"
#include "tui/text.h"

#include <stdlib.h>

/* For a Redis that does not answer, and for looking whether it is done. */
enum { LOOK_MS = 20, WAIT_MS = 5000 };

struct keeping {
    uv_timer_t timer;
    struct config config; /* only the instances that count; borrows all from the caller's */
    struct backend *backend;
    struct spare_keeper *keeper;
    uint64_t began;
    bool json;
    FILE *out;
};

static void ignore(void *context)
{
    (void)context;
}

static void keeper_gone(void *context)
{
    struct keeping *keeping = context;

    backend_close(keeping->backend, ignore, NULL);
}

/* What may still be brought back. */
static void print_waiting(const struct keeping *keeping)
{
    for (size_t i = 0; i < backend_count(keeping->backend, INSTANCE_REDIS); i++) {
        const struct instance *redis = backend_instance(keeping->backend, INSTANCE_REDIS, i);
        const struct redis_spare *spare = redis->redis.spare;
        char left[TEXT_UNIT_SIZE], *line;

        if (!spare || !spare->present || spare->now >= spare->until)
            continue;
        line = mem_printf("%s: %lld keys of database %d wait in %d; sharedtop undo-flush %d brings "
                          "them back for %s more\n",
                          redis->name, (long long)spare->keys, spare->db, spare->spare, spare->db,
                          text_duration(left, spare->until - spare->now));
        act_print_text(keeping->out, line);
        free(line);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct keeping *keeping = timer->data;
    bool late = uv_now(timer->loop) - keeping->began >= WAIT_MS;

    if (!late && (!backend_filled(keeping->backend) || !spare_keeper_idle(keeping->keeper)))
        return;
    uv_close((uv_handle_t *)timer, NULL);
    act_print_text(stderr, spare_keeper_report(keeping->keeper));
    if (!keeping->json)
        print_waiting(keeping);
    spare_keeper_close(keeping->keeper, keeper_gone, keeping);
}

/* The instances that have a spare database; the caller frees the list. */
static struct redis_config **with_spare(const struct config *config, size_t *count)
{
    struct redis_config **list =
        mem_array(NULL, config->redis_count, sizeof(struct redis_config *));

    *count = 0;
    for (size_t i = 0; i < config->redis_count; i++) {
        if (config->redis[i]->trash_db >= 0)
            list[(*count)++] = config->redis[i];
    }
    return list;
}

static void keep_spares(uv_loop_t *loop, const struct config *config, bool json, FILE *out)
{
    struct keeping keeping = {.config = *config, .json = json, .out = out};

    keeping.config.postgres_count = 0;
    keeping.config.redis = with_spare(config, &keeping.config.redis_count);
    if (keeping.config.redis_count) {
        keeping.backend = backend_new(loop, &keeping.config, ignore, NULL);
        keeping.keeper = spare_keeper_new(loop, keeping.backend, &keeping.config);
        uv_timer_init(loop, &keeping.timer);
        keeping.timer.data = &keeping;
        backend_start(keeping.backend);
        for (size_t i = 0; i < keeping.config.redis_count; i++)
            backend_want(keeping.backend, INSTANCE_REDIS, i, SOURCE_BIT(REDIS_SPARE));
        keeping.began = uv_now(loop);
        uv_timer_start(&keeping.timer, on_timer, LOOK_MS, LOOK_MS);
        uv_run(loop, UV_RUN_DEFAULT);
    }
    free(keeping.config.redis);
}

enum act_run_status act_run_jobs(uv_loop_t *loop, const struct config *config, bool json, FILE *out)
{
    struct job_list list = {0};
    char *error = NULL;

    if (!job_list_read(&list, &error)) {
        fprintf(stderr, "sharedtop: %s\n", error);
        free(error);
        return ACT_RUN_FAILED;
    }
    job_print_list(&list, json, out);
    job_list_free(&list);
    keep_spares(loop, config, json, out);
    return ACT_RUN_DONE;
}
