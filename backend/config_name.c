#include "backend/config_internal.h"

#include "backend/base/mem.h"
#include "backend/redis_url.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Longer words are near to nothing. */
enum { WORD_MAX = 48 };

static const char *const environment_names[] = {
    [ENV_UNKNOWN] = "unknown",
    [ENV_PRODUCTION] = "production",
    [ENV_STAGING] = "staging",
    [ENV_DEV] = "dev",
};

static const char *const alert_names[ALERT_NAMES] = {
    [ALERT_POSTGRES_DOWN] = "PostgresDown",
    [ALERT_POSTGRES_CONNECTIONS_HIGH] = "PostgresConnectionsHigh",
    [ALERT_REDIS_DOWN] = "RedisDown",
    [ALERT_REDIS_MEMORY_HIGH] = "RedisMemoryHigh",
    [ALERT_REDIS_EVICTING] = "RedisEvicting",
    [ALERT_REDIS_SAVE_FAILING] = "RedisSaveFailing",
    [ALERT_LONG_QUERY] = "LongQuery",
    [ALERT_IDLE_IN_TRANSACTION] = "IdleInTransaction",
    [ALERT_BLOCKED_SESSIONS] = "BlockedSessions",
};

const char *environment_name(enum environment environment)
{
    return environment_names[environment];
}

bool environment_parse(const char *text, enum environment *environment)
{
    enum environment e;

    for (e = ENV_PRODUCTION; e <= ENV_DEV; e++) {
        if (!strcmp(text, environment_names[e])) {
            *environment = e;
            return true;
        }
    }
    return false;
}

const char *alert_name_text(enum alert_name name)
{
    return alert_names[name];
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static int lower(char c)
{
    return tolower((unsigned char)c);
}

/* Insertions, deletions, changes and swaps of neighbours that make a into b; case does not count. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2], *oldest;
    size_t i, j, width = strlen(b);

    for (j = 0; j <= width; j++)
        before[j] = above[j] = j;
    for (i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (j = 1; j <= width; j++) {
            bool equal = lower(a[i - 1]) == lower(b[j - 1]);

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !equal);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[width];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    size_t i, length = strlen(word);
    size_t best = length < 4 ? 2 : length < 8 ? 3 : 4; /* must be less than this */
    const char *nearest = NULL;

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (i = 0; i < count; i++) {
        size_t d = strlen(names[i]) > WORD_MAX ? best : distance(word, names[i]);

        if (length > 1 && d > 0 && !strncasecmp(word, names[i], length))
            d = 1;
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

const char *conninfo_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (!strcmp(options->keyword, keyword))
            return options->val && *options->val ? options->val : NULL;
    }
    return NULL;
}

static const char *environment_value(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* The first of the places that names a server, in libpq's order. */
static const char *postgres_host(const PQconninfoOption *options)
{
    const char *host = conninfo_value(options, "host");

    if (!host)
        host = conninfo_value(options, "hostaddr");
    if (!host && !conninfo_value(options, "service") && !environment_value("PGSERVICE"))
        host = environment_value("PGHOST");
    return host;
}

char *postgres_default_name(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *host = postgres_host(options);
    const char *service = conninfo_value(options, "service");
    const char *port = conninfo_value(options, "port");
    char *name;

    if (!service)
        service = environment_value("PGSERVICE");
    if (!port)
        port = environment_value("PGPORT");
    if (!host && service)
        name = mem_strdup(service);
    else
        name = mem_printf(host && strchr(host, ':') ? "[%s]:%s" : "%s:%s", host ? host : "local",
                          port ? port : "5432");
    PQconninfoFree(options);
    return name;
}

const char *redis_effective_url(const char *url)
{
    const char *fallback = environment_value("REDIS_URL");

    return *url ? url : fallback ? fallback : "127.0.0.1:6379";
}

char *redis_default_name(const char *url)
{
    struct redis_address address;
    char *error = NULL, *name;

    url = redis_effective_url(url);
    if (!redis_url_parse(url, &address, &error)) {
        free(error);
        return mem_strdup("redis");
    }
    name = redis_address_text(&address);
    redis_address_free(&address);
    return name;
}

static bool is_taken(const struct config *config, const char *name)
{
    size_t i;

    for (i = 0; i < config->postgres_count; i++) {
        if (config->postgres[i].name && !strcmp(config->postgres[i].name, name))
            return true;
    }
    for (i = 0; i < config->redis_count; i++) {
        if (config->redis[i].name && !strcmp(config->redis[i].name, name))
            return true;
    }
    return false;
}

char *config_free_name(const struct config *config, char *name)
{
    char *numbered = mem_strdup(name);
    unsigned n;

    for (n = 2; is_taken(config, numbered); n++) {
        free(numbered);
        numbered = mem_printf("%s#%u", name, n);
    }
    free(name);
    return numbered;
}
