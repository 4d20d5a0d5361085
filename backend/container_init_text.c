/* The text of `sharedtop config init`. Names of containers are somebody else's: what is a setting
 * is escaped, what is a comment is plain ASCII on its line. */
#include "backend/container_init.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum { COMMENT_MAX = 200 };

static const char head[] = "#\n"
                           "# Every setting has a default; all are described in sharedtop.conf(5). "
                           "What is commented out is an\n"
                           "# example. `sharedtop config check FILE` lists every fault of a file.\n"
                           "#\n"
                           "# There is no password in here. Address, user and password come from "
                           "the containers themselves; where\n"
                           "# those name none, name an env_file, or use libpq's ~/.pgpass.\n";

static const char postgres_login[] =
    "\n"
    "    # Host, port, user, password and database are the container's; what is named here goes "
    "before.\n"
    "    # conninfo = \"user=admin dbname=postgres\";\n"
    "\n"
    "    # The file of KEY=value lines that holds the password, and its key there.\n"
    "    # env_file = \"/opt/docker/shared/.env\";\n"
    "    # password_key = \"POSTGRES_PASSWORD\";\n";

static const char redis_login[] =
    "\n"
    "    # Where it is and how to log in are the container's; what is named here goes before.\n"
    "    # url = \"redis://127.0.0.1:6379\";\n"
    "\n"
    "    # The file of KEY=value lines that holds the password, and its key there.\n"
    "    # env_file = \"/opt/docker/shared/.env\";\n"
    "    # password_key = \"REDIS_PASSWORD\";\n";

static const char postgres_environments[] =
    "\n"
    "    # The environment of each database: \"production\", \"staging\" or \"dev\"; the first "
    "pattern that\n"
    "    # matches counts, and a database without one counts as production.\n"
    "    # environments = (\n"
    "    #   { pattern = \"*_prod\";    environment = \"production\"; },\n"
    "    #   { pattern = \"*_staging\"; environment = \"staging\"; },\n"
    "    #   { pattern = \"*_dev\";     environment = \"dev\"; }\n"
    "    # );\n";

static const char redis_databases[] =
    "\n"
    "    # The spare database that a flush moves the data to, so that it can be undone: one that "
    "nothing\n"
    "    # uses.\n"
    "    # trash_db = 15;\n"
    "\n"
    "    # What each database is for. One that is not here counts as production. celery = true "
    "shows the\n"
    "    # depth of its queues.\n"
    "    # databases = (\n"
    "    #   { db = 0; environment = \"production\"; use = \"Celery broker\"; celery = true; },\n"
    "    #   { db = 1; environment = \"production\"; use = \"Django cache\"; },\n"
    "    #   { db = 2; environment = \"staging\";    use = \"Celery broker\"; celery = true; },\n"
    "    #   { db = 3; environment = \"staging\";    use = \"Django cache\"; },\n"
    "    #   { db = 4; environment = \"dev\";        use = \"Celery broker\"; celery = true; },\n"
    "    #   { db = 5; environment = \"dev\";        use = \"Django cache\"; }\n"
    "    # );\n";

struct service {
    enum container_service service;
    const char *title, *list;
    const char *login, *databases;
    int usual_score;   /* what the OOM killer's score of such a server should be like */
    const char *local; /* the list for one on the host, as a comment */
};

static const struct service services[] = {
    {.service = SERVICE_POSTGRES,
     .title = "PostgreSQL",
     .list = "postgres",
     .login = postgres_login,
     .databases = postgres_environments,
     .usual_score = -800,
     .local = "# postgres = (\n"
              "#   { name = \"local\"; conninfo = \"host=/var/run/postgresql dbname=postgres\"; }\n"
              "# );\n"},
    {.service = SERVICE_REDIS,
     .title = "Redis",
     .list = "redis",
     .login = redis_login,
     .databases = redis_databases,
     .usual_score = -500,
     .local = "# redis = (\n"
              "#   { name = \"cache\"; url = \"redis://127.0.0.1:6379\"; }\n"
              "# );\n"},
};

