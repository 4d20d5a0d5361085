#include "backend/pg_target.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/container_place.h"
#include "backend/envfile.h"
#include "backend/pg_error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION "sharedtop"

/* A value that libpq refuses after it has merged all options and before it opens a connection: so
 * it tells what it would use (PQconninfo), a service included. */
#define PROBE "sharedtop-probe"

/* One server of the comma separated lists. */
struct endpoint {
    char *host, *hostaddr, *port; /* "" when not given */
};

struct pg_target {
    const struct postgres_config *config;
    char *password; /* from the env file, or NULL */
    struct endpoint *endpoints;
    size_t count;
    bool changed; /* the lists differ from what libpq would use by itself */
};

/* ---- what libpq would do ---- */

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (strcmp(options->keyword, keyword) == 0)
            return options->val ? options->val : "";
    }
    return "";
}

static size_t list_length(const char *list)
{
    size_t n = 1;

    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* The element at index; a list of one element (a port) counts for all. */
static char *list_item(const char *list, size_t index)
{
    if (!strchr(list, ','))
        return mem_strdup(list);
    for (; index; index--) {
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return mem_strndup(list, strcspn(list, ","));
}

static void read_endpoints(struct pg_target *target, const PQconninfoOption *options)
{
    const char *host = option(options, "host"), *hostaddr = option(options, "hostaddr");
    size_t by_host = list_length(host), by_address = list_length(hostaddr);

    target->count = by_host > by_address ? by_host : by_address;
    target->endpoints = mem_array(NULL, target->count, sizeof(*target->endpoints));
    for (size_t i = 0; i < target->count; i++) {
        target->endpoints[i] = (struct endpoint){
            .host = list_item(host, i),
            .hostaddr = list_item(hostaddr, i),
            .port = list_item(option(options, "port"), i),
        };
    }
}

/* libpq knows the default socket's directory; it is not among the options. */
static void fill_default_host(struct pg_target *target, const PGconn *probe)
{
    struct endpoint *first = &target->endpoints[0];
    const char *host = PQhost(probe);

    if (target->count != 1 || *first->host || *first->hostaddr || !host)
        return;
    free(first->host);
    first->host = mem_strdup(host);
}

/* libpq quotes what it cannot read, which may be a part of a password. */
static void hide_quotes(char *line, const char *conninfo)
{
    char *out = line;
    bool quoted = false;

    if (!strcasestr(conninfo, "password") && !strstr(conninfo, "://"))
        return;
    for (const char *in = line; *in; in++) {
        quoted ^= *in == '"';
        if (!quoted || *in == '"')
            *out++ = *in;
    }
    *out = '\0';
}

static bool probe(struct pg_target *target, char **error)
{
    const char *const keywords[] = {"dbname", "target_session_attrs", NULL};
    const char *const values[] = {target->config->conninfo, PROBE, NULL};
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    const char *message = PQerrorMessage(conn);
    bool fine = PQstatus(conn) != CONNECTION_BAD || strstr(message, PROBE);
    PQconninfoOption *options = fine ? PQconninfo(conn) : NULL;

    if (options) {
        read_endpoints(target, options);
        fill_default_host(target, conn);
    } else {
        *error = pg_error_line(message);
        hide_quotes(*error, target->config->conninfo);
    }
    PQconninfoFree(options);
    PQfinish(conn);
    return target->count > 0;
}

/* ---- life ---- */

static bool read_password(struct pg_target *target, char **error)
{
    const struct postgres_config *config = target->config;

    if (!config->env_file || !*config->env_file)
        return true;
    target->password = envfile_read(config->env_file, config->password_key, error);
    return target->password != NULL;
}

struct pg_target *pg_target_new(const struct postgres_config *config, char **error)
{
    struct pg_target *target = mem_zalloc(sizeof(*target));

    target->config = config;
    *error = NULL;
    if (!container_postgres_is_known(config, error) || !probe(target, error) ||
        !read_password(target, error)) {
        pg_target_free(target);
        return NULL;
    }
    return target;
}

static void free_endpoint(const struct endpoint *endpoint)
{
    free(endpoint->host);
    free(endpoint->hostaddr);
    free(endpoint->port);
}

void pg_target_free(struct pg_target *target)
{
    if (!target)
        return;
    if (target->password)
        mem_free_secret(target->password, strlen(target->password));
    for (size_t i = 0; i < target->count; i++)
        free_endpoint(&target->endpoints[i]);
    free(target->endpoints);
    free(target);
}

/* ---- addresses ---- */

static bool is_socket(const char *host)
{
    return *host == '/' || *host == '@';
}

char *pg_target_address(const struct pg_target *target)
{
    const struct endpoint *first = &target->endpoints[0];
    const char *host = *first->host ? first->host : first->hostaddr;

    if (is_socket(host))
        return mem_printf("%s/.s.PGSQL.%s", host, first->port);
    return mem_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, first->port);
}

static bool is_numeric(const char *host)
{
    struct in6_addr bytes;

    return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1;
}

static bool needs_lookup(const struct endpoint *endpoint)
{
    return *endpoint->host && !*endpoint->hostaddr && !is_socket(endpoint->host) &&
           !is_numeric(endpoint->host);
}

static size_t first_unresolved(const struct pg_target *target)
{
    size_t i = 0;

    while (i < target->count && !needs_lookup(&target->endpoints[i]))
        i++;
    return i;
}

const char *pg_target_unresolved(const struct pg_target *target)
{
    size_t i = first_unresolved(target);

    return i < target->count ? target->endpoints[i].host : NULL;
}

size_t pg_target_resolved(struct pg_target *target, const char *const *addresses, size_t count)
{
    size_t at = first_unresolved(target);
    size_t total = target->count - 1 + count;
    const struct endpoint name = target->endpoints[at];
    struct endpoint *all = mem_array(NULL, total, sizeof(*all));

    memcpy(all, target->endpoints, at * sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        all[at + i] = (struct endpoint){.host = mem_strdup(name.host),
                                        .hostaddr = mem_strdup(addresses[i]),
                                        .port = mem_strdup(name.port)};
    }
    memcpy(all + at + count, target->endpoints + at + 1, (target->count - at - 1) * sizeof(*all));
    free_endpoint(&name);
    free(target->endpoints);
    target->endpoints = all;
    target->count = total;
    target->changed = true;
    return total;
}

/* ---- connecting ---- */

/* What libpq takes, in its order: a later keyword overrides an earlier one. */
struct parameters {
    const char *keywords[16], *values[16];
    size_t count;
};

static void add(struct parameters *p, const char *keyword, const char *value)
{
    p->keywords[p->count] = keyword;
    p->values[p->count++] = value;
}

static void join(const struct pg_target *target, struct strbuf *host, struct strbuf *hostaddr,
                 struct strbuf *port)
{
    for (size_t i = 0; i < target->count; i++) {
        const char *comma = i ? "," : "";

        strbuf_addf(host, "%s%s", comma, target->endpoints[i].host);
        strbuf_addf(hostaddr, "%s%s", comma, target->endpoints[i].hostaddr);
        strbuf_addf(port, "%s%s", comma, target->endpoints[i].port);
    }
}

PGconn *pg_target_connect(const struct pg_target *target)
{
    struct parameters p = {.count = 0};
    struct strbuf host = {0}, hostaddr = {0}, port = {0};
    PGconn *conn;

    join(target, &host, &hostaddr, &port);
    add(&p, "keepalives_idle", "15");
    add(&p, "keepalives_interval", "5");
    add(&p, "keepalives_count", "3");
    add(&p, "dbname", target->config->conninfo);
    if (target->changed) {
        add(&p, "host", host.s);
        add(&p, "hostaddr", hostaddr.s);
        add(&p, "port", port.s);
    }
    if (target->password)
        add(&p, "password", target->password);
    add(&p, "application_name", APPLICATION);
    add(&p, NULL, NULL);
    conn = PQconnectStartParams(p.keywords, p.values, 1);
    strbuf_free(&host);
    strbuf_free(&hostaddr);
    strbuf_free(&port);
    return conn;
}
