#include "backend/container_place_impl.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_MAX = 65535, NOT_NAMED = -1 };

/* ---- the port inside ---- */

/* The words of a command, those of a shell's script too: what is between blanks and quotes. */
struct words {
    char *const *argument;
    const char *at;
};

struct word {
    const char *s;
    size_t len;
};

static bool next_word(struct words *words, struct word *word)
{
    static const char between[] = " \t\r\n\"'`;";

    while (words->argument && *words->argument) {
        const char *start = words->at ? words->at : *words->argument;

        start += strspn(start, between);
        word->s = start;
        word->len = strcspn(start, between);
        words->at = start + word->len;
        if (word->len)
            return true;
        words->argument++;
        words->at = NULL;
    }
    return false;
}

static bool is_port(struct word word, int *port)
{
    int n = 0;

    if (word.len == 0 || word.len > 5)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (!isdigit((unsigned char)word.s[i]))
            return false;
        n = 10 * n + (word.s[i] - '0');
    }
    if (n <= PORT_MAX)
        *port = n;
    return n <= PORT_MAX;
}

/* The number that follows an option, in the same word or as the next one; the last one counts, as
 * it does for both servers. */
static int option_port(char *const *command, const char *option)
{
    const size_t len = strlen(option);
    struct words words = {.argument = command};
    struct word word, next;
    int port = NOT_NAMED;

    while (next_word(&words, &word)) {
        struct words ahead = words;

        if (word.len < len || memcmp(word.s, option, len) != 0)
            continue;
        if (word.len > len)
            is_port((struct word){word.s + len, word.len - len}, &port);
        else if (next_word(&ahead, &next))
            is_port(next, &port);
    }
    return port;
}

static int postgres_port(const struct container *container)
{
    static const char *const options[] = {"-p", "--port", "--port=", "port=", "-cport=", NULL};
    int port = NOT_NAMED;

    for (const char *const *option = options; *option && port <= 0; option++)
        port = option_port(container->command, *option);
    return port > 0 ? port : NOT_NAMED;
}

/* The usual port, unless the image declares just one, and another. */
static int declared_port(const struct container *container, int usual)
{
    int only = 0;

    for (size_t i = 0; i < container->port_count; i++) {
        const struct container_port *port = &container->ports[i];

        if (port->udp || port->port == only)
            continue;
        if (port->port == usual || only)
            return usual;
        only = port->port;
    }
    return only ? only : usual;
}

int container_inner_port(const struct container *container, bool *tls)
{
    int plain, secure;

    if (container->service == SERVICE_POSTGRES) {
        plain = postgres_port(container);
        return plain > 0 ? plain : declared_port(container, 5432);
    }
    plain = option_port(container->command, "--port");
    secure = option_port(container->command, "--tls-port");
    if (plain == 0 && secure > 0)
        *tls = true;
    if (*tls && secure > 0)
        return secure;
    return plain >= 0 ? plain : declared_port(container, 6379);
}

/* ---- addresses ---- */

struct addresses {
    struct container_address *items;
    size_t count;
};

static bool is_numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Takes way over. Each address once, and no name: those would have to be looked up. */
static void add_address(struct addresses *list, const char *host, int port, char *way)
{
    bool known = !is_numeric(host);

    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].host, host) == 0 && list->items[i].port == port)
            known = true;
    }
    if (known) {
        free(way);
        return;
    }
    list->items = mem_array(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = (struct container_address){mem_strdup(host), port, way};
}

static bool is_set(const char *text)
{
    return text && *text;
}

static bool is_network(const struct container_network *network, const char *name)
{
    return network->name && strcmp(network->name, name) == 0;
}

static void add_network(struct addresses *list, const struct container_network *network, int port)
{
    const char *const hosts[] = {network->address, network->address6};

    if (is_network(network, "host")) {
        add_address(list, "127.0.0.1", port, mem_strdup("the host's network"));
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        if (is_set(hosts[i]))
            add_address(list, hosts[i], port,
                        mem_printf("network %s", network->name ? network->name : "without a name"));
    }
}

static int by_name(const void *a, const void *b)
{
    const struct container_network *one = a, *other = b;

    return strcmp(one->name ? one->name : "", other->name ? other->name : "");
}