enum { SERVICES = sizeof(services) / sizeof(services[0]) };

/* ---- texts of others ---- */

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* For comments and the terminal. */
static void add_plain(struct strbuf *out, const char *text)
{
    size_t len = 0;

    for (; text && *text && len < COMMENT_MAX; text++, len++)
        strbuf_addc(out, is_printable(*text) ? *text : '?');
    if (text && *text)
        strbuf_adds(out, "...");
}

/* A string of libconfig, whatever bytes text has. */
static void add_string(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '"');
    for (; *text; text++) {
        if (!is_printable(*text))
            strbuf_addf(out, "\\x%02x", (unsigned char)*text);
        else if (*text == '"' || *text == '\\')
            strbuf_addf(out, "\\%c", *text);
        else
            strbuf_addc(out, *text);
    }
    strbuf_addc(out, '"');
}

static bool is_set(const char *text)
{
    return text && *text;
}

static const char *name_of(const struct container *container)
{
    return is_set(container->name) ? container->name : is_set(container->id) ? container->id : "?";
}

/* ---- one container ---- */

static bool is_running(const struct container *container)
{
    return container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED ||
           container->state == CONTAINER_RESTARTING;
}

/* The mount that the data is on: the longest destination that the data's folder is below. */
static const struct container_mount *data_mount(const struct container *container)
{
    const char *data = container->service == SERVICE_REDIS ? "/data"
                       : is_set(container->pgdata)         ? container->pgdata
                                                           : "/var/lib/postgresql/data";
    const struct container_mount *found = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < container->mount_count; i++) {
        const struct container_mount *mount = &container->mounts[i];
        const size_t len = mount->destination ? strlen(mount->destination) : 0;

        if (len > longest && strncmp(data, mount->destination, len) == 0 &&
            (data[len] == '/' || data[len] == '\0')) {
            found = mount;
            longest = len;
        }
    }
    return found;
}

static void add_facts(struct strbuf *out, const struct container *container)
{
    const struct container_mount *mount = data_mount(container);

    strbuf_adds(out, "    # ");
    add_plain(out, is_set(container->image) ? container->image : "an image without a name");
    strbuf_addf(out, ", %s", container_state_text(container->state));
    if (container->memory_limit > 0)
        strbuf_addf(out, ", at most %lld MiB of memory",
                    (long long)(container->memory_limit >> 20));
    strbuf_addc(out, '\n');
    if (mount && is_set(mount->source)) {
        strbuf_adds(out, "    # Its data is on the ");
        add_plain(out, is_set(mount->type) ? mount->type : "mount");
        strbuf_addc(out, ' ');
        add_plain(out, mount->source);
        strbuf_addc(out, '\n');
    }
}

static int by_name(const void *a, const void *b)
{
    const char *const *one = a, *const *other = b;

    return strcmp(*one, *other);
}

/* Names of networks in order; the caller frees the array. */
static const char **network_names(const struct container *container, size_t *count)
{
    const char **names = mem_array(NULL, container->network_count, sizeof(*names));

    *count = 0;
    for (size_t i = 0; i < container->network_count; i++) {
        if (is_set(container->networks[i].name))
            names[(*count)++] = container->networks[i].name;
    }
    if (*count)
        qsort(names, *count, sizeof(*names), by_name);
    return names;
}

static void add_network(struct strbuf *out, const struct container *container)
{
    size_t count;
    const char **names = network_names(container, &count);

    if (count == 1) {
        strbuf_adds(out, "\n    # The network by which it is reached; it is only on this one.\n"
                         "    # network = ");
    } else if (count > 1) {
        strbuf_adds(out, "\n    # The network by which it is reached; it is on");
        for (size_t i = 0; i < count; i++) {
            strbuf_adds(out, i == 0 ? " " : ", ");
            add_plain(out, names[i]);
        }
        strbuf_adds(out, ".\n    network = ");
    }
    if (count) {
        add_string(out, names[0]);
        strbuf_adds(out, ";\n");
    }
    free(names);
}

