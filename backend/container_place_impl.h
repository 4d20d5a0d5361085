/* What the parts of container_place*.c share. */
#ifndef BACKEND_CONTAINER_PLACE_IMPL_H
#define BACKEND_CONTAINER_PLACE_IMPL_H

#include "backend/container_place.h"

/* The port that the service listens on inside, as its command says, else the usual one; 0: the
 * command says that it listens on none. *tls: the one for TLS is wanted; set when it is the only
 * one. */
int container_inner_port(const struct container *container, bool *tls);

/* container_addresses, for a port inside that is known. */
size_t container_addresses_of(const struct container *container, const struct engine_info *engine,
                              const char *network, int port, struct container_address **addresses,
                              char **error);

#endif
