/* Texts of containers' rows that are longer than a cell, made once a sample. */
#include "panels/containers.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_check.h"
#include "backend/container_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_part(struct strbuf *text, const char *part)
{
    strbuf_addf(text, "%s%s", text->len ? ", " : "", part);
}

static const struct container_port *same_published(const struct container *container, size_t before,
                                                   const struct container_port *port)
{
    for (size_t i = 0; i < before; i++) {
        const struct container_port *other = &container->ports[i];

        if (other->port == port->port && other->published == port->published &&
            other->udp == port->udp)
            return other;
    }
    return NULL;
}

/* An engine that binds to all addresses tells it twice, for IPv4 and for IPv6. */
static bool is_repeated(const struct container *container, size_t index)
{
    const struct container_port *port = &container->ports[index];
    const struct container_port *other = same_published(container, index, port);

    return other && port->published && port->address && other->address &&
           strcmp(port->address, "::") == 0 && strcmp(other->address, "0.0.0.0") == 0;
}

static char *port_text(const struct container_port *port)
{
    const char *protocol = port->udp ? "/udp" : "";
    const char *address = port->address ? port->address : "";
    bool brackets = strchr(address, ':') != NULL;
    char inside[24] = "";

    if (!port->published)
        return mem_printf("%d/%s", port->port, port->udp ? "udp" : "tcp");
    if (port->published != port->port)
        snprintf(inside, sizeof(inside), "->%d", port->port);
    return mem_printf("%s%s%s%s%d%s%s", brackets ? "[" : "", address, brackets ? "]" : "",
                      *address ? ":" : "", port->published, inside, protocol);
}

/* Those that can be reached from outside its networks come first. */
static char *ports_text(const struct container *container)
{
    struct strbuf text = {0};

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < container->port_count; i++) {
            char *part;

            if ((container->ports[i].published == 0) != (pass == 1) || is_repeated(container, i))
                continue;
            part = port_text(&container->ports[i]);
            add_part(&text, part);
            free(part);
        }
    }
    return text.len ? strbuf_take(&text) : NULL;
}

static char *networks_text(const struct container *container)
{
    struct strbuf text = {0};

    for (size_t i = 0; i < container->network_count; i++) {
        const struct container_network *network = &container->networks[i];
        const char *address = network->address ? network->address : network->address6;
        char *part = mem_printf("%s%s%s", network->name ? network->name : "",
                                address && network->name ? " " : "", address ? address : "");

        add_part(&text, part);
        free(part);
    }
    return text.len ? strbuf_take(&text) : NULL;
}

static char *warnings_text(const struct container_row *row)
{
    struct strbuf text = {0};

    for (int flaw = 0; flaw < CONTAINER_FLAWS; flaw++) {
        if (row->flaws & (1U << flaw))
            add_part(&text, container_flaw_word((enum container_flaw)flaw));
    }
    return text.len ? strbuf_take(&text) : NULL;
}

static bool names_containers(const struct config *config)
{
    for (size_t i = 0; i < config->postgres_count; i++) {
        if (config->postgres[i]->container)
            return true;
    }
    for (size_t i = 0; i < config->redis_count; i++) {
        if (config->redis[i]->container)
            return true;
    }
    return config->docker_host != NULL;
}

/* Somebody has set it for the Docker client, by the environment or a context. */
static bool names_engine(void)
{
    static const char usual[] = "the usual place";
    struct engine_places places;
    bool named;

    engine_places(NULL, &places);
    named = places.count && strcmp(places.items[0].from, usual) != 0;
    engine_places_free(&places);
    return named;
}

bool containers_told(const struct containers *containers, const struct config *config)
{
    if (!config->containers)
        return false;
    return containers->state == CONTAINERS_UP || containers->state == CONTAINERS_STALE ||
           containers->hint || names_containers(config) || (containers->error && names_engine());
}

char *containers_problem(const struct containers *containers, const struct config *config)
{
    char *raw, *clean;

    if (!containers->error || containers->state == CONTAINERS_UP ||
        !containers_told(containers, config))
        return NULL;
    raw = mem_printf("Containers: %s%s%s", containers->error, containers->hint ? "; " : "",
                     containers->hint ? containers->hint : "");
    clean = text_clean(raw, false);
    free(raw);
    return clean;
}

const char *containers_state_text(enum containers_state state)
{
    static const char *const texts[] = {
        [CONTAINERS_SEARCHING] = "searching",
        [CONTAINERS_UP] = "up",
        [CONTAINERS_STALE] = "stale",
        [CONTAINERS_NONE] = "none",
    };

    return texts[state];
}

void containers_context_free(struct containers_context *context)
{
    for (size_t i = 0; i < context->count; i++) {
        free(context->words[i].ports);
        free(context->words[i].networks);
        free(context->words[i].warnings);
    }
    free(context->words);
    *context = (struct containers_context){0};
}

void containers_context_fill(struct containers_context *context,
                             const struct containers *containers, const struct config *config,
                             double now)
{
    containers_context_free(context);
    *context = (struct containers_context){
        .containers = containers, .config = config, .now = now, .count = containers->count};
    context->words = mem_array(NULL, containers->count, sizeof(*context->words));
    for (size_t i = 0; i < containers->count; i++)
        context->words[i] = (struct container_words){
            .ports = ports_text(containers->rows[i].facts),
            .networks = networks_text(containers->rows[i].facts),
            .warnings = warnings_text(&containers->rows[i]),
        };
}
