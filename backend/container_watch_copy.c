/* Facts are constant once published: what is to say another thing is a copy. */
#include "backend/base/mem.h"
#include "backend/container_watch_impl.h"

#include <stddef.h>
#include <string.h>

static void copy_texts(struct container *to)
{
    static const size_t texts[] = {
        offsetof(struct container, id),
        offsetof(struct container, name),
        offsetof(struct container, image),
        offsetof(struct container, image_id),
        offsetof(struct container, tag_id),
        offsetof(struct container, error),
        offsetof(struct container, restart_policy),
        offsetof(struct container, pgdata),
        offsetof(struct container, database),
        offsetof(struct container, project),
        offsetof(struct container, compose_service),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char **text = (char **)((char *)to + texts[i]);

        *text = mem_strdup(*text);
    }
}

static void copy_command(struct container *to)
{
    char *const *from = to->command;
    size_t count = 0;

    if (!from)
        return;
    while (from[count])
        count++;
    to->command = mem_array(NULL, count + 1, sizeof(char *));
    for (size_t i = 0; i <= count; i++)
        to->command[i] = mem_strdup(from[i]);
}

static void *copy_items(const void *from, size_t count, size_t size)
{
    void *to = count ? mem_array(NULL, count, size) : NULL;

    if (count)
        memcpy(to, from, count * size);
    return to;
}

static void copy_lists(struct container *to)
{
    to->ports = copy_items(to->ports, to->port_count, sizeof(*to->ports));
    to->networks = copy_items(to->networks, to->network_count, sizeof(*to->networks));
    to->mounts = copy_items(to->mounts, to->mount_count, sizeof(*to->mounts));
    for (size_t i = 0; i < to->port_count; i++)
        to->ports[i].address = mem_strdup(to->ports[i].address);
    for (size_t i = 0; i < to->network_count; i++) {
        struct container_network *network = &to->networks[i];

        network->name = mem_strdup(network->name);
        network->address = mem_strdup(network->address);
        network->address6 = mem_strdup(network->address6);
    }
    for (size_t i = 0; i < to->mount_count; i++) {
        struct container_mount *mount = &to->mounts[i];

        mount->type = mem_strdup(mount->type);
        mount->source = mem_strdup(mount->source);
        mount->destination = mem_strdup(mount->destination);
    }
}

struct container *watch_facts_copy(const struct container *from)
{
    struct container *to = mem_alloc(sizeof(*to));

    *to = *from;
    to->refs = 1;
    copy_texts(to);
    copy_command(to);
    copy_lists(to);
    return to;
}
