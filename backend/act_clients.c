#include "backend/act_clients.h"

#include "backend/redis_link.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
    char host[CLIENTS_HOST_SIZE]; /* "": local */
    char flags[32], name[64];
    int db;
};

void client_field(const char *line, size_t len, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);

    out[0] = '\0';
    for (const char *at = line; at < line + len;) {
        const char *space = memchr(at, ' ', (size_t)(line + len - at));
        size_t word = (size_t)((space ? space : line + len) - at);

        if (word > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
            if (word - name_len - 1 < size)
                snprintf(out, size, "%.*s", (int)(word - name_len - 1), at + name_len + 1);
            return;
        }
        at += word + 1;
    }
}

static bool is_local(const char *host)
{
    return host[0] == '/' || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0 ||
           strncmp(host, "[::ffff:127.", 12) == 0;
}

/* False: a line that does not count. */
static bool read_line(const char *text, size_t len, struct line *line)
{
    char db[16], *colon;

    client_field(text, len, "addr", line->host, sizeof(line->host));
    client_field(text, len, "flags", line->flags, sizeof(line->flags));
    client_field(text, len, "name", line->name, sizeof(line->name));
    client_field(text, len, "db", db, sizeof(db));
    line->db = (int)strtol(db, NULL, 10);
    colon = strrchr(line->host, ':');
    if (colon)
        *colon = '\0';
    if (is_local(line->host))
        line->host[0] = '\0';
    return db[0] && strcmp(line->name, REDIS_CLIENT_NAME) != 0 && !strpbrk(line->flags, "SM");
}

static bool has_host(const struct clients *clients, const char *host)
{
    for (size_t i = 0; i < clients->host_count; i++) {
        if (strcmp(clients->hosts[i], host) == 0)
            return true;
    }
    return false;
}

static void add_client(struct clients *clients, const struct line *line)
{
    clients->count++;
    if (!line->host[0])
        clients->local++;
    else if (!has_host(clients, line->host) && clients->host_count < CLIENTS_HOSTS)
        snprintf(clients->hosts[clients->host_count++], CLIENTS_HOST_SIZE, "%s", line->host);
}

static bool is_production(const struct redis_config *config, int db)
{
    const struct redis_db_config *named = redis_database(config, db);

    return !named || named->environment == ENV_PRODUCTION || named->environment == ENV_UNKNOWN;
}

static void check_shared(struct clients *clients, const struct line *line)
{
    if (clients->shared[0] || !line->host[0] || !has_host(clients, line->host))
        return;
    snprintf(clients->shared, sizeof(clients->shared), "%s", line->host);
    clients->shared_db = line->db;
}

void clients_read(const char *text, size_t len, int db, const struct redis_config *config,
                  struct clients *clients)
{
    *clients = (struct clients){.shared_db = -1};
    for (int pass = 0; pass < 2; pass++) {
        for (const char *at = text; at < text + len;) {
            const char *end = memchr(at, '\n', (size_t)(text + len - at));
            size_t size = (size_t)((end ? end : text + len) - at);
            struct line line;

            at += size + 1;
            if (!read_line(at - size - 1, size, &line))
                continue;
            if (pass == 0 && line.db == db)
                add_client(clients, &line);
            else if (pass == 1 && line.db != db && is_production(config, line.db))
                check_shared(clients, &line);
        }
    }
}
