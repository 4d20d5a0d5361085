#include "backend/base/mem.h"
#include "backend/container_parse_impl.h"

#include <arpa/inet.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOUNTS_MAX = 4096, SHORT_ID = 12 };

/* ---- state ---- */

static const struct {
    const char *name;
    enum container_state state;
} states[] = {
    {"created", CONTAINER_CREATED},     {"running", CONTAINER_RUNNING},
    {"paused", CONTAINER_PAUSED},       {"restarting", CONTAINER_RESTARTING},
    {"removing", CONTAINER_REMOVING},   {"exited", CONTAINER_EXITED},
    {"dead", CONTAINER_DEAD},           {"configured", CONTAINER_CREATED}, /* Podman's own words */
    {"initialized", CONTAINER_CREATED}, {"stopping", CONTAINER_RUNNING},
    {"stopped", CONTAINER_EXITED},
};

static enum container_state read_state(const json_t *state)
{
    const char *status = container_json_text(state, "Status");

    for (size_t i = 0; status && i < sizeof(states) / sizeof(*states); i++)
        if (strcmp(status, states[i].name) == 0)
            return states[i].state;
    if (container_json_true(state, "Restarting"))
        return CONTAINER_RESTARTING;
    if (container_json_true(state, "Paused"))
        return CONTAINER_PAUSED;
    return container_json_true(state, "Running") ? CONTAINER_RUNNING : CONTAINER_UNKNOWN;
}

static enum container_health read_health(const json_t *state)
{
    const char *status = container_json_text(json_object_get(state, "Health"), "Status");

    if (!status) /* Podman before 4 */
        status = container_json_text(json_object_get(state, "Healthcheck"), "Status");
    if (!status)
        return HEALTH_NONE;
    if (strcmp(status, "healthy") == 0)
        return HEALTH_HEALTHY;
    if (strcmp(status, "unhealthy") == 0)
        return HEALTH_UNHEALTHY;
    return strcmp(status, "starting") == 0 ? HEALTH_STARTING : HEALTH_NONE;
}

static int read_int(const json_t *object, const char *key)
{
    const int64_t number = container_json_number(object, key, 0);

    return number > INT_MAX || number < INT_MIN ? 0 : (int)number;
}

static void fill_state(struct container *container, const json_t *state)
{
    container->state = read_state(state);
    container->health = read_health(state);
    container->error = container_blank_text(container_json_text(state, "Error"));
    container->exit_code = read_int(state, "ExitCode");
    container->oom_killed = container_json_true(state, "OOMKilled");
    container->started = container_json_time(container_json_text(state, "StartedAt"));
    container->ended = container_json_time(container_json_text(state, "FinishedAt"));
    container->pid = read_int(state, "Pid");
    if (container->pid < 0)
        container->pid = 0;
}

/* ---- networks, ports, mounts ---- */

/* An address, or NULL: what is none must not become a host that is asked for by name. */
static char *copy_address(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    if (!text || (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1))
        return NULL;
    return mem_strdup(text);
}

