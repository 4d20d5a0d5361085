/* An engine's answers, and the kernel's texts of containers, from somebody who says anything. The
 * first byte chooses what the rest is. */
#include "backend/base/mem.h"
#include "backend/container_check.h"
#include "backend/container_parse.h"
#include "backend/container_usage_impl.h"

#include <limits.h>
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

static void check_flaws(const struct container *container)
{
    const struct container_row row = {
        .facts = container,
        .usage = {.oom_score_adj = 5, .memory_limit = -1},
        .oom_expected = INT_MIN,
    };
    char out[80];

    check(container_flaws(&row, NULL) < 1U << CONTAINER_FLAWS);
    for (unsigned i = 0; i < CONTAINER_FLAWS; i++)
        check(strlen(container_flaw_text(&row, (enum container_flaw)i, NULL, out, sizeof(out))) <
              sizeof(out));
}

static void check_container(const struct container *container)
{
    check(container->refs == 1 && container->id && *container->id && strlen(container->id) <= 64);
    check(container->name != NULL);
    check(container->memory_limit >= 0 && container->pid >= 0);
    for (char *const *word = container->command; *word; word++)
        check(strlen(*word) < SIZE_MAX);
    for (size_t i = 0; i < container->port_count; i++) {
        check(container->ports[i].port > 0 && container->ports[i].port < 65536);
        check(container->ports[i].published || !container->ports[i].address);
    }
    for (size_t i = 0; i < container->network_count; i++)
        check(container->networks[i].name != NULL);
    for (size_t i = 0; i < container->mount_count; i++)
        check(container->mounts[i].type && container->mounts[i].destination);
    check_flaws(container);
}

static void inspect(const char *text, size_t len)
{
    struct container_login login;
    struct container *container = container_parse_inspect(text, len, &login);

    if (container)
        check_container(container);
    else
        check(!login.user && !login.password);
    container_login_free(&login);
    container_unref(container);
}

/* Commands need not be wrapped into JSON to be strange: lines are words, the first is the image,
 * half of them the environment. */
static void command(char *text)
{
    const char *words[34] = {0};
    size_t count = 0;

    while (text && count < 33)
        words[count++] = strsep(&text, "\n");
    container_service_of(words[0], words + count / 2, words + count);
    container_service_of(words[0], words + 1, words + count / 2);
}

static void small_answers(const char *text, size_t len)
{
    struct engine_info info = {0};
    struct container_event event;

    free(container_parse_image(text, len));
    free(container_parse_error(text, len));
    container_parse_version(text, len, &info);
    container_parse_info(text, len, &info);
    check(memchr(info.name, 0, sizeof(info.name)) && memchr(info.api, 0, sizeof(info.api)));
    if (container_parse_event(text, len, &event))
        check(event.kind == EVENT_OTHER || event.kind == EVENT_IMAGE || *event.id);
}

static void archive(const char *bytes, size_t len)
{
    const char *from;
    size_t size;

    if (container_parse_archive(bytes, len, &from, &size))
        check(from >= bytes && size <= len && from + size <= bytes + len);
}

/* A line with nothing in it separates what is of /proc/PID/cgroup from the mounts. */
static void kernel(char *text)
{
    static const char *const controllers[] = {"memory", "cpuacct", ""};
    char *mounts = strstr(text, "\n\n");
    const double pressure = usage_pressure(text, "some");
    bool version_2;

    check(isnan(pressure) || (pressure >= 0 && pressure <= 100));
    check(usage_stat_value(text, "oom_kill") >= -1);
    if (mounts)
        *mounts = 0;
    mounts = mounts ? mounts + 2 : text;
    for (size_t i = 0; i < 3; i++) {
        char *own = usage_container_folder(text, mounts, controllers[i], "ab", &version_2);

        free(usage_cgroup_folder(text, mounts, controllers[i]));
        check(!own || strstr(own, "ab"));
        free(own);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    char *text;

    if (!size)
        return 0;
    text = mem_strndup(bytes + 1, size - 1);
    switch (*data % 5) {
    case 0: kernel(text); break;
    case 1: small_answers(bytes + 1, size - 1); break;
    case 2: archive(bytes + 1, size - 1); break;
    case 3: inspect(bytes + 1, size - 1); break;
    default: command(text); break;
    }
    free(text);
    return 0;
}