/* A score of 0 is nobody's choice. */
static void add_score(struct strbuf *out, const struct container *container, int usual)
{
    const int score = container->oom_score_adj;

    strbuf_adds(out, "\n    # What its oom_score_adj should be");
    if (score && score >= -1000 && score <= 1000)
        strbuf_addf(out, ": what its container has been given.\n    oom_score_adj = %d;\n", score);
    else
        strbuf_addf(out,
                    "; it has 0, and is killed like any other when memory is out.\n"
                    "    # oom_score_adj = %d;\n",
                    usual);
}

/* ---- the lists ---- */

static bool is_listed(const struct container_row *row, enum container_service service)
{
    return row->facts->service == service && is_running(row->facts);
}

/* How many rows before this one will have its name. */
static unsigned same_before(const struct containers *containers, size_t index)
{
    const char *name = name_of(containers->rows[index].facts);
    unsigned same = 0;

    for (size_t i = 0; i < index; i++)
        same += strcmp(name_of(containers->rows[i].facts), name) == 0;
    return same;
}

/* Two instances must not share a name; two containers do so only in an engine that is out of
 * order. */
static char *instance_name(const struct containers *containers, size_t index)
{
    const struct container *container = containers->rows[index].facts;

    return same_before(containers, index) && is_set(container->id)
               ? mem_printf("%s#%s", name_of(container), container->id)
               : mem_strdup(name_of(container));
}

/* What can be set beside is explained once in a list. */
static void add_instance(struct strbuf *out, const struct containers *containers, size_t index,
                         const struct service *service, bool first)
{
    const struct container *container = containers->rows[index].facts;
    char *name = instance_name(containers, index);

    strbuf_adds(out, "  {\n");
    add_facts(out, container);
    strbuf_adds(out, "    name = ");
    add_string(out, name);
    strbuf_adds(out, ";\n    container = ");
    add_string(out, name_of(container));
    strbuf_adds(out, ";\n");
    add_network(out, container);
    strbuf_adds(out, first ? service->login : "");
    add_score(out, container, service->usual_score);
    strbuf_adds(out, first ? service->databases : "");
    strbuf_adds(out, "  }");
    free(name);
}

static size_t count_of(const struct containers *containers, enum container_service service)
{
    size_t count = 0;

    for (size_t i = 0; i < containers->count; i++)
        count += is_listed(&containers->rows[i], service);
    return count;
}

static void add_stopped(struct strbuf *out, const struct containers *containers,
                        const struct service *service)
{
    for (size_t i = 0; i < containers->count; i++) {
        const struct container *container = containers->rows[i].facts;

        if (container->service != service->service || is_running(container))
            continue;
        strbuf_adds(out, "# Left out, since it does not run: ");
        add_plain(out, name_of(container));
        strbuf_addf(out, " (%s)\n", container_state_text(container->state));
    }
}

static void add_list(struct strbuf *out, const struct containers *containers,
                     const struct service *service)
{
    const size_t all = count_of(containers, service->service);
    size_t left = all;

    strbuf_addc(out, '\n');
    add_stopped(out, containers, service);
    if (!left) {
        strbuf_addf(out, "# No %s was found in a container. One on the host is watched by:\n%s",
                    service->title, service->local);
        return;
    }
    strbuf_addf(out, "# The %s instances.\n%s = (\n", service->title, service->list);
    for (size_t i = 0; i < containers->count; i++) {
        if (is_listed(&containers->rows[i], service->service)) {
            add_instance(out, containers, i, service, left == all);
            strbuf_adds(out, --left ? ",\n" : "\n");
        }
    }
    strbuf_adds(out, ");\n");
}

/* ---- the whole ---- */

