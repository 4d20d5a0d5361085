/* Who is connected to a Redis database, from CLIENT LIST. Pure. */
#ifndef BACKEND_ACT_CLIENTS_H
#define BACKEND_ACT_CLIENTS_H

#include "backend/config.h"

#include <stddef.h>

enum { CLIENTS_HOSTS = 64, CLIENTS_HOST_SIZE = 64 };

/* Our own connections, replicas and masters do not count. */
struct clients {
    size_t count; /* connections to the database */
    size_t local; /* of them by a unix socket or the loopback */
    size_t host_count;
    char hosts[CLIENTS_HOSTS][CLIENTS_HOST_SIZE]; /* of the others, each once */
    char shared[CLIENTS_HOST_SIZE]; /* one of hosts that is connected to … too; "": none */
    int shared_db;                  /* … a production (or unnamed) database */
};

/* Reads the answer to CLIENT LIST, for db. */
void clients_read(const char *text, size_t len, int db, const struct redis_config *config,
                  struct clients *clients);

/* Pure: the value of " name=" in a line of CLIENT LIST; "" when it is not there or too long. */
void client_field(const char *line, size_t len, const char *name, char *out, size_t size);

#endif