static void add_networks(struct addresses *list, const struct container *container, int port)
{
    const size_t count = container->network_count;
    struct container_network *sorted = mem_array(NULL, count, sizeof(*sorted));

    for (size_t i = 0; i < count; i++)
        sorted[i] = container->networks[i];
    qsort(sorted, count, sizeof(*sorted), by_name);
    for (size_t i = 0; i < count; i++)
        add_network(list, &sorted[i], port);
    free(sorted);
}

/* Where a port can be reached that is bound to all addresses. */
static const char *reachable(const char *address)
{
    if (!is_set(address) || strcmp(address, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(address, "::") == 0 ? "::1" : address;
}

static void add_published(struct addresses *list, const struct container *container, int inner)
{
    for (size_t i = 0; i < container->port_count; i++) {
        const struct container_port *port = &container->ports[i];

        if (port->published > 0 && !port->udp && port->port == inner)
            add_address(list, reachable(port->address), port->published,
                        mem_strdup("published port"));
    }
}

static const struct container_network *network_named(const struct container *container,
                                                     const char *name)
{
    for (size_t i = 0; i < container->network_count; i++) {
        if (is_network(&container->networks[i], name))
            return &container->networks[i];
    }
    return NULL;
}

/* Compose calls the network NAME of a project PROJECT_NAME. */
static const struct container_network *find_network(const struct container *container,
                                                    const char *name)
{
    const struct container_network *found = network_named(container, name);
    char *full;

    if (found || !container->project)
        return found;
    full = mem_printf("%s_%s", container->project, name);
    found = network_named(container, full);
    free(full);
    return found;
}

/* ---- why there is none ---- */

static const char *name_of(const struct container *container)
{
    return is_set(container->name) ? container->name : container->id ? container->id : "?";
}

static char *no_such_network(const struct container *container, const char *network)
{
    struct strbuf text = {0};

    strbuf_addf(&text, "the container %s is not on a network %s: ", name_of(container), network);
    if (!container->network_count)
        strbuf_adds(&text, "it is on none; leave network out");
    else
        strbuf_adds(&text, "set network to ");
    for (size_t i = 0; i < container->network_count; i++) {
        const char *name = container->networks[i].name;

        strbuf_addf(&text, "%s%s",
                    i == 0                              ? ""
                    : i + 1 == container->network_count ? " or "
                                                        : ", ",
                    name ? name : "?");
    }
    return strbuf_take(&text);
}

static bool is_isolated(const struct container *container)
{
    return container->network_count == 0 ||
           (container->network_count == 1 && is_network(&container->networks[0], "none"));
}

static char *no_address(const struct container *container, int port)
{
    const char *name = name_of(container);

    if (container->state != CONTAINER_RUNNING && container->state != CONTAINER_PAUSED)
        return mem_printf("the container %s is not running (%s): start it", name,
                          container_state_text(container->state));
    if (is_isolated(container))
        return mem_printf("the container %s has no network of its own: connect it to one "
                          "(docker network connect), or set its address: host in conninfo, or url",
                          name);
    return mem_printf("the container %s has no address, and its port %d is not published: publish "
                      "it on 127.0.0.1, or set its address: host in conninfo, or url",
                      name, port);
}

/* ---- all together ---- */

size_t container_addresses_of(const struct container *container, const struct engine_info *engine,
                              const char *network, int port, struct container_address **addresses,
                              char **error)
{
    /* On this host an address of its networks may be somebody else's, who would get the password. */
    const bool apart = engine->rootless || engine->elsewhere;
    const struct container_network *only = network ? find_network(container, network) : NULL;
    struct addresses list = {0};

    *addresses = NULL;
    *error = NULL;
    if (network && !only)
        *error = no_such_network(container, network);
    else if (port == 0)
        *error =
            mem_printf("what runs in the container %s listens on no port (--port 0): give it one",
                       name_of(container));
    if (*error)
        return 0;
    if (!apart && only)
        add_network(&list, only, port);
    else if (!apart)
        add_networks(&list, container, port);
    add_published(&list, container, port);
    if (!list.count)
        *error = no_address(container, port);
    *addresses = list.items;
    return list.count;
}

size_t container_addresses(const struct container *container, const struct engine_info *engine,
                           const char *network, struct container_address **addresses, char **error)
{
    bool tls = false;

    return container_addresses_of(container, engine, network, container_inner_port(container, &tls),
                                  addresses, error);
}

void container_addresses_free(struct container_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(addresses[i].host);
        free(addresses[i].way);
    }
    free(addresses);
}
