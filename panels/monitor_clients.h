/* The clients of a Redis' unix socket: MONITOR gives all of them one address, so somebody must choose. */
#ifndef PANELS_MONITOR_CLIENTS_H
#define PANELS_MONITOR_CLIENTS_H

#include "backend/base/strbuf.h"
#include "backend/monitor_names.h"
#include "tui/app.h"

#include <stdbool.h>

/* Is it what MONITOR calls them ("unix:PATH")? */
bool monitor_is_local(const char *address);

/* Adds a line for each that is known and none of ours to a text for the screen. */
void monitor_add_locals(const struct monitor_names *names, const char *address,
                        struct strbuf *text);

struct monitor_choice;

/* Opens a list of them. chosen gets the client as "ID ADDRESS". NULL: none is known. The caller frees it,
 * when no overlay is open any more. */
struct monitor_choice *monitor_choice_open(struct app *app, const struct monitor_names *names,
                                           const char *address,
                                           void (*chosen)(void *context, const char *client),
                                           void *context);
void monitor_choice_free(struct monitor_choice *choice);

#endif