static int compare_networks(const void *a, const void *b)
{
    const struct container_network *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void add_network(struct container *container, const char *name, const json_t *network)
{
    container->networks =
        mem_array(container->networks, container->network_count + 1, sizeof(*container->networks));
    container->networks[container->network_count++] = (struct container_network){
        .name = mem_strdup(name),
        .address = copy_address(container_json_text(network, "IPAddress")),
        .address6 = copy_address(container_json_text(network, "GlobalIPv6Address")),
    };
}

static void fill_networks(struct container *container, const json_t *settings, const char *mode)
{
    json_t *networks = json_object_get(settings, "Networks");

    for (void *at = json_object_iter(networks); at; at = json_object_iter_next(networks, at))
        add_network(container, json_object_iter_key(at), json_object_iter_value(at));
    if (!container->network_count &&
        container_json_text(settings, "IPAddress")) /* Podman before 4 */
        add_network(container, mode ? mode : "bridge", settings);
    if (container->network_count)
        qsort(container->networks, container->network_count, sizeof(*container->networks),
              compare_networks);
}

/* A port's number, or 0. */
static int port_number(const char *text)
{
    const long port = text ? strtol(text, NULL, 10) : 0;

    return port > 0 && port <= 65535 ? (int)port : 0;
}

static int compare_ports(const void *a, const void *b)
{
    const struct container_port *left = a, *right = b;

    if (left->port != right->port)
        return left->port < right->port ? -1 : 1;
    if (left->udp != right->udp)
        return left->udp ? 1 : -1;
    if (left->published != right->published)
        return left->published < right->published ? -1 : 1;
    return strcmp(left->address ? left->address : "", right->address ? right->address : "");
}

/* "5432/tcp"; binding: {"HostIp", "HostPort"}, or NULL: not published. */
static void add_port(struct container *container, const char *name, const json_t *binding)
{
    const char *host = container_json_text(binding, "HostIp");
    struct container_port port = {
        .port = port_number(name),
        .published = port_number(container_json_text(binding, "HostPort")),
        .udp = strstr(name, "/udp") != NULL,
    };

    if (!port.port)
        return;
    if (port.published) /* Podman says "" for all addresses */
        port.address = host ? copy_address(host) : mem_strdup("0.0.0.0");
    container->ports =
        mem_array(container->ports, container->port_count + 1, sizeof(*container->ports));
    container->ports[container->port_count++] = port;
}

static void fill_ports(struct container *container, json_t *ports)
{
    for (void *at = json_object_iter(ports); at; at = json_object_iter_next(ports, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *bindings = json_object_iter_value(at);

        for (size_t i = 0; i < json_array_size(bindings); i++)
            add_port(container, name, json_array_get(bindings, i));
        if (!json_array_size(bindings))
            add_port(container, name, NULL);
    }
    if (container->port_count)
        qsort(container->ports, container->port_count, sizeof(*container->ports), compare_ports);
}

static void add_mount(struct container *container, const char *type, const char *source,
                      const char *destination)
{
    if (container->mount_count == MOUNTS_MAX)
        return;
    container->mounts =
        mem_array(container->mounts, container->mount_count + 1, sizeof(*container->mounts));
    container->mounts[container->mount_count++] = (struct container_mount){
        .type = mem_strdup(type),
        .source = mem_strdup(source),
        .destination = mem_strdup(destination),
    };
}

static bool has_mount(const struct container *container, const char *destination)
{
    for (size_t i = 0; i < container->mount_count; i++)
        if (strcmp(container->mounts[i].destination, destination) == 0)
            return true;
    return false;
}

/* --tmpfs is told apart from the other mounts: {"/scratch": "size=…"}. */
static void fill_mounts(struct container *container, const json_t *mounts, json_t *tmpfs)
{
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *type = container_json_text(mount, "Type");
        const char *name = container_json_text(mount, "Name");
        const char *destination = container_json_text(mount, "Destination");

        if (destination)
            add_mount(container,
                      type   ? type
                      : name ? "volume"
                             : "bind",
                      name ? name : container_json_text(mount, "Source"), destination);
    }
    for (void *at = json_object_iter(tmpfs); at; at = json_object_iter_next(tmpfs, at))
        if (!has_mount(container, json_object_iter_key(at)))
            add_mount(container, "tmpfs", NULL, json_object_iter_key(at));
}

/* ---- configuration ---- */

static void fill_host(struct container *container, const json_t *host)
{
    const json_t *policy = json_object_get(host, "RestartPolicy");
    const int64_t memory = container_json_number(host, "Memory", 0);

    container->memory_limit = memory > 0 ? memory : 0;
    container->oom_score_adj = read_int(host, "OomScoreAdj");
    container->restart_policy = container_json_copy(policy, "Name");
    if (!container->restart_policy && json_is_object(policy))
        container->restart_policy = mem_strdup("no");
}

static char *copy_label(const json_t *labels, const char *docker, const char *podman)
{
    char *label = container_json_copy(labels, docker);

    return label ? label : container_json_copy(labels, podman);
}

static char *copy_variable(const char *const *environment, const char *name, const char *other)
{
    const char *value = container_environment(environment, name);

    return mem_strdup(value ? value : container_environment(environment, other));
}

static void fill_config(struct container *container, const json_t *config)
{
    const json_t *labels = json_object_get(config, "Labels");

    container->image = container_json_copy(config, "Image");
    container->terminal = container_json_true(config, "Tty");
    container->project =
        copy_label(labels, "com.docker.compose.project", "io.podman.compose.project");
    container->compose_service =
        copy_label(labels, "com.docker.compose.service", "io.podman.compose.service");
}

/* What it runs as a list: it is told apart from what was configured, which an entry point precedes.
 * */
static const char **command_words(const json_t *root, const json_t *config)
{
    const char *path = container_json_text(root, "Path");

    if (path)
        return container_json_words(path, json_object_get(root, "Args"), NULL);
    return container_json_words(NULL, json_object_get(config, "Entrypoint"),
                                json_object_get(config, "Cmd"));
}

static void fill_command(struct container *container, const json_t *root, const json_t *config,
                         struct container_login *login)
{
    const char **words = command_words(root, config);
    const char **environment = container_json_words(NULL, json_object_get(config, "Env"), NULL);

    container->service = container_service_of(container->image, words, environment);
    container->command = container_blank_command(words, environment);
    container->pgdata = copy_variable(environment, "PGDATA", "POSTGRESQL_DATA_DIR");
    container->database = copy_variable(environment, "POSTGRES_DB", "POSTGRESQL_DATABASE");
    container_parse_login(container->service, words, environment, login);
    free(words);
    free(environment);
}

static struct container *read_container(json_t *root, struct container_login *login)
{
    const json_t *config = json_object_get(root, "Config");
    const json_t *host = json_object_get(root, "HostConfig");
    const json_t *network = json_object_get(root, "NetworkSettings");
    const char *name = container_json_text(root, "Name");
    struct container *container = mem_zalloc(sizeof(*container));

    container->refs = 1;
    container->id = container_json_copy(root, "Id");
    container->name =
        name ? mem_strdup(name + (*name == '/')) : mem_strndup(container->id, SHORT_ID);
    container->image_id = container_json_image_id(container_json_text(root, "Image"));
    container->created = container_json_time(container_json_text(root, "Created"));
    container->restarts = read_int(root, "RestartCount");
    fill_state(container, json_object_get(root, "State"));
    fill_host(container, host);
    fill_config(container, config);
    fill_networks(container, network, container_json_text(host, "NetworkMode"));
    fill_ports(container, json_object_get(network, "Ports"));
    fill_mounts(container, json_object_get(root, "Mounts"), json_object_get(host, "Tmpfs"));
    fill_command(container, root, config, login);
    return container;
}

struct container *container_parse_inspect(const char *text, size_t len,
                                          struct container_login *login)
{
    json_t *root = container_json_load(text, len);
    struct container *container = NULL;

    *login = (struct container_login){0};
    if (container_json_is_id(container_json_text(root, "Id")))
        container = read_container(root, login);
    container_json_wipe(root);
    return container;
}
