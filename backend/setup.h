/* The command line, the configuration file and the environment as the one struct config that the
 * program runs with. Reads files; prints and connects nothing. */
#ifndef BACKEND_SETUP_H
#define BACKEND_SETUP_H

#include "backend/config.h"
#include "backend/options.h"

/* The file that counts: of `config check FILE`, else --config, else the first that config_find
 * finds; NULL: none. The caller frees it. */
char *setup_path(const struct options *options);

/* What the program runs with. --postgres and --redis replace the file's list of their own kind.
 * When neither they nor the file name an instance of either kind, both kinds get their default:
 * libpq's defaults and environment, and $REDIS_URL or 127.0.0.1:6379. NULL when the faults hold one
 * that is not a warning. Free with config_free. */
struct config *setup_config(const struct options *options, struct config_faults *faults);

#endif
