/* `sharedtop config init`: a commented configuration from the containers that were found. */
#ifndef BACKEND_CONTAINER_INIT_H
#define BACKEND_CONTAINER_INIT_H

#include "backend/base/strbuf.h"
#include "backend/container_data.h"

/* Pure. A file that config_load takes without a fault: every service that runs, with what its
 * container tells (network, OOM score, data), environments by the usual patterns as comments; no
 * secrets. containers may have none: then the local servers as comments. */
void container_init_text(const struct containers *containers, struct strbuf *out);

/* Pure. What was found and where, some lines that a terminal may show. */
void container_init_summary(const struct containers *containers, struct strbuf *out);

/* Looks for the engine (some seconds at most) and writes the text to path ("-": stdout; NULL: the
 * place where it is looked for, its folders made), mode 0600, never over a file that exists. What
 * was found goes to stdout (for "-" to stderr). The exit status; errors go to stderr. */
int container_init(const char *docker_host, const char *path);

#endif
