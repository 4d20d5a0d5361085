/* The settings of an instance that is a container: what was configured, and what the container
 * adds. */
#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/config_internal.h"
#include "backend/conninfo.h"
#include "backend/container_exec.h"
#include "backend/container_place_impl.h"
#include "backend/redis_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_set(const char *text)
{
    return text && *text;
}

static void wipe(char *text)
{
    if (text)
        mem_free_secret(text, strlen(text));
}

/* An instance that is tried at one address after the other comes back to its texts: a retired one
 * that is the same is used again, so that they are as many as there are addresses. */
static void replace(char **field, char *text, struct strings *retired)
{
    char *old = *field;
    size_t i = 0;

    if (old && strcmp(old, text) == 0) {
        wipe(text);
        return;
    }
    *field = text;
    if (!old)
        return;
    while (i < retired->count && strcmp(retired->items[i], text) != 0)
        i++;
    if (i < retired->count) {
        *field = retired->items[i];
        wipe(text);
    } else {
        retired->items = mem_array(retired->items, ++retired->count, sizeof(*retired->items));
    }
    retired->items[i] = old;
}

/* Room for all of it, so that no smaller piece that was freed keeps a part of a password. */
static struct strbuf secret_text(size_t room)
{
    return (struct strbuf){.s = mem_zalloc(room), .cap = room};
}

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static char *exec_prefix(const struct container *container, const char *socket)
{
    return container_exec_prefix(socket, is_set(container->name) ? container->name : container->id,
                                 false);
}

/* The address number attempt, by itself. */
static bool choose(const struct container *container, const struct engine_info *engine,
                   const char *network, int port, unsigned attempt,
                   struct container_address *chosen, char **error)
{
    struct container_address *all;
    const size_t count = container_addresses_of(container, engine, network, port, &all, error);

    if (!count)
        return false;
    chosen->host = mem_strdup(all[attempt % count].host);
    chosen->port = all[attempt % count].port;
    container_addresses_free(all, count);
    return true;
}

/* ---- PostgreSQL ---- */

static bool has_passfile(void)
{
    const char *home = getenv("HOME");
    char *path = home ? mem_printf("%s/.pgpass", home) : NULL;
    const bool found = path && access(path, R_OK) == 0;

    free(path);
    return found || environ_value("PGPASSFILE");
}

static bool names_host(const PQconninfoOption *options)
{
    return conninfo_value(options, "host") || conninfo_value(options, "hostaddr");
}

/* What conninfo says. An address of somebody's own is libpq's matter, with what the environment
 * says; an address that only the container tells goes with the container's login. */
static const char *named_value(const PQconninfoOption *options, const char *keyword,
                               const char *variable)
{
    const char *value = conninfo_value(options, keyword);

    if (!value && names_host(options))
        value = environ_value(variable);
    return value;
}

static bool names_password(const struct postgres_config *config, const PQconninfoOption *options)
{
    return is_set(config->env_file) || named_value(options, "password", "PGPASSWORD") ||
           conninfo_value(options, "passfile") || (names_host(options) && has_passfile());
}

/* The images' own superuser, when no other was asked for. */
static const char *login_user(const struct container_login *login)
{
    if (is_set(login->user))
        return login->user;
    return is_set(login->password) || login->trust ? "postgres" : NULL;
}

/* Where nobody can have put a passfile; an empty name would be ~/.pgpass. */
#define NO_PASSFILE "/dev/null/none"

/* An address that only the container tells must not get what libpq finds for it in the environment or
 * by a wildcard of ~/.pgpass; an empty password is none, but libpq looks no further for one. */
static void bar_passwords(struct strbuf *text, const struct postgres_config *config,
                          const PQconninfoOption *options)
{
    if (names_host(options) || is_set(config->env_file) || conninfo_value(options, "password"))
        return;
    conninfo_add(text, "password", "");
    if (!conninfo_value(options, "passfile"))
        conninfo_add(text, "passfile", NO_PASSFILE);
}

/* The password of one user is not sent for another. */
static void add_login(struct strbuf *text, const struct postgres_config *config,
                      const PQconninfoOption *options, const struct container *container,
                      const struct container_login *login)
{
    const char *user = login_user(login), *named = named_value(options, "user", "PGUSER");
    const bool same_user = user && (!named || strcmp(user, named) == 0);

    if (user && !named)
        conninfo_add(text, "user", user);
    if (same_user && is_set(login->password) && !names_password(config, options))
        conninfo_add(text, "password", login->password);
    else
        bar_passwords(text, config, options);
    if (!named_value(options, "dbname", "PGDATABASE"))
        conninfo_add(text, "dbname",
                     is_set(container->database) ? container->database : "postgres");
}

