/* The command line, the configuration file and the environment as the one struct config that the
 * program runs with. Reads files; prints and connects nothing. */
#ifndef BACKEND_SETUP_H
#define BACKEND_SETUP_H

#include "backend/config.h"
#include "backend/instance.h"
#include "backend/options.h"

/* The file that counts: of `config check FILE`, else --config, else the first that config_find
 * finds; NULL: none. The caller frees it. */
char *setup_path(const struct options *options);

/* What the program runs with. --postgres and --redis replace the file's list of their own kind.
 * When neither they nor the file name an instance of either kind, config->discover is set: the backend
 * looks for containers, and setup_defaults is for what it does not find. With containers = false both
 * kinds get their default at once. NULL when the faults hold one
 * that is not a warning. Free with config_free. */
struct config *setup_config(const struct options *options, struct config_faults *faults);

/* The default of a kind: libpq's defaults and environment, or $REDIS_URL or 127.0.0.1:6379. */
void setup_default_postgres(struct config *config);
void setup_default_redis(struct config *config);

/* True if the environment names a server of that kind, or one seems to listen at its usual place on this
 * host. Reads files of /proc and looks for a socket; connects nothing. */
bool setup_seems_local(enum instance_kind kind);

#endif
