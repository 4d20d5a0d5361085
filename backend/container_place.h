/* How an instance that is a container is reached: its address on a network, or its published port,
 * and the login of its environment, merged into the instance's settings. */
#ifndef BACKEND_CONTAINER_PLACE_H
#define BACKEND_CONTAINER_PLACE_H

#include "backend/config.h"
#include "backend/container_data.h"

#include <stdbool.h>

struct container_address {
    char *host;
    int port;
    char *way; /* "network backend", "published port": for messages */
};

/* Pure: the addresses to be tried, the likeliest first: the named network ("backend" is also the
 * "PROJECT_backend" of a compose project; NULL: each, in the order of their names), then published
 * ports; only those where the engine's bridges cannot be reached. The port inside is the
 * one that the command names, else the service's usual one. Count 0: *error is one line with the
 * mend. The caller frees them with container_addresses_free. */
size_t container_addresses(const struct container *container, const struct engine_info *engine,
                           const char *network, struct container_address **addresses, char **error);
void container_addresses_free(struct container_address *addresses, size_t count);

/* Makes the instance's conninfo (url) the configured one with the address number attempt (modulo
 * their count), and with user, password and database of login where the configuration names none:
 * an env_file or a passfile counts as a password, and the password of one user is not taken for
 * another. A server that only its container names gets no password of libpq's environment or ~/.pgpass
 * either: those are for somebody else. What is configured goes before: a host (of conninfo or url) stays, and libpq's
 * environment and ~/.pgpass then count too; with a service nothing is added; a port is the one
 * inside. exec_prefix becomes how a program is run inside. The texts that were there stay allocated
 * until config_free, since jobs' threads may be reading them. False: *error (the caller frees it),
 * and the settings are as before. */
bool container_locate_postgres(struct postgres_config *config, const struct container *container,
                               const struct container_login *login,
                               const struct engine_info *engine, const char *socket,
                               unsigned attempt, char **error);
bool container_locate_redis(struct redis_config *config, const struct container *container,
                            const struct container_login *login, const struct engine_info *engine,
                            const char *socket, unsigned attempt, char **error);

/* Whether a configured url says itself where the Redis is, a host or a socket: "redis:///3" does not,
 * and is nowhere while its container is not known. */
bool container_url_has_place(const char *url);

/* The same of a conninfo: host, hostaddr or service. */
bool container_conninfo_has_place(const char *conninfo);

/* Whether the instance is where its container is, since nothing else says where. */
bool container_places_postgres(const struct postgres_config *config);
bool container_places_redis(const struct redis_config *config);

/* False, with *error (the caller frees it): the container that tells where the instance is was not
 * found yet. conninfo and url are not to be used then: what they would lead to is another server. */
bool container_postgres_is_known(const struct postgres_config *config, char **error);
bool container_redis_is_known(const struct redis_config *config, char **error);

/* Whether the server gets no password, that of the environment (PGPASSWORD) included. */
bool container_bars_password(const struct postgres_config *config);

/* Adds an instance for a container that no instance names (SERVICE_POSTGRES or SERVICE_REDIS) to
 * config and returns its name; its address comes with container_locate_*. */
const char *container_add_instance(struct config *config, const struct container *container);

#endif