/* hostaddr too, lest one of the environment or of a service there goes before the host. */
static void add_place(struct strbuf *text, const struct container_address *place)
{
    char port[16];

    snprintf(port, sizeof(port), "%d", place->port);
    conninfo_add(text, "host", place->host);
    conninfo_add(text, "hostaddr", place->host);
    conninfo_add(text, "port", port);
}

static int port_of(const PQconninfoOption *options, const struct container *container)
{
    const char *named = conninfo_value(options, "port");
    const int port = named ? atoi(named) : 0;
    bool tls = false;

    return port > 0 ? port : container_inner_port(container, &tls);
}

/* What is in options, but for what place replaces. */
static void add_options(struct strbuf *text, const PQconninfoOption *options,
                        const struct container_address *place)
{
    for (; options->keyword; options++) {
        if (is_set(options->val) && !(place->host && strcmp(options->keyword, "port") == 0))
            conninfo_add(text, options->keyword, options->val);
    }
}

/* NULL: *error. */
static char *merged_conninfo(const struct postgres_config *config, const char *given,
                             const struct container *container, const struct container_login *login,
                             const struct engine_info *engine, unsigned attempt, char **error)
{
    PQconninfoOption *options = PQconninfoParse(given, NULL);
    struct container_address place = {0};
    struct strbuf text = secret_text(1024 + 4 * strlen(given) + 2 * length(login->user) +
                                     2 * length(login->password) + 2 * length(container->database));

    *error = NULL;
    if (!options)
        *error = conninfo_error(given);
    else if (conninfo_value(options, "service"))
        strbuf_adds(&text, given);
    else if (names_host(options) || choose(container, engine, config->network,
                                           port_of(options, container), attempt, &place, error)) {
        if (place.host)
            add_place(&text, &place);
        add_options(&text, options, &place);
        add_login(&text, config, options, container, login);
    }
    PQconninfoFree(options);
    free(place.host);
    if (!*error)
        return strbuf_take(&text);
    strbuf_free(&text);
    return NULL;
}

bool container_bars_password(const struct postgres_config *config)
{
    PQconninfoOption *options = PQconninfoParse(config->conninfo, NULL), *at = options;
    bool bars = false;

    for (; at && at->keyword; at++)
        bars |= strcmp(at->keyword, "password") == 0 && at->val && !*at->val;
    PQconninfoFree(options);
    return bars && !is_set(config->env_file);
}

bool container_locate_postgres(struct postgres_config *config, const struct container *container,
                               const struct container_login *login,
                               const struct engine_info *engine, const char *socket,
                               unsigned attempt, char **error)
{
    char *text = merged_conninfo(config, config->given ? config->given : config->conninfo,
                                 container, login, engine, attempt, error);

    if (!text)
        return false;
    if (!config->given)
        config->given = mem_strdup(config->conninfo);
    replace(&config->conninfo, text, &config->retired);
    replace(&config->exec_prefix, exec_prefix(container, socket), &config->retired);
    return true;
}

/* ---- Redis ---- */

/* What a URL says of where it is, before redis_url_parse puts the usual values in. */
struct named_place {
    bool host, port;
};

static struct named_place named_in_url(const char *url)
{
    const char *scheme = strstr(url, "://"), *start = scheme ? scheme + 3 : url;
    const char *end = start + strcspn(start, "/?");
    const char *at = memrchr(start, '@', (size_t)(end - start));

    if (at)
        start = at + 1;
    if (start[0] == ':' && start[1] != ':')
        return (struct named_place){.port = start + 1 < end};
    return (struct named_place){.host = start < end};
}

/* What cannot be read is not the container's to mend. */
bool container_conninfo_has_place(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool has = !options || conninfo_value(options, "host") || conninfo_value(options, "hostaddr") ||
               conninfo_value(options, "service");

    PQconninfoFree(options);
    return has;
}

bool container_url_has_place(const char *url)
{
    struct redis_address address;
    char *error = NULL;
    bool has;

    if (!redis_url_parse(url, &address, &error)) {
        free(error);
        return true;
    }
    has = address.path || named_in_url(url).host;
    redis_address_free(&address);
    return has;
}

static void add_percent(struct strbuf *text, const char *s)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~", *s))
            strbuf_addc(text, *s);
        else
            strbuf_addf(text, "%%%02X", (unsigned char)*s);
    }
}