static bool is_found(const struct containers *containers)
{
    return containers->state == CONTAINERS_UP || containers->state == CONTAINERS_STALE;
}

static void add_engine(struct strbuf *out, const struct containers *containers)
{
    add_plain(out, is_set(containers->engine.name) ? containers->engine.name : "the engine");
    if (is_set(containers->engine.version)) {
        strbuf_addc(out, ' ');
        add_plain(out, containers->engine.version);
    }
    if (containers->socket) {
        strbuf_adds(out, " (");
        add_plain(out, containers->socket);
        strbuf_addc(out, ')');
    }
}

/* Each line begins with start. */
static void add_no_engine(struct strbuf *out, const struct containers *containers,
                          const char *start)
{
    const char *why = is_set(containers->error) ? containers->error : "the engine does not answer";

    strbuf_addf(out, "%sNo containers were found: ", start);
    add_plain(out, why);
    if (is_set(containers->hint)) {
        strbuf_addf(out, "\n%s", start);
        add_plain(out, containers->hint);
    }
    strbuf_addc(out, '\n');
}

/* One of those that are found without being told. */
static bool is_usual(const char *socket)
{
    static const char *const usual[] = {"/run/docker.sock", "/var/run/docker.sock",
                                        "/run/podman/podman.sock"};

    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (strcmp(socket, usual[i]) == 0)
            return true;
    }
    return strncmp(socket, "/run/user/", 10) == 0;
}

static void add_socket(struct strbuf *out, const struct containers *containers)
{
    char *host =
        mem_printf("unix://%s", containers->socket ? containers->socket : "/run/docker.sock");

    strbuf_addf(
        out,
        "\n# The container engine's socket. Without it, as the docker program finds it\n"
        "# ($DOCKER_HOST, the Docker context), else the usual places of Docker and Podman.\n"
        "%sdocker_host = ",
        containers->socket && !is_usual(containers->socket) ? "" : "# ");
    add_string(out, host);
    strbuf_adds(out, ";\n");
    free(host);
}

void container_init_text(const struct containers *containers, struct strbuf *out)
{
    if (is_found(containers)) {
        strbuf_adds(out, "# sharedtop.conf, made from the running containers of ");
        add_engine(out, containers);
        strbuf_adds(out, ".\n");
    } else {
        strbuf_adds(
            out, "# sharedtop.conf: it names no server, so those in containers are watched, else "
                 "the host's own.\n");
        add_no_engine(out, containers, "# ");
    }
    strbuf_adds(out, head);
    add_socket(out, containers);
    for (size_t i = 0; i < SERVICES; i++)
        add_list(out, containers, &services[i]);
}

/* ---- what is told ---- */

static void add_found(struct strbuf *out, const struct container *container,
                      const struct service *service)
{
    size_t count;
    const char **names = network_names(container, &count);

    strbuf_addf(out, "  %-10s ", service->title);
    add_plain(out, name_of(container));
    strbuf_adds(out, ", image ");
    add_plain(out, is_set(container->image) ? container->image : "without a name");
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(out, i == 0 ? ", on " : " and ");
        add_plain(out, names[i]);
    }
    free(names);
    strbuf_addc(out, '\n');
}

void container_init_summary(const struct containers *containers, struct strbuf *out)
{
    if (!is_found(containers)) {
        add_no_engine(out, containers, "");
        strbuf_adds(out, "The file has the servers of this host as comments.\n");
        return;
    }
    strbuf_addf(out, "found %zu PostgreSQL and %zu Redis among %zu containers of ",
                count_of(containers, SERVICE_POSTGRES), count_of(containers, SERVICE_REDIS),
                containers->count);
    add_engine(out, containers);
    strbuf_addc(out, '\n');
    for (size_t i = 0; i < SERVICES; i++) {
        for (size_t row = 0; row < containers->count; row++) {
            if (is_listed(&containers->rows[row], services[i].service))
                add_found(out, containers->rows[row].facts, &services[i]);
        }
    }
}