static char *url_of(const struct redis_address *address)
{
    struct strbuf text = secret_text(256 + 3 * length(address->user) +
                                     3 * length(address->password) + length(address->host));

    strbuf_adds(&text, address->tls ? "rediss://" : "redis://");
    if (address->user)
        add_percent(&text, address->user);
    if (address->password) {
        strbuf_addc(&text, ':');
        add_percent(&text, address->password);
    }
    if (address->user || address->password)
        strbuf_addc(&text, '@');
    strbuf_addf(&text, strchr(address->host, ':') ? "[%s]:%d" : "%s:%d", address->host,
                address->port);
    if (address->db)
        strbuf_addf(&text, "/%d", address->db);
    return strbuf_take(&text);
}

/* "default" is who logs in without a name. */
static bool is_same_user(const char *one, const char *other)
{
    return strcmp(is_set(one) ? one : "default", is_set(other) ? other : "default") == 0;
}

/* False: nothing was added. */
static bool take_login(struct redis_address *address, const struct redis_config *config,
                       const struct container_login *login)
{
    const bool user = !address->user && is_set(login->user);
    const bool password = !is_set(config->env_file) && is_set(login->password);

    if (address->password || (address->user && !is_same_user(address->user, login->user)))
        return false;
    if (user)
        address->user = mem_strdup(login->user);
    if (password)
        address->password = mem_strdup(login->password);
    return user || password;
}

static bool take_place(struct redis_address *address, struct named_place named,
                       const struct redis_config *config, const struct container *container,
                       const struct engine_info *engine, unsigned attempt, char **error)
{
    struct container_address place;
    const int port = container_inner_port(container, &address->tls);

    if (!choose(container, engine, config->network, named.port ? address->port : port, attempt,
                &place, error))
        return false;
    free(address->host);
    address->host = place.host;
    address->port = place.port;
    return true;
}

/* NULL: *error. */
static char *merged_url(const struct redis_config *config, const char *given,
                        const struct container *container, const struct container_login *login,
                        const struct engine_info *engine, unsigned attempt, char **error)
{
    const struct named_place named = named_in_url(given);
    struct redis_address address;
    char *url = NULL;

    if (!redis_url_parse(given, &address, error))
        return NULL;
    if (address.path || named.host) {
        const bool added = !address.path && take_login(&address, config, login);

        url = added ? url_of(&address) : mem_strdup(given);
    } else if (take_place(&address, named, config, container, engine, attempt, error)) {
        take_login(&address, config, login);
        url = url_of(&address);
    }
    redis_address_free(&address);
    return url;
}

bool container_locate_redis(struct redis_config *config, const struct container *container,
                            const struct container_login *login, const struct engine_info *engine,
                            const char *socket, unsigned attempt, char **error)
{
    char *url = merged_url(config, config->given ? config->given : config->url, container, login,
                           engine, attempt, error);

    if (!url)
        return false;
    if (!config->given)
        config->given = mem_strdup(config->url);
    replace(&config->url, url, &config->retired);
    replace(&config->exec_prefix, exec_prefix(container, socket), &config->retired);
    return true;
}

/* ---- known or not ---- */

bool container_places_postgres(const struct postgres_config *config)
{
    return config->container &&
           !container_conninfo_has_place(config->given ? config->given : config->conninfo);
}

bool container_places_redis(const struct redis_config *config)
{
    return config->container &&
           !container_url_has_place(config->given ? config->given : config->url);
}

static bool is_known(const char *container, bool known, char **error)
{
    if (!known)
        *error = mem_printf("where the container %s is is not known (yet)", container);
    return known;
}

bool container_postgres_is_known(const struct postgres_config *config, char **error)
{
    const bool known = config->given || !container_places_postgres(config);

    return is_known(config->container, known, error);
}

bool container_redis_is_known(const struct redis_config *config, char **error)
{
    return is_known(config->container, config->given || !container_places_redis(config), error);
}

/* ---- discovery ---- */

const char *container_add_instance(struct config *config, const struct container *container)
{
    const char *known = is_set(container->name) ? container->name : container->id;
    char *name = config_free_name(config, mem_strdup(known));

    if (container->service == SERVICE_POSTGRES) {
        struct postgres_config *postgres = config_append_postgres(config);

        postgres->name = name;
        postgres->container = mem_strdup(known);
    } else {
        struct redis_config *redis = config_append_redis(config);

        redis->name = name;
        redis->container = mem_strdup(known);
    }
    return name;
}
